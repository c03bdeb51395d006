//! The sentences of an explanation. Words for operators and support, in English; the slugs beside them are for programs.

use crate::domain::{Currency, Minor, ReminderResult, StateName, Status, Told, Why, Withheld};
use crate::engine::Explanation;

/// What a why means, to go on from "because".
pub const fn because(why: Why) -> &'static str {
    match why {
        Why::Purchased => "it was bought",
        Why::PaymentPending => "a payment for it is on its way",
        Why::ShopperReturned => "the shopper is back",
        Why::Dismissed => "the shopper said no to this cart",
        Why::OptedOut => "the person wants no reminders",
        Why::Merged => "it lives on in another cart",
        Why::Erased => "it was erased",
        Why::Expired => "its retention is over",
        Why::Stale => "it is too late to be of use",
        Why::Superseded => "something later took its place",
        Why::BeforeActivation => "it was abandoned before the shop was switched on",
        Why::NoContact => "there is no address for this channel",
        Why::NoConsent => "there is no consent for this channel",
        Why::NoItems => "the cart is empty",
        Why::NoCheckoutUrl => "the storefront gave no address to come back to",
        Why::NoEndpoint => "no endpoint wants it",
        Why::EndpointRemoved => "its endpoint is no longer configured",
        Why::EndpointPaused => "its endpoint is paused",
        Why::TestCart => "it is a test",
        Why::FraudSuspected => "the payment was suspected of fraud",
        Why::EndpointGone => "the endpoint said that it is gone",
        Why::Rejected => "the endpoint will never take it",
        Why::RetriesExhausted => "every retry failed",
        Why::PayloadTooLarge => "it does not fit into a webhook",
        Why::EndpointFailing => "the endpoint did nothing but fail",
        Why::Unreadable => "its record cannot be read",
        Why::QuietHours => "it is night where the shopper is",
        Why::FrequencyCap => "the person was reminded often enough",
        Why::Holdout => "the person is in the holdout, so that it can be seen what reminders do",
        Why::OutOfStock => "a line of the cart is not to be had",
        Why::ConditionsNotMet => "the step is for other carts",
        Why::Bot => "it is a crawler's",
        Why::Staff => "it is the shop's own",
        Why::PaymentFailed => "the payment failed",
        Why::OrderCancelled => "the order was cancelled or refunded",
    }
}

/// What it means that an incentive was withheld, to go on from "because".
pub const fn withheld_because(why: Withheld) -> &'static str {
    match why {
        Withheld::JustBrowsing => "the shopper was only looking",
        Withheld::BoughtBefore => "the person buys anyway",
        Withheld::PersonCap => "the person got as many as there are for one",
        Withheld::CodesExhausted => "every code of its list is used",
    }
}

/// An amount as people write it: `44.88 EUR`.
pub fn amount(value: Minor, currency: Currency) -> String {
    let digits = usize::try_from(currency.digits()).unwrap_or_default();
    let text = format!("{:0>width$}", value.get(), width = digits + 1);
    let (whole, part) = text.split_at(text.len() - digits);
    if part.is_empty() { format!("{whole} {}", currency.code()) } else { format!("{whole}.{part} {}", currency.code()) }
}

/// The name of a step, while the program has it.
pub fn step_name(explanation: &Explanation, index: u32) -> String {
    let known = explanation.steps.iter().find(|(known, _)| *known == index);
    known.map_or_else(|| format!("no. {}", index + 1), |(_, name)| name.to_string())
}

/// The whole of it in one sentence.
pub fn summary(explanation: &Explanation) -> String {
    let cart = &explanation.cart;
    let sent = explanation.letters.iter().filter_map(crate::store::Letter::as_it_stands);
    let sent = sent.filter(|delivery| delivery.is_reminder() && delivery.status == Status::Delivered).count();
    let last_no = cart.trail.story.iter().rev().find_map(|entry| {
        let Told::Reminder { result: ReminderResult::Suppressed, why, .. } = entry.what else { return None };
        why
    });
    let reminders = match sent {
        0 => "no reminder was sent".to_owned(),
        1 => "one reminder was sent".to_owned(),
        count => format!("{count} reminders were sent"),
    };
    let state = match cart.state.name() {
        StateName::Active if cart.abandonments == 0 => "The shopper is at it, or may be",
        StateName::Active => "The shopper came back",
        StateName::Abandoned => "The cart is abandoned",
        StateName::PaymentPending => "An order was placed and its payment is on its way",
        StateName::Converted => "The cart was bought",
        StateName::Reverted => "The cart was bought, and the order taken back",
        StateName::Dismissed => "The shopper said no",
        StateName::OptedOut => "The person wants no reminders",
        StateName::Suppressed => "The cart is never reminded of",
        StateName::Merged => "The cart lives on in another one",
        StateName::Expired => "The cart's retention is over",
        StateName::Erased => "The cart was erased",
    };
    match last_no {
        Some(why) => format!("{state}; {reminders}; the last that was not: {}.", because(why)),
        None => format!("{state}; {reminders}."),
    }
}

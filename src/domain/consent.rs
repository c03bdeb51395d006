//! Consent: whether a shopper may be written to on a channel, by the rule that the merchant chose.
//!
//! Evidence comes with the cart (channel, status, basis, when, where); a preset says what evidence is enough. A refusal
//! is final under every preset. This is a rule of thumb for merchants, not legal advice: docs/programs.md says what each
//! preset is made for. Opt-outs are of the person (`domain/note.rs`) and outrank all of it.

use std::time::Duration;

use super::content::{Channel, ConsentStatus, Content};
use super::names::named;
use super::person::Person;
use super::quiet::{ClockTime, QuietHours};

named! {
    /// What evidence is enough to be reminded.
    pub enum ConsentPreset {
        /// Consent for the channel; of an existing customer the record that they were shown how to object is enough.
        Strict = "strict",
        /// The same, and existing customers who did not object.
        SoftOptIn = "soft_opt_in",
        /// Text messages by consent, one for a cart in 48 hours, from 8:00 to 20:00; other channels unless refused.
        SmsUs = "sms_us",
    }
}

/// Bases that stand for "an existing customer, who was shown how to object": Directive 2002/58/EC, article 13(2).
const CUSTOMER_BASES: [&str; 2] = ["existing_customer", "soft_opt_in"];

/// Whether the evidence is enough.
#[must_use]
pub fn allows(preset: ConsentPreset, content: &Content, person: &Person, channel: Channel) -> bool {
    let is_customer = || person.is_customer(&content.shopper);
    let last = content.consent.iter().rev().find(|entry| entry.channel == channel);
    match last {
        Some(entry) if entry.status != ConsentStatus::Granted => false,
        Some(entry) => !entry.basis.as_deref().is_some_and(|b| CUSTOMER_BASES.contains(&b)) || is_customer(),
        None => match preset {
            ConsentPreset::Strict => false,
            ConsentPreset::SoftOptIn => is_customer(),
            ConsentPreset::SmsUs => !is_text(channel),
        },
    }
}

/// In how long a span a cart gets one message on this channel.
#[must_use]
pub const fn cart_cap(preset: ConsentPreset, channel: Channel) -> Option<Duration> {
    match preset {
        ConsentPreset::SmsUs if is_text(channel) => Some(Duration::from_hours(48)),
        ConsentPreset::SmsUs | ConsentPreset::Strict | ConsentPreset::SoftOptIn => None,
    }
}

/// When a channel is silent whatever the program says.
#[must_use]
pub const fn quiet_hours(preset: ConsentPreset, channel: Channel) -> Option<QuietHours> {
    match preset {
        ConsentPreset::SmsUs if is_text(channel) => {
            Some(QuietHours { from: ClockTime::new(20, 0), to: ClockTime::new(8, 0) })
        }
        ConsentPreset::SmsUs | ConsentPreset::Strict | ConsentPreset::SoftOptIn => None,
    }
}

const fn is_text(channel: Channel) -> bool {
    matches!(channel, Channel::Sms | Channel::WhatsApp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Consent, Covers, Currency, Moment, OrderId, PurchaseMark};

    fn content(entries: &[(Channel, ConsentStatus, Option<&str>)]) -> Content {
        let entry = |(channel, status, basis): &(Channel, ConsentStatus, Option<&str>)| Consent {
            channel: *channel,
            status: *status,
            basis: basis.map(str::to_owned),
            at: None,
            source: None,
        };
        let consent = entries.iter().map(entry).collect();
        Content { consent, ..Content::empty(Currency::parse("EUR").expect("a code")) }
    }

    fn customer() -> Person {
        let order = OrderId::parse("o").expect("an id");
        let placed_at = Moment::from_millis(0);
        Person {
            marks: vec![PurchaseMark { order, placed_at, covers: Covers::Everything, paid: true }],
            ..Person::nobody()
        }
    }

    #[test]
    fn each_preset_asks_for_its_evidence() {
        use Channel::{Email, Sms};
        use ConsentPreset::{SmsUs, SoftOptIn, Strict};
        use ConsentStatus::{Denied, Granted, Withdrawn};
        let silent: &[_] = &[];
        let yes: &[_] = &[(Email, Granted, None), (Sms, Granted, Some("opt_in"))];
        let changed_mind: &[_] = &[(Email, Granted, None), (Email, Withdrawn, None), (Sms, Denied, None)];
        let shown: &[_] = &[(Email, Granted, Some("existing_customer")), (Sms, Granted, Some("soft_opt_in"))];
        // (preset, evidence, a stranger by mail, a stranger by text, a customer by mail, a customer by text)
        let table = [
            (Strict, silent, [false, false, false, false]),
            (Strict, yes, [true, true, true, true]),
            (Strict, changed_mind, [false, false, false, false]),
            (Strict, shown, [false, false, true, true]),
            (SoftOptIn, silent, [false, false, true, true]),
            (SoftOptIn, changed_mind, [false, false, false, false]),
            (SmsUs, silent, [true, false, true, false]),
            (SmsUs, yes, [true, true, true, true]),
            (SmsUs, changed_mind, [false, false, false, false]),
        ];
        for (preset, evidence, expected) in table {
            let content = content(evidence);
            let may = |person: &Person, channel| allows(preset, &content, person, channel);
            let (stranger, customer) = (Person::nobody(), customer());
            let found = [may(&stranger, Email), may(&stranger, Sms), may(&customer, Email), may(&customer, Sms)];
            assert_eq!(found, expected, "{preset} {evidence:?}");
        }
    }
}

//! Codes: how a member of a closed set is stored, as its place in the set.
//!
//! Append-only: a member keeps its code for ever, so a new one goes to the end of its set, and where it cannot (the
//! order means something) the set gets an explicit table here. A test pins every code.

use crate::domain::{
    Applied, Attribution, Channel, ConsentStatus, EventKind, OrderKind, OrderStatus, OutcomeName, Page, PaymentClass,
    ReasonCode, ReasonSource, ReminderResult, Stage, StateName, Why, Withheld,
};

/// A member of a closed set, and the number that stands for it in records.
pub trait Coded: Copy + 'static {
    /// Every member; a member's place is its code.
    const MEMBERS: &'static [Self];

    /// The member with this code.
    fn from_code(code: u8) -> Option<Self> {
        Self::MEMBERS.get(usize::from(code)).copied()
    }

    /// The number that stands for this member.
    fn code(self) -> u8;
}

/// Reads a part that may be absent; the outer nothing says that it is there and unreadable.
#[expect(clippy::option_option, reason = "absent and unreadable are two things")]
pub fn known<R, T>(part: Option<R>, read: impl FnOnce(R) -> Option<T>) -> Option<Option<T>> {
    match part {
        Some(part) => read(part).map(Some),
        None => Some(None),
    }
}

macro_rules! coded {
    ($($set:ident),+ $(,)?) => {$(
        impl Coded for $set {
            const MEMBERS: &'static [Self] = Self::ALL;

            fn code(self) -> u8 {
                self as u8
            }
        }
    )+};
}

coded!(
    Applied,
    Attribution,
    Channel,
    ConsentStatus,
    EventKind,
    OrderKind,
    OrderStatus,
    OutcomeName,
    Page,
    PaymentClass,
    ReasonCode,
    ReasonSource,
    ReminderResult,
    Stage,
    StateName,
    Why,
    Withheld,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_member_of_a_closed_set_ever_changes_its_code() {
        macro_rules! pins {
            ($($set:ident: $names:literal),+ $(,)?) => {$(
                let names: Vec<&str> = $set::ALL.iter().map(|member| member.as_str()).collect();
                assert_eq!(names.join(" "), $names, "{}: only append", stringify!($set));
                for member in $set::ALL {
                    assert_eq!($set::from_code(member.code()), Some(*member));
                }
            )+};
        }
        pins! {
            Applied: "applied stale closed",
            Attribution: "organic returned assisted clicked",
            Channel: "email sms push whatsapp",
            ConsentStatus: "granted denied withdrawn",
            EventKind: "cart.abandoned cart.reminder cart.resumed cart.recovered cart.converted cart.reverted cart.reason_recorded cart.dismissed cart.expired cart.opted_out endpoint.test endpoint.disabled shop.digest",
            OrderKind: "first repeat",
            OrderStatus: "pending failed paid cancelled refunded",
            OutcomeName: "success gone throttled rejected server_error redirected timed_out connect_failed tls_failed address_refused connection_lost",
            Page: "product size_guide returns shipping_info tracking privacy contact comparison",
            PaymentClass: "funds issuer_declined card_data authentication method_unsupported processing shopper_cancelled fraud_suspected",
            ReasonCode: "price_too_high price_comparison shipping_cost unexpected_total coupon_rejected delivery_time delivery_unavailable order_tracking product_info_unclear product_presentation limited_selection out_of_stock support_unavailable trust_security returns_policy payment_method_missing payment_declined payment_error technical_error account_required checkout_too_long just_browsing think_later other unknown",
            ReasonSource: "none inferred_soft inferred_hard agent reported",
            ReminderResult: "decided delivered dead suppressed deferred",
            Stage: "browse cart contact shipping payment",
            StateName: "active abandoned payment_pending converted reverted dismissed opted_out suppressed merged expired erased",
            Why: "purchased payment_pending shopper_returned dismissed opted_out merged erased expired stale superseded before_activation no_contact no_consent no_items no_checkout_url no_endpoint endpoint_removed endpoint_paused test_cart fraud_suspected endpoint_gone rejected retries_exhausted payload_too_large endpoint_failing unreadable quiet_hours frequency_cap holdout out_of_stock conditions_not_met bot staff payment_failed order_cancelled",
            Withheld: "just_browsing bought_before person_cap codes_exhausted",
        }
    }
}

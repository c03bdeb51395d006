//! What payment providers call a failure, and the class that it is of.
//!
//! The names are those of the providers' own lists: Stripe's decline codes, error codes and cancellation reasons; Adyen's
//! refusal reasons by text and by number, and the raw answers of the card schemes that Adyen hands on. Codes are compared
//! by their letters and digits alone, as `NotEnoughBalance` and `Not enough balance` are one. Towards shoppers a class is
//! never told: who tries stolen cards must not learn which of them are known.

use super::names::named;
use super::signal::PaymentClass;

named! {
    /// A payment provider whose codes we know.
    pub enum Provider {
        Stripe = "stripe",
        Adyen = "adyen",
    }
}

/// What a code was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classified {
    pub class: PaymentClass,
    /// Whether the code is on a list; otherwise the class is our guess by its words.
    pub is_listed: bool,
}

const STRIPE: &[(PaymentClass, &[&str])] = &[
    (PaymentClass::Funds, &["insufficient_funds", "withdrawal_count_limit_exceeded", "card_velocity_exceeded"]),
    (
        PaymentClass::IssuerDeclined,
        &[
            "generic_decline",
            "card_declined",
            "do_not_honor",
            "do_not_try_again",
            "call_issuer",
            "no_action_taken",
            "not_permitted",
            "restricted_card",
            "revocation_of_all_authorizations",
            "revocation_of_authorization",
            "service_not_allowed",
            "stop_payment_order",
            "transaction_not_allowed",
            "invalid_amount",
            "testmode_decline",
            "payment_method_provider_decline",
        ],
    ),
    (
        PaymentClass::CardData,
        &[
            "incorrect_number",
            "invalid_number",
            "incorrect_cvc",
            "invalid_cvc",
            "incorrect_zip",
            "postal_code_invalid",
            "incorrect_address",
            "invalid_expiry_month",
            "invalid_expiry_year",
            "expired_card",
            "incorrect_pin",
            "invalid_pin",
            "pin_try_exceeded",
            "invalid_account",
            "new_account_information_available",
        ],
    ),
    (
        PaymentClass::Authentication,
        &[
            "authentication_required",
            "authentication_not_handled",
            "payment_intent_authentication_failure",
            "offline_pin_required",
            "online_or_offline_pin_required",
        ],
    ),
    (
        PaymentClass::MethodUnsupported,
        &[
            "card_not_supported",
            "currency_not_supported",
            "payment_method_not_available",
            "payment_method_unsupported_type",
            "payment_method_currency_mismatch",
        ],
    ),
    (
        PaymentClass::Processing,
        &[
            "processing_error",
            "issuer_not_available",
            "try_again_later",
            "reenter_transaction",
            "approve_with_id",
            "duplicate_transaction",
            "payment_method_provider_timeout",
            "payment_intent_payment_attempt_failed",
        ],
    ),
    (
        PaymentClass::ShopperCancelled,
        &[
            "requested_by_customer",
            "abandoned",
            "payment_method_customer_decline",
            "payment_intent_payment_attempt_expired",
        ],
    ),
    (
        PaymentClass::FraudSuspected,
        &[
            "fraudulent",
            "lost_card",
            "stolen_card",
            "pickup_card",
            "merchant_blacklist",
            "security_violation",
            "highest_risk_level",
        ],
    ),
];

/// `refusalReasonCode`, `refusalReason`, class. A reason that goes by two names has two lines.
const ADYEN: &[(&str, &str, PaymentClass)] = &[
    ("2", "Refused", PaymentClass::IssuerDeclined),
    ("3", "Referral", PaymentClass::IssuerDeclined),
    ("4", "Acquirer Error", PaymentClass::Processing),
    ("5", "Blocked Card", PaymentClass::IssuerDeclined),
    ("6", "Expired Card", PaymentClass::CardData),
    ("7", "Invalid Amount", PaymentClass::Processing),
    ("8", "Invalid Card Number", PaymentClass::CardData),
    ("9", "Issuer Unavailable", PaymentClass::Processing),
    ("10", "Not supported", PaymentClass::MethodUnsupported),
    ("11", "3D Not Authenticated", PaymentClass::Authentication),
    ("11", "ThreeDNotAuthenticated", PaymentClass::Authentication),
    ("12", "Not enough balance", PaymentClass::Funds),
    ("14", "Acquirer Fraud", PaymentClass::FraudSuspected),
    ("15", "Cancelled", PaymentClass::ShopperCancelled),
    ("16", "Shopper Cancelled", PaymentClass::ShopperCancelled),
    ("17", "Invalid Pin", PaymentClass::CardData),
    ("18", "Pin tries exceeded", PaymentClass::CardData),
    ("19", "Pin validation not possible", PaymentClass::Processing),
    ("20", "FRAUD", PaymentClass::FraudSuspected),
    ("21", "Not Submitted", PaymentClass::Processing),
    ("22", "FRAUD-CANCELLED", PaymentClass::FraudSuspected),
    ("23", "Transaction Not Permitted", PaymentClass::IssuerDeclined),
    ("24", "CVC Declined", PaymentClass::CardData),
    ("25", "Restricted Card", PaymentClass::IssuerDeclined),
    ("26", "Revocation Of Auth", PaymentClass::IssuerDeclined),
    ("27", "Declined Non Generic", PaymentClass::IssuerDeclined),
    ("28", "Withdrawal amount exceeded", PaymentClass::Funds),
    ("29", "Withdrawal count exceeded", PaymentClass::Funds),
    ("31", "Issuer Suspected Fraud", PaymentClass::FraudSuspected),
    ("32", "AVS Declined", PaymentClass::CardData),
    ("33", "Card requires online pin", PaymentClass::Authentication),
    ("34", "No checking account available on Card", PaymentClass::MethodUnsupported),
    ("35", "No savings account available on Card", PaymentClass::MethodUnsupported),
    ("36", "Mobile pin required", PaymentClass::Authentication),
    ("37", "Contactless fallback", PaymentClass::Processing),
    ("38", "Authentication required", PaymentClass::Authentication),
    ("39", "RReq not received from DS", PaymentClass::Authentication),
    ("39", "RReqNotReceived", PaymentClass::Authentication),
    ("40", "Current AID is in Penalty Box.", PaymentClass::Processing),
    ("41", "CVM Required Restart Payment", PaymentClass::Authentication),
    ("42", "3DS Authentication Error", PaymentClass::Authentication),
    ("42", "ThreeDsAuthenticationError", PaymentClass::Authentication),
    ("43", "Online PIN required", PaymentClass::Authentication),
    ("44", "Try another interface", PaymentClass::Processing),
    ("45", "Chip downgrade mode", PaymentClass::Processing),
    // Too many tries of one card, which is no fraud: another method may well work.
    ("46", "Transaction blocked by Adyen to prevent excessive retry fees", PaymentClass::IssuerDeclined),
    ("46", "TransactionBlockedByAdyen", PaymentClass::IssuerDeclined),
];

/// The codes that the card schemes' raw answers begin with: `refusalReasonRaw` is such as `51 : Insufficient funds`.
const RAW: &[(PaymentClass, &[&str])] = &[
    (PaymentClass::Funds, &["51", "61", "65"]),
    (PaymentClass::IssuerDeclined, &["01", "02", "05", "12", "46", "57", "58", "62", "78", "93", "R0", "R1", "R3"]),
    (PaymentClass::CardData, &["14", "15", "54", "55", "75", "N7"]),
    (PaymentClass::Authentication, &["1A"]),
    (PaymentClass::Processing, &["03", "06", "13", "19", "30", "91", "92", "94", "96"]),
    (PaymentClass::FraudSuspected, &["04", "07", "41", "43", "59", "63"]),
];

/// Words by which a code of no list is guessed at. What may be fraud comes first: then nobody is reminded.
const WORDS: &[(PaymentClass, &[&str])] = &[
    (PaymentClass::FraudSuspected, &["fraud", "stolen", "lostcard", "pickup", "cardtesting", "blacklist", "highrisk"]),
    (PaymentClass::Funds, &["insufficient", "funds", "balance", "limitexceeded", "overlimit"]),
    (PaymentClass::Authentication, &["authenticat", "3ds", "threed", "securecode"]),
    (PaymentClass::MethodUnsupported, &["unsupported", "notsupported"]),
    (PaymentClass::CardData, &["expir", "cvc", "cvv", "number", "postal", "zip", "avs", "pin"]),
    (PaymentClass::Processing, &["timeout", "unavailable", "processing", "technical", "error", "tryagain"]),
    (PaymentClass::ShopperCancelled, &["cancel", "abandon", "abort"]),
];

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase())
}

fn same(one: &str, other: &str) -> bool {
    letters(one).eq(letters(other))
}

fn listed(table: &[(PaymentClass, &[&str])], code: &str) -> Option<PaymentClass> {
    table.iter().find(|(_, codes)| codes.iter().any(|known| same(known, code))).map(|(class, _)| *class)
}

fn of_adyen(code: &str) -> Option<PaymentClass> {
    let by_reason = ADYEN.iter().find(|(number, reason, _)| *number == code.trim() || same(reason, code));
    by_reason.map(|(.., class)| *class).or_else(|| {
        let (raw, _) = code.split_once(':')?;
        listed(RAW, raw.trim())
    })
}

/// The class of a provider's code. Without a provider the code is looked up in every list, Stripe's first; what is in none is guessed by
/// its words, and taken for a refusal by the bank when they say nothing.
#[must_use]
pub fn classify(provider: Option<Provider>, code: &str) -> Classified {
    let found = match provider {
        Some(Provider::Stripe) => listed(STRIPE, code),
        Some(Provider::Adyen) => of_adyen(code),
        None => listed(STRIPE, code).or_else(|| of_adyen(code)),
    };
    let guess = || {
        let plain: String = letters(code).collect();
        let by_word = WORDS.iter().find(|(_, words)| words.iter().any(|word| plain.contains(word)));
        by_word.map_or(PaymentClass::IssuerDeclined, |(class, _)| *class)
    };
    Classified { class: found.unwrap_or_else(guess), is_listed: found.is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(provider: Option<Provider>, code: &str, class: PaymentClass) {
        assert_eq!(classify(provider, code), Classified { class, is_listed: true }, "{provider:?} {code}");
    }

    #[test]
    fn a_code_is_of_the_class_that_its_provider_means() {
        for (code, class) in [
            ("insufficient_funds", PaymentClass::Funds),
            ("do_not_honor", PaymentClass::IssuerDeclined),
            ("expired_card", PaymentClass::CardData),
            ("authentication_required", PaymentClass::Authentication),
            ("currency_not_supported", PaymentClass::MethodUnsupported),
            ("issuer_not_available", PaymentClass::Processing),
            ("requested_by_customer", PaymentClass::ShopperCancelled),
            ("pickup_card", PaymentClass::FraudSuspected),
        ] {
            check(Some(Provider::Stripe), code, class);
            check(None, code, class);
        }
        for (code, class) in [
            ("12", PaymentClass::Funds),
            ("NotEnoughBalance", PaymentClass::Funds),
            ("Not enough balance", PaymentClass::Funds),
            ("5", PaymentClass::IssuerDeclined),
            ("CVC Declined", PaymentClass::CardData),
            ("3D Not Authenticated", PaymentClass::Authentication),
            ("ThreeDsAuthenticationError", PaymentClass::Authentication),
            ("10", PaymentClass::MethodUnsupported),
            ("Acquirer Error", PaymentClass::Processing),
            ("ShopperCancelled", PaymentClass::ShopperCancelled),
            ("FRAUD", PaymentClass::FraudSuspected),
            ("FraudCancelled", PaymentClass::FraudSuspected),
            ("51 : Insufficient funds/over credit limit", PaymentClass::Funds),
            ("05 : Do not honor", PaymentClass::IssuerDeclined),
            ("N7 : Decline for CVV2 failure", PaymentClass::CardData),
            ("43: Stolen card", PaymentClass::FraudSuspected),
        ] {
            check(Some(Provider::Adyen), code, class);
            check(None, code, class);
        }
    }

    #[test]
    fn a_code_of_no_list_is_guessed_by_its_words_and_said_to_be_a_guess() {
        for (code, class) in [
            ("FRAUD_SUSPECTED", PaymentClass::FraudSuspected),
            ("card_testing", PaymentClass::FraudSuspected),
            ("INSUFFICIENT_BALANCE", PaymentClass::Funds),
            ("AUTHENTICATION_FAILED", PaymentClass::Authentication),
            ("gateway_timeout", PaymentClass::Processing),
            ("buyer_cancelled", PaymentClass::ShopperCancelled),
            ("9999", PaymentClass::IssuerDeclined),
            ("", PaymentClass::IssuerDeclined),
        ] {
            assert_eq!(classify(None, code), Classified { class, is_listed: false }, "{code}");
        }
        assert!(!classify(Some(Provider::Stripe), "Not enough balance").is_listed, "of another provider");
    }

    #[test]
    fn no_code_is_of_two_classes() {
        let stripe = STRIPE.iter().flat_map(|(class, codes)| codes.iter().map(|code| (*code, *class))).collect();
        let adyen = ADYEN.iter().map(|(_, reason, class)| (*reason, *class)).collect();
        let numbers = ADYEN.iter().map(|(number, _, class)| (*number, *class)).collect();
        let tables: [Vec<(&str, PaymentClass)>; 3] = [stripe, adyen, numbers];
        for all in tables {
            for (place, (code, class)) in all.iter().enumerate() {
                let other = all[place + 1..].iter().find(|(other, _)| same(other, code));
                assert!(other.is_none_or(|(_, other)| other == class), "{code} is {class} and something else");
            }
        }
        let raw: Vec<&str> = RAW.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        assert!(raw.iter().all(|code| raw.iter().filter(|other| *other == code).count() == 1));
    }
}

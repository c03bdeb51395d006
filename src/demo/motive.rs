//! Why the demo's shoppers leave, stage by stage, and what a storefront would see of it.
//!
//! The weights follow the published reasons for leaving a checkout (of 100: extra costs 39, delivery time 21, account 19,
//! trust 19, a long checkout 18) where a stage can show them; most who never reach the checkout only look around.
//! A motive shows as a signal, or not at all: then only the shopper's own word can tell.

use serde_json::{Value, json};

use crate::domain::{PaymentClass, ReasonCode, Stage};

/// What the storefront sees of a motive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    Nothing,
    /// A signal that says no more than its kind.
    Plain(&'static str),
    PaymentFailed(PaymentClass),
    ErrorShown,
    /// The lowest rate, in percent of the subtotal.
    ShippingDear(u64),
    ShippingSlow,
    ShippingNowhere,
    PageViewed(&'static str),
    /// The total at first, in percent of the one at payment.
    TotalGrew(u64),
}

/// A reason to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Motive {
    /// What the shopper says when asked.
    pub code: ReasonCode,
    pub hint: Hint,
}

const fn motive(code: ReasonCode, hint: Hint) -> Motive {
    Motive { code, hint }
}

const AT_CART: &[(u64, Motive)] = &[
    (46, motive(ReasonCode::JustBrowsing, Hint::Nothing)),
    (16, motive(ReasonCode::PriceComparison, Hint::Nothing)),
    (13, motive(ReasonCode::PriceTooHigh, Hint::Plain("item_removed"))),
    (10, motive(ReasonCode::ThinkLater, Hint::Plain("saved_for_later"))),
    (7, motive(ReasonCode::CouponRejected, Hint::Plain("coupon_rejected"))),
    (5, motive(ReasonCode::OutOfStock, Hint::Plain("item_unavailable"))),
    (3, motive(ReasonCode::SupportUnavailable, Hint::Plain("chat_opened"))),
];

const AT_CONTACT: &[(u64, Motive)] = &[
    (44, motive(ReasonCode::AccountRequired, Hint::Plain("account_required"))),
    (41, motive(ReasonCode::CheckoutTooLong, Hint::Plain("field_rejected"))),
    (8, motive(ReasonCode::TechnicalError, Hint::ErrorShown)),
    (7, motive(ReasonCode::Other, Hint::Nothing)),
];

const AT_SHIPPING: &[(u64, Motive)] = &[
    (30, motive(ReasonCode::ShippingCost, Hint::ShippingDear(24))),
    (20, motive(ReasonCode::ShippingCost, Hint::ShippingDear(38))),
    (27, motive(ReasonCode::DeliveryTime, Hint::ShippingSlow)),
    (8, motive(ReasonCode::DeliveryUnavailable, Hint::ShippingNowhere)),
    (12, motive(ReasonCode::ReturnsPolicy, Hint::PageViewed("returns"))),
    (3, motive(ReasonCode::OrderTracking, Hint::PageViewed("tracking"))),
];

const AT_PAYMENT: &[(u64, Motive)] = &[
    (12, motive(ReasonCode::PaymentDeclined, Hint::PaymentFailed(PaymentClass::Funds))),
    (10, motive(ReasonCode::PaymentDeclined, Hint::PaymentFailed(PaymentClass::IssuerDeclined))),
    (10, motive(ReasonCode::PaymentDeclined, Hint::PaymentFailed(PaymentClass::CardData))),
    (3, motive(ReasonCode::PaymentDeclined, Hint::PaymentFailed(PaymentClass::FraudSuspected))),
    (8, motive(ReasonCode::PaymentError, Hint::PaymentFailed(PaymentClass::Authentication))),
    (6, motive(ReasonCode::PaymentError, Hint::PaymentFailed(PaymentClass::Processing))),
    (7, motive(ReasonCode::PaymentError, Hint::Plain("payment_redirected"))),
    (9, motive(ReasonCode::PaymentMethodMissing, Hint::PaymentFailed(PaymentClass::MethodUnsupported))),
    (14, motive(ReasonCode::UnexpectedTotal, Hint::TotalGrew(80))),
    (15, motive(ReasonCode::TrustSecurity, Hint::PageViewed("privacy"))),
    (6, motive(ReasonCode::TechnicalError, Hint::ErrorShown)),
];

impl Motive {
    /// The motives of a stage, by weight.
    pub const fn of(stage: Stage) -> &'static [(u64, Self)] {
        match stage {
            Stage::Browse | Stage::Cart => AT_CART,
            Stage::Contact => AT_CONTACT,
            Stage::Shipping => AT_SHIPPING,
            Stage::Payment => AT_PAYMENT,
        }
    }
}

impl Hint {
    /// The signal's body; amounts follow from the cart's subtotal and total.
    pub fn signal(self, subtotal: u64, total: u64) -> Option<Value> {
        Some(match self {
            Self::Nothing => return None,
            Self::Plain(kind) => json!({"kind": kind}),
            Self::PaymentFailed(class) => json!({"kind": "payment_failed", "class": class.as_str()}),
            Self::ErrorShown => json!({"kind": "error_shown", "where": "checkout", "status": 500}),
            Self::ShippingDear(percent) => {
                json!({"kind": "shipping_quoted", "lowest_minor": subtotal * percent / 100, "fastest_days": 3, "rates": 2})
            }
            Self::ShippingSlow => {
                json!({"kind": "shipping_quoted", "lowest_minor": subtotal / 20, "fastest_days": 11, "rates": 1})
            }
            Self::ShippingNowhere => json!({"kind": "shipping_quoted", "rates": 0}),
            Self::PageViewed(page) => json!({"kind": "page_viewed", "page": page}),
            Self::TotalGrew(percent) => {
                json!({"kind": "total_shown", "total_minor": total * percent / 100, "stage": "payment"})
            }
        })
    }
}

//! Any note, and what became of any incentive.

use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::{cart_id, currency, mark, minor, moment, order_id, product};
use crate::domain::*;

fn incentive_name() -> impl Strategy<Value = IncentiveName> {
    "[a-z0-9_-]{1,32}".prop_map(|text| IncentiveName::parse(&text).expect("a slug"))
}

fn incentive_code() -> impl Strategy<Value = IncentiveCode> {
    "[!-~]{1,64}".prop_map(|text| IncentiveCode::parse(&text).expect("graphic"))
}

pub fn grant() -> impl Strategy<Value = Grant> {
    let worth = prop_oneof![
        any::<u8>().prop_map(Worth::Percent),
        (minor(), currency()).prop_map(|(amount, currency)| Worth::Amount(amount, currency)),
        Just(Worth::FreeShipping),
    ];
    prop_oneof![
        (incentive_name(), worth, incentive_code(), moment()).prop_map(|(incentive, worth, code, expires_at)| {
            Grant::Given(Offer { incentive, worth, code, expires_at })
        }),
        (incentive_name(), select(Withheld::ALL)).prop_map(|(incentive, why)| Grant::Withheld { incentive, why }),
    ]
}

fn delivery_id() -> impl Strategy<Value = DeliveryId> {
    "dlv_[0-9a-f]{32}".prop_map(|text| DeliveryId::parse(&text).expect("an id"))
}

pub fn note() -> impl Strategy<Value = Note> {
    let channel = || select(Channel::ALL);
    let reminder = || {
        (cart_id(), any::<u32>(), any::<u32>()).prop_map(|(cart, abandonment, step)| ReminderId {
            cart,
            abandonment,
            step,
        })
    };
    let grantee = || (reminder(), moment()).prop_map(|(reminder, made_at)| Grantee { reminder, made_at });
    let grant = (grantee(), incentive_name(), incentive_code(), moment())
        .prop_map(|(to, incentive, code, at)| Note::Granted(Granted { to, incentive, code, at }));
    let slug = || "[a-z0-9_-]{1,32}";
    let exposed = (slug(), slug(), cart_id(), moment()).prop_map(|(experiment, arm, cart, at)| {
        let experiment = ExperimentName::parse(&experiment).expect("a slug");
        Note::Exposed(Exposure { experiment, arm: ArmName::parse(&arm).expect("a slug"), cart, at })
    });
    let stock = (product(), any::<bool>(), of(minor()), moment())
        .prop_map(|(product, in_stock, price, at)| Note::Stock(StockLevel { product, in_stock, price, at }));
    prop_oneof![
        mark().prop_map(Note::Purchase),
        (of(channel()), moment()).prop_map(|(channel, at)| Note::OptedOut(OptOut { channel, at })),
        (reminder(), delivery_id(), channel(), moment(), of(order_id())).prop_map(
            |(reminder, delivery, channel, at, order)| {
                Note::Reminded(Reminded { reminder, delivery, channel, at, order })
            }
        ),
        exposed,
        grant,
        any::<[u8; 16]>().prop_map(|bytes| Note::Linked(IdentifierHash(bytes))),
        stock,
        grantee().prop_map(Note::Reserved),
        order_id().prop_map(Note::Decided),
    ]
}

//! Any order.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

pub fn order() -> impl Strategy<Value = Order> {
    let names = ("[a-z]{1,8}", "[a-z]{1,8}").prop_map(|(experiment, arm)| {
        (ExperimentName::parse(&experiment).expect("a slug"), ArmName::parse(&arm).expect("a slug"))
    });
    let paid_as = (select(OrderKind::ALL), attribution(), of(step_name()), vec(names, 0..3));
    let paid_as = of(paid_as.prop_map(|(kind, attribution, step, arms)| {
        let credit = Credit { attribution, step };
        Paid { kind, credit, arms }
    }));
    let money = (currency(), minor());
    let recovery = of((cart_id(), any::<u32>(), any::<u32>()).prop_map(|(cart, abandonment, step)| ReminderId {
        cart,
        abandonment,
        step,
    }));
    let later = (moment(), recovery, of(moment()));
    (shop(), order_id(), select(OrderStatus::ALL), money, moment(), vec(cart_id(), 0..4), paid_as, later).prop_map(
        |(shop, id, status, (currency, total), placed_at, carts, paid_as, (expires_at, recovery, told_at))| Order {
            shop,
            id,
            status,
            currency,
            total,
            placed_at,
            carts,
            paid_as,
            expires_at,
            recovery,
            told_at,
        },
    )
}

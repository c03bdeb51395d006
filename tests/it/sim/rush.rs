//! What happens at the very moment at which a reminder is claimed: an order, the end of a payment, or something else.
//!
//! Read next: `sim/traffic.rs`, for how it is told.

use std::sync::Arc;
use std::time::Duration;

use cartwake::domain::{Cart, CartPatch, Field, Input, Minor, OrderNews, OrderStatus, Shopper, Stage, State, What};
use cartwake::engine::Once;
use cartwake::store::Claim;
use tokio::time::sleep;

use super::dice::Dice;
use super::traffic::{Message, Told, tell};
use super::world::World;
use crate::samples::{eur, key, order_id};

/// Now and then a shopper buys at the moment at which a reminder to them is claimed; and the process that takes the order,
/// whichever it is, may be stopped over it.
pub fn rush(world: &Arc<World>, process: usize, claim: &Claim) {
    let is_rushed = claim.delivery.is_reminder() && world.with(|inner| inner.rushes && inner.dice.chance(200));
    let at = (claim.lane.shop.clone(), claim.cart.clone());
    let Some(cart) = world.store.with(|book| book.carts.get(&at).map(|row| row.cart.clone())).filter(|_| is_rushed)
    else {
        return;
    };
    let (news, wait, stop) = world.with(|inner| {
        let dice = &mut inner.dice;
        let awaited = news_of_payment(dice, &cart);
        let is_named = dice.chance(500);
        let news = awaited.unwrap_or_else(|| OrderNews {
            id: order_id(&format!("rush-{}", dice.roll())),
            cart: is_named.then_some(cart.id),
            shopper: if is_named { Shopper::default() } else { cart.content.shopper },
            status: *dice.pick(&[OrderStatus::Pending, OrderStatus::Paid]),
            currency: eur(),
            total: Minor::new(4_488).expect("in range"),
            items: Vec::new(),
            placed_at: world.now(),
            said_at: None,
            recovery: None,
        });
        let wait = *dice.pick(&[0, 5, 20, 50, 2_500]);
        if dice.chance(600) {
            inner.lingers.insert(process);
        }
        let dice = &mut inner.dice;
        (news, Duration::from_millis(dice.below(wait + 1)), dice.chance(100).then(|| 100 + dice.below(2_000)))
    });
    let world = Arc::clone(world);
    tokio::spawn(async move {
        sleep(wait).await;
        let once = Once { key: key(&format!("{}-{}", news.id, news.status)), fingerprint: 0 };
        if let Some(stop) = stop {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                sleep(Duration::from_millis(stop)).await;
                let all = world.with(|inner| inner.processes.clone());
                for process in &all {
                    process.stop();
                }
                sleep(Duration::from_secs(20)).await;
                for process in &all {
                    process.go_on();
                }
            });
        }
        tell(world, Told { message: Message::Order(news), once: Some(once) }).await;
    });
}

/// Where a payment is waited for, it is that which is over.
fn news_of_payment(dice: &mut Dice, cart: &Cart) -> Option<OrderNews> {
    let order = cart.order.clone().filter(|_| matches!(cart.state, State::PaymentPending { .. }))?;
    Some(OrderNews {
        id: order.id,
        cart: None,
        shopper: Shopper::default(),
        status: *dice.pick(&[OrderStatus::Paid, OrderStatus::Failed, OrderStatus::Cancelled]),
        currency: order.currency,
        total: order.total,
        items: Vec::new(),
        placed_at: order.placed_at,
        said_at: None,
        recovery: None,
    })
}

/// Now and then something else happens to a cart at that moment.
pub fn disturb(world: &Arc<World>, claim: &Claim) {
    let is_meant = claim.delivery.is_reminder() && world.with(|inner| inner.rushes && inner.dice.chance(250));
    let at = (claim.lane.shop.clone(), claim.cart.clone());
    let Some(cart) = world.store.with(|book| book.carts.get(&at).map(|row| row.cart.clone())).filter(|_| is_meant)
    else {
        return;
    };
    let mut at = world.now();
    let what = match world.with(|inner| inner.dice.below(5)) {
        0 => What::Dismiss,
        1 => What::Delete,
        2 => What::Patch(Box::new(CartPatch { test: Field::Set(true), ..CartPatch::default() })),
        3 => {
            // Told late: it happened before the shopper left, who has not come back.
            at = cart.last_abandonment.map_or(at, |last| last.abandoned_at.minus(Duration::from_millis(1)));
            What::Patch(Box::new(CartPatch { items: Field::Clear, ..CartPatch::default() }))
        }
        _ => What::Patch(Box::new(CartPatch { stage: Some(Stage::Payment), ..CartPatch::default() })),
    };
    let told = Told { message: Message::Cart { id: cart.id, input: Input::new(at, what) }, once: None };
    tokio::spawn(tell(Arc::clone(world), told));
}

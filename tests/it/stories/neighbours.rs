//! One bad receiver beside a good one, with the loops running as they do in a server.
//!
//! How late the good one gets its events is measured by `scripts/proof/neighbours.py`.

use std::time::Duration;

use crate::receiver::{Receiver, Reply};
use crate::shop::{Backend, MINUTE, Shop, cart_of, endpoint};

/// More than all places of all lanes: were they shared, the hanging endpoint would take every one of them.
const CARTS: usize = 150;
const PATIENCE: Duration = Duration::from_secs(25);

async fn arrived(receiver: &Receiver, count: usize) {
    let all = async {
        while receiver.received().len() < count {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, all).await;
    assert!(waited.is_ok(), "{} of {count} arrived", receiver.received().len());
}

pub async fn an_endpoint_that_hangs_holds_nobody_else_up(on: Backend) {
    let hanging = Receiver::start();
    hanging.always(Reply::After(2 * PATIENCE));
    let more =
        endpoint("hanging", &hanging, r#""cart.abandoned""#).replace("2s", "30s") + "[delivery]\nlease = \"40s\"\n";
    let mut shop = Shop::open_with(on, &more).await;
    for n in 0..CARTS {
        shop.puts(&format!("c-{n}"), cart_of(&format!("{n}@example.com"))).await;
    }
    shop.clock.advance(31 * MINUTE);
    shop.app.start_loops().expect("threads can be had");
    arrived(&shop.receiver, CARTS).await;
    arrived(&hanging, 1).await;
    assert_eq!(shop.tally("attempts/hanging/timed_out").await, 0, "nobody waited for the hanging one to end");
    assert!(hanging.received().len() < CARTS, "it has places of its own, and no more");
}

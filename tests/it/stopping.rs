//! A service that is told to stop in the middle of its work.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use cartwake::store::embedded::EmbeddedStore;
use cartwake::store::{Lane, Shelf, Store};

use crate::groups::wait_until;
use crate::receiver::{Receiver, Reply};
use crate::samples::at;
use crate::shop::{MINUTE, SERVER_KEY, Shop, cart_of, endpoint};

const SHUTDOWN: &str = "2s";
/// How long the receiver takes: a send is on its way whenever the deadline is over.
const ANSWER: Duration = Duration::from_millis(700);
const CARTS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(20);

/// The service listens to a slow client for as long as it may; sends that begin meanwhile would be cut off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_drips_cuts_off_no_send() {
    let receiver = Receiver::start();
    let more = endpoint("one", &receiver, r#""cart.abandoned""#) + "concurrency = 1\n";
    let mut shop = Shop::open_told(&more, &[("CARTWAKE__SERVER__SHUTDOWN_TIMEOUT", SHUTDOWN)]).await;
    receiver.always(Reply::After(ANSWER));
    for n in 0..CARTS {
        shop.puts(&format!("c-{n}"), cart_of(&format!("{n}@example.com"))).await;
    }
    let head = format!(
        "PUT /v1/carts/slow HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {SERVER_KEY}\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{{"
    );
    let mut slow = TcpStream::connect(shop.app.api_url().trim_start_matches("http://")).expect("it listens");
    slow.write_all(head.as_bytes()).expect("it reads");
    shop.clock.advance(31 * MINUTE);
    shop.app.start_loops().expect("threads can be had");
    let first = async {
        while receiver.received().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, first).await.expect("sends begin");
    let Shop { app, store, folder, .. } = shop;
    app.stop().await;
    let path = store.strip_prefix("embedded:").expect("an embedded store");
    // The slow client's worker may have it for a moment longer.
    let opened = || EmbeddedStore::open(std::path::Path::new(path), [0; 32], at(0));
    wait_until("nobody has the store", || opened().is_ok());
    let after = opened().expect("nobody has it");
    let lane = Lane {
        shop: cartwake::domain::ShopId::parse("test").expect("a slug"),
        endpoint: crate::samples::endpoint("one"),
    };
    let waiting = after.list_deliveries(&lane, Shelf::Pending, None, 100).await.expect("readable").letters.len();
    assert_eq!(receiver.received().len(), CARTS - waiting, "every send that began was recorded");
    drop(folder);
}

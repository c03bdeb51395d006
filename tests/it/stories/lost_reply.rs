//! A commit that happened and whose reply was lost on the way back: the caller must not be told that it failed, and a
//! repeat must not do it twice.
//!
//! Between the service and its Redis stands a wire that can lose the reply to the next script, and the connection with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::servers;
use crate::shop::Shop;

/// A wire to a database of our own. Armed, it forwards the next script and cuts the line before the answer.
struct Wire {
    url: String,
    armed: Arc<AtomicBool>,
}

impl Wire {
    async fn lay() -> Self {
        let database = servers::own_database();
        let (address, number) =
            database.trim_start_matches("redis://").split_once('/').expect("the address ends in a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port is free");
        let here = listener.local_addr().expect("a bound listener has an address");
        let armed = Arc::new(AtomicBool::new(false));
        let (far, is_armed) = (address.to_owned(), Arc::clone(&armed));
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&far).await.expect("the private redis-server answers");
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                let cut = Arc::new(AtomicBool::new(false));
                tokio::spawn(commands(near_in, far_out, Arc::clone(&is_armed), Arc::clone(&cut)));
                tokio::spawn(replies(far_in, near_out, cut));
            }
        });
        Self { url: format!("redis://{here}/{number}"), armed }
    }

    fn lose_the_next_reply(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Whether a reply was lost since it was asked for.
    fn has_lost_it(&self) -> bool {
        !self.armed.load(Ordering::SeqCst)
    }
}

async fn commands(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, armed: Arc<AtomicBool>, cut: Arc<AtomicBool>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let is_script = bytes[..count].windows(7).any(|word| word == b"EVALSHA");
        if is_script && armed.swap(false, Ordering::SeqCst) {
            cut.store(true, Ordering::SeqCst);
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

async fn replies(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, cut: Arc<AtomicBool>) {
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if cut.load(Ordering::SeqCst) || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_reply_was_lost_is_answered_as_it_was() {
    let wire = Wire::lay().await;
    let shop = Shop::open_behind(&wire.url).await;
    let cart = json!({"currency": "EUR", "stage": "cart", "items": [{"product_id": "p-1", "quantity": 1}]});
    // The scripts are known to the server by now, so that the next one is the commit itself.
    assert_eq!(shop.puts("c-0", cart.clone()).await.status, 201);

    let put = || shop.send(Method::PUT, "/v1/carts/c-1", |r| r.header("Idempotency-Key", "k-1").json(&cart));
    wire.lose_the_next_reply();
    let first = put().await;
    assert!(wire.has_lost_it(), "the reply to the commit was lost");
    assert_eq!(first.status, 201, "it was read back: {first:?}");
    let again = put().await;
    assert_eq!((again.status, again.body), (201, first.body));
    assert_eq!(shop.tally("carts").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_a_key_says_that_it_does_not_know() {
    let wire = Wire::lay().await;
    let shop = Shop::open_behind(&wire.url).await;
    let cart = json!({"currency": "EUR", "stage": "cart", "items": [{"product_id": "p-1", "quantity": 1}]});
    shop.puts("c-0", cart.clone()).await;
    wire.lose_the_next_reply();
    assert_eq!(shop.puts("c-1", cart.clone()).await.status, 503);
    assert_eq!(shop.puts("c-1", cart).await.status, 200, "it had happened; the repeat is the same cart");
    assert_eq!(shop.tally("carts").await, 2);
}

//! The two ends of a burst, for `scripts/bench`: who fills carts in, who receives reminders, and the least a sender can do.
//!
//! - `receive ADDRESS`: answers every POST with 204; `GET /stats` tells how many came, and when (unix milliseconds).
//! - `fill URL HEADER COUNT OCCURRED_AT`: PUTs carts that all fall due at the same moment; `{n}` in the URL is their number,
//!   HEADER is `name: value`.
//! - `post URL COUNT`: the yardstick. A bare loop that signs a body of the size of a reminder and posts it.
//!
//! Not a product: it ends at the first thing that goes wrong.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a yardstick measures by itself and prints what it measured"
)]

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::sync::Mutex;
use std::time::{Instant, SystemTime};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, TryStreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

const AT_ONCE: usize = 64;
/// What a reminder of a cart of three lines measures.
const BODY_BYTES: usize = 1_900;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[actix_web::main]
async fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["receive", address] => receive(address).await,
        ["fill", url, header, count, at] => fill(url, header, count.parse()?, at).await,
        ["post", url, count] => post(url, count.parse()?).await,
        _ => Err("receive ADDRESS | fill URL HEADER COUNT OCCURRED_AT | post URL COUNT".into()),
    }
}

/// What came: ids and how often, and when each came.
#[derive(Default)]
struct Seen {
    ids: HashMap<String, u32>,
    arrived_ms: Vec<u64>,
}

async fn receive(address: &str) -> Result<()> {
    let seen = web::Data::new(Mutex::new(Seen::default()));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(seen.clone())
            .app_data(web::PayloadConfig::new(1 << 20))
            .route("/stats", web::get().to(stats))
            .default_service(web::post().to(take))
    });
    Ok(server.workers(1).bind(address)?.run().await?)
}

async fn take(request: HttpRequest, body: web::Bytes, seen: web::Data<Mutex<Seen>>) -> HttpResponse {
    drop(body);
    let id = request.headers().get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let mut seen = seen.lock().expect("no thread panics with it");
    *seen.ids.entry(id).or_default() += 1;
    seen.arrived_ms.push(now_ms());
    HttpResponse::NoContent().finish()
}

async fn stats(seen: web::Data<Mutex<Seen>>) -> HttpResponse {
    let seen = seen.lock().expect("no thread panics with it");
    let mut at = seen.arrived_ms.clone();
    at.sort_unstable();
    let share = |of: f64| at.get(((at.len().max(1) - 1) as f64 * of) as usize).copied();
    HttpResponse::Ok().json(json!({
        "came": at.len(), "ids": seen.ids.len(),
        "first_ms": share(0.0), "p50_ms": share(0.5), "p99_ms": share(0.99), "last_ms": share(1.0),
    }))
}

async fn fill(url: &str, header: &str, count: u64, occurred_at: &str) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let (name, value) = header.split_once(": ").ok_or("HEADER is `name: value`")?;
    let put = async |n: u64| -> Result<()> {
        let request = client.put(url.replace("{n}", &n.to_string())).header(name, value).json(&cart(n, occurred_at));
        let status = request.header("prefer", "return=minimal").send().await?.status();
        if status.is_success() { Ok(()) } else { Err(format!("cart {n} was answered {status}").into()) }
    };
    stream::iter(0..count).map(put).buffer_unordered(AT_ONCE).try_for_each(|()| async { Ok(()) }).await
}

fn cart(n: u64, occurred_at: &str) -> serde_json::Value {
    let line = |i: u64| {
        json!({
            "id": format!("line-{i}"), "product_id": format!("p-{}", (n * 7 + i * 13) % 997), "sku": format!("SKU-{}-{i}", n % 997),
            "title": format!("Organic cotton shirt no. {}, black, size M", (n + i) % 50), "quantity": 1 + i,
            "unit_price_minor": 1999 + 10 * i, "url": format!("https://shop.example/p/{}", (n + i) % 997),
            "image_url": format!("https://cdn.shop.example/p/{}/main.jpg", (n + i) % 997),
        })
    };
    json!({
        "currency": "EUR", "stage": "shipping", "items": [line(0), line(1), line(2)],
        "totals": {"subtotal_minor": 12_000, "shipping_minor": 490, "total_minor": 12_490, "tax_included": true},
        "shopper": {"email": format!("shopper-{n}@example.com"), "first_name": "Kim", "locale": "de-DE",
                    "time_zone": "Europe/Berlin", "country": "DE"},
        "checkout_url": format!("https://shop.example/checkout/{n:08x}"),
        "consent": [{"channel": "email", "status": "granted", "basis": "opt_in", "source": "checkout checkbox"}],
        "attributes": {"utm_source": "newsletter", "utm_campaign": "autumn"}, "occurred_at": occurred_at,
    })
}

/// Prints the posts a second of a loop that does nothing but sign and post.
async fn post(url: &str, count: u64) -> Result<()> {
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let key = Hmac::<Sha256>::new_from_slice(&[7; 32])?;
    let body = vec![b'x'; BODY_BYTES];
    let one = async |n: u64| -> Result<()> {
        let (id, at) = (format!("bare_{n}"), now_ms() / 1_000);
        let mut mac = key.clone();
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(&body);
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let request = client.post(url).header("webhook-id", id).header("webhook-timestamp", at);
        let status = request
            .header("webhook-signature", signature)
            .body(body.clone())
            .send()
            .await?
            .error_for_status()?
            .status();
        debug_assert!(status.is_success(), "errors have left");
        Ok(())
    };
    let started = Instant::now();
    stream::iter(0..count).map(one).buffer_unordered(AT_ONCE).try_for_each(|()| async { Ok(()) }).await?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{:.0}", count as f64 / seconds);
    Ok(())
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(since.as_millis()).expect("milliseconds of this age fit")
}

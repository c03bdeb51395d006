//! The least that a cart service can do: parse the cart, GET what is there, commit with one script. Nothing else.
//!
//! The yardstick of `scripts/bench`: what cartwake adds (keys, checks, decisions, counts, compression) is measured against
//! this on the same machine in the same run. Not a product: no keys, no checks, no errors worth the name.

use std::cell::OnceCell;
use std::env;

use actix_web::{App, HttpResponse, HttpServer, web};
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

const COMMIT: &str = r"
local now = redis.call('GET', KEYS[1])
local version = 0
if now then version = tonumber(string.match(now, '^%d+')) end
if version ~= tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', 2592000)
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'c', ARGV[4])
return 1";

#[derive(Serialize, Deserialize)]
struct Item {
    product_id: String,
    sku: Option<String>,
    title: Option<String>,
    quantity: u32,
    unit_price_minor: i64,
    url: Option<String>,
    image_url: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Cart {
    currency: String,
    stage: Option<String>,
    items: Vec<Item>,
    totals: Option<serde_json::Value>,
    shopper: Option<serde_json::Value>,
    checkout_url: Option<String>,
    attributes: Option<serde_json::Value>,
}

thread_local! {
    static CONNECTION: OnceCell<MultiplexedConnection> = const { OnceCell::new() };
}

async fn connection(client: &redis::Client) -> redis::RedisResult<MultiplexedConnection> {
    if let Some(ready) = CONNECTION.with(|cell| cell.get().cloned()) {
        return Ok(ready);
    }
    let made = client.get_multiplexed_async_connection().await?;
    Ok(CONNECTION.with(|cell| cell.get_or_init(|| made).clone()))
}

async fn put(
    id: web::Path<String>,
    cart: web::Json<Cart>,
    client: web::Data<redis::Client>,
    script: web::Data<redis::Script>,
) -> actix_web::Result<HttpResponse> {
    let failed = |error: redis::RedisError| actix_web::error::ErrorInternalServerError(error.to_string());
    let mut connection = connection(&client).await.map_err(failed)?;
    let key = format!("{{p}}:c:{id}");
    let found: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query_async(&mut connection).await.map_err(failed)?;
    let version = found
        .as_deref()
        .and_then(|bytes| bytes.split(|b| *b == b' ').next())
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok())
        .unwrap_or(0);
    let mut value = format!("{} ", version + 1).into_bytes();
    serde_json::to_writer(&mut value, &*cart)?;
    let done: i64 = script
        .key(&key)
        .key("{p}:w")
        .key("{p}:x")
        .arg(version)
        .arg(value)
        .arg(1_800_000_000_000_u64)
        .arg(id.as_str())
        .invoke_async(&mut connection)
        .await
        .map_err(failed)?;
    Ok(if done == 1 { HttpResponse::Ok().body("{\"ok\":true}") } else { HttpResponse::Conflict().finish() })
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut words = env::args().skip(1);
    let redis_url = words.next().unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let listen = words.next().unwrap_or_else(|| "127.0.0.1:8090".to_owned());
    let client = redis::Client::open(redis_url).map_err(std::io::Error::other)?;
    HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(client.clone()))
            .app_data(web::Data::new(redis::Script::new(COMMIT)))
            .route("/v1/carts/{id}", web::put().to(put))
    })
    .workers(2)
    .bind(listen)?
    .run()
    .await
}

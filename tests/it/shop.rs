//! A storefront for the tests: the real service on free ports, a clock set by hand, and a client that speaks the API.
//!
//! `advance` moves the clock and lets everything happen that is due by then. No test waits for time.

use std::sync::Arc;
use std::time::Duration;

use cartwake::app::App;
use cartwake::clock::{Clock, ManualClock};
use cartwake::config;
use cartwake::domain::Moment;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::receiver::{Receiver, SECRET};
use crate::servers;

/// Keys of the test shop, and their hashes in [`Shop::configuration`].
pub const SERVER_KEY: &str = "cw_server_test";
pub const BROWSER_KEY: &str = "cw_browser_test";
pub const ADMIN_KEY: &str = "cw_admin_test";
/// Where the browser key may be used from.
pub const ORIGIN: &str = "https://shop.example";

const START: i64 = 1_795_000_000_000;

/// Which store the shop is on.
#[derive(Clone, Copy, Debug)]
pub enum Backend {
    Embedded,
    Redis,
    /// Redis, with the keys of its carts in another database.
    Sealed,
}

/// What the service answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// A shop with one endpoint, `mail`, that wants every event.
pub struct Shop {
    pub app: App,
    pub clock: Arc<ManualClock>,
    pub receiver: Receiver,
    /// Where its store is, as the configuration says it.
    pub store: String,
    http: reqwest::Client,
    pub folder: TempDir,
}

impl Shop {
    pub async fn open(backend: Backend) -> Self {
        Self::open_at(backend, Moment::from_millis(START)).await
    }

    /// With these keys of its program.
    pub async fn open_with_program(backend: Backend, program: &str, start: Moment) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let store = store_in(backend, &folder);
        Self::open_on(&store, (program, ""), start, folder).await
    }

    /// With a clock that begins at this moment.
    pub async fn open_at(backend: Backend, start: Moment) -> Self {
        Self::open_with_program(backend, PLAIN, start).await
    }

    /// With more configuration, behind that of the shop: endpoints of its, or sections.
    pub async fn open_with(backend: Backend, more: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let store = store_in(backend, &folder);
        Self::open_on(&store, (PLAIN, more), Moment::from_millis(START), folder).await
    }

    /// One more process on the same store, with these keys of its program and a receiver of its own.
    pub async fn open_beside(other: &Self, program: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        Self::open_on(&other.store, (program, ""), other.now(), folder).await
    }

    /// Reads its configuration again, and the files that it names.
    pub fn reloads(&mut self) {
        let file = self.folder.path().join("cartwake.toml");
        let config = config::load(Some(&file), std::iter::empty()).unwrap_or_else(|problems| panic!("{problems}"));
        self.app.reload(config).expect("it is taken over");
    }

    /// The shop of this id goes by another from now on: in the configuration, not in the store.
    pub fn renames(&mut self, from: &str, to: &str) {
        let file = self.folder.path().join("cartwake.toml");
        let text = std::fs::read_to_string(&file).expect("the folder is ours");
        let is_named = |id: &str| format!("id = \"{id}\"");
        std::fs::write(&file, text.replace(&is_named(from), &is_named(to))).expect("the folder is ours");
        self.reloads();
    }

    /// With links that lead to it.
    pub async fn open_public(backend: Backend) -> Self {
        Self::open(backend).await.public()
    }

    /// The same, with links that lead to it.
    pub fn public(mut self) -> Self {
        let public = [("LINKS__PUBLIC_URL", self.app.api_url()), ("SHOP__TEST__CHECKOUT_HOSTS", "shop.example".into())];
        let public = public.into_iter().map(|(name, value)| (format!("CARTWAKE__{name}"), value));
        let file = self.folder.path().join("cartwake.toml");
        let config = config::load(Some(&file), public).unwrap_or_else(|problems| panic!("{problems}"));
        self.app.reload(config).expect("the links are taken over");
        self
    }

    /// On the store behind this address.
    pub async fn open_behind(store: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        Self::open_on(store, (PLAIN, ""), Moment::from_millis(START), folder).await
    }

    /// On an embedded store, with more configuration and this environment.
    pub async fn open_told(more: &str, environment: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let store = store_in(Backend::Embedded, &folder);
        Self::open_all(&store, (PLAIN, more), environment, Moment::from_millis(START), folder).await
    }

    async fn open_on(store: &str, texts: (&str, &str), start: Moment, folder: TempDir) -> Self {
        Self::open_all(store, texts, &[], start, folder).await
    }

    async fn open_all(
        store: &str,
        (program, more): (&str, &str),
        environment: &[(&str, &str)],
        start: Moment,
        folder: TempDir,
    ) -> Self {
        let receiver = Receiver::start();
        let file = folder.path().join("cartwake.toml");
        std::fs::write(&file, configuration(store, &receiver.url, program) + more).expect("the folder is ours");
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = config::load(Some(&file), environment).unwrap_or_else(|problems| panic!("{problems}"));
        let clock = Arc::new(ManualClock::new(start));
        let app = App::start(config, Some(clock.clone())).await.expect("the service starts");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client can be made");
        Self { app, clock, receiver, store: store.to_owned(), http, folder }
    }

    pub fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Lets time pass, stopping at each moment at which something is due.
    pub async fn advance(&self, span: Duration) {
        let end = self.now().plus(span);
        self.settle().await;
        while let Some(next) = self.app.next_moment().await.expect("the store answers") {
            if next > end {
                break;
            }
            self.clock.set(next.max(self.now()));
            self.settle().await;
        }
        self.clock.set(end);
        self.settle().await;
    }

    /// Lets happen what is due now.
    pub async fn settle(&self) {
        self.app.settle().await.expect("the store answers");
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        shape: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.app.api_url()));
        answer(shape(request.bearer_auth(SERVER_KEY))).await
    }

    pub async fn ops(&self, method: Method, path: &str) -> Answer {
        answer(self.http.request(method, format!("{}{path}", self.app.ops_url())).bearer_auth(ADMIN_KEY)).await
    }

    /// What operations answer to this body.
    pub async fn operates(&self, path: &str, body: &Value) -> Answer {
        self.operates_as(Some(ADMIN_KEY), path, body).await
    }

    /// The same with another key, or none.
    pub async fn operates_as(&self, key: Option<&str>, path: &str, body: &Value) -> Answer {
        let request = self.http.post(format!("{}{path}", self.app.ops_url())).json(body);
        answer(if let Some(key) = key { request.bearer_auth(key) } else { request }).await
    }

    /// What operations answer to this key, headers and all.
    pub async fn get_as(&self, path: &str, key: Option<&str>, accept: &str) -> reqwest::Response {
        let request = self.http.get(format!("{}{path}", self.app.ops_url())).header("accept", accept);
        let request = if let Some(key) = key { request.bearer_auth(key) } else { request };
        request.send().await.expect("operations answer")
    }

    pub async fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.app.ops_url());
        self.http.get(url).send().await.expect("ops answer").text().await.expect("metrics are text")
    }

    pub async fn puts(&self, id: &str, body: Value) -> Answer {
        self.send(Method::PUT, &format!("/v1/carts/{id}"), |r| r.json(&body)).await
    }

    pub async fn patches(&self, id: &str, body: Value) -> Answer {
        self.send(Method::PATCH, &format!("/v1/carts/{id}"), |r| r.json(&body)).await
    }

    pub async fn signals(&self, id: &str, body: Value) -> Answer {
        self.send(Method::POST, &format!("/v1/carts/{id}/signals"), |r| r.json(&body)).await
    }

    pub async fn orders(&self, body: Value) -> Answer {
        self.send(Method::POST, "/v1/orders", |r| r.json(&body)).await
    }

    pub async fn cart(&self, id: &str) -> Answer {
        self.send(Method::GET, &format!("/v1/carts/{id}"), |r| r).await
    }

    /// The state the cart is in.
    pub async fn state(&self, id: &str) -> String {
        let answer = self.cart(id).await;
        answer.body["state"].as_str().unwrap_or_else(|| panic!("no state in {answer:?}")).to_owned()
    }

    /// Everything the shop counted so far, summed over days.
    pub async fn tally(&self, key: &str) -> i64 {
        let shop = cartwake::domain::ShopId::parse("test").expect("a slug");
        let days = (self.now().minus(60 * DAY).day(), self.now().plus(DAY).day());
        let tallies = self.app.engine().store().tallies(&shop, days.0, days.1).await.expect("the store answers");
        tallies.iter().filter(|(_, name, _)| name.0 == key).map(|(_, _, count)| count).sum()
    }
}

async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the service answers");
    let status = response.status().as_u16();
    let text = response.text().await.expect("the answer is text");
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
    Answer { status, body }
}

fn store_in(backend: Backend, folder: &TempDir) -> String {
    match backend {
        Backend::Embedded => format!("embedded:{}", folder.path().join("store").display()),
        Backend::Redis => servers::own_database(),
        Backend::Sealed => format!("{}\"\nkeyring_url = \"{}", servers::own_database(), servers::own_database()),
    }
}

/// One more endpoint of the shop.
pub fn endpoint(name: &str, receiver: &Receiver, events: &str) -> String {
    let url = &receiver.url;
    format!(
        r#"
[[shop.endpoint]]
name = "{name}"
url = "{url}"
secrets = ["{SECRET}"]
timeout = "2s"
allow_networks = ["127.0.0.0/8"]
events = [{events}]
"#
    )
}

/// Nothing holds a reminder back, but for what forbids it: what each story is not about is out of its way.
pub const PLAIN: &str = r#"
quiet_hours = "off"
caps = []
service.reasons = []
experiment.holdout_percent = 0
"#;

fn configuration(store: &str, receiver: &str, program: &str) -> String {
    let hash = |key: &str| cartwake::keys::hash(key).to_string();
    format!(
        r#"
[server]
listen = "127.0.0.1:0"
ops_listen = "127.0.0.1:0"
workers = 1
[store]
url = "{store}"
[[shop]]
id = "test"
keys = [
  {{ role = "server", hash = "{}" }},
  {{ role = "admin", hash = "{}" }},
  {{ role = "browser", hash = "{}", allowed_origins = ["{ORIGIN}"] }},
]
[[shop.endpoint]]
name = "mail"
url = "{receiver}"
secrets = ["{SECRET}"]
timeout = "2s"
allow_networks = ["127.0.0.0/8"]
events = ["cart.abandoned", "cart.reminder", "cart.resumed", "cart.recovered", "cart.converted", "cart.reverted",
          "cart.reason_recorded", "cart.dismissed", "cart.expired", "cart.opted_out"]
[shop.program]
{program}
"#,
        hash(SERVER_KEY),
        hash(ADMIN_KEY),
        hash(BROWSER_KEY),
    )
}

/// A cart of two lines at the shipping stage, of a shopper with this address.
pub fn cart_of(email: &str) -> Value {
    json!({
        "currency": "EUR", "stage": "shipping",
        "items": [
            {"product_id": "p-1", "title": "T-shirt", "quantity": 2, "unit_price_minor": 1999},
            {"product_id": "p-2", "title": "Socks", "quantity": 1, "unit_price_minor": 500},
        ],
        "totals": {"subtotal_minor": 4498, "total_minor": 4988},
        "shopper": {"email": email, "locale": "de-DE"},
        "consent": [{"channel": "email", "status": "granted", "basis": "opt_in"}],
        "checkout_url": "https://shop.example/checkout/1",
    })
}

/// A paid order of these products by this shopper, placed now.
pub fn order_of(id: &str, email: &str, products: &[&str], placed_at: Moment) -> Value {
    let items: Vec<Value> = products.iter().map(|p| json!({"product_id": p, "quantity": 1})).collect();
    json!({
        "order_id": id, "shopper": {"email": email}, "status": "paid", "currency": "EUR", "total_minor": 4988,
        "items": items, "placed_at": placed_at.to_string(),
    })
}

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

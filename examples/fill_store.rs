//! Fills a Redis store with carts past the API, for `scripts/proof/backlog.py`: a million take a minute.
//!
//! `fill_store URL SHOP PREFIX COUNT WAKE_AT_MS IDLE_S DELAY_S`: abandoned carts whose first reminder is due at that moment, as
//! the API and the scheduler would have made them. Not a product: it ends at the first thing that goes wrong.

#![expect(
    clippy::disallowed_methods,
    reason = "a tool of the proofs reads the machine's clock and draws a key by itself"
)]

use std::env;
use std::error::Error;
use std::time::{Duration, SystemTime};

use cartwake::domain::{
    self, Cart, CartId, Census, Channel, Consent, ConsentStatus, Content, Currency, Input, Item, Known, Minor, Moment,
    Person, PersonalText, ProductId, Program, ShopId, Shopper, Stage, Stock, Tally, Totals, WebUrl, What,
};
use cartwake::store::redis::{RedisSettings, RedisStore};
use cartwake::store::{Commit, Committed, Store, Version};

const TOGETHER: usize = 1_000;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Made {
    cart: Cart,
    tallies: Vec<Tally>,
    census: Vec<Census>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [url, shop, prefix, count, wake_at, idle, delay] = words[..] else {
        return Err("URL SHOP PREFIX COUNT WAKE_AT_MS IDLE_S DELAY_S".into());
    };
    let settings = RedisSettings {
        url: url.to_owned(),
        tls_ca: None,
        allow_volatile: true,
        shards: 16,
        command_timeout: Duration::from_secs(10),
        connections: 1,
    };
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    let store = RedisStore::open(settings, key, Moment::from_millis(i64::try_from(since.as_millis())?)).await?;

    let shop = ShopId::parse(shop)?;
    let wake_at = Moment::from_millis(wake_at.parse()?);
    let program = program(Duration::from_secs(idle.parse()?), Duration::from_secs(delay.parse()?));
    let count: usize = count.parse()?;
    for first in (0..count).step_by(TOGETHER) {
        let numbers = first..count.min(first + TOGETHER);
        let made: Vec<Made> = numbers.map(|n| make(&shop, prefix, n, wake_at, &program)).collect::<Result<_>>()?;
        let commits = made.iter().map(|made| Commit {
            shop: &shop,
            id: &made.cart.id,
            expected: Version::ABSENT,
            cart: Some(&made.cart),
            outbox: &[],
            begun_until: &[],
            tallies: &made.tallies,
            census: &made.census,
            keep: None,
            now: made.cart.last_activity_at,
        });
        for committed in store.commit_all(commits.collect()).await {
            if !matches!(committed?, Committed::Done) {
                return Err("a cart was there already".into());
            }
        }
    }
    Ok(())
}

fn program(idle: Duration, delay: Duration) -> Program {
    let mut program = Program::default();
    program.idle.shipping = Some(idle);
    program.steps.truncate(1);
    program.steps[0].delay = delay;
    program
}

/// A cart that was written, stalled, and waits for its first reminder.
fn make(shop: &ShopId, prefix: &str, n: usize, wake_at: Moment, program: &Program) -> Result<Made> {
    let id = CartId::parse(&format!("{prefix}-{n}"))?;
    let idle = program.idle.shipping.unwrap_or_default();
    let stalls_at = before(wake_at, program.steps[0].delay);
    let written_at = before(stalls_at, idle);
    let snapshot = What::Snapshot { stage: Stage::Shipping, content: Box::new(content(n)?) };
    let input = Input::new(written_at, snapshot);
    let written = domain::decide((shop, &id), None, &input, &Person::nobody(), written_at, program)?;
    let cart = written.cart.ok_or("a snapshot makes a cart")?;
    let (person, stock) = (Person::nobody(), Stock::default());
    let known = Known { person: &person, stock: &stock, program };
    let stalled = domain::on_wake(cart, known, stalls_at).ok_or("it stalls then")?;
    let facts = [written.facts, stalled.facts].concat();
    let (tallies, census) = (domain::tallies(&facts, stalls_at.day()), domain::census(&facts));
    Ok(Made { cart: stalled.cart.ok_or("it is still there")?, tallies, census })
}

fn before(moment: Moment, span: Duration) -> Moment {
    Moment::from_millis(moment.millis() - i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

fn content(n: usize) -> Result<Content> {
    let line = |i: usize| -> Result<Item> {
        Ok(Item {
            id: Some(format!("line-{i}")),
            product_id: ProductId::parse(&format!("p-{}", (n * 7 + i * 13) % 997))?,
            sku: Some(format!("SKU-{}-{i}", n % 997)),
            title: Some(format!("Organic cotton shirt no. {}, black, size M", (n + i) % 50)),
            variant: None,
            quantity: 1,
            unit_price: Some(Minor::new(1_999)?),
            url: Some(WebUrl::new(&format!("https://shop.example/p/{}", (n + i) % 997))),
            image_url: None,
            in_stock: None,
        })
    };
    let consent = Consent {
        channel: Channel::Email,
        status: ConsentStatus::Granted,
        basis: Some("opt_in".to_owned()),
        at: None,
        source: None,
    };
    Ok(Content {
        items: (0..3).map(line).collect::<Result<_>>()?,
        totals: Totals { total: Some(Minor::new(5_997)?), ..Totals::default() },
        shopper: Shopper { email: Some(PersonalText::new(&format!("shopper-{n}@example.com"))), ..Shopper::default() },
        checkout_url: Some(WebUrl::new(&format!("https://shop.example/checkout/{n:08x}"))),
        consent: vec![consent],
        ..Content::empty(Currency::parse("EUR")?)
    })
}

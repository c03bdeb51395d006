//! Sample carts, orders and deliveries, for any test that needs one and does not care which.
//!
//! All of it is made up and fixed: the same call gives the same value, and times count from one moment in the past, so
//! a test that mixes up its own time with the machine's fails. Never here: expectations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cartwake::domain::{
    Abandonment, Applied, ArmName, Attribution, BoughtLine, Cart, CartId, Channel, Consent, ConsentStatus, Content,
    Covers, Credit, Currency, Delivery, EndpointName, Event, EventKey, EventKind, ExperimentName, Heard, Held,
    IdentifierHash, Item, Minor, Moment, NextStep, Order, OrderBrief, OrderId, OrderKind, OrderStatus, Page, Paid,
    Past, PaymentClass, PersonalText, ProductId, PurchaseMark, Reason, ReasonCode, ReasonSource, Receipt, ReminderMark,
    ShopId, Shopper, Signal, SignalKind, Stage, StageSet, State, StepBrief, StepName, Totals, Trail, WebUrl, Why,
};

/// 2026-03-01T08:00:00Z: where the time of the samples begins.
const START: Moment = Moment::from_millis(1_772_352_000_000);

/// This many seconds after the start.
pub fn at(seconds: i64) -> Moment {
    Moment::from_millis(START.millis() + seconds * 1000)
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn shop() -> ShopId {
    shop_named("shop")
}

pub fn shop_named(name: &str) -> ShopId {
    ShopId::parse(name).expect("a literal slug")
}

pub fn cart_id(id: &str) -> CartId {
    CartId::parse(id).expect("a literal id")
}

pub fn order_id(id: &str) -> OrderId {
    OrderId::parse(id).expect("a literal id")
}

pub fn product(id: &str) -> ProductId {
    ProductId::parse(id).expect("a literal id")
}

pub fn endpoint(name: &str) -> EndpointName {
    EndpointName::parse(name).expect("a literal slug")
}

pub fn key(text: &str) -> EventKey {
    EventKey::parse(text).expect("a literal key")
}

pub fn eur() -> Currency {
    Currency::parse("EUR").expect("in ISO 4217")
}

pub fn minor(amount: i64) -> Minor {
    Minor::new(amount).expect("in range")
}

/// A keyed hash that stands for identifier number `n`.
pub const fn hash(n: u8) -> IdentifierHash {
    IdentifierHash([n; 16])
}

pub fn item(id: &str) -> Item {
    Item {
        id: None,
        product_id: product(id),
        sku: None,
        title: Some(format!("Product {id}")),
        variant: None,
        quantity: 2,
        unit_price: Some(minor(1999)),
        url: None,
        image_url: None,
        in_stock: None,
    }
}

/// Two lines, a shopper with a mail address, and a way back.
pub fn content() -> Content {
    Content {
        items: vec![item("p-1"), item("p-2")],
        totals: Totals { total: Some(minor(4488)), ..Totals::default() },
        shopper: Shopper { email: Some(PersonalText::new("ada@example.com")), ..Shopper::default() },
        checkout_url: Some(WebUrl::new("https://shop.example/checkout/1")),
        ..Content::empty(eur())
    }
}

/// An active cart that stalls half an hour after the start.
pub fn cart(id: &str) -> Cart {
    cart_waking(id, at(1800))
}

/// An active cart whose next wake is then.
pub fn cart_waking(id: &str, wake_at: Moment) -> Cart {
    let mut stages = StageSet::default();
    stages.enter(Stage::Shipping);
    Cart {
        shop: shop(),
        id: cart_id(id),
        state: State::Active { stalls_at: Some(wake_at) },
        stage: Stage::Shipping,
        stages,
        content: content(),
        signals: Vec::new(),
        reasons: Vec::new(),
        created_at: at(0),
        last_activity_at: at(0),
        items_changed_at: at(0),
        occurred_at: at(0),
        revision: None,
        episode_started_at: at(0),
        abandonments: 0,
        last_abandonment: None,
        reminders: Vec::new(),
        order: None,
        expires_at: wake_at.plus(secs(90 * 86_400)),
        stage_since: at(0),
        heard: Heard::default(),
        furthest_at: at(0),
        trail: Trail::default(),
        past: Past::default(),
    }
}

/// The same cart in another state.
pub fn in_state(cart: &Cart, state: State) -> Cart {
    Cart { state, ..cart.clone() }
}

/// As little as a cart can hold.
pub fn smallest_cart(id: &str) -> Cart {
    Cart {
        state: State::Active { stalls_at: None },
        stage: Stage::Browse,
        stages: StageSet::default(),
        content: Content::empty(eur()),
        expires_at: at(6 * 3600),
        past: Past::default(),
        ..cart(id)
    }
}

fn held_step() -> NextStep {
    NextStep { index: 2, due_at: at(7200), held: Some(Held { since: at(3600), why: Why::QuietHours }) }
}

fn past() -> Past {
    Past {
        arm: ArmName::parse(&"a".repeat(32)).ok(),
        bought: vec![BoughtLine { order: order_id("o-9"), item: item("p-9") }],
        absorbed: vec![cart_id("c-9")],
        payment_decided: Some(u32::MAX),
        exposed_at: Some(at(3600)),
    }
}

/// As much as a cart can hold: 200 lines, every field, and text from many scripts.
pub fn largest_cart(id: &str) -> Cart {
    let text = "Ünïcödé — 長い商品名 🛒 \"quoted\" \\ \u{0} \u{200f}مرحبا";
    let line = |n: i64| Item {
        id: Some(format!("line-{n}")),
        product_id: product(&format!("p-{n}/\"{{}}\\")),
        sku: Some(format!("SKU-{n}")),
        title: Some(format!("{text} {n}")),
        variant: Some(text.to_owned()),
        quantity: u32::MAX,
        unit_price: Some(Minor::MAX),
        url: Some(WebUrl::new(&format!("https://shop.example/p/{n}?q=%20#ü"))),
        image_url: Some(WebUrl::new("https://img.example/1.jpg")),
        in_stock: Some(n % 2 == 0),
    };
    let personal = || Some(PersonalText::new(text));
    let content = Content {
        currency: Currency::parse("KWD").expect("in ISO 4217"),
        items: (0..200).map(line).collect(),
        totals: Totals {
            subtotal: Some(Minor::MAX),
            discount: Some(minor(0)),
            shipping: Some(minor(490)),
            tax: Some(minor(716)),
            total: Some(Minor::MAX),
            tax_included: Some(false),
        },
        shopper: Shopper {
            email: personal(),
            phone: personal(),
            customer_id: personal(),
            anonymous_id: personal(),
            first_name: personal(),
            locale: Some("de-DE".to_owned()),
            time_zone: Some("Europe/Berlin".to_owned()),
            country: Some("DE".to_owned()),
            existing_customer: Some(true),
        },
        consent: Channel::ALL.iter().zip(ConsentStatus::ALL.iter().cycle()).map(consent).collect(),
        checkout_url: Some(WebUrl::new("https://shop.example/checkout/🛒")),
        coupons: vec!["WELCOME".to_owned(), text.to_owned()],
        attributes: (0..32).map(|n| (format!("key-{n}"), text.repeat(8))).collect::<BTreeMap<_, _>>(),
        test: true,
        sealed: None,
    };
    let abandonment = abandonment(u32::MAX);
    Cart {
        state: State::Abandoned { next_step: Some(held_step()) },
        stage: Stage::Payment,
        stages: StageSet(31),
        content,
        signals: signals(),
        reasons: reasons(),
        revision: Some(u64::MAX),
        abandonments: u32::MAX,
        last_abandonment: Some(abandonment),
        reminders: (0..16).map(|n| ReminderMark { abandonment: n, step: n, decided_at: at(n.into()) }).collect(),
        order: Some(order_brief("o-1#2")),
        created_at: Moment::from_millis(START.millis() + 1),
        last_activity_at: Moment::from_millis(START.millis() + 2),
        items_changed_at: Moment::from_millis(START.millis() + 3),
        occurred_at: Moment::from_millis(START.millis() + 4),
        episode_started_at: Moment::from_millis(START.millis() + 5),
        expires_at: at(90 * 86_400),
        past: past(),
        ..cart(id)
    }
}

fn consent((channel, status): (&Channel, &ConsentStatus)) -> Consent {
    Consent {
        channel: *channel,
        status: *status,
        basis: Some("opt_in".to_owned()),
        at: Some(at(-3600)),
        source: Some("checkout checkbox ✓".to_owned()),
    }
}

/// One of each kind of signal, with everything it can carry.
pub fn signals() -> Vec<Signal> {
    let kinds = vec![
        SignalKind::ShippingQuoted { lowest: Some(minor(490)), fastest_days: Some(3), rates: Some(0) },
        SignalKind::ShippingQuoted { lowest: None, fastest_days: None, rates: None },
        SignalKind::TotalShown { total: minor(4488), stage: Some(Stage::Payment) },
        SignalKind::TotalShown { total: Minor::MAX, stage: None },
        SignalKind::CouponRejected,
        SignalKind::CouponApplied,
        SignalKind::PaymentMethodsShown { count: Some(4) },
        SignalKind::PaymentMethodsShown { count: None },
        SignalKind::PaymentAttempted,
        SignalKind::PaymentFailed { class: PaymentClass::Authentication },
        SignalKind::PaymentRedirected,
        SignalKind::PaymentReturned,
        SignalKind::ErrorShown { status: Some(503), slow_ms: None },
        SignalKind::ErrorShown { status: None, slow_ms: Some(9_000) },
        SignalKind::FieldRejected,
        SignalKind::AccountRequired,
        SignalKind::ItemRemoved { product: Some(product("p-2")) },
        SignalKind::ItemUnavailable { product: Some(product("p-1")) },
        SignalKind::ItemUnavailable { product: None },
        SignalKind::VariantUnavailable { product: None },
        SignalKind::SearchEmpty,
        SignalKind::PageViewed { page: Page::SizeGuide, product: None },
        SignalKind::ChatOpened,
        SignalKind::ChatAnswered,
        SignalKind::SavedForLater { remind_at: Some(at(3600)) },
        SignalKind::ExitIntent,
        SignalKind::TabHidden,
        SignalKind::PageClosed,
        SignalKind::Other,
    ];
    kinds.into_iter().zip(0..).map(|(kind, n)| Signal { kind, at: at(n) }).collect()
}

/// One reason of each source.
pub fn reasons() -> Vec<Reason> {
    let codes = ReasonCode::ALL.iter().rev();
    let reason = |(source, code): (&ReasonSource, &ReasonCode)| Reason {
        code: *code,
        source: *source,
        confidence: 95,
        at: at(60),
    };
    ReasonSource::ALL.iter().zip(codes).map(reason).collect()
}

/// Every state a cart can be in, with what it can carry.
pub fn states() -> Vec<State> {
    use cartwake::domain::Why;
    let next_step = Some(NextStep { index: 1, due_at: at(3600), held: None });
    vec![
        State::Active { stalls_at: Some(at(600)) },
        State::Active { stalls_at: None },
        State::Abandoned { next_step },
        State::Abandoned { next_step: None },
        State::PaymentPending { next_step },
        State::PaymentPending { next_step: None },
        State::Converted { attribution: Attribution::Clicked },
        State::Converted { attribution: Attribution::Organic },
        State::Reverted,
        State::Dismissed,
        State::OptedOut,
        State::Suppressed { why: Why::TestCart },
        State::MergedInto(cart_id("other")),
        State::Expired,
        State::Erased,
    ]
}

pub fn abandonment(number: u32) -> Abandonment {
    Abandonment {
        number,
        abandoned_at: at(1800),
        stage: Stage::Shipping,
        value: minor(4488),
        reason: Reason {
            code: ReasonCode::ShippingCost,
            source: ReasonSource::InferredHard,
            confidence: 80,
            at: at(1800),
        },
    }
}

pub fn order_brief(id: &str) -> OrderBrief {
    OrderBrief { id: order_id(id), currency: eur(), total: minor(4488), placed_at: at(100) }
}

/// The reminder of step `index` of a cart's first abandonment, to the endpoint `mail`.
pub fn reminder(cart: &Cart, index: u32, due_at: Moment) -> Delivery {
    reminder_to("mail", cart, index, due_at)
}

/// The same, to another endpoint.
pub fn reminder_to(name: &str, cart: &Cart, index: u32, due_at: Moment) -> Delivery {
    let step =
        StepBrief { index, of: 3, name: StepName::parse("first").expect("a literal slug"), channel: Channel::Email };
    let event = Event {
        abandonment: Some(abandonment(1)),
        step: Some(step),
        reason: Some(abandonment(1).reason),
        ..Event::plain(EventKind::Reminder, due_at)
    };
    Delivery::new(cart, &endpoint(name), event, due_at, due_at.plus(secs(12 * 3600)))
}

/// News of a cart's first abandonment, to the endpoint `mail`.
pub fn notice(cart: &Cart, due_at: Moment) -> Delivery {
    let event = Event { abandonment: Some(abandonment(1)), ..Event::plain(EventKind::Abandoned, due_at) };
    Delivery::new(cart, &endpoint("mail"), event, due_at, due_at.plus(secs(12 * 3600)))
}

pub fn order(id: &str) -> Order {
    Order {
        shop: shop(),
        id: order_id(id),
        status: OrderStatus::Paid,
        currency: eur(),
        total: minor(4488),
        placed_at: at(100),
        carts: vec![cart_id("c-1"), cart_id("c-2")],
        paid_as: Some(Paid {
            kind: OrderKind::Repeat,
            credit: Credit { attribution: Attribution::Assisted, step: StepName::parse("second").ok() },
            arms: vec![(
                ExperimentName::parse("holdout").expect("a literal slug"),
                ArmName::parse("default").expect("a literal slug"),
            )],
        }),
        expires_at: at(180 * 86_400),
        recovery: None,
        told_at: None,
    }
}

/// A paid order of everything, placed then.
pub fn mark(order: &str, placed_at: Moment) -> PurchaseMark {
    PurchaseMark { order: order_id(order), placed_at, covers: Covers::Everything, paid: true }
}

/// An order of these products, its payment on its way.
pub fn mark_of(order: &str, products: &[&str]) -> PurchaseMark {
    let products: BTreeSet<ProductId> = products.iter().map(|p| product(p)).collect();
    PurchaseMark { order: order_id(order), placed_at: at(100), covers: Covers::Products(products), paid: false }
}

pub fn receipt(cart: &Cart) -> Receipt {
    Receipt {
        created: true,
        applied: Applied::Applied,
        state: cart.state.name(),
        stage: cart.stage,
        abandonments: cart.abandonments,
        revision: Some(17),
        next_wake_at: cart.next_wake(),
    }
}

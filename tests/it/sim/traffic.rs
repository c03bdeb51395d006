//! What the storefront does in one seed: some shoppers, their carts and orders, told in time, late, twice or never again.
//!
//! A client repeats what was not answered, to any process, under the same key. What it is told is written down where the
//! engine returns it, which is before any storefront could know it: that makes the promises harder to keep, not easier.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cartwake::domain::{
    CartId, CartPatch, Channel, Consent, ConsentStatus, Content, Field, Identifier, IdentifierKind, Input, Minor,
    Moment, OrderItem, OrderNews, OrderStatus, Page, PaymentClass, PersonalText, ReasonCode, ReasonSource, Said,
    Shopper, Signal, SignalKind, Stage, Unmapped, What,
};
use cartwake::engine::Once;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::dice::Dice;
use super::process::Process;
use super::world::World;
use crate::samples::{cart_id, content, eur, item, key, order_id, product, shop};

/// Something that the storefront tells.
#[derive(Clone)]
pub enum Message {
    Cart { id: CartId, input: Input },
    Order(OrderNews),
    OptOut(Identifier),
}

/// Something that is told at a moment, perhaps under a key.
#[derive(Clone)]
pub struct Told {
    pub message: Message,
    pub once: Option<Once>,
}

/// The storefront: knows what it told before, so that it can repeat it.
pub struct Storefront {
    dice: Dice,
    carts: u64,
    shoppers: u64,
    orders: Vec<OrderNews>,
    told: Vec<Told>,
    serial: u64,
}

impl Storefront {
    pub fn new(dice: &mut Dice) -> Self {
        let (carts, shoppers) = (2 + dice.below(7), 1 + dice.below(4));
        Self { dice: Dice::new(dice.roll()), carts, shoppers, orders: Vec::new(), told: Vec::new(), serial: 0 }
    }

    /// The next thing it tells, at `now`.
    pub fn next(&mut self, now: Moment) -> Told {
        self.serial += 1;
        if !self.told.is_empty() && self.dice.chance(60) {
            return self.dice.pick(&self.told).clone();
        }
        let message = match self.dice.below(1_000) {
            0..15 => self.opt_out(),
            15..180 => self.order(now),
            _ => self.cart(now),
        };
        let keyed = self.dice.chance(900);
        let mut once = keyed.then(|| Once { key: key(&format!("k-{}", self.serial)), fingerprint: self.serial });
        if self.dice.chance(20) {
            // A key that was used for something else.
            once =
                Some(Once { key: key(&format!("k-{}", 1 + self.dice.below(self.serial))), fingerprint: self.serial });
        }
        let told = Told { message, once };
        self.told.push(told.clone());
        told
    }

    /// What will be told from now on belongs to another time: nothing of before is repeated.
    pub fn forget(&mut self) {
        self.told.clear();
    }

    fn happened(&mut self, now: Moment) -> Moment {
        let back = match self.dice.below(12) {
            0 => self.dice.below(300_000),
            1..4 => self.dice.below(40_000),
            _ => 0,
        };
        now.minus(Duration::from_millis(back))
    }

    fn opt_out(&mut self) -> Message {
        let email = format!("s{}@example.com", self.dice.below(self.shoppers));
        Message::OptOut(Identifier::new(IdentifierKind::Email, &email).expect("it has substance"))
    }

    fn some_cart(&mut self) -> CartId {
        cart_id(&format!("c-{}", self.dice.below(self.carts)))
    }

    fn cart(&mut self, now: Moment) -> Message {
        let (id, at) = (self.some_cart(), self.happened(now));
        let what = match self.dice.below(100) {
            0..42 => What::Snapshot { stage: self.stage(), content: Box::new(self.content()) },
            42..62 => What::Patch(Box::new(self.patch())),
            62..82 => What::Signal(Signal { kind: self.signal(), at }),
            82..88 => What::Reason(self.said()),
            88..89 => What::SurveyShown,
            89..91 => What::Cancel(self.dice.chance(500).then(|| self.said())),
            91..97 => What::Dismiss,
            _ => What::Delete,
        };
        let counts = matches!(what, What::Snapshot { .. } | What::Patch(_)) && self.dice.chance(100);
        let revision = counts.then(|| self.dice.below(30));
        let unmapped = self.dice.chance(20).then_some(Unmapped::SignalKind);
        Message::Cart { id, input: Input { at, revision, what, unmapped } }
    }

    fn said(&mut self) -> Said {
        let code = *self.dice.pick(&[ReasonCode::PriceTooHigh, ReasonCode::ShippingCost, ReasonCode::Other]);
        let source = *self.dice.pick(&[ReasonSource::Reported, ReasonSource::Agent]);
        let comment = self.dice.chance(200).then(|| PersonalText::new("because"));
        Said { comment, survey: self.dice.chance(300).then_some(1), ..Said::new(code, source) }
    }

    fn stage(&mut self) -> Stage {
        *self.dice.pick(&[Stage::Browse, Stage::Cart, Stage::Contact, Stage::Shipping, Stage::Payment, Stage::Payment])
    }

    fn shopper(&mut self) -> Shopper {
        let who = self.dice.below(self.shoppers);
        let text = |text: String| Some(PersonalText::new(&text));
        let mut shopper = Shopper::default();
        let known = self.dice.below(16);
        if known & 3 != 0 {
            shopper.email = text(format!("s{who}@example.com"));
        }
        if known & 4 != 0 {
            shopper.customer_id = text(format!("customer-{who}"));
        }
        if known >= 12 {
            shopper.phone = text(format!("+4915100000{who}"));
        }
        if known & 8 != 0 {
            shopper.anonymous_id = text(format!("device-{}", self.dice.below(self.shoppers)));
        }
        shopper
    }

    fn content(&mut self) -> Content {
        let lines = self.dice.below(4);
        let items = (0..lines).map(|_| item(&format!("p-{}", self.dice.below(4)))).collect();
        let consent =
            Consent { channel: Channel::Email, status: ConsentStatus::Withdrawn, basis: None, at: None, source: None };
        Content {
            items,
            shopper: self.shopper(),
            consent: if self.dice.chance(60) { vec![consent] } else { Vec::new() },
            checkout_url: content().checkout_url.filter(|_| !self.dice.chance(60)),
            attributes: BTreeMap::from([("snapshot".to_owned(), self.serial.to_string())]),
            test: self.dice.chance(50),
            ..Content::empty(eur())
        }
    }

    fn patch(&mut self) -> CartPatch {
        let mark = BTreeMap::from([(format!("patch-{}", self.serial), Some("1".to_owned()))]);
        let mut patch = CartPatch { attributes: Field::Set(mark), ..CartPatch::default() };
        match self.dice.below(5) {
            4 => patch.test = Field::Set(self.dice.chance(200)),
            0 => patch.stage = Some(self.stage()),
            1 => patch.items = if self.dice.chance(300) { Field::Clear } else { Field::Set(self.content().items) },
            2 => {
                let email = PersonalText::new(&format!("s{}@example.com", self.dice.below(self.shoppers)));
                let shopper = cartwake::domain::ShopperPatch { email: Field::Set(email), ..Default::default() };
                patch.shopper = Field::Set(shopper);
            }
            _ => {}
        }
        patch
    }

    fn signal(&mut self) -> SignalKind {
        match self.dice.below(8) {
            0 => SignalKind::PaymentFailed { class: PaymentClass::FraudSuspected },
            1 => SignalKind::PaymentFailed { class: PaymentClass::Funds },
            2 => SignalKind::ExitIntent,
            3 => SignalKind::CouponRejected,
            4 => SignalKind::PageViewed { page: Page::Returns, product: None },
            5 => SignalKind::ItemUnavailable { product: Some(product("p-1")) },
            6 => SignalKind::PaymentRedirected,
            _ => SignalKind::ErrorShown { status: Some(503), slow_ms: None },
        }
    }

    /// A new order, or news of one.
    fn order(&mut self, now: Moment) -> Message {
        let all = [
            OrderStatus::Pending,
            OrderStatus::Paid,
            OrderStatus::Paid,
            OrderStatus::Failed,
            OrderStatus::Cancelled,
            OrderStatus::Refunded,
        ];
        if !self.orders.is_empty() && self.dice.chance(450) {
            let mut news = self.dice.pick(&self.orders).clone();
            news.status = *self.dice.pick(&all);
            return Message::Order(news);
        }
        let mut shopper = Shopper::default();
        let mut cart = None;
        match self.dice.below(3) {
            0 => cart = Some(self.some_cart()),
            1 => {
                shopper.email = Some(PersonalText::new(&format!("S{}@Example.com", self.dice.below(self.shoppers))));
            }
            _ => {
                cart = Some(self.some_cart());
                shopper = self.shopper();
            }
        }
        let bought = self.dice.below(4);
        let items =
            (0..bought).map(|_| OrderItem { product_id: product(&format!("p-{}", self.dice.below(4))), quantity: 1 });
        let news = OrderNews {
            id: order_id(&format!("o-{}", self.orders.len())),
            cart,
            items: items.collect(),
            shopper,
            status: if self.dice.chance(50) { *self.dice.pick(&all) } else { *self.dice.pick(&all[..3]) },
            currency: eur(),
            total: Minor::new(4_488).expect("in range"),
            placed_at: self.happened(now),
            said_at: None,
            recovery: None,
        };
        self.orders.push(news.clone());
        Message::Order(news)
    }
}

/// Tells it until somebody answers; gives up after some tries.
pub async fn tell(world: Arc<World>, told: Told) {
    for _ in 0..5 {
        let patience = world.with(|inner| *inner.dice.pick(&[2_000, 8_000, 30_000]));
        if let Some(process) = world.some_process() {
            let (answer, answered) = oneshot::channel();
            let (process_there, world_there, told_there) = (Arc::clone(&process), Arc::clone(&world), told.clone());
            process.spawn(async move {
                let is_answered = serve(&process_there, &world_there, &told_there).await;
                answer.send(is_answered).ok();
            });
            if matches!(timeout(Duration::from_millis(patience), answered).await, Ok(Ok(true))) {
                return;
            }
        }
        let wait = world.with(|inner| 100 + inner.dice.below(2_000));
        sleep(Duration::from_millis(wait)).await;
    }
}

/// The request inside a process; true when it was answered with anything but "try again".
async fn serve(process: &Process, world: &World, told: &Told) -> bool {
    let (engine, shop) = (&process.engine, shop());
    let result = match &told.message {
        Message::Cart { id, input } => {
            let result = engine.write(&shop, id, input.clone(), told.once.clone()).await;
            result.map(|receipt| {
                world.with(|inner| {
                    let ledger = &mut inner.ledger;
                    let about = format!("p{} {} {id} {}", process.id, input.what.kind(), receipt.applied);
                    ledger.note(world.now(), &about);
                    world.store.with(|book| {
                        let what = (&input.what, input.at);
                        ledger.what_was_acknowledged_is_stored((&shop, id), what, &receipt, told.once.as_ref(), book);
                    });
                });
            })
        }
        Message::OptOut(identifier) => {
            let result = engine.opt_out(&shop, std::slice::from_ref(identifier), None).await;
            result.map(|_| world.with(|inner| inner.ledger.opt_out_was_answered(identifier)))
        }
        Message::Order(news) => {
            let asked = world.with(|inner| world.store.with(|book| inner.ledger.order_comes(news, book)));
            let result = engine.order(&shop, news.clone(), told.once.clone()).await;
            result.map(|receipt| {
                world.with(|inner| {
                    let ledger = &mut inner.ledger;
                    let (id, status, applied, sends) = (&news.id, news.status, receipt.applied, receipt.in_flight);
                    ledger.note(world.now(), &format_args!("p{} order {id} {status} {applied} {sends:?}", process.id));
                    world.store.with(|book| {
                        ledger.the_order_is_stored(&shop, (id, status), &receipt, told.once.as_ref(), book);
                        ledger.order_was_answered(news, &receipt, &asked, book, world.now());
                    });
                });
            })
        }
    };
    match result {
        Ok(()) => true,
        Err(error) => {
            use cartwake::engine::WriteError;
            let is_final = matches!(error, WriteError::Refused(_) | WriteError::KeyReused);
            world.with(|inner| {
                inner.ledger.saw("error", &error);
                inner.ledger.note(world.now(), &format_args!("p{} {error}", process.id));
            });
            is_final
        }
    }
}

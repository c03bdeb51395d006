//! Each guard alone: a reminder to which nothing objects, and for each guard the one thing that makes it object.
//!
//! Guards overlap, so a story can end well although one is gone; here the why tells which of them spoke.

use std::time::Duration;

use cartwake::domain::{
    Cap, Cart, Channel, ConsentPreset, Delivery, Experiment, ExperimentName, GUARDS, Known, Moment, Note, OptOut,
    Outcome, OutcomeName, PENDING_INDEX, PaymentClass, Person, Program, PurchaseMark, QuietHours, Reminded, ReminderId,
    Signal, SignalKind, State, Stock, StockLevel, Verdict, Vetting, Why, after_attempt, before_send,
};

use crate::samples::{
    abandonment, at, cart, cart_id, eur, hash, in_state, mark, minor, order_brief, order_id, product, reminder,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A look at a reminder, and all that it depends on.
struct Scene {
    cart: Cart,
    delivery: Delivery,
    person: Person,
    stock: Stock,
    program: Program,
    now: Moment,
}

impl Scene {
    /// Four hours after the shopper left; nothing is in the way.
    fn clear() -> Self {
        let due_at = abandonment(1).abandoned_at.plus(4 * HOUR);
        let cart = Cart {
            abandonments: 1,
            last_abandonment: Some(abandonment(1)),
            ..in_state(&cart("c-1"), State::Abandoned { next_step: None })
        };
        let program = Program { consent: ConsentPreset::SoftOptIn, ..Program::plain() };
        let mut cart = cart;
        cart.content.shopper.existing_customer = Some(true);
        let delivery = reminder(&cart, 0, due_at);
        let person = Person { who: Some(hash(1)), ..Person::nobody() };
        Self { cart, delivery, person, stock: Stock::unknown(), program, now: due_at }
    }

    /// Two days after an order whose payment is on its way; the shop emptied the cart. Nothing is in the way either.
    fn of_payment() -> Self {
        let mut scene = Self::clear();
        let step = scene.program.steps[0].clone();
        scene.program.payment_pending = Some(step.clone());
        scene.cart.order = Some(order_brief("o-1"));
        scene.cart.state = State::PaymentPending { next_step: None };
        scene.cart.content.items.clear();
        scene.cart.content.checkout_url = None;
        scene.person.marks.push(PurchaseMark { paid: false, ..mark("o-1", at(100)) });
        let due_at = at(100).plus(48 * HOUR);
        scene.delivery = reminder(&scene.cart, PENDING_INDEX, due_at);
        scene.delivery.event.order = Some(order_brief("o-1"));
        scene.now = due_at;
        scene
    }

    fn verdict(&self) -> Vetting {
        let known = Known { person: &self.person, stock: &self.stock, program: &self.program };
        before_send(&self.delivery, Some(&self.cart), known, self.now)
    }
}

fn suspect_fraud(scene: &mut Scene) {
    let kind = SignalKind::PaymentFailed { class: PaymentClass::FraudSuspected };
    scene.cart.signals.push(Signal { kind, at: at(1_000) });
}

/// What puts a guard's question, and what it then answers.
type Case = (&'static str, fn(&mut Scene), Why);

const CASES: &[Case] = &[
    ("purchase", |scene| scene.person.marks.push(mark("o-9", at(2_000))), Why::Purchased),
    ("state", |scene| scene.cart.state = State::Dismissed, Why::Dismissed),
    ("episode", |scene| scene.cart.last_abandonment = Some(abandonment(2)), Why::ShopperReturned),
    ("shopper", |scene| scene.cart.content.test = true, Why::TestCart),
    ("activation", |scene| scene.program.activated_at = Some(at(1_801)), Why::BeforeActivation),
    ("stale", |scene| scene.now = scene.delivery.send_not_after.plus(Duration::from_millis(1)), Why::Stale),
    ("fraud", suspect_fraud, Why::FraudSuspected),
    ("lines", |scene| scene.cart.content.items.clear(), Why::NoItems),
    ("contact", |scene| scene.cart.content.shopper.email = None, Why::NoContact),
    (
        "opt_out",
        |scene| scene.person.opt_outs.push(OptOut { channel: Some(Channel::Email), at: at(900) }),
        Why::OptedOut,
    ),
    ("consent", |scene| scene.program.consent = ConsentPreset::Strict, Why::NoConsent),
    (
        "conditions",
        |scene| scene.program.steps[0].conditions.minimum = vec![(eur(), minor(1_000_000))],
        Why::ConditionsNotMet,
    ),
    ("link", |scene| scene.cart.content.checkout_url = None, Why::NoCheckoutUrl),
    (
        "holdout",
        |scene| {
            let name = ExperimentName::parse("all").expect("a literal slug");
            scene.program.experiment = Some(Experiment { name, holdout_percent: 100, arms: Vec::new() });
        },
        Why::Holdout,
    ),
    (
        "stock",
        |scene| {
            let level = StockLevel { product: product("p-1"), in_stock: false, price: None, at: at(900) };
            scene.stock = [Note::Stock(level)].into_iter().collect();
        },
        Why::OutOfStock,
    ),
    (
        "cap",
        |scene| {
            scene.program.caps = vec![Cap { count: 1, within: 24 * HOUR }];
            scene.person.reminded.push(of_another_cart(at(1_900), None));
        },
        Why::FrequencyCap,
    ),
    ("quiet_hours", |scene| scene.program.quiet = QuietHours::parse("00:00-23:59"), Why::QuietHours),
];

/// Of the reminder of a payment; what is not here, no guard asks of it: lines, link and stock.
const PAYMENT_CASES: &[Case] = &[
    ("purchase", |scene| scene.person.marks = vec![mark("o-1", at(100))], Why::Purchased),
    ("state", |scene| scene.cart.state = State::Active { stalls_at: None }, Why::PaymentFailed),
    ("state", |scene| scene.cart.state = State::Abandoned { next_step: None }, Why::PaymentFailed),
    ("state", |scene| scene.cart.state = State::Reverted, Why::OrderCancelled),
    ("state", |scene| scene.cart.state = State::Dismissed, Why::Dismissed),
    ("state", |scene| scene.cart.state = State::MergedInto(cart_id("c-2")), Why::Merged),
    ("episode", |scene| scene.cart.order = Some(order_brief("o-2")), Why::Superseded),
    ("shopper", |scene| scene.cart.content.test = true, Why::TestCart),
    ("activation", |scene| scene.program.activated_at = Some(at(101)), Why::BeforeActivation),
    ("stale", |scene| scene.now = scene.delivery.send_not_after.plus(Duration::from_millis(1)), Why::Stale),
    ("fraud", suspect_fraud, Why::FraudSuspected),
    ("contact", |scene| scene.cart.content.shopper.email = None, Why::NoContact),
    ("opt_out", |scene| scene.person.opt_outs.push(OptOut { channel: None, at: at(900) }), Why::OptedOut),
    ("consent", |scene| scene.program.consent = ConsentPreset::Strict, Why::NoConsent),
    (
        "holdout",
        |scene| {
            let name = ExperimentName::parse("all").expect("a literal slug");
            scene.program.experiment = Some(Experiment { name, holdout_percent: 100, arms: Vec::new() });
        },
        Why::Holdout,
    ),
    ("cap", |scene| scene.person.reminded.push(of_another_cart(scene.now, Some("o-1"))), Why::FrequencyCap),
    (
        "cap",
        |scene| {
            scene.program.caps = vec![Cap { count: 1, within: 24 * HOUR }];
            scene.person.reminded.push(of_another_cart(scene.now.minus(HOUR), None));
        },
        Why::FrequencyCap,
    ),
    ("quiet_hours", |scene| scene.program.quiet = QuietHours::parse("00:00-23:59"), Why::QuietHours),
];

/// What was sent to the person about the cart `c-2` at that moment, of this order's payment.
fn of_another_cart(sent_at: Moment, order: Option<&str>) -> Reminded {
    Reminded {
        reminder: ReminderId { cart: cart_id("c-2"), abandonment: 1, step: 0 },
        delivery: reminder(&cart("c-2"), 0, at(1_900)).id,
        channel: Channel::Email,
        at: sent_at,
        order: order.map(order_id),
    }
}

#[test]
fn a_reminder_to_which_nothing_objects_goes_out() {
    assert_eq!(Scene::clear().verdict(), Vetting::Proceed);
    assert_eq!(Scene::of_payment().verdict(), Vetting::Proceed);
}

#[test]
fn each_guard_objects_to_what_it_is_for() {
    let of_payment = PAYMENT_CASES.iter().map(|case| (Scene::of_payment(), case));
    for (mut scene, (guard, change, expected)) in CASES.iter().map(|case| (Scene::clear(), case)).chain(of_payment) {
        change(&mut scene);
        match scene.verdict() {
            Vetting::Suppress(why) | Vetting::Defer { why, .. } => assert_eq!(why, *expected, "{guard}"),
            Vetting::Proceed => panic!("{guard} let it pass"),
        }
    }
}

#[test]
fn no_retry_is_planned_after_the_last_moment() {
    let Scene { delivery, .. } = Scene::clear();
    let failed = Outcome {
        name: OutcomeName::ServerError,
        status: Some(500),
        retry_after: None,
        duration: Duration::ZERO,
        reply: None,
    };
    let verdict = |at| after_attempt(&delivery, &failed, at);
    assert!(matches!(verdict(delivery.due_at), Verdict::RetryAt(_)));
    assert_eq!(verdict(delivery.send_not_after.minus(Duration::from_secs(1))), Verdict::Suppressed(Why::Stale));
}

#[test]
fn no_guard_is_without_a_case() {
    let guards: Vec<&str> = GUARDS.iter().map(|(name, _)| *name).collect();
    let cases: Vec<&str> = CASES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(guards, cases);
}

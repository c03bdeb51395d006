//! The reminder of a payment that is on its way: when it comes due, that it comes once, and what it leaves alone.

use std::time::Duration;

use crate::domain::{
    Attribution, Cart, CartId, Channel, Conditions, Consent, ConsentStatus, Content, Covers, Credit, Currency,
    Decision, Delivery, DeliveryId, EndpointName, EventKind, EventSet, Fact, Input, Item, Known, Minor, Moment,
    OrderId, OrderNews, OrderStatus, PENDING_INDEX, Person, PersonalText, ProductId, Program, PurchaseMark, Reminded,
    ReminderId, ReminderResult, ShopId, Shopper, Stage, State, StateName, Step, StepName, Stock, Subscription, Vetting,
    WebUrl, What, Why, before_send, decide, on_wake,
};

const HOUR: Duration = Duration::from_hours(1);
const DELAY: Duration = Duration::from_hours(48);
const START: Moment = Moment::from_millis(1_795_000_000_000);

fn after(hours: u32) -> Moment {
    START.plus(hours * HOUR)
}

fn step() -> Step {
    Step {
        name: StepName::parse("payment_pending").expect("a slug"),
        delay: DELAY,
        channel: Channel::Email,
        conditions: Conditions::default(),
    }
}

fn program() -> Program {
    let endpoint = EndpointName::parse("mail").expect("a slug");
    let subscriptions = vec![Subscription { endpoint, events: EventSet::all() }];
    Program { payment_pending: Some(step()), subscriptions, ..Program::plain() }
}

fn content() -> Content {
    let item = Item {
        id: None,
        product_id: ProductId::parse("p-1").expect("an id"),
        sku: None,
        title: None,
        variant: None,
        quantity: 1,
        unit_price: Minor::new(100).ok(),
        url: None,
        image_url: None,
        in_stock: None,
    };
    Content {
        items: vec![item],
        shopper: Shopper { email: Some(PersonalText::new("ada@example.com")), ..Shopper::default() },
        checkout_url: Some(WebUrl::new("https://shop.example/checkout/1")),
        ..Content::empty(Currency::parse("EUR").expect("a code"))
    }
}

fn snapshot(content: Content) -> What {
    What::Snapshot { stage: Stage::Payment, content: Box::new(content) }
}

fn order(id: &str, status: OrderStatus, placed_at: Moment) -> What {
    What::Order(Box::new(OrderNews {
        id: OrderId::parse(id).expect("an id"),
        cart: CartId::parse("c").ok(),
        shopper: Shopper::default(),
        status,
        currency: Currency::parse("EUR").expect("a code"),
        total: Minor::new(100).expect("in range"),
        items: Vec::new(),
        placed_at,
        said_at: None,
        recovery: None,
    }))
}

/// One cart and what became of it.
struct Life {
    cart: Option<Cart>,
    program: Program,
    person: Person,
    now: Moment,
    facts: Vec<Fact>,
    sent: Vec<Delivery>,
}

impl Life {
    fn of(program: Program) -> Self {
        Self { cart: None, program, person: Person::nobody(), now: START, facts: Vec::new(), sent: Vec::new() }
    }

    /// A cart whose order was placed at the start, its payment on its way.
    fn pending(program: Program) -> Self {
        let mut life = Self::of(program);
        life.hears(START, snapshot(content()));
        life.hears(START, order("o-1", OrderStatus::Pending, START));
        life
    }

    fn hears(&mut self, at: Moment, what: What) {
        self.is_told(at, at, what);
    }

    /// Of what happened before.
    fn is_told(&mut self, now: Moment, at: Moment, what: What) {
        self.now = now;
        let (shop, id) = (ShopId::parse("s").expect("a slug"), CartId::parse("c").expect("an id"));
        let input = Input::new(at, what);
        let decision = decide((&shop, &id), self.cart.take(), &input, &self.person, now, &self.program);
        self.take(decision.expect("it can be decided"));
    }

    /// Looks at the cart whenever it is due, until then.
    fn waits_until(&mut self, end: Moment) {
        while let Some(cart) = self.cart.clone().filter(|cart| cart.next_wake() <= end) {
            let now = cart.next_wake().max(self.now);
            let stock = Stock::unknown();
            let known = Known { person: &self.person, stock: &stock, program: &self.program };
            self.take(on_wake(cart, known, now).expect("its wake has come"));
        }
    }

    fn take(&mut self, decision: Decision) {
        self.cart = decision.cart;
        self.facts.extend(decision.facts);
        self.sent.extend(decision.outbox.into_iter().filter(Delivery::is_reminder));
    }

    fn cart(&self) -> &Cart {
        self.cart.as_ref().expect("a cart")
    }

    /// What became of the reminder of the payment, each time it was decided.
    fn decided(&self) -> Vec<Option<Why>> {
        let of = |fact: &Fact| {
            let Fact::Reminder { step, why, result } = fact else { return None };
            let is_decision = matches!(result, ReminderResult::Decided | ReminderResult::Suppressed);
            (is_decision && step.as_str() == "payment_pending").then_some(*why)
        };
        self.facts.iter().filter_map(of).collect()
    }

    /// What is said of the reminder at the last moment.
    fn vetted(&self, now: Moment) -> Vetting {
        let stock = Stock::unknown();
        let known = Known { person: &self.person, stock: &stock, program: &self.program };
        before_send(&self.sent[0], self.cart.as_ref(), known, now)
    }
}

#[test]
fn unless_the_shop_asks_for_it_a_payment_has_no_wake_of_its_own() {
    let life = Life::pending(Program { payment_pending: None, ..program() });
    assert_eq!(life.cart().state, State::PaymentPending { next_step: None });
    assert_eq!(life.cart().next_wake(), life.cart().expires_at);
}

#[test]
fn a_payment_that_takes_long_is_reminded_of_once_and_is_no_abandonment() {
    let mut life = Life::pending(program());
    assert_eq!(life.cart().next_wake(), START.plus(DELAY));
    life.waits_until(after(24 * 30));
    assert_eq!(life.decided(), [None]);
    let [reminder] = &life.sent[..] else { panic!("one reminder: {:?}", life.sent) };
    let brief = reminder.event.step.as_ref().expect("a step");
    assert_eq!((brief.index, brief.of, brief.name.as_str()), (PENDING_INDEX, 0, "payment_pending"));
    assert_eq!(reminder.event.order.as_ref().map(|order| order.id.as_str()), Some("o-1"));
    assert_eq!((reminder.event.at, reminder.event.abandonment, reminder.event.reason), (after(48), None, None));
    assert_eq!((life.cart().state.name(), life.cart().abandonments), (StateName::PaymentPending, 0));
    assert!(!life.facts.iter().any(|fact| matches!(fact, Fact::Abandoned { .. })));
    assert_eq!(life.vetted(after(48)), Vetting::Proceed);
}

#[test]
fn the_same_news_once_more_moves_nothing() {
    let mut life = Life::pending(program());
    life.hears(after(20), order("o-1", OrderStatus::Pending, START));
    assert_eq!(life.cart().next_wake(), START.plus(DELAY));
    life.waits_until(after(60));
    life.hears(after(61), order("o-1", OrderStatus::Pending, START));
    life.waits_until(after(24 * 30));
    assert_eq!(life.decided(), [None]);
}

#[test]
fn what_ends_the_waiting_ends_its_reminder_and_says_why() {
    let ends = [
        (OrderStatus::Paid, Why::Purchased),
        (OrderStatus::Failed, Why::PaymentFailed),
        (OrderStatus::Cancelled, Why::OrderCancelled),
        (OrderStatus::Refunded, Why::OrderCancelled),
    ];
    for (status, why) in ends {
        // Before it comes due: nothing is left of it.
        let mut life = Life::pending(program());
        life.hears(after(1), order("o-1", status, START));
        life.waits_until(after(24 * 30));
        assert_eq!(life.decided(), [], "{status}");
        // And between its attempts.
        let mut life = Life::pending(program());
        life.waits_until(after(48));
        life.hears(after(49), order("o-1", status, START));
        assert_eq!(life.vetted(after(49)), Vetting::Suppress(why), "{status}");
    }
}

#[test]
fn of_another_order_of_the_same_cart_it_is_not() {
    let mut life = Life::pending(program());
    life.waits_until(after(48));
    life.hears(after(49), order("o-2", OrderStatus::Pending, after(49)));
    assert_eq!(life.vetted(after(49)), Vetting::Suppress(Why::Superseded));
}

#[test]
fn a_payment_is_known_by_its_mark_also_when_the_cart_was_emptied() {
    let mut life = Life::pending(program());
    let emptied = Content { items: Vec::new(), checkout_url: None, ..content() };
    life.hears(after(1), snapshot(emptied));
    life.waits_until(after(48));
    assert_eq!(life.decided(), [None], "the order is what the payment is for");
    assert_eq!(life.vetted(after(48)), Vetting::Proceed);
    let id = OrderId::parse("o-1").expect("an id");
    let mark = |paid| PurchaseMark { order: id.clone(), placed_at: START, covers: Covers::Everything, paid };
    life.person.marks = vec![mark(false)];
    assert_eq!(life.vetted(after(48)), Vetting::Proceed, "it is on its way");
    life.person.marks = vec![mark(true)];
    assert_eq!(life.vetted(after(48)), Vetting::Suppress(Why::Purchased));
}

#[test]
fn it_comes_once_in_an_abandonment_whatever_becomes_of_the_order() {
    let mut life = Life::pending(program());
    life.waits_until(after(50));
    life.hears(after(51), order("o-1", OrderStatus::Failed, START));
    let again = after(51).plus(HOUR / 6);
    life.hears(again, order("o-2", OrderStatus::Pending, again));
    life.waits_until(after(24 * 10));
    assert_eq!(life.decided(), [None]);
    // The shopper gives up in between, and comes back: that is another time.
    life.hears(after(24 * 10), order("o-2", OrderStatus::Failed, again));
    life.waits_until(after(24 * 10 + 2));
    assert_eq!((life.cart().state.name(), life.cart().abandonments), (StateName::Abandoned, 1));
    life.hears(after(24 * 10 + 3), order("o-3", OrderStatus::Pending, after(24 * 10 + 3)));
    life.waits_until(after(24 * 20));
    assert_eq!(life.decided(), [None, None]);
    let ids: std::collections::BTreeSet<_> = life.sent.iter().map(|reminder| &reminder.id).collect();
    assert_eq!(ids.len(), life.sent.len(), "ids tell reminders apart");
}

#[test]
fn an_order_without_its_cart_has_nobody_to_write_to_until_the_cart_is_told() {
    let mut life = Life::of(program());
    life.hears(START, order("o-1", OrderStatus::Pending, START));
    life.waits_until(after(50));
    assert_eq!((life.decided(), life.sent.len()), (vec![Some(Why::NoContact)], 0));
    let mut life = Life::of(program());
    life.hears(START, order("o-1", OrderStatus::Pending, START));
    life.hears(after(1), snapshot(content()));
    life.waits_until(after(50));
    assert_eq!(life.decided(), [None]);
}

#[test]
fn it_follows_the_program_of_the_day_it_comes_due() {
    // Switched off since: nothing is sent, and nothing counted.
    let mut life = Life::pending(program());
    life.program.payment_pending = None;
    life.waits_until(after(24 * 30));
    assert_eq!((life.decided(), life.sent.len()), (vec![], 0));
    assert_eq!(life.cart().state, State::PaymentPending { next_step: None });
    // Switched on since: for orders from then on, so that no backlog is mailed.
    let mut life = Life::pending(Program { payment_pending: None, ..program() });
    life.program = program();
    life.hears(after(1), order("o-1", OrderStatus::Pending, START));
    life.waits_until(after(24 * 30));
    assert_eq!(life.decided(), []);
    // An order of before the shop was switched on.
    let mut life = Life::pending(Program { activated_at: Some(after(1)), ..program() });
    life.waits_until(after(50));
    assert_eq!(life.decided(), [Some(Why::BeforeActivation)]);
}

#[test]
fn of_an_order_that_is_told_of_late_it_is_stale() {
    let mut life = Life::of(program());
    life.hears(after(24 * 9), snapshot(content()));
    life.is_told(after(24 * 9), START, order("o-1", OrderStatus::Pending, START));
    life.waits_until(after(24 * 10));
    assert_eq!(life.decided(), [Some(Why::Stale)]);
}

#[test]
fn consent_and_opt_outs_hold_for_it() {
    let refused =
        Consent { channel: Channel::Email, status: ConsentStatus::Denied, basis: None, at: None, source: None };
    let mut life = Life::of(program());
    life.hears(START, snapshot(Content { consent: vec![refused], ..content() }));
    life.hears(START, order("o-1", OrderStatus::Pending, START));
    life.waits_until(after(50));
    assert_eq!(life.decided(), [Some(Why::NoConsent)]);
}

#[test]
fn one_of_the_carts_that_an_order_closed_reminds_of_its_payment() {
    let mut life = Life::pending(program());
    let note = |order: &str| {
        let (shop, cart) = (ShopId::parse("s").expect("a slug"), CartId::parse("phone").expect("an id"));
        let endpoint = EndpointName::parse("mail").expect("a slug");
        let reminder = ReminderId { cart: cart.clone(), abandonment: 0, step: PENDING_INDEX };
        let delivery = DeliveryId::derive(EventKind::Reminder, &shop, &cart, "about", &endpoint);
        Reminded { reminder, delivery, channel: Channel::Email, at: after(47), order: OrderId::parse(order).ok() }
    };
    life.person.reminded = vec![note("o-9")];
    life.waits_until(after(48));
    assert_eq!(life.vetted(after(48)), Vetting::Proceed, "another order is another reminder");
    life.person.reminded = vec![note("o-1")];
    assert_eq!(life.vetted(after(48)), Vetting::Suppress(Why::FrequencyCap));
}

#[test]
fn an_order_owes_nothing_to_the_reminder_of_a_payment() {
    let mut life = Life::of(program());
    life.hears(START, snapshot(content()));
    life.waits_until(after(1));
    let reminded = |step| Reminded {
        reminder: ReminderId { cart: CartId::parse("other").expect("an id"), abandonment: 0, step },
        delivery: DeliveryId::parse(&format!("dlv_{:032x}", 1)).expect("an id"),
        channel: Channel::Email,
        at: after(2),
        order: None,
    };
    let judged = |step| {
        let person = Person { reminded: vec![reminded(step)], ..Person::nobody() };
        Credit::judge(life.cart(), &person, after(3), &life.program).attribution
    };
    assert_eq!((judged(0), judged(PENDING_INDEX)), (Attribution::Assisted, Attribution::Returned));
}

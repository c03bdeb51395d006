//! Random lives of a cart: what happens to it, when, and when somebody looks.
//!
//! Orderly lives are told in order and on time, and never outlast their retention. Lives of the other kind are told late,
//! early and out of order, last for months, and belong to persons who bought before.

use std::fmt;
use std::time::Duration;

use cartwake::domain::{
    CartPatch, Channel, Conditions, Content, EventSet, Field, Input, Minor, Moment, OrderNews, OrderStatus,
    PaymentClass, Person, Program, PurchaseMark, ReasonCode, ReasonSource, ReminderRef, Said, Shopper, Signal,
    SignalKind, Stage, Step, StepName, Subscription, What,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::samples::{at, content, endpoint, eur, item, mark, mark_of, order_id};

/// Something that happened, and when we were told.
#[derive(Clone)]
pub struct Happening {
    pub now: Moment,
    pub input: Input,
}

/// A life of one cart.
#[derive(Clone)]
pub struct Life {
    pub happenings: Vec<Happening>,
    pub ends_at: Moment,
    pub person: Person,
    pub program: Program,
}

impl fmt::Debug for Life {
    /// One line for each happening: a failing life is read by people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Happening { now, input } in &self.happenings {
            let ahead = input.at.millis() - now.millis();
            write!(f, "\n  {now} ({ahead:+} ms, revision {:?}) ", input.revision)?;
            match &input.what {
                What::Snapshot { stage, content } => {
                    let (lines, contact) = (content.items.len(), content.shopper.has_contact());
                    write!(f, "snapshot {stage}, {lines} lines, contact {contact}, test {}", content.test)?;
                }
                What::Patch(patch) => {
                    write!(f, "patch {:?}, test {:?}", patch.stage, patch.test)?;
                    if let Field::Set(items) = &patch.items {
                        write!(f, ", {} lines", items.len())?;
                    }
                    write!(f, "{}", if patch.items == Field::Clear { ", no lines" } else { "" })?;
                }
                What::Order(news) => write!(f, "order {} {}", news.id, news.status)?,
                What::Signal(signal) => write!(f, "{}", signal.kind.name())?,
                What::Reason(said) => write!(f, "{} {}", said.source, said.code)?,
                What::SurveyShown => f.write_str("survey shown")?,
                What::Cancel(said) => write!(f, "cancel, {:?}", said.as_ref().map(|said| said.code))?,
                What::Dismiss
                | What::OptOut
                | What::Restocked
                | What::Absorb { .. }
                | What::MergeInto(_)
                | What::Delete
                | What::Touch(_)
                | What::Click(_) => write!(f, "{}", input.what.kind())?,
            }
        }
        write!(f, "\n  {} the end; the person has {:?}\n", self.ends_at, self.person.marks)
    }
}

/// When the scheduler looks between two happenings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    OnTime,
    /// Once, this far on the way to the next happening.
    Late {
        percent: u8,
    },
    Never,
}

/// In order, on time, inside the retention of any class; and a plan when to look.
pub fn orderly_lives() -> impl Strategy<Value = (Life, Vec<Looks>)> {
    let happening = (gap(&[1, 60, 1_190, 1_500, 2_400, 4_000, 18_000, 100_000, 280_000]), what());
    (vec(happening, 1..16), vec(looks(), 16)).prop_map(|(happenings, looks)| {
        let mut program = program();
        program.retention.empty = program.retention.contact;
        program.retention.anonymous = program.retention.contact;
        let mut now = at(0);
        let told = |(n, (gap, what)): (i64, (u64, What))| {
            // A millisecond of its own for each happening: two things at one moment have no order to hold us to.
            now = Moment::from_millis(now.plus(Duration::from_secs(gap)).millis() / 1000 * 1000 + n);
            Happening { now, input: Input::new(now, dated(what, now)) }
        };
        let happenings: Vec<_> = (1..).zip(happenings).map(told).collect();
        let ends_at = now.plus(Duration::from_secs(5 * 3600));
        (Life { happenings, ends_at, person: Person::nobody(), program }, looks)
    })
}

/// Anything goes.
pub fn lives() -> impl Strategy<Value = (Life, Vec<Looks>)> {
    let gaps = gap(&[0, 1, 60, 1_500, 2_400, 18_000, 280_000, 3_000_000, 9_000_000]);
    let skews = select(vec![0, 0, 0, -1, -600, -7_200, -400_000, 1, 250, 10_000]);
    let happening =
        (gaps, skews, prop::option::weighted(0.2, 0..6_u64), prop_oneof![15 => what(), 1 => Just(What::Delete)]);
    (vec(happening, 1..24), vec(looks(), 24), people()).prop_map(|(happenings, looks, person)| {
        let mut now = at(0);
        let told = |(gap, skew, revision, what): (u64, i64, Option<u64>, What)| {
            now = now.plus(Duration::from_secs(gap));
            let at = Moment::from_millis(now.millis() + skew * 1000);
            Happening { now, input: Input { at, revision, what: dated(what, at), unmapped: None } }
        };
        let happenings: Vec<_> = happenings.into_iter().map(told).collect();
        let ends_at = now.plus(Duration::from_secs(5 * 3600));
        (Life { happenings, ends_at, person, program: program() }, looks)
    })
}

/// The defaults without what holds reminders back, with a reminder of payments, and one endpoint that wants everything.
fn program() -> Program {
    let subscription = Subscription { endpoint: endpoint("mail"), events: EventSet::all() };
    let pending = Step {
        name: StepName::parse("payment_pending").expect("a literal slug"),
        delay: Duration::from_hours(2),
        channel: Channel::Email,
        conditions: Conditions::default(),
    };
    Program { subscriptions: vec![subscription], payment_pending: Some(pending), ..Program::plain() }
}

fn gap(seconds: &'static [u64]) -> impl Strategy<Value = u64> {
    select(seconds)
}

fn looks() -> impl Strategy<Value = Looks> {
    prop_oneof![Just(Looks::OnTime), Just(Looks::Never), (1..100_u8).prop_map(|percent| Looks::Late { percent })]
}

fn people() -> impl Strategy<Value = Person> {
    let marks = select(vec![
        Vec::new(),
        vec![mark("o-9", at(4_000))],
        vec![mark_of("o-9", &["p-1", "p-2"])],
        vec![mark_of("o-8", &["p-1"]), mark("o-9", at(1_000_000))],
        vec![PurchaseMark { paid: false, ..mark("o-1", at(300_000)) }],
    ]);
    marks.prop_map(|marks| Person { marks, ..Person::nobody() })
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        6 => (stage(), cart_content()).prop_map(|(stage, content)| What::Snapshot { stage, content: Box::new(content) }),
        3 => patch().prop_map(|patch| What::Patch(Box::new(patch))),
        3 => signal().prop_map(|kind| What::Signal(Signal { kind, at: at(0) })),
        1 => said().prop_map(What::Reason),
        3 => order().prop_map(|news| What::Order(Box::new(news))),
        1 => Just(What::Dismiss),
        1 => Just(What::SurveyShown),
        1 => prop::option::of(said()).prop_map(What::Cancel),
        1 => reminder().prop_map(What::Touch),
        1 => reminder().prop_map(What::Click),
    ]
}

/// Fills in the moment that the parts of an input repeat.
fn dated(what: What, at: Moment) -> What {
    match what {
        What::Signal(signal) => What::Signal(Signal { at, ..signal }),
        What::Order(news) => What::Order(Box::new(OrderNews { placed_at: at, ..*news })),
        What::Snapshot { .. }
        | What::Patch(_)
        | What::Reason(_)
        | What::SurveyShown
        | What::Cancel(_)
        | What::Dismiss
        | What::OptOut
        | What::Restocked
        | What::Absorb { .. }
        | What::MergeInto(_)
        | What::Delete
        | What::Touch(_)
        | What::Click(_) => what,
    }
}

fn reminder() -> impl Strategy<Value = ReminderRef> {
    (1..3_u32, 0..3_u32).prop_map(|(abandonment, step)| ReminderRef { abandonment, step })
}

fn stage() -> impl Strategy<Value = Stage> {
    select(Stage::ALL)
}

fn cart_content() -> impl Strategy<Value = Content> {
    let nobody = Content { shopper: Shopper::default(), ..content() };
    let one = Content { items: vec![item("p-1")], ..content() };
    select(vec![
        content(),
        content(),
        content(),
        one,
        nobody,
        Content { checkout_url: None, ..content() },
        Content::empty(eur()),
        Content { test: true, ..content() },
    ])
}

fn patch() -> impl Strategy<Value = CartPatch> {
    let items = prop_oneof![
        6 => Just(Field::Keep),
        1 => Just(Field::Clear),
        2 => Just(Field::Set(vec![item("p-1"), item("p-3")])),
    ];
    let test = prop_oneof![12 => Just(Field::Keep), 1 => Just(Field::Set(true))];
    (prop::option::of(stage()), items, test).prop_map(|(stage, items, test)| CartPatch {
        stage,
        items,
        test,
        ..CartPatch::default()
    })
}

fn signal() -> impl Strategy<Value = SignalKind> {
    select(vec![
        SignalKind::PaymentAttempted,
        SignalKind::PaymentFailed { class: PaymentClass::Funds },
        SignalKind::PaymentFailed { class: PaymentClass::FraudSuspected },
        SignalKind::AccountRequired,
        SignalKind::CouponRejected,
        SignalKind::ExitIntent,
        SignalKind::TabHidden,
        SignalKind::Other,
    ])
}

fn said() -> impl Strategy<Value = Said> {
    let codes = select(vec![ReasonCode::ShippingCost, ReasonCode::JustBrowsing]);
    let sources = select(vec![ReasonSource::Reported, ReasonSource::Agent]);
    (codes, sources).prop_map(|(code, source)| Said::new(code, source))
}

fn order() -> impl Strategy<Value = OrderNews> {
    let ids = select(vec!["o-1", "o-2"]);
    (ids, select(OrderStatus::ALL)).prop_map(|(id, status)| OrderNews {
        id: order_id(id),
        cart: None,
        shopper: Shopper::default(),
        status,
        currency: eur(),
        total: Minor::new(4488).expect("in range"),
        items: Vec::new(),
        placed_at: at(0),
        said_at: None,
        recovery: None,
    })
}

//! The shop of one seed and the versions of its configuration: the product's own, in shorter spans.
//!
//! A reload gives another version; processes reload one after the other, so for a while they differ.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cartwake::domain::{
    Cap, Channel, ClockTime, CodeList, Codes, Conditions, EventKind, EventSet, Experiment, IdleWindows, Incentive,
    IncentiveCode, IncentiveName, Minor, Moment, Program, Retention, Step, StepName, Subscription, Worth,
};
use cartwake::engine::{EndpointPolicy, Policies, ShopPolicy};
use cartwake::webhook::{AddressPolicy, Secret, Sender};

use super::dice::Dice;
use super::world::START;
use crate::receiver::SECRET;
use crate::samples::{endpoint, eur, secs, shop};

/// How many versions of the configuration there are; 0 is the whole one.
pub const VERSIONS: usize = 7;
pub const ENDPOINTS: [&str; 3] = ["mail", "crm", "audit"];

/// Of all persons.
pub const HOLDOUT_PERCENT: u32 = 15;

/// A person is reminded once in this span.
pub const CAP: Duration = secs(40);

/// The merchant's own codes: so few that a seed may use them up.
const CODES: [&str; 3] = ["CODE-A", "CODE-B", "CODE-C"];

pub struct Shop {
    activated_at: Moment,
    timeout: Duration,
    /// Keeps carts as long as the product does, so that state events outlive their last retry.
    keeps_long: bool,
    /// How many codes the merchant has.
    codes: usize,
}

impl Shop {
    pub fn of(dice: &mut Dice) -> Self {
        let timeout = *dice.pick(&[secs(2), secs(5), secs(10)]);
        let (activated_at, keeps_long) = (START.plus(secs(dice.below(3_000))), dice.chance(250));
        Self { activated_at, timeout, keeps_long, codes: 1 + dice.index(CODES.len()) }
    }

    /// 0 whole; 1 slower, with one step, no reminder of payments, and forgetful; 2 nobody wants reminders; 3 without `crm`; 4 `mail` switched off;
    /// 5 switched on only lately; 6 without the shop.
    pub fn policies(&self, version: usize) -> Policies {
        let mut program = program();
        program.incentives = vec![listed(&CODES[..self.codes]), derived()];
        if self.keeps_long {
            program.retention = Program::default().retention;
        }
        let mut names = ENDPOINTS.to_vec();
        match version {
            1 => {
                program.idle.cart = Some(secs(240));
                program.steps.truncate(1);
                program.payment_pending = None;
                program.retention.contact = secs(75);
            }
            3 => names.retain(|name| *name != "crm"),
            5 => program.activated_at = Some(self.activated_at),
            6 => return Policies::default(),
            _ => {}
        }
        let wants = |name: &str| -> EventSet {
            let all = EventKind::ALL.iter().copied();
            match (name, version) {
                (_, 2) => all.filter(|kind| *kind != EventKind::Reminder).collect(),
                ("mail", _) => [EventKind::Reminder, EventKind::Abandoned].into_iter().collect(),
                ("audit", _) => all.filter(|kind| *kind != EventKind::Reminder).collect(),
                _ => EventSet::all(),
            }
        };
        program.subscriptions =
            names.iter().map(|name| Subscription { endpoint: endpoint(name), events: wants(name) }).collect();
        let endpoints =
            names.iter().map(|name| Arc::new(self.endpoint(name, version == 4 && *name == "mail"))).collect();
        Policies { shops: [(shop(), Arc::new(ShopPolicy { program, endpoints }))].into(), ..Policies::default() }
    }

    fn endpoint(&self, name: &str, disabled: bool) -> EndpointPolicy {
        static SENDER: OnceLock<Arc<Sender>> = OnceLock::new();
        let sender = || Arc::new(Sender::new(AddressPolicy::default()).expect("the machine has root certificates"));
        EndpointPolicy {
            name: endpoint(name),
            url: "https://receiver.example/hook".parse().expect("a literal URL"),
            secrets: vec![Secret::parse(SECRET).expect("a literal secret")],
            timeout: self.timeout,
            concurrency: 4,
            rate_limit: None,
            disabled,
            thin: name == "audit",
            // It never sends: the simulation makes the POST.
            sender: Arc::clone(SENDER.get_or_init(sender)),
        }
    }
}

fn program() -> Program {
    let step = |name, delay| Step {
        name: StepName::parse(name).expect("a literal slug"),
        delay: secs(delay),
        channel: Channel::Email,
        conditions: Conditions::default(),
    };
    Program {
        idle: IdleWindows {
            browse: None,
            cart: Some(secs(60)),
            contact: Some(secs(40)),
            shipping: Some(secs(30)),
            payment: Some(secs(20)),
        },
        steps: vec![step("first", 30), step("second", 120), step("third", 300)],
        payment_pending: Some(step("payment_pending", 45)),
        stale_after: secs(180),
        attribution_window: secs(600),
        digest: Some(ClockTime::new(8, 0)),
        retention: Retention {
            empty: secs(300),
            anonymous: secs(900),
            contact: secs(1_800),
            converted: secs(7_200),
            opt_out: secs(7_200),
            tombstone: secs(1_200),
            backups: secs(1_200),
        },
        caps: vec![Cap { count: 1, within: CAP }],
        experiment: Some(Experiment::holdout(HOLDOUT_PERCENT)),
        ..Program::plain()
    }
}

/// At the first step, of a list, for whoever has not bought lately.
fn listed(codes: &[&str]) -> Incentive {
    let codes = codes.iter().map(|code| IncentiveCode::parse(code).expect("a code")).collect();
    Incentive {
        name: IncentiveName::parse("listed").expect("a slug"),
        worth: Worth::Amount(Minor::new(500).expect("in range"), eur()),
        steps: vec![StepName::parse("first").expect("a slug")],
        reasons: Vec::new(),
        valid_for: secs(3_600),
        codes: Codes::List(CodeList { file: "codes".to_owned(), codes }),
        link: None,
        first_orders_only: false,
        bought_within: secs(60),
        per_person: Cap { count: 2, within: secs(600) },
        keep_codes: secs(86_400 * 400),
    }
}

/// At the later ones, derived, for first orders.
fn derived() -> Incentive {
    Incentive {
        name: IncentiveName::parse("derived").expect("a slug"),
        worth: Worth::Percent(10),
        steps: ["second", "third"].map(|name| StepName::parse(name).expect("a slug")).to_vec(),
        codes: Codes::Template("CW-{code}".to_owned()),
        first_orders_only: true,
        ..listed(&[])
    }
}

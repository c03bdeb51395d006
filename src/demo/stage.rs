//! Where the show is played: the next thing in time happens, the engine is drained, the receiver's news reach the cast.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::time::Instant;

use super::alarm::{ALERT, News, Watch};
use super::receiver::{Received, Receiver};
use super::screen::{Counters, Screen, Tone};
use super::setup::STEPS;
use super::shop::Shop;
use super::summary::Report;
use super::visit::Happening;
use crate::app::App;
use crate::clock::ManualClock;
use crate::domain::Moment;
use crate::replay::{self, Answer, Client, Kind, Operation};

/// Longest real wait for the next thing: nobody watches an empty night.
const WAIT_MAX: Duration = Duration::from_millis(350);
/// How often the engine may say that something is due at the same moment before we stop believing it.
const STANDSTILL_MAX: u32 = 1_000;

/// Who acts: the simulated shop, or a recording.
pub enum Cast {
    Simulated(Box<Shop>),
    Recorded(VecDeque<Operation>),
}

impl Cast {
    pub fn simulated(seed: u64, shopper_count: u64, opens_at_ms: i64) -> Self {
        Self::Simulated(Box::new(Shop::open(seed, shopper_count, opens_at_ms)))
    }

    pub fn recorded(file: &Path) -> anyhow::Result<Self> {
        Ok(Self::Recorded(replay::read_all(file)?.into()))
    }

    pub fn next_at_ms(&self) -> Option<i64> {
        match self {
            Self::Simulated(shop) => shop.next_at_ms(),
            Self::Recorded(operations) => operations.front().map(|operation| operation.at_ms),
        }
    }

    /// The end of a recording; a simulation has none before it is played.
    pub fn last_at_ms(&self) -> Option<i64> {
        match self {
            Self::Simulated(_) => None,
            Self::Recorded(operations) => operations.back().map(|operation| operation.at_ms),
        }
    }

    fn is_gateway_down(&self, at_ms: i64) -> bool {
        matches!(self, Self::Simulated(shop) if shop.is_gateway_down(at_ms))
    }

    fn take_next(&mut self) -> Option<Happening> {
        match self {
            Self::Simulated(shop) => shop.take_next(),
            Self::Recorded(operations) => operations.pop_front().map(|operation| Happening { operation, copies: 1 }),
        }
    }

    fn reminded(&mut self, cart_id: &str, abandonment: u64, step: usize, at_ms: i64) {
        if let Self::Simulated(shop) = self {
            shop.reminded(cart_id, abandonment, step, at_ms);
        }
    }
}

/// Spreads the shop's time over real time.
pub struct Pacer {
    /// Virtual seconds in a real one; `None` does not wait.
    speed: Option<f64>,
}

impl Pacer {
    pub const fn new(speed: Option<f64>) -> Self {
        Self { speed }
    }

    async fn pass(&self, span: Duration, spent: Duration) {
        let Some(speed) = self.speed else { return };
        let wait = Duration::try_from_secs_f64(span.as_secs_f64() / speed).unwrap_or(WAIT_MAX).min(WAIT_MAX);
        tokio::time::sleep(wait.saturating_sub(spent)).await;
    }
}

/// A show being played.
pub struct Show<'a> {
    app: &'a App,
    clock: &'a ManualClock,
    receiver: &'a Receiver,
    client: &'a Client,
    screen: Screen,
    pacer: Pacer,
    until_ms: i64,
    now_ms: i64,
    sent: u64,
    seen: BTreeSet<String>,
    in_checkout: BTreeSet<String>,
    counters: Counters,
    /// Nobody watches a recording: it may be of months.
    watch: Option<Watch>,
    report: Report,
}

impl<'a> Show<'a> {
    pub fn new(
        app: &'a App,
        clock: &'a ManualClock,
        receiver: &'a Receiver,
        client: &'a Client,
        screen: Screen,
        pacer: Pacer,
        until_ms: i64,
    ) -> Self {
        Self {
            app,
            clock,
            receiver,
            client,
            screen,
            pacer,
            until_ms,
            now_ms: i64::MIN,
            sent: 0,
            seen: BTreeSet::new(),
            in_checkout: BTreeSet::new(),
            counters: Counters::default(),
            watch: None,
            report: Report::default(),
        }
    }

    /// Plays until nobody acts any more and nothing is due before the curtain.
    #[expect(clippy::disallowed_methods, reason = "the audience watches in real time; the play is on our clock")]
    pub async fn play(&mut self, cast: &mut Cast) -> anyhow::Result<()> {
        let (mut standstill, mut began) = (0, Instant::now());
        if let (Cast::Simulated(_), Some(from_ms)) = (&*cast, cast.next_at_ms()) {
            self.watch = Some(Watch::new(from_ms));
        }
        loop {
            let due_at_ms = self.app.next_moment().await?.map(Moment::millis);
            let acts_at_ms = cast.next_at_ms();
            let curtain_ms = acts_at_ms.map_or(self.until_ms, |at_ms| at_ms.max(self.until_ms));
            let due_at_ms = due_at_ms.filter(|at_ms| *at_ms <= curtain_ms);
            let Some(next_ms) = due_at_ms.into_iter().chain(acts_at_ms).min() else { break };
            standstill = if next_ms > self.now_ms || acts_at_ms == Some(next_ms) { 0 } else { standstill + 1 };
            if standstill > STANDSTILL_MAX {
                bail!("the engine does not settle at {}", Moment::from_millis(self.now_ms));
            }
            self.move_to(next_ms, began.elapsed(), cast).await;
            began = Instant::now();
            // An act in the very moment that something falls due comes first: activity at the end of a window is in time.
            if acts_at_ms == Some(next_ms)
                && let Some(happening) = cast.take_next()
            {
                self.act(&happening).await?;
            }
            self.drain(cast).await?;
            self.look_out().await?;
        }
        self.screen.close();
        Ok(())
    }

    /// The service's own counts, beside the receiver's.
    pub async fn finish(mut self) -> anyhow::Result<Report> {
        for (key, count) in self.app.tallies().await? {
            *self.report.tallies.entry(key).or_default() += count;
        }
        let watch = self.watch.take();
        self.report.alarms = watch
            .map(|watch| watch.alarms)
            .unwrap_or_default()
            .into_iter()
            .map(|alarm| {
                let until = alarm.over_at_ms.map_or_else(|| "the end".to_owned(), |at_ms| self.screen.time(at_ms));
                format!(
                    "{ALERT} rang {} to {until}: {} carts could not pay",
                    self.screen.time(alarm.rang_at_ms),
                    alarm.carts
                )
            })
            .collect();
        self.report.ledger = self.receiver.ledger();
        self.report.late_by.sort_unstable();
        self.report.send_ms.sort_unstable();
        Ok(self.report)
    }

    async fn move_to(&mut self, next_ms: i64, spent: Duration, cast: &Cast) {
        let next_ms = next_ms.max(self.now_ms);
        if self.now_ms != i64::MIN {
            let span = Duration::from_millis(u64::try_from(next_ms - self.now_ms).unwrap_or(0));
            self.pacer.pass(span, spent).await;
        }
        self.now_ms = next_ms;
        self.clock.set(Moment::from_millis(next_ms));
        let receiver_down = self.receiver.is_out_of_order().then_some("receiver down");
        let rings = self.watch.as_ref().is_some_and(Watch::rings).then_some("ALARM");
        let is_down = rings.or(receiver_down).or_else(|| cast.is_gateway_down(next_ms).then_some("payments down"));
        self.screen.show(next_ms, &self.counters, is_down);
    }

    /// Makes a call, as often as the storefront does, under one idempotency key.
    async fn act(&mut self, happening: &Happening) -> anyhow::Result<()> {
        let operation = &happening.operation;
        if operation.kind == Kind::Advance {
            return Ok(());
        }
        self.sent += 1;
        for _ in 0..happening.copies {
            let key = format!("demo-{}", self.sent);
            let answer = self.client.send(operation, &key).await.context("the service does not answer")?;
            self.note_answer(operation, &answer);
        }
        self.tell_act(operation);
        Ok(())
    }

    fn note_answer(&mut self, operation: &Operation, answer: &Answer) {
        if let Some(problem) = &answer.problem {
            self.report.refused += 1;
            let told = || format!("{} {} {problem}", operation.kind.name(), answer.status);
            self.report.first_refusal.get_or_insert_with(told);
        }
    }

    fn tell_act(&mut self, operation: &Operation) {
        let body = operation.body.as_ref();
        let cart_id = operation.cart_id.as_deref().unwrap_or_default();
        let said = |field: &str| body.and_then(|body| body[field].as_str()).unwrap_or_default().to_owned();
        match operation.kind {
            Kind::Put if self.seen.insert(cart_id.to_owned()) => {
                self.counters.carts += 1;
                self.screen.tell(self.now_ms, Tone::Dim, &format!("+ cart {}", short(cart_id)));
            }
            Kind::Reason => {
                let text = format!("? {} says: {}", short(cart_id), said("code"));
                self.screen.tell(self.now_ms, Tone::Plain, &text);
            }
            Kind::Put | Kind::Patch | Kind::Signal | Kind::Order | Kind::Dismiss | Kind::Delete | Kind::Advance => {}
        }
        let stage = said("stage");
        if !stage.is_empty() && stage != "cart" && self.in_checkout.insert(cart_id.to_owned()) {
            self.counters.checkouts += 1;
        }
    }

    /// Lets the engine do all that is due now, and the shoppers hear of it.
    async fn drain(&mut self, cast: &mut Cast) -> anyhow::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "measures how soon webhooks arrive")]
        let released = Instant::now();
        self.app.settle().await?;
        for received in self.receiver.take_fresh() {
            let took = received.arrived.saturating_duration_since(released);
            self.report.send_ms.push(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            self.report.late_by.push(received.late_by);
            self.hear(&received, cast);
        }
        let ledger = self.receiver.ledger();
        self.counters.verified = ledger.verified;
        Ok(())
    }

    /// Ops look at the counts, and are told when too many cannot pay.
    async fn look_out(&mut self) -> anyhow::Result<()> {
        let Some(watch) = self.watch.as_mut().filter(|watch| watch.is_due(self.now_ms)) else { return Ok(()) };
        match watch.read(self.now_ms, &self.app.tallies().await?) {
            Some(News::Rings { carts }) => {
                let text = format!("ALARM {ALERT}: {carts} carts could not pay");
                self.screen.tell(self.now_ms, Tone::Alarm, &text);
            }
            Some(News::Over) => self.screen.tell(self.now_ms, Tone::Alarm, &format!("{ALERT} is over")),
            None => {}
        }
        Ok(())
    }

    fn hear(&mut self, received: &Received, cast: &mut Cast) {
        let name = short(&received.cart_id);
        let text = |pointer: &str| received.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (tone, line) = match received.kind.as_str() {
            "cart.abandoned" => {
                self.counters.stalled += 1;
                (Tone::Warn, format!("… {name} stalled at {} ({})", text("/data/stage"), text("/data/reason/code")))
            }
            "cart.reminder" => {
                self.counters.reminded += 1;
                let step = STEPS.iter().position(|step| *step == text("/data/step/name")).unwrap_or(0);
                let number = received.body.pointer("/data/abandonment").and_then(Value::as_u64).unwrap_or(1);
                cast.reminded(&received.cart_id, number, step, self.now_ms);
                let what = match text("/data/step/name") {
                    "service" => "service message".to_owned(),
                    _ => format!("reminder {}/{}", step + 1, STEPS.len()),
                };
                (Tone::Send, format!("→ {name} {what} received, signature verified"))
            }
            "cart.resumed" => {
                self.counters.returned += 1;
                (Tone::Plain, format!("↩ {name} is back"))
            }
            "cart.recovered" => {
                self.counters.bought += 1;
                self.counters.recovered += 1;
                (Tone::Good, format!("✓ {name} bought after all"))
            }
            "cart.converted" => {
                self.counters.bought += 1;
                (Tone::Good, format!("✓ {name} bought"))
            }
            other => (Tone::Dim, format!("· {name} {other}")),
        };
        self.screen.tell(self.now_ms, tone, &line);
    }
}

/// A cart's name, short enough for a line.
fn short(cart_id: &str) -> String {
    cart_id.chars().take(14).collect()
}

//! A lane whose endpoint takes nothing, with the loops of a server in virtual time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cartwake::clock::Clock;
use cartwake::domain::{Content, Input, Moment, PersonalText, Shopper, Stage, What};
use cartwake::engine::{Dispatcher, Engine, Heartbeat, Policies, Scheduler, run_dispatcher, run_scheduler};
use cartwake::store::Lane;
use tokio::task::{Id, JoinSet, try_id};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::faults::{Line, Weather};
use super::process::SETTINGS;
use super::world::World;
use crate::samples::{cart_id, content, endpoint, secs, shop};

const POLL: Duration = Duration::from_millis(250);
/// Longer than any reminder of the simulated shop is worth sending, and an hour, within which it is looked at.
const LONG: Duration = Duration::from_secs(2 * 3_600);

/// The loops of a process whose shop has the endpoint `mail` alone, at an address that nothing is sent to.
struct Scene {
    world: Arc<World>,
    engine: Arc<Engine>,
    clock: Arc<TestClock>,
    loops: JoinSet<()>,
    stop: CancellationToken,
}

/// Counts what is asked, and once breaks whoever asks next beside the scheduler and the dispatcher: an idle lane.
struct TestClock {
    clock: Arc<dyn Clock>,
    looks: AtomicUsize,
    breaks: AtomicBool,
    spares: OnceLock<[Id; 2]>,
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let is_spared = try_id().is_none_or(|id| self.spares.get().is_none_or(|spares| spares.contains(&id)));
        assert!(is_spared || !self.breaks.swap(false, Ordering::Relaxed), "broken by a test");
        self.clock.now()
    }
}

fn policies(world: &World, disabled: bool) -> Policies {
    let mut policies = world.policies(0);
    for policy in policies.shops.values_mut() {
        let policy = Arc::get_mut(policy).expect("just made");
        policy.program.subscriptions.retain(|wants| wants.endpoint.as_str() == "mail");
        policy.endpoints.retain(|endpoint| endpoint.name.as_str() == "mail");
        let mail = Arc::get_mut(&mut policy.endpoints[0]).expect("just made");
        (mail.disabled, mail.url) = (disabled, "https://127.0.0.1/hook".parse().expect("a literal URL"));
    }
    policies
}

impl Scene {
    fn set(disabled: bool) -> Self {
        let world = World::new(4);
        world.with(|inner| inner.weather = Weather::default());
        let line = Arc::new(Line { world: Arc::clone(&world), process: 0 });
        let clock = Arc::new(TestClock {
            clock: world.clock(),
            looks: AtomicUsize::default(),
            breaks: AtomicBool::default(),
            spares: OnceLock::new(),
        });
        let engine = Arc::new(Engine::new(line, Arc::clone(&clock) as Arc<dyn Clock>, Arc::clone(&world.metrics)));
        engine.set_policies(policies(&world, disabled));
        let stop = CancellationToken::new();
        let scheduler = Scheduler::new(Arc::clone(&engine), 20);
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&engine), SETTINGS));
        let mut loops = JoinSet::new();
        let one = loops.spawn(run_scheduler(scheduler, Arc::clone(&engine), POLL, Heartbeat::default(), stop.clone()));
        let other = loops.spawn(run_dispatcher(dispatcher, POLL, Heartbeat::default(), stop.clone()));
        clock.spares.set([one.id(), other.id()]).expect("set once");
        Self { world, engine, clock, loops, stop }
    }

    async fn cart(&self, name: &str) {
        let shopper = Shopper { email: Some(PersonalText::new(&format!("{name}@example.com"))), ..Shopper::default() };
        let content = Box::new(Content { shopper, ..content() });
        let input = Input::new(self.engine.now(), What::Snapshot { stage: Stage::Shipping, content });
        self.engine.write(&shop(), &cart_id(name), input, None).await.expect("fair weather");
    }

    /// Of each reminder, whether it waits.
    fn reminders(&self) -> Vec<bool> {
        self.world.store.with(|book| {
            let reminders = book.deliveries.iter().filter(|(id, _)| id.is_reminder());
            reminders.map(|(_, row)| row.is_pending()).collect()
        })
    }

    async fn end(mut self) {
        self.stop.cancel();
        while self.loops.join_next().await.is_some() {}
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_stopped_endpoint_ends_within_an_hour_of_its_time() {
    let scene = Scene::set(true);
    // One after the other: each falls due after a look at those before it.
    for name in ["a", "b", "c"] {
        scene.cart(name).await;
        sleep(secs(600)).await;
    }
    assert!(scene.reminders().len() >= 3, "each was due");
    sleep(LONG).await;
    let waiting = scene.reminders();
    assert!(waiting.iter().all(|waits| !waits), "too old to be sent, and still there: {waiting:?}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_panicked_is_run_again() {
    let scene = Scene::set(true);
    sleep(secs(5)).await;
    scene.clock.breaks.store(true, Ordering::Relaxed);
    sleep(secs(5)).await;
    assert!(!scene.clock.breaks.load(Ordering::Relaxed), "it broke");
    for name in ["a", "b", "c"] {
        scene.cart(name).await;
    }
    sleep(secs(600)).await;
    assert!(!scene.reminders().is_empty(), "some were due");
    sleep(LONG).await;
    let waiting = scene.reminders();
    assert!(waiting.iter().all(|waits| !waits), "nobody looked at them: {waiting:?}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_keeps_nobody_busy_between_two_attempts() {
    let scene = Scene::set(false);
    for name in ["a", "b", "c"] {
        scene.cart(name).await;
    }
    // Attempts fail, the breaker opens, and retries come less and less often.
    let next_due = || scene.world.store.with(|book| book.next_due(&Lane { shop: shop(), endpoint: endpoint("mail") }));
    let (mut quiet, mut most) = (0, 0);
    for _ in 0..200 {
        let is_quiet = next_due().is_some_and(|due| due > scene.engine.now().plus(secs(12)));
        let before = scene.clock.looks.load(Ordering::Relaxed);
        sleep(secs(10)).await;
        if is_quiet {
            quiet += 1;
            most = most.max(scene.clock.looks.load(Ordering::Relaxed) - before);
        }
    }
    assert!(
        quiet > 10 && most < 1_000,
        "{quiet} times nothing was due for ten seconds; the time was asked for {most} times"
    );
    scene.end().await;
}

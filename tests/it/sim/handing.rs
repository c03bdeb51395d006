//! What is handed over to a lane by the scheduler that decides it: when it is, when it is not, and what it is worth then.

use std::sync::Arc;

use cartwake::domain::{Content, Input, Moment, PersonalText, Shopper, Stage, What, Why};
use cartwake::engine::{Dispatched, Dispatcher, Engine, Handed, Looked, Scheduler};
use cartwake::store::{Lane, Pause};

use super::faults::{Line, Weather};
use super::process::SETTINGS;
use super::world::World;
use crate::samples::{cart_id, content, endpoint, secs, shop};

/// In which nobody is held out.
const SEED: u64 = 4;

/// A process without loops, and a cart whose first reminder is due.
struct Scene {
    world: Arc<World>,
    engine: Arc<Engine>,
    dispatcher: Dispatcher,
    scheduler: Scheduler,
}

fn lane() -> Lane {
    Lane { shop: shop(), endpoint: endpoint("mail") }
}

impl Scene {
    async fn set() -> Self {
        let world = World::new(SEED);
        world.with(|inner| inner.weather = Weather::default());
        let line = Arc::new(Line { world: Arc::clone(&world), process: 0 });
        let engine = Arc::new(Engine::new(line, world.clock(), Arc::clone(&world.metrics)));
        engine.set_policies(world.policies(0));
        let shopper = Shopper { email: Some(PersonalText::new("joe@example.com")), ..Shopper::default() };
        let content = Box::new(Content { shopper, ..content() });
        let input = Input::new(engine.now(), What::Snapshot { stage: Stage::Shipping, content });
        engine.write(&shop(), &cart_id("c-1"), input, None).await.expect("fair weather");
        tokio::time::sleep(secs(61)).await;
        let scheduler = Scheduler::new(Arc::clone(&engine), 20);
        Self { world, dispatcher: Dispatcher::new(Arc::clone(&engine), SETTINGS), engine, scheduler }
    }

    /// Decides what is due, with so many places in the lane; what was handed over, and when anything of the lane is next due.
    async fn decide(&self, places: usize) -> (Vec<Handed>, Option<Moment>) {
        self.dispatcher.offer(&lane(), places);
        assert!(self.scheduler.run_once().await.expect("fair weather").decided > 0);
        while self.scheduler.run_once().await.expect("fair weather").found > 0 {}
        (self.dispatcher.handed(&lane()), self.world.store.with(|book| book.next_due(&lane())))
    }
}

#[tokio::test(start_paused = true)]
async fn what_finds_a_place_is_handed_over_and_can_be_sent() {
    let stage = Scene::set().await;
    let (handed, next) = stage.decide(10).await;
    let reminders: Vec<_> = handed.into_iter().filter(|one| one.begun.delivery.id.is_reminder()).collect();
    assert_eq!(reminders.len(), 1);
    assert!(next.is_some_and(|next| next > stage.engine.now()), "nobody else may claim it");
    let Handed { begun, at } = reminders.into_iter().next().expect("one");
    let looked = stage.dispatcher.look_at(&lane(), vec![begun], at).await;
    let Some(Ok(Looked::Ready(ready))) = looked.into_iter().next() else { panic!("nothing speaks against it") };
    assert!(stage.dispatcher.start(&ready).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_was_handed_over_too_long_ago_is_not_started() {
    let stage = Scene::set().await;
    let (handed, _) = stage.decide(10).await;
    let Handed { begun, at } = handed.into_iter().find(|one| one.begun.delivery.id.is_reminder()).expect("a reminder");
    tokio::time::sleep(SETTINGS.start_within + secs(1)).await;
    let looked = stage.dispatcher.look_at(&lane(), vec![begun], at).await;
    let Some(Ok(Looked::Ready(ready))) = looked.into_iter().next() else { panic!("nothing speaks against it") };
    assert!(stage.dispatcher.start(&ready).is_none(), "what is known of the cart is too old");
}

#[tokio::test(start_paused = true)]
async fn what_is_ready_when_its_endpoint_is_paused_is_given_back() {
    let stage = Scene::set().await;
    let (handed, _) = stage.decide(10).await;
    let Handed { begun, at } = handed.into_iter().find(|one| one.begun.delivery.id.is_reminder()).expect("a reminder");
    let looked = stage.dispatcher.look_at(&lane(), vec![begun], at).await;
    let Some(Ok(Looked::Ready(ready))) = looked.into_iter().next() else { panic!("nothing speaks against it") };
    let pause = Pause { lane: lane(), why: Why::EndpointPaused, since: stage.engine.now() };
    stage.engine.store().pause(&pause).await.expect("fair weather");
    stage.dispatcher.refresh().await.expect("fair weather");
    assert!(stage.dispatcher.start(&ready).is_none(), "nothing is sent to a paused endpoint");
    assert_eq!(stage.dispatcher.give_back(ready).await.expect("fair weather"), Dispatched::Released);
    let next = stage.world.store.with(|book| book.next_due(&lane()));
    assert!(next.is_some_and(|next| next <= stage.engine.now().plus(secs(1))), "it waits for the endpoint: {next:?}");
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_place_waits_in_the_store() {
    let stage = Scene::set().await;
    let (handed, next) = stage.decide(0).await;
    assert!(handed.is_empty());
    assert!(next.is_some_and(|next| next <= stage.engine.now()), "it can be claimed");
}

#[tokio::test(start_paused = true)]
async fn what_is_somebody_elses_is_not_handed_over() {
    let stage = Scene::set().await;
    let before = stage.world.store.with(|book| book.carts.clone());
    let (_, claimable) = stage.decide(0).await;
    // The cart is as it was, by whatever loss; what was decided of it is there.
    stage.world.store.with(|book| book.carts = before);
    let (handed, next) = stage.decide(10).await;
    assert!(handed.is_empty(), "{handed:?}");
    assert_eq!(next, claimable, "it waits as it did");
}

//! Looks at what is due: several side by side, and with a part of the store that answers nobody.

use std::sync::Arc;

use cartwake::domain::{Content, IdentifierHash, Input, PersonalText, Shopper, Stage, State, What};
use cartwake::engine::{Engine, Scheduler};
use futures_util::future::join_all;

use super::faults::{Line, Weather};
use super::world::World;
use crate::memory::Book;
use crate::samples::{cart_id, content, secs, shop};

const BATCH: usize = 100;

struct Scene {
    world: Arc<World>,
    scheduler: Scheduler,
}

fn shopper(name: &str) -> Shopper {
    Shopper { email: Some(PersonalText::new(&format!("{name}@example.com"))), ..Shopper::default() }
}

impl Scene {
    /// Carts of these people, whose idle window is over.
    async fn of(names: &[&str]) -> Self {
        let world = World::new(4);
        world.with(|inner| inner.weather = Weather::default());
        let line = Arc::new(Line { world: Arc::clone(&world), process: 0 });
        let engine = Arc::new(Engine::new(line, world.clock(), Arc::clone(&world.metrics)));
        engine.set_policies(world.policies(0));
        for name in names {
            let content = Box::new(Content { shopper: shopper(name), ..content() });
            let input = Input::new(engine.now(), What::Snapshot { stage: Stage::Shipping, content });
            engine.write(&shop(), &cart_id(name), input, None).await.expect("fair weather");
        }
        let scheduler = Scheduler::new(Arc::clone(&engine), BATCH);
        Self { world, scheduler }
    }

    /// What the cart is enrolled under.
    fn hash(&self, name: &str) -> IdentifierHash {
        let cart = cart_id(name);
        let found =
            |book: &mut Book| book.enrolled.iter().find(|(_, carts)| carts.contains_key(&cart)).map(|(at, _)| at.1);
        self.world.store.with(found).expect("it is enrolled")
    }

    /// Whether the idle window of this cart was noticed to be over.
    fn is_decided(&self, name: &str) -> bool {
        let id = (shop(), cart_id(name));
        self.world.store.with(|book| !matches!(book.carts[&id].cart.state, State::Active { .. }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_who_cannot_be_asked_about_holds_up_nobody_else() {
    let scene = Scene::of(&["joe", "ann", "kim"]).await;
    scene.world.with(|inner| inner.dark.insert(scene.hash("joe")));
    tokio::time::sleep(secs(61)).await;
    let woken = scene.scheduler.run_once().await.expect("the others were asked about");
    assert_eq!((woken.found, woken.decided), (3, 2));
    assert!(scene.is_decided("ann") && scene.is_decided("kim"));
    assert!(!scene.is_decided("joe"));
    let again = scene.scheduler.run_once().await.expect("nothing is due");
    assert_eq!(again.found, 0, "it is out of the way of what else is due");
    scene.world.with(|inner| inner.dark.clear());
    tokio::time::sleep(secs(5)).await;
    scene.scheduler.run_once().await.expect("all is well");
    assert!(scene.is_decided("joe"));
}

#[tokio::test(start_paused = true)]
async fn when_nobody_can_be_asked_about_all_stays_due() {
    let scene = Scene::of(&["joe", "ann"]).await;
    let both = ["joe", "ann"].map(|name| scene.hash(name));
    scene.world.with(|inner| inner.dark.extend(both));
    tokio::time::sleep(secs(61)).await;
    assert!(scene.scheduler.run_once().await.is_err(), "it is the store, and the loop waits");
    scene.world.with(|inner| inner.dark.clear());
    assert_eq!(scene.scheduler.run_once().await.expect("all is well").decided, 2);
}

#[tokio::test(start_paused = true)]
async fn looks_side_by_side_find_different_carts() {
    let names: Vec<String> = (0..450).map(|n| format!("n{n}")).collect();
    let scene = Scene::of(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    tokio::time::sleep(secs(61)).await;
    let looks = join_all((0..4).map(|_| scene.scheduler.run_once())).await;
    for woken in looks {
        let woken = woken.expect("fair weather");
        assert_eq!((woken.found, woken.decided, woken.is_all), (BATCH, BATCH, false), "50 are left");
    }
    assert!(scene.scheduler.run_once().await.expect("fair weather").is_all);
    assert!(names.iter().all(|name| scene.is_decided(name)));
}

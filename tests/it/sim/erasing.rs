//! Erasures through a bad line: each call may be refused, or forget to answer, like any other.

use std::sync::Arc;

use async_trait::async_trait;
use cartwake::domain::{
    CartId, Channel, Content, Identifier, IdentifierHash, IdentifierKind, Input, Note, NoteKey, OrderId, OrderNews,
    OrderStatus, PersonalText, ShopId, Shopper, Stage, What,
};
use cartwake::engine::{Engine, Reach, Scheduler, Whom};
use cartwake::store::{Erase, Letter, StoreResult};

use super::faults::{Line, Weather};
use super::world::World;
use crate::samples::{cart_id, content, eur, minor, order_id, secs, shop};

#[async_trait]
impl Erase for Line {
    async fn letters_about(&self, shop: &ShopId, carts: &[CartId]) -> StoreResult<Vec<Letter>> {
        self.call("letters_about", |book, _| book.letters_about(shop, carts)).await
    }

    async fn expunge(&self, letters: &[Letter]) -> StoreResult<usize> {
        self.call("expunge", |book, _| book.expunge(letters)).await
    }

    async fn forget_answers(&self, shop: &ShopId, carts: &[CartId], orders: &[OrderId]) -> StoreResult<usize> {
        self.call("forget_answers", |book, _| book.forget_answers(shop, carts, orders)).await
    }

    async fn withdraw(&self, shop: &ShopId, hashes: &[IdentifierHash], carts: &[CartId]) -> StoreResult<usize> {
        self.call("withdraw", |book, _| book.withdraw(shop, hashes, carts)).await
    }

    async fn forget(&self, shop: &ShopId, hashes: &[IdentifierHash], keep: &[NoteKey]) -> StoreResult<usize> {
        self.call("forget", |book, _| book.forget(shop, hashes, keep)).await
    }
}

fn shopper(email: Option<&str>, phone: Option<&str>, device: &str) -> Shopper {
    let text = |text: &str| Some(PersonalText::new(text));
    Shopper {
        email: email.and_then(text),
        phone: phone.and_then(text),
        anonymous_id: text(device),
        ..Shopper::default()
    }
}

/// Joe's carts on two devices, one of them without a name, and Ann's; abandoned, told of, and bought in part.
async fn fill(engine: &Arc<Engine>) {
    let joe = Some("joe@example.com");
    let carts = [
        ("laptop", shopper(joe, Some("+49151"), "d-1")),
        ("phone", shopper(joe, None, "d-2")),
        ("guest", shopper(None, None, "d-2")),
        ("ann", shopper(Some("ann@example.com"), None, "d-3")),
    ];
    for (id, shopper) in carts {
        let content = Box::new(Content { shopper, ..content() });
        let input = Input::new(engine.now(), What::Snapshot { stage: Stage::Shipping, content });
        engine.write(&shop(), &cart_id(id), input, None).await.expect("fair weather");
    }
    let news = OrderNews {
        id: order_id("o-1"),
        cart: Some(cart_id("phone")),
        shopper: shopper(joe, None, "d-2"),
        status: OrderStatus::Pending,
        currency: eur(),
        total: minor(100),
        items: Vec::new(),
        placed_at: engine.now(),
        said_at: None,
        recovery: None,
    };
    engine.order(&shop(), news, None).await.expect("fair weather");
    let who = Identifier::of(&shopper(joe, None, "d-2"));
    engine.opt_out(&shop(), &who, Some(Channel::Sms)).await.expect("fair weather");
    tokio::time::sleep(secs(100)).await;
    Scheduler::new(Arc::clone(engine), 20).run_once().await.expect("fair weather");
}

/// The first call may break off at any of its steps; what is left of the person then must lead the next one to the rest.
#[tokio::test(start_paused = true)]
async fn an_erasure_that_breaks_off_anywhere_is_finished_by_its_repeat() {
    let mut broke_off = 0;
    for seed in 0..120 {
        let world = World::new(seed);
        world.with(|inner| inner.weather = Weather::default());
        let line = Arc::new(Line { world: Arc::clone(&world), process: 0 });
        let engine = Arc::new(Engine::new(line, world.clock(), Arc::clone(&world.metrics)));
        engine.set_policies(world.policies(0));
        fill(&engine).await;
        assert!(world.store.with(|book| !book.deliveries.is_empty() && !book.notes.is_empty()));
        let bad = Weather { refuses: 25, loses_the_answer: 25, conflicts: 100, ..Weather::default() };
        world.with(|inner| inner.weather = bad);
        let names = ["joe@example.com", "+49151", "d-1", "d-2"];
        let kinds =
            [IdentifierKind::Email, IdentifierKind::Phone, IdentifierKind::Anonymous, IdentifierKind::Anonymous];
        let which = usize::try_from(seed % 4).expect("of four");
        let identifiers = Identifier::new(kinds[which], names[which]).into_iter().collect();
        let whom = Whom { identifiers, reach: Reach::Linked };
        while engine.erase(&shop(), &whom).await.is_err() {
            broke_off += 1;
        }
        world.store.with(|book| {
            let open: Vec<_> = book.carts.iter().filter(|(_, row)| !row.cart.state.is_tombstone()).collect();
            assert_eq!(open.iter().map(|((_, id), _)| id.as_str()).collect::<Vec<_>>(), ["ann"], "seed {seed}");
            let ann = cart_id("ann");
            assert!(book.deliveries.values().all(|row| row.delivery.cart == ann), "seed {seed}");
            assert!(book.enrolled.values().all(|carts| carts.keys().all(|id| *id == ann)), "seed {seed}");
            let left = book.notes.values().flat_map(|notes| notes.values().map(|(note, _)| note));
            let left = left.filter(|note| !matches!(note, Note::Exposed(exposure) if exposure.cart == ann));
            assert!(left.clone().all(|note| matches!(note, Note::OptedOut(_))), "seed {seed}: {:?}", book.notes);
            assert!(left.count() >= 3, "seed {seed}: the opt-out is on every name");
            assert!(book.orders.values().all(|stored| stored.value.carts.is_empty()), "seed {seed}");
        });
    }
    assert!(broke_off > 100, "{broke_off}: the weather was too fair to show anything");
}

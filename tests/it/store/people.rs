//! What is known under a shopper's identifiers: notes, and carts.

use cartwake::domain::{
    ArmName, Channel, DeliveryId, EndpointName, EventKind, ExperimentName, Exposure, Granted, Grantee, IncentiveCode,
    IncentiveName, Note, NoteKey, OptOut, ProductId, PurchaseMark, Reminded, ReminderId, StockLevel,
};
use cartwake::store::{Asked, Store};

use super::write::carts_of;
use crate::samples::{at, cart_id, hash, mark, mark_of, order_id, shop, shop_named};

async fn enroll(store: &dyn Store, hashes: &[u8], cart: &str) -> Vec<Note> {
    let hashes: Vec<_> = hashes.iter().map(|n| hash(*n)).collect();
    store.enroll(&shop(), &hashes, &cart_id(cart), at(1000)).await.expect("reachable")
}

async fn leave(store: &dyn Store, hashes: &[u8], mark: &PurchaseMark) {
    let hashes: Vec<_> = hashes.iter().map(|n| hash(*n)).collect();
    store.note(&shop(), &hashes, &Note::Purchase(mark.clone()), at(1000), at(0)).await.expect("reachable");
}

/// The marks on these identifiers, each once, in the order of their orders.
async fn marks(store: &dyn Store, hashes: &[u8], now: i64) -> Vec<PurchaseMark> {
    let hashes: Vec<_> = hashes.iter().map(|n| hash(*n)).collect();
    sorted(store.notes(&shop(), &hashes, at(now)).await.expect("reachable"))
}

fn sorted(notes: Vec<Note>) -> Vec<PurchaseMark> {
    let purchase = |note| if let Note::Purchase(mark) = note { Some(mark) } else { None };
    let mut marks: Vec<_> = notes.into_iter().filter_map(purchase).collect();
    marks.sort_by(|a, b| a.order.cmp(&b.order));
    marks.dedup();
    marks
}

pub async fn nobody_is_known_for_anything(store: &dyn Store) {
    assert_eq!(marks(store, &[1, 2], 0).await, []);
    assert_eq!(marks(store, &[], 0).await, []);
    assert_eq!(carts_of(store, &[], 0).await, Vec::<String>::new());
    assert_eq!(enroll(store, &[], "c-1").await, []);
}

pub async fn a_mark_is_read_under_each_identifier(store: &dyn Store) {
    let (all, some) = (mark("o-1", at(50)), mark_of("o-2", &["p-1", "p-2/\"x\""]));
    leave(store, &[1, 2], &all).await;
    leave(store, &[2, 3], &some).await;
    assert_eq!(marks(store, &[1], 60).await, std::slice::from_ref(&all));
    assert_eq!(marks(store, &[2], 60).await, [all.clone(), some.clone()]);
    assert_eq!(marks(store, &[3], 60).await, std::slice::from_ref(&some));
    assert_eq!(marks(store, &[1, 2, 3], 60).await, [all, some]);
}

pub async fn a_later_mark_of_an_order_replaces_the_earlier(store: &dyn Store) {
    let pending = PurchaseMark { paid: false, ..mark("o-1", at(50)) };
    leave(store, &[1], &pending).await;
    assert_eq!(marks(store, &[1], 60).await, [pending]);
    leave(store, &[1], &mark("o-1", at(50))).await;
    assert_eq!(marks(store, &[1], 60).await, [mark("o-1", at(50))]);
}

pub async fn unnote_takes_off_one_order_only(store: &dyn Store) {
    leave(store, &[1, 2], &PurchaseMark { paid: false, ..mark("o-1", at(50)) }).await;
    leave(store, &[1], &mark("o-2", at(51))).await;
    let key = NoteKey::purchase(&order_id("o-1"));
    store.unnote(&shop(), &[hash(1), hash(2)], &key).await.expect("reachable");
    store.unnote(&shop(), &[hash(1), hash(2)], &key).await.expect("a second time is fine");
    assert_eq!(marks(store, &[1], 60).await, [mark("o-2", at(51))]);
    assert_eq!(marks(store, &[2], 60).await, []);
}

pub async fn late_news_does_not_undo_a_payment(store: &dyn Store) {
    leave(store, &[1], &mark("o-1", at(50))).await;
    leave(store, &[1], &PurchaseMark { paid: false, ..mark("o-1", at(60)) }).await;
    store.unnote(&shop(), &[hash(1)], &NoteKey::purchase(&order_id("o-1"))).await.expect("reachable");
    assert_eq!(marks(store, &[1], 60).await, [mark("o-1", at(50))]);
}

pub async fn a_mark_is_not_read_when_its_time_is_over(store: &dyn Store) {
    leave(store, &[1], &mark("o-1", at(50))).await;
    assert_eq!(marks(store, &[1], 999).await.len(), 1);
    assert_eq!(marks(store, &[1], 1001).await, []);
}

pub async fn enrolling_gives_what_the_identifiers_are_known_for(store: &dyn Store) {
    leave(store, &[1], &mark("o-1", at(50))).await;
    leave(store, &[2], &mark("o-2", at(51))).await;
    let person = enroll(store, &[1, 2], "c-1").await;
    assert_eq!(sorted(person), [mark("o-1", at(50)), mark("o-2", at(51))]);
}

pub async fn enrolling_twice_is_enrolling_once(store: &dyn Store) {
    for _ in 0..3 {
        enroll(store, &[1, 2], "c-1").await;
    }
    assert_eq!(carts_of(store, &[hash(1)], 60).await, ["c-1"]);
    assert_eq!(carts_of(store, &[hash(1), hash(2)], 60).await, ["c-1"]);
}

pub async fn the_carts_of_several_identifiers_come_each_once(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    enroll(store, &[2], "c-2").await;
    enroll(store, &[1, 2], "c-3").await;
    assert_eq!(carts_of(store, &[hash(1)], 60).await, ["c-1", "c-3"]);
    assert_eq!(carts_of(store, &[hash(1), hash(2), hash(9)], 60).await, ["c-1", "c-2", "c-3"]);
}

pub async fn the_carts_of_a_person_are_at_most_two_hundred(store: &dyn Store) {
    for n in 0..130 {
        enroll(store, &[1], &format!("a-{n}")).await;
        enroll(store, &[2], &format!("b-{n}")).await;
    }
    let carts = carts_of(store, &[hash(1), hash(2)], 60).await;
    assert!((130..=200).contains(&carts.len()), "{}", carts.len());
}

pub async fn an_enrolment_is_not_read_when_its_time_is_over(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    assert_eq!(carts_of(store, &[hash(1)], 999).await, ["c-1"]);
    assert_eq!(carts_of(store, &[hash(1)], 1001).await, Vec::<String>::new());
}

pub async fn a_later_enrolment_prolongs_an_earlier(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    store.enroll(&shop(), &[hash(1)], &cart_id("c-1"), at(2000)).await.expect("reachable");
    assert_eq!(carts_of(store, &[hash(1)], 1500).await, ["c-1"]);
    leave(store, &[1], &mark("o-1", at(50))).await;
    let longer = Note::Purchase(mark("o-1", at(50)));
    store.note(&shop(), &[hash(1)], &longer, at(2000), at(0)).await.expect("reachable");
    assert_eq!(marks(store, &[1], 1500).await.len(), 1);
}

pub async fn people_of_two_shops_are_strangers(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    leave(store, &[1], &mark("o-1", at(50))).await;
    let other = shop_named("other");
    assert_eq!(store.notes(&other, &[hash(1)], at(60)).await.expect("reachable"), []);
    assert_eq!(store.carts_of(&other, &[hash(1)], at(60)).await.expect("reachable"), []);
}

pub async fn a_sweep_leaves_what_is_still_known(store: &dyn Store) {
    enroll(store, &[1], "c-1").await;
    leave(store, &[1], &mark("o-1", at(50))).await;
    store.sweep(at(999)).await.expect("reachable");
    assert_eq!(marks(store, &[1], 999).await.len(), 1);
    assert_eq!(carts_of(store, &[hash(1)], 999).await, ["c-1"]);
    store.sweep(at(1001)).await.expect("reachable");
    assert_eq!(marks(store, &[1], 1001).await, []);
}

/// The notes on one hash, after this one was left there.
async fn note_at(store: &dyn Store, note: &Note, until: i64, now: i64) -> Vec<Note> {
    store.note(&shop(), &[hash(1)], note, at(until), at(now)).await.expect("reachable")
}

fn reminder(cart: &str) -> ReminderId {
    ReminderId { cart: cart_id(cart), abandonment: 1, step: 0 }
}

fn reminded(cart: &str, seconds: i64) -> Note {
    let endpoint = EndpointName::parse("mail").expect("a slug");
    let delivery = DeliveryId::derive(EventKind::Reminder, &shop(), &cart_id(cart), &seconds.to_string(), &endpoint);
    Note::Reminded(Reminded {
        reminder: reminder(cart),
        delivery,
        channel: Channel::Email,
        at: at(seconds),
        order: None,
    })
}

fn exposed(arm: &str, cart: &str) -> Note {
    let experiment = ExperimentName::parse("holdout").expect("a slug");
    let arm = ArmName::parse(arm).expect("a slug");
    Note::Exposed(Exposure { experiment, arm, cart: cart_id(cart), at: at(5) })
}

fn grantee(cart: &str) -> Grantee {
    Grantee { reminder: reminder(cart), made_at: at(1) }
}

fn reserved(cart: &str) -> Note {
    Note::Reserved(grantee(cart))
}

fn granted(cart: &str, code: &str) -> Note {
    let incentive = IncentiveName::parse("ten-percent").expect("a slug");
    let code = IncentiveCode::parse(code).expect("a code");
    Note::Granted(Granted { to: grantee(cart), incentive, code, at: at(4) })
}

fn level(in_stock: bool, seconds: i64) -> Note {
    let product = ProductId::parse("p-1/\"x\"").expect("graphic");
    Note::Stock(StockLevel { product, in_stock, price: None, at: at(seconds) })
}

pub async fn every_kind_of_note_reads_back_as_written(store: &dyn Store) {
    let notes = [
        Note::Purchase(mark("o-1", at(50))),
        Note::OptedOut(OptOut { channel: Some(Channel::Sms), at: at(1) }),
        Note::OptedOut(OptOut { channel: None, at: at(2) }),
        reminded("c-1", 3),
        exposed("holdout", "c-1"),
        granted("c-1", "CODE-1"),
        Note::Linked(hash(9)),
        level(true, 6),
        reserved("c-1"),
        Note::Decided(order_id("o-1")),
    ];
    for (count, note) in notes.iter().enumerate() {
        let known = note_at(store, note, 1000, 0).await;
        assert_eq!(known.len(), count + 1, "{known:?}");
        assert!(known.contains(note), "{known:?}");
        assert_eq!(note_at(store, note, 1000, 0).await.len(), count + 1, "twice is once");
    }
    let known = store.notes(&shop(), &[hash(1)], at(1)).await.expect("reachable");
    assert!(notes.iter().all(|note| known.contains(note)), "{known:?}");
    assert_eq!(store.enroll(&shop(), &[hash(1)], &cart_id("c"), at(9)).await.expect("reachable").len(), notes.len());
}

pub async fn the_first_arm_and_the_first_owner_of_a_code_stay(store: &dyn Store) {
    let mine = reserved("c-1");
    assert_eq!(note_at(store, &mine, 500, 0).await, std::slice::from_ref(&mine));
    assert_eq!(note_at(store, &reserved("c-2"), 1000, 1).await, std::slice::from_ref(&mine));
    assert_eq!(note_at(store, &mine, 1000, 2).await, [mine], "its end does not move");
    let theirs = reserved("c-2");
    assert_eq!(note_at(store, &theirs, 1000, 501).await, [theirs], "what is over gives way");
    store.unnote(&shop(), &[hash(1)], &NoteKey::reserved()).await.expect("reachable");
    assert_eq!(note_at(store, &exposed("holdout", "c-1"), 1000, 0).await, [exposed("holdout", "c-1")]);
    assert_eq!(note_at(store, &exposed("default", "c-2"), 1000, 0).await, [exposed("holdout", "c-1")]);
    let decided = |order| Note::Decided(order_id(order));
    note_at(store, &decided("o-2"), 1000, 0).await;
    let known = note_at(store, &decided("o-1"), 1000, 1).await;
    assert!(known.contains(&decided("o-2")) && !known.contains(&decided("o-1")), "{known:?}");
}

pub async fn of_many_who_reserve_a_code_at_once_one_gets_it(store: &dyn Store) {
    let (shop, carts): (_, Vec<String>) = (shop(), (0..20).map(|n| format!("c-{n}")).collect());
    // Each leaves a grant on its person and reaches for the code in the same exchange.
    let asked: Vec<Asked<'_>> = carts
        .iter()
        .flat_map(|cart| {
            let grant = Asked { shop: &shop, hashes: vec![hash(2)], leave: Some((granted(cart, "CODE-1"), at(1000))) };
            let code = Asked { shop: &shop, hashes: vec![hash(1)], leave: Some((reserved(cart), at(1000))) };
            [grant, code]
        })
        .collect();
    let found = store.notes_all(&asked, at(1)).await;
    let owners: Vec<Vec<Note>> = found.into_iter().skip(1).step_by(2).map(|notes| notes.expect("reachable")).collect();
    assert!(owners.iter().all(|owner| owner.len() == 1 && *owner == owners[0]), "{owners:?}");
    let won = carts.iter().filter(|cart| owners[0] == [reserved(cart)]).count();
    assert_eq!(won, 1);
    assert_eq!(store.notes(&shop, &[hash(2)], at(2)).await.expect("reachable").len(), carts.len());
}

pub async fn a_grant_is_replaced_by_a_later_one_of_its_reminder_and_may_be_taken_off(store: &dyn Store) {
    note_at(store, &granted("c-1", "CODE-1"), 1000, 1).await;
    assert_eq!(note_at(store, &granted("c-1", "CODE-2"), 1000, 2).await, [granted("c-1", "CODE-2")]);
    store.unnote(&shop(), &[hash(1)], &NoteKey::granted(&reminder("c-1"))).await.expect("reachable");
    assert_eq!(store.notes(&shop(), &[hash(1)], at(3)).await.expect("reachable"), []);
}

pub async fn older_news_of_stock_never_replaces_newer(store: &dyn Store) {
    assert_eq!(note_at(store, &level(false, 20), 1000, 20).await, [level(false, 20)]);
    assert_eq!(note_at(store, &level(true, 19), 1000, 20).await, [level(false, 20)]);
    assert_eq!(note_at(store, &level(true, 20), 1000, 20).await, [level(true, 20)]);
    assert_eq!(note_at(store, &level(false, 21), 1000, 20).await, [level(false, 21)]);
}

pub async fn an_opt_out_is_taken_off_by_its_channel(store: &dyn Store) {
    let of = |channel| Note::OptedOut(OptOut { channel, at: at(1) });
    note_at(store, &of(None), 1000, 1).await;
    note_at(store, &of(Some(Channel::Email)), 1000, 1).await;
    store.unnote(&shop(), &[hash(1)], &NoteKey::opt_out(Some(Channel::Email))).await.expect("reachable");
    assert_eq!(store.notes(&shop(), &[hash(1)], at(2)).await.expect("reachable"), [of(None)]);
}

pub async fn of_too_many_notes_the_one_that_ends_first_makes_room(store: &dyn Store) {
    let stays = Note::OptedOut(OptOut { channel: None, at: at(1) });
    note_at(store, &stays, 100_000, 1).await;
    for n in 0..120 {
        note_at(store, &reminded("c-1", n), 1_000 + n, 1).await;
    }
    let known = store.notes(&shop(), &[hash(1)], at(2)).await.expect("reachable");
    assert_eq!(known.len(), 100);
    assert!(known.contains(&stays) && known.contains(&reminded("c-1", 119)) && !known.contains(&reminded("c-1", 0)));
}

pub async fn of_two_who_note_and_look_at_once_one_sees_the_other(store: &dyn Store) {
    let (one, two) = (reminded("c-1", 1), reminded("c-2", 1));
    let (shop, hashes) = (shop(), [hash(1)]);
    let (one, two) = tokio::join!(
        store.note(&shop, &hashes, &one, at(1000), at(1)),
        store.note(&shop, &hashes, &two, at(1000), at(1))
    );
    let seen = [one.expect("reachable").len(), two.expect("reachable").len()];
    assert!(seen == [1, 2] || seen == [2, 1], "{seen:?}");
}

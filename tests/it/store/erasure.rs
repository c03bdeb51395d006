//! What finds and removes all that is held of a person.

use cartwake::domain::{Channel, Delivery, Note, NoteKey, OptOut, OutcomeName, PurchaseMark, Status, Verdict, Why};
use cartwake::store::{Lane, Letter, Settled, Shelf, Store};

use super::settling::attempted;
use super::write::{Write, begin, carts_of, claim, claim_one, delivery, lane, queue, settle};
use crate::samples::{
    at, cart, cart_id, cart_waking, endpoint, hash, key, mark, order_id, reminder, reminder_to, shop, shop_named,
};

async fn about(store: &dyn Store, carts: &[&str]) -> Vec<Letter> {
    let carts: Vec<_> = carts.iter().map(|id| cart_id(id)).collect();
    store.letters_about(&shop(), &carts).await.expect("reachable")
}

fn ids(letters: &[Letter]) -> Vec<String> {
    let mut ids: Vec<_> = letters.iter().map(|letter| letter.id.to_string()).collect();
    ids.sort();
    ids
}

fn ids_of(deliveries: &[&Delivery]) -> Vec<String> {
    let mut ids: Vec<_> = deliveries.iter().map(|delivery| delivery.id.to_string()).collect();
    ids.sort();
    ids
}

/// Ends the one delivery that is due as this says.
async fn end(store: &dyn Store, queued: &Delivery, verdict: Verdict) {
    let begun = begin(store, &claim_one(store, 10).await, 11).await.expect("ours");
    let ended = attempted(queued, OutcomeName::Rejected, verdict, at(12));
    assert_eq!(settle(store, &begun.claim, &ended, &[]).await, Settled::Done);
}

pub async fn what_waits_or_is_dead_is_found_by_its_carts(store: &dyn Store) {
    let (one, two) = (cart("c-1"), cart("c-2"));
    let dead = reminder(&one, 0, at(1));
    queue(store, &one, std::slice::from_ref(&dead)).await;
    end(store, &dead, Verdict::Dead(Why::Rejected)).await;
    let again = reminder(&two, 0, at(1));
    queue(store, &two, std::slice::from_ref(&again)).await;
    end(store, &again, Verdict::RetryAt(at(500))).await;
    let (three, four) = (cart("c-3"), cart("c-10"));
    let (waits, elsewhere) = (reminder(&three, 0, at(900)), reminder_to("chat", &three, 0, at(900)));
    queue(store, &three, &[waits.clone(), elsewhere.clone()]).await;
    let others = reminder(&four, 0, at(900));
    queue(store, &four, std::slice::from_ref(&others)).await;

    assert_eq!(about(store, &[]).await, []);
    assert_eq!(about(store, &["c-9"]).await, []);
    assert_eq!(ids(&about(store, &["c-1"]).await), ids_of(&[&dead]), "and not those of c-10");
    let found = about(store, &["c-1", "c-2", "c-3"]).await;
    assert_eq!(ids(&found), ids_of(&[&dead, &again, &waits, &elsewhere]));
    let chat = Lane { shop: shop(), endpoint: endpoint("chat") };
    let letter = found.iter().find(|letter| letter.id == elsewhere.id).expect("found");
    assert_eq!((letter.lane.as_ref(), letter.cart.as_ref()), (Some(&chat), Some(&three.id)));
    let letter = found.iter().find(|letter| letter.id == dead.id).expect("found");
    assert_eq!((letter.status(), letter.has_ended), (Status::Dead(Why::Rejected), true));
    let strangers = store.letters_about(&shop_named("other"), &[cart_id("c-1")]).await.expect("reachable");
    assert_eq!(strangers, []);
}

pub async fn many_deliveries_of_others_hide_none(store: &dyn Store) {
    for n in 0..40 {
        let cart = cart_waking(&format!("n-{n}"), at(5_000));
        let queued: Vec<_> = (0..60).map(|index| reminder(&cart, index, at(900))).collect();
        queue(store, &cart, &queued).await;
    }
    let mine = cart("mine");
    let queued: Vec<_> = (0..3).map(|index| reminder(&mine, index, at(900))).collect();
    queue(store, &mine, &queued).await;
    assert_eq!(ids(&about(store, &["mine"]).await), ids_of(&queued.iter().collect::<Vec<_>>()));
}

pub async fn an_expunged_delivery_is_nowhere(store: &dyn Store) {
    let (one, two) = (cart("c-1"), cart("c-2"));
    let dead = reminder(&one, 0, at(1));
    queue(store, &one, std::slice::from_ref(&dead)).await;
    end(store, &dead, Verdict::Dead(Why::Rejected)).await;
    let (waits, stays) = (reminder(&two, 0, at(1)), reminder(&two, 1, at(1)));
    queue(store, &two, &[waits.clone(), stays.clone()]).await;

    let mut letters = about(store, &["c-1", "c-2"]).await;
    letters.retain(|letter| letter.id != stays.id);
    assert_eq!(store.expunge(&letters).await.expect("reachable"), 2);
    assert_eq!(store.expunge(&letters).await.expect("reachable"), 0, "twice is once");
    for gone in [&dead, &waits] {
        assert_eq!(delivery(store, gone).await, None);
        assert_eq!(store.find_delivery(&gone.id).await.expect("reachable"), None);
    }
    let dead = store.list_deliveries(&lane(), Shelf::Dead, None, 10).await.expect("reachable");
    assert_eq!(dead.letters, []);
    assert_eq!(ids(&about(store, &["c-1", "c-2"]).await), ids_of(&[&stays]));
    let counts = store.outbox_counts().await.expect("reachable");
    assert_eq!(counts.pending, [(lane(), 1)]);
    assert!(counts.dead.iter().all(|(_, count)| *count == 0), "{counts:?}");
    let claims = claim(store, 10, 10).await;
    assert_eq!(claims.iter().map(|claim| claim.delivery.clone()).collect::<Vec<_>>(), [stays.id]);
}

pub async fn an_expunged_delivery_cannot_be_begun_or_settled(store: &dyn Store) {
    let cart = cart("c-1");
    let queued = [reminder(&cart, 0, at(1)), reminder(&cart, 1, at(1))];
    queue(store, &cart, &queued).await;
    let claims = claim(store, 10, 10).await;
    let begun = begin(store, &claims[0], 11).await.expect("ours");
    let letters = about(store, &["c-1"]).await;
    assert_eq!(store.expunge(&letters).await.expect("reachable"), 2);
    assert!(begin(store, &claims[1], 11).await.is_none());
    let delivered = attempted(&begun.delivery, OutcomeName::Success, Verdict::Delivered, at(12));
    assert_eq!(settle(store, &begun.claim, &delivered, &[]).await, Settled::Lost);
    assert_eq!(delivery(store, &begun.delivery).await, None, "a late settlement brings nothing back");
    assert_eq!(about(store, &["c-1"]).await, []);
}

pub async fn a_withdrawn_cart_stands_under_no_hash(store: &dyn Store) {
    for (hashes, cart) in [(vec![hash(1), hash(2)], "c-1"), (vec![hash(1)], "c-2"), (vec![hash(3)], "c-1")] {
        store.enroll(&shop(), &hashes, &cart_id(cart), at(1_000)).await.expect("reachable");
    }
    let withdraw = async |hashes: &[u8], carts: &[&str]| {
        let hashes: Vec<_> = hashes.iter().map(|n| hash(*n)).collect();
        let carts: Vec<_> = carts.iter().map(|id| cart_id(id)).collect();
        store.withdraw(&shop(), &hashes, &carts).await.expect("reachable")
    };
    assert_eq!(withdraw(&[1, 2], &[]).await, 0);
    assert_eq!(withdraw(&[1, 2, 9], &["c-1", "c-9"]).await, 2);
    assert_eq!(withdraw(&[1, 2, 9], &["c-1", "c-9"]).await, 0, "twice is once");
    assert_eq!(carts_of(store, &[hash(1)], 1).await, ["c-2"]);
    assert_eq!(carts_of(store, &[hash(2)], 1).await, Vec::<String>::new());
    assert_eq!(carts_of(store, &[hash(3)], 1).await, ["c-1"], "nobody asked for this one");
}

pub async fn what_is_forgotten_is_known_no_more_and_what_is_kept_stays(store: &dyn Store) {
    let opt_out = |channel| Note::OptedOut(OptOut { channel, at: at(1) });
    let paid = Note::Purchase(mark("o-1", at(50)));
    let pending = Note::Purchase(PurchaseMark { paid: false, ..mark("o-2", at(50)) });
    for note in [&opt_out(None), &opt_out(Some(Channel::Sms)), &paid, &pending, &Note::Linked(hash(2))] {
        store.note(&shop(), &[hash(1), hash(2)], note, at(1_000), at(1)).await.expect("reachable");
    }
    let keep = [NoteKey::opt_out(None), NoteKey::opt_out(Some(Channel::Email))];
    assert_eq!(store.forget(&shop(), &[hash(1), hash(9)], &keep).await.expect("reachable"), 4, "also what is firm");
    assert_eq!(store.forget(&shop(), &[hash(1)], &keep).await.expect("reachable"), 0);
    let known = async |n| store.notes(&shop(), &[hash(n)], at(2)).await.expect("reachable");
    assert_eq!(known(1).await, [opt_out(None)]);
    assert_eq!(known(2).await.len(), 5, "nobody asked for this one");
    assert_eq!(store.forget(&shop(), &[hash(1)], &[]).await.expect("reachable"), 1);
    assert_eq!(known(1).await, []);
}

pub async fn answers_of_others_stay_when_some_are_forgotten(store: &dyn Store) {
    let (one, two) = (cart("c-1"), cart("c-2"));
    Write::of(&one).answers("k-1", 1).done(store).await;
    Write::of(&two).answers("k-1", 2).done(store).await;
    store.forget_answers(&shop(), &[cart_id("c-1")], &[order_id("c-2")]).await.expect("reachable");
    let again = store.forget_answers(&shop(), &[cart_id("c-1")], &[]).await.expect("reachable");
    assert_eq!(again, 0, "twice is once");
    let loaded = store.load(&shop(), &two.id, Some(&key("k-1"))).await.expect("reachable");
    assert!(loaded.answered.is_some(), "an order of the same id is another thing");
}

//! Sealed carts: what lies in the store tells nothing without the keyring, and nothing at all once a key is gone.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cartwake::app::random_bytes;
use cartwake::domain::{Cart, Moment, PersonalText, State};
use cartwake::store::embedded::{EmbeddedStore, FileKeyring, copy};
use cartwake::store::redis::{RedisKeyring, RedisSettings};
use cartwake::store::sealed::SealedStore;
use cartwake::store::{
    Commit, Committed, KeyName, Keyring, NewKey, SealKey, Store, StoreError, StoreResult, Version, record,
};
use futures_util::future::BoxFuture;
use serde_json::json;
use tempfile::TempDir;

use crate::memory::MemoryStore;
use crate::samples::{at, cart, in_state, shop, smallest_cart};
use crate::servers;
use crate::shop::{HOUR, PLAIN, Shop, cart_of};

fn keyring(folder: &Path) -> Arc<FileKeyring> {
    Arc::new(FileKeyring::open(folder, [5; 8]).expect("the folder is ours"))
}

fn sealing(store: &Arc<MemoryStore>, keyring: Option<Arc<dyn Keyring>>) -> SealedStore {
    SealedStore::new(Arc::clone(store) as Arc<dyn Store>, keyring, random_bytes)
}

async fn write(store: &dyn Store, cart: &Cart, expected: u64) {
    let commit =
        Commit { expected: Version(expected), cart: Some(cart), ..Commit::removal(&cart.shop, &cart.id, at(1)) };
    assert!(matches!(store.commit(commit).await, Ok(Committed::Done)));
}

async fn read(store: &dyn Store, cart: &Cart) -> StoreResult<Cart> {
    let loaded = store.load(&cart.shop, &cart.id, None).await?;
    Ok(*loaded.record.expect("it was written").value)
}

#[tokio::test]
async fn what_lies_in_the_store_names_nobody() {
    let (folder, inner) = (TempDir::new().expect("a folder"), Arc::new(MemoryStore::new([7; 32])));
    let store = sealing(&inner, Some(keyring(folder.path())));
    let cart = cart("c-1");
    write(&store, &cart, 0).await;
    assert_eq!(read(&store, &cart).await.expect("readable"), cart);
    let lies = read(&*inner, &cart).await.expect("readable");
    assert!(lies.content.shopper.email.is_none() && lies.content.checkout_url.is_none());
    assert!(lies.content.sealed.is_some());
    let bytes = record::cart_payload(&lies);
    for personal in ["ada@example.com", "shop.example/checkout"] {
        assert!(!bytes.windows(personal.len()).any(|window| window == personal.as_bytes()), "{personal}");
    }
    let stored = record::encode_cart(&lies);
    assert_eq!(record::decode_cart(&lies.shop, &lies.id, &stored).expect("readable"), lies);
    // Nothing personal, nothing sealed; and what was written before there was a keyring stays readable.
    let bare = smallest_cart("c-2");
    write(&store, &bare, 0).await;
    assert_eq!(read(&*inner, &bare).await.expect("readable").content.sealed, None);
    let old = crate::samples::cart("c-3");
    write(&*inner, &old, 0).await;
    assert_eq!(read(&store, &old).await.expect("readable"), old);
}

#[tokio::test]
async fn a_record_whose_key_is_gone_reads_as_erased_for_everybody() {
    let (folder, inner) = (TempDir::new().expect("a folder"), Arc::new(MemoryStore::new([7; 32])));
    let keys = keyring(folder.path());
    let store = sealing(&inner, Some(keys.clone()));
    let cart = cart("c-1");
    write(&store, &cart, 0).await;
    keys.shred(&[KeyName::of(&cart.shop, &cart.id)]).await.expect("reachable");
    let later = sealing(&inner, Some(keys));
    let left = read(&later, &cart).await.expect("no error");
    assert_eq!((&left.state, left.content.items.len(), left.created_at), (&State::Erased, 0, cart.created_at));
    let page = later.list_carts(None, 10).await.expect("reachable");
    assert_eq!((page.carts.as_slice(), page.unreadable), (&[left][..], 0));
}

#[tokio::test]
async fn another_keyring_or_none_is_an_error_and_no_erasure() {
    let (folder, inner) = (TempDir::new().expect("a folder"), Arc::new(MemoryStore::new([7; 32])));
    let cart = cart("c-1");
    write(&sealing(&inner, Some(keyring(folder.path()))), &cart, 0).await;
    let elsewhere = TempDir::new().expect("a folder");
    let other = Arc::new(FileKeyring::open(elsewhere.path(), [6; 8]).expect("the folder is ours"));
    for keyring in [None, Some(other as Arc<dyn Keyring>)] {
        let found = read(&sealing(&inner, keyring), &cart).await;
        assert!(matches!(&found, Err(StoreError::Unusable(why)) if why.contains("keyring_url")), "{found:?}");
    }
}

#[tokio::test]
async fn a_key_goes_with_its_cart_and_an_id_used_again_has_another() {
    let (folder, inner) = (TempDir::new().expect("a folder"), Arc::new(MemoryStore::new([7; 32])));
    let keys = keyring(folder.path());
    // Two processes: one of them remembers keys that the other deletes.
    let (one, two) = (sealing(&inner, Some(keys.clone())), sealing(&inner, Some(keys.clone())));
    let cart = cart("c-1");
    let name = KeyName::of(&cart.shop, &cart.id);
    write(&one, &cart, 0).await;
    read(&two, &cart).await.expect("readable");
    let first = keys.find(&[name]).await.expect("reachable");
    let mut ended = in_state(&cart, State::Erased);
    record::take_personal(&mut ended);
    write(&one, &ended, 1).await;
    assert_eq!(keys.find(&[name]).await.expect("reachable"), [[]]);
    let removal = Commit { expected: Version(2), ..Commit::removal(&cart.shop, &cart.id, at(2)) };
    assert!(matches!(one.commit(removal).await, Ok(Committed::Done)));
    write(&one, &cart, 0).await;
    assert_ne!(keys.find(&[name]).await.expect("reachable"), first);
    let mut changed = read(&two, &cart).await.expect("its remembered key is of another life");
    assert_eq!(changed, cart);
    changed.content.shopper.phone = Some(PersonalText::new("+49151"));
    write(&two, &changed, 1).await;
    assert_eq!(read(&one, &cart).await.expect("readable"), changed);
}

/// Does something before it deletes a key.
struct Slow {
    inner: Arc<FileKeyring>,
    before: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Slow {
    async fn wait(&self) {
        let before = self.before.lock().expect("nobody panicked").take();
        if let Some(before) = before {
            before.await;
        }
    }
}

#[async_trait]
impl Keyring for Slow {
    fn id(&self) -> [u8; 8] {
        self.inner.id()
    }

    async fn ensure(&self, wanted: Vec<NewKey>, now: Moment) -> StoreResult<Vec<SealKey>> {
        self.inner.ensure(wanted, now).await
    }

    async fn find(&self, names: &[KeyName]) -> StoreResult<Vec<Vec<SealKey>>> {
        self.inner.find(names).await
    }

    async fn shred(&self, names: &[KeyName]) -> StoreResult<usize> {
        self.wait().await;
        self.inner.shred(names).await
    }

    async fn shred_keys(&self, keys: &[(KeyName, SealKey)]) -> StoreResult<()> {
        self.wait().await;
        self.inner.shred_keys(keys).await
    }

    async fn sweep(&self, now: Moment) -> StoreResult<()> {
        self.inner.sweep(now).await
    }
}

#[tokio::test]
async fn a_cart_made_anew_while_the_old_one_is_removed_keeps_its_key() {
    let (folder, inner) = (TempDir::new().expect("a folder"), Arc::new(MemoryStore::new([7; 32])));
    let keys = keyring(folder.path());
    let cart = cart("c-1");
    let slow = Arc::new(Slow { inner: Arc::clone(&keys), before: Mutex::default() });
    let (one, two) = (sealing(&inner, Some(slow.clone())), sealing(&inner, Some(keys.clone())));
    write(&one, &cart, 0).await;
    let again = cart.clone();
    let anew = async move { write(&two, &again, 0).await };
    *slow.before.lock().expect("nobody panicked") = Some(Box::pin(anew));
    let removal = Commit { expected: Version(1), ..Commit::removal(&cart.shop, &cart.id, at(2)) };
    assert!(matches!(one.commit(removal).await, Ok(Committed::Done)));
    assert!(slow.before.lock().expect("nobody panicked").is_none(), "it was made anew");
    let later = sealing(&inner, Some(keys.clone()));
    assert_eq!(read(&later, &cart).await.expect("readable"), cart, "it was acknowledged");
    let found = keys.find(&[KeyName::of(&cart.shop, &cart.id)]).await.expect("reachable");
    assert_eq!(found[0].len(), 1, "that of the old one is gone");
}

#[tokio::test]
async fn a_cart_made_anew_that_names_nobody_yet_gets_a_key_of_its_own_when_it_does() {
    let (folder, inner) = (TempDir::new().expect("a folder"), Arc::new(MemoryStore::new([7; 32])));
    let keys = keyring(folder.path());
    let cart = cart("c-1");
    let (one, two) = (sealing(&inner, Some(keys.clone())), sealing(&inner, Some(keys.clone())));
    write(&one, &cart, 0).await;
    let removal = Commit { expected: Version(1), ..Commit::removal(&cart.shop, &cart.id, at(2)) };
    assert!(matches!(two.commit(removal).await, Ok(Committed::Done)));
    let nobody = smallest_cart("c-1");
    write(&two, &nobody, 0).await;
    assert_eq!(read(&one, &cart).await.expect("readable"), nobody);
    write(&one, &cart, 1).await;
    let later = sealing(&inner, Some(keys));
    assert_eq!(read(&later, &cart).await.expect("readable"), cart, "the key that it remembered is gone");
}

#[tokio::test]
async fn keyrings_keep_what_came_first_until_it_is_deleted() {
    let folder = TempDir::new().expect("a folder");
    let settings = RedisSettings {
        url: servers::own_database(),
        tls_ca: None,
        allow_volatile: false,
        shards: 1,
        command_timeout: Duration::from_secs(10),
        connections: 2,
    };
    let in_redis = RedisKeyring::open(settings.clone(), [5; 8]).await.expect("the server is ours");
    let again = RedisKeyring::open(settings, [6; 8]).await.expect("the server is ours");
    assert_eq!((in_redis.id(), again.id()), ([5; 8], [5; 8]));
    for keys in [keyring(folder.path()) as Arc<dyn Keyring>, Arc::new(in_redis)] {
        let name = |id: &str| KeyName::of(&shop(), &crate::samples::cart_id(id));
        let new = |id: &str, byte, is_first| {
            let fresh = SealKey([byte; 32]);
            NewKey { name: name(id), fresh, until: at(1_000), is_first }
        };
        let key = |byte| SealKey([byte; 32]);
        assert_eq!(keys.find(&[name("a")]).await.expect("reachable"), [[]]);
        let made = keys.ensure(vec![new("a", 1, true), new("b", 2, false)], at(1)).await.expect("reachable");
        assert_eq!(made, [key(1), key(2)]);
        let made = keys.ensure(vec![new("b", 9, false), new("c", 3, true)], at(1)).await.expect("reachable");
        assert_eq!(made, [key(2), key(3)], "the first one stays");
        let made = keys.ensure(vec![new("b", 4, true)], at(1)).await.expect("reachable");
        assert_eq!(made, [key(4)], "a new cart has its own");
        assert_eq!(keys.find(&[name("b")]).await.expect("reachable"), [[key(2), key(4)]]);
        keys.shred_keys(&[(name("b"), key(2)), (name("c"), key(3)), (name("x"), key(1))]).await.expect("reachable");
        let found = keys.find(&[name("b"), name("c")]).await.expect("reachable");
        assert_eq!(found, [vec![key(4)], vec![]]);
        for byte in 10..30 {
            keys.ensure(vec![new("d", byte, true)], at(1)).await.expect("reachable");
        }
        assert_eq!(keys.find(&[name("d")]).await.expect("reachable")[0].len(), 8, "they are bounded");
        assert_eq!(keys.shred(&[name("a"), name("x")]).await.expect("reachable"), 1);
        assert_eq!(keys.find(&[name("a")]).await.expect("reachable"), [[]]);
        keys.sweep(at(999)).await.expect("reachable");
        assert_eq!(keys.find(&[name("b")]).await.expect("reachable").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_whose_key_is_gone_is_out_of_the_way_of_others() {
    let keys = TempDir::new().expect("a folder");
    let url = format!("{}\"\nkeyring_url = \"embedded:{}", servers::own_database(), keys.path().display());
    let shop = Shop::open_behind(&url).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let test = cartwake::domain::ShopId::parse("test").expect("a slug");
    keyring(keys.path()).shred(&[KeyName::of(&test, &crate::samples::cart_id("c-1"))]).await.expect("reachable");
    // A process that never saw the key.
    let other = Shop::open_beside(&shop, PLAIN).await;
    other.clock.set(shop.now().plus(5 * HOUR));
    other.settle().await;
    let next = other.app.next_moment().await.expect("reachable");
    assert!(next.is_some_and(|next| next > other.now()), "it is looked at again when its retention ends: {next:?}");
    assert_eq!(other.cart("c-1").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_reaches_a_copy_of_the_store() {
    let (data, keys, backup) =
        (TempDir::new().expect("a folder"), TempDir::new().expect("a folder"), TempDir::new().expect("a folder"));
    let url = format!("embedded:{}\"\nkeyring_url = \"embedded:{}", data.path().display(), keys.path().display());
    let shop = Shop::open_behind(&url).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    shop.puts("c-2", cart_of("ann@example.com")).await;
    shop.advance(5 * HOUR).await;
    let sent = shop.receiver.of_kind("cart.reminder");
    assert!(sent[0].json().to_string().contains("@example.com"), "receivers get what they always got");
    let target = backup.path().join("copy");
    copy(data.path(), &target).expect("there is room");
    let receipt = shop.operates("/v1/erasures", &json!({"email": "joe@example.com"})).await.body;
    assert!(receipt["backups"]["hold"].as_str().is_some_and(|text| text.contains("keys that are gone")), "{receipt}");
    drop(shop);
    let inner = EmbeddedStore::open(&target, [0; 32], at(0)).expect("a copy can be opened");
    let restored = SealedStore::new(Arc::new(inner), Some(keyring(keys.path())), random_bytes);
    let test = cartwake::domain::ShopId::parse("test").expect("a slug");
    let find = async |id| {
        let id = cartwake::domain::CartId::parse(id).expect("an id");
        restored.load(&test, &id, None).await.expect("readable").record.expect("it is in the copy").value
    };
    let (joe, ann) = (find("c-1").await, find("c-2").await);
    assert_eq!((&joe.state, &joe.content.shopper.email), (&State::Erased, &None));
    assert_eq!(ann.content.shopper.email, Some(PersonalText::new("ann@example.com")));
}

//! Whose a code is: the incentive of a reminder that is about to go out, and the code that nobody else ever gets.
//!
//! What is given is noted on the person, and of a merchant's list the code is noted as used, first come: whoever finds the
//! note of another takes the next code. Both notes go out together, in one exchange for all reminders of a look, and only
//! when there is something to give: who gets one follows from the notes on the person, so it cannot be earlier. A code is
//! never put back, whatever becomes of its reminder: it may have arrived. A process that dies between the notes and the
//! send has decided all the same; the next look finds them, and the same code.
//!
//! Which codes are used is learnt on the way and kept in memory, so that a long list costs no look for each of them. Never
//! here: who gets one; that is `domain/incentive.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tracing::warn;

use super::identity::Identity;
use super::inbox::Engine;
use super::policies::Policies;
use crate::domain::{
    CODE_MARK, Codes, Grant, Granted, Grantee, IdentifierHash, Incentive, IncentiveCode, IncentiveName, Moment, Note,
    NoteKey, ShopId, Withheld,
};
use crate::store::{Asked, StoreError, StoreResult};

/// The least time that a grant is remembered: longer than any reminder is retried.
const GRANT_KEPT: Duration = Duration::from_hours(30 * 24);
/// How many codes are looked up at a time, to find those that are used.
const LOOK_MAX: usize = 500;
/// Characters of a derived code, five bits each: more than anybody can try.
const DERIVED_CHARS: usize = 12;
/// Without letters that are read as another: Crockford's base 32.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A reminder that is to get an incentive.
pub(super) struct Ask<'a> {
    pub incentive: &'a Incentive,
    pub to: Grantee,
    /// The identifiers of its person.
    pub hashes: Vec<IdentifierHash>,
    /// What was noted at an earlier look.
    pub before: Option<Granted>,
}

/// The codes of one list, and what is known of them.
struct Pool {
    codes: Vec<(IncentiveCode, IdentifierHash)>,
    /// Those that are somebody's.
    taken: Mutex<Vec<bool>>,
}

/// A code that may be free.
#[derive(Clone)]
struct Pick {
    code: IncentiveCode,
    /// Where it is noted whose it is; a derived code needs no note.
    hash: Option<IdentifierHash>,
    place: Option<usize>,
}

/// The lists of every shop.
#[derive(Default)]
pub struct Pools(RwLock<HashMap<(ShopId, IncentiveName), Arc<Pool>>>);

impl Pools {
    /// Takes over the lists of a configuration. What was known of the codes is learnt anew: a reload is how an operator
    /// brings more of them.
    pub(super) fn set(&self, policies: &Policies, identity: &Identity) {
        let mut pools = HashMap::new();
        for (shop, policy) in &policies.shops {
            for incentive in &policy.program.incentives {
                let Codes::List(list) = &incentive.codes else { continue };
                let codes: Vec<_> = list.codes.iter().map(|code| (code.clone(), identity.code(shop, code))).collect();
                let taken = Mutex::new(vec![false; codes.len()]);
                pools.insert((shop.clone(), incentive.name.clone()), Arc::new(Pool { codes, taken }));
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = pools;
    }

    fn of(&self, shop: &ShopId, incentive: &IncentiveName) -> Option<Arc<Pool>> {
        let pools = self.0.read().unwrap_or_else(PoisonError::into_inner);
        pools.get(&(shop.clone(), incentive.clone())).map(Arc::clone)
    }

    /// The lists of which every code is used, as far as this process knows.
    fn exhausted(&self) -> Vec<(ShopId, IncentiveName)> {
        let pools = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<_> =
            pools.iter().filter(|(_, pool)| pool.is_exhausted()).map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }
}

impl Pool {
    fn is_exhausted(&self) -> bool {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).iter().all(|taken| *taken)
    }

    /// The places of the codes not known to be taken, in an order that is this reminder's own: two that look at once
    /// hardly ever reach for the same, and one that looks again reaches for the same.
    fn free(&self, order: u128, max: usize) -> Vec<usize> {
        let mut free: Vec<(u128, usize)> = {
            let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let place = |(place, (_, hash)): (usize, &(_, IdentifierHash))| (mixed(hash, order), place);
            self.codes.iter().enumerate().filter(|(place, _)| !taken[*place]).map(place).collect()
        };
        if free.len() > max {
            free.select_nth_unstable(max);
            free.truncate(max);
        }
        free.sort_unstable();
        free.into_iter().map(|(_, place)| place).collect()
    }

    fn pick(&self, order: u128) -> Option<Pick> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.codes.iter().enumerate().filter(|(place, _)| !taken[*place]);
        let (place, (code, hash)) = free.min_by_key(|(_, (_, hash))| mixed(hash, order))?;
        let (code, hash) = (code.clone(), *hash);
        Some(Pick { code, hash: Some(hash), place: Some(place) })
    }

    fn take(&self, places: impl IntoIterator<Item = usize>) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        places.into_iter().for_each(|place| taken[place] = true);
    }
}

/// The finisher of `splitmix64` over both halves: spreads, and keeps no secret.
fn mixed(hash: &IdentifierHash, order: u128) -> u128 {
    let mut mixed = u128::from_be_bytes(hash.0) ^ order;
    mixed = (mixed ^ (mixed >> 61)).wrapping_mul(0xbf58_476d_1ce4_e5b9_94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 63)
}

/// One on its way to a code.
struct Open<'a> {
    place: usize,
    ask: Ask<'a>,
    pick: Pick,
    /// Whether its grant is noted on the person.
    is_noted: bool,
}

impl Engine {
    /// Says which lists of codes are used up; each is a sentence for an operator.
    #[must_use]
    pub fn incentive_notes(&self) -> Vec<String> {
        let told = |(shop, name): (ShopId, IncentiveName)| {
            format!("every code of the incentive {name} of shop {shop} is used: add codes to its file and reload")
        };
        self.pools.exhausted().into_iter().map(told).collect()
    }

    /// Gives each of these reminders of one shop its incentive, or says why it goes without.
    pub(super) async fn give(&self, shop: &ShopId, asks: Vec<Ask<'_>>, now: Moment) -> Vec<StoreResult<Grant>> {
        let mut given: Vec<Option<StoreResult<Grant>>> = asks.iter().map(|_| None).collect();
        let mut open = Vec::new();
        for (place, ask) in asks.into_iter().enumerate() {
            let is_noted = ask.before.is_some();
            match self.first_pick(shop, &ask) {
                Some(pick) => open.push(Open { place, ask, pick, is_noted }),
                None => given[place] = Some(Ok(self.exhausted(shop, &ask, is_noted).await)),
            }
        }
        while !open.is_empty() {
            let looked = self.reserve(shop, &open, now).await;
            let mut again = Vec::new();
            for (mut one, looked) in open.into_iter().zip(looked) {
                one.is_noted = true;
                let place = one.place;
                match looked {
                    Ok(Some(grant)) => given[place] = Some(Ok(grant)),
                    Ok(None) => again.push(one),
                    Err(error) => given[place] = Some(Err(error)),
                }
            }
            open = Vec::new();
            for one in again {
                match self.next_pick(shop, &one, now).await {
                    Ok(Some(pick)) => open.push(Open { pick, ..one }),
                    Ok(None) => given[one.place] = Some(Ok(self.exhausted(shop, &one.ask, true).await)),
                    Err(error) => given[one.place] = Some(Err(error)),
                }
            }
        }
        let nothing = || Err(StoreError::Corrupt { what: "grant" });
        given.into_iter().map(|grant| grant.unwrap_or_else(nothing)).collect()
    }

    /// The code that was noted before, whatever has become of the list since; else one that may be free.
    fn first_pick(&self, shop: &ShopId, ask: &Ask<'_>) -> Option<Pick> {
        match (&ask.incentive.codes, &ask.before) {
            (Codes::Template(_), Some(before)) => Some(Pick { code: before.code.clone(), hash: None, place: None }),
            (Codes::Template(template), None) => Some(self.derived(shop, ask, template)),
            (Codes::List(_), Some(before)) => {
                let hash = Some(self.identity.code(shop, &before.code));
                Some(Pick { code: before.code.clone(), hash, place: None })
            }
            (Codes::List(_), None) => self.pools.of(shop, &ask.incentive.name)?.pick(self.code_order(shop, &ask.to)),
        }
    }

    fn code_order(&self, shop: &ShopId, to: &Grantee) -> u128 {
        self.identity.grantee(shop, to, "order")
    }

    fn derived(&self, shop: &ShopId, ask: &Ask<'_>, template: &str) -> Pick {
        let mut number = self.identity.grantee(shop, &ask.to, ask.incentive.name.as_str());
        let mut text = String::with_capacity(DERIVED_CHARS);
        for _ in 0..DERIVED_CHARS {
            text.push(char::from(ALPHABET[usize::try_from(number % 32).unwrap_or_default()]));
            number /= 32;
        }
        let code = IncentiveCode::parse(&template.replace(CODE_MARK, &text));
        // The configuration lets no template through that a code would not fit into.
        let code = code.or_else(|| IncentiveCode::parse(&text)).expect("letters and digits are a code");
        Pick { code, hash: None, place: None }
    }

    /// Notes every grant on its person and every code as used: one exchange, unless a person has further identifiers.
    /// `None`: the code is somebody else's.
    async fn reserve(&self, shop: &ShopId, open: &[Open<'_>], now: Moment) -> Vec<StoreResult<Option<Grant>>> {
        let given_at = |one: &Open<'_>| one.ask.before.as_ref().map_or(now, |before| before.at);
        let grants = open.iter().map(|one| {
            let Open { ask, pick, .. } = one;
            let (incentive, code) = (ask.incentive.name.clone(), pick.code.clone());
            let note = Note::Granted(Granted { to: ask.to.clone(), incentive, code, at: given_at(one) });
            let until = now.plus(ask.incentive.per_person.within.max(GRANT_KEPT));
            Asked { shop, hashes: ask.hashes.clone(), leave: Some((note, until)) }
        });
        let codes = open.iter().filter_map(|one| {
            let until = now.plus(one.ask.incentive.keep_codes);
            let leave = Some((Note::Reserved(one.ask.to.clone()), until));
            Some(Asked { shop, hashes: vec![one.pick.hash?], leave })
        });
        let (grants, codes): (Vec<_>, Vec<_>) = (grants.collect(), codes.collect());
        let (persons, owners) = tokio::join!(self.persons(&grants, now), self.store.notes_all(&codes, now));
        let mut owners = owners.into_iter();
        let mut looked = Vec::with_capacity(open.len());
        for (one, person) in open.iter().zip(persons) {
            let owner = one.pick.hash.and_then(|_| owners.next());
            looked.push(match (person, owner) {
                (Err(error), _) | (_, Some(Err(error))) => Err(error),
                (Ok(person), owner) => {
                    let is_ours = match owner {
                        Some(Ok(notes)) => notes.contains(&Note::Reserved(one.ask.to.clone())),
                        Some(Err(_)) | None => true,
                    };
                    // Two reminders of one person at the same time: whoever sees the other steps back.
                    if one.ask.before.is_none() && one.ask.incentive.is_spent_on(&person, &one.ask.to, now) {
                        self.take_grant_off(shop, &one.ask).await;
                        Ok(Some(one.ask.incentive.withheld(Withheld::PersonCap)))
                    } else if is_ours {
                        Ok(Some(one.ask.incentive.offer(one.pick.code.clone(), given_at(one))))
                    } else {
                        Ok(None)
                    }
                }
            });
        }
        looked
    }

    /// The next code that may be free, after one that was not. Learns which are used, many at a time.
    async fn next_pick(&self, shop: &ShopId, one: &Open<'_>, now: Moment) -> StoreResult<Option<Pick>> {
        let Some(pool) = self.pools.of(shop, &one.ask.incentive.name) else { return Ok(None) };
        let order = self.code_order(shop, &one.ask.to);
        pool.take(one.pick.place);
        loop {
            let places = pool.free(order, LOOK_MAX);
            if places.is_empty() {
                return Ok(None);
            }
            let asked: Vec<_> = places.iter().map(|place| Asked::look(shop, vec![pool.codes[*place].1])).collect();
            let mut is_one_free = false;
            for (place, notes) in places.into_iter().zip(self.store.notes_all(&asked, now).await) {
                // One that is this reminder's own already is as good as free.
                let others = Note::Reserved(one.ask.to.clone());
                if notes?.iter().any(|note| matches!(note, Note::Reserved(_)) && *note != others) {
                    pool.take([place]);
                } else {
                    is_one_free = true;
                }
            }
            if is_one_free {
                return Ok(pool.pick(order));
            }
        }
    }

    async fn exhausted(&self, shop: &ShopId, ask: &Ask<'_>, is_noted: bool) -> Grant {
        if is_noted {
            self.take_grant_off(shop, ask).await;
        }
        ask.incentive.withheld(Withheld::CodesExhausted)
    }

    /// Nothing was given after all.
    async fn take_grant_off(&self, shop: &ShopId, ask: &Ask<'_>) {
        let key = NoteKey::granted(&ask.to.reminder);
        if let Err(error) = self.store.unnote(shop, &ask.hashes, &key).await {
            let error = &error as &dyn std::error::Error;
            warn!(error, cart.id = %ask.to.reminder.cart, "a grant could not be taken off; it ends by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(codes: u8) -> Pool {
        let code = |n: u8| IncentiveCode::parse(&format!("CODE-{n}")).expect("a code");
        let hash = |n: u8| IdentifierHash([n.wrapping_mul(37); 16]);
        Pool { codes: (0..codes).map(|n| (code(n), hash(n))).collect(), taken: Mutex::new(vec![false; codes.into()]) }
    }

    #[test]
    fn a_reminder_reaches_for_the_same_code_and_others_for_others() {
        let pool = pool(100);
        let place = |order| pool.pick(order).and_then(|pick| pick.place);
        let places: std::collections::BTreeSet<_> =
            (1..=20).map(|order: u128| place((order << 64) + order * 7)).collect();
        assert!(places.len() > 12, "{places:?}");
        assert_eq!(place(5), place(5));
        assert_eq!(pool.free(5, 100).first().copied(), place(5));
        assert_eq!(pool.free(5, 3), pool.free(5, 100)[..3]);
    }

    #[test]
    fn what_is_taken_is_passed_over_until_nothing_is_left() {
        let pool = pool(4);
        let mut picked = Vec::new();
        while let Some(pick) = pool.pick(9) {
            assert!(!pool.is_exhausted());
            picked.extend(pick.place);
            pool.take(pick.place);
        }
        picked.sort_unstable();
        assert_eq!((picked, pool.is_exhausted()), (vec![0, 1, 2, 3], true));
    }
}

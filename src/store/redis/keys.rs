//! Where everything lies: every key name this store uses is made here.
//!
//! What must change together lies in one shard, and every key of a shard bears its tag, `{cw:07}`, so that Redis Cluster
//! keeps it in one slot. How a name is made is fixed for ever: a change needs a new schema (see `meta.rs`).
//! The table for operators is docs/redis.md.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::domain::{CartId, Day, DeliveryId, EndpointName, EventKey, IdentifierHash, OrderId, ShopId, StateName};
use crate::store::{Lane, Queue};

/// Every lane that ever had a delivery.
pub const LANES: &str = "cw:lanes";
/// The endpoints that are stopped.
pub const PAUSES: &str = "cw:pauses";
/// The endpoints that do nothing but fail, and since when.
pub const FAILING: &str = "cw:failing";
/// The processes that use this store, by when they last showed life.
pub const LIVE: &str = "cw:live";
/// What this store is; see `meta.rs`.
pub const META: &str = "cw:meta";

/// How many shards there are.
#[derive(Clone, Copy, Debug)]
pub struct Shards(pub u16);

impl Shards {
    /// The shard of a cart, or of an order.
    #[must_use]
    pub fn of(self, shop: &ShopId, subject: &str) -> Shard {
        Shard(u16::try_from(fnv(shop.as_str(), subject) % u32::from(self.0)).unwrap_or(0))
    }

    /// The shard of an identifier. Its hash is keyed and even already.
    #[must_use]
    pub fn of_identifier(self, hash: &IdentifierHash) -> Shard {
        let [a, b, c, d, ..] = hash.0;
        Shard(u16::try_from(u32::from_be_bytes([a, b, c, d]) % u32::from(self.0)).unwrap_or(0))
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = Shard> {
        (0..self.0).map(Shard)
    }
}

/// FNV-1a (64 bits, folded to 32) of the shop, a zero byte and the id.
pub fn fnv(shop: &str, subject: &str) -> u32 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let shop = shop.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step);
    let hash = subject.as_bytes().iter().fold(step(shop, &0), step);
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or(0)
}

/// One shard, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard(pub u16);

impl Shard {
    fn key(self, kind: &str, parts: &[&str]) -> String {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let mut key = String::with_capacity(12 + length);
        key.push_str("{cw:");
        // At least two digits.
        for unit in [10_000, 1_000, 100, 10, 1] {
            if unit <= 10 || self.0 >= unit {
                key.push(char::from_digit(u32::from(self.0 / unit % 10), 10).unwrap_or('0'));
            }
        }
        key.push_str("}:");
        key.push_str(kind);
        for part in parts {
            key.push_str(part);
        }
        key
    }

    /// Version and record of a cart.
    #[must_use]
    pub fn cart(self, shop: &ShopId, id: &CartId) -> String {
        self.key("c:", &[shop.as_str(), "/", id.as_str()])
    }

    /// The wakes of a shop's carts.
    #[must_use]
    pub fn wakes(self, shop: &ShopId) -> String {
        self.key("w:", &[shop.as_str()])
    }

    /// The shops with a cart in this shard, by their first wake.
    #[must_use]
    pub fn shops(self) -> String {
        self.key("v", &[])
    }

    /// The lanes with something in this shard, by their first due moment.
    #[must_use]
    pub fn lanes(self) -> String {
        self.key("l", &[])
    }

    /// Version and record of an order.
    #[must_use]
    pub fn order(self, shop: &ShopId, id: &OrderId) -> String {
        self.key("r:", &[shop.as_str(), "/", id.as_str()])
    }

    /// A delivery.
    #[must_use]
    pub fn delivery(self, id: &DeliveryId) -> String {
        self.key("d:", &[id.as_str()])
    }

    /// Schedule and leases of one queue of a lane.
    #[must_use]
    pub fn queue(self, lane: &Lane, queue: Queue) -> String {
        let kind = match queue {
            Queue::First => "o:",
            Queue::Again => "p:",
        };
        self.key(kind, &[lane.shop.as_str(), "/", lane.endpoint.as_str()])
    }

    /// What a lane gave up.
    #[must_use]
    pub fn dead(self, lane: &Lane) -> String {
        self.key("x:", &[lane.shop.as_str(), "/", lane.endpoint.as_str()])
    }

    /// The sends of reminders that have begun.
    #[must_use]
    pub fn begun(self) -> String {
        self.key("b", &[])
    }

    /// The sends of a cart that nobody answered.
    #[must_use]
    pub fn unanswered(self, shop: &ShopId, id: &CartId) -> String {
        self.key("s:", &[shop.as_str(), "/", id.as_str()])
    }

    /// The answer given to a key. The key is hashed: answers outnumber carts, and its text may be long.
    #[must_use]
    pub fn answer(self, subject: Subject<'_>, key: &EventKey) -> String {
        let (kind, shop, id) = match subject {
            Subject::Cart(shop, id) => ("c", shop, id.as_str()),
            Subject::Order(shop, id) => ("o", shop, id.as_str()),
        };
        let mut hash = Sha256::new();
        for part in [kind, shop.as_str(), id, key.as_str()] {
            hash.update(part);
            hash.update([0]);
        }
        self.key("a:", &[&URL_SAFE_NO_PAD.encode(&hash.finalize()[..16])])
    }

    /// The counts of a shop on a day.
    #[must_use]
    pub fn tallies(self, shop: &ShopId, day: Day) -> String {
        self.key("t:", &[shop.as_str(), "/", &day.to_string()])
    }

    /// How many carts are in each state.
    #[must_use]
    pub fn census(self) -> String {
        self.key("n", &[])
    }

    /// The carts of an identifier.
    #[must_use]
    pub fn carts_of(self, shop: &ShopId, hash: &IdentifierHash) -> String {
        self.key("i:", &[shop.as_str(), "/", &URL_SAFE_NO_PAD.encode(hash.0)])
    }

    /// The notes on an identifier, a product or a code.
    #[must_use]
    pub fn notes_of(self, shop: &ShopId, hash: &IdentifierHash) -> String {
        self.key("m:", &[shop.as_str(), "/", &URL_SAFE_NO_PAD.encode(hash.0)])
    }
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    Cart(&'a ShopId, &'a CartId),
    Order(&'a ShopId, &'a OrderId),
}

/// A delivery as a member of its lane.
#[must_use]
pub fn delivery_member(id: &DeliveryId, cart: &CartId) -> String {
    format!("{id} {cart}")
}

/// Reads [`delivery_member`].
#[must_use]
pub fn parse_delivery_member(member: &str) -> Option<(DeliveryId, CartId)> {
    let (id, cart) = member.split_once(' ')?;
    Some((DeliveryId::parse(id)?, CartId::parse(cart).ok()?))
}

/// A cart, as the marks of its sends begin.
#[must_use]
pub fn cart_mark(shop: &ShopId, cart: &CartId) -> String {
    format!("{shop}/{cart}")
}

/// A delivery, as the mark of its send begins.
#[must_use]
pub fn delivery_mark(shop: &ShopId, cart: &CartId, id: &DeliveryId) -> String {
    format!("{shop}/{cart}/{id}")
}

/// The mark of a send that is leased until then.
#[must_use]
pub fn send_mark(shop: &ShopId, cart: &CartId, id: &DeliveryId, until: i64) -> String {
    format!("{shop}/{cart}/{id}/{until}")
}

/// A lane as a member of the lanes, or a field of the pauses. No id contains a `/`.
#[must_use]
pub fn lane_member(lane: &Lane) -> String {
    format!("{}/{}", lane.shop, lane.endpoint)
}

/// Reads [`lane_member`].
#[must_use]
pub fn parse_lane_member(member: &str) -> Option<Lane> {
    let (shop, endpoint) = member.split_once('/')?;
    Some(Lane { shop: ShopId::parse(shop).ok()?, endpoint: EndpointName::parse(endpoint).ok()? })
}

/// A shop's state as a field of the census.
#[must_use]
pub fn census_field(shop: &ShopId, state: StateName) -> String {
    format!("{shop}/{state}")
}

/// Reads [`census_field`].
#[must_use]
pub fn parse_census_field(field: &str) -> Option<(ShopId, StateName)> {
    let (shop, state) = field.split_once('/')?;
    Some((ShopId::parse(shop).ok()?, StateName::parse(state)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> ShopId {
        ShopId::parse("shop").expect("a literal slug")
    }

    fn cart(id: &str) -> CartId {
        CartId::parse(id).expect("a literal id")
    }

    /// Stored data depends on it: these values must never change.
    #[test]
    fn the_shard_of_a_cart_is_fixed_for_ever() {
        assert_eq!(fnv("shop", "cart-1"), 0x7c85_fa3a);
        assert_eq!(Shards(1).of(&shop(), "cart-1"), Shard(0));
    }

    #[test]
    fn carts_spread_over_shards_whatever_their_ids_look_like() {
        let shapes: [fn(u32) -> String; 3] =
            [|n| format!("{n}"), |n| format!("cart-{n:08}"), |n| format!("{:032x}", n * 16)];
        for shape in shapes {
            let mut counts = [0_u32; 16];
            for n in 0..16_000 {
                counts[usize::from(Shards(16).of(&shop(), &shape(n)).0)] += 1;
            }
            assert!(counts.iter().all(|&count| (700..1_300).contains(&count)), "{counts:?}");
        }
    }

    #[test]
    fn every_key_of_a_shard_bears_its_tag() {
        let lane = Lane { shop: shop(), endpoint: EndpointName::parse("mail").expect("a literal slug") };
        let hash = IdentifierHash([7; 16]);
        let order = OrderId::parse("o#1").expect("a literal id");
        let delivery =
            DeliveryId::derive(crate::domain::EventKind::Reminder, &shop(), &cart("c"), "reminder/1/0", &lane.endpoint);
        let key = EventKey::parse("k{1}").expect("a literal key");
        let shard = Shard(7);
        let keys = [
            shard.cart(&shop(), &cart("c")),
            shard.wakes(&shop()),
            shard.shops(),
            shard.lanes(),
            shard.order(&shop(), &order),
            shard.delivery(&delivery),
            shard.queue(&lane, Queue::First),
            shard.queue(&lane, Queue::Again),
            shard.dead(&lane),
            shard.begun(),
            shard.unanswered(&shop(), &cart("c")),
            shard.answer(Subject::Cart(&shop(), &cart("c")), &key),
            shard.answer(Subject::Order(&shop(), &order), &key),
            shard.tallies(&shop(), Day::from_number(20_000)),
            shard.census(),
            shard.carts_of(&shop(), &hash),
            shard.notes_of(&shop(), &hash),
        ];
        assert!(keys.iter().all(|key| key.starts_with("{cw:07}:")), "{keys:?}");
        let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "{keys:?}");
        assert_eq!(keys[0], "{cw:07}:c:shop/c");
        assert_eq!(Shard(123).shops(), "{cw:123}:v");
    }

    #[test]
    fn members_are_read_back() {
        let (shop, cart) = (shop(), cart("a.b:c~d=e"));
        let endpoint = EndpointName::parse("mail").expect("a literal slug");
        let id = DeliveryId::derive(crate::domain::EventKind::Reminder, &shop, &cart, "reminder/1/0", &endpoint);
        assert_eq!(parse_delivery_member(&delivery_member(&id, &cart)), Some((id, cart)));
        let lane = Lane { shop: shop.clone(), endpoint };
        assert_eq!(parse_lane_member(&lane_member(&lane)), Some(lane));
        for &state in StateName::ALL {
            assert_eq!(parse_census_field(&census_field(&shop, state)), Some((shop.clone(), state)));
        }
    }
}

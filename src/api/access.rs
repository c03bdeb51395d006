//! Access: whose keys open what, and what the API must know of each shop. Made from the configuration, replaced whole.
//!
//! Only hashes of keys are here, and they are compared in constant time, all of them, whichever matches. Who is let in
//! where is decided in `api/auth.rs`.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

use crate::config::{Config, KeyConfig, KeyHash, PlatformConfig, Role};
use crate::domain::{EndpointName, ShopId};

/// What the API must know of a shop.
#[derive(Clone, Debug)]
pub struct ShopAccess {
    pub id: ShopId,
    /// Hosts a `checkout_url` may point to; empty allows any.
    pub checkout_hosts: Vec<String>,
    /// Each endpoint, and whether the configuration switched it off.
    pub endpoints: Vec<(EndpointName, Switched)>,
    /// Whose webhooks are taken, and what signs them.
    pub platforms: Vec<PlatformConfig>,
}

/// What the configuration says about an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switched {
    On,
    Off,
}

/// A key, by its hash.
#[derive(Clone, Debug)]
pub struct Entry {
    hash: [u8; 32],
    pub role: Role,
    /// The shop it belongs to; `None` for a key of the whole server.
    pub shop: Option<Arc<ShopAccess>>,
    /// Where a browser key may be used from.
    pub origins: Vec<String>,
}

/// Every key and every shop.
#[derive(Debug, Default)]
pub struct Access {
    entries: Vec<Entry>,
    shops: Vec<Arc<ShopAccess>>,
}

impl Access {
    /// The access that this configuration gives.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let mut access = Self::default();
        access.add_server_keys(&config.server.admin_keys);
        for shop in &config.shops {
            let switched = |disabled| if disabled { Switched::Off } else { Switched::On };
            let entry = ShopAccess {
                id: shop.id.clone(),
                checkout_hosts: shop.checkout_hosts.clone(),
                endpoints: shop.endpoints.iter().map(|e| (e.name.clone(), switched(e.disabled))).collect(),
                platforms: shop.platforms.clone(),
            };
            access.add_shop(entry, &shop.keys);
        }
        access
    }

    fn add_server_keys(&mut self, hashes: &[KeyHash]) {
        let entry = |hash: &KeyHash| Entry { hash: hash.0, role: Role::Admin, shop: None, origins: Vec::new() };
        self.entries.extend(hashes.iter().map(entry));
    }

    fn add_shop(&mut self, shop: ShopAccess, keys: &[KeyConfig]) {
        let shop = Arc::new(shop);
        for key in keys {
            let (shop, origins) = (Some(Arc::clone(&shop)), key.allowed_origins.clone());
            self.entries.push(Entry { hash: key.hash.0, role: key.role, shop, origins });
        }
        self.shops.push(shop);
    }

    /// Access by these keys alone.
    #[cfg(any(test, fuzzing))]
    #[must_use]
    pub fn of(server_keys: &[KeyHash], shops: Vec<(ShopId, Vec<KeyConfig>)>) -> Self {
        let mut access = Self::default();
        access.add_server_keys(server_keys);
        for (id, keys) in shops {
            let shop = ShopAccess { id, checkout_hosts: Vec::new(), endpoints: Vec::new(), platforms: Vec::new() };
            access.add_shop(shop, &keys);
        }
        access
    }

    /// The entry of this key. Takes the same time whether and where it matches.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Entry> {
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut found = u32::MAX;
        for (place, entry) in (0_u32..).zip(&self.entries) {
            found.conditional_assign(&place, entry.hash.ct_eq(&hash));
        }
        self.entries.get(usize::try_from(found).ok()?)
    }

    /// The shop of this name.
    #[must_use]
    pub fn shop(&self, id: &str) -> Option<&Arc<ShopAccess>> {
        self.shops.iter().find(|shop| shop.id.as_str() == id)
    }

    /// The shop, where there is but one.
    #[must_use]
    pub fn only_shop(&self) -> Option<&Arc<ShopAccess>> {
        match self.shops.as_slice() {
            [shop] => Some(shop),
            _ => None,
        }
    }

    /// Every shop.
    #[must_use]
    pub fn shops(&self) -> &[Arc<ShopAccess>] {
        &self.shops
    }

    /// Whether any browser key may be used from here: the preflight of a browser bears no key.
    #[must_use]
    pub fn knows_origin(&self, origin: &str) -> bool {
        self.entries.iter().any(|entry| entry.role == Role::Browser && entry.allows_origin(origin))
    }
}

impl Entry {
    /// Whether this key may be used from here.
    #[must_use]
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

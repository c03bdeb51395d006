//! What the configuration means to the engine: each shop's program and where its events go.
//!
//! Replaced as a whole on reload, so one decision never sees half of an old and half of a new policy.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::{EndpointName, Program, ShopId};
use crate::links::LinkSettings;
use crate::store::Lane;
use crate::webhook::{Secret, Sender};

/// Where one endpoint is and how it is sent to.
pub struct EndpointPolicy {
    pub name: EndpointName,
    pub url: reqwest::Url,
    pub secrets: Vec<Secret>,
    /// Bound on one whole attempt.
    pub timeout: Duration,
    /// Sends on their way at a time, at most.
    pub concurrency: usize,
    /// Sends a second at most.
    pub rate_limit: Option<u32>,
    /// Switched off by the configuration: what is due waits until it is stale.
    pub disabled: bool,
    pub thin: bool,
    /// Dials only what this endpoint may be at.
    pub sender: Arc<Sender>,
}

/// One shop.
pub struct ShopPolicy {
    pub program: Program,
    pub endpoints: Vec<Arc<EndpointPolicy>>,
}

/// Every shop.
#[derive(Default)]
pub struct Policies {
    pub shops: HashMap<ShopId, Arc<ShopPolicy>>,
    pub links: LinkSettings,
}

impl Policies {
    /// The endpoint behind a lane, while it is configured.
    #[must_use]
    pub fn endpoint(&self, lane: &Lane) -> Option<&Arc<EndpointPolicy>> {
        self.shops.get(&lane.shop)?.endpoints.iter().find(|e| e.name == lane.endpoint)
    }

    /// The lanes of every configured endpoint.
    pub fn lanes(&self) -> impl Iterator<Item = Lane> + '_ {
        self.shops.iter().flat_map(|(shop, policy)| {
            policy.endpoints.iter().map(|e| Lane { shop: shop.clone(), endpoint: e.name.clone() })
        })
    }
}

//! The digest of each shop's day, to the endpoints that want it: once, whichever process is the first to look.
//!
//! Its id follows from its day, so a process that looks again, or another one, tells nothing new. Never here: what is in
//! it (`domain/digest.rs`).

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use tracing::warn;

use super::dispatcher::Dispatcher;
use crate::domain::{CartId, Day, Delivery, Digest, EventKind, ShopId, digest_due};
use crate::store::{Commit, Committed, Lane, StoreResult};

/// What stands in the place of a cart's id where there is none, before the day.
const NO_CART: &str = "digest:";

/// The days that this process has seen to.
#[derive(Default)]
pub(super) struct Told(RwLock<HashMap<ShopId, Day>>);

impl Dispatcher {
    /// Tells of each shop's last day, where that is due and not done.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub(super) async fn tell_of_days(&self) -> StoreResult<()> {
        let (now, policies) = (self.engine.now(), self.engine.policies());
        for (shop, policy) in &policies.shops {
            let program = &policy.program;
            let due = program.digest.and_then(|at| digest_due(at, &program.zone, now));
            let Some((due_at, day)) = due.filter(|(_, day)| !self.told.has(shop, *day)) else { continue };
            let wanted = program.subscriptions.iter().filter(|one| one.events.contains(EventKind::ShopDigest));
            let wanted: Vec<_> = wanted.map(|one| &one.endpoint).collect();
            let subject = CartId::parse(&format!("{NO_CART}{day}"));
            if let (Ok(subject), false) = (subject, wanted.is_empty()) {
                let counts = self.engine.store.tallies(shop, day, day).await?;
                if let Some(digest) = Digest::of(day, &counts) {
                    let digests = wanted.iter().map(|to| Delivery::digest(shop, &subject, to, &digest, due_at));
                    self.tell(shop, &subject, &digests.collect::<Vec<_>>()).await?;
                }
            }
            self.told.note(shop, day);
        }
        Ok(())
    }

    async fn tell(&self, shop: &ShopId, subject: &CartId, digests: &[Delivery]) -> StoreResult<()> {
        let told = Commit { outbox: digests, ..Commit::removal(shop, subject, self.engine.now()) };
        if self.engine.store.commit(told).await? == Committed::Conflict {
            warn!(%shop, "there is no digest of the day: there is a cart of the id {subject}");
        }
        for digest in digests {
            self.engine.nudge(&Lane { shop: shop.clone(), endpoint: digest.endpoint.clone() });
        }
        Ok(())
    }
}

impl Told {
    fn has(&self, shop: &ShopId, day: Day) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(shop) == Some(&day)
    }

    fn note(&self, shop: &ShopId, day: Day) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(shop.clone(), day);
    }
}

//! Calibration at work: once a minute the counts of agreement are read, and what they demote goes into the programs.
//!
//! Decisions stay functions of their arguments: the demoted reasons are part of the program that a decision is handed.
//! Processes read the same counts, so within a minute they agree. Read next: `domain/calibration.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::inbox::Engine;
use super::policies::{Policies, ShopPolicy};
use crate::domain::{self, Agreements, Day, Moment, ReasonCode, ShopId};
use crate::store::StoreResult;

/// How often a round is made.
const EVERY: Duration = Duration::from_secs(60);
/// Shops looked at in one round; with more, each has its turn.
const SHOPS_A_ROUND: usize = 50;

/// What is known of the agreement between rules and shoppers.
#[derive(Default)]
pub(super) struct Calibration {
    shops: Mutex<HashMap<ShopId, Judged>>,
    /// Where the next round begins.
    turn: Mutex<usize>,
}

/// One shop's counts, day by day. What is settled is read once.
#[derive(Clone, Default)]
struct Judged {
    /// From this day on, and settled up to the other: its counts can no longer change.
    read: Option<(Day, Day)>,
    days: BTreeMap<Day, Agreements>,
}

impl Judged {
    fn sum(&self) -> Agreements {
        let mut sum = Agreements::new();
        for (code, agreement) in self.days.values().flatten() {
            let entry = sum.entry(*code).or_default();
            entry.judged += agreement.judged;
            entry.agreed += agreement.agreed;
        }
        sum
    }
}

impl Calibration {
    fn demoted(&self, shop: &ShopId, policy: &ShopPolicy) -> BTreeMap<ReasonCode, u8> {
        let shops = self.shops.lock().unwrap_or_else(PoisonError::into_inner);
        shops.get(shop).map(|judged| domain::demoted(&judged.sum(), policy.program.calibration)).unwrap_or_default()
    }

    /// The same policies, with what is demoted in their programs.
    pub(super) fn applied_to(&self, mut policies: Policies) -> Policies {
        for (shop, policy) in &mut policies.shops {
            let demoted = self.demoted(shop, policy);
            if policy.program.rules.demoted != demoted {
                let codes: Vec<&str> = demoted.keys().map(|code| code.as_str()).collect();
                info!(shop = %shop, demoted = codes.join(" "), "the reasons that shoppers keep denying have changed");
                let mut changed = ShopPolicy::clone(policy);
                changed.program.rules.demoted = demoted;
                *policy = Arc::new(changed);
            }
        }
        policies
    }

    /// The shops whose turn it is.
    fn next_round(&self, policies: &Policies) -> Vec<ShopId> {
        let mut shops: Vec<&ShopId> = policies.shops.keys().collect();
        shops.sort_unstable();
        let count = shops.len();
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let from = if *turn < count { *turn } else { 0 };
        *turn = from + SHOPS_A_ROUND;
        shops.into_iter().skip(from).take(SHOPS_A_ROUND).cloned().collect()
    }
}

impl Engine {
    /// Reads how often shoppers agreed, of the shops whose turn it is, and demotes what they keep disagreeing with.
    ///
    /// # Errors
    /// When the store cannot be asked; what was known stays.
    pub async fn calibrate(&self) -> StoreResult<()> {
        let (policies, now) = (self.policies(), self.now());
        for shop in self.calibration.next_round(&policies) {
            let Some(policy) = policies.shops.get(&shop) else { continue };
            let settings = policy.program.calibration;
            let judged = self.judged(&shop, now.minus(settings.window).day(), now).await?;
            for (code, agreement) in judged.sum() {
                self.metrics.rule_demoted(&shop, code, agreement.demotes(settings));
            }
            self.calibration.shops.lock().unwrap_or_else(PoisonError::into_inner).insert(shop, judged);
        }
        self.recalibrate();
        Ok(())
    }

    /// How often shoppers agreed with each inferred reason of a shop, as last read.
    #[must_use]
    pub fn agreements(&self, shop: &ShopId) -> Agreements {
        let shops = self.calibration.shops.lock().unwrap_or_else(PoisonError::into_inner);
        shops.get(shop).map(Judged::sum).unwrap_or_default()
    }

    async fn judged(&self, shop: &ShopId, first: Day, now: Moment) -> StoreResult<Judged> {
        let known = self.calibration.shops.lock().unwrap_or_else(PoisonError::into_inner).get(shop).cloned();
        // The clocks of other processes may still be at yesterday.
        let unsettled = Day::from_number(now.day().number() - 1);
        let known = known.filter(|judged| judged.read.is_some_and(|(since, _)| since <= first));
        let mut judged = known.unwrap_or_default();
        let from = judged.read.map_or(first, |(_, settled)| settled.max(first));
        judged.days.retain(|day, _| (first..from).contains(day));
        for (day, key, count) in self.store.tallies(shop, from, now.day()).await? {
            let mut agreements = Agreements::new();
            domain::add_agreement(&mut agreements, &key, count);
            for (code, agreement) in agreements {
                let entry = judged.days.entry(day).or_default().entry(code).or_default();
                entry.judged += agreement.judged;
                entry.agreed += agreement.agreed;
            }
        }
        judged.read = Some((first, unsettled));
        Ok(judged)
    }
}

/// Calibrates until it is told to stop.
pub async fn run_calibration(engine: Arc<Engine>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = engine.calibrate().await {
            warn!(
                error = &error as &dyn std::error::Error,
                "the agreement with shoppers could not be read; tried again later"
            );
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(EVERY) => {}
        }
    }
}

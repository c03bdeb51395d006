//! The doors of lanes: how a lane is woken, and how what has just been decided gets in without waiting in the store.
//!
//! A lane that could send more at once offers places. Whoever decides on a delivery takes one, has the delivery begun by
//! the very write that decides it ([`Commit::begun_until`](crate::store::Commit::begun_until)) and hands it over: no
//! claim, and no second look at the store. Everything else waits in the store's queue. Nothing is lost with a process: what
//! was begun and not sent falls due again as its lease ends.
//!
//! - First come, first served: as long as something waits in the store, a lane offers nothing; a fast one gives what waits
//!   its places first and offers what is left, for the wait is one of milliseconds there.
//! - While a lane sends fast and much is due, the scheduler decides on no more than it has places for: decided sooner, it
//!   would only wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::domain::Moment;
use crate::store::{Begun, Lane};

/// While a lane sends fast, fewer carts than this are not worth a look ...
const WORTH_A_LOOK: usize = 128;
/// ... and more than this would keep it waiting.
const LOOK_MAX: usize = 256;
/// So many are decided on while it has no places: they may be for other lanes.
const LOOK_MIN: usize = 32;
/// How long the scheduler waits for places at most: other shops' carts wait with it.
const PATIENCE: Duration = Duration::from_millis(20);

/// Every door.
#[derive(Default)]
pub(super) struct Doors {
    all: Mutex<HashMap<Lane, Arc<Door>>>,
    /// Places have become free in a lane that sends fast.
    freed: Arc<Notify>,
}

/// The door of one lane.
#[derive(Default)]
pub(super) struct Door {
    bell: Notify,
    inside: Mutex<Inside>,
    freed: Arc<Notify>,
}

/// What a lane offers.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer {
    /// How many it could begin now.
    pub places: usize,
    /// How long what begins now is leased.
    pub span: Duration,
    /// Whether places become free so fast that it is worth waiting for them.
    pub is_fast: bool,
}

#[derive(Default)]
struct Inside {
    offer: Offer,
    /// Places that were taken and not filled yet.
    taken: usize,
    came: Vec<Handed>,
    /// Whether somebody told of something that waits in the store.
    is_told: bool,
}

impl Inside {
    const fn free(&self) -> usize {
        self.offer.places.saturating_sub(self.taken + self.came.len())
    }
}

/// A delivery that was handed over.
#[derive(Debug)]
pub struct Handed {
    pub begun: Begun,
    /// When it began: what it is sent by is known as of then.
    pub at: Moment,
}

/// A place in a lane; free again when it is dropped unfilled.
pub(super) struct Place {
    door: Arc<Door>,
    span: Duration,
}

impl Doors {
    /// The door of a lane.
    pub(super) fn of(&self, lane: &Lane) -> Arc<Door> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = all.get(lane) {
            return Arc::clone(door);
        }
        let door = Arc::new(Door { freed: Arc::clone(&self.freed), ..Door::default() });
        all.insert(lane.clone(), Arc::clone(&door));
        door
    }

    /// Wakes every lane.
    pub(super) fn ring_all(&self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|door| door.ring());
    }

    /// How many carts to decide on, beside so many that are being decided on: as many as the fullest of the fast lanes has
    /// places for. Waits a moment until that is worth it.
    pub(super) async fn room(&self, beside: usize) -> usize {
        let mut patience = std::pin::pin!(sleep(PATIENCE));
        loop {
            let Some(free) = self.fewest_free() else { return usize::MAX };
            if free >= beside + WORTH_A_LOOK {
                return (free - beside).min(LOOK_MAX);
            }
            tokio::select! {
                () = self.freed.notified() => {}
                () = &mut patience => return LOOK_MIN,
            }
        }
    }

    /// The places of the fullest lane that sends fast.
    fn fewest_free(&self) -> Option<usize> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let free = all.values().filter_map(|door| {
            let inside = door.inside();
            inside.offer.is_fast.then(|| inside.free())
        });
        free.min()
    }
}

impl Door {
    /// Tells the lane that something may wait for it in the store.
    pub(super) fn ring(&self) {
        self.inside().is_told = true;
        self.bell.notify_one();
    }

    /// Waits until somebody rings or comes in; whether something may wait in the store.
    pub(super) async fn rung(&self) -> bool {
        self.bell.notified().await;
        std::mem::take(&mut self.inside().is_told)
    }

    /// Offers so many places, instead of what was offered before.
    pub(super) fn offer(&self, offer: Offer) {
        self.inside().offer = offer;
        if offer.is_fast && offer.places > 0 {
            self.freed.notify_one();
        }
    }

    /// Takes a place, where one is free.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        let mut inside = self.inside();
        (inside.free() > 0).then(|| {
            inside.taken += 1;
            Place { door: Arc::clone(self), span: inside.offer.span }
        })
    }

    /// How many will come, or have come.
    pub(super) fn awaited(&self) -> usize {
        let inside = self.inside();
        inside.taken + inside.came.len()
    }

    /// What has come; its places are offered no more.
    pub(super) fn let_in(&self) -> Vec<Handed> {
        let mut inside = self.inside();
        let came = std::mem::take(&mut inside.came);
        inside.offer.places = inside.offer.places.saturating_sub(came.len());
        came
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Until when what begins now is leased.
    pub(super) fn begun_until(&self, at: Moment) -> Moment {
        at.plus(self.span)
    }

    /// Hands a delivery over.
    pub(super) fn fill(self, handed: Handed) {
        self.door.inside().came.push(handed);
        self.door.bell.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.inside().taken -= 1;
    }
}

#[cfg(test)]
mod tests;

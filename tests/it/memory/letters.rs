//! Deliveries as people look at them, in the store in memory. A record is its debug text: two are equal when they are.

use cartwake::domain::{CartId, Delivery, DeliveryId, Moment, ShopId, Status};
use cartwake::store::{Burial, Lane, Letter, LetterPage, Queue, Revival, Settled, Shelf};

use super::deliveries::lane_of;
use super::{Book, DeliveryRow};

fn record_of(delivery: &Delivery) -> Vec<u8> {
    format!("{delivery:?}").into_bytes()
}

fn letter_of(row: &DeliveryRow) -> Letter {
    Letter {
        id: row.delivery.id.clone(),
        lane: Some(lane_of(&row.delivery)),
        cart: Some(row.delivery.cart.clone()),
        delivery: Some(row.delivery.clone()),
        has_ended: !row.is_waiting(),
        stored: record_of(&row.delivery),
    }
}

fn is_dead(row: &DeliveryRow) -> bool {
    row.is_buried || matches!(row.delivery.status, Status::Dead(_))
}

impl Book {
    pub fn letters(&self, lane: &Lane, which: Shelf, cursor: Option<&str>, limit: usize) -> LetterPage {
        let is_asked = |row: &&DeliveryRow| match which {
            Shelf::Pending => row.is_waiting(),
            Shelf::Dead => is_dead(row),
        };
        let at = |row: &DeliveryRow| match which {
            Shelf::Pending => row.look_at,
            Shelf::Dead => row.purge_at.unwrap_or(row.look_at),
        };
        let of_lane = self.deliveries.values().filter(|row| lane_of(&row.delivery) == *lane);
        let mut all: Vec<(Moment, &DeliveryRow)> = of_lane.filter(is_asked).map(|row| (at(row), row)).collect();
        all.sort_by_key(|(at, row)| (*at, row.delivery.id.clone()));
        let place = |(at, row): &(Moment, &DeliveryRow)| format!("{}/{}", at.millis(), row.delivery.id);
        let from = match cursor {
            None => 0,
            Some(cursor) => match all.iter().position(|one| place(one) == cursor) {
                Some(last) => last + 1,
                None => return LetterPage::default(),
            },
        };
        let page = &all[from..all.len().min(from + limit)];
        let is_last = from + page.len() == all.len();
        LetterPage {
            letters: page.iter().map(|(_, row)| letter_of(row)).collect(),
            next: page.last().filter(|_| !is_last).map(place),
        }
    }

    pub fn letter(&self, id: &DeliveryId) -> Option<Letter> {
        self.deliveries.get(id).map(letter_of)
    }

    pub fn letters_of(&self, shop: &ShopId, cart: &CartId, ids: &[DeliveryId]) -> Vec<Letter> {
        let rows = ids.iter().filter_map(|id| self.deliveries.get(id));
        rows.filter(|row| row.delivery.shop == *shop && row.delivery.cart == *cart).map(letter_of).collect()
    }

    pub fn revive(&mut self, revival: &Revival) -> bool {
        let Some(row) = self.deliveries.get_mut(&revival.delivery.id) else { return false };
        if row.is_waiting() || record_of(&row.delivery) != revival.letter.stored {
            return false;
        }
        *row = DeliveryRow {
            delivery: revival.delivery.clone(),
            look_at: revival.delivery.due_at,
            is_leased: false,
            purge_at: None,
            queue: Queue::First,
            is_buried: false,
        };
        true
    }

    pub fn bury(&mut self, burial: &Burial<'_>) -> Settled {
        let held = self.deliveries.get_mut(&burial.claim.delivery).filter(|row| row.is_held_by(burial.claim));
        let Some(row) = held else { return Settled::Lost };
        (row.is_buried, row.is_leased, row.purge_at) = (true, false, Some(burial.keep_until));
        self.land(burial.claim);
        self.count_settled(&burial.claim.lane.shop, burial.tallies);
        Settled::Done
    }
}

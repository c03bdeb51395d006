//! The stored form: what a record looks like on disk and in Redis, the same for every backend.
//!
//! `[format version][codec][payload]`. The payload is `MessagePack` with structs as arrays, so a field may only ever be
//! appended, and with `#[serde(default)]`; anything else is a new format version. Carts and deliveries are compressed
//! with a dictionary that belongs to its codec for ever: other samples make another codec beside it.
//!
//! Reading never panics, whatever the bytes are. Never here: keys, indexes, versions of records (a backend's own).
//! Read next: `record/cart.rs`; `record/code.rs` for how closed sets are stored; `examples/train_dictionary.rs`.

mod answer;
#[cfg(test)]
mod arbitrary;
mod bytes;
mod cart;
mod code;
mod content;
mod delivery;
mod grant;
mod heard;
mod note;
mod order;
mod packing;
mod past;
mod personal;
mod signal;
#[cfg(test)]
mod tests;
mod trail;

use serde::{Deserialize, Serialize};

pub use personal::{encode_personal, restore_personal, take_personal, with_sealed};

use answer::AnsweredRecord;
use cart::CartRecord;
use delivery::DeliveryRecord;
use order::OrderRecord;

use super::{Answered, StoreError, StoreResult};
use crate::domain::{Cart, CartId, Delivery, Note, Order, OrderId, ShopId};

const FORMAT: u8 = 1;

/// The first two bytes of every record.
const HEADER_BYTES: usize = 2;

/// A cart without its shop and id, which are its key.
#[must_use]
pub fn encode_cart(cart: &Cart) -> Vec<u8> {
    packing::pack(FORMAT, &cart_payload(cart))
}

/// # Errors
/// [`StoreError::Newer`] when a later version wrote it, [`StoreError::Corrupt`] when these are not the bytes of a cart.
pub fn decode_cart(shop: &ShopId, id: &CartId, bytes: &[u8]) -> StoreResult<Cart> {
    let payload = packing::unpack(FORMAT, bytes);
    let cart = payload.as_deref().and_then(read::<CartRecord<'_>>).and_then(|record| record.into_cart(shop, id));
    let is_newer = payload.is_none() && bytes.first().is_some_and(|&format| format > FORMAT);
    cart.ok_or(if is_newer { StoreError::Newer { what: "cart" } } else { StoreError::Corrupt { what: "cart" } })
}

/// A delivery, complete.
#[must_use]
pub fn encode_delivery(delivery: &Delivery) -> Vec<u8> {
    packing::pack(FORMAT, &delivery_payload(delivery))
}

/// # Errors
/// [`StoreError::Newer`] when a later version wrote it, [`StoreError::Corrupt`] when these are not the bytes of a delivery.
pub fn decode_delivery(bytes: &[u8]) -> StoreResult<Delivery> {
    let payload = packing::unpack(FORMAT, bytes);
    let delivery = payload.as_deref().and_then(read).and_then(DeliveryRecord::into_delivery);
    delivery.ok_or_else(|| {
        match payload.as_deref().map_or(bytes.first().copied(), |payload| payload.first().copied()) {
            Some(format) if payload.is_none() && format > FORMAT => StoreError::Newer { what: "delivery" },
            Some(first) if payload.is_some() && has_more_fields(first, delivery::FIELDS) => {
                StoreError::Newer { what: "delivery" }
            }
            _ => StoreError::Corrupt { what: "delivery" },
        }
    })
}

/// Whether a payload begins like a struct with more fields than this: 0x90 and the count, to 15 of them.
const fn has_more_fields(first: u8, fields: u8) -> bool {
    first > 0x90 + fields && first <= 0x9f
}

/// An order without its shop and id, which are its key.
#[must_use]
pub fn encode_order(order: &Order) -> Vec<u8> {
    packing::plain(FORMAT, &payload(&OrderRecord::of(order)))
}

/// # Errors
/// [`StoreError::Corrupt`] when these are not the bytes of an order.
pub fn decode_order(shop: &ShopId, id: &OrderId, bytes: &[u8]) -> StoreResult<Order> {
    let payload = packing::unpack(FORMAT, bytes);
    let order = payload.as_deref().and_then(read::<OrderRecord<'_>>).and_then(|record| record.into_order(shop, id));
    order.ok_or(StoreError::Corrupt { what: "order" })
}

/// An answer that was given.
#[must_use]
pub fn encode_answered(answered: &Answered) -> Vec<u8> {
    packing::plain(FORMAT, &payload(&AnsweredRecord::of(answered)))
}

/// # Errors
/// [`StoreError::Corrupt`] when these are not the bytes of an answer.
pub fn decode_answered(bytes: &[u8]) -> StoreResult<Answered> {
    let payload = packing::unpack(FORMAT, bytes);
    let answered = payload.as_deref().and_then(read).and_then(AnsweredRecord::into_answered);
    answered.ok_or(StoreError::Corrupt { what: "answer" })
}

/// A note, complete.
#[must_use]
pub fn encode_note(note: &Note) -> Vec<u8> {
    packing::plain(FORMAT, &note::note_payload(note))
}

/// # Errors
/// [`StoreError::Newer`] when a later version wrote it, [`StoreError::Corrupt`] when these are not the bytes of a note.
pub fn decode_note(bytes: &[u8]) -> StoreResult<Note> {
    let payload = packing::unpack(FORMAT, bytes);
    let is_newer = payload.as_deref().is_some_and(note::is_newer);
    let note = payload.as_deref().and_then(note::into_note);
    note.ok_or(if is_newer { StoreError::Newer { what: "note" } } else { StoreError::Corrupt { what: "note" } })
}

/// The payload of a cart before compression: what a dictionary is trained on.
#[must_use]
pub fn cart_payload(cart: &Cart) -> Vec<u8> {
    payload(&CartRecord::of(cart))
}

/// The payload of a delivery before compression: what a dictionary is trained on.
#[must_use]
pub fn delivery_payload(delivery: &Delivery) -> Vec<u8> {
    payload(&DeliveryRecord::of(delivery))
}

fn payload<R: Serialize>(record: &R) -> Vec<u8> {
    rmp_serde::to_vec(record).expect("records are plain data and a Vec takes any amount of it")
}

fn read<'a, R: Deserialize<'a>>(bytes: &'a [u8]) -> Option<R> {
    rmp_serde::from_slice(bytes).ok()
}

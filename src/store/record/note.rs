//! Notes as stored: a purchase as it always was, every other kind with a number in front that is never given twice.
//!
//! Read next: `record/order.rs` for purchases.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::{Coded, known};
use super::content::minor;
use super::order::MarksRecord;
use super::{payload, read};
use crate::domain::{
    ArmName, CartId, Channel, DeliveryId, ExperimentName, Exposure, Granted, Grantee, IdentifierHash, IncentiveCode,
    IncentiveName, Moment, Note, OptOut, OrderId, ProductId, Reminded, ReminderId, StockLevel,
};

type Text<'a> = Cow<'a, str>;

const OPTED_OUT: u8 = 1;
const REMINDED: u8 = 2;
const EXPOSED: u8 = 3;
const GRANTED: u8 = 4;
const LINKED: u8 = 5;
const STOCK: u8 = 6;
const RESERVED: u8 = 7;
const DECIDED: u8 = 8;
/// Below it are the numbers of kinds, from it on the first bytes of purchases.
const PURCHASES: u8 = 0x80;

#[derive(Serialize, Deserialize)]
struct OptedOutRecord {
    channel: Option<u8>,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct ReminderRecord<'a> {
    #[serde(borrow)]
    cart: Text<'a>,
    abandonment: u32,
    step: u32,
}

#[derive(Serialize, Deserialize)]
struct RemindedRecord<'a> {
    #[serde(borrow)]
    reminder: ReminderRecord<'a>,
    #[serde(borrow)]
    delivery: Text<'a>,
    channel: u8,
    at: i64,
    /// Left out where there is none: an earlier version reads what it would have written.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    order: Option<Text<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ExposedRecord<'a> {
    #[serde(borrow)]
    experiment: Text<'a>,
    #[serde(borrow)]
    arm: Text<'a>,
    #[serde(borrow)]
    cart: Text<'a>,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct GrantedRecord<'a> {
    #[serde(borrow)]
    reminder: ReminderRecord<'a>,
    at: i64,
    /// When the cart was made.
    made_at: i64,
    #[serde(borrow)]
    incentive: Text<'a>,
    #[serde(borrow)]
    code: Text<'a>,
}

#[derive(Serialize, Deserialize)]
struct ReservedRecord<'a> {
    #[serde(borrow)]
    reminder: ReminderRecord<'a>,
    made_at: i64,
}

#[derive(Serialize, Deserialize)]
struct StockRecord<'a> {
    #[serde(borrow)]
    product: Text<'a>,
    in_stock: bool,
    price: Option<u64>,
    at: i64,
}

/// What is stored of a note, its kind in front.
pub fn note_payload(note: &Note) -> Vec<u8> {
    match note {
        Note::Purchase(mark) => payload(&MarksRecord::of(std::slice::from_ref(mark))),
        Note::OptedOut(OptOut { channel, at }) => {
            let channel = channel.map(Coded::code);
            tagged(OPTED_OUT, &OptedOutRecord { channel, at: at.millis() })
        }
        Note::Reminded(Reminded { reminder, delivery, channel, at, order }) => {
            let record = RemindedRecord {
                reminder: ReminderRecord::of(reminder),
                delivery: Cow::Borrowed(delivery.as_str()),
                channel: channel.code(),
                at: at.millis(),
                order: order.as_ref().map(|order| Cow::Borrowed(order.as_str())),
            };
            tagged(REMINDED, &record)
        }
        Note::Exposed(Exposure { experiment, arm, cart, at }) => {
            let record = ExposedRecord {
                experiment: Cow::Borrowed(experiment.as_str()),
                arm: Cow::Borrowed(arm.as_str()),
                cart: Cow::Borrowed(cart.as_str()),
                at: at.millis(),
            };
            tagged(EXPOSED, &record)
        }
        Note::Granted(Granted { to, incentive, code, at }) => {
            let record = GrantedRecord {
                reminder: ReminderRecord::of(&to.reminder),
                at: at.millis(),
                made_at: to.made_at.millis(),
                incentive: Cow::Borrowed(incentive.as_str()),
                code: Cow::Borrowed(code.reveal()),
            };
            tagged(GRANTED, &record)
        }
        Note::Linked(hash) => tagged(LINKED, &hash.0),
        Note::Stock(StockLevel { product, in_stock, price, at }) => {
            let record = StockRecord {
                product: Cow::Borrowed(product.as_str()),
                in_stock: *in_stock,
                price: price.map(crate::domain::Minor::get),
                at: at.millis(),
            };
            tagged(STOCK, &record)
        }
        Note::Reserved(Grantee { reminder, made_at }) => {
            let record = ReservedRecord { reminder: ReminderRecord::of(reminder), made_at: made_at.millis() };
            tagged(RESERVED, &record)
        }
        Note::Decided(order) => tagged(DECIDED, &order.as_str()),
    }
}

fn tagged(kind: u8, record: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(payload(record));
    bytes
}

/// Whether this is a kind that a later version made.
pub fn is_newer(payload: &[u8]) -> bool {
    payload.first().is_some_and(|&kind| kind > DECIDED && kind < PURCHASES)
}

/// Reads [`note_payload`].
pub fn into_note(payload: &[u8]) -> Option<Note> {
    let (&kind, rest) = payload.split_first()?;
    Some(match kind {
        PURCHASES.. => Note::Purchase(read::<MarksRecord<'_>>(payload)?.into_marks()?.pop()?),
        OPTED_OUT => {
            let record: OptedOutRecord = read(rest)?;
            let channel = known(record.channel, Channel::from_code)?;
            Note::OptedOut(OptOut { channel, at: Moment::from_millis(record.at) })
        }
        REMINDED => {
            let record: RemindedRecord<'_> = read(rest)?;
            Note::Reminded(Reminded {
                reminder: record.reminder.into_reminder()?,
                delivery: DeliveryId::parse(&record.delivery)?,
                channel: Channel::from_code(record.channel)?,
                at: Moment::from_millis(record.at),
                order: known(record.order, |order| OrderId::parse(&order).ok())?,
            })
        }
        EXPOSED => {
            let record: ExposedRecord<'_> = read(rest)?;
            Note::Exposed(Exposure {
                experiment: ExperimentName::parse(&record.experiment).ok()?,
                arm: ArmName::parse(&record.arm).ok()?,
                cart: CartId::parse(&record.cart).ok()?,
                at: Moment::from_millis(record.at),
            })
        }
        GRANTED => {
            let record: GrantedRecord<'_> = read(rest)?;
            Note::Granted(Granted {
                to: grantee(record.reminder, record.made_at)?,
                incentive: IncentiveName::parse(&record.incentive).ok()?,
                code: IncentiveCode::parse(&record.code)?,
                at: Moment::from_millis(record.at),
            })
        }
        LINKED => Note::Linked(IdentifierHash(read(rest)?)),
        STOCK => {
            let record: StockRecord<'_> = read(rest)?;
            Note::Stock(StockLevel {
                product: ProductId::parse(&record.product).ok()?,
                in_stock: record.in_stock,
                price: known(record.price, minor)?,
                at: Moment::from_millis(record.at),
            })
        }
        RESERVED => {
            let record: ReservedRecord<'_> = read(rest)?;
            Note::Reserved(grantee(record.reminder, record.made_at)?)
        }
        DECIDED => Note::Decided(OrderId::parse(read::<&str>(rest)?).ok()?),
        _ => return None,
    })
}

fn grantee(reminder: ReminderRecord<'_>, made_at: i64) -> Option<Grantee> {
    Some(Grantee { reminder: reminder.into_reminder()?, made_at: Moment::from_millis(made_at) })
}

impl<'a> ReminderRecord<'a> {
    fn of(reminder: &'a ReminderId) -> Self {
        Self { cart: Cow::Borrowed(reminder.cart.as_str()), abandonment: reminder.abandonment, step: reminder.step }
    }

    fn into_reminder(self) -> Option<ReminderId> {
        let cart = CartId::parse(&self.cart).ok()?;
        Some(ReminderId { cart, abandonment: self.abandonment, step: self.step })
    }
}

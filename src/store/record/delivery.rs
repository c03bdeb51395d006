//! Deliveries and what they are about, as stored. A delivery is self-contained: its record says whose it is.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::{Coded, known};
use super::content::minor;
use super::grant::GrantRecord;
use crate::domain::{
    Abandonment, Attempt, CartId, Channel, Currency, Day, Delivery, DeliveryId, Digest, EndpointBrief, EndpointName,
    Event, EventKind, Moment, OrderBrief, OrderId, OutcomeName, REPLIES_MAX, Reason, ReasonCode, ReasonSource, Reply,
    ShopId, Stage, Status, StepBrief, StepName, Why,
};

#[derive(Serialize, Deserialize)]
pub struct DeliveryRecord<'a> {
    /// The 128 bits of the id.
    id: (u64, u64),
    #[serde(borrow)]
    shop: Cow<'a, str>,
    #[serde(borrow)]
    cart: Cow<'a, str>,
    #[serde(borrow)]
    endpoint: Cow<'a, str>,
    #[serde(borrow)]
    event: EventRecord<'a>,
    created_at: i64,
    due_at: i64,
    send_not_after: i64,
    /// 0 pending, 1 delivered, 2 dead, 3 suppressed.
    status: u8,
    why: Option<u8>,
    attempt_count: u32,
    attempts: Vec<(i64, u8, Option<u16>, u32)>,
    /// Of the last attempts: which, counted from the newest, and what was answered.
    #[serde(default, borrow)]
    replies: Vec<ReplyRecord<'a>>,
    #[serde(default, borrow)]
    incentive: Option<GrantRecord<'a>>,
}

/// How many fields a delivery has here; more are a later version's.
pub const FIELDS: u8 = 14;

#[derive(Serialize, Deserialize)]
struct ReplyRecord<'a> {
    back: u8,
    #[serde(borrow)]
    content_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    retry_after: Option<Cow<'a, str>>,
    #[serde(borrow)]
    body: Cow<'a, str>,
}

impl<'a> ReplyRecord<'a> {
    fn all_of(attempts: &'a [Attempt]) -> Vec<Self> {
        let newest_first = (0_u8..).zip(attempts.iter().rev()).take(REPLIES_MAX);
        newest_first.filter_map(|(back, attempt)| Some(Self::of(back, attempt.reply.as_ref()?))).collect()
    }

    fn of(back: u8, reply: &'a Reply) -> Self {
        let text = |text: &'a Option<String>| text.as_deref().map(Cow::Borrowed);
        Self {
            back,
            content_type: text(&reply.content_type),
            retry_after: text(&reply.retry_after),
            body: Cow::Borrowed(&reply.body),
        }
    }

    fn put(self, attempts: &mut [Attempt]) {
        let text = |text: Option<Cow<'a, str>>| text.map(Cow::into_owned);
        if let Some(attempt) = attempts.iter_mut().rev().nth(usize::from(self.back)) {
            attempt.reply = Some(Reply {
                content_type: text(self.content_type),
                retry_after: text(self.retry_after),
                body: self.body.into_owned(),
            });
        }
    }
}

fn bits(id: &DeliveryId) -> (u64, u64) {
    let half = |range| id.as_str().get(range).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default();
    (half(4..20), half(20..36))
}

fn id((high, low): (u64, u64)) -> Option<DeliveryId> {
    DeliveryId::parse(&format!("dlv_{high:016x}{low:016x}"))
}

#[derive(Serialize, Deserialize)]
struct EventRecord<'a> {
    kind: u8,
    at: i64,
    abandonment: Option<AbandonmentRecord>,
    #[serde(borrow)]
    step: Option<StepRecord<'a>>,
    #[serde(borrow)]
    order: Option<OrderBriefRecord<'a>>,
    reason: Option<ReasonRecord>,
    /// Name and why of the endpoint it is about.
    #[serde(default, borrow)]
    endpoint: Option<(Cow<'a, str>, u8)>,
    #[serde(default, borrow)]
    digest: Option<DigestRecord<'a>>,
}

/// Day; abandonments, reminders, recovered; currency, left, back; reason, times.
type DigestRecord<'a> = (i32, (u64, u64, u64), Vec<(Cow<'a, str>, u64, u64)>, Vec<(u8, u64)>);

fn digest_record(digest: &Digest) -> DigestRecord<'static> {
    let Digest { day, abandonments, reminders, recovered, values, reasons } = digest;
    let values = values.iter().map(|(currency, left, back)| (Cow::Borrowed(currency.code()), *left, *back));
    let reasons = reasons.iter().map(|(code, times)| (code.code(), *times));
    (day.number(), (*abandonments, *reminders, *recovered), values.collect(), reasons.collect())
}

fn into_digest((day, (abandonments, reminders, recovered), values, reasons): DigestRecord<'_>) -> Option<Digest> {
    let values = values.into_iter().map(|(currency, left, back)| Some((Currency::parse(&currency).ok()?, left, back)));
    let reasons = reasons.into_iter().map(|(code, times)| Some((ReasonCode::from_code(code)?, times)));
    let (values, reasons) = (values.collect::<Option<_>>()?, reasons.collect::<Option<_>>()?);
    Some(Digest { day: Day::from_number(day), abandonments, reminders, recovered, values, reasons })
}

#[derive(Serialize, Deserialize)]
pub struct AbandonmentRecord {
    number: u32,
    at: i64,
    stage: u8,
    value: u64,
    reason: ReasonRecord,
}

#[derive(Serialize, Deserialize)]
pub struct ReasonRecord {
    code: u8,
    source: u8,
    confidence: u8,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct StepRecord<'a> {
    index: u32,
    of: u32,
    #[serde(borrow)]
    name: Cow<'a, str>,
    channel: u8,
}

#[derive(Serialize, Deserialize)]
pub struct OrderBriefRecord<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    total: u64,
    placed_at: i64,
}

impl<'a> DeliveryRecord<'a> {
    pub fn of(delivery: &'a Delivery) -> Self {
        let (status, why) = match delivery.status {
            Status::Pending => (0, None),
            Status::Delivered => (1, None),
            Status::Dead(why) => (2, Some(why.code())),
            Status::Suppressed(why) => (3, Some(why.code())),
        };
        let attempt = |a: &Attempt| (a.at.millis(), a.outcome.code(), a.status, a.duration_ms);
        Self {
            id: bits(&delivery.id),
            shop: Cow::Borrowed(delivery.shop.as_str()),
            cart: Cow::Borrowed(delivery.cart.as_str()),
            endpoint: Cow::Borrowed(delivery.endpoint.as_str()),
            event: EventRecord::of(&delivery.event),
            created_at: delivery.created_at.millis(),
            due_at: delivery.due_at.millis(),
            send_not_after: delivery.send_not_after.millis(),
            status,
            why,
            attempt_count: delivery.attempt_count,
            attempts: delivery.attempts.iter().map(attempt).collect(),
            replies: ReplyRecord::all_of(&delivery.attempts),
            incentive: delivery.incentive.as_ref().map(GrantRecord::of),
        }
    }

    pub fn into_delivery(self) -> Option<Delivery> {
        let why = || self.why.and_then(Why::from_code);
        let attempt = |(at, outcome, status, duration_ms)| {
            let outcome = OutcomeName::from_code(outcome)?;
            Some(Attempt { at: Moment::from_millis(at), outcome, status, duration_ms, reply: None })
        };
        let mut attempts = self.attempts.into_iter().map(attempt).collect::<Option<Vec<_>>>()?;
        self.replies.into_iter().for_each(|reply| reply.put(&mut attempts));
        Some(Delivery {
            id: id(self.id)?,
            shop: ShopId::parse(&self.shop).ok()?,
            cart: CartId::parse(&self.cart).ok()?,
            endpoint: EndpointName::parse(&self.endpoint).ok()?,
            status: match self.status {
                0 => Status::Pending,
                1 => Status::Delivered,
                2 => Status::Dead(why()?),
                3 => Status::Suppressed(why()?),
                _ => return None,
            },
            event: self.event.into_event()?,
            created_at: Moment::from_millis(self.created_at),
            due_at: Moment::from_millis(self.due_at),
            send_not_after: Moment::from_millis(self.send_not_after),
            attempt_count: self.attempt_count,
            attempts,
            incentive: known(self.incentive, GrantRecord::into_grant)?,
        })
    }
}

impl<'a> EventRecord<'a> {
    fn of(event: &'a Event) -> Self {
        Self {
            kind: event.kind.code(),
            at: event.at.millis(),
            abandonment: event.abandonment.as_ref().map(AbandonmentRecord::of),
            step: event.step.as_ref().map(StepRecord::of),
            order: event.order.as_ref().map(OrderBriefRecord::of),
            reason: event.reason.as_ref().map(ReasonRecord::of),
            endpoint: event.endpoint.as_ref().map(|about| (Cow::Borrowed(about.name.as_str()), about.why.code())),
            digest: event.digest.as_ref().map(digest_record),
        }
    }

    fn into_event(self) -> Option<Event> {
        Some(Event {
            kind: EventKind::from_code(self.kind)?,
            at: Moment::from_millis(self.at),
            abandonment: known(self.abandonment, AbandonmentRecord::into_abandonment)?,
            step: known(self.step, StepRecord::into_step)?,
            order: known(self.order, OrderBriefRecord::into_order_brief)?,
            reason: known(self.reason, ReasonRecord::into_reason)?,
            endpoint: known(self.endpoint, |(name, why)| {
                Some(EndpointBrief { name: EndpointName::parse(&name).ok()?, why: Why::from_code(why)? })
            })?,
            digest: known(self.digest, into_digest)?,
        })
    }
}

impl AbandonmentRecord {
    pub fn of(abandonment: &Abandonment) -> Self {
        Self {
            number: abandonment.number,
            at: abandonment.abandoned_at.millis(),
            stage: abandonment.stage.code(),
            value: abandonment.value.get(),
            reason: ReasonRecord::of(&abandonment.reason),
        }
    }

    pub fn into_abandonment(self) -> Option<Abandonment> {
        Some(Abandonment {
            number: self.number,
            abandoned_at: Moment::from_millis(self.at),
            stage: Stage::from_code(self.stage)?,
            value: minor(self.value)?,
            reason: self.reason.into_reason()?,
        })
    }
}

impl ReasonRecord {
    pub fn of(reason: &Reason) -> Self {
        Self {
            code: reason.code.code(),
            source: reason.source.code(),
            confidence: reason.confidence,
            at: reason.at.millis(),
        }
    }

    pub fn into_reason(self) -> Option<Reason> {
        Some(Reason {
            code: ReasonCode::from_code(self.code)?,
            source: ReasonSource::from_code(self.source)?,
            confidence: self.confidence,
            at: Moment::from_millis(self.at),
        })
    }
}

impl<'a> StepRecord<'a> {
    fn of(step: &'a StepBrief) -> Self {
        Self { index: step.index, of: step.of, name: Cow::Borrowed(step.name.as_str()), channel: step.channel.code() }
    }

    fn into_step(self) -> Option<StepBrief> {
        Some(StepBrief {
            index: self.index,
            of: self.of,
            name: StepName::parse(&self.name).ok()?,
            channel: Channel::from_code(self.channel)?,
        })
    }
}

impl<'a> OrderBriefRecord<'a> {
    pub fn of(order: &'a OrderBrief) -> Self {
        Self {
            id: Cow::Borrowed(order.id.as_str()),
            currency: Cow::Borrowed(order.currency.code()),
            total: order.total.get(),
            placed_at: order.placed_at.millis(),
        }
    }

    pub fn into_order_brief(self) -> Option<OrderBrief> {
        Some(OrderBrief {
            id: OrderId::parse(&self.id).ok()?,
            currency: Currency::parse(&self.currency).ok()?,
            total: minor(self.total)?,
            placed_at: Moment::from_millis(self.placed_at),
        })
    }
}

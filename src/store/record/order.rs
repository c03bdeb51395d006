//! Orders and the marks they leave on their buyers, as stored. An order's shop and id are its key.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::code::{Coded, known};
use super::content::minor;
use crate::domain::{
    ArmName, Attribution, CartId, Covers, Credit, Currency, ExperimentName, Moment, Order, OrderId, OrderKind,
    OrderStatus, Paid, ProductId, PurchaseMark, ReminderId, ShopId, StepName,
};

#[derive(Serialize, Deserialize)]
pub struct OrderRecord<'a> {
    status: u8,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    total: u64,
    placed_at: i64,
    #[serde(borrow)]
    carts: Vec<Cow<'a, str>>,
    paid_as: Option<(u8, u8)>,
    expires_at: i64,
    /// Cart, abandonment, step.
    #[serde(default, borrow)]
    recovery: Option<(Cow<'a, str>, u32, u32)>,
    /// Of `paid_as`: the step that is credited.
    #[serde(default, borrow)]
    step: Option<Cow<'a, str>>,
    /// Of `paid_as`: experiments and arms.
    #[serde(default, borrow)]
    arms: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told_at: Option<i64>,
}

impl<'a> OrderRecord<'a> {
    pub fn of(order: &'a Order) -> Self {
        let paid = order.paid_as.as_ref();
        let step = paid.and_then(|paid| paid.credit.step.as_ref());
        let arms = paid.map(|paid| paid.arms.as_slice()).unwrap_or_default();
        let names = |(experiment, arm): &'a (ExperimentName, ArmName)| {
            (Cow::Borrowed(experiment.as_str()), Cow::Borrowed(arm.as_str()))
        };
        Self {
            status: order.status.code(),
            currency: Cow::Borrowed(order.currency.code()),
            total: order.total.get(),
            placed_at: order.placed_at.millis(),
            carts: order.carts.iter().map(|cart| Cow::Borrowed(cart.as_str())).collect(),
            paid_as: paid.map(|paid| (paid.kind.code(), paid.credit.attribution.code())),
            expires_at: order.expires_at.millis(),
            recovery: order
                .recovery
                .as_ref()
                .map(|reminder| (Cow::Borrowed(reminder.cart.as_str()), reminder.abandonment, reminder.step)),
            step: step.map(|step| Cow::Borrowed(step.as_str())),
            arms: arms.iter().map(names).collect(),
            told_at: order.told_at.map(Moment::millis),
        }
    }

    pub fn into_order(self, shop: &ShopId, id: &OrderId) -> Option<Order> {
        let names = |(experiment, arm): &(Cow<'_, str>, Cow<'_, str>)| {
            Some((ExperimentName::parse(experiment).ok()?, ArmName::parse(arm).ok()?))
        };
        let step = known(self.step, |step| StepName::parse(&step).ok())?;
        let arms: Vec<_> = self.arms.iter().map(names).collect::<Option<_>>()?;
        let paid_as = known(self.paid_as, |(kind, by)| {
            let credit = Credit { attribution: Attribution::from_code(by)?, step };
            Some(Paid { kind: OrderKind::from_code(kind)?, credit, arms })
        })?;
        Some(Order {
            shop: shop.clone(),
            id: id.clone(),
            status: OrderStatus::from_code(self.status)?,
            currency: Currency::parse(&self.currency).ok()?,
            total: minor(self.total)?,
            placed_at: Moment::from_millis(self.placed_at),
            carts: self.carts.iter().map(|cart| CartId::parse(cart).ok()).collect::<Option<_>>()?,
            paid_as,
            expires_at: Moment::from_millis(self.expires_at),
            recovery: known(self.recovery, |(cart, abandonment, step)| {
                Some(ReminderId { cart: CartId::parse(&cart).ok()?, abandonment, step })
            })?,
            told_at: self.told_at.map(Moment::from_millis),
        })
    }
}

#[derive(Serialize, Deserialize)]
pub struct MarksRecord<'a>(#[serde(borrow)] Vec<MarkRecord<'a>>);

#[derive(Serialize, Deserialize)]
struct MarkRecord<'a> {
    #[serde(borrow)]
    order: Cow<'a, str>,
    placed_at: i64,
    paid: bool,
    /// Nothing: everything.
    #[serde(borrow)]
    products: Option<Vec<Cow<'a, str>>>,
}

impl<'a> MarksRecord<'a> {
    pub fn of(marks: &'a [PurchaseMark]) -> Self {
        Self(marks.iter().map(MarkRecord::of).collect())
    }

    pub fn into_marks(self) -> Option<Vec<PurchaseMark>> {
        self.0.into_iter().map(MarkRecord::into_mark).collect()
    }
}

impl<'a> MarkRecord<'a> {
    fn of(mark: &'a PurchaseMark) -> Self {
        let products = match &mark.covers {
            Covers::Everything => None,
            Covers::Products(products) => Some(products.iter().map(|p| Cow::Borrowed(p.as_str())).collect()),
        };
        Self {
            order: Cow::Borrowed(mark.order.as_str()),
            placed_at: mark.placed_at.millis(),
            paid: mark.paid,
            products,
        }
    }

    fn into_mark(self) -> Option<PurchaseMark> {
        let parse = |product: &Cow<'_, str>| ProductId::parse(product).ok();
        let covers = match self.products {
            None => Covers::Everything,
            Some(products) => Covers::Products(products.iter().map(parse).collect::<Option<BTreeSet<_>>>()?),
        };
        let order = OrderId::parse(&self.order).ok()?;
        Some(PurchaseMark { order, placed_at: Moment::from_millis(self.placed_at), covers, paid: self.paid })
    }
}

//! The parts of an export: what identifiers are known for, orders, and carts with what was sent about them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::api::cart_view::{CartView, ItemView};
use crate::api::delivery_view::{DeliveryView, Full};
use crate::api::openapi::{AttributionName, ChannelName, CurrencyCode, OrderStatusName};
use crate::api::receipt::{moment, moment_or_null};
use crate::domain::{
    ArmName, Cart, CartId, Channel, Covers, Exposure, Follow, Granted, Moment, OptOut, Order, ProductId, PurchaseMark,
    Reminded, ReminderId,
};
use crate::engine::HeldCart;

/// What the person wants no reminders on.
#[derive(Serialize, ToSchema)]
pub struct OptOutView {
    /// `null`: no channel at all.
    #[schema(value_type = Option<ChannelName>, required = true)]
    channel: Option<&'static str>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
}

impl OptOutView {
    pub fn of(opt_out: &OptOut) -> Self {
        Self { channel: opt_out.channel.map(Channel::as_str), at: opt_out.at }
    }
}

/// An order as remembered on an identifier.
#[derive(Serialize, ToSchema)]
pub struct PurchaseView<'a> {
    #[schema(value_type = String)]
    order_id: &'a str,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    placed_at: Moment,
    paid: bool,
    /// `null`: it was not said, so whatever was in the cart.
    #[schema(value_type = Option<Vec<String>>, required = true)]
    products: Option<Vec<&'a str>>,
}

impl<'a> PurchaseView<'a> {
    pub fn of(mark: &'a PurchaseMark) -> Self {
        let products = match &mark.covers {
            Covers::Everything => None,
            Covers::Products(products) => Some(products.iter().map(ProductId::as_str).collect()),
        };
        Self { order_id: mark.order.as_str(), placed_at: mark.placed_at, paid: mark.paid, products }
    }
}

/// An order as recorded.
#[derive(Serialize, ToSchema)]
pub struct HeldOrderView<'a> {
    #[schema(value_type = String)]
    order_id: &'a str,
    #[schema(value_type = OrderStatusName)]
    status: &'static str,
    #[schema(value_type = CurrencyCode)]
    currency: &'static str,
    total_minor: u64,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    placed_at: Moment,
    /// The carts it was of.
    #[schema(value_type = Vec<String>)]
    carts: Vec<&'a str>,
    /// How it came about, once paid.
    #[schema(value_type = Option<AttributionName>, required = true)]
    attribution: Option<&'static str>,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: Moment,
}

impl<'a> HeldOrderView<'a> {
    pub fn of(order: &'a Order) -> Self {
        Self {
            order_id: order.id.as_str(),
            status: order.status.as_str(),
            currency: order.currency.code(),
            total_minor: order.total.get(),
            placed_at: order.placed_at,
            carts: order.carts.iter().map(CartId::as_str).collect(),
            attribution: order.paid_as.as_ref().map(|paid| paid.credit.attribution.as_str()),
            expires_at: order.expires_at,
        }
    }
}

/// A reminder that began to be sent.
#[derive(Serialize, ToSchema)]
pub struct RemindedView<'a> {
    #[schema(value_type = String)]
    cart_id: &'a str,
    abandonment: u32,
    /// From 0.
    step: u32,
    #[schema(value_type = ChannelName)]
    channel: &'static str,
    /// Of its last attempt.
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
}

impl<'a> RemindedView<'a> {
    pub fn of(reminded: &'a Reminded) -> Self {
        let ReminderId { cart, abandonment, step } = &reminded.reminder;
        Self {
            cart_id: cart.as_str(),
            abandonment: *abandonment,
            step: *step,
            channel: reminded.channel.as_str(),
            at: reminded.at,
        }
    }
}

/// Part of an experiment.
#[derive(Serialize, ToSchema)]
pub struct ExposureView<'a> {
    #[schema(value_type = String)]
    experiment: &'a str,
    #[schema(value_type = String)]
    arm: &'a str,
    #[schema(value_type = String)]
    cart_id: &'a str,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
}

impl<'a> ExposureView<'a> {
    pub fn of(exposure: &'a Exposure) -> Self {
        Self {
            experiment: exposure.experiment.as_str(),
            arm: exposure.arm.as_str(),
            cart_id: exposure.cart.as_str(),
            at: exposure.at,
        }
    }
}

/// An incentive that went out with a reminder.
#[derive(Serialize, ToSchema)]
pub struct GrantView<'a> {
    #[schema(value_type = String)]
    cart_id: &'a str,
    abandonment: u32,
    step: u32,
    #[schema(value_type = String)]
    incentive: &'a str,
    #[schema(value_type = String)]
    code: &'a str,
    #[serde(serialize_with = "moment")]
    #[schema(value_type = String, format = DateTime)]
    at: Moment,
}

impl<'a> GrantView<'a> {
    pub fn of(granted: &'a Granted) -> Self {
        let Granted { to, incentive, code, at } = granted;
        let ReminderId { cart, abandonment, step } = &to.reminder;
        Self {
            cart_id: cart.as_str(),
            abandonment: *abandonment,
            step: *step,
            incentive: incentive.as_str(),
            code: code.reveal(),
            at: *at,
        }
    }
}

/// A cart whole, and what was or will be sent about it.
#[derive(Serialize, ToSchema)]
pub struct HeldCartView<'a> {
    cart: CartView<'a>,
    /// What a cart remembers beside that.
    past: PastView<'a>,
    /// Waiting, dead, sent or not sent on purpose; with every attempt that is remembered.
    deliveries: Vec<DeliveryView<'a>>,
}

impl<'a> HeldCartView<'a> {
    pub fn of(held: &'a HeldCart) -> Self {
        Self {
            cart: CartView::of(&held.cart),
            past: PastView::of(&held.cart),
            deliveries: held.letters.iter().map(|letter| DeliveryView::of(letter, Full::Yes)).collect(),
        }
    }
}

/// What became of a cart beyond its content.
#[derive(Serialize, ToSchema)]
struct PastView<'a> {
    /// Carts that were merged into it.
    #[schema(value_type = Vec<String>)]
    absorbed: Vec<&'a str>,
    /// Lines that were bought with another cart.
    bought: Vec<BoughtView<'a>>,
    /// The arm of the person's experiment.
    #[schema(value_type = Option<String>, required = true)]
    arm: Option<&'a str>,
    survey_shown: bool,
    survey_answered: bool,
    /// When an agent last gave up the checkout.
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    cancelled_at: Option<Moment>,
    /// Links of reminders that were followed.
    links: Vec<FollowView>,
}

impl<'a> PastView<'a> {
    fn of(cart: &'a Cart) -> Self {
        let (past, heard) = (&cart.past, &cart.heard);
        Self {
            absorbed: past.absorbed.iter().map(CartId::as_str).collect(),
            bought: past
                .bought
                .iter()
                .map(|line| BoughtView { order_id: line.order.as_str(), item: ItemView::of(&line.item) })
                .collect(),
            arm: past.arm.as_ref().map(ArmName::as_str),
            survey_shown: heard.survey_shown,
            survey_answered: heard.survey_answered,
            cancelled_at: heard.cancelled_at,
            links: cart.trail.follows.iter().map(FollowView::of).collect(),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct BoughtView<'a> {
    #[schema(value_type = String)]
    order_id: &'a str,
    item: ItemView<'a>,
}

/// That the link of a reminder was followed.
#[derive(Serialize, ToSchema)]
struct FollowView {
    abandonment: u32,
    step: u32,
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    opened_at: Option<Moment>,
    #[serde(serialize_with = "moment_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    came_back_at: Option<Moment>,
}

impl FollowView {
    const fn of(follow: &Follow) -> Self {
        Self {
            abandonment: follow.reminder.abandonment,
            step: follow.reminder.step,
            opened_at: follow.touched_at,
            came_back_at: follow.clicked_at,
        }
    }
}

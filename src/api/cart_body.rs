//! The JSON form of a cart as a storefront sends it: a whole snapshot, or the parts of a merge patch.
//!
//! Types only, each field optional, unknown ones refused; the limits are written beside the fields for the OpenAPI
//! document and enforced in `api/cart_check.rs`.

use serde::Deserialize;
use utoipa::ToSchema;

use super::json::{Entries, Given, List, Object, Text};
use crate::domain::ATTRIBUTES_MAX;

/// Most lines of a cart or an order.
pub const ITEMS_MAX: usize = 200;
/// Most coupons of a cart.
pub const COUPONS_MAX: usize = 16;
/// Most entries of consent.
pub const CONSENT_MAX: usize = 8;

/// A whole cart as it is now. Whatever is left out is empty.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Cart)]
pub struct CartBody<'a> {
    /// ISO 4217.
    #[serde(default, borrow)]
    #[schema(value_type = super::openapi::CurrencyCode, required = true)]
    pub currency: Given<Text<'a>>,
    /// How far the shopper has come; `cart` when left out.
    #[serde(default)]
    #[schema(value_type = Option<super::openapi::StageName>)]
    pub stage: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<ItemBody>>, max_items = 200)]
    pub items: Given<List<Object<ItemBody<'a>>, ITEMS_MAX>>,
    #[serde(default)]
    #[schema(value_type = Option<TotalsBody>)]
    pub totals: Given<Object<TotalsBody>>,
    #[serde(default)]
    #[schema(value_type = Option<ShopperBody>)]
    pub shopper: Given<Object<ShopperBody<'a>>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<ConsentBody>>, max_items = 8)]
    pub consent: Given<List<Object<ConsentBody<'a>>, CONSENT_MAX>>,
    /// Where the shopper can go on; its host must be one of the shop's `checkout_hosts` where the shop lists them.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2048, pattern = "^[Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9._-]+(:[0-9]{1,4})?([/?#][!#-;=?-\\[\\]-~]*)?$")]
    pub checkout_url: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<super::openapi::Coupon>>, max_items = 16)]
    pub coupons: Given<List<Text<'a>, COUPONS_MAX>>,
    /// Names of 1 to 64 bytes, values of up to 1024 bytes. In a patch, `null` removes an attribute.
    #[serde(default)]
    #[schema(value_type = Option<super::openapi::Attributes>)]
    pub attributes: Given<Entries<'a, ATTRIBUTES_MAX>>,
    /// A test cart is tracked and never reminded.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub test: Given<bool>,
    /// When this was so, by the storefront's clock; now when left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub occurred_at: Given<Text<'a>>,
    /// Rises with each change; a lower one than the last applied is not applied.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub revision: Given<i64>,
    /// Names this write like the header `Idempotency-Key`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[!-~]{1,255}$")]
    pub event_id: Given<Text<'a>>,
}

/// One line of a cart.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Item)]
pub struct ItemBody<'a> {
    /// The storefront's name of the line.
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub id: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = String, required = true, pattern = "^[!-~]{1,128}$")]
    pub product_id: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub sku: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512)]
    pub title: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512)]
    pub variant: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = i64, required = true, minimum = 1, maximum = 100_000)]
    pub quantity: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    pub unit_price_minor: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2048, pattern = "^[Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9._-]+(:[0-9]{1,4})?([/?#][!#-;=?-\\[\\]-~]*)?$")]
    pub url: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 2048, pattern = "^[Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9._-]+(:[0-9]{1,4})?([/?#][!#-;=?-\\[\\]-~]*)?$")]
    pub image_url: Given<Text<'a>>,
    /// Left out counts as in stock.
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub in_stock: Given<bool>,
}

/// The sums the shopper was shown.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Totals)]
pub struct TotalsBody {
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    pub subtotal_minor: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    pub discount_minor: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    pub shipping_minor: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    pub tax_minor: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    pub total_minor: Given<i64>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub tax_included: Given<bool>,
}

/// The person in front of the cart, as far as the storefront knows.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Shopper)]
pub struct ShopperBody<'a> {
    #[serde(default, borrow)]
    #[schema(value_type = Option<String>, max_length = 254, pattern = "^[^\\s@]+@[^\\s@]+$")]
    pub email: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 32, pattern = "^[+() ./-]*[0-9][+() ./0-9-]*$")]
    pub phone: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, pattern = "\\S")]
    pub customer_id: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128, pattern = "\\S")]
    pub anonymous_id: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128)]
    pub first_name: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 35, pattern = "^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$")]
    pub locale: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 64, pattern = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$")]
    pub time_zone: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Z]{2}$")]
    pub country: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<bool>)]
    pub existing_customer: Given<bool>,
}

/// Evidence of consent for one channel.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Consent)]
pub struct ConsentBody<'a> {
    #[serde(default, borrow)]
    #[schema(value_type = super::openapi::ChannelName, required = true)]
    pub channel: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = super::openapi::ConsentStatusName, required = true)]
    pub status: Given<Text<'a>>,
    /// The legal basis in the storefront's words.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512)]
    pub basis: Given<Text<'a>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Given<Text<'a>>,
    /// Where it was given.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 512)]
    pub source: Given<Text<'a>>,
}

//! The part of a body that says what is in a cart, and whose it is.
//!
//! Whatever can name a person is only in forms that a thin body does not use: shopper, consent, and lines with text.
//! Never here: which event has which field (`webhook/payload.rs`).

use serde::Serialize;

use super::form::Stamp;
use crate::domain::{Consent, Item, Minor, PersonalText, Shopper, Totals, WebUrl};

#[derive(Serialize)]
pub(super) struct ShopperForm<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    existing_customer: Option<bool>,
}

impl<'a> ShopperForm<'a> {
    /// Nothing when nothing is known. Locale and time zone stand beside the shopper, not in it.
    pub(super) fn of(shopper: &'a Shopper) -> Option<Self> {
        fn text(text: Option<&PersonalText>) -> Option<&str> {
            text.map(PersonalText::reveal)
        }
        (*shopper != Shopper::default()).then(|| Self {
            email: text(shopper.email.as_ref()),
            phone: text(shopper.phone.as_ref()),
            customer_id: text(shopper.customer_id.as_ref()),
            anonymous_id: text(shopper.anonymous_id.as_ref()),
            first_name: text(shopper.first_name.as_ref()),
            country: shopper.country.as_deref(),
            existing_customer: shopper.existing_customer,
        })
    }
}

#[derive(Serialize)]
pub(super) struct ConsentForm<'a> {
    channel: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    basis: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Stamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
}

impl<'a> ConsentForm<'a> {
    /// The last word on each channel: it is the one that holds.
    pub(super) fn newest_of_each(consent: &'a [Consent]) -> Vec<Self> {
        let overruled = |index: usize, entry: &Consent| consent[index + 1..].iter().any(|c| c.channel == entry.channel);
        let holding = consent.iter().enumerate().filter(|(index, entry)| !overruled(*index, entry));
        let form = |entry: &'a Consent| Self {
            channel: entry.channel.as_str(),
            status: entry.status.as_str(),
            basis: entry.basis.as_deref(),
            at: entry.at.map(Stamp),
            source: entry.source.as_deref(),
        };
        holding.map(|(_, entry)| form(entry)).collect()
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ItemForm<'a> {
    Full(FullItemForm<'a>),
    Thin(ThinItemForm<'a>),
}

impl<'a> ItemForm<'a> {
    /// A line without its free text: an engraving is a variant too.
    /// `now` is what it costs now, and whether it can be had.
    pub(super) fn thin(item: &'a Item, (price, in_stock): (Option<Minor>, Option<bool>)) -> Self {
        Self::Thin(ThinItemForm {
            product_id: item.product_id.as_str(),
            quantity: item.quantity,
            unit_price_minor: item.unit_price.map(Minor::get),
            current_price_minor: price.map(Minor::get),
            in_stock,
        })
    }

    pub(super) fn full(item: &'a Item, (price, in_stock): (Option<Minor>, Option<bool>)) -> Self {
        Self::Full(FullItemForm {
            id: item.id.as_deref(),
            product_id: item.product_id.as_str(),
            sku: item.sku.as_deref(),
            title: item.title.as_deref(),
            variant: item.variant.as_deref(),
            quantity: item.quantity,
            unit_price_minor: item.unit_price.map(Minor::get),
            current_price_minor: price.map(Minor::get),
            url: item.url.as_ref().map(WebUrl::as_str),
            image_url: item.image_url.as_ref().map(WebUrl::as_str),
            in_stock,
        })
    }
}

#[derive(Serialize)]
pub(super) struct FullItemForm<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    product_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sku: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_price_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_stock: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct ThinItemForm<'a> {
    product_id: &'a str,
    quantity: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_price_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_stock: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct TotalsForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    subtotal_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shipping_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_included: Option<bool>,
}

impl TotalsForm {
    pub(super) fn of(totals: &Totals) -> Self {
        Self {
            subtotal_minor: totals.subtotal.map(Minor::get),
            discount_minor: totals.discount.map(Minor::get),
            shipping_minor: totals.shipping.map(Minor::get),
            tax_minor: totals.tax.map(Minor::get),
            total_minor: totals.total.map(Minor::get),
            tax_included: totals.tax_included,
        }
    }
}

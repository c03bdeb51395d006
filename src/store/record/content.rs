//! What a storefront told about a cart, as stored.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::bytes::BytesRecord;
use super::code::{Coded, known};
use crate::domain::{
    Channel, Consent, ConsentStatus, Content, Currency, Item, Minor, Moment, PersonalText, ProductId, Sealed, Shopper,
    Totals, WebUrl,
};

type Text<'a> = Cow<'a, str>;

#[derive(Serialize, Deserialize)]
pub struct ContentRecord<'a> {
    #[serde(borrow)]
    currency: Text<'a>,
    #[serde(borrow)]
    items: Vec<ItemRecord<'a>>,
    totals: TotalsRecord,
    #[serde(borrow)]
    shopper: ShopperRecord<'a>,
    #[serde(borrow)]
    consent: Vec<ConsentRecord<'a>>,
    #[serde(borrow)]
    checkout_url: Option<Text<'a>>,
    #[serde(borrow)]
    coupons: Vec<Text<'a>>,
    #[serde(borrow)]
    attributes: Vec<(Text<'a>, Text<'a>)>,
    test: bool,
    /// The last field, so that nothing is written where nothing is sealed.
    #[serde(default, borrow, skip_serializing_if = "Option::is_none")]
    sealed: Option<BytesRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
pub struct ItemRecord<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    product_id: Text<'a>,
    #[serde(borrow)]
    sku: Option<Text<'a>>,
    #[serde(borrow)]
    title: Option<Text<'a>>,
    #[serde(borrow)]
    variant: Option<Text<'a>>,
    quantity: u32,
    unit_price: Option<u64>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    image_url: Option<Text<'a>>,
    in_stock: Option<bool>,
}

#[derive(Serialize, Deserialize)]
struct TotalsRecord {
    subtotal: Option<u64>,
    discount: Option<u64>,
    shipping: Option<u64>,
    tax: Option<u64>,
    total: Option<u64>,
    tax_included: Option<bool>,
}

#[derive(Serialize, Deserialize)]
pub struct ShopperRecord<'a> {
    #[serde(borrow)]
    email: Option<Text<'a>>,
    #[serde(borrow)]
    phone: Option<Text<'a>>,
    #[serde(borrow)]
    customer_id: Option<Text<'a>>,
    #[serde(borrow)]
    anonymous_id: Option<Text<'a>>,
    #[serde(borrow)]
    first_name: Option<Text<'a>>,
    #[serde(borrow)]
    locale: Option<Text<'a>>,
    #[serde(borrow)]
    time_zone: Option<Text<'a>>,
    #[serde(borrow)]
    country: Option<Text<'a>>,
    existing_customer: Option<bool>,
}

#[derive(Serialize, Deserialize)]
pub struct ConsentRecord<'a> {
    channel: u8,
    status: u8,
    #[serde(borrow)]
    basis: Option<Text<'a>>,
    at: Option<i64>,
    #[serde(borrow)]
    source: Option<Text<'a>>,
}

fn text(text: Option<&String>) -> Option<Text<'_>> {
    text.map(|text| Cow::Borrowed(text.as_str()))
}

fn personal(text: Option<&PersonalText>) -> Option<Text<'_>> {
    text.map(|text| Cow::Borrowed(text.reveal()))
}

fn url(url: Option<&WebUrl>) -> Option<Text<'_>> {
    url.map(|url| Cow::Borrowed(url.as_str()))
}

fn owned(text: Option<Text<'_>>) -> Option<String> {
    text.map(Cow::into_owned)
}

fn person(text: Option<Text<'_>>) -> Option<PersonalText> {
    text.map(|text| PersonalText::new(&text))
}

fn link(text: Option<Text<'_>>) -> Option<WebUrl> {
    text.map(|text| WebUrl::new(&text))
}

/// The stored amount; nothing when it is none.
pub fn minor(amount: u64) -> Option<Minor> {
    i64::try_from(amount).ok().and_then(|amount| Minor::new(amount).ok())
}

impl<'a> ContentRecord<'a> {
    pub fn of(content: &'a Content) -> Self {
        Self {
            currency: Cow::Borrowed(content.currency.code()),
            items: content.items.iter().map(ItemRecord::of).collect(),
            totals: TotalsRecord::of(&content.totals),
            shopper: ShopperRecord::of(&content.shopper),
            consent: content.consent.iter().map(ConsentRecord::of).collect(),
            checkout_url: url(content.checkout_url.as_ref()),
            coupons: content.coupons.iter().map(|coupon| Cow::Borrowed(coupon.as_str())).collect(),
            attributes: content.attributes.iter().map(|(k, v)| (Cow::Borrowed(&**k), Cow::Borrowed(&**v))).collect(),
            test: content.test,
            sealed: content.sealed.as_ref().map(|sealed| BytesRecord(Cow::Borrowed(sealed.bytes()))),
        }
    }

    pub fn into_content(self) -> Option<Content> {
        Some(Content {
            currency: Currency::parse(&self.currency).ok()?,
            items: self.items.into_iter().map(ItemRecord::into_item).collect::<Option<_>>()?,
            totals: self.totals.into_totals()?,
            shopper: self.shopper.into_shopper(),
            consent: self.consent.into_iter().map(ConsentRecord::into_consent).collect::<Option<_>>()?,
            checkout_url: link(self.checkout_url),
            coupons: self.coupons.into_iter().map(Cow::into_owned).collect(),
            attributes: self.attributes.into_iter().map(|(k, v)| (k.into_owned(), v.into_owned())).collect(),
            test: self.test,
            sealed: self.sealed.map(|sealed| Sealed::new(sealed.0.into_owned())),
        })
    }
}

impl<'a> ItemRecord<'a> {
    pub fn of(item: &'a Item) -> Self {
        Self {
            id: text(item.id.as_ref()),
            product_id: Cow::Borrowed(item.product_id.as_str()),
            sku: text(item.sku.as_ref()),
            title: text(item.title.as_ref()),
            variant: text(item.variant.as_ref()),
            quantity: item.quantity,
            unit_price: item.unit_price.map(Minor::get),
            url: url(item.url.as_ref()),
            image_url: url(item.image_url.as_ref()),
            in_stock: item.in_stock,
        }
    }

    pub fn into_item(self) -> Option<Item> {
        Some(Item {
            id: owned(self.id),
            product_id: ProductId::parse(&self.product_id).ok()?,
            sku: owned(self.sku),
            title: owned(self.title),
            variant: owned(self.variant),
            quantity: self.quantity,
            unit_price: known(self.unit_price, minor)?,
            url: link(self.url),
            image_url: link(self.image_url),
            in_stock: self.in_stock,
        })
    }
}

impl TotalsRecord {
    fn of(totals: &Totals) -> Self {
        Self {
            subtotal: totals.subtotal.map(Minor::get),
            discount: totals.discount.map(Minor::get),
            shipping: totals.shipping.map(Minor::get),
            tax: totals.tax.map(Minor::get),
            total: totals.total.map(Minor::get),
            tax_included: totals.tax_included,
        }
    }

    fn into_totals(self) -> Option<Totals> {
        Some(Totals {
            subtotal: known(self.subtotal, minor)?,
            discount: known(self.discount, minor)?,
            shipping: known(self.shipping, minor)?,
            tax: known(self.tax, minor)?,
            total: known(self.total, minor)?,
            tax_included: self.tax_included,
        })
    }
}

impl<'a> ShopperRecord<'a> {
    pub fn of(shopper: &'a Shopper) -> Self {
        Self {
            email: personal(shopper.email.as_ref()),
            phone: personal(shopper.phone.as_ref()),
            customer_id: personal(shopper.customer_id.as_ref()),
            anonymous_id: personal(shopper.anonymous_id.as_ref()),
            first_name: personal(shopper.first_name.as_ref()),
            locale: text(shopper.locale.as_ref()),
            time_zone: text(shopper.time_zone.as_ref()),
            country: text(shopper.country.as_ref()),
            existing_customer: shopper.existing_customer,
        }
    }

    pub fn into_shopper(self) -> Shopper {
        Shopper {
            email: person(self.email),
            phone: person(self.phone),
            customer_id: person(self.customer_id),
            anonymous_id: person(self.anonymous_id),
            first_name: person(self.first_name),
            locale: owned(self.locale),
            time_zone: owned(self.time_zone),
            country: owned(self.country),
            existing_customer: self.existing_customer,
        }
    }
}

impl<'a> ConsentRecord<'a> {
    pub fn of(consent: &'a Consent) -> Self {
        Self {
            channel: consent.channel.code(),
            status: consent.status.code(),
            basis: text(consent.basis.as_ref()),
            at: consent.at.map(Moment::millis),
            source: text(consent.source.as_ref()),
        }
    }

    pub fn into_consent(self) -> Option<Consent> {
        Some(Consent {
            channel: Channel::from_code(self.channel)?,
            status: ConsentStatus::from_code(self.status)?,
            basis: owned(self.basis),
            at: self.at.map(Moment::from_millis),
            source: owned(self.source),
        })
    }
}

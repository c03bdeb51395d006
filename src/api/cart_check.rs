//! A cart body becomes a valid patch or snapshot, or a list of every fault in it.
//!
//! Both forms have the same fields, so both are read as a patch; a snapshot is a patch of nothing. Never here: merging
//! a patch with a cart, which the decision does.

use super::body::FromBody;
use super::cart_body::{CartBody, ConsentBody, ItemBody, ShopperBody, TotalsBody};
use super::envelope::Envelope;
use super::faults::{At, Faults};
use super::fields::{
    Checked, TEXT_MAX, attributes, count, country, currency, email, flag, locale, member, minor, moment, personal,
    phone, product, set, text, time_zone, url, url_host, within,
};
use super::json::{Given, Object, Text};
use crate::domain::{
    CartPatch, Channel, Consent, ConsentStatus, Content, Field, Item, PersonalText, Shopper, ShopperPatch, Stage,
    Totals, TotalsPatch, WebUrl,
};

/// A whole cart.
pub struct Snapshot {
    pub envelope: Envelope,
    pub stage: Stage,
    pub content: Box<Content>,
}

impl FromBody for Snapshot {
    type Body<'b> = CartBody<'b>;
    /// The shop's checkout hosts.
    type Context = [String];

    fn check(body: CartBody<'_>, checkout_hosts: &[String], faults: &mut Faults) -> Option<Self> {
        if !body.currency.has_value() {
            faults.add(&At::Root.field("currency"), "is required");
        }
        let (envelope, patch) = read(body, checkout_hosts, faults);
        let stage = patch.stage.unwrap_or(Stage::Cart);
        Some(Self { envelope, stage, content: Box::new(content(patch)?) })
    }
}

/// The parts of a cart that changed.
pub struct Patch {
    pub envelope: Envelope,
    pub patch: Box<CartPatch>,
}

impl FromBody for Patch {
    type Body<'b> = CartBody<'b>;
    /// The shop's checkout hosts.
    type Context = [String];

    fn check(body: CartBody<'_>, checkout_hosts: &[String], faults: &mut Faults) -> Option<Self> {
        for (name, field) in [("currency", &body.currency), ("stage", &body.stage)] {
            if *field == Given::Null {
                faults.add(&At::Root.field(name), "cannot be removed");
            }
        }
        let (envelope, patch) = read(body, checkout_hosts, faults);
        Some(Self { envelope, patch: Box::new(patch) })
    }
}

/// The content that a patch of nothing gives.
fn content(patch: CartPatch) -> Option<Content> {
    let totals = set(patch.totals).unwrap_or_default();
    let shopper = set(patch.shopper).unwrap_or_default();
    let attributes = set(patch.attributes).unwrap_or_default();
    Some(Content {
        currency: patch.currency?,
        items: set(patch.items).unwrap_or_default(),
        totals: Totals {
            subtotal: set(totals.subtotal),
            discount: set(totals.discount),
            shipping: set(totals.shipping),
            tax: set(totals.tax),
            total: set(totals.total),
            tax_included: set(totals.tax_included),
        },
        shopper: whole_shopper(shopper),
        consent: set(patch.consent).unwrap_or_default(),
        checkout_url: set(patch.checkout_url),
        coupons: set(patch.coupons).unwrap_or_default(),
        attributes: attributes.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        test: set(patch.test).unwrap_or_default(),
        sealed: None,
    })
}

/// The shopper that a patch of nothing gives.
pub fn whole_shopper(patch: ShopperPatch) -> Shopper {
    Shopper {
        email: set(patch.email),
        phone: set(patch.phone),
        customer_id: set(patch.customer_id),
        anonymous_id: set(patch.anonymous_id),
        first_name: set(patch.first_name),
        locale: set(patch.locale),
        time_zone: set(patch.time_zone),
        country: set(patch.country),
        existing_customer: set(patch.existing_customer),
    }
}

fn read(body: CartBody<'_>, checkout_hosts: &[String], faults: &mut Faults) -> (Envelope, CartPatch) {
    let root = At::Root;
    let envelope = Envelope::check(body.occurred_at, body.revision, body.event_id, faults);
    let patch = CartPatch {
        currency: body.currency.optional(&root.field("currency"), faults, currency),
        stage: body.stage.optional(&root.field("stage"), faults, member(Stage::ALL, Stage::parse)),
        items: body.items.each(&root.field("items"), faults, item),
        totals: nested(body.totals, |Object(totals)| self::totals(totals, &root.field("totals"), faults)),
        shopper: nested(body.shopper, |Object(shopper)| self::shopper(shopper, &root.field("shopper"), faults)),
        consent: body.consent.each(&root.field("consent"), faults, consent),
        checkout_url: body.checkout_url.check(&root.field("checkout_url"), faults, |text| {
            url(text).and_then(|url| at_checkout(url, checkout_hosts))
        }),
        coupons: body.coupons.each(&root.field("coupons"), faults, |code, at, faults| {
            Given::Value(code).optional(at, faults, text::<64>)
        }),
        attributes: attributes(body.attributes, &root.field("attributes"), faults),
        test: body.test.check(&root.field("test"), faults, flag),
    };
    (envelope, patch)
}

fn nested<T, U>(given: Given<T>, check: impl FnOnce(T) -> U) -> Field<U> {
    match given {
        Given::Absent => Field::Keep,
        Given::Null => Field::Clear,
        Given::Value(value) => Field::Set(check(value)),
    }
}

fn at_checkout(url: WebUrl, hosts: &[String]) -> Checked<WebUrl> {
    let host = url_host(url.as_str()).unwrap_or_default();
    if hosts.is_empty() || hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
        Ok(url)
    } else {
        Err("must point to one of the shop's checkout_hosts".into())
    }
}

/// A line of a cart or an order.
pub fn item(Object(body): Object<ItemBody<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<Item> {
    let product_id = body.product_id.required(&at.field("product_id"), faults, product);
    let quantity = quantity(body.quantity, at, faults);
    let id = body.id.optional(&at.field("id"), faults, text::<128>);
    let sku = body.sku.optional(&at.field("sku"), faults, text::<128>);
    let title = body.title.optional(&at.field("title"), faults, text::<TEXT_MAX>);
    let variant = body.variant.optional(&at.field("variant"), faults, text::<TEXT_MAX>);
    let unit_price = body.unit_price_minor.optional(&at.field("unit_price_minor"), faults, minor);
    let web_url = body.url.optional(&at.field("url"), faults, url);
    let image_url = body.image_url.optional(&at.field("image_url"), faults, url);
    Some(Item {
        id,
        product_id: product_id?,
        sku,
        title,
        variant,
        quantity: quantity?,
        unit_price,
        url: web_url,
        image_url,
        in_stock: body.in_stock.value(),
    })
}

fn quantity(given: Given<i64>, at: &At<'_>, faults: &mut Faults) -> Option<u32> {
    given.required(&at.field("quantity"), faults, |number| within::<1, 100_000>(number).and_then(count))
}

fn totals(body: TotalsBody, at: &At<'_>, faults: &mut Faults) -> TotalsPatch {
    TotalsPatch {
        subtotal: body.subtotal_minor.check(&at.field("subtotal_minor"), faults, minor),
        discount: body.discount_minor.check(&at.field("discount_minor"), faults, minor),
        shipping: body.shipping_minor.check(&at.field("shipping_minor"), faults, minor),
        tax: body.tax_minor.check(&at.field("tax_minor"), faults, minor),
        total: body.total_minor.check(&at.field("total_minor"), faults, minor),
        tax_included: body.tax_included.check(&at.field("tax_included"), faults, flag),
    }
}

/// The shopper of a cart or an order.
pub fn shopper(body: ShopperBody<'_>, at: &At<'_>, faults: &mut Faults) -> ShopperPatch {
    ShopperPatch {
        email: body.email.check(&at.field("email"), faults, email),
        phone: body.phone.check(&at.field("phone"), faults, phone),
        customer_id: body.customer_id.check(&at.field("customer_id"), faults, personal::<128>),
        anonymous_id: body.anonymous_id.check(&at.field("anonymous_id"), faults, personal::<128>),
        first_name: body.first_name.check(&at.field("first_name"), faults, name),
        locale: body.locale.check(&at.field("locale"), faults, locale),
        time_zone: body.time_zone.check(&at.field("time_zone"), faults, time_zone),
        country: body.country.check(&at.field("country"), faults, country),
        existing_customer: body.existing_customer.check(&at.field("existing_customer"), faults, flag),
    }
}

/// A name may be empty: forms send it so.
fn name(given: Text<'_>) -> Checked<PersonalText> {
    text::<128>(given).map(|name| PersonalText::new(&name))
}

fn consent(Object(body): Object<ConsentBody<'_>>, at: &At<'_>, faults: &mut Faults) -> Option<Consent> {
    let channel = body.channel.required(&at.field("channel"), faults, member(Channel::ALL, Channel::parse));
    let statuses = member(ConsentStatus::ALL, ConsentStatus::parse);
    let status = body.status.required(&at.field("status"), faults, statuses);
    let basis = body.basis.optional(&at.field("basis"), faults, text::<TEXT_MAX>);
    let given_at = body.at.optional(&at.field("at"), faults, moment);
    let source = body.source.optional(&at.field("source"), faults, text::<TEXT_MAX>);
    Some(Consent { channel: channel?, status: status?, basis, at: given_at, source })
}

#[cfg(test)]
mod tests;

//! Merge patches (RFC 7396) in typed form: keep, clear or set each field; objects merge, lists are replaced.
//!
//! Applied inside the decision, so that a patch that raced another write is merged again with what is there now.

use std::collections::BTreeMap;

use super::cart::Stage;
use super::content::{Consent, Content, Item, PersonalText, Shopper, Totals, WebUrl};
use super::money::{Currency, Minor};

/// One field of a patch: absent, `null`, or a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    #[default]
    Keep,
    Clear,
    Set(T),
}

impl<T: Clone> Field<T> {
    fn onto(&self, target: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *target = None,
            Self::Set(value) => *target = Some(value.clone()),
        }
    }

    /// For a field that is never absent: clearing gives its default.
    fn onto_plain(&self, target: &mut T)
    where
        T: Default,
    {
        match self {
            Self::Keep => {}
            Self::Clear => *target = T::default(),
            Self::Set(value) => *target = value.clone(),
        }
    }

    /// Whether the patch says anything about this field.
    pub const fn is_said(&self) -> bool {
        !matches!(self, Self::Keep)
    }
}

/// A patch of a cart.
#[derive(Clone, Debug, Default)]
pub struct CartPatch {
    pub currency: Option<Currency>,
    pub stage: Option<Stage>,
    pub items: Field<Vec<Item>>,
    pub totals: Field<TotalsPatch>,
    pub shopper: Field<ShopperPatch>,
    pub consent: Field<Vec<Consent>>,
    pub checkout_url: Field<WebUrl>,
    pub coupons: Field<Vec<String>>,
    pub attributes: Field<BTreeMap<String, Option<String>>>,
    pub test: Field<bool>,
}

/// A patch of the totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TotalsPatch {
    pub subtotal: Field<Minor>,
    pub discount: Field<Minor>,
    pub shipping: Field<Minor>,
    pub tax: Field<Minor>,
    pub total: Field<Minor>,
    pub tax_included: Field<bool>,
}

/// A patch of the shopper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShopperPatch {
    pub email: Field<PersonalText>,
    pub phone: Field<PersonalText>,
    pub customer_id: Field<PersonalText>,
    pub anonymous_id: Field<PersonalText>,
    pub first_name: Field<PersonalText>,
    pub locale: Field<String>,
    pub time_zone: Field<String>,
    pub country: Field<String>,
    pub existing_customer: Field<bool>,
}

impl CartPatch {
    /// The content after this patch.
    #[must_use]
    pub fn applied_to(&self, content: &Content) -> Content {
        let mut next = content.clone();
        if let Some(currency) = self.currency {
            next.currency = currency;
        }
        self.items.onto_plain(&mut next.items);
        self.consent.onto_plain(&mut next.consent);
        self.coupons.onto_plain(&mut next.coupons);
        self.test.onto_plain(&mut next.test);
        self.checkout_url.onto(&mut next.checkout_url);
        match &self.totals {
            Field::Keep => {}
            Field::Clear => next.totals = Totals::default(),
            Field::Set(patch) => patch.onto(&mut next.totals),
        }
        match &self.shopper {
            Field::Keep => {}
            Field::Clear => next.shopper = Shopper::default(),
            Field::Set(patch) => patch.onto(&mut next.shopper),
        }
        match &self.attributes {
            Field::Keep => {}
            Field::Clear => next.attributes.clear(),
            Field::Set(changes) => merge(&mut next.attributes, changes),
        }
        next
    }
}

fn merge(attributes: &mut BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => attributes.insert(key.clone(), value.clone()),
            None => attributes.remove(key),
        };
    }
}

impl TotalsPatch {
    fn onto(&self, totals: &mut Totals) {
        self.subtotal.onto(&mut totals.subtotal);
        self.discount.onto(&mut totals.discount);
        self.shipping.onto(&mut totals.shipping);
        self.tax.onto(&mut totals.tax);
        self.total.onto(&mut totals.total);
        self.tax_included.onto(&mut totals.tax_included);
    }
}

impl ShopperPatch {
    fn onto(&self, shopper: &mut Shopper) {
        self.email.onto(&mut shopper.email);
        self.phone.onto(&mut shopper.phone);
        self.customer_id.onto(&mut shopper.customer_id);
        self.anonymous_id.onto(&mut shopper.anonymous_id);
        self.first_name.onto(&mut shopper.first_name);
        self.locale.onto(&mut shopper.locale);
        self.time_zone.onto(&mut shopper.time_zone);
        self.country.onto(&mut shopper.country);
        self.existing_customer.onto(&mut shopper.existing_customer);
    }
}

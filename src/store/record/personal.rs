//! The personal part of a cart, as sealed: who the shopper is, what they consented to, where they go on, and what was said.
//!
//! As with every record, a field may only be appended. Read next: `store/sealed.rs`.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::code::Coded;
use super::content::{ConsentRecord, ShopperRecord};
use super::{payload, read};
use crate::domain::{Cart, Comment, Moment, PersonalText, ReasonSource, Sealed, Shopper, WebUrl};
use crate::store::{StoreError, StoreResult};

#[derive(Serialize, Deserialize)]
struct PersonalRecord<'a> {
    #[serde(borrow)]
    shopper: ShopperRecord<'a>,
    #[serde(borrow)]
    consent: Vec<ConsentRecord<'a>>,
    #[serde(borrow)]
    checkout_url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    #[serde(borrow)]
    comments: Vec<(u8, Cow<'a, str>, i64)>,
}

/// The personal part; nothing when there is none.
#[must_use]
pub fn encode_personal(cart: &Cart) -> Option<Vec<u8>> {
    let content = &cart.content;
    let is_empty = content.shopper == Shopper::default()
        && content.consent.is_empty()
        && content.checkout_url.is_none()
        && content.attributes.is_empty()
        && cart.heard.comments.is_empty();
    let comment = |c: &'_ Comment| (c.source.code(), Cow::Owned(c.text.reveal().to_owned()), c.at.millis());
    (!is_empty).then(|| {
        payload(&PersonalRecord {
            shopper: ShopperRecord::of(&content.shopper),
            consent: content.consent.iter().map(ConsentRecord::of).collect(),
            checkout_url: content.checkout_url.as_ref().map(|url| Cow::Borrowed(url.as_str())),
            attributes: content.attributes.iter().map(|(k, v)| (Cow::Borrowed(&**k), Cow::Borrowed(&**v))).collect(),
            comments: cart.heard.comments.iter().map(comment).collect(),
        })
    })
}

/// The cart with its personal part in this form only.
#[must_use]
pub fn with_sealed(cart: &Cart, sealed: Sealed) -> Cart {
    let mut cart = cart.clone();
    take_personal(&mut cart);
    cart.content.sealed = Some(sealed);
    cart
}

/// Takes the personal part away.
pub fn take_personal(cart: &mut Cart) {
    let content = &mut cart.content;
    (content.shopper, content.checkout_url, content.sealed) = (Shopper::default(), None, None);
    content.consent.clear();
    content.attributes.clear();
    cart.heard.comments.clear();
}

/// Puts the personal part back.
///
/// # Errors
/// [`StoreError::Corrupt`] when these are not the bytes of one.
pub fn restore_personal(cart: &mut Cart, bytes: &[u8]) -> StoreResult<()> {
    let restored = read::<PersonalRecord<'_>>(bytes).and_then(|record| record.into_cart(cart));
    restored.ok_or(StoreError::Corrupt { what: "cart" })
}

impl PersonalRecord<'_> {
    fn into_cart(self, cart: &mut Cart) -> Option<()> {
        let comment = |(source, text, at): (u8, Cow<'_, str>, i64)| {
            let source = ReasonSource::from_code(source)?;
            Some(Comment { source, text: PersonalText::new(&text), at: Moment::from_millis(at) })
        };
        cart.heard.comments = self.comments.into_iter().map(comment).collect::<Option<_>>()?;
        let content = &mut cart.content;
        content.shopper = self.shopper.into_shopper();
        content.consent = self.consent.into_iter().map(ConsentRecord::into_consent).collect::<Option<_>>()?;
        content.checkout_url = self.checkout_url.map(|url| WebUrl::new(&url));
        content.attributes = self.attributes.into_iter().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        content.sealed = None;
        Some(())
    }
}

//! The links in a reminder: back to the cart, out of reminders, and "is it still right to send?".
//!
//! - A link is a token: authenticated, for one purpose, for one cart, until a moment. It carries no personal data and logs
//!   nobody in: who holds one can do what its link does, and nothing else.
//! - Links derive from what they are for, so every attempt of a delivery bears the same ones, and nothing of them is stored.
//! - Keys are exchanged like signing secrets: the newest of `[links] secrets` makes tokens, each of them reads its own. The
//!   key derived from the store's always reads, and makes them while there is no secret.
//!
//! Never here: what a link does (`api/recover.rs`, `api/unsubscribe.rs`, `api/check.rs`), or a clock. Read next: `links/token.rs`.

mod key;
#[cfg(any(test, fuzzing))]
pub mod noise;
mod token;

use std::time::Duration;

use url::form_urlencoded;

use self::key::Key;
pub use self::key::{LinkSecret, LinkSecretError};
pub use self::token::{Purpose, TOKEN_CHARS_MAX, Target, Ticket, TokenError};
use crate::domain::{
    CODE_MARK, Cart, CodeLink, Delivery, IdentifierHash, IncentiveCode, Moment, PATH_MARK, ReminderId, ReminderRef,
};

/// The parameter by which a storefront sees that a shopper came back by a reminder.
pub const RECOVERY_PARAMETER: &str = "cw_ref";
/// A mailer may ask about a reminder for this long after it is too late to send it, and is told so.
const CHECK_GRACE: Duration = Duration::from_secs(7 * 86_400);

/// `[links]`.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Where shoppers reach the cart API, without a slash at the end; without it links lead to the shop's checkout.
    pub public_url: Option<String>,
    /// Newest first.
    pub secrets: Vec<LinkSecret>,
    /// How long after its reminder fell due a link leads back to the cart.
    pub recovery_life: Duration,
    /// The same of the link out of reminders.
    pub unsubscribe_life: Duration,
}

impl Default for LinkSettings {
    /// The product's; `config/default.toml` says why each is what it is.
    fn default() -> Self {
        let days = |count: u64| Duration::from_secs(count * 86_400);
        Self { public_url: None, secrets: Vec::new(), recovery_life: days(30), unsubscribe_life: days(730) }
    }
}

/// Makes links, and reads them.
pub struct Links {
    settings: LinkSettings,
    /// The first one signs.
    keys: Vec<Key>,
}

/// What a reminder's body says of its links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReminderLinks {
    pub recovery_url: Option<String>,
    pub recovery_url_expires_at: Option<Moment>,
    pub unsubscribe_url: Option<String>,
    pub check_url: Option<String>,
}

impl Links {
    /// Links by these settings; `store_key` is the secret that was made with the store.
    #[must_use]
    pub fn new(settings: LinkSettings, store_key: &[u8; 32]) -> Self {
        let configured = settings.secrets.iter().map(LinkSecret::key);
        let keys = configured.chain(std::iter::once(Key::derived(store_key))).collect();
        Self { settings, keys }
    }

    /// What this token is for, when it is one of ours for this purpose.
    ///
    /// # Errors
    /// When it is not, or was once.
    pub fn read(&self, text: &str, purpose: Purpose, now: Moment) -> Result<Ticket, TokenError> {
        token::read(text, purpose, &self.keys, now)
    }

    /// The links of this reminder. `address` is the identifier that it is sent to.
    #[must_use]
    pub fn of_reminder(&self, delivery: &Delivery, cart: &Cart, address: Option<IdentifierHash>) -> ReminderLinks {
        let (Some(step), Some(reminder)) = (&delivery.event.step, ReminderId::of(delivery)) else {
            return ReminderLinks::default();
        };
        let due_at = delivery.event.at;
        let expires_at = due_at.plus(self.settings.recovery_life);
        // Where an order was placed there is no cart to come back to.
        let recovery = (!delivery.is_of_payment())
            .then(|| self.token(cart, expires_at, Target::Recover(ReminderRef::from(&reminder))));
        let Some(base) = &self.settings.public_url else {
            let checkout = cart.content.checkout_url.as_ref().zip(recovery);
            let checkout = checkout.map(|(url, recovery)| with_reference(url.as_str(), &recovery));
            let recovery_url_expires_at = checkout.as_ref().map(|_| expires_at);
            return ReminderLinks { recovery_url: checkout, recovery_url_expires_at, ..ReminderLinks::default() };
        };
        let unsubscribe = Target::Unsubscribe { channel: step.channel, address };
        let unsubscribe = self.token(cart, due_at.plus(self.settings.unsubscribe_life), unsubscribe);
        let check = Target::Check(delivery.id.clone());
        let check = self.token(cart, delivery.send_not_after.plus(CHECK_GRACE), check);
        ReminderLinks {
            recovery_url_expires_at: recovery.as_ref().map(|_| expires_at),
            recovery_url: recovery.map(|recovery| format!("{base}/r/{recovery}")),
            unsubscribe_url: Some(format!("{base}/u/{unsubscribe}")),
            check_url: Some(format!("{base}/v1/check/{check}")),
        }
    }

    fn token(&self, cart: &Cart, expires_at: Moment, target: Target) -> String {
        let ticket = Ticket::new(cart, expires_at, target);
        self.keys.first().map(|key| token::write(&ticket, key)).unwrap_or_default()
    }
}

/// This address with the reference to its reminder; one that it had goes.
#[must_use]
pub fn with_reference(url: &str, reference: &str) -> String {
    let (address, fragment) = url.split_once('#').map_or((url, None), |(address, fragment)| (address, Some(fragment)));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let is_ours = |pair: &&str| pair.split('=').next() == Some(RECOVERY_PARAMETER);
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_ours(pair)).collect();
    let own = format!("{RECOVERY_PARAMETER}={reference}");
    pairs.push(&own);
    let query = pairs.join("&");
    fragment.map_or_else(|| format!("{path}?{query}"), |fragment| format!("{path}?{query}#{fragment}"))
}

/// The address that puts this code into the cart on the way to the checkout at `url`, on the same host.
#[must_use]
pub fn with_code(url: &str, link: &CodeLink, code: &IncentiveCode) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let code = encoded(code.reveal());
    match link {
        CodeLink::Parameter(name) => {
            let (address, fragment) =
                url.split_once('#').map_or((url, ""), |(address, _)| (address, &url[address.len()..]));
            let join = if address.contains('?') { '&' } else { '?' };
            format!("{address}{join}{}={code}{fragment}", encoded(name))
        }
        CodeLink::Path(path) => {
            let host = url.find("://").map_or(0, |at| at + 3);
            let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
            let (origin, rest) = url.split_at(end);
            // Two slashes would begin another host where the shop goes on to it.
            let rest = format!("/{}", rest.trim_start_matches(['/', '\\']));
            origin.to_owned() + &path.replace(PATH_MARK, &encoded(&rest)).replace(CODE_MARK, &code)
        }
    }
}

#[cfg(test)]
mod tests;

//! `GET /r/{token}`: the link in a reminder. Leads to the checkout of its cart, or to a page that says what became of it.
//!
//! Opening a link changes nothing: mail scanners open them all. What is opened is counted once for each reminder, and a
//! person is who the storefront tells of (`api/recoveries.rs`), or who orders. Never here: a login.

use actix_web::http::header::{HeaderMap, HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};

use super::call::state;
use super::fields::url_host;
use super::page::{Language, Page, Pick, discreet};
use super::problem::Problem;
use crate::domain::{Cart, State};
use crate::engine::{Followed, WriteError};
use crate::links::{Purpose, TokenError, with_code, with_reference};

/// The token that the path bears.
pub(super) fn token(req: &HttpRequest) -> &str {
    req.match_info().get("token").unwrap_or_default()
}

/// Leads back to the cart.
#[utoipa::path(get, path = "/r/{token}", tag = "links",
    responses(
        (status = 200, description = "Nothing to go back to: the cart was ordered, emptied or put away. A page says so.", content_type = "text/html"),
        (status = 302, description = "To the cart's `checkout_url`, with `cw_ref`; by way of the code that the reminder gave, where the shop's program says how."),
        (status = 404, description = "No such link. A page says so.", content_type = "text/html"),
        (status = 410, description = "The link or its cart has ended. A page says so.", content_type = "text/html")))]
pub async fn get(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = state(&req)?;
    let (engine, access) = (&state.engine, state.access());
    let text = token(&req);
    let (ticket, is_over) = match engine.links().read(text, Purpose::Recover, engine.now()) {
        Ok(ticket) => (ticket, false),
        Err(TokenError::Expired(ticket)) => (*ticket, true),
        Err(TokenError::Unknown) => return Ok(unknown(&req)),
    };
    let Some(shop) = access.shop(ticket.shop.as_str()) else { return Ok(unknown(&req)) };
    let how = if is_over || is_machine(req.method(), req.headers()) { Followed::Seen } else { Followed::Touched };
    let cart = match engine.follow_link(&ticket, how, None).await {
        // A touch that cannot be counted is no reason to keep a shopper out.
        Err(WriteError::Busy | WriteError::Store(_)) if how == Followed::Touched => {
            engine.follow_link(&ticket, Followed::Seen, None).await?
        }
        other => other?,
    };
    let locale = cart.as_ref().and_then(|cart| cart.content.shopper.locale.as_deref());
    let language = Language::choose(req.headers(), locale);
    let (status, pick): (StatusCode, Pick) = match &cart {
        None => (StatusCode::GONE, |words| words.expired),
        Some(_) if is_over => (StatusCode::GONE, |words| words.expired),
        Some(cart) => match destination(cart, &shop.checkout_hosts) {
            Destination::Checkout(url) => {
                let url = with_reference(url, text);
                // A code that cannot be looked up now is no reason to keep a shopper out: the message has it, too.
                let offer = engine.offer_of(&ticket, cart).await.unwrap_or_default();
                let link = offer.and_then(|(offer, link)| Some(with_code(&url, &link?, &offer.code)));
                return Ok(redirect(link.as_ref().unwrap_or(&url)));
            }
            Destination::Ordered => (StatusCode::OK, |words| words.ordered),
            Destination::Emptied => (StatusCode::OK, |words| words.emptied),
            Destination::Dismissed => (StatusCode::OK, |words| words.dismissed),
            Destination::Nowhere => (StatusCode::GONE, |words| words.expired),
        },
    };
    let (title, text) = pick(language.words());
    let shop_host = shop.checkout_hosts.first().map(String::as_str);
    Ok(Page { status, language, title, text, shop_host, asks_about: None }.answer())
}

/// Where a cart can be gone on with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Destination<'c> {
    Checkout(&'c str),
    Ordered,
    Emptied,
    Dismissed,
    /// It is gone, or gave no address of this shop to come back to.
    Nowhere,
}

pub(super) fn destination<'c>(cart: &'c Cart, hosts: &[String]) -> Destination<'c> {
    match cart.state {
        State::PaymentPending { .. } | State::Converted { .. } | State::Reverted => return Destination::Ordered,
        State::Dismissed => return Destination::Dismissed,
        State::Expired | State::Erased | State::MergedInto(_) => return Destination::Nowhere,
        State::Active { .. } | State::Abandoned { .. } | State::OptedOut | State::Suppressed { .. } => {}
    }
    if cart.content.items.is_empty() {
        return Destination::Emptied;
    }
    // Checked when it was told, too; but the hosts of a shop may have changed since.
    let url = cart.content.checkout_url.as_ref().map(crate::domain::WebUrl::as_str);
    let is_ours = |url: &&str| {
        url_host(url).is_some_and(|host| hosts.is_empty() || hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
    };
    url.filter(is_ours).map_or(Destination::Nowhere, Destination::Checkout)
}

/// Not found out who: no page tells whether a cart, a shop or an address exists.
pub(super) fn unknown(req: &HttpRequest) -> HttpResponse {
    let language = Language::choose(req.headers(), None);
    let (title, text) = language.words().unknown;
    Page { status: StatusCode::NOT_FOUND, language, title, text, shop_host: None, asks_about: None }.answer()
}

/// 302: a mail keeps the link, and it may lead elsewhere tomorrow.
fn redirect(url: &str) -> HttpResponse {
    let Ok(location) = HeaderValue::from_str(&ascii(url)) else {
        return HttpResponse::InternalServerError().finish();
    };
    let mut answer = HttpResponse::Found();
    discreet(&mut answer);
    answer.insert_header((LOCATION, location)).finish()
}

/// As browsers write it in a request: what is not ASCII percent-encoded.
fn ascii(url: &str) -> String {
    let mut text = String::with_capacity(url.len());
    for byte in url.bytes() {
        if byte.is_ascii() {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)])));
        }
    }
    text
}

/// Who says of themselves that nobody is looking: `HEAD`, prefetches and previews.
fn is_machine(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: &str, words: &[&str]| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        words.iter().any(|word| value.contains(word))
    };
    *method == Method::HEAD
        || ["sec-purpose", "purpose", "x-purpose", "x-moz"]
            .iter()
            .any(|name| says(name, &["prefetch", "prerender", "preview"]))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;

    use super::*;

    #[test]
    fn who_says_that_nobody_looks_is_no_person() {
        let with = |name: &'static str, value: &'static str| {
            let header = (HeaderName::from_static(name), HeaderValue::from_static(value));
            std::iter::once(header).collect::<HeaderMap>()
        };
        assert!(is_machine(&Method::HEAD, &HeaderMap::new()));
        assert!(!is_machine(&Method::GET, &HeaderMap::new()));
        for (name, value) in [
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "Prefetch"),
            ("x-purpose", "preview"),
            ("x-moz", "prefetch"),
        ] {
            assert!(is_machine(&Method::GET, &with(name, value)), "{name}");
        }
        assert!(!is_machine(&Method::GET, &with("user-agent", "prefetch")));
    }

    #[test]
    fn an_address_is_sent_as_browsers_write_it() {
        assert_eq!(ascii("https://s.example/ä?b=%20ü"), "https://s.example/%C3%A4?b=%20%C3%BC");
    }
}

//! `/u/{token}`: out of reminders. `GET` asks on a page and changes nothing; `POST` does it, with one click from a mail
//! client (RFC 8058) or from the page.
//!
//! No key, no cookie, no redirect: the token is the right to stop what it came with. Who the person is follows from the
//! cart, or from the keyed hash in the token when the cart is gone; nothing here says.

use actix_web::http::StatusCode;
use actix_web::web::{Payload, Query as Pairs};
use actix_web::{HttpRequest, HttpResponse};

use super::body;
use super::call::state;
use super::page::{Language, Page, Pick};
use super::problem::Problem;
use super::recover::{token, unknown};
use crate::domain::Channel;
use crate::engine::Followed;
use crate::links::{Purpose, Target, Ticket};

/// A mail client sends some 30 bytes, as a form or in parts.
const BODY_BYTES_MAX: usize = 4096;

/// Asks which reminders to stop.
#[utoipa::path(get, path = "/u/{token}", tag = "links",
    responses(
        (status = 200, description = "A page that asks. Nothing has changed.", content_type = "text/html"),
        (status = 404, description = "No such link. A page says so.", content_type = "text/html")))]
pub async fn get(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let Some(link) = Link::read(&req).await? else { return Ok(unknown(&req)) };
    Ok(link.page(StatusCode::OK, |words| words.ask, Some(link.channel)))
}

/// Stops the reminders: of the channel that the link came by, or with `stop=all` of every channel.
#[utoipa::path(post, path = "/u/{token}", tag = "links",
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`List-Unsubscribe=One-Click` from a mail client, `stop=channel` or `stop=all` from the page.",
        example = "List-Unsubscribe=One-Click"),
    responses(
        (status = 200, description = "Stopped; also when it was before. A page says so.", content_type = "text/html"),
        (status = 400, description = "The body says nothing of the kind. The page that asks.", content_type = "text/html"),
        (status = 404, description = "No such link. A page says so.", content_type = "text/html")))]
pub async fn post(req: HttpRequest, payload: Payload) -> Result<HttpResponse, Problem> {
    let Some(link) = Link::read(&req).await? else { return Ok(unknown(&req)) };
    let bytes = body::read_any(&req, payload, BODY_BYTES_MAX).await?;
    let Some(wish) = Wish::read(&bytes) else {
        return Ok(link.page(StatusCode::BAD_REQUEST, |words| words.ask, Some(link.channel)));
    };
    let channel = if wish == Wish::All { None } else { Some(link.channel) };
    state(&req)?.engine.opt_out_by_link(&link.ticket, channel).await?;
    let pick: Pick = if wish == Wish::All { |words| words.stopped_all } else { |words| words.stopped };
    Ok(link.page(StatusCode::OK, pick, None))
}

/// A link of ours, and how to talk to who follows it.
struct Link {
    ticket: Ticket,
    channel: Channel,
    language: Language,
    shop_host: Option<String>,
}

impl Link {
    async fn read(req: &HttpRequest) -> Result<Option<Self>, Problem> {
        let state = state(req)?;
        let engine = &state.engine;
        let Ok(ticket) = engine.links().read(token(req), Purpose::Unsubscribe, engine.now()) else { return Ok(None) };
        let Target::Unsubscribe { channel, .. } = ticket.target else { return Ok(None) };
        let access = state.access();
        let Some(shop) = access.shop(ticket.shop.as_str()) else { return Ok(None) };
        let cart = engine.follow_link(&ticket, Followed::Seen, None).await?;
        let locale = cart.as_ref().and_then(|cart| cart.content.shopper.locale.as_deref());
        let language = Language::choose(req.headers(), locale);
        Ok(Some(Self { ticket, channel, language, shop_host: shop.checkout_hosts.first().cloned() }))
    }

    fn page(&self, status: StatusCode, pick: Pick, asks_about: Option<Channel>) -> HttpResponse {
        let (title, text) = pick(self.language.words());
        let shop_host = self.shop_host.as_deref().filter(|_| asks_about.is_none());
        Page { status, language: self.language, title, text, shop_host, asks_about }.answer()
    }
}

/// What is to be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Channel,
    All,
}

impl Wish {
    /// Mail clients send the field as a form, or in parts (RFC 8058, 3.2).
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let pairs = Pairs::<Vec<(String, String)>>::from_query(text.trim()).map(Pairs::into_inner).unwrap_or_default();
        let says = |name: &str, value: &str| {
            pairs.iter().any(|(n, v)| n.eq_ignore_ascii_case(name) && v.eq_ignore_ascii_case(value))
        };
        if says("stop", "all") {
            return Some(Self::All);
        }
        let in_parts = text.contains("name=\"List-Unsubscribe\"") && text.contains("One-Click");
        (says("List-Unsubscribe", "One-Click") || says("stop", "channel") || in_parts).then_some(Self::Channel)
    }
}

/// Whether these bytes ask to stop something.
#[cfg(any(test, fuzzing))]
pub(super) fn wishes(bytes: &[u8]) -> bool {
    Wish::read(bytes).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_click_is_understood_as_mail_clients_send_it() {
        let parts = "--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n";
        for (body, expected) in [
            ("List-Unsubscribe=One-Click", Some(Wish::Channel)),
            ("List-Unsubscribe=One-Click\r\n", Some(Wish::Channel)),
            ("list-unsubscribe=one-click&x=1", Some(Wish::Channel)),
            (parts, Some(Wish::Channel)),
            ("stop=channel", Some(Wish::Channel)),
            ("stop=all", Some(Wish::All)),
            ("List-Unsubscribe=One-Click&stop=all", Some(Wish::All)),
            ("", None),
            ("stop=", None),
            ("List-Unsubscribe", None),
            ("{\"stop\":\"all\"}", None),
        ] {
            assert_eq!(Wish::read(body.as_bytes()), expected, "{body:?}");
        }
        assert_eq!(Wish::read(&[0xff, 0xfe]), None);
    }
}

//! The small pages that shoppers see: what became of a link, and the way out of reminders.
//!
//! Rendered here, without a request to anywhere, a script or a cookie; readable by every reader, in light and dark, in the
//! shopper's language. Nothing of the shopper is on them, so that who else opens a link learns nothing.
//! Read next: `api/page/words.rs` for what they say.

mod words;

use std::fmt::Write as _;
use std::sync::OnceLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

pub use self::words::{Pick, Words};
use crate::domain::Channel;

/// Longest `Accept-Language` that is looked at.
const ACCEPT_BYTES_MAX: usize = 256;

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f6f6f4;--card:#fff;--text:#1c1c1a;--soft:#55554f;--line:#d9d9d3;--key:#1f5f3f;--on:#fff}\
@media(prefers-color-scheme:dark){:root{--back:#161715;--card:#20221f;--text:#eeeeea;--soft:#b4b5ae;--line:#3a3c37;--key:#8fd3ad;--on:#10201a}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);color:var(--text);\
font:1.0625rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}\
main{width:100%;max-width:32rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:.75rem}\
h1{margin:0 0 .75rem;font-size:1.375rem;line-height:1.3}p{margin:0 0 1rem}p:last-child{margin:0}\
fieldset{margin:0 0 1.25rem;padding:0;border:0}legend{padding:0 0 .5rem;color:var(--soft)}\
label{display:flex;gap:.625rem;align-items:center;min-height:2.75rem}input{width:1.25rem;height:1.25rem;accent-color:var(--key)}\
a{color:var(--key)}\
button{min-height:2.75rem;padding:.5rem 1.25rem;border:0;border-radius:.5rem;background:var(--key);color:var(--on);font:inherit;font-weight:600;cursor:pointer}\
a:focus-visible,button:focus-visible,input:focus-visible{outline:3px solid var(--key);outline-offset:3px}";

/// A language that pages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    German,
    French,
    Spanish,
    Italian,
}

impl Language {
    const ALL: [Self; 5] = [Self::English, Self::German, Self::French, Self::Spanish, Self::Italian];

    /// What the browser asks for, else the language of the cart, else English.
    pub fn choose(headers: &HeaderMap, locale: Option<&str>) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let asked = asked.filter(|text| text.len() <= ACCEPT_BYTES_MAX).and_then(preferred);
        asked.or_else(|| locale.and_then(Self::of_tag)).unwrap_or(Self::English)
    }

    /// The language of a tag such as `de-AT` or `de_AT`.
    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next()?.trim();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// The language as ISO 639 writes it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
            Self::Italian => "it",
        }
    }

    /// What pages say in this language.
    pub const fn words(self) -> &'static Words {
        match self {
            Self::English => &words::ENGLISH,
            Self::German => &words::GERMAN,
            Self::French => &words::FRENCH,
            Self::Spanish => &words::SPANISH,
            Self::Italian => &words::ITALIAN,
        }
    }
}

/// The best of an `Accept-Language` (RFC 9110, 12.5.4): the highest weight, of equals the first.
fn preferred(text: &str) -> Option<Language> {
    let mut best: Option<(Language, f32)> = None;
    for range in text.split(',') {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
        let Some(weight) = weight.filter(|weight| *weight > 0.0) else { continue };
        if let Some(language) = Language::of_tag(tag.trim())
            && best.is_none_or(|(_, known)| weight > known)
        {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

/// What a page says.
pub struct Page<'a> {
    pub status: StatusCode,
    pub language: Language,
    pub title: &'a str,
    pub text: &'a str,
    /// The host of the shop, to go on to.
    pub shop_host: Option<&'a str>,
    /// Asks which reminders to stop.
    pub asks_about: Option<Channel>,
}

impl Page<'_> {
    /// The page as it is sent; no cache keeps it, and nobody learns from where the shopper came.
    pub fn answer(&self) -> HttpResponse {
        let form = if self.asks_about.is_some() { "'self'" } else { "'none'" };
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; form-action {form}; base-uri 'none'; frame-ancestors 'none'",
            style_hash()
        );
        let mut answer = HttpResponse::build(self.status);
        discreet(&mut answer);
        answer
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, policy))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(self.html())
    }

    fn html(&self) -> String {
        let words = self.language.words();
        let mut html = format!(
            "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
             <h1>{}</h1>\n<p>{}</p>\n",
            self.language.code(),
            escaped(self.title),
            escaped(self.title),
            escaped(self.text),
        );
        if let Some(channel) = self.asks_about {
            form(&mut html, words, channel);
        }
        if let Some(host) = self.shop_host {
            let host = escaped(host);
            append(&mut html, format_args!("<p><a href=\"https://{host}/\">{}: {host}</a></p>\n", words.to_shop));
        }
        html.push_str("</main>\n</body>\n</html>\n");
        html
    }
}

fn form(html: &mut String, words: &Words, channel: Channel) {
    let one = words.channels[channel as usize];
    append(
        html,
        format_args!(
            "<form method=\"post\">\n<fieldset>\n<legend>{}</legend>\n\
             <label><input type=\"radio\" name=\"stop\" value=\"channel\" checked> {one}</label>\n\
             <label><input type=\"radio\" name=\"stop\" value=\"all\"> {}</label>\n</fieldset>\n\
             <p><button type=\"submit\">{}</button></p>\n</form>\n",
            words.which, words.every_channel, words.stop
        ),
    );
}

fn append(html: &mut String, text: std::fmt::Arguments<'_>) {
    html.write_fmt(text).expect("writing to a String cannot fail");
}

/// Neither kept on the way nor told to the next site: the address bears a token.
pub fn discreet(answer: &mut HttpResponseBuilder) {
    answer
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header(("X-Robots-Tag", "noindex"));
}

fn style_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| STANDARD.encode(Sha256::digest(STYLE.as_bytes())))
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn chosen(accept: Option<&str>, locale: Option<&str>) -> &'static str {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_str(accept).expect("a header"));
        }
        Language::choose(&headers, locale).code()
    }

    #[test]
    fn the_browser_is_heard_before_the_cart_and_the_cart_before_english() {
        for (accept, locale, expected) in [
            (Some("fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5"), Some("de-DE"), "fr"),
            (Some("en;q=0.3,it;q=0.7,de;q=0.5"), None, "it"),
            (Some("ja, de;q=0"), Some("es_MX"), "es"),
            (Some("ja"), Some("nl-NL"), "en"),
            (Some("DE"), None, "de"),
            (Some(";;;,q=,de;q=x"), Some("IT"), "it"),
            (None, Some("de-AT"), "de"),
            (None, None, "en"),
        ] {
            assert_eq!(chosen(accept, locale), expected, "{accept:?} {locale:?}");
        }
        assert_eq!(chosen(Some(&"de,".repeat(100)), None), "en", "what is too long is not read");
    }

    fn page(language: Language, asks_about: Option<Channel>) -> String {
        let words = language.words();
        let (title, text) = if asks_about.is_some() { words.ask } else { words.expired };
        Page { status: StatusCode::OK, language, title, text, shop_host: Some("shop.example"), asks_about }.html()
    }

    #[test]
    fn a_page_asks_nobody_for_anything_and_bears_no_script() {
        for language in Language::ALL {
            for asks_about in [None, Some(Channel::Email), Some(Channel::Sms)] {
                let html = page(language, asks_about);
                assert!(html.contains(&format!("<html lang=\"{}\">", language.code())));
                for banned in ["<script", "src=", "url(", "@import", "<link", "style=\"", "onclick"] {
                    assert!(!html.contains(banned), "{banned}");
                }
                assert_eq!(html.matches("<h1>").count(), 1);
                assert_eq!(html.contains("<form method=\"post\">"), asks_about.is_some());
                assert_eq!(html.matches("<label>").count(), html.matches("<input").count());
            }
        }
    }

    #[test]
    fn every_language_says_everything_in_its_own_words() {
        let mut said = std::collections::BTreeSet::new();
        let mut count = 0;
        for language in Language::ALL {
            for (title, text) in language.words().all() {
                assert!(!title.is_empty() && text.len() > 20 && !title.contains('<') && !text.contains('<'));
                assert!(said.insert(text), "{text}");
                count += 1;
            }
        }
        assert_eq!(count, 5 * 8);
    }

    #[test]
    fn what_comes_from_elsewhere_is_text() {
        assert_eq!(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}

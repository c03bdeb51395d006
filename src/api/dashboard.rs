//! The dashboard: a page and its parts, built into the binary. It asks nothing of any other host.
//!
//! The page bears no data and needs no key; what it shows it reads from this same listener with the admin key that a
//! person enters, which it keeps in the tab's session storage and sends as any client does. Nothing runs and nothing is
//! styled that is not one of these files. Read next: `dashboard/app.js`.

use std::sync::LazyLock;

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse};
use sha2::{Digest, Sha256};

use super::problem::{Kind, Problem};

/// Files of ours only, no inline code, no frames, no forms that go anywhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The page itself; its parts are found by name.
const PAGE: &str = "index.html";

/// A file of the dashboard.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

macro_rules! assets {
    ($($name:literal: $media:expr),+ $(,)?) => {
        &[$(Asset { name: $name, media_type: $media, text: include_str!(concat!("dashboard/", $name)) }),+]
    };
}

const ASSETS: &[Asset] = assets! {
    "index.html": HTML,
    "style.css": CSS,
    "parts.css": CSS,
    "icon.svg": "image/svg+xml",
    "app.js": SCRIPT,
    "client.js": SCRIPT,
    "dom.js": SCRIPT,
    "format.js": SCRIPT,
    "chart.js": SCRIPT,
    "words.js": SCRIPT,
    "summary.js": SCRIPT,
    "funnel.js": SCRIPT,
    "reasons.js": SCRIPT,
    "recovery.js": SCRIPT,
    "lift.js": SCRIPT,
    "carts.js": SCRIPT,
    "deliveries.js": SCRIPT,
    "system.js": SCRIPT,
};

/// What each file is known by to caches.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |asset: &Asset| {
        let hash: [u8; 32] = Sha256::digest(asset.text.as_bytes()).into();
        let number = hash.iter().take(16).fold(0, |number: u128, byte| (number << 8) | u128::from(*byte));
        format!("\"{number:032x}\"")
    };
    ASSETS.iter().map(tag).collect()
});

/// The page.
pub async fn page(req: HttpRequest) -> Result<HttpResponse, Problem> {
    serve(&req, PAGE)
}

/// A part of the page.
pub async fn part(req: HttpRequest) -> Result<HttpResponse, Problem> {
    serve(&req, req.match_info().get("file").unwrap_or_default())
}

fn serve(req: &HttpRequest, name: &str) -> Result<HttpResponse, Problem> {
    let missing = || Problem::new(Kind::NotFound, "The dashboard has no such file.");
    let (asset, tag) = ASSETS.iter().zip(TAGS.iter()).find(|(asset, _)| asset.name == name).ok_or_else(missing)?;
    let known = req.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((ETAG, tag.as_str()))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .content_type(asset.media_type);
    Ok(if is_known { response.finish() } else { response.body(asset.text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_that_a_part_names_is_there() {
        let is_there = |name: &str| ASSETS.iter().any(|asset| asset.name == name);
        for asset in ASSETS {
            let quoted = asset.text.split(['"', '\'']).skip(1).step_by(2);
            let named = quoted.filter_map(|text| text.strip_prefix("./").or_else(|| text.strip_prefix("/dashboard/")));
            for name in named {
                assert!(is_there(name), "{} names {name}", asset.name);
            }
        }
    }

    #[test]
    fn no_part_asks_anything_of_another_host() {
        for asset in ASSETS {
            let allowed = asset.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!allowed.contains("http://") && !allowed.contains("https://"), "{}", asset.name);
            let inline = ["style=", "onclick=", "innerHTML", "<style", "cookie"];
            assert!(inline.iter().all(|word| !asset.text.contains(word)), "{}", asset.name);
        }
    }
}

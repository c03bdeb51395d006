//! The browser snippet and its survey as they are served: the source in `api/widget/`, without comments and blanks.
//!
//! Made on the first request and kept: the same bytes for everybody, so whoever likes may cache them. A test in a browser
//! holds each below 6 KB compressed. Never here: what they do; the tour of that begins in `api/widget/memory.js`.

use std::io::Write as _;
use std::sync::OnceLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// The snippet's parts, in the order in which they use each other.
const SNIPPET: &[&str] = &[
    include_str!("widget/memory.js"),
    include_str!("widget/queue.js"),
    include_str!("widget/cart.js"),
    include_str!("widget/watch.js"),
    include_str!("widget/ask.js"),
    include_str!("widget/calls.js"),
];
/// The survey's, which the snippet loads as a module when it is to be shown.
const SURVEY: &[&str] = &[include_str!("widget/texts.js"), include_str!("widget/survey.js")];

/// An hour, then a day in which the old one serves while the new one is fetched, and a week in which it serves when we
/// are down: an upgrade arrives soon, and a page never waits for us.
const CACHED: &str = "public, max-age=3600, stale-while-revalidate=86400, stale-if-error=604800";
/// Pages that are isolated by `Cross-Origin-Embedder-Policy` may load it too.
const RESOURCE_POLICY: (HeaderName, &str) = (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");

/// One form of a script.
struct Form {
    bytes: Bytes,
    /// Names these bytes.
    tag: String,
}

struct Script {
    plain: Form,
    gzip: Form,
}

impl Script {
    fn make(source: &str) -> Self {
        // What cannot be made smaller is served as it is written; the tests of the browser see that it can.
        let small = minifier::js::minify(source).map_or_else(|_| source.to_owned(), |small| small.to_string());
        let version = env!("CARGO_PKG_VERSION");
        let plain = format!("/* cartwake {version} */\n{}\n", small.replace("$VERSION", version));
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory cannot fail.
        let gzip = gzip.write_all(plain.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
        Self { gzip: Form::new(gzip), plain: Form::new(plain.into_bytes()) }
    }
}

impl Form {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = Sha256::digest(&bytes);
        let tag = digest.iter().take(8).fold(0, |tag, byte| (tag << 8) | u64::from(*byte));
        Self { bytes: bytes.into(), tag: format!("\"{tag:016x}\"") }
    }
}

/// The browser snippet.
#[utoipa::path(get, path = "/widget.js", tag = "browser",
    responses((status = 200, body = String, content_type = "text/javascript", description = "The snippet: docs/widget.md."),
        (status = 304, description = "As the one of `If-None-Match`.")))]
pub async fn get(req: HttpRequest) -> Result<HttpResponse, Problem> {
    static SCRIPT: OnceLock<Script> = OnceLock::new();
    // One function, so that the page sees nothing of its parts.
    let make = || Script::make(&format!("(function(){{\"use strict\";\n{}}})();", SNIPPET.concat()));
    Ok(serve(SCRIPT.get_or_init(make), req.headers()))
}

/// The exit survey, as the snippet loads it.
#[utoipa::path(get, path = "/widget/survey.js", tag = "browser",
    responses((status = 200, body = String, content_type = "text/javascript", description = "A module for the snippet."),
        (status = 304, description = "As the one of `If-None-Match`.")))]
pub async fn survey(req: HttpRequest) -> Result<HttpResponse, Problem> {
    static SCRIPT: OnceLock<Script> = OnceLock::new();
    Ok(serve(SCRIPT.get_or_init(|| Script::make(&SURVEY.concat())), req.headers()))
}

fn serve(script: &Script, headers: &HeaderMap) -> HttpResponse {
    let is_gzip = accepts_gzip(headers) && !script.gzip.bytes.is_empty();
    let form = if is_gzip { &script.gzip } else { &script.plain };
    let is_known = is_known(headers, &form.tag);
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((ETAG, form.tag.as_str())).insert_header((CACHE_CONTROL, CACHED));
    response.insert_header((VARY, "Accept-Encoding")).insert_header(RESOURCE_POLICY);
    if is_known {
        return response.finish();
    }
    response.content_type("text/javascript; charset=utf-8");
    response.insert_header(("X-Content-Type-Options", "nosniff"));
    if is_gzip {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    response.body(form.bytes.clone())
}

/// Whether gzip is among what is accepted, and not at a quality of nothing (RFC 9110, 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    all.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// Whether the caller has these bytes already (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let mut all = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    all.any(|known| matches!(known.trim(), "*") || known.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use actix_web::body::to_bytes;
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    async fn served(headers: &[(&'static str, &str)]) -> (u16, HeaderMap, Bytes) {
        let mut req = TestRequest::default();
        for header in headers {
            req = req.insert_header(*header);
        }
        let response = get(req.to_http_request()).await.expect("it is always there");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, to_bytes(response.into_body()).await.expect("a body in memory"))
    }

    #[actix_web::test]
    async fn each_form_is_known_by_its_tag_and_not_sent_twice() {
        let (_, plain, text) = served(&[]).await;
        let (_, gzip, small) = served(&[("accept-encoding", "br, gzip;q=0.5")]).await;
        assert!(plain.get(CONTENT_ENCODING).is_none());
        assert_eq!(gzip.get(CONTENT_ENCODING).map(HeaderValue::as_bytes), Some(b"gzip".as_slice()));
        assert_ne!(plain.get(ETAG), gzip.get(ETAG));
        assert!(small.len() < text.len());
        let tag = plain.get(ETAG).and_then(|tag| tag.to_str().ok()).expect("a tag");
        for known in [tag, "*", &format!("\"x\", W/{tag}")] {
            let (status, headers, body) = served(&[("if-none-match", known)]).await;
            assert_eq!((status, body.len()), (304, 0), "{known}");
            assert_eq!(headers.get(ETAG), plain.get(ETAG));
        }
        assert_eq!(served(&[("if-none-match", "\"x\"")]).await.0, 200);
        assert!(served(&[("accept-encoding", "gzip;q=0")]).await.1.get(CONTENT_ENCODING).is_none());
    }

    #[actix_web::test]
    async fn it_is_served_small_and_says_its_version() {
        let (_, _, text) = served(&[]).await;
        let text = std::str::from_utf8(&text).expect("it is text");
        let source: usize = SNIPPET.iter().map(|part| part.len()).sum();
        assert!(text.len() < source, "{} of {source}", text.len());
        assert!(text.starts_with(&format!("/* cartwake {} */\n", env!("CARGO_PKG_VERSION"))));
        assert!(!text.contains("$VERSION"));
    }

    #[actix_web::test]
    async fn the_survey_keeps_its_words_and_its_export() {
        let response = survey(TestRequest::default().to_http_request()).await.expect("it is always there");
        let bytes = to_bytes(response.into_body()).await.expect("a body in memory");
        let text = std::str::from_utf8(&bytes).expect("it is text");
        for part in ["export function open(", "'Something else'", "Was hält Sie heute vom Kauf ab?", "::backdrop{"] {
            assert!(text.contains(part) || text.contains(&part.replace('\'', "\"")), "{part}");
        }
    }
}

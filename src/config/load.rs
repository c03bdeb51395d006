//! From a file and the environment to a [`Config`], or to every problem at once.
//!
//! Each key is read in one place, with its bounds; relations between keys are checked beside the last of them. Reads
//! the configuration file and the files that hold secrets, and nothing else. Read next: `config/shop.rs`.

use std::fs::File;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use toml::Table;

use super::KeyHash;
use super::problem::{Problems, Report};
use super::section::Section;
use super::{
    Authority, ClockKind, Config, DeliveryConfig, SchedulerConfig, ServerConfig, StoreConfig, StoreUrl,
    TelemetryConfig, environment, layers, links, shop, span,
};
use crate::keys::KeyHashError;
use crate::telemetry;

/// Files with secrets are read to here and refused beyond.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Files with certificates; those that come with a system have some 200 KB.
const CA_FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The configuration in effect: the defaults, under the file, under the environment.
///
/// # Errors
/// Every problem of the file and the environment, each with its path.
pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Config, Problems> {
    let mut report = Report::default();
    let file = path.and_then(|path| {
        let read = read_file(path);
        read.map_err(|(place, sentence)| report.add(&place, sentence)).ok()
    });
    let mut tree = layers::over_defaults(file.unwrap_or_default());
    environment::apply(&mut tree, env, &mut report);
    read(tree, report)
}

/// Reads a complete tree.
pub(super) fn read(tree: Table, mut report: Report) -> Result<Config, Problems> {
    let mut root = Section::root(tree, &mut report);
    let server = root.inside("server", server);
    let config = Config {
        store: root.inside("store", store),
        scheduler: root.inside("scheduler", scheduler),
        delivery: root.inside("delivery", delivery),
        links: root.inside("links", links::links),
        telemetry: root.inside("telemetry", telemetry),
        shops: shop::shops(&mut root, &server.admin_keys),
        server,
    };
    claims_outlive_sends(&config, &mut root);
    links::links_lead_home(&config.links, &config.shops, &mut root);
    root.close();
    report.conclude(config)
}

fn read_file(path: &Path) -> Result<Table, (String, String)> {
    let place = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| (place.clone(), format!("cannot be read: {error}")))?;
    table(&place, &text)
}

/// The text of a configuration file as a tree, or the place and the sentence of what is wrong with it.
pub(super) fn table(place: &str, text: &str) -> Result<Table, (String, String)> {
    text.parse::<Table>().map_err(|error: toml::de::Error| {
        // The error's own text shows the line, which may hold a secret.
        let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        (format!("{place}, line {line}"), format!("is not TOML: {}", error.message()))
    })
}

/// Reads a file that holds one secret a line; empty lines and lines that begin with `#` are left out.
pub(super) fn secret_lines(path: &str) -> Result<Vec<String>, String> {
    lines_of(path, SECRET_FILE_BYTES_MAX)
}

/// The lines of a file of at most so many bytes, but for empty ones and those that begin with `#`.
pub(super) fn lines_of(path: &str, bytes_max: u64) -> Result<Vec<String>, String> {
    let unreadable = |error| format!("names a file that cannot be read: {error}");
    // Its size is no bound: a device or a pipe has none.
    let mut start = File::open(path).map_err(unreadable)?.take(bytes_max + 1);
    let mut bytes = Vec::new();
    let size = start.read_to_end(&mut bytes).map_err(unreadable)?;
    if size as u64 > bytes_max {
        return Err(format!("names a file of more than {bytes_max} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "names a file that is not text in UTF-8".to_owned())?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn server(section: &mut Section<'_>) -> ServerConfig {
    let server = ServerConfig {
        listen: address(section, "listen"),
        ops_listen: address(section, "ops_listen"),
        workers: section.count("workers", 1..=256),
        keep_alive: section.span("keep_alive", secs(1)..=Duration::from_hours(1)),
        client_timeout: section.span("client_timeout", secs(1)..=Duration::from_mins(5)),
        connections_max: section.count("connections_max", 1..=1_000_000),
        body_bytes_max: section.count("body_bytes_max", 1024..=16 * 1024 * 1024),
        shutdown_timeout: section.span("shutdown_timeout", secs(1)..=Duration::from_mins(10)),
        clock: section
            .word("clock", &[("system", ClockKind::System), ("events", ClockKind::Events)])
            .unwrap_or(ClockKind::System),
        admin_keys: section.texts("admin_keys", 32, key_hash),
    };
    if collide(server.listen, server.ops_listen) {
        section.refuse("ops_listen", "must be another address or port than server.listen");
    }
    server
}

/// A stand-in for a wrong address has port 0, which collides with nothing.
fn address(section: &mut Section<'_>, key: &'static str) -> SocketAddr {
    let allowed = "must be an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"";
    section.text(key, |text| text.parse().map_err(|_| allowed)).unwrap_or(SocketAddr::from(([0, 0, 0, 0], 0)))
}

fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && same_ip
}

pub(super) fn key_hash(text: &str) -> Result<KeyHash, KeyHashError> {
    KeyHash::parse(text)
}

fn store(section: &mut Section<'_>) -> StoreConfig {
    let url = if section.has("url_file") { url_from_file(section) } else { section.text("url", StoreUrl::parse) };
    let config = StoreConfig {
        url: url.unwrap_or_else(|| StoreUrl::Embedded("unknown".into())),
        keyring: section.text("keyring_url", keyring).flatten(),
        shards: section.count("shards", 1..=256),
        command_timeout: section.span("command_timeout", Duration::from_millis(100)..=secs(30)),
        connections: section.count("connections", 1..=64),
        tls_ca: section.text("tls_ca_file", ca_file).flatten(),
        allow_volatile: section.flag("allow_volatile"),
    };
    if !config.shards.is_power_of_two() {
        section.refuse("shards", "must be a power of two from 1 to 256");
    }
    config
}

fn keyring(text: &str) -> Result<Option<StoreUrl>, String> {
    if text == "off" { Ok(None) } else { StoreUrl::parse(text).map(Some) }
}

fn ca_file(path: &str) -> Result<Option<Authority>, String> {
    if path == "off" {
        return Ok(None);
    }
    let unreadable = |error: std::io::Error| format!("names a file that cannot be read: {error}");
    if std::fs::metadata(path).map_err(unreadable)?.len() > CA_FILE_BYTES_MAX {
        return Err(format!("names a file of more than {CA_FILE_BYTES_MAX} bytes"));
    }
    let pem = std::fs::read_to_string(path).map_err(unreadable)?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err("names a file without a PEM certificate".to_owned());
    }
    Ok(Some(Authority { path: path.to_owned(), pem }))
}

fn url_from_file(section: &mut Section<'_>) -> Option<StoreUrl> {
    section.forbid("url", "must not be there beside url_file");
    section.text("url_file", |path| match secret_lines(path)?.as_slice() {
        [url] => StoreUrl::parse(url).map_err(|sentence| format!("names a file whose line {sentence}")),
        _ => Err("must name a file with one line, the URL".to_owned()),
    })
}

fn scheduler(section: &mut Section<'_>) -> SchedulerConfig {
    SchedulerConfig {
        poll: section.span("poll", Duration::from_millis(10)..=Duration::from_mins(1)),
        batch: section.count("batch", 1..=1_000),
    }
}

fn delivery(section: &mut Section<'_>) -> DeliveryConfig {
    DeliveryConfig {
        lease: section.span("lease", secs(5)..=Duration::from_mins(10)),
        start_within: section.span("start_within", Duration::from_millis(100)..=secs(10)),
        disable_after: section.span_or_off("disable_after", Duration::from_mins(1)..=Duration::from_hours(90 * 24)),
        keep: section.span("keep", Duration::from_hours(1)..=Duration::from_hours(90 * 24)),
    }
}

fn telemetry(section: &mut Section<'_>) -> TelemetryConfig {
    TelemetryConfig {
        log_json: section.word("log_format", &[("text", false), ("json", true)]).unwrap_or_default(),
        log_level: section
            .text("log_level", |text| telemetry::filter(text).map(|_| text.to_owned()))
            .unwrap_or_default(),
    }
}

/// A send that outlives its claim is made twice.
fn claims_outlive_sends(config: &Config, root: &mut Section<'_>) {
    let delivery = &config.delivery;
    let longest = config.shops.iter().flat_map(|shop| &shop.endpoints).max_by_key(|endpoint| endpoint.timeout);
    let timeout = longest.map_or(Duration::ZERO, |endpoint| endpoint.timeout);
    if delivery.lease <= timeout + delivery.start_within {
        let of = longest.map(|endpoint| format!(" of endpoint {}", endpoint.name)).unwrap_or_default();
        root.refuse(
            "delivery.lease",
            format!(
                "must be longer than the longest endpoint timeout ({}{of}) and delivery.start_within ({}) together",
                span::text(timeout),
                span::text(delivery.start_within)
            ),
        );
    }
}

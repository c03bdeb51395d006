//! The configuration, as the rest of the program sees it: complete, checked, without defaults left to guess.
//!
//! `config/default.toml` is embedded: it is the defaults and the manual; the code has no defaults of its own.
//! `config/load.rs` lays a file and the environment over it and reports every problem at once; nothing else in the
//! program reads either. Never here: keys that do nothing, and values that a `Debug` or a problem would give away.
//! Read next: `config/load.rs`, then `config/section.rs`.

mod effective;
mod environment;
mod incentives;
mod layers;
mod links;
mod load;
#[cfg(any(test, fuzzing))]
pub mod noise;
mod platform;
mod problem;
mod recovery;
mod secrets;
mod section;
mod shop;
mod span;
mod store_url;
#[cfg(test)]
mod tests;

pub use effective::effective;
pub use layers::DEFAULT_TOML;
pub use load::load;
pub use platform::PlatformConfig;
pub use problem::{Problem, Problems};

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

pub use crate::keys::{KeyHash, Role};
pub use crate::links::LinkSettings;
pub use crate::telemetry::TelemetryConfig;

use crate::domain::{EndpointName, EventSet, Program, ShopId};
use crate::webhook::Secret;

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: ServerConfig,
    pub store: StoreConfig,
    pub scheduler: SchedulerConfig,
    pub delivery: DeliveryConfig,
    pub links: LinkSettings,
    pub telemetry: TelemetryConfig,
    /// At least one.
    pub shops: Vec<ShopConfig>,
}

/// `[server]`: the two listeners and their limits.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The cart API.
    pub listen: SocketAddr,
    /// Metrics, health and operations.
    pub ops_listen: SocketAddr,
    pub workers: usize,
    /// Longer than clients keep pooled connections.
    pub keep_alive: Duration,
    /// A request whose head, or whose body, takes longer is cut off, and so is who does not read the answer.
    pub client_timeout: Duration,
    /// Beyond it the one that is idle for longest is closed.
    pub connections_max: usize,
    pub body_bytes_max: usize,
    /// How long in-flight requests and sends may take at a stop.
    pub shutdown_timeout: Duration,
    pub clock: ClockKind,
    /// Hashes of keys that may do everything in every shop.
    pub admin_keys: Vec<KeyHash>,
}

/// Where the time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// The machine's clock.
    System,
    /// The newest `occurred_at` seen: for replaying recorded sessions into a server.
    Events,
}

/// `[store]`.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    pub url: StoreUrl,
    /// Where the keys of sealed carts are; nothing is sealed without it.
    pub keyring: Option<StoreUrl>,
    /// Fixed when the store is made; checked at every start. Redis only.
    pub shards: u16,
    /// Bound on every command.
    pub command_timeout: Duration,
    /// Who vouches for Redis over TLS; by default whom the machine trusts.
    pub tls_ca: Option<Authority>,
    /// Whether a Redis without persistence is as meant.
    pub allow_volatile: bool,
    /// Connections to Redis, shared by all requests.
    pub connections: usize,
}

/// `[store] url`. Its `Debug` and `Display` hide the password.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// `embedded:PATH`: a folder.
    Embedded(PathBuf),
    /// `redis…://…`, complete, with the password.
    Redis(String),
}

/// A file with the certificates of who vouches for a server.
#[derive(Clone, Debug)]
pub struct Authority {
    pub path: String,
    /// What was in it.
    pub pem: String,
}

/// `[scheduler]`.
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    /// How often the store is asked what is due, at most; what this process wrote itself needs no poll.
    pub poll: Duration,
    /// How many due carts are decided at a time.
    pub batch: usize,
}

/// `[delivery]`.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    /// How long a claimed delivery may wait for its turn before it falls due again.
    pub lease: Duration,
    /// How long after its last look at the cart a send may still start.
    pub start_within: Duration,
    /// After how long of nothing but failure an endpoint is disabled; `None`: never.
    pub disable_after: Option<Duration>,
    /// How long deliveries that have ended stay readable.
    pub keep: Duration,
}

/// `[[shop]]`.
#[derive(Clone, Debug)]
pub struct ShopConfig {
    pub id: ShopId,
    pub keys: Vec<KeyConfig>,
    /// Hosts a `checkout_url` may point to; empty allows any.
    pub checkout_hosts: Vec<String>,
    /// With the subscriptions of the endpoints below filled in.
    pub program: Program,
    /// Whose webhooks are taken.
    pub platforms: Vec<PlatformConfig>,
    pub endpoints: Vec<EndpointConfig>,
}

/// A key of a shop.
#[derive(Clone, Debug)]
pub struct KeyConfig {
    pub role: Role,
    pub hash: KeyHash,
    /// Where a browser key may be used from.
    pub allowed_origins: Vec<String>,
}

/// `[[shop.endpoint]]`. Its `Debug` hides what is behind the host of the address.
#[derive(Clone)]
pub struct EndpointConfig {
    pub name: EndpointName,
    pub url: reqwest::Url,
    /// At least one; all of them sign, so that a secret can be rotated.
    pub secrets: Vec<Secret>,
    pub events: EventSet,
    /// Bound on one whole attempt: name, connection, request and answer.
    pub timeout: Duration,
    /// Sends on their way at a time, at most.
    pub concurrency: usize,
    /// Sends a second at most; `None` is unlimited.
    pub rate_limit: Option<u32>,
    pub disabled: bool,
    /// `payload = "thin"`: leaves out everything personal.
    pub thin: bool,
    /// Private address ranges that this endpoint may be in.
    pub allow_networks: Vec<IpNet>,
}

//! `[[shop]]`: its keys, its program and its endpoints.
//!
//! Every shop and endpoint arrives here complete, laid over the manual's. Read next: `config/recovery.rs`, for who is reminded
//! and how often; `config/section.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use super::load::key_hash;
use super::section::Section;
use super::{EndpointConfig, KeyConfig, KeyHash, Role, ShopConfig};
use super::{incentives, platform, recovery, secrets};
use crate::domain::{
    AgentCancel, CalibrationSettings, EndpointName, EventKind, EventSet, IdleWindows, Moment, Program, Retention,
    RuleName, RuleSettings, ShopId, Subscription,
};
use crate::webhook::{AddressPolicy, Secret};

const SHOPS_MAX: usize = 1000;
const KEYS_MAX: usize = 64;
const ENDPOINTS_MAX: usize = 32;
pub(super) const LIST_MAX: usize = 100;

pub(super) const DAY: Duration = Duration::from_hours(24);
pub(super) const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// What no two of the same list may share.
#[derive(Default)]
struct Taken {
    shops: BTreeSet<ShopId>,
    keys: BTreeSet<[u8; 32]>,
}

/// Reads every shop.
pub(super) fn shops(root: &mut Section<'_>, admin_keys: &[KeyHash]) -> Vec<ShopConfig> {
    let mut taken = Taken::default();
    taken.keys.extend(admin_keys.iter().map(|hash| hash.0));
    let shops = root.each("shop", SHOPS_MAX, |section| shop(section, &mut taken));
    if shops.is_empty() && root.is_sound("shop") {
        root.refuse("shop", "must have at least one [[shop]]; leave it out for the default one");
    }
    shops
}

fn shop(section: &mut Section<'_>, taken: &mut Taken) -> ShopConfig {
    let id = section.text("id", ShopId::parse);
    if id.as_ref().is_some_and(|id| !taken.shops.insert(id.clone())) {
        section.refuse("id", "must not be the id of another shop");
    }
    let keys = section.each("keys", KEYS_MAX, |section| key(section, taken));
    let checkout_hosts = section.texts("checkout_hosts", LIST_MAX, host);
    let mut program = section.inside("program", program);
    let platforms = platform::platforms(section);
    let mut names = BTreeSet::new();
    section.or_empty("endpoint");
    let endpoints = section.each("endpoint", ENDPOINTS_MAX, |section| endpoint(section, &mut names));
    program.subscriptions = subscriptions(&endpoints);
    ShopConfig { id: id.unwrap_or_else(|| slug(ShopId::parse)), keys, checkout_hosts, program, platforms, endpoints }
}

/// Stands in for a name that could not be read; a configuration with it is never given out.
pub(super) fn slug<T, E: std::fmt::Debug>(parse: fn(&str) -> Result<T, E>) -> T {
    parse("unnamed").expect("a slug is a name")
}

/// Nothing is queued for a disabled endpoint.
fn subscriptions(endpoints: &[EndpointConfig]) -> Vec<Subscription> {
    let enabled = endpoints.iter().filter(|endpoint| !endpoint.disabled);
    enabled.map(|endpoint| Subscription { endpoint: endpoint.name.clone(), events: endpoint.events }).collect()
}

fn key(section: &mut Section<'_>, taken: &mut Taken) -> KeyConfig {
    let role = section.word("role", &[("server", Role::Server), ("browser", Role::Browser), ("admin", Role::Admin)]);
    let hash = section.text("hash", key_hash);
    if hash.is_some_and(|hash| !taken.keys.insert(hash.0)) {
        section.refuse("hash", "must not be the hash of another key: a key has one role in one shop");
    }
    section.or_empty("allowed_origins");
    let allowed_origins = section.texts("allowed_origins", LIST_MAX, origin);
    match role {
        Some(Role::Browser) if allowed_origins.is_empty() && section.is_sound("allowed_origins") => {
            section.refuse("allowed_origins", "must have at least one origin, as everybody can read a browser key");
        }
        Some(Role::Server | Role::Admin) if !allowed_origins.is_empty() => {
            section.refuse("allowed_origins", "must be empty: only a browser key is bound to origins");
        }
        _ => {}
    }
    let hash = hash.unwrap_or(KeyHash([0; 32]));
    KeyConfig { role: role.unwrap_or(Role::Server), hash, allowed_origins }
}

/// Reads what a browser sends as `Origin`: exactly, as it is compared exactly.
fn origin(text: &str) -> Result<String, &'static str> {
    let is_exact = !text.contains('*')
        && Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text);
    is_exact.then(|| text.to_owned()).ok_or(
        "must be an origin exactly as browsers send it, such as \"https://shop.example\": no path, no wildcard, and a \
         port only when it is not the usual one",
    )
}

fn host(text: &str) -> Result<String, &'static str> {
    let plain = format!("https://{text}/");
    let is_plain = !text.contains('*')
        && Url::parse(&plain).is_ok_and(|url| url.as_str() == plain && url.host_str() == Some(text));
    is_plain
        .then(|| text.to_owned())
        .ok_or("must be a host name in lower case without scheme, port and path, such as \"shop.example\"")
}

fn program(section: &mut Section<'_>) -> Program {
    let activated_at = section.text("activated_at", |text| match text {
        "off" => Ok(None),
        _ => Moment::parse(text).map(Some).map_err(|error| format!("{error}, or \"off\"")),
    });
    let program = Program {
        activated_at: activated_at.flatten(),
        steps: recovery::steps(section),
        overrides: recovery::overrides(section),
        service: section.inside("service", recovery::service),
        payment_pending: section.inside("payment_pending", recovery::payment_pending),
        stale_after: section.span("stale_after", SECOND..=30 * DAY),
        held_max: section.span("held_max", SECOND..=30 * DAY),
        consent: recovery::consent(section),
        zone: recovery::zone(section),
        digest: recovery::digest(section),
        quiet: recovery::quiet_hours(section),
        caps: recovery::caps(section),
        experiment: section.inside("experiment", recovery::experiment),
        incentives: incentives::incentives(section),
        restock_window: section.span("restock_window", Duration::ZERO..=30 * DAY),
        shoppers: section.inside("shoppers", recovery::shoppers),
        responses: section.texts("responses", LIST_MAX, recovery::response),
        attribution_window: section.span("attribution_window", SECOND..=90 * DAY),
        idle: section.inside("idle", idle),
        retention: section.inside("retention", retention),
        rules: section.inside("rules", rules),
        keep_comments: section.word("comments", &[("discard", false), ("keep", true)]).unwrap_or(false),
        agent_cancel: section.word("agent_cancel", &agent_cancels()).unwrap_or(AgentCancel::Abandon),
        calibration: section.inside("calibration", calibration),
        subscriptions: Vec::new(),
    };
    carts_outlive_their_program(section, &program);
    recovery::payment_pending_fits(section, &program);
    incentives::are_of_steps(section, &program);
    program
}

fn idle(section: &mut Section<'_>) -> IdleWindows {
    let range = SECOND..=30 * DAY;
    IdleWindows {
        browse: section.span_or_off("browse", range.clone()),
        cart: section.span_or_off("cart", range.clone()),
        contact: section.span_or_off("contact", range.clone()),
        shipping: section.span_or_off("shipping", range.clone()),
        payment: section.span_or_off("payment", range),
    }
}

fn retention(section: &mut Section<'_>) -> Retention {
    let range = MINUTE..=3650 * DAY;
    let retention = Retention {
        empty: section.span("empty", range.clone()),
        anonymous: section.span("anonymous", range.clone()),
        contact: section.span("contact", range.clone()),
        converted: section.span("converted", range.clone()),
        opt_out: section.span("opt_out", range.clone()),
        tombstone: section.span("tombstone", range.clone()),
        backups: section.span("backups", range),
    };
    if retention.anonymous < retention.empty {
        section.refuse("anonymous", "must not be shorter than empty");
    }
    if retention.contact < retention.anonymous {
        section.refuse("contact", "must not be shorter than anonymous");
    }
    retention
}

/// A cart that is gone can neither be reminded nor recovered.
fn carts_outlive_their_program(section: &mut Section<'_>, program: &Program) {
    let idle = &program.idle;
    let windows = [idle.browse, idle.cart, idle.contact, idle.shipping, idle.payment];
    let longest = windows.into_iter().flatten().max().unwrap_or_default();
    let steps = program.overrides.iter().map(|other| &other.steps).chain([&program.steps]);
    let last = steps.filter_map(|steps| steps.last()).map(|step| step.delay + program.stale_after).max();
    let last = last.unwrap_or_default();
    let contact = program.retention.contact;
    if contact < longest + last {
        section.refuse(
            "retention.contact",
            "must not be shorter than the longest idle window, the last step's delay and stale_after together",
        );
    }
    if contact < longest + program.attribution_window {
        section.refuse(
            "retention.contact",
            "must not be shorter than the longest idle window and attribution_window together",
        );
    }
}

fn rules(section: &mut Section<'_>) -> RuleSettings {
    RuleSettings {
        shipping_cost_percent: section.count("shipping_cost_percent", 1..=1000),
        unexpected_total_percent: section.count("unexpected_total_percent", 1..=1000),
        error_window: section.span("error_window", SECOND..=Duration::from_hours(1)),
        off: section.texts("off", RuleName::ALL.len(), rule_name).into_iter().collect(),
        slow_after: section.span("slow_after", SECOND..=Duration::from_mins(5)),
        delivery_days: section.count("delivery_days", 1..=365),
        product_views: section.count("product_views", 2..=20),
        field_rejections: section.count("field_rejections", 1..=20),
        step_time: section.span("step_time", MINUTE..=Duration::from_hours(24)),
        removed_within: section.span("removed_within", SECOND..=Duration::from_hours(1)),
        demoted: BTreeMap::new(),
    }
}

fn calibration(section: &mut Section<'_>) -> CalibrationSettings {
    CalibrationSettings {
        judged_min: section.count("judged_min", 1..=1_000_000),
        agreement_percent_min: section.count("agreement_percent_min", 0..=100),
        window: section.span("window", DAY..=365 * DAY),
    }
}

fn agent_cancels() -> Vec<(&'static str, AgentCancel)> {
    AgentCancel::ALL.iter().map(|what| (what.as_str(), *what)).collect()
}

fn rule_name(text: &str) -> Result<RuleName, String> {
    RuleName::parse(text).ok_or_else(|| {
        let all: Vec<&str> = RuleName::ALL.iter().map(|rule| rule.as_str()).collect();
        format!("must be one of {}", all.join(", "))
    })
}

fn endpoint(section: &mut Section<'_>, names: &mut BTreeSet<EndpointName>) -> EndpointConfig {
    let name = section.text("name", EndpointName::parse);
    if name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
        section.refuse("name", "must not be the name of another endpoint of this shop");
    }
    let endpoint = EndpointConfig {
        name: name.unwrap_or_else(|| slug(EndpointName::parse)),
        url: section.text("url", endpoint_url).unwrap_or_else(stand_in_url),
        secrets: secrets::at_least_one(
            section,
            Secret::parse,
            "must have at least one secret: receivers could not tell who sends",
        ),
        events: events(section),
        timeout: section.span("timeout", SECOND..=30 * SECOND),
        concurrency: section.count("concurrency", 1..=1024),
        rate_limit: section.count_or_off("rate_limit", 1..=10_000),
        disabled: section.flag("disabled"),
        thin: section.word("payload", &[("full", false), ("thin", true)]).unwrap_or(false),
        allow_networks: section.texts("allow_networks", LIST_MAX, network),
    };
    if section.is_sound("allow_networks") {
        reachable(section, &endpoint);
    }
    endpoint
}

fn endpoint_url(text: &str) -> Result<Url, &'static str> {
    let allowed = "must be a complete http:// or https:// address without user, password and fragment";
    let url = Url::parse(text).map_err(|_| allowed)?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (matches!(url.scheme(), "http" | "https") && is_plain).then_some(url).ok_or(allowed)
}

fn stand_in_url() -> Url {
    Url::parse("https://unknown.invalid/").expect("a literal URL")
}

/// What the sender would refuse at every attempt is refused here.
fn reachable(section: &mut Section<'_>, endpoint: &EndpointConfig) {
    let policy = AddressPolicy { allow: endpoint.allow_networks.clone() };
    if let Err(refused) = policy.vet_literal(&endpoint.url) {
        section.refuse("url", refused.to_string());
    }
    if endpoint.url.scheme() == "http" && endpoint.allow_networks.is_empty() {
        section.refuse("url", "must be https; plain http is only for a network of yours, named in allow_networks");
    }
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    text.parse().map_err(|_| "must be an address range such as \"10.0.0.0/8\" or \"127.0.0.1/32\"")
}

fn events(section: &mut Section<'_>) -> EventSet {
    let kinds = section.texts("events", EventKind::ALL.len(), |text| {
        EventKind::parse(text).ok_or_else(|| {
            let all: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("must be one of {}", all.join(", "))
        })
    });
    if kinds.is_empty() && section.is_sound("events") {
        section.refuse("events", "must have at least one event; disabled = true sends none");
    }
    kinds.into_iter().collect()
}

//! The configuration in effect as TOML, for people: secrets, the store's password, and the path and query of
//! endpoint addresses are hidden.
//!
//! Keys have the names and the order of the manual. What it prints can be loaded again once the secrets are put back.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use reqwest::Url;
use toml::{Table, Value};

use super::{ClockKind, Config, EndpointConfig, KeyConfig, ServerConfig, ShopConfig, incentives, span};
use crate::domain::{
    Arm, Cap, Channel, Conditions, EventKind, Experiment, Override, Program, Service, ShopperRules, Step,
};

const HIDDEN: &str = "hidden";

/// What is in effect, without secrets.
#[must_use]
pub fn effective(config: &Config) -> String {
    let mut page = Page(String::new());
    server(&mut page, &config.server);
    page.table("[store]");
    page.text("url", &config.store.url);
    page.text("keyring_url", config.store.keyring.as_ref().map_or("off".to_owned(), ToString::to_string));
    page.set("shards", i64::from(config.store.shards));
    page.span("command_timeout", config.store.command_timeout);
    page.text("tls_ca_file", config.store.tls_ca.as_ref().map_or("off", |authority| authority.path.as_str()));
    page.set("allow_volatile", config.store.allow_volatile);
    page.count("connections", config.store.connections);
    page.table("[scheduler]");
    page.span("poll", config.scheduler.poll);
    page.count("batch", config.scheduler.batch);
    page.table("[delivery]");
    page.span("lease", config.delivery.lease);
    page.span("start_within", config.delivery.start_within);
    match config.delivery.disable_after {
        Some(span) => page.span("disable_after", span),
        None => page.set("disable_after", "off"),
    }
    page.span("keep", config.delivery.keep);
    page.table("[links]");
    page.text("public_url", config.links.public_url.as_deref().unwrap_or("off"));
    page.set("secrets", vec![HIDDEN; config.links.secrets.len()]);
    page.span("recovery_life", config.links.recovery_life);
    page.span("unsubscribe_life", config.links.unsubscribe_life);
    page.table("[telemetry]");
    page.set("log_format", if config.telemetry.log_json { "json" } else { "text" });
    page.text("log_level", &config.telemetry.log_level);
    config.shops.iter().for_each(|one| shop(&mut page, one));
    page.0
}

fn server(page: &mut Page, server: &ServerConfig) {
    page.table("[server]");
    page.text("listen", server.listen);
    page.text("ops_listen", server.ops_listen);
    page.count("workers", server.workers);
    page.span("keep_alive", server.keep_alive);
    page.span("client_timeout", server.client_timeout);
    page.count("connections_max", server.connections_max);
    page.count("body_bytes_max", server.body_bytes_max);
    page.span("shutdown_timeout", server.shutdown_timeout);
    page.set(
        "clock",
        match server.clock {
            ClockKind::System => "system",
            ClockKind::Events => "events",
        },
    );
    page.texts("admin_keys", &server.admin_keys);
}

fn shop(page: &mut Page, shop: &ShopConfig) {
    page.table("[[shop]]");
    page.text("id", &shop.id);
    page.set("keys", shop.keys.iter().map(key).collect::<Vec<_>>());
    page.texts("checkout_hosts", &shop.checkout_hosts);
    program(page, &shop.program);
    for platform in &shop.platforms {
        page.table("[[shop.platform]]");
        page.text("name", platform.name);
        page.set("secrets", vec![HIDDEN; platform.secrets.len()]);
    }
    shop.endpoints.iter().for_each(|one| endpoint(page, one));
}

fn key(key: &KeyConfig) -> Value {
    let mut table = Table::new();
    table.insert("role".to_owned(), key.role.as_str().into());
    table.insert("hash".to_owned(), key.hash.to_string().into());
    if !key.allowed_origins.is_empty() {
        table.insert("allowed_origins".to_owned(), key.allowed_origins.clone().into());
    }
    table.into()
}

fn program(page: &mut Page, program: &Program) {
    page.table("[shop.program]");
    page.or_off("activated_at", program.activated_at.map(|at| at.to_string()));
    page.set("steps", steps(&program.steps));
    page.set("overrides", program.overrides.iter().map(other_steps).collect::<Vec<_>>());
    page.span("stale_after", program.stale_after);
    page.span("held_max", program.held_max);
    page.text("consent", program.consent);
    page.text("time_zone", program.zone.name());
    page.or_off("digest", program.digest.map(|at| at.to_string()));
    page.or_off("quiet_hours", program.quiet.map(|hours| hours.to_string()));
    page.set("caps", program.caps.iter().map(cap).collect::<Vec<_>>());
    page.set("incentive", program.incentives.iter().map(incentives::shown).collect::<Vec<_>>());
    page.span("restock_window", program.restock_window);
    let responses = program.responses.iter().map(|(reason, word)| format!("{reason}={word}"));
    page.texts("responses", &responses.collect::<Vec<_>>());
    page.span("attribution_window", program.attribution_window);
    page.set("comments", if program.keep_comments { "keep" } else { "discard" });
    page.text("agent_cancel", program.agent_cancel);
    service(page, program.service.as_ref());
    payment_pending(page, program.payment_pending.as_ref());
    experiment(page, program.experiment.as_ref());
    shoppers(page, &program.shoppers);
    page.table("[shop.program.idle]");
    let idle = &program.idle;
    for (stage, window) in [
        ("browse", idle.browse),
        ("cart", idle.cart),
        ("contact", idle.contact),
        ("shipping", idle.shipping),
        ("payment", idle.payment),
    ] {
        page.or_off(stage, window.map(span::text));
    }
    page.table("[shop.program.retention]");
    page.span("empty", program.retention.empty);
    page.span("anonymous", program.retention.anonymous);
    page.span("contact", program.retention.contact);
    page.span("converted", program.retention.converted);
    page.span("opt_out", program.retention.opt_out);
    page.span("tombstone", program.retention.tombstone);
    page.span("backups", program.retention.backups);
    page.table("[shop.program.rules]");
    page.texts("off", &program.rules.off.iter().collect::<Vec<_>>());
    page.set("shipping_cost_percent", i64::from(program.rules.shipping_cost_percent));
    page.set("unexpected_total_percent", i64::from(program.rules.unexpected_total_percent));
    page.span("error_window", program.rules.error_window);
    page.span("slow_after", program.rules.slow_after);
    page.set("delivery_days", i64::from(program.rules.delivery_days));
    page.set("product_views", i64::from(program.rules.product_views));
    page.set("field_rejections", i64::from(program.rules.field_rejections));
    page.span("step_time", program.rules.step_time);
    page.span("removed_within", program.rules.removed_within);
    page.table("[shop.program.calibration]");
    page.set("judged_min", i64::from(program.calibration.judged_min));
    page.set("agreement_percent_min", i64::from(program.calibration.agreement_percent_min));
    page.span("window", program.calibration.window);
}

fn service(page: &mut Page, service: Option<&Service>) {
    page.table("[shop.program.service]");
    let silent = Program::default().service.map(|service| Service { reasons: Vec::new(), ..service });
    if let Some(service) = service.or(silent.as_ref()) {
        page.texts("reasons", &service.reasons);
        page.text("name", &service.step.name);
        page.span("delay", service.step.delay);
        page.text("channel", service.step.channel);
        page.set("quiet_hours", service.keeps_quiet);
    }
}

fn payment_pending(page: &mut Page, step: Option<&Step>) {
    page.table("[shop.program.payment_pending]");
    page.set("name", step.map_or("payment_pending", |step| step.name.as_str()));
    page.or_off("delay", step.map(|step| span::text(step.delay)));
    page.set("channel", step.map_or(Channel::Email, |step| step.channel).as_str());
}

fn experiment(page: &mut Page, experiment: Option<&Experiment>) {
    page.table("[shop.program.experiment]");
    let none = Experiment::holdout(0);
    let experiment = experiment.unwrap_or(&none);
    page.text("name", &experiment.name);
    page.set("holdout_percent", i64::from(experiment.holdout_percent));
    page.set("arms", experiment.arms.iter().map(arm).collect::<Vec<_>>());
}

fn shoppers(page: &mut Page, shoppers: &ShopperRules) {
    page.table("[shop.program.shoppers]");
    page.texts("bot_emails", &shoppers.bot_emails);
    page.texts("staff_domains", &shoppers.staff_domains);
    let mark = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    page.texts("staff_attributes", &shoppers.staff_attributes.iter().map(mark).collect::<Vec<_>>());
}

fn steps(steps: &[Step]) -> Vec<Value> {
    steps.iter().map(step).collect()
}

fn step(step: &Step) -> Value {
    let mut table = Table::new();
    table.insert("name".to_owned(), step.name.as_str().into());
    table.insert("delay".to_owned(), span::text(step.delay).into());
    table.insert("channel".to_owned(), step.channel.as_str().into());
    let Conditions { minimum, stages, reasons, customer, tags } = &step.conditions;
    let mut list = |key: &str, texts: Vec<String>| {
        if !texts.is_empty() {
            table.insert(key.to_owned(), texts.into());
        }
    };
    list("minimum", minimum.iter().map(|(currency, least)| format!("{} {currency}", least.get())).collect());
    list("stages", stages.iter().map(ToString::to_string).collect());
    list("reasons", reasons.iter().map(ToString::to_string).collect());
    list("tags", tags.clone());
    if let Some(kind) = customer {
        table.insert("customer".to_owned(), kind.as_str().into());
    }
    table.into()
}

fn other_steps(other: &Override) -> Value {
    let mut table = Table::new();
    table.insert("reasons".to_owned(), other.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().into());
    table.insert("steps".to_owned(), steps(&other.steps).into());
    table.into()
}

fn cap(cap: &Cap) -> Value {
    let mut table = Table::new();
    table.insert("count".to_owned(), i64::from(cap.count).into());
    table.insert("within".to_owned(), span::text(cap.within).into());
    table.into()
}

fn arm(arm: &Arm) -> Value {
    let mut table = Table::new();
    table.insert("name".to_owned(), arm.name.as_str().into());
    table.insert("percent".to_owned(), i64::from(arm.percent).into());
    table.insert("delay".to_owned(), span::text(arm.delay).into());
    table.into()
}

fn endpoint(page: &mut Page, endpoint: &EndpointConfig) {
    let events: Vec<_> = EventKind::ALL.iter().filter(|kind| endpoint.events.contains(**kind)).collect();
    page.table("[[shop.endpoint]]");
    page.text("name", &endpoint.name);
    page.text("url", address(&endpoint.url));
    page.set("secrets", vec![HIDDEN; endpoint.secrets.len()]);
    page.texts("events", &events);
    page.span("timeout", endpoint.timeout);
    page.count("concurrency", endpoint.concurrency);
    match endpoint.rate_limit {
        Some(limit) => page.set("rate_limit", i64::from(limit)),
        None => page.set("rate_limit", "off"),
    }
    page.set("disabled", endpoint.disabled);
    page.set("payload", if endpoint.thin { "thin" } else { "full" });
    page.texts("allow_networks", &endpoint.allow_networks);
}

/// Whom an address names: receivers keep keys in the path as well as in the query.
fn address(url: &Url) -> Url {
    let mut shown = url.clone();
    if url.path() != "/" || url.query().is_some() {
        shown.set_path(HIDDEN);
        shown.set_query(None);
    }
    shown
}

impl fmt::Debug for EndpointConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url, secrets, events, timeout, concurrency, rate_limit, disabled, thin, allow_networks } =
            self;
        f.debug_struct("EndpointConfig")
            .field("name", name)
            .field("url", &address(url).as_str())
            .field("secrets", secrets)
            .field("events", events)
            .field("timeout", timeout)
            .field("concurrency", concurrency)
            .field("rate_limit", rate_limit)
            .field("disabled", disabled)
            .field("thin", thin)
            .field("allow_networks", allow_networks)
            .finish()
    }
}

/// TOML in the order it is written.
struct Page(String);

impl Page {
    fn table(&mut self, header: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        self.line(format_args!("{gap}{header}"));
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.line(format_args!("{key} = {}", value.into()));
    }

    fn text(&mut self, key: &str, value: impl Display) {
        self.set(key, value.to_string());
    }

    fn texts(&mut self, key: &str, values: &[impl Display]) {
        self.set(key, values.iter().map(ToString::to_string).collect::<Vec<_>>());
    }

    fn span(&mut self, key: &str, value: Duration) {
        self.set(key, span::text(value));
    }

    fn or_off(&mut self, key: &str, value: Option<String>) {
        self.set(key, value.unwrap_or_else(|| "off".to_owned()));
    }

    fn count(&mut self, key: &str, value: usize) {
        self.set(key, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn line(&mut self, line: fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("writing to a String cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::load;
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn load_text(text: &str) -> Config {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("a temporary file can be written");
        load(Some(file.path()), std::iter::empty()).expect("valid")
    }

    fn full() -> Config {
        let hash = format!("sha256:{}", "4".repeat(64));
        load_text(&format!(
            "store.url = \"redis://app:s3cret@cache/1\"\nserver.clock = \"events\"\ntelemetry.log_format = \"json\"\n\
             [[shop]]\nid = \"a\"\nprogram.activated_at = \"2026-11-22T06:00:00Z\"\n\
             keys = [{{ role = \"browser\", hash = \"{hash}\", allowed_origins = [\"https://a.example\"] }}]\n\
             [[shop.endpoint]]\nname = \"m\"\nurl = \"https://m.example:8443/hook/s3cret?key=s3cret\"\nrate_limit = 5\n\
             secrets = [\"{SECRET}\"]\nevents = [\"cart.reminder\", \"cart.recovered\"]\npayload = \"thin\"\n\
             allow_networks = [\"10.0.0.0/8\"]\n[[shop]]\nid = \"b\"\n"
        ))
    }

    #[test]
    fn no_secret_is_ever_shown() {
        let config = full();
        for shown in [effective(&config), format!("{config:?}")] {
            assert!(!shown.contains(&SECRET[6..]) && !shown.contains("s3cret"), "{shown}");
            assert!(shown.contains("redis://app:hidden@cache/1"), "{shown}");
            assert!(shown.contains("\"https://m.example:8443/hidden\""), "{shown}");
        }
    }

    #[test]
    fn an_address_shows_its_host_and_nothing_behind_it() {
        for (url, shown) in [
            ("https://m.example", "https://m.example/"),
            ("https://m.example/", "https://m.example/"),
            ("https://m.example/?s3cret", "https://m.example/hidden"),
            ("https://m.example/s3cret", "https://m.example/hidden"),
            ("http://[::1]:8080/services/T0/B0/s3cret/", "http://[::1]:8080/hidden"),
        ] {
            assert_eq!(address(&Url::parse(url).expect("a URL")).as_str(), shown);
        }
    }

    #[test]
    fn what_is_shown_is_what_is_in_effect() {
        let config = full();
        let again = effective(&config)
            .replace("secrets = [\"hidden\"]", &format!("secrets = [\"{SECRET}\"]"))
            .replace("/hidden\"", "/hook/s3cret?key=s3cret\"")
            .replace(":hidden@", ":s3cret@");
        let again = load_text(&again);
        assert_eq!(format!("{again:?}"), format!("{config:?}"));
        assert_eq!(again.shops[0].endpoints[0].url, config.shops[0].endpoints[0].url);
    }

    #[test]
    fn the_defaults_are_shown_as_they_are() {
        let defaults = load(None, std::iter::empty()).expect("valid");
        let again = load_text(&effective(&defaults));
        assert_eq!(format!("{again:?}"), format!("{defaults:?}"));
    }
}

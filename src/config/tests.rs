//! Loading as a whole: the defaults, what a file changes, and every mistake told at once.
//!
//! What the environment changes is tested in `config/environment.rs`, that the manual is complete in
//! `config/layers.rs`.

use std::io::Write;
use std::path::Path;

use super::*;
use crate::domain::Program;

fn load_text(text: &str) -> Result<Config, Problems> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("a temporary file can be written");
    load(Some(file.path()), std::iter::empty())
}

fn paths(result: Result<Config, Problems>) -> Vec<String> {
    result.expect_err("mistakes").iter().map(|problem| problem.path.clone()).collect()
}

#[test]
fn without_any_configuration_there_is_one_shop_with_the_programs_defaults() {
    let config = load(None, std::iter::empty()).expect("the defaults are valid");
    assert_eq!(config.shops.len(), 1);
    let shop = &config.shops[0];
    assert_eq!(shop.id.as_str(), "default");
    assert!(shop.keys.is_empty() && shop.endpoints.is_empty() && shop.checkout_hosts.is_empty());
    assert_eq!(shop.program, Program::default());
    assert_eq!(config.store.url, StoreUrl::Embedded("./cartwake-data".into()));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.delivery.lease, Duration::from_secs(15));
}

#[test]
fn a_shop_and_an_endpoint_say_only_what_differs() {
    let config = load_text(
        r#"
        [[shop]]
        id = "a"
        program.idle.cart = "off"
        program.activated_at = 2026-11-22T06:00:00Z
        [[shop.endpoint]]
        name = "mailer"
        url = "https://mailer.example/"
        secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        [[shop.endpoint]]
        name = "off"
        url = "http://127.0.0.1:9/"
        allow_networks = ["127.0.0.0/8"]
        secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
        disabled = true
        payload = "thin"
        "#,
    )
    .expect("valid");
    let shop = &config.shops[0];
    assert_eq!((config.shops.len(), shop.program.idle.cart), (1, None));
    assert_eq!(shop.program.idle.payment, Program::default().idle.payment);
    assert_eq!(shop.program.activated_at.expect("set").to_string(), "2026-11-22T06:00:00Z");
    assert_eq!(shop.endpoints[0].timeout, Duration::from_secs(10));
    assert_eq!((shop.endpoints[0].thin, shop.endpoints[1].thin), (false, true));
    assert_eq!(shop.program.subscriptions.len(), 1, "nothing is queued for a disabled endpoint");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of mistakes and the list of their places")]
fn every_mistake_of_a_file_is_told_at_once_and_no_secret_with_it() {
    let text = r#"
        [server]
        listen = "127.0.0.1:8081"
        wrokers = 4
        workers = 0
        keep_alive = 75
        [store]
        url = "redis-cluster://:s3cret@a,,b"
        shards = 12
        [delivery]
        lease = "12s"
        [telemetry]
        log_level = "loud"
        [surprise]
        [[shop]]
        id = "A Shop"
        [[shop]]
        id = "b"
        keys = [
            { role = "browser", hash = "sha256:2222222222222222222222222222222222222222222222222222222222222222" },
            { role = "s3cret", hash = "s3cret" },
        ]
        checkout_hosts = ["https://shop.example"]
        [shop.program]
        stale_after = "0s"
        steps = [{ name = "x", delay = "4h", channel = "email" }, { name = "x", delay = "4h", channel = "fax" }]
        retention.contact = "1d"
        rules.shipping_cost_percent = 0
        [[shop.endpoint]]
        name = "one"
        url = "http://mailer.example/"
        secrets = "s3cret"
        [[shop.endpoint]]
        name = "one"
        url = "https://joe:s3cret@mailer.example/"
        timeout = "31s"
        events = ["cart.sold"]
        payload = "slim"
        allow_networks = ["here"]
        [[shop]]
        id = "b"
        endpoint = 5
    "#;
    let problems = load_text(text).expect_err("mistakes");
    assert!(!problems.to_string().contains("s3cret") && !format!("{problems:?}").contains("s3cret"), "{problems}");
    let expected = [
        "server.workers",
        "server.keep_alive",
        "server.ops_listen",
        "server.wrokers",
        "store.url",
        "store.shards",
        "telemetry.log_level",
        "shop[0].id",
        "shop[1].keys[0].allowed_origins",
        "shop[1].keys[1].role",
        "shop[1].keys[1].hash",
        "shop[1].checkout_hosts[0]",
        "shop[1].program.steps[1].channel",
        "shop[1].program.steps[1].name",
        "shop[1].program.steps[1].delay",
        "shop[1].program.stale_after",
        "shop[1].program.retention.contact",
        "shop[1].program.rules.shipping_cost_percent",
        "shop[1].endpoint[0].secrets",
        "shop[1].endpoint[0].url",
        "shop[1].endpoint[1].name",
        "shop[1].endpoint[1].url",
        "shop[1].endpoint[1].secrets",
        "shop[1].endpoint[1].events[0]",
        "shop[1].endpoint[1].timeout",
        "shop[1].endpoint[1].payload",
        "shop[1].endpoint[1].allow_networks[0]",
        "shop[2].id",
        "shop[2].endpoint",
        "delivery.lease",
        "surprise",
    ];
    assert_eq!(paths(Err(problems)), expected);
}

#[test]
fn a_file_that_is_no_toml_is_told_by_its_line_and_not_repeated() {
    let problems = load_text("[store]\n\nurl = \"redis://:s3cret@host").expect_err("no TOML");
    let told = problems.to_string();
    assert!(told.contains(", line 3: is not TOML") && !told.contains("s3cret"), "{told}");
    let missing = paths(load(Some(Path::new("/nowhere/cartwake.toml")), std::iter::empty()));
    assert_eq!(missing, ["/nowhere/cartwake.toml"]);
}

#[test]
fn a_wrong_kind_of_table_is_one_problem() {
    assert_eq!(paths(load_text("server = 5")), ["server"]);
    assert_eq!(paths(load_text("shop = 5")), ["shop"]);
    assert_eq!(paths(load_text("shop = []")), ["shop"]);
    assert_eq!(paths(load_text("shop = [5]")), ["shop[0]"]);
}

#[test]
fn a_key_and_an_origin_are_exact() {
    let with = |origin: &str| {
        let hash = format!("sha256:{}", "2".repeat(64));
        let key = format!("keys = [{{ role = \"browser\", hash = \"{hash}\", allowed_origins = [\"{origin}\"] }}]");
        load_text(&format!("[server]\nadmin_keys = []\n[[shop]]\nid = \"a\"\n{key}"))
    };
    assert!(with("https://shop.example").is_ok() && with("http://localhost:3000").is_ok());
    for bad in ["*", "https://shop.example/", "https://shop.example:443", "shop.example", "https://*.example", "null"] {
        assert_eq!(paths(with(bad)), ["shop[0].keys[0].allowed_origins[0]"], "{bad}");
    }
}

#[test]
fn an_address_that_no_send_may_dial_is_refused_at_the_start() {
    let with = |url: &str, networks: &str| {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        load_text(&format!(
            "[[shop]]\nid = \"a\"\n[[shop.endpoint]]\nname = \"m\"\nurl = \"{url}\"\nsecrets = [\"{secret}\"]\n\
             allow_networks = [{networks}]"
        ))
    };
    assert!(with("https://mailer.example/", "").is_ok());
    assert!(with("http://localhost:9/", "\"127.0.0.0/8\"").is_ok());
    for bad in ["http://mailer.example/", "http://localhost:9/", "https://10.1.2.3/", "https://[::1]/"] {
        assert_eq!(paths(with(bad, "")), ["shop[0].endpoint[0].url"], "{bad}");
    }
    for bad in ["mailer", "//m.example", "ftp://m.example", "https://u:p@m.example", "https://m.example/#a"] {
        assert_eq!(paths(with(bad, "\"127.0.0.0/8\"")), ["shop[0].endpoint[0].url"], "{bad}");
    }
}

#[test]
fn a_payment_is_reminded_of_where_the_shop_says_when() {
    let with = |program: &str| load_text(&format!("[[shop]]\nid = \"a\"\n[shop.program]\n{program}"));
    let step = |program| with(program).expect("valid").shops[0].program.payment_pending.clone();
    assert_eq!((step(""), step("payment_pending.channel = \"sms\"")), (None, None));
    let two_days = step("payment_pending.delay = \"48h\"").expect("switched on");
    assert_eq!((two_days.name.as_str(), two_days.delay), ("payment_pending", Duration::from_hours(48)));
    for (bad, place) in [
        ("payment_pending.delay = \"0s\"", "payment_pending.delay"),
        ("payment_pending = { delay = \"48h\", name = \"first\" }", "payment_pending.name"),
        ("payment_pending = { delay = \"48h\", name = \"service\" }", "payment_pending.name"),
        ("payment_pending.delay = \"20d\"\nretention.converted = \"20d\"", "retention.converted"),
    ] {
        assert_eq!(paths(with(bad)), [format!("shop[0].program.{place}")], "{bad}");
    }
    let offered = "payment_pending.delay = \"48h\"\n[[shop.program.incentive]]\nname = \"ten\"\nkind = \"free_shipping\"\n\
                   template = \"{code}\"\nsteps = [\"payment_pending\"]";
    assert_eq!(paths(with(offered)), ["shop[0].program.incentive[0].steps[0]"], "who is to pay has bought");
}

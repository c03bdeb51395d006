//! What Prometheus is given: metrics that promtool finds fault with nowhere, as many series as the configuration allows
//! and no more, and rules whose every alert is seen firing and not firing.
//!
//! The rules are tested by `promtool` itself (Debian's package `prometheus`, installed by scripts/test). How the alerts
//! do over six recorded months is a proof of its own: scripts/proof/incidents.py.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cartwake::domain::{
    Attribution, OrderKind, OutcomeName, ReasonCode, ReasonSource, ReminderResult, Stage, StateName, Why,
};
use reqwest::Method;
use serde_json::json;

use crate::shop::{Backend, HOUR, Shop, cart_of, order_of};

/// In every text that a stranger sends: in no label may it be found.
const MARK: &str = "zzhostile";

fn deploy(file: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs these tests")).join("deploy").join(file)
}

/// Runs promtool; gives what it said, and panics with it when it found fault.
fn promtool(args: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: scripts/test installs it");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "promtool {args:?}:\n{said}");
    said
}

fn files(folder: &str) -> Vec<String> {
    let found = std::fs::read_dir(deploy(folder)).expect("the folder is there");
    let mut found: Vec<String> =
        found.map(|entry| entry.expect("it can be listed").path().display().to_string()).collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} is empty");
    found
}

#[test]
fn the_rules_hold_and_each_alert_fires_when_it_should_and_only_then() {
    let rules = files("prometheus/rules");
    for file in &rules {
        promtool(&["check", "rules", "--lint=all", "--lint-fatal", file], "");
    }
    promtool(&["check", "config", &deploy("prometheus/prometheus.yml").display().to_string()], "");
    let tests = files("prometheus/tests");
    let mut args = vec!["test", "rules"];
    args.extend(tests.iter().map(String::as_str));
    promtool(&args, "");
}

#[test]
fn each_alert_is_tested_both_ways_and_has_its_page_in_the_runbook() {
    let read_all = |folder: &str| -> Vec<String> {
        files(folder).iter().map(|file| std::fs::read_to_string(file).expect("it can be read")).collect()
    };
    let (rules, tests) = (read_all("prometheus/rules").concat(), read_all("prometheus/tests").concat());
    let runbook = std::fs::read_to_string(deploy("../docs/runbook.md")).expect("there is a runbook");
    let names: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::trim).collect();
    assert!(names.len() > 10, "this test no longer sees the alerts: {names:?}");
    for name in names {
        assert!(tests.contains(&format!("- alertname: {name}\n")), "{name} is not seen firing");
        assert!(tests.contains(&format!("alertname: {name}, eval_time:")), "{name} is not seen silent");
        assert!(runbook.contains(&format!("\n## {name}\n")), "docs/runbook.md does not say what to do about {name}");
        let link = format!("runbook: docs/runbook.md#{}", name.to_lowercase());
        assert!(rules.contains(&link), "{name} does not lead to its page");
    }
}

/// The series without their values; the process's own are the client's affair.
fn series(metrics: &str) -> BTreeSet<String> {
    let ours = metrics.lines().filter(|line| line.starts_with("cartwake_"));
    ours.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

/// The values of a label.
fn values(series: &BTreeSet<String>, label: &str) -> BTreeSet<String> {
    let (first, later) = (format!("{{{label}=\""), format!(",{label}=\""));
    let value = |one: &String| {
        let (_, rest) = one.split_once(&first).or_else(|| one.split_once(&later))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    series.iter().filter_map(value).collect()
}

/// Everything a stranger can make up, different in each round: ids, paths, methods, kinds, codes, shops, keys.
async fn a_round_of_hostility(shop: &Shop, round: u32) {
    let word = |n: u32| format!("{MARK}-{round}-{n}");
    for n in 0..8 {
        let id = word(n);
        let mut cart = cart_of(&format!("{id}@example.com"));
        cart["items"][0]["product_id"] = json!(id);
        cart["attributes"] = json!({ &id: id });
        cart["currency"] = json!(["EUR", "USD", "ZZZ", "X"][n as usize % 4]);
        cart["stage"] = json!(["cart", "payment", "shipping", id.as_str()][n as usize % 4]);
        shop.puts(&id, cart.clone()).await;
        cart["currency"] = json!(id);
        shop.puts(&id, cart).await;
        for body in [
            json!({"kind": id}),
            json!({"kind": "error_shown", "where": id}),
            json!({"kind": "payment_failed", "class": "processing", "code": id, "method": id}),
            json!({"kind": "payment_failed", "class": id}),
            json!({"kind": "page_viewed", "page": id}),
        ] {
            shop.signals(&id, body).await;
        }
        for code in [id.as_str(), "other"] {
            let said = json!({"code": code, "source": "reported", "comment": id});
            shop.send(Method::POST, &format!("/v1/carts/{id}/reasons"), |r| r.json(&said)).await;
        }
        if n == 1 {
            let mut order = order_of(&id, &format!("{id}@example.com"), &[], shop.now());
            order["cart_id"] = json!(id);
            shop.orders(order).await;
        }
        shop.send(Method::GET, &format!("/{id}/{id}?{id}={id}"), |r| r.header("x-shop", &id)).await;
        shop.send(Method::GET, &format!("/v1/carts?shop={id}&limit=1"), |r| r.bearer_auth(&id)).await;
        let odd = Method::from_bytes(format!("ZZ{round}N{n}").as_bytes()).expect("letters are a method");
        shop.send(odd, &format!("/v1/carts/{id}"), |r| r.header("idempotency-key", &id)).await;
        shop.ops(Method::POST, &format!("/v1/endpoints/{id}/{id}/pause")).await;
        shop.ops(Method::GET, &format!("/v1/deliveries?endpoint={id}")).await;
    }
    shop.advance(90 * HOUR).await;
    shop.ops(Method::GET, "/healthz").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_send_makes_no_series() {
    let shop = Shop::open(Backend::Embedded).await;
    let fresh = series(&shop.metrics().await);
    a_round_of_hostility(&shop, 0).await;
    shop.metrics().await;
    let before = series(&shop.metrics().await);
    for round in 1..4 {
        a_round_of_hostility(&shop, round).await;
    }
    let metrics = shop.metrics().await;
    let after = series(&metrics);
    let grown: Vec<_> = after.difference(&before).collect();
    assert!(grown.is_empty(), "three more rounds made new series: {grown:#?}");
    assert!(!metrics.contains(MARK), "what a stranger sent is in the metrics");
    assert!(fresh.len() < 600 && after.len() < 1_200, "{} series at the start, {} now", fresh.len(), after.len());
    promtool(&["check", "metrics"], &metrics);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_are_words_of_closed_lists() {
    let shop = Shop::open(Backend::Embedded).await;
    a_round_of_hostility(&shop, 0).await;
    let series = series(&shop.metrics().await);
    let closed = |label: &str, list: Vec<&str>| {
        let seen = values(&series, label);
        assert!(!seen.is_empty(), "no {label} is seen");
        let odd: Vec<_> = seen.iter().filter(|value| !list.contains(&value.as_str())).collect();
        assert!(odd.is_empty(), "{label}: {odd:?}");
    };
    closed("stage", Stage::ALL.iter().map(|one| one.as_str()).collect());
    closed("state", StateName::ALL.iter().map(|one| one.as_str()).collect());
    closed("reason", ReasonCode::ALL.iter().map(|one| one.as_str()).collect());
    closed("source", ReasonSource::ALL.iter().map(|one| one.as_str()).collect());
    closed("why", Why::ALL.iter().map(|one| one.as_str()).collect());
    closed("attribution", Attribution::ALL.iter().map(|one| one.as_str()).collect());
    closed("outcome", OutcomeName::ALL.iter().map(|one| one.as_str()).collect());
    closed("shop", vec!["test"]);
    closed("endpoint", vec!["mail"]);
    closed("currency", vec!["EUR", "USD"]);
    closed("step", vec!["service", "first", "second", "third"]);
    let results = ReminderResult::ALL.iter().map(|one| one.as_str());
    let inputs = ["applied", "stale", "closed", "refused", "failed", "ignored"];
    closed("result", results.chain(inputs).chain(["done", "partial"]).collect());
    let kinds = OrderKind::ALL.iter().map(|one| one.as_str());
    let inputs = ["snapshot", "patch", "signal", "reason", "order", "dismiss", "delete"];
    let errors = ["unavailable", "full", "corrupt", "unusable", "newer"];
    closed("kind", kinds.chain(inputs).chain(errors).chain(["erasure", "export"]).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_alerts_wait_for_is_there_before_it_happens() {
    let shop = Shop::open(Backend::Embedded).await;
    let metrics = shop.metrics().await;
    for zero in [
        r#"cartwake_checkout_errors_total{reason="payment_error",shop="test",stage="payment"}"#,
        r#"cartwake_checkout_errors_total{reason="technical_error",shop="test",stage="cart"}"#,
        r#"cartwake_abandonments_total{shop="test",stage="shipping"}"#,
        r#"cartwake_conversions_total{attribution="returned",shop="test"}"#,
        r#"cartwake_carts_set_apart_total{shop="test",why="bot"}"#,
        r#"cartwake_link_clicks_total{shop="test"}"#,
        r#"cartwake_privacy_requests_total{kind="erasure",result="failed",shop="test"}"#,
        r#"cartwake_surveys_total{event="answered",shop="test"}"#,
        r#"cartwake_unmapped_total{shop="test",what="payment_code"}"#,
        r#"cartwake_deliveries_total{endpoint="mail",result="dead",shop="test"}"#,
        r#"cartwake_dead_deliveries{endpoint="mail",shop="test"}"#,
        r#"cartwake_store_errors_total{kind="corrupt",op="load"}"#,
        r#"cartwake_carts{shop="test",state="abandoned"}"#,
        "cartwake_delivery_lag_seconds_count",
        "cartwake_oldest_due_age_seconds",
    ] {
        assert!(metrics.contains(&format!("\n{zero} 0\n")), "{zero} is not zero at the start:\n{metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_counts_once_for_each_idle_episode() {
    let shop = Shop::open(Backend::Embedded).await;
    shop.puts("c-1", cart_of("joe@example.com")).await;
    let failed = json!({"kind": "payment_failed", "class": "processing"});
    for body in [failed.clone(), failed.clone(), json!({"kind": "payment_failed", "class": "funds"})] {
        shop.signals("c-1", body).await;
    }
    assert_eq!(shop.tally("checkout_errors/shipping/payment_error").await, 1);
    shop.signals("c-1", json!({"kind": "error_shown"})).await;
    assert_eq!(shop.tally("checkout_errors/shipping/technical_error").await, 1);
    shop.advance(HOUR).await;
    shop.signals("c-1", failed).await;
    assert_eq!(shop.tally("checkout_errors/shipping/payment_error").await, 2, "the shopper came back and met it again");
    let counted = r#"cartwake_checkout_errors_total{reason="payment_error",shop="test",stage="shipping"} 2"#;
    assert!(shop.metrics().await.contains(counted));
}

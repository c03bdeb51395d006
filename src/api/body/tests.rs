//! Bodies and what is wrong with them: each row is a body, and every place that has a fault.

use super::*;
use crate::api::cart_check::{Patch, Snapshot};
use crate::domain::Field;

fn problem_of(body: &[u8]) -> Problem {
    parse::<Snapshot>(body, &[]).err().expect("a bad body")
}

fn check(body: &str, places: &[&str]) {
    let problem = problem_of(body.as_bytes());
    assert_eq!(problem.kind(), Kind::InvalidBody, "{body}");
    let found: Vec<_> = problem.errors().iter().map(|fault| fault.pointer.as_str()).collect();
    assert_eq!(found, places, "{body}: {:?}", problem.errors());
}

#[test]
fn every_bad_field_is_named_at_once() {
    check("{}", &["/currency"]);
    check(r#"{"currency":"EUR","itmes":[]}"#, &["/itmes"]);
    check(r#"{"currency":"XXY","stage":"later","test":"yes"}"#, &["/test", "/currency", "/stage"]);
    check(r#"{"currency":5}"#, &["/currency"]);
    check(
        r#"{"currency":"EUR","items":[{"product_id":"a","quantity":0},{"quantity":1},7,null,{"product_id":"b","quantity":"1","x":1}]}"#,
        &["/items/2", "/items/4/quantity", "/items/4/x", "/items/0/quantity", "/items/1/product_id", "/items/3"],
    );
    check(
        r#"{"currency":"EUR","totals":{"total_minor":-1,"tax_minor":1.5},"shopper":[]}"#,
        &["/shopper", "/totals/tax_minor", "/totals/total_minor"],
    );
    check(r#"{"currency":"EUR","revision":1180591620717411303424}"#, &["/revision"]);
    check(
        r#"{"currency":"EUR","revision":-1,"event_id":"a b","occurred_at":"soon"}"#,
        &["/occurred_at", "/revision", "/event_id"],
    );
}

#[test]
fn a_field_given_twice_is_named() {
    check(r#"{"currency":"EUR","currency":"USD"}"#, &["/currency"]);
    check(r#"{"currency":"EUR","attributes":{"a":"1","a":"2"}}"#, &["/attributes/a"]);
    check(r#"{"currency":"EUR","shopper":{"email":"a@b","email":"c@d"}}"#, &["/shopper/email"]);
}

#[test]
fn bounds_are_answered_never_cut_to() {
    let items = vec![r#"{"product_id":"p","quantity":1}"#; 201].join(",");
    check(&format!(r#"{{"currency":"EUR","items":[{items}]}}"#), &["/items"]);
    let long = "x".repeat(513);
    check(
        &format!(r#"{{"currency":"EUR","items":[{{"product_id":"p","quantity":100001,"title":"{long}"}}]}}"#),
        &["/items/0/quantity", "/items/0/title"],
    );
    let attributes: Vec<_> = (0..33).map(|n| format!(r#""k{n}":"v""#)).collect();
    check(&format!(r#"{{"currency":"EUR","attributes":{{{}}}}}"#, attributes.join(",")), &["/attributes"]);
    let coupons = vec![r#""A""#; 17].join(",");
    check(&format!(r#"{{"currency":"EUR","coupons":[{coupons}]}}"#), &["/coupons"]);
}

#[test]
fn what_is_no_json_is_400_with_its_place() {
    let deep = "[".repeat(100_000);
    let long_number = format!(r#"{{"currency":"EUR","revision":1e{}}}"#, "9".repeat(20));
    for body in [
        "",
        " ",
        "{",
        r#"{"currency":"EUR"} x"#,
        r#"{"currency":NaN}"#,
        r#"{"currency":"EUR","revision":1e400}"#,
        r#"{"currency":"EUR","x":"\ud800"}"#,
        "{\"currency\":\"E\u{1}R\"}",
        &deep,
        &format!(r#"{{"currency":"EUR","x":{deep}}}"#),
        &long_number,
    ] {
        assert_eq!(problem_of(body.as_bytes()).kind(), Kind::InvalidJson, "{body:.40}");
    }
    assert_eq!(problem_of(b"{\"currency\":\"\xff\"}").kind(), Kind::InvalidJson);
    for body in ["[]", r#"["EUR"]"#, "null", "1", "\"x\"", "true"] {
        assert_eq!(problem_of(body.as_bytes()).kind(), Kind::InvalidBody, "{body}");
    }
}

#[test]
fn no_message_repeats_what_was_sent() {
    let body = r#"{"currency":"SECRET","stage":"SECRET","items":"SECRET","test":"SECRET","revision":"SECRET",
        "shopper":{"email":"SECRET","phone":"SECRET","locale":"SECRET SECRET","country":"SECRET"},"checkout_url":"SECRET"}"#;
    let problem = problem_of(body.as_bytes());
    assert!(problem.errors().len() >= 9, "{:?}", problem.errors());
    assert!(!format!("{problem:?}").contains("SECRET"), "{problem:?}");
}

#[test]
fn a_list_of_faults_ends() {
    let fields: Vec<_> = (0..1000).map(|n| format!(r#""f{n}":1"#)).collect();
    let problem = problem_of(format!("{{{}}}", fields.join(",")).as_bytes());
    assert_eq!(problem.errors().len(), FAULTS_MAX);
}

#[test]
fn a_patch_tells_absent_from_null() {
    let patch =
        parse::<Patch>(br#"{"checkout_url":null,"shopper":{"email":"a@b","phone":null}}"#, &[]).expect("valid").patch;
    assert_eq!(patch.checkout_url, Field::Clear);
    assert_eq!(patch.items, Field::Keep);
    let Field::Set(shopper) = patch.shopper else { panic!("said") };
    assert!(matches!((shopper.email, shopper.phone, shopper.locale), (Field::Set(_), Field::Clear, Field::Keep)));
    for body in [r#"{"currency":null}"#, r#"{"stage":null}"#] {
        assert!(parse::<Patch>(body.as_bytes(), &[]).is_err(), "{body}");
    }
}

#[test]
fn a_checkout_url_points_to_the_shop() {
    let hosts = ["shop.example".to_owned()];
    let body = |host| format!(r#"{{"currency":"EUR","checkout_url":"https://{host}/c"}}"#);
    assert!(parse::<Snapshot>(body("SHOP.example").as_bytes(), &hosts).is_ok());
    assert!(parse::<Snapshot>(body("shop.example.evil.example").as_bytes(), &hosts).is_err());
    assert!(parse::<Snapshot>(body("anything.example").as_bytes(), &[]).is_ok());
}

#[test]
fn only_json_in_utf_8_is_read() {
    let verdict = |headers: &[(&'static str, &'static str)], types| {
        let mut req = actix_web::test::TestRequest::default();
        for header in headers {
            req = req.insert_header(*header);
        }
        check_type(req.to_http_request().headers(), types).is_ok()
    };
    for (header, passes) in [
        ("application/json", true),
        ("Application/JSON; charset=UTF-8", true),
        ("application/json; charset=latin1", false),
        ("text/plain", false),
        ("application/merge-patch+json", false),
        ("application/jsonp", false),
    ] {
        assert_eq!(verdict(&[("content-type", header)], JSON), passes, "{header}");
    }
    assert!(verdict(&[("content-type", "application/merge-patch+json")], MERGE_PATCH));
    assert!(!verdict(&[], JSON));
    assert!(!verdict(&[("content-type", "application/json"), ("content-encoding", "gzip")], JSON));
}

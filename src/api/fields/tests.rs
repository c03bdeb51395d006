//! Which values pass the rules of single fields.

use super::*;

fn said(value: &str) -> Text<'_> {
    Text(value.into())
}

#[test]
fn a_url_has_one_host_that_all_readers_agree_on() {
    for (text, host) in [
        ("https://shop.example/checkout/1?a=b#c", Some("shop.example")),
        ("HTTP://Shop.Example:8080", Some("Shop.Example")),
        ("http://[::1]:80/", Some("[::1]")),
        ("https://shop.example/größe", Some("shop.example")),
        ("https://evil.example\\@shop.example/", None),
        ("https://shop.example@evil.example/", None),
        ("https://shop.example:99999/", None),
        ("https:///path", None),
        ("https://ev\til.example/", None),
        ("javascript:alert(1)", None),
        ("//shop.example/", None),
        ("ftp://shop.example/", None),
    ] {
        assert_eq!(url_host(text), host, "{text}");
    }
}

#[test]
fn contact_details_are_checked_as_far_as_can_be_told() {
    for (text, passes) in [
        ("a@b", true),
        ("ä@bücher.example", true),
        ("\"a@b\"@c.example", true),
        ("a", false),
        ("@b", false),
        ("a@", false),
        ("a b@c", false),
        ("a@b\u{0}", false),
    ] {
        assert_eq!(email(said(text)).is_ok(), passes, "{text:?}");
    }
    assert!(email(said(&format!("{}@b", "a".repeat(253)))).is_err());
    for (text, passes) in
        [("+49 (151) 123-45", true), ("n/a", false), ("+", false), ("1234567890123456789012345678901234", false)]
    {
        assert_eq!(phone(said(text)).is_ok(), passes, "{text:?}");
    }
}

#[test]
fn places_and_languages_are_named_by_their_standards() {
    for (text, passes) in [("de-DE", true), ("zh_Hant_TW", true), ("d", false), ("de-", false), ("de DE", false)] {
        assert_eq!(locale(said(text)).is_ok(), passes, "{text:?}");
    }
    for (text, passes) in
        [("Europe/Berlin", true), ("UTC", true), ("Etc/GMT+5", true), ("Europe/", false), ("../etc", false)]
    {
        assert_eq!(time_zone(said(text)).is_ok(), passes, "{text:?}");
    }
    for (text, passes) in [("DE", true), ("de", false), ("DEU", false), ("", false)] {
        assert_eq!(country(said(text)).is_ok(), passes, "{text:?}");
    }
}

#[test]
fn text_is_counted_in_characters_and_has_no_odd_controls() {
    assert!(text::<3>(said("äöü")).is_ok());
    assert!(text::<3>(said("äöüß")).is_err());
    assert!(text::<9>(said("a\nb\tc")).is_ok());
    assert!(text::<9>(said("a\u{0}b")).is_err());
    assert!(personal::<9>(said("  ")).is_err());
}

#[test]
fn a_moment_can_be_written_down_again() {
    for (text, passes) in [
        ("2026-11-22T06:00:00Z", true),
        ("0001-01-01T00:00:00+23:59", true),
        ("-000001-01-01T00:00:00Z", false),
        ("2026-11-22", false),
        ("now", false),
    ] {
        assert_eq!(moment(said(text)).is_ok(), passes, "{text:?}");
    }
}

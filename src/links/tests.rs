//! A token is read by whom it was made for, for what it was made for, while it was made for; and by nobody else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;
use crate::domain::{CartId, Channel, CodeLink, DeliveryId, IncentiveCode, ShopId};

fn at(seconds: i64) -> Moment {
    Moment::from_millis(seconds * 1_000)
}

fn links(secrets: &[u8]) -> Links {
    let secrets = secrets.iter().map(|byte| LinkSecret::generate([*byte; 32])).collect();
    Links::new(LinkSettings { secrets, ..LinkSettings::default() }, &[7; 32])
}

fn target() -> impl Strategy<Value = Target> {
    let hash = proptest::option::of(any::<[u8; 16]>().prop_map(IdentifierHash));
    let channel = proptest::sample::select(Channel::ALL);
    prop_oneof![
        (any::<u32>(), any::<u32>()).prop_map(|(abandonment, step)| Target::Recover(ReminderRef { abandonment, step })),
        (channel, hash).prop_map(|(channel, address)| Target::Unsubscribe { channel, address }),
        any::<[u8; 16]>().prop_map(|bytes| Target::Check(DeliveryId::from_bytes(bytes))),
    ]
}

fn ticket() -> impl Strategy<Value = Ticket> {
    let ids = ("[a-z0-9_-]{1,32}", "[A-Za-z0-9_.~:=-]{1,128}");
    (ids, any::<u32>(), any::<u32>(), target()).prop_map(|((shop, cart), created, expires, target)| {
        let shop = ShopId::parse(&shop).expect("a slug");
        Ticket::of_parts(shop, CartId::parse(&cart).expect("an id"), created, expires, target)
    })
}

const PURPOSES: [Purpose; 3] = [Purpose::Recover, Purpose::Unsubscribe, Purpose::Check];

fn purpose_of(ticket: &Ticket) -> Purpose {
    match ticket.target {
        Target::Recover(_) => Purpose::Recover,
        Target::Unsubscribe { .. } => Purpose::Unsubscribe,
        Target::Check(_) => Purpose::Check,
    }
}

fn written(links: &Links, ticket: &Ticket) -> String {
    token::write(ticket, &links.keys[0])
}

proptest! {
    #[test]
    fn what_is_written_is_read_for_its_purpose_alone_until_it_ends(ticket in ticket()) {
        let links = links(&[1]);
        let text = written(&links, &ticket);
        prop_assert!(text.len() <= TOKEN_CHARS_MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        let end = ticket.expires_at();
        for purpose in PURPOSES {
            let read = links.read(&text, purpose, end);
            let expected = if purpose == purpose_of(&ticket) { Ok(ticket.clone()) } else { Err(TokenError::Unknown) };
            prop_assert_eq!(read, expected);
        }
        let late = links.read(&text, purpose_of(&ticket), end.plus(Duration::from_secs(1)));
        prop_assert_eq!(late, Err(TokenError::Expired(Box::new(ticket))));
    }

    #[test]
    fn no_bit_of_a_token_can_be_changed(ticket in ticket(), place in any::<proptest::sample::Index>(), bit in 0..8_u8) {
        let links = links(&[1]);
        let mut bytes = URL_SAFE_NO_PAD.decode(written(&links, &ticket)).expect("ours");
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let text = URL_SAFE_NO_PAD.encode(&bytes);
        for purpose in PURPOSES {
            prop_assert_eq!(links.read(&text, purpose, at(0)), Err(TokenError::Unknown));
        }
    }

    #[test]
    fn a_token_has_one_spelling(ticket in ticket(), more in "[A-Za-z0-9=_-]{1,4}") {
        let links = links(&[1]);
        let text = written(&links, &ticket);
        for other in [format!("{text}{more}"), text[..text.len() - 1].to_owned(), format!(" {text}"), text.to_uppercase()] {
            let read = links.read(&other, purpose_of(&ticket), at(0));
            prop_assert!(other == text || read == Err(TokenError::Unknown), "{} for {}", other, text);
        }
    }

    #[test]
    fn noise_is_no_token(text in "\\PC{0,400}", likely in "[A-Za-z0-9_-]{0,400}", bytes in any::<Vec<u8>>()) {
        for text in [text, likely, URL_SAFE_NO_PAD.encode(bytes)] {
            noise::token(&text, at(0));
        }
    }

    #[test]
    fn keys_are_exchanged_without_breaking_links(ticket in ticket()) {
        let purpose = purpose_of(&ticket);
        let read = |links: &Links, text: &str| links.read(text, purpose, at(0)).is_ok();
        let (of_store, old, both, new) = (links(&[]), links(&[1]), links(&[2, 1]), links(&[2]));
        let (first, second, third) = (written(&of_store, &ticket), written(&old, &ticket), written(&both, &ticket));
        prop_assert_eq!(&third, &written(&new, &ticket), "the newest signs");
        prop_assert!(read(&old, &first) && read(&new, &first), "the store's own key always reads");
        prop_assert!(read(&both, &second) && read(&both, &third) && !read(&new, &second) && !read(&old, &third));
        let elsewhere = Links::new(LinkSettings::default(), &[8; 32]);
        prop_assert!(!read(&elsewhere, &first), "another store is another key");
    }

    #[test]
    fn a_written_secret_is_read_back(bytes in any::<[u8; 32]>()) {
        let secret = LinkSecret::generate(bytes);
        prop_assert_eq!(LinkSecret::parse(&secret.reveal()).map(|read| read.reveal()), Ok(secret.reveal()));
        prop_assert_eq!(format!("{secret:?}"), "[secret]");
    }
}

#[test]
fn a_secret_says_what_it_must_be_and_repeats_nothing() {
    for bad in ["", "cwlink_", "cwlink_c2hvcnQ=", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "cwlink_!!!"] {
        let error = LinkSecret::parse(bad).expect_err("no secret").to_string();
        assert!(error.contains("cwlink_") && !error.contains("MfKQ"), "{error}");
    }
}

#[test]
fn a_reference_is_added_to_any_checkout_address_and_replaces_an_older_one() {
    for (url, expected) in [
        ("https://s.example/c", "https://s.example/c?cw_ref=T"),
        ("https://s.example", "https://s.example?cw_ref=T"),
        ("https://s.example/c?", "https://s.example/c?cw_ref=T"),
        ("https://s.example/c?a=1&b=%20+", "https://s.example/c?a=1&b=%20+&cw_ref=T"),
        ("https://s.example/c?a=1#pay?x=1", "https://s.example/c?a=1&cw_ref=T#pay?x=1"),
        ("https://s.example/c?cw_ref=old&a=1&cw_ref=older", "https://s.example/c?a=1&cw_ref=T"),
        ("https://s.example/c?cw_references=1#", "https://s.example/c?cw_references=1&cw_ref=T#"),
    ] {
        assert_eq!(with_reference(url, "T"), expected);
    }
}

#[test]
fn a_code_is_put_into_the_cart_on_the_way_to_the_checkout() {
    let code = IncentiveCode::parse("A&B/1").expect("a code");
    let (parameter, path) = ("?coupon[]={code}", "/discount/{code}?redirect={path}");
    for (url, link, expected) in [
        ("https://s.example/c?cw_ref=T", parameter, "https://s.example/c?cw_ref=T&coupon%5B%5D=A%26B%2F1"),
        ("https://s.example/c#pay", parameter, "https://s.example/c?coupon%5B%5D=A%26B%2F1#pay"),
        (
            "https://s.example:8443/c/1?cw_ref=T",
            path,
            "https://s.example:8443/discount/A%26B%2F1?redirect=%2Fc%2F1%3Fcw_ref%3DT",
        ),
        ("https://s.example?cw_ref=T", path, "https://s.example/discount/A%26B%2F1?redirect=%2F%3Fcw_ref%3DT"),
        (
            "https://s.example//evil.example/c",
            path,
            "https://s.example/discount/A%26B%2F1?redirect=%2Fevil.example%2Fc",
        ),
        ("https://s.example/c", "/apply/{code}", "https://s.example/apply/A%26B%2F1"),
    ] {
        let link = CodeLink::parse(link).expect("a link");
        assert_eq!(with_code(url, &link, &code), expected);
    }
}

#[test]
fn a_link_for_codes_stays_on_the_checkouts_host() {
    for bad in [
        "",
        "?coupon",
        "?={code}",
        "//evil.example/{code}",
        "https://evil.example/{code}",
        "/x",
        "/{code}{code}",
        "/{code}\r\nSet-Cookie: a",
        "?a b={code}",
        "/@evil.example/{code}",
    ] {
        assert_eq!(CodeLink::parse(bad), None, "{bad}");
    }
}

//! Who is let in, and where.

use actix_web::test::TestRequest;
use sha2::{Digest, Sha256};

use super::*;
use crate::config::{KeyConfig, KeyHash};
use crate::domain::ShopId;

fn hash(key: &str) -> KeyHash {
    KeyHash(Sha256::digest(key.as_bytes()).into())
}

fn access() -> Access {
    let key = |role, key, origins: &[&str]| KeyConfig {
        role,
        hash: hash(key),
        allowed_origins: origins.iter().map(|o| (*o).to_owned()).collect(),
    };
    let shop = |name, keys| (ShopId::parse(name).expect("a slug"), keys);
    Access::of(
        &[hash("root")],
        vec![
            shop(
                "a",
                vec![
                    key(Role::Browser, "a-browser", &["https://a.example"]),
                    key(Role::Server, "a-server", &[]),
                    key(Role::Admin, "a-admin", &[]),
                ],
            ),
            shop("b", vec![key(Role::Server, "b-server", &[])]),
        ],
    )
}

fn verdict(headers: &[(&'static str, &str)], least: Role, in_query: Option<&str>) -> Result<String, Kind> {
    let mut req = TestRequest::default();
    for header in headers {
        req = req.insert_header(*header);
    }
    let (req, access) = (req.to_http_request(), access());
    let entry = authenticate(&req, &access, least).map_err(|problem| problem.kind())?;
    shop_of(&req, &access, entry, in_query).map(|shop| shop.id.to_string()).map_err(|problem| problem.kind())
}

#[test]
fn a_key_opens_its_own_shop_and_no_other() {
    let own = Ok("a".to_owned());
    let server = ("authorization", "Bearer a-server");
    assert_eq!(verdict(&[server], Role::Server, None), own);
    assert_eq!(verdict(&[("authorization", "bearer  a-server")], Role::Server, None), own);
    assert_eq!(verdict(&[server], Role::Server, Some("a")), own);
    assert_eq!(verdict(&[server], Role::Server, Some("b")), Err(Kind::Forbidden));
    assert_eq!(verdict(&[server, ("cartwake-shop", "b")], Role::Server, None), Err(Kind::Forbidden));
    assert_eq!(verdict(&[server], Role::Admin, None), Err(Kind::Forbidden));
    assert_eq!(verdict(&[("authorization", "Bearer a-admin")], Role::Admin, None), own);
}

#[test]
fn no_key_or_an_unknown_one_is_not_let_in() {
    assert_eq!(verdict(&[], Role::Browser, None), Err(Kind::Unauthenticated));
    for header in ["Bearer", "Bearer ", "Bearer nope", "Basic a-server", "a-server", "Bearer a-server x"] {
        assert_eq!(verdict(&[("authorization", header)], Role::Browser, None), Err(Kind::Unauthenticated), "{header}");
    }
}

#[test]
fn a_browser_key_works_from_its_origins_only_and_never_reads() {
    let key = ("authorization", "Bearer a-browser");
    let home = ("origin", "https://a.example");
    assert_eq!(verdict(&[key, home], Role::Browser, None), Ok("a".to_owned()));
    assert_eq!(verdict(&[key], Role::Browser, None), Err(Kind::OriginNotAllowed));
    assert_eq!(verdict(&[key, ("origin", "https://a.example.evil")], Role::Browser, None), Err(Kind::OriginNotAllowed));
    assert_eq!(verdict(&[key, home], Role::Server, None), Err(Kind::Forbidden));
    assert!(access().knows_origin("https://a.example") && !access().knows_origin("https://b.example"));
}

#[test]
fn a_key_of_the_whole_server_names_the_shop() {
    let root = ("authorization", "Bearer root");
    assert_eq!(verdict(&[root], Role::Admin, Some("b")), Ok("b".to_owned()));
    assert_eq!(verdict(&[root, ("cartwake-shop", "a")], Role::Admin, None), Ok("a".to_owned()));
    assert_eq!(verdict(&[root], Role::Admin, None), Err(Kind::ShopRequired));
    assert_eq!(verdict(&[root, ("cartwake-shop", "a")], Role::Admin, Some("b")), Err(Kind::ShopRequired));
    assert_eq!(verdict(&[root], Role::Admin, Some("zz")), Err(Kind::NoSuchShop));
}

//! `[store] url`: which store it names, and how it is shown without its password.

use std::fmt;
use std::path::PathBuf;

use super::StoreUrl;
use crate::store::redis::Address;

const HIDDEN: &str = "hidden";

impl StoreUrl {
    /// Reads `embedded:PATH`, or the address of a Redis.
    ///
    /// # Errors
    /// A sentence that says what is allowed; it never repeats the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("embedded:") {
            return if path.is_empty() {
                Err("must name a folder, as in embedded:./cartwake-data".to_owned())
            } else {
                Ok(Self::Embedded(PathBuf::from(path)))
            };
        }
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        match scheme {
            "redis" | "rediss" | "redis-cluster" | "rediss-cluster" | "redis-sentinel" | "rediss-sentinel" => {
                Address::parse(text).map(|_| Self::Redis(text.to_owned()))
            }
            _ => Err("must be embedded:PATH, redis://…, redis-cluster://… or redis-sentinel://…".to_owned()),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(path) => write!(f, "embedded:{}", path.display()),
            Self::Redis(text) => f.write_str(&without_password(text)),
        }
    }
}

/// What follows a `?` may be the password of the sentinels.
fn without_password(text: &str) -> String {
    let (shown, hidden) = text.split_once('?').map_or((text, ""), |(shown, _)| (shown, "?hidden"));
    let Some((scheme, rest)) = shown.split_once("://") else { return HIDDEN.to_owned() };
    match rest.rsplit_once('@') {
        Some((login, rest)) => {
            let user = login.split_once(':').map_or(login, |(user, _)| user);
            let password = if login.contains(':') { format!(":{HIDDEN}") } else { String::new() };
            format!("{scheme}://{user}{password}@{rest}{hidden}")
        }
        None => format!("{scheme}://{rest}{hidden}"),
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_url() {
        assert_eq!(StoreUrl::parse("embedded:/var/lib/x"), Ok(StoreUrl::Embedded(PathBuf::from("/var/lib/x"))));
        for good in ["redis://localhost", "redis://:pw@10.0.0.1:6379/3", "rediss://user:p%40w@redis.example:6380"] {
            assert_eq!(StoreUrl::parse(good), Ok(StoreUrl::Redis(good.to_owned())));
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for bad in ["", "embedded:", "redis://", "redis://:s3cret@host/x", "postgres://u:s3cret@h", "redis://h/#s3cret"]
        {
            let sentence = StoreUrl::parse(bad).expect_err(bad);
            assert!(!sentence.contains("s3cret"), "{sentence}");
        }
    }

    #[test]
    fn a_cluster_and_sentinels_are_shown_without_their_passwords() {
        for (text, shown) in [
            ("redis-cluster://u:s3cret@a:1,b:2", "redis-cluster://u:hidden@a:1,b:2"),
            ("redis-sentinel://:s3cret@a/main?sentinel_password=s3cret", "redis-sentinel://:hidden@a/main?hidden"),
        ] {
            assert_eq!(StoreUrl::parse(text).expect(text).to_string(), shown);
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let url = StoreUrl::parse("redis://app:s3cret@host:6379/1").expect("valid");
        assert_eq!(url.to_string(), "redis://app:hidden@host:6379/1");
        assert_eq!(format!("{url:?}"), "redis://app:hidden@host:6379/1");
    }
}

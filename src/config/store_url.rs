//! `[store] url`: which store it names, and how it is shown without its password.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

use super::StoreUrl;

const HIDDEN: &str = "hidden";

impl StoreUrl {
    /// Reads `embedded:PATH`, `redis://…` or `rediss://…`.
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
            "redis" | "rediss" if is_redis(text) => Ok(Self::Redis(text.to_owned())),
            "redis" | "rediss" => Err(format!(
                "must be {scheme}://[user:password@]host[:port][/database]; in a password, characters other than \
                 letters and digits are percent-encoded"
            )),
            "redis-cluster" | "redis-sentinel" => {
                Err(format!("{scheme}:// is not supported yet; use embedded:PATH, redis:// or rediss://"))
            }
            _ => Err("must be embedded:PATH, redis://… or rediss://…".to_owned()),
        }
    }
}

fn is_redis(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let database = url.path().trim_start_matches('/');
    url.host_str().is_some_and(|host| !host.is_empty())
        && url.fragment().is_none()
        && (database.is_empty() || database.parse::<u16>().is_ok())
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(path) => write!(f, "embedded:{}", path.display()),
            Self::Redis(text) => f.write_str(&without_password(text)),
        }
    }
}

fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return HIDDEN.to_owned() };
    if url.password().is_some() && url.set_password(Some(HIDDEN)).is_err() {
        return HIDDEN.to_owned();
    }
    url.into()
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
        let later = StoreUrl::parse("redis-cluster://a,b").expect_err("not yet");
        assert!(later.starts_with("redis-cluster:// is not supported yet"), "{later}");
    }

    #[test]
    fn the_password_is_never_shown() {
        let url = StoreUrl::parse("redis://app:s3cret@host:6379/1").expect("valid");
        assert_eq!(url.to_string(), "redis://app:hidden@host:6379/1");
        assert_eq!(format!("{url:?}"), "redis://app:hidden@host:6379/1");
    }
}

//! `[links]`: where shoppers reach us, what the links in reminders are signed with, and how long they last.
//!
//! Read next: `config/section.rs`; what a link is, in `links.rs`.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::Url;

use super::secrets::secrets;
use super::section::Section;
use super::{LinkSettings, ShopConfig};
use crate::links::LinkSecret;

const DAY: Duration = Duration::from_hours(24);
/// Together with the longest token, a link stays below what every mail client and browser takes.
const PUBLIC_URL_CHARS_MAX: usize = 256;

pub(super) fn links(section: &mut Section<'_>) -> LinkSettings {
    LinkSettings {
        public_url: section.text("public_url", public_url).flatten(),
        // Without any, links are signed with a key that derives from the store's own.
        secrets: secrets(section, LinkSecret::parse),
        recovery_life: section.span("recovery_life", DAY..=365 * DAY),
        unsubscribe_life: section.span("unsubscribe_life", 60 * DAY..=3650 * DAY),
    }
}

fn public_url(text: &str) -> Result<Option<String>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    let allowed = "must be a complete https:// address without query and fragment, such as \"https://cart.shop.example\" \
                   (http:// for this machine only), or \"off\"";
    let url = Url::parse(text).map_err(|_| allowed)?;
    let is_plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let is_private = url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url));
    let fits = text.len() <= PUBLIC_URL_CHARS_MAX;
    (is_plain && is_private && fits).then(|| Some(url.as_str().trim_end_matches('/').to_owned())).ok_or(allowed)
}

fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// A link that anybody can have lead anywhere is a gift to who phishes.
pub(super) fn links_lead_home(settings: &LinkSettings, shops: &[ShopConfig], root: &mut Section<'_>) {
    if settings.public_url.is_none() {
        return;
    }
    for (index, shop) in shops.iter().enumerate() {
        let key = format!("shop[{index}].checkout_hosts");
        if shop.checkout_hosts.is_empty() && root.is_sound(&key) {
            root.refuse(
                &key,
                "must name the hosts of the shop's checkout, as links.public_url is set: links lead only there",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Problems, load};
    use super::*;

    fn with(env: &[(&str, &str)]) -> Result<Config, Problems> {
        load(None, env.iter().map(|(name, value)| (format!("CARTWAKE__{name}"), (*value).to_owned())))
    }

    #[test]
    fn an_address_for_shoppers_is_https_and_needs_checkout_hosts() {
        let hosts = ("SHOP__DEFAULT__CHECKOUT_HOSTS", "shop.example");
        for (text, expected) in [
            ("https://cart.shop.example/", "https://cart.shop.example"),
            ("https://shop.example/cartwake/", "https://shop.example/cartwake"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://localhost:8080", "http://localhost:8080"),
        ] {
            let config = with(&[("LINKS__PUBLIC_URL", text), hosts]).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(config.links.public_url.as_deref(), Some(expected));
        }
        for text in ["http://shop.example", "https://u:p@shop.example", "https://shop.example/?a", "shop.example", ""] {
            let told = with(&[("LINKS__PUBLIC_URL", text), hosts]).expect_err(text).to_string();
            assert!(told.contains("links.public_url: must be"), "{told}");
        }
        let told = with(&[("LINKS__PUBLIC_URL", "https://shop.example")]).expect_err("no hosts").to_string();
        assert!(told.contains("shop[0].checkout_hosts: must name"), "{told}");
    }

    #[test]
    fn secrets_come_from_a_list_or_a_file_and_are_never_shown() {
        let [new, old] = [1, 2].map(|byte| LinkSecret::generate([byte; 32]).reveal());
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), format!("# new first\n{new}\n{old}\n")).expect("a temporary file can be written");
        let path = file.path().display().to_string();
        let listed = with(&[("LINKS__SECRETS", &format!("{new},{old}"))]).expect("valid");
        let read = with(&[("LINKS__SECRETS_FILE", &path)]).expect("valid");
        for config in [listed, read] {
            let secrets: Vec<_> = config.links.secrets.iter().map(LinkSecret::reveal).collect();
            assert_eq!(secrets, [new.clone(), old.clone()]);
            let shown = format!("{config:?}\n{}", super::super::effective(&config));
            assert!(!shown.contains(&new[7..]), "{shown}");
        }
        let told = with(&[("LINKS__SECRETS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]).expect_err("another kind");
        assert!(told.to_string().contains("links.secrets[0]: must be `cwlink_`"), "{told}");
    }
}

//! `[[shop.platform]]`: a shop platform that sends its webhooks to us, and the secrets it signs them with.
//!
//! What its webhooks mean is in `api/platforms.rs`.

use std::collections::BTreeSet;

use super::secrets;
use super::section::Section;
use crate::platforms::{Platform, PlatformSecret};

/// `[[shop.platform]]`.
#[derive(Clone, Debug)]
pub struct PlatformConfig {
    pub name: Platform,
    /// At least one; any of them may have signed, so that a secret can be exchanged.
    pub secrets: Vec<PlatformSecret>,
}

/// Reads the platforms of a shop.
pub(super) fn platforms(section: &mut Section<'_>) -> Vec<PlatformConfig> {
    let mut names = BTreeSet::new();
    section.or_empty("platform");
    section.each("platform", Platform::ALL.len(), |section| platform(section, &mut names))
}

fn platform(section: &mut Section<'_>, names: &mut BTreeSet<Platform>) -> PlatformConfig {
    let words: Vec<_> = Platform::ALL.iter().map(|platform| (platform.as_str(), *platform)).collect();
    let name = section.word("name", &words);
    if name.is_some_and(|name| !names.insert(name)) {
        section.refuse("name", "must not be there twice: a platform has up to 8 secrets in its one table");
    }
    PlatformConfig {
        name: name.unwrap_or(Platform::Shopify),
        secrets: secrets::at_least_one(
            section,
            PlatformSecret::parse,
            "must have at least one secret: anybody could send in the platform's name",
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Config, Problems, effective, load};
    use super::*;

    const SECRET: &str = "shpss_0123456789abcdef";

    fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Config, Problems> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("a temporary file can be written");
        load(Some(file.path()), env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[test]
    fn a_platform_has_its_secrets_and_shows_them_to_nobody() {
        let text = format!("[[shop]]\nid = \"a\"\n[[shop.platform]]\nname = \"shopify\"\nsecrets = [\"{SECRET}\"]");
        let config = load_text(&text, &[]).expect("valid");
        let platform = &config.shops[0].platforms[0];
        assert_eq!((platform.name, platform.secrets.len()), (Platform::Shopify, 1));
        for shown in [effective(&config), format!("{config:?}")] {
            assert!(!shown.contains(SECRET), "{shown}");
        }
        let again = effective(&config).replace("\"hidden\"", &format!("\"{SECRET}\""));
        assert_eq!(format!("{:?}", load_text(&again, &[]).expect("valid")), format!("{config:?}"));
    }

    #[test]
    fn a_platform_can_be_made_of_variables_alone() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(format!("{SECRET}\n# the one before\n{SECRET}-old\n").as_bytes()).expect("it can be written");
        let path = file.path().display().to_string();
        let env = [("CARTWAKE__SHOP__DEFAULT__PLATFORM__STRIPE__SECRETS_FILE", path.as_str())];
        let config = load_text("", &env).expect("valid");
        let platform = &config.shops[0].platforms[0];
        assert_eq!((platform.name, platform.secrets.len()), (Platform::Stripe, 2));
    }

    #[test]
    fn what_keeps_nobody_out_is_refused() {
        let text = "[[shop]]\nid = \"a\"\n[[shop.platform]]\nname = \"shopify\"\nsecrets = [\"short\"]\n\
                    [[shop.platform]]\nname = \"shopify\"\n[[shop.platform]]\nname = \"magento\"\nsecrets = [\"x\"]";
        let problems = load_text(text, &[]).expect_err("mistakes");
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "shop[0].platform[0].secrets[0]",
                "shop[0].platform[1].name",
                "shop[0].platform[1].secrets",
                "shop[0].platform[2].name",
                "shop[0].platform[2].secrets[0]",
            ]
        );
        assert!(!problems.to_string().contains("short"), "{problems}");
    }
}

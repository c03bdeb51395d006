//! Real shoppers only: what looks like a cart and is nobody's.
//!
//! Crawlers fill carts to see prices, staff and tests do to see that it works. They are kept, never reminded, and counted
//! apart, so that no rate is made of them. Never here: blocking anybody, for a wrong guess must cost a shop no sale.

use super::content::{Content, PersonalText};
use super::delivery::Why;

/// Who is no shopper, from the shop's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShopperRules {
    /// Mail addresses of crawlers, or their domains as `*@domain`; in lower case.
    pub bot_emails: Vec<String>,
    /// Mail domains of the shop's own people, in lower case.
    pub staff_domains: Vec<String>,
    /// Attributes that mark a cart as made by staff or by a machine: name and value, or any value.
    pub staff_attributes: Vec<(String, Option<String>)>,
}

impl Default for ShopperRules {
    fn default() -> Self {
        let source = |name: &str| ("source".to_owned(), Some(name.to_owned()));
        Self {
            bot_emails: vec!["*@storebotmail.joonix.net".to_owned()],
            staff_domains: Vec::new(),
            staff_attributes: vec![
                ("draft".to_owned(), None),
                source("admin"),
                source("import"),
                source("subscription"),
            ],
        }
    }
}

/// Why this is no shopper's cart; nothing when it may be one.
#[must_use]
pub fn why_not_real(content: &Content, rules: &ShopperRules) -> Option<Why> {
    if content.test {
        return Some(Why::TestCart);
    }
    let email = content.shopper.email.as_ref().map(PersonalText::reveal).map(|text| text.trim().to_lowercase());
    let domain = email.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
    let is_bot = |rule: &String| match rule.strip_prefix("*@") {
        Some(of) => domain == Some(of),
        None => email.as_deref() == Some(rule),
    };
    if rules.bot_emails.iter().any(is_bot) {
        return Some(Why::Bot);
    }
    let is_staff = rules.staff_domains.iter().any(|of| domain == Some(of));
    let is_marked = rules.staff_attributes.iter().any(|(name, value)| {
        content.attributes.get(name).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
    });
    (is_staff || is_marked).then_some(Why::Staff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Currency;

    #[test]
    fn crawlers_and_staff_are_told_from_shoppers() {
        let rules = ShopperRules {
            bot_emails: vec!["*@storebotmail.joonix.net".to_owned(), "probe@monitor.example".to_owned()],
            staff_domains: vec!["shop.example".to_owned()],
            staff_attributes: vec![("source".to_owned(), Some("admin".to_owned())), ("draft".to_owned(), None)],
        };
        let mut content = Content::empty(Currency::parse("EUR").expect("a code"));
        let mut why = |email: &str, attribute: Option<(&str, &str)>| {
            content.shopper.email = Some(PersonalText::new(email));
            content.attributes = attribute.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect();
            why_not_real(&content, &rules)
        };
        assert_eq!(why("John.Smith@StoreBotMail.joonix.net", None), Some(Why::Bot));
        assert_eq!(why("probe@monitor.example", None), Some(Why::Bot));
        assert_eq!(why("other@monitor.example", None), None);
        assert_eq!(why("joe@shop.example", None), Some(Why::Staff));
        assert_eq!(why("joe@notshop.example", None), None);
        assert_eq!(why("joe@mail.example", Some(("source", "admin"))), Some(Why::Staff));
        assert_eq!(why("joe@mail.example", Some(("source", "web"))), None);
        assert_eq!(why("joe@mail.example", Some(("draft", ""))), Some(Why::Staff));
    }
}

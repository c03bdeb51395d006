//! `[[shop.program.incentive]]`: what reminders may offer, and the merchant's own codes.
//!
//! A file of codes is read with the configuration, and so again at a reload. Read next: `domain/incentive.rs`, what the
//! keys come to.

use std::collections::BTreeSet;
use std::time::Duration;

use toml::{Table, Value};

use super::load::lines_of;
use super::recovery::{amount, cap, reason};
use super::section::Section;
use super::shop::{DAY, slug};
use super::span;
use crate::domain::{
    CODE_MARK, CodeLink, CodeList, Codes, Incentive, IncentiveCode, IncentiveName, PENDING_INDEX, Program, ReasonCode,
    StepName, Worth,
};

const INCENTIVES_MAX: usize = 20;
/// Steps of all sequences of a program may be named.
const STEPS_MAX: usize = 100;
/// A list is held in memory and gone through for each reminder that takes a code of it.
const CODES_MAX: usize = 100_000;
const CODES_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// What a derived code adds to its template.
const DERIVED_MAX: usize = 12;

/// What reminders may offer.
pub(super) fn incentives(section: &mut Section<'_>) -> Vec<Incentive> {
    let mut names = BTreeSet::new();
    section.each("incentive", INCENTIVES_MAX, |section| {
        let incentive = incentive(section);
        if !names.insert(incentive.name.clone()) {
            section.refuse("name", "must not be the name of another incentive of this shop");
        }
        incentive
    })
}

fn incentive(section: &mut Section<'_>) -> Incentive {
    let steps = section.texts("steps", STEPS_MAX, StepName::parse);
    if steps.is_empty() && section.is_sound("steps") {
        section.refuse("steps", "must name at least one step");
    }
    Incentive {
        name: section.text("name", IncentiveName::parse).unwrap_or_else(|| slug(IncentiveName::parse)),
        worth: worth(section),
        steps,
        reasons: section.texts("reasons", ReasonCode::ALL.len(), incentive_reason),
        valid_for: section.span("valid_for", Duration::from_hours(1)..=365 * DAY),
        codes: codes(section),
        link: link(section),
        first_orders_only: section.flag("first_orders_only"),
        bought_within: section.span("bought_within", Duration::ZERO..=365 * DAY),
        per_person: section.inside("per_person", cap),
        keep_codes: section.span("keep_codes", DAY..=3650 * DAY),
    }
}

fn incentive_reason(text: &str) -> Result<ReasonCode, &'static str> {
    let code = reason(text)?;
    if code == ReasonCode::JustBrowsing {
        return Err("must not be just_browsing: who was only looking gets no incentive");
    }
    Ok(code)
}

fn worth(section: &mut Section<'_>) -> Worth {
    let kind = section.word("kind", &[("percent", 0), ("amount", 1), ("free_shipping", 2)]);
    match kind {
        Some(0) => Worth::Percent(section.count("value", 1..=100)),
        Some(1) => {
            let worth = section.text("value", amount);
            worth.map_or(Worth::FreeShipping, |(currency, amount)| Worth::Amount(amount, currency))
        }
        Some(_) => {
            section.forbid("value", "must not be there: free shipping has no value of its own");
            Worth::FreeShipping
        }
        // Whatever it is meant to be, it was asked for.
        None => {
            section.skip("value");
            Worth::FreeShipping
        }
    }
}

fn link(section: &mut Section<'_>) -> Option<CodeLink> {
    let link = section.text("link", |text| match text {
        "off" => Ok(None),
        _ => CodeLink::parse(text).map(Some).ok_or(
            "must be a parameter such as \"?coupon={code}\", a path such as \"/discount/{code}?redirect={path}\", or \"off\"",
        ),
    });
    link.flatten()
}

fn codes(section: &mut Section<'_>) -> Codes {
    if !section.has("codes_file") {
        let template = section.text("template", |text| {
            let rest = text.replacen(CODE_MARK, "", 1);
            let is_one = rest.len() < text.len() && (rest.is_empty() || IncentiveCode::parse(&rest).is_some());
            let fits = is_one && !rest.contains(CODE_MARK) && rest.len() + DERIVED_MAX <= IncentiveCode::MAX;
            fits.then(|| text.to_owned()).ok_or(
                "must have {code} in it once, and at most 52 more characters without a space, as in \"CW-{code}\"",
            )
        });
        return Codes::Template(template.unwrap_or_else(|| CODE_MARK.to_owned()));
    }
    section.forbid("template", "must not be there beside codes_file");
    let read = section.text("codes_file", |path| {
        let lines = lines_of(path, CODES_BYTES_MAX)?;
        if lines.is_empty() || lines.len() > CODES_MAX {
            return Err(format!("must name a file with 1 to {CODES_MAX} codes, one a line"));
        }
        let mut seen = BTreeSet::new();
        let parsed = lines.iter().enumerate().map(|(index, line)| {
            let code = IncentiveCode::parse(line).ok_or_else(|| {
                let allowed = "is not 1 to 64 characters of ASCII without a space";
                format!("names a file whose code {} {allowed}", index + 1)
            })?;
            if !seen.insert(code.clone()) {
                return Err(format!("names a file whose code {} is there before: each is used once", index + 1));
            }
            Ok(code)
        });
        Ok(CodeList { file: path.to_owned(), codes: parsed.collect::<Result<_, String>>()? })
    });
    read.map_or_else(|| Codes::Template(CODE_MARK.to_owned()), Codes::List)
}

/// An incentive that no reminder ever offers is a mistake.
pub(super) fn are_of_steps(section: &mut Section<'_>, program: &Program) {
    for (index, incentive) in program.incentives.iter().enumerate() {
        for (place, step) in incentive.steps.iter().enumerate() {
            // Whoever was reminded of a payment has bought.
            if program.index_of(step).is_none_or(|index| index == PENDING_INDEX) {
                section.refuse(&format!("incentive[{index}].steps[{place}]"), "must be the name of a step");
            }
        }
    }
}

/// As it is written, for whoever looks at what is in effect. Codes are worth money: of a list, its file is shown.
pub(super) fn shown(incentive: &Incentive) -> Value {
    let mut table = Table::new();
    let mut set = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
    set("name", incentive.name.as_str().into());
    set("kind", incentive.worth.kind().into());
    match incentive.worth {
        Worth::Percent(percent) => set("value", i64::from(percent).into()),
        Worth::Amount(amount, currency) => set("value", format!("{} {currency}", amount.get()).into()),
        Worth::FreeShipping => {}
    }
    set("steps", incentive.steps.iter().map(ToString::to_string).collect::<Vec<_>>().into());
    set("reasons", incentive.reasons.iter().map(ToString::to_string).collect::<Vec<_>>().into());
    set("valid_for", span::text(incentive.valid_for).into());
    match &incentive.codes {
        Codes::Template(template) => set("template", template.as_str().into()),
        Codes::List(list) => set("codes_file", list.file.as_str().into()),
    }
    set("link", incentive.link.as_ref().map_or("off".to_owned(), ToString::to_string).into());
    set("first_orders_only", incentive.first_orders_only.into());
    set("bought_within", span::text(incentive.bought_within).into());
    let mut cap = Table::new();
    cap.insert("count".to_owned(), i64::from(incentive.per_person.count).into());
    cap.insert("within".to_owned(), span::text(incentive.per_person.within).into());
    set("per_person", cap.into());
    set("keep_codes", span::text(incentive.keep_codes).into());
    table.into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Config, Problems, effective, load};
    use super::*;

    fn with(incentive: &str) -> Result<Config, Problems> {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = format!("[[shop]]\nid = \"a\"\n[[shop.program.incentive]]\nname = \"ten\"\n{incentive}\n");
        file.write_all(text.as_bytes()).expect("a temporary file can be written");
        load(Some(file.path()), std::iter::empty())
    }

    fn told(incentive: &str) -> String {
        with(incentive).expect_err(incentive).to_string()
    }

    const TEN: &str = "kind = \"percent\"\nvalue = 10\nsteps = [\"third\"]\n";

    #[test]
    fn an_incentive_says_what_it_is_worth_and_what_it_leaves_out_is_as_the_manual_says() {
        let config = with(&format!("{TEN}template = \"CW-{{code}}\"")).unwrap_or_else(|problems| panic!("{problems}"));
        let incentive = &config.shops[0].program.incentives[0];
        assert_eq!((incentive.worth, incentive.per_person.count), (Worth::Percent(10), 1));
        assert!(incentive.first_orders_only && incentive.reasons.is_empty());
        let worth = |text: &str| with(text).map(|config| config.shops[0].program.incentives[0].worth);
        let rest = "steps = [\"first\"]\ntemplate = \"{code}\"\n";
        let amount = worth(&format!("{rest}kind = \"amount\"\nvalue = \"500 EUR\"")).expect("valid");
        assert!(matches!(amount, Worth::Amount(amount, currency) if amount.get() == 500 && currency.code() == "EUR"));
        assert_eq!(worth(&format!("{rest}kind = \"free_shipping\"")).expect("valid"), Worth::FreeShipping);
    }

    #[test]
    fn what_cannot_be_given_is_refused_with_its_place() {
        for (incentive, place) in [
            ("kind = \"percent\"\nvalue = 0\nsteps = [\"third\"]\ntemplate = \"{code}\"".to_owned(), "value: must be"),
            (
                "kind = \"free_shipping\"\nvalue = 1\nsteps = [\"third\"]\ntemplate = \"{code}\"".to_owned(),
                "value: must not",
            ),
            (format!("{TEN}template = \"CW\""), "template: must have"),
            (format!("{TEN}template = \"{{code}} {{code}}\""), "template: must have"),
            (format!("{TEN}template = \"{{code}}\"\nreasons = [\"just_browsing\"]"), "reasons[0]: must not"),
            (TEN.replace("third", "tenth") + "template = \"{code}\"", "steps[0]: must be the name"),
            (format!("{TEN}codes_file = \"/nowhere/codes\""), "codes_file: names a file that cannot be read"),
            (format!("{TEN}template = \"{{code}}\"\nlink = \"//evil.example/{{code}}\""), "link: must be"),
            (format!("{TEN}template = \"{{code}}\"\nlink = \"?coupon=\""), "link: must be"),
            (TEN.to_owned(), "template: is missing"),
        ] {
            let told = told(&incentive);
            assert!(told.contains(&format!("shop[0].program.incentive[0].{place}")), "{incentive}: {told}");
        }
    }

    #[test]
    fn codes_come_from_a_file_each_once_and_are_never_shown() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let with_file = |codes: &str| {
            std::fs::write(file.path(), codes).expect("a temporary file can be written");
            with(&format!("{TEN}codes_file = \"{}\"", file.path().display()))
        };
        let config = with_file("# of November\nS3CRET-1\n\nS3CRET-2\n").unwrap_or_else(|problems| panic!("{problems}"));
        let Codes::List(list) = &config.shops[0].program.incentives[0].codes else { panic!("a list") };
        assert_eq!(list.codes.iter().map(IncentiveCode::reveal).collect::<Vec<_>>(), ["S3CRET-1", "S3CRET-2"]);
        let shown = format!("{config:?}\n{}", effective(&config));
        assert!(!shown.contains("S3CRET") && shown.contains("codes_file"), "{shown}");
        for (codes, says) in
            [("A\nB\nA\n", "code 3 is there before"), ("A B\n", "code 1 is not"), ("\n", "1 to 100000")]
        {
            let told = with_file(codes).expect_err(codes).to_string();
            assert!(told.contains(says), "{told}");
        }
    }
}

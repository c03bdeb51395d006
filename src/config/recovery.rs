//! The keys of `[shop.program]` that say who is reminded, how often, and who is not.
//!
//! Read next: `domain/guard.rs`, what they come to.

use std::collections::BTreeSet;
use std::time::Duration;

use super::section::Section;
use super::shop::{DAY, LIST_MAX, SECOND, slug};
use crate::domain::{
    Arm, ArmName, Cap, Channel, ClockTime, Conditions, ConsentPreset, Currency, DEFAULT, Experiment, ExperimentName,
    HOLDOUT, Minor, OrderKind, Override, Program, QuietHours, ReasonCode, SERVICE_INDEX, Service, ShopperRules, Stage,
    Step, StepName, Zone,
};

const STEPS_MAX: usize = SERVICE_INDEX as usize;
const CAPS_MAX: usize = 4;
const ARMS_MAX: usize = 8;
const PERCENT_MAX: u32 = 100;

/// The sequence of a table that has one.
pub(super) fn steps(section: &mut Section<'_>) -> Vec<Step> {
    let steps = section.each("steps", STEPS_MAX, |section| {
        let conditions = conditions(section);
        Step { conditions, ..bare_step(section) }
    });
    for (index, step) in steps.iter().enumerate().skip(1) {
        let at = |key| format!("steps[{index}].{key}");
        if steps[..index].iter().any(|earlier| earlier.name == step.name) {
            section.refuse(&at("name"), "must not be the name of an earlier step");
        }
        if steps[index - 1].delay >= step.delay {
            section.refuse(&at("delay"), "must be longer than the delay of the step before");
        }
    }
    steps
}

fn bare_step(section: &mut Section<'_>) -> Step {
    let delay = section.span("delay", Duration::ZERO..=30 * DAY);
    step_after(section, delay)
}

fn step_after(section: &mut Section<'_>, delay: Duration) -> Step {
    Step {
        name: section.text("name", StepName::parse).unwrap_or_else(|| slug(StepName::parse)),
        delay,
        channel: section.word("channel", &words(Channel::ALL, Channel::as_str)).unwrap_or(Channel::Email),
        conditions: Conditions::default(),
    }
}

fn words<T: Copy>(all: &[T], name: fn(T) -> &'static str) -> Vec<(&'static str, T)> {
    all.iter().map(|one| (name(*one), *one)).collect()
}

fn conditions(section: &mut Section<'_>) -> Conditions {
    for list in ["minimum", "stages", "reasons", "tags"] {
        section.or_empty(list);
    }
    let customer = section.has("customer").then(|| section.word("customer", &words(OrderKind::ALL, OrderKind::as_str)));
    Conditions {
        minimum: section.texts("minimum", LIST_MAX, amount),
        stages: section.texts("stages", Stage::ALL.len(), |text| {
            Stage::parse(text).ok_or("must be browse, cart, contact, shipping or payment")
        }),
        reasons: section.texts("reasons", ReasonCode::ALL.len(), reason),
        customer: customer.flatten(),
        tags: section.texts("tags", LIST_MAX, |text| Ok::<_, String>(text.to_owned())),
    }
}

/// Reads `2000 EUR`.
pub(super) fn amount(text: &str) -> Result<(Currency, Minor), &'static str> {
    let allowed = "must be an amount in minor units and a currency, such as \"2000 EUR\"";
    let (amount, currency) = text.split_once(' ').ok_or(allowed)?;
    let amount = amount.parse().ok().and_then(|amount| Minor::new(amount).ok()).ok_or(allowed)?;
    Ok((Currency::parse(currency).map_err(|_| allowed)?, amount))
}

pub(super) fn reason(text: &str) -> Result<ReasonCode, &'static str> {
    ReasonCode::parse(text).ok_or("must be a code of a reason, such as \"shipping_cost\"; docs/reasons.md has them all")
}

/// The sequences for some reasons.
pub(super) fn overrides(section: &mut Section<'_>) -> Vec<Override> {
    let mut taken = BTreeSet::new();
    section.each("overrides", ReasonCode::ALL.len(), |section| {
        let reasons = section.texts("reasons", ReasonCode::ALL.len(), reason);
        if reasons.is_empty() && section.is_sound("reasons") {
            section.refuse("reasons", "must have at least one reason");
        }
        if !reasons.iter().all(|reason| taken.insert(reason.as_str())) {
            section.refuse("reasons", "must not have a reason twice, or one of another override");
        }
        Override { reasons, steps: steps(section) }
    })
}

/// The message at once; nothing when it is for no reason.
pub(super) fn service(section: &mut Section<'_>) -> Option<Service> {
    let reasons = section.texts("reasons", ReasonCode::ALL.len(), reason);
    let (step, keeps_quiet) = (bare_step(section), section.flag("quiet_hours"));
    (!reasons.is_empty()).then_some(Service { reasons, step, keeps_quiet })
}

/// The reminder of a payment that is on its way; nothing while its delay is off.
pub(super) fn payment_pending(section: &mut Section<'_>) -> Option<Step> {
    let delay = section.span_or_off("delay", SECOND..=30 * DAY);
    let step = step_after(section, delay.unwrap_or_default());
    delay.map(|delay| Step { delay, ..step })
}

/// It is known by its name, and its cart must still be there.
pub(super) fn payment_pending_fits(section: &mut Section<'_>, program: &Program) {
    let Some(step) = &program.payment_pending else { return };
    let of_sequences = program.overrides.iter().flat_map(|other| &other.steps).chain(&program.steps);
    let mut others = of_sequences.chain(program.service.iter().map(|service| &service.step));
    if others.any(|other| other.name == step.name) {
        section.refuse("payment_pending.name", "must not be the name of another step");
    }
    if program.retention.converted < step.delay + program.stale_after {
        section.refuse(
            "retention.converted",
            "must not be shorter than the delay of payment_pending and stale_after together",
        );
    }
}

/// The preset.
pub(super) fn consent(section: &mut Section<'_>) -> ConsentPreset {
    let presets = words(ConsentPreset::ALL, ConsentPreset::as_str);
    section.word("consent", &presets).unwrap_or(ConsentPreset::Strict)
}

/// The shop's own zone.
pub(super) fn zone(section: &mut Section<'_>) -> Zone {
    let zone = section.text("time_zone", |text| {
        Zone::parse(text).ok_or("must be the name of a time zone, such as \"Europe/Berlin\" or \"UTC\"")
    });
    zone.unwrap_or(Zone::utc())
}

/// When nobody is written to.
pub(super) fn quiet_hours(section: &mut Section<'_>) -> Option<QuietHours> {
    let hours = section.text("quiet_hours", |text| match text {
        "off" => Ok(None),
        _ => QuietHours::parse(text).map(Some).ok_or("must be two times of day such as \"21:00-09:00\", or \"off\""),
    });
    hours.flatten()
}

/// When the merchant is told of the day before.
pub(super) fn digest(section: &mut Section<'_>) -> Option<ClockTime> {
    let at = section.text("digest", |text| match text {
        "off" => Ok(None),
        _ => ClockTime::parse(text).map(Some).ok_or("must be a time of day such as \"08:00\", or \"off\""),
    });
    at.flatten()
}

/// How often a person is reminded.
pub(super) fn caps(section: &mut Section<'_>) -> Vec<Cap> {
    section.each("caps", CAPS_MAX, |section| Cap {
        count: section.count("count", 1..=50),
        within: section.span("within", SECOND..=30 * DAY),
    })
}

/// How often a person gets an incentive.
pub(super) fn cap(section: &mut Section<'_>) -> Cap {
    Cap { count: section.count("count", 1..=50), within: section.span("within", SECOND..=365 * DAY) }
}

/// The experiment; nothing when nobody is treated otherwise.
pub(super) fn experiment(section: &mut Section<'_>) -> Option<Experiment> {
    let experiment = Experiment {
        name: section.text("name", ExperimentName::parse).unwrap_or_else(|| slug(ExperimentName::parse)),
        holdout_percent: section.count("holdout_percent", 0..=90),
        arms: section.each("arms", ARMS_MAX, |section| Arm {
            name: section.text("name", ArmName::parse).unwrap_or_else(|| slug(ArmName::parse)),
            percent: section.count("percent", 1..=PERCENT_MAX),
            delay: section.span("delay", Duration::ZERO..=30 * DAY),
        }),
    };
    let mut names: BTreeSet<&str> = [HOLDOUT, DEFAULT].into();
    if !experiment.arms.iter().all(|arm| names.insert(arm.name.as_str())) {
        section.refuse("arms", "must have names of their own, and neither \"holdout\" nor \"default\"");
    }
    if experiment.arms.iter().map(|arm| arm.percent).sum::<u32>() > PERCENT_MAX {
        section.refuse("arms", "must not be more than 100 percent together");
    }
    (experiment.holdout_percent > 0 || !experiment.arms.is_empty()).then_some(experiment)
}

/// Who is no shopper.
pub(super) fn shoppers(section: &mut Section<'_>) -> ShopperRules {
    let lower = |text: &str| Ok::<_, String>(text.to_lowercase());
    ShopperRules {
        bot_emails: section.texts("bot_emails", LIST_MAX, |text| {
            let is_one = text.contains('@') && !text.trim_start_matches("*@").contains('*');
            is_one.then(|| text.to_lowercase()).ok_or("must be an address, or a domain written \"*@domain\"")
        }),
        staff_domains: section.texts("staff_domains", LIST_MAX, lower),
        staff_attributes: section.texts("staff_attributes", LIST_MAX, |text| {
            let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
            Ok::<_, String>((name.to_owned(), value.map(str::to_owned)))
        }),
    }
}

/// Reads `shipping_cost=ask_us`.
pub(super) fn response(text: &str) -> Result<(ReasonCode, String), &'static str> {
    let allowed = "must be a reason and a word for it, such as \"shipping_cost=ask_us\", of a-z 0-9 _";
    let (code, word) = text.split_once('=').ok_or(allowed)?;
    let is_word = !word.is_empty()
        && word.len() <= 32
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    ReasonCode::parse(code).filter(|_| is_word).map(|code| (code, word.to_owned())).ok_or(allowed)
}

//! Rules together: which reason goes first, and what is not asked.

use super::*;

#[test]
fn what_was_before_the_shopper_came_back_says_nothing() {
    let old = left(Stage::Payment, &[(10, failed(PaymentClass::Funds)), (20, SignalKind::ChatOpened)]);
    let back = Cart { episode_started_at: at(300), ..old };
    assert_eq!(infer(&back, &RuleSettings::default()), []);
}

#[test]
fn a_rule_that_is_off_is_not_asked() {
    let cart = left(Stage::Cart, &[]);
    let settings = RuleSettings { off: [RuleName::JustBrowsing].into(), ..RuleSettings::default() };
    assert_eq!(infer(&cart, &settings), []);
    let outcome = consider(&cart, &settings).into_iter().find(|c| c.rule == RuleName::JustBrowsing).map(|c| c.outcome);
    assert_eq!(outcome, Some(Judgement::Off));
}

#[test]
fn a_demoted_reason_is_soft_no_surer_than_shoppers_were_and_comes_last() {
    let cart = left(
        Stage::Payment,
        &[(590, failed(PaymentClass::Funds)), (595, viewed(Page::Privacy)), (LAST, viewed(Page::Returns))],
    );
    let demoted = [(ReasonCode::PaymentDeclined, 12)].into();
    let findings = infer(&cart, &RuleSettings { demoted, ..RuleSettings::default() });
    let codes: Vec<_> = findings.iter().map(|f| (f.code, f.source, f.confidence)).collect();
    assert_eq!(
        codes,
        [
            (ReasonCode::ReturnsPolicy, ReasonSource::InferredSoft, 55),
            (ReasonCode::PaymentDeclined, ReasonSource::InferredSoft, 12),
        ]
    );
}

#[test]
fn every_rule_is_in_the_table_once() {
    let names: Vec<RuleName> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names, RuleName::ALL);
}

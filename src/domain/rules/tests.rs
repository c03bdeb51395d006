//! Rules, one by one: each is seen to hold, to hold nearly, and not to hold. Together: `rules/tests/together.rs`.

mod together;

use proptest::prelude::*;
use proptest::{collection::vec, sample::select};

use super::*;
use crate::domain::cart::{Heard, Past, Stage, StageSet, State};
use crate::domain::content::{Content, Item};
use crate::domain::id::{CartId, ProductId, ShopId};
use crate::domain::money::{Currency, Minor};
use crate::domain::signal::{Page, PaymentClass, Signal, SignalKind};
use crate::domain::time::Moment;

/// The shopper's last act, in seconds after the cart was made.
const LAST: i64 = 600;

fn at(seconds: i64) -> Moment {
    Moment::from_millis(1_795_000_000_000 + seconds * 1_000)
}

fn minor(amount: i64) -> Minor {
    Minor::new(amount).expect("in range")
}

fn product(name: &str) -> ProductId {
    ProductId::parse(name).expect("a token")
}

/// A cart of one line of 40.00, left from this stage after these signals.
fn left(stage: Stage, signals: &[(i64, SignalKind)]) -> Cart {
    let mut stages = StageSet::default();
    stages.enter(Stage::Cart);
    stages.enter(stage);
    let item = Item {
        id: None,
        product_id: product("p-1"),
        sku: None,
        title: None,
        variant: None,
        quantity: 1,
        unit_price: Some(minor(4_000)),
        url: None,
        image_url: None,
        in_stock: None,
    };
    let mut signals: Vec<Signal> =
        signals.iter().map(|(seconds, kind)| Signal { kind: kind.clone(), at: at(*seconds) }).collect();
    signals.sort_by_key(|signal| signal.at);
    Cart {
        shop: ShopId::parse("shop").expect("a slug"),
        id: CartId::parse("c-1").expect("a token"),
        state: State::Active { stalls_at: None },
        stage,
        stages,
        content: Content { items: vec![item], ..Content::empty(Currency::parse("EUR").expect("known")) },
        signals,
        reasons: Vec::new(),
        created_at: at(0),
        last_activity_at: at(LAST),
        items_changed_at: at(0),
        occurred_at: at(0),
        revision: None,
        episode_started_at: at(0),
        abandonments: 0,
        last_abandonment: None,
        reminders: Vec::new(),
        order: None,
        expires_at: at(86_400),
        stage_since: at(LAST - 60),
        heard: Heard::default(),
        trail: crate::domain::trail::Trail::default(),
        past: Past::default(),
    }
}

fn judged(cart: &Cart, rule: RuleName) -> Judgement {
    let all = consider(cart, &RuleSettings::default());
    all.into_iter().find(|c| c.rule == rule).expect("every rule is in the table").outcome
}

fn fires(rule: RuleName, cart: &Cart, evidence: &str) {
    let outcome = judged(cart, rule);
    let Judgement::Fired(finding) = outcome else { panic!("{rule} should hold, not {outcome:?}") };
    assert!(finding.evidence.contains(evidence), "{rule}: {}", finding.evidence);
}

fn nearly(rule: RuleName, cart: &Cart, evidence: &str) {
    let outcome = judged(cart, rule);
    let Judgement::Near { evidence: found } = outcome else { panic!("{rule} should nearly hold, not {outcome:?}") };
    assert!(found.contains(evidence), "{rule}: {found}");
}

fn never(rule: RuleName, cart: &Cart) {
    assert_eq!(judged(cart, rule), Judgement::Not, "{rule}");
}

const fn failed(class: PaymentClass) -> SignalKind {
    SignalKind::PaymentFailed { class }
}

const fn viewed(page: Page) -> SignalKind {
    SignalKind::PageViewed { page, product: None }
}

fn quoted(lowest: i64, days: u32, rates: u32) -> SignalKind {
    SignalKind::ShippingQuoted { lowest: Some(minor(lowest)), fastest_days: Some(days), rates: Some(rates) }
}

fn total(amount: i64) -> SignalKind {
    SignalKind::TotalShown { total: minor(amount), stage: None }
}

#[test]
fn of_several_failed_payments_the_newest_counts() {
    let twice = left(Stage::Payment, &[(500, failed(PaymentClass::Funds)), (590, failed(PaymentClass::Processing))]);
    fires(RuleName::PaymentFailed, &twice, "class processing");
    nearly(RuleName::PaymentDeclined, &twice, "class funds");
    never(RuleName::PaymentMethodUnsupported, &twice);
    let fraud = left(Stage::Payment, &[(590, failed(PaymentClass::FraudSuspected))]);
    fires(RuleName::PaymentDeclined, &fraud, "fraud_suspected");
    let once = left(Stage::Payment, &[(590, failed(PaymentClass::MethodUnsupported))]);
    fires(RuleName::PaymentMethodUnsupported, &once, "method_unsupported");
    never(RuleName::PaymentFailed, &once);
    let cancelled = left(Stage::Payment, &[(590, failed(PaymentClass::ShopperCancelled))]);
    for rule in [RuleName::PaymentDeclined, RuleName::PaymentFailed, RuleName::PaymentMethodUnsupported] {
        never(rule, &cancelled);
    }
}

#[test]
fn who_was_sent_away_to_pay_and_never_came_back_met_an_error() {
    let gone = left(Stage::Payment, &[(600, SignalKind::PaymentRedirected)]);
    fires(RuleName::PaymentNeverReturned, &gone, "without payment_returned");
    let back = left(Stage::Payment, &[(500, SignalKind::PaymentRedirected), (590, SignalKind::PaymentReturned)]);
    nearly(RuleName::PaymentNeverReturned, &back, "payment_returned at");
    never(RuleName::PaymentNeverReturned, &left(Stage::Payment, &[]));
}

#[test]
fn methods_that_were_shown_and_not_taken_were_not_the_right_ones() {
    let shown = SignalKind::PaymentMethodsShown { count: Some(3) };
    let rule = RuleName::PaymentMethodMissing;
    fires(rule, &left(Stage::Payment, &[(590, shown.clone())]), "3 payment methods");
    nearly(
        rule,
        &left(Stage::Payment, &[(580, shown.clone()), (590, SignalKind::PaymentAttempted)]),
        "payment_attempted",
    );
    nearly(rule, &left(Stage::Shipping, &[(580, shown)]), "left at stage shipping");
    never(rule, &left(Stage::Payment, &[(590, SignalKind::PaymentAttempted)]));
}

#[test]
fn delivery_is_impossible_or_slow_by_the_newest_quote() {
    let nowhere = left(Stage::Shipping, &[(500, quoted(490, 9, 2)), (590, quoted(490, 9, 0))]);
    fires(RuleName::DeliveryUnavailable, &nowhere, "no rate");
    let again = left(Stage::Shipping, &[(500, quoted(490, 9, 0)), (590, quoted(490, 9, 2))]);
    nearly(RuleName::DeliveryUnavailable, &again, "but with rates");
    never(RuleName::DeliveryUnavailable, &left(Stage::Shipping, &[(590, quoted(490, 9, 2))]));

    fires(RuleName::DeliveryTime, &again, "in 9 days, limit 7");
    nearly(RuleName::DeliveryTime, &left(Stage::Shipping, &[(590, quoted(490, 4, 2))]), "in 4 days");
    nearly(RuleName::DeliveryTime, &left(Stage::Payment, &[(590, quoted(490, 9, 2))]), "left at stage payment");
    never(RuleName::DeliveryTime, &left(Stage::Shipping, &[(590, quoted(490, 3, 2))]));
    never(RuleName::DeliveryTime, &left(Stage::Payment, &[(590, quoted(490, 4, 2))]));
}

#[test]
fn shipping_is_dear_by_its_share_of_the_subtotal() {
    let at_rate = |stage, lowest| left(stage, &[(590, quoted(lowest, 2, 1))]);
    fires(RuleName::ShippingCost, &at_rate(Stage::Shipping, 600), "600 of subtotal 4000, limit 15 %");
    nearly(RuleName::ShippingCost, &at_rate(Stage::Shipping, 599), "599 of subtotal 4000");
    nearly(RuleName::ShippingCost, &at_rate(Stage::Payment, 600), "left at stage payment");
    never(RuleName::ShippingCost, &at_rate(Stage::Shipping, 299));
    never(RuleName::ShippingCost, &at_rate(Stage::Payment, 599));
    never(RuleName::ShippingCost, &left(Stage::Shipping, &[]));
}

#[test]
fn a_total_surprises_by_how_much_it_grew() {
    let grown = |stage, last| left(stage, &[(100, total(4_000)), (590, total(last))]);
    fires(RuleName::UnexpectedTotal, &grown(Stage::Payment, 4_400), "total 4400 at payment, 4000 when first shown");
    nearly(RuleName::UnexpectedTotal, &grown(Stage::Payment, 4_399), "total 4399");
    nearly(RuleName::UnexpectedTotal, &grown(Stage::Shipping, 4_400), "left at stage shipping");
    never(RuleName::UnexpectedTotal, &grown(Stage::Payment, 4_100));
    never(RuleName::UnexpectedTotal, &grown(Stage::Payment, 3_000));
    let mut cart = grown(Stage::Payment, 4_000);
    cart.content.totals.total = Some(minor(5_000));
    fires(RuleName::UnexpectedTotal, &cart, "total 5000");
}

#[test]
fn a_rejected_coupon_counts_until_one_is_applied() {
    let rejected = (500, SignalKind::CouponRejected);
    fires(RuleName::CouponRejected, &left(Stage::Cart, std::slice::from_ref(&rejected)), "none applied later");
    let applied = left(Stage::Cart, &[rejected, (590, SignalKind::CouponApplied)]);
    nearly(RuleName::CouponRejected, &applied, "coupon_applied at");
    never(RuleName::CouponRejected, &left(Stage::Cart, &[(590, SignalKind::CouponApplied)]));
}

#[test]
fn a_line_taken_out_right_after_the_total_was_too_dear() {
    let removed = SignalKind::ItemRemoved { product: None };
    let after = |seconds: i64| left(Stage::Cart, &[(500, total(4_000)), (500 + seconds, removed.clone())]);
    fires(RuleName::PriceTooHigh, &after(60), "60 s after total_shown");
    nearly(RuleName::PriceTooHigh, &after(61), "61 s after total_shown");
    never(RuleName::PriceTooHigh, &after(121));
    never(RuleName::PriceTooHigh, &left(Stage::Cart, &[(590, removed.clone())]));
}

#[test]
fn comparing_shows_in_a_page_or_in_another_tab() {
    let rule = RuleName::PriceComparison;
    fires(rule, &left(Stage::Cart, &[(300, viewed(Page::Comparison))]), "page_viewed comparison");
    let gone = [(610, SignalKind::TabHidden), (700, SignalKind::PageClosed)];
    fires(rule, &left(Stage::Cart, &gone), "tab_hidden");
    nearly(rule, &left(Stage::Cart, &gone[..1]), "was not closed");
    never(rule, &left(Stage::Payment, &gone));
    never(rule, &left(Stage::Cart, &[(100, SignalKind::TabHidden), (700, SignalKind::PageClosed)]));
}

#[test]
fn what_is_sold_out_counts_while_it_is_in_the_cart() {
    let gone = |name| SignalKind::ItemUnavailable { product: Some(product(name)) };
    fires(RuleName::OutOfStock, &left(Stage::Cart, &[(590, gone("p-1"))]), "item_unavailable");
    nearly(RuleName::OutOfStock, &left(Stage::Cart, &[(590, gone("p-9"))]), "no longer in the cart");
    never(RuleName::OutOfStock, &left(Stage::Cart, &[]));
    let mut cart = left(Stage::Cart, &[]);
    cart.content.items[0].in_stock = Some(false);
    fires(RuleName::OutOfStock, &cart, "product p-1 is not in stock");
}

#[test]
fn a_product_that_is_looked_at_again_and_again_is_unclear() {
    let look = |name| SignalKind::PageViewed { page: Page::Product, product: Some(product(name)) };
    let rule = RuleName::ProductInfoUnclear;
    fires(rule, &left(Stage::Cart, &[(1, look("p-1")), (2, look("p-1")), (3, look("p-1"))]), "viewed 3 times");
    nearly(rule, &left(Stage::Cart, &[(1, look("p-1")), (2, look("p-1"))]), "viewed 2 times, limit 3");
    never(rule, &left(Stage::Cart, &[(1, look("p-1"))]));
    never(rule, &left(Stage::Cart, &[(1, look("p-9")), (2, look("p-9")), (3, look("p-9"))]));
    never(
        rule,
        &left(Stage::Cart, &[(1, viewed(Page::Product)), (2, viewed(Page::Product)), (3, viewed(Page::Product))]),
    );
    fires(rule, &left(Stage::Cart, &[(1, viewed(Page::SizeGuide))]), "size_guide");
}

#[test]
fn a_choice_that_is_not_there_limits_the_selection() {
    let rule = RuleName::LimitedSelection;
    fires(rule, &left(Stage::Cart, &[(1, SignalKind::VariantUnavailable { product: None })]), "variant_unavailable");
    fires(rule, &left(Stage::Cart, &[(1, SignalKind::SearchEmpty)]), "search_empty");
    never(rule, &left(Stage::Cart, &[]));
}

#[test]
fn a_question_without_an_answer_is_missing_support() {
    let opened = (500, SignalKind::ChatOpened);
    fires(RuleName::SupportUnavailable, &left(Stage::Cart, std::slice::from_ref(&opened)), "without an answer");
    nearly(
        RuleName::SupportUnavailable,
        &left(Stage::Cart, &[opened, (590, SignalKind::ChatAnswered)]),
        "chat_answered",
    );
    never(RuleName::SupportUnavailable, &left(Stage::Cart, &[]));
}

#[test]
fn doubts_about_the_shop_show_at_payment_before_any_attempt() {
    let privacy = (500, viewed(Page::Privacy));
    fires(RuleName::TrustSecurity, &left(Stage::Payment, std::slice::from_ref(&privacy)), "no attempt to pay");
    nearly(RuleName::TrustSecurity, &left(Stage::Shipping, std::slice::from_ref(&privacy)), "left at stage shipping");
    nearly(
        RuleName::TrustSecurity,
        &left(Stage::Payment, &[privacy, (590, SignalKind::PaymentAttempted)]),
        "attempted",
    );
    never(RuleName::TrustSecurity, &left(Stage::Payment, &[]));
}

#[test]
fn the_page_that_was_looked_at_last_is_the_worry() {
    for (rule, page) in [(RuleName::ReturnsPolicy, Page::Returns), (RuleName::OrderTracking, Page::Tracking)] {
        fires(rule, &left(Stage::Payment, &[(LAST, viewed(page))]), "last thing looked at");
        nearly(rule, &left(Stage::Payment, &[(LAST - 1, viewed(page))]), "went on");
        nearly(rule, &left(Stage::Payment, &[(LAST, viewed(page)), (LAST + 1, viewed(Page::Contact))]), "went on");
        never(rule, &left(Stage::Payment, &[]));
    }
}

#[test]
fn an_error_counts_when_the_shopper_stopped_soon_after_it() {
    let error = |status, slow_ms| SignalKind::ErrorShown { status, slow_ms };
    let rule = RuleName::TechnicalError;
    fires(rule, &left(Stage::Payment, &[(LAST - 60, error(Some(503), None))]), "60 s before");
    fires(rule, &left(Stage::Payment, &[(LAST, error(None, None))]), "0 s before");
    nearly(rule, &left(Stage::Payment, &[(LAST - 61, error(None, None))]), "61 s before the last activity, limit 60 s");
    fires(rule, &left(Stage::Payment, &[(LAST, error(None, Some(8_000)))]), "took 8000 ms");
    nearly(rule, &left(Stage::Payment, &[(LAST, error(None, Some(7_999)))]), "took 7999 ms");
    never(rule, &left(Stage::Payment, &[]));
}

#[test]
fn an_account_is_the_reason_when_it_was_the_last_step() {
    fires(RuleName::AccountRequired, &left(Stage::Contact, &[(LAST, SignalKind::AccountRequired)]), "last step");
    nearly(RuleName::AccountRequired, &left(Stage::Contact, &[(LAST - 1, SignalKind::AccountRequired)]), "went on");
    never(RuleName::AccountRequired, &left(Stage::Contact, &[]));
}

#[test]
fn a_checkout_is_too_long_by_its_refusals_or_by_the_clock() {
    let rule = RuleName::CheckoutTooLong;
    let refused = |times: i64| -> Vec<_> { (0..times).map(|n| (n, SignalKind::FieldRejected)).collect() };
    fires(rule, &left(Stage::Contact, &refused(3)), "3 times, limit 3");
    nearly(rule, &left(Stage::Contact, &refused(2)), "2 times, limit 3");
    never(rule, &left(Stage::Contact, &refused(1)));
    let slow = |stage, spent| Cart {
        created_at: at(-86_400),
        episode_started_at: at(-86_400),
        stage_since: at(LAST - spent),
        ..left(stage, &[])
    };
    fires(rule, &slow(Stage::Shipping, 900), "900 s at step shipping");
    nearly(rule, &slow(Stage::Shipping, 899), "899 s at step shipping");
    never(rule, &slow(Stage::Shipping, 449));
    never(rule, &slow(Stage::Cart, 900));
    let back = Cart { episode_started_at: at(LAST - 60), ..slow(Stage::Shipping, 900) };
    never(rule, &back);
}

#[test]
fn who_saves_a_cart_means_to_come_back() {
    let saved = |remind_at| left(Stage::Cart, &[(500, SignalKind::SavedForLater { remind_at })]);
    fires(RuleName::ThinkLater, &saved(None), "saved_for_later");
    fires(RuleName::ThinkLater, &saved(Some(at(86_400))), "to be reminded at");
    never(RuleName::ThinkLater, &left(Stage::Cart, &[]));
}

#[test]
fn who_never_saw_the_checkout_was_just_browsing_the_first_time() {
    fires(RuleName::JustBrowsing, &left(Stage::Cart, &[]), "single visit");
    never(RuleName::JustBrowsing, &left(Stage::Contact, &[]));
    let back = Cart { episode_started_at: at(300), ..left(Stage::Cart, &[]) };
    nearly(RuleName::JustBrowsing, &back, "came back");
}

fn any_signal() -> impl Strategy<Value = SignalKind> {
    let count = 0_u32..12;
    prop_oneof![
        (0_i64..2_000, count.clone(), 0_u32..3).prop_map(|(lowest, days, rates)| quoted(lowest, days, rates)),
        (1_i64..9_000).prop_map(total),
        select(PaymentClass::ALL).prop_map(failed),
        select(Page::ALL).prop_map(viewed),
        prop::option::of(0_u32..20_000).prop_map(|slow_ms| SignalKind::ErrorShown { status: None, slow_ms }),
        select(vec![
            SignalKind::CouponRejected,
            SignalKind::CouponApplied,
            SignalKind::PaymentMethodsShown { count: Some(2) },
            SignalKind::PaymentAttempted,
            SignalKind::PaymentRedirected,
            SignalKind::PaymentReturned,
            SignalKind::FieldRejected,
            SignalKind::AccountRequired,
            SignalKind::ItemRemoved { product: None },
            SignalKind::ItemUnavailable { product: None },
            SignalKind::VariantUnavailable { product: None },
            SignalKind::SearchEmpty,
            SignalKind::ChatOpened,
            SignalKind::ChatAnswered,
            SignalKind::SavedForLater { remind_at: None },
            SignalKind::TabHidden,
            SignalKind::PageClosed,
            SignalKind::Other,
        ]),
    ]
}

proptest! {
    #[test]
    fn a_soft_reason_never_displaces_a_hard_one(
        stage in select(Stage::ALL),
        signals in vec((0..LAST, any_signal()), 0..12),
        demoted in prop::collection::btree_map(select(ReasonCode::ALL), 0_u8..25, 0..4),
    ) {
        let cart = left(stage, &signals);
        let settings = RuleSettings { demoted, ..RuleSettings::default() };
        let findings = infer(&cart, &settings);
        prop_assert!(findings.is_sorted_by_key(|f| Reverse(f.source)), "{findings:?}");
        for finding in &findings {
            prop_assert!(!finding.evidence.is_empty() && finding.confidence <= 100);
            let is_demoted = settings.demoted.contains_key(&finding.code);
            prop_assert!(!is_demoted || finding.source == ReasonSource::InferredSoft);
        }
        let fired = consider(&cart, &settings).into_iter().filter(|c| matches!(c.outcome, Judgement::Fired(_))).count();
        prop_assert_eq!(fired, findings.len());
        prop_assert_eq!(infer(&cart, &settings), findings, "the same cart gives the same reasons");
    }
}

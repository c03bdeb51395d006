//! Any cart, delivery, order, answer or mark that the domain's types can hold: for property tests of the stored form.
//!
//! Read next: `record/tests.rs`.

mod note;
mod order;
mod trail;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use self::note::grant;
pub use self::note::note;
pub use self::order::order;
use self::trail::trail;
use crate::domain::*;
use crate::store::{Answer, Answered, InFlight, OrderReceipt};

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![any::<i64>(), 1_700_000_000_000..1_900_000_000_000_i64].prop_map(Moment::from_millis)
}

fn minor() -> impl Strategy<Value = Minor> {
    (0..=Minor::MAX.signed()).prop_map(|amount| Minor::new(amount).expect("in range"))
}

fn currency() -> impl Strategy<Value = Currency> {
    select(vec!["EUR", "USD", "JPY", "KWD"]).prop_map(|code| Currency::parse(code).expect("known"))
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,24}"
}

fn personal() -> impl Strategy<Value = PersonalText> {
    text().prop_map(|text| PersonalText::new(&text))
}

fn url() -> impl Strategy<Value = WebUrl> {
    text().prop_map(|text| WebUrl::new(&text))
}

fn shop() -> impl Strategy<Value = ShopId> {
    "[a-z0-9_-]{1,32}".prop_map(|text| ShopId::parse(&text).expect("a slug"))
}

fn cart_id() -> impl Strategy<Value = CartId> {
    "[A-Za-z0-9_.~:=-]{1,40}".prop_map(|text| CartId::parse(&text).expect("a token"))
}

fn order_id() -> impl Strategy<Value = OrderId> {
    "[A-Za-z0-9#_.-]{1,40}".prop_map(|text| OrderId::parse(&text).expect("a token"))
}

fn product() -> impl Strategy<Value = ProductId> {
    "[!-~]{1,40}".prop_map(|text| ProductId::parse(&text).expect("graphic"))
}

fn stage() -> impl Strategy<Value = Stage> {
    select(Stage::ALL)
}

fn attribution() -> impl Strategy<Value = Attribution> {
    select(Attribution::ALL)
}

fn reason() -> impl Strategy<Value = Reason> {
    (select(ReasonCode::ALL), select(ReasonSource::ALL), 0..=100_u8, moment())
        .prop_map(|(code, source, confidence, at)| Reason { code, source, confidence, at })
}

fn abandonment() -> impl Strategy<Value = Abandonment> {
    (any::<u32>(), moment(), stage(), minor(), reason()).prop_map(|(number, abandoned_at, stage, value, reason)| {
        Abandonment { number, abandoned_at, stage, value, reason }
    })
}

fn order_brief() -> impl Strategy<Value = OrderBrief> {
    (order_id(), currency(), minor(), moment()).prop_map(|(id, currency, total, placed_at)| OrderBrief {
        id,
        currency,
        total,
        placed_at,
    })
}

fn state() -> impl Strategy<Value = State> {
    let held = || (moment(), select(Why::ALL)).prop_map(|(since, why)| Held { since, why });
    let step =
        || (any::<u32>(), moment(), of(held())).prop_map(|(index, due_at, held)| NextStep { index, due_at, held });
    prop_oneof![
        of(moment()).prop_map(|stalls_at| State::Active { stalls_at }),
        of(step()).prop_map(|next_step| State::Abandoned { next_step }),
        of(step()).prop_map(|next_step| State::PaymentPending { next_step }),
        attribution().prop_map(|attribution| State::Converted { attribution }),
        Just(State::Reverted),
        Just(State::Dismissed),
        Just(State::OptedOut),
        select(Why::ALL).prop_map(|why| State::Suppressed { why }),
        cart_id().prop_map(State::MergedInto),
        Just(State::Expired),
        Just(State::Erased),
    ]
}

fn signal_kind() -> impl Strategy<Value = SignalKind> {
    prop_oneof![
        (of(minor()), of(any::<u32>()), of(any::<u32>()))
            .prop_map(|(lowest, fastest_days, rates)| SignalKind::ShippingQuoted { lowest, fastest_days, rates }),
        (minor(), of(stage())).prop_map(|(total, stage)| SignalKind::TotalShown { total, stage }),
        select(PaymentClass::ALL).prop_map(|class| SignalKind::PaymentFailed { class }),
        (of(any::<u16>()), of(any::<u32>())).prop_map(|(status, slow_ms)| SignalKind::ErrorShown { status, slow_ms }),
        of(product()).prop_map(|product| SignalKind::ItemUnavailable { product }),
        of(product()).prop_map(|product| SignalKind::ItemRemoved { product }),
        of(product()).prop_map(|product| SignalKind::VariantUnavailable { product }),
        of(any::<u32>()).prop_map(|count| SignalKind::PaymentMethodsShown { count }),
        of(moment()).prop_map(|remind_at| SignalKind::SavedForLater { remind_at }),
        (select(Page::ALL), of(product())).prop_map(|(page, product)| SignalKind::PageViewed { page, product }),
        select(vec![
            SignalKind::CouponRejected,
            SignalKind::CouponApplied,
            SignalKind::PaymentAttempted,
            SignalKind::PaymentRedirected,
            SignalKind::PaymentReturned,
            SignalKind::FieldRejected,
            SignalKind::AccountRequired,
            SignalKind::SearchEmpty,
            SignalKind::ChatOpened,
            SignalKind::ChatAnswered,
            SignalKind::ExitIntent,
            SignalKind::TabHidden,
            SignalKind::PageClosed,
            SignalKind::Other,
        ]),
    ]
}

fn signals() -> impl Strategy<Value = Vec<Signal>> {
    vec((signal_kind(), moment()).prop_map(|(kind, at)| Signal { kind, at }), 0..8)
}

fn item() -> impl Strategy<Value = Item> {
    let texts = (of(text()), of(text()), of(text()), of(text()));
    (texts, product(), any::<u32>(), of(minor()), of(url()), of(url()), of(any::<bool>())).prop_map(
        |((id, sku, title, variant), product_id, quantity, unit_price, url, image_url, in_stock)| Item {
            id,
            product_id,
            sku,
            title,
            variant,
            quantity,
            unit_price,
            url,
            image_url,
            in_stock,
        },
    )
}

fn totals() -> impl Strategy<Value = Totals> {
    (of(minor()), of(minor()), of(minor()), of(minor()), of(minor()), of(any::<bool>())).prop_map(
        |(subtotal, discount, shipping, tax, total, tax_included)| Totals {
            subtotal,
            discount,
            shipping,
            tax,
            total,
            tax_included,
        },
    )
}

fn shopper() -> impl Strategy<Value = Shopper> {
    let names = (of(personal()), of(personal()), of(personal()), of(personal()), of(personal()));
    (names, of(text()), of(text()), of(text()), of(any::<bool>())).prop_map(
        |((email, phone, customer_id, anonymous_id, first_name), locale, time_zone, country, existing_customer)| {
            Shopper {
                email,
                phone,
                customer_id,
                anonymous_id,
                first_name,
                locale,
                time_zone,
                country,
                existing_customer,
            }
        },
    )
}

fn consent() -> impl Strategy<Value = Consent> {
    (select(Channel::ALL), select(ConsentStatus::ALL), of(text()), of(moment()), of(text()))
        .prop_map(|(channel, status, basis, at, source)| Consent { channel, status, basis, at, source })
}

fn content() -> impl Strategy<Value = Content> {
    let lists = (vec(item(), 0..4), vec(consent(), 0..3), vec(text(), 0..3), btree_map(text(), text(), 0..4));
    (currency(), lists, totals(), shopper(), of(url()), any::<bool>()).prop_map(
        |(currency, (items, consent, coupons, attributes), totals, shopper, checkout_url, test)| Content {
            currency,
            items,
            totals,
            shopper,
            consent,
            checkout_url,
            coupons,
            attributes,
            test,
            sealed: None,
        },
    )
}

fn heard() -> impl Strategy<Value = Heard> {
    let comment = (select(ReasonSource::ALL), "\\PC{0,40}", moment()).prop_map(|(source, text, at)| Comment {
        source,
        text: PersonalText::new(&text),
        at,
    });
    (any::<bool>(), any::<bool>(), of(moment()), vec(comment, 0..3)).prop_map(
        |(survey_shown, survey_answered, cancelled_at, comments)| Heard {
            survey_shown,
            survey_answered,
            cancelled_at,
            comments,
        },
    )
}

pub fn cart() -> impl Strategy<Value = Cart> {
    let reminder = (any::<u32>(), any::<u32>(), moment()).prop_map(|(abandonment, step, decided_at)| ReminderMark {
        abandonment,
        step,
        decided_at,
    });
    let who = (shop(), cart_id(), state(), stage(), any::<u8>());
    let what = (content(), signals(), vec(reason(), 0..4));
    let moments = proptest::array::uniform8(moment());
    let rest =
        (of(any::<u64>()), any::<u32>(), of(abandonment()), vec(reminder, 0..4), of(order_brief()), (heard(), trail()));
    let past = (of(moment()), of(any::<u32>())).prop_map(|(exposed_at, payment_decided)| Past {
        exposed_at,
        payment_decided,
        ..Past::default()
    });
    let rest = (rest, past);
    (who, what, moments, rest).prop_map(|(who, (content, signals, reasons), at, rest)| {
        let (shop, id, state, reached, seen) = who;
        let ((revision, abandonments, last_abandonment, reminders, order, (heard, trail)), past) = rest;
        Cart {
            shop,
            id,
            state,
            stage: reached,
            stages: StageSet(seen),
            content,
            signals,
            reasons,
            created_at: at[0],
            last_activity_at: at[1],
            items_changed_at: at[2],
            occurred_at: at[3],
            revision,
            episode_started_at: at[4],
            abandonments,
            last_abandonment,
            reminders,
            order,
            expires_at: at[5],
            stage_since: at[6],
            heard,
            furthest_at: at[7],
            trail,
            past,
        }
    })
}

fn step_name() -> impl Strategy<Value = StepName> {
    "[a-z0-9_-]{1,32}".prop_map(|text| StepName::parse(&text).expect("a slug"))
}

fn event() -> impl Strategy<Value = Event> {
    let step = (any::<u32>(), any::<u32>(), step_name(), select(Channel::ALL))
        .prop_map(|(index, of, name, channel)| StepBrief { index, of, name, channel });
    let brief = ("[a-z0-9_-]{1,32}", select(Why::ALL))
        .prop_map(|(name, why)| EndpointBrief { name: EndpointName::parse(&name).expect("a slug"), why });
    let about = (of(brief), of(digest()));
    (select(EventKind::ALL), moment(), of(abandonment()), of(step), of(order_brief()), of(reason()), about).prop_map(
        |(kind, at, abandonment, step, order, reason, (endpoint, digest))| Event {
            kind,
            at,
            abandonment,
            step,
            order,
            reason,
            endpoint,
            digest,
        },
    )
}

fn digest() -> impl Strategy<Value = Digest> {
    let values = vec((currency(), any::<u64>(), any::<u64>()), 0..3);
    let reasons = vec((select(ReasonCode::ALL), any::<u64>()), 0..3);
    (-100_000..100_000_i32, any::<[u64; 3]>(), values, reasons).prop_map(|(day, counts, values, reasons)| {
        let [abandonments, reminders, recovered] = counts;
        Digest { day: Day::from_number(day), abandonments, reminders, recovered, values, reasons }
    })
}

pub fn delivery() -> impl Strategy<Value = Delivery> {
    let endpoint = "[a-z0-9_-]{1,32}".prop_map(|text| EndpointName::parse(&text).expect("a slug"));
    let status = prop_oneof![
        Just(Status::Pending),
        Just(Status::Delivered),
        select(Why::ALL).prop_map(Status::Dead),
        select(Why::ALL).prop_map(Status::Suppressed),
    ];
    let attempt = (moment(), select(OutcomeName::ALL), of(any::<u16>()), any::<u32>())
        .prop_map(|(at, outcome, status, duration_ms)| Attempt { at, outcome, status, duration_ms, reply: None });
    let life = (status, any::<u32>(), vec(attempt, 0..10));
    (shop(), cart_id(), endpoint, event(), moment(), moment(), life, of(grant())).prop_map(
        |(shop, cart, endpoint, event, due_at, send_not_after, (status, attempt_count, attempts), incentive)| {
            Delivery {
                id: DeliveryId::derive(EventKind::Reminder, &shop, &cart, "reminder/1/0", &endpoint),
                shop,
                cart,
                endpoint,
                event,
                created_at: due_at,
                due_at,
                send_not_after,
                status,
                attempt_count,
                attempts,
                incentive,
            }
        },
    )
}

pub fn answered() -> impl Strategy<Value = Answered> {
    let counts = (any::<u32>(), of(any::<u64>()), moment());
    let cart = (any::<bool>(), select(Applied::ALL), select(StateName::ALL), stage(), counts).prop_map(
        |(created, applied, state, stage, (abandonments, revision, next_wake_at))| {
            Answer::Cart(Receipt { created, applied, state, stage, abandonments, revision, next_wake_at })
        },
    );
    let in_flight = select(vec![InFlight::None, InFlight::Finished, InFlight::Possible]);
    let order = (select(Applied::ALL), vec(cart_id(), 0..4), of(attribution()), in_flight).prop_map(
        |(applied, carts, attribution, in_flight)| {
            Answer::Order(OrderReceipt { applied, carts, attribution, in_flight })
        },
    );
    (any::<u64>(), prop_oneof![cart, order]).prop_map(|(fingerprint, answer)| Answered { fingerprint, answer })
}

fn mark() -> impl Strategy<Value = PurchaseMark> {
    let covers = prop_oneof![Just(Covers::Everything), btree_set(product(), 0..4).prop_map(Covers::Products)];
    (order_id(), moment(), covers, any::<bool>()).prop_map(|(order, placed_at, covers, paid)| PurchaseMark {
        order,
        placed_at,
        covers,
        paid,
    })
}

//! The digest of a shop's day: what its merchant is told in the morning, from the day's stored counts.
//!
//! A day is one in UTC, as in the reports, and is told of once it is over. A day on which nothing happened has no digest.

use std::time::Duration;

use jiff::Timestamp;

use super::attribution::Attribution;
use super::fact::ReminderResult;
use super::money::Currency;
use super::quiet::ClockTime;
use super::reason::{ReasonCode, ReasonSource};
use super::tally::TallyKey;
use super::time::{Day, Moment};
use super::zone::Zone;

/// How many reasons are told.
const REASONS_MAX: usize = 3;

/// What a day came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    pub day: Day,
    /// Idle episodes that became abandonments.
    pub abandonments: u64,
    /// Reminders that a receiver took.
    pub reminders: u64,
    /// Paid orders that an abandonment came before, less those of that day that were taken back.
    pub recovered: u64,
    /// Minor units by currency: what was abandoned, and what came back.
    pub values: Vec<(Currency, u64, u64)>,
    /// Why carts were left, by what we saw: the most frequent first.
    pub reasons: Vec<(ReasonCode, u64)>,
}

impl Digest {
    /// What these counts of a day come to; `None` when nothing happened.
    #[must_use]
    pub fn of(day: Day, counts: &[(Day, TallyKey, i64)]) -> Option<Self> {
        let mut digest =
            Self { day, abandonments: 0, reminders: 0, recovered: 0, values: Vec::new(), reasons: Vec::new() };
        let (mut abandonments, mut reminders, mut recovered) = (0_i64, 0_i64, 0_i64);
        let mut values: Vec<(Currency, i64, i64)> = Vec::new();
        let mut value_of = |currency: &str, left: i64, back: i64| {
            let Ok(currency) = Currency::parse(currency) else { return };
            match values.iter_mut().find(|(known, ..)| *known == currency) {
                Some((_, all_left, all_back)) => (*all_left, *all_back) = (*all_left + left, *all_back + back),
                None => values.push((currency, left, back)),
            }
        };
        let mut reasons: Vec<(ReasonCode, i64)> = Vec::new();
        for (_, key, by) in counts.iter().filter(|(of, ..)| *of == day) {
            match key.0.split('/').collect::<Vec<_>>().as_slice() {
                ["abandonments", _] => abandonments += by,
                ["abandoned_value_minor", currency, _] => value_of(currency, *by, 0),
                ["recovered_value_minor", currency] => value_of(currency, 0, *by),
                ["reminders", _, result] if *result == ReminderResult::Delivered.as_str() => reminders += by,
                ["attributed_orders", name] if Attribution::parse(name).is_some_and(Attribution::is_recovered) => {
                    recovered += by;
                }
                ["reasons", _, code, source] if is_seen(source) => {
                    let Some(code) = ReasonCode::parse(code).filter(|code| *code != ReasonCode::Unknown) else {
                        continue;
                    };
                    match reasons.iter_mut().find(|(known, _)| *known == code) {
                        Some((_, count)) => *count += by,
                        None => reasons.push((code, *by)),
                    }
                }
                _ => {}
            }
        }
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        (digest.abandonments, digest.reminders, digest.recovered) =
            (count(abandonments), count(reminders), count(recovered));
        values.sort_unstable();
        digest.values = values.into_iter().map(|(currency, left, back)| (currency, count(left), count(back))).collect();
        reasons.sort_unstable_by_key(|(code, times)| (-times, *code));
        digest.reasons = reasons.into_iter().take(REASONS_MAX).map(|(code, times)| (code, count(times))).collect();
        (digest.abandonments + digest.reminders + digest.recovered > 0).then_some(digest)
    }
}

/// What we found, once for each abandonment; what people say is another count.
fn is_seen(source: &str) -> bool {
    !matches!(ReasonSource::parse(source), None | Some(ReasonSource::Reported | ReasonSource::Agent))
}

/// The last moment until now at which a clock in this zone showed that time, and the whole day before it.
#[must_use]
pub fn digest_due(at: ClockTime, zone: &Zone, now: Moment) -> Option<(Moment, Day)> {
    let local = Timestamp::from_millisecond(now.millis()).ok()?.to_zoned(zone.rules().clone()).date();
    let on = |date: jiff::civil::Date| {
        let shown = zone.rules().to_ambiguous_timestamp(date.to_datetime(at.civil())).compatible().ok()?;
        Some(Moment::from_millis(shown.as_millisecond()))
    };
    let due = [on(local), local.yesterday().ok().and_then(on)].into_iter().flatten().find(|due| *due <= now)?;
    Some((due, due.minus(Duration::from_secs(86_400)).day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(text).expect("a literal time")
    }

    #[test]
    fn a_day_is_told_of_in_the_morning_after_it_where_the_shop_is() {
        let eight = ClockTime::parse("08:00").expect("a time");
        for (zone, now, due, day) in [
            ("UTC", "2026-11-24T08:00:00Z", "2026-11-24T08:00:00Z", "2026-11-23"),
            ("UTC", "2026-11-24T07:59:59Z", "2026-11-23T08:00:00Z", "2026-11-22"),
            ("Europe/Berlin", "2026-11-24T12:00:00Z", "2026-11-24T07:00:00Z", "2026-11-23"),
            ("Asia/Tokyo", "2026-11-24T00:00:00Z", "2026-11-23T23:00:00Z", "2026-11-22"),
            // The morning after clocks went forward.
            ("Europe/Berlin", "2027-03-28T12:00:00Z", "2027-03-28T06:00:00Z", "2027-03-27"),
        ] {
            let zone = Zone::parse(zone).expect("known");
            let (found, of) = digest_due(eight, &zone, at(now)).expect("there is one every day");
            assert_eq!((found, of.to_string().as_str()), (at(due), day), "{now}");
        }
    }

    #[test]
    fn a_digest_sums_what_the_day_counted_and_a_quiet_day_has_none() {
        let day = Day::from_number(20_000);
        let count = |name: &str, by| (day, TallyKey(name.to_owned()), by);
        let counts = [
            count("abandonments/cart", 3),
            count("abandonments/payment", 2),
            count("abandoned_value_minor/EUR/cart", 500),
            count("abandoned_value_minor/EUR/payment", 700),
            count("recovered_value_minor/USD", -40),
            count("recovered_value_minor/EUR", 300),
            count("attributed_orders/clicked", 1),
            count("attributed_orders/organic", 9),
            count("reminders/first/delivered", 4),
            count("reminders/first/decided", 6),
            count("reasons/cart/shipping_cost/inferred_soft", 2),
            count("reasons/payment/payment_declined/inferred_hard", 2),
            count("reasons/payment/shipping_cost/inferred_hard", 1),
            count("reasons/payment/trust_security/reported", 9),
            count("reasons/cart/unknown/none", 9),
            (Day::from_number(19_999), TallyKey("abandonments/cart".to_owned()), 50),
        ];
        let digest = Digest::of(day, &counts).expect("something happened");
        assert_eq!((digest.abandonments, digest.reminders, digest.recovered), (5, 4, 1));
        let of = |code| Currency::parse(code).expect("known");
        assert_eq!(digest.values, [(of("EUR"), 1_200, 300), (of("USD"), 0, 0)]);
        assert_eq!(digest.reasons, [(ReasonCode::ShippingCost, 3), (ReasonCode::PaymentDeclined, 2)]);
        assert_eq!(Digest::of(Day::from_number(20_001), &counts), None);
    }
}

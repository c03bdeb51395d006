//! What a report is made from: the tallies of some shops over some days.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Day, ShopId, TallyKey};

/// Days in UTC, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: Day,
    pub to: Day,
}

impl Period {
    /// Each of its days, in order.
    pub fn days(self) -> impl Iterator<Item = Day> {
        (self.from.number()..=self.to.number()).map(Day::from_number)
    }
}

/// The counts of one shop, as the store gives them.
type Tallies = Vec<(Day, TallyKey, i64)>;

/// The tallies that a report is made from.
#[derive(Clone, Debug)]
pub struct Tallied {
    pub period: Period,
    shops: Vec<(ShopId, Tallies)>,
}

/// One count, its name taken apart.
#[derive(Clone, Debug)]
pub struct Count<'a> {
    /// The parts of the tally's name.
    pub name: Vec<&'a str>,
    pub by: i64,
}

impl Tallied {
    /// The tallies of these shops.
    #[must_use]
    pub fn new(period: Period, shops: Vec<(ShopId, Tallies)>) -> Self {
        Self { period, shops }
    }

    /// Every count, whichever shop's and day's.
    #[must_use]
    pub fn all(&self) -> Vec<Count<'_>> {
        self.shops.iter().flat_map(|(_, tallies)| tallies).map(|(_, key, by)| Count::of(key, *by)).collect()
    }

    /// The counts of each shop.
    pub fn by_shop(&self) -> impl Iterator<Item = (&ShopId, Vec<Count<'_>>)> {
        self.shops
            .iter()
            .map(|(shop, tallies)| (shop, tallies.iter().map(|(_, key, by)| Count::of(key, *by)).collect()))
    }

    /// The counts of each day, in order; a day without any is there.
    #[must_use]
    pub fn by_day(&self) -> BTreeMap<Day, Vec<Count<'_>>> {
        days_of(self.period, self.shops.iter().flat_map(|(_, tallies)| tallies))
    }

    /// The counts of each day of each shop.
    pub fn by_shop_and_day(&self) -> impl Iterator<Item = (&ShopId, BTreeMap<Day, Vec<Count<'_>>>)> {
        self.shops.iter().map(|(shop, tallies)| (shop, days_of(self.period, tallies.iter())))
    }

    /// What every report begins with.
    #[must_use]
    pub fn scope(&self) -> Scope {
        let shops = self.shops.iter().map(|(shop, _)| shop.to_string()).collect();
        Scope { shops, from: self.period.from.to_string(), to: self.period.to.to_string() }
    }
}

fn days_of<'a>(
    period: Period,
    tallies: impl Iterator<Item = &'a (Day, TallyKey, i64)>,
) -> BTreeMap<Day, Vec<Count<'a>>> {
    let mut days: BTreeMap<Day, Vec<Count<'a>>> = period.days().map(|day| (day, Vec::new())).collect();
    for (day, key, by) in tallies {
        days.entry(*day).or_default().push(Count::of(key, *by));
    }
    days
}

impl<'a> Count<'a> {
    fn of(key: &'a TallyKey, by: i64) -> Self {
        Self { name: key.0.split('/').collect(), by }
    }
}

/// What a report is about.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Scope {
    /// The shops whose counts are added up.
    pub shops: Vec<String>,
    /// The first day, UTC.
    #[schema(format = Date)]
    pub from: String,
    /// The last day, UTC, included.
    #[schema(format = Date)]
    pub to: String,
}

/// An amount in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amount {
    /// ISO 4217.
    pub currency: String,
    /// Minor units.
    pub value_minor: i64,
}

/// Sums by currency, in the order of the codes.
#[derive(Clone, Debug, Default)]
pub struct Amounts(BTreeMap<String, i64>);

impl Amounts {
    pub fn add(&mut self, currency: &str, by: i64) {
        let sum = self.0.entry(currency.to_owned()).or_default();
        *sum = sum.saturating_add(by);
    }

    pub fn of(&self, currency: &str) -> i64 {
        self.0.get(currency).copied().unwrap_or(0)
    }

    pub fn list(&self) -> Vec<Amount> {
        self.0.iter().map(|(currency, value)| Amount { currency: currency.clone(), value_minor: *value }).collect()
    }

    pub fn currencies(&self) -> BTreeSet<String> {
        self.0.keys().cloned().collect()
    }
}

/// A part of a whole from 0 to 1; `None` of nothing.
#[must_use]
pub fn share(part: i64, whole: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let share = |part: i64, whole: i64| part as f64 / whole as f64;
    (whole != 0).then(|| share(part, whole))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Tallies of one shop, each as (day, name, count).
    pub fn tallied(tallies: &[(i32, &str, i64)]) -> Tallied {
        let days = tallies.iter().map(|(day, ..)| *day);
        let (from, to) = (days.clone().min().unwrap_or(0), days.max().unwrap_or(0));
        let period = Period { from: Day::from_number(from), to: Day::from_number(to) };
        let tally = |(day, name, by): &(i32, &str, i64)| (Day::from_number(*day), TallyKey((*name).to_owned()), *by);
        let shop = ShopId::parse("shop").expect("a slug");
        Tallied::new(period, vec![(shop, tallies.iter().map(tally).collect())])
    }

    #[test]
    fn a_day_without_counts_is_a_day() {
        let tallied = tallied(&[(3, "carts", 2), (5, "carts", 1)]);
        let days: Vec<_> = tallied.by_day().into_iter().map(|(day, counts)| (day.number(), counts.len())).collect();
        assert_eq!(days, [(3, 1), (4, 0), (5, 1)]);
        assert_eq!(share(1, 0), None);
    }
}

//! The funnel report: how far the carts that began in the period came, up to now.
//!
//! It follows carts, not events: a cart belongs to the day it began, so no stage is ever reached by more carts than the
//! one before, and for each stage `reached = went_on + abandoned + open + ended`. Orders are those of the period itself.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::sheet::Sheet;
use super::tallied::{Amounts, Count, Scope, Tallied, share};
use crate::domain::{SpanBucket, Stage, Standing, median_seconds};

/// How far carts came.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FunnelReport {
    #[serde(flatten)]
    pub scope: Scope,
    /// Carts that began in the period; without tests, and without carts that live on in another.
    pub carts: i64,
    /// Those of them that were bought so far; later refunds included.
    pub bought: i64,
    /// Those of the bought that were refunded or cancelled.
    pub reverted: i64,
    /// Bought of all.
    pub conversion: Option<f64>,
    /// From the first sign of the cart to its order.
    pub median_order_seconds: Option<f64>,
    /// How far a median may be from the true one, relative.
    pub median_error: f64,
    pub stages: Vec<StageRow>,
    pub orders: Orders,
    pub by_currency: Vec<CurrencyRow>,
    pub by_shop: Vec<ShopRow>,
    pub by_day: Vec<FunnelDay>,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StageRow {
    pub stage: &'static str,
    /// Carts that were seen in it or in a later one, or were bought.
    pub reached: i64,
    /// Of these: went on to a later stage or to an order.
    pub went_on: i64,
    /// Of these: came no further, left, and are not back.
    pub abandoned: i64,
    /// Of these: came no further and are still there.
    pub open: i64,
    /// Of these: came no further and were emptied, erased or cancelled.
    pub ended: i64,
    /// Went on of reached.
    pub conversion: Option<f64>,
    /// Reached of all carts.
    pub share: Option<f64>,
    /// From entering the stage to going on, of those that did.
    pub median_seconds: Option<f64>,
}

/// The paid orders of the period, by the day they were told.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Orders {
    /// By buyers who had not bought before.
    pub first: i64,
    pub repeat: i64,
    pub repeat_share: Option<f64>,
    /// Orders refunded or cancelled in the period, whenever they were paid.
    pub reverted: i64,
    pub values: Vec<OrderValue>,
}

/// The worth of the paid orders in one currency.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OrderValue {
    pub currency: String,
    pub first_minor: i64,
    pub repeat_minor: i64,
    /// Taken back in the period by refunds and cancellations.
    pub reverted_minor: i64,
}

/// The carts of one currency.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CurrencyRow {
    pub currency: String,
    pub carts: i64,
    pub bought: i64,
    pub conversion: Option<f64>,
}

/// The carts of one shop.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ShopRow {
    pub shop: String,
    pub carts: i64,
    pub bought: i64,
    pub conversion: Option<f64>,
}

/// The carts that began on one day.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FunnelDay {
    #[schema(format = Date)]
    pub day: String,
    pub carts: i64,
    /// Carts that reached each stage, in the order of the stages.
    pub reached: Vec<i64>,
    pub abandoned: i64,
    pub bought: i64,
}

/// How many carts came how far and stand how.
#[derive(Clone, Debug, Default)]
struct Cells(BTreeMap<(Stage, Standing), i64>);

impl Cells {
    fn add(&mut self, furthest: &str, standing: &str, by: i64) {
        if let (Some(stage), Some(standing)) = (Stage::parse(furthest), Standing::parse(standing)) {
            *self.0.entry((stage, standing)).or_default() += by;
        }
    }

    fn sum(&self, takes: impl Fn(Stage, Standing) -> bool) -> i64 {
        self.0.iter().filter(|((stage, standing), _)| takes(*stage, *standing)).map(|(_, count)| count).sum()
    }

    fn carts(&self) -> i64 {
        self.sum(|_, _| true)
    }

    fn bought(&self) -> i64 {
        self.sum(|_, standing| is_bought(standing))
    }

    fn reached(&self, stage: Stage) -> i64 {
        self.sum(|furthest, standing| furthest >= stage || is_bought(standing))
    }

    fn stopped(&self, stage: Stage, standing: Standing) -> i64 {
        self.sum(|furthest, stands| furthest == stage && stands == standing)
    }
}

const fn is_bought(standing: Standing) -> bool {
    matches!(standing, Standing::Bought | Standing::Reverted)
}

/// Everything that the report adds up.
#[derive(Default)]
struct Sums {
    cells: Cells,
    by_currency: BTreeMap<String, Cells>,
    stage_time: BTreeMap<Stage, BTreeMap<SpanBucket, i64>>,
    order_time: BTreeMap<SpanBucket, i64>,
    orders: BTreeMap<String, i64>,
    reverted: i64,
    first: Amounts,
    repeat: Amounts,
    taken_back: Amounts,
}

impl Sums {
    fn of(counts: &[Count<'_>]) -> Self {
        let mut sums = Self::default();
        for Count { name, by } in counts {
            sums.add(name, *by);
        }
        sums
    }

    fn add(&mut self, name: &[&str], by: i64) {
        match name {
            ["funnel", currency, furthest, standing] => {
                self.cells.add(furthest, standing, by);
                self.by_currency.entry((*currency).to_owned()).or_default().add(furthest, standing, by);
            }
            ["stage_time", stage, bucket] => {
                if let (Some(stage), Some(bucket)) = (Stage::parse(stage), SpanBucket::parse(bucket)) {
                    *self.stage_time.entry(stage).or_default().entry(bucket).or_default() += by;
                }
            }
            ["order_time", bucket] => {
                if let Some(bucket) = SpanBucket::parse(bucket) {
                    *self.order_time.entry(bucket).or_default() += by;
                }
            }
            ["orders", kind] => *self.orders.entry((*kind).to_owned()).or_default() += by,
            ["orders_reverted"] => self.reverted += by,
            ["order_value_minor", currency, "first"] => self.first.add(currency, by),
            ["order_value_minor", currency, "repeat"] => self.repeat.add(currency, by),
            ["reverted_value_minor", currency] => self.taken_back.add(currency, by),
            _ => {}
        }
    }

    fn stages(&self) -> Vec<StageRow> {
        let carts = self.cells.carts();
        let next = |stage: Stage| Stage::ALL.iter().find(|later| **later > stage);
        let row = |&stage: &Stage| {
            let reached = self.cells.reached(stage);
            let went_on = next(stage).map_or_else(|| self.cells.bought(), |later| self.cells.reached(*later));
            StageRow {
                stage: stage.as_str(),
                reached,
                went_on,
                abandoned: self.cells.stopped(stage, Standing::Abandoned),
                open: self.cells.stopped(stage, Standing::Open),
                ended: self.cells.stopped(stage, Standing::Ended),
                conversion: share(went_on, reached),
                share: share(reached, carts),
                median_seconds: self.stage_time.get(&stage).and_then(median_seconds),
            }
        };
        Stage::ALL.iter().map(row).collect()
    }

    fn orders(&self) -> Orders {
        let count = |kind: &str| self.orders.get(kind).copied().unwrap_or(0);
        let (first, repeat) = (count("first"), count("repeat"));
        let mut currencies = self.first.currencies();
        currencies.extend(self.repeat.currencies());
        currencies.extend(self.taken_back.currencies());
        let value = |currency: String| OrderValue {
            first_minor: self.first.of(&currency),
            repeat_minor: self.repeat.of(&currency),
            reverted_minor: self.taken_back.of(&currency),
            currency,
        };
        Orders {
            first,
            repeat,
            repeat_share: share(repeat, first + repeat),
            reverted: self.reverted,
            values: currencies.into_iter().map(value).collect(),
        }
    }
}

impl FunnelReport {
    /// The report on these tallies.
    #[must_use]
    pub fn of(tallied: &Tallied) -> Self {
        let sums = Sums::of(&tallied.all());
        let (carts, bought) = (sums.cells.carts(), sums.cells.bought());
        let of_currency = |(currency, cells): (&String, &Cells)| {
            let (carts, bought) = (cells.carts(), cells.bought());
            CurrencyRow { currency: currency.clone(), carts, bought, conversion: share(bought, carts) }
        };
        Self {
            scope: tallied.scope(),
            carts,
            bought,
            reverted: sums.cells.sum(|_, standing| standing == Standing::Reverted),
            conversion: share(bought, carts),
            median_order_seconds: median_seconds(&sums.order_time),
            median_error: SpanBucket::ERROR,
            stages: sums.stages(),
            orders: sums.orders(),
            by_currency: sums.by_currency.iter().map(of_currency).filter(|row| row.carts != 0).collect(),
            by_shop: tallied.by_shop().map(|(shop, counts)| shop_row(shop.as_str(), &counts)).collect(),
            by_day: tallied.by_day().into_iter().map(|(day, counts)| funnel_day(day.to_string(), &counts)).collect(),
        }
    }

    /// A row for each shop, day and stage.
    #[must_use]
    pub fn sheet(tallied: &Tallied) -> Sheet {
        let mut sheet = Sheet::new(&[
            "shop",
            "day",
            "stage",
            "reached",
            "went_on",
            "abandoned",
            "open",
            "ended",
            "conversion",
            "median_seconds",
        ]);
        for (shop, days) in tallied.by_shop_and_day() {
            for (day, counts) in days {
                let day = day.to_string();
                for row in Sums::of(&counts).stages() {
                    sheet.add(vec![
                        shop.as_str().into(),
                        day.as_str().into(),
                        row.stage.into(),
                        row.reached.into(),
                        row.went_on.into(),
                        row.abandoned.into(),
                        row.open.into(),
                        row.ended.into(),
                        row.conversion.into(),
                        row.median_seconds.into(),
                    ]);
                }
            }
        }
        sheet
    }
}

fn shop_row(shop: &str, counts: &[Count<'_>]) -> ShopRow {
    let cells = Sums::of(counts).cells;
    let (carts, bought) = (cells.carts(), cells.bought());
    ShopRow { shop: shop.to_owned(), carts, bought, conversion: share(bought, carts) }
}

fn funnel_day(day: String, counts: &[Count<'_>]) -> FunnelDay {
    let cells = Sums::of(counts).cells;
    FunnelDay {
        day,
        carts: cells.carts(),
        reached: Stage::ALL.iter().map(|stage| cells.reached(*stage)).collect(),
        abandoned: cells.sum(|_, standing| standing == Standing::Abandoned),
        bought: cells.bought(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reports::tallied::tests::tallied;

    #[test]
    fn a_bought_cart_went_through_every_stage_it_was_not_seen_in() {
        let report = FunnelReport::of(&tallied(&[
            (0, "funnel/EUR/cart/bought", 1),
            (0, "funnel/EUR/shipping/abandoned", 3),
            (1, "funnel/SEK/payment/reverted", 1),
            (1, "stage_time/shipping/9", 1),
            (1, "orders/first", 2),
            (1, "order_value_minor/EUR/first", 900),
        ]));
        let rows: Vec<_> =
            report.stages.iter().map(|row| (row.stage, row.reached, row.went_on, row.abandoned)).collect();
        let expected =
            [("browse", 5, 5, 0), ("cart", 5, 5, 0), ("contact", 5, 5, 0), ("shipping", 5, 2, 3), ("payment", 2, 2, 0)];
        assert_eq!(rows, expected);
        assert_eq!((report.carts, report.bought, report.reverted), (5, 2, 1));
        assert_eq!(report.by_currency.len(), 2);
        assert_eq!(report.by_day.iter().map(|day| day.carts).collect::<Vec<_>>(), [4, 1]);
        assert!(report.stages[3].median_seconds.is_some_and(|median| (4.0..4.8).contains(&median)));
    }

    proptest! {
        #[test]
        fn it_adds_up_whatever_the_cells_hold(counts in proptest::collection::vec(0_i64..1_000, 25)) {
            let cells = Stage::ALL.iter().flat_map(|stage| Standing::ALL.iter().map(move |how| (stage, how)));
            let names: Vec<_> = cells.map(|(stage, how)| format!("funnel/EUR/{stage}/{how}")).collect();
            let all: Vec<_> = names.iter().zip(&counts).map(|(name, by)| (0, name.as_str(), *by)).collect();
            let report = FunnelReport::of(&tallied(&all));
            prop_assert_eq!(report.carts, counts.iter().sum::<i64>());
            prop_assert_eq!(report.stages[0].reached, report.carts);
            for row in &report.stages {
                prop_assert_eq!(row.reached, row.went_on + row.abandoned + row.open + row.ended);
            }
            prop_assert_eq!(report.stages[4].went_on, report.bought);
        }
    }
}

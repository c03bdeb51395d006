//! The end of the show: tables of the service's own exact tallies, held against what the receiver saw.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};

use super::receiver::Ledger;
use super::setup::STEPS;

const REASONS_TOLD: usize = 10;
const STAGES: [&str; 5] = ["browse", "cart", "contact", "shipping", "payment"];

/// What the demo came to. `took` and `send_ms` depend on the machine; the rest on the seed alone.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The service's counts, summed over the days.
    pub tallies: BTreeMap<String, i64>,
    pub ledger: Ledger,
    /// Calls that the service refused; the first is told.
    pub refused: u64,
    pub first_refusal: Option<String>,
    /// By how much each webhook came after the moment it speaks of, in the shop's time; ascending.
    pub late_by: Vec<Duration>,
    /// From the moment the engine was let go to the webhook's arrival, in real milliseconds; ascending.
    pub send_ms: Vec<u64>,
    /// A line for each alarm that rang.
    pub alarms: Vec<String>,
    pub took: Duration,
}

impl Report {
    fn count(&self, key: &str) -> i64 {
        self.tallies.get(key).copied().unwrap_or(0)
    }

    fn sum(&self, prefix: &str, suffix: &str) -> i64 {
        let fits = |key: &&String| key.starts_with(prefix) && key.ends_with(suffix);
        self.tallies.keys().filter(fits).map(|key| self.count(key)).sum()
    }

    /// The sentence that the demo stands or falls with.
    ///
    /// # Errors
    /// What is amiss, as a sentence too.
    pub fn verdict(&self) -> Result<String, String> {
        let delivered = self.sum("reminders/", "/delivered");
        let received = i64::try_from(self.ledger.reminders).unwrap_or(i64::MAX);
        let mut faults = Vec::new();
        if delivered != received {
            faults.push(format!("the service counts {delivered} reminders delivered, the receiver {received}"));
        }
        if self.ledger.forged > 0 {
            faults.push(format!("{} webhooks without a valid signature", self.ledger.forged));
        }
        let dead = self.sum("reminders/", "/dead");
        if dead > 0 {
            faults.push(format!("{dead} reminders given up"));
        }
        if self.refused > 0 {
            let first = self.first_refusal.as_deref().unwrap_or_default();
            faults.push(format!("{} calls refused, the first: {first}", self.refused));
        }
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        Ok(match received {
            0 => format!("no reminder went out; all {} webhooks were verified", self.ledger.verified),
            _ => format!("every one of {received} reminders was received once, signature verified"),
        })
    }

    fn carts(&self) -> Table {
        let mut table = new_table(&["carts", "count", "share"]);
        let all = self.count("carts");
        let abandonments = self.sum("abandonments/", "");
        let organic = self.count("conversions/organic");
        let recovered: i64 =
            ["returned", "assisted", "clicked"].iter().map(|how| self.count(&format!("conversions/{how}"))).sum();
        let rows = [
            ("seen", all),
            ("bought at once", organic),
            ("recovered", recovered),
            ("never bought", all - organic - recovered),
        ];
        for (name, count) in rows {
            table.add_row([name.to_owned(), count.to_string(), percent(count, all)]);
        }
        table.add_row(["abandonments".to_owned(), abandonments.to_string(), String::new()]);
        table.add_row(["came back".to_owned(), self.count("resumed").to_string(), String::new()]);
        aligned(table)
    }

    fn stages(&self) -> Table {
        let mut table = new_table(&["stage", "reached", "stalled", "known"]);
        for stage in STAGES {
            let reached = self.count(&format!("stage_entered/{stage}"));
            if reached == 0 {
                continue;
            }
            let stalled = self.count(&format!("abandonments/{stage}"));
            let known = self.sum(&format!("reasons/{stage}/"), "/inferred_hard");
            table.add_row([stage.to_owned(), reached.to_string(), stalled.to_string(), known.to_string()]);
        }
        aligned(table)
    }

    fn reminders(&self) -> Table {
        let mut table = new_table(&["reminder", "decided", "delivered", "suppressed", "given up"]);
        for step in ["service"].into_iter().chain(STEPS) {
            let of = |result: &str| self.count(&format!("reminders/{step}/{result}")).to_string();
            table.add_row([step.to_owned(), of("decided"), of("delivered"), of("suppressed"), of("dead")]);
        }
        aligned(table)
    }

    /// Two columns of everything under a prefix, largest first.
    fn ranked(&self, title: &str, prefix: &str, most: usize, name: fn(&str) -> String) -> Table {
        let mut table = new_table(&[title, "count"]);
        let mut sums: BTreeMap<String, i64> = BTreeMap::new();
        for (key, count) in &self.tallies {
            if let Some(rest) = key.strip_prefix(prefix) {
                *sums.entry(name(rest)).or_default() += count;
            }
        }
        let mut rows: Vec<(String, i64)> = sums.into_iter().collect();
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (name, count) in rows.into_iter().take(most) {
            table.add_row([name, count.to_string()]);
        }
        aligned(table)
    }

    fn recovered_value(&self) -> Table {
        let mut table = new_table(&["recovered", "value"]);
        for (key, minor) in &self.tallies {
            if let Some(currency) = key.strip_prefix("recovered_value_minor/") {
                let value = format!("{}.{:02}", minor / 100, minor.unsigned_abs() % 100);
                table.add_row([currency.to_owned(), value]);
            }
        }
        aligned(table)
    }

    fn receiver(&self) -> Table {
        let mut table = new_table(&["the receiver", "count"]);
        let ledger = &self.ledger;
        let rows = [
            ("requests", ledger.requests),
            ("signatures verified", ledger.verified),
            ("signatures wrong", ledger.forged),
            ("the same id again, ignored", ledger.repeated),
            ("turned away with 503", ledger.turned_away),
            ("reminders, each once", ledger.reminders),
        ];
        for (name, count) in rows {
            table.add_row([name.to_owned(), count.to_string()]);
        }
        aligned(table)
    }

    fn lag(&self) -> Table {
        let mut table = new_table(&["lag", "p50", "p99", "max"]);
        let late = |share| at_share(&self.late_by, share).unwrap_or_default();
        let seconds = |span: Duration| format!("{} s", span.as_secs());
        table.add_row(["due to received (shop)".to_owned(), seconds(late(50)), seconds(late(99)), seconds(late(100))]);
        let send = |share| format!("{} ms", at_share(&self.send_ms, share).unwrap_or_default());
        table.add_row(["decide and send (real)".to_owned(), send(50), send(99), send(100)]);
        aligned(table)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_source = |rest: &str| {
            let mut parts = rest.split('/').skip(1);
            format!(
                "{} ({})",
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default().trim_start_matches("inferred_")
            )
        };
        writeln!(f, "{}\n{}", beside(&self.carts(), &self.stages()), self.reminders())?;
        let reasons = self.ranked("why they left (source)", "reasons/", REASONS_TOLD, by_source);
        let whys = self.ranked("why no reminder", "reminders_suppressed/", REASONS_TOLD, str::to_owned);
        writeln!(f, "{}", beside(&reasons, &whys))?;
        let attempts = self.ranked("attempts", "attempts/", REASONS_TOLD, |rest| rest.replacen('/', ": ", 1));
        writeln!(f, "{}", beside(&self.receiver(), &attempts))?;
        writeln!(f, "{}", beside(&self.lag(), &self.recovered_value()))?;
        for alarm in &self.alarms {
            writeln!(f, "{alarm}")?;
        }
        writeln!(f, "took {:.1} s", self.took.as_secs_f64())
    }
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header(header.to_vec());
    table
}

/// Numbers to the right.
fn aligned(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Two tables, side by side.
fn beside(left: &Table, right: &Table) -> String {
    let (left, right): (Vec<String>, Vec<String>) = (left.lines().collect(), right.lines().collect());
    let width = left.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let rows = left.len().max(right.len());
    let cell = |lines: &[String], row: usize| lines.get(row).cloned().unwrap_or_default();
    let joined = (0..rows).map(|row| {
        let line = cell(&left, row);
        let fill = " ".repeat(width - line.chars().count());
        format!("{line}{fill}   {}", cell(&right, row)).trim_end().to_owned()
    });
    joined.collect::<Vec<_>>().join("\n")
}

fn percent(part: i64, all: i64) -> String {
    if all == 0 { String::new() } else { format!("{} %", part * 100 / all) }
}

/// The value that this percentage of an ascending list does not exceed.
fn at_share<T: Copy>(ascending: &[T], share: usize) -> Option<T> {
    let last = ascending.len().checked_sub(1)?;
    ascending.get(last * share / 100).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(delivered: i64, received: u64) -> Report {
        let tallies = BTreeMap::from([("reminders/first/delivered".to_owned(), delivered)]);
        let mut report = Report { tallies, ..Report::default() };
        report.ledger.reminders = received;
        report
    }

    #[test]
    fn the_verdict_holds_the_service_against_the_receiver() {
        let fine = report(3, 3).verdict().expect("both say three");
        assert_eq!(fine, "every one of 3 reminders was received once, signature verified");
        let fault = report(3, 2).verdict().expect_err("one is missing");
        assert!(fault.contains("3 reminders delivered, the receiver 2"), "{fault}");
    }

    #[test]
    fn the_tables_fit_a_terminal_of_eighty_columns() {
        let mut report = report(123_456, 123_456);
        for (key, count) in [
            ("carts", 123_456),
            ("stage_entered/shipping", 123_456),
            ("reasons/payment/payment_method_missing/inferred_hard", 12_345),
            ("reminders_suppressed/shopper_returned", 12_345),
            ("attempts/mailer/connect_failed", 12_345),
            ("recovered_value_minor/EUR", 12_345_678),
        ] {
            report.tallies.insert(key.to_owned(), count);
        }
        report
            .alarms
            .push("CartwakePaymentErrors rang day 1, 20:05 to day 2, 19:35: 23 carts could not pay".to_owned());
        for line in report.to_string().lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
        }
    }

    #[test]
    fn tables_stand_side_by_side() {
        let text = report(1, 1).to_string();
        assert!(text.lines().any(|line| line.contains("carts") && line.contains("stage")), "{text}");
    }
}

//! The demo: a simulated shop, the real service and a real receiver in one process, four days in a minute.
//!
//! It owns the clock. The next thing in time is either a shopper's call, made over HTTP like any storefront's, or
//! something the engine has due; the clock is put there, it happens, and the engine is drained before the next. So a
//! seed plays the same show every time, whatever the machine. Never here: anything of the service's rules.
//! Read next: `demo/shop.rs`, then `demo/receiver.rs`.

mod alarm;
mod dice;
mod motive;
mod receiver;
mod screen;
mod setup;
mod shop;
mod shopper;
mod stage;
mod summary;
mod visit;

pub use summary::Report;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::time::Instant;

use self::receiver::Receiver;
use self::screen::{Screen, say};
use self::setup::Setup;
use self::stage::{Cast, Pacer, Show};
use self::visit::HOUR_MS;
use crate::app::App;
use crate::clock::ManualClock;
use crate::domain::Moment;
use crate::replay::{ApiKey, Client};

/// Monday, 1 June 2026, 7:00 UTC: when the simulated shop opens.
const OPENS_AT_MS: i64 = 1_780_297_200_000;
/// When the curtain falls: the third reminder of the last arrival is out by then.
const SHOW_MS: i64 = 110 * HOUR_MS;
/// The receiver is out of order around noon of the second day, when second reminders are due.
const OUTAGE_MS: (i64, i64) = (29 * HOUR_MS, 29 * HOUR_MS + 2_400_000);
/// Virtual seconds in one real second.
const SPEED: f64 = 7_200.0;
/// A recorded file is sped up until it fits into this.
const RECORDED_SECONDS: f64 = 50.0;

/// What to play, and how fast.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    pub seed: u64,
    /// How many shoppers come to the simulated shop.
    pub shoppers: u64,
    pub pace: Pace,
    /// Recorded sessions instead of the simulated shop.
    pub sessions: Option<PathBuf>,
    pub ending: Ending,
}

/// How fast the show goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// To be watched: about a minute.
    Watch,
    /// So many virtual seconds in a real one.
    Speed(f64),
    /// As fast as the machine can.
    Fast,
}

/// What happens after the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Leave,
    /// Keep serving until Ctrl-C, for looking around.
    Hold,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { seed: 1, shoppers: 400, pace: Pace::Watch, sessions: None, ending: Ending::Leave }
    }
}

/// Plays the show and prints its tables.
///
/// # Errors
/// When the service cannot be started or does not settle, a file cannot be read, or what the service counts is not what
/// the receiver saw.
pub async fn run(options: DemoOptions) -> anyhow::Result<Report> {
    if matches!(options.pace, Pace::Speed(speed) if !speed.is_finite() || speed <= 0.0) {
        bail!("--speed must be a number above 0");
    }
    let (mut cast, from_ms, until_ms) = cast(&options)?;
    let house = House::open(options.seed, from_ms).await?;
    say(&format!("cartwake demo, seed {}\n{}", options.seed, house.addresses()));
    let report =
        house.play(&mut cast, Screen::open(from_ms, until_ms), pacer(&options, until_ms - from_ms), until_ms).await?;
    say(&report.to_string());
    let verdict = report.verdict();
    match &verdict {
        Ok(fine) => say(&format!("✓ {fine}")),
        Err(fault) => say(&format!("✗ {fault}")),
    }
    say(&house.further());
    if options.ending == Ending::Hold {
        say("still serving; Ctrl-C ends it");
        tokio::signal::ctrl_c().await?;
    }
    house.close().await;
    match verdict {
        Ok(_) => Ok(report),
        Err(fault) => bail!(fault),
    }
}

/// Who acts, from when, and when the curtain falls.
fn cast(options: &DemoOptions) -> anyhow::Result<(Cast, i64, i64)> {
    let cast = match &options.sessions {
        Some(file) => Cast::recorded(file)?,
        None => Cast::simulated(options.seed, options.shoppers, OPENS_AT_MS),
    };
    let from_ms = cast.next_at_ms().context("there is nothing to play")?;
    let until_ms = cast.last_at_ms().unwrap_or(from_ms + SHOW_MS).max(from_ms + SHOW_MS);
    Ok((cast, from_ms, until_ms))
}

/// The service and its receiver, in one process.
struct House {
    clock: Arc<ManualClock>,
    receiver: Receiver,
    app: App,
    client: Client,
    server_key: String,
    admin_key: String,
    /// Removed when the house is.
    _folder: TempDir,
}

impl House {
    async fn open(seed: u64, from_ms: i64) -> anyhow::Result<Self> {
        let clock = Arc::new(ManualClock::new(Moment::from_millis(from_ms)));
        let outage = (Moment::from_millis(from_ms + OUTAGE_MS.0), Moment::from_millis(from_ms + OUTAGE_MS.1));
        let receiver = Receiver::start(Arc::clone(&clock), setup::secret(seed), outage)?;
        let folder = tempfile::tempdir().context("no temporary folder for the store")?;
        let Setup { server_key, admin_key, config } = Setup::new(seed, folder.path(), &receiver.url())?;
        let app = App::start(config, Some(clock.clone())).await?;
        let client = Client::new(app.api_url().parse()?, None, ApiKey::new(server_key.clone()), None)?;
        Ok(Self { clock, receiver, app, client, server_key, admin_key, _folder: folder })
    }

    async fn play(&self, cast: &mut Cast, screen: Screen, pacer: Pacer, until_ms: i64) -> anyhow::Result<Report> {
        #[expect(clippy::disallowed_methods, reason = "tells how long the demo really took")]
        let began = Instant::now();
        let mut show = Show::new(&self.app, &self.clock, &self.receiver, &self.client, screen, pacer, until_ms);
        show.play(cast).await?;
        let mut report = show.finish().await?;
        report.took = began.elapsed();
        Ok(report)
    }

    /// Where to look while it plays.
    fn addresses(&self) -> String {
        let (ops, key) = (self.app.ops_url(), &self.admin_key);
        format!("  dashboard  {ops}/dashboard\n  its key    {key}\n  metrics    {ops}/metrics\n")
    }

    /// How to look further, while it still serves.
    fn further(&self) -> String {
        let (api, key) = (self.app.api_url(), &self.server_key);
        format!(
            "look further (`cartwake demo --hold` keeps serving):\n{}  \
             KEY={key}\n  \
             curl -H \"Authorization: Bearer $KEY\" \\\n    \
             '{api}/v1/carts?state=abandoned&limit=3'",
            self.addresses()
        )
    }

    async fn close(self) {
        self.app.stop().await;
        self.receiver.stop().await;
    }
}

fn pacer(options: &DemoOptions, span_ms: i64) -> Pacer {
    let whole = Duration::from_millis(u64::try_from(span_ms).unwrap_or(0)).as_secs_f64();
    let speed = match options.pace {
        Pace::Fast => None,
        Pace::Speed(speed) => Some(speed),
        Pace::Watch if options.sessions.is_some() => Some(SPEED.max(whole / RECORDED_SECONDS)),
        Pace::Watch => Some(SPEED),
    };
    Pacer::new(speed)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn counts(seed: u64) -> Report {
        let options = DemoOptions { seed, shoppers: 40, pace: Pace::Fast, ..DemoOptions::default() };
        let (mut cast, from_ms, until_ms) = cast(&options).expect("a simulated cast");
        let house = House::open(seed, from_ms).await.expect("a house");
        let played = house.play(&mut cast, Screen::silent(), Pacer::new(None), until_ms).await;
        house.close().await;
        played.expect("a show")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_same_seed_gives_the_same_counts_and_every_reminder_arrives_once() {
        let (first, second) = (counts(5).await, counts(5).await);
        assert_eq!(first.tallies, second.tallies);
        assert_eq!(first.ledger.reminders, second.ledger.reminders);
        assert_eq!(first.late_by, second.late_by);
        assert_eq!(first.alarms, second.alarms);
        let verdict = first.verdict().expect("nothing is amiss");
        assert!(first.ledger.reminders > 10, "{verdict}");
    }
}

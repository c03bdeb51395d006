//! What a person sees while the demo runs: the shop's clock, counters, and the last happenings, redrawn in place.
//!
//! Without a terminal it prints a few plain lines instead.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write, stdout};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::visit::HOUR_MS;

const FEED_LINES: usize = 9;
/// How many lines tell the whole show where there is no terminal.
const PLAIN_LINES: i64 = 10;
const BAR_LENGTH: u64 = 1_000;

/// The colours of the feed.
#[derive(Clone, Copy, Debug)]
pub enum Tone {
    Dim,
    Plain,
    Warn,
    Send,
    Good,
    Alarm,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Dim => "2",
            Self::Plain => "0",
            Self::Warn => "33",
            Self::Send => "36",
            Self::Good => "1;32",
            Self::Alarm => "1;41;97",
        }
    }
}

/// What the counters show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    pub carts: u64,
    pub checkouts: u64,
    pub stalled: u64,
    pub reminded: u64,
    pub returned: u64,
    pub bought: u64,
    pub recovered: u64,
    pub verified: u64,
}

impl Counters {
    fn lines(&self, is_down: Option<&str>) -> [String; 2] {
        let Self { carts, checkouts, stalled, reminded, returned, bought, recovered, verified } = self;
        [
            format!("carts {carts}   in checkout {checkouts}   stalled {stalled}   bought {bought}"),
            format!(
                "reminded {reminded}   came back {returned}   recovered {recovered}   webhooks {verified}   {}",
                is_down.unwrap_or_default()
            ),
        ]
    }
}

/// The screen.
pub struct Screen {
    from_ms: i64,
    until_ms: i64,
    live: Option<Live>,
    plain_next_ms: i64,
}

struct Live {
    multi: MultiProgress,
    clock: ProgressBar,
    counters: [ProgressBar; 2],
    feed: Vec<ProgressBar>,
    last: VecDeque<String>,
}

impl Screen {
    /// A screen for what happens between these moments: live when there is a terminal.
    pub fn open(from_ms: i64, until_ms: i64) -> Self {
        let live = stdout().is_terminal().then(Live::open);
        Self { from_ms, until_ms, live, plain_next_ms: from_ms + (until_ms - from_ms) / PLAIN_LINES }
    }

    /// A screen that shows nothing.
    #[cfg(test)]
    pub const fn silent() -> Self {
        Self { from_ms: 0, until_ms: 0, live: None, plain_next_ms: i64::MAX }
    }

    /// Tells of a happening; without a terminal, of an alarm only.
    pub fn tell(&mut self, at_ms: i64, tone: Tone, text: &str) {
        if matches!(tone, Tone::Alarm) && self.live.is_none() && self.plain_next_ms != i64::MAX {
            say(&format!("{}  {text}", self.time(at_ms)));
        }
        let Some(live) = &mut self.live else { return };
        if live.last.len() == FEED_LINES {
            live.last.pop_front();
        }
        live.last.push_back(format!("  \x1b[2m{}\x1b[0m  \x1b[{}m{text}\x1b[0m", hour(at_ms), tone.code()));
        for (bar, line) in live.feed.iter().zip(&live.last) {
            bar.set_message(line.clone());
        }
    }

    /// Shows the time and the counters.
    pub fn show(&mut self, at_ms: i64, counters: &Counters, is_down: Option<&str>) {
        let lines = counters.lines(is_down);
        if let Some(live) = &self.live {
            let done = at_ms.saturating_sub(self.from_ms).clamp(0, self.until_ms - self.from_ms);
            let length = (self.until_ms - self.from_ms).max(1);
            live.clock.set_position(u64::try_from(done).unwrap_or(0) * BAR_LENGTH / u64::try_from(length).unwrap_or(1));
            live.clock.set_message(self.time(at_ms));
            for (bar, line) in live.counters.iter().zip(lines) {
                bar.set_message(format!("  {line}"));
            }
        } else if at_ms >= self.plain_next_ms {
            self.plain_next_ms = at_ms + (self.until_ms - self.from_ms) / PLAIN_LINES;
            say(&format!("{}  {}", self.time(at_ms), lines[0]));
        }
    }

    /// Leaves the terminal as it was.
    pub fn close(&mut self) {
        if let Some(live) = self.live.take() {
            // The view is gone either way when the terminal is.
            live.multi.clear().unwrap_or_default();
        }
    }

    /// Such as `day 2, 12:05`.
    pub fn time(&self, at_ms: i64) -> String {
        let midnights = |ms: i64| ms.div_euclid(24 * HOUR_MS);
        let day = midnights(at_ms) - midnights(self.from_ms) + 1;
        format!("day {day}, {}", hour(at_ms))
    }
}

impl Live {
    fn open() -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stdout_with_hz(15));
        let bar = |template: &str| {
            let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
            multi.add(ProgressBar::new(BAR_LENGTH).with_style(style))
        };
        let clock = bar("\n  \x1b[1mcartwake demo\x1b[0m   {msg:16}  {bar:36.cyan/dim}");
        let counters = [bar("{wide_msg}"), bar("{wide_msg}\n")];
        let feed = (0..FEED_LINES).map(|_| bar("{wide_msg}")).collect();
        Self { multi, clock, counters, feed, last: VecDeque::new() }
    }
}

/// A line on standard output; a closed pipe is not our problem.
pub fn say(line: &str) {
    writeln!(stdout().lock(), "{line}").unwrap_or_default();
}

fn hour(at_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC);
    format!("{:02}:{:02}", at.hour(), at.minute())
}

//! Replays recorded sessions into a running server: a client of the cart API, nothing more.
//!
//! The file is NDJSON, one operation a line (`replay/operation.rs`), read line by line and sent strictly in its order on
//! one client. A rerun repeats the same idempotency keys, so it changes nothing. Never here: the rules of the service;
//! what it counts is asked from it, not computed. Read next: `replay/operation.rs`, then `replay/client.rs`.

mod client;
mod operation;
mod summary;

pub use client::{Answer, ApiKey, Client, SendError};
pub use operation::{Kind, Operation, OperationError};
pub use summary::{Refused, Summary};

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
pub use reqwest::Url;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// A line longer than this is refused rather than read into memory.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What to replay, and where to.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    pub file: PathBuf,
    /// The cart API, for example `http://127.0.0.1:8080`.
    pub to: Url,
    /// The operations listener; needed only for `advance` lines.
    pub ops: Option<Url>,
    /// A server key.
    pub key: ApiKey,
    /// An admin key; needed only for `advance` lines.
    pub admin_key: Option<ApiKey>,
    /// How many recorded seconds pass in one; `None` is as fast as the server answers.
    pub speed: Option<f64>,
}

/// Sends every line of the file in order and tells what became of them.
///
/// # Errors
/// When the file cannot be read, a line is no operation, or the server cannot be reached. An operation that the server
/// refuses is no error: it is in the summary.
pub async fn replay(options: ReplayOptions) -> anyhow::Result<Summary> {
    if let Some(speed) = options.speed {
        ensure!(speed.is_finite() && speed > 0.0, "--speed must be a number above 0");
    }
    let (digest, line_count) = survey(&options.file)?;
    let client = Client::new(options.to, options.ops, options.key, options.admin_key)?;
    let bar = progress_bar(line_count);
    #[expect(clippy::disallowed_methods, reason = "a client's pace and how long it took; the server has its own clock")]
    let started = Instant::now();
    let mut pace = Pace { started, first_ms: None, speed: options.speed };
    let mut summary = Summary::default();
    let mut lines = Lines::open(&options.file)?;
    while let Some((number, line)) = lines.next_line()? {
        let operation = Operation::parse(&line).with_context(|| format!("line {number}"))?;
        pace.wait_for(operation.at_ms).await;
        let answer = client
            .send(&operation, &format!("replay-{digest}-{number}"))
            .await
            .with_context(|| format!("line {number}"))?;
        summary.note(number, operation.kind, &answer);
        bar.set_message(operation.at.clone());
        bar.inc(1);
    }
    bar.finish_and_clear();
    summary.took = started.elapsed();
    Ok(summary)
}

/// Reads every operation of a file: for a caller that needs them all, as the demo does.
///
/// # Errors
/// When the file cannot be read or a line is no operation.
pub fn read_all(file: &Path) -> anyhow::Result<Vec<Operation>> {
    let mut operations = Vec::new();
    let mut lines = Lines::open(file)?;
    while let Some((number, line)) = lines.next_line()? {
        operations.push(Operation::parse(&line).with_context(|| format!("line {number}"))?);
    }
    Ok(operations)
}

/// What the idempotency keys are made from, and how long the bar is.
fn survey(file: &Path) -> anyhow::Result<(String, u64)> {
    let mut digest = Sha256::new();
    let mut line_count = 0;
    let mut lines = Lines::open(file)?;
    while let Some((_, line)) = lines.next_line()? {
        digest.update(line.as_bytes());
        digest.update(b"\n");
        line_count += 1;
    }
    let name: String = digest.finalize().iter().take(6).flat_map(|byte| [byte >> 4, byte & 15]).map(hex).collect();
    Ok((name, line_count))
}

fn hex(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16).unwrap_or_default()
}

/// The lines that are not blank, with their numbers.
struct Lines {
    reader: BufReader<File>,
    number: u64,
}

impl Lines {
    fn open(file: &Path) -> anyhow::Result<Self> {
        let opened = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
        Ok(Self { reader: BufReader::new(opened), number: 0 })
    }

    fn next_line(&mut self) -> anyhow::Result<Option<(u64, String)>> {
        loop {
            let mut line = String::new();
            self.number += 1;
            let read = self.reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
            if read == 0 {
                return Ok(None);
            }
            if u64::try_from(read).is_ok_and(|read| read == LINE_BYTES_MAX) {
                bail!("line {} is longer than {LINE_BYTES_MAX} bytes", self.number);
            }
            if !line.trim().is_empty() {
                line.truncate(line.trim_end().len());
                return Ok(Some((self.number, line)));
            }
        }
    }
}

/// Keeps the recorded rhythm, sped up.
struct Pace {
    started: Instant,
    first_ms: Option<i64>,
    speed: Option<f64>,
}

impl Pace {
    async fn wait_for(&mut self, at_ms: i64) {
        let first = *self.first_ms.get_or_insert(at_ms);
        let Some(speed) = self.speed else { return };
        let since = Duration::from_millis(u64::try_from(at_ms.saturating_sub(first)).unwrap_or(0));
        if let Ok(wait) = Duration::try_from_secs_f64(since.as_secs_f64() / speed) {
            tokio::time::sleep_until(self.started + wait).await;
        }
    }
}

fn progress_bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta} left, at {msg}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_same_file_gives_the_same_keys_and_blank_lines_keep_their_numbers() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        writeln!(file, "{{\"a\":1}}\n\n{{\"b\":2}}").expect("written");
        let (first, count) = survey(file.path()).expect("readable");
        let (second, _) = survey(file.path()).expect("readable");
        assert_eq!((first, count), (second, 2));
        let mut lines = Lines::open(file.path()).expect("readable");
        let numbers: Vec<u64> =
            std::iter::from_fn(|| lines.next_line().expect("readable")).map(|(number, _)| number).collect();
        assert_eq!(numbers, [1, 3]);
    }
}

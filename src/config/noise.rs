//! Texts from outside, read as a configuration: a file, variables, a span. Whatever they are, nothing panics, and what
//! is accepted can be shown and read again.
//!
//! In no build but that of the tests and of the fuzz targets (`fuzz/`). Nothing here opens a file.

use std::time::Duration;

use toml::{Table, Value};

use super::problem::{Problems, Report};
use super::{Config, effective, environment, layers, load, span};

/// No key accepts a longer span by far.
const SPAN_MAX: Duration = Duration::from_hours(24 * 365 * 100);

/// Reads a text as a configuration file.
///
/// # Panics
/// When an accepted configuration cannot be read again from what is shown of it: that is the finding.
pub fn file(text: &str) {
    let Ok(tree) = load::table("noise.toml", text) else { return };
    if !names_a_file(&tree) {
        reads_again(load::read(layers::over_defaults(tree), Report::default()));
    }
}

/// Reads the lines of a text, `NAME=VALUE`, as variables over the defaults.
///
/// # Panics
/// As [`file`].
pub fn variables(text: &str) {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    let named = lines.filter(|(name, _)| !name.to_lowercase().ends_with("_file"));
    let set = named.map(|(name, value)| (format!("CARTWAKE__{name}"), value.to_owned()));
    let (mut tree, mut report) = (layers::over_defaults(Table::new()), Report::default());
    environment::apply(&mut tree, set, &mut report);
    if !names_a_file(&tree) {
        reads_again(load::read(tree, report));
    }
}

/// Reads a span.
///
/// # Panics
/// When it is not read back as it is written.
pub fn span_text(text: &str) {
    if let Some(read) = span::parse(text).filter(|span| *span <= SPAN_MAX) {
        assert_eq!(span::parse(&span::text(read)), Some(read), "{text:?}");
    }
}

/// Files of this machine are not read for the sake of noise.
fn names_a_file(tree: &Table) -> bool {
    tree.iter().any(|(key, value)| key.ends_with("_file") || holds_a_file(value))
}

fn holds_a_file(value: &Value) -> bool {
    match value {
        Value::Table(table) => names_a_file(table),
        Value::Array(values) => values.iter().any(holds_a_file),
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => false,
    }
}

fn reads_again(read: Result<Config, Problems>) {
    let config = match read {
        Ok(config) => config,
        Err(problems) => return drop(problems.to_string()),
    };
    drop(format!("{config:?}"));
    let shown = effective(&config);
    let tree = load::table("shown.toml", &shown).expect("what is shown is TOML");
    if let Err(problems) = load::read(layers::over_defaults(tree), Report::default()) {
        // They are hidden in what is shown.
        let is_hidden = |path: &str| path.contains(".secrets");
        assert!(problems.iter().all(|problem| is_hidden(&problem.path)), "{problems}\n{shown}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn noise_never_panics(text in "\\PC{0,60}", likely in "[a-z_.\\[\\]=\"0-9{}, \\n-]{0,60}") {
            for noise in [&text, &likely] {
                file(noise);
                variables(noise);
                span_text(noise);
            }
        }

        #[test]
        fn a_damaged_manual_never_panics(at in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8) {
            let mut bytes = layers::DEFAULT_TOML.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            file(&String::from_utf8_lossy(&bytes));
        }
    }
}

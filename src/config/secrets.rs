//! `secrets` and `secrets_file`: what signs, listed in the file or read from another, one a line.

use std::fmt::Display;

use super::load::secret_lines;
use super::section::Section;

/// The most in one place: a few more than an exchange needs.
const SECRETS_MAX: usize = 8;

/// Reads the secrets of a table by their parser, whose error says what one must be and never repeats it.
pub(super) fn secrets<T, E: Display>(section: &mut Section<'_>, parse: fn(&str) -> Result<T, E>) -> Vec<T> {
    if !section.has("secrets_file") {
        return section.texts("secrets", SECRETS_MAX, parse);
    }
    section.forbid("secrets", "must not be there beside secrets_file");
    let read = section.text("secrets_file", |path| {
        let lines = secret_lines(path)?;
        if lines.is_empty() || lines.len() > SECRETS_MAX {
            return Err(format!("must name a file with 1 to {SECRETS_MAX} secrets, one a line"));
        }
        let parsed = lines.iter().enumerate().map(|(index, line)| {
            parse(line).map_err(|error| format!("names a file whose secret {}: {error}", index + 1))
        });
        parsed.collect()
    });
    read.unwrap_or_default()
}

/// The same, where there must be one; otherwise `sentence` says why.
pub(super) fn at_least_one<T, E: Display>(
    section: &mut Section<'_>,
    parse: fn(&str) -> Result<T, E>,
    sentence: &str,
) -> Vec<T> {
    let is_listed = !section.has("secrets_file");
    let secrets = secrets(section, parse);
    if secrets.is_empty() && is_listed && section.is_sound("secrets") {
        section.refuse("secrets", sentence);
    }
    secrets
}

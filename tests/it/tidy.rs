//! The house rules that no compiler checks, read off the source.
//!
//! - arrows between rooms point down, as the table in docs/ARCHITECTURE.md draws them;
//! - every file says what it is for, and stays short enough to have one job;
//! - every configuration key and every metric is documented where a reader looks for it;
//! - every test that docs/requirements.md names exists.
//!
//! A rule names the file and line that breaks it. Never here: what clippy or rustfmt can say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// Past this a file has two jobs.
const LINES_MAX: usize = 400;

/// Crates that only these rooms may name. `tests` modules may name what they like.
const CRATES: &[(&str, &[&str])] = &[
    ("actix_web", &["api", "app", "demo"]),
    ("actix_cors", &["api"]),
    ("actix_http", &["app"]),
    ("actix_service", &["app"]),
    ("redis", &["store"]),
    ("rusqlite", &["store"]),
    // `config` and `engine` for its `Url` only.
    ("url", &["store", "config", "platforms", "links"]),
    ("reqwest", &["webhook", "config", "engine", "admin", "replay"]),
    ("rmp_serde", &["store"]),
    ("zstd", &["store"]),
    ("aws_lc_rs", &["store"]),
    ("hmac", &["webhook", "engine", "links", "platforms"]),
    ("rust_decimal", &["platforms"]),
    ("flate2", &["api"]),
    ("minifier", &["api"]),
    ("prometheus", &["metrics"]),
    ("clap", &["main"]),
    ("indicatif", &["demo", "replay"]),
    ("csv", &["reports"]),
    ("comfy_table", &["demo", "replay"]),
    ("toml", &["config"]),
    ("tracing_subscriber", &["telemetry"]),
    ("getrandom", &["app"]),
];

/// All that the domain may name besides itself.
const DOMAIN_CRATES: &[&str] = &["std", "thiserror", "jiff", "iso_currency", "sha2"];

struct Source {
    /// From the repository's root.
    path: PathBuf,
    text: String,
}

impl Source {
    /// `src/store/redis/keys.rs` is in the room `store`.
    fn room(&self) -> String {
        let inside = self.path.strip_prefix("src").expect("only src has rooms");
        let first = inside.iter().next().expect("a file has a name").to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    /// The lines of code without the tests at the file's end, numbered as an editor does; comments are left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test_file = self.path.file_stem().is_some_and(|name| name == "tests");
        let lines = (1..).zip(self.text.lines()).take_while(move |(_, line)| !is_test_file && *line != "mod tests {");
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

/// Of the tree that the tests run in, which need not be the one that they were built in.
fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs these tests").into()
}

fn read(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the source can be listed") {
            let path = entry.expect("the source can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("the source can be read");
                found.push(Source { path: path.strip_prefix(root()).expect("inside").to_owned(), text });
            }
        }
    }
    assert!(!found.is_empty(), "{folder} holds no source");
    found
}

/// The names that follow `prefix` in this line, up to the next character that cannot be in a name. A list in braces
/// gives each of its names.
fn named_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = Vec::new();
    for (place, _) in line.match_indices(prefix) {
        if line[..place].ends_with(is_name) {
            continue;
        }
        let rest = &line[place + prefix.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            names.extend(list.split([',', '}']).map(|part| part.trim().split("::").next().unwrap_or_default()));
        } else {
            names.push(rest.split(|c| !is_name(c)).next().unwrap_or_default());
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Which rooms each room may name, as the table of docs/ARCHITECTURE.md has it: room, job, may use, must never know.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let text = optional("docs/ARCHITECTURE.md").expect("the house has a plan");
    let words = |cell: &str| -> BTreeSet<String> {
        cell.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let mut arrows = BTreeMap::new();
    for cells in rows.map(|row| row.split('|').collect::<Vec<_>>()) {
        for room in words(cells[1]).into_iter().filter(|word| !word.is_empty()) {
            arrows.insert(room, words(cells[3]));
        }
    }
    arrows
}

fn refuse(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn arrows_between_rooms_point_down() {
    let (arrows, mut broken, mut seen) = (arrows(), Vec::new(), BTreeSet::new());
    for source in read("src") {
        let room = source.room();
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let Some(allowed) = arrows.get(&room) else {
            broken.push(format!("{}: docs/ARCHITECTURE.md has no room `{room}`", source.path.display()));
            continue;
        };
        seen.insert(room.clone());
        for (number, line) in source.code() {
            for other in named_after(line, "crate::") {
                if arrows.contains_key(other) && other != room && !allowed.contains(other) {
                    broken.push(format!("{}:{number}: `{room}` must not know `{other}`", source.path.display()));
                }
            }
        }
    }
    broken.extend(arrows.keys().filter(|room| !seen.contains(*room)).map(|room| format!("there is no room `{room}`")));
    refuse(&broken);
}

#[test]
fn a_crate_is_named_only_by_the_rooms_that_own_it() {
    let mut broken = Vec::new();
    for source in read("src") {
        let room = source.room();
        for (number, line) in source.code() {
            for (name, rooms) in CRATES {
                let path = format!("{name}::");
                // `redis::` may also be our own module of that name.
                let at = line.match_indices(&path).find(|(place, _)| {
                    let before = &line[..*place];
                    !before.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':')
                });
                if at.is_some() && !rooms.contains(&room.as_str()) {
                    broken.push(format!("{}:{number}: `{room}` must not know `{name}`", source.path.display()));
                }
            }
        }
    }
    refuse(&broken);
}

#[test]
fn the_domain_knows_nothing_but_itself() {
    let mut broken = Vec::new();
    for source in read("src").into_iter().filter(|source| source.room() == "domain") {
        for (number, line) in source.code() {
            let Some(used) =
                line.trim_start().strip_prefix("use ").or_else(|| line.trim_start().strip_prefix("pub use "))
            else {
                continue;
            };
            let first = used.trim_start_matches("::").split([':', ';', ' ']).next().unwrap_or_default();
            let is_own =
                matches!(first, "super" | "self" | "crate") || root().join(format!("src/domain/{first}.rs")).exists();
            let is_enum = first.starts_with(|c: char| c.is_ascii_uppercase());
            if !is_own && !is_enum && !DOMAIN_CRATES.contains(&first) {
                broken.push(format!("{}:{number}: the domain must not know `{first}`", source.path.display()));
            }
            if used.contains("SystemTime") || used.contains("Instant") {
                broken.push(format!("{}:{number}: the domain has no clock", source.path.display()));
            }
        }
        for (number, line) in source.code() {
            if ["serde", "tokio::", "tracing::", "env::var", "::now("].iter().any(|word| line.contains(word)) {
                broken.push(format!("{}:{number}: not in the domain: {}", source.path.display(), line.trim()));
            }
        }
    }
    refuse(&broken);
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = read("src").into_iter().chain(read("tests"));
    let silent = |source: &Source| !source.text.starts_with("//! ");
    refuse(&all.filter(silent).map(|s| format!("{}: opens without `//!`", s.path.display())).collect::<Vec<_>>());
}

#[test]
fn no_file_has_two_jobs() {
    let lines = |source: Source| (source.text.lines().count(), source.path);
    let long = read("src").into_iter().map(lines).filter(|(lines, _)| *lines > LINES_MAX);
    refuse(
        &long
            .map(|(lines, path)| format!("{}: {lines} lines, {LINES_MAX} at most", path.display()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_folder_is_a_box_for_odds_and_ends() {
    let odd = |source: &Source| {
        let name = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        matches!(name.as_str(), "mod" | "utils" | "util" | "common" | "helpers" | "types" | "misc")
    };
    let all = read("src").into_iter().chain(read("tests"));
    refuse(&all.filter(odd).map(|s| format!("{}: name it for its job", s.path.display())).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    let mut broken = Vec::new();
    for source in read("src") {
        for (number, line) in (1..).zip(source.text.lines()) {
            // Written apart, so that this file does not accuse itself.
            let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), ".unwrap()", "dbg!("];
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{number}: {word}", source.path.display()));
            }
        }
    }
    refuse(&broken);
}

/// `None` while the room that owns the file is not built.
fn optional(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

#[test]
fn every_configuration_key_is_explained_where_it_stands() {
    let Some(defaults) = optional("config/default.toml") else { return };
    let mut broken = Vec::new();
    let mut explained = false;
    for (number, line) in (1..).zip(defaults.lines()) {
        let line = line.trim();
        let is_key = line.split_once('=').is_some_and(|(key, _)| {
            let key = key.trim();
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        });
        if line.starts_with('#') {
            explained = true;
        } else if is_key && !explained && !line.contains('#') {
            broken.push(format!("config/default.toml:{number}: `{line}` is not explained"));
        } else if line.is_empty() || line.starts_with('[') {
            explained = false;
        }
    }
    refuse(&broken);
}

#[test]
fn every_metric_is_documented() {
    let files = ["src/metrics.rs", "src/metrics/reasons.rs", "src/metrics/reminders.rs"];
    let metrics: Option<String> = files.into_iter().map(optional).collect();
    let (Some(metrics), Some(docs)) = (metrics, optional("docs/metrics.md")) else { return };
    // A metric is a name followed by its help, a sentence: the prefix may be added where both are registered.
    let literals: Vec<&str> = metrics.split('"').skip(1).step_by(2).collect();
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let is_help = |text: &str| text.contains(' ') && text.starts_with(|c: char| c.is_ascii_uppercase());
    let made = literals.windows(2).filter(|pair| is_name(pair[0]) && is_help(pair[1]));
    let names: BTreeSet<String> =
        made.map(|pair| format!("cartwake_{}", pair[0].trim_start_matches("cartwake_"))).collect();
    assert!(names.len() > 20, "this test no longer sees how metrics are made: {names:?}");
    let missing = names.iter().filter(|name| !docs.contains(&format!("`{name}`")));
    refuse(&missing.map(|name| format!("docs/metrics.md does not say what {name} counts")).collect::<Vec<_>>());
}

/// The tests that docs/requirements.md names, as paths.
fn named_tests(document: &str) -> Vec<&str> {
    let names = document.split('`').skip(1).step_by(2);
    let is_path =
        |text: &&str| text.contains("::") && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    names.filter(is_path).collect()
}

#[test]
fn every_test_that_holds_a_requirement_exists() {
    let document = optional("docs/requirements.md").expect("there is a table of requirements");
    let sources: Vec<Source> = read("src").into_iter().chain(read("tests")).collect();
    let parts = |source: &Source| -> Vec<String> {
        let path = source.path.with_extension("");
        path.iter().map(|part| part.to_string_lossy().into_owned()).collect()
    };
    let mut broken = Vec::new();
    let tests = named_tests(&document);
    assert!(tests.len() > 80, "this test no longer sees what the table names: {}", tests.len());
    for path in tests {
        let mut rooms: Vec<&str> = path.split("::").collect();
        let name = rooms.pop().unwrap_or_default();
        // Where a test runs on each store, the second part says which store.
        let is_on_each = matches!(rooms.as_slice(), ["stories" | "store", "embedded"]);
        rooms.retain(|room| *room != "embedded");
        let defined = format!("fn {name}(");
        let place = sources.iter().find(|source| {
            let parts = parts(source);
            rooms.iter().all(|room| parts.iter().any(|part| part == room)) && source.text.contains(&defined)
        });
        let listed = !is_on_each
            || optional(&format!("tests/it/{}.rs", rooms[0]))
                .is_some_and(|list| list.split([',', ';', ':']).any(|word| word.trim() == name));
        if place.is_none() || !listed {
            broken.push(format!("docs/requirements.md names {path}, and there is no such test"));
        }
    }
    for number in 1..=36 {
        if document.lines().filter(|line| line.starts_with(&format!("| R{number} |"))).count() != 1 {
            broken.push(format!("docs/requirements.md has not one row for R{number}"));
        }
    }
    refuse(&broken);
}

#[test]
fn there_are_at_least_forty_stories_and_each_is_a_sentence() {
    let list = optional("tests/it/stories.rs").expect("the stories are listed");
    let (_, list) = list.split_once("on_every_store! {").expect("as one list");
    let stories: BTreeSet<&str> = list.split([',', ';', ':', '}']).map(str::trim).filter(|w| w.contains('_')).collect();
    assert!(stories.len() >= 40, "{}", stories.len());
    let short = stories.iter().filter(|name| name.split('_').count() < 3);
    refuse(&short.map(|name| format!("tests/it/stories.rs: {name} is no sentence")).collect::<Vec<_>>());
}

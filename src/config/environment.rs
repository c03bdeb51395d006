//! `CARTWAKE__SECTION__KEY`: any key, from the environment, over the file.
//!
//! A shop is named by its id, an endpoint or a platform by its name (`CARTWAKE__SHOP__<ID>__ENDPOINT__<NAME>__URL`), in
//! capitals and with `_` for `-`. An endpoint or a platform that the file does not have is added; a shop is not: a
//! misspelled id would otherwise open a second shop in silence. Never here: what the keys mean.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::layers::{endpoint_defaults, platform_defaults};
use super::problem::Report;

const PREFIX: &str = "CARTWAKE__";

/// What kind of value a key takes: text from the environment is read as that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Integer,
    Flag,
    /// Separated by commas, or a TOML list.
    List,
}

/// A text from the environment as the value that its key takes; left as it is when it cannot be that.
pub(super) fn shaped(text: String, shape: Shape) -> Value {
    let trimmed = text.trim();
    let value = match shape {
        Shape::Text => None,
        Shape::Integer => trimmed.parse().ok().map(Value::Integer),
        Shape::Flag => trimmed.parse().ok().map(Value::Boolean),
        Shape::List if trimmed.starts_with('[') => trimmed.parse::<Value>().ok().filter(Value::is_array),
        Shape::List => {
            let parts = trimmed.split(',').map(str::trim).filter(|part| !part.is_empty());
            Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect()))
        }
    };
    value.unwrap_or(Value::String(text))
}

/// Puts every variable of ours in its place.
pub(super) fn apply(tree: &mut Table, env: impl Iterator<Item = (String, String)>, report: &mut Report) {
    let ours: BTreeMap<String, String> = env.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    for (variable, text) in ours {
        let segments: Vec<String> = variable[PREFIX.len()..].split("__").map(str::to_lowercase).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let placed = match segments.as_slice() {
            ["shop", id, rest @ ..] => in_shop(tree, id, rest),
            rest => place(tree, String::new(), rest),
        };
        match placed {
            Ok(place) => place.put(&variable, text, report),
            Err(sentence) => report.add(&variable, sentence),
        }
    }
}

/// Where a variable's value goes.
struct Place<'t> {
    table: &'t mut Table,
    /// Of the table.
    path: String,
    key: String,
}

impl Place<'_> {
    fn put(self, variable: &str, text: String, report: &mut Report) {
        let path = |key: &str| join(&self.path, key);
        // The two spellings of a secret exclude each other; that the file has one must not forbid the other here.
        let other = twin(&self.key);
        if !report.is_from_environment(&path(&other)) {
            self.table.remove(&other);
        }
        report.set_by(path(&self.key), variable);
        self.table.insert(self.key, Value::String(text));
    }
}

/// The key that gives the same from a file, or the one that gives it directly.
pub(super) fn twin(key: &str) -> String {
    key.strip_suffix("_file").map_or_else(|| format!("{key}_file"), str::to_owned)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn place<'t>(table: &'t mut Table, path: String, rest: &[&str]) -> Result<Place<'t>, String> {
    match rest {
        [] => Err("names no key".to_owned()),
        [key] if path.is_empty() || table.get(*key).is_some_and(Value::is_table) => {
            Err(format!("names no key; it goes on with __KEY after {}", key.to_uppercase()))
        }
        [key] => Ok(Place { table, path, key: (*key).to_owned() }),
        [section, rest @ ..] => {
            let known: Vec<String> =
                table.iter().filter(|(_, v)| v.is_table()).map(|(k, _)| k.to_uppercase()).collect();
            match table.get_mut(*section) {
                Some(Value::Table(below)) => place(below, join(&path, section), rest),
                _ => Err(format!("names no section; {} is not one of {}", section.to_uppercase(), known.join(", "))),
            }
        }
    }
}

fn in_shop<'t>(tree: &'t mut Table, id: &str, rest: &[&str]) -> Result<Place<'t>, String> {
    let shops = tree.get_mut("shop").and_then(Value::as_array_mut).ok_or("names a shop, but there is none")?;
    let index = find(shops, "id", id)?.ok_or("names a shop that the configuration does not have")?;
    let path = format!("shop[{index}]");
    let shop = shops[index].as_table_mut().ok_or("names a shop that is not a table")?;
    match rest {
        ["endpoint", name, key] => in_list(shop, &path, ("endpoint", name, key), endpoint_defaults),
        ["platform", name, key] => in_list(shop, &path, ("platform", name, key), platform_defaults),
        [list @ ("endpoint" | "platform"), ..] => Err(format!("must go on as {}__<NAME>__<KEY>", list.to_uppercase())),
        rest => place(shop, path, rest),
    }
}

/// A key of the table of this name in a list of them; one that is not there is added.
fn in_list<'t>(
    shop: &'t mut Table,
    path: &str,
    (list, name, key): (&str, &str, &str),
    defaults: fn() -> Table,
) -> Result<Place<'t>, String> {
    let tables = shop.entry(list).or_insert_with(|| Value::Array(Vec::new()));
    let tables = tables.as_array_mut().ok_or_else(|| format!("names one {list} of many, but they are not a list"))?;
    let index = find(tables, "name", name)?.unwrap_or(tables.len());
    if index == tables.len() {
        let mut added = defaults();
        added.insert("name".to_owned(), Value::String(name.to_owned()));
        tables.push(Value::Table(added));
    }
    let table = tables[index].as_table_mut().ok_or_else(|| format!("names an {list} that is not a table"))?;
    Ok(Place { table, path: format!("{path}.{list}[{index}]"), key: key.to_owned() })
}

fn find(list: &[Value], key: &str, name: &str) -> Result<Option<usize>, String> {
    let is_meant = |value: &&Value| {
        let text = value.get(key).and_then(Value::as_str);
        text.is_some_and(|text| text.replace('-', "_") == name.replace('-', "_"))
    };
    let mut found = list.iter().enumerate().filter(|(_, value)| is_meant(value)).map(|(index, _)| index);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(format!("names more than one: their {key}s differ only in - and _")),
        (first, None) => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Config, Problems, StoreUrl, load};

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn load_env(variables: &[(&str, &str)]) -> Result<Config, Problems> {
        let pairs: Vec<_> = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        load(None, pairs.into_iter())
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("a temporary file can be written");
        file
    }

    #[test]
    fn any_key_can_be_set_as_text() {
        let hash = format!("sha256:{}", "3".repeat(64));
        let config = load_env(&[
            ("CARTWAKE__SERVER__WORKERS", "4"),
            ("CARTWAKE__SERVER__LISTEN", "0.0.0.0:9000"),
            ("CARTWAKE__SERVER__ADMIN_KEYS", &hash),
            ("CARTWAKE__STORE__URL", "redis://:pw@cache:6379"),
            ("CARTWAKE__SCHEDULER__POLL", "1s"),
            ("CARTWAKE__DELIVERY__LEASE", "1m"),
            ("CARTWAKE__TELEMETRY__LOG_FORMAT", "json"),
            ("CARTWAKE__SHOP__DEFAULT__CHECKOUT_HOSTS", "a.example, b.example"),
            ("CARTWAKE__SHOP__DEFAULT__PROGRAM__STALE_AFTER", "1h"),
            ("CARTWAKE__SHOP__DEFAULT__PROGRAM__IDLE__CART", "off"),
            ("CARTWAKE__SHOP__DEFAULT__PROGRAM__STEPS", r#"[{ name = "x", delay = "2h", channel = "sms" }]"#),
            ("CARTWAKE_CONFIG", "not ours"),
            ("HOME", "/root"),
        ])
        .expect("valid");
        let shop = &config.shops[0];
        assert_eq!((config.server.workers, config.server.listen.port(), config.server.admin_keys.len()), (4, 9000, 1));
        assert_eq!(config.store.url, StoreUrl::Redis("redis://:pw@cache:6379".to_owned()));
        assert!(config.telemetry.log_json);
        assert_eq!(shop.checkout_hosts, ["a.example", "b.example"]);
        assert_eq!((shop.program.idle.cart, shop.program.steps.len()), (None, 1));
    }

    #[test]
    fn an_endpoint_can_be_made_of_variables_alone() {
        let secrets = file(&format!("# new, then old\n{SECRET}\n\n{SECRET}\n"));
        let path = secrets.path().display().to_string();
        let config = load_env(&[
            ("CARTWAKE__SHOP__DEFAULT__ENDPOINT__MAILER__URL", "https://mailer.example/"),
            ("CARTWAKE__SHOP__DEFAULT__ENDPOINT__MAILER__SECRETS_FILE", &path),
            ("CARTWAKE__SHOP__DEFAULT__ENDPOINT__MAILER__RATE_LIMIT", "50"),
            ("CARTWAKE__SHOP__DEFAULT__ENDPOINT__MAILER__PAYLOAD", "thin"),
            ("CARTWAKE__SHOP__DEFAULT__ENDPOINT__OTHER__URL", "https://other.example/"),
            ("CARTWAKE__SHOP__DEFAULT__ENDPOINT__OTHER__SECRETS", SECRET),
        ])
        .expect("valid");
        let endpoints = &config.shops[0].endpoints;
        assert_eq!(endpoints.len(), 2);
        assert_eq!((endpoints[0].name.as_str(), endpoints[0].secrets.len()), ("mailer", 2));
        assert_eq!((endpoints[0].rate_limit, endpoints[0].thin), (Some(50), true));
        assert_eq!(endpoints[1].secrets.len(), 1);
    }

    #[test]
    fn the_environment_wins_over_the_file_in_either_spelling() {
        let over = file(
            "store.url_file = \"/nowhere\"\n[[shop]]\nid = \"a-b\"\n[[shop.endpoint]]\nname = \"m\"\n\
             url = \"https://m.example/\"\nsecrets_file = \"/nowhere\"",
        );
        let url = file("rediss://cache\n");
        let env = [
            ("CARTWAKE__STORE__URL_FILE".to_owned(), url.path().display().to_string()),
            ("CARTWAKE__SHOP__A_B__ENDPOINT__M__SECRETS".to_owned(), SECRET.to_owned()),
        ];
        let config = load(Some(over.path()), env.into_iter()).expect("valid");
        assert_eq!(config.store.url, StoreUrl::Redis("rediss://cache".to_owned()));
        assert_eq!(config.shops[0].endpoints[0].secrets.len(), 1);
    }

    #[test]
    fn a_variable_that_means_nothing_is_a_problem_and_its_value_is_not_repeated() {
        let problems = load_env(&[
            ("CARTWAKE__SERVER", "s3cret"),
            ("CARTWAKE__SERVER__WORKERS", "s3cret"),
            ("CARTWAKE__SERVER__WROKERS", "s3cret"),
            ("CARTWAKE__SRVER__WORKERS", "s3cret"),
            ("CARTWAKE__SHOP__OTHER__ID", "s3cret"),
            ("CARTWAKE__SHOP__DEFAULT__ENDPOINT__URL", "s3cret"),
            ("CARTWAKE__SHOP__DEFAULT__PROGRAM__IDLE", "s3cret"),
            ("CARTWAKE__STORE__URL", "redis://s3cret:s3cret@h/x"),
            ("CARTWAKE__STORE__URL_FILE", "/nowhere"),
        ])
        .expect_err("mistakes");
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "CARTWAKE__SERVER",
                "CARTWAKE__SHOP__DEFAULT__ENDPOINT__URL",
                "CARTWAKE__SHOP__DEFAULT__PROGRAM__IDLE",
                "CARTWAKE__SHOP__OTHER__ID",
                "CARTWAKE__SRVER__WORKERS",
                "server.workers",
                "server.wrokers",
                "store.url",
                "store.url_file",
            ]
        );
        let told = problems.to_string();
        assert!(told.contains("(set by CARTWAKE__SERVER__WROKERS)") && !told.contains("s3cret"), "{told}");
    }
}

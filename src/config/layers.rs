//! Defaults below, the file above: what is in effect before the environment has its say.
//!
//! Tables are laid over each other key by key; lists and single values are replaced. Each `[[shop]]` is laid over the
//! shop of the manual, each endpoint over the manual's example, so that both need to say only what differs. Never here:
//! what the keys mean.

use toml::{Table, Value};

use super::environment::twin;

/// The defaults and the manual.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// The defaults as a tree.
pub(super) fn defaults() -> Table {
    DEFAULT_TOML.parse().expect("the embedded defaults are TOML")
}

/// What a file gives, over the defaults.
pub(super) fn over_defaults(file: Table) -> Table {
    let mut tree = defaults();
    let shop = shop_defaults();
    let (endpoint, platform, incentive) = (endpoint_defaults(), platform_defaults(), incentive_defaults());
    overlay(&mut tree, file);
    for table in tables(&mut tree, "shop") {
        // The manual's own shop is laid over itself, which changes nothing.
        under(table, &shop);
        tables(table, "endpoint").for_each(|table| under(table, &endpoint));
        tables(table, "platform").for_each(|table| under(table, &platform));
        if let Some(program) = table.get_mut("program").and_then(Value::as_table_mut) {
            tables(program, "incentive").for_each(|table| under(table, &incentive));
        }
    }
    dates_as_text(&mut tree);
    tree
}

/// What an endpoint does not say: the manual's example, without what makes it that endpoint.
pub(super) fn endpoint_defaults() -> Table {
    let mut example = example();
    let mut endpoint = tables(&mut example, "shop")
        .next()
        .and_then(|shop| tables(shop, "endpoint").next().map(std::mem::take))
        .expect("the manual's example has an endpoint");
    endpoint.remove("name");
    endpoint.remove("url");
    endpoint.insert("secrets".to_owned(), Value::Array(Vec::new()));
    endpoint
}

/// What a platform does not say.
pub(super) fn platform_defaults() -> Table {
    Table::from_iter([("secrets".to_owned(), Value::Array(Vec::new()))])
}

/// What an incentive does not say: the manual's example, without what makes it that incentive.
fn incentive_defaults() -> Table {
    let mut example = example();
    let program = tables(&mut example, "shop").find_map(|shop| shop.get_mut("program").and_then(Value::as_table_mut));
    let mut incentive = program
        .and_then(|program| tables(program, "incentive").next().map(std::mem::take))
        .expect("the manual's example has an incentive");
    for key in ["name", "kind", "value", "steps", "template"] {
        incentive.remove(key);
    }
    incentive
}

/// The example at the end of the manual: the lines that begin with `#` and no space.
pub(super) fn example() -> Table {
    let lines = DEFAULT_TOML.lines().filter_map(|line| line.strip_prefix('#')).filter(|line| !line.starts_with(' '));
    lines.collect::<Vec<_>>().join("\n").parse().expect("the manual's example is TOML")
}

fn shop_defaults() -> Table {
    let mut defaults = defaults();
    let mut shop = tables(&mut defaults, "shop").next().map(std::mem::take).expect("the manual has a shop");
    shop.remove("id");
    shop
}

/// The tables of a list; nothing when it is no list, which its reader will say.
fn tables<'t>(table: &'t mut Table, key: &str) -> impl Iterator<Item = &'t mut Table> {
    table.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_table_mut)
}

fn under(table: &mut Table, defaults: &Table) {
    let over = std::mem::replace(table, defaults.clone());
    overlay(table, over);
}

fn overlay(base: &mut Table, over: Table) {
    // First of all: when a layer has both a key and its twin, both must survive to be refused.
    for key in over.keys() {
        base.remove(&twin(key));
    }
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => overlay(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// TOML's own dates are taken where a text with a date is.
fn dates_as_text(table: &mut Table) {
    fn walk(value: &mut Value) {
        match value {
            Value::Datetime(date) => *value = Value::String(date.to_string()),
            Value::Array(values) => values.iter_mut().for_each(walk),
            Value::Table(table) => dates_as_text(table),
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
        }
    }
    table.iter_mut().for_each(|(_, value)| walk(value));
}

#[cfg(test)]
mod tests {
    use super::super::load::read;
    use super::super::problem::Report;
    use super::*;

    /// The defaults with the manual's example as a second shop: every key there is.
    fn manual() -> Table {
        let mut tree = over_defaults(example());
        let mut defaults = defaults();
        let example = tables(&mut tree, "shop").next().map(std::mem::take).expect("the example has a shop");
        let shops = defaults.get_mut("shop").and_then(Value::as_array_mut).expect("the manual has a shop");
        shops.push(Value::Table(example));
        let shop = tables(&mut defaults, "shop").nth(1).expect("the example has a shop");
        for list in ["endpoint", "platform"] {
            let secret = Value::String("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
            let table = tables(shop, list).next().expect("the example has one of each");
            table.insert("secrets".to_owned(), Value::Array(vec![secret]));
        }
        defaults
    }

    /// The tree without each of its keys in turn, and the path of that key.
    fn without_each(value: &Value, path: &str) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        if let Value::Table(table) = value {
            for (key, below) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let mut rest = table.clone();
                rest.remove(key);
                all.push((path.clone(), Value::Table(rest)));
                all.extend(without_each(below, &path).into_iter().map(|(path, below)| {
                    let mut changed = table.clone();
                    changed.insert(key.clone(), below);
                    (path, Value::Table(changed))
                }));
            }
        }
        if let Value::Array(values) = value {
            for (index, below) in values.iter().enumerate() {
                all.extend(without_each(below, &format!("{path}[{index}]")).into_iter().map(|(path, below)| {
                    let mut changed = values.clone();
                    changed[index] = below;
                    (path, Value::Array(changed))
                }));
            }
        }
        all
    }

    #[test]
    fn every_key_of_the_manual_is_read_and_has_no_other_default() {
        read(manual(), Report::default()).expect("every key of the manual is known and valid");
        let cases = without_each(&Value::Table(manual()), "");
        assert!(cases.len() > 70, "{}", cases.len());
        for (path, tree) in cases {
            let Value::Table(tree) = tree else { panic!("a tree is a table") };
            let problems = read(tree, Report::default());
            if path == "shop[0].endpoint" || path == "shop[1].endpoint" || path == "shop[1].platform" {
                problems.expect("a shop may have no endpoint and no platform");
                continue;
            }
            let problems = problems.expect_err(&path);
            assert!(problems.iter().any(|problem| problem.path == path), "{path} without it: {problems}");
        }
    }

    #[test]
    fn what_excludes_another_key_is_in_the_manual_too() {
        for key in ["url_file = ", "secrets_file = ", "allowed_origins = ", "codes_file = "] {
            assert!(DEFAULT_TOML.contains(key), "{key}");
        }
    }

    #[test]
    fn the_example_is_refused_until_its_secret_is_replaced() {
        let problems = read(over_defaults(example()), Report::default()).expect_err("whsec_... is no secret");
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["shop[0].platform[0].secrets[0]", "shop[0].endpoint[0].secrets[0]"]);
    }
}

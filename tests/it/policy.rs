//! What we depend on, held against `deny.toml`: licences, banned crates, sources.
//!
//! The same file serves `cargo deny`; this test needs nothing but cargo, so that the policy is checked wherever the
//! tests run. Never here: security advisories, which need a network and change by the day.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// `None` for our own.
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
}

#[derive(Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Named>,
    /// Direct dependencies that something below us still wants in another version.
    skip: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: BTreeSet<String>,
}

fn policy() -> Policy {
    toml::from_str(include_str!("../../deny.toml")).expect("deny.toml says what this test reads")
}

/// What is built for the machine that runs the tests. Cargo runs them in the folder of our manifest.
fn packages() -> Vec<Package> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host()])
        .output()
        .expect("cargo runs these tests");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("the format is fixed");
    metadata.packages
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc built these tests");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host").to_owned()
}

/// Whether a licence expression can be met: all parts of an AND, one of an OR.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let tokens = expression.replace('(', " ( ").replace(')', " ) ");
    let mut tokens: Vec<&str> = tokens.split_whitespace().rev().collect();
    let met = alternatives(&mut tokens, allowed);
    met && tokens.is_empty()
}

fn alternatives(tokens: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let mut met = conjunction(tokens, allowed);
    while tokens.pop_if(|token| *token == "OR").is_some() {
        met |= conjunction(tokens, allowed);
    }
    met
}

fn conjunction(tokens: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let mut met = licence(tokens, allowed);
    while tokens.pop_if(|token| *token == "AND").is_some() {
        met &= licence(tokens, allowed);
    }
    met
}

fn licence(tokens: &mut Vec<&str>, allowed: &BTreeSet<String>) -> bool {
    let Some(token) = tokens.pop() else { return false };
    if token == "(" {
        let met = alternatives(tokens, allowed);
        return tokens.pop() == Some(")") && met;
    }
    if tokens.pop_if(|next| *next == "WITH").is_some() {
        let exception = tokens.pop().unwrap_or_default();
        return allowed.contains(&format!("{token} WITH {exception}")) || allowed.contains(token);
    }
    allowed.contains(token)
}

fn refuse(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn what_we_depend_on_is_licensed_as_we_allow_and_comes_from_where_we_allow() {
    let policy = policy();
    let mut broken = Vec::new();
    let packages = packages();
    assert!(packages.len() > 50, "cargo metadata lists what we depend on");
    for package in &packages {
        let Some(source) = &package.source else { continue };
        let named = format!("{} {}", package.name, package.version);
        let license = package.license.as_deref().unwrap_or("none");
        if !is_met(license, &policy.licenses.allow) {
            broken.push(format!("{named}: the licence {license} is not allowed"));
        }
        let is_known = source.strip_prefix("registry+").is_some_and(|url| policy.sources.allow_registry.contains(url));
        if !is_known {
            broken.push(format!("{named}: comes from {source}"));
        }
        if policy.bans.deny.iter().any(|banned| banned.name == package.name) {
            broken.push(format!("{named}: is banned"));
        }
    }
    refuse(&broken);
}

#[test]
fn what_we_name_ourselves_is_there_in_one_version() {
    let (policy, packages) = (policy(), packages());
    let ours = packages.iter().find(|package| package.name == "cartwake").expect("we are among them");
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in &packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let is_skipped = |name: &str| policy.bans.skip.iter().any(|skipped| skipped.name == name);
    let mut broken = Vec::new();
    for dependency in &ours.dependencies {
        if dependency.req == "*" {
            broken.push(format!("{}: any version is no version", dependency.name));
        }
        let there = versions.get(dependency.name.as_str()).map_or(0, BTreeSet::len);
        if there > 1 && !is_skipped(&dependency.name) {
            broken.push(format!("{}: {:?}", dependency.name, versions[dependency.name.as_str()]));
        }
    }
    refuse(&broken);
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).into();
    for met in
        ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND Unicode-3.0", "Apache-2.0 WITH X OR GPL-3.0"]
    {
        assert!(is_met(met, &allowed), "{met}");
    }
    for not in ["", "none", "GPL-3.0", "MIT AND GPL-3.0", "(MIT AND GPL-3.0) OR BSL-1.1", "MIT)", "(MIT"] {
        assert!(!is_met(not, &allowed), "{not}");
    }
}

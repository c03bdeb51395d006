//! The first start without a configuration: keys are made, shown once, and kept as hashes beside the store.
//!
//! Only for the embedded store and only while no key is configured. Read next: `keys.rs`.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::config::{KeyConfig, KeyHash, Role};
use crate::keys;

/// Where the hashes are, in the store's folder.
pub const FILE: &str = "keys.txt";

/// A key that was just made; the only moment at which it can be read.
pub struct NewKey {
    pub role: Role,
    pub text: String,
}

/// What is usable now, and what was made for it.
pub struct FirstKeys {
    pub hashes: Vec<(Role, KeyHash)>,
    /// Empty on every start but the first.
    pub made: Vec<NewKey>,
    unsaved: Option<(PathBuf, String)>,
}

impl FirstKeys {
    /// Keeps the hashes of keys just made. Only when the service is up and can show the keys: a start that fails must not
    /// leave a store behind whose keys nobody has seen.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn save(&self) -> Result<()> {
        let Some((path, text)) = &self.unsaved else { return Ok(()) };
        write_private(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The keys of a folder: read, or made when there are none; made ones are not kept until [`FirstKeys::save`].
///
/// # Errors
/// When the folder cannot be read or written, or its key file was damaged.
pub fn keys_of(folder: &Path, random: impl Fn() -> Result<[u8; 32]>) -> Result<FirstKeys> {
    let path = folder.join(FILE);
    if path.exists() {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let hashes = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).map(parse_line);
        let hashes: Result<Vec<_>> = hashes.collect();
        return Ok(FirstKeys {
            hashes: hashes.with_context(|| format!("{} is damaged", path.display()))?,
            made: Vec::new(),
            unsaved: None,
        });
    }
    let mut made = Vec::new();
    let mut hashes = Vec::new();
    let mut text = String::from("# Hashes of the keys made at the first start. The keys themselves were shown once.\n");
    for role in [Role::Server, Role::Admin] {
        let (key, hash) = keys::generate(role, random()?);
        writeln!(text, "{role} {hash}")?;
        hashes.push((role, hash));
        made.push(NewKey { role, text: key });
    }
    Ok(FirstKeys { hashes, made, unsaved: Some((path, text)) })
}

fn parse_line(line: &str) -> Result<(Role, KeyHash)> {
    let (role, hash) = line.split_once(' ').context("a line must be a role and a hash")?;
    let role = Role::parse(role).context("unknown role")?;
    Ok((role, KeyHash::parse(hash.trim()).context("not a hash")?))
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// As a shop key of the configuration.
#[must_use]
pub fn as_config(hashes: &[(Role, KeyHash)]) -> Vec<KeyConfig> {
    hashes.iter().map(|(role, hash)| KeyConfig { role: *role, hash: *hash, allowed_origins: Vec::new() }).collect()
}

//! The small commands: check a configuration, make keys, ask for health, copy the store.

use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::app::{environment, random_bytes};
use crate::config::{self, Role};
use crate::links::LinkSecret;
use crate::store::embedded;
use crate::webhook::Secret;
use crate::{api, first_start, keys};

/// Prints the effective configuration with secrets hidden, or every problem at once.
#[must_use]
pub fn check_config(file: Option<&Path>) -> ExitCode {
    let (text, code) = match config::load(file, environment()) {
        Ok(config) => (config::effective(&config), ExitCode::SUCCESS),
        Err(problems) => (format!("{problems}\n"), ExitCode::FAILURE),
    };
    print(&text);
    code
}

/// Prints a key of each role with its configuration line, a webhook secret, and a secret for links.
///
/// # Errors
/// When the machine gives no random bytes.
pub fn new_keys() -> Result<()> {
    let mut text = String::new();
    for role in [Role::Browser, Role::Server, Role::Admin] {
        let (key, hash) = keys::generate(role, random_bytes()?);
        let origins = if role == Role::Browser { ", allowed_origins = [\"https://shop.example\"]" } else { "" };
        writeln!(text, "{key}\n  under [[shop]] keys: {{ role = \"{role}\", hash = \"{hash}\"{origins} }}")?;
    }
    let secret = Secret::generate(random_bytes()?);
    writeln!(text, "{}\n  under [[shop.endpoint]] secrets, and in the receiver", secret.reveal())?;
    let secret = LinkSecret::generate(random_bytes()?);
    writeln!(text, "{}\n  in [links] secrets", secret.reveal())?;
    print(&text);
    Ok(())
}

/// Prints the OpenAPI document.
pub fn print_openapi() {
    print(&api::openapi_json());
    print("\n");
}

/// Asks the running service whether it is ready.
///
/// # Errors
/// When the configuration does not say where to ask.
pub async fn healthcheck(file: Option<&Path>) -> Result<ExitCode> {
    let config = config::load(file, environment()).map_err(|problems| anyhow::anyhow!("{problems}"))?;
    let mut address = config.server.ops_listen;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build()?;
    let answer = client.get(format!("http://{address}/readyz")).send().await;
    let is_ready = answer.is_ok_and(|answer| answer.status().is_success());
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Copies the embedded store, and the hashes of its first keys, while a service may be using it.
///
/// # Errors
/// When there is no store, or the target exists or cannot be written.
pub fn backup(folder: &Path, target: &Path) -> Result<()> {
    embedded::copy(folder, target).with_context(|| format!("cannot copy the store in {}", folder.display()))?;
    let keys = folder.join(first_start::FILE);
    if keys.exists() {
        std::fs::copy(&keys, target.join(first_start::FILE))
            .with_context(|| format!("cannot copy {}", keys.display()))?;
    }
    print(&format!("copied to {}\n", target.display()));
    Ok(())
}

/// Standard output closed early (`| head`) is not our failure.
fn print(text: &str) {
    let mut out = stdout().lock();
    if out.write_all(text.as_bytes()).is_err() {
        return;
    }
    drop(out);
}

//! What the demo asks of the service: one shop, one endpoint, keys and a secret that follow from the seed.
//!
//! The text is a configuration file like any other; only the clock, the ports and the temporary folder are special.

use std::path::Path;

use anyhow::Context;

use super::dice::Dice;
use crate::config::{self, Config, Role};
use crate::keys;
use crate::webhook::Secret;

/// The shop's name, in tallies and addresses.
pub const SHOP: &str = "demo";
/// The endpoint's name, in tallies.
pub const ENDPOINT: &str = "mailer";
/// The names of the program's steps, in order.
pub const STEPS: [&str; 3] = ["first", "second", "third"];

/// The configuration of the demo. Its keys are no secret: they follow from the seed and live as long as the demo.
pub struct Setup {
    pub server_key: String,
    pub admin_key: String,
    pub config: Config,
}

impl Setup {
    /// The set-up for this seed, with everything in this folder and webhooks to this receiver.
    ///
    /// # Errors
    /// When the file cannot be written, or this build does not take it.
    pub fn new(seed: u64, folder: &Path, receiver_url: &str) -> anyhow::Result<Self> {
        let (server_key, server_hash) = keys::generate(Role::Server, bytes(seed, 1));
        let (admin_key, admin_hash) = keys::generate(Role::Admin, bytes(seed, 3));
        let steps = STEPS.iter().zip(["4h", "24h", "72h"]);
        let steps: Vec<String> = steps
            .map(|(name, delay)| format!(r#"{{ name = "{name}", delay = "{delay}", channel = "email" }}"#))
            .collect();
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
ops_listen = "127.0.0.1:0"
workers = 1
admin_keys = ["{admin_hash}"]

[store]
url = 'embedded:{folder}'

[telemetry]
log_level = "off"

[[shop]]
id = "{SHOP}"

# Who is held out follows from a key that is drawn with each store, and no two shows would count alike.
[shop.program]
steps = [{steps}]
experiment = {{ holdout_percent = 0 }}

[[shop.keys]]
role = "server"
hash = "{server_hash}"

[[shop.endpoint]]
name = "{ENDPOINT}"
url = "{receiver_url}"
secrets = ["{secret}"]
events = ["cart.abandoned", "cart.reminder", "cart.resumed", "cart.recovered", "cart.converted"]
allow_networks = ["127.0.0.0/8"]
"#,
            folder = folder.join("store").display(),
            steps = steps.join(", "),
            secret = secret(seed).reveal(),
        );
        let file = folder.join("cartwake.toml");
        std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        // Read like anybody's file, but the environment has no say in it.
        let config = config::load(Some(&file), std::iter::empty())?;
        Ok(Self { server_key, admin_key, config })
    }
}

/// The secret that this seed shares with its receiver.
pub fn secret(seed: u64) -> Secret {
    Secret::generate(bytes(seed, 2))
}

fn bytes(seed: u64, purpose: u64) -> [u8; 32] {
    let mut dice = Dice::about(&[seed, purpose, 0x006b_6579]);
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_exact_mut(8) {
        chunk.copy_from_slice(&dice.roll().to_le_bytes());
    }
    bytes
}

//! `cartwake serve`: start, say where to look, follow signals, stop in order.
//!
//! SIGHUP reloads shops, programs, endpoints and keys; a file that does not hold keeps what was in force and says so.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::app::{App, environment, random_bytes};
use crate::config::{self, Config, ServerConfig, StoreUrl};
use crate::first_start::{self, FirstKeys};
use crate::telemetry;

/// How long a start waits for a store that is not there yet, and how often it looks.
const STORE_TRIES: u32 = 30;
const STORE_WAIT: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the configuration does not hold, or what it names cannot be used.
pub async fn serve(file: Option<&Path>) -> Result<ExitCode> {
    let mut config = match config::load(file, environment()) {
        Ok(config) => config,
        Err(problems) => bail!("the configuration does not hold:\n{problems}"),
    };
    telemetry::init(&config.telemetry)?;
    let first = give_keys(&mut config)?;
    let mut signals = Signals::listen()?;
    let mut app = tokio::select! {
        app = start(&config) => app?,
        () = signals.stop() => return Ok(ExitCode::SUCCESS),
    };
    if let Some(first) = &first {
        first.save()?;
    }
    app.start_loops()?;
    info!(api = app.api_url(), ops = app.ops_url(), "cartwake is up");
    greet(&app, &config, first.as_ref())?;
    while let Request::Reload = signals.next().await {
        reload(&mut app, file, first.as_ref());
    }
    info!("stopping");
    app.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Starts, waiting a little for a Redis that comes up together with us.
async fn start(config: &Config) -> Result<App> {
    let mut tries = 0;
    loop {
        match App::start(config.clone(), None).await {
            Err(error) if tries < STORE_TRIES && is_unavailable(&error) => {
                tries += 1;
                warn!(error = format!("{error:#}"), tries, "the store is not there yet");
                tokio::time::sleep(STORE_WAIT).await;
            }
            other => return other,
        }
    }
}

fn is_unavailable(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref::<crate::store::StoreError>(), Some(crate::store::StoreError::Unavailable(_)))
    })
}

/// With no key configured, the embedded store keeps keys of its own; a shared store needs configured ones.
fn give_keys(config: &mut Config) -> Result<Option<FirstKeys>> {
    if has_keys(config) {
        return Ok(None);
    }
    let StoreUrl::Embedded(folder) = &config.store.url else {
        bail!("no key is configured: run `cartwake keys new` and put the hashes under [[shop]] keys");
    };
    // Nobody else's business: carts hold personal data.
    let mut private = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(private.recursive(true), 0o700);
    private.create(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let first = first_start::keys_of(folder, random_bytes)?;
    use_keys(config, &first);
    Ok(Some(first))
}

fn has_keys(config: &Config) -> bool {
    !config.server.admin_keys.is_empty() || config.shops.iter().any(|shop| !shop.keys.is_empty())
}

/// A reload takes over shops; what else was changed waits, and says so.
fn warn_of_restart(old: &Config, new: &Config) {
    let shown = |config: &Config| {
        [
            ("server", format!("{:?}", ServerConfig { admin_keys: Vec::new(), ..config.server.clone() })),
            ("store", format!("{:?}", config.store)),
            ("scheduler", format!("{:?}", config.scheduler)),
            ("delivery", format!("{:?}", config.delivery)),
            ("telemetry", format!("{:?}", config.telemetry)),
        ]
    };
    for ((section, old), (_, new)) in shown(old).iter().zip(shown(new)) {
        if *old != new {
            warn!(section, "changed, and takes effect after a restart");
        }
    }
}

/// The admin key is one of the whole server, the others are of the first shop: a key is of one shop.
fn use_keys(config: &mut Config, first: &FirstKeys) {
    let (admin, others): (Vec<_>, Vec<_>) =
        first.hashes.iter().copied().partition(|(role, _)| *role == config::Role::Admin);
    if let Some(shop) = config.shops.first_mut() {
        shop.keys = first_start::as_config(&others);
    }
    config.server.admin_keys = admin.into_iter().map(|(_, hash)| hash).collect();
}

/// Tells a person at a terminal what to do next, with a line that works.
fn greet(app: &App, config: &Config, first: Option<&FirstKeys>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "cartwake {}\n  cart API  {}\n  ops       {}/metrics",
        env!("CARGO_PKG_VERSION"),
        app.api_url(),
        app.ops_url()
    )?;
    if config.links.public_url.is_none() {
        writeln!(out, "  links     to the checkout only: set [links] public_url for unsubscribing and last checks")?;
    }
    let Some(first) = first else { return Ok(()) };
    for key in &first.made {
        writeln!(out, "  {:<8}  {}   (shown once; only its hash is kept)", key.role, key.text)?;
    }
    let key = first.made.iter().find(|key| key.role == config::Role::Server).map_or("$SERVER_KEY", |key| &key.text);
    let shop = config.shops.first().map_or("default", |shop| shop.id.as_str());
    writeln!(
        out,
        "\nTrack a first cart in shop `{shop}`:\n  curl -X PUT {}/v1/carts/cart-1 -H \"Authorization: Bearer {key}\" \\\n       \
         -H 'Content-Type: application/json' \\\n       \
         -d '{{\"currency\":\"EUR\",\"stage\":\"cart\",\"items\":[{{\"product_id\":\"p-1\",\"quantity\":1,\"unit_price_minor\":1999}}]}}'\n",
        app.api_url()
    )?;
    out.flush()?;
    Ok(())
}

fn reload(app: &mut App, file: Option<&Path>, first: Option<&FirstKeys>) {
    let result = config::load(file, environment()).map_err(|problems| problems.to_string()).and_then(|mut config| {
        if let Some(first) = first.filter(|_| !has_keys(&config)) {
            use_keys(&mut config, first);
        }
        warn_of_restart(app.config(), &config);
        app.reload(config).map_err(|error| format!("{error:#}"))
    });
    match result {
        Ok(()) => {
            info!("configuration reloaded");
            app.note_reload(None);
        }
        Err(problem) => {
            error!(problem, "the new configuration does not hold; the old one stays in force");
            app.note_reload(Some(problem));
        }
    }
}

enum Request {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for a stop alone; there is nothing to reload yet.
    async fn stop(&mut self) {
        while !matches!(self.next().await, Request::Stop) {}
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.hangup.recv() => Request::Reload,
            _ = self.terminate.recv() => Request::Stop,
            _ = self.interrupt.recv() => Request::Stop,
        }
    }
}

//! The composition root: from a configuration to a running service, and back to silence in the right order.
//!
//! The same build serves production, tests and the demo; they differ in the clock they hand in and in who turns the
//! loops. No rule lives here: it only wires.

mod connection;
mod loops;
mod policies;
mod servers;

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use actix_web::web::Data;
use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::api::{Access, ApiState, Beat, Readiness};
use crate::clock::{Clock, EventClock, SystemClock};
use crate::config::{ClockKind, Config, StoreUrl};
use crate::domain::Moment;
use crate::engine::{
    DispatchSettings, Dispatcher, Engine, Heartbeat, Scheduler, run_calibration, run_dispatcher, run_lookout,
    run_scheduler,
};
use crate::metrics::{ExpectedShop, Metrics};
use crate::store::embedded::{EmbeddedStore, FileKeyring};
use crate::store::redis::{RedisKeyring, RedisSettings, RedisStore};
use crate::store::sealed::SealedStore;
use crate::store::{Keyring, Store};

use loops::Loops;
use servers::Servers;

/// Further ahead than any event of today.
const A_YEAR: Duration = Duration::from_secs(365 * 86_400);
/// A loop that showed no life for this long is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// How long threads may take to end that are told to end where they stand.
const ABORT_WITHIN: Duration = Duration::from_secs(1);

/// The loops' signs of life.
#[derive(Clone, Default)]
struct Pulses {
    scheduler: Heartbeat,
    dispatcher: Heartbeat,
}

impl Pulses {
    fn beats(&self) -> Vec<Beat> {
        let beat = |name, heart: &Heartbeat| Beat { name, heart: heart.clone(), age_max: SILENCE_MAX };
        vec![beat("scheduler", &self.scheduler), beat("dispatcher", &self.dispatcher)]
    }
}

/// A running service whose loops nobody turns yet.
pub struct App {
    config: Config,
    engine: Arc<Engine>,
    scheduler: Scheduler,
    dispatcher: Arc<Dispatcher>,
    state: Data<ApiState>,
    pulses: Pulses,
    servers: Servers,
    loops: Loops,
    stop: CancellationToken,
}

impl App {
    /// Opens the store, binds both listeners and answers requests. Nothing is sent until [`App::start_loops`].
    ///
    /// # Errors
    /// When the store cannot be used, an address cannot be bound, or the machine gives no random bytes.
    pub async fn start(config: Config, clock: Option<Arc<dyn Clock>>) -> Result<Self> {
        let clock = clock.unwrap_or_else(|| match config.server.clock {
            ClockKind::System => Arc::new(SystemClock),
            ClockKind::Events => Arc::new(EventClock::default()),
        });
        let store = open_store(&config, clock.now()).await?;
        let metrics =
            Arc::new(Metrics::new(env!("CARGO_PKG_VERSION"), option_env!("CARTWAKE_REVISION").unwrap_or("unknown")));
        metrics.expect(&expected(&config));
        let engine = Arc::new(Engine::new(store, clock, Arc::clone(&metrics)));
        engine.set_policies(policies::of(&config)?);
        let settings = DispatchSettings {
            lease: config.delivery.lease,
            start_within: config.delivery.start_within,
            disable_after: config.delivery.disable_after,
            keep: config.delivery.keep,
        };
        let dispatcher = Arc::new(Dispatcher::new(Arc::clone(&engine), settings));
        let scheduler = Scheduler::new(Arc::clone(&engine), config.scheduler.batch);
        let pulses = Pulses::default();
        let state = Data::new(ApiState {
            engine: Arc::clone(&engine),
            metrics,
            readiness: Arc::new(Readiness::new(pulses.beats())),
            access: Arc::new(RwLock::new(Arc::new(Access::new(&config)))),
            body_bytes_max: config.server.body_bytes_max,
            client_timeout: config.server.client_timeout,
            clock: config.server.clock,
        });
        let servers = Servers::start(&config.server, &state).context("cannot listen")?;
        Ok(Self {
            config,
            engine,
            scheduler,
            dispatcher,
            state,
            pulses,
            servers,
            loops: Loops::default(),
            stop: CancellationToken::new(),
        })
    }

    /// Where the cart API answers.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.servers.api_address)
    }

    /// Where operations answer.
    #[must_use]
    pub fn ops_url(&self) -> String {
        format!("http://{}", self.servers.ops_address)
    }

    /// What is in force.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The engine, for whoever turns it by hand.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Lets the scheduler and the dispatcher run by themselves.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_loops(&mut self) -> Result<()> {
        let Pulses { scheduler: scheduler_pulse, dispatcher: dispatcher_pulse } = self.pulses.clone();
        let poll = self.config.scheduler.poll;
        let scheduler = Scheduler::new(Arc::clone(&self.engine), self.config.scheduler.batch);
        let engine = Arc::clone(&self.engine);
        let dispatcher = Arc::clone(&self.dispatcher);
        let all_is_decided = CancellationToken::new();
        let (ends, stop) = (all_is_decided.clone().drop_guard(), self.stop.clone());
        let schedule = async move {
            // Also when it panics.
            let _ends = ends;
            run_scheduler(scheduler, engine, poll, scheduler_pulse, stop).await;
        };
        self.loops.run("scheduler", schedule)?;
        let calibration = run_calibration(Arc::clone(&self.engine), self.stop.clone());
        self.loops.run("calibration", calibration)?;
        self.loops.run("lookout", run_lookout(Arc::clone(&self.engine), self.stop.clone()))?;
        // What the scheduler hands over is to be let in, so the dispatcher stops after it.
        let (stop, stop_dispatcher) = (self.stop.clone(), CancellationToken::new());
        let dispatch = run_dispatcher(dispatcher, poll, dispatcher_pulse, stop_dispatcher.clone());
        let until = async move {
            stop.cancelled().await;
            all_is_decided.cancelled().await;
            stop_dispatcher.cancel();
        };
        self.loops.run("dispatcher", async {
            tokio::join!(dispatch, until);
        })
    }

    /// Does everything that is due now, and what follows from it, until nothing is. For tests and the demo.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn settle(&self) -> Result<()> {
        loop {
            let woken = self.scheduler.run_once().await?;
            let sent = self.dispatcher.run_once().await?;
            if woken.decided == 0 && sent.is_empty() {
                return Ok(());
            }
        }
    }

    /// When something is due next.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn next_moment(&self) -> Result<Option<Moment>> {
        let mut next = self.scheduler.next().await?;
        for lane in self.engine.store().lanes().await? {
            if self.dispatcher.is_stopped(&lane) {
                continue;
            }
            let due = self.engine.store().next_due(&lane).await?;
            next = [next, due].into_iter().flatten().min();
        }
        Ok(next)
    }

    /// What the first shop counted so far, summed over all days.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn tallies(&self) -> Result<Vec<(String, i64)>> {
        let shop = &self.config.shops.first().context("there is no shop")?.id;
        let (from, to) = (Moment::from_millis(0).day(), self.engine.now().plus(A_YEAR).day());
        let mut sums = BTreeMap::new();
        for (_, key, count) in self.engine.store().tallies(shop, from, to).await? {
            *sums.entry(key.0).or_default() += count;
        }
        Ok(sums.into_iter().collect())
    }

    /// Takes a new configuration for shops, programs, endpoints and keys; listeners and store stay as they are.
    ///
    /// # Errors
    /// When an endpoint cannot be prepared; what was in force stays.
    pub fn reload(&mut self, config: Config) -> Result<()> {
        self.engine.set_policies(policies::of(&config)?);
        self.state.set_access(Access::new(&config));
        self.state.metrics.expect(&expected(&config));
        self.config.shops = config.shops;
        Ok(())
    }

    /// Says whether the last reload took effect, in metrics and readiness.
    pub fn note_reload(&self, problem: Option<String>) {
        self.state.metrics.reloaded(problem.is_none());
        self.state.readiness.set_config_note(problem);
    }

    /// Goes silent: readiness off; then requests are drained and loops stopped side by side, so that a slow client costs
    /// no send its time; then the store flushed.
    pub async fn stop(mut self) {
        let bound = self.config.server.shutdown_timeout;
        self.state.readiness.set_draining();
        self.stop.cancel();
        let ((), ended) = tokio::join!(self.servers.drain(bound), tokio::time::timeout(bound, self.loops.join()));
        if ended.is_err() {
            warn!("sends in flight did not end in time; their leases cover the rest");
            self.loops.abort();
            drop(tokio::time::timeout(ABORT_WITHIN, self.loops.join()).await);
        }
        if let Err(error) = self.engine.store().depart().await {
            warn!(
                error = &error as &dyn std::error::Error,
                "others could not be told of the stop; they notice in seconds"
            );
        }
        if let Err(error) = self.engine.store().flush().await {
            error!(error = &error as &dyn std::error::Error, "the store could not be flushed");
        }
        info!("stopped");
    }
}

/// What the metrics may expect of the shops.
fn expected(config: &Config) -> Vec<ExpectedShop<'_>> {
    let shops = config.shops.iter().map(|shop| ExpectedShop {
        id: &shop.id,
        program: &shop.program,
        endpoints: shop.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect(),
        platforms: shop.platforms.iter().map(|platform| platform.name.as_str()).collect(),
    });
    shops.collect()
}

/// The store, sealed where there is a keyring.
async fn open_store(config: &Config, now: Moment) -> Result<Arc<dyn Store>> {
    let store = open_plain(config, now).await?;
    let keyring = open_keyring(config).await?;
    Ok(Arc::new(SealedStore::new(store, keyring, random_bytes)))
}

async fn open_keyring(config: &Config) -> Result<Option<Arc<dyn Keyring>>> {
    let id = random_bytes()?.first_chunk().copied().unwrap_or_default();
    Ok(match &config.store.keyring {
        None => None,
        Some(StoreUrl::Embedded(folder)) => Some(Arc::new(
            FileKeyring::open(folder, id)
                .with_context(|| format!("cannot open the keyring in {}", folder.display()))?,
        )),
        Some(StoreUrl::Redis(url)) => {
            let keyring = RedisKeyring::open(redis_settings(config, url), id).await;
            Some(Arc::new(keyring.context("cannot open the keyring in Redis")?))
        }
    })
}

fn redis_settings(config: &Config, url: &str) -> RedisSettings {
    RedisSettings {
        url: url.to_owned(),
        tls_ca: config.store.tls_ca.as_ref().map(|authority| authority.pem.clone().into_bytes()),
        allow_volatile: config.store.allow_volatile,
        shards: config.store.shards,
        command_timeout: config.store.command_timeout,
        connections: config.store.connections,
    }
}

async fn open_plain(config: &Config, now: Moment) -> Result<Arc<dyn Store>> {
    let identity_key = random_bytes()?;
    Ok(match &config.store.url {
        StoreUrl::Embedded(folder) => Arc::new(
            EmbeddedStore::open(folder, identity_key, now)
                .with_context(|| format!("cannot open the embedded store in {}", folder.display()))?,
        ),
        StoreUrl::Redis(url) => {
            let settings = redis_settings(config, url);
            Arc::new(RedisStore::open(settings, identity_key, now).await.context("cannot open the Redis store")?)
        }
    })
}

/// 32 bytes that nobody can guess.
///
/// # Errors
/// When the machine has none to give.
#[expect(clippy::disallowed_methods, reason = "the one source of what must not be guessed: keys and secrets")]
pub fn random_bytes() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}

/// The environment, without what is not text: nothing of ours can be in there.
#[expect(clippy::disallowed_methods, reason = "the one place that reads it; all others are handed it")]
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

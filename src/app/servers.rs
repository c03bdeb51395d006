//! The two listeners: the cart API for storefronts, operations for everybody behind the counter.
//!
//! Clients (Redis, webhooks) are built before and shared; a worker builds only its routes.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use anyhow::{Context, Result};
use tracing::warn;

use crate::api::{self, ApiState};
use crate::config::ServerConfig;

pub struct Servers {
    pub api_address: SocketAddr,
    pub ops_address: SocketAddr,
    api: ServerHandle,
    ops: ServerHandle,
}

impl Servers {
    /// Binds both and begins to answer.
    pub fn start(config: &ServerConfig, state: &Data<ApiState>) -> Result<Self> {
        let api_listener = bind(config.listen)?;
        let ops_listener = bind(config.ops_listen)?;
        let (api_address, ops_address) = (api_listener.local_addr()?, ops_listener.local_addr()?);
        let api_state = state.clone();
        let api = HttpServer::new(move || api::api_app(api_state.clone()))
            .workers(config.workers)
            .max_connections(config.connections_max.div_ceil(config.workers.max(1)))
            .keep_alive(config.keep_alive)
            .client_request_timeout(config.client_timeout)
            .shutdown_timeout(config.shutdown_timeout.as_secs())
            .disable_signals()
            .listen(api_listener)?
            .run();
        let ops_state = state.clone();
        let ops = HttpServer::new(move || api::ops_app(ops_state.clone()))
            .workers(1)
            .keep_alive(config.keep_alive)
            .client_request_timeout(config.client_timeout)
            .shutdown_timeout(1)
            .disable_signals()
            .listen(ops_listener)?
            .run();
        let servers = Self { api_address, ops_address, api: api.handle(), ops: ops.handle() };
        for server in [api, ops] {
            #[expect(clippy::disallowed_methods, reason = "ends when its handle is told to, in `drain`")]
            tokio::spawn(async move {
                if let Err(error) = server.await {
                    warn!(%error, "a listener ended with an error");
                }
            });
        }
        Ok(servers)
    }

    /// Stops accepting and lets requests in flight end; operations answer until the API is quiet.
    pub async fn drain(&self, bound: Duration) {
        if tokio::time::timeout(bound, self.api.stop(true)).await.is_err() {
            warn!("requests in flight did not end in time");
        }
        self.ops.stop(false).await;
    }
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot bind {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

//! The two listeners: the cart API for storefronts, operations for everybody behind the counter.
//!
//! Clients (Redis, webhooks) are built before and shared; a worker builds only its routes. Every connection is watched
//! (`app/connection.rs`).

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use actix_http::{Extensions, HttpService, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, apply_fn_factory, map_config};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, ServerHandle, fn_service};
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::connection::{Crowd, Guarded, Watch};
use crate::api::{self, ApiState};
use crate::config::ServerConfig;

/// Connections to operations: probes, scrapers and a person or two.
const OPS_CONNECTIONS_MAX: usize = 256;
/// How long a client that is told to go is listened to, so that it hears it.
const FAREWELL: Duration = Duration::from_secs(1);

pub struct Servers {
    pub api_address: SocketAddr,
    pub ops_address: SocketAddr,
    api: ServerHandle,
    ops: ServerHandle,
    is_draining: CancellationToken,
}

/// What holds for the connections of a listener.
#[derive(Clone)]
struct Bounds {
    workers: usize,
    connections_max: usize,
    keep_alive: Duration,
    client_timeout: Duration,
    shutdown_timeout: Duration,
    is_draining: CancellationToken,
}

impl Servers {
    /// Binds both and begins to answer.
    pub fn start(config: &ServerConfig, state: &Data<ApiState>) -> Result<Self> {
        let api_listener = bind(config.listen)?;
        let ops_listener = bind(config.ops_listen)?;
        let (api_address, ops_address) = (api_listener.local_addr()?, ops_listener.local_addr()?);
        let is_draining = CancellationToken::new();
        let api_bounds = Bounds {
            workers: config.workers,
            connections_max: config.connections_max.div_ceil(config.workers.max(1)),
            keep_alive: config.keep_alive,
            client_timeout: config.client_timeout,
            shutdown_timeout: config.shutdown_timeout,
            is_draining: is_draining.clone(),
        };
        let ops_bounds = Bounds {
            workers: 1,
            connections_max: OPS_CONNECTIONS_MAX,
            shutdown_timeout: Duration::from_secs(1),
            // Operations answer until the end.
            is_draining: CancellationToken::new(),
            ..api_bounds.clone()
        };
        let (api_state, ops_state) = (state.clone(), state.clone());
        let api = serve(api_listener, api_bounds, move || api::api_app(api_state.clone()))?;
        let ops = serve(ops_listener, ops_bounds, move || api::ops_app(ops_state.clone()))?;
        let servers = Self { api_address, ops_address, api: api.handle(), ops: ops.handle(), is_draining };
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
        self.is_draining.cancel();
        if tokio::time::timeout(bound, self.api.stop(true)).await.is_err() {
            warn!("requests in flight did not end in time");
        }
        self.ops.stop(false).await;
    }
}

/// What `HttpServer` of the framework does, with every connection watched: it takes no other stream than its own.
fn serve<F, I, S, B>(listener: TcpListener, bounds: Bounds, app: F) -> Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Error = Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let Bounds { workers, connections_max, shutdown_timeout, .. } = bounds.clone();
    let factory = move || {
        let (crowd, bounds) = (Crowd::new(bounds.connections_max), bounds.clone());
        let routes = map_config(app().into_factory(), |()| AppConfig::default());
        let counted = apply_fn_factory(routes, |request: Request, routes: &S::Service| {
            let turn = request.conn_data::<Rc<Watch>>().map(Watch::begin);
            let is_chunked = request.head().headers.contains_key(TRANSFER_ENCODING);
            let answer = routes.call(request);
            async move {
                let answer: Response<B> = answer.await?.into();
                let is_refused = answer.status().is_client_error() || answer.status().is_server_error();
                if is_chunked
                    && is_refused
                    && let Some(turn) = &turn
                {
                    turn.leave_rest();
                }
                drop(turn);
                Ok::<_, Error>(answer)
            }
        });
        let Bounds { keep_alive, client_timeout, is_draining, .. } = bounds;
        let http = HttpService::build()
            .keep_alive(keep_alive)
            // Every head is bounded by the watch, not only the first.
            .client_request_timeout(Duration::ZERO)
            .client_disconnect_timeout(FAREWELL)
            .graceful_shutdown_signal(move || is_draining.clone().cancelled_owned())
            .on_connect_ext(|io: &Guarded, data: &mut Extensions| {
                data.insert(io.watch());
            })
            .h1(counted);
        fn_service(move |io: TcpStream| {
            let peer = io.peer_addr().ok();
            std::future::ready(Ok((Guarded::new(io, &crowd, client_timeout), peer)))
        })
        .and_then(http)
    };
    let server = Server::build()
        .workers(workers)
        // One more than there may be: who comes then takes the place of the one that is idle for longest.
        .max_concurrent_connections(connections_max.saturating_add(1))
        .shutdown_timeout(shutdown_timeout.as_secs())
        .disable_signals()
        .listen("http", listener, factory)?;
    Ok(server.run())
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("cannot bind {address}"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

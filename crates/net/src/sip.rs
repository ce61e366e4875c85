//! The sockets of SIP: UDP, TCP and TLS listeners, the links of streams, and one loop that carries
//! messages between them and a [`SipHandler`], which owns the cores. What a message means is the
//! handler's business; whose bytes are read at all is decided by its [`Gatekeeper`], before parsing.
//!
//! Every task of one [`run`] belongs on one thread (see [`spawn`]): a hand-over between them is then
//! no system call.

mod inbound;
mod link;
mod listen;
mod names;
mod outbound;
mod stats;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::sip::message::{Message, ParseError};
use ::sip::transport::{Flow, Transmit, Transport};
use anyhow::Context as _;
use rustls::pki_types::ServerName;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock;
use crate::csta_link::until;

use inbound::{INBOX, Inbound};
use outbound::Outbound;

pub use listen::{Listener, Listeners, bind};
pub use names::{NAME_TIMEOUT, Names, NamesError};
pub use stats::{Closed, SipStats};

/// Longest time between two ticks of the handler.
const TICK: Duration = Duration::from_secs(1);
/// Messages handled before what they led to is sent: bounds the delay of the first answer.
const BATCH: usize = 32;

/// Limits of links. Each names what happens beyond it.
#[derive(Debug, Clone)]
pub struct LinkLimits {
    /// Links open at once; the next is closed as it is accepted.
    pub links_max: usize,
    /// Links open at once to one address.
    pub links_per_peer_max: usize,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time from the accepted link, or from the first byte of a message, to that message's last byte.
    pub message: Duration,
    /// Silence after which a link is closed.
    pub idle: Duration,
    /// Time between two keep-alives (RFC 5626 §3.5.1) on a link that we opened.
    pub ping: Duration,
    /// Time that a peer which has answered keep-alives before may take for the next answer.
    pub pong: Duration,
    /// Bytes waiting for a peer from which on nothing more of that peer is read: who cannot take the
    /// answers to its calls gets no further ones taken, and its own queue tells it so. A tenth of a
    /// second of 800 calls a second.
    pub backlog_pause: usize,
    /// Time that a peer which is no longer read may take nothing of what waits for it: less than the 20 s
    /// after which the kernel ends a link whose peer takes nothing, and says of it no more than an error.
    pub stall: Duration,
    /// Bytes waiting for a peer at which its link is closed. What was taken before the pause still has
    /// answers, which come from others: 2,000 channels' are about 2.5 MiB.
    pub backlog_max: usize,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            links_max: 2048,
            links_per_peer_max: 256,
            handshake: Duration::from_secs(10),
            message: Duration::from_secs(15),
            idle: Duration::from_secs(15 * 60),
            ping: Duration::from_secs(95),
            pong: Duration::from_secs(10),
            backlog_pause: 256 * 1024,
            stall: Duration::from_secs(16),
            backlog_max: 8 * 1024 * 1024,
        }
    }
}

/// Settings of the sockets.
#[derive(Clone)]
pub struct SipNetConfig {
    /// Limits of links.
    pub limits: LinkLimits,
    /// How TLS servers are trusted, and which certificate is shown to them; `None` refuses to connect
    /// by TLS.
    pub tls_client: Option<Arc<rustls::ClientConfig>>,
}

impl std::fmt::Debug for SipNetConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SipNetConfig")
            .field("limits", &self.limits)
            .field("tls_client", &self.tls_client.is_some())
            .finish()
    }
}

/// Who may speak at all, and who is expected behind an address. Asked from several tasks.
pub trait Gatekeeper: Send + Sync + 'static {
    /// Whether anything of this peer is read. Strangers get no answer, not even a refusal.
    fn admits(&self, remote: SocketAddr, transport: Transport) -> bool;
    /// The name that the certificate of a TLS server at that address must carry (RFC 5922).
    fn server_name(&self, remote: SocketAddr) -> ServerName<'static> {
        ServerName::IpAddress(remote.ip().into())
    }
}

/// Who understands the messages. Called from one task, one call at a time.
pub trait SipHandler: Send {
    /// What other parts ask of this one.
    type Command: Send;

    /// A message came.
    fn message(&mut self, message: Message, flow: Flow, now: Instant);
    /// Bytes came that are no message.
    fn unreadable(&mut self, error: &ParseError, flow: Flow, now: Instant);
    /// What was to be sent on this flow will not arrive.
    fn flow_failed(&mut self, flow: Flow, reason: &str, now: Instant);
    /// The time asked for by [`SipHandler::poll_timeout`] has come.
    fn timeout(&mut self, now: Instant);
    /// Another part asks something.
    fn command(&mut self, command: Self::Command, now: Instant);
    /// The loop is alive; called at least once a second.
    fn tick(&mut self, now: Instant);
    /// The next bytes to send.
    fn poll_transmit(&mut self) -> Option<Transmit>;
    /// When [`SipHandler::timeout`] wants to be called.
    fn poll_timeout(&mut self) -> Option<Instant>;
    /// Shutdown has begun: no new calls. The loop ends when this says `true`, or at `grace`'s end.
    fn drained(&mut self, now: Instant) -> bool;
}

/// Why the loop woke up.
enum Wake<C> {
    Inbound(Inbound),
    Timer,
    Tick,
    Command(Option<C>),
    Shutdown,
    GraceOver,
}

/// What [`run`] works with.
pub struct SipNet {
    /// Settings.
    pub config: SipNetConfig,
    /// Bound sockets.
    pub listeners: Listeners,
    /// Who may speak.
    pub gatekeeper: Arc<dyn Gatekeeper>,
    /// Where the sockets count.
    pub stats: Arc<SipStats>,
    /// Time that calls get to end after shutdown has begun.
    pub grace: Duration,
}

impl std::fmt::Debug for SipNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SipNet")
            .field("config", &self.config)
            .field("listeners", &self.listeners)
            .finish_non_exhaustive()
    }
}

/// Runs the sockets until `shutdown` turns true and the handler has drained, or the grace is over.
///
/// # Errors
/// When the sockets cannot be used, or the command channel is gone.
pub async fn run<H: SipHandler>(
    net: SipNet,
    handler: &mut H,
    commands: &mut mpsc::Receiver<H::Command>,
    mut shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let grace = net.grace;
    let (inbox_in, mut inbox) = mpsc::channel(INBOX);
    let mut outbound = Outbound::new(net.config, net.gatekeeper, net.stats, inbox_in);
    outbound
        .listen(net.listeners)
        .context("cannot use the SIP sockets")?;
    let mut tick = tokio::time::interval(TICK);
    let mut stop_by: Option<Instant> = None;
    loop {
        while let Some(transmit) = handler.poll_transmit() {
            if let Err((flow, reason)) = outbound.send(transmit) {
                handler.flow_failed(flow, reason, clock::now());
            }
        }
        if stop_by.is_some() && handler.drained(clock::now()) {
            break;
        }
        let deadline = handler.poll_timeout();
        // In no fixed order: under a flood, orders and the end of the service get their turn.
        let wake = tokio::select! {
            inbound = inbox.recv() => Wake::Inbound(inbound.context("the links' inbox is gone")?),
            command = commands.recv() => Wake::Command(command),
            () = until(deadline) => Wake::Timer,
            _ = tick.tick() => Wake::Tick,
            _ = shutdown.wait_for(|stop| *stop), if stop_by.is_none() => Wake::Shutdown,
            () = until(stop_by), if stop_by.is_some() => Wake::GraceOver,
        };
        let now = clock::now();
        match wake {
            Wake::Inbound(first) => {
                outbound.take(first, handler, now);
                for _ in 1..BATCH {
                    let Ok(next) = inbox.try_recv() else { break };
                    outbound.take(next, handler, now);
                }
                // A flood of messages must not hold up the timers of calls that exist.
                if handler.poll_timeout().is_some_and(|at| at <= now) {
                    handler.timeout(now);
                }
            }
            Wake::Timer => handler.timeout(now),
            Wake::Tick => handler.tick(now),
            Wake::Command(command) => {
                let command = command.context("the SIP part's command channel is gone")?;
                handler.command(command, now);
            }
            Wake::Shutdown => stop_by = Some(now + grace),
            Wake::GraceOver => break,
        }
    }
    outbound.close(&mut inbox).await;
    Ok(())
}

/// Runs a future to its end on a thread and runtime of its own, named `sip`.
///
/// # Errors
/// When the thread or its runtime cannot be made, or what the future fails with. A panic of the future
/// is passed on to the caller.
pub async fn spawn<F, M>(make: M) -> anyhow::Result<()>
where
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output = anyhow::Result<()>>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot make the SIP part's runtime")?;
    let (done, ended) = oneshot::channel();
    let span = tracing::Span::current();
    let thread = std::thread::Builder::new()
        .name("sip".to_owned())
        .spawn(move || {
            let _inside = span.enter();
            let _ = done.send(runtime.block_on(make()));
        })
        .context("cannot start the SIP thread")?;
    match ended.await {
        Ok(result) => result,
        Err(_) => match tokio::task::spawn_blocking(move || thread.join()).await {
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            _ => anyhow::bail!("the SIP thread ended without a result"),
        },
    }
}

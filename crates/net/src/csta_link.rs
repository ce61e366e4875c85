//! The link to the PBX: connects, carries bytes between the socket and [`csta::client::Client`],
//! keeps the timers, connects again. What the events mean is the handler's business.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::{Buf as _, Bytes};
use csta::DeviceId;
use csta::client::{AssociationMode, Client, ClientEvent, CloseReason};
use rand::rngs::StdRng;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};

use crate::backoff::Backoff;
use crate::clock;
use crate::tcp::{self, BoxedStream, Endpoint};

/// Bytes read from the socket at once: a full frame.
const READ_LEN: usize = 64 * 1024;
/// Bytes waiting for a PBX that does not read, above which the link is given up.
const WRITE_BACKLOG_MAX: usize = 1024 * 1024;
/// Longest time between two ticks of the handler, whatever the link does.
const TICK: Duration = Duration::from_secs(1);
/// Time that Stop Application Session gets before the socket is closed at shutdown.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// Settings of the link.
#[derive(Debug, Clone)]
pub struct CstaLinkConfig {
    /// Where the PBX listens.
    pub endpoint: Endpoint,
    /// Settings of the computing function.
    pub client: csta::client::Config,
    /// Shortest and longest delay between two tries.
    pub retry: (Duration, Duration),
    /// Seed of the jitter.
    pub seed: u64,
}

/// How the link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CstaLinkState {
    /// A connection is being made.
    Connecting,
    /// TCP (and TLS) is up; the association is being made.
    Associating,
    /// The association is up.
    Up,
    /// The link is down and will be tried again.
    Down {
        /// Why, in a plain sentence.
        reason: String,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// Shut down for good.
    Stopped,
}

/// Who understands what comes over the link. Called from the link's own task, one call at a time.
pub trait CstaHandler: Send {
    /// What other parts ask of this one.
    type Command: Send;

    /// The devices to follow, asked for at each connect.
    fn devices(&self) -> Vec<DeviceId>;
    /// The stream to the PBX is there. Who listens to what passes gives back another in front of it.
    fn connected(&mut self, stream: BoxedStream) -> BoxedStream {
        stream
    }
    /// The state of the link changed.
    fn link_state(&mut self, state: CstaLinkState);
    /// An event of the computing function; `received` is when its bytes were read.
    fn client_event(&mut self, event: ClientEvent, received: Instant);
    /// Everything that one input led to has been handed over; `client` is there while the link is.
    fn input_done(&mut self, client: Option<&mut Client>, received: Instant);
    /// Another part asks something; `client` is there while the link is.
    fn command(&mut self, command: Self::Command, client: Option<&mut Client>, now: Instant);
    /// The link's task is alive; called at least once a second.
    fn tick(&mut self, client: Option<&Client>, now: Instant);
}

/// Runs the link until `shutdown` turns true.
///
/// # Errors
/// Only when the command channel is gone: everything else is retried.
pub async fn run<H: CstaHandler>(
    config: CstaLinkConfig,
    handler: &mut H,
    commands: &mut mpsc::Receiver<H::Command>,
    mut shutdown: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let rng = <StdRng as rand::SeedableRng>::seed_from_u64(config.seed);
    let mut backoff = Backoff::new(config.retry.0, config.retry.1, rng);
    let mut association = None;
    let mut last_reason = None;
    while !*shutdown.borrow() {
        handler.link_state(CstaLinkState::Connecting);
        let connecting = tcp::connect(&config.endpoint);
        let connected = idle(handler, commands, &mut shutdown, connecting).await?;
        let reason = match connected {
            None => break,
            Some(Err(error)) => format!("{error:#}"),
            Some(Ok(stream)) => {
                let mut client = config.client.clone();
                if let Some(mode) = association.take() {
                    client.dialect = client.dialect.with_association(mode);
                }
                let stream = handler.connected(stream);
                let ended = serve(client, stream, handler, commands, &mut shutdown).await?;
                association = ended.try_next;
                if ended.was_up {
                    last_reason = None;
                    backoff.reset();
                }
                ended.reason
            }
        };
        if *shutdown.borrow() {
            break;
        }
        let retry_in = backoff.next_delay();
        // One line for each outage and each new cause of it; the tries in between are small steps.
        if last_reason.as_ref() == Some(&reason) {
            tracing::debug!(reason, ?retry_in, "PBX link still down");
        } else {
            tracing::warn!(reason, ?retry_in, "PBX link down");
            last_reason = Some(reason.clone());
        }
        handler.link_state(CstaLinkState::Down { reason, retry_in });
        let pause = tokio::time::sleep(retry_in);
        if idle(handler, commands, &mut shutdown, pause)
            .await?
            .is_none()
        {
            break;
        }
    }
    handler.link_state(CstaLinkState::Stopped);
    Ok(())
}

/// Waits for `done` while there is no client; commands are refused by the handler meanwhile.
/// `None` says that it is time to shut down.
async fn idle<H: CstaHandler, T>(
    handler: &mut H,
    commands: &mut mpsc::Receiver<H::Command>,
    shutdown: &mut watch::Receiver<bool>,
    done: impl Future<Output = T>,
) -> anyhow::Result<Option<T>> {
    tokio::pin!(done);
    let mut tick = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            output = &mut done => return Ok(Some(output)),
            _ = tick.tick() => handler.tick(None, clock::now()),
            changed = shutdown.wait_for(|stop| *stop) => {
                let _ = changed;
                return Ok(None);
            }
            command = commands.recv() => {
                let command = command.context("the PBX link's command channel is gone")?;
                let now = clock::now();
                handler.command(command, None, now);
                handler.input_done(None, now);
            }
        }
    }
}

/// One connection.
struct Link {
    client: Client,
    stream: BoxedStream,
    backlog: VecDeque<Bytes>,
    backlog_len: usize,
    /// TLS may hold a part of what was written.
    unflushed: bool,
    was_up: bool,
    closed: Option<(CloseReason, Option<AssociationMode>)>,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Why, in a plain sentence.
    pub reason: String,
    /// How to make the association on the next connection; `None` for as configured.
    pub try_next: Option<AssociationMode>,
    /// Whether the association was up.
    pub was_up: bool,
}

/// Runs one association over a stream that is connected, until it is over or `shutdown` turns true:
/// no second try.
///
/// # Errors
/// Only when the command channel is gone.
pub async fn serve<H: CstaHandler>(
    client: csta::client::Config,
    stream: BoxedStream,
    handler: &mut H,
    commands: &mut mpsc::Receiver<H::Command>,
    shutdown: &mut watch::Receiver<bool>,
) -> anyhow::Result<Ended> {
    handler.link_state(CstaLinkState::Associating);
    let client = Client::new(client, handler.devices(), clock::now());
    Link::new(client, stream)
        .serve(handler, commands, shutdown)
        .await
}

/// Why the loop woke up.
enum Wake<C> {
    Read(std::io::Result<usize>),
    Written(std::io::Result<usize>),
    Flushed(std::io::Result<()>),
    Timer,
    Tick,
    Command(Option<C>),
    Shutdown,
}

impl Link {
    const fn new(client: Client, stream: BoxedStream) -> Self {
        Self {
            client,
            stream,
            backlog: VecDeque::new(),
            backlog_len: 0,
            unflushed: false,
            was_up: false,
            closed: None,
        }
    }

    /// Carries bytes until the client says that the association is gone.
    async fn serve<H: CstaHandler>(
        &mut self,
        handler: &mut H,
        commands: &mut mpsc::Receiver<H::Command>,
        shutdown: &mut watch::Receiver<bool>,
    ) -> anyhow::Result<Ended> {
        let mut buffer = vec![0; READ_LEN];
        let mut tick = tokio::time::interval(TICK);
        let mut stop_by: Option<Instant> = None;
        let mut now = clock::now();
        loop {
            self.drain(handler, now);
            handler.input_done(Some(&mut self.client), now);
            let stop_is_over = stop_by.is_some_and(|by| now >= by);
            if self.closed.is_some() && (self.backlog.is_empty() || stop_is_over) {
                break;
            }
            let wake = self
                .wake(
                    &mut buffer,
                    &mut tick,
                    commands,
                    shutdown,
                    stop_by.is_none(),
                )
                .await;
            now = clock::now();
            match wake {
                Wake::Read(Ok(0)) => self.client.handle_link_closed(now),
                Wake::Read(Ok(len)) => self.client.handle_bytes(&buffer[..len], now),
                Wake::Written(Ok(len)) => {
                    self.advance(len);
                    self.unflushed = true;
                }
                Wake::Flushed(Ok(())) => self.unflushed = false,
                Wake::Read(Err(error)) | Wake::Written(Err(error)) | Wake::Flushed(Err(error)) => {
                    tracing::debug!(%error, "PBX link broke");
                    self.unflushed = false;
                    self.backlog.clear();
                    self.client.handle_link_closed(now);
                }
                Wake::Timer => self.client.handle_timeout(now),
                Wake::Tick => handler.tick(Some(&self.client), now),
                Wake::Command(command) => {
                    let command = command.context("the PBX link's command channel is gone")?;
                    handler.command(command, Some(&mut self.client), now);
                }
                Wake::Shutdown => {
                    stop_by = Some(now + STOP_GRACE);
                    self.client.stop(now);
                }
            }
            if self.backlog_len > WRITE_BACKLOG_MAX {
                tracing::warn!(
                    bytes = self.backlog_len,
                    "the PBX does not read: link given up"
                );
                self.backlog.clear();
                self.client.handle_link_closed(now);
            }
        }
        // The last bytes are out; a peer that does not close is not waited for.
        let _ = tokio::time::timeout(Duration::from_millis(200), self.stream.shutdown()).await;
        let (reason, try_next) = match self.closed.take() {
            Some((reason, try_next)) => (reason.to_string(), try_next),
            None => ("link closed".to_owned(), None),
        };
        Ok(Ended {
            reason,
            try_next,
            was_up: self.was_up,
        })
    }

    /// Moves what the client has to say to the handler and to the write backlog.
    fn drain<H: CstaHandler>(&mut self, handler: &mut H, received: Instant) {
        loop {
            while let Some(bytes) = self.client.poll_transmit() {
                self.backlog_len += bytes.len();
                self.backlog.push_back(bytes);
            }
            let Some(event) = self.client.poll_event() else {
                break;
            };
            match &event {
                ClientEvent::Started { .. } => {
                    self.was_up = true;
                    handler.link_state(CstaLinkState::Up);
                }
                ClientEvent::Closed { reason, try_next } => {
                    self.closed = Some((reason.clone(), *try_next));
                }
                _ => {}
            }
            handler.client_event(event, received);
        }
    }

    async fn wake<C>(
        &mut self,
        buffer: &mut [u8],
        tick: &mut tokio::time::Interval,
        commands: &mut mpsc::Receiver<C>,
        shutdown: &mut watch::Receiver<bool>,
        running: bool,
    ) -> Wake<C> {
        let deadline = self.client.poll_timeout().map(|(at, _)| at);
        let unflushed = self.unflushed;
        let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
        let pending: &[u8] = self.backlog.front().map_or(&[], |bytes| bytes);
        tokio::select! {
            result = reader.read(buffer) => Wake::Read(result),
            wake = push(&mut writer, pending), if !pending.is_empty() || unflushed => wake,
            () = until(deadline) => Wake::Timer,
            _ = tick.tick() => Wake::Tick,
            command = commands.recv() => Wake::Command(command),
            _ = shutdown.wait_for(|stop| *stop), if running => Wake::Shutdown,
        }
    }

    fn advance(&mut self, len: usize) {
        self.backlog_len -= len;
        if let Some(front) = self.backlog.front_mut() {
            front.advance(len);
            if front.is_empty() {
                self.backlog.pop_front();
            }
        }
    }
}

/// Writes what is pending; when nothing is, flushes what TLS may still hold. May be dropped at any
/// time.
async fn push<C>(writer: &mut (impl AsyncWrite + Unpin), pending: &[u8]) -> Wake<C> {
    if pending.is_empty() {
        Wake::Flushed(writer.flush().await)
    } else {
        Wake::Written(writer.write(pending).await)
    }
}

/// Sleeps until that instant; for ever without one.
pub async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

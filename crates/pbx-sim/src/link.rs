//! CSTA clients on TCP: bytes in, bytes out; no decision about CSTA.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use csta::FrameDecoder;
use sip::transport::Transmit;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::{sleep_until, timeout};

use crate::exchange::{Exchange, Output};
use crate::switching::AssociationId;

/// Most clients at a time; the next one is closed at once.
const LINKS_MAX: usize = 64;
/// Bytes read at a time.
const READ_LEN: usize = 16 * 1024;
/// Most frames written at a time.
const WRITE_FRAMES_MAX: usize = 256;
/// How long one write may take; a client that takes nothing for so long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long accepting rests after an error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The exchange and the links, for all tasks of one PBX.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// The next timeout may have come nearer.
    rearm: Notify,
    out_queue_frames: usize,
    /// Wakes the SIP side's loop: there is something to send.
    sip: Option<mpsc::Sender<()>>,
}

#[derive(Debug)]
struct State {
    exchange: Exchange,
    links: BTreeMap<AssociationId, LinkHandle>,
    /// SIP messages that the loop has not sent yet.
    sip_out: VecDeque<Transmit>,
}

#[derive(Debug)]
struct LinkHandle {
    queue: mpsc::Sender<Bytes>,
    task: AbortHandle,
}

impl Shared {
    pub(crate) fn new(
        exchange: Exchange,
        out_queue_frames: usize,
        sip: Option<mpsc::Sender<()>>,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                exchange,
                links: BTreeMap::new(),
                sip_out: VecDeque::new(),
            }),
            rearm: Notify::new(),
            out_queue_frames,
            sip,
        }
    }

    /// The next SIP message to send.
    pub(crate) fn poll_transmit(&self) -> Option<Transmit> {
        self.lock().sip_out.pop_front()
    }

    /// One input for the exchange, and then everything that it gives.
    pub(crate) fn with<R>(&self, input: impl FnOnce(&mut Exchange, Instant) -> R) -> R {
        let mut state = self.lock();
        let before = state.exchange.poll_timeout();
        let result = input(&mut state.exchange, net::clock::now());
        state.flush();
        let after = state.exchange.poll_timeout();
        let sends = !state.sip_out.is_empty();
        drop(state);
        if let Some(sip) = self.sip.as_ref().filter(|_| sends) {
            // A full queue wakes it, too; a loop that is gone sends nothing.
            let _ = sip.try_send(());
        }
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.rearm.notify_one();
        }
        result
    }

    /// A panic elsewhere has been reported by its task; calls go on as they are.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the exchange's timers for ever.
    pub(crate) async fn run_timers(&self) {
        loop {
            let next = self.lock().exchange.poll_timeout();
            let timer = async {
                match next {
                    Some(next) => sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = timer => {
                    self.with(Exchange::handle_timeout);
                    // A model that lags behind is due again at once: the links come first.
                    tokio::task::yield_now().await;
                }
                () = self.rearm.notified() => {}
            }
        }
    }

    /// Accepts clients for ever.
    pub(crate) async fn accept(self: &Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.open(stream),
                Err(error) => {
                    // Usually no file descriptor is left: let some be closed before the next try.
                    tracing::warn!(%error, "a client could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn open(self: &Arc<Self>, stream: TcpStream) {
        let mut state = self.lock();
        if state.links.len() >= LINKS_MAX {
            tracing::warn!(limit = LINKS_MAX, "too many clients: one was turned away");
            return;
        }
        // A small frame is not to wait for the answer to the last one.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was not set");
        }
        let id = state.exchange.open_link();
        let (queue, outgoing) = mpsc::channel(self.out_queue_frames.max(1));
        let run = run(Arc::clone(self), id, stream, outgoing);
        let task = tokio::spawn(run).abort_handle();
        state.links.insert(id, LinkHandle { queue, task });
        state.flush();
        tracing::info!(link = id.0, "a client has connected");
    }

    fn close(&self, id: AssociationId) {
        let mut state = self.lock();
        state.links.remove(&id);
        state.exchange.close_link(id);
        state.flush();
    }

    /// Cuts every link without a word.
    pub(crate) fn abort_links(&self) {
        for link in std::mem::take(&mut self.lock().links).into_values() {
            link.task.abort();
        }
    }
}

impl State {
    fn flush(&mut self) {
        while let Some(transmit) = self.exchange.poll_transmit() {
            self.sip_out.push_back(transmit);
        }
        while let Some(output) = self.exchange.poll_output() {
            match output {
                Output::Send(id, bytes) => self.send(id, bytes),
                // Without its sender the link's task ends after what is queued.
                Output::Close(id) => drop(self.links.remove(&id)),
                Output::Cut(id) => self.cut(id),
            }
        }
    }

    /// Never waits: a client whose queue is full is cut.
    fn send(&mut self, id: AssociationId, bytes: Bytes) {
        let Some(link) = self.links.get(&id) else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(_)) = link.queue.try_send(bytes) {
            tracing::warn!(link = id.0, "a client does not read: cut");
            self.exchange.cut_slow_link(id);
            self.cut(id);
        }
    }

    fn cut(&mut self, id: AssociationId) {
        if let Some(link) = self.links.remove(&id) {
            link.task.abort();
        }
    }
}

/// Ends a link's entry however its task ends.
struct Registration {
    shared: Arc<Shared>,
    id: AssociationId,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.shared.close(self.id);
    }
}

async fn run(
    shared: Arc<Shared>,
    id: AssociationId,
    stream: TcpStream,
    outgoing: mpsc::Receiver<Bytes>,
) {
    let registration = Registration { shared, id };
    let (incoming, out) = stream.into_split();
    tokio::select! {
        result = read(&registration, incoming) => {
            if let Err(error) = result {
                tracing::debug!(link = id.0, %error, "reading ended");
            }
        }
        result = write(out, outgoing) => {
            if let Err(error) = result {
                tracing::debug!(link = id.0, %error, "writing ended");
            }
        }
    }
    tracing::info!(link = id.0, "a client is gone");
}

async fn read(link: &Registration, mut stream: OwnedReadHalf) -> std::io::Result<()> {
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; READ_LEN];
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        decoder.push(&buffer[..len]);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    let id = link.id;
                    link.shared
                        .with(|exchange, now| exchange.handle_frame(id, &frame, now));
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(link = link.id.0, %error, "no frame: the link is closed");
                    let id = link.id;
                    link.shared
                        .with(|exchange, _| exchange.handle_frame_error(id, &error));
                    return Ok(());
                }
            }
        }
    }
}

async fn write(
    mut stream: OwnedWriteHalf,
    mut outgoing: mpsc::Receiver<Bytes>,
) -> std::io::Result<()> {
    let mut frames = Vec::with_capacity(WRITE_FRAMES_MAX);
    let mut bytes = BytesMut::new();
    while outgoing.recv_many(&mut frames, WRITE_FRAMES_MAX).await > 0 {
        bytes.clear();
        for frame in frames.drain(..) {
            bytes.extend_from_slice(&frame);
        }
        // Also ends the task of a link that was closed while its client did not read.
        timeout(WRITE_TIMEOUT, stream.write_all(&bytes)).await??;
    }
    stream.shutdown().await
}

//! One TCP or TLS link: bytes to messages, queued bytes out, and the limits on a slow or silent peer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::sip::stream::{PING, PONG, StreamDecoder, StreamError, StreamItem};
use ::sip::transport::{Flow, LinkId};
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::LinkLimits;
use super::inbound::Inbound;
use super::stats::{Closed, SipStats, count};
use crate::clock;
use crate::csta_link::until;
use crate::tcp::BoxedStream;

/// Bytes read at once.
const READ_LEN: usize = 16 * 1024;
/// Time for the answers on a link whose framing is lost.
const LEAVE: Duration = Duration::from_millis(200);

/// The loop's end of a link: queued bytes, counted.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    queue: mpsc::UnboundedSender<Bytes>,
    waiting: Arc<AtomicUsize>,
    max: usize,
}

/// The link's end of that queue.
pub(super) struct Queue {
    queue: mpsc::UnboundedReceiver<Bytes>,
    waiting: Arc<AtomicUsize>,
}

/// Makes a queue that takes up to `max` waiting bytes.
pub(super) fn queue(max: usize) -> (Sender, Queue) {
    let (into, out_of) = mpsc::unbounded_channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    let sender = Sender {
        queue: into,
        waiting: Arc::clone(&waiting),
        max,
    };
    let queue = Queue {
        queue: out_of,
        waiting,
    };
    (sender, queue)
}

impl Sender {
    /// Queues bytes; `false` when the peer does not read, or the link is gone.
    pub(super) fn send(&self, bytes: Bytes) -> bool {
        let len = bytes.len();
        let fits = self.waiting.fetch_add(len, Ordering::Relaxed) + len <= self.max;
        fits && self.queue.send(bytes).is_ok()
    }
}

/// A connected stream and what it needs.
pub(super) struct Link {
    pub(super) stream: BoxedStream,
    pub(super) queue: Queue,
    pub(super) ends: Ends,
}

/// Whose link it is, and where its messages go.
pub(super) struct Ends {
    pub(super) id: LinkId,
    pub(super) flow: Flow,
    pub(super) inbox: mpsc::Sender<Inbound>,
    pub(super) limits: LinkLimits,
    pub(super) stats: Arc<SipStats>,
    /// Whether we opened it: then we keep it alive.
    pub(super) ours: bool,
}

/// When what is due.
struct Deadlines {
    /// The end of the message that has begun, or of the first one.
    message: Option<Instant>,
    idle: Instant,
    ping: Option<Instant>,
    pong: Option<Instant>,
    /// The peer has answered a keep-alive before, so that silence means something.
    answers: bool,
    /// A keep-alive is on its way.
    asked: bool,
    /// The peer is not read, as it does not read either: until when it may take nothing. What it has sent
    /// may be complete by now.
    deaf: Option<Instant>,
}

/// Why the link woke up.
enum Wake {
    Read(std::io::Result<usize>),
    Written(std::io::Result<usize>),
    Flushed(std::io::Result<()>),
    Queued(Option<Bytes>),
    Due,
}

impl Link {
    /// Carries bytes until the link is over, and says why it is.
    pub(super) async fn run(mut self) {
        let (why, text) = self.carry().await;
        let Ends {
            id, inbox, limits, ..
        } = &self.ends;
        let _ = tokio::time::timeout(limits.pong, self.stream.shutdown()).await;
        let _ = inbox.send(Inbound::Closed(*id, why, text)).await;
    }

    async fn carry(&mut self) -> (Closed, String) {
        let mut decoder = StreamDecoder::default();
        let mut buffer = vec![0; READ_LEN];
        let mut pending: VecDeque<Bytes> = VecDeque::new();
        let mut unflushed = false;
        let mut due = Deadlines::new(&self.ends.limits, self.ends.ours, clock::now());
        loop {
            let listens = self.queue.len() < self.ends.limits.backlog_pause;
            due.listens(listens, &self.ends.limits, clock::now());
            let wake = {
                let (mut reader, mut writer) = tokio::io::split(&mut self.stream);
                let next: &[u8] = pending.front().map_or(&[], |bytes| bytes);
                tokio::select! {
                    read = reader.read(&mut buffer), if listens => Wake::Read(read),
                    wake = push(&mut writer, next), if !next.is_empty() || unflushed => wake,
                    bytes = self.queue.queue.recv() => Wake::Queued(bytes),
                    () = until(due.next()) => Wake::Due,
                }
            };
            let now = clock::now();
            match wake {
                Wake::Read(Ok(0)) => return (Closed::Peer, "the peer closed the link".to_owned()),
                Wake::Read(Ok(len)) => {
                    due.heard(&self.ends.limits, now);
                    decoder.push(&buffer[..len]);
                    if let Err(over) = self
                        .ends
                        .hand_over(&mut decoder, &mut pending, &mut due)
                        .await
                    {
                        if over.0 == Closed::Framing {
                            self.take_leave(pending).await;
                        }
                        return over;
                    }
                    due.partial(decoder.is_within_message(), &self.ends.limits, now);
                }
                Wake::Written(Ok(len)) => {
                    self.queue.advance(&mut pending, len);
                    due.taken(&self.ends.limits, now);
                    unflushed = true;
                }
                Wake::Flushed(Ok(())) => unflushed = false,
                Wake::Read(Err(error)) | Wake::Written(Err(error)) | Wake::Flushed(Err(error)) => {
                    return (Closed::Error, error.to_string());
                }
                Wake::Queued(Some(bytes)) => pending.push_back(bytes),
                // The loop has let go of this link.
                Wake::Queued(None) if pending.is_empty() => {
                    return (Closed::Shutdown, "we shut down".to_owned());
                }
                Wake::Queued(None) => {
                    let rest: Vec<u8> = pending.iter().flat_map(|bytes| bytes.to_vec()).collect();
                    let writing = async {
                        self.stream.write_all(&rest).await?;
                        self.stream.flush().await
                    };
                    let _ = tokio::time::timeout(self.ends.limits.pong, writing).await;
                    return (Closed::Shutdown, "we shut down".to_owned());
                }
                Wake::Due => match due.check(&self.ends.limits, now) {
                    Err(over) => return over,
                    Ok(true) => pending.push_back(Bytes::from_static(PING)),
                    Ok(false) => {}
                },
            }
        }
    }
}

impl Link {
    /// Writes what is pending and what is still answered, to what could not be read above all
    /// (RFC 3261 §18.3).
    async fn take_leave(&mut self, pending: VecDeque<Bytes>) {
        let saying = async {
            for bytes in pending {
                self.stream.write_all(&bytes).await?;
            }
            while let Some(bytes) = self.queue.queue.recv().await {
                self.stream.write_all(&bytes).await?;
                self.stream.flush().await?;
            }
            Ok::<_, std::io::Error>(())
        };
        let _ = tokio::time::timeout(LEAVE, saying).await;
    }
}

impl Queue {
    /// Bytes that wait for the peer.
    fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn advance(&self, pending: &mut VecDeque<Bytes>, len: usize) {
        let Some(front) = pending.front_mut() else {
            return;
        };
        front.advance(len);
        if front.is_empty() {
            pending.pop_front();
        }
        // Keep-alives are not counted in; they are a few bytes.
        let waiting = &self.waiting;
        let _ = waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            Some(waiting.saturating_sub(len))
        });
    }
}

impl Ends {
    /// Gives the messages that are complete to the loop.
    async fn hand_over(
        &self,
        decoder: &mut StreamDecoder,
        pending: &mut VecDeque<Bytes>,
        due: &mut Deadlines,
    ) -> Result<(), (Closed, String)> {
        loop {
            let inbound = match decoder.next_item() {
                Ok(None) => return Ok(()),
                Ok(Some(StreamItem::Message(message))) => {
                    count(&self.stats.received);
                    Inbound::Message(Box::new(message), self.flow)
                }
                Ok(Some(StreamItem::Ping)) => {
                    // Who asks without reading gets one answer for all.
                    if pending.back().is_none_or(|last| &last[..] != PONG) {
                        pending.push_back(Bytes::from_static(PONG));
                    }
                    continue;
                }
                Ok(Some(StreamItem::Pong)) => {
                    due.answered();
                    continue;
                }
                Err(StreamError {
                    error,
                    framing_lost,
                }) => {
                    count(&self.stats.unreadable);
                    let text = error.to_string();
                    let told = Inbound::Unreadable(Box::new(error), self.flow);
                    let _ = self.inbox.send(told).await;
                    if framing_lost {
                        return Err((Closed::Framing, text));
                    }
                    continue;
                }
            };
            if self.inbox.send(inbound).await.is_err() {
                return Err((Closed::Shutdown, "we shut down".to_owned()));
            }
        }
    }
}

impl Deadlines {
    fn new(limits: &LinkLimits, ours: bool, now: Instant) -> Self {
        Self {
            message: (!ours).then(|| now + limits.message),
            idle: now + limits.idle,
            ping: ours.then(|| now + limits.ping),
            pong: None,
            answers: false,
            asked: false,
            deaf: None,
        }
    }

    /// The peer's times stand still while nothing of it is read.
    fn listens(&mut self, listens: bool, limits: &LinkLimits, now: Instant) {
        if !listens {
            self.deaf.get_or_insert(now + limits.stall);
        } else if self.deaf.take().is_some() {
            self.idle = now + limits.idle;
            self.message = self.message.map(|_| now + limits.message);
            self.pong = self.pong.map(|_| now + limits.pong);
        }
    }

    /// The peer took some of what waits for it.
    fn taken(&mut self, limits: &LinkLimits, now: Instant) {
        self.deaf = self.deaf.map(|_| now + limits.stall);
    }

    fn next(&self) -> Option<Instant> {
        let due = match self.deaf {
            Some(at) => [Some(at), self.ping, None, None],
            None => [self.message, Some(self.idle), self.ping, self.pong],
        };
        due.into_iter().flatten().min()
    }

    fn heard(&mut self, limits: &LinkLimits, now: Instant) {
        self.idle = now + limits.idle;
    }

    /// Some bytes of a message are there, others not: the clock runs from its first byte.
    fn partial(&mut self, partial: bool, limits: &LinkLimits, now: Instant) {
        if !partial {
            self.message = None;
        } else if self.message.is_none() {
            self.message = Some(now + limits.message);
        }
    }

    /// An empty line came. That is an answer only to who has asked.
    fn answered(&mut self) {
        self.answers |= self.asked;
        self.asked = false;
        self.pong = None;
    }

    /// Whether to send a keep-alive; what ends the link otherwise.
    fn check(&mut self, limits: &LinkLimits, now: Instant) -> Result<bool, (Closed, String)> {
        let past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if past(self.deaf) {
            let text = format!("took no answers for {} s", limits.stall.as_secs());
            return Err((Closed::Backlog, text));
        }
        let listens = self.deaf.is_none();
        if listens && past(self.message) {
            let text = format!("no whole message within {} s", limits.message.as_secs());
            return Err((Closed::Slow, text));
        }
        if listens && past(self.pong) {
            let text = format!("no keep-alive answer within {} s", limits.pong.as_secs());
            return Err((Closed::Pong, text));
        }
        if listens && self.idle <= now {
            let text = format!("nothing came for {} s", limits.idle.as_secs());
            return Err((Closed::Idle, text));
        }
        if past(self.ping) {
            self.ping = Some(now + limits.ping);
            self.asked = true;
            if self.answers && self.pong.is_none() {
                self.pong = Some(now + limits.pong);
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// Writes what is pending; when nothing is, flushes what TLS may still hold. May be dropped at any
/// time.
async fn push(writer: &mut (impl AsyncWrite + Unpin), pending: &[u8]) -> Wake {
    if pending.is_empty() {
        Wake::Flushed(writer.flush().await)
    } else {
        Wake::Written(writer.write(pending).await)
    }
}

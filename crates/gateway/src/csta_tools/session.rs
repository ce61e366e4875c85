//! An association for a tool: connect, ask, hear, and end in good order. Tools that last have it made again
//! after a cut; the others end with it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use cloud_uplink::Timestamp;
use csta::client::{Client, ClientEvent, CommandError, InvocationError};
use csta::{DeviceId, InvokeId, Request, Response};
use net::clock;
use net::csta_link::{self, CstaHandler, CstaLinkConfig, CstaLinkState};
use net::tcp::BoxedStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::record::Frame;
use super::tap::Ear;
use crate::cli::complain;

/// What waits to be shown; what comes while so much waits is not shown, but counted and said.
const SEEN_MAX: usize = 65_536;
/// Requests of a tool in flight.
const ASKS_MAX: usize = 64;
/// Longest wait for an answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the answers to Monitor Stop.
const MONITOR_STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// A PBX that is silent for so long is worth a word while it is waited for.
const SAY_AFTER: Duration = Duration::from_secs(2);
/// Connections in a row while the way to associate is being found.
const TRIES_MAX: usize = 4;

/// What a tool hears of.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "events are the bulk of what comes: boxing the common case would only add allocations"
)]
pub(super) enum Seen {
    /// A frame, either way.
    Frame(Frame),
    /// What the computing function makes of it.
    Client(ClientEvent),
    /// Something is missing here: the output did not keep up.
    Missed(Missed),
    /// The link was cut, or a try to make it again has failed for another reason than before.
    Cut(Cut),
    /// The association was made again.
    Again,
}

/// A link that is gone for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// When it was noticed.
    pub(super) time: Timestamp,
    /// The same in milliseconds since the start, as in [`Frame`].
    pub(super) ms: u64,
    /// Why, in a plain sentence.
    pub(super) reason: String,
}

/// What a tool does when its link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnCut {
    /// It ends.
    End,
    /// It connects again, until it is told to end.
    ConnectAgain,
}

/// What was heard and could not be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Missed {
    /// Frames.
    pub(super) frames: u64,
    /// What the computing function had to say.
    notes: u64,
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { frames, notes } = self;
        write!(
            f,
            "the output does not keep up: {frames} frames and {notes} notes are missing here"
        )
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// It was not sent.
    #[error(transparent)]
    NotSent(#[from] CommandError),
    /// It was, in vain.
    #[error(transparent)]
    NotAnswered(#[from] InvocationError),
    /// There is no session any more.
    #[error("the association is over")]
    Over,
}

/// What a tool asks of its session.
#[derive(Debug)]
enum Ask {
    Request(Box<Request>, oneshot::Sender<Result<Response, AskError>>),
    StopMonitors(oneshot::Sender<()>),
}

/// An association that is up.
#[derive(Debug)]
pub(super) struct Session {
    asks: mpsc::Sender<Ask>,
    missed: Arc<Mutex<Missed>>,
    /// Heard before the association was up.
    early: VecDeque<Seen>,
    seen: mpsc::Receiver<Seen>,
    stop: watch::Sender<bool>,
    task: JoinHandle<anyhow::Result<String>>,
    monitors: bool,
    /// How it came up.
    pub(super) started: Started,
}

/// How an association came up.
#[derive(Debug, Clone)]
pub(super) struct Started {
    /// The edition spoken.
    pub(super) edition: csta::Edition,
    /// Of the application session; `None` for an implicit association.
    pub(super) session_id: Option<String>,
    /// How long it lives without a reset.
    pub(super) duration: Option<Duration>,
    /// From the first byte of TCP to here.
    pub(super) took: Duration,
}

impl Session {
    /// Connects, associates, and has these devices monitored from then on.
    ///
    /// # Errors
    /// A sentence that says what failed: the connection, TLS, or the association.
    pub(super) async fn open(
        config: CstaLinkConfig,
        devices: Vec<DeviceId>,
        on_cut: OnCut,
    ) -> anyhow::Result<Self> {
        let address = config.endpoint.address.clone();
        let (mouth, mut seen) = Mouth::new(SEEN_MAX);
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        let (stop, stopped) = watch::channel(false);
        let (frames, missed) = (mouth.clone(), Arc::clone(&mouth.missed));
        let ear = Ear::new(move |frame| frames.tell(Seen::Frame(frame)));
        let monitors = !devices.is_empty();
        let bridge = Bridge {
            devices,
            mouth,
            ear,
            waiting: BTreeMap::new(),
            stopping: None,
            down: None,
        };
        let begun = clock::now();
        let mut task = tokio::spawn(run(config, bridge, on_cut, asked, stopped));
        let patience = tokio::time::sleep(SAY_AFTER);
        tokio::pin!(patience);
        let mut said = false;
        // What is heard until then is kept, as frames of the association belong to a record.
        let mut early = VecDeque::new();
        let started = loop {
            tokio::select! {
                biased;
                heard = seen.recv() => match heard {
                    Some(Seen::Client(ClientEvent::Started { edition, session_id, duration })) => {
                        let took = clock::now().duration_since(begun);
                        break Started { edition, session_id, duration, took };
                    }
                    Some(other) => early.push_back(other),
                    None => bail!("{}", task.await.context("the link's task died")??),
                },
                ended = &mut task => bail!("{}", ended.context("the link's task died")??),
                () = &mut patience, if !said => {
                    said = true;
                    complain(&format!("waiting for {address} to answer"));
                }
            }
        };
        Ok(Self {
            asks,
            missed,
            early,
            seen,
            stop,
            task,
            monitors,
            started,
        })
    }

    /// What was heard next; `None` once the association is over.
    pub(super) async fn next(&mut self) -> Option<Seen> {
        match self.early.pop_front() {
            Some(heard) => Some(heard),
            None => self.seen.recv().await,
        }
    }

    /// Sends a request and waits for its answer. What is heard meanwhile waits.
    ///
    /// # Errors
    /// [`AskError`].
    pub(super) async fn ask(&self, request: impl Into<Request>) -> Result<Response, AskError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Request(Box::new(request.into()), reply);
        self.asks.send(ask).await.map_err(|_| AskError::Over)?;
        answer.await.map_err(|_| AskError::Over)?
    }

    /// Stops the monitors and the application session. What is heard on the way comes back with the
    /// reason of the end.
    pub(super) async fn close(mut self) -> (Vec<Seen>, String) {
        let mut rest: Vec<Seen> = std::mem::take(&mut self.early).into();
        if self.monitors {
            let (reply, mut stopped) = oneshot::channel();
            let deadline = tokio::time::sleep(MONITOR_STOP_TIMEOUT);
            tokio::pin!(deadline);
            if self.asks.send(Ask::StopMonitors(reply)).await.is_ok() {
                loop {
                    tokio::select! {
                        _ = &mut stopped => break,
                        () = &mut deadline => break,
                        heard = self.seen.recv() => match heard {
                            Some(heard) => rest.push(heard),
                            None => break,
                        },
                    }
                }
            }
        }
        // A link that is gone needs no word.
        let _ = self.stop.send(true);
        while let Some(heard) = self.seen.recv().await {
            rest.push(heard);
        }
        let reason = match self.task.await {
            Ok(Ok(reason)) => reason,
            Ok(Err(error)) => format!("{error:#}"),
            Err(error) => error.to_string(),
        };
        let missed = *self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missed != Missed::default() {
            rest.push(Seen::Missed(missed));
        }
        (rest, reason)
    }
}

/// Why the session is over, for a tool that has heard its end.
pub(super) fn lost(reason: &str) -> anyhow::Error {
    anyhow::anyhow!("the association is over: {reason}")
}

/// Runs connections until the association is over, or for a tool that lasts until it is told to end; gives
/// the reason.
async fn run(
    mut config: CstaLinkConfig,
    mut bridge: Bridge,
    on_cut: OnCut,
    mut asks: mpsc::Receiver<Ask>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<String> {
    let mut tries = 1;
    loop {
        let stream = net::tcp::connect(&config.endpoint).await?;
        let stream = bridge.connected(stream);
        let client = config.client.clone();
        let ended = csta_link::serve(client, stream, &mut bridge, &mut asks, &mut stop).await?;
        match ended.try_next {
            Some(mode) if !ended.was_up && tries < TRIES_MAX => {
                config.client.dialect = config.client.dialect.with_association(mode);
                tries += 1;
            }
            _ if ended.was_up && on_cut == OnCut::ConnectAgain && !*stop.borrow() => {
                bridge.cut(ended.reason);
                csta_link::run(config, &mut bridge, &mut asks, stop).await?;
                return Ok(bridge.down.unwrap_or_else(|| "stopped".to_owned()));
            }
            _ => return Ok(ended.reason),
        }
    }
}

/// Stands between the link's task and the tool.
struct Bridge {
    devices: Vec<DeviceId>,
    mouth: Mouth,
    ear: Ear,
    waiting: BTreeMap<InvokeId, oneshot::Sender<Result<Response, AskError>>>,
    stopping: Option<oneshot::Sender<()>>,
    /// Why the link is down, while it is after it was up.
    down: Option<String>,
}

impl Bridge {
    /// The link is gone; said once for each outage and each new cause of it.
    fn cut(&mut self, reason: String) {
        self.waiting.clear();
        if self.down.as_ref() != Some(&reason) {
            let (time, ms) = self.ear.now();
            let cut = Cut { time, ms, reason };
            self.down = Some(cut.reason.clone());
            self.mouth.tell(Seen::Cut(cut));
        }
    }
}

/// Hands on what was heard. What nobody takes in time is counted, and said as soon as there is room.
#[derive(Debug, Clone)]
struct Mouth {
    seen: mpsc::Sender<Seen>,
    missed: Arc<Mutex<Missed>>,
}

impl Mouth {
    /// With room for so much.
    fn new(room: usize) -> (Self, mpsc::Receiver<Seen>) {
        let (seen, heard) = mpsc::channel(room);
        let missed = Arc::default();
        (Self { seen, missed }, heard)
    }

    fn tell(&self, heard: Seen) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        // The gap comes before what follows it.
        if *missed != Missed::default() && self.seen.try_send(Seen::Missed(*missed)).is_ok() {
            *missed = Missed::default();
        }
        let sent = match *missed == Missed::default() {
            true => self.seen.try_send(heard),
            false => Err(mpsc::error::TrySendError::Full(heard)),
        };
        match sent {
            Err(mpsc::error::TrySendError::Full(Seen::Frame(_))) => missed.frames += 1,
            Err(mpsc::error::TrySendError::Full(_)) => missed.notes += 1,
            // A tool that is gone misses nothing.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }
}

impl CstaHandler for Bridge {
    type Command = Ask;

    fn devices(&self) -> Vec<DeviceId> {
        self.devices.clone()
    }

    fn connected(&mut self, stream: BoxedStream) -> BoxedStream {
        self.ear.listen_to(stream)
    }

    fn link_state(&mut self, state: CstaLinkState) {
        match state {
            CstaLinkState::Down { reason, .. } => self.cut(reason),
            CstaLinkState::Up if self.down.take().is_some() => self.mouth.tell(Seen::Again),
            _ => {}
        }
    }

    fn client_event(&mut self, event: ClientEvent, _: Instant) {
        match event {
            ClientEvent::Answered { invoke_id, result } => {
                if let Some(reply) = self.waiting.remove(&invoke_id) {
                    // A tool that no longer waits has its reasons.
                    let _ = reply.send(result.map_err(AskError::from));
                }
            }
            event => self.mouth.tell(Seen::Client(event)),
        }
    }

    fn input_done(&mut self, client: Option<&mut Client>, _: Instant) {
        let Some(client) = client else { return };
        if self.stopping.is_some() && client.stats().resync_in_flight == 0 {
            self.stopping.take().map(|stopped| stopped.send(()));
        }
    }

    fn command(&mut self, ask: Ask, client: Option<&mut Client>, now: Instant) {
        let Some(client) = client else { return };
        match ask {
            Ask::Request(request, reply) => match client.request(*request, ANSWER_TIMEOUT, now) {
                Ok(id) => {
                    self.waiting.insert(id, reply);
                }
                Err(error) => {
                    let _ = reply.send(Err(error.into()));
                }
            },
            Ask::StopMonitors(stopped) => {
                client.set_devices([], now);
                self.stopping = Some(stopped);
            }
        }
    }

    fn tick(&mut self, _: Option<&Client>, _: Instant) {}
}

#[cfg(test)]
mod tests {
    use super::super::record::Sender;
    use super::*;

    fn frame(ms: u64) -> Seen {
        Seen::Frame(Frame {
            time: Timestamp::from_unix_ms(0),
            ms,
            from: Sender::Pbx,
            invoke_id: InvokeId::EVENT,
            body: Vec::new(),
            lost: false,
        })
    }

    #[test]
    fn what_the_output_misses_is_counted_and_said_where_it_is_missing() {
        let (mouth, mut seen) = Mouth::new(2);
        for ms in 0..5 {
            mouth.tell(frame(ms));
        }
        mouth.tell(Seen::Client(ClientEvent::DevicesChanged));
        let mut hear = || {
            let heard = seen.try_recv();
            heard.ok().map(|heard| match heard {
                Seen::Frame(frame) => frame.ms.to_string(),
                other => format!("{other:?}"),
            })
        };
        let missed = |frames, notes| Some(format!("{:?}", Seen::Missed(Missed { frames, notes })));
        assert_eq!(hear(), Some("0".to_owned()));
        assert_eq!(hear(), Some("1".to_owned()));
        mouth.tell(frame(5));
        assert_eq!(hear(), missed(3, 1));
        assert_eq!(hear(), Some("5".to_owned()));
        mouth.tell(frame(6));
        assert_eq!(hear(), Some("6".to_owned()));
        assert_eq!(hear(), None);
    }
}

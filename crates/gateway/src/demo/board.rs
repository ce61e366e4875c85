//! All that the demo shows, as plain data: filled by what comes in, drawn by the screens.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use cloud_uplink::{Event, Timestamp};
use net::csta_link::CstaLinkState;
use net::uplink::UplinkState;
use uuid::Uuid;

use super::application::{Content, Heard, Item};
use super::calls::Calls;
use super::checker::Checker;
use super::stage::{Addresses, Scene};
use super::words;
use crate::latency::LatencyView;

/// Lines of the event stream that are kept for the screen.
const LINES_MAX: usize = 200;
/// Seconds of the event rate that are kept.
const RATES_MAX: usize = 120;
/// How long a notice stays.
const NOTICE_FOR: Duration = Duration::from_secs(6);

/// All that the demo shows.
#[derive(Debug)]
pub(crate) struct Board {
    /// Where everything listens.
    pub(crate) addresses: Addresses,
    /// Time since the start.
    pub(crate) elapsed: Duration,
    /// When it ends by itself.
    pub(crate) run_for: Option<Duration>,
    /// What the demo is doing.
    pub(crate) phase: Phase,
    /// Gateway to PBX.
    pub(crate) pbx_link: Link,
    /// The gateway itself.
    pub(crate) gateway: Link,
    /// Gateway to far end.
    pub(crate) channel: Link,
    /// The far end itself.
    pub(crate) far_end: Link,
    /// Application to far end.
    pub(crate) reader: Link,
    /// Calls as the application knows them.
    pub(crate) calls: Calls,
    /// Calls that were heard of.
    pub(crate) calls_seen: u64,
    /// What came, newest last.
    pub(crate) lines: VecDeque<Line>,
    /// How many lines were ever added.
    pub(crate) lines_added: u64,
    /// Whether everything came, once and in order.
    pub(crate) checker: Checker,
    /// High-water mark of the gateway's outbox, by stream.
    pub(crate) produced: BTreeMap<Uuid, u64>,
    /// What the far end has stored, by stream.
    pub(crate) stored: BTreeMap<Uuid, u64>,
    /// Events in the outbox that the far end has not acknowledged.
    pub(crate) waiting: u64,
    /// Frame received to stored at the far end.
    pub(crate) latency: LatencyView,
    /// Events per second, newest last.
    pub(crate) rates: VecDeque<u64>,
    /// Wall clock.
    pub(crate) wall: Timestamp,
    notice: Option<(Duration, Notice)>,
    reader_since: Instant,
    channel_since: Instant,
    this_second: (u64, u64),
}

/// What the demo is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Calls come and go.
    Running,
    /// Nobody begins a call.
    Paused,
    /// Calls end, what is left is delivered.
    Finishing,
}

/// How a link or a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// It works.
    Up,
    /// It comes up.
    Starting,
    /// It has been away for so long.
    Away(Duration),
}

/// How good news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Of interest.
    Plain,
    /// Not as it should be.
    Bad,
}

/// A sentence about something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// How good it is.
    pub(crate) tone: Tone,
    /// The sentence.
    pub(crate) text: String,
}

/// A line of the event stream.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// `12:03:41`, UTC.
    pub(crate) time: String,
    /// What it says.
    pub(crate) what: What,
}

/// What a line of the event stream says.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// An event came.
    Event(Row),
    /// Something that is no event.
    Note(Notice),
}

/// An event, as the table shows it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// `established`, `link up`, …
    pub(crate) kind: String,
    /// The extension or link it is about.
    pub(crate) about: String,
    /// The state that it led to, or what else there is to say.
    pub(crate) detail: String,
    /// Its number in the gateway's stream.
    pub(crate) sequence: u64,
    /// Inferred, not reported by the PBX.
    pub(crate) synthetic: bool,
    /// Sent after a reconnect.
    pub(crate) replayed: bool,
}

impl Board {
    /// Nothing has happened yet.
    pub(crate) fn new(addresses: Addresses, run_for: Option<Duration>, now: Instant) -> Self {
        Self {
            addresses,
            elapsed: Duration::ZERO,
            run_for,
            phase: Phase::Running,
            pbx_link: Link::Starting,
            gateway: Link::Up,
            channel: Link::Starting,
            far_end: Link::Up,
            reader: Link::Starting,
            calls: Calls::default(),
            calls_seen: 0,
            lines: VecDeque::new(),
            lines_added: 0,
            checker: Checker::default(),
            produced: BTreeMap::new(),
            stored: BTreeMap::new(),
            waiting: 0,
            latency: LatencyView::default(),
            rates: VecDeque::new(),
            wall: Timestamp::from_unix_ms(0),
            notice: None,
            reader_since: now,
            channel_since: now,
            this_second: (0, 0),
        }
    }

    /// The clocks moved on.
    pub(crate) fn tick(&mut self, elapsed: Duration, wall: Timestamp) {
        self.elapsed = elapsed;
        self.wall = wall;
        while self.this_second.0 < elapsed.as_secs() {
            self.rates.push_back(self.this_second.1);
            if self.rates.len() > RATES_MAX {
                self.rates.pop_front();
            }
            self.this_second = (self.this_second.0 + 1, 0);
        }
        let over = |(since, _): &(Duration, Notice)| elapsed.saturating_sub(*since) > NOTICE_FOR;
        if self.notice.as_ref().is_some_and(over) {
            self.notice = None;
        }
    }

    /// Looks at the stage.
    pub(crate) fn look(&mut self, scene: &Scene, now: Instant) {
        let for_how_long = |since: Instant| now.saturating_duration_since(since);
        self.far_end = if scene.far_end_on {
            Link::Up
        } else {
            Link::Away(for_how_long(scene.far_end_since))
        };
        self.stored.clone_from(&scene.stored);
        if let Link::Away(_) = self.reader {
            self.reader = Link::Away(for_how_long(self.reader_since));
        }
        let Some((shared, outbox)) = &scene.gateway else {
            let away = Link::Away(for_how_long(scene.gateway_since));
            (self.gateway, self.pbx_link, self.channel) = (away, away, away);
            return;
        };
        self.gateway = Link::Up;
        let pbx = shared.pbx();
        self.pbx_link = match pbx.link {
            CstaLinkState::Up => Link::Up,
            _ if pbx.downs == 0 => Link::Starting,
            _ => Link::Away(for_how_long(pbx.standing.since)),
        };
        let channel = shared.uplink.borrow().clone();
        if self.channel == Link::Up {
            self.channel_since = now;
        }
        // Each try to connect begins a state of its own: the time away counts from the loss.
        self.channel = match channel.state {
            UplinkState::Up => Link::Up,
            _ if channel.reconnects == 0 && self.channel == Link::Starting => Link::Starting,
            _ => Link::Away(for_how_long(self.channel_since)),
        };
        let stream = outbox.store().stream();
        self.produced.insert(stream.stream, stream.high_water);
        self.waiting = stream.high_water.saturating_sub(stream.acked);
        let latency = shared.latency.view();
        self.latency = match &scene.latency_before {
            Some(before) => before.plus(&latency),
            None => latency,
        };
    }

    /// Takes what the application heard.
    pub(crate) fn hear(&mut self, heard: Heard, now: Instant) {
        match heard {
            Heard::Connected => self.reader = Link::Up,
            Heard::Gone(why) => {
                if self.reader == Link::Up {
                    self.reader_since = now;
                    self.reader = Link::Away(Duration::ZERO);
                    tracing::info!(why, "the application lost the event stream");
                }
            }
            Heard::Item(item) => self.take(item),
        }
    }

    fn take(&mut self, item: Item) {
        let Item { cursor, content } = item;
        match content {
            Content::Event {
                stream,
                sequence,
                replayed,
                event,
            } => {
                self.checker.event(cursor, stream, sequence);
                self.this_second.1 += 1;
                self.show(&event, sequence, replayed);
            }
            Content::Gap {
                stream,
                from,
                to,
                reason,
            } => {
                self.checker.gap(cursor, stream, from, to);
                let text = format!("gap: {} events lost, {reason}", to + 1 - from);
                self.note(Tone::Bad, text);
            }
            Content::Missed => {
                self.checker.position(cursor);
                self.note(
                    Tone::Bad,
                    "the far end no longer had some events".to_owned(),
                );
            }
            Content::Position => self.checker.position(cursor),
        }
    }

    fn show(&mut self, event: &Event, sequence: u64, replayed: bool) {
        let change = event.body.leg_change();
        if let Some(change) = change {
            self.calls_seen += u64::from(self.calls.change(change, event.time));
        }
        let (kind, about, detail) = words::describe(&event.body);
        let row = Row {
            kind,
            about,
            detail,
            sequence,
            synthetic: change.is_some_and(|change| change.synthetic),
            replayed,
        };
        self.add(time_of_day(event.time), What::Event(row));
    }

    /// Says that something happened: in the stream, and above it for a while.
    pub(crate) fn note(&mut self, tone: Tone, text: String) {
        let notice = Notice { tone, text };
        self.notice = Some((self.elapsed, notice.clone()));
        self.add(time_of_day(self.wall), What::Note(notice));
    }

    fn add(&mut self, time: String, what: What) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { time, what });
        self.lines_added += 1;
    }

    /// What happened last, for a while.
    pub(crate) fn notice(&self) -> Option<&Notice> {
        self.notice.as_ref().map(|(_, notice)| notice)
    }

    /// Events that the gateway committed.
    pub(crate) fn produced_total(&self) -> u64 {
        self.produced.values().sum()
    }

    /// Events that the far end stored: what it said last, and what was read from it since.
    pub(crate) fn stored_total(&self) -> u64 {
        let read = self.checker.delivered + self.checker.in_gaps;
        self.stored.values().sum::<u64>().max(read)
    }

    /// Whether every link is up.
    pub(crate) fn all_up(&self) -> bool {
        let links = [self.pbx_link, self.channel, self.far_end, self.reader];
        links.iter().all(|link| *link == Link::Up)
    }

    /// Events per second over the last seconds.
    pub(crate) fn rate(&self) -> f64 {
        let last = self.rates.iter().rev().take(5);
        let (sum, count) = last.fold((0, 0_u32), |(sum, count), rate| (sum + rate, count + 1));
        #[expect(clippy::cast_precision_loss, reason = "a few seconds' events")]
        let rate = sum as f64 / f64::from(count.max(1));
        rate
    }

    /// What is going on, in one plain sentence.
    pub(crate) fn headline(&self) -> String {
        let waiting = self.checker.lost(&self.produced);
        match (self.phase, self.gateway, self.far_end, self.pbx_link) {
            (Phase::Finishing, ..) => {
                "Finishing: calls end, the last events arrive, then everything is counted."
                    .to_owned()
            }
            (_, Link::Away(_), ..) => {
                "The gateway is being restarted. It goes on from what it has stored.".to_owned()
            }
            (_, _, Link::Away(_), _) => {
                format!("The far end is away. The gateway keeps its events: {waiting} are waiting.")
            }
            (.., Link::Away(_)) => {
                "The PBX link is cut. Calls go on; the gateway catches up when it is back."
                    .to_owned()
            }
            (.., Link::Starting) => "Starting: the gateway asks the PBX for its calls.".to_owned(),
            _ if self.channel != Link::Up || self.reader != Link::Up => {
                format!("The far end is reached again in a moment: {waiting} events are waiting.")
            }
            (Phase::Paused, ..) => {
                "Traffic is paused: nobody begins a call. Space lets them go on.".to_owned()
            }
            _ => {
                let calls = match self.calls.len() {
                    0 => "No call is going on".to_owned(),
                    1 => "One call is going on".to_owned(),
                    n => format!("{n} calls are going on"),
                };
                format!("{calls}. Every change goes from the PBX to the application, once.")
            }
        }
    }
}

/// `12:03:41` of an instant, UTC.
fn time_of_day(time: Timestamp) -> String {
    time.to_string().get(11..19).unwrap_or_default().to_owned()
}

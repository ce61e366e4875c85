//! What a recorded PBX says to a client, without I/O: [`Tape`] from a record, [`Player`] for one link.
//!
//! A request is answered as the same request was in the record. What the PBX said unasked follows in
//! the record's order: after the requests that had come before it, and after the pauses between.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use csta::message::application_session::{
    ResetApplicationSessionTimerPosResponse, StopApplicationSessionPosResponse,
};
use csta::message::{MonitorStopResponse, RequestSystemStatusResponse};
use csta::value::{CstaError, ErrorCategory, SystemStatusValue};
use csta::{Edition, Frame, InvokeId, Message, Request, Response};

use super::describe::{Described, describe};
use super::record::{Line, Sender};

/// A client that asks nothing for so long will not ask for what the record waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was recorded from one association to its end, ready to be served.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// The link was cut at its end.
    cut: bool,
    steps: Vec<Step>,
    exchanges: Vec<Exchange>,
    edition: Option<Edition>,
}

/// One thing of the record, in its order.
#[derive(Debug)]
struct Step {
    ms: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    /// The client asked this.
    Asked(usize),
    /// The PBX said this unasked, under this monitor.
    Said {
        invoke_id: InvokeId,
        body: Bytes,
        /// It is an event, not a request such as `SystemStatus`.
        event: bool,
        cross_ref: Option<String>,
    },
}

/// A request and its answer.
#[derive(Debug)]
struct Exchange {
    key: Key,
    /// What follows in the record is of no use without it.
    awaited: bool,
    answer: Option<Bytes>,
    /// The monitor that the answer starts.
    starts: Option<String>,
}

/// By which a request is the same as one of the record: its name and its first device.
type Key = (String, String);

fn key(described: &Described) -> Key {
    let device = described.parties.first().unwrap_or_default();
    let number = csta::DeviceId::new(device).number().to_owned();
    (described.name.clone(), number)
}

impl Tape {
    /// Reads a record: one tape, and one more behind each cut of the link.
    ///
    /// # Errors
    /// A sentence that names the line that is none.
    pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Self>, String> {
        let mut tapes = Vec::new();
        let mut tape = Self::default();
        let mut open: BTreeMap<InvokeId, usize> = BTreeMap::new();
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = Line::parse(line).map_err(|what| format!("line {}: {what}", number + 1))?;
            let frame = match line {
                Line::Frame(frame) => frame,
                Line::Cut(_) => {
                    open.clear();
                    let cut = true;
                    tapes.push(Self {
                        cut,
                        ..std::mem::take(&mut tape)
                    });
                    continue;
                }
                Line::Head(_) | Line::Missed(_) | Line::Blank => continue,
            };
            // What was no frame then is not served as one.
            if frame.lost {
                continue;
            }
            let described = describe(&frame.body).ok();
            match frame.from {
                Sender::Us => {
                    if let Some(described) = described.filter(|it| it.kind == "request") {
                        open.insert(frame.invoke_id, tape.exchanges.len());
                        tape.asked(frame.ms, &described);
                    }
                }
                Sender::Pbx => {
                    let said = described.as_ref();
                    let answered = said.is_none_or(|it| it.kind != "event" && it.kind != "request");
                    match open.remove(&frame.invoke_id).filter(|_| answered) {
                        Some(exchange) => tape.answered(exchange, frame.body, said),
                        None => tape.said(frame.ms, frame.invoke_id, frame.body, said),
                    }
                }
            }
        }
        tapes.push(tape);
        tapes.retain(|tape| !tape.steps.is_empty());
        match tapes.is_empty() {
            true => Err("it holds no frame of a session".to_owned()),
            false => Ok(tapes),
        }
    }

    /// Events that the PBX sent.
    pub(super) fn events(&self) -> usize {
        let event = |step: &&Step| matches!(step.what, What::Said { event: true, .. });
        self.steps.iter().filter(event).count()
    }

    fn asked(&mut self, ms: u64, described: &Described) {
        let what = What::Asked(self.exchanges.len());
        self.steps.push(Step { ms, what });
        self.exchanges.push(Exchange {
            key: key(described),
            awaited: !matches!(
                described.name.as_str(),
                "ResetApplicationSessionTimer"
                    | "StopApplicationSession"
                    | "MonitorStop"
                    | "RequestSystemStatus"
                    | "SystemStatus"
            ),
            answer: None,
            starts: None,
        });
    }

    fn answered(&mut self, exchange: usize, body: Vec<u8>, described: Option<&Described>) {
        let exchange = &mut self.exchanges[exchange];
        if let Ok(Message::Response(Response::MonitorStart(started))) = Message::parse(&body) {
            exchange.starts = Some(started.monitor_cross_ref_id.to_string());
            let namespace = described.and_then(|it| it.namespace.as_deref());
            self.edition = self.edition.or_else(|| Edition::from_namespace(namespace?));
        }
        exchange.answer = Some(body.into());
    }

    fn said(&mut self, ms: u64, invoke_id: InvokeId, body: Vec<u8>, described: Option<&Described>) {
        let known = described.filter(|it| it.kind == "event");
        let request = described.is_some_and(|it| it.kind == "request");
        let cross_ref = known.and_then(|it| it.cross_ref.clone());
        self.steps.push(Step {
            ms,
            what: What::Said {
                invoke_id,
                body: body.into(),
                event: known.is_some() || (invoke_id == InvokeId::EVENT && !request),
                cross_ref,
            },
        });
    }
}

/// One link of a replay.
#[derive(Debug)]
pub(super) struct Player<'t> {
    tape: &'t Tape,
    pauses: bool,
    /// Exchanges that this client has had.
    had: BTreeSet<usize>,
    /// Monitors that it has started.
    monitors: BTreeSet<String>,
    cursor: usize,
    /// The record's time and ours when the step before was done.
    before: Option<(u64, Instant)>,
    last_asked: Instant,
    /// Events sent, and left out.
    pub(super) counts: (u64, u64),
    /// What was asked last and is refused, as it is not in the record.
    pub(super) missing: Option<String>,
}

impl<'t> Player<'t> {
    pub(super) const fn new(tape: &'t Tape, pauses: bool, now: Instant) -> Self {
        Self {
            tape,
            pauses,
            had: BTreeSet::new(),
            monitors: BTreeSet::new(),
            cursor: 0,
            before: None,
            last_asked: now,
            counts: (0, 0),
            missing: None,
        }
    }

    /// Answers a frame of the client; what needs no answer gets none.
    pub(super) fn handle_frame(&mut self, frame: &Frame, now: Instant) -> Option<Bytes> {
        self.last_asked = now;
        let request = match Message::parse(&frame.body) {
            Ok(Message::Request(request)) if request.expects_answer() => Some(request),
            Ok(Message::Unknown { .. }) => None,
            Ok(_) | Err(_) => return None,
        };
        let described = describe(&frame.body).ok()?;
        let key = key(&described);
        let body = match self.recorded(&key) {
            Some(answer) => answer,
            None => self.own(request.as_ref(), &key).into(),
        };
        Some(framed(frame.invoke_id, &body))
    }

    /// The answer of the record: of the first such exchange that this client has not had, or of the
    /// last one.
    fn recorded(&mut self, key: &Key) -> Option<Bytes> {
        let exchanges = self.tape.exchanges.iter().enumerate();
        let same: Vec<usize> = exchanges
            .filter(|(_, it)| it.key == *key && it.answer.is_some())
            .map(|(index, _)| index)
            .collect();
        let new = same.iter().find(|index| !self.had.contains(index));
        let index = *new.or_else(|| same.last())?;
        self.had.insert(index);
        let exchange = &self.tape.exchanges[index];
        self.monitors.extend(exchange.starts.clone());
        exchange.answer.clone()
    }

    /// An answer to what is not in the record.
    fn own(&mut self, request: Option<&Request>, (name, device): &Key) -> String {
        let response: Response = match request {
            Some(Request::ResetApplicationSessionTimer(_)) => {
                ResetApplicationSessionTimerPosResponse::new().into()
            }
            Some(Request::StopApplicationSession(_)) => {
                StopApplicationSessionPosResponse::new().into()
            }
            Some(Request::MonitorStop(_)) => MonitorStopResponse::new().into(),
            Some(Request::RequestSystemStatus(_)) => {
                RequestSystemStatusResponse::new(SystemStatusValue::Normal).into()
            }
            _ => {
                self.missing = Some(format!("{name} {device}").trim_end().to_owned());
                CstaError::new(ErrorCategory::Operation, "serviceNotSupported").into()
            }
        };
        response.to_xml(self.tape.edition.unwrap_or(Edition::Ed3))
    }

    /// What the PBX says unasked by now.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Bytes> {
        while let Some(step) = self.tape.steps.get(self.cursor) {
            match &step.what {
                What::Asked(index) => {
                    if !self.is_done(*index) && now < self.last_asked + PATIENCE {
                        return None;
                    }
                    self.done(step.ms, now);
                }
                What::Said {
                    invoke_id,
                    body,
                    event,
                    cross_ref,
                } => {
                    let monitored = cross_ref
                        .as_ref()
                        .is_none_or(|id| self.monitors.contains(id));
                    if monitored && now < self.due(step.ms) {
                        return None;
                    }
                    self.done(step.ms, now);
                    if monitored {
                        self.counts.0 += u64::from(*event);
                        return Some(framed(*invoke_id, body));
                    }
                    self.counts.1 += u64::from(*event);
                }
            }
        }
        None
    }

    /// When [`Self::poll`] has something to say, unless the client asks something before.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let step = self.tape.steps.get(self.cursor)?;
        Some(match step.what {
            What::Asked(_) => self.last_asked + PATIENCE,
            What::Said { .. } => self.due(step.ms),
        })
    }

    /// The record's link was cut after what has been said.
    pub(super) fn is_cut(&self) -> bool {
        self.tape.cut && self.cursor == self.tape.steps.len()
    }

    fn is_done(&self, index: usize) -> bool {
        let exchange = &self.tape.exchanges[index];
        !exchange.awaited || exchange.answer.is_none() || self.had.contains(&index)
    }

    fn due(&self, ms: u64) -> Instant {
        match self.before {
            Some((before, at)) if self.pauses => {
                at + Duration::from_millis(ms.saturating_sub(before))
            }
            _ => self.last_asked,
        }
    }

    fn done(&mut self, ms: u64, now: Instant) {
        self.cursor += 1;
        self.before = Some((ms, now));
    }
}

/// A frame; a recorded body came in one and fits.
fn framed(invoke_id: InvokeId, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    let text = String::from_utf8_lossy(body);
    if let Err(error) = csta::frame::encode(invoke_id, &text, &mut out) {
        tracing::warn!(%error, "a message of the record cannot be served");
    }
    out.freeze()
}

#[cfg(test)]
mod tests {
    use net::clock;

    use super::*;

    fn line(ms: u64, from: &str, id: &str, xml: &str) -> String {
        let value = serde_json::json!({
            "time": "2026-02-03T04:05:06.789Z", "ms": ms, "from": from, "invokeId": id, "xml": xml,
        });
        value.to_string()
    }

    fn start(device: &str) -> String {
        format!(
            "<MonitorStart><monitorObject><deviceObject>{device}</deviceObject></monitorObject></MonitorStart>"
        )
    }

    fn started(id: &str) -> String {
        format!(
            "<MonitorStartResponse><monitorCrossRefID>{id}</monitorCrossRefID></MonitorStartResponse>"
        )
    }

    fn event(id: &str, call: &str) -> String {
        format!(
            "<CallClearedEvent><monitorCrossRefID>{id}</monitorCrossRefID><clearedCall>\
             <callID>{call}</callID></clearedCall></CallClearedEvent>"
        )
    }

    fn tape() -> Tape {
        let lines = [
            line(0, "us", "0001", &start("2001")),
            line(1, "pbx", "0001", &started("a")),
            line(2, "us", "0002", &start("2002")),
            line(3, "pbx", "0002", &started("b")),
            line(10, "pbx", "9999", &event("a", "1")),
            line(510, "pbx", "9999", &event("b", "1")),
        ];
        only(&lines)
    }

    fn only(lines: &[String]) -> Tape {
        let mut tapes = Tape::parse(lines.join("\n").as_bytes()).unwrap();
        assert_eq!(tapes.len(), 1);
        tapes.remove(0)
    }

    fn ask(player: &mut Player<'_>, id: u16, xml: &str, now: Instant) -> String {
        let frame = Frame {
            invoke_id: InvokeId::new(id).unwrap(),
            body: Bytes::from(xml.to_owned()),
        };
        let answer = player.handle_frame(&frame, now).unwrap();
        assert_eq!(answer[4..8], *format!("{id:04}").as_bytes());
        String::from_utf8_lossy(&answer[8..]).into_owned()
    }

    #[test]
    fn answers_are_those_of_the_record_and_events_follow_after_their_pauses() {
        let (tape, now) = (tape(), clock::now());
        let mut player = Player::new(&tape, true, now);
        // In another order and with other invoke ids than in the record.
        assert_eq!(ask(&mut player, 7, &start("2002"), now), started("b"));
        assert_eq!(player.poll(now), None, "2001 is not monitored yet");
        assert_eq!(ask(&mut player, 8, &start("2001"), now), started("a"));
        assert_eq!(player.poll(now), None, "a pause");
        let soon = now + Duration::from_millis(20);
        let first = player.poll(soon).unwrap();
        assert!(first.ends_with(event("a", "1").as_bytes()));
        assert_eq!(player.poll(soon), None);
        assert_eq!(
            player.poll_timeout(),
            Some(soon + Duration::from_millis(500))
        );
        let second = player.poll(soon + Duration::from_millis(500)).unwrap();
        assert!(second.ends_with(event("b", "1").as_bytes()));
        assert_eq!(player.poll_timeout(), None);
    }

    #[test]
    fn a_client_that_monitors_less_gets_the_events_of_what_it_monitors() {
        let (tape, now) = (tape(), clock::now());
        let mut player = Player::new(&tape, false, now);
        ask(&mut player, 1, &start("2002"), now);
        assert_eq!(player.poll_timeout(), Some(now + PATIENCE));
        let only = player.poll(now + PATIENCE).unwrap();
        assert!(only.ends_with(event("b", "1").as_bytes()));
        assert_eq!((player.counts, player.poll_timeout()), ((1, 1), None));
    }

    #[test]
    fn what_was_recorded_behind_a_cut_is_a_tape_of_its_own() {
        let cut = "{\"time\":\"2026-02-03T04:05:06Z\",\"ms\":2,\"cut\":\"link closed\"}";
        let lines = [
            line(0, "us", "0001", &start("2001")),
            line(1, "pbx", "0001", &started("a")),
            line(2, "pbx", "9999", &event("a", "1")),
            cut.to_owned(),
            cut.replace("closed", "refused"),
            line(10, "us", "0001", &start("2001")),
            line(11, "pbx", "0001", &started("b")),
            line(12, "pbx", "9999", &event("b", "2")),
        ];
        let tapes = Tape::parse(lines.join("\n").as_bytes()).unwrap();
        let now = clock::now();
        for (tape, id, call, is_cut) in [(&tapes[0], "a", "1", true), (&tapes[1], "b", "2", false)]
        {
            let mut player = Player::new(tape, false, now);
            assert_eq!(ask(&mut player, 1, &start("2001"), now), started(id));
            assert!(!player.is_cut());
            let said = player.poll(now).unwrap();
            assert!(said.ends_with(event(id, call).as_bytes()));
            assert_eq!(player.is_cut(), is_cut);
        }
        assert_eq!(tapes.len(), 2);
    }

    #[test]
    fn a_system_status_is_sent_but_is_no_event() {
        let status = "<SystemStatus><systemStatus>normal</systemStatus></SystemStatus>";
        let lines = [
            line(0, "us", "0001", &start("2001")),
            line(1, "pbx", "0001", &started("a")),
            line(2, "pbx", "0007", status),
            line(3, "pbx", "9999", &event("a", "1")),
        ];
        let tape = only(&lines);
        assert_eq!(tape.events(), 1);
        let now = clock::now();
        let mut player = Player::new(&tape, false, now);
        ask(&mut player, 1, &start("2001"), now);
        assert!(player.poll(now).unwrap().ends_with(status.as_bytes()));
        assert!(player.poll(now).is_some());
        assert_eq!(player.counts, (1, 0));
    }

    #[test]
    fn what_is_not_in_the_record_is_not_supported() {
        let (tape, now) = (tape(), clock::now());
        let mut player = Player::new(&tape, false, now);
        assert!(ask(&mut player, 1, &start("2009"), now).contains("serviceNotSupported"));
        assert_eq!(player.missing.take().as_deref(), Some("MonitorStart 2009"));
        let stop = "<MonitorStop><monitorCrossRefID>a</monitorCrossRefID></MonitorStop>";
        assert!(ask(&mut player, 2, stop, now).contains("MonitorStopResponse"));
        assert_eq!(player.missing, None);
        assert!(Tape::parse(b"").is_err());
        assert!(Tape::parse(b"<a/>").unwrap_err().starts_with("line 1: "));
    }
}

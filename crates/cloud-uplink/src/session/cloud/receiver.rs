//! What comes up on one connection: in sequence, within the window, snapshots put together.

use crate::frame::{Events, Gap, RESPONSE_LEN_MAX, Response, ResponsePart, Snapshot, Window};
use crate::id::CommandId;
use crate::session::View;
use crate::session::window::InFlight;

use super::CloudEvent;

/// What the gateway did wrong, in plain words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misbehaved(pub(super) String);

type Outcome = Result<Option<CloudEvent>, Misbehaved>;

#[derive(Debug)]
pub(super) struct Receiver {
    window: Window,
    /// Most legs, and most endpoints, of a snapshot.
    rows_max: usize,
    /// Received and not stored.
    unstored: InFlight,
    stored: u64,
    received: u64,
    duplicates: u64,
    snapshot: Option<Parts>,
    response: Option<Text>,
}

#[derive(Debug)]
struct Parts {
    id: u64,
    next_part: u32,
    view: View,
}

/// A response in parts.
#[derive(Debug)]
struct Text {
    id: CommandId,
    next_part: u32,
    text: String,
}

impl Receiver {
    pub(super) fn new(acked: u64, window: Window, rows_max: usize) -> Self {
        Self {
            window,
            rows_max,
            unstored: InFlight::default(),
            stored: acked,
            received: acked,
            duplicates: 0,
            snapshot: None,
            response: None,
        }
    }

    pub(super) fn handle_events(&mut self, events: Events) -> Outcome {
        let Events { s, replayed, mut e } = events;
        self.check_sequence(s)?;
        // What came before is dropped: it is stored or on its way to be.
        let seen = usize::try_from(self.received + 1 - s)
            .unwrap_or(usize::MAX)
            .min(e.len());
        self.duplicates += seen as u64;
        e.drain(..seen);
        let first = self.received + 1;
        for event in &e {
            self.receive(self.received.saturating_add(1), event.get().len() as u64)?;
        }
        Ok((!e.is_empty()).then_some(CloudEvent::Store {
            first,
            events: e,
            replayed,
        }))
    }

    pub(super) fn handle_gap(&mut self, gap: Gap) -> Outcome {
        let Gap { from, to, reason } = gap;
        self.check_sequence(from)?;
        // One number less than the type holds: the next one must have a number, too.
        if to < from || to == u64::MAX {
            return Err(Misbehaved(format!("gap from {from} to {to}")));
        }
        if to <= self.received {
            self.duplicates += 1;
            return Ok(None);
        }
        let from = self.received + 1;
        self.receive(to, 0)?;
        Ok(Some(CloudEvent::StoreGap { from, to, reason }))
    }

    pub(super) fn handle_snapshot(&mut self, snapshot: Snapshot) -> Outcome {
        let Snapshot {
            id,
            part,
            last,
            as_of,
            items,
            endpoints,
        } = snapshot;
        if part == 0 {
            self.snapshot = Some(Parts {
                id,
                next_part: 0,
                view: View::default(),
            });
        }
        let Some(parts) = self
            .snapshot
            .as_mut()
            .filter(|p| p.id == id && p.next_part == part)
        else {
            return Err(Misbehaved(format!(
                "part {part} of snapshot {id} out of order"
            )));
        };
        let View {
            legs,
            endpoints: known,
        } = &mut parts.view;
        if (legs.len() + items.len()).max(known.len() + endpoints.len()) > self.rows_max {
            return Err(Misbehaved(format!(
                "snapshot of more than {} legs or endpoints",
                self.rows_max
            )));
        }
        parts.next_part += 1;
        legs.extend(items);
        known.extend(endpoints);
        if !last {
            return Ok(None);
        }
        let parts = self.snapshot.take();
        let view = parts.map(|parts| parts.view).unwrap_or_default();
        Ok(Some(CloudEvent::Snapshot { as_of, view }))
    }

    pub(super) fn handle_response_part(&mut self, part: ResponsePart) -> Outcome {
        let ResponsePart {
            id,
            part,
            last,
            text,
        } = part;
        if part == 0 {
            self.response = Some(Text {
                id,
                next_part: 0,
                text: String::new(),
            });
        }
        let Some(all) = self
            .response
            .as_mut()
            .filter(|all| all.id == id && all.next_part == part)
        else {
            let wrong = format!("part {part} of the response to {id} out of order");
            return Err(Misbehaved(wrong));
        };
        if all.text.len() + text.len() > RESPONSE_LEN_MAX {
            let wrong = format!("response of more than {RESPONSE_LEN_MAX} bytes");
            return Err(Misbehaved(wrong));
        }
        all.next_part += 1;
        all.text += &text;
        if !last {
            return Ok(None);
        }
        let text = self.response.take().map(|all| all.text).unwrap_or_default();
        match serde_json::from_str::<Response>(&text) {
            Ok(response) if response.id == id => Ok(Some(CloudEvent::Response(response))),
            Ok(response) => Err(Misbehaved(format!(
                "parts for {id} are the response to {}",
                response.id
            ))),
            Err(error) => Err(Misbehaved(format!("response in parts: {error}"))),
        }
    }

    /// Everything up to `seq` is stored; whether that is news worth an acknowledgement.
    pub(super) fn stored(&mut self, seq: u64) -> bool {
        debug_assert!(seq <= self.received, "stored what never came");
        let seq = seq.min(self.received);
        self.unstored.acknowledge(seq);
        let news = seq > self.stored;
        self.stored = self.stored.max(seq);
        news
    }

    pub(super) fn unstored(&self) -> u64 {
        self.unstored.events()
    }

    pub(super) const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    fn check_sequence(&self, first: u64) -> Result<(), Misbehaved> {
        if first == 0 || first > self.received.saturating_add(1) {
            return Err(Misbehaved(format!(
                "number {first} after {}",
                self.received
            )));
        }
        Ok(())
    }

    fn receive(&mut self, last: u64, bytes: u64) -> Result<(), Misbehaved> {
        if !self.unstored.has_room(self.window, bytes) {
            return Err(Misbehaved(
                "more on the way than the window allows".to_owned(),
            ));
        }
        self.unstored.push(last, bytes);
        self.received = last;
        Ok(())
    }
}

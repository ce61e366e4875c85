//! What goes up on one connection: snapshot, then items in sequence, within window and frame limit.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;
use tracing::error;

use super::ReadRequest;
use crate::endpoint::EndpointView;
use crate::event::LegView;
use crate::frame::{Events, Gap, GatewayFrame, Snapshot, Window};
use crate::id::StreamId;
use crate::session::window::InFlight;
use crate::session::{Item, View};

/// Room for everything in a frame that is no event, leg, endpoint or text, in bytes.
pub(in crate::session) const FRAME_OVERHEAD: usize = 256;
/// How long to wait before asking again an outbox that gave nothing.
const READ_RETRY: Duration = Duration::from_secs(1);
/// Most events asked for at once: the outbox's reader stays responsive.
const READ_EVENTS_MAX: u64 = 512;

/// What has to be read next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Want {
    Snapshot,
    Events(ReadRequest),
}

#[derive(Debug)]
pub(super) struct Sender {
    stream: StreamId,
    window: Window,
    frame_len: usize,
    snapshot: Stage,
    snapshot_id: u64,
    /// Taken and not acknowledged; `pending` included.
    in_flight: InFlight,
    /// To be sent now.
    pending: VecDeque<Item>,
    /// Number of the first event not yet taken.
    next: u64,
    sent: u64,
    reading: Option<ReadRequest>,
    retry_at: Option<Instant>,
}

#[derive(Debug)]
enum Stage {
    Needed,
    /// Asked for; to be asked for again if it became old in the meantime.
    Reading {
        again: bool,
    },
    Sending {
        as_of: u64,
        part: u32,
        legs: VecDeque<LegView>,
        endpoints: VecDeque<EndpointView>,
    },
    /// Events up to `as_of` are history to the far end.
    Sent {
        as_of: u64,
    },
}

impl Sender {
    /// For a far end that has stored `stream` up to `acked`.
    pub(super) fn new(stream: StreamId, acked: u64, window: Window, frame_len: usize) -> Self {
        Self {
            stream,
            window,
            frame_len,
            snapshot: Stage::Needed,
            snapshot_id: 0,
            in_flight: InFlight::default(),
            pending: VecDeque::new(),
            next: acked + 1,
            sent: acked,
            reading: None,
            retry_at: None,
        }
    }

    /// Takes a fresh item if it is the next one and may be sent at once.
    pub(super) fn offer(&mut self, item: Item) {
        let ready = matches!(self.snapshot, Stage::Sent { .. })
            && self.reading.is_none()
            && self.retry_at.is_none()
            && item.first() == self.next;
        if ready {
            self.take(item);
        }
    }

    /// Takes what was read; what does not fit is read again later.
    pub(super) fn supply(&mut self, request: ReadRequest, items: Vec<Item>, now: Instant) {
        if self.reading != Some(request) {
            return;
        }
        self.reading = None;
        if items.is_empty() {
            self.retry_at = Some(now + READ_RETRY);
        }
        for item in items {
            if !self.take(item) {
                break;
            }
        }
    }

    pub(super) fn supply_snapshot(&mut self, as_of: u64, view: View) {
        match self.snapshot {
            Stage::Reading { again: true } => self.snapshot = Stage::Needed,
            Stage::Reading { again: false } => {
                self.snapshot_id += 1;
                self.snapshot = Stage::Sending {
                    as_of,
                    part: 0,
                    legs: view.legs.into(),
                    endpoints: view.endpoints.into(),
                };
            }
            Stage::Needed | Stage::Sending { .. } | Stage::Sent { .. } => {}
        }
    }

    pub(super) fn need_snapshot(&mut self) {
        match &mut self.snapshot {
            Stage::Reading { again } => *again = true,
            Stage::Needed | Stage::Sending { .. } | Stage::Sent { .. } => {
                self.snapshot = Stage::Needed;
            }
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.retry_at.take_if(|at| now >= *at);
    }

    pub(super) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// What has to be read next, of a stream that ends with `high_water`.
    pub(super) fn poll_want(&mut self, high_water: u64) -> Option<Want> {
        match self.snapshot {
            Stage::Needed => {
                self.snapshot = Stage::Reading { again: false };
                return Some(Want::Snapshot);
            }
            Stage::Reading { .. } | Stage::Sending { .. } => return None,
            Stage::Sent { .. } => {}
        }
        if self.next > high_water || self.reading.is_some() || self.retry_at.is_some() {
            return None;
        }
        let room = self.in_flight.room(self.window);
        let left = high_water - self.next + 1;
        // Many small reads cost more than a short wait for room.
        if room.events < left.min(self.window.events.div_ceil(8))
            || room.bytes < self.frame_len as u64
        {
            return None;
        }
        let request = ReadRequest {
            stream: self.stream,
            from: self.next,
            max_events: room.events.min(READ_EVENTS_MAX),
            max_bytes: room.bytes,
        };
        self.reading = Some(request);
        Some(Want::Events(request))
    }

    pub(super) fn poll_frame(&mut self) -> Option<GatewayFrame> {
        match &self.snapshot {
            Stage::Needed | Stage::Reading { .. } => None,
            Stage::Sending { .. } => self.snapshot_part().map(GatewayFrame::Snapshot),
            Stage::Sent { as_of } => {
                let as_of = *as_of;
                match self.pending.front()? {
                    Item::Event { .. } => Some(GatewayFrame::Events(self.batch(as_of)?)),
                    Item::Gap { .. } => Some(GatewayFrame::Gap(self.gap(as_of)?)),
                }
            }
        }
    }

    pub(super) const fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.events()
    }

    pub(super) fn acknowledge(&mut self, seq: u64) {
        self.in_flight.acknowledge(seq);
    }

    /// Takes an item to be sent; false if the window has no room for it.
    fn take(&mut self, item: Item) -> bool {
        if item.last() < self.next {
            return true;
        }
        // What the outbox leaves out it no longer has.
        if item.first() > self.next && !self.push(gap(self.next, item.first() - 1, "retention")) {
            return false;
        }
        let item = match item {
            Item::Gap { to, reason, .. } => Item::Gap {
                from: self.next,
                to,
                reason,
            },
            Item::Event { seq, body } if body.get().len() > self.frame_len - FRAME_OVERHEAD => {
                error!(seq, len = body.get().len(), "event larger than a frame");
                gap(seq, seq, "too-big")
            }
            item @ Item::Event { .. } => item,
        };
        self.push(item)
    }

    fn push(&mut self, item: Item) -> bool {
        debug_assert_eq!(item.first(), self.next, "items are contiguous");
        let (last, bytes) = (item.last(), item.len_bytes());
        if !self.in_flight.has_room(self.window, bytes) {
            return false;
        }
        self.in_flight.push(last, bytes);
        self.next = last + 1;
        self.pending.push_back(item);
        true
    }

    /// As many of the pending events as fit into a frame and are on the same side of the snapshot.
    fn batch(&mut self, as_of: u64) -> Option<Events> {
        let s = self.pending.front()?.first();
        let replayed = s <= as_of;
        let mut e = Vec::new();
        let mut room = self.frame_len - FRAME_OVERHEAD;
        let fits = |item: &mut Item, room: usize| match item {
            Item::Event { seq, body } => (*seq <= as_of) == replayed && body.get().len() <= room,
            Item::Gap { .. } => false,
        };
        while let Some(Item::Event { seq, body }) =
            self.pending.pop_front_if(|item| fits(item, room))
        {
            room = room.saturating_sub(body.get().len() + 1);
            self.sent = seq;
            e.push(body);
        }
        Some(Events { s, replayed, e })
    }

    /// After a gap the far end's view may be wrong: a snapshot follows, unless the last one covers it.
    fn gap(&mut self, as_of: u64) -> Option<Gap> {
        let Some(Item::Gap { from, to, reason }) = self.pending.pop_front() else {
            return None;
        };
        self.sent = to;
        if to > as_of {
            self.need_snapshot();
        }
        Some(Gap {
            from,
            to,
            reason: reason.into_owned(),
        })
    }

    fn snapshot_part(&mut self) -> Option<Snapshot> {
        let Stage::Sending {
            as_of,
            part,
            legs,
            endpoints,
        } = &mut self.snapshot
        else {
            return None;
        };
        let mut room = self.frame_len - FRAME_OVERHEAD;
        let largest = room;
        let items = fill(legs, &mut room, largest);
        let mut snapshot = Snapshot {
            id: self.snapshot_id,
            part: *part,
            last: false,
            as_of: *as_of,
            items,
            endpoints: Vec::new(),
        };
        if legs.is_empty() {
            snapshot.endpoints = fill(endpoints, &mut room, largest);
        }
        *part += 1;
        snapshot.last = legs.is_empty() && endpoints.is_empty();
        if snapshot.last {
            let as_of = snapshot.as_of;
            self.snapshot = Stage::Sent { as_of };
        }
        Some(snapshot)
    }
}

/// Takes as many rows as there is room for; what would not fit into any frame is left out.
fn fill<T: Serialize>(rows: &mut VecDeque<T>, room: &mut usize, largest: usize) -> Vec<T> {
    let mut taken = Vec::new();
    while let Some(row) = rows.pop_front() {
        let len = serde_json::to_vec(&row).map_or(0, |json| json.len() + 1);
        if len > largest {
            error!(len, "row larger than a frame left out of the snapshot");
        } else if len > *room {
            rows.push_front(row);
            break;
        } else {
            *room -= len;
            taken.push(row);
        }
    }
    taken
}

const fn gap(from: u64, to: u64, reason: &'static str) -> Item {
    Item::Gap {
        from,
        to,
        reason: Cow::Borrowed(reason),
    }
}

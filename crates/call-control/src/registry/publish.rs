//! Turning what happened into events.

use std::collections::{BTreeMap, VecDeque};

use cloud_uplink::event::{Direction, LegChange};
use cloud_uplink::id::EventId;
use cloud_uplink::{Event, EventData, IdSource, Identity, LegId, LegState, LegView, Timestamp};
use csta::EventCause;

use super::call::{Call, Leg};
use super::report::{Report, number};
use super::state::Kind;
use super::{Change, ViewChange};

/// Why a leg changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Why<'a> {
    /// The report that says so; absent for what was inferred.
    reported: Option<(Kind, &'static str)>,
    cause: Option<&'a EventCause>,
    /// Where a diverted call goes, where told.
    destination: Option<&'a str>,
    /// Inferred from what came later.
    missed: bool,
    pub(super) now: Timestamp,
}

impl<'a> Why<'a> {
    /// A monitor reported it.
    pub(super) fn reported(report: &Report<'a>, now: Timestamp) -> Self {
        Self {
            reported: Some((report.kind, report.name)),
            cause: report.cause,
            destination: number(report.destination),
            missed: false,
            now,
        }
    }

    /// An event that is about several connections led to it.
    pub(super) const fn named(
        kind: Kind,
        name: &'static str,
        cause: Option<&'a EventCause>,
        now: Timestamp,
    ) -> Self {
        Self {
            reported: Some((kind, name)),
            cause,
            destination: None,
            missed: false,
            now,
        }
    }

    /// Why, in the switching function's word.
    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.map(EventCause::as_str)
    }

    /// Whether the call went on to another destination.
    pub(super) const fn is_diversion(&self) -> bool {
        matches!(self.reported, Some((Kind::Diverted, _)))
    }

    /// Where a diverted call goes, where told.
    pub(super) const fn destination(&self) -> Option<&'a str> {
        self.destination
    }

    /// It follows from something else that was heard of later.
    pub(super) const fn inferred(now: Timestamp) -> Self {
        Self {
            reported: None,
            cause: None,
            destination: None,
            missed: true,
            now,
        }
    }

    /// It follows at once from something that is told, so that nothing was missed.
    pub(super) const fn follows(now: Timestamp) -> Self {
        Self {
            missed: false,
            ..Self::inferred(now)
        }
    }

    /// Nobody was there to hear it, so that there is some guess in it.
    pub(super) const fn is_missed(&self) -> bool {
        self.missed
    }

    /// Nobody said so, or nobody will say it in a report of its own.
    pub(super) const fn is_synthetic(&self) -> bool {
        self.reported.is_none()
    }
}

/// Mints ids, makes events, and holds them until they are polled.
#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) identity: Identity,
    pub(super) ids: IdSource,
    pub(super) changes: VecDeque<Change>,
    pub(super) published: u64,
    pub(super) synthetic: u64,
    /// Extensions whose legs changed since this was emptied.
    pub(super) touched: Vec<String>,
    /// Legs of extensions that may have changed unheard, and until when they are known.
    pub(super) unconfirmed: BTreeMap<LegId, Timestamp>,
}

impl Publisher {
    pub(super) fn publish(&mut self, body: EventData, view: Option<ViewChange>, now: Timestamp) {
        let id = EventId::new(self.ids.ulid(now));
        let event = Event::new(id, &self.identity, now, body);
        self.published += 1;
        self.changes.push_back(Change { event, view });
    }

    /// A leg entered the state that it is in now.
    pub(super) fn leg(
        &mut self,
        call: &Call,
        leg: &Leg,
        previous: Option<LegState>,
        why: &Why<'_>,
    ) {
        let view = leg.view(call);
        let peers = call.peers(&view);
        self.view(view, peers, previous, why);
    }

    /// A leg entered the state that `leg` gives.
    pub(super) fn view(
        &mut self,
        leg: LegView,
        peers: Vec<String>,
        previous: Option<LegState>,
        why: &Why<'_>,
    ) {
        let diverted_to = why.destination().filter(|_| leg.state == LegState::Cleared);
        let change = LegChange {
            previous_state: previous,
            cause: why.cause().map(str::to_owned),
            pbx_event: why.reported.map(|(_, name)| name.to_owned()),
            previous_call_id: None,
            by: None,
            peers,
            diverted_to: diverted_to.map(str::to_owned),
            synthetic: why.is_synthetic(),
            leg,
        };
        let kind = why.reported.map(|(kind, _)| kind);
        self.change(change, |change| typed(change, kind), why.now);
    }

    /// Publishes the change of a leg as the event that `typed` makes of it.
    pub(super) fn change(
        &mut self,
        change: LegChange,
        typed: impl FnOnce(LegChange) -> EventData,
        now: Timestamp,
    ) {
        let view = match (change.leg.state, change.previous_state) {
            (LegState::Cleared, Some(_)) => Some(ViewChange::Delete(change.leg.leg_id)),
            (LegState::Cleared, None) => None,
            _ => Some(ViewChange::Put(change.leg.clone())),
        };
        self.unconfirmed.remove(&change.leg.leg_id);
        self.synthetic += u64::from(change.synthetic);
        if let Some(endpoint) = &change.leg.endpoint_id
            && self.touched.last() != Some(endpoint)
        {
            self.touched.push(endpoint.clone());
        }
        self.publish(typed(change), view, now);
    }
}

/// The type of a change: what was reported where that led to this state, else what the state says.
fn typed(change: LegChange, reported: Option<Kind>) -> EventData {
    let outbound = change.leg.direction == Direction::Outbound;
    match (change.leg.state, change.previous_state) {
        _ if reported == Some(Kind::NetworkReached) => EventData::CallNetworkReached(change),
        (LegState::Initiated, _) => EventData::CallInitiated(change),
        (LegState::Alerting, _) => EventData::CallDelivered(change),
        (LegState::Connected, Some(LegState::Held)) => EventData::CallRetrieved(change),
        (LegState::Connected, None | Some(LegState::Initiated)) if outbound => match reported {
            Some(Kind::Established) => EventData::CallEstablished(change),
            _ => EventData::CallOriginated(change),
        },
        (LegState::Connected, _) if reported == Some(Kind::Originated) => {
            EventData::CallOriginated(change)
        }
        (LegState::Connected, _) => EventData::CallEstablished(change),
        (LegState::Held, _) => EventData::CallHeld(change),
        (LegState::Queued, _) => EventData::CallQueued(change),
        (LegState::Failed, _) => EventData::CallFailed(change),
        (LegState::Cleared, _) if reported == Some(Kind::Diverted) => {
            EventData::CallDiverted(change)
        }
        (LegState::Cleared, _) => EventData::CallCleared(change),
    }
}

//! "Why is it red?": every part's state in a plain sentence.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud_uplink::Timestamp;
use local_portal::{Health, Part, State3};
use net::clock;
use net::csta_link::CstaLinkState;
use net::uplink::UplinkState;
use store::gateway::StoreHealth;

use call_control::bridge::{PeerRole, PeerStanding, PeerState};

use crate::engine::{Devices, Features, Inventory};
use crate::metrics;
use crate::outbox::Outbox;
use crate::status::Shared;
use crate::telephony::{MediaStatus, SoftclientStatus};

/// Name and version of the software.
pub const SOFTWARE: &str = concat!("ringway/", env!("CARGO_PKG_VERSION"));
/// A link may be away this long before the gateway counts as not ready.
pub const READY_GRACE: Duration = Duration::from_secs(60);

/// A write that takes longer means that the disk does not answer.
pub const DISK_PATIENCE: Duration = Duration::from_secs(10);

/// Clocks that differ by more than this are worth a word.
const CLOCK_DIFFERENCE_MAX_MS: u64 = 2_000;

/// What the portal sees of the gateway.
#[derive(Debug, Clone)]
pub struct View {
    /// How the links are.
    pub shared: Arc<Shared>,
    /// Where events wait.
    pub outbox: Arc<Outbox>,
}

impl View {
    /// How every part is, now.
    #[must_use]
    pub fn health(&self) -> Health {
        let (pbx, pbx_ready) = self.pbx();
        let (far_end, far_end_ready) = self.far_end();
        let outbox = self.outbox_part();
        let mut parts = vec![pbx, far_end, outbox];
        parts.extend(self.sip());
        Health {
            state: parts
                .iter()
                .map(|part| part.state)
                .max()
                .unwrap_or(State3::Ok),
            ready: pbx_ready && far_end_ready,
            software: SOFTWARE.to_owned(),
            started: self.shared.started.to_string(),
            parts,
        }
    }

    /// The figures, as OpenMetrics text.
    pub fn metrics(&self) -> String {
        metrics::render(&self.shared, &self.outbox)
    }

    fn pbx(&self) -> (Part, bool) {
        let pbx = self.shared.pbx();
        let address = &self.shared.pbx_address;
        let (now, standing) = (clock::now(), pbx.standing);
        let away = now.saturating_duration_since(standing.since);
        let retry = next_try(pbx.retry_at, now);
        let (state, detail) = match &pbx.link {
            CstaLinkState::Up => {
                let client = pbx.client.clone().unwrap_or_default();
                let (monitored, devices) = (client.monitored, client.devices);
                let state = match () {
                    () if devices > 0 && monitored == 0 => State3::Down,
                    () if monitored < devices => State3::Degraded,
                    () => State3::Ok,
                };
                let has = inventory(&pbx.inventory);
                (
                    state,
                    format!("{address}: following {monitored} of {devices} extensions{has}"),
                )
            }
            CstaLinkState::Associating => (
                if standing.failed {
                    State3::Down
                } else {
                    State3::Degraded
                },
                format!("{address}: connected, association is being made"),
            ),
            CstaLinkState::Connecting | CstaLinkState::Down { .. } => {
                (State3::Down, format!("{address}: no link, {retry}"))
            }
            CstaLinkState::Stopped => (State3::Down, format!("{address}: stopped")),
        };
        let ready = pbx.link == CstaLinkState::Up || away < READY_GRACE;
        let since = ago(away);
        (
            Part {
                name: "pbx",
                state,
                since,
                detail,
                last_error: pbx.last_error,
            },
            ready,
        )
    }

    /// The trunk: red when no address of the PBX answers. It does not count for readiness: without it
    /// calls are still followed.
    fn sip(&self) -> Option<Part> {
        if !self.shared.has_sip() {
            return None;
        }
        let Some(sip) = self.shared.sip() else {
            return Some(Part {
                name: "sip",
                state: State3::Down,
                since: self.shared.started.to_string(),
                detail: "the trunk is being started".to_owned(),
                last_error: None,
            });
        };
        let softclients = sip.softclients.as_ref();
        let mut state = softclients.map_or(State3::Ok, softclient_state);
        let mut said = Vec::new();
        let mut trouble = Vec::new();
        for (role, name) in [
            (PeerRole::Trunk, "trunk"),
            (PeerRole::CallThrough, "call-through"),
        ] {
            let pbx = sip.pbx(role);
            if pbx.all > 0 {
                state = state.max(pbx.state());
                said.push(format!(
                    "{name}: {} of {} addresses answer",
                    pbx.up, pbx.all
                ));
                trouble.extend(pbx.trouble());
            }
        }
        let (taken, max) = (sip.bridge.channels, sip.channels_max);
        said.push(format!("{taken} of {max} channels in use"));
        let users = softclients.map(|status| format!("; {}", status.in_words()));
        let is_troubled = |peer: &PeerStanding| peer.state == PeerState::Down || peer.refuses_us;
        let troubled = sip.peers.iter().filter(|(_, peer)| is_troubled(peer));
        let changed = match trouble.is_empty() {
            // The oldest trouble that lasts, or the end of the last one.
            false => troubled.map(|(_, peer)| peer.since).min(),
            true => sip.peers.iter().map(|(_, peer)| peer.since).max(),
        };
        let now = clock::now();
        Some(Part {
            name: "sip",
            state,
            since: ago(now.saturating_duration_since(changed.unwrap_or(now))),
            detail: format!(
                "{}{}{}",
                said.join(", "),
                users.unwrap_or_default(),
                sip.media.map_or_else(String::new, not_heard)
            ),
            last_error: (!trouble.is_empty()).then(|| trouble.join("; ")),
        })
    }

    fn far_end(&self) -> (Part, bool) {
        let status = self.shared.uplink.borrow().clone();
        let standing = self.shared.channel();
        let now = clock::now();
        let away = now.saturating_duration_since(standing.since);
        let retry = next_try(status.retry_at, now);
        let backlog = status.high_water.saturating_sub(status.acked);
        let (state, detail) = match status.state {
            UplinkState::Up if status.far_end_ahead_ms.unsigned_abs() > CLOCK_DIFFERENCE_MAX_MS => {
                (
                    State3::Degraded,
                    format!(
                        "connected, but the clocks differ by {} s: set the time of this box",
                        status.far_end_ahead_ms.unsigned_abs() / 1000
                    ),
                )
            }
            UplinkState::Up => (
                State3::Ok,
                format!("connected, {backlog} events on their way"),
            ),
            UplinkState::Connecting | UplinkState::Greeting => (
                if standing.failed {
                    State3::Down
                } else {
                    State3::Degraded
                },
                format!("connecting, {backlog} events wait"),
            ),
            UplinkState::Waiting => (
                State3::Down,
                format!("away, {retry}; {backlog} events wait"),
            ),
            UplinkState::Refused => (
                State3::Down,
                format!(
                    "refuses this gateway: check token and identity, {retry}; {backlog} events wait"
                ),
            ),
        };
        let ready = status.state == UplinkState::Up || away < READY_GRACE;
        let since = ago(away);
        let last_error = status.last_error;
        (
            Part {
                name: "far-end",
                state,
                since,
                detail,
                last_error,
            },
            ready,
        )
    }

    fn outbox_part(&self) -> Part {
        let started = self.shared.started.to_string();
        let waiting = self.outbox.store().waiting();
        let (state, since, detail, last_error) = match self.outbox.store().health() {
            StoreHealth::Failed { error } => (
                State3::Down,
                started,
                "nothing is stored any more: the service starts anew".to_owned(),
                Some(error),
            ),
            _ if waiting > DISK_PATIENCE => {
                let since = ago(waiting);
                let detail = format!("the disk does not answer since {since}");
                (State3::Down, since, detail, None)
            }
            StoreHealth::Durable => (
                State3::Ok,
                started,
                "events are stored on disk".to_owned(),
                None,
            ),
            StoreHealth::Tight => (
                State3::Degraded,
                started,
                "the disk is nearly full: the reserve was given up, free some space".to_owned(),
                None,
            ),
            StoreHealth::Volatile { since_ms, error } => (
                State3::Down,
                Timestamp::from_unix_ms(u64::try_from(since_ms).unwrap_or(0)).to_string(),
                "the disk takes no writes: events are kept in memory only, free some space"
                    .to_owned(),
                Some(error),
            ),
        };
        Part {
            name: "outbox",
            state,
            since,
            detail,
            last_error,
        }
    }
}

/// Calls of which a side is not heard: one phone's or one firewall's trouble, and no state of the trunk.
fn not_heard(media: MediaStatus) -> String {
    match media.silent {
        0 => String::new(),
        1 => "; 1 call with a side that is not heard".to_owned(),
        calls => format!("; {calls} calls with a side that is not heard"),
    }
}

/// Red when users cannot register and nobody has; a few without a registration are no outage.
const fn softclient_state(status: &SoftclientStatus) -> State3 {
    match () {
        () if status.registered == status.all => State3::Ok,
        () if status.registered > 0 || status.trying > 0 => State3::Degraded,
        () => State3::Down,
    }
}

/// What the PBX has, where it told.
fn inventory(inventory: &Inventory) -> String {
    let devices = inventory.devices.map(|it| {
        let Devices {
            listed,
            users,
            phantoms,
        } = it;
        format!("; the PBX has {listed} devices: {users} users, {phantoms} phantoms")
    });
    let features = inventory.features.map(|it| {
        let Features { services, events } = it;
        format!("; {services} services, {events} events")
    });
    devices.into_iter().chain(features).collect()
}

/// When a link is tried again.
fn next_try(at: Option<Instant>, now: Instant) -> String {
    let left = at.map(|at| at.saturating_duration_since(now).as_secs_f64().ceil());
    left.map_or_else(
        || "it is being tried now".to_owned(),
        |left| format!("next try in {left:.0} s"),
    )
}

/// The wall clock that long ago.
fn ago(time: Duration) -> String {
    let ms = u64::try_from(time.as_millis()).unwrap_or(0);
    Timestamp::from_unix_ms(clock::unix_ms().saturating_sub(ms)).to_string()
}

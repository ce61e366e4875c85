//! Session timers (RFC 4028): who refreshes, when, and when a session counts as dead.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::{Core, Purpose, Timer};
use super::modify::Modify;
use super::session::{Peer, Phase, Session};
use super::{EndCause, EndedBy, UserAgentConfig};
use crate::dialog::Party;
use crate::header::{CSeq, MinSe, Refresher, Require, SessionExpires, Supported};
use crate::headers::Headers;
use crate::message::Request;
use crate::method::Method;

/// The shortest interval there is (RFC 4028 §4).
const SHORTEST_S: u32 = 90;

/// How often an interval is made longer as the peers on the way ask.
const LONGER_MAX: u8 = 3;

/// When a refresh is tried again that came while something else was going on.
const BUSY: Duration = Duration::from_secs(2);

/// The session timer of one session.
#[derive(Debug, Default)]
pub(super) struct SessionTimer {
    /// What is agreed: the interval and who refreshes.
    agreed: Option<(Duration, Party)>,
    /// The interval that we ask for next, and the shortest that we were told.
    wish_s: Option<u32>,
    min_s: Option<u32>,
    longer: u8,
    /// Our session description that is in force, for a refresh by re-INVITE.
    pub(super) description: Option<Bytes>,
    /// UPDATE was refused: the peer says that it takes it, and does not.
    pub(super) no_update: bool,
}

impl SessionTimer {
    /// Puts what we want into an INVITE.
    pub(super) fn ask(&mut self, config: &UserAgentConfig, headers: &mut Headers) {
        let Some(interval) = config.session_expires else {
            return;
        };
        let wish = self
            .wish_s
            .unwrap_or_else(|| seconds(interval))
            .max(SHORTEST_S);
        headers.set(SessionExpires {
            delta: wish,
            refresher: None,
        });
        let min = self.min_s.unwrap_or_else(|| seconds(config.min_se));
        if min > SHORTEST_S {
            headers.set(MinSe(min));
        }
    }

    /// Takes note of what the peer's INVITE asks for.
    pub(super) fn asked(&mut self, headers: &Headers) {
        if let Ok(Some(MinSe(min))) = headers.get::<MinSe>() {
            self.min_s = Some(min);
        }
    }

    /// The 2xx to our INVITE or UPDATE says what holds (RFC 4028 §7.2).
    pub(super) fn agree_as_caller(&mut self, headers: &Headers) {
        self.agreed = match headers.get::<SessionExpires>() {
            Ok(Some(expires)) => {
                let refresher = match expires.refresher {
                    Some(Refresher::Uas) => Party::Remote,
                    Some(Refresher::Uac) | None => Party::Local,
                };
                Some((Duration::from_secs(expires.delta.max(1).into()), refresher))
            }
            Ok(None) | Err(_) => None,
        };
    }

    /// Decides what holds, and says so in the 2xx to the peer's INVITE or UPDATE (RFC 4028 §9).
    pub(super) fn agree_as_callee(
        &mut self,
        config: &UserAgentConfig,
        peer: &Peer,
        request: &Headers,
        response: &mut Headers,
    ) {
        let asked = request.get::<SessionExpires>().ok().flatten();
        let own = config
            .session_expires
            .map(|interval| seconds(interval).max(SHORTEST_S));
        let min = request
            .get::<MinSe>()
            .ok()
            .flatten()
            .map_or(SHORTEST_S, |min| min.0);
        // A session without a timer stays so unless one side wants one; ours is added only where the
        // peer understands it, since nobody else would be told.
        let interval = match (&asked, own) {
            (Some(asked), Some(own)) => {
                Some(asked.delta.min(own.max(min)).max(min.min(asked.delta)))
            }
            (Some(asked), None) => Some(asked.delta),
            (None, Some(own)) if peer.timer => Some(own.max(min)),
            (None, _) => None,
        };
        let Some(interval) = interval else {
            self.agreed = None;
            return;
        };
        //= RFC 4028 §9
        // Table 2: who asks and can refresh decides; a peer that knows no timers never refreshes.
        let refresher = match asked.and_then(|asked| asked.refresher) {
            Some(Refresher::Uac) if peer.timer => Refresher::Uac,
            Some(Refresher::Uas) => Refresher::Uas,
            _ if peer.timer => Refresher::Uac,
            _ => Refresher::Uas,
        };
        let by = match refresher {
            Refresher::Uac => {
                //= RFC 4028 §9
                // If the refresher parameter is set to uac, the UAS MUST place a Require header field into
                // the response with the value timer.
                response.push(Require::new("timer"));
                Party::Remote
            }
            Refresher::Uas => Party::Local,
        };
        response.set(SessionExpires {
            delta: interval,
            refresher: Some(refresher),
        });
        self.agreed = Some((Duration::from_secs(interval.into()), by));
    }

    /// A request was refused with 422: the same with the interval that is wanted (RFC 4028 §7.3), a few
    /// times at most.
    pub(super) fn longer(
        &mut self,
        sent: &Request,
        response: &Headers,
        seq: u32,
    ) -> Option<Request> {
        let min = response.get::<MinSe>().ok().flatten()?.0;
        if self.longer >= LONGER_MAX {
            return None;
        }
        self.longer += 1;
        let min = min.max(self.min_s.unwrap_or(SHORTEST_S));
        self.min_s = Some(min);
        self.wish_s = Some(min.max(self.wish_s.unwrap_or(0)));
        let mut request = sent.clone();
        let refresher = sent
            .headers
            .get::<SessionExpires>()
            .ok()
            .flatten()
            .and_then(|expires| expires.refresher);
        request.headers.set(SessionExpires {
            delta: min,
            refresher,
        });
        request.headers.set(MinSe(min));
        request.headers.set(CSeq {
            seq,
            method: sent.method.clone(),
        });
        Some(request)
    }

    /// What a refresh asks for: what is agreed, with the roles as they are.
    pub(super) fn again(&self, headers: &mut Headers) {
        let Some((interval, by)) = self.agreed else {
            return;
        };
        let refresher = match by {
            Party::Local => Refresher::Uac,
            Party::Remote => Refresher::Uas,
        };
        let delta = seconds(interval).max(self.wish_s.unwrap_or(0));
        headers.set(SessionExpires {
            delta,
            refresher: Some(refresher),
        });
        if let Some(min) = self.min_s.filter(|min| *min > SHORTEST_S) {
            headers.set(MinSe(min));
        }
    }
}

/// The interval of a request that is shorter than we take, and must be refused with 422.
pub(super) fn too_short(config: &UserAgentConfig, headers: &Headers) -> Option<MinSe> {
    let min = seconds(config.min_se).max(SHORTEST_S);
    let asked = headers.get::<SessionExpires>().ok().flatten()?;
    let supported = headers.all::<Supported>().unwrap_or_default();
    //= RFC 4028 §9
    // 422 goes only to whom understands it.
    let understands = supported
        .iter()
        .any(|option| option.0.eq_ignore_ascii_case("timer"));
    (asked.delta < min && understands).then_some(MinSe(min))
}

impl Session {
    /// Sets the timers anew after a 2xx that agreed or refreshed.
    pub(super) fn arm_session_timer(&mut self, core: &mut Core, now: Instant) {
        core.stop_timer(self.owner(), Timer::Refresh);
        core.stop_timer(self.owner(), Timer::SessionExpires);
        let Some((interval, by)) = self.timer.agreed else {
            return;
        };
        if by == Party::Local {
            //= RFC 4028 §7.2
            // It is RECOMMENDED that this refresh be sent once half the session interval has elapsed.
            core.set_timer(self.owner(), Timer::Refresh, now + interval / 2);
        }
        //= RFC 4028 §10
        // The BYE goes out before the session expires, by 32 s or a third of the interval.
        let before = Duration::from_secs(32).min(interval / 3);
        core.set_timer(self.owner(), Timer::SessionExpires, now + interval - before);
    }

    /// Half of the interval is over, and the refresh is ours.
    pub(super) fn on_refresh(&mut self, core: &mut Core, now: Instant) {
        if self.phase != Phase::Established || self.timer.agreed.is_none() {
            return;
        }
        // What modifies the session refreshes it, too, unless it is refused.
        if self.modify.is_some() || self.inviting.is_some() {
            return core.set_timer(self.owner(), Timer::Refresh, now + BUSY);
        }
        let Ok(fork) = self.fork() else { return };
        if fork.peer.updates && !self.timer.no_update {
            self.refresh_by_update(core, now);
        } else if let Some(description) = self.timer.description.clone() {
            self.modify = Some(Modify::refresh(description));
            self.try_modify(core, now);
        }
    }

    fn refresh_by_update(&mut self, core: &mut Core, now: Instant) {
        let contact = self.contact.clone();
        let Ok(fork) = self.fork() else { return };
        let mut request = fork.dialog.request(Method::Update);
        let id = fork.id;
        super::core::set_contact(&mut request.headers, &contact);
        core.capabilities(&mut request.headers);
        self.timer.again(&mut request.headers);
        // If it cannot be sent the session expires.
        let _unsent = self.send(core, request, id, Purpose::Update { offers: false }, now);
    }

    /// Nobody has refreshed the session.
    pub(super) fn on_session_expired(&mut self, core: &mut Core, now: Instant) {
        if self.phase == Phase::Established {
            self.bye(core, EndCause::new(EndedBy::Timeout), now);
        }
    }

    /// A request of the peer that changes or refreshes the session was accepted.
    pub(super) fn refreshed_by_peer(
        &mut self,
        core: &mut Core,
        request: &Request,
        response: &mut Headers,
        now: Instant,
    ) {
        let Ok(peer) = self.fork().map(|fork| fork.peer.clone()) else {
            return;
        };
        self.timer
            .agree_as_callee(&core.config, &peer, &request.headers, response);
        self.arm_session_timer(core, now);
    }
}

fn seconds(interval: Duration) -> u32 {
    u32::try_from(interval.as_secs()).unwrap_or(u32::MAX)
}

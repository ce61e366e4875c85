//! The switchboard: its inputs and outputs, and the tables that they act on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use cloud_uplink::id::{CallId, CloudLegId};
use cloud_uplink::leg::{Correlated, LegEndCause, LegSignal};
use media::sdp::SrtpPolicy;
use sip::StatusCode;
use sip::ua::{ReferKey, SessionKey, SubscriptionKey, UserAgent, UserAgentEvent};

use super::call::{BridgedCall, CallKey};
use super::cause::Ending;
use super::config::{BridgeConfig, BridgeStats, LegIds};
use super::local::{LocalAgreed, LocalMedia};
use super::notice::Notice;
use super::party::{Line, Side};
use super::peers::{Peer, PeerStanding, Peers};
use super::policy::DialPolicy;
use super::relay::{MediaRelay, Relays};
use super::softclient::{Softclient, Softclients};
use super::timers::{EMERGENCY_ALONE, Timer, Timers};
use super::transfer::Refer;
use super::watch::Watcher;

/// Notices that wait for the shell. Beyond it the oldest is dropped and counted.
const NOTICES_MAX: usize = 4096;
/// Calls at the same time; more are refused, emergency calls excepted, which the user agent's limit of
/// sessions bounds.
pub(super) const CALLS_MAX: usize = 5000;

/// The back-to-back user agent.
///
/// Inputs: [`Switchboard::handle_event`], [`Switchboard::handle_leg`], [`Switchboard::handle_leg_lost`],
/// [`Switchboard::correlated`], [`Switchboard::handle_timeout`]; commands:
/// [`Switchboard::set_softclient`], [`Switchboard::remove_softclient`],
/// [`Switchboard::subscribe_messages`], [`Switchboard::drain`], [`Switchboard::end_all`]; outputs: [`Switchboard::poll_leg`], [`Switchboard::poll_notice`],
/// [`Switchboard::poll_timeout`]. After each input the user agent has more to send and to tell.
#[derive(Debug)]
pub struct Switchboard {
    pub(super) config: BridgeConfig,
    pub(super) peers: Peers,
    pub(super) policy: DialPolicy,
    pub(super) softclients: Softclients,
    pub(super) leg_ids: LegIds,
    pub(super) calls: BTreeMap<CallKey, BridgedCall>,
    pub(super) legs: BTreeMap<Line, (CallKey, Side)>,
    /// Sessions that are to take a side of a call.
    pub(super) joiners: BTreeMap<SessionKey, CallKey>,
    pub(super) refers: BTreeMap<ReferKey, Refer>,
    pub(super) watchers: BTreeMap<SubscriptionKey, Watcher>,
    /// Our subscriptions to softphone users' messages.
    pub(super) mailboxes: BTreeMap<SubscriptionKey, Box<str>>,
    pub(super) timers: Timers,
    pub(super) stats: BridgeStats,
    /// Calls whose ports of an application of ours are to be closed.
    pub(super) closing: Vec<CallKey>,
    /// What was agreed with phones of those, to be told to their ports.
    pub(super) agreements: Vec<(CallKey, LocalAgreed)>,
    /// Who carries media; `None` tells each side the other's addresses.
    pub(super) relays: Option<Relays>,
    /// Channels that the calls take. Kept, as each call that comes asks for it, above all when there are
    /// many.
    pub(super) channels: usize,
    signals: VecDeque<(CloudLegId, LegSignal)>,
    notices: VecDeque<Notice>,
    next: u64,
}

impl Switchboard {
    /// A switchboard without calls.
    #[must_use]
    pub fn new(mut config: BridgeConfig, leg_ids: LegIds, now: Instant) -> Self {
        let peers = Peers::new(
            std::mem::take(&mut config.trunk),
            std::mem::take(&mut config.call_through),
            config.options_interval,
            config.domain.clone(),
            now,
        );
        Self {
            peers,
            policy: DialPolicy::new(config.policy.clone()),
            softclients: Softclients::default(),
            leg_ids,
            calls: BTreeMap::new(),
            legs: BTreeMap::new(),
            joiners: BTreeMap::new(),
            refers: BTreeMap::new(),
            watchers: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            timers: Timers::default(),
            stats: BridgeStats::default(),
            closing: Vec::new(),
            agreements: Vec::new(),
            relays: None,
            channels: 0,
            signals: VecDeque::new(),
            notices: VecDeque::new(),
            next: 1,
            config,
        }
    }

    /// Command: media of new calls go through that relay, encrypted as the policy says.
    pub fn set_relay(&mut self, relay: Box<dyn MediaRelay>, policy: SrtpPolicy) {
        self.relays = Some(Relays::new(relay, policy));
    }

    /// Input: the user agent told something. What is not the switchboard's comes back.
    pub fn handle_event(
        &mut self,
        event: UserAgentEvent,
        ua: &mut UserAgent,
        media: &mut dyn LocalMedia,
        now: Instant,
    ) -> Option<UserAgentEvent> {
        if let Some((peer, state)) = self.peers.seen(&event, now) {
            let name = peer.name.clone();
            self.notice(Notice::Peer { name, state });
        }
        let left = match event {
            UserAgentEvent::Incoming {
                session,
                request,
                flow,
                replaces,
            } => {
                self.incoming(session, &request, flow, replaces, ua, media, now);
                None
            }
            UserAgentEvent::Response { key, response } => {
                match self.peers.answered(key, &response, now) {
                    None => Some(UserAgentEvent::Response { key, response }),
                    Some(changed) => {
                        if let Some((peer, state)) = changed {
                            let name = peer.name.clone();
                            self.notice(Notice::Peer { name, state });
                        }
                        None
                    }
                }
            }
            UserAgentEvent::Request {
                key, request, flow, ..
            } => {
                self.request(key, &request, flow, ua, now);
                None
            }
            UserAgentEvent::Subscribed {
                subscription,
                request,
                flow,
            } => {
                self.subscribed(subscription, &request, flow, ua, now);
                None
            }
            UserAgentEvent::SubscriptionRefreshed { subscription } => {
                self.tell_watcher(subscription, ua, now);
                None
            }
            UserAgentEvent::SubscriptionEnded { subscription, .. } => {
                self.watchers.remove(&subscription);
                self.mailboxes.remove(&subscription);
                None
            }
            UserAgentEvent::Notified {
                subscription, body, ..
            } if self.notified(subscription, &body) => None,
            other => self.session_event(other, ua, now),
        };
        for (key, agreed) in self.agreements.drain(..) {
            media.agreed(key, &agreed);
        }
        for key in self.closing.drain(..) {
            media.close(key);
        }
        left
    }

    /// Input: a cloud leg is gone: the channel was down for too long, or the far end started anew. An
    /// emergency call that is answered goes on without it.
    pub fn handle_leg_lost(&mut self, leg: CloudLegId, ua: &mut UserAgent, now: Instant) {
        let Some((key, side)) = self.legs.get(&Line::Cloud(leg)).copied() else {
            return;
        };
        let alone = |call: &BridgedCall| call.emergency && call.is_answered();
        if self.calls.get(&key).is_some_and(alone) {
            self.legs.remove(&Line::Cloud(leg));
            if let Some(call) = self.calls.get_mut(&key) {
                *call.party_mut(side) = super::party::Party::Nobody;
            }
            self.forget_refers(Line::Cloud(leg), now);
            return self.set_timer(key, Timer::Alone, Some(now + EMERGENCY_ALONE));
        }
        self.ended(key, side, Ending::new(LegEndCause::Lost), ua, now);
    }

    /// Input: the call is that conversation in events and REST: its cloud legs are told, and its record
    /// will say so.
    pub fn correlated(&mut self, key: CallKey, call_id: CallId) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.call_id.replace(call_id) == Some(call_id) {
            return;
        }
        let lines = [call.line(Side::A), call.line(Side::B)];
        for line in lines.into_iter().flatten() {
            if let Line::Cloud(leg) = line {
                self.signal(leg, LegSignal::Correlated(Correlated { call_id }));
            }
        }
    }

    /// Input: the time of [`Switchboard::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        self.peers.handle_timeout(ua, now);
        while let Some((key, timer)) = self.timers.expired(now) {
            if let Some(call) = self.calls.get_mut(&key) {
                call.timers[timer as usize] = None;
            }
            let timeout = StatusCode::REQUEST_TIMEOUT;
            match timer {
                Timer::NoAnswer => {
                    let ending = Ending::new(LegEndCause::NoAnswer);
                    self.end_call(key, &ending, ua, now);
                }
                Timer::Offer => self.offer_timed_out(key, ua, now),
                Timer::Joining => self.join_failed(key, timeout, false, ua, now),
                Timer::Alone => self.end_call(key, &Ending::new(LegEndCause::Lost), ua, now),
            }
        }
    }

    /// Command: these are the PBX's addresses from now on, and those of the second PBX. Calls that are up
    /// go on.
    pub fn set_peers(&mut self, trunk: Vec<Peer>, call_through: Vec<Peer>, now: Instant) {
        self.peers.set(trunk, call_through, now);
    }

    /// Command: a softphone user's registration, and whether the registrar has granted it. Replaces what
    /// was known of the extension.
    pub fn set_softclient(&mut self, softclient: Softclient, registered: bool) {
        self.softclients.set(softclient, registered);
    }

    /// Command: nobody has that softphone any more. Calls that are up go on.
    pub fn remove_softclient(&mut self, extension: &str) {
        self.softclients.remove(extension);
    }

    /// Command: no new calls from now on, emergency calls excepted.
    pub const fn drain(&mut self) {
        self.policy.drain();
    }

    /// Command: ends every call, emergency calls excepted.
    pub fn end_all(&mut self, ua: &mut UserAgent, now: Instant) {
        let calls = self.calls.iter().filter(|(_, call)| !call.emergency);
        let keys: Vec<CallKey> = calls.map(|(key, _)| *key).collect();
        for key in keys {
            let answered = self.calls.get(&key).is_some_and(BridgedCall::is_answered);
            let cause = if answered {
                LegEndCause::Hangup
            } else {
                LegEndCause::Congestion
            };
            self.end_call(key, &Ending::new(cause), ua, now);
        }
    }

    /// Output: the next signal to the far end. The queue has no limit of its own: one input leaves a few
    /// signals for each leg that it is about, and it is drained after each input.
    pub fn poll_leg(&mut self) -> Option<(CloudLegId, LegSignal)> {
        self.signals.pop_front()
    }

    /// Output: something to log, count or tell.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Output: when [`Switchboard::handle_timeout`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timeouts = [self.peers.poll_timeout(), self.timers.next()];
        timeouts.into_iter().flatten().min()
    }

    /// Query: how many calls there are.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Query: the PBX's addresses and how they are.
    pub fn peers(&self) -> impl Iterator<Item = (&Peer, PeerStanding)> {
        self.peers.all()
    }

    /// Query: plain numbers.
    #[must_use]
    pub fn stats(&self) -> BridgeStats {
        let is_cloud = |line: &&Line| matches!(line, Line::Cloud(_));
        BridgeStats {
            calls: self.calls.len(),
            channels: self.channels(),
            cloud_legs: self.legs.keys().filter(is_cloud).count(),
            watchers: self.watchers.len(),
            ..self.stats.clone()
        }
    }

    pub(super) fn next_key(&mut self) -> CallKey {
        let key = CallKey(self.next);
        self.next += 1;
        key
    }

    /// A call is up from now on.
    pub(super) fn keep(&mut self, key: CallKey, call: BridgedCall) {
        self.channels += call.channels;
        self.calls.insert(key, call);
    }

    pub(super) fn signal(&mut self, leg: CloudLegId, signal: LegSignal) {
        self.signals.push_back((leg, signal));
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() == NOTICES_MAX {
            self.notices.pop_front();
            self.stats.notices_dropped += 1;
        }
        self.notices.push_back(notice);
    }

    pub(super) fn set_timer(&mut self, key: CallKey, timer: Timer, at: Option<Instant>) {
        if let Some(call) = self.calls.get_mut(&key) {
            self.timers.set(&mut call.timers, (key, timer), at);
        }
    }

    pub(super) fn channels(&self) -> usize {
        debug_assert_eq!(
            self.channels,
            self.calls.values().map(|call| call.channels).sum::<usize>(),
            "each call counts for what it takes"
        );
        self.channels
    }
}

//! Random walks: whatever the PBX and the far end do, in whatever order, nothing is left in the end.

use std::time::Duration;

use cloud_uplink::CloudLegId;
use cloud_uplink::leg::{
    Description, EarlyMedia, LegDigits, LegEnd, LegEndCause, LegSignal, TransferTarget,
};
use sip::header::{NameAddr, Reason, Replaces};
use sip::id::{CountedIds, IdSource as _};
use sip::ua::{ReferRequest, Refusal, SessionKey, UserAgentEvent};
use sip::{StatusCode, Uri};

use super::far_end::{invite, leg};
use super::legs::{far, refused, softclient};
use super::site::{GATEWAY, PBX, SECOND, Site, address, config, flow, sdp};

/// Walks, and steps of each.
const WALKS: u64 = 40;
const STEPS: usize = 100;

struct Walk {
    site: Site,
    chance: CountedIds,
    /// Sessions of the PBX and the second PBX.
    sessions: Vec<(usize, SessionKey)>,
    legs: Vec<CloudLegId>,
    refers: Vec<(usize, SessionKey, sip::ua::ReferKey)>,
    begun: u128,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut site = Site::new(config());
        site.ports.left = 5;
        site.switchboard.set_softclient(softclient(), true);
        Self {
            site,
            chance: CountedIds::new("w", seed),
            sessions: Vec::new(),
            legs: Vec::new(),
            refers: Vec::new(),
            begun: 0,
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.chance.number() % limit as u64).unwrap()
    }

    fn session(&mut self) -> Option<(usize, SessionKey)> {
        let at = self.below(self.sessions.len().max(1));
        self.sessions.get(at).copied()
    }

    fn leg(&mut self) -> Option<CloudLegId> {
        let at = self.below(self.legs.len().max(1));
        self.legs.get(at).copied()
    }

    fn port(&mut self) -> u16 {
        5000 + 2 * u16::try_from(self.below(9)).unwrap()
    }

    /// Takes note of what has come up, and mostly does what it asks for.
    fn look(&mut self) {
        for end in [PBX, SECOND] {
            while let Some(event) = self.site.events[end].pop_front() {
                self.heard(end, event);
            }
        }
        while let Some((leg, signal)) = self.site.signals.pop_front() {
            if let LegSignal::Invite(_) = signal {
                self.legs.push(leg);
            }
            let sdp = far(self.port());
            let mostly = self.below(4) > 0;
            match signal {
                LegSignal::Invite(_) if mostly => {
                    self.speak(leg, LegSignal::Answer(Description { sdp }));
                }
                LegSignal::Offer(_) if mostly => {
                    self.speak(leg, LegSignal::OfferAnswer(Description { sdp }));
                }
                _ => {}
            }
        }
    }

    fn heard(&mut self, end: usize, event: UserAgentEvent) {
        let mostly = self.below(4) > 0;
        let takes = self.below(2) == 0;
        let description = sdp(self.port());
        match event {
            UserAgentEvent::Incoming { session, .. } => {
                self.sessions.push((end, session));
                if mostly {
                    self.site.at(end, |agent, now| {
                        let _ = agent.answer(session, Some(description), now);
                    });
                }
            }
            UserAgentEvent::Offer { session, .. } if mostly => {
                self.site.at(end, |agent, now| {
                    let _ = agent.answer_offer(session, description, now);
                });
            }
            UserAgentEvent::Referred { session, refer, .. } => {
                self.refers.push((end, session, refer));
                if mostly {
                    self.site.at(end, |agent, now| {
                        let no = StatusCode::METHOD_NOT_ALLOWED;
                        let _ = if takes {
                            let _ = agent.accept_refer(session, refer, now);
                            agent.refer_progress(session, refer, StatusCode::OK, now)
                        } else {
                            agent.refuse_refer(session, refer, no, now)
                        };
                    });
                }
            }
            _ => {}
        }
    }

    fn call(&mut self) {
        let numbers = ["43900", "c2100", "5001", "43800", "112", "9"];
        let number = numbers[self.below(numbers.len())];
        let uri = Uri::sip(number, address(GATEWAY));
        let from = Uri::sip("2001", address(PBX));
        let mut order = sip::ua::InviteRequest::new(uri, from, flow(PBX, GATEWAY));
        if self.below(3) > 0 {
            order.offer = Some(sdp(4000));
        }
        if self.below(8) == 0
            && let Some((PBX, old)) = self.session()
            && let Some(id) = self.site.agents[PBX].dialog_id(old).cloned()
        {
            order.headers.set(Replaces {
                call_id: id.call_id.to_string(),
                to_tag: id.remote_tag.to_string(),
                from_tag: id.local_tag.to_string(),
                early_only: false,
            });
        }
        if let Ok(session) = self.site.at(PBX, |agent, now| agent.invite(order, now)) {
            self.sessions.push((PBX, session));
        }
    }

    fn invite(&mut self) {
        self.begun += 1;
        let id = leg(self.begun);
        let numbers = ["2002", "112", "0049301", "x"];
        let mut order = invite(numbers[self.below(numbers.len())]);
        if self.below(3) == 0 {
            order.sdp = None;
        }
        self.legs.push(id);
        self.speak(id, LegSignal::Invite(order));
    }

    /// The far end says something, and nothing else happens for now.
    fn speak(&mut self, leg: CloudLegId, signal: LegSignal) {
        let (agent, now) = (&mut self.site.agents[GATEWAY], self.site.now);
        self.site.switchboard.handle_leg(leg, signal, agent, now);
        self.site.drain(GATEWAY);
    }

    fn far_end(&mut self) {
        let Some(leg) = self.leg() else { return };
        let port = self.port();
        let description = Description { sdp: far(port) };
        let other = self.leg().unwrap_or(leg);
        let causes = [
            LegEndCause::Hangup,
            LegEndCause::Busy,
            LegEndCause::AnsweredElsewhere,
        ];
        let cause = causes[self.below(3)];
        let signal = match self.below(14) {
            0 => LegSignal::Ringing(EarlyMedia::default()),
            1 => LegSignal::Ringing(EarlyMedia {
                sdp: Some(far(port)),
            }),
            2 | 3 => LegSignal::Answer(description),
            4 => LegSignal::Offer(description),
            5 | 6 => LegSignal::OfferAnswer(description),
            7 => LegSignal::OfferRefused(refused(488)),
            8 => LegSignal::OfferWanted,
            9 => LegSignal::Dtmf(LegDigits {
                digits: "12#".to_owned(),
                duration_ms: None,
            }),
            10 | 12 => LegSignal::Transfer(TransferTarget::Number("2003".to_owned())),
            11 => LegSignal::Transfer(TransferTarget::Leg(other)),
            _ => LegSignal::End(LegEnd {
                cause,
                status: None,
                reason: None,
            }),
        };
        self.speak(leg, signal);
    }

    fn pbx(&mut self) {
        let Some((end, session)) = self.session() else {
            return;
        };
        let (what, port) = (self.below(13), self.port());
        let at = self.below(self.refers.len().max(1));
        let refer = self.refers.get(at).copied();
        let statuses = [
            StatusCode::BUSY_HERE,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::METHOD_NOT_ALLOWED,
        ];
        let status = statuses[self.below(3)];
        let media = (self.below(2) == 0).then(|| sdp(port));
        let reliable = self.below(2) == 0;
        // What does not fit the state of a session is refused by its user agent.
        self.site.at(end, |agent, now| {
            let _ = match what {
                0 => agent.progress(session, StatusCode::RINGING, media, reliable, now),
                1..=3 => agent.answer(session, Some(sdp(port)), now),
                4 => agent.reject(session, Refusal::status(status), now),
                5 => agent.offer(session, media, now),
                6 | 7 => agent.answer_offer(session, sdp(port), now),
                8 => agent.refuse_offer(session, StatusCode::NOT_ACCEPTABLE_HERE, now),
                9 => {
                    let order = ReferRequest {
                        target: NameAddr::new(Uri::sip("2004", address(PBX))),
                        replaces: None,
                        without_subscription: reliable,
                    };
                    agent.refer(session, order, now).map(drop)
                }
                10 => match refer {
                    Some((at, session, refer)) if at == end && reliable => {
                        agent.refuse_refer(session, refer, status, now)
                    }
                    Some((at, session, refer)) if at == end => {
                        let _ = agent.accept_refer(session, refer, now);
                        let told = media.as_ref().map_or(StatusCode::OK, |_| status);
                        agent.refer_progress(session, refer, told, now)
                    }
                    _ => Ok(()),
                },
                11 => agent.send_digit(session, sip::ua::Dtmf::new('7'), now),
                _ => {
                    let reason = Reason {
                        protocol: "Q.850".into(),
                        cause: Some(16),
                        text: None,
                    };
                    agent.end(session, media.map(|_| reason), now)
                }
            };
        });
    }

    fn step(&mut self) {
        match self.below(12) {
            0 | 1 => self.call(),
            2 => self.invite(),
            3..=5 => self.far_end(),
            6..=8 => self.pbx(),
            9 => {
                if let Some(leg) = self
                    .leg()
                    .filter(|_| self.chance.number().is_multiple_of(4))
                {
                    let (agent, now) = (&mut self.site.agents[GATEWAY], self.site.now);
                    self.site.switchboard.handle_leg_lost(leg, agent, now);
                    self.site.drain(GATEWAY);
                }
            }
            10 => self.site.settle(),
            _ => {
                let seconds = self.below(20);
                self.site.run(Duration::from_secs(seconds as u64));
            }
        }
        self.look();
    }
}

#[test]
fn whatever_happens_nothing_is_left() {
    let mut answered = 0;
    let mut transferred = 0;
    for seed in 0..WALKS {
        let mut walk = Walk::new(seed);
        for _ in 0..STEPS {
            walk.step();
        }
        for leg in walk.legs.clone() {
            let end = LegEnd {
                cause: LegEndCause::Hangup,
                status: None,
                reason: None,
            };
            walk.speak(leg, LegSignal::End(end));
        }
        for (end, session) in walk.sessions.clone() {
            walk.site.at(end, |agent, now| {
                let _ = agent.end(session, None, now);
            });
        }
        // Sessions that have come up in the meantime are nobody's: they run out by themselves.
        walk.site.run(Duration::from_mins(5));
        walk.look();
        for (end, session) in walk.sessions.clone() {
            walk.site.at(end, |agent, now| {
                let _ = agent.end(session, None, now);
            });
        }
        walk.site.run(Duration::from_mins(40));
        let site = &walk.site;
        assert_eq!(site.switchboard.calls(), 0, "seed {seed}");
        let stats = site.switchboard.stats();
        assert_eq!(stats.cloud_legs, 0, "seed {seed}");
        assert_eq!(stats.channels, 0, "seed {seed}");
        assert!(site.ports.open.is_empty(), "seed {seed}");
        let gateway = site.agents[GATEWAY].stats();
        assert_eq!(gateway.sessions, 0, "seed {seed}: {gateway:?}");
        assert_eq!(gateway.dialogs, 0, "seed {seed}: {gateway:?}");
        answered += stats.answered;
        transferred += stats.transferred;
    }
    // The walks go somewhere.
    assert!(answered > 100, "{answered}");
    assert!(transferred > 10, "{transferred}");
}

//! Reliable provisional responses (RFC 3262), as the one who sends them and as the one who gets them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::core::{Core, Purpose, Timer, set_sdp};
use super::session::{Offered, Phase, Session, sdp, seq};
use super::{CommandError, EndCause, EndedBy, ForkId, UserAgentEvent};
use crate::dialog::{Carrier, Meaning, Party};
use crate::header::{RAck, RSeq, Require};
use crate::headers::Headers;
use crate::message::{Request, Response};
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::ServerKey;

/// How many provisional responses wait for the PRACK of the one before.
const QUEUED_MAX: usize = 8;

/// A response to the peer's INVITE, as the user wants it.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) sdp: Option<Bytes>,
    pub(super) reliable: bool,
    pub(super) headers: Headers,
}

/// Which reliable provisional response a PRACK is to acknowledge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rack {
    rseq: u32,
    cseq: u32,
}

/// Our reliable provisional responses. One at a time is unacknowledged (RFC 3262 §3).
#[derive(Debug, Default)]
pub(super) struct ReliableOut {
    /// Whether the peer requires all to be reliable.
    pub(super) required: bool,
    /// The number of the last one; 0 before the first.
    rseq: u32,
    waiting: Option<Waiting>,
    queue: VecDeque<Reply>,
    /// The answer, which has to wait.
    pub(super) answered: Option<Reply>,
    /// What was sent last, to be repeated.
    pub(super) last: Option<Reply>,
}

#[derive(Debug)]
struct Waiting {
    response: Response,
    interval: Duration,
    /// Whether it carries an offer or an answer.
    described: bool,
}

impl ReliableOut {
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    pub(super) fn is_waiting_described(&self) -> bool {
        self.waiting
            .as_ref()
            .is_some_and(|waiting| waiting.described)
    }

    pub(super) fn queue(&mut self, reply: Reply) -> Result<(), CommandError> {
        if self.queue.len() >= QUEUED_MAX {
            return Err(CommandError::Full("provisional responses"));
        }
        self.queue.push_back(reply);
        Ok(())
    }
}

impl Session {
    /// Makes a provisional response one that has to be acknowledged.
    pub(super) fn make_reliable(
        &mut self,
        core: &mut Core,
        response: &mut Response,
        described: bool,
        now: Instant,
    ) {
        if self.reliable.rseq == 0 {
            //= RFC 3262 §3
            // The value of the header field for the first reliable provisional response in a transaction
            // MUST be between 1 and 2**31 - 1.
            self.reliable.rseq = u32::try_from(core.number() % 1_000_000).unwrap_or_default();
        }
        self.reliable.rseq += 1;
        response.headers.push(Require::new("100rel"));
        response.headers.set(RSeq(self.reliable.rseq));
        let interval = core.config.transactions.t1;
        self.reliable.waiting = Some(Waiting {
            response: response.clone(),
            interval,
            described,
        });
        core.set_timer(self.owner(), Timer::ResendReliable, now + interval);
        core.set_timer(self.owner(), Timer::PrackMissing, now + core.linger_time());
    }

    /// A reliable provisional response goes out again: T1, doubled each time (RFC 3262 §3).
    pub(super) fn on_resend_reliable(&mut self, core: &mut Core, now: Instant) {
        if let (Some(waiting), Some(received)) = (&mut self.reliable.waiting, &self.received) {
            core.respond(received.key, waiting.response.clone(), now);
            waiting.interval *= 2;
            let at = now + waiting.interval;
            core.set_timer(self.owner(), Timer::ResendReliable, at);
        }
    }

    /// No PRACK within 64*T1.
    pub(super) fn on_prack_missing(&mut self, core: &mut Core, now: Instant) {
        core.stop_timer(self.owner(), Timer::ResendReliable);
        if self.reliable.waiting.take().is_none() {
            return;
        }
        //= RFC 3262 §3
        // If a reliable provisional response is retransmitted for 64*T1 seconds without reception of a
        // corresponding PRACK, the UAS SHOULD reject the original request with a 5xx response.
        if let Some(received) = self.received.take() {
            let response = self.response(core, &received.request, StatusCode::SERVER_TIMEOUT);
            core.respond(received.key, response, now);
            if received.first {
                self.end(core, EndCause::new(EndedBy::Timeout), now);
            }
        }
    }

    /// The peer acknowledges a reliable provisional response.
    pub(super) fn on_prack(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: Request,
        now: Instant,
    ) {
        let matches = self.is_acknowledged_by(&request);
        if !matches {
            //= RFC 3262 §3
            // If a PRACK request is received by the UA core that does not match any unacknowledged reliable
            // provisional response, the UAS MUST respond to the PRACK with a 481 response.
            return core.reply(
                key,
                &request,
                StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                now,
            );
        }
        let body = sdp(&request.headers, &request.body);
        let Some(fork) = self.forks.last_mut() else {
            return;
        };
        let Ok(meaning) = fork.oa.carry(Party::Remote, Carrier::Prack, body.is_some()) else {
            return core.reply(key, &request, StatusCode::BAD_REQUEST, now);
        };
        self.reliable.waiting = None;
        core.stop_timer(self.owner(), Timer::ResendReliable);
        core.stop_timer(self.owner(), Timer::PrackMissing);
        if meaning == Meaning::Offer {
            self.offered = Some(Offered { key, request });
            core.emit(UserAgentEvent::Offer {
                session: self.key,
                sdp: body,
            });
        } else {
            let response = self.response(core, &request, StatusCode::OK);
            core.respond(key, response, now);
            self.tell_answer(core, meaning, body);
        }
        self.after_prack(core, now);
    }

    /// What had to wait for the PRACK goes out.
    pub(super) fn after_prack(&mut self, core: &mut Core, now: Instant) {
        while !self.reliable.is_waiting() && self.offered.is_none() && self.phase == Phase::Ringing
        {
            if let Some(reply) = self.reliable.queue.pop_front() {
                // What no longer fits (a second answer) is told by the response that follows.
                let _skipped = self.send_progress(core, reply, now);
            } else if let Some(reply) = self.reliable.answered.take() {
                let _skipped = self.send_answer(core, reply, now);
                return;
            } else {
                return self.try_modify(core, now);
            }
        }
    }

    fn is_acknowledged_by(&self, request: &Request) -> bool {
        let (Ok(Some(rack)), Some(waiting)) =
            (request.headers.get::<RAck>(), &self.reliable.waiting)
        else {
            return false;
        };
        rack.rseq == self.reliable.rseq
            && rack.cseq == seq(&waiting.response.headers)
            && rack.method == Method::Invite
    }

    /// What a provisional response of the peer wants acknowledged: `None` where it is not reliable.
    ///
    /// # Errors
    ///
    /// It is a repetition, or came before its turn, and is passed over (RFC 3262 §4).
    pub(super) fn reliable_number(
        &mut self,
        core: &mut Core,
        fork: ForkId,
        response: &Response,
    ) -> Result<Option<Rack>, ()> {
        let required = response.headers.all::<Require>().unwrap_or_default();
        let required = required
            .iter()
            .any(|option| option.0.eq_ignore_ascii_case("100rel"));
        let rseq = response.headers.get::<RSeq>().ok().flatten();
        let (true, Some(RSeq(rseq))) = (required, rseq) else {
            if required {
                // reSIProcate takes them so, too.
                core.stats.reliable_without_rseq += 1;
            }
            return Ok(None);
        };
        let Some(branch) = self.fork_of(fork) else {
            return Err(());
        };
        //= RFC 3262 §4
        // If the UAC receives another reliable provisional response to the same request, and its RSeq value
        // is not one higher than the value of the sequence number, that response MUST NOT be acknowledged.
        if branch.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return Err(());
        }
        branch.rseq = Some(rseq);
        Ok(Some(Rack {
            rseq,
            cseq: seq(&response.headers),
        }))
    }

    /// Acknowledges, or leaves it to the user: where it has to answer an offer, and where it wants to.
    pub(super) fn acknowledge(
        &mut self,
        core: &mut Core,
        fork: ForkId,
        rack: Rack,
        meaning: Meaning,
        now: Instant,
    ) {
        if meaning == Meaning::Offer || self.manual_prack {
            if let Some(branch) = self.fork_of(fork) {
                branch.unpracked = Some(rack);
            }
        } else {
            self.send_prack(core, fork, rack, None, now);
        }
    }

    /// The user acknowledges the last reliable provisional response, perhaps with an answer or an offer.
    pub(super) fn prack(
        &mut self,
        core: &mut Core,
        sdp: Option<Bytes>,
        now: Instant,
    ) -> Result<(), CommandError> {
        let waiting = self
            .forks
            .iter_mut()
            .rev()
            .find(|fork| fork.unpracked.is_some());
        let none = CommandError::State("no response waits for a PRACK");
        let Some(fork) = waiting else {
            return Err(none);
        };
        let rack = fork.unpracked.ok_or(none)?;
        fork.oa.carry(Party::Local, Carrier::Prack, sdp.is_some())?;
        fork.unpracked = None;
        let id = fork.id;
        self.send_prack(core, id, rack, sdp, now);
        Ok(())
    }

    fn send_prack(
        &mut self,
        core: &mut Core,
        fork: ForkId,
        rack: Rack,
        sdp: Option<Bytes>,
        now: Instant,
    ) {
        let Some(branch) = self.fork_of(fork) else {
            return;
        };
        let mut request = branch.dialog.request(Method::Prack);
        request.headers.set(RAck {
            rseq: rack.rseq,
            cseq: rack.cseq,
            method: Method::Invite,
        });
        if let Some(sdp) = sdp {
            set_sdp(&mut request.headers, &mut request.body, sdp);
        }
        // If it cannot be sent, the response comes again and is passed over; the peer gives up then.
        let _unsent = self.send(core, request, fork, Purpose::Prack, now);
    }

    /// The final response to our PRACK; `None` if there was none.
    pub(super) fn on_prack_response(
        &mut self,
        core: &mut Core,
        fork: ForkId,
        response: Option<&Response>,
    ) {
        let key = self.key;
        let Some(fork) = self.fork_of(fork) else {
            return;
        };
        let offered =
            fork.oa.pending_in() == Some(Carrier::Prack) && fork.oa.pending() == Some(Party::Local);
        match response {
            Some(response) if response.status.is_success() => {
                let body = sdp(&response.headers, &response.body);
                match fork
                    .oa
                    .carry(Party::Remote, Carrier::PrackSuccess, body.is_some())
                {
                    Ok(meaning) => self.tell_answer(core, meaning, body),
                    Err(_) => fork.oa.request_failed(Carrier::Prack),
                }
            }
            response if offered => {
                fork.oa.request_failed(Carrier::Prack);
                let status = response.map(|response| response.status);
                core.emit(UserAgentEvent::OfferRefused {
                    session: key,
                    status,
                });
            }
            _ => {}
        }
    }
}

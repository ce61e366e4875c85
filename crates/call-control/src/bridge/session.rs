//! What a session with the PBX tells.

use std::time::Instant;

use bytes::Bytes;
use cloud_uplink::leg::{DIGITS_MAX, LegDigits, LegSignal};
use sip::header::{ContentType, MediaType};
use sip::ua::{Dtmf, SessionKey, UserAgent, UserAgentEvent};

use super::call::{CallKey, DIGITS_QUEUED_MAX};
use super::cause::Ending;
use super::party::{Line, Side};
use super::switchboard::Switchboard;

impl Switchboard {
    /// Takes the news of a session. What is not the switchboard's comes back.
    pub(super) fn session_event(
        &mut self,
        event: UserAgentEvent,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Option<UserAgentEvent> {
        let Some(session) = session_of(&event) else {
            return Some(event);
        };
        // It may be told when the session is over.
        if let UserAgentEvent::ReferProgress {
            refer, progress, ..
        } = event
        {
            self.refer_went(refer, progress, ua, now);
            return None;
        }
        let event = match self.joiners.get(&session).copied() {
            Some(key) => self.joiner_event(key, session, event, ua, now)?,
            None => event,
        };
        let Some((key, side)) = self.legs.get(&Line::Sip(session)).copied() else {
            // It has left its call: replaced, handed over, refused.
            return match event {
                UserAgentEvent::Ended { .. }
                | UserAgentEvent::Confirmed { .. }
                | UserAgentEvent::OfferAnswered { .. }
                | UserAgentEvent::OfferRefused { .. }
                | UserAgentEvent::InfoAnswered { .. }
                | UserAgentEvent::Info { .. }
                | UserAgentEvent::Replaced { .. } => None,
                event => Some(event),
            };
        };
        match event {
            UserAgentEvent::Progress {
                response,
                fork,
                sdp,
                reliable,
                ..
            } => self.progress(key, (response.status, fork), sdp, reliable, ua, now),
            UserAgentEvent::Answered { sdp, fork, .. } => {
                self.answered(key, Some(fork), sdp, ua, now);
            }
            UserAgentEvent::Offer { sdp, .. } => self.offer(key, side, sdp, ua, now),
            UserAgentEvent::OfferAnswered { sdp, .. } => {
                self.offer_answered(key, side, sdp, ua, now);
            }
            UserAgentEvent::OfferRefused { status, .. } => {
                self.offer_refused(key, side, status, ua, now);
            }
            UserAgentEvent::Referred { refer, target, .. } => {
                self.referred(key, (side, session, refer), &target, ua, now);
            }
            UserAgentEvent::Info {
                content_type,
                body,
                dtmf,
                ..
            } => self.info(key, side, (&content_type, body), dtmf, ua, now),
            UserAgentEvent::InfoAnswered { .. } => self.next_digit(key, side, ua, now),
            UserAgentEvent::Ended { cause, .. } => {
                let answered = self.calls.get(&key).is_some_and(|call| call.is_answered());
                let ending = Ending::of_session(cause, answered);
                self.ended(key, side, ending, ua, now);
            }
            UserAgentEvent::Confirmed { .. } | UserAgentEvent::Replaced { .. } => {}
            other => return Some(other),
        }
        None
    }

    /// A digit goes to the far end as such, and to another session as events where its phone takes them;
    /// any other INFO goes as it is.
    fn info(
        &mut self,
        key: CallKey,
        side: Side,
        (content_type, body): (&str, Bytes),
        dtmf: Option<Dtmf>,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let there = self
            .calls
            .get(&key)
            .and_then(|call| call.line(side.other()));
        match (there, dtmf, content_type.split_once('/')) {
            (Some(Line::Sip(_)), Some(dtmf), _) if self.relay_digit(key, side.other(), dtmf) => {}
            (Some(Line::Sip(there)), _, Some((kind, subtype))) => {
                let content = ContentType(MediaType::new(kind, subtype));
                let _ = ua.info(there, content, body, now);
            }
            (Some(Line::Cloud(leg)), Some(dtmf), _) if dtmf.digit != '!' => {
                let digits = LegDigits {
                    digits: dtmf.digit.to_string(),
                    duration_ms: dtmf.duration_ms,
                };
                self.signal(leg, LegSignal::Dtmf(digits));
            }
            _ => {}
        }
    }

    /// Digits of the far end: as events where the phone takes them, and else one INFO after the other, as
    /// they might overtake each other.
    pub(super) fn dial_digits(
        &mut self,
        key: CallKey,
        side: Side,
        digits: &LegDigits,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let idle = call.digits.is_empty();
        for digit in digits.digits.chars().take(DIGITS_MAX) {
            let known = digit.is_ascii_digit() || matches!(digit, '*' | '#' | 'A'..='D');
            let dtmf = Dtmf {
                digit,
                duration_ms: digits.duration_ms,
            };
            // While one waits for its INFO to be answered, those behind it do, too.
            if known && idle && self.relay_digit(key, side.other(), dtmf) {
                continue;
            }
            match self.calls.get_mut(&key) {
                Some(call) if known && call.digits.len() < DIGITS_QUEUED_MAX => {
                    call.digits.push_back((side.other(), dtmf));
                }
                _ => self.stats.stray_signals += 1,
            }
        }
        if idle {
            self.send_digit(key, ua, now);
        }
    }

    /// The first digit of the queue was taken, or never will be.
    fn next_digit(&mut self, key: CallKey, side: Side, ua: &mut UserAgent, now: Instant) {
        if let Some(call) = self.calls.get_mut(&key)
            && call.digits.front().is_some_and(|(of, _)| *of == side)
        {
            call.digits.pop_front();
            self.send_digit(key, ua, now);
        }
    }

    fn send_digit(&mut self, key: CallKey, ua: &mut UserAgent, now: Instant) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        while let Some((side, dtmf)) = call.digits.front().copied() {
            if let Some(Line::Sip(session)) = call.line(side)
                && ua.send_digit(session, dtmf, now).is_ok()
            {
                return;
            }
            call.digits.pop_front();
        }
    }
}

/// The session that an event is about.
fn session_of(event: &UserAgentEvent) -> Option<SessionKey> {
    match event {
        UserAgentEvent::Incoming { session, .. }
        | UserAgentEvent::Progress { session, .. }
        | UserAgentEvent::Answered { session, .. }
        | UserAgentEvent::Confirmed { session }
        | UserAgentEvent::Offer { session, .. }
        | UserAgentEvent::OfferAnswered { session, .. }
        | UserAgentEvent::OfferRefused { session, .. }
        | UserAgentEvent::Referred { session, .. }
        | UserAgentEvent::ReferProgress { session, .. }
        | UserAgentEvent::Replaced { session, .. }
        | UserAgentEvent::Info { session, .. }
        | UserAgentEvent::InfoAnswered { session, .. }
        | UserAgentEvent::Ended { session, .. } => Some(*session),
        UserAgentEvent::Request { .. }
        | UserAgentEvent::Response { .. }
        | UserAgentEvent::Notified { .. }
        | UserAgentEvent::SubscriptionEnded { .. }
        | UserAgentEvent::Subscribed { .. }
        | UserAgentEvent::SubscriptionRefreshed { .. } => None,
    }
}

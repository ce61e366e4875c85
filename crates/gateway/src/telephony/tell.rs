//! What the part tells: others of its calls, and health and metrics of itself.

use std::sync::Arc;
use std::time::Instant;

use call_control::bridge::{CallKey, CallSummary, Notice};
use cloud_uplink::EventData;

use super::{SipStatus, Telephony, capture, voice};
use crate::engine::EngineCommand;

impl Telephony {
    pub(super) fn note(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Begun(call, begun) => {
                tracing::info!(call = call.0, to = %begun.destination, "call");
                self.correlator.begun(call, &begun, now);
            }
            Notice::MessageWaiting {
                extension,
                messages,
            } => {
                tracing::debug!(waiting = messages.waiting, "message waiting");
                self.messages.insert(extension, messages.waiting);
                self.tell_messages();
            }
            Notice::Ended(call, summary) => {
                self.correlator.ended(call);
                self.tell_voice(call, &summary);
                tracing::info!(
                    call = call.0,
                    to = %summary.begun.destination,
                    call_id = summary.call_id.map(tracing::field::display),
                    rang_ms = summary.rang.as_millis(),
                    talked_ms = summary.talked.map(|time| time.as_millis()),
                    cause = ?summary.cause,
                    status = summary.status,
                    "call ended"
                );
            }
            Notice::Refused {
                from,
                to,
                source,
                reason,
            } => {
                let peer = source.map(tracing::field::display);
                tracing::warn!(reason = %reason, peer, "call refused");
                self.audit.refused(&from, &to, source, reason.as_str());
            }
            Notice::Peer { name, state } => {
                tracing::info!(peer = %name, state = state.as_str(), "PBX address");
                self.publish();
            }
        }
    }

    /// Tells health and metrics how things are.
    pub(super) fn publish(&mut self) {
        let peers = self.switchboard.peers();
        let peers = peers.map(|(peer, standing)| (peer.name.clone(), standing));
        let peers = peers.collect();
        let softclients = self.softclients.as_mut().map(|softclients| {
            let status = softclients.status();
            softclients.log(&status);
            status
        });
        let status = SipStatus {
            softclients,
            media: self.media.as_ref().map(|media| media.status()),
            correlation: self.correlator.stats(),
            peers,
            channels_max: self.channels,
            bridge: self.switchboard.stats(),
            ua: self.ua.stats(),
            transactions: self.ua.transaction_stats(),
            net: Arc::clone(&self.others.net),
            audit_failures: self.audit.failures(),
            hep: self.others.hep.as_ref().map(|hep| hep.stats().counts()),
        };
        self.others.shared.set_sip(status);
    }

    /// Passes on which messages wait. What finds no room goes with the next tick.
    pub(super) fn tell_messages(&mut self) {
        let engine = &self.others.engine;
        self.messages.retain(|extension, on| {
            let command = EngineCommand::MessageWaiting(extension.clone(), *on);
            engine.try_send(command).is_err()
        });
    }

    /// Tells how a call sounded: the collector, and the far end where it is known which conversation it was.
    fn tell_voice(&self, call: CallKey, summary: &CallSummary) {
        let Some(told) = self.media.as_ref().and_then(|media| media.take(call)) else {
            return;
        };
        if let Some(hep) = &self.others.hep {
            capture::ended(hep, summary, &told);
        }
        let Some(call_id) = summary.call_id else {
            return;
        };
        let voice = voice::event(call_id, summary.begun.extension.as_deref(), &told.sides);
        let event = EngineCommand::Publish(EventData::CallVoice(voice));
        if self.others.engine.try_send(event).is_err() {
            tracing::warn!(
                call = call.0,
                "how a call sounded is not told: too much waits"
            );
        }
    }
}

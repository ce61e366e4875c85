//! The SIP side beside the associations: the same calls, another way in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use sip::message::{Message, ParseError};
use sip::transport::{Flow, Transmit};

use super::Exchange;
use crate::command::{CommandError, Reply};
use crate::sip::{SipAddress, SipFault, SipSide, Times};
use crate::switching::SwitchingFunction;
use crate::truth::TruthSip;

impl Exchange {
    /// Tells the SIP side which ports were taken, where the settings left them open.
    pub fn sip_bound(&mut self, listen: Vec<SipAddress>, media: SocketAddr) {
        if let Some(sip) = &mut self.sip {
            sip.bound(listen, media);
        }
    }

    /// A SIP message came.
    pub fn handle_sip_message(&mut self, message: Message, flow: Flow, now: Instant) {
        self.catch_up(now);
        self.with_sip(now, |sip, pbx, times| {
            sip.handle_message(message, flow, pbx, times)
        });
    }

    /// Bytes came that are no SIP message.
    pub fn handle_sip_unreadable(&mut self, error: &ParseError, flow: Flow) {
        if let Some(sip) = &mut self.sip {
            sip.handle_unreadable(error, flow);
        }
    }

    /// What was to be sent by SIP will not arrive.
    pub fn handle_sip_failure(&mut self, flow: &Flow, now: Instant) {
        self.catch_up(now);
        self.with_sip(now, |sip, pbx, times| {
            sip.handle_flow_failure(flow, pbx, times)
        });
    }

    /// The next SIP message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.sip.as_mut()?.poll_transmit()
    }

    /// Registrations and sessions as they are; `None` without a SIP side.
    #[must_use]
    pub fn sip_truth(&self, now: Instant) -> Option<TruthSip> {
        Some(self.sip.as_ref()?.truth(now))
    }

    pub(super) fn sip_counts(&self) -> BTreeMap<String, u64> {
        let counts = self.sip.as_ref().map(|sip| sip.counts().clone());
        counts.unwrap_or_default()
    }

    /// Brings the SIP sessions in line with the model, and hands its events to the links.
    pub(super) fn follow_sip(&mut self, now: Instant) {
        self.with_sip(now, SipSide::follow);
    }

    pub(super) fn run_sip(&mut self, now: Instant) {
        self.with_sip(now, SipSide::handle_timeout);
    }

    pub(super) fn restart_sip(&mut self, now: Instant) {
        if let Some(sip) = &mut self.sip {
            sip.restart(now);
        }
    }

    pub(super) fn act_of_sip_fate(
        &mut self,
        fault: SipFault,
        now: Instant,
    ) -> Result<Reply, CommandError> {
        let times = self.times(now);
        let sip = self.sip.as_mut().ok_or(CommandError::NoSip)?;
        Ok(sip.act_of_fate(fault, times))
    }

    fn times(&self, now: Instant) -> Times {
        Times {
            network: now,
            model: self.model_time(now),
        }
    }

    fn with_sip(
        &mut self,
        now: Instant,
        what: impl FnOnce(&mut SipSide, &mut SwitchingFunction, Times),
    ) {
        let times = self.times(now);
        if let Some(sip) = &mut self.sip {
            what(sip, &mut self.pbx, times);
        }
        self.drain_events();
    }
}

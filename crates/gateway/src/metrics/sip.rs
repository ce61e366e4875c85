//! The figures of the SIP part.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use media::quality::Verdict;
use media::relay::Reason;
use net::sip::{Closed, SipStats};

use super::{Figures, Page, float};
use crate::telephony::{MediaStatus, SipStatus, SoftclientStatus, Voices};

impl Figures {
    pub(super) fn sip(&self, page: &mut Page<'_>) -> fmt::Result {
        let Some(sip) = self.shared.sip() else {
            return Ok(());
        };
        let size = |number: usize| float(number as u64);
        page.gauge(
            "ringway_sip_peers_up",
            "Addresses of the PBX that answer OPTIONS",
            size(sip.up()),
        )?;
        page.gauge(
            "ringway_sip_channels",
            "Channels of the trunk in use",
            size(sip.bridge.channels),
        )?;
        page.counter(
            "ringway_sip_calls",
            "Calls of the trunk that were taken",
            sip.bridge.begun,
        )?;
        page.counter(
            "ringway_sip_calls_answered",
            "Calls of the trunk that were answered",
            sip.bridge.answered,
        )?;
        page.counter(
            "ringway_sip_emergency_calls",
            "Calls to emergency numbers",
            sip.bridge.emergency,
        )?;
        page.counter(
            "ringway_sip_fail_overs",
            "Calls that were tried at another address of the PBX",
            sip.bridge.failed_over,
        )?;
        page.counters(
            "ringway_sip_calls_refused",
            "Calls of the trunk refused, by reason",
            "reason",
            sip.bridge.refused.iter().map(|(why, count)| (*why, *count)),
        )?;
        page.counter(
            "ringway_sip_audit_failures",
            "Refused calls that could not be written down",
            sip.audit_failures,
        )?;
        let found = &sip.correlation;
        page.counters(
            "ringway_sip_calls_correlated",
            "Calls by whether their conversation was found in what CSTA tells; those found by their \
             order alone are counted in both",
            "result",
            [
                ("found", found.matched),
                ("by-order", found.by_order),
                ("ambiguous", found.ambiguous),
                ("not-found", found.unmatched),
                ("overflowed", found.overflowed),
            ],
        )?;
        if let Some(copies) = sip.hep {
            hep_figures(page, copies)?;
        }
        if let Some(softclients) = &sip.softclients {
            Self::softclients(page, softclients)?;
        }
        if let Some(media) = &sip.media {
            media_figures(page, media)?;
        }
        Self::sip_core(page, &sip)?;
        Self::sip_sockets(page, &sip.net)
    }

    fn softclients(page: &mut Page<'_>, users: &SoftclientStatus) -> fmt::Result {
        let size = |number: usize| float(number as u64);
        page.gauges(
            "ringway_softclients",
            "Softphone users by the state of their registration",
            "state",
            [
                ("registered", size(users.registered)),
                ("trying", size(users.trying)),
                ("refused", size(users.refused())),
                ("failed", size(users.failed())),
            ],
        )?;
        page.counter(
            "ringway_registration_requests",
            "REGISTER requests sent",
            users.requests,
        )?;
        page.counter(
            "ringway_registrations_granted",
            "Registrations and refreshes that the registrar has granted",
            users.granted,
        )?;
        page.counters(
            "ringway_registration_failures",
            "Registrations that failed, by SIP status or no-answer",
            "status",
            users
                .failures
                .iter()
                .map(|(status, count)| (&**status, *count)),
        )?;
        page.gauge(
            "ringway_registration_rate",
            "Registrations begun each second at most, as the registrar bears it",
            users.rate,
        )
    }

    fn sip_core(page: &mut Page<'_>, sip: &SipStatus) -> fmt::Result {
        let size = |number: usize| float(number as u64);
        page.gauge(
            "ringway_sip_sessions",
            "SIP sessions, each leg one",
            size(sip.ua.sessions),
        )?;
        page.gauge("ringway_sip_dialogs", "SIP dialogs", size(sip.ua.dialogs))?;
        page.gauge(
            "ringway_sip_client_transactions",
            "SIP transactions that the gateway began, those that wait for copies too",
            size(sip.transactions.clients),
        )?;
        page.gauge(
            "ringway_sip_server_transactions",
            "SIP transactions that a peer began, those that wait for copies too",
            size(sip.transactions.servers),
        )?;
        page.gauge(
            "ringway_sip_late_answers",
            "INVITEs of the gateway whose late answers are still taken",
            size(sip.ua.lingering),
        )?;
        page.counters(
            "ringway_sip_requests_refused",
            "SIP requests that the user agent core refused, by reason",
            "reason",
            [
                ("full", sip.ua.refused_full),
                ("request", sip.ua.refused_request),
                ("no-dialog", sip.ua.no_dialog),
            ],
        )
    }

    fn sip_sockets(page: &mut Page<'_>, net: &SipStats) -> fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        page.counters(
            "ringway_sip_messages",
            "SIP messages, by what became of them",
            "fate",
            [
                ("received", read(&net.received)),
                ("sent", read(&net.sent)),
                ("unreadable", read(&net.unreadable)),
                ("unsent", read(&net.unsent)),
                ("stranger", read(&net.strangers)),
            ],
        )?;
        page.gauge(
            "ringway_sip_links",
            "TCP and TLS links open",
            float(read(&net.links)),
        )?;
        page.counters(
            "ringway_sip_links_closed",
            "TCP and TLS links closed, by reason",
            "reason",
            Closed::ALL.map(|why| (why.as_str(), net.closed(why))),
        )
    }
}

/// What is made of sound, which costs processor time.
fn sound_figures(page: &mut Page<'_>, media: &MediaStatus) -> fmt::Result {
    page.gauge(
        "ringway_media_transcoded_calls",
        "Calls whose sides share no codec, and whose sound is made into each other's: what costs processor time",
        float(media.transcoded),
    )?;
    page.counters(
        "ringway_media_transcodings",
        "Calls whose sides share no codec, by whether their sound could be made into each other's",
        "result",
        [
            ("done", media.transcodings),
            ("refused", media.untranscoded),
        ],
    )?;
    page.gauge(
        "ringway_media_conferences",
        "Conferences that somebody takes part in",
        float(media.conferences),
    )?;
    page.gauge(
        "ringway_media_conference_parties",
        "Parties of all conferences: each costs half of the processor time of a call between two codecs",
        float(media.conferring),
    )
}

fn media_figures(page: &mut Page<'_>, media: &MediaStatus) -> fmt::Result {
    let size = |number: usize| float(number as u64);
    page.gauge(
        "ringway_media_legs",
        "Legs of calls whose media are relayed, two for each call",
        size(media.relay.legs),
    )?;
    page.gauge(
        "ringway_media_port_pairs_free",
        "Pairs of ports for relayed media that no call has",
        size(media.relay.ports_free),
    )?;
    page.gauge(
        "ringway_media_calls_silent",
        "Answered calls of which a side is not heard, for silence-s or longer",
        float(media.silent),
    )?;
    page.counters(
        "ringway_media_silences",
        "Answered calls of which a side was not heard any more, or never, for silence-s",
        "of",
        [("call", media.silences)],
    )?;
    sound_figures(page, media)?;
    let ended = &media.relay.ended;
    page.counters(
        "ringway_media_packets",
        "Packets of relayed calls that are over, by what became of them",
        "fate",
        [
            ("received", ended.received),
            ("sent", ended.sent),
            ("report-received", ended.reports_received),
            ("report-sent", ended.reports_sent),
        ],
    )?;
    page.counters(
        "ringway_media_packets_dropped",
        "Packets of relayed calls that are over that went no further, by reason",
        "reason",
        Reason::ALL.map(|why| (why.as_str(), ended.dropped(why))),
    )?;
    page.counters(
        "ringway_media_calls",
        "Relayed calls that are over, by the rating of the worse side (E-model): high is R of 80 and more, \
         medium 70, low less; one-side was heard from one side alone, short from none for two seconds",
        "quality",
        Verdict::ALL.iter().zip(media.ended).map(|(what, count)| (what.as_str(), count)),
    )?;
    voice_figures(page, &media.voices)
}

/// What became of copies for the collector.
fn hep_figures(page: &mut Page<'_>, [sent, dropped]: [u64; 2]) -> fmt::Result {
    page.counters(
        "ringway_hep_copies",
        "Copies of messages and reports for the collector, by whether they were sent or left out",
        "fate",
        [("sent", sent), ("dropped", dropped)],
    )
}

/// How the sides of calls sounded.
fn voice_figures(page: &mut Page<'_>, voices: &Voices) -> fmt::Result {
    for (name, what, voices) in [
        (
            "ringway_media_mos",
            "Mean opinion scores of the sides of relayed calls that are over (E-model), where the codec has factors",
            &voices.mos,
        ),
        (
            "ringway_media_loss_ratio",
            "Shares of the packets of a side that were lost, of relayed calls that are over",
            &voices.loss,
        ),
        (
            "ringway_media_jitter_seconds",
            "Mean deviations of the time between packets of a side, of relayed calls that are over",
            &voices.jitter,
        ),
        (
            "ringway_media_round_trip_seconds",
            "From the gateway to a phone and back, as its reports of RTCP tell, of relayed calls that are over",
            &voices.round_trip,
        ),
    ] {
        page.histogram(name, what, voices.sum(), &voices.buckets())?;
    }
    Ok(())
}

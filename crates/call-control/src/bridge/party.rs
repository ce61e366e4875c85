//! The parties of a call, and what they are told, each in its own words.

use std::time::Instant;

use bytes::Bytes;
use cloud_uplink::id::CloudLegId;
use cloud_uplink::leg::{Description, EarlyMedia, LegSignal, Refused, SDP_LEN_MAX};
use sip::StatusCode;
use sip::ua::{CommandError, SessionKey, UserAgent};

use super::call::LocalLeg;
use super::switchboard::Switchboard;

/// Which side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Who called.
    A,
    /// Who was called.
    B,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A party that is reached by messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Line {
    /// A session with the PBX: of the trunk, or of a softphone user's registration.
    Sip(SessionKey),
    /// A leg of the far end.
    Cloud(CloudLegId),
}

/// One side of a call.
#[derive(Debug)]
pub(super) enum Party {
    /// Nobody yet, or nobody any more.
    Nobody,
    /// Somebody elsewhere.
    At(Line),
    /// An application of the gateway's own.
    Local(Box<LocalLeg>),
}

impl Party {
    pub(super) const fn line(&self) -> Option<Line> {
        match self {
            Self::At(line) => Some(*line),
            Self::Nobody | Self::Local(_) => None,
        }
    }
}

/// What a party is told.
#[derive(Debug)]
pub(super) enum Tell {
    /// It rings, or there is early media. `reliable` where it shall be acknowledged.
    Progress {
        status: StatusCode,
        sdp: Option<Bytes>,
        reliable: bool,
    },
    /// The call is answered.
    Answer(Option<Bytes>),
    /// A new offer; without one, an offer is wanted.
    Offer(Option<Bytes>),
    /// The offer that it wanted.
    WantedOffer(Bytes),
    /// The answer to its offer.
    OfferAnswer(Bytes),
    /// Its offer is refused, or the offer that it wanted does not come.
    RefuseOffer(StatusCode),
}

impl Tell {
    /// The same to the far end; `None` where it has no word for it.
    fn signal(self) -> Option<LegSignal> {
        let description = |sdp: Bytes| Description { sdp: text(&sdp) };
        Some(match self {
            // Progress that is neither ringing nor media is for the caller's telephone alone.
            Self::Progress {
                status, sdp: None, ..
            } if status != StatusCode::RINGING => return None,
            Self::Progress { sdp, .. } => LegSignal::Ringing(EarlyMedia {
                sdp: sdp.as_ref().map(text),
            }),
            Self::Answer(sdp) => LegSignal::Answer(description(sdp?)),
            Self::Offer(None) => LegSignal::OfferWanted,
            Self::Offer(Some(sdp)) | Self::WantedOffer(sdp) => LegSignal::Offer(description(sdp)),
            Self::OfferAnswer(sdp) => LegSignal::OfferAnswer(description(sdp)),
            Self::RefuseOffer(status) => LegSignal::OfferRefused(Refused {
                status: status.code(),
                reason: None,
            }),
        })
    }

    fn sdp(&self) -> Option<&Bytes> {
        match self {
            Self::Progress { sdp, .. } | Self::Answer(sdp) | Self::Offer(sdp) => sdp.as_ref(),
            Self::WantedOffer(sdp) | Self::OfferAnswer(sdp) => Some(sdp),
            Self::RefuseOffer(_) => None,
        }
    }
}

/// A description as text: names in it may be of any alphabet.
pub(super) fn text(sdp: &Bytes) -> String {
    String::from_utf8_lossy(sdp).into_owned()
}

impl Switchboard {
    /// Tells a party something.
    pub(super) fn tell(
        &mut self,
        line: Line,
        what: Tell,
        ua: &mut UserAgent,
        now: Instant,
    ) -> Result<(), CommandError> {
        let what = self.relayed(line, what)?;
        match line {
            Line::Cloud(leg) => {
                if what.sdp().is_some_and(|sdp| sdp.len() > SDP_LEN_MAX) {
                    return Err(CommandError::State("the description is too long"));
                }
                if let Some(signal) = what.signal() {
                    self.signal(leg, signal);
                }
                Ok(())
            }
            Line::Sip(session) => match what {
                Tell::Progress {
                    status,
                    sdp,
                    reliable,
                } => ua.progress(session, status, sdp, reliable, now),
                Tell::Answer(sdp) => ua.answer(session, sdp, now),
                Tell::Offer(sdp) => ua.offer(session, sdp, now),
                Tell::WantedOffer(sdp) | Tell::OfferAnswer(sdp) => {
                    ua.answer_offer(session, sdp, now)
                }
                Tell::RefuseOffer(status) => ua.refuse_offer(session, status, now),
            },
        }
    }
}

//! What a side can do.

use super::RtpMap;

/// A format that has a meaning here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
    /// G.722.
    G722,
    /// Digits and other events (RFC 4733).
    TelephoneEvent,
    /// Comfort noise (RFC 3389).
    ComfortNoise,
}

impl Codec {
    const ALL: [Self; 5] = [
        Self::Pcma,
        Self::Pcmu,
        Self::G722,
        Self::TelephoneEvent,
        Self::ComfortNoise,
    ];

    pub(super) const fn encoding(self) -> &'static str {
        match self {
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
            Self::G722 => "G722",
            Self::TelephoneEvent => "telephone-event",
            Self::ComfortNoise => "CN",
        }
    }

    /// The payload type in our offers.
    pub(super) const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::ComfortNoise => 13,
            Self::TelephoneEvent => 101,
        }
    }

    /// All of these count at 8000 Hz, and have one channel.
    pub(super) fn of(map: &RtpMap) -> Option<Self> {
        let one_channel = map
            .parameters
            .as_deref()
            .is_none_or(|channels| channels == "1");
        let mut all = Self::ALL.into_iter();
        let same = |codec: &Self| codec.encoding().eq_ignore_ascii_case(&map.encoding);
        all.find(same)
            .filter(|_| map.clock_rate == 8000 && one_channel)
    }

    pub(super) const fn is_voice(self) -> bool {
        !matches!(self, Self::TelephoneEvent | Self::ComfortNoise)
    }
}

/// Whether media are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SrtpPolicy {
    /// Never: a secure profile is refused.
    #[default]
    Off,
    /// Where the other side does: what is offered is answered.
    Prefer,
    /// Always: a plain profile is refused, with keys or without.
    Require,
}

/// What this side can do.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// In the order of our offers; answers keep the order of the offer.
    pub codecs: Vec<Codec>,
    /// Whether formats that are not in `codecs` are answered too: where packets are passed on or
    /// reflected and need not be understood.
    pub pass_unknown: bool,
    /// Encryption.
    pub srtp: SrtpPolicy,
}

impl Capabilities {
    /// All codecs and nothing unknown.
    #[must_use]
    pub const fn new(codecs: Vec<Codec>, srtp: SrtpPolicy) -> Self {
        Self {
            codecs,
            pass_unknown: false,
            srtp,
        }
    }

    /// For an application that reflects packets: every format is good.
    #[must_use]
    pub fn echo(srtp: SrtpPolicy) -> Self {
        let codecs = Codec::ALL.to_vec();
        Self {
            codecs,
            pass_unknown: true,
            srtp,
        }
    }
}

//! What came, what went, and why the rest did not.

/// Why a datagram went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing in it.
    Empty,
    /// Longer than [`PACKET_LEN_MAX`](crate::rtp::PACKET_LEN_MAX).
    Oversize,
    /// Neither RTP nor RTCP: STUN, DTLS, junk, or RTP at the port of RTCP.
    NotMedia,
    /// RTP or RTCP whose lengths contradict each other.
    Malformed,
    /// From somebody else than the phone that this leg is locked to.
    Source,
    /// Its tag is wrong: forged, or under another key.
    Authentication,
    /// It came before.
    Replayed,
    /// SRTP refuses it for another reason: too short, not encrypted, too many streams, key used up.
    Secure,
    /// A payload type that the other leg has no number for.
    PayloadType,
    /// Its number lies far from the others, and no second one has confirmed it yet.
    Far,
    /// The stream is on hold in this direction, or music, an announcement or a tone goes in its place.
    Held,
    /// Reports alone that mean nothing to the other leg.
    Report,
    /// The leg is joined with nobody.
    Alone,
    /// Where the other phone listens is not known.
    NoRemote,
    /// The socket did not take it.
    Socket,
    /// A digit of the phone's that is told otherwise, or sound in whose place a digit goes.
    Digit,
}

impl Reason {
    /// All, in the order of [`Counters::dropped`].
    pub const ALL: [Self; 16] = [
        Self::Empty,
        Self::Oversize,
        Self::NotMedia,
        Self::Malformed,
        Self::Source,
        Self::Authentication,
        Self::Replayed,
        Self::Secure,
        Self::PayloadType,
        Self::Far,
        Self::Held,
        Self::Report,
        Self::Alone,
        Self::NoRemote,
        Self::Socket,
        Self::Digit,
    ];

    /// A word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Oversize => "oversize",
            Self::NotMedia => "not-media",
            Self::Malformed => "malformed",
            Self::Source => "source",
            Self::Authentication => "authentication",
            Self::Replayed => "replayed",
            Self::Secure => "secure",
            Self::PayloadType => "payload-type",
            Self::Far => "far",
            Self::Held => "held",
            Self::Report => "report",
            Self::Alone => "alone",
            Self::NoRemote => "no-remote",
            Self::Socket => "socket",
            Self::Digit => "digit",
        }
    }
}

/// Plain numbers of one leg, since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets of RTP that came from the phone and were good.
    pub received: u64,
    /// Their bytes, headers included, as they came.
    pub received_bytes: u64,
    /// Packets of RTP made ready for the phone.
    pub sent: u64,
    /// Their bytes, headers included, as they go.
    pub sent_bytes: u64,
    /// Packets of RTCP that came.
    pub reports_received: u64,
    /// Packets of RTCP made ready for the phone.
    pub reports_sent: u64,
    /// Packets that went no further, by [`Reason`] as in [`Reason::ALL`]: at receipt on the leg that
    /// they came at, at sending on the leg that they were for.
    dropped: [u64; Reason::ALL.len()],
}

impl Counters {
    /// Packets dropped for that reason.
    #[must_use]
    pub const fn dropped(&self, reason: Reason) -> u64 {
        self.dropped[reason as usize]
    }

    /// Adds another leg's numbers.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.received_bytes += other.received_bytes;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.reports_received += other.reports_received;
        self.reports_sent += other.reports_sent;
        for (sum, more) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += more;
        }
    }

    pub(super) const fn drop_for(&mut self, reason: Reason) {
        self.dropped[reason as usize] += 1;
    }
}

//! One session with a SIP terminal or with the trunk, and the connections that it carries.

use bytes::Bytes;
use csta::DeviceId;
use media::sdp::Direction;

use super::description::LegMedia;
use crate::switching::LegId;
use crate::truth::TruthSipLeg;

/// See the module.
#[derive(Debug)]
pub(super) struct SipLeg {
    /// The connections that it carries; more than one while somebody is asked on behalf of a held call.
    pub(super) legs: Vec<LegId>,
    /// The extension, or the number of the party beyond the trunk.
    pub(super) line: DeviceId,
    pub(super) role: Role,
    /// Whether the session was answered.
    pub(super) talks: bool,
    /// The provisional status that was told to the caller last.
    pub(super) told: Option<u16>,
    /// What the caller's offer is answered with; absent where it made none.
    pub(super) answer: Option<Bytes>,
    pub(super) media: LegMedia,
    /// The direction of our last description.
    pub(super) direction: Direction,
    /// Whether the terminal put us on hold.
    pub(super) holds: bool,
}

/// Who began the session, and with whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// A SIP terminal or the gateway called.
    Caller,
    /// A SIP terminal was invited.
    Terminal,
    /// The gateway was invited.
    Trunk,
}

impl SipLeg {
    pub(super) fn new(leg: LegId, line: DeviceId, role: Role, media: LegMedia) -> Self {
        Self {
            legs: vec![leg],
            line,
            role,
            talks: false,
            told: None,
            answer: None,
            media,
            direction: Direction::SendRecv,
            holds: false,
        }
    }

    pub(super) fn truth(&self) -> TruthSipLeg {
        let role = match self.role {
            Role::Caller => "caller",
            Role::Terminal => "terminal",
            Role::Trunk => "trunk",
        };
        TruthSipLeg {
            line: self.line.to_string(),
            role: role.to_owned(),
            talks: self.talks,
            direction: self.direction.as_str().to_owned(),
        }
    }
}

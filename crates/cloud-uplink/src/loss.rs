//! What may change unheard: while the gateway cannot hear the PBX, or one of its devices.

use crate::endpoint::EndpointView;
use crate::event::{EndpointUnmonitored, EventData, LegView, PBX_LINK};
use crate::time::Timestamp;

/// What cannot be heard any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost<'a> {
    /// One extension; all of the gateway where absent.
    pub endpoint_id: Option<&'a str>,
    /// Until when it was heard, where that was before the event.
    pub known_until: Option<Timestamp>,
}

impl EventData {
    /// Whose calls and features may have changed unheard from now on: until when they are known, where
    /// that was before the event, and the extension; all of them where none is named.
    #[must_use]
    pub fn loses(&self) -> Option<Lost<'_>> {
        match self {
            Self::LinkDown(link) if link.link == PBX_LINK => Some(Lost {
                endpoint_id: None,
                known_until: link.known_until,
            }),
            Self::EndpointUnmonitored(EndpointUnmonitored { endpoint_id, .. }) => Some(Lost {
                endpoint_id: Some(endpoint_id),
                known_until: None,
            }),
            _ => None,
        }
    }
}

impl LegView {
    /// The PBX cannot be heard any longer: what was known until `until` may change unheard, until the
    /// next change of the leg. Whether that changed the view. Legs of outside parties, which the
    /// gateway does not follow, stay as they are.
    pub fn lose(&mut self, until: Timestamp) -> bool {
        let changes = self.known_until.is_none() && self.endpoint_id.is_some();
        if changes {
            self.known_until = Some(until);
        }
        changes
    }
}

impl EndpointView {
    /// The PBX cannot be heard any longer: what was known until `until` may change unheard, until an
    /// event tells it anew. Whether that changed the view.
    pub fn lose(&mut self, until: Timestamp) -> bool {
        let known: Vec<_> = self.known().collect();
        if known == self.unconfirmed {
            return false;
        }
        self.unconfirmed = known;
        self.known_until.get_or_insert(until);
        true
    }
}

//! Idempotency keys of what applications ask of their legs: each answered once, by one of the requests
//! that come with it.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Part;

/// Keys remembered of one application; its oldest go first.
pub(crate) const KEYS_MAX: usize = 4_096;

/// What an application asks, under which key.
#[derive(Debug, Clone)]
pub(crate) struct Intent {
    /// The application, unique among all accounts.
    application: String,
    key: String,
    request: [u8; 32],
}

/// The key was used for another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyReused;

/// What was answered under keys.
#[derive(Debug, Default)]
pub(super) struct Keys(BTreeMap<String, Book>);

/// The keys of one application.
#[derive(Debug, Default)]
struct Book {
    answers: BTreeMap<String, ([u8; 32], Part)>,
    /// Oldest first.
    order: VecDeque<String>,
}

impl Intent {
    /// `request` is all that makes it another request.
    pub(crate) fn new(application: String, key: String, request: &impl Serialize) -> Self {
        // Plain structs with string keys: serialization has no way to fail.
        let text = serde_json::to_vec(request).unwrap_or_default();
        Self {
            application,
            key,
            request: Sha256::digest(text).into(),
        }
    }
}

impl Keys {
    /// The leg that was answered to the same request before.
    pub(super) fn find(&self, intent: &Intent) -> Result<Option<Part>, KeyReused> {
        let book = self.0.get(&intent.application);
        match book.and_then(|book| book.answers.get(&intent.key)) {
            None => Ok(None),
            Some((request, part)) if *request == intent.request => Ok(Some(part.clone())),
            Some(_) => Err(KeyReused),
        }
    }

    /// Remembers the answer, without its session description.
    pub(super) fn remember(&mut self, intent: Intent, part: &Part) {
        let book = self.0.entry(intent.application).or_default();
        if book.order.len() == KEYS_MAX
            && let Some(oldest) = book.order.pop_front()
        {
            book.answers.remove(&oldest);
        }
        book.order.push_back(intent.key.clone());
        let answer = (intent.request, part.without_sdp());
        book.answers.insert(intent.key, answer);
    }
}

#[cfg(test)]
mod tests {
    use cloud_uplink::leg::{LegInvite, LegOwner};
    use cloud_uplink::{CloudLegId, Identity, Timestamp};

    use super::super::Direction;
    use super::*;

    fn part(sdp: &str) -> Part {
        let gateway = Identity {
            account_id: "acme".to_owned(),
            site_id: "hq".to_owned(),
            gateway_id: "gw1".to_owned(),
        };
        let invite = LegInvite {
            from: None,
            from_name: None,
            to: "43801".to_owned(),
            owner: LegOwner::Application("crm".to_owned()),
            call_id: None,
            diverted_from: None,
            sdp: Some(sdp.to_owned()),
        };
        let leg = CloudLegId::new(ulid::Ulid::from_parts(1, 1));
        let at = Timestamp::from_unix_ms(1);
        Part::new(leg, gateway, Direction::Inbound, &invite, at)
    }

    fn intent(application: &str, key: usize, request: &str) -> Intent {
        Intent::new(application.to_owned(), key.to_string(), &request)
    }

    #[test]
    fn a_key_stands_for_one_request_and_holds_no_description() {
        let mut keys = Keys::default();
        keys.remember(intent("acme/crm", 1, "a"), &part("v=0\r\n"));
        let found = keys.find(&intent("acme/crm", 1, "a")).unwrap().unwrap();
        let found = serde_json::to_value(found).unwrap();
        assert_eq!((&found["to"], found.get("sdp")), (&"43801".into(), None));
        let other = keys.find(&intent("acme/crm", 1, "b"));
        assert_eq!(other.err(), Some(KeyReused));
        let stranger = keys.find(&intent("acme/bot", 1, "b"));
        assert!(stranger.unwrap().is_none());
    }

    #[test]
    fn an_application_pushes_out_its_own_oldest_keys_alone() {
        let mut keys = Keys::default();
        keys.remember(intent("acme/crm", 0, "a"), &part("v=0\r\n"));
        for key in 0..=KEYS_MAX {
            keys.remember(intent("acme/bot", key, "a"), &part("v=0\r\n"));
        }
        let known = |application: &str, key| {
            let found = keys.find(&intent(application, key, "a"));
            found.unwrap().is_some()
        };
        assert!(known("acme/crm", 0) && known("acme/bot", KEYS_MAX) && known("acme/bot", 1));
        assert!(!known("acme/bot", 0));
    }
}

//! How the SIP part is: plain numbers for health, metrics and the terminal.

use std::collections::BTreeMap;
use std::sync::Arc;

use call_control::bridge::correlate::CorrelateStats;
use call_control::bridge::{BridgeStats, PeerRole, PeerStanding, PeerState};
use local_portal::State3;
use net::sip::SipStats;
use sip::StatusCode;
use sip::transaction::TransactionStats;
use sip::ua::UserAgentStats;

use super::media::MediaStatus;

/// How the SIP part was a moment ago.
#[derive(Debug, Clone)]
pub struct SipStatus {
    /// The PBX's addresses by the names that they are configured with, those of the trunk first.
    pub peers: Vec<(Box<str>, PeerStanding)>,
    /// Calls of the trunk that there may be at once.
    pub channels_max: usize,
    /// The switchboard's figures.
    pub bridge: BridgeStats,
    /// The user agent core's.
    pub ua: UserAgentStats,
    /// The transaction layer's.
    pub transactions: TransactionStats,
    /// The sockets'.
    pub net: Arc<SipStats>,
    /// Lines of the audit that could not be written.
    pub audit_failures: u64,
    /// How calls were found in what CSTA tells.
    pub correlation: CorrelateStats,
    /// The softphone users' registrations, where there are users.
    pub softclients: Option<SoftclientStatus>,
    /// Copies sent to the collector and left out, where there is one.
    pub hep: Option<[u64; 2]>,
    /// Relayed media, where they are relayed.
    pub media: Option<MediaStatus>,
}

/// Users of one kind that are named; the others are counted.
const NAMED_MAX: usize = 5;

/// How the softphone users' registrations are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SoftclientStatus {
    /// Users.
    pub all: usize,
    /// Those whose calls come here.
    pub registered: usize,
    /// Those whose turn is still to come.
    pub trying: usize,
    /// Requests sent to the registrar.
    pub requests: u64,
    /// Registrations and refreshes granted.
    pub granted: u64,
    /// Registrations begun each second at most, now.
    pub rate: f64,
    /// Registrations that failed since the start: by SIP status, or `no-answer`.
    pub failures: BTreeMap<Box<str>, u64>,
    pub(super) refused: BTreeMap<u16, Named>,
    pub(super) failed: BTreeMap<Option<u16>, Named>,
}

/// Some users, the first few by their extensions.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Named {
    count: usize,
    first: Vec<Box<str>>,
}

/// How one user's registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is its turn later, or the registrar is asked now.
    Trying,
    /// Calls come here.
    Registered,
    /// The registrar does not want this user.
    Refused(StatusCode),
    /// The registrar is in trouble, or did not answer.
    Failed(Option<StatusCode>),
}

impl SoftclientStatus {
    /// Users whom the registrar does not want.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.values().map(|named| named.count).sum()
    }

    /// Users who could not register because the registrar is in trouble or does not answer.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failed.values().map(|named| named.count).sum()
    }

    pub(super) fn add(&mut self, standing: Standing, extension: &str) {
        match standing {
            Standing::Trying => self.trying += 1,
            Standing::Registered => self.registered += 1,
            Standing::Refused(status) => self
                .refused
                .entry(status.code())
                .or_default()
                .add(extension),
            Standing::Failed(status) => {
                let status = status.map(StatusCode::code);
                self.failed.entry(status).or_default().add(extension);
            }
        }
    }

    /// One line: how many are registered, and what is wrong with which of the others.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = format!("{} of {} softclients registered", self.registered, self.all);
        for (status, users) in &self.refused {
            let why = match status {
                401 | 407 => "wrong user or password",
                403 => "forbidden: wrong password, or not allowed to register",
                404 => "not known to the PBX",
                423 => "asked for too short a time",
                _ => "refused",
            };
            words += &format!("; {} refused: {status} {why} ({users})", users.count);
        }
        for (status, users) in &self.failed {
            let count = users.count;
            match status {
                Some(status) => words += &format!("; {count} failed: {status} ({users})"),
                None => words += &format!("; {count} without an answer ({users})"),
            }
        }
        words
    }
}

impl Named {
    fn add(&mut self, extension: &str) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(extension.into());
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.first.join(", "))?;
        match self.count - self.first.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// How the addresses of one PBX are, taken together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PbxStanding {
    /// Addresses.
    pub all: usize,
    /// Those that answer.
    pub up: usize,
    /// Those that were not asked yet.
    unknown: usize,
    silent: Vec<Box<str>>,
    refusing: Vec<Box<str>>,
}

impl PbxStanding {
    /// Red when none answers or may be about to.
    #[must_use]
    pub const fn state(&self) -> State3 {
        match () {
            () if self.up == self.all && self.refusing.is_empty() => State3::Ok,
            () if self.up > 0 || self.unknown > 0 => State3::Degraded,
            () => State3::Down,
        }
    }

    /// What is wrong, in sentences.
    pub fn trouble(&self) -> impl Iterator<Item = String> {
        let silent =
            (!self.silent.is_empty()).then(|| format!("no answer from {}", self.silent.join(", ")));
        let refusing = (!self.refusing.is_empty()).then(|| {
            format!(
                "{} takes no call of ours: user or password is wrong (pbx-user, pbx-password-file)",
                self.refusing.join(", ")
            )
        });
        silent.into_iter().chain(refusing)
    }
}

impl SipStatus {
    /// How that PBX's addresses are.
    #[must_use]
    pub fn pbx(&self, role: PeerRole) -> PbxStanding {
        let mut pbx = PbxStanding::default();
        for (name, peer) in self.peers.iter().filter(|(_, peer)| peer.role == role) {
            pbx.all += 1;
            match peer.state {
                PeerState::Up => pbx.up += 1,
                PeerState::Unknown => pbx.unknown += 1,
                PeerState::Down => pbx.silent.push(name.clone()),
            }
            if peer.refuses_us {
                pbx.refusing.push(name.clone());
            }
        }
        pbx
    }

    /// Addresses that answer.
    #[must_use]
    pub fn up(&self) -> usize {
        let up = |(_, peer): &&(Box<str>, PeerStanding)| peer.state == PeerState::Up;
        self.peers.iter().filter(up).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pbx_is_red_when_no_address_answers_and_yellow_when_it_takes_no_call_of_ours() {
        use PeerState::{Down, Unknown, Up};
        let standing = |states: &[PeerState], refuses: bool| {
            let names = ["a", "b"].map(Box::<str>::from);
            let mut pbx = PbxStanding {
                all: states.len(),
                ..PbxStanding::default()
            };
            for (state, name) in states.iter().zip(names) {
                match state {
                    Up => pbx.up += 1,
                    Unknown => pbx.unknown += 1,
                    Down => pbx.silent.push(name),
                }
            }
            pbx.refusing.extend(refuses.then(|| "a".into()));
            let words: Vec<_> = pbx.trouble().collect();
            (pbx.state(), words.join("; "))
        };
        assert_eq!(standing(&[Up, Up], false), (State3::Ok, String::new()));
        let one = "no answer from b".to_owned();
        assert_eq!(standing(&[Up, Down], false), (State3::Degraded, one));
        assert_eq!(standing(&[Unknown], false).0, State3::Degraded);
        let both = "no answer from a, b".to_owned();
        assert_eq!(standing(&[Down, Down], false), (State3::Down, both));
        let (state, words) = standing(&[Up], true);
        assert_eq!(state, State3::Degraded);
        assert!(words.starts_with("a takes no call of ours"), "{words}");
    }

    #[test]
    fn who_is_not_registered_is_named_with_the_reason_and_many_are_counted() {
        let mut status = SoftclientStatus {
            all: 12,
            ..SoftclientStatus::default()
        };
        for extension in ["2003", "2004", "2005", "2006"] {
            status.add(Standing::Registered, extension);
        }
        assert_eq!(status.in_words(), "4 of 12 softclients registered");
        for extension in ["2001", "2002"] {
            status.add(Standing::Refused(StatusCode::FORBIDDEN), extension);
        }
        for extension in 2010..2016 {
            status.add(Standing::Failed(None), &extension.to_string());
        }
        assert_eq!(
            status.in_words(),
            "4 of 12 softclients registered; 2 refused: 403 forbidden: wrong password, or not allowed to \
             register (2001, 2002); 6 without an answer (2010, 2011, 2012, 2013, 2014 and 1 more)"
        );
        assert_eq!((status.refused(), status.failed()), (2, 6));
    }
}

//! Who is read at all: the PBX's own addresses. Everybody else gets no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{PoisonError, RwLock};

use call_control::bridge::Peer;
use net::sip::Gatekeeper;
use rustls::pki_types::ServerName;
use sip::transport::Transport;

use super::settings::TelephonySettings;

/// The addresses that are let in, and the names that their certificates carry.
#[derive(Debug, Default)]
pub(super) struct Door(RwLock<List>);

#[derive(Debug, Default)]
struct List {
    admitted: BTreeSet<IpAddr>,
    names: BTreeMap<SocketAddr, ServerName<'static>>,
}

impl Door {
    /// These are let in from now on. A connection of another that is there already goes on.
    pub(super) fn let_in<'a>(
        &self,
        peers: impl Iterator<Item = &'a Peer>,
        settings: &TelephonySettings,
    ) {
        let list = List::new(peers, settings);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = list;
    }
}

impl List {
    fn new<'a>(peers: impl Iterator<Item = &'a Peer>, settings: &TelephonySettings) -> Self {
        let mut list = Self::default();
        let hosts: BTreeMap<String, &str> = settings
            .targets()
            .map(|target| (target.to_string(), target.host()))
            .collect();
        for peer in peers {
            let remote = peer.flow.remote;
            list.admitted.insert(remote.ip().to_canonical());
            let host = hosts.get(&*peer.name).copied().unwrap_or_default();
            if let Ok(name) = ServerName::try_from(host.to_owned()) {
                list.names.insert(remote, name);
            }
        }
        list
    }
}

impl Gatekeeper for Door {
    fn admits(&self, remote: SocketAddr, _: Transport) -> bool {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        list.admitted.contains(&remote.ip().to_canonical())
    }

    fn server_name(&self, remote: SocketAddr) -> ServerName<'static> {
        let list = self.0.read().unwrap_or_else(PoisonError::into_inner);
        list.names
            .get(&remote)
            .cloned()
            .unwrap_or_else(|| ServerName::IpAddress(remote.ip().into()))
    }
}

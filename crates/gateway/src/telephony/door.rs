//! Who is read at all: the PBX's own addresses. Everybody else gets no answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use call_control::bridge::Peer;
use net::sip::Gatekeeper;
use rustls::pki_types::ServerName;
use sip::transport::Transport;

use super::settings::TelephonySettings;

/// The addresses that are let in, and the names that their certificates carry.
#[derive(Debug)]
pub(super) struct Door {
    admitted: BTreeSet<IpAddr>,
    names: BTreeMap<SocketAddr, ServerName<'static>>,
}

impl Door {
    pub(super) fn new<'a>(
        peers: impl Iterator<Item = &'a Peer>,
        settings: &TelephonySettings,
    ) -> Self {
        let mut door = Self {
            admitted: BTreeSet::new(),
            names: BTreeMap::new(),
        };
        let targets = settings.trunk.iter().chain(&settings.call_through);
        let hosts: BTreeMap<String, &str> = targets
            .map(|target| (target.to_string(), net::tcp::host_of(&target.address.0)))
            .collect();
        for peer in peers {
            let remote = peer.flow.remote;
            door.admitted.insert(remote.ip().to_canonical());
            let host = hosts.get(&*peer.name).copied().unwrap_or_default();
            if let Ok(name) = ServerName::try_from(host.to_owned()) {
                door.names.insert(remote, name);
            }
        }
        door
    }
}

impl Gatekeeper for Door {
    fn admits(&self, remote: SocketAddr, _: Transport) -> bool {
        self.admitted.contains(&remote.ip().to_canonical())
    }

    fn server_name(&self, remote: SocketAddr) -> ServerName<'static> {
        self.names
            .get(&remote)
            .cloned()
            .unwrap_or_else(|| ServerName::IpAddress(remote.ip().into()))
    }
}

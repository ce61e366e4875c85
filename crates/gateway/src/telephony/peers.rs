//! Whom the SIP part speaks with: names of the configuration and the addresses behind them.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use call_control::bridge::Peer;
use net::sip::Names;
use sip::Uri;
use sip::locate::LocateConfig;
use sip::transport::{Flow, Transport};
use sip::uri::HostPort;
use tokio::sync::mpsc;

use super::door::Door;
use super::ids::RandomIds;
use super::orders::Order;
use super::settings::TelephonySettings;
use crate::config::SipTarget;

/// Longest time for looking up the names of the PBX's addresses.
const LOOKUP: Duration = Duration::from_secs(10);
/// Time between two looks: a PBX that moves is found again within it.
pub(super) const AGAIN: Duration = Duration::from_secs(60);

/// Whom the part speaks with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peers {
    pub(super) trunk: Vec<Peer>,
    pub(super) call_through: Vec<Peer>,
    pub(super) registrar: Vec<Peer>,
}

impl Peers {
    /// Looks up the names of the configuration.
    pub(super) async fn look_up(
        settings: &TelephonySettings,
        bound: &[(Transport, SocketAddr)],
    ) -> anyhow::Result<Self> {
        let registrar = settings.softclients.iter().map(|it| it.registrar.clone());
        let registrar: Vec<SipTarget> = registrar.collect();
        Ok(Self {
            trunk: lookup(&settings.trunk, bound, settings.name_server).await?,
            call_through: lookup(&settings.call_through, bound, settings.name_server).await?,
            registrar: lookup(&registrar, bound, settings.name_server).await?,
        })
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Peer> {
        let trunk = self.trunk.iter().chain(&self.call_through);
        trunk.chain(&self.registrar)
    }
}

/// Looks the names up again and again, and tells when they lead elsewhere; who is let in follows at once.
/// While they cannot be looked up, all stays as it was.
pub(super) async fn follow_names(
    settings: &TelephonySettings,
    bound: &[(Transport, SocketAddr)],
    mut known: Peers,
    door: &Door,
    orders: &mpsc::Sender<Order>,
    every: Duration,
) -> Infallible {
    if !settings.targets().any(SipTarget::is_a_name) {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(every).await;
        match Peers::look_up(settings, bound).await {
            Ok(found) if found == known => {}
            Ok(found) => {
                let addresses: BTreeSet<_> = found.all().map(|peer| peer.flow.remote).collect();
                tracing::info!(?addresses, "the PBX's names lead elsewhere now");
                door.let_in(found.all(), settings);
                known = found.clone();
                // The receiver ends together with this future.
                let _ = orders.send(Order::Peers(Box::new(found))).await;
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the PBX's names cannot be looked up; its addresses stay as they were"
                );
            }
        }
    }
}

/// The addresses behind the targets; a name may have several.
async fn lookup(
    targets: &[SipTarget],
    bound: &[(Transport, SocketAddr)],
    name_server: Option<SocketAddr>,
) -> anyhow::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for target in targets {
        let found = match addresses(target, name_server).await {
            Ok(found) => found,
            // The others are called; whether one is left is seen below.
            Err(error) if targets.len() > 1 => {
                tracing::error!(%target, error = format!("{error:#}"), "left out until it is found");
                continue;
            }
            Err(error) => return Err(error),
        };
        for remote in found {
            let fits = |at: &&(Transport, SocketAddr)| {
                at.0 == target.transport && at.1.is_ipv4() == remote.is_ipv4()
            };
            let of_family = |at: &&(Transport, SocketAddr)| at.1.is_ipv4() == remote.is_ipv4();
            let Some((_, local)) = bound
                .iter()
                .find(fits)
                .or_else(|| bound.iter().find(of_family))
            else {
                continue;
            };
            peers.push(Peer {
                name: target.to_string().into(),
                host: HostPort::from(remote),
                flow: Flow {
                    transport: target.transport,
                    local: *local,
                    remote,
                    link: None,
                },
            });
        }
    }
    anyhow::ensure!(
        targets.is_empty() || !peers.is_empty(),
        "none of the PBX's addresses is known, and of a kind (IPv4, IPv6) that sip.listen has"
    );
    Ok(peers)
}

/// Where a target leads: a host with a port as the system knows it, a domain as the DNS has it
/// (RFC 3263), in the order in which its servers are to be tried.
async fn addresses(
    target: &SipTarget,
    name_server: Option<SocketAddr>,
) -> anyhow::Result<Vec<SocketAddr>> {
    let address = &target.address;
    if !target.is_domain() {
        let looking = tokio::net::lookup_host(address);
        let found = tokio::time::timeout(LOOKUP, looking)
            .await
            .with_context(|| format!("{address} was not looked up in time"))?
            .with_context(|| format!("cannot look up {address}"))?;
        return Ok(found.collect());
    }
    let uri = Uri::parse(&format!(
        "sip:{address};transport={}",
        target.transport.uri_token()
    ));
    let uri = uri.with_context(|| format!("{address} is no domain"))?;
    let config = LocateConfig::default();
    let names = match name_server {
        Some(server) => Names::of_server(server, config)?,
        None => Names::of_system(config)?,
    };
    let found = names.locate(&uri, &mut RandomIds).await?;
    Ok(found.into_iter().map(|(_, address)| address).collect())
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, UdpSocket};
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use net::sip::{Gatekeeper as _, Listener, bind};

    use super::*;

    /// Record types of the DNS (RFC 1035, 2782).
    const A: u16 = 1;
    const SRV: u16 = 33;

    /// Labels of a name.
    fn name(text: &str) -> Vec<u8> {
        let labels = text.split('.').flat_map(|label| {
            let len = u8::try_from(label.len()).unwrap();
            std::iter::once(len).chain(label.bytes())
        });
        labels.chain([0]).collect()
    }

    fn srv(priority: u8, port: u16, server: &str) -> Vec<u8> {
        let [high, low] = port.to_be_bytes();
        [&[0, priority, 0, 1, high, low][..], &name(server)].concat()
    }

    type Record = (&'static str, u16, Vec<u8>);

    /// Answers from a table until the process ends.
    fn name_server(records: Vec<Record>) -> SocketAddr {
        changing_name_server(Arc::new(Mutex::new(records)))
    }

    fn changing_name_server(records: Arc<Mutex<Vec<Record>>>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let question = &buffer[12..len];
                let end = question.iter().position(|byte| *byte == 0).unwrap() + 1;
                let asked = question[..end].to_ascii_lowercase();
                let kind = &question[end..end + 2];
                let records = records.lock().unwrap();
                let found: Vec<_> = records
                    .iter()
                    .filter(|(of, is, _)| name(of) == asked && is.to_be_bytes() == *kind)
                    .collect();
                let count = u8::try_from(found.len()).unwrap();
                let mut answer = [&buffer[..2], &[0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]].concat();
                answer.extend(&question[..end + 4]);
                for (_, _, data) in found {
                    answer.extend([0xc0, 12, kind[0], kind[1], 0, 1, 0, 0, 0, 60, 0]);
                    answer.push(u8::try_from(data.len()).unwrap());
                    answer.extend(data);
                }
                socket.send_to(&answer, from).unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn all_servers_of_a_domain_are_peers_in_their_order() {
        let server = name_server(vec![
            (
                "_sip._tcp.pbx.example",
                SRV,
                srv(2, 5060, "two.pbx.example"),
            ),
            (
                "_sip._tcp.pbx.example",
                SRV,
                srv(1, 5070, "one.pbx.example"),
            ),
            ("one.pbx.example", A, vec![127, 0, 0, 1]),
            ("two.pbx.example", A, vec![127, 0, 0, 2]),
        ]);
        let listeners = bind(&[Listener {
            transport: Transport::Tcp,
            address: ([127, 0, 0, 1], 0).into(),
            tls: None,
        }])
        .unwrap();
        let target = |address: &str| SipTarget {
            transport: Transport::Tcp,
            address: address.to_owned(),
        };
        let targets = [target("pbx.example"), target("127.0.0.3:5080")];
        let peers = lookup(&targets, &listeners.addresses(), Some(server))
            .await
            .unwrap();
        let found: Vec<_> = peers
            .iter()
            .map(|peer| (&*peer.name, peer.flow.remote.to_string()))
            .collect();
        let expected = [
            ("tcp:pbx.example", "127.0.0.1:5070"),
            ("tcp:pbx.example", "127.0.0.2:5060"),
            ("tcp:127.0.0.3:5080", "127.0.0.3:5080"),
        ];
        let expected = expected.map(|(name, at)| (name, at.to_owned()));
        assert_eq!(found, expected);
        let unknown = [target("nobody.example")];
        let unknown = lookup(&unknown, &listeners.addresses(), Some(server)).await;
        assert!(unknown.is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_elsewhere_is_followed() {
        let at = |last: u8| vec![("pbx.example", A, vec![127, 0, 0, last])];
        let records = Arc::new(Mutex::new(at(1)));
        let section = serde_json::json!({
            "listen": ["tcp:127.0.0.9:5060"],
            "domain": "a.example",
            "trunk": { "targets": ["tcp:pbx.example"], "authenticate": false },
        });
        let section = serde_json::from_value(section).unwrap();
        let mut settings = TelephonySettings::from_config(&section, Path::new("")).unwrap();
        settings.name_server = Some(changing_name_server(Arc::clone(&records)));
        let bound = [(Transport::Tcp, ([127, 0, 0, 9], 5060).into())];
        let known = Peers::look_up(&settings, &bound).await.unwrap();
        let door = Door::default();
        door.let_in(known.all(), &settings);
        let admits = |last: u8| {
            let remote = (IpAddr::from([127, 0, 0, last]), 40_000);
            door.admits(remote.into(), Transport::Tcp)
        };
        assert!(admits(1) && !admits(2));
        let (orders, mut queue) = mpsc::channel(1);
        let soon = Duration::from_millis(10);
        let following = follow_names(&settings, &bound, known, &door, &orders, soon);
        let told = async {
            // Nothing is told while there is no answer, or the same one.
            records.lock().unwrap().clear();
            let quiet = tokio::time::timeout(soon * 10, queue.recv()).await;
            assert!(quiet.is_err() && admits(1));
            *records.lock().unwrap() = at(2);
            queue.recv().await
        };
        let told = tokio::select! {
            never = following => match never {},
            told = told => told,
        };
        let Some(Order::Peers(found)) = told else {
            panic!("{told:?}");
        };
        let remote: Vec<_> = found.all().map(|peer| peer.flow.remote).collect();
        assert_eq!(remote, [([127, 0, 0, 2], 5060).into()]);
        assert!(admits(2) && !admits(1));
    }
}

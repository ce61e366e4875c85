//! What the gateway needs of its surroundings, tried now.
//!
//! What a running link shows is taken from it: a second association with the PBX or a second channel
//! would disturb the first.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use call_control::bridge::PeerState;
use local_portal::{Advice, Check, State3, Subject};
use net::clock;
use net::csta_link::CstaLinkState;
use net::uplink::UplinkState;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::time::timeout;

use super::PortalView;

/// Longest time for one try.
const TRY_MAX: Duration = Duration::from_secs(3);
/// Clocks may differ by this much.
const CLOCK_DIFFERENCE_MAX_MS: u64 = 1_000;

impl PortalView {
    /// Every check, in the order in which one depends on another; those that ask the network at once.
    pub(super) async fn run_checks(&self) -> Vec<Check> {
        let pbx = &*self.view.shared.pbx_address;
        let (address, names, proxy, tcp) = tokio::join!(
            own_address(pbx),
            self.names(),
            self.proxy(),
            self.pbx_tcp(pbx)
        );
        let mut checks = vec![address, names, self.clock()];
        checks.extend(proxy);
        checks.extend([self.far_end(), tcp, self.csta()]);
        checks.extend(self.sip());
        checks.push(self.disk());
        checks
    }

    async fn names(&self) -> Check {
        let pbx = self.view.shared.pbx_address.clone();
        // What asks for the far end's name asks for it itself.
        let (host, port) = self.proxy.as_ref().unwrap_or(&self.far_end);
        let own = lookup_host(host_port(host, *port));
        let of_pbx = net::tcp::host_of(&pbx).to_owned();
        let (of_pbx_is, own_is) =
            tokio::join!(timeout(TRY_MAX, lookup_host(&*pbx)), timeout(TRY_MAX, own));
        let of_pbx_is = of_pbx_is.map(|it| it.map(first_of));
        let own_is = own_is.map(|it| it.map(first_of));
        let (mut said, mut state) = (Vec::new(), State3::Ok);
        for (name, found) in [(of_pbx, of_pbx_is), (host.clone(), own_is)] {
            match found {
                Ok(Ok(first)) => said.push(format!("{name}: {first}")),
                Ok(Err(error)) => {
                    state = State3::Down;
                    said.push(format!("{name}: {error}"));
                }
                Err(_) => {
                    state = State3::Down;
                    said.push(format!("{name}: no answer in {} s", TRY_MAX.as_secs()));
                }
            }
        }
        let measured = said.join("; ");
        check(Subject::Dns, state, measured, Advice::NoName)
    }

    /// The way to the proxy, where there is one; what it does with the far end is that one's check.
    async fn proxy(&self) -> Option<Check> {
        let (host, port) = self.proxy.as_ref()?;
        let at = host_port(host, *port);
        let begun = clock::now();
        let (state, said) = match timeout(TRY_MAX, TcpStream::connect(&at)).await {
            Ok(Ok(_)) => {
                let took = clock::now().saturating_duration_since(begun).as_millis();
                (State3::Ok, format!("answers in {took} ms"))
            }
            Ok(Err(error)) => (State3::Down, error.to_string()),
            Err(_) => {
                let said = format!("no answer in {} s", TRY_MAX.as_secs());
                (State3::Down, said)
            }
        };
        let measured = format!("{at}: {said}");
        Some(check(Subject::Proxy, state, measured, Advice::ProxyAway))
    }

    fn clock(&self) -> Check {
        let status = self.view.shared.uplink.borrow().clone();
        if status.state != UplinkState::Up {
            let measured = "not compared: the far end is not reached".to_owned();
            return check(
                Subject::Time,
                State3::Degraded,
                measured,
                Advice::ClockUnknown,
            );
        }
        let ahead = status.far_end_ahead_ms;
        let fits = ahead.unsigned_abs() <= CLOCK_DIFFERENCE_MAX_MS;
        let state = if fits { State3::Ok } else { State3::Degraded };
        let side = if ahead < 0 { "behind" } else { "ahead" };
        let measured = format!("the far end is {} ms {side}", ahead.unsigned_abs());
        check(Subject::Time, state, measured, Advice::ClockDiffers)
    }

    fn far_end(&self) -> Check {
        let status = self.view.shared.uplink.borrow().clone();
        let (host, port) = &self.far_end;
        let at = host_port(host, *port);
        let told = status
            .last_error
            .unwrap_or_else(|| "not connected yet".to_owned());
        let (state, measured, advice) = match status.state {
            UplinkState::Up => {
                let rtt = status
                    .rtt
                    .map(|rtt| format!(", answers in {} ms", rtt.as_millis()));
                let measured = format!("{at}: connected{}", rtt.unwrap_or_default());
                (State3::Ok, measured, Advice::FarEndAway)
            }
            UplinkState::Refused => (State3::Down, format!("{at}: {told}"), Advice::FarEndRefuses),
            UplinkState::Connecting | UplinkState::Greeting | UplinkState::Waiting => {
                (State3::Down, format!("{at}: {told}"), Advice::FarEndAway)
            }
        };
        check(Subject::FarEnd, state, measured, advice)
    }

    /// A link that is up is not tried again; one that is not, is tried by TCP alone.
    async fn pbx_tcp(&self, at: &str) -> Check {
        let link = self.view.shared.pbx().link;
        if matches!(link, CstaLinkState::Up | CstaLinkState::Associating) {
            let measured = format!("{at}: connected");
            return check(Subject::PbxTcp, State3::Ok, measured, Advice::PbxSilent);
        }
        let begun = clock::now();
        let (state, said, advice) = match timeout(TRY_MAX, TcpStream::connect(at)).await {
            Ok(Ok(_)) => {
                let took = clock::now().saturating_duration_since(begun).as_millis();
                (
                    State3::Ok,
                    format!("answers in {took} ms"),
                    Advice::PbxSilent,
                )
            }
            Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                (State3::Down, error.to_string(), Advice::PbxRefuses)
            }
            Ok(Err(error)) => (State3::Down, error.to_string(), Advice::PbxSilent),
            Err(_) => {
                let said = format!("no answer in {} s", TRY_MAX.as_secs());
                (State3::Down, said, Advice::PbxSilent)
            }
        };
        check(Subject::PbxTcp, state, format!("{at}: {said}"), advice)
    }

    fn csta(&self) -> Check {
        let pbx = self.view.shared.pbx();
        let wanted = self.view.shared.devices().len();
        let (state, measured, advice) = match pbx.link {
            CstaLinkState::Up => {
                let followed = pbx.client.map_or(0, |client| client.monitored);
                let all = followed >= wanted;
                let measured = format!("associated, following {followed} of {wanted} extensions");
                let state = if all { State3::Ok } else { State3::Degraded };
                (state, measured, Advice::CstaPartly)
            }
            CstaLinkState::Associating => {
                let measured = "connected, association is being made".to_owned();
                (State3::Degraded, measured, Advice::CstaAway)
            }
            CstaLinkState::Connecting | CstaLinkState::Down { .. } | CstaLinkState::Stopped => {
                let told = pbx
                    .last_error
                    .unwrap_or_else(|| "not connected yet".to_owned());
                (State3::Down, told, Advice::CstaAway)
            }
        };
        check(Subject::Csta, state, measured, advice)
    }

    fn sip(&self) -> Option<Check> {
        let sip = self.view.shared.sip()?;
        let peers = sip.peers.iter();
        let said: Vec<String> = peers
            .map(|(name, peer)| {
                let word = match peer.state {
                    PeerState::Up if peer.refuses_us => "answers, but takes no call of ours",
                    PeerState::Up => "answers",
                    PeerState::Down => "does not answer",
                    PeerState::Unknown => "is being asked",
                };
                format!("{name} {word}")
            })
            .collect();
        let (up, all) = (sip.up(), sip.peers.len());
        let state = match () {
            () if up == all => State3::Ok,
            () if up > 0 => State3::Degraded,
            () => State3::Down,
        };
        Some(check(Subject::Sip, state, said.join("; "), Advice::SipAway))
    }

    fn disk(&self) -> Check {
        let health = self.view.health();
        let part = health.parts.into_iter().find(|part| part.name == "outbox");
        let (state, measured) = part.map_or((State3::Down, String::new()), |part| {
            (part.state, part.detail)
        });
        check(Subject::Disk, state, measured, Advice::DiskFull)
    }
}

/// The address that this box has towards the PBX; nothing is sent.
async fn own_address(pbx: &str) -> Check {
    let ask = async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        socket.connect(pbx).await?;
        socket.local_addr()
    };
    let found: std::io::Result<SocketAddr> = timeout(TRY_MAX, ask)
        .await
        .unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    let (state, measured) = match found {
        Ok(address) => (State3::Ok, format!("{} towards the PBX", address.ip())),
        Err(error) => (State3::Down, error.to_string()),
    };
    check(Subject::Address, state, measured, Advice::NoRoute)
}

/// Advice is for what is not in order.
fn check(subject: Subject, state: State3, measured: String, advice: Advice) -> Check {
    let advice = (state != State3::Ok).then_some(advice);
    Check {
        subject,
        state,
        measured,
        advice,
    }
}

/// The first address of those that a name has.
fn first_of(mut found: impl Iterator<Item = SocketAddr>) -> String {
    let first = found.next().map(|at| at.ip().to_string());
    first.unwrap_or_default()
}

fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

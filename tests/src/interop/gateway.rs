//! A gateway whose SIP side is on, and the loopback addresses of those who talk to it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use net::clock;
use rand::RngExt as _;
use tempfile::TempDir;

use crate::harness::part::name;
use crate::harness::site::tail;
use crate::harness::{Part, Programs};

/// Longest wait for the gateway to listen.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often is looked again while waiting.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Tries to find addresses whose SIP port is free.
const TRIES: usize = 50;
/// The port of SIP (RFC 3261 §19.1.2).
pub const PORT: u16 = 5060;
/// The destination code that the echo answers.
pub const ECHO: &str = "43800";
/// The destination code that goes on to the second PBX.
pub const CALL_THROUGH: &str = "43900";
/// With what the PBX proves who it is.
pub const LOGIN: (&str, &str) = ("officelinkmxone", "secret-of-the-pbx");

/// Loopback addresses nobody else uses.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The gateway.
    pub gateway: Ipv4Addr,
    /// The PBX: the trunk's only target.
    pub pbx: Ipv4Addr,
    /// The second PBX: behind the call-through route.
    pub second: Ipv4Addr,
    /// Nobody whom the gateway knows.
    pub stranger: Ipv4Addr,
}

impl Addresses {
    /// Four of one network, with a free SIP port each.
    ///
    /// # Errors
    /// None was found.
    pub fn choose() -> Result<Self> {
        let mut rng = rand::rng();
        for _ in 0..TRIES {
            let (a, b) = (rng.random_range(1..=250), rng.random_range(1..=250));
            let [gateway, pbx, second, stranger] =
                [1, 2, 3, 66].map(|last| Ipv4Addr::new(127, a, b, last));
            let is_free = |ip: &Ipv4Addr| {
                UdpSocket::bind((*ip, PORT)).is_ok() && TcpListener::bind((*ip, PORT)).is_ok()
            };
            if [gateway, pbx, second, stranger].iter().all(is_free) {
                return Ok(Self {
                    gateway,
                    pbx,
                    second,
                    stranger,
                });
            }
        }
        bail!("no loopback address with a free port {PORT}")
    }

    /// Where the gateway listens for SIP, on UDP and TCP.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        SocketAddr::from((self.gateway, PORT))
    }
}

/// A running gateway. Dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct Gateway {
    /// Who has which address.
    pub at: Addresses,
    part: Part,
    folder: TempDir,
}

impl Gateway {
    /// Starts one and waits until it listens. `transport` is how it reaches both PBXs, `authenticate`
    /// whether the PBX has to prove who it is.
    ///
    /// # Errors
    /// It does not come up; the sentence holds the end of its log.
    pub fn start(programs: &Programs, transport: &str, authenticate: bool) -> Result<Self> {
        let at = Addresses::choose()?;
        let folder = tempfile::Builder::new().prefix("ringway-sip-").tempdir()?;
        let path = folder.path();
        std::fs::write(path.join("token"), "token")?;
        std::fs::write(path.join("password"), LOGIN.1)?;
        let file = path.join("ringway.toml");
        std::fs::write(&file, toml(&at, path, transport, authenticate)?)?;
        let arguments = ["run", "--config"].map(str::to_owned).to_vec();
        let arguments = [arguments, vec![file.display().to_string()]].concat();
        let mut part = Part::new(programs, name::GATEWAY, arguments, path);
        let peers = [at.pbx, at.second].map(|ip| UdpSocket::bind((ip, PORT)));
        part.start()?;
        let mut gateway = Self { at, part, folder };
        let end = clock::now() + START_TIMEOUT;
        while std::net::TcpStream::connect(at.sip()).is_err() {
            if clock::now() > end || !gateway.is_running() {
                bail!("the gateway does not listen:\n{}", tail(&gateway.log()));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        if transport == "udp" {
            for peer in peers {
                answer_options(&peer?)?;
            }
        }
        Ok(gateway)
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        self.part.is_running()
    }

    /// Everything that it said.
    #[must_use]
    pub fn log(&self) -> String {
        self.part.log()
    }

    /// A folder for what belongs to it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The gateway asks each PBX whether it is there; nobody asks again while a scenario runs.
fn answer_options(peer: &UdpSocket) -> Result<()> {
    peer.set_read_timeout(Some(START_TIMEOUT))?;
    let mut buffer = [0; 4096];
    let (len, from) = peer.recv_from(&mut buffer)?;
    let request = String::from_utf8_lossy(&buffer[..len]).into_owned();
    let (_, headers) = request.split_once("\r\n").context("no request")?;
    let kept = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let lines = headers.lines();
    let lines = lines.filter(|line| kept.iter().any(|name| line.starts_with(name)));
    let headers: String = lines.map(|line| format!("{line}\r\n")).collect();
    let response = format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
    peer.send_to(response.as_bytes(), from)?;
    Ok(())
}

fn toml(at: &Addresses, folder: &Path, transport: &str, authenticate: bool) -> Result<String> {
    let portal = TcpListener::bind((at.gateway, 0))?.local_addr()?;
    let (gateway, pbx, second) = (at.gateway, at.pbx, at.second);
    let (state, token) = (folder.join("gateway"), folder.join("token"));
    let password = folder.join("password");
    let mut text = String::new();
    // Neither a CSTA server nor a far end: the SIP side works without them.
    write!(
        text,
        "[gateway]\naccount-id = \"acme\"\nsite-id = \"north\"\ngateway-id = \"gw-1\"\n\
         state-dir = {state:?}\n\
         [pbx]\naddress = \"{pbx}:9\"\ndevices = [\"2000\"]\n\
         [uplink]\nurl = \"wss://{second}:9/gateway/v1/channel\"\ntoken-file = {token:?}\n\
         [portal]\nlisten = \"{portal}\"\n\
         [outbox]\nballast-bytes = 0\n\
         [sip]\nlisten = [\"udp:{gateway}:{PORT}\", \"tcp:{gateway}:{PORT}\"]\n\
         domain = \"acme.example\"\n\
         [sip.trunk]\ntargets = [\"{transport}:{pbx}:{PORT}\"]\nauthenticate = {authenticate}\n\
         options-interval-s = 600\n\
         gateway-user = \"{}\"\ngateway-password-file = {password:?}\n\
         [[sip.destinations]]\ncode = \"{ECHO}\"\nto = \"echo\"\n\
         [[sip.destinations]]\ncode = \"{CALL_THROUGH}\"\nto = \"call-through\"\n\
         [sip.call-through]\ntargets = [\"{transport}:{second}:{PORT}\"]\n",
        LOGIN.0
    )
    .context("cannot write into a string")?;
    Ok(text)
}

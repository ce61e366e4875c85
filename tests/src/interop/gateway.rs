//! A gateway whose SIP side is on, and the loopback addresses of those who talk to it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use net::clock;
use rand::RngExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use web::{Certificate, ensure_certificate};

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
/// The port of SIP over TLS (RFC 3261 §19.1.2).
pub const TLS_PORT: u16 = 5061;
/// The destination code that the echo answers.
pub const ECHO: &str = "43800";
/// The destination code that goes on to the second PBX.
pub const CALL_THROUGH: &str = "43900";
/// With what the PBX proves who it is.
pub const LOGIN: (&str, &str) = ("officelinkmxone", "secret-of-the-pbx");
/// With what the gateway proves who it is.
pub const OWN_LOGIN: (&str, &str) = ("ringway", "secret-of-the-gateway");

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
    /// The ports of gateway, PBX and second PBX; that of the gateway's TLS is the next one.
    pub ports: [u16; 3],
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
                    ports: [PORT; 3],
                });
            }
        }
        bail!("no loopback address with a free port {PORT}")
    }

    /// Where the gateway listens for SIP, on UDP and TCP.
    #[must_use]
    pub fn sip(&self) -> SocketAddr {
        SocketAddr::from((self.gateway, self.ports[0]))
    }

    /// Where it listens for TLS.
    #[must_use]
    pub fn sips(&self) -> SocketAddr {
        SocketAddr::from((self.gateway, self.ports[0] + 1))
    }
}

/// How a gateway is set up.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Who has which address.
    pub at: Addresses,
    /// How it reaches both PBXs: `udp`, `tcp` or `tls`.
    pub transport: &'a str,
    /// Whether the PBX has to prove who it is.
    pub authenticate: bool,
    /// By MD5 alone, which is what the others of this world know.
    pub md5: bool,
    /// Calls at once, of one caller too.
    pub channels: u32,
    /// More sections of its configuration.
    pub more: &'a str,
}

/// A running gateway. Dropped, it is killed and its folder removed.
#[derive(Debug)]
pub struct Gateway {
    /// Who has which address.
    pub at: Addresses,
    /// Where its health and metrics are.
    pub portal: SocketAddr,
    /// What both PBXs show by TLS.
    pub certificate: Certificate,
    part: Part,
    folder: TempDir,
}

impl Gateway {
    /// Starts one with 30 channels and waits until it listens. `transport` is how it reaches both PBXs,
    /// `authenticate` whether the PBX has to prove who it is.
    ///
    /// # Errors
    /// It does not come up; the sentence holds the end of its log.
    pub fn start(programs: &Programs, transport: &str, authenticate: bool) -> Result<Self> {
        Self::start_with(programs, transport, authenticate, 30)
    }

    /// The same with that many channels, and with a dial policy that allows one caller all of them.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_with(
        programs: &Programs,
        transport: &str,
        authenticate: bool,
        channels: u32,
    ) -> Result<Self> {
        let setup = Setup {
            at: Addresses::choose()?,
            transport,
            authenticate,
            md5: false,
            channels,
            more: "",
        };
        Self::start_as(programs, &setup)
    }

    /// The same as told.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_as(programs: &Programs, setup: &Setup<'_>) -> Result<Self> {
        let at = setup.at;
        let folder = tempfile::Builder::new().prefix("ringway-sip-").tempdir()?;
        let path = folder.path();
        std::fs::write(path.join("token"), "token")?;
        std::fs::write(path.join("password"), LOGIN.1)?;
        let file = path.join("ringway.toml");
        let portal = TcpListener::bind((at.gateway, 0))?.local_addr()?;
        std::fs::write(path.join("pbx-password"), OWN_LOGIN.1)?;
        let both = [at.pbx, at.second].map(IpAddr::V4);
        let certificate = ensure_certificate(&path.join("peer"), &[], &both, clock::unix_ms())?;
        let text = toml(setup, path, portal, &certificate)?;
        std::fs::write(&file, text)?;
        let arguments = ["run", "--config"].map(str::to_owned).to_vec();
        let arguments = [arguments, vec![file.display().to_string()]].concat();
        let mut part = Part::new(programs, name::GATEWAY, arguments, path);
        let [_, pbx, second] = at.ports;
        let peers = [(at.pbx, pbx), (at.second, second)].map(UdpSocket::bind);
        part.start()?;
        let mut gateway = Self {
            at,
            portal,
            certificate,
            part,
            folder,
        };
        let end = clock::now() + START_TIMEOUT;
        while std::net::TcpStream::connect(at.sip()).is_err() {
            if clock::now() > end || !gateway.is_running() {
                bail!("the gateway does not listen:\n{}", tail(&gateway.log()));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        if setup.transport == "udp" {
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

    /// The process.
    ///
    /// # Errors
    /// It is not running.
    pub fn id(&self) -> Result<u32> {
        self.part.id().context("the gateway is not running")
    }

    /// Has it read its configuration and its users anew.
    ///
    /// # Errors
    /// It is not running.
    pub fn reload(&self) -> Result<()> {
        let pid = i32::try_from(self.id()?).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.context("no process id")?, Signal::HUP)?)
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

fn toml(
    setup: &Setup<'_>,
    folder: &Path,
    portal: SocketAddr,
    peer: &Certificate,
) -> Result<String> {
    let Setup {
        at,
        transport,
        authenticate,
        channels,
        ..
    } = setup;
    let (gateway, pbx, second) = (at.gateway, at.pbx, at.second);
    let [port, pbx_port, second_port] = at.ports;
    let (sips, ca) = (at.sips(), &peer.certificate);
    let digest = if setup.md5 {
        "digest = [\"md5\"]\n"
    } else {
        ""
    };
    let (state, token) = (folder.join("gateway"), folder.join("token"));
    let (password, own) = (folder.join("password"), folder.join("pbx-password"));
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
         [sip]\nlisten = [\"udp:{gateway}:{port}\", \"tcp:{gateway}:{port}\", \"tls:{sips}\"]\n\
         domain = \"acme.example\"\nca-file = {ca:?}\n\
         [sip.trunk]\ntargets = [\"{transport}:{pbx}:{pbx_port}\"]\n\
         authenticate = {authenticate}\n{digest}\
         options-interval-s = 600\nchannels = {channels}\n\
         gateway-user = \"{}\"\ngateway-password-file = {password:?}\n\
         pbx-user = \"{}\"\npbx-password-file = {own:?}\n\
         [[sip.destinations]]\ncode = \"{ECHO}\"\nto = \"echo\"\n\
         [[sip.destinations]]\ncode = \"{CALL_THROUGH}\"\nto = \"call-through\"\n\
         [sip.call-through]\ntargets = [\"{transport}:{second}:{second_port}\"]\n\
         [sip.policy]\nconcurrent = {channels}\nper-minute = 60000\n{}",
        LOGIN.0, OWN_LOGIN.0, setup.more
    )
    .context("cannot write into a string")?;
    Ok(text)
}

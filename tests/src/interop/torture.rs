//! Each message of RFC 4475 and RFC 5118, sent as the trusted PBX at a running gateway.

use std::collections::{BTreeMap, HashSet};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use net::clock;
use rand::RngExt as _;

use super::cases::{Case, RFC_4475, RFC_5118};
use super::gateway::{Gateway, PORT};
use super::table::{Table, Verdict};
use crate::harness::Programs;

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_millis(2_000);
/// So long must be silence where no answer, or no further one, may come.
const SILENCE: Duration = Duration::from_millis(250);
/// Longest wait for a stream to be closed whose framing is lost.
const CLOSE: Duration = Duration::from_millis(2_000);
/// How often is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// Some messages of RFC 5118 are one transaction by their branch. The next is sent when the gateway has
/// forgotten the one before: 64 × T1 (RFC 3261 §17.2), and a second.
const FORGOTTEN: Duration = Duration::from_secs(33);
/// Ports that the messages name in their `Via`: that is where the answers go (RFC 3261 §18.2.2).
const VIA_PORTS: [u16; 4] = [PORT, 5050, 6050, 19_823];
/// The one message of the archive that RFC 4475 does not describe.
const UNDESCRIBED: &str = "test";

/// How the messages are brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// One datagram each.
    Udp,
    /// One connection each.
    Tcp,
}

impl Carrier {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Sends everything by one transport, and judges the answers.
///
/// # Errors
/// A file is missing, or the gateway does not start or dies.
pub fn run(programs: &Programs, data: &Path, carrier: Carrier) -> Result<Table> {
    let mut gateway = Gateway::start(programs, carrier.as_str(), false)?;
    let mut sender = Sender::new(&gateway)?;
    let mut table = Table::default();
    let mut rounds: BTreeMap<usize, Vec<(String, Case, Vec<u8>)>> = BTreeMap::new();
    let mut transactions: BTreeMap<String, usize> = BTreeMap::new();
    for (name, case, bytes) in messages(data, carrier)? {
        let before = transactions.entry(transaction(&bytes)).or_default();
        let round = rounds.entry(*before).or_default();
        *before += usize::from(carrier == Carrier::Udp);
        round.push((name, case, bytes));
    }
    for (round, messages) in rounds {
        if round > 0 {
            sleep(FORGOTTEN);
        }
        for (name, case, bytes) in messages {
            let came = match carrier {
                Carrier::Udp => sender.datagram(&bytes, case.answers.len()),
                Carrier::Tcp => sender.stream(&bytes, &case),
            };
            let came = came.with_context(|| name.clone())?;
            table.0.push(judge(name.clone(), &case, carrier, &came));
            if !gateway.is_running() || !sender.is_alive(carrier)? {
                bail!(
                    "after {name} the gateway answers nothing:\n{}",
                    gateway.log()
                );
            }
        }
    }
    Ok(table)
}

/// The last line of a transport.
#[must_use]
pub fn summary(table: &Table) -> String {
    let of = |rfc: &'static str| {
        let (right, all) =
            table.count(|name| name.starts_with(rfc) && !name.ends_with(UNDESCRIBED));
        format!("{right}/{all}")
    };
    format!("RFC 4475 {}, RFC 5118 {}", of("4475 "), of("5118 "))
}

/// What came for one message.
#[derive(Debug, Default)]
struct Came {
    answers: Vec<String>,
    closed: bool,
}

fn judge(name: String, case: &Case, carrier: Carrier, came: &Came) -> Verdict {
    let of_stream = case.stream.filter(|_| carrier == Carrier::Tcp);
    let must = of_stream.unwrap_or(case.answers);
    let statuses: Vec<u16> = came.answers.iter().map(|text| status(text)).collect();
    let mut right =
        statuses.len() == must.len() && statuses.iter().zip(must).all(|(is, may)| may.contains(is));
    if !case.header.is_empty() {
        let wanted = format!("\r\n{}:", case.header.to_ascii_lowercase());
        let has = |text: &String| text.to_ascii_lowercase().contains(&wanted);
        right &= came.answers.iter().all(has);
    }
    let must_close = case.closes && carrier == Carrier::Tcp;
    right &= came.closed || !must_close;
    // Nothing is asserted of it but that the gateway lives on.
    let undescribed = name.ends_with(UNDESCRIBED);
    let mut wanted = words(must.iter().map(|may| {
        let may: Vec<_> = may.iter().map(u16::to_string).collect();
        may.join("|")
    }));
    if !case.header.is_empty() {
        wanted += &format!(" with {}", case.header);
    }
    let mut got = words(statuses.iter().map(u16::to_string));
    if must_close {
        wanted += ", closed";
        got += if came.closed {
            ", closed"
        } else {
            ", left open"
        };
    }
    Verdict {
        name,
        must: if undescribed {
            "no harm".to_owned()
        } else {
            wanted
        },
        got,
        right: right || undescribed,
        note: case.note.to_owned(),
    }
}

fn words(of: impl Iterator<Item = String>) -> String {
    let of: Vec<_> = of.collect();
    if of.is_empty() {
        "silence".to_owned()
    } else {
        of.join(", then ")
    }
}

fn status(response: &str) -> u16 {
    let code = response.split(' ').nth(1).unwrap_or_default();
    code.parse().unwrap_or_default()
}

/// The messages by name, as they go over the wire.
fn messages(data: &Path, carrier: Carrier) -> Result<Vec<(String, Case, Vec<u8>)>> {
    let mut all = Vec::new();
    let undescribed = Case {
        file: UNDESCRIBED,
        answers: &[],
        stream: None,
        header: "",
        closes: false,
        note: "in the archive, but described nowhere",
    };
    for case in RFC_4475.into_iter().chain([undescribed]) {
        let file = data.join(format!("sip/rfc4475/{}.dat", case.file));
        let mut bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
        if case.file == "baddn" && carrier == Carrier::Tcp {
            // The archive lacks the last empty line; a stream would wait for it.
            bytes.extend(b"\r\n");
        }
        all.push((format!("4475 {}", case.file), case, bytes));
    }
    for case in RFC_5118 {
        let file = data.join(format!("sip/rfc5118/{}", case.file));
        let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        all.push((format!("5118 {}", case.file), case, wire(&text)));
    }
    Ok(all)
}

/// The archive of RFC 5118 has bare line feeds, lacks empty lines and miscounts bodies.
fn wire(text: &str) -> Vec<u8> {
    let (head, body) = text
        .split_once("\n\n")
        .unwrap_or_else(|| (text.trim_end(), ""));
    let body = body.replace('\n', "\r\n");
    let lines = head.lines().map(|line| {
        if line.starts_with("Content-Length:") {
            format!("Content-Length: {}\r\n", body.len())
        } else {
            format!("{line}\r\n")
        }
    });
    let head: String = lines.collect();
    format!("{head}\r\n{body}").into_bytes()
}

/// What RFC 3261 §17.2.3 takes for the same transaction: method and top `Via`.
fn transaction(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let method = text.split(' ').next().unwrap_or_default().to_owned();
    let via = text.lines().find(|line| {
        let line = line.to_ascii_lowercase();
        line.starts_with("via") || line.starts_with("v:")
    });
    match via {
        Some(via) => method + via,
        None => method + &text,
    }
}

/// The PBX's sockets.
struct Sender {
    gateway: SocketAddr,
    pbx: Ipv4Addr,
    sockets: Vec<UdpSocket>,
    seen: HashSet<Vec<u8>>,
}

impl Sender {
    fn new(gateway: &Gateway) -> Result<Self> {
        let pbx = gateway.at.pbx;
        let mut sockets = Vec::new();
        for port in VIA_PORTS {
            let socket = UdpSocket::bind((pbx, port))?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        Ok(Self {
            gateway: gateway.at.sip(),
            pbx,
            sockets,
            seen: HashSet::new(),
        })
    }

    /// Sends one datagram and gathers the final responses that were not there before: what is not
    /// acknowledged is sent again and again (RFC 3261 §17.2.1), the same to the byte.
    fn datagram(&mut self, bytes: &[u8], wanted: usize) -> Result<Came> {
        self.sockets[0].send_to(bytes, self.gateway)?;
        let mut came = Came::default();
        let mut end = clock::now() + if wanted == 0 { SILENCE } else { ANSWER };
        while clock::now() < end {
            let mut buffer = [0; 65_535];
            for socket in &self.sockets {
                let Ok((len, _)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
                let is_new = self.seen.insert(buffer[..len].to_vec());
                if is_new && is_final(&text) {
                    came.answers.push(text);
                    end = clock::now() + SILENCE;
                }
            }
            sleep(LOOK_AGAIN);
        }
        Ok(came)
    }

    /// The same over a connection of its own.
    fn stream(&self, bytes: &[u8], case: &Case) -> Result<Came> {
        let wanted = case.stream.unwrap_or(case.answers).len();
        let mut stream = self.connect()?;
        stream.write_all(bytes)?;
        let mut read = Vec::new();
        let closed = read_for(&mut stream, &mut read, |read, since| {
            let (wait, here) = (since.elapsed(), responses(read).len());
            if case.closes {
                return wait > CLOSE;
            }
            wait > if here < wanted { ANSWER } else { SILENCE }
        });
        let mut answers = responses(&read);
        answers.retain(|text| is_final(text));
        Ok(Came { answers, closed })
    }

    /// A connection whose near end is the PBX's address.
    fn connect(&self) -> Result<TcpStream> {
        let socket = connection(self.pbx, self.gateway)?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// Whether a good OPTIONS gets its 200.
    fn is_alive(&mut self, carrier: Carrier) -> Result<bool> {
        let id: u64 = rand::rng().random();
        let (pbx, to) = (self.pbx, self.gateway);
        let via = carrier.as_str().to_ascii_uppercase();
        let options = format!(
            "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/{via} {pbx}:{PORT};branch=z9hG4bK{id}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:pbx@{pbx}>;tag={id}\r\nTo: <sip:{to}>\r\n\
             Call-ID: alive-{id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        let came = match carrier {
            Carrier::Udp => self.until(options.as_bytes(), &format!("alive-{id}"))?,
            Carrier::Tcp => {
                let mut stream = self.connect()?;
                stream.write_all(options.as_bytes())?;
                let mut read = Vec::new();
                read_for(&mut stream, &mut read, |read, since| {
                    !responses(read).is_empty() || since.elapsed() > ANSWER
                });
                responses(&read).pop()
            }
        };
        Ok(came.is_some_and(|text| status(&text) == 200))
    }

    /// Sends a datagram and waits for the response with this `Call-ID`.
    fn until(&mut self, bytes: &[u8], call_id: &str) -> Result<Option<String>> {
        self.sockets[0].send_to(bytes, self.gateway)?;
        let end = clock::now() + ANSWER;
        while clock::now() < end {
            let mut buffer = [0; 65_535];
            let Ok((len, _)) = self.sockets[0].recv_from(&mut buffer) else {
                sleep(LOOK_AGAIN);
                continue;
            };
            self.seen.insert(buffer[..len].to_vec());
            let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if text.starts_with("SIP/2.0 ") && text.contains(call_id) {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }
}

fn is_final(text: &str) -> bool {
    text.starts_with("SIP/2.0 ") && status(text) >= 200
}

fn connection(near: Ipv4Addr, far: SocketAddr) -> Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let connected = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((near, 0)))?;
        socket.connect(far).await?.into_std()
    });
    connected.context("the gateway takes no connection")
}

/// Reads until the end of the stream, which is `true`, or until `enough` of what was read and of the
/// time since the last that came.
fn read_for(
    stream: &mut TcpStream,
    read: &mut Vec<u8>,
    enough: impl Fn(&[u8], Instant) -> bool,
) -> bool {
    let mut since = clock::now();
    let mut buffer = [0; 4096];
    while !enough(read, since) {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(len) => {
                read.extend(&buffer[..len]);
                since = clock::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(LOOK_AGAIN),
            Err(_) => return true,
        }
    }
    false
}

/// The responses in a stream; the gateway's have no body where one is looked for here.
fn responses(read: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(read);
    let mut all = Vec::new();
    for part in text.split_inclusive("\r\n\r\n") {
        if part.starts_with("SIP/2.0 ") {
            all.push(part.to_owned());
        }
    }
    all
}

//! Peers at the PBX's address that speak slowly, stop half-way, do not read or never end: which limit of
//! [`LinkLimits`] closes them, and under which reason that is counted.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result};
use net::clock;
use net::sip::LinkLimits;
use net::tcp::BoxedStream;
use net::tls::{Trust, client_config};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::figures::Figures;
use super::gateway::{Addresses, Gateway};
use super::table::{Table, Verdict};
use crate::harness::Programs;

/// What a limit may be exceeded by until the link is closed.
const MARGIN: Duration = Duration::from_secs(20);
/// Longest wait for the counter behind a closed link.
const COUNTED: Duration = Duration::from_secs(3);
/// Bytes of those who do not end.
const FLOOD: [u8; 4096] = [b'a'; 4096];
/// How a message begins that is never whole.
const HEAD: &str = "OPTIONS sip:gateway SIP/2.0\r\nVia: SIP/2.0/TCP pbx;branch=z9hG4bK1\r\n";

/// What a peer does once it is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    /// Nothing at all.
    Silence,
    /// Begins a message and stops.
    Half,
    /// Goes on with one byte each second.
    Drip,
    /// A header field without end.
    EndlessHead,
    /// A body of 100 MB.
    EndlessBody,
    /// Asks and asks, and reads no answer.
    Deaf,
    /// Opens one link after the other.
    Crowd,
}

struct Case {
    name: &'static str,
    by_tls: bool,
    act: Act,
    /// The reason under which the closed link is counted.
    reason: &'static str,
    /// The limit, where it is a time.
    limit: Duration,
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn cases(limits: &LinkLimits) -> Vec<Case> {
    let case = |name, by_tls, act, reason, limit| Case {
        name,
        by_tls,
        act,
        reason,
        limit,
    };
    let now = Duration::ZERO;
    vec![
        case(
            "tls: connected, no handshake",
            false,
            Act::Silence,
            "handshake",
            limits.handshake,
        ),
        case(
            "tcp: half a message, then nothing",
            false,
            Act::Half,
            "slow",
            limits.message,
        ),
        case(
            "tls: half a message, then nothing",
            true,
            Act::Half,
            "slow",
            limits.message,
        ),
        case(
            "tcp: a byte each second",
            false,
            Act::Drip,
            "slow",
            limits.message,
        ),
        case(
            "tls: a byte each second",
            true,
            Act::Drip,
            "slow",
            limits.message,
        ),
        case(
            "tcp: connected, no message",
            false,
            Act::Silence,
            "slow",
            limits.message,
        ),
        case(
            "tcp: a header field without end",
            false,
            Act::EndlessHead,
            "framing",
            now,
        ),
        case(
            "tls: a header field without end",
            true,
            Act::EndlessHead,
            "framing",
            now,
        ),
        case(
            "tcp: a body of 100 MB",
            false,
            Act::EndlessBody,
            "framing",
            now,
        ),
        case(
            "tcp: reads no answer",
            false,
            Act::Deaf,
            "backlog",
            limits.stall,
        ),
        case(
            "tls: reads no answer",
            true,
            Act::Deaf,
            "backlog",
            limits.stall,
        ),
        case(
            "tcp: one link after the other",
            false,
            Act::Crowd,
            "limit",
            now,
        ),
    ]
}

/// Lets each of them loose at one gateway, one after the other.
///
/// # Errors
/// The gateway does not start or answer.
pub fn run(programs: &Programs) -> Result<Table> {
    let limits = LinkLimits::default();
    let mut gateway = Gateway::start(programs, "udp", false)?;
    let figures = Figures::of(&gateway)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut table = Table::default();
    for case in cases(&limits) {
        let before = closed(&figures)?;
        let took = runtime.block_on(suffer(&case, gateway.at, &limits));
        let took = took.with_context(|| case.name)?;
        let end = clock::now() + COUNTED;
        let reasons = loop {
            let more = more(&before, &closed(&figures)?);
            if more.contains(&case.reason.to_owned()) || clock::now() > end {
                break more;
            }
            sleep(Duration::from_millis(50));
        };
        let got = match took {
            Some(took) => format!(
                "closed after {:.1} s, {}",
                took.as_secs_f64(),
                reasons.join(", ")
            ),
            None => "left open".to_owned(),
        };
        table.0.push(Verdict {
            name: case.name.to_owned(),
            must: format!("closed, {}", case.reason),
            got,
            right: took.is_some() && reasons.contains(&case.reason.to_owned()),
            note: if case.limit.is_zero() {
                String::new()
            } else {
                format!("limit {} s", case.limit.as_secs())
            },
        });
        anyhow::ensure!(gateway.is_running(), "the gateway died:\n{}", gateway.log());
    }
    Ok(table)
}

/// Links closed so far, by reason.
fn closed(figures: &Figures) -> Result<BTreeMap<String, u64>> {
    let page = figures.page()?.into_iter();
    let of = |name: &str| {
        let label = name.strip_prefix("ringway_sip_links_closed_total{reason=\"")?;
        Some(label.trim_end_matches("\"}").to_owned())
    };
    Ok(page
        .filter_map(|(name, count)| Some((of(&name)?, count)))
        .collect())
}

/// The reasons that were counted since.
fn more(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Vec<String> {
    let more = now
        .iter()
        .filter(|(why, count)| before.get(*why) < Some(count));
    more.map(|(why, _)| why.clone()).collect()
}

/// How long the gateway bears it; `None` when it does longer than the limit.
async fn suffer(case: &Case, at: Addresses, limits: &LinkLimits) -> Result<Option<Duration>> {
    let began = clock::now();
    let to = if case.name.starts_with("tls") {
        at.sips()
    } else {
        at.sip()
    };
    if case.act == Act::Crowd {
        return crowd(at.pbx, to, limits.links_per_peer_max).await;
    }
    let mut stream = connect(at.pbx, to).await?;
    if case.by_tls {
        let connector = TlsConnector::from(client_config(&Trust::Loopback)?);
        let name = ServerName::from(to.ip());
        stream = Box::new(connector.connect(name, stream).await?);
    }
    let over = timeout(case.limit + MARGIN, until_closed(&mut stream, case.act));
    let over = over.await.is_ok();
    Ok(over.then(|| clock::now().saturating_duration_since(began)))
}

async fn connect(near: Ipv4Addr, far: SocketAddr) -> Result<BoxedStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((near, 0)))?;
    Ok(Box::new(socket.connect(far).await?))
}

/// Acts until the other end has closed the link.
async fn until_closed(stream: &mut BoxedStream, act: Act) {
    let options = format!(
        "{HEAD}Max-Forwards: 70\r\nFrom: <sip:pbx@pbx>;tag=1\r\nTo: <sip:gateway>\r\nCall-ID: 1\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let (begin, again) = match act {
        Act::Silence | Act::Crowd => (String::new(), &[][..]),
        Act::Half => (HEAD.to_owned(), &[][..]),
        Act::Drip => (format!("{HEAD}X: "), &b"a"[..]),
        Act::EndlessHead => (format!("{HEAD}X: "), &FLOOD[..]),
        Act::EndlessBody => (
            options.replace("Content-Length: 0", "Content-Length: 100000000"),
            &FLOOD[..],
        ),
        Act::Deaf => (String::new(), options.as_bytes()),
    };
    if stream.write_all(begin.as_bytes()).await.is_err() || stream.flush().await.is_err() {
        return;
    }
    let pause = match act {
        Act::EndlessHead | Act::EndlessBody | Act::Deaf => Duration::from_millis(1),
        _ => Duration::from_secs(1),
    };
    loop {
        let written = async {
            stream.write_all(again).await?;
            stream.flush().await
        };
        if written.await.is_err() {
            return;
        }
        if act == Act::Deaf {
            tokio::task::yield_now().await;
            continue;
        }
        let mut buffer = [0; 4096];
        if let Ok(Ok(0) | Err(_)) = timeout(pause, stream.read(&mut buffer)).await {
            return;
        }
    }
}

/// Opens links until one is closed at once; `None` when that is not the one behind the limit.
async fn crowd(near: Ipv4Addr, far: SocketAddr, limit: usize) -> Result<Option<Duration>> {
    let began = clock::now();
    let mut open = Vec::new();
    for _ in 0..limit {
        open.push(connect(near, far).await?);
    }
    let mut one_more = connect(near, far).await?;
    let over = timeout(MARGIN, one_more.read_u8()).await;
    Ok(over
        .is_ok()
        .then(|| clock::now().saturating_duration_since(began)))
}

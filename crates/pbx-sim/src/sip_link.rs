//! SIP on UDP and TCP: messages in, messages out; no decision about SIP. And the one port that reflects
//! the RTP of all calls to whoever sends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use net::sip::{
    Gatekeeper, LinkLimits, Listener, Listeners, SipHandler, SipNet, SipNetConfig, SipStats,
};
use sip::message::{Message, ParseError};
use sip::transport::{Flow, Transmit, Transport};
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

use crate::link::Shared;
use crate::sip::{SipAddress, SipConfig};

/// The longest packet that is reflected.
const PACKET_LEN: usize = 1500;
/// The shortest: the fixed header of RTP (RFC 3550 §5.1).
const HEADER_LEN: usize = 12;
/// Links of SIP at a time: as many as there are extensions, each with a flow of its own.
const LINKS_MAX: usize = 20_000;

/// Sockets that are bound.
#[derive(Debug)]
pub(crate) struct Bound {
    listeners: Listeners,
    pub(crate) listen: Vec<SipAddress>,
    media: UdpSocket,
    pub(crate) media_address: SocketAddr,
}

/// Binds the addresses of `config`.
///
/// # Errors
/// A sentence that names the address that cannot be used.
pub(crate) async fn bind(config: &SipConfig) -> Result<Bound> {
    let wanted = config.listen.iter().map(|at| Listener {
        transport: at.transport,
        address: at.address,
        tls: None,
    });
    let listeners = net::sip::bind(&wanted.collect::<Vec<_>>())?;
    let addresses = listeners.addresses().into_iter();
    let listen = addresses.map(|(transport, address)| SipAddress { transport, address });
    let media = UdpSocket::bind(config.media).await;
    let media = media.with_context(|| format!("cannot take RTP at {}", config.media))?;
    Ok(Bound {
        listen: listen.collect(),
        listeners,
        media_address: media.local_addr()?,
        media,
    })
}

/// Carries messages between the sockets and the PBX until `stopped` is set or gone.
pub(crate) async fn serve(
    bound: Bound,
    shared: Arc<Shared>,
    mut wakes: mpsc::Receiver<()>,
    stopped: watch::Receiver<bool>,
) {
    let reflector = tokio::spawn(reflect(bound.media));
    let ended = net::sip::spawn(move || async move {
        let net = SipNet {
            config: SipNetConfig {
                limits: LinkLimits {
                    links_max: LINKS_MAX,
                    links_per_peer_max: LINKS_MAX,
                    ..LinkLimits::default()
                },
                tls_client: None,
            },
            listeners: bound.listeners,
            gatekeeper: Arc::new(Everybody),
            stats: Arc::new(SipStats::default()),
            grace: Duration::ZERO,
        };
        net::sip::run(net, &mut Handler(shared), &mut wakes, stopped).await
    });
    if let Err(error) = ended.await {
        tracing::error!(error = format!("{error:#}"), "the SIP side has ended");
    }
    reflector.abort();
}

/// Whoever reaches a simulator may speak with it.
#[derive(Debug)]
struct Everybody;

impl Gatekeeper for Everybody {
    fn admits(&self, _: SocketAddr, _: Transport) -> bool {
        true
    }
}

struct Handler(Arc<Shared>);

impl SipHandler for Handler {
    /// There is something to send.
    type Command = ();

    fn message(&mut self, message: Message, flow: Flow, _: Instant) {
        self.0
            .with(|exchange, now| exchange.handle_sip_message(message, flow, now));
    }

    fn unreadable(&mut self, error: &ParseError, flow: Flow, _: Instant) {
        self.0
            .with(|exchange, _| exchange.handle_sip_unreadable(error, flow));
    }

    fn flow_failed(&mut self, flow: Flow, reason: &str, _: Instant) {
        tracing::debug!(reason, "a SIP flow failed");
        self.0
            .with(|exchange, now| exchange.handle_sip_failure(&flow, now));
    }

    fn timeout(&mut self, _: Instant) {}

    fn command(&mut self, (): (), _: Instant) {}

    fn tick(&mut self, _: Instant) {}

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.0.poll_transmit()
    }

    /// The timers run with those of the links.
    fn poll_timeout(&mut self) -> Option<Instant> {
        None
    }

    fn drained(&mut self, _: Instant) -> bool {
        true
    }
}

/// Sends each packet of RTP back to where it came from.
async fn reflect(socket: UdpSocket) {
    let mut packet = [0; PACKET_LEN];
    loop {
        // An error here is the network's about an earlier packet, whose receiver is gone.
        let Ok((len, from)) = socket.recv_from(&mut packet).await else {
            continue;
        };
        let version = packet[0] >> 6;
        if len >= HEADER_LEN && version == 2 {
            let _lost = socket.send_to(&packet[..len], from).await;
        }
    }
}

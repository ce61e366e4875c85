//! The small SIP PBX of the gateway: its sockets, one user agent core, and the switchboard, on a thread
//! of their own. Decisions are the cores'; here they meet the clock, the sockets and the log.
//!
//! ```text
//! net::sip (UDP, TCP, TLS) ── Telephony ── sip::ua::UserAgent ── call_control::bridge::Switchboard
//!                                 ├── door: who is read at all          ├── echo: ports that reflect
//!                                 └── status: health and metrics        └── audit: refused calls
//! ```

mod audit;
mod door;
mod echo;
mod settings;
mod status;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use call_control::bridge::{BridgeConfig, Notice, Peer, PeerState, Switchboard, TrunkSecret};
use net::clock;
use net::sip::{Listeners, SipHandler, SipNet, SipNetConfig, SipStats, run, spawn};
use rand::RngExt as _;
use sip::digest::{DigestServer, DigestServerConfig, StoredSecret};
use sip::id::IdSource;
use sip::message::{Message, ParseError};
use sip::transaction::TransactionConfig;
use sip::transport::{Flow, Transmit, Transport};
use sip::ua::{Logins, UserAgent, UserAgentConfig};
use sip::uri::HostPort;
use tokio::sync::{mpsc, watch};

use self::audit::Audit;
use self::door::Door;
use self::echo::EchoPorts;
use crate::config::SipTarget;
use crate::health::SOFTWARE;
use crate::status::Shared;

pub use self::settings::TelephonySettings;
pub use self::status::{PeerStanding, SipStatus};

/// Time that calls get to end by themselves at shutdown; then they are ended.
const CALLS_END: Duration = Duration::from_secs(3);
/// Time for everything at shutdown.
const GRACE: Duration = Duration::from_secs(6);
/// Longest time for looking up the names of the PBX's addresses.
const LOOKUP: Duration = Duration::from_secs(10);
/// Calls at once that the cores are made for: above any number of channels, with both legs of each.
const SESSIONS_MAX: usize = 10_000;

/// Runs the part until shutdown.
///
/// # Errors
/// When the PBX's names cannot be looked up, or the thread cannot run.
pub async fn serve(
    settings: Arc<TelephonySettings>,
    listeners: Listeners,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let trunk = lookup(&settings.trunk, &listeners).await?;
    let call_through = lookup(&settings.call_through, &listeners).await?;
    let stats = Arc::new(SipStats::default());
    let door = Arc::new(Door::new(trunk.iter().chain(&call_through), &settings));
    spawn(move || async move {
        let mut telephony =
            Telephony::new(&settings, trunk, call_through, shared, Arc::clone(&stats));
        let net = SipNet {
            config: SipNetConfig {
                limits: settings.limits.clone(),
                tls_client: settings.tls_client.clone(),
            },
            listeners,
            gatekeeper: door,
            stats,
            grace: GRACE,
        };
        // Nothing is ordered yet: calls come from the trunk alone.
        let (_orders, mut queue) = mpsc::channel(1);
        run(net, &mut telephony, &mut queue, stopped).await
    })
    .await
}

/// The addresses behind the targets; a name may have several.
async fn lookup(targets: &[SipTarget], listeners: &Listeners) -> anyhow::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for target in targets {
        let address = &target.address.0;
        let looking = tokio::net::lookup_host(address);
        let found = tokio::time::timeout(LOOKUP, looking)
            .await
            .with_context(|| format!("{address} was not looked up in time"))?
            .with_context(|| format!("cannot look up {address}"))?;
        for remote in found {
            let bound = listeners.addresses();
            let fits = |at: &&(Transport, std::net::SocketAddr)| {
                at.0 == target.transport && at.1.is_ipv4() == remote.is_ipv4()
            };
            let of_family =
                |at: &&(Transport, std::net::SocketAddr)| at.1.is_ipv4() == remote.is_ipv4();
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
        "none of the PBX's addresses is of a kind (IPv4, IPv6) that sip.listen has"
    );
    Ok(peers)
}

/// What the sockets' loop drives.
struct Telephony {
    ua: UserAgent,
    switchboard: Switchboard,
    ports: EchoPorts,
    audit: Audit,
    shared: Arc<Shared>,
    net: Arc<SipStats>,
    channels: usize,
    peers_since: Vec<(PeerState, Instant)>,
    /// When shutdown began, and whether calls were ended since.
    draining: Option<(Instant, bool)>,
}

impl Telephony {
    fn new(
        settings: &TelephonySettings,
        trunk: Vec<Peer>,
        call_through: Vec<Peer>,
        shared: Arc<Shared>,
        net: Arc<SipStats>,
    ) -> Self {
        let now = clock::now();
        let peers_since = vec![(PeerState::Unknown, now); trunk.len() + call_through.len()];
        let ua = UserAgent::new(user_agent(settings), Box::new(RandomIds));
        let secret = settings.gateway_login.as_ref().map(|login| TrunkSecret {
            server: DigestServer::new(
                DigestServerConfig::new(&*settings.domain),
                rand::rng().random(),
                now,
            ),
            user: login.username.clone(),
            secret: StoredSecret::Password(login.password.clone()),
        });
        let config = BridgeConfig {
            domain: settings.domain.clone(),
            digits_start: settings.digits_start,
            routes: settings.routes.clone(),
            trunk,
            call_through,
            options_interval: settings.options_interval,
            channels: settings.channels,
            policy: settings.policy.clone(),
            secret,
            logins: settings.pbx_login.clone().map(Logins::from),
            retry_after_s: RETRY_AFTER_S,
            seed: rand::rng().random(),
        };
        Self {
            ua,
            switchboard: Switchboard::new(config, now),
            ports: EchoPorts::new(settings.media_address),
            audit: Audit::new(&settings.audit_file),
            shared,
            net,
            channels: settings.channels,
            peers_since,
            draining: None,
        }
    }

    /// Hands over what the user agent tells, and writes down what the switchboard notes.
    fn drain(&mut self, now: Instant) {
        while let Some(event) = self.ua.poll_event() {
            let left = self
                .switchboard
                .handle_event(event, &mut self.ua, &mut self.ports, now);
            if let Some(event) = left {
                tracing::debug!(?event, "nobody's event");
            }
        }
        while let Some(notice) = self.switchboard.poll_notice() {
            self.note(notice, now);
        }
    }

    fn note(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Begun(call, to) => tracing::info!(call = call.0, ?to, "trunk call"),
            Notice::Ended(call, summary) => tracing::info!(
                call = call.0,
                to = ?summary.destination,
                rang_ms = summary.rang.as_millis(),
                talked_ms = summary.talked.map(|time| time.as_millis()),
                status = summary.status,
                "trunk call ended"
            ),
            Notice::Refused {
                from,
                to,
                source,
                reason,
            } => {
                tracing::warn!(reason = reason.as_str(), "trunk call refused");
                self.audit.refused(&from, &to, source, reason.as_str());
            }
            Notice::Peer { name, state } => {
                tracing::info!(peer = %name, state = state.as_str(), "PBX address");
                self.publish(now);
            }
        }
    }

    /// Tells health and metrics how things are.
    fn publish(&mut self, now: Instant) {
        let peers = self.switchboard.peers().zip(&mut self.peers_since);
        let peers = peers.map(|((peer, state), known)| {
            if known.0 != state {
                *known = (state, now);
            }
            PeerStanding {
                name: peer.name.clone(),
                state,
                since: known.1,
            }
        });
        let status = SipStatus {
            peers: peers.collect(),
            channels_max: self.channels,
            bridge: self.switchboard.stats(),
            ua: self.ua.stats(),
            transactions: self.ua.transaction_stats(),
            net: Arc::clone(&self.net),
            audit_failures: self.audit.failures(),
        };
        self.shared.set_sip(status);
    }
}

impl SipHandler for Telephony {
    type Command = std::convert::Infallible;

    fn message(&mut self, message: Message, flow: Flow, now: Instant) {
        self.ua.handle_message(message, flow, now);
        self.drain(now);
    }

    fn unreadable(&mut self, error: &ParseError, flow: Flow, _: Instant) {
        tracing::debug!(%error, "not a SIP message");
        if let Some(response) = error.response() {
            self.ua.transactions().send_stateless(response, flow);
        }
    }

    fn flow_failed(&mut self, flow: Flow, reason: &str, now: Instant) {
        tracing::debug!(reason, "a SIP flow failed");
        self.ua.handle_transport_failure(&flow, now);
        self.drain(now);
    }

    fn timeout(&mut self, now: Instant) {
        if self.ua.poll_timeout().is_some_and(|at| at <= now) {
            self.ua.handle_timeout(now);
        }
        if self.switchboard.poll_timeout().is_some_and(|at| at <= now) {
            self.switchboard.handle_timeout(&mut self.ua, now);
        }
        self.drain(now);
    }

    fn command(&mut self, command: Self::Command, _: Instant) {
        match command {}
    }

    fn tick(&mut self, now: Instant) {
        self.publish(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.ua.poll_transmit()
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let timeouts = [self.ua.poll_timeout(), self.switchboard.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    fn drained(&mut self, now: Instant) -> bool {
        let (since, ended) = *self.draining.get_or_insert((now, false));
        self.switchboard.drain();
        if !ended && now.saturating_duration_since(since) >= CALLS_END {
            self.draining = Some((since, true));
            self.switchboard.end_all(&mut self.ua, now);
            self.drain(now);
        }
        self.switchboard.calls() == 0 && self.ua.stats().sessions == 0
    }
}

/// `Retry-After` of what passes by itself, in seconds.
const RETRY_AFTER_S: u32 = 5;

fn user_agent(settings: &TelephonySettings) -> UserAgentConfig {
    let contact = settings.advertise.clone();
    let sent_by = contact.iter().flat_map(|host| {
        let transports = [Transport::Udp, Transport::Tcp, Transport::Tls];
        transports.map(|transport| (transport, settings.sent_by(transport, host)))
    });
    UserAgentConfig {
        transactions: TransactionConfig {
            retry_after_secs: RETRY_AFTER_S,
            sent_by: sent_by.collect(),
            ..TransactionConfig::default()
        },
        product: Some(SOFTWARE.to_owned()),
        contact,
        sessions_max: SESSIONS_MAX,
        retry_after_s: RETRY_AFTER_S,
        ..UserAgentConfig::default()
    }
}

/// Identifiers from the system's randomness.
struct RandomIds;

impl IdSource for RandomIds {
    fn token(&mut self) -> String {
        format!("{:032x}", rand::rng().random::<u128>())
    }

    fn number(&mut self) -> u64 {
        rand::rng().random()
    }
}

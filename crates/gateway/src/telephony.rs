//! The small SIP PBX of the gateway: its sockets, one user agent core, and the switchboard, on a thread
//! of their own. Decisions are the cores'; here they meet the clock, the sockets and the log.
//!
//! ```text
//! net::sip (UDP, TCP, TLS) ── Telephony ── sip::ua::UserAgent ── call_control::bridge::Switchboard
//!                                 ├── door: who is read at all          ├── echo: ports that reflect
//!                                 ├── status: health and metrics        └── audit: refused calls
//!                                 ├── sounds: recordings and tones that are heard of the gateway
//!                                 ├── capture: copies for a collector
//!                                 ├── tell: what others are told of it
//!                                 ├── voice: how calls that are over sounded
//!                                 └── softclients: users registered at the PBX
//! ```

mod audit;
mod capture;
mod door;
mod ids;
mod local;
mod media;
mod orders;
mod peers;
mod settings;
mod softclients;
mod sounds;
mod status;
mod tell;
mod voice;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use call_control::bridge::correlate::Correlator;
use call_control::bridge::{BridgeConfig, Switchboard, TrunkSecret};
use net::clock;
use net::hep::{Hep, HepConfig, HepQueue};
use net::sip::{Listeners, SipHandler, SipNet, SipNetConfig, SipStats, run, spawn};
use rand::RngExt as _;
use sip::Response;
use sip::digest::{DigestServer, DigestServerConfig, StoredSecret};
use sip::message::{Message, ParseError};
use sip::transport::{Flow, Transmit};
use sip::ua::{Logins, RequestKey, UserAgent, UserAgentEvent};
use tokio::sync::{mpsc, watch};

use self::audit::Audit;
use self::door::Door;
use self::ids::{RandomIds, leg_ids};
use self::local::LocalPorts;
use self::media::{RelayFigures, RelayedCalls};
use self::orders::{ORDERS, Order, pass_on};
use self::peers::{AGAIN, Peers, follow_names};
use self::softclients::{Change, Softclients};
use crate::engine::EngineCommand;
use crate::legs::{LegIn, LegMouth};
use crate::status::Shared;

pub use self::media::MediaStatus;
pub use self::orders::{Users, Ways};
pub use self::settings::{MediaSettings, TelephonySettings};
pub use self::softclients::SoftclientSettings;
pub use self::sounds::Sounds;
pub use self::status::{PbxStanding, SipStatus, SoftclientStatus};
pub use self::voice::{Distribution, Voices};

/// Time that calls get to end by themselves at shutdown; then they are ended.
const CALLS_END: Duration = Duration::from_secs(3);
/// Time in which softclients unregister where the PBX bears the pace: 5,000 at 1,250 a second.
const FAREWELLS: Duration = Duration::from_secs(4);
/// Time after which those who have not are left to run out.
const FAREWELLS_END: Duration = Duration::from_secs(5);
/// Time for everything at shutdown.
const GRACE: Duration = Duration::from_secs(6);

/// Runs the part until shutdown.
///
/// # Errors
/// When the PBX's names cannot be looked up, or the thread cannot run.
pub async fn serve(
    settings: Arc<TelephonySettings>,
    listeners: Listeners,
    ways: Ways,
    shared: Arc<Shared>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let bound = listeners.addresses();
    let peers = Peers::look_up(&settings, &bound).await?;
    let stats = Arc::new(SipStats::default());
    let (hep, mut copies) = Hep::new();
    let door = Arc::new(Door::default());
    door.let_in(peers.all(), &settings);
    spawn(move || async move {
        let (mouth, ear) = ways.legs.telephony().await;
        let told = ways.told.lock_owned().await;
        let others = Others {
            mouth,
            engine: ways.engine,
            shared,
            net: Arc::clone(&stats),
            hep: settings.hep.as_ref().map(|_| hep),
        };
        let (orders, mut queue) = mpsc::channel(ORDERS);
        let relayed = match &settings.media {
            Some(media) => {
                let address = settings.media_address;
                let orders = orders.clone();
                Some(RelayedCalls::start(address, media, orders)?)
            }
            None => None,
        };
        let mut telephony = Telephony::new(&settings, peers.clone(), others);
        if let (Some(relayed), Some(media)) = (relayed, &settings.media) {
            telephony.relay(relayed, media);
        }
        let net = SipNet {
            config: SipNetConfig {
                limits: settings.limits.clone(),
                tls_client: settings.tls_client.clone(),
            },
            listeners,
            gatekeeper: Arc::<Door>::clone(&door),
            stats,
            grace: GRACE,
        };
        tokio::select! {
            ended = run(net, &mut telephony, &mut queue, stopped) => ended,
            never = follow_names(&settings, &bound, peers, &door, &orders, AGAIN) => match never {},
            never = pass_on(ways.users, ear, told, orders.clone()) => match never {},
            never = export(settings.hep.as_ref(), &mut copies) => match never {},
        }
    })
    .await
}

/// Sends copies to the collector, where there is one.
async fn export(config: Option<&HepConfig>, copies: &mut HepQueue) -> Infallible {
    match config {
        Some(config) => net::hep::export(config, copies).await,
        None => std::future::pending().await,
    }
}

/// Whom the part tells something.
struct Others {
    mouth: LegMouth,
    engine: mpsc::Sender<EngineCommand>,
    shared: Arc<Shared>,
    net: Arc<SipStats>,
    /// The way to a collector, where there is one.
    hep: Option<Hep>,
}

/// What the sockets' loop drives.
struct Telephony {
    ua: UserAgent,
    switchboard: Switchboard,
    softclients: Option<Softclients>,
    /// Whether users' messages have to be asked for.
    subscribes: bool,
    correlator: Correlator,
    /// Extensions of which the PBX told by SIP whether messages wait, as not yet passed on.
    messages: BTreeMap<Box<str>, bool>,
    ports: LocalPorts,
    audit: Audit,
    others: Others,
    channels: usize,
    /// Relayed media, where they are.
    media: Option<Arc<RelayFigures>>,
    /// When shutdown began, and whether calls were ended since.
    draining: Option<(Instant, bool)>,
}

impl Telephony {
    fn new(settings: &TelephonySettings, peers: Peers, others: Others) -> Self {
        let now = clock::now();
        let Peers {
            trunk,
            call_through,
            registrar,
        } = peers;
        let softclients = settings.softclients.clone().map(|softclients| {
            let advertise = settings.advertise.as_ref().map(|at| &at.host);
            let ids = Box::new(RandomIds);
            Softclients::new(softclients, registrar, advertise, ids, now)
        });
        let ua = UserAgent::new(settings.user_agent(), Box::new(RandomIds));
        let secret = settings.gateway_login.as_ref().map(|login| TrunkSecret {
            server: DigestServer::new(
                DigestServerConfig {
                    algorithms: settings.digest.clone(),
                    ..DigestServerConfig::new(&*settings.domain)
                },
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
            private_numbering: settings.private_numbering,
            no_answer: settings.no_answer,
            retry_after_s: settings::RETRY_AFTER_S,
            seed: rand::rng().random(),
        };
        Self {
            ua,
            switchboard: Switchboard::new(config, leg_ids(), now),
            softclients,
            subscribes: settings
                .softclients
                .as_ref()
                .is_some_and(|it| it.subscribe_messages),
            correlator: Correlator::default(),
            messages: BTreeMap::new(),
            ports: LocalPorts::new(settings.media_address),
            audit: Audit::new(&settings.audit_file),
            others,
            channels: settings.channels,
            media: None,
            draining: None,
        }
    }

    /// Media go through the gateway.
    fn relay(&mut self, calls: RelayedCalls, settings: &MediaSettings) {
        let figures = calls.figures();
        self.ports.relay(
            Arc::clone(&figures),
            settings.sounds.clone(),
            settings.conference_parties,
        );
        self.media = Some(figures);
        self.switchboard.set_relay(Box::new(calls), settings.srtp);
    }

    /// Hands over what each tells the others, until nobody has anything more to say.
    fn drain(&mut self, now: Instant) {
        loop {
            self.pump(now);
            while let Some(event) = self.ua.poll_event() {
                let left = self
                    .switchboard
                    .handle_event(event, &mut self.ua, &mut self.ports, now);
                if let Some(UserAgentEvent::Response { key, response }) = left {
                    self.answered(key, &response, now);
                } else if let Some(event) = left {
                    tracing::debug!(?event, "nobody's event");
                }
                self.pump(now);
            }
            while let Some(notice) = self.switchboard.poll_notice() {
                self.note(notice, now);
            }
            while let Some((call, call_id)) = self.correlator.poll_match() {
                self.switchboard.correlated(call, call_id);
            }
            if !self.speak(now) {
                return;
            }
        }
    }

    /// Tells the far end what cloud legs have to say. One for which there is no room is lost, which has
    /// consequences.
    fn speak(&mut self, now: Instant) -> bool {
        let mut lost = false;
        while let Some((leg, signal)) = self.switchboard.poll_leg() {
            if self.others.mouth.say(leg, signal).is_err() {
                self.switchboard.handle_leg_lost(leg, &mut self.ua, now);
                lost = true;
            }
        }
        lost
    }

    /// A response that is not for the switchboard.
    fn answered(&mut self, key: RequestKey, response: &Response, now: Instant) {
        let softclients = self.softclients.as_mut();
        if !softclients.is_some_and(|it| it.answered(key, response, now)) {
            tracing::debug!(status = %response.status, "nobody's response");
        }
    }

    /// Sends what registrations want sent, and tells the switchboard who is registered.
    fn pump(&mut self, now: Instant) {
        let Some(softclients) = &mut self.softclients else {
            return;
        };
        softclients.pump(&mut self.ua, now);
        while let Some(change) = softclients.poll_change() {
            match change {
                Change::Is(softclient, registered) => {
                    tracing::debug!(extension = %softclient.extension, registered, "softclient");
                    let extension = softclient.extension.clone();
                    self.switchboard.set_softclient(*softclient, registered);
                    if registered && self.subscribes {
                        self.switchboard
                            .subscribe_messages(&extension, &mut self.ua, now);
                    }
                }
                Change::Gone(extension) => self.switchboard.remove_softclient(&extension),
            }
        }
    }
}

impl SipHandler for Telephony {
    type Command = Order;

    fn message(&mut self, message: Message, flow: Flow, now: Instant) {
        if let Some(hep) = &self.others.hep {
            capture::received(hep, &message, &flow);
        }
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
        if let Some(softclients) = &mut self.softclients {
            softclients.flow_failed(&flow, now);
        }
        self.drain(now);
    }

    fn timeout(&mut self, now: Instant) {
        if self.ua.poll_timeout().is_some_and(|at| at <= now) {
            self.ua.handle_timeout(now);
        }
        if self.switchboard.poll_timeout().is_some_and(|at| at <= now) {
            self.switchboard.handle_timeout(&mut self.ua, now);
        }
        if let Some(softclients) = &mut self.softclients {
            softclients.timeout(&mut self.ua, now);
        }
        if self.correlator.poll_timeout().is_some_and(|at| at <= now) {
            self.correlator.handle_timeout(now);
        }
        self.drain(now);
    }

    fn command(&mut self, order: Order, now: Instant) {
        match order {
            Order::Softclients(users) => {
                if let Some(softclients) = self
                    .softclients
                    .as_mut()
                    .filter(|_| self.draining.is_none())
                {
                    softclients.set_users(&users, now);
                }
            }
            Order::Peers(peers) => {
                let Peers {
                    trunk,
                    call_through,
                    registrar,
                } = *peers;
                self.switchboard.set_peers(trunk, call_through, now);
                if let Some(softclients) = &mut self.softclients {
                    softclients.set_registrar(registrar, now);
                }
            }
            Order::Leg(LegIn::Signal(leg, signal)) => {
                self.switchboard.handle_leg(leg, signal, &mut self.ua, now);
            }
            Order::Leg(LegIn::Lost(leg)) => {
                self.switchboard.handle_leg_lost(leg, &mut self.ua, now);
            }
            Order::Told(change) => self.correlator.leg(&change, now),
            Order::Digit(call, called, digit) => {
                self.switchboard
                    .handle_digit(call, called, digit, &mut self.ua, now);
            }
        }
        self.drain(now);
    }

    fn tick(&mut self, _: Instant) {
        self.tell_messages();
        self.switchboard.look_at_media();
        self.publish();
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        let transmit = self.ua.poll_transmit()?;
        if let Some(hep) = &self.others.hep {
            capture::sent(hep, &transmit);
        }
        Some(transmit)
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let softclients = self.softclients.as_ref();
        let timeouts = [
            self.ua.poll_timeout(),
            self.switchboard.poll_timeout(),
            softclients.and_then(Softclients::poll_timeout),
            self.correlator.poll_timeout(),
        ];
        timeouts.into_iter().flatten().min()
    }

    fn drained(&mut self, now: Instant) -> bool {
        if self.draining.is_none()
            && let Some(softclients) = &mut self.softclients
        {
            softclients.leave(FAREWELLS, now);
            self.pump(now);
        }
        let (since, ended) = *self.draining.get_or_insert((now, false));
        self.switchboard.drain();
        let over = now.saturating_duration_since(since) >= CALLS_END;
        if !ended && over {
            self.draining = Some((since, true));
            self.switchboard.end_all(&mut self.ua, now);
            self.drain(now);
        }
        let left = self.softclients.as_ref().map_or(0, Softclients::left);
        let time_is_up = now.saturating_duration_since(since) >= FAREWELLS_END;
        let farewells_over = left == 0 || time_is_up;
        let drained =
            farewells_over && self.switchboard.calls() == 0 && self.ua.stats().sessions == 0;
        if left > 0 && time_is_up {
            tracing::warn!(
                left,
                "softclients stay registered at the PBX until that runs out"
            );
            self.softclients = None;
        }
        drained
    }
}

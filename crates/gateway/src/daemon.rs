//! The running gateway: its parts, started, supervised and stopped.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cloud_uplink::event::LegChange;
use cloud_uplink::session::gateway::Config as SessionConfig;
use cloud_uplink::{EventData, IdSource, Identity};
use csta::DeviceId;
use net::clock;
use net::csta_link::{self, CstaLinkConfig};
use net::sip::Listeners;
use net::uplink::{
    Endpoint, Proxy, Retry, Token, UplinkConfig, UplinkPorts, UplinkState, UplinkStatus,
};
use rand::RngExt as _;
use sip::transport::Transport;
use store::gateway::{CommandState, OutboxLimits, Recovered};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

use crate::commands::Commands;
use crate::config::SoftclientUser;
use crate::engine::{Engine, EngineCommand};
use crate::health::{SOFTWARE, View};
use crate::legs::LegPipe;
use crate::outbox::{Outbox, OutboxSource};
use crate::portal::{self, PortalView, SettingsFile};
use crate::status::Shared;
use crate::supervise::{Restarts, supervise};
use crate::telephony::{self, TelephonySettings, Users, Ways};
use crate::upkeep;

/// Commands on their way to the engine; further askers wait.
const ENGINE_QUEUE: usize = 256;
/// Commands on their way from the channel, and replies on their way back: what the far end may send
/// unconfirmed, once from the connection before and once from this one.
const COMMAND_QUEUE: usize = 2 * 256;
/// How long the channel waits for what is known to be taken up.
const RESTORE_WAIT: Duration = Duration::from_secs(5);
/// Where the portal keeps its certificate, its accounts and its settings, under the state directory.
pub const PORTAL_DIR: &str = "portal";
/// Time that parts get to end at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(8);

/// Everything that the parts need, resolved: files read, names checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who this gateway is.
    pub identity: Identity,
    /// Where the database and the certificate live.
    pub state_dir: PathBuf,
    /// The PBX link.
    pub pbx: CstaLinkConfig,
    /// Extensions to follow.
    pub extensions: Vec<String>,
    /// The SIP part, where there is one.
    pub sip: Option<TelephonySettings>,
    /// The far end.
    pub far_end: FarEnd,
    /// Where the portal listens.
    pub portal: SocketAddr,
    /// Names for the portal's certificate.
    pub portal_names: Vec<String>,
    /// How much the outbox keeps.
    pub outbox: OutboxLimits,
}

/// The far end and how to reach it.
#[derive(Debug, Clone)]
pub struct FarEnd {
    /// Where it is.
    pub endpoint: Endpoint,
    /// How to trust it.
    pub tls: Arc<rustls::ClientConfig>,
    /// What proves who the gateway is.
    pub token: Token,
    /// A proxy to go through.
    pub proxy: Option<Proxy>,
    /// When to try again.
    pub retry: Retry,
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    engine: mpsc::Sender<EngineCommand>,
    portal: SocketAddr,
    sip: Vec<(Transport, SocketAddr)>,
    softclients: watch::Sender<Users>,
    fingerprint: String,
    stop: watch::Sender<bool>,
    parts: JoinSet<anyhow::Result<()>>,
}

impl Gateway {
    /// Opens the outbox, binds the portal and starts every part. The links come up later.
    ///
    /// # Errors
    /// A sentence naming the file or address that cannot be used.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        Self::start_with(settings, None).await
    }

    /// The same, with a file that the portal may lay settings over.
    ///
    /// # Errors
    /// A sentence naming the file or address that cannot be used.
    pub async fn start_with(
        settings: Settings,
        file: Option<SettingsFile>,
    ) -> anyhow::Result<Self> {
        make_state_dir(&settings.state_dir)?;
        let (outbox, recovered) = open_outbox(&settings)?;
        let restarts = Restarts::default();
        let (status_in, status) = watch::channel(UplinkStatus::new(clock::now()));
        let address = settings.pbx.endpoint.address.clone();
        let shared = Arc::new(Shared::new(
            settings.identity.clone(),
            address,
            status,
            restarts.clone(),
        ));
        let (engine, engine_queue) = mpsc::channel(ENGINE_QUEUE);
        let (stop, stopped) = watch::channel(false);
        let view = View {
            shared: Arc::clone(&shared),
            outbox: Arc::clone(&outbox),
        };
        let identity = portal::identity(&settings)?;
        let fingerprint = identity.shown().facts.fingerprint;
        let (certificate, key) = identity.files();
        let view = PortalView::new(view, &settings, Arc::clone(&identity), file, engine.clone());
        let server = portal::start(&settings, view).await?;
        let portal = server.addr();
        let listeners = settings
            .sip
            .as_ref()
            .map(|sip| sip.bind((&certificate, &key)))
            .transpose()?;
        close_unfinished(&recovered, &outbox, &engine).await;

        let portal_stop = stopped.clone();
        let mut wiring = Wiring {
            told: None,
            shared: Arc::clone(&shared),
            outbox: Arc::clone(&outbox),
            engine: engine.clone(),
            restarts,
            legs: LegPipe::new(settings.sip.is_some()),
            stopped,
            restored: watch::Sender::new(false),
            boot: recovered.boot,
        };
        let sip = listeners.as_ref().map(Listeners::addresses);
        let users = settings.sip.as_ref().map(|sip| &sip.softclient_users);
        let users = users.cloned().unwrap_or_default();
        let (softclients, users) = watch::channel(Arc::new(users));
        let (ways, told) = Ways::new(users, wiring.legs.clone(), engine.clone());
        wiring.told = listeners.is_some().then_some(told);
        let sip_part = listeners.map(|listeners| (listeners, ways));
        let mut parts = wiring.start(&settings, engine_queue, status_in, sip_part);
        keep_portal(&mut parts, server, identity, portal_stop);
        Ok(Self {
            shared,
            outbox,
            engine,
            portal,
            sip: sip.unwrap_or_default(),
            softclients,
            fingerprint,
            stop,
            parts,
        })
    }

    /// What the parts know of each other.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The outbox.
    #[must_use]
    pub const fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// Where the portal listens.
    #[must_use]
    pub const fn portal_addr(&self) -> SocketAddr {
        self.portal
    }

    /// Where SIP is listened for.
    #[must_use]
    pub fn sip_addrs(&self) -> &[(Transport, SocketAddr)] {
        &self.sip
    }

    /// SHA-256 fingerprint of the portal's certificate.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Follows these extensions from now on.
    pub async fn set_extensions(&self, extensions: &[String]) {
        let devices = extensions.iter().map(DeviceId::new).collect();
        // An error would mean that the PBX part has given up: the process is about to end.
        let _ = self.engine.send(EngineCommand::SetDevices(devices)).await;
    }

    /// These are the softphone users from now on: new ones register, others are unregistered.
    pub fn set_softclients(&self, users: Vec<SoftclientUser>) {
        self.softclients.send_replace(Arc::new(users));
    }

    /// A fault switch for tests: the PBX link's part panics.
    #[doc(hidden)]
    pub async fn panic_pbx_part(&self) {
        let _ = self.engine.send(EngineCommand::Panic).await;
    }

    /// Waits until a part has given up.
    ///
    /// # Errors
    /// What that part said.
    pub async fn failed(&mut self) -> anyhow::Error {
        loop {
            match self.parts.join_next().await {
                Some(Ok(Err(error))) => return error,
                Some(Ok(Ok(()))) => {}
                Some(Err(error)) => return error.into(),
                None => return anyhow::anyhow!("every part has ended"),
            }
        }
    }

    /// Stops every part in good order; what is committed stays.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.parts.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_GRACE, ended).await.is_err() {
            tracing::warn!("parts did not end in time and were cut off");
            self.parts.shutdown().await;
        }
        let outbox = Arc::clone(&self.outbox);
        let _ = tokio::task::spawn_blocking(move || outbox.store().flush()).await;
    }
}

/// Serves the portal, and looks after its certificate, until it is time to stop.
fn keep_portal(
    parts: &mut JoinSet<anyhow::Result<()>>,
    server: web::Server,
    identity: Arc<web::Identity>,
    mut stopped: watch::Receiver<bool>,
) {
    let until = stopped.clone();
    parts.spawn(async move {
        portal::watch_certificate(identity, until).await;
        Ok(())
    });
    parts.spawn(async move {
        let _ = stopped.wait_for(|stop| *stop).await;
        server.shutdown(Duration::from_secs(1)).await;
        Ok(())
    });
}

/// What every part is wired to.
struct Wiring {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
    engine: mpsc::Sender<EngineCommand>,
    restarts: Restarts,
    legs: LegPipe,
    /// Where legs are told that may be those of the SIP part's calls.
    told: Option<mpsc::Sender<Box<LegChange>>>,
    stopped: watch::Receiver<bool>,
    /// What was known before the start is taken up, and marked as not confirmed yet.
    restored: watch::Sender<bool>,
    boot: u64,
}

type Start = Box<dyn FnMut() -> PartRun + Send>;
type PartRun = std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

impl Wiring {
    /// Starts every part but the portal.
    fn start(
        &self,
        settings: &Settings,
        engine_queue: mpsc::Receiver<EngineCommand>,
        status: watch::Sender<UplinkStatus>,
        sip: Option<(Listeners, Ways)>,
    ) -> JoinSet<anyhow::Result<()>> {
        let mut parts = JoinSet::new();
        let mut spawn = |part, start| {
            parts.spawn(supervise(part, self.restarts.clone(), start));
        };
        spawn("pbx", self.pbx(settings, engine_queue));
        spawn("far-end", self.far_end(settings, status));
        if let (Some(settings), Some((listeners, ways))) = (&settings.sip, sip) {
            spawn("sip", self.sip(settings.clone(), listeners, ways));
        }
        spawn("upkeep", self.upkeep());
        parts
    }

    fn pbx(&self, settings: &Settings, queue: mpsc::Receiver<EngineCommand>) -> Start {
        let (shared, outbox) = (Arc::clone(&self.shared), Arc::clone(&self.outbox));
        let (stopped, told) = (self.stopped.clone(), self.told.clone());
        let restored = self.restored.clone();
        let config = settings.pbx.clone();
        shared.set_devices(settings.extensions.iter().map(DeviceId::new).collect());
        let queue = Arc::new(Mutex::new(queue));
        Box::new(move || {
            let (shared, outbox) = (Arc::clone(&shared), Arc::clone(&outbox));
            let (config, devices) = (config.clone(), shared.devices());
            let (stopped, queue) = (stopped.clone(), Arc::clone(&queue));
            let (told, restored) = (told.clone(), restored.clone());
            Box::pin(async move {
                let build = move || Engine::new(outbox, shared, devices, told, random_ids);
                let mut engine = tokio::task::spawn_blocking(build)
                    .await
                    .context("building the engine panicked")??;
                restored.send_replace(true);
                let mut queue = queue.lock().await;
                csta_link::run(config, &mut engine, &mut queue, stopped).await
            })
        })
    }

    fn far_end(&self, settings: &Settings, status: watch::Sender<UplinkStatus>) -> Start {
        let config = UplinkConfig {
            endpoint: settings.far_end.endpoint.clone(),
            tls: Arc::clone(&settings.far_end.tls),
            token: settings.far_end.token.clone(),
            proxy: settings.far_end.proxy.clone(),
            session: SessionConfig {
                identity: self.shared.identity.clone(),
                software: SOFTWARE.to_owned(),
                boot: self.boot,
                lease_epoch: 0,
                welcome_timeout: Duration::from_secs(10),
                pong_timeout: Duration::from_secs(5),
            },
            connect_timeout: Duration::from_secs(10),
            retry: settings.far_end.retry,
            seed: rand::rng().random(),
        };
        let (shared, outbox) = (Arc::clone(&self.shared), Arc::clone(&self.outbox));
        let (engine, stopped) = (self.engine.clone(), self.stopped.clone());
        let (legs, restored) = (self.legs.clone(), self.restored.subscribe());
        Box::new(move || {
            let (shared, outbox) = (Arc::clone(&shared), Arc::clone(&outbox));
            let (engine, mut stopped) = (engine.clone(), stopped.clone());
            let (legs, mut restored) = (legs.clone(), restored.clone());
            let (config, status) = (config.clone(), status.clone());
            Box::pin(async move {
                // The far end is to hear first that what it knows may be old. It is not kept waiting
                // for a part that cannot start.
                let first = restored.wait_for(|restored| *restored);
                let _ = tokio::time::timeout(RESTORE_WAIT, first).await;
                let (commands_in, commands) = mpsc::channel(COMMAND_QUEUE);
                let (replies, replies_out) = mpsc::channel(COMMAND_QUEUE);
                let (leg_driver, leg_ports) = net::uplink::leg_ports();
                let channel = Arc::clone(&shared);
                let (latency, alive) = (Arc::clone(&shared), Arc::clone(&shared));
                let ports = UplinkPorts {
                    outbox: outbox.tap(),
                    commands: commands_in,
                    replies: replies_out,
                    legs: leg_driver,
                    status,
                    delivered: Box::new(move |took| latency.latency.record(took)),
                    alive: Box::new(move || alive.uplink_tick(clock::now())),
                };
                let executor = Commands {
                    outbox: Arc::clone(&outbox),
                    engine,
                    replies,
                    shared,
                };
                let source = Arc::new(OutboxSource(Arc::clone(&outbox)));
                let ending = async {
                    let _ = stopped.wait_for(|stop| *stop).await;
                    outbox.untap();
                    std::future::pending::<()>().await
                };
                tokio::select! {
                    () = net::uplink::run(config, source, ports) => {}
                    () = executor.run(commands) => {}
                    () = legs.relay(leg_ports) => {}
                    () = channel.watch_channel() => {}
                    () = ending => {}
                }
                Ok(())
            })
        })
    }

    fn sip(&self, settings: TelephonySettings, listeners: Listeners, ways: Ways) -> Start {
        let (settings, listeners) = (Arc::new(settings), Arc::new(listeners));
        let (shared, stopped) = (Arc::clone(&self.shared), self.stopped.clone());
        Box::new(move || {
            let (settings, listeners) = (Arc::clone(&settings), Arc::clone(&listeners));
            let ways = ways.clone();
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            Box::pin(async move {
                shared.sip_is_down();
                let listeners = listeners
                    .try_clone()
                    .context("cannot share the SIP sockets")?;
                telephony::serve(settings, listeners, ways, shared, stopped).await
            })
        })
    }

    fn upkeep(&self) -> Start {
        let (outbox, shared) = (Arc::clone(&self.outbox), Arc::clone(&self.shared));
        let (engine, stopped) = (self.engine.clone(), self.stopped.clone());
        Box::new(move || {
            let (outbox, shared) = (Arc::clone(&outbox), Arc::clone(&shared));
            Box::pin(upkeep::run(outbox, shared, engine.clone(), stopped.clone()))
        })
    }
}

/// Makes the directory, for its owner alone; one that is there stays as it is.
fn make_state_dir(directory: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot make {}", directory.display()))
}

fn open_outbox(settings: &Settings) -> anyhow::Result<(Arc<Outbox>, Recovered)> {
    let limits = settings.outbox.clone();
    let (outbox, recovered) = Outbox::open(&settings.state_dir, limits, clock::unix_ms())?;
    tracing::info!(
        stream = %recovered.stream,
        boot = recovered.boot,
        high_water = recovered.high_water,
        acked = recovered.acked,
        "outbox open"
    );
    Ok((Arc::new(outbox), recovered))
}

/// Commands that were sent when the process died have an unknown outcome, and that is told.
async fn close_unfinished(
    recovered: &Recovered,
    outbox: &Outbox,
    engine: &mpsc::Sender<EngineCommand>,
) {
    let sent = recovered
        .unfinished
        .iter()
        .filter(|command| command.state == CommandState::Sent);
    for command in sent.take(ENGINE_QUEUE / 2) {
        tracing::warn!(command = command.id, "interrupted after the PBX was asked");
        if let Some((json, completed)) = crate::commands::interrupted(command) {
            outbox
                .store()
                .command_done(&command.key, json, Box::new(|_| {}));
            let _ = engine
                .send(EngineCommand::Publish(EventData::CommandCompleted(
                    completed,
                )))
                .await;
        }
    }
}

/// Identifiers from the system's randomness.
fn random_ids() -> IdSource {
    IdSource::new(|| rand::rng().random())
}

/// Whether the channel is up, for tests and the demo.
#[must_use]
pub fn is_connected(shared: &Shared) -> bool {
    shared.uplink.borrow().state == UplinkState::Up
}

//! What the demo is about: PBX, gateway and far end, each of which can be taken away and put back.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cloud::Cloud;
use cloud_uplink::Identity;
use net::tls::{Trust, client_config};
use net::uplink::{Retry, Token};
use net::{clock, csta_link::CstaLinkConfig};
use pbx_sim::config::{CONTROL_PORT, CSTA_PORT, Timing, TrafficConfig};
use pbx_sim::{Command, PbxSim};
use rand::RngExt as _;
use store::gateway::OutboxLimits;
use uuid::Uuid;

use super::application::FarEndApi;
use super::options::Options;
use crate::daemon::{FarEnd, Gateway, Settings};
use crate::latency::LatencyView;
use crate::outbox::Outbox;
use crate::status::Shared;

/// Where the portal is where nothing else is.
const PORTAL_PORT: u16 = 8086;
/// Where the far end is where nothing else is.
const FAR_END_PORT: u16 = 8443;
/// The account that everything belongs to.
const ACCOUNT: &str = "demo";
/// Mean time until somebody answers, and mean time that two people talk: short, so that a newcomer
/// sees whole calls.
const RING_MEAN: Duration = Duration::from_millis(2500);
const TALK_MEAN: Duration = Duration::from_secs(12);
/// From lifting the handset to the end of dialling.
const DIAL: Duration = Duration::from_millis(700);
/// So many times the usual calls at the beginning, so that there is something to see.
const LIVELY: f64 = 3.0;
/// How long a caller listens to the busy tone.
const TONE: Duration = Duration::from_secs(4);
/// Shortest and longest wait before the gateway tries the PBX again: quick, as somebody is watching.
const PBX_RETRY: (Duration, Duration) = (Duration::from_millis(1000), Duration::from_secs(3));
/// The same towards the far end.
const FAR_END_RETRY: Retry = Retry {
    min: Duration::from_millis(500),
    max: Duration::from_secs(2),
    breaker_after: u32::MAX,
    breaker_min: Duration::from_secs(2),
    breaker_max: Duration::from_secs(2),
};

/// Where everything listens.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    /// CSTA.
    pub(crate) pbx: SocketAddr,
    /// The PBX's control port.
    pub(crate) control: Option<SocketAddr>,
    /// The gateway's portal.
    pub(crate) portal: SocketAddr,
    /// The far end, for gateway and applications.
    pub(crate) far_end: SocketAddr,
    /// The application's token.
    pub(crate) token: String,
    /// How many telephones.
    pub(crate) phones: usize,
}

/// What others look at while the stage's owner is at work.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    /// The running gateway; none while it is being restarted.
    pub(crate) gateway: Option<(Arc<Shared>, Arc<Outbox>)>,
    /// When the gateway was started or stopped.
    pub(crate) gateway_since: Instant,
    /// Whether the far end is there.
    pub(crate) far_end_on: bool,
    /// Since when it is or is not.
    pub(crate) far_end_since: Instant,
    /// Latency as counted by gateways that are gone.
    pub(crate) latency_before: Option<LatencyView>,
    /// What the far end has stored, by stream.
    pub(crate) stored: BTreeMap<Uuid, u64>,
}

/// PBX, gateway and far end.
#[derive(Debug)]
pub(crate) struct Stage {
    pbx: PbxSim,
    cloud: Option<Cloud>,
    cloud_config: cloud::Config,
    gateway: Option<Gateway>,
    settings: Settings,
    api: FarEndApi,
    addresses: Addresses,
    scene: Scene,
    /// The usual rate, where people call and no machine does.
    calls_per_hour: Option<f64>,
}

impl Stage {
    /// Starts everything, with its data in `dir`.
    ///
    /// # Errors
    /// A sentence naming what cannot be started.
    pub(crate) async fn start(options: &Options, dir: &Path) -> anyhow::Result<Self> {
        let pbx = start_pbx(options).await?;
        let identity = Identity {
            account_id: ACCOUNT.to_owned(),
            site_id: "here".to_owned(),
            gateway_id: "gateway-1".to_owned(),
        };
        let (gateway_token, token) = (secret(), secret());
        let mut cloud_config = cloud::Config::loopback(&dir.join("far-end"))
            .with_gateway(&identity, &gateway_token)
            .with_application("demo", ACCOUNT, &token);
        cloud_config.listen = loopback(FAR_END_PORT, options);
        let cloud = Cloud::start(cloud_config.clone())
            .await
            .context("cannot start the far end")?;
        cloud_config.listen = cloud.addr();
        let tls = client_config(&Trust::Pinned(cloud.certificate().to_owned()))?;
        let far_end = FarEnd {
            endpoint: format!("wss://{}/gateway/v1/channel", cloud.addr()).parse()?,
            tls: Arc::clone(&tls),
            token: Token::new(&gateway_token)?,
            proxy: None,
            retry: FAR_END_RETRY,
        };
        let mut settings = gateway_settings(options, dir, identity, pbx.addr(), far_end);
        let gateway = Gateway::start(settings.clone())
            .await
            .context("cannot start the gateway")?;
        settings.portal = gateway.portal_addr();
        let addresses = Addresses {
            pbx: pbx.addr(),
            control: pbx.control_addr(),
            portal: gateway.portal_addr(),
            far_end: cloud.addr(),
            token: token.clone(),
            phones: options.extensions.len(),
        };
        let now = clock::now();
        let scene = Scene {
            gateway: Some(handles(&gateway)),
            gateway_since: now,
            far_end_on: true,
            far_end_since: now,
            latency_before: None,
            stored: BTreeMap::new(),
        };
        Ok(Self {
            pbx,
            api: FarEndApi::new(cloud.addr(), tls, token),
            cloud: Some(cloud),
            cloud_config,
            gateway: Some(gateway),
            settings,
            addresses,
            scene,
            calls_per_hour: match options.events_per_second {
                None => Some(options.calls_per_hour),
                Some(_) => None,
            },
        })
    }

    /// Where everything listens.
    pub(crate) const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// How an application reaches the far end.
    pub(crate) fn api(&self) -> FarEndApi {
        self.api.clone()
    }

    /// For orders to the PBX.
    pub(crate) fn pbx(&self) -> pbx_sim::Handle {
        self.pbx.handle()
    }

    /// How things are.
    pub(crate) const fn scene(&self) -> &Scene {
        &self.scene
    }

    /// Tells the PBX something; a refusal is the PBX's right.
    pub(crate) fn tell_pbx(&self, command: Command) {
        if let Err(error) = self.pbx.command(command) {
            tracing::debug!(%error, "the PBX refuses");
        }
    }

    /// Ends the lively beginning.
    pub(crate) fn settle(&self) {
        if let Some(rate) = self.calls_per_hour {
            self.tell_pbx(Command::TrafficRate(rate));
        }
    }

    /// Notes that the far end is about to be stopped; [`Self::stop_far_end`] does it.
    pub(crate) fn far_end_goes(&mut self) {
        if self.cloud.is_some() {
            self.scene.far_end_on = false;
            self.scene.far_end_since = clock::now();
        }
    }

    /// Stops the far end; its data stays.
    pub(crate) async fn stop_far_end(&mut self) {
        if let Some(cloud) = self.cloud.take() {
            cloud.shutdown().await;
        }
    }

    /// Starts the far end again: same port, same data.
    ///
    /// # Errors
    /// Somebody else took the port meanwhile.
    pub(crate) async fn start_far_end(&mut self) -> anyhow::Result<()> {
        if self.cloud.is_none() {
            let cloud = Cloud::start(self.cloud_config.clone()).await;
            self.cloud = Some(cloud.context("cannot start the far end again")?);
            self.scene.far_end_on = true;
            self.scene.far_end_since = clock::now();
        }
        Ok(())
    }

    /// Notes that the gateway is about to be stopped; [`Self::restart_gateway`] does it.
    pub(crate) fn gateway_goes(&mut self) {
        self.scene.gateway = None;
        self.scene.gateway_since = clock::now();
    }

    /// Stops the gateway and starts it from what it has stored.
    ///
    /// # Errors
    /// Somebody else took the port meanwhile.
    pub(crate) async fn restart_gateway(&mut self) -> anyhow::Result<()> {
        if let Some(gateway) = self.gateway.take() {
            let latency = gateway.shared().latency.view();
            self.scene.latency_before = Some(match self.scene.latency_before.take() {
                Some(before) => before.plus(&latency),
                None => latency,
            });
            gateway.shutdown().await;
        }
        let gateway = Gateway::start(self.settings.clone()).await;
        let gateway = gateway.context("cannot start the gateway again")?;
        self.scene.gateway = Some(handles(&gateway));
        self.scene.gateway_since = clock::now();
        self.gateway = Some(gateway);
        Ok(())
    }

    /// Asks the far end how much it has stored.
    pub(crate) async fn look(&mut self) {
        let Some(cloud) = &self.cloud else { return };
        let Some((_, outbox)) = &self.scene.gateway else {
            return;
        };
        let stream = outbox.store().stream().stream;
        match cloud.stored_upto(stream).await {
            Ok(upto) => {
                self.scene.stored.insert(stream, upto);
            }
            Err(error) => tracing::warn!(error = format!("{error:#}"), "far end not read"),
        }
    }

    /// Ends everything.
    pub(crate) async fn end(self) {
        let Self {
            pbx,
            cloud,
            gateway,
            ..
        } = self;
        if let Some(gateway) = gateway {
            gateway.shutdown().await;
        }
        if let Some(cloud) = cloud {
            cloud.shutdown().await;
        }
        pbx.shutdown().await;
    }
}

async fn start_pbx(options: &Options) -> anyhow::Result<PbxSim> {
    let config = pbx_sim::Config {
        listen: loopback(CSTA_PORT, options),
        control: Some(loopback(CONTROL_PORT, options)),
        extensions: options.extensions.clone(),
        timing: Timing {
            pick_up_after: DIAL,
            tone_timeout: TONE,
            ..Timing::default()
        },
        traffic: TrafficConfig {
            seed: options.seed,
            calls_per_hour: options.calls_per_hour * LIVELY,
            events_per_second: options.events_per_second,
            ring_mean: RING_MEAN,
            talk_mean: TALK_MEAN,
        },
        ..pbx_sim::Config::default()
    };
    let started = PbxSim::start(config).await;
    started.context("cannot start the simulated PBX")
}

fn gateway_settings(
    options: &Options,
    dir: &Path,
    identity: Identity,
    pbx: SocketAddr,
    far_end: FarEnd,
) -> Settings {
    Settings {
        identity,
        state_dir: dir.join("gateway"),
        pbx: link_to(pbx),
        extensions: options.extensions.iter().map(str::to_owned).collect(),
        far_end,
        sip: None,
        portal: loopback(PORTAL_PORT, options),
        portal_names: Vec::new(),
        outbox: OutboxLimits {
            ballast_bytes: 0,
            ..OutboxLimits::default()
        },
    }
}

fn link_to(pbx: SocketAddr) -> CstaLinkConfig {
    CstaLinkConfig {
        endpoint: net::tcp::Endpoint {
            address: pbx.to_string(),
            tls: None,
        },
        client: csta::client::Config::default(),
        retry: PBX_RETRY,
        seed: rand::rng().random(),
    }
}

fn handles(gateway: &Gateway) -> (Arc<Shared>, Arc<Outbox>) {
    (Arc::clone(gateway.shared()), Arc::clone(gateway.outbox()))
}

/// The usual port where it is free, else any. Between this look and the use somebody may take it:
/// then the demo ends with a sentence that names the port.
fn loopback(port: u16, options: &Options) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if !options.free_ports && TcpListener::bind(usual).is_ok() {
        usual
    } else {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
    }
}

/// A token for this run.
fn secret() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

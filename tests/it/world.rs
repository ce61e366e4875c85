//! A whole world in one process, on free ports and a directory of its own: PBX, gateway, far end, and
//! an application that reads events and sends commands as any other would.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud::Cloud;
use cloud_uplink::{Identity, LegView};
use gateway::daemon::{FarEnd, Gateway, Settings};
use gateway::telephony::TelephonySettings;
use net::clock;
use net::csta_link::CstaLinkConfig;
use net::tls::{Trust, client_config};
use net::uplink::{Retry, Token};
use pbx_sim::{Command, CommandError, PbxSim};
use store::gateway::OutboxLimits;

pub(crate) const APPLICATION_TOKEN: &str = "application-token-for-tests";
const GATEWAY_TOKEN: &str = "gateway-token-for-tests";
/// Longest wait for anything: far above what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that runs.
pub(crate) struct World {
    pub(crate) dir: PathBuf,
    pub(crate) cloud: Option<Cloud>,
    pub(crate) cloud_addr: SocketAddr,
    pub(crate) gateway: Option<Gateway>,
    pub(crate) pbx: String,
    pub(crate) extensions: Vec<String>,
    pub(crate) client: csta::client::Config,
    /// Where the gateway looks for the far end, if not at its own port.
    pub(crate) channel_port: Option<u16>,
    pub(crate) outbox: OutboxLimits,
    pub(crate) sip: Option<TelephonySettings>,
    _temp: tempfile::TempDir,
}

impl World {
    /// A far end, and a gateway that follows `extensions` of the PBX at `pbx`.
    pub(crate) async fn start(pbx: SocketAddr, extensions: &[&str]) -> Self {
        let mut world = Self::new(pbx, extensions);
        world.start_cloud().await;
        world.start_gateway().await;
        world
    }

    fn new(pbx: SocketAddr, extensions: &[&str]) -> Self {
        let temp = tempfile::tempdir().unwrap();
        Self {
            dir: temp.path().to_owned(),
            cloud: None,
            cloud_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            gateway: None,
            pbx: pbx.to_string(),
            extensions: extensions.iter().map(|&e| e.to_owned()).collect(),
            client: csta::client::Config::default(),
            channel_port: None,
            outbox: OutboxLimits {
                ballast_bytes: 0,
                ..OutboxLimits::default()
            },
            sip: None,
            _temp: temp,
        }
    }

    /// A world around a simulator, whose dialect the gateway is told.
    pub(crate) async fn with_sim(config: pbx_sim::Config) -> (Self, PbxSim) {
        let extensions: Vec<String> = config.extensions.iter().map(str::to_owned).collect();
        let dialect = config.association.dialect;
        let sim = PbxSim::start(config).await.unwrap();
        let names: Vec<&str> = extensions.iter().map(String::as_str).collect();
        let mut world = Self::new(sim.addr(), &names);
        world.client.dialect = dialect;
        world.start_cloud().await;
        world.start_gateway().await;
        world.synchronised().await;
        until("the channel", async || {
            gateway::daemon::is_connected(world.gateway().shared())
        })
        .await;
        (world, sim)
    }

    pub(crate) async fn start_cloud(&mut self) {
        let mut config = cloud::Config::loopback(&self.dir.join("cloud"))
            .with_gateway(&identity(), GATEWAY_TOKEN)
            .with_application("test", &identity().account_id, APPLICATION_TOKEN);
        for application in &mut config.applications {
            application.softphones = vec!["*".to_owned()];
        }
        config.listen = self.cloud_addr;
        let cloud = Cloud::start(config).await.unwrap();
        self.cloud_addr = cloud.addr();
        self.cloud = Some(cloud);
    }

    pub(crate) async fn stop_cloud(&mut self) {
        self.cloud.take().unwrap().shutdown().await;
    }

    pub(crate) async fn start_gateway(&mut self) {
        let settings = self.settings();
        self.gateway = Some(Gateway::start(settings).await.unwrap());
    }

    pub(crate) async fn stop_gateway(&mut self) {
        self.gateway.take().unwrap().shutdown().await;
    }

    pub(crate) fn settings(&self) -> Settings {
        let trust = Trust::Roots(self.cloud_certificate());
        let short = Duration::from_millis(50);
        Settings {
            identity: identity(),
            state_dir: self.dir.join("gateway"),
            pbx: CstaLinkConfig {
                endpoint: net::tcp::Endpoint {
                    address: self.pbx.clone(),
                    tls: None,
                },
                client: self.client.clone(),
                retry: (short, short * 4),
                seed: 1,
            },
            extensions: self.extensions.clone(),
            far_end: FarEnd {
                endpoint: format!(
                    "wss://localhost:{}/gateway/v1/channel",
                    self.channel_port.unwrap_or_else(|| self.cloud_addr.port())
                )
                .parse()
                .unwrap(),
                tls: client_config(&trust).unwrap(),
                token: Token::new(GATEWAY_TOKEN).unwrap(),
                proxy: None,
                retry: Retry {
                    min: short,
                    max: short * 4,
                    breaker_after: u32::MAX,
                    ..Retry::default()
                },
            },
            sip: self.sip.clone(),
            portal: SocketAddr::from(([127, 0, 0, 1], 0)),
            portal_names: Vec::new(),
            outbox: self.outbox.clone(),
        }
    }

    fn cloud_certificate(&self) -> PathBuf {
        self.dir.join("cloud").join("tls.crt")
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        self.gateway.as_ref().unwrap()
    }

    /// Waits until every extension is followed.
    pub(crate) async fn synchronised(&self) {
        let wanted = self.extensions.len();
        until("every extension to be followed", async || {
            let pbx = self.gateway().shared().pbx();
            pbx.link == net::csta_link::CstaLinkState::Up
                && pbx.synchronised_after.is_some()
                && pbx.client.is_some_and(|client| client.monitored == wanted)
        })
        .await;
    }

    /// All legs as the far end knows them.
    pub(crate) async fn legs(&self) -> Vec<LegView> {
        let views = self.cloud.as_ref().unwrap().views().await.unwrap();
        views
            .iter()
            .map(|owned| serde_json::from_str(&owned.leg.body).unwrap())
            .collect()
    }

    /// The far end's view as (PBX call, device, state), parties outside the PBX left out.
    pub(crate) async fn view(&self) -> BTreeSet<(String, String, String)> {
        let followed = |leg: &LegView| leg.endpoint_id.is_some();
        self.legs()
            .await
            .into_iter()
            .filter(followed)
            .map(|leg| {
                let state = serde_json::to_value(leg.state).unwrap();
                (
                    leg.pbx.call_id,
                    leg.device,
                    state.as_str().unwrap().to_owned(),
                )
            })
            .collect()
    }

    /// Waits until the far end's view of all calls equals the simulator's truth.
    pub(crate) async fn view_equals_truth(&self, sim: &PbxSim, when: &str) {
        let what = format!("the view to equal the truth {when}");
        until(&what, async || {
            let (view, truth) = (self.view().await, truth(sim));
            if view != truth {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            view == truth
        })
        .await;
    }

    pub(crate) fn application(&self) -> crate::application::Application {
        crate::application::Application::new(self.cloud_addr, &self.cloud_certificate())
    }
}

/// The simulator's truth as (PBX call, device, state) in the far end's words.
pub(crate) fn truth(sim: &PbxSim) -> BTreeSet<(String, String, String)> {
    let state = |state: &str| match state {
        "hold" => "held".to_owned(),
        "fail" => "failed".to_owned(),
        same => same.to_owned(),
    };
    let calls = sim.truth().calls.into_iter();
    calls
        .flat_map(|call| {
            let inside = call.connections.into_iter().filter(|party| !party.outside);
            let id = call.call_id;
            inside.map(move |party| (id.clone(), party.device, state(&party.state)))
        })
        .collect()
}

pub(crate) fn identity() -> Identity {
    Identity {
        account_id: "acme".to_owned(),
        site_id: "hq".to_owned(),
        gateway_id: "gw-1".to_owned(),
    }
}

/// A simulator that does nothing by itself.
pub(crate) fn quiet_sim(extensions: (u32, u32)) -> pbx_sim::Config {
    let mut config = pbx_sim::Config::on_free_ports();
    config.extensions = pbx_sim::config::Extensions::range(extensions.0, extensions.1);
    config.traffic.calls_per_hour = 0.0;
    config.timing.pick_up_after = Duration::from_millis(5);
    config
}

/// Carries out a control command; one that comes before the telephone is ready for it is repeated.
pub(crate) async fn tell(sim: &PbxSim, line: &str) {
    until(line, async || {
        let command: Command = line.parse().unwrap();
        match sim.command(command) {
            Ok(_) => true,
            Err(CommandError::NoCall { .. }) => false,
            Err(error) => panic!("{line}: {error}"),
        }
    })
    .await;
}

/// Waits until `condition` holds; says what it waited for when that takes too long.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = clock::now() + PATIENCE;
    while !condition().await {
        assert!(clock::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A file of the shared test data.
pub(crate) fn testdata(path: &str) -> Vec<u8> {
    let folder = std::env::var("RINGWAY_TESTDATA").expect("RINGWAY_TESTDATA names the test data");
    let file = Path::new(&folder).join(path);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

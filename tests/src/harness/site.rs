//! One customer's site and its far end: simulated PBX, gateway and far end, each a process, on free
//! ports of loopback, with generated configuration files in a folder of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use net::tls::Trust;
use rand::RngExt as _;
use tempfile::TempDir;

use super::part::name;
use super::{Api, Leg, Part, Pbx, Programs, legs};

/// Ports below the range from which the kernel gives ports to clients: no client of the site can sit
/// on the port of a server that is just being restarted.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// Tries to find a free one.
const PORT_TRIES: u32 = 200;
/// Longest wait for a program to come up; debug builds on a busy machine are slow.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often is looked again while waiting.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What opens the far end to the application, and to the gateway.
const TOKENS: (&str, &str) = (
    "application-token-of-the-tests",
    "gateway-token-of-the-tests",
);

/// What kind of site.
#[derive(Debug, Clone)]
pub struct SiteConfig {
    /// The programs.
    pub programs: Programs,
    /// How many extensions there are, from `FIRST_EXTENSION`; more than four digits hold are from
    /// `FIRST_OF_MANY`.
    pub extensions: u32,
    /// CSTA events per second that the users' calls give; none for no calls.
    pub events_per_second: Option<NonZeroU32>,
    /// Seed of the users' calls.
    pub seed: u64,
    /// More arguments for the simulator.
    pub pbx_arguments: Vec<String>,
}

/// The lowest extension.
pub const FIRST_EXTENSION: u32 = 2000;
/// The first number of a site that has more extensions than four digits hold: all are of one length.
const FIRST_OF_MANY: u32 = 10_000;

/// A site with its far end. Dropped, every process is killed and the folder removed.
#[derive(Debug)]
pub struct Site {
    /// The simulated PBX's process.
    pub pbx_part: Part,
    /// The gateway's process.
    pub gateway: Part,
    /// The far end's process.
    pub cloud: Part,
    /// The simulated PBX's control port.
    pub pbx: Pbx,
    /// The far end as an application sees it.
    pub api: Api,
    /// The gateway's own face.
    pub portal: Api,
    extensions: u32,
    folder: TempDir,
}

/// How the gateway says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Condition {
    /// Association with the PBX.
    pub pbx_up: bool,
    /// Channel to the far end.
    pub channel_up: bool,
    /// Devices monitored.
    pub monitored: u64,
    /// Events not acknowledged.
    pub backlog: u64,
}

impl Site {
    /// Starts the three and waits until the gateway follows every extension.
    ///
    /// # Errors
    /// One of them does not come up; the sentence holds the end of its log.
    pub async fn start(config: &SiteConfig) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ringway-site-").tempdir()?;
        let path = folder.path();
        let extensions = numbers(config.extensions.max(1));

        let mut pbx_part = Part::new(
            &config.programs,
            name::PBX,
            pbx_arguments(config, &extensions),
            path,
        );
        pbx_part.start()?;
        let csta = said_address(&mut pbx_part, "CSTA").await?;
        let pbx = Pbx::new(said_address(&mut pbx_part, "control").await?);

        let cloud_addr = free_address()?;
        let cloud_file = path.join("ringway-cloud.toml");
        std::fs::write(&cloud_file, cloud_toml(cloud_addr, path))?;
        let mut cloud = Part::new(&config.programs, name::CLOUD, run_with(&cloud_file), path);
        cloud.start()?;
        let certificate = path.join("cloud/tls.crt");
        wait_until("the far end to listen", &mut cloud, || {
            certificate.exists() && std::net::TcpStream::connect(cloud_addr).is_ok()
        })
        .await?;

        let portal_addr = free_address()?;
        let gateway_file = path.join("ringway.toml");
        std::fs::write(path.join("gateway.token"), TOKENS.1)?;
        std::fs::write(
            &gateway_file,
            gateway_toml(path, csta, &extensions, cloud_addr, portal_addr),
        )?;
        let gateway = Part::new(
            &config.programs,
            name::GATEWAY,
            run_with(&gateway_file),
            path,
        );
        let mut site = Self {
            pbx_part,
            gateway,
            cloud,
            pbx,
            api: Api::new(cloud_addr, &Trust::Roots(certificate), Some(TOKENS.0))?,
            portal: Api::new(portal_addr, &Trust::Loopback, None)?,
            extensions: config.extensions,
            folder,
        };
        site.gateway.start()?;
        site.wait_until_synchronised(START_TIMEOUT).await?;
        Ok(site)
    }

    /// How many extensions there are.
    #[must_use]
    pub const fn extensions(&self) -> u32 {
        self.extensions
    }

    /// Where configurations, databases and logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The gateway's database.
    #[must_use]
    pub fn gateway_database(&self) -> PathBuf {
        self.folder()
            .join("gateway")
            .join(gateway::outbox::DATABASE)
    }

    /// The far end's database.
    #[must_use]
    pub fn cloud_database(&self) -> PathBuf {
        self.folder().join("cloud/cloud.db")
    }

    /// Kills everything and leaves the folder for somebody to look at; gives its path.
    #[must_use]
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    /// How the gateway says it is; an error while it does not say anything.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn condition(&self) -> Result<Condition> {
        let page = self.portal.get("/metrics").await?.text;
        let figure = |name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            let value: Option<f64> = line.and_then(|value| value.trim().parse().ok());
            value.unwrap_or_default()
        };
        Ok(Condition {
            pbx_up: figure("ringway_csta_link_up ") > 0.0,
            channel_up: figure("ringway_channel_up ") > 0.0,
            monitored: whole(figure("ringway_monitored_devices ")),
            backlog: whole(figure("ringway_outbox_records ")),
        })
    }

    /// Whether the gateway follows every extension and the far end has everything.
    pub async fn is_synchronised(&self) -> bool {
        let condition = self.condition().await.unwrap_or_default();
        condition.pbx_up
            && condition.channel_up
            && condition.monitored == u64::from(self.extensions)
            && condition.backlog == 0
    }

    /// Waits until the gateway follows every extension and its channel is up; a backlog may be left.
    ///
    /// # Errors
    /// It takes longer than `limit`.
    pub async fn wait_until_synchronised(&mut self, limit: Duration) -> Result<()> {
        let end = net::clock::now() + limit;
        loop {
            let condition = self.condition().await.unwrap_or_default();
            if condition.channel_up && condition.monitored == u64::from(self.extensions) {
                return Ok(());
            }
            if net::clock::now() > end || !self.gateway.is_running() {
                let log = tail(&self.gateway.log());
                bail!("the gateway is not synchronised: {condition:?}\n{log}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The far end's view of all calls, and the cursor of events that are surely in it.
    ///
    /// # Errors
    /// There is no answer, or not the right one.
    pub async fn calls(&self) -> Result<(Vec<Leg>, u64)> {
        let reply = self.api.get("/2017-09-01/calls").await?;
        anyhow::ensure!(reply.status == 200, "{}: {}", reply.status, reply.text);
        let list = reply.json();
        let items = list["_embedded"]["items"].as_array();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mut legs: Vec<Leg> = items
            .context("no items")?
            .iter()
            .map(|item| Leg {
                call: text(&item["pbx"]["callId"]),
                device: text(&item["endpointId"]),
                state: text(&item["legState"]),
            })
            .collect();
        legs.sort();
        Ok((legs, list["cursor"].as_u64().context("no cursor")?))
    }

    /// How the far end's view differs from the simulator's truth; empty if it does not.
    ///
    /// # Errors
    /// One of them does not answer.
    pub async fn differences(&self) -> Result<Vec<String>> {
        let (view, _) = self.calls().await?;
        let truth = super::pbx::legs_of(&self.pbx.truth()?);
        Ok(legs::differences(&truth, &view))
    }
}

/// The end of a log, for people.
#[must_use]
pub fn tail(log: &str) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// The range of so many numbers.
fn numbers(count: u32) -> String {
    let first = if FIRST_EXTENSION + count <= FIRST_OF_MANY {
        FIRST_EXTENSION
    } else {
        FIRST_OF_MANY
    };
    format!("{first}-{}", first + count - 1)
}

fn pbx_arguments(config: &SiteConfig, extensions: &str) -> Vec<String> {
    let free = "127.0.0.1:0";
    let mut arguments = ["--control", free, "run", "--listen", free, "--extensions"]
        .map(str::to_owned)
        .to_vec();
    arguments.push(extensions.to_owned());
    arguments.extend(["--seed".to_owned(), config.seed.to_string()]);
    if let Some(rate) = config.events_per_second {
        arguments.extend(["--events-per-second".to_owned(), rate.to_string()]);
    }
    arguments.extend(config.pbx_arguments.iter().cloned());
    arguments
}

fn run_with(file: &Path) -> Vec<String> {
    let file = file.display().to_string();
    vec!["run".to_owned(), "--config".to_owned(), file]
}

fn cloud_toml(listen: SocketAddr, folder: &Path) -> String {
    let (application, gateway) = TOKENS;
    let data = folder.join("cloud");
    format!(
        "listen = \"{listen}\"\n\
         data-dir = {data:?}\n\
         [limits]\nconnections = 512\nconnections-per-address = 512\n\
         [[gateways]]\naccount-id = \"acme\"\nsite-id = \"north\"\ngateway-id = \"gw-1\"\n\
         token = \"{gateway}\"\n\
         [[applications]]\nname = \"tests\"\naccount-id = \"acme\"\ntoken = \"{application}\"\n"
    )
}

fn gateway_toml(
    folder: &Path,
    csta: SocketAddr,
    extensions: &str,
    cloud: SocketAddr,
    portal: SocketAddr,
) -> String {
    let (state, token) = (folder.join("gateway"), folder.join("gateway.token"));
    let certificate = folder.join("cloud/tls.crt");
    format!(
        "[gateway]\naccount-id = \"acme\"\nsite-id = \"north\"\ngateway-id = \"gw-1\"\n\
         state-dir = {state:?}\n\
         [pbx]\naddress = \"{csta}\"\ndevices = [\"{extensions}\"]\n\
         [uplink]\nurl = \"wss://{cloud}/gateway/v1/channel\"\ntoken-file = {token:?}\n\
         ca-file = {certificate:?}\n\
         [portal]\nlisten = \"{portal}\"\n\
         [outbox]\nballast-bytes = 0\n"
    )
}

/// A loopback address on which nobody listens.
fn free_address() -> Result<SocketAddr> {
    let mut rng = rand::rng();
    let mut tries = (0..PORT_TRIES).map(|_| {
        let port = rng.random_range(PORTS);
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    });
    let free = tries.find(|addr| TcpListener::bind(addr).is_ok());
    free.context("no free port")
}

/// The address that a program says it listens on, in a line that begins with `word`.
async fn said_address(part: &mut Part, word: &'static str) -> Result<SocketAddr> {
    let mut found = None;
    let log = part.log_file().to_owned();
    wait_until("the PBX to say its addresses", part, || {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        let mut lines = said.lines().map(|line| line.split_whitespace());
        found = lines.find_map(|mut words| {
            let is_it = words.next() == Some(word);
            is_it.then(|| words.next()?.parse().ok()).flatten()
        });
        found.is_some()
    })
    .await?;
    found.context("no address")
}

async fn wait_until(what: &str, part: &mut Part, mut is_so: impl FnMut() -> bool) -> Result<()> {
    let end = net::clock::now() + START_TIMEOUT;
    while !is_so() {
        if net::clock::now() > end || !part.is_running() {
            bail!("waited in vain for {what}:\n{}", tail(&part.log()));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// A count out of a floating-point figure.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of metrics are whole and small"
)]
fn whole(figure: f64) -> u64 {
    figure as u64
}

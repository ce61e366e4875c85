//! Monitoring and snapshotting 5,000 devices of a PBX that answers each request after 20 ms, and the
//! memory that the gateway takes then.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use net::clock;

use super::process::resident_bytes;
use super::{Goal, Row};
use crate::harness::{Programs, Site, SiteConfig};

/// Telephones.
const EXTENSIONS: u32 = 5_000;
/// Until the PBX answers.
const RESPONSE_DELAY: Duration = Duration::from_millis(20);
/// Most requests that the gateway has in flight while it synchronises.
const IN_FLIGHT_MAX: usize = 20;
/// The goals.
const SECONDS_MAX: f64 = 15.0;
const RESIDENT_MAX_MIB: f64 = 150.0;
/// Longest wait for the first and for the measured synchronisation.
const PATIENCE: Duration = Duration::from_secs(120);
/// Events a second while the memory is looked at again.
const RATE: u32 = 200;

/// Runs the bench.
///
/// # Errors
/// Something does not start, or is not synchronised in time.
pub async fn run(quick: bool) -> Result<Vec<Row>> {
    let limit = csta::client::Config::default().resync_in_flight_max;
    ensure!(
        limit <= IN_FLIGHT_MAX,
        "{limit} requests may be in flight, not {IN_FLIGHT_MAX}"
    );
    let mut site = Site::start(&SiteConfig {
        programs: Programs::beside_this_one()?,
        extensions: EXTENSIONS,
        events_per_second: None,
        seed: 1,
        pbx_arguments: Vec::new(),
    })
    .await?;
    // The measured one: the link is cut while the PBX is slow.
    let delay = RESPONSE_DELAY.as_millis();
    site.pbx.tell(&format!("delay {delay}"))?;
    let said = site.gateway.log().len();
    site.pbx.tell("cut")?;
    let took = synchronisation(&mut site, said).await?;
    let gateway = site.gateway.id().context("the gateway ended")?;
    let quiet = mib(resident_bytes(gateway)?);
    site.pbx.tell("delay 0")?;
    site.pbx.tell(&format!("traffic load {RATE}"))?;
    tokio::time::sleep(Duration::from_secs(if quick { 5 } else { 30 })).await;
    let busy = mib(resident_bytes(gateway)?);

    let requests = 2.0 * f64::from(EXTENSIONS);
    #[expect(clippy::cast_precision_loss, reason = "a small limit")]
    let floor = requests / IN_FLIGHT_MAX as f64 * RESPONSE_DELAY.as_secs_f64();
    let what = |state| format!("resident memory of the gateway, {EXTENSIONS} devices, {state}");
    let memory = |name, state, value| {
        Row::new(
            name,
            what(state),
            value,
            "MiB",
            Goal::AtMost(RESIDENT_MAX_MIB),
        )
    };
    Ok(vec![
        Row::new(
            "devices.synchronised",
            format!(
                "{EXTENSIONS} devices monitored and snapshotted after link-up (floor {floor} s)"
            ),
            took.as_secs_f64(),
            "s",
            Goal::AtMost(SECONDS_MAX),
        ),
        memory("devices.resident", "quiet", quiet),
        memory("devices.resident_busy", "200 events/s", busy),
    ])
}

/// From "PBX link up" to "all devices synchronised" in what the gateway logs behind `said` bytes.
async fn synchronisation(site: &mut Site, said: usize) -> Result<Duration> {
    let by = clock::now() + PATIENCE;
    loop {
        let log = site.gateway.log();
        let news = log.get(said..).unwrap_or_default();
        let stamp = |words: &str| {
            let line = news.lines().find(|line| line.contains(words))?;
            let stamp = line.split_whitespace().next()?;
            serde_json::from_value::<cloud_uplink::Timestamp>(stamp.into()).ok()
        };
        if let Some(end) = stamp("all devices synchronised") {
            let begin = stamp("PBX link up").context("no line says that the link is up")?;
            let ms = end.as_unix_ms().saturating_sub(begin.as_unix_ms());
            return Ok(Duration::from_millis(ms));
        }
        ensure!(clock::now() < by, "not synchronised:\n{news}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory of one process")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

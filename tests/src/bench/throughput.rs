//! Events through the durable path: parsed, made into changes of calls, committed, sent, stored at the
//! far end, acknowledged. PBX, gateway and far end are processes of their own on the same processors.
//!
//! What one processor can do is the processor time that the gateway takes per event, turned round: on
//! a machine where three programs share two processors, the clock would measure the other two.
//! The clock's figure is there, too, with the gateway kept on one processor.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use net::clock;

use super::figures::Figures;
use super::process::{cpu_time, pin, processors};
use super::{Goal, Row};
use crate::harness::{Programs, Site, SiteConfig, rows};

/// Telephones: enough for the most calls that the load generator makes at a time.
const EXTENSIONS: u32 = 800;
/// Loads tried one after the other, in CSTA events a second.
const LOADS: [u32; 7] = [4_000, 8_000, 12_000, 16_000, 20_000, 25_000, 30_000];
/// A load is sustained if this many seconds of it, at most, wait for their acknowledgement at the end.
const BACKLOG_SECONDS_MAX: f64 = 0.5;
/// Longest wait until everything is acknowledged.
const PATIENCE: Duration = Duration::from_secs(60);
/// The goal.
const EVENTS_PER_SECOND: f64 = 10_000.0;

/// What was seen at one load.
struct Stretch {
    /// Events published and acknowledged.
    events: f64,
    /// CSTA events that led to them.
    csta_events: f64,
    seconds: f64,
    gateway_cpu: f64,
    cloud_cpu: f64,
    backlog: f64,
}

impl Stretch {
    fn rate(&self) -> f64 {
        self.events / self.seconds
    }

    fn is_sustained(&self) -> bool {
        self.backlog <= self.rate() * BACKLOG_SECONDS_MAX
    }
}

/// Runs the bench.
///
/// # Errors
/// Something does not start, or events are missing at the far end.
pub async fn run(quick: bool) -> Result<Vec<Row>> {
    let length = Duration::from_secs(if quick { 4 } else { 10 });
    let mut site = Site::start(&SiteConfig {
        programs: Programs::beside_this_one()?,
        extensions: EXTENSIONS,
        events_per_second: None,
        seed: 1,
        pbx_arguments: Vec::new(),
    })
    .await?;
    if processors() > 1 {
        pin(site.gateway.id().context("no gateway")?, 0)?;
    }
    let mut best: Option<Stretch> = None;
    for load in LOADS {
        let stretch = stretch(&site, load, length).await?;
        let more = best
            .as_ref()
            .is_none_or(|best| stretch.rate() > best.rate());
        let goes_on = stretch.is_sustained();
        if more && (goes_on || best.is_none()) {
            best = Some(stretch);
        }
        if !goes_on {
            break;
        }
    }
    everything_arrived(&mut site).await?;
    Ok(report(&best.context("no load was tried")?))
}

async fn stretch(site: &Site, load: u32, length: Duration) -> Result<Stretch> {
    let (gateway, cloud) = (site.gateway.id(), site.cloud.id());
    let (gateway, cloud) = gateway.zip(cloud).context("a process ended")?;
    site.pbx.tell(&format!("traffic load {load}"))?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let seconds = |time: Duration| time.as_secs_f64();
    let start = Figures::read(&site.portal).await?;
    let (began, gateway_cpu, cloud_cpu) = (clock::now(), cpu_time(gateway)?, cpu_time(cloud)?);
    tokio::time::sleep(length).await;
    let end = Figures::read(&site.portal).await?;
    let took = clock::now().saturating_duration_since(began);
    let gateway_cpu = cpu_time(gateway)?.saturating_sub(gateway_cpu);
    let cloud_cpu = cpu_time(cloud)?.saturating_sub(cloud_cpu);
    site.pbx.tell("traffic pause")?;
    let acknowledged = |page: &Figures| page.published() - page.backlog();
    let stretch = Stretch {
        events: acknowledged(&end) - acknowledged(&start),
        csta_events: end.csta_events() - start.csta_events(),
        seconds: seconds(took),
        gateway_cpu: seconds(gateway_cpu),
        cloud_cpu: seconds(cloud_cpu),
        backlog: end.backlog(),
    };
    until_acknowledged(site).await?;
    Ok(stretch)
}

async fn until_acknowledged(site: &Site) -> Result<Figures> {
    let by: Instant = clock::now() + PATIENCE;
    loop {
        let figures = Figures::read(&site.portal).await?;
        if figures.backlog() == 0.0 {
            return Ok(figures);
        }
        ensure!(clock::now() < by, "the far end does not catch up");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Nothing lost, no link cut, and the far end's database holds the stream to its end without a gap.
async fn everything_arrived(site: &mut Site) -> Result<()> {
    site.pbx.tell("drain")?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let figures = until_acknowledged(site).await?;
    let lost = figures.lost();
    ensure!(lost == 0.0, "{lost} events were lost");
    ensure!(figures.link_downs() == 0.0, "the PBX link went down");
    let ledger = site.pbx.ledger()?;
    #[expect(clippy::cast_precision_loss, reason = "a few million events")]
    let (sent, received) = (ledger.events_sent as f64, figures.csta_events());
    ensure!(sent == received, "{received} of {sent} CSTA events came in");
    site.gateway.kill()?;
    site.cloud.kill()?;
    let outbox = rows::read_dead_outbox(&site.gateway_database())?.context("no outbox")?;
    let stored = rows::read_stored(&site.cloud_database())?;
    let stored = stored.get(&outbox.stream).copied().unwrap_or_default();
    let high_water = outbox.high_water;
    ensure!(
        stored == high_water,
        "the far end has {stored} of {high_water} events"
    );
    Ok(())
}

fn report(best: &Stretch) -> Vec<Row> {
    let per_second = |cpu: f64| best.events / cpu.max(f64::EPSILON);
    vec![
        Row::new(
            "throughput.gateway",
            "durable events per processor-second of the gateway",
            per_second(best.gateway_cpu),
            "events/s",
            Goal::AtLeast(EVENTS_PER_SECOND),
        ),
        Row::info(
            "throughput.far_end",
            "durable events per processor-second of the far end",
            per_second(best.cloud_cpu),
            "events/s",
        ),
        Row::info(
            "throughput.sustained",
            format!(
                "by the clock, gateway on one of {} shared processors",
                processors()
            ),
            best.rate(),
            "events/s",
        ),
        Row::info(
            "throughput.csta",
            "the CSTA events behind these",
            best.csta_events / best.seconds,
            "events/s",
        ),
        Row::info(
            "throughput.gateway_share",
            "of one processor that the gateway took meanwhile",
            100.0 * best.gateway_cpu / best.seconds,
            "%",
        ),
    ]
}

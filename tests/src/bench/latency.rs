//! CSTA frame in until acknowledged by the far end, with everything synced to disk at both ends.
//!
//! PBX and far end are processes of their own. The gateway runs in this one, through the same library
//! call as `ringway run`, so that its latencies can be read in buckets of 5 % and not in those of the
//! metrics page.
//!
//! The disk's own speed is measured before and after each stretch of load, at the same rate, with
//! nothing else going on: beside the load it would be measured against a disk that the load has
//! made slow, and the comparison would flatter us.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gateway::config::Config;
use gateway::daemon::{Gateway, Settings};
use gateway::latency::LatencyView;

use super::disk::{quantile, sync_pairs};
use super::report::median;
use super::{Goal, Row};
use crate::harness::{Programs, Site, SiteConfig};

/// Events a second, for hours.
const RATE: u32 = 200;
/// Events a second at the peak that a large site must survive.
const PEAK: u32 = 2_000;
/// Telephones.
const EXTENSIONS: u32 = 400;
/// Longest wait for the gateway to be ready, and for the far end to have everything.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest stretch of the peak.
const PEAK_MAX: Duration = Duration::from_secs(15);
/// Load that is not measured, so that files and caches have their working size.
const WARM_UP: Duration = Duration::from_secs(15);
/// The same after each pause.
const LEAD_IN: Duration = Duration::from_secs(2);

/// The goals: the median, and the tail in multiples of the disk's.
const P50_MAX_MS: f64 = 3.0;
const P99_RATIO_MAX: f64 = 2.5;

struct Round {
    p50: f64,
    p99: f64,
    disk_p50: f64,
    disk_p99: f64,
    ratio: f64,
}

/// Runs the bench.
///
/// # Errors
/// Something does not start or is not synchronised.
pub async fn run(quick: bool) -> Result<Vec<Row>> {
    let (rounds, load, disk) = if quick {
        (1, Duration::from_secs(10), Duration::from_secs(5))
    } else {
        (3, Duration::from_secs(30), Duration::from_secs(10))
    };
    let mut site = Site::start(&SiteConfig {
        programs: Programs::beside_this_one()?,
        extensions: EXTENSIONS,
        events_per_second: None,
        seed: 1,
        pbx_arguments: Vec::new(),
    })
    .await?;
    site.gateway.kill()?;
    let config = Config::load(&site.folder().join("ringway.toml"))?;
    let gateway = Gateway::start(Settings::from_config(&config)?).await?;
    until_ready(&gateway).await?;

    site.pbx.tell(&format!("traffic load {RATE}"))?;
    tokio::time::sleep(if quick { LEAD_IN } else { WARM_UP }).await;
    site.pbx.tell("traffic pause")?;

    let mut pairs = disk_alone(&site, disk).await?;
    let (mut done, mut timed) = (Vec::new(), 0);
    for _ in 0..rounds {
        let view = stretch(&site, &gateway, load).await?;
        let after = disk_alone(&site, disk).await?;
        pairs.extend_from_slice(&after);
        timed += view.count();
        done.push(round(&view, &mut pairs)?);
        pairs = after;
    }
    site.pbx.tell(&format!("traffic load {PEAK}"))?;
    site.pbx.tell("traffic pause")?;
    let view = stretch(&site, &gateway, load.min(PEAK_MAX)).await?;
    pairs.extend(disk_alone(&site, disk).await?);
    let peak = round(&view, &mut pairs)?;
    let stats = gateway.outbox().store().stats();
    let lost = stats.lost_overload + stats.lost_corrupt + stats.lost_volatile;
    ensure!(lost == 0, "{lost} events were lost");
    gateway.shutdown().await;
    let mut rows = rows(&done, timed, load);
    rows.extend(peak_rows(&peak));
    Ok(rows)
}

/// The latencies of one stretch of traffic.
async fn stretch(site: &Site, gateway: &Gateway, length: Duration) -> Result<LatencyView> {
    site.pbx.tell("traffic resume")?;
    tokio::time::sleep(LEAD_IN).await;
    let before = gateway.shared().latency.view();
    tokio::time::sleep(length).await;
    let view = gateway.shared().latency.view().since(&before);
    site.pbx.tell("traffic pause")?;
    until_acknowledged(gateway).await?;
    Ok(view)
}

fn peak_rows(peak: &Round) -> [Row; 3] {
    let what = |quantile| format!("frame in → acknowledged at {PEAK} events/s, {quantile}");
    [
        Row::info("latency.peak_p50", what("p50"), peak.p50, "ms"),
        Row::info("latency.peak_p99", what("p99"), peak.p99, "ms"),
        Row::new(
            "latency.peak_p99_ratio",
            format!("p99 at {PEAK} events/s against that of two serial fdatasyncs"),
            peak.ratio,
            "×",
            Goal::AtMost(P99_RATIO_MAX),
        ),
    ]
}

fn rows(done: &[Round], timed: u64, load: Duration) -> Vec<Row> {
    let middle = |figure: fn(&Round) -> f64| median(done.iter().map(figure).collect());
    let rounds = done.len();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand events")]
    let rate = timed as f64 / (load.as_secs_f64() * rounds as f64);
    let ratios: Vec<_> = done.iter().map(|r| format!("{:.2}", r.ratio)).collect();
    let ratios = ratios.join(", ");
    let mut rows = vec![
        Row::new(
            "latency.p50",
            format!("frame in → acknowledged, p50, median of {rounds} rounds"),
            middle(|round| round.p50),
            "ms",
            Goal::AtMost(P50_MAX_MS),
        ),
        Row::new(
            "latency.p99_ratio",
            format!("p99 against that of two serial fdatasyncs ({ratios})"),
            middle(|round| round.ratio),
            "×",
            Goal::AtMost(P99_RATIO_MAX),
        ),
    ];
    for (name, what, figure) in [
        (
            "latency.p99",
            "frame in → acknowledged, p99",
            (|r| r.p99) as fn(&Round) -> f64,
        ),
        ("latency.disk_p50", "two serial fdatasyncs, p50", |r| {
            r.disk_p50
        }),
        ("latency.disk_p99", "two serial fdatasyncs, p99", |r| {
            r.disk_p99
        }),
    ] {
        let each: Vec<_> = done.iter().map(|r| format!("{:.2}", figure(r))).collect();
        let what = format!("{what} (rounds: {})", each.join(", "));
        rows.push(Row::info(name, what, middle(figure), "ms"));
    }
    let what = "normalized events acknowledged while measuring";
    rows.push(Row::info("latency.rate", what, rate, "events/s"));
    rows
}

fn round(view: &LatencyView, pairs: &mut [Duration]) -> Result<Round> {
    let quantile_of = |share| view.quantile(share).context("no event was timed");
    let p99 = ms(quantile_of(0.99)?);
    let disk_p99 = ms(quantile(pairs, 0.99));
    Ok(Round {
        p50: ms(quantile_of(0.5)?),
        p99,
        disk_p50: ms(quantile(pairs, 0.5)),
        disk_p99,
        ratio: p99 / disk_p99,
    })
}

async fn disk_alone(site: &Site, length: Duration) -> Result<Vec<Duration>> {
    let folder = site.folder().to_owned();
    tokio::task::spawn_blocking(move || sync_pairs(&folder, RATE, length)).await?
}

async fn until_ready(gateway: &Gateway) -> Result<()> {
    let is_ready = || {
        let monitored = gateway.shared().pbx().client.map(|client| client.monitored);
        let all = monitored == Some(EXTENSIONS as usize);
        all && gateway::daemon::is_connected(gateway.shared())
    };
    wait_for("the gateway to follow every extension", is_ready).await
}

async fn until_acknowledged(gateway: &Gateway) -> Result<()> {
    let is_empty = || gateway.outbox().store().stats().records == 0;
    wait_for("the far end to have everything", is_empty).await
}

async fn wait_for(what: &str, is_so: impl Fn() -> bool) -> Result<()> {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.with_context(|| format!("waited in vain for {what}"))
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

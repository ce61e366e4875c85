//! What a device and an event cost the gateway at sites of 500 to 20,000 telephones: memory and
//! processor time have to grow no faster than the site.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use net::clock;

use super::process::{cpu_time, resident_bytes};
use super::{Goal, Row};
use crate::harness::{Programs, Site, SiteConfig};

/// Sites, by their telephones.
const SITES: [u32; 4] = [500, 2_000, 5_000, 20_000];
/// CSTA events a second while the cost of an event is measured.
const RATE: u32 = 400;
/// How much more a device or an event may cost at the largest site than at the one of 5,000: noise of
/// a shared machine, not growth.
const GROWTH_MAX: f64 = 1.5;
/// Longest wait until a site is synchronised.
const PATIENCE: Duration = Duration::from_secs(180);

/// What one site costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    devices: u32,
    resident: f64,
    cpu_per_device: f64,
    cpu_per_event: f64,
}

/// Runs the bench.
///
/// # Errors
/// Something does not start, or is not synchronised in time.
pub async fn run(quick: bool) -> Result<Vec<Row>> {
    let length = Duration::from_secs(if quick { 5 } else { 20 });
    let mut costs = Vec::new();
    for devices in SITES {
        costs.push(site(devices, length).await?);
    }
    let mut rows = Vec::new();
    for (index, cost) in costs.iter().enumerate() {
        rows.extend(rows_of(index, cost));
    }
    let (small, middle, large) = (costs[0], costs[2], costs[3]);
    let slope = |a: Cost, b: Cost| (b.resident - a.resident) / f64::from(b.devices - a.devices);
    let growth = [
        (
            "scale.memory_growth",
            "memory per device added, 5,000 to 20,000 against 500 to 5,000",
            slope(middle, large) / slope(small, middle),
        ),
        (
            "scale.device_growth",
            "processor time per device, 20,000 against 5,000",
            large.cpu_per_device / middle.cpu_per_device,
        ),
        (
            "scale.event_growth",
            "processor time per event, 20,000 devices against 5,000",
            large.cpu_per_event / middle.cpu_per_event,
        ),
    ];
    let goal = Goal::AtMost(GROWTH_MAX);
    rows.extend(growth.map(|(name, what, value)| Row::new(name, what, value, "×", goal)));
    Ok(rows)
}

async fn site(devices: u32, length: Duration) -> Result<Cost> {
    let site = Site::start(&SiteConfig {
        programs: Programs::beside_this_one()?,
        extensions: devices,
        events_per_second: None,
        seed: 1,
        pbx_arguments: Vec::new(),
    })
    .await?;
    let gateway = site.gateway.id().context("the gateway ended")?;
    let by = clock::now() + PATIENCE;
    while !site.is_synchronised().await {
        ensure!(clock::now() < by, "{devices} devices: not synchronised");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Features are asked for behind the snapshots; they belong to what a device costs.
    let quiet = until_idle(gateway).await?;
    let resident = resident_bytes(gateway)?;
    let before = site.pbx.ledger()?.events_sent;
    site.pbx.tell(&format!("traffic load {RATE}"))?;
    tokio::time::sleep(length).await;
    site.pbx.tell("traffic pause")?;
    let events = site.pbx.ledger()?.events_sent - before;
    let busy = until_idle(gateway).await?.saturating_sub(quiet);
    ensure!(events > 0, "{devices} devices: no events");
    #[expect(clippy::cast_precision_loss, reason = "counts of one run")]
    Ok(Cost {
        devices,
        resident: resident as f64,
        cpu_per_device: quiet.as_secs_f64() / f64::from(devices),
        cpu_per_event: busy.as_secs_f64() / events as f64,
    })
}

/// Processor time of the gateway once it takes hardly any more.
async fn until_idle(gateway: u32) -> Result<Duration> {
    const LOOK_AGAIN: Duration = Duration::from_secs(1);
    let by = clock::now() + PATIENCE;
    let mut before = cpu_time(gateway)?;
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let now = cpu_time(gateway)?;
        if now.saturating_sub(before) < LOOK_AGAIN / 20 || clock::now() > by {
            return Ok(now);
        }
        before = now;
    }
}

fn rows_of(index: usize, cost: &Cost) -> [Row; 3] {
    /// One name for each site and figure.
    const NAMES: [[&str; 3]; 4] = [
        ["scale.500.memory", "scale.500.device", "scale.500.event"],
        ["scale.2000.memory", "scale.2000.device", "scale.2000.event"],
        ["scale.5000.memory", "scale.5000.device", "scale.5000.event"],
        [
            "scale.20000.memory",
            "scale.20000.device",
            "scale.20000.event",
        ],
    ];
    let [memory, device, event] = NAMES[index];
    let devices = cost.devices;
    [
        Row::info(
            memory,
            format!("{devices} devices: resident memory of the gateway"),
            cost.resident / f64::from(1 << 20),
            "MiB",
        ),
        Row::info(
            device,
            format!("{devices} devices: processor time to start and synchronise, per device"),
            cost.cpu_per_device * 1e6,
            "µs",
        ),
        Row::info(
            event,
            format!("{devices} devices: processor time per CSTA event at {RATE} a second"),
            cost.cpu_per_event * 1e6,
            "µs",
        ),
    ]
}

//! The portal's pages: what browsers that watch the home page cost the gateway, and how long the list of
//! users takes to answer.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use net::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use super::process::cpu_time;
use super::{Goal, Row};
use crate::harness::{Api, Programs, Site, SiteConfig};

/// Telephones: enough for the calls behind [`RATE`].
const EXTENSIONS: u32 = 200;
/// CSTA events a second while browsers watch.
const RATE: u32 = 200;
/// Browsers on the home page.
const BROWSERS: u8 = 50;
/// The goals: a share of one core in percent, and updates a second.
const SHARE_MAX: f64 = 5.0;
const UPDATES_MAX: f64 = 4.0;
/// Until all browsers have their first update and calls are up.
const SETTLE: Duration = Duration::from_secs(5);
/// Rounds with and without browsers, in turns: the load is not the same in each minute.
const ROUNDS: u32 = 3;
/// Longest wait for one update: the page has always something new at this rate.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs the bench.
///
/// # Errors
/// Something does not start, or a page is not answered.
pub async fn run(quick: bool) -> Result<Vec<Row>> {
    let length = Duration::from_secs(if quick { 5 } else { 20 });
    let site = Site::start(&SiteConfig {
        programs: Programs::beside_this_one()?,
        extensions: EXTENSIONS,
        events_per_second: None,
        seed: 1,
        pbx_arguments: Vec::new(),
    })
    .await?;
    let browser = claim(&site).await?;
    let gateway = site.gateway.id().context("the gateway ended")?;
    site.pbx.tell(&format!("traffic load {RATE}"))?;
    tokio::time::sleep(SETTLE).await;
    let (mut alone, mut watched, mut updates) = (0.0, 0.0, 0);
    for _ in 0..ROUNDS {
        alone += share(gateway, length).await?;
        let mut browsers = JoinSet::new();
        for number in 1..=BROWSERS {
            // Each from a machine of its own: connections of one address are few.
            let address = Ipv4Addr::new(127, 0, 1, number);
            browsers.spawn(watch(browser.from(address), SETTLE + length));
        }
        tokio::time::sleep(SETTLE).await;
        watched += share(gateway, length).await?;
        while let Some(seen) = browsers.join_next().await {
            updates += seen??;
        }
    }
    let rounds = f64::from(ROUNDS);
    let browsed = rounds * f64::from(BROWSERS) * (SETTLE + length).as_secs_f64();
    let cost = (watched - alone) / rounds;
    let what = format!("{BROWSERS} browsers on the home page at {RATE} CSTA events/s");
    Ok(vec![
        Row::new(
            "portal.browsers",
            format!("{what}, of one core"),
            cost,
            "%",
            Goal::AtMost(SHARE_MAX),
        ),
        Row::info(
            "portal.alone",
            "the gateway without them",
            alone / rounds,
            "%",
        ),
        Row::new(
            "portal.updates",
            "updates that each of them gets",
            f64::from(updates) / browsed,
            "/s",
            Goal::AtMost(UPDATES_MAX),
        ),
    ])
}

/// Claims the box, and gives its portal as the browser of its administrator asks it.
async fn claim(site: &Site) -> Result<Api> {
    let code = site.folder().join("gateway/portal/setup-code");
    let code = std::fs::read_to_string(&code).with_context(|| format!("{}", code.display()))?;
    let password = "long-enough-for-a-bench";
    let form = format!(
        "code={}&name=admin&password={password}&again={password}",
        code.trim()
    );
    let reply = site.portal.submit("/claim", &form).await?;
    let cookie = reply
        .cookie
        .with_context(|| format!("not claimed: {}", reply.status))?;
    Ok(site.portal.with_cookie(&cookie))
}

/// Processor time of a process over some time, in percent of one core.
async fn share(pid: u32, length: Duration) -> Result<f64> {
    let (at, before) = (clock::now(), cpu_time(pid)?);
    tokio::time::sleep(length).await;
    let used = cpu_time(pid)?.saturating_sub(before);
    Ok(100.0 * used.as_secs_f64() / at.elapsed().as_secs_f64())
}

/// One browser: how many updates it gets in that time.
async fn watch(browser: Api, length: Duration) -> Result<u32> {
    let mut stream = browser.connect().await?;
    let request = browser.request("GET", "/live", None, "", "");
    stream.write_all(request.as_bytes()).await?;
    let end = clock::now() + length;
    let (mut updates, mut tail) = (0, Vec::new());
    let mut piece = vec![0; 16 * 1024];
    while clock::now() < end {
        let read = tokio::time::timeout(UPDATE_TIMEOUT, stream.read(&mut piece)).await;
        let len = read.context("no update in time")??;
        ensure!(
            len > 0,
            "the live page ended: {}",
            String::from_utf8_lossy(&tail)
        );
        tail.extend_from_slice(&piece[..len]);
        const BEGIN: &[u8] = b"event: home";
        let begins = tail.windows(BEGIN.len()).filter(|at| *at == BEGIN).count();
        updates += u32::try_from(begins)?;
        // What may be the first half of a beginning is kept.
        let kept = if begins > 0 || tail.len() > BEGIN.len() {
            BEGIN.len() - 1
        } else {
            tail.len()
        };
        tail.drain(..tail.len() - kept.min(tail.len()));
    }
    Ok(updates)
}

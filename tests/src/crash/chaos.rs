//! The run: one fault after another, quiet points in between, the judgement at the end.

mod acts;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Options;
use super::committed::Committed;
use super::dialler::{Dialler, PREFIX};
use super::faults::Bag;
use super::quiet;
use super::reader::Reader;
use super::report::Report;
use crate::harness::rows::{Progress, read_dead_outbox};
use crate::harness::{Site, SiteConfig};

/// Shortest time between two faults.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest wait for the gateway to be back in order before the views are compared for the last time.
const END_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for answers to orders before a quiet point.
const SETTLE_MAX: Duration = Duration::from_secs(2);
/// Orders between two faults, and orders repeated after each.
const ORDERS: usize = 2;

/// How it ended.
#[derive(Debug)]
pub struct Outcome {
    /// What was counted.
    pub report: Report,
    /// Where configurations, databases and logs are, if something went wrong.
    pub kept: Option<PathBuf>,
}

/// Runs it all. Progress goes to `say`, a line at a time.
///
/// # Errors
/// The site cannot be started or the simulator does not answer: nothing can be said.
pub async fn run(options: Options, mut say: impl FnMut(&str)) -> Result<Outcome> {
    let site = Site::start(&SiteConfig {
        programs: options.programs.clone(),
        extensions: options.extensions,
        events_per_second: Some(options.events_per_second),
        seed: options.seed,
        pbx_arguments: Vec::new(),
    })
    .await?;
    let mut run = Run::new(options, site);
    let ended = run.go(&mut say).await;
    let kept = |run: Run| run.site.keep();
    match ended {
        Ok(()) if run.report.failures().is_empty() => Ok(Outcome {
            report: run.report,
            kept: None,
        }),
        Ok(()) => Ok(Outcome {
            report: std::mem::take(&mut run.report),
            kept: Some(kept(run)),
        }),
        Err(error) => {
            let folder = kept(run);
            Err(error.context(format!("everything is kept in {}", folder.display())))
        }
    }
}

/// A run in progress.
struct Run {
    options: Options,
    site: Site,
    reader: Reader,
    dialler: Dialler,
    committed: Committed,
    rng: StdRng,
    report: Report,
    begun: Instant,
    life: Life,
    /// Inferred events at the reader at the last quiet point.
    synthetic_before: u64,
    /// Changes since then that nobody watched.
    unwatched: u64,
}

/// What was so when gateway and far end were started last.
#[derive(Debug, Default)]
struct Life {
    /// How far the gateway had come.
    progress: Progress,
    /// The highest number at the far end.
    stored: u64,
}

impl Run {
    fn new(options: Options, site: Site) -> Self {
        let report = Report {
            seed: options.seed,
            kills: (0, options.kills),
            events: (0, options.events),
            ..Report::default()
        };
        Self {
            reader: Reader::start(site.api.clone()),
            dialler: Dialler::new(site.api.clone()),
            committed: Committed::default(),
            rng: StdRng::seed_from_u64(options.seed),
            begun: net::clock::now(),
            life: Life::default(),
            synthetic_before: 0,
            unwatched: 0,
            options,
            site,
            report,
        }
    }

    async fn go(&mut self, say: &mut impl FnMut(&str)) -> Result<()> {
        let mut bag = Bag::with_each_once(&mut self.rng);
        let mut faults = 0_u32;
        while !self.is_enough() && self.begun.elapsed() < self.options.limit {
            self.pause().await;
            self.order()?;
            let fault = bag.draw(&mut self.rng);
            let bit = self.commit(fault).await;
            let bit = bit.with_context(|| format!("fault {faults}: {fault}"))?;
            self.report.bites.count(fault, bit);
            self.dialler.repeat(ORDERS, &mut self.rng);
            faults += 1;
            if faults.is_multiple_of(self.options.quiet_every) {
                self.quiet_point().await?;
                say(&self.progress());
                // Between faults there may be no time for an answer: these calls get one.
                self.order()?;
                self.pause().await;
            }
        }
        self.quiet_point().await?;
        say(&self.progress());
        self.end().await
    }

    /// Everything that was asked for has happened.
    fn is_enough(&self) -> bool {
        let (kills, kills_wanted) = self.report.kills;
        kills >= kills_wanted
            && self.reader.account().events >= self.options.events
            && self.report.bites.never().is_empty()
            && self.report.undelivered > 0
            && self.report.in_flight > 0
            && self.dialler.has_accepted()
    }

    async fn pause(&mut self) {
        let longest = self.options.pause_max.max(PAUSE_MIN * 2);
        let pause = self.rng.random_range(PAUSE_MIN..longest);
        tokio::time::sleep(pause).await;
    }

    /// Calls ordered by command, ended again by command or at the telephone.
    fn order(&mut self) -> Result<()> {
        if self.rng.random_bool(0.5) {
            self.dialler.hang_up();
        } else {
            self.hang_up_at_the_telephone()?;
        }
        for _ in 0..ORDERS {
            self.dial()?;
        }
        Ok(())
    }

    /// Orders a call from an extension that has none.
    fn dial(&mut self) -> Result<()> {
        let legs = crate::harness::pbx::legs_of(&self.site.pbx.truth()?);
        let first = crate::harness::site::FIRST_EXTENSION;
        for _ in 0..self.site.extensions() {
            let number = first + self.rng.random_range(0..self.site.extensions());
            let extension = number.to_string();
            if legs.iter().all(|leg| leg.device != extension) {
                self.dialler.dial(&extension);
                break;
            }
        }
        Ok(())
    }

    fn hang_up_at_the_telephone(&self) -> Result<()> {
        let numbers = self.dialler.numbers();
        for call in self.site.pbx.truth()?.calls {
            if call.called.starts_with(PREFIX) && numbers.contains_key(&call.called) {
                // It may have ended in between.
                let _ = self.site.pbx.tell(&format!("clear {}", call.calling));
            }
        }
        Ok(())
    }

    async fn quiet_point(&mut self) -> Result<()> {
        self.dialler.settle(SETTLE_MAX).await;
        self.site.pbx.tell("quiet")?;
        let (differences, legs) = quiet::compare(&self.site, &self.reader).await?;
        let synthetic = self.reader.account().synthetic;
        if self.unwatched > 0 && synthetic == self.synthetic_before {
            self.report.unnoticed += 1;
        }
        (self.synthetic_before, self.unwatched) = (synthetic, 0);
        let (points, mismatches, compared) = &mut self.report.quiet_points;
        *points += 1;
        *mismatches += u64::from(!differences.is_empty());
        *compared += legs as u64;
        if !differences.is_empty() {
            let seconds = self.begun.elapsed().as_secs();
            let complaint = format!("quiet point {points} after {seconds} s:");
            self.report.complaints.push(complaint);
            self.report.complaints.extend(differences);
        }
        self.note_running()?;
        self.site.pbx.tell("traffic resume")?;
        Ok(())
    }

    /// A program that is not there although nobody killed it is worth a complaint, and is started again.
    fn note_running(&mut self) -> Result<()> {
        for part in [&mut self.site.gateway, &mut self.site.cloud] {
            if !part.is_running() {
                self.report.ended_by_themselves += 1;
                let log = crate::harness::site::tail(&part.log());
                self.report
                    .complaints
                    .push(format!("ended by itself:\n{log}"));
                part.start()?;
            }
        }
        Ok(())
    }

    fn progress(&self) -> String {
        let seconds = self.begun.elapsed().as_secs();
        let (kills, kills_wanted) = self.report.kills;
        let (points, mismatches, _) = self.report.quiet_points;
        let account = self.reader.account();
        format!(
            "{seconds:>4} s  kills {kills}/{kills_wanted}  events {}/{}  duplicated {}  quiet points \
             {points}, {mismatches} with different views",
            account.events, self.options.events, account.duplicated
        )
    }

    async fn end(&mut self) -> Result<()> {
        self.site.pbx.tell("drain")?;
        let (differences, _) = quiet::compare(&self.site, &self.reader).await?;
        self.report.complaints.extend(differences);
        let ended = self.site.wait_until_synchronised(END_TIMEOUT).await;
        if let Err(error) = ended {
            self.report.complaints.push(format!("{error:#}"));
        }
        let (far_end, _) = self.site.calls().await?;
        let ledger = self.site.pbx.ledger()?;
        self.site.gateway.kill()?;
        if let Some(outbox) = read_dead_outbox(&self.site.gateway_database())? {
            self.committed.take(&outbox);
        }
        let mut account = self.reader.account();
        let report = &mut self.report;
        report.judgement = self.committed.judge(&mut account);
        report.leftovers = (far_end.len() + account.live()) as u64;
        report.events.0 = account.events;
        report.synthetic = account.synthetic;
        report.replayed = account.replayed;
        report.duplicated = account.duplicated;
        report.out_of_order = account.out_of_order;
        report.reused = account.reused;
        report.cursors_refused = account.cursors_refused;
        report.complaints.append(&mut account.complaints);
        report.orders = self.dialler.judge(&ledger.calls_made);
        report.changes = ledger.changes_total();
        report.csta_events = ledger.events_sent;
        report.links_cut_slow = ledger.links_cut_slow;
        let logs = [&self.site.gateway, &self.site.cloud, &self.site.pbx_part].map(|it| it.log());
        let panics = logs.iter().map(|log| log.matches("panicked at").count());
        report.panics = panics.sum::<usize>() as u64;
        report.took = self.begun.elapsed();
        Ok(())
    }
}

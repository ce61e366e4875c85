//! The faults, carried out; each says whether it really bit.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::RngExt as _;
use tokio::time::sleep;

use super::Run;
use crate::crash::faults::Fault;
use crate::harness::rows::{self, Outbox, Progress};

/// How long a killed program stays away, at most, where it is not started again at once.
const ABSENCE_MAX: Duration = Duration::from_millis(1500);
/// How long the far end stays away: long enough for several tries to reach it.
const FAR_END_AWAY: std::ops::Range<Duration> = Duration::from_secs(3)..Duration::from_secs(6);
/// How much later the PBX answers while a gateway is to be killed in the midst of a command: much longer
/// than an order needs to get there on a busy machine.
const SLOW_ANSWERS: &str = "delay 500";
/// How long it takes a gateway to monitor every extension when it is to be killed in between, and how
/// many requests it has in flight.
const RESYNC: (Duration, u32) = (Duration::from_millis(300), 20);
/// Longest wait until a gateway that was just started has monitored its first device.
const FIRST_MONITOR_TIMEOUT: Duration = Duration::from_secs(10);
/// Time from an order to the kill, at most: the PBX answers at once, or late.
const COMMAND_MAX: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(600));
/// Mostly a fault waits until there is work to hit; now and then it comes when it likes.
const WHEN_IT_LIKES: f64 = 0.15;
/// Longest wait for work: longer than the far end's gateways wait before they connect again.
const WORK_TIMEOUT: Duration = Duration::from_secs(6);
/// Time from there to the fault, at most.
const INTO_WORK_MAX: Duration = Duration::from_millis(300);
/// Orders at once before a kill that is to hit one.
const ORDERS_AT_ONCE: usize = 4;

/// What a dead gateway left, and whether its death bit.
struct Death {
    bit: bool,
    outbox: Option<Outbox>,
    /// Changes at the PBX until then.
    changes: u64,
}

impl Run {
    /// Carries out a fault; whether it bit.
    pub(super) async fn commit(&mut self, fault: Fault) -> Result<bool> {
        if !self.rng.random_bool(WHEN_IT_LIKES) {
            self.work_to_hit().await?;
        }
        match fault {
            Fault::GatewayKilled => {
                let death = self.kill_gateway()?;
                self.absence().await;
                self.start_gateway(&death)?;
                Ok(death.bit)
            }
            Fault::FarEndKilled => {
                let worked = self.kill_far_end()?;
                self.absence().await;
                self.start_far_end(worked)
            }
            Fault::BothKilled => self.kill_both().await,
            Fault::FarEndAway => {
                let worked = self.kill_far_end()?;
                let away = self.rng.random_range(FAR_END_AWAY);
                sleep(away).await;
                self.start_far_end(worked)
            }
            Fault::LinkCut => self.tell_with_calls_up("cut"),
            Fault::PbxRestarted => self.tell_with_calls_up("restart"),
            Fault::KilledInResync => self.kill_in_resync().await,
            Fault::KilledInCommand => self.kill_in_command().await,
        }
    }

    /// Waits, not for ever, until both links are up and the far end has stored something in this life.
    async fn work_to_hit(&mut self) -> Result<()> {
        let end = net::clock::now() + WORK_TIMEOUT;
        while net::clock::now() < end {
            let condition = self.site.condition().await.unwrap_or_default();
            let is_up = condition.pbx_up && condition.channel_up;
            if is_up && self.stored()? > self.life.stored {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        let into = self.rng.random_range(Duration::ZERO..INTO_WORK_MAX);
        sleep(into).await;
        Ok(())
    }

    async fn kill_both(&mut self) -> Result<bool> {
        if self.rng.random_bool(0.5) {
            let death = self.kill_gateway()?;
            let worked = self.kill_far_end()?;
            self.absence().await;
            self.start_gateway(&death)?;
            self.absence().await;
            Ok(self.start_far_end(worked)? && death.bit)
        } else {
            let worked = self.kill_far_end()?;
            self.absence().await;
            let death = self.kill_gateway()?;
            self.absence().await;
            let far_end = self.start_far_end(worked)?;
            self.start_gateway(&death)?;
            Ok(far_end && death.bit)
        }
    }

    fn tell_with_calls_up(&mut self, command: &str) -> Result<bool> {
        let calls = self.site.pbx.truth()?.calls.len();
        let reply = self.site.pbx.tell(command)?;
        self.unwatched += 1;
        Ok(calls > 0 && reply != "ok 0 links cut")
    }

    async fn kill_in_resync(&mut self) -> Result<bool> {
        let death = self.kill_gateway()?;
        let (whole, in_flight) = RESYNC;
        let rounds = (self.site.extensions() / in_flight).max(1);
        let delay_ms = (whole / rounds).as_millis();
        self.site.pbx.tell(&format!("delay {delay_ms}"))?;
        self.start_gateway(&death)?;
        let all = u64::from(self.site.extensions());
        let end = net::clock::now() + FIRST_MONITOR_TIMEOUT;
        while self.site.pbx.ledger()?.monitors == 0 && net::clock::now() < end {
            sleep(Duration::from_millis(1)).await;
        }
        let into = self.rng.random_range(Duration::ZERO..whole / 2);
        sleep(into).await;
        let monitors = self.site.pbx.ledger()?.monitors;
        let death = self.kill_gateway()?;
        self.site.pbx.tell("delay 0")?;
        self.start_gateway(&death)?;
        let bit = monitors > 0 && monitors < all;
        // Its own work was to take stock, so that counts even where nothing was committed.
        self.report.kills.0 += u64::from(bit && !death.bit);
        Ok(bit)
    }

    async fn kill_in_command(&mut self) -> Result<bool> {
        let (at_once, late) = COMMAND_MAX;
        let mut longest = at_once;
        if self.rng.random_bool(0.7) {
            self.site.pbx.tell(SLOW_ANSWERS)?;
            longest = late;
        }
        for _ in 0..ORDERS_AT_ONCE {
            self.dial()?;
        }
        let into = self.rng.random_range(Duration::ZERO..longest);
        sleep(into).await;
        let death = self.kill_gateway()?;
        self.site.pbx.tell("delay 0")?;
        self.absence().await;
        self.start_gateway(&death)?;
        let open = death.outbox.map_or(0, |outbox| outbox.open_commands);
        Ok(open > 0)
    }

    fn kill_gateway(&mut self) -> Result<Death> {
        let changes = self.site.pbx.ledger()?.changes_total();
        let alive = self.site.gateway.kill()?;
        let stored = rows::read_stored(&self.site.cloud_database())?;
        let outbox = rows::read_dead_outbox(&self.site.gateway_database())?;
        self.report.kills_tried += 1;
        if !alive {
            self.report.ended_by_themselves += 1;
        }
        let Some(outbox) = outbox else {
            return Ok(Death {
                bit: false,
                outbox: None,
                changes,
            });
        };
        self.committed.take(&outbox);
        let stored = stored.get(&outbox.stream).copied().unwrap_or_default();
        self.report.undelivered += u64::from(outbox.high_water > stored);
        if stored > outbox.high_water {
            self.report.ahead += 1;
            let had = outbox.high_water;
            let complaint = format!("the far end has stored {stored}, the outbox has {had}");
            self.report.complaints.push(complaint);
        }
        let worked = outbox.high_water > self.life.progress.high_water;
        let bit = alive && worked && outbox.high_water > outbox.acked;
        self.life.progress = Progress {
            high_water: outbox.high_water,
            acked: outbox.acked,
        };
        self.report.kills.0 += u64::from(bit);
        Ok(Death {
            bit,
            outbox: Some(outbox),
            changes,
        })
    }

    fn start_gateway(&mut self, death: &Death) -> Result<()> {
        let changes = self.site.pbx.ledger()?.changes_total() - death.changes;
        self.report.changes_unwatched += changes;
        self.unwatched += changes;
        self.site.gateway.start()
    }

    /// Whether it was alive and had stored events since its start.
    fn kill_far_end(&mut self) -> Result<bool> {
        let before = self.gateway_progress()?;
        let alive = self.site.cloud.kill()?;
        let stored = self.stored()?;
        self.report.kills_tried += 1;
        if !alive {
            self.report.ended_by_themselves += 1;
        }
        self.report.in_flight += u64::from(before.high_water > stored);
        let acked = self.gateway_progress()?.acked;
        if acked > stored {
            self.report.acked_unstored += 1;
            let complaint = format!("the far end acknowledged {acked} and had stored {stored}");
            self.report.complaints.push(complaint);
        }
        let worked = stored > self.life.stored;
        self.life.stored = stored;
        Ok(alive && worked)
    }

    /// Starts it; whether its death bit: it had worked, and there was something to do meanwhile.
    fn start_far_end(&mut self, worked: bool) -> Result<bool> {
        let bit = worked && self.gateway_progress()?.high_water > self.life.stored;
        self.report.kills.0 += u64::from(bit);
        self.site.cloud.start()?;
        Ok(bit)
    }

    /// At once in one case of three, else after a while.
    async fn absence(&mut self) {
        if self.rng.random_bool(2.0 / 3.0) {
            let absence = self.rng.random_range(Duration::ZERO..ABSENCE_MAX);
            sleep(absence).await;
        }
    }

    /// How far the gateway has come, from its file while it runs, else as its death left it.
    fn gateway_progress(&mut self) -> Result<Progress> {
        if !self.site.gateway.is_running() {
            return Ok(self.life.progress);
        }
        let progress = rows::read_progress(&self.site.gateway_database())?;
        Ok(progress.unwrap_or_default())
    }

    /// The highest number of any stream at the far end.
    fn stored(&self) -> Result<u64> {
        let stored = rows::read_stored(&self.site.cloud_database());
        let stored = stored.context("the far end's database")?;
        Ok(stored.values().copied().max().unwrap_or_default())
    }
}

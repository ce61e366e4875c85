//! A full disk under the gateway: telephony goes on, everybody is told, nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gateway::daemon::Gateway;
use net::tls::Trust;
use pbx_sim::PbxSim;
use serde_json::Value;
use store::gateway::{OutboxLimits, StoreHealth};
use system_tests::harness::Api;
use system_tests::harness::part::name;

use crate::application::Events;
use crate::world::{World, quiet_sim, tell, until};

/// The alarm's name, and what its detail says on each level.
const ALARM: &str = "disk-full";
const TIGHT: &str = "the reserve was given up";
const MEMORY_ONLY: &str = "events are kept in memory only";
/// Calls that fill any disk of these tests; each writes some ten kilobytes.
const CALLS_MAX: usize = 400;
/// How soon the store tries the disk again: after somebody has looked and raised the alarm.
const PROBE_EVERY: Duration = Duration::from_millis(2_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_that_fills_the_disk_is_sent_once_the_far_end_is_back_and_makes_room_by_itself() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    let mut calls = Calls::default();
    world.restart_gateway_with(limits(0)).await;
    calls.one(&sim).await;
    // Nobody acknowledges: the durable stream keeps its backlog under the volatile one.
    world.stop_cloud().await;
    world.gateway().outbox().store().limit_pages(1);
    calls.until_store(&world, &sim, is_volatile).await;
    world.start_cloud().await;
    recovers(&world, &sim, &mut calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_really_full_disk_takes_the_ballast_first_then_the_memory_and_comes_back() {
    let (mut world, sim) = World::with_sim(quiet_sim((2001, 2004))).await;
    let mut calls = Calls::default();
    world.stop_gateway().await;
    let disk = Disk::mount(&world.dir.join("gateway"));
    world.outbox = limits(1 << 20);
    world.start_gateway().await;
    world.synchronised().await;
    calls.one(&sim).await;
    assert_eq!(
        world.health().await,
        ("ok".into(), "events are stored on disk".into())
    );

    disk.fill();
    calls
        .until_store(&world, &sim, |health| *health == StoreHealth::Tight)
        .await;
    let (state, detail) = world.health().await;
    assert_eq!(state, "degraded");
    assert!(
        detail.contains("nearly full") && detail.contains("free some space"),
        "{detail}"
    );
    alarm(&world, "raised", TIGHT).await;

    disk.fill();
    calls.until_store(&world, &sim, is_volatile).await;
    goes_on_in_memory(&world, &sim, &mut calls).await;
    disk.free();
    recovers(&world, &sim, &mut calls).await;
    let ballast = world.dir.join("gateway/gateway.db.ballast");
    assert!(ballast.exists());

    // Without the ballast a start has nowhere to write, and says what to do.
    world.stop_gateway().await;
    std::fs::remove_file(ballast).unwrap();
    disk.fill();
    let error = Gateway::start(world.settings()).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("gateway.db") && error.contains("free some space"),
        "{error}"
    );
    disk.free();
    world.start_gateway().await;
    world.synchronised().await;
    calls.one(&sim).await;
    world.view_equals_truth(&sim, "after the start").await;
}

/// Calls, commands and the view are as ever; health, status and the alarm say what is wrong.
async fn goes_on_in_memory(world: &World, sim: &PbxSim, calls: &mut Calls) {
    let (state, detail) = world.health().await;
    assert_eq!(state, "down");
    assert!(
        detail.contains("kept in memory only") && detail.contains("free some space"),
        "{detail}"
    );
    let status = world.status();
    assert!(
        status.contains("[DOWN] outbox") && status.contains(&detail),
        "{status}"
    );
    alarm(world, "raised", MEMORY_ONLY).await;
    calls.one(sim).await;
    let made = world.application().call("2003", "2004", None).await;
    assert_eq!(made.status, 201, "{}", made.body);
    until("2004 to ring", async || world.view().await.len() == 2).await;
    world.view_equals_truth(sim, "on a full disk").await;
    tell(sim, "answer 2004").await;
    tell(sim, "clear 2003").await;
    calls.made += 1;
    world
        .view_equals_truth(sim, "after the call on a full disk")
        .await;
    assert!(!world.gateway().outbox().store().stream().durable);
}

/// The durable stream rules again, and the reader has everything.
async fn recovers(world: &World, sim: &PbxSim, calls: &mut Calls) {
    alarm(world, "cleared", MEMORY_ONLY).await;
    until("the disk to be used again", async || {
        let store = world.gateway().outbox().store();
        store.health() == StoreHealth::Durable
            && store.stream().durable
            && world.health().await.0 == "ok"
    })
    .await;
    calls.one(sim).await;
    world.view_equals_truth(sim, "with the disk back").await;
    let told = Told::read(&mut world.application().events(0).await, calls.made).await;
    told.is_complete(calls.made);
    let stats = world.gateway().outbox().store().stats();
    assert!(stats.went_volatile >= 1, "the fault never bit");
    assert_eq!((stats.lost_volatile, stats.lost_overload), (0, 0));
}

/// Waits for an alarm about the disk at the application.
async fn alarm(world: &World, change: &str, detail: &str) {
    let mut events = world.application().events(0).await;
    let kind = format!("ringway.alarm.{change}.v1");
    loop {
        let message = events.next().await;
        let event = &message["event"];
        if event["type"] == kind
            && event["data"]["name"] == ALARM
            && event["data"]["detail"].as_str().unwrap().contains(detail)
        {
            return;
        }
    }
}

fn is_volatile(health: &StoreHealth) -> bool {
    matches!(health, StoreHealth::Volatile { .. })
}

fn limits(ballast_bytes: u64) -> OutboxLimits {
    OutboxLimits {
        ballast_bytes,
        probe_every: PROBE_EVERY,
        ..OutboxLimits::default()
    }
}

/// Calls made one after the other.
#[derive(Default)]
struct Calls {
    made: usize,
}

impl Calls {
    async fn one(&mut self, sim: &PbxSim) {
        tell(sim, "call 2001 2002").await;
        tell(sim, "answer 2002").await;
        tell(sim, "clear 2001").await;
        self.made += 1;
    }

    /// Calls until the disk makes itself felt.
    async fn until_store(&mut self, world: &World, sim: &PbxSim, is: fn(&StoreHealth) -> bool) {
        for _ in 0..CALLS_MAX {
            if is(&world.gateway().outbox().store().health()) {
                return;
            }
            self.one(sim).await;
        }
        panic!("{CALLS_MAX} calls did not fill the disk");
    }
}

/// What a reader got from the first event on.
struct Told {
    /// Per stream what came, in order: first and last number, and the event's id if it is one.
    streams: BTreeMap<String, Vec<(u64, u64, Option<String>)>>,
    /// Ids of events by type.
    kinds: BTreeMap<String, BTreeSet<String>>,
}

impl Told {
    /// Reads until so many calls have ended.
    async fn read(events: &mut Events, calls: usize) -> Self {
        let mut told = Self {
            streams: BTreeMap::new(),
            kinds: BTreeMap::new(),
        };
        while told.count("cleared") < 2 * calls {
            told.take(&events.next().await);
        }
        told
    }

    fn take(&mut self, message: &Value) {
        let gap = &message["gap"];
        let (place, from, to) = if gap.is_null() {
            let number = &message["sequence"];
            (message, number, number)
        } else {
            (gap, &gap["from"], &gap["to"])
        };
        let id = message["event"]["id"].as_str().map(str::to_owned);
        if let Some(id) = &id {
            let kind = message["event"]["type"].as_str().unwrap().to_owned();
            self.kinds.entry(kind).or_default().insert(id.clone());
        }
        let stream = place["stream"].as_str().unwrap().to_owned();
        let range = (from.as_u64().unwrap(), to.as_u64().unwrap(), id);
        self.streams.entry(stream).or_default().push(range);
    }

    fn count(&self, verb: &str) -> usize {
        let kind = format!("ringway.call.{verb}.v1");
        self.kinds.get(&kind).map_or(0, BTreeSet::len)
    }

    /// Every number of every stream is there once and in order, and every change of every call.
    fn is_complete(&self, calls: usize) {
        for (stream, told) in &self.streams {
            let mut next = 1;
            for (from, to, _) in told {
                assert_eq!(*from, next, "{stream}: {told:?}");
                next = to + 1;
            }
        }
        assert!(self.streams.len() >= 2, "there was no volatile stream");
        for verb in ["initiated", "originated", "delivered", "established"] {
            assert_eq!(self.count(verb), calls, "{verb}");
        }
        assert_eq!(self.count("cleared"), 2 * calls);
    }
}

/// A small disk of its own.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: &Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs"])
            .arg(path)
            .output()
            .expect("the program `mount` is needed");
        let said = String::from_utf8_lossy(&mount.stderr);
        assert!(
            mount.status.success(),
            "this test mounts a tmpfs of 8 MiB and needs the right to (root, CAP_SYS_ADMIN): {said}"
        );
        Self(path.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("somebody-elses-data")
    }

    /// Takes all space that there is.
    fn fill(&self) {
        use std::io::Write as _;
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for block in [vec![0; 64 << 10], vec![0; 4 << 10]] {
            while file.write_all(&block).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The gateway may still have files open; the mount goes when they are closed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

impl World {
    async fn restart_gateway_with(&mut self, outbox: OutboxLimits) {
        self.stop_gateway().await;
        self.outbox = outbox;
        self.start_gateway().await;
        self.synchronised().await;
    }

    /// State and sentence of the outbox at `/healthz`.
    async fn health(&self) -> (String, String) {
        let portal = self.gateway().portal_addr();
        let api = Api::new(portal, &Trust::Loopback, None).unwrap();
        let health = api.get("/healthz").await.unwrap().json();
        let parts = health["parts"].as_array().unwrap();
        let outbox = parts.iter().find(|part| part["name"] == "outbox").unwrap();
        let text = |key: &str| outbox[key].as_str().unwrap().to_owned();
        (text("state"), text("detail"))
    }

    /// What `ringway status` prints.
    pub(crate) fn status(&self) -> String {
        let portal = self.gateway().portal_addr().to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_all-programs"))
            .arg0(name::GATEWAY)
            .args(["status", "--portal", &portal])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

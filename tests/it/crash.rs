//! The crash test in small; `make crash-test` runs it in earnest.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use system_tests::crash::{Options, run};
use system_tests::harness::Programs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_committed_is_lost_when_programs_are_killed() {
    let options = Options {
        programs: Programs::OneFile(PathBuf::from(env!("CARGO_BIN_EXE_all-programs"))),
        seed: 2,
        kills: 6,
        events: 3_000,
        limit: Duration::from_secs(180),
        extensions: 40,
        events_per_second: NonZeroU32::new(400).unwrap(),
        pause_max: Duration::from_millis(300),
        quiet_every: 5,
    };
    let outcome = run(options, |line| println!("{line}")).await.unwrap();
    println!("{}\n{}", outcome.report, outcome.report.line());
    let failures = outcome.report.failures();
    assert!(
        failures.is_empty(),
        "{failures:?}, kept in {:?}",
        outcome.kept
    );
}

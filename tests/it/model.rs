//! The model test in small; `make model-test` runs it in earnest.

use clap::ValueEnum as _;
use system_tests::model::{Defect, Options, Report, run};

/// Runs and steps of each: 50,000 altogether.
const RUNS: u64 = 25;
const STEPS: u64 = 2_000;

fn options(seed: u64) -> Options {
    Options {
        seed,
        steps: STEPS,
        extensions: 8,
        terminals: seed.is_multiple_of(2),
        trace: 0,
        defect: None,
    }
}

#[test]
fn the_far_end_believes_what_is_true_after_any_history() {
    let mut sum = Report::default();
    for seed in 1..=RUNS {
        sum.add(run(&options(seed)));
    }
    println!("{sum}");
    assert!(sum.complaints.is_empty(), "complaints, see above");
    assert!(
        sum.idle().is_empty(),
        "{:?} never came to anything",
        sum.idle()
    );
    assert_eq!(sum.steps, RUNS * STEPS);
}

#[test]
fn each_defect_of_the_gateway_is_found_within_the_same_runs() {
    for defect in Defect::value_variants() {
        let found = (1..=RUNS).any(|seed| {
            let broken = Options {
                defect: Some(*defect),
                ..options(seed)
            };
            !run(&broken).complaints.is_empty()
        });
        assert!(found, "{defect:?}");
    }
}

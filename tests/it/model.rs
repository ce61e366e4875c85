//! The model test in small; `make model-test` runs it in earnest.

use system_tests::model::{Options, Report, run};

/// Runs and steps of each: 50,000 altogether.
const RUNS: u64 = 25;
const STEPS: u64 = 2_000;

#[test]
fn the_far_end_believes_what_is_true_after_any_history() {
    let mut sum = Report::default();
    for seed in 1..=RUNS {
        sum.add(run(&Options {
            seed,
            steps: STEPS,
            extensions: 8,
            terminals: seed.is_multiple_of(2),
            trace: 0,
        }));
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

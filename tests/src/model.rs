//! The model test: users, commands and bad luck at random against the whole way of an event, in one
//! thread and in virtual time.
//!
//! ```text
//! pbx_sim::Exchange ═ frames, in pieces ═ csta::Client ─ call_control::Registry ─ JSON ─ FarEnd
//! ```
//!
//! After each quiet point the far end's view, made of the published events alone, has to equal the
//! simulator's truth, and every publication has to be legal for the leg it is about.
//!
//! * [`world`] carries bytes, events and time from one to the next;
//! * [`far_end`] believes the events, and complains of those that cannot be;
//! * [`acts`] are the users, the applications and the faults;
//! * `history` is what became of calls, by the simulator's own journal;
//! * `defect` breaks the gateway on purpose, to show that the test finds that;
//! * `config` is what differs from one seed to another, `compare` the quiet points;
//! * [`report`] says how it went.

pub mod acts;
mod compare;
mod config;
mod defect;
pub mod far_end;
mod history;
pub mod report;
pub mod world;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

pub use defect::Defect;
pub use report::Report;
use world::World;

/// How much of it.
#[derive(Debug, Clone)]
pub struct Options {
    /// The same seed makes the same run.
    pub seed: u64,
    /// Acts, commands and faults.
    pub steps: u64,
    /// Extensions; all are monitored.
    pub extensions: u32,
    /// Whether the first and the last extension have several terminals.
    pub terminals: bool,
    /// Lines to keep of what happened last; they follow the first complaint.
    pub trace: usize,
    /// What the gateway does wrong, to see whether that is found.
    pub defect: Option<Defect>,
}

/// Steps between two quiet points, at most.
const QUIET_EVERY_MAX: u64 = 60;

/// One run.
#[must_use]
pub fn run(options: &Options) -> Report {
    let mut world = World::new(options);
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut until_quiet = QUIET_EVERY_MAX;
    for _ in 0..options.steps {
        acts::step(&mut world, &mut rng);
        until_quiet -= 1;
        if until_quiet == 0 {
            world.quiet_point();
            until_quiet = rng.random_range(1..=QUIET_EVERY_MAX);
        }
        if !world.report.complaints.is_empty() {
            break;
        }
    }
    world.quiet_point();
    world.into_report()
}

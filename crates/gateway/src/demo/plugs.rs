//! The schedule: which plug is pulled when, and when the application places its first call.

use std::collections::VecDeque;
use std::time::Duration;

use super::director::Order;
use super::options::Options;

/// How long a demo without an end is taken to be.
const USUAL_RUN: Duration = Duration::from_secs(60);
/// How long the far end stays away, at most a fifth of the run.
const FAR_END_AWAY: Duration = Duration::from_secs(5);
/// When the application places its first call, at most a tenth into the run.
const FIRST_CALL: Duration = Duration::from_secs(3);

/// How long the beginning is livelier than the rest, at most an eighth of the run.
const LIVELY_FOR: Duration = Duration::from_secs(5);

/// Something that happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The application places a call.
    Call,
    /// A plug.
    Plug(Order),
}

/// What happens by itself, in order of time since the start.
#[derive(Debug, Clone)]
pub(crate) struct Schedule(VecDeque<(Duration, Step)>);

impl Schedule {
    /// For a run of that length, with every plug pulled once or none.
    pub(crate) fn new(options: &Options) -> Self {
        let run = options.run_for.unwrap_or(USUAL_RUN);
        let mut steps = vec![
            (FIRST_CALL.min(run / 10), Step::Call),
            (LIVELY_FOR.min(run / 8), Step::Plug(Order::Settle)),
        ];
        if options.plugs {
            let away = run * 2 / 5;
            steps.extend([
                (run * 3 / 20, Step::Plug(Order::CutPbx)),
                (run / 4, Step::Plug(Order::RestartPbx)),
                (away, Step::Plug(Order::FarEndAway)),
                (
                    away + FAR_END_AWAY.min(run / 5),
                    Step::Plug(Order::FarEndBack),
                ),
                (run * 7 / 10, Step::Plug(Order::RestartGateway)),
            ]);
        }
        Self(steps.into())
    }

    /// The next step whose time has come.
    pub(crate) fn due(&mut self, elapsed: Duration) -> Option<Step> {
        let (at, step) = *self.0.front()?;
        if at > elapsed {
            return None;
        }
        self.0.pop_front();
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plug_is_pulled_once_and_put_back_before_the_end() {
        for seconds in [4, 30, 600] {
            let run = Duration::from_secs(seconds);
            let mut schedule = Schedule::new(&Options {
                run_for: Some(run),
                plugs: true,
                ..Options::default()
            });
            assert_eq!(schedule.due(Duration::ZERO), None);
            let steps: Vec<_> = std::iter::from_fn(|| schedule.due(run * 4 / 5)).collect();
            assert_eq!(
                steps,
                [
                    Step::Call,
                    Step::Plug(Order::Settle),
                    Step::Plug(Order::CutPbx),
                    Step::Plug(Order::RestartPbx),
                    Step::Plug(Order::FarEndAway),
                    Step::Plug(Order::FarEndBack),
                    Step::Plug(Order::RestartGateway),
                ]
            );
        }
        let mut quiet = Schedule::new(&Options::default());
        assert_eq!(quiet.due(Duration::from_secs(3)), Some(Step::Call));
        let settle = Some(Step::Plug(Order::Settle));
        assert_eq!(quiet.due(Duration::from_secs(5)), settle);
        assert_eq!(quiet.due(USUAL_RUN), None);
    }
}

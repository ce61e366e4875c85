//! The non-INVITE server transaction (RFC 3261 §17.2.2, with the repairs of RFC 4320).
//!
//! ```text
//!                     │ request: tell
//!                     ▼
//!              ┌─────────────┐ request: absorb
//!              │   Trying    ├──────────────────────────┐
//!              └┬───────────┬┘                          │
//!               │           │ user silent until the     │ client's timer F
//!  200–699 from │           │ client's timer E is T2,   │ has passed: tell
//!  the user:    │           ▼ or 100 from it: send 100  │
//!  send         │    ┌─────────────┐                    │
//!               │    │ Proceeding  │ request: again     │
//!               │    └──────┬──────┴───────────────────►│
//!               │           │ 200–699 from the          │
//!               ▼           ▼ user: send                │
//!              ┌─────────────┐                          │
//!              │  Completed  │ request: again           │
//!              └──────┬──────┘                          │
//!                     │ timer J                         │
//!                     ▼                                 │
//!              ┌─────────────┐                          │
//!              │ Terminated  │◄─────────────────────────┘
//!              └─────────────┘
//! ```

use std::time::Instant;

use super::config::TransactionConfig;
use super::step::{Class, ServerStep};
use super::timer::{Deadlines, Timer};

/// The states of RFC 3261 figure 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// One request other than INVITE and ACK that we received.
#[derive(Debug)]
pub(super) struct ServerNonInviteTransaction {
    state: State,
    is_reliable: bool,
}

impl ServerNonInviteTransaction {
    /// The request has just come.
    pub(super) fn start(
        is_reliable: bool,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> Self {
        //= RFC 4320 §4.1
        // A non-INVITE request MUST be answered with 100 if nothing else was sent in the time in which the
        // client's timer E reaches T2.
        timers.set(Timer::Trying, now + config.timer_e_reaches_t2());
        //= RFC 4320 §4.2
        // A 408 to a non-INVITE request MUST NOT be sent.
        timers.set(Timer::Unanswered, now + config.timeout());
        Self {
            state: State::Trying,
            is_reliable,
        }
    }

    /// The request came again.
    pub(super) const fn handle_copy(&self) -> ServerStep {
        match self.state {
            State::Proceeding | State::Completed => ServerStep::Resend,
            State::Trying | State::Terminated => ServerStep::Nothing,
        }
    }

    /// The user answers; false if the state does not allow it, or RFC 4320 does not.
    pub(super) fn respond(
        &mut self,
        class: Class,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> bool {
        match (self.state, class) {
            (State::Trying | State::Proceeding, Class::Trying) => {
                timers.clear(Timer::Trying);
                self.state = State::Proceeding;
            }
            (State::Trying | State::Proceeding, Class::Success | Class::Failure) => {
                timers.clear_all();
                if self.is_reliable {
                    self.state = State::Terminated;
                } else {
                    self.state = State::Completed;
                    timers.set(Timer::J, now + config.timeout());
                }
            }
            //= RFC 4320 §4.1
            // No provisional response other than 100 may be sent.
            (_, Class::Provisional) | (State::Completed | State::Terminated, _) => return false,
        }
        true
    }

    pub(super) fn handle_timer(&mut self, timer: Timer, timers: &mut Deadlines) -> ServerStep {
        match timer {
            Timer::Trying => ServerStep::SendTrying,
            Timer::J | Timer::Unanswered => {
                timers.clear_all();
                self.state = State::Terminated;
                ServerStep::Nothing
            }
            other => unreachable!("a non-INVITE server transaction never starts {other:?}"),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }
}

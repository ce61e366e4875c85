//! The non-INVITE client transaction (RFC 3261 §17.1.2; RFC 4320 and 4321 say why its user must not
//! wait for long).
//!
//! ```text
//!                        │ request from the user: send
//!          timer E       ▼                 timer F: tell, or
//!        ┌────────┬─────────────┐          transport error: tell
//!        │ resend │   Trying    ├──────────────────────┐
//!        └───────►│             │                      │
//!                 └┬─────┬──────┘                      │
//!                  │     │ 1xx: tell                   │
//!   200–699: tell  │     ▼                             │
//!                  │  ┌─────────────┐  timer F: tell   │
//!                  │  │ Proceeding  ├─────────────────►│
//!                  │  │ E: resend   │                  │
//!                  │  │ 1xx: tell   │                  │
//!                  │  └─────┬───────┘                  │
//!                  ▼        ▼ 200–699: tell            │
//!               ┌─────────────┐                        │
//!               │  Completed  │                        │
//!               └──────┬──────┘                        │
//!                      │ timer K                       │
//!                      ▼                               │
//!               ┌─────────────┐                        │
//!               │ Terminated  │◄───────────────────────┘
//!               └─────────────┘
//! ```

use std::time::{Duration, Instant};

use super::config::TransactionConfig;
use super::step::{Class, ClientStep};
use super::timer::{Deadlines, Timer};

/// The states of RFC 3261 figure 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Trying,
    Proceeding,
    Completed,
    Terminated,
}

/// One request other than INVITE and ACK that we sent.
#[derive(Debug)]
pub(super) struct ClientNonInviteTransaction {
    state: State,
    is_reliable: bool,
    interval: Duration,
}

impl ClientNonInviteTransaction {
    /// The request is being sent.
    pub(super) fn start(
        is_reliable: bool,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> Self {
        let this = Self {
            state: State::Trying,
            is_reliable,
            interval: config.t1,
        };
        //= RFC 3261 §17.1.2.2
        // If an unreliable transport is in use, the client transaction MUST set timer E.
        if !is_reliable {
            timers.set(Timer::E, now + this.interval);
        }
        timers.set(Timer::F, now + config.timeout());
        this
    }

    pub(super) fn handle_response(
        &mut self,
        class: Class,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> ClientStep {
        match (self.state, class) {
            (State::Trying | State::Proceeding, Class::Trying | Class::Provisional) => {
                // Timer E goes on; the next time it fires, it is set to T2.
                self.state = State::Proceeding;
                ClientStep::Deliver
            }
            (State::Trying | State::Proceeding, Class::Success | Class::Failure) => {
                timers.clear_all();
                //= RFC 3261 §17.1.2.2
                // Timer K is T4 on unreliable transports, and zero on reliable ones.
                if self.is_reliable {
                    self.state = State::Terminated;
                } else {
                    self.state = State::Completed;
                    timers.set(Timer::K, now + config.t4);
                }
                ClientStep::Deliver
            }
            (State::Completed | State::Terminated, _) => ClientStep::Nothing,
        }
    }

    pub(super) fn handle_timer(
        &mut self,
        timer: Timer,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> ClientStep {
        match timer {
            Timer::E => {
                //= RFC 3261 §17.1.2.2
                // If Timer E fires while in the "Proceeding" state, Timer E MUST be reset with a value of
                // T2 seconds.
                self.interval = match self.state {
                    State::Proceeding => config.t2,
                    _ => config.doubled(self.interval),
                };
                timers.set(Timer::E, now + self.interval);
                ClientStep::Resend
            }
            Timer::F => {
                self.state = State::Terminated;
                timers.clear_all();
                ClientStep::TimedOut
            }
            Timer::K => {
                self.state = State::Terminated;
                ClientStep::Nothing
            }
            other => unreachable!("a non-INVITE client transaction never starts {other:?}"),
        }
    }

    pub(super) fn handle_transport_failure(&mut self, timers: &mut Deadlines) -> ClientStep {
        match self.state {
            State::Trying | State::Proceeding => {
                self.state = State::Terminated;
                timers.clear_all();
                ClientStep::TransportFailed
            }
            State::Completed | State::Terminated => ClientStep::Nothing,
        }
    }

    /// The request is sent once more, over an unreliable transport, as if for the first time.
    pub(super) fn restart(
        &mut self,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) {
        timers.clear_all();
        *self = Self::start(false, config, timers, now);
    }

    pub(super) fn is_trying(&self) -> bool {
        self.state == State::Trying
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }
}

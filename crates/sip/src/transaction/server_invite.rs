//! The INVITE server transaction (RFC 3261 §17.2.1, with the `Accepted` state of RFC 6026 §7.1).
//!
//! ```text
//!                         │ INVITE: tell; 100 if the user is silent for 200 ms
//!                         ▼
//!                  ┌─────────────┐ INVITE: last provisional again
//!                  │ Proceeding  │ 1xx from the user: send
//!                  └┬───────────┬┘
//!  300–699 from the │           │ 2xx from the user: send
//!  user: send       ▼           ▼
//!          ┌─────────────┐  ┌──────────────┐ INVITE: absorb
//! INVITE:  │  Completed  │  │   Accepted   │ ACK: tell
//! again    │  timer G:   │  │              │ 2xx from the user: send
//!          │  again      │  └──────┬───────┘
//!          └┬───────────┬┘         │
//!       ACK │           │ timer H: │ timer L
//!           ▼           │ tell     │
//!     ┌─────────────┐   │          │
//!     │  Confirmed  │   │          │
//!     │ ACK: absorb │   │          │
//!     └─────┬───────┘   │          │
//!           │ timer I   │          │
//!           ▼           ▼          ▼
//!        ┌────────────────────────────┐
//!        │         Terminated         │
//!        └────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use super::config::TransactionConfig;
use super::step::{Class, ServerStep};
use super::timer::{Deadlines, Timer};

/// The states of RFC 3261 figure 7 and RFC 6026 §7.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
    Terminated,
}

/// One INVITE that we received.
#[derive(Debug)]
pub(super) struct ServerInviteTransaction {
    state: State,
    is_reliable: bool,
    interval: Duration,
}

impl ServerInviteTransaction {
    /// The INVITE has just come.
    pub(super) fn start(
        is_reliable: bool,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> Self {
        //= RFC 3261 §17.2.1
        // The server transaction MUST generate a 100 (Trying) response unless it knows that the TU will
        // generate a provisional or final response within 200 ms.
        timers.set(Timer::Trying, now + config.trying_after);
        Self {
            state: State::Proceeding,
            is_reliable,
            interval: config.t1,
        }
    }

    /// The INVITE came again.
    pub(super) fn handle_copy(&self) -> ServerStep {
        match self.state {
            //= RFC 3261 §17.2.1
            // If a request retransmission is received while in the "Proceeding" state, the most recent
            // provisional response MUST be passed to the transport layer.
            State::Proceeding | State::Completed => ServerStep::Resend,
            //= RFC 6026 §7.1
            // Any retransmissions of the INVITE MUST be absorbed.
            State::Accepted | State::Confirmed | State::Terminated => ServerStep::Nothing,
        }
    }

    pub(super) fn handle_ack(
        &mut self,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> ServerStep {
        match self.state {
            State::Completed => {
                timers.clear_all();
                //= RFC 3261 §17.2.1
                // Timer I is T4 seconds for unreliable transports, and zero for reliable.
                if self.is_reliable {
                    self.state = State::Terminated;
                } else {
                    self.state = State::Confirmed;
                    timers.set(Timer::I, now + config.t4);
                }
                ServerStep::Nothing
            }
            //= RFC 6026 §7.1
            // ACKs received while in the "Accepted" state MUST be passed directly to the TU.
            State::Accepted => ServerStep::Deliver,
            State::Proceeding | State::Confirmed | State::Terminated => ServerStep::Nothing,
        }
    }

    /// The user answers; false if the state does not allow it any more.
    pub(super) fn respond(
        &mut self,
        class: Class,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> bool {
        match (self.state, class) {
            (State::Proceeding, Class::Trying | Class::Provisional) => {
                timers.clear(Timer::Trying);
            }
            (State::Proceeding, Class::Success) => {
                timers.clear_all();
                self.state = State::Accepted;
                timers.set(Timer::L, now + config.timeout());
            }
            (State::Proceeding, Class::Failure) => {
                timers.clear_all();
                self.state = State::Completed;
                if !self.is_reliable {
                    timers.set(Timer::G, now + self.interval);
                }
                timers.set(Timer::H, now + config.timeout());
            }
            (State::Accepted, Class::Success) => {}
            _ => return false,
        }
        true
    }

    pub(super) fn handle_timer(
        &mut self,
        timer: Timer,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> ServerStep {
        match timer {
            Timer::Trying => ServerStep::SendTrying,
            Timer::G => {
                self.interval = config.doubled(self.interval);
                timers.set(Timer::G, now + self.interval);
                ServerStep::Resend
            }
            Timer::H => {
                //= RFC 3261 §17.2.1
                // Timer H in the "Completed" state means that no ACK came: the transaction MUST end.
                timers.clear_all();
                self.state = State::Terminated;
                ServerStep::AckMissing
            }
            Timer::I | Timer::L => {
                self.state = State::Terminated;
                ServerStep::Nothing
            }
            other => unreachable!("an INVITE server transaction never starts {other:?}"),
        }
    }

    pub(super) fn is_proceeding(&self) -> bool {
        self.state == State::Proceeding
    }

    /// Answered with a 2xx, which nobody but its user sends again.
    pub(super) fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }
}

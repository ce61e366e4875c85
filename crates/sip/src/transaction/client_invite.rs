//! The INVITE client transaction (RFC 3261 §17.1.1, with the `Accepted` state of RFC 6026 §7.2).
//!
//! ```text
//!                        │ INVITE from the user: send
//!          timer A       ▼                 timer B: tell, or
//!        ┌────────┬─────────────┐          transport error: tell
//!        │ resend │   Calling   ├───────────────────────────────────┐
//!        └───────►│             │                                   │
//!                 └┬─────┬─────┬┘                                   │
//!        300–699:  │     │1xx  │ 2xx: tell                          │
//!        ACK, tell │     ▼     └───────────────┐                    │
//!                  │  ┌─────────────┐          │                    │
//!                  │  │ Proceeding  │ 2xx: tell│  timer C: CANCEL   │
//!                  │  │  1xx: tell  ├─────────►│  64·T1 after       │
//!                  │  └─────┬───────┘          │  CANCEL: tell      │
//!                  │        │ 300–699:         │                    │
//!                  ▼        ▼ ACK, tell        ▼                    │
//!               ┌─────────────┐        ┌──────────────┐             │
//!               │  Completed  │        │   Accepted   │             │
//!               │ 300–699: ACK│        │  2xx: tell   │             │
//!               └──────┬──────┘        └──────┬───────┘             │
//!                      │ timer D              │ timer M             │
//!                      ▼                      ▼                     │
//!               ┌─────────────────────────────────────┐             │
//!               │             Terminated              │◄────────────┘
//!               └─────────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use super::config::TransactionConfig;
use super::step::{Class, ClientStep};
use super::timer::{Deadlines, Timer};

/// The states of RFC 3261 figure 5 and RFC 6026 §8.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
    Terminated,
}

/// What became of the wish to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancel {
    None,
    /// No provisional response is there yet, and CANCEL must wait for one (RFC 3261 §9.1).
    Wanted,
    Sent,
}

/// One INVITE that we sent.
#[derive(Debug)]
pub(super) struct ClientInviteTransaction {
    state: State,
    is_reliable: bool,
    interval: Duration,
    cancel: Cancel,
}

impl ClientInviteTransaction {
    /// The INVITE is being sent.
    pub(super) fn start(
        is_reliable: bool,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> Self {
        let this = Self {
            state: State::Calling,
            is_reliable,
            interval: config.t1,
            cancel: Cancel::None,
        };
        //= RFC 3261 §17.1.1.2
        // If an unreliable transport is being used, the client transaction MUST start timer A.
        if !is_reliable {
            timers.set(Timer::A, now + this.interval);
        }
        // For any transport, the client transaction MUST start timer B with a value of 64*T1 seconds.
        timers.set(Timer::B, now + config.timeout());
        this
    }

    /// Without any response it is given up after that time already.
    pub(super) fn hasten(&self, patience: Duration, timers: &mut Deadlines, now: Instant) {
        if self.state == State::Calling {
            timers.set(Timer::B, now + patience);
        }
    }

    pub(super) fn handle_response(
        &mut self,
        class: Class,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> ClientStep {
        match (self.state, class) {
            (State::Calling | State::Proceeding, Class::Trying | Class::Provisional) => {
                self.handle_provisional(class, config, timers, now)
            }
            (State::Calling | State::Proceeding, Class::Success) => {
                //= RFC 6026 §8.4
                // Timer M MUST be set to 64*T1.
                self.enter(State::Accepted, timers);
                timers.set(Timer::M, now + config.timeout());
                ClientStep::Deliver
            }
            (State::Calling | State::Proceeding, Class::Failure) => {
                //= RFC 3261 §17.1.1.2
                // Timer D is at least 32 s on unreliable transports, and zero on reliable ones.
                if self.is_reliable {
                    self.enter(State::Terminated, timers);
                } else {
                    self.enter(State::Completed, timers);
                    timers.set(Timer::D, now + config.timer_d);
                }
                ClientStep::AckAndDeliver
            }
            //= RFC 3261 §17.1.1.2
            // Any retransmissions of the final response MUST cause the ACK to be re-passed.
            (State::Completed, Class::Failure) => ClientStep::Ack,
            //= RFC 6026 §7.2
            // A 2xx response while in the "Accepted" state MUST be passed to the TU.
            (State::Accepted, Class::Success) => ClientStep::Deliver,
            (State::Completed | State::Accepted | State::Terminated, _) => ClientStep::Nothing,
        }
    }

    fn handle_provisional(
        &mut self,
        class: Class,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> ClientStep {
        let was_calling = self.state == State::Calling;
        if was_calling {
            self.enter(State::Proceeding, timers);
        }
        let waits_for_cancelled = self.cancel == Cancel::Sent;
        //= RFC 3261 §16.7 step 2
        // Provisional responses with status codes 101 to 199 inclusive MUST reset timer C.
        if !waits_for_cancelled && (was_calling || class == Class::Provisional) {
            timers.set(Timer::C, now + config.timer_c);
        }
        ClientStep::Deliver
    }

    pub(super) fn handle_timer(
        &mut self,
        timer: Timer,
        timers: &mut Deadlines,
        now: Instant,
    ) -> ClientStep {
        match timer {
            Timer::A => {
                //= RFC 3261 §17.1.1.2
                // When timer A fires, the client transaction MUST retransmit the request.
                self.interval *= 2;
                timers.set(Timer::A, now + self.interval);
                ClientStep::Resend
            }
            //= RFC 3261 §16.8
            // When timer C fires and the INVITE has a provisional response, a CANCEL MUST be sent.
            Timer::C => ClientStep::Cancel,
            Timer::B | Timer::Cancelled => {
                self.enter(State::Terminated, timers);
                ClientStep::TimedOut
            }
            Timer::D | Timer::M => {
                self.enter(State::Terminated, timers);
                ClientStep::Nothing
            }
            other => unreachable!("an INVITE client transaction never starts {other:?}"),
        }
    }

    /// The user wants to cancel; true if CANCEL is to be sent at once.
    pub(super) fn cancel(
        &mut self,
        config: &TransactionConfig,
        timers: &mut Deadlines,
        now: Instant,
    ) -> bool {
        match (self.state, self.cancel) {
            //= RFC 3261 §9.1
            // If no provisional response has been received, the CANCEL request MUST NOT be sent.
            (State::Calling, _) => self.cancel = Cancel::Wanted,
            (State::Proceeding, Cancel::None | Cancel::Wanted) => {
                self.cancel = Cancel::Sent;
                timers.clear(Timer::C);
                timers.set(Timer::Cancelled, now + config.timeout());
                return true;
            }
            _ => {}
        }
        false
    }

    /// Whether a CANCEL that had to wait may be sent now.
    pub(super) fn cancel_is_due(&self) -> bool {
        self.cancel == Cancel::Wanted && self.state == State::Proceeding
    }

    /// The transport says that what was sent over `connected` is lost. A call that rings goes on when
    /// its connection ends, since the response may come over a new one (RFC 3261 §18.2.2).
    pub(super) fn handle_transport_failure(
        &mut self,
        was_connected: bool,
        timers: &mut Deadlines,
    ) -> ClientStep {
        match self.state {
            State::Proceeding if was_connected => ClientStep::Nothing,
            State::Calling | State::Proceeding => {
                self.enter(State::Terminated, timers);
                ClientStep::TransportFailed
            }
            State::Completed | State::Accepted | State::Terminated => ClientStep::Nothing,
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
        *self = Self {
            cancel: self.cancel,
            ..Self::start(false, config, timers, now)
        };
    }

    pub(super) fn is_calling(&self) -> bool {
        self.state == State::Calling
    }

    /// Answered with a 2xx: nothing is sent from here any more.
    pub(super) fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    fn enter(&mut self, state: State, timers: &mut Deadlines) {
        self.state = state;
        timers.clear_all();
    }
}

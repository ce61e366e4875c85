//! What the transaction layer is told by its owner.

use std::time::Duration;

use crate::transport::Transport;
use crate::uri::HostPort;

/// Times, limits and addresses of the transaction layer.
#[derive(Debug, Clone)]
pub struct TransactionConfig {
    /// T1: the round trip that the timers start from (RFC 3261 §17.1.1.1; 500 ms).
    pub t1: Duration,
    /// T2: the longest time between two sendings of a request other than INVITE, and of a failure
    /// response to INVITE (4 s).
    pub t2: Duration,
    /// T4: the longest time that a message lives in the network (5 s).
    pub t4: Duration,
    /// Timer D on unreliable transports: not below 32 s (RFC 3261 §17.1.1.2).
    pub timer_d: Duration,
    /// Timer C: above three minutes (RFC 3261 §16.6 step 11).
    pub timer_c: Duration,
    /// Time after which an INVITE that its user has not answered gets 100 Trying (RFC 3261 §17.2.1).
    pub trying_after: Duration,
    /// Client transactions at once. The next is refused with [`SendError::Full`], unless it belongs
    /// to a dialog or is a CANCEL: those may take a quarter more. An INVITE that was answered stays for
    /// 32 s (RFC 6026 timer M).
    ///
    /// [`SendError::Full`]: super::SendError::Full
    pub client_max: usize,
    /// Server transactions at once. The next request gets `503` and `Retry-After`, unless it belongs
    /// to a dialog: those may take a quarter more. A call leaves two behind for 32 s over UDP (RFC 6026
    /// timer L, RFC 3261 timer J), so that 64,000 are good for 1,000 calls a second.
    pub server_max: usize,
    /// `Retry-After` of that `503`, in seconds.
    pub retry_after_secs: u32,
    /// Size in bytes above which a request goes over TCP instead of UDP (RFC 3261 §18.1.1; 1,300).
    /// `None` keeps every request on UDP.
    pub udp_request_max: Option<usize>,
    /// What `Via` says about where we listen, by transport. A transport that is missing here is
    /// named by the flow's own address.
    pub sent_by: Vec<(Transport, HostPort)>,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            timer_d: Duration::from_secs(32),
            timer_c: Duration::from_mins(5),
            trying_after: Duration::from_millis(200),
            client_max: 64_000,
            server_max: 64_000,
            retry_after_secs: 5,
            udp_request_max: Some(1300),
            sent_by: Vec::new(),
        }
    }
}

impl TransactionConfig {
    /// 64·T1: how long a transaction waits for the other side (timers B, F, H, J, L, M).
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.t1 * 64
    }

    /// The interval after `interval` where intervals double up to T2.
    pub(super) fn doubled(&self, interval: Duration) -> Duration {
        (interval * 2).min(self.t2)
    }

    /// When the timer E of a client that never heard anything is set to T2 for the first time,
    /// counted from its first sending (RFC 4320 §4.1).
    pub(super) fn timer_e_reaches_t2(&self) -> Duration {
        let mut interval = self.t1;
        let mut elapsed = Duration::ZERO;
        while interval < self.t2 {
            elapsed += interval;
            interval = self.doubled(interval);
        }
        elapsed
    }

    pub(super) const fn with_reserve(limit: usize) -> usize {
        limit + limit / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_100_after_its_timer_e_has_come_to_t2() {
        let config = TransactionConfig::default();
        // Sent at 0, 0.5, 1.5 and 3.5 s; the next interval is 4 s.
        assert_eq!(config.timer_e_reaches_t2(), Duration::from_millis(3500));
        assert_eq!(config.timeout(), Duration::from_secs(32));
    }
}

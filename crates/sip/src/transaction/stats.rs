//! What the transaction layer counts.

/// Plain numbers since the start, and the present size of the tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionStats {
    /// Client transactions that are open.
    pub clients: usize,
    /// Server transactions that are open.
    pub servers: usize,
    /// Entries of the timer queue, those to be skipped among them.
    pub timer_entries: usize,
    /// Client transactions begun.
    pub clients_begun: u64,
    /// Server transactions begun.
    pub servers_begun: u64,
    /// Requests sent again (timers A, E).
    pub requests_resent: u64,
    /// Responses sent again, by timer G or since their request came again.
    pub responses_resent: u64,
    /// Copies of requests and of ACKs that were absorbed.
    pub copies: u64,
    /// Client transactions that nobody answered.
    pub timed_out: u64,
    /// Client transactions whose transport failed.
    pub transport_failed: u64,
    /// Failure responses that nobody acknowledged.
    pub ack_missing: u64,
    /// Requests that our user did not answer within 64·T1.
    pub unanswered: u64,
    /// 100 Trying sent by the layer itself.
    pub tryings: u64,
    /// Responses of no transaction that were dropped.
    pub stray_responses: u64,
    /// 2xx responses to INVITE of no transaction, handed to the user.
    pub stray_successes: u64,
    /// Messages too broken to be answered.
    pub unanswerable: u64,
    /// Requests refused as not valid.
    pub invalid: u64,
    /// Requests that came again on another way (482, RFC 3261 §8.2.2.2).
    pub merged: u64,
    /// CANCEL requests that match nothing (481).
    pub stray_cancels: u64,
    /// Requests refused because the table was full (503).
    pub overloaded: u64,
    /// Own requests refused because the table was full.
    pub refused_own: u64,
    /// Requests moved to TCP because of their size.
    pub moved_to_tcp: u64,
    /// Of these, moved back because TCP failed.
    pub moved_back: u64,
}

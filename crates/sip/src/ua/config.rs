//! What the user agent core is set up with, and what it counts.

use std::time::Duration;

use crate::method::Method;
use crate::transaction::TransactionConfig;
use crate::uri::HostPort;

/// The settings of a [`UserAgent`](super::UserAgent).
#[derive(Debug, Clone)]
pub struct UserAgentConfig {
    /// The transaction layer's.
    pub transactions: TransactionConfig,
    /// `User-Agent` and `Server`; nothing is said without it.
    pub product: Option<String>,
    /// The address in our `Contact`; without one, the local address of the flow.
    pub contact: Option<HostPort>,
    /// The session interval that we ask for (RFC 4028 §4: 1800 s); `None` uses no session timer unless
    /// the peer asks for one.
    pub session_expires: Option<Duration>,
    /// The shortest session interval that we take (RFC 4028 §5: not below 90 s).
    pub min_se: Duration,
    /// The methods that are taken, for `Allow`; others get 405 or 501. REGISTER and PUBLISH are handed on
    /// to the user where they are added.
    pub methods: Vec<Method>,
    /// Whether OPTIONS is answered here with the capabilities; the user gets it as a request otherwise.
    pub answer_options: bool,
    /// How many sessions there may be; more are answered with 503.
    pub sessions_max: usize,
    /// How many branches of a forked INVITE are followed.
    pub forks_max: usize,
    /// How many subscriptions there may be, ours and the peers'.
    pub subscriptions_max: usize,
    /// How many requests may wait for the user's response.
    pub requests_max: usize,
    /// `Retry-After` of a 503, in seconds.
    pub retry_after_s: u32,
}

/// What is taken unless it is said otherwise.
const METHODS: [Method; 12] = [
    Method::Invite,
    Method::Ack,
    Method::Bye,
    Method::Cancel,
    Method::Options,
    Method::Prack,
    Method::Update,
    Method::Refer,
    Method::Notify,
    Method::Subscribe,
    Method::Info,
    Method::Message,
];

impl Default for UserAgentConfig {
    fn default() -> Self {
        Self {
            transactions: TransactionConfig::default(),
            product: None,
            contact: None,
            session_expires: Some(Duration::from_secs(1800)),
            min_se: Duration::from_secs(90),
            methods: METHODS.into(),
            answer_options: true,
            sessions_max: 10_000,
            forks_max: 16,
            subscriptions_max: 20_000,
            requests_max: 10_000,
            retry_after_s: 5,
        }
    }
}

/// What the user agent core has counted since it began, and the sizes of its tables now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserAgentStats {
    /// Requests that were refused because a table was full.
    pub refused_full: u64,
    /// Requests that were refused because of what they say, by the core alone.
    pub refused_request: u64,
    /// Requests to a dialog that is not there (481).
    pub no_dialog: u64,
    /// ACKs to a dialog that is not there.
    pub stray_acks: u64,
    /// Provisional responses with `Require: 100rel` and no `RSeq`, taken as unreliable ones.
    pub reliable_without_rseq: u64,
    /// 2xx responses without the answer, which an unreliable provisional response had given.
    pub answer_in_preview_only: u64,
    /// Branches of a forked INVITE beyond the limit.
    pub forks_refused: u64,
    /// 2xx responses of a branch that lost, acknowledged and ended.
    pub forks_ended: u64,
    /// 2xx responses to an INVITE that is not ours.
    pub stray_success: u64,
    /// Sessions.
    pub sessions: usize,
    /// Dialogs, and subscriptions of ours that have none yet.
    pub dialogs: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Requests that wait for the user's response, and ours that wait for the peer's.
    pub requests: usize,
    /// Client transactions that have a user here.
    pub sent: usize,
    /// INVITEs whose late 2xx responses are still taken.
    pub lingering: usize,
    /// Timers that run.
    pub timers: usize,
}

impl UserAgentStats {
    /// Whether all tables are empty.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.sessions
            + self.dialogs
            + self.subscriptions
            + self.requests
            + self.sent
            + self.lingering
            + self.timers
            == 0
    }
}

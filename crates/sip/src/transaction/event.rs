//! What the transaction layer tells its user, and what its user may have done wrong.

use super::table::Key;
use crate::header::HeaderError;
use crate::message::{Request, Response};
use crate::method::Method;
use crate::transport::Flow;

/// One client transaction. A key of a transaction that is over names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(pub(super) Key);

/// One server transaction. A key of a transaction that is over names nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey(pub(super) Key);

/// What the transaction user has to know.
#[derive(Debug)]
pub enum TransactionEvent {
    /// A new request, to be answered with [`Transactions::respond`]. Neither ACK nor CANCEL.
    ///
    /// [`Transactions::respond`]: super::Transactions::respond
    Request {
        /// Its transaction.
        key: ServerKey,
        /// The request; its top `Via` says where it really came from.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// The ACK of a 2xx, or one of no transaction at all.
    Ack {
        /// The ACK.
        request: Request,
        /// Where it came from.
        flow: Flow,
    },
    /// An INVITE that has no final response yet is cancelled. The CANCEL is answered already; the
    /// INVITE is to be answered with 487.
    Cancel {
        /// The INVITE's transaction.
        invite: ServerKey,
        /// The CANCEL, for its `Reason`.
        request: Request,
    },
    /// A response. After the 2xx of an INVITE more of them may come, copies and those of forks.
    Response {
        /// The transaction of the request.
        key: ClientKey,
        /// The response.
        response: Response,
        /// Where it came from.
        flow: Flow,
    },
    /// A 2xx of an INVITE whose transaction is over; each is to be acknowledged all the same.
    Stray2xx {
        /// The response.
        response: Response,
        /// Where it came from.
        flow: Flow,
    },
    /// Nobody answers (timers B, F), or nobody ends a cancelled INVITE. The transaction is over.
    TimedOut {
        /// The transaction.
        key: ClientKey,
    },
    /// The request could not be sent, or its link has ended. The transaction is over.
    TransportFailed {
        /// The transaction.
        key: ClientKey,
    },
    /// Nobody acknowledges a failure response (timer H). `ServerTerminated` follows.
    AckMissing {
        /// The INVITE's transaction.
        key: ServerKey,
    },
    /// A server transaction is over, however it ended.
    ServerTerminated {
        /// The transaction.
        key: ServerKey,
    },
}

/// Why a request was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The table of client transactions is full.
    #[error("{limit} client transactions are open")]
    Full {
        /// The limit that is reached.
        limit: usize,
    },
    /// ACK has no transaction; it goes out by `send_ack`.
    #[error("ACK has no transaction of its own")]
    Ack,
    /// The request lacks what every request has, or holds what cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

/// Why a response was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RespondError {
    /// The transaction is over.
    #[error("the transaction is over")]
    Gone,
    /// The transaction has its final response, or the response is none for this method: to a request
    /// other than INVITE, 100 is the only provisional one (RFC 4320 §4.1).
    #[error("{status} may not follow in this state of the {method} transaction")]
    NotNow {
        /// The status that was refused.
        status: u16,
        /// The method of the request.
        method: Method,
    },
}

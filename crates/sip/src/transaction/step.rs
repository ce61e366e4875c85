//! What the four machines are told and what they ask for in return: no message, no address.

/// A response as the machines see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// 100.
    Trying,
    /// 101 to 199.
    Provisional,
    /// 200 to 299.
    Success,
    /// 300 to 699.
    Failure,
}

impl Class {
    pub(super) const fn of(code: u16) -> Self {
        match code {
            ..=100 => Self::Trying,
            101..200 => Self::Provisional,
            200..300 => Self::Success,
            300.. => Self::Failure,
        }
    }
}

/// What a client machine asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientStep {
    Nothing,
    /// Send the request again.
    Resend,
    /// Tell the user of the response.
    Deliver,
    /// Acknowledge the response and tell the user of it.
    AckAndDeliver,
    /// Acknowledge the response, which the user knows.
    Ack,
    /// Cancel the INVITE: it has waited too long.
    Cancel,
    /// Tell the user that nobody answers.
    TimedOut,
    /// Tell the user that the request could not be sent.
    TransportFailed,
}

/// What a server machine asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerStep {
    Nothing,
    /// Send the last response again, if there is one.
    Resend,
    /// Tell the user of the ACK.
    Deliver,
    /// Send 100 Trying.
    SendTrying,
    /// Tell the user that nobody acknowledges its failure response.
    AckMissing,
}

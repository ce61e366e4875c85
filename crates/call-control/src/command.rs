//! A cloud command as a CSTA request, and its answer as an outcome.

use cloud_uplink::command::{Accepted, Action};
use cloud_uplink::{CommandError, ErrorCode, Outcome, Timestamp};
use csta::{CstaError, Request, Response};

use crate::Registry;

impl Registry {
    /// The request that carries out `action` now.
    ///
    /// # Errors
    /// `UnknownEndpoint`, `UnknownCall`, `InvalidNumber` or `InvalidState`; the switching function was
    /// not asked.
    pub fn resolve(&self, action: &Action) -> Result<Request, CommandError> {
        let _ = action;
        Err(CommandError::new(ErrorCode::UnknownCall, ""))
    }

    /// What the positive answer to `action` led to. A Make Call's answer names the call, which may be
    /// news: its id is minted here then, and the events that follow carry it.
    pub fn accepted(&mut self, action: &Action, response: &Response, now: Timestamp) -> Accepted {
        let _ = (action, response, now);
        Accepted::default()
    }

    /// What a negative answer to `action` means. Ending what is already over has succeeded.
    #[must_use]
    pub fn refused(&self, action: &Action, error: &CstaError) -> Outcome {
        let _ = action;
        Outcome::Error(pbx_error(error))
    }
}

/// A negative answer of the switching function in plain words.
#[must_use]
pub fn pbx_error(error: &CstaError) -> CommandError {
    CommandError {
        code: ErrorCode::PbxRefused,
        message: String::new(),
        pbx_error: Some(error.to_string()),
    }
}

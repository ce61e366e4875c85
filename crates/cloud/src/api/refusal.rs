//! Outcomes that are errors, in HTTP's words.

use cloud_uplink::{CommandError, ErrorCode};
use http::StatusCode;
use store::StoreError;
use web::ApiError;

/// What to wait before a retry while a link is down, in seconds.
const RETRY_AFTER_LINK_S: u64 = 5;
/// What to wait before a retry when too much comes at once, in seconds.
const RETRY_AFTER_LOAD_S: u64 = 2;

/// The HTTP error for a command that was not carried out.
pub(super) fn of_command(error: CommandError) -> ApiError {
    let CommandError {
        code,
        message,
        pbx_error,
    } = error;
    let answer =
        ApiError::new(status(code), name(code), message).with("retryable", code.is_retryable());
    let answer = match retry_after_s(code) {
        Some(seconds) => answer.retry_after(seconds),
        None => answer,
    };
    match pbx_error {
        Some(pbx_error) => answer.with("pbxError", pbx_error),
        None => answer,
    }
}

/// The HTTP error for a store that does not do its work.
pub(super) fn of_store(error: &StoreError) -> ApiError {
    tracing::error!(%error, "the store failed a request");
    match error {
        StoreError::Overloaded => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            name(ErrorCode::Overloaded),
            "too much is waiting to be stored; nothing was done",
        )
        .retry_after(RETRY_AFTER_LOAD_S),
        StoreError::Closed | StoreError::Disk(_) => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storeUnavailable",
            "the store takes no writes; nothing was done",
        )
        .retry_after(RETRY_AFTER_LINK_S),
        _ => ApiError::internal(),
    }
}

/// The stable name of an error.
pub(super) const fn name(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UnknownEndpoint => "unknownEndpoint",
        ErrorCode::UnknownCall => "unknownCall",
        ErrorCode::InvalidNumber => "invalidNumber",
        ErrorCode::InvalidState => "invalidState",
        ErrorCode::PbxRefused => "pbxRefused",
        ErrorCode::PbxUnavailable => "pbxUnavailable",
        ErrorCode::GatewayUnavailable => "gatewayUnavailable",
        ErrorCode::Expired => "expired",
        ErrorCode::OutcomeUnknown => "outcomeUnknown",
        ErrorCode::KeyReused => "keyReused",
        ErrorCode::Unsupported => "unsupported",
        ErrorCode::Overloaded => "overloaded",
        ErrorCode::Internal => "internal",
    }
}

const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::UnknownEndpoint | ErrorCode::UnknownCall => StatusCode::NOT_FOUND,
        ErrorCode::InvalidNumber | ErrorCode::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::InvalidState => StatusCode::CONFLICT,
        ErrorCode::PbxRefused => StatusCode::BAD_GATEWAY,
        ErrorCode::PbxUnavailable | ErrorCode::GatewayUnavailable | ErrorCode::Overloaded => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorCode::Expired | ErrorCode::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

const fn retry_after_s(code: ErrorCode) -> Option<u64> {
    match code {
        ErrorCode::PbxUnavailable | ErrorCode::GatewayUnavailable => Some(RETRY_AFTER_LINK_S),
        ErrorCode::Overloaded => Some(RETRY_AFTER_LOAD_S),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_channel() {
        for code in [
            ErrorCode::UnknownEndpoint,
            ErrorCode::UnknownCall,
            ErrorCode::InvalidNumber,
            ErrorCode::InvalidState,
            ErrorCode::PbxRefused,
            ErrorCode::PbxUnavailable,
            ErrorCode::GatewayUnavailable,
            ErrorCode::Expired,
            ErrorCode::OutcomeUnknown,
            ErrorCode::KeyReused,
            ErrorCode::Unsupported,
            ErrorCode::Overloaded,
            ErrorCode::Internal,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), name(code));
            assert_eq!(code.is_retryable(), retry_after_s(code).is_some());
        }
    }
}

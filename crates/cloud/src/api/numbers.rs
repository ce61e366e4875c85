//! What may stand where: extensions and numbers to call.

use cloud_uplink::{CallId, ErrorCode};
use http::StatusCode;
use web::ApiError;

use super::refusal::name;

/// Longest extension, in characters.
const ENDPOINT_LEN_MAX: usize = 32;
/// Longest number to call, in characters.
const NUMBER_LEN_MAX: usize = 32;

/// An extension out of a path or query.
pub(super) fn endpoint(text: String) -> Result<String, ApiError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"*#+-_.".contains(&byte);
    if (1..=ENDPOINT_LEN_MAX).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text);
    }
    let message = format!("an extension has 1 to {ENDPOINT_LEN_MAX} of A-Z a-z 0-9 * # + - _ .");
    Err(ApiError::invalid("endpointId", message))
}

/// A number to call.
pub(super) fn to(text: String) -> Result<String, ApiError> {
    let fits = |byte: u8| byte.is_ascii_digit() || b"*#+,ABCD".contains(&byte);
    if (1..=NUMBER_LEN_MAX).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text);
    }
    let message = format!("a number to call has 1 to {NUMBER_LEN_MAX} of 0-9 * # + , A-D");
    let code = name(ErrorCode::InvalidNumber);
    Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message).with("field", "to"))
}

/// A call out of a path.
pub(super) fn call(text: &str) -> Result<CallId, ApiError> {
    text.parse().map_err(|_| unknown_call())
}

/// 404 for a call.
pub(super) fn unknown_call() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        name(ErrorCode::UnknownCall),
        "the extension has no such call",
    )
}

//! What may stand where: extensions, numbers to call, digits, and what a query may say.

use cloud_uplink::{CallId, ErrorCode, Timestamp};
use http::StatusCode;
use web::ApiError;

use super::refusal::name;
use crate::app::to_store_ms;

/// Longest extension, in characters.
const ENDPOINT_LEN_MAX: usize = 32;
/// Longest number to call, and most digits to send, in characters.
const NUMBER_LEN_MAX: usize = 32;

/// An extension out of a path or query.
pub(super) fn endpoint(text: String) -> Result<String, ApiError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"*#+-_.".contains(&byte);
    if (1..=ENDPOINT_LEN_MAX).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text);
    }
    let form = format!("1 to {ENDPOINT_LEN_MAX} of A-Z a-z 0-9 * # + - _ .");
    Err(not_allowed("endpointId", form))
}

/// 422 for a field whose value is not of the form that is allowed.
pub(super) fn not_allowed(field: &str, form: impl Into<String>) -> ApiError {
    let form = form.into();
    ApiError::invalid(field, format!("{field} is {form}")).with("allowed", form)
}

/// What a number to call looks like.
pub(super) fn to_form() -> String {
    format!("1 to {NUMBER_LEN_MAX} of 0-9 * # + , A-D")
}

/// A number to call.
pub(super) fn to(text: String) -> Result<String, ApiError> {
    number("to", text)
}

/// A number to call that stands in `field`.
pub(super) fn number(field: &str, text: String) -> Result<String, ApiError> {
    if is_of(&text, b"*#+,ABCD") {
        return Ok(text);
    }
    let message = format!("a number to call has {}", to_form());
    let code = name(ErrorCode::InvalidNumber);
    let error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message);
    Err(error.with("field", field).with("allowed", to_form()))
}

/// A number to call by SIP, where pauses and letters have no place.
pub(super) fn dialled(field: &str, text: String) -> Result<String, ApiError> {
    let digits = text.strip_prefix('+').unwrap_or(&text);
    if is_of(digits, b"*#") && text.len() <= NUMBER_LEN_MAX {
        return Ok(text);
    }
    let form = format!("1 to {NUMBER_LEN_MAX} of 0-9 * #, perhaps after a +");
    let message = format!("a number to call has {form}");
    let error = ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        name(ErrorCode::InvalidNumber),
        message,
    );
    Err(error.with("field", field).with("allowed", form))
}

/// What digits to send look like.
pub(super) fn digits_form() -> String {
    format!("1 to {NUMBER_LEN_MAX} of 0-9 * # A-D and , for a pause")
}

/// Digits to send.
pub(super) fn digits(text: String) -> Result<String, ApiError> {
    if is_of(&text, b"*#,ABCD") {
        return Ok(text);
    }
    Err(not_allowed("digits", digits_form()))
}

fn is_of(text: &str, beside_digits: &[u8]) -> bool {
    let fits = |byte: u8| byte.is_ascii_digit() || beside_digits.contains(&byte);
    (1..=NUMBER_LEN_MAX).contains(&text.len()) && text.bytes().all(fits)
}

/// A call out of a path.
pub(super) fn call(text: &str) -> Result<CallId, ApiError> {
    text.parse().map_err(|_| unknown_call())
}

/// The held call out of a body.
pub(super) fn held_call(text: &str) -> Result<CallId, ApiError> {
    text.parse()
        .map_err(|_| not_allowed("heldCallId", "a callId as calls and events have it"))
}

/// 404 for a call.
pub(super) fn unknown_call() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        name(ErrorCode::UnknownCall),
        "the extension has no such call",
    )
}

/// One of a list of words out of a query.
pub(super) fn one_of(
    field: &str,
    text: Option<String>,
    words: &[&str],
) -> Result<Option<String>, ApiError> {
    match text {
        Some(text) if !words.contains(&&*text) => {
            let message = format!("{field} is one of {}", words.join(", "));
            Err(ApiError::invalid(field, message).with("allowed", words))
        }
        text => Ok(text),
    }
}

/// A time out of a query, in milliseconds since the epoch.
pub(super) fn time(field: &str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    let parse = |text: &str| {
        let form = "a time as 2026-11-22T13:00:00Z (write + as %2B)";
        let stamp: Timestamp = text.parse().map_err(|_| not_allowed(field, form))?;
        Ok(to_store_ms(stamp))
    };
    text.map(parse).transpose()
}

/// How many items a page may have: 1 to `most`.
pub(super) fn limit(asked: Option<u32>, usual: usize, most: usize) -> Result<usize, ApiError> {
    let limit = asked.map_or(usual, |asked| asked as usize);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(not_allowed("limit", format!("1 to {most}")))
}

//! When a refused monitor or snapshot is tried again.

use std::time::Duration;

use crate::client::event::InvocationError;
use crate::value::{CstaError, ErrorCategory};

/// First wait before a failed request is repeated; it doubles with each failure.
pub(super) const RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest wait before a failed request is repeated.
pub(super) const RETRY_MAX: Duration = Duration::from_secs(60);
/// Wait before a monitor that the switching function stopped is started again.
pub(super) const STOPPED_RETRY: Duration = Duration::from_secs(10);
/// First wait after a limit was reached: only an administrator or a finished application lifts it.
pub(super) const LIMIT_RETRY_MIN: Duration = Duration::from_secs(30);
/// Longest wait after a limit was reached.
pub(super) const LIMIT_RETRY_MAX: Duration = Duration::from_secs(600);

/// What a failed Monitor Start calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// The device is not known or cannot be monitored: not until either side's list of devices changes, or
    /// the slow check comes to it.
    Never,
    /// This device waits long.
    Slowly,
    /// A limit of the whole switching function: every device waits, as long as a limit of that kind
    /// lasts.
    AllWait(Duration),
    /// This device waits a little.
    Soon,
}

impl Retry {
    pub(super) fn after(error: &InvocationError) -> Self {
        match error {
            InvocationError::Refused(error) => Self::after_refusal(error),
            InvocationError::TooLong(_) => Self::Never,
            InvocationError::Timeout
            | InvocationError::LinkClosed
            | InvocationError::Unexpected { .. } => Self::Soon,
        }
    }

    fn after_refusal(error: &CstaError) -> Self {
        match (error.category, error.value.as_str()) {
            (
                ErrorCategory::Operation,
                "invalidDeviceID"
                | "invalidMonitorObject"
                | "invalidMonitorObjectType"
                | "invalidObjectType"
                | "objectNotKnown"
                | "requestIncompatibleWithObject"
                | "requestIncompatibleWithDevice"
                | "requestIncompatibleWithSubjectDevice",
            ) => Self::Never,
            (
                ErrorCategory::SystemResourceAvailability,
                "overallMonitorLimitExceeded" | "resourceLimitExceeded",
            ) => Self::AllWait(LIMIT_RETRY_MIN),
            (ErrorCategory::PerformanceManagement, _)
            | (ErrorCategory::SubscribedResourceAvailability, "outstandingReqLimitExceeded") => {
                Self::AllWait(RETRY_MIN)
            }
            (
                ErrorCategory::Operation
                | ErrorCategory::Security
                | ErrorCategory::PrivateErrorCode
                | ErrorCategory::PrivateData
                | ErrorCategory::SubscribedResourceAvailability,
                _,
            ) => Self::Slowly,
            (
                ErrorCategory::SystemResourceAvailability
                | ErrorCategory::StateIncompatibility
                | ErrorCategory::Unspecified,
                _,
            ) => Self::Soon,
        }
    }
}

/// `first`, doubled with each failure after the first, at most `max`.
pub(super) fn back_off(first: Duration, max: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    first.saturating_mul(1 << doublings).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_never_helps_from_what_may_pass() {
        for (category, value, retry) in [
            ("operation", "invalidDeviceID", Retry::Never),
            ("operation", "objectNotKnown", Retry::Never),
            ("operation", "generic", Retry::Slowly),
            ("security", "", Retry::Slowly),
            (
                "systemResourceAvailibility",
                "overallMonitorLimitExceeded",
                Retry::AllWait(LIMIT_RETRY_MIN),
            ),
            (
                "performanceManagement",
                "performanceLimitExceeded",
                Retry::AllWait(RETRY_MIN),
            ),
            (
                "subscribedResourceAvailability",
                "objectMonitorLimitExceeded",
                Retry::Slowly,
            ),
            (
                "systemResourceAvailibility",
                "deviceOutOfService",
                Retry::Soon,
            ),
        ] {
            let category = ErrorCategory::from_text(category).unwrap();
            let error = InvocationError::Refused(CstaError::new(category, value));
            assert_eq!(Retry::after(&error), retry, "{error}");
        }
        assert_eq!(Retry::after(&InvocationError::Timeout), Retry::Soon);
    }

    #[test]
    fn waits_double_up_to_their_limit() {
        let waits: Vec<u64> = [0, 1, 2, 3, 6, 7, 100]
            .map(|failures| back_off(RETRY_MIN, RETRY_MAX, failures).as_secs())
            .into();
        assert_eq!(waits, [1, 1, 2, 4, 32, 60, 60]);
    }
}

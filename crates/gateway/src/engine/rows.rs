//! The rows in which the view is persisted.

use call_control::HistoryChange;
use store::gateway::ViewChange;

/// What the keys of extensions in the view begin with; those of legs are their ids.
pub const ENDPOINT_KEY: &str = "endpoint/";
/// What the keys of users' parts in calls begin with: they are for the next start, not for the far end.
pub const HISTORY_KEY: &str = "history/";

/// What is kept of a user's part in a call, as a row.
pub(super) fn history_row(change: HistoryChange) -> Option<ViewChange> {
    let key =
        |call: cloud_uplink::CallId, endpoint: &str| format!("{HISTORY_KEY}{call}/{endpoint}");
    match change {
        HistoryChange::Put(record) => {
            let body = serde_json::to_string(&record)
                .inspect_err(|error| tracing::error!(%error, "a record cannot be written as JSON"))
                .ok()?;
            let key = key(record.call_id, &record.endpoint_id);
            Some(ViewChange::Put { key, body })
        }
        HistoryChange::Delete {
            call_id,
            endpoint_id,
        } => Some(ViewChange::Delete {
            key: key(call_id, &endpoint_id),
        }),
    }
}

//! Several things read as they were at one moment.

use rusqlite::Connection;

use super::types::{EndpointFilter, LegFilter, OwnedEndpoint, OwnedLeg, Owner};
use super::{endpoints, log, streams, view};
use crate::db::read_error;
use crate::error::StoreError;

/// The store at one moment.
///
/// Every method fails if the database cannot be read.
#[derive(Debug)]
pub struct Reading<'a> {
    pub(super) conn: &'a Connection,
}

#[expect(clippy::missing_errors_doc, reason = "said once, of the type")]
impl Reading<'_> {
    /// The newest cursor; 0: none.
    pub fn last_cursor(&self) -> Result<u64, StoreError> {
        log::last_cursor(self.conn).map_err(|e| read_error(&e))
    }

    /// Live legs.
    pub fn legs(&self, filter: &LegFilter) -> Result<Vec<OwnedLeg>, StoreError> {
        view::select(self.conn, filter).map_err(|e| read_error(&e))
    }

    /// Live legs of one call.
    pub fn call_legs(&self, account: &str, call_id: &str) -> Result<Vec<OwnedLeg>, StoreError> {
        view::of_call(self.conn, account, call_id).map_err(|e| read_error(&e))
    }

    /// Endpoints, at most `rows_max`, ordered by endpoint, site and gateway.
    pub fn endpoints(
        &self,
        filter: &EndpointFilter,
        rows_max: usize,
    ) -> Result<Vec<OwnedEndpoint>, StoreError> {
        endpoints::select(self.conn, filter, rows_max).map_err(|e| read_error(&e))
    }

    /// When the last event of a gateway was stored, milliseconds since the epoch; `None`: never.
    pub fn heard(&self, owner: &Owner) -> Result<Option<i64>, StoreError> {
        streams::heard(self.conn, owner).map_err(|e| read_error(&e))
    }
}

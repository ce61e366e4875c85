//! What is known of endpoints beside their calls, per gateway.

use rusqlite::{Connection, OptionalExtension, params};

use super::streams::owner;
use super::types::{ApplyAll, Endpoint, EndpointChange, EndpointFilter, OwnedEndpoint, Owner};

/// Makes a change to an endpoint's row, which may not be there yet.
pub(super) fn change(
    conn: &Connection,
    owner: &Owner,
    change: &EndpointChange,
) -> rusqlite::Result<()> {
    let before: Option<String> = conn
        .prepare_cached(
            "SELECT body FROM endpoints
                WHERE account = ?1 AND site = ?2 AND gateway = ?3 AND endpoint = ?4",
        )?
        .query_row(
            params![owner.account, owner.site, owner.gateway, change.endpoint],
            |row| row.get(0),
        )
        .optional()?;
    let after = Endpoint {
        endpoint: change.endpoint.clone(),
        body: (change.apply)(before.as_deref()),
    };
    put(conn, owner, &after)
}

/// Changes all rows of a gateway, or those of one endpoint.
pub(super) fn change_all(
    conn: &Connection,
    owner: &Owner,
    endpoint: Option<&str>,
    apply: &ApplyAll,
) -> rusqlite::Result<()> {
    let rows: Vec<(String, String)> = conn
        .prepare_cached(
            "SELECT endpoint, body FROM endpoints WHERE account = ?1 AND site = ?2
                AND gateway = ?3 AND (?4 IS NULL OR endpoint = ?4)",
        )?
        .query_map(
            params![owner.account, owner.site, owner.gateway, endpoint],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    for (endpoint, body) in rows {
        if let Some(body) = apply(&body) {
            put(conn, owner, &Endpoint { endpoint, body })?;
        }
    }
    Ok(())
}

/// Replaces all rows of a gateway.
pub(super) fn replace(
    conn: &Connection,
    owner: &Owner,
    endpoints: &[Endpoint],
) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM endpoints WHERE account = ?1 AND site = ?2 AND gateway = ?3")?
        .execute(params![owner.account, owner.site, owner.gateway])?;
    for endpoint in endpoints {
        put(conn, owner, endpoint)?;
    }
    Ok(())
}

/// Rows that pass the filter, ordered by endpoint, site and gateway.
pub(super) fn select(
    conn: &Connection,
    filter: &EndpointFilter,
    rows_max: usize,
) -> rusqlite::Result<Vec<OwnedEndpoint>> {
    // A literal NULL test would keep the planner from the index.
    let by_endpoint = if filter.endpoint.is_some() {
        "endpoint = ?3"
    } else {
        "?3 IS NULL"
    };
    let sql = format!(
        "SELECT account, site, gateway, endpoint, body FROM endpoints
            WHERE account = ?1 AND (?2 IS NULL OR site = ?2) AND {by_endpoint}
                AND (endpoint, site, gateway) > (?4, ?5, ?6)
            ORDER BY endpoint, site, gateway LIMIT ?7"
    );
    let EndpointFilter {
        account,
        site,
        endpoint,
        after,
    } = filter;
    // No endpoint is empty: without a place all rows come after this.
    let (after, at_site, at_gateway) = after
        .as_ref()
        .map_or(("", "", ""), |place| (&*place.0, &*place.1, &*place.2));
    let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
    conn.prepare_cached(&sql)?
        .query_map(
            params![
                account, site, endpoint, after, at_site, at_gateway, rows_max
            ],
            |row| {
                Ok(OwnedEndpoint {
                    owner: owner(row, 0)?,
                    endpoint: Endpoint {
                        endpoint: row.get(3)?,
                        body: row.get(4)?,
                    },
                })
            },
        )?
        .collect()
}

fn put(conn: &Connection, owner: &Owner, endpoint: &Endpoint) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO endpoints (account, site, gateway, endpoint, body)
            VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        owner.account,
        owner.site,
        owner.gateway,
        endpoint.endpoint,
        endpoint.body
    ])?;
    Ok(())
}

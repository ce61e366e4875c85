//! Whether what is shown is so, or was so when it was last known.

use std::collections::BTreeMap;

use cloud_uplink::Timestamp;
use serde::Serialize;
use store::StoreError;
use store::cloud::{Owner, Reading};

use crate::app::App;
use crate::gateways::identity;

/// When each gateway was last heard of.
pub(super) type Heard = BTreeMap<Owner, Timestamp>;

/// Reads when those gateways were last heard of.
pub(super) fn heard<'a>(
    at: &Reading<'_>,
    owners: impl Iterator<Item = &'a Owner>,
) -> Result<Heard, StoreError> {
    let mut heard = Heard::new();
    for owner in owners {
        if !heard.contains_key(owner)
            && let Some(ms) = at.heard(owner)?
        {
            let ms = u64::try_from(ms).unwrap_or_default();
            heard.insert(owner.clone(), Timestamp::from_unix_ms(ms));
        }
    }
    Ok(heard)
}

/// How far what is shown can be relied on.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Currency {
    /// It is so: the gateway is connected, has told what happened while it was not, and has heard of this
    /// from the PBX since its link is up.
    pub(super) current: bool,
    /// Otherwise: it was so then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) as_of: Option<Timestamp>,
}

impl Currency {
    /// Of what the gateway itself knows for certain until `known_until`; for ever where absent.
    pub(super) fn of(
        app: &App,
        owner: &Owner,
        known_until: Option<Timestamp>,
        heard: &Heard,
    ) -> Self {
        let caught_up = app.gateways.is_caught_up(&identity(owner));
        let cut_off = || heard.get(owner).copied().filter(|_| !caught_up);
        Self {
            current: caught_up && known_until.is_none(),
            as_of: known_until.or_else(cut_off),
        }
    }
}

//! The users compared with the devices that the PBX has: when somebody asks, and every so many minutes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::portal::{Portal, Who};
use crate::wizard::SYNC_MINUTES;

/// Users that are named as unknown to the PBX; more are counted.
const MISSING_SHOWN_MAX: usize = 50;

/// What is kept of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Book {
    /// When it was tried last, in milliseconds since 1970.
    pub(crate) tried_ms: u64,
    /// What came of the last that worked.
    pub(crate) last: Option<Synced>,
    /// Why the last one did not, where it did not.
    pub(crate) failed: Option<Failed>,
}

/// What a synchronisation has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Synced {
    /// When, ISO 8601 UTC.
    pub(crate) at: String,
    /// Who asked; `schedule` for nobody.
    pub(crate) by: String,
    /// Devices that the PBX lists.
    pub(crate) listed: usize,
    /// Numbers with a telephone that are followed.
    pub(crate) users: usize,
    /// Numbers with a telephone that are not: phantoms.
    pub(crate) phantoms: usize,
    /// Users here whose extension the PBX does not have.
    pub(crate) missing: usize,
    /// The first 50 of them.
    #[schema(max_items = 50)]
    pub(crate) missing_extensions: Vec<String>,
}

/// Why a synchronisation failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failed {
    /// When, ISO 8601 UTC.
    pub(crate) at: String,
    /// A sentence.
    pub(crate) why: String,
}

/// One is under way already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Portal {
    /// Minutes between two synchronisations; none where nothing is to be done by itself.
    pub(crate) fn sync_minutes(&self) -> Option<u64> {
        self.read(|pages| {
            let typed = pages.steps.get("connect")?.values.get(SYNC_MINUTES)?;
            typed.parse().ok()
        })
    }

    /// Begins one, which goes on by itself.
    pub(crate) fn begin_sync(self: &Arc<Self>, who: Who) -> Result<(), Busy> {
        let turn = Arc::clone(&self.syncing)
            .try_lock_owned()
            .map_err(|_| Busy)?;
        let portal = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = portal.sync(&who).await {
                tracing::error!(error = format!("{error:#}"), "what the PBX has is not kept");
            }
            drop(turn);
        });
        Ok(())
    }

    /// Whether one is under way.
    pub(crate) fn is_syncing(&self) -> bool {
        self.syncing.try_lock().is_err()
    }

    async fn sync(self: &Arc<Self>, who: &Who) -> anyhow::Result<()> {
        let asked_ms = self.view.now_ms();
        let told = self.view.pbx_devices().await;
        let at = self.now();
        let (book, after) = match told {
            Err(why) => {
                let after = format!("failed: {why}");
                let last = self.read(|pages| pages.sync.last.clone());
                let failed = Some(Failed { at, why });
                (
                    Book {
                        tried_ms: asked_ms,
                        last,
                        failed,
                    },
                    after,
                )
            }
            Ok(devices) => {
                let users = self.users();
                let missing = users
                    .extensions()
                    .filter(|it| !devices.numbers.contains(*it));
                let missing: Vec<&str> = missing.collect();
                let shown = missing.iter().take(MISSING_SHOWN_MAX);
                let synced = Synced {
                    at,
                    by: who.name.clone(),
                    listed: devices.listed,
                    users: devices.users,
                    phantoms: devices.phantoms,
                    missing: missing.len(),
                    missing_extensions: shown.map(|it| (*it).to_owned()).collect(),
                };
                let Synced {
                    users,
                    phantoms,
                    missing,
                    ..
                } = &synced;
                let after =
                    format!("{users} users, {phantoms} phantoms, {missing} unknown to the PBX");
                (
                    Book {
                        tried_ms: asked_ms,
                        last: Some(synced),
                        failed: None,
                    },
                    after,
                )
            }
        };
        self.change(move |pages| {
            pages.sync = book;
            anyhow::Ok(())
        })
        .await?;
        self.note(who, "synchronise with the PBX", "", &after).await
    }

    /// Begins one if it is time.
    pub(crate) fn sync_if_due(self: &Arc<Self>) {
        let Some(minutes) = self.sync_minutes() else {
            return;
        };
        let due_ms = self.read(|pages| pages.sync.tried_ms) + minutes * 60_000;
        if self.view.now_ms() >= due_ms {
            let schedule = Who {
                name: "schedule".to_owned(),
                from: String::new(),
            };
            // One that is under way will do.
            let _ = self.begin_sync(schedule);
        }
    }
}

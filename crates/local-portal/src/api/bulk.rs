//! Many users at once: each item with its own result, on disk and in the audit log together.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{ApiError, Json};

use super::users::{UserBody, UserView};
use super::{Answer, Problem, Reason};
use crate::portal::{Portal, Who};
use crate::routes::SignedIn;
use crate::users::{Draft, NotPut, Put, USERS_MAX, User, Users};

/// Items in one request: a change of every user, and as many others.
const ITEMS_MAX: usize = 2 * USERS_MAX;
/// Longest body, in bytes: 400 for each item.
const BODY_LEN_MAX: usize = 4_000_000;

/// Several things to do with users, in their order.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BulkBody {
    /// Says what would come of it, and changes nothing.
    #[serde(default)]
    dry_run: bool,
    /// Users that no item names are taken away: the items are the whole list. Not where an item was refused,
    /// since it may be the one that names them.
    #[serde(default)]
    remove_others: bool,
    /// 10,000 at most.
    #[schema(max_items = 10000)]
    items: Vec<BulkItem>,
}

/// One thing to do.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum BulkItem {
    /// Adds a user; refused where the extension is taken.
    Add {
        /// Who.
        user: UserBody,
    },
    /// Adds a user, or changes the one that has the extension.
    Put {
        /// Who.
        user: UserBody,
    },
    /// Changes a user, its extension too.
    Change {
        /// Number before the change.
        extension: String,
        /// What it is to be.
        user: UserBody,
    },
    /// Takes a user away.
    Remove {
        /// Number.
        extension: String,
    },
}

/// What came of all.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BulkResult {
    /// Nothing was changed: this is what would have come of it.
    dry_run: bool,
    /// How many users were added.
    pub(crate) added: usize,
    /// How many were changed.
    pub(crate) changed: usize,
    /// How many were as they should be.
    pub(crate) unchanged: usize,
    /// How many were taken away.
    removed: usize,
    /// How many items were refused.
    refused: usize,
    /// One for each item, in their order; behind them the users that were taken away as nobody named them.
    pub(crate) items: Vec<BulkItemResult>,
}

/// What came of one item.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BulkItemResult {
    /// Number that the item names.
    extension: String,
    /// What came of it.
    result: Outcome,
    /// Every reason against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<Reason>,
    /// The user before, where it was changed or taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<UserView>,
    /// The user after, where it was added or changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<UserView>,
}

/// What came of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    /// There was none.
    Added,
    /// It was there.
    Changed,
    /// It was as it should be.
    Unchanged,
    /// It is gone.
    Removed,
    /// Not taken: see the reasons.
    Refused,
}

/// What is to be done with one user.
pub(crate) enum Step {
    Add(Draft),
    Put(Draft),
    Change(String, Draft),
    Remove(String),
}

impl From<BulkItem> for Step {
    fn from(item: BulkItem) -> Self {
        match item {
            BulkItem::Add { user } => Self::Add(user.draft()),
            BulkItem::Put { user } => Self::Put(user.draft()),
            BulkItem::Change { extension, user } => Self::Change(extension, user.draft()),
            BulkItem::Remove { extension } => Self::Remove(extension),
        }
    }
}

impl Step {
    /// Does it, and gives the users before and after.
    fn run(&self, users: &mut Users) -> Result<(Option<User>, Option<User>), Vec<Reason>> {
        let (was, draft) = match self {
            Self::Remove(extension) => {
                let gone = users.remove(extension.trim());
                return gone.map(|user| (Some(user), None)).ok_or_else(nobody);
            }
            Self::Add(draft) => (None, draft),
            Self::Put(draft) => {
                let extension = draft.extension.trim();
                (users.get(extension).map(|_| extension.to_owned()), draft)
            }
            Self::Change(extension, draft) => (Some(extension.trim().to_owned()), draft),
        };
        let before = match &was {
            Some(was) => Some(users.get(was).cloned().ok_or_else(nobody)?),
            None => None,
        };
        let put = match &was {
            Some(was) => users.change(was, None, draft),
            None => users.add(draft),
        };
        match put {
            Ok(Put::Unchanged) => Ok((before.clone(), before)),
            Ok(Put::Added | Put::Changed(_)) => {
                Ok((before, users.get(draft.extension.trim()).cloned()))
            }
            Err(NotPut::Refused(refusals)) => Err(Reason::all(&refusals)),
            Err(NotPut::Conflict) => Err(nobody()),
        }
    }

    fn extension(&self) -> &str {
        match self {
            Self::Add(draft) | Self::Put(draft) => draft.extension.trim(),
            Self::Change(extension, _) | Self::Remove(extension) => extension.trim(),
        }
    }
}

fn nobody() -> Vec<Reason> {
    vec![Reason {
        field: "extension".to_owned(),
        message: "There is no user with that extension.".to_owned(),
    }]
}

/// What, before and after, for the audit log.
type Note = (String, String, String);

/// Does all of it with these users.
fn work(steps: &[Step], remove_others: bool, users: &mut Users) -> (BulkResult, Vec<Note>) {
    let (mut result, mut notes) = (BulkResult::default(), Vec::new());
    let mut named = BTreeSet::new();
    for step in steps {
        let item = match step.run(users) {
            Ok((before, after)) => {
                named.extend(after.as_ref().map(|user| user.extension.clone()));
                done(step.extension(), before, after, &mut result, &mut notes)
            }
            Err(reasons) => {
                result.refused += 1;
                if let Step::Add(draft) | Step::Put(draft) = step {
                    users.keep_not_taken(draft);
                }
                BulkItemResult {
                    extension: step.extension().to_owned(),
                    result: Outcome::Refused,
                    reasons,
                    before: None,
                    after: None,
                }
            }
        };
        result.items.push(item);
    }
    if remove_others && result.refused == 0 {
        let all = users.extensions().map(str::to_owned);
        let others: Vec<_> = all.filter(|extension| !named.contains(extension)).collect();
        for extension in others {
            let gone = users.remove(&extension);
            let item = done(&extension, gone, None, &mut result, &mut notes);
            result.items.push(item);
        }
    }
    (result, notes)
}

fn done(
    extension: &str,
    before: Option<User>,
    after: Option<User>,
    result: &mut BulkResult,
    notes: &mut Vec<Note>,
) -> BulkItemResult {
    let (outcome, count, verb) = match (&before, &after) {
        (Some(before), Some(after)) if before == after => {
            (Outcome::Unchanged, &mut result.unchanged, "")
        }
        (Some(_), Some(_)) => (Outcome::Changed, &mut result.changed, "change"),
        (None, _) => (Outcome::Added, &mut result.added, "add"),
        (Some(_), None) => (Outcome::Removed, &mut result.removed, "remove"),
    };
    *count += 1;
    let is_news = outcome != Outcome::Unchanged;
    if is_news {
        let summary = |user: &Option<User>| user.as_ref().map(User::summary).unwrap_or_default();
        notes.push((
            format!("{verb} user {extension}"),
            summary(&before),
            summary(&after),
        ));
    }
    let told = |user: Option<User>| user.filter(|_| is_news).map(|user| UserView::from(&user));
    BulkItemResult {
        extension: extension.to_owned(),
        result: outcome,
        reasons: Vec::new(),
        before: told(before),
        after: told(after),
    }
}

/// Does several things with the users, or tries it.
pub(crate) async fn run(
    portal: &Arc<Portal>,
    who: &Who,
    steps: Vec<Step>,
    remove_others: bool,
    dry_run: bool,
) -> anyhow::Result<BulkResult> {
    if dry_run {
        let users = portal.users();
        let tried = tokio::task::spawn_blocking(move || {
            work(&steps, remove_others, &mut Users::clone(&users)).0
        });
        return Ok(BulkResult {
            dry_run,
            ..tried.await?
        });
    }
    let (result, notes) = portal
        .change_users(move |users| work(&steps, remove_others, users))
        .await?;
    portal.note_all(who, notes).await?;
    Ok(result)
}

pub(super) fn route() -> MethodRouter<Arc<Portal>> {
    post(bulk).layer(DefaultBodyLimit::max(BODY_LEN_MAX))
}

/// Adds, changes and takes away many users; each item has its own result.
#[utoipa::path(post, path = "/api/v1/users/bulk", operation_id = "bulkUsers", request_body = BulkBody,
    responses((status = 200, description = "What came of each item", body = BulkResult),
              (status = 400, description = "No JSON", body = Problem),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 413, description = "Too large", body = Problem),
              (status = 415, description = "Not application/json", body = Problem),
              (status = 422, description = "A field is not allowed", body = Problem)))]
pub(crate) async fn bulk(
    State(portal): State<Arc<Portal>>,
    axum::Extension(SignedIn { who, .. }): axum::Extension<SignedIn>,
    Json(body): Json<BulkBody>,
) -> Answer {
    if body.items.len() > ITEMS_MAX {
        let message = format!("{ITEMS_MAX} items at most");
        return Err(ApiError::invalid("items", message).into());
    }
    let steps = body.items.into_iter().map(Step::from).collect();
    let result = run(&portal, &who, steps, body.remove_others, body.dry_run).await?;
    Ok(axum::Json(result).into_response())
}

//! What stands below the steps *Connect* and *Deployment*: users and devices of the PBX compared, and the
//! users with what became of each.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use serde::Deserialize;

use super::people::{PAGE_LEN, form_encoded};
use super::{Answer, Frame, Posted, go};
use crate::portal::Portal;
use crate::routes::SignedIn;
use crate::sync::Book;
use crate::users::{Draft, Refusal, USERS_MAX, User, UserRole};

type Ours = State<Arc<Portal>>;
type Me = Extension<SignedIn>;

/// Looks for the end of a synchronisation, and the time between them, before the page is shown.
const LOOKS: u32 = 60;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Name of the list of those that were not taken.
const NOT_TAKEN: &str = "not-taken";

/// What part of the list is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    find: String,
    #[serde(default)]
    show: String,
    /// From 1.
    #[serde(default)]
    page: usize,
}

/// One user.
pub(crate) struct Row {
    pub(crate) extension: String,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) softphone: bool,
    /// Whether the softphone has a password to register with.
    pub(crate) registers: bool,
    pub(crate) meetings: bool,
    /// Why it was not taken.
    pub(crate) reasons: Vec<String>,
}

/// A page of the users, or of those that were not taken.
pub(crate) struct List {
    pub(crate) find: String,
    pub(crate) not_taken: bool,
    pub(crate) rows: Vec<Row>,
    pub(crate) first: usize,
    pub(crate) found: usize,
    /// Users, those of them without a password, and those that were not taken.
    pub(crate) counts: [usize; 3],
    pub(crate) before: Option<usize>,
    pub(crate) next: Option<usize>,
}

impl Row {
    fn of(user: &User, frame: &Frame) -> Self {
        Self {
            extension: user.extension.clone(),
            name: user.name(),
            email: user.email.clone(),
            role: frame.text("user-role", user.role.id()),
            softphone: user.softphone,
            registers: user.sip_password.is_some(),
            meetings: user.meetings,
            reasons: Vec::new(),
        }
    }

    fn not_taken(draft: &Draft, reasons: &[Refusal], frame: &Frame) -> Self {
        let role = UserRole::of(&draft.role);
        let reason = |it: &Refusal| frame.t.with(it.problem.id, &it.problem.limits);
        let mut reasons: Vec<String> = reasons.iter().map(reason).collect();
        if reasons.is_empty() {
            reasons.push(frame.t.get("deployment-now-free"));
        }
        Self {
            extension: draft.extension.clone(),
            name: draft.name(),
            email: draft.email.clone(),
            role: role.map_or_else(|| draft.role.clone(), |it| frame.text("user-role", it.id())),
            softphone: draft.softphone,
            registers: false,
            meetings: draft.meetings,
            reasons,
        }
    }
}

impl List {
    pub(crate) fn of(portal: &Portal, frame: &Frame, asked: &Asked) -> Self {
        let users = portal.users();
        let not_taken = asked.show == NOT_TAKEN;
        let (taken, refused) = match not_taken {
            true => (Vec::new(), users.find_not_taken(&asked.find)),
            false => (users.find(&asked.find), Vec::new()),
        };
        let found = taken.len() + refused.len();
        let pages = found.div_ceil(PAGE_LEN).max(1);
        let page = asked.page.clamp(1, pages);
        let skipped = (page - 1) * PAGE_LEN;
        // The reasons are found for those alone that are shown.
        let taken = taken.iter().skip(skipped).take(PAGE_LEN);
        let taken = taken.map(|user| Row::of(user, frame));
        let refused = refused.iter().skip(skipped).take(PAGE_LEN);
        let refused = refused.map(|draft| Row::not_taken(draft, &users.reasons(draft), frame));
        let rows: Vec<Row> = taken.chain(refused).collect();
        Self {
            find: asked.find.clone(),
            not_taken,
            first: skipped + usize::from(!rows.is_empty()),
            rows,
            found,
            counts: [users.len(), users.silent(), users.not_taken()],
            before: (page > 1).then(|| page - 1),
            next: (page < pages).then(|| page + 1),
        }
    }

    pub(crate) fn last(&self) -> usize {
        self.first + self.rows.len() - usize::from(!self.rows.is_empty())
    }

    pub(crate) const fn may_forget(&self) -> bool {
        self.not_taken && self.counts[2] > 0
    }

    pub(crate) fn show(&self) -> &'static str {
        if self.not_taken { NOT_TAKEN } else { "taken" }
    }

    pub(crate) fn to(&self, page: &usize) -> String {
        let (find, show) = (form_encoded(&self.find), self.show());
        format!("/setup/deployment?find={find}&show={show}&page={page}")
    }

    /// The texts of the two lists with their counts.
    pub(crate) fn title(&self, frame: &Frame, not_taken: bool) -> String {
        let [users, _, refused] = self.counts;
        let (id, count) = match not_taken {
            true => ("deployment-not-taken", refused),
            false => ("deployment-taken", users),
        };
        let values = [("count", count.to_string()), ("max", USERS_MAX.to_string())];
        frame.t.with(id, &values)
    }
}

/// The comparison with the PBX, as it is shown.
pub(crate) struct SyncShown {
    pub(crate) book: Book,
    pub(crate) running: bool,
}

impl SyncShown {
    pub(crate) fn of(portal: &Portal) -> Self {
        Self {
            book: portal.read(|pages| pages.sync.clone()),
            running: portal.is_syncing(),
        }
    }

    pub(crate) fn has_missing(&self) -> bool {
        self.book.last.as_ref().is_some_and(|last| last.missing > 0)
    }

    /// Users whose extension the PBX does not have.
    pub(crate) fn missing(&self) -> String {
        let last = self.book.last.as_ref();
        let shown = last.map(|last| last.missing_extensions.join(", "));
        let more = last.is_some_and(|last| last.missing > last.missing_extensions.len());
        shown.unwrap_or_default() + if more { ", …" } else { "" }
    }
}

/// Compares users and devices of the PBX now.
pub(crate) async fn synchronise(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    _: Posted,
) -> Answer {
    // One that is under way will do.
    let _ = portal.begin_sync(who);
    for _ in 0..LOOKS {
        if !portal.is_syncing() {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(go("/setup/connect"))
}

/// Forgets those that were not taken.
pub(crate) async fn forget(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    _: Posted,
) -> Answer {
    let count = portal
        .change_users(crate::users::Users::forget_not_taken)
        .await?;
    let before = count.to_string();
    portal
        .note(&who, "forget users not taken", &before, "")
        .await?;
    Ok(go("/setup/deployment"))
}

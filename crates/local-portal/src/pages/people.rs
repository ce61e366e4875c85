//! The users: a list that is filtered and paged, and a page for each of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::Deserialize;
use web::{ApiError, Query};

use super::{Answer, Frame, Posted, go, show};
use crate::portal::Portal;
use crate::routes::SignedIn;
use crate::users::{Draft, NotPut, Put, Refusal, USERS_MAX, User, UserRole};
use crate::wizard;

type Ours = State<Arc<Portal>>;
type Me = Extension<SignedIn>;

/// Users on one page of the list.
pub(super) const PAGE_LEN: usize = 50;

/// What part of the list is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    find: String,
    /// From 1.
    #[serde(default)]
    page: usize,
}

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    frame: Frame,
    find: String,
    users: Vec<User>,
    /// Number of the first user shown, from 1, and how many were found.
    first: usize,
    found: usize,
    all: usize,
    silent: usize,
    registrar: bool,
    before: Option<usize>,
    next: Option<usize>,
}

impl UsersPage {
    fn last(&self) -> usize {
        self.first + self.users.len() - usize::from(!self.users.is_empty())
    }

    fn to(&self, page: &usize) -> String {
        let find: String = form_encoded(&self.find);
        format!("/users?find={find}&page={page}")
    }
}

/// For a query: every byte that is not plain is escaped.
pub(super) fn form_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

pub(crate) async fn page(State(portal): Ours, frame: Frame, Query(asked): Query<Asked>) -> Answer {
    let users = portal.users();
    let found = users.find(&asked.find);
    let pages = found.len().div_ceil(PAGE_LEN).max(1);
    let page = asked.page.clamp(1, pages);
    let skipped = (page - 1) * PAGE_LEN;
    let shown = found.iter().skip(skipped).take(PAGE_LEN);
    let shown: Vec<User> = shown.map(|user| (*user).clone()).collect();
    let page = UsersPage {
        frame,
        find: asked.find,
        first: skipped + usize::from(!shown.is_empty()),
        users: shown,
        found: found.len(),
        all: users.len(),
        silent: users.silent(),
        registrar: wizard::has_registrar(&portal),
        before: (page > 1).then(|| page - 1),
        next: (page < pages).then(|| page + 1),
    };
    show(StatusCode::OK, &page)
}

/// A user's page, as it was typed.
#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    frame: Frame,
    /// Extension and version of the user that is changed; none for a new one.
    was: Option<(String, u64)>,
    draft: Draft,
    has_password: bool,
    errors: BTreeMap<&'static str, String>,
    conflict: Option<String>,
}

impl UserPage {
    fn new(frame: Frame) -> Self {
        let draft = Draft {
            softphone: true,
            ..Draft::default()
        };
        Self {
            frame,
            was: None,
            draft,
            has_password: false,
            errors: BTreeMap::new(),
            conflict: None,
        }
    }

    fn of(frame: Frame, user: &User) -> Self {
        Self {
            was: Some((user.extension.clone(), user.version)),
            draft: Draft::of(user),
            has_password: user.sip_password.is_some(),
            ..Self::new(frame)
        }
    }

    /// The fields of one line: name, what is typed, how browsers are to complete it.
    fn lines(&self) -> [(&'static str, &str, &'static str, bool); 4] {
        let draft = &self.draft;
        [
            ("extension", &draft.extension, "numeric", true),
            ("email", &draft.email, "email", true),
            ("first-name", &draft.first_name, "text", false),
            ("last-name", &draft.last_name, "text", false),
        ]
    }

    fn error(&self, field: &str) -> &str {
        self.errors.get(field).map_or("", String::as_str)
    }

    fn is_wrong(&self, field: &str) -> bool {
        self.errors.contains_key(field)
    }

    fn hint(&self, field: &str) -> Option<String> {
        self.frame.t.find(&format!("user-{field}.hint"), &[])
    }

    fn roles(&self) -> [(&'static str, bool); 2] {
        UserRole::ALL.map(|role| (role.id(), role.id() == self.draft.role))
    }

    fn action(&self) -> String {
        let path = self.was.as_ref().map_or("new", |(extension, _)| extension);
        format!("/users/{path}")
    }

    /// Every reason beside its field, the first where there are several.
    fn refused(mut self, draft: Draft, refusals: &[Refusal]) -> Answer {
        for Refusal { field, problem } in refusals {
            let text = self.frame.t.with(problem.id, &problem.limits);
            self.errors.entry(*field).or_insert(text);
        }
        self.draft = draft;
        show(StatusCode::UNPROCESSABLE_ENTITY, &self)
    }
}

fn draft(form: &Posted) -> Draft {
    Draft {
        extension: form.get("extension").to_owned(),
        email: form.get("email").to_owned(),
        first_name: form.get("first-name").to_owned(),
        last_name: form.get("last-name").to_owned(),
        role: form.get("role").to_owned(),
        softphone: form.get("softphone") == "yes",
        meetings: form.get("meetings") == "yes",
        sip_password: Draft::password(form.get("sip-password")),
    }
}

pub(crate) async fn new_page(frame: Frame) -> Answer {
    show(StatusCode::OK, &UserPage::new(frame))
}

pub(crate) async fn add(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    frame: Frame,
    form: Posted,
) -> Answer {
    let draft = draft(&form);
    let new = draft.clone();
    let put = portal
        .change_users(move |users| {
            let put = users.add(&new);
            put.map(|_| users.get(new.extension.trim()).map(User::summary))
        })
        .await?;
    match put {
        Ok(summary) => {
            let what = format!("add user {}", draft.extension.trim());
            portal
                .note(&who, &what, "", &summary.unwrap_or_default())
                .await?;
            Ok(go("/users"))
        }
        Err(NotPut::Refused(refusals)) => UserPage::new(frame).refused(draft, &refusals),
        Err(NotPut::Conflict) => Ok(ApiError::internal().into_response()),
    }
}

pub(crate) async fn edit_page(
    State(portal): Ours,
    Path(extension): Path<String>,
    frame: Frame,
) -> Answer {
    match portal.users().get(&extension) {
        Some(user) => show(StatusCode::OK, &UserPage::of(frame, user)),
        None => Ok(ApiError::no_such_path().into_response()),
    }
}

pub(crate) async fn change(
    State(portal): Ours,
    Path(extension): Path<String>,
    Extension(SignedIn { who, .. }): Me,
    frame: Frame,
    form: Posted,
) -> Answer {
    let Ok(version) = form.get("version").parse() else {
        return Ok(ApiError::bad_request("the form lacks its version").into_response());
    };
    let draft = draft(&form);
    let (was, new) = (extension.clone(), draft.clone());
    let put = portal
        .change_users(move |users| users.change(&was, Some(version), &new))
        .await?;
    let users = portal.users();
    let page = |frame| match users.get(&extension) {
        Some(user) => UserPage::of(frame, user),
        None => UserPage::new(frame),
    };
    match put {
        Ok(Put::Changed(before)) => {
            let after = users.get(draft.extension.trim());
            let after = after.map(User::summary).unwrap_or_default();
            let what = format!("change user {extension}");
            portal.note(&who, &what, &before.summary(), &after).await?;
            Ok(go("/users"))
        }
        Ok(Put::Added | Put::Unchanged) => Ok(go("/users")),
        Err(NotPut::Refused(refusals)) => page(frame).refused(draft, &refusals),
        Err(NotPut::Conflict) => {
            let mut page = page(frame);
            page.conflict = Some(page.frame.t.get("user-conflict"));
            page.draft = draft;
            show(StatusCode::CONFLICT, &page)
        }
    }
}

pub(crate) async fn remove(
    State(portal): Ours,
    Path(extension): Path<String>,
    Extension(SignedIn { who, .. }): Me,
) -> Answer {
    let gone = extension.clone();
    let gone = portal
        .change_users(move |users| users.remove(&gone))
        .await?;
    if let Some(user) = gone {
        let what = format!("remove user {extension}");
        portal.note(&who, &what, &user.summary(), "").await?;
    }
    Ok(go("/users"))
}

//! One user, and the list of all.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::{ApiError, Json, Query};

use super::{
    Answer, Extension, IfMatch, Problem, Reason, changed_by_other, etag, if_match, no_such_user,
    refused,
};
use crate::portal::Portal;
use crate::routes::SignedIn;
use crate::users::{Draft, NotPut, Put, USERS_MAX, User, UserRole};

type Ours = State<Arc<Portal>>;
type Me = axum::Extension<SignedIn>;

/// Users in one answer, if nothing is asked for.
const LIMIT: usize = 100;

/// A user as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserView {
    /// Number at the PBX.
    #[schema(example = "2001")]
    pub(crate) extension: String,
    /// Address of the account.
    #[schema(example = "anna@example.org")]
    email: String,
    /// First name; may be empty where there is a last name.
    first_name: String,
    /// Last name.
    last_name: String,
    /// What the user is at the far end.
    role: UserRole,
    /// Whether there is a softphone client; each user has one.
    softphone: bool,
    /// Whether meetings are allowed.
    meetings: bool,
    /// Whether a password for the softphone's registration is kept; it is never told.
    has_sip_password: bool,
    /// Counts changes; the ETag.
    version: u64,
}

impl From<&User> for UserView {
    fn from(user: &User) -> Self {
        Self {
            extension: user.extension.clone(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            role: user.role,
            softphone: user.softphone,
            meetings: user.meetings,
            has_sip_password: user.sip_password.is_some(),
            version: user.version,
        }
    }
}

/// A user as it is sent.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserBody {
    /// Number at the PBX, 1 to 15 digits; nobody else has it.
    #[schema(example = "2001", pattern = "^[0-9]{1,15}$")]
    pub(crate) extension: String,
    /// Address of the account; nobody else has it.
    #[schema(example = "anna@example.org")]
    email: String,
    /// First name, at most 64 characters. One of first and last name has to be there.
    #[serde(default)]
    #[schema(max_length = 64)]
    first_name: String,
    /// Last name, at most 64 characters.
    #[serde(default)]
    #[schema(max_length = 64)]
    last_name: String,
    /// What the user is at the far end.
    #[serde(default)]
    role: UserRole,
    /// Whether there is a softphone client; each user has to have one.
    #[serde(default = "yes")]
    softphone: bool,
    /// Whether meetings are allowed.
    #[serde(default)]
    meetings: bool,
    /// Password of the softphone's registration, at most 128 printable ASCII characters; left out, it
    /// stays as it is.
    #[schema(write_only, max_length = 128, pattern = "^[ -~]*$")]
    #[serde(default)]
    sip_password: Option<String>,
}

const fn yes() -> bool {
    true
}

impl UserBody {
    pub(crate) fn draft(self) -> Draft {
        Draft {
            extension: self.extension,
            email: self.email,
            first_name: self.first_name,
            last_name: self.last_name,
            role: self.role.id().to_owned(),
            softphone: self.softphone,
            meetings: self.meetings,
            sip_password: self.sip_password.as_deref().and_then(Draft::password),
        }
    }
}

/// What part of the list is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAsked {
    /// Part of a number, name or address.
    #[serde(default)]
    find: String,
    /// How many of those found are left out.
    #[serde(default)]
    #[param(minimum = 0)]
    offset: usize,
    /// How many at most, 1 to 5,000; 100 if it is left out.
    #[serde(default = "limit")]
    #[param(minimum = 1, maximum = 5000)]
    limit: usize,
}

const fn limit() -> usize {
    LIMIT
}

/// Some of the users.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserList {
    /// Those asked for, short numbers first.
    items: Vec<UserView>,
    /// How many were found.
    found: usize,
    /// How many there are.
    total: usize,
}

/// Users, filtered and by the page.
#[utoipa::path(get, path = "/api/v1/users", operation_id = "listUsers", params(ListAsked),
    responses((status = 200, description = "The users", body = UserList),
              (status = 400, description = "The query cannot be used", body = Problem),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 422, description = "A value is not allowed", body = Problem)))]
pub(crate) async fn all(State(portal): Ours, Query(asked): Query<ListAsked>) -> Answer {
    if !(1..=USERS_MAX).contains(&asked.limit) {
        let message = format!("limit has to be between 1 and {USERS_MAX}");
        return Err(ApiError::invalid("limit", message).into());
    }
    let users = portal.users();
    let found = users.find(&asked.find);
    let shown = found.iter().skip(asked.offset).take(asked.limit);
    let list = UserList {
        items: shown.map(|user| UserView::from(*user)).collect(),
        found: found.len(),
        total: users.len(),
    };
    Ok(axum::Json(list).into_response())
}

/// Adds a user.
#[utoipa::path(post, path = "/api/v1/users", operation_id = "addUser", request_body = UserBody,
    responses((status = 201, description = "Added", body = UserView,
                headers(("Location" = String), ("ETag" = String))),
              (status = 400, description = "No JSON", body = Problem),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 413, description = "Too large", body = Problem),
              (status = 415, description = "Not application/json", body = Problem),
              (status = 422, description = "Not taken: every reason", body = Problem)))]
pub(crate) async fn add(
    State(portal): Ours,
    axum::Extension(SignedIn { who, .. }): Me,
    Json(body): Json<UserBody>,
) -> Answer {
    let draft = body.draft();
    let extension = draft.extension.trim().to_owned();
    let added = portal
        .change_users(move |users| {
            let added = users.add(&draft);
            if added.is_err() {
                users.keep_not_taken(&draft);
            }
            added.map(|_| users.get(draft.extension.trim()).cloned())
        })
        .await?;
    let user = match added {
        Ok(user) => user.ok_or_else(ApiError::internal)?,
        Err(not) => return Err(wrong(&not).into()),
    };
    let what = format!("add user {extension}");
    portal.note(&who, &what, "", &user.summary()).await?;
    let place = [(LOCATION, format!("/api/v1/users/{extension}"))];
    let view = axum::Json(UserView::from(&user));
    Ok((StatusCode::CREATED, etag(user.version), place, view).into_response())
}

fn wrong(not: &NotPut) -> ApiError {
    match not {
        NotPut::Refused(refusals) => refused("the user was not taken", &Reason::all(refusals)),
        NotPut::Conflict => changed_by_other(),
    }
}

/// One user.
#[utoipa::path(get, path = "/api/v1/users/{extension}", operation_id = "getUser",
    params(("extension" = String, Path, description = "Number at the PBX")),
    responses((status = 200, description = "The user", body = UserView, headers(("ETag" = String))),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 404, description = "There is none", body = Problem)))]
pub(crate) async fn one(State(portal): Ours, Extension(extension): Extension) -> Answer {
    let users = portal.users();
    let user = users.get(&extension).ok_or_else(no_such_user)?;
    Ok((etag(user.version), axum::Json(UserView::from(user))).into_response())
}

/// Changes a user, its extension too; what is left out is as in a new one, but for the password.
#[utoipa::path(put, path = "/api/v1/users/{extension}", operation_id = "changeUser",
    params(("extension" = String, Path, description = "Number at the PBX, before the change"), IfMatch),
    request_body = UserBody,
    responses((status = 200, description = "As it is now", body = UserView, headers(("ETag" = String))),
              (status = 400, description = "No JSON, or no ETag", body = Problem),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 404, description = "There is none", body = Problem),
              (status = 412, description = "Somebody else was first", body = Problem),
              (status = 413, description = "Too large", body = Problem),
              (status = 415, description = "Not application/json", body = Problem),
              (status = 422, description = "Not taken: every reason", body = Problem)))]
pub(crate) async fn change(
    State(portal): Ours,
    Extension(extension): Extension,
    axum::Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
    Json(body): Json<UserBody>,
) -> Answer {
    let version = if_match(&headers)?;
    let (draft, was) = (body.draft(), extension.clone());
    let made = portal
        .change_users(move |users| {
            users.get(&was)?;
            let put = users.change(&was, version, &draft);
            Some(put.map(|put| (put, users.get(draft.extension.trim()).cloned())))
        })
        .await?;
    let (put, user) = match made.ok_or_else(no_such_user)? {
        Ok(made) => made,
        Err(not) => return Err(wrong(&not).into()),
    };
    let user = user.ok_or_else(ApiError::internal)?;
    if let Put::Changed(before) = put {
        let what = format!("change user {extension}");
        portal
            .note(&who, &what, &before.summary(), &user.summary())
            .await?;
    }
    Ok((etag(user.version), axum::Json(UserView::from(&user))).into_response())
}

/// Takes a user away.
#[utoipa::path(delete, path = "/api/v1/users/{extension}", operation_id = "removeUser",
    params(("extension" = String, Path, description = "Number at the PBX"), IfMatch),
    responses((status = 204, description = "Gone"),
              (status = 400, description = "No ETag", body = Problem),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 404, description = "There is none", body = Problem),
              (status = 412, description = "Somebody else was first", body = Problem)))]
pub(crate) async fn remove(
    State(portal): Ours,
    Extension(extension): Extension,
    axum::Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
) -> Answer {
    let version = if_match(&headers)?;
    let gone = extension.clone();
    let gone = portal
        .change_users(move |users| {
            let user = users.get(&gone).ok_or_else(no_such_user)?;
            if version.is_some_and(|version| version != user.version) {
                return Err(changed_by_other());
            }
            users.remove(&gone).ok_or_else(no_such_user)
        })
        .await??;
    let what = format!("remove user {extension}");
    portal.note(&who, &what, &gone.summary(), "").await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

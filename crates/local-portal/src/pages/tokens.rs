//! Tokens of programs that use the REST API.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use super::entry::name_problem;
use super::{Answer, Frame, Posted, go, show};
use crate::book::Role;
use crate::clients::{Client, NotMade};
use crate::portal::Portal;
use crate::routes::SignedIn;

type Ours = State<Arc<Portal>>;
type Me = Extension<SignedIn>;

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    /// Name, what is kept, and when it was here last.
    clients: Vec<(String, Client, Option<String>)>,
    /// A new token, which is shown this once.
    made: Option<(String, String)>,
    error: Option<String>,
}

impl TokensPage {
    /// A time for people: date, hour and minute.
    fn minute(stamp: &str) -> String {
        stamp.replace('T', " ").chars().take(16).collect()
    }
}

fn list(
    portal: &Portal,
    frame: Frame,
    made: Option<(String, String)>,
    wrong: Option<&str>,
) -> Answer {
    let clients = portal.read(|pages| pages.clients.clone());
    let clients = clients.into_iter().map(|(name, client)| {
        let used = portal.last_used(&name);
        (name, client, used)
    });
    let status = wrong.map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
    let error = wrong.map(|id| frame.t.get(id));
    let page = TokensPage {
        clients: clients.collect(),
        frame,
        made,
        error,
    };
    show(status, &page)
}

pub(crate) async fn page(State(portal): Ours, frame: Frame) -> Answer {
    list(&portal, frame, None, None)
}

/// The answer is the page itself: the token stands in it, and nowhere else.
pub(crate) async fn add(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    mut frame: Frame,
    form: Posted,
) -> Answer {
    "/tokens".clone_into(&mut frame.path);
    let name = form.get("name").trim().to_owned();
    let Some(role) = Role::of(form.get("role")) else {
        return list(&portal, frame, None, Some("error-choice"));
    };
    if let Some(id) = name_problem(&name) {
        return list(&portal, frame, None, Some(id));
    }
    match portal.make_client(&who, &name, role).await? {
        Ok(token) => list(&portal, frame, Some((name, token)), None),
        Err(NotMade::Taken) => list(&portal, frame, None, Some("error-token-taken")),
        Err(NotMade::Full) => list(&portal, frame, None, Some("error-tokens-full")),
    }
}

pub(crate) async fn remove(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    form: Posted,
) -> Answer {
    portal.remove_client(&who, form.get("name")).await?;
    Ok(go("/tokens"))
}

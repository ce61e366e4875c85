//! Accounts: one's own password, and for administrators everybody's.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;

use super::entry::{name_problem, password_problem};
use super::{Answer, Failed, Frame, Posted, go, show};
use crate::book::{ACCOUNTS_MAX, Account, Role};
use crate::portal::Portal;
use crate::routes::SignedIn;

type Ours = State<Arc<Portal>>;

#[derive(Template)]
#[template(path = "account.html")]
struct OwnPage {
    frame: Frame,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage {
    frame: Frame,
    accounts: Vec<(String, Role)>,
    own: String,
    error: Option<String>,
}

impl AccountsPage {
    fn is_own(&self, name: &str) -> bool {
        self.own == name
    }
}

pub(crate) async fn own_page(frame: Frame) -> Answer {
    show(StatusCode::OK, &OwnPage { frame, error: None })
}

/// A new password ends every session of the account, this one included.
pub(crate) async fn change_own(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Extension<SignedIn>,
    frame: Frame,
    form: Posted,
) -> Answer {
    let new = form.get("password");
    let known = portal
        .sign_in(&who.name, form.get("old"), &who.from)
        .await?;
    let problem = match known {
        Err(_) => Some("sign-in-wrong"),
        Ok(token) => {
            portal.sign_out(&token);
            password_problem(new, form.get("again"), &who.name)
        }
    };
    if let Some(id) = problem {
        let error = Some(frame.t.get(id));
        return show(StatusCode::UNPROCESSABLE_ENTITY, &OwnPage { frame, error });
    }
    let (hash, name) = (portal.hash(new).await?, who.name.clone());
    let changed: Result<(), Failed> = portal
        .change(move |pages| {
            if let Some(account) = pages.accounts.get_mut(&name) {
                account.password = hash;
            }
            anyhow::Ok(())
        })
        .await
        .map_err(Failed::from);
    changed?;
    portal.sign_out_all(&who.name);
    portal.note(&who, "set own password", "", "").await?;
    Ok(go("/sign-in"))
}

pub(crate) async fn page(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Extension<SignedIn>,
    frame: Frame,
) -> Answer {
    list(&portal, frame, who.name, None)
}

fn list(portal: &Portal, frame: Frame, own: String, error: Option<&str>) -> Answer {
    let accounts = portal.read(|pages| {
        let all = pages.accounts.iter();
        all.map(|(name, account)| (name.clone(), account.role))
            .collect()
    });
    let status = error.map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
    let error = error.map(|id| frame.t.get(id));
    show(
        status,
        &AccountsPage {
            frame,
            accounts,
            own,
            error,
        },
    )
}

pub(crate) async fn add(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Extension<SignedIn>,
    frame: Frame,
    form: Posted,
) -> Answer {
    let name = form.get("name").trim().to_owned();
    let password = form.get("password");
    let Some(role) = Role::of(form.get("role")) else {
        return list(&portal, frame, who.name, Some("error-choice"));
    };
    if let Some(id) = name_problem(&name).or_else(|| password_problem(password, password, &name)) {
        return list(&portal, frame, who.name, Some(id));
    }
    let (hash, new) = (portal.hash(password).await?, name.clone());
    let refused = portal
        .change(move |pages| {
            if pages.accounts.contains_key(&new) {
                return Ok(Some("error-account-taken"));
            }
            if pages.accounts.len() >= ACCOUNTS_MAX {
                return Ok(Some("error-accounts-full"));
            }
            pages.accounts.insert(
                new,
                Account {
                    role,
                    password: hash,
                },
            );
            anyhow::Ok(None)
        })
        .await?;
    if let Some(id) = refused {
        return list(&portal, frame, who.name, Some(id));
    }
    portal
        .note(&who, &format!("add account {name}"), "", role.id())
        .await?;
    Ok(go("/accounts"))
}

/// Somebody else's account goes, with its sessions; so there is always an administrator left.
pub(crate) async fn remove(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Extension<SignedIn>,
    frame: Frame,
    form: Posted,
) -> Answer {
    let name = form.get("name").to_owned();
    if name == who.name {
        return list(&portal, frame, who.name, Some("error-own-account"));
    }
    let gone = name.clone();
    let role = portal
        .change(move |pages| anyhow::Ok(pages.accounts.remove(&gone).map(|account| account.role)))
        .await?;
    portal.sign_out_all(&name);
    if let Some(role) = role {
        portal
            .note(&who, &format!("remove account {name}"), role.id(), "")
            .await?;
    }
    Ok(go("/accounts"))
}

//! Claim, sign-in and sign-out, and the choice of language and look.

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::{Answer, Frame, LANGUAGE_COOKIE, Posted, THEME_COOKIE, THEMES, go, set_cookie, show};
use crate::password;
use crate::portal::{NotIn, Portal};
use crate::routes::{SESSION_COOKIE, cookie};
use crate::sessions::AGE_MAX;
use crate::texts::{Language, Texts};

/// Choices of language and look are kept for a year.
const CHOICE_S: u64 = 365 * 24 * 3600;
/// Longest name of an account, in characters.
pub(crate) const NAME_LEN_MAX: usize = 64;

type Ours = State<Arc<Portal>>;

#[derive(Template)]
#[template(path = "claim.html")]
struct ClaimPage {
    frame: Frame,
    fingerprint: String,
    code: String,
    name: String,
    error: Option<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    name: String,
    error: Option<String>,
}

impl ClaimPage {
    fn is_wrong(&self, field: &str) -> bool {
        self.error
            .as_ref()
            .is_some_and(|(wrong, _)| *wrong == field)
    }

    fn starts_at_code(&self) -> bool {
        self.error.is_none() || self.is_wrong("code")
    }
}

pub(crate) async fn claim_page(State(portal): Ours, frame: Frame) -> Answer {
    let page = ClaimPage {
        frame,
        fingerprint: portal.identity.shown().facts.fingerprint,
        code: String::new(),
        name: "admin".to_owned(),
        error: None,
    };
    show(StatusCode::OK, &page)
}

pub(crate) async fn claim(
    State(portal): Ours,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    frame: Frame,
    form: Posted,
) -> Answer {
    let from = peer.ip().to_canonical().to_string();
    let (code, name) = (form.get("code").trim(), form.get("name").trim());
    let password = form.get("password");
    let t = frame.t;
    let of_password = || password_problem(password, form.get("again"), name);
    let wrong = name_problem(name)
        .map(|id| ("name", t.get(id)))
        .or_else(|| of_password().map(|id| ("password", t.get(id))));
    let wrong = match wrong {
        Some(wrong) => wrong,
        None => match portal.claim(code, name, password, &from).await? {
            Ok(()) => return enter(&portal, name, password, &from, "/setup").await,
            Err(NotIn::Claimed) => return Ok(go("/sign-in")),
            Err(NotIn::Wrong) => ("code", t.get("claim-wrong")),
            Err(NotIn::Wait(wait)) => ("code", wait_text(t, wait)),
        },
    };
    let page = ClaimPage {
        fingerprint: portal.identity.shown().facts.fingerprint,
        frame,
        code: code.chars().take(64).collect(),
        name: name.to_owned(),
        error: Some(wrong),
    };
    show(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

pub(crate) async fn sign_in_page(frame: Frame) -> Answer {
    let page = SignInPage {
        frame,
        name: String::new(),
        error: None,
    };
    show(StatusCode::OK, &page)
}

pub(crate) async fn sign_in(
    State(portal): Ours,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    frame: Frame,
    form: Posted,
) -> Answer {
    let from = peer.ip().to_canonical().to_string();
    let name: String = form.get("name").trim().chars().take(NAME_LEN_MAX).collect();
    let (status, error) = match portal.sign_in(&name, form.get("password"), &from).await? {
        Ok(token) => {
            // Who comes from a new address of the box has a minute to confirm it.
            let tries = portal.read(|pages| pages.network.pending.is_some());
            return Ok(with_session(
                go(if tries { "/network" } else { "/" }),
                &token,
            ));
        }
        Err(NotIn::Wait(wait)) => (StatusCode::TOO_MANY_REQUESTS, wait_text(frame.t, wait)),
        Err(NotIn::Wrong | NotIn::Claimed) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            frame.t.get("sign-in-wrong"),
        ),
    };
    let page = SignInPage {
        frame,
        name,
        error: Some(error),
    };
    show(status, &page)
}

async fn enter(portal: &Arc<Portal>, name: &str, password: &str, from: &str, to: &str) -> Answer {
    Ok(match portal.sign_in(name, password, from).await? {
        Ok(token) => with_session(go(to), &token),
        Err(_) => go("/sign-in"),
    })
}

fn with_session(mut response: Response, token: &str) -> Response {
    add_cookie(
        &mut response,
        &set_cookie(SESSION_COOKIE, token, AGE_MAX.as_secs()),
    );
    response
}

fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

pub(crate) async fn sign_out(State(portal): Ours, headers: HeaderMap) -> Response {
    if let Some(token) = cookie(&headers, SESSION_COOKIE) {
        portal.sign_out(token);
    }
    let mut response = go("/sign-in");
    add_cookie(&mut response, &set_cookie(SESSION_COOKIE, "", 0));
    response
}

/// Keeps the choice of language and look in the browser, and goes back to where it was made.
pub(crate) async fn appearance(form: Posted) -> Response {
    let back = form.get("back");
    // A path of ours, and no address of somebody else's.
    let is_ours = back.starts_with('/')
        && !back.starts_with("//")
        && back
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
    let mut response = go(if is_ours { back } else { "/" });
    if let Some(language) = Language::of(form.get("language")) {
        add_cookie(
            &mut response,
            &set_cookie(LANGUAGE_COOKIE, language.code(), CHOICE_S),
        );
    }
    if let Some(theme) = THEMES.into_iter().find(|theme| *theme == form.get("theme")) {
        add_cookie(&mut response, &set_cookie(THEME_COOKIE, theme, CHOICE_S));
    }
    response
}

/// Why nobody may be called that.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
    let fits = (1..=NAME_LEN_MAX).contains(&name.len()) && name.bytes().all(allowed);
    (!fits).then_some("error-account-name")
}

/// Why that may not be a password.
pub(crate) fn password_problem(password: &str, again: &str, name: &str) -> Option<&'static str> {
    match () {
        () if !password::is_fit(password, name) => Some("error-password"),
        () if password != again => Some("error-again"),
        () => None,
    }
}

fn wait_text(t: Texts, wait: std::time::Duration) -> String {
    let minutes = wait.as_secs().div_ceil(60).to_string();
    t.with("wait", &[("minutes", minutes)])
}

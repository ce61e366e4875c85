//! The certificate that the box shows: what it says, a request for one, and one of the owner's own.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use web::identity::Shown;
use web::pair::NotUsable;

use super::{Answer, Frame, Posted, go, show};
use crate::portal::Portal;
use crate::routes::SignedIn;

type Ours = State<Arc<Portal>>;
type Me = Extension<SignedIn>;

#[derive(Template)]
#[template(path = "certificate.html")]
struct CertificatePage {
    frame: Frame,
    shown: Shown,
    until: String,
    days: i64,
    chain: String,
    /// Field and what is wrong with it.
    error: Option<(&'static str, String)>,
    host: String,
}

impl CertificatePage {
    fn error(&self, field: &str) -> &str {
        let error = self.error.as_ref().filter(|(wrong, _)| *wrong == field);
        error.map_or("", |(_, text)| text)
    }

    fn is_wrong(&self, field: &str) -> bool {
        !self.error(field).is_empty()
    }

    /// What to say of its end, where something is to be said.
    fn notice(&self) -> Option<String> {
        notice(&self.frame, &self.shown, self.days)
    }
}

/// Days before its end from which on a certificate is worth a word.
pub(crate) use crate::provisioning::CERTIFICATE_NOTICE_DAYS as NOTICE_DAYS;

/// What to say of a certificate's end, where something is to be said.
pub(crate) fn notice(frame: &Frame, shown: &Shown, days: i64) -> Option<String> {
    let id = match days {
        ..0 => "certificate-ended",
        0..=NOTICE_DAYS => "certificate-ends",
        _ => return None,
    };
    let values = [
        ("date", date(shown.facts.not_after_s)),
        ("days", days.to_string()),
    ];
    Some(frame.t.with(id, &values))
}

/// `2031-11-20`.
fn date(at_s: i64) -> String {
    let stamp = jiff::Timestamp::from_second(at_s).unwrap_or_default();
    stamp.strftime("%Y-%m-%d").to_string()
}

/// The name by which this page was opened, without the port.
pub(crate) fn host(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default();
    let without = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    without.trim_matches(['[', ']']).to_owned()
}

/// As it stands in an address with a port.
pub(crate) fn with_brackets(host: &str) -> String {
    if host.contains(':') {
        return format!("[{host}]");
    }
    host.to_owned()
}

/// The port by which this page was opened.
pub(crate) fn port(headers: &HeaderMap) -> u16 {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let port = host.and_then(|host| host.rsplit_once(':')?.1.parse().ok());
    port.unwrap_or(443)
}

fn draw(
    portal: &Portal,
    frame: Frame,
    headers: &HeaderMap,
    chain: String,
    error: Option<(&'static str, String)>,
) -> Answer {
    let shown = portal.identity.shown();
    let status = error
        .as_ref()
        .map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
    let page = CertificatePage {
        frame,
        until: date(shown.facts.not_after_s),
        days: shown.days_left(portal.now_s()),
        shown,
        chain,
        error,
        host: format!("{}:{}", with_brackets(&host(headers)), port(headers)),
    };
    show(status, &page)
}

pub(crate) async fn page(State(portal): Ours, headers: HeaderMap, frame: Frame) -> Answer {
    draw(&portal, frame, &headers, String::new(), None)
}

/// Takes a certificate of the owner's; from the next connection on it is shown.
pub(crate) async fn put(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
    frame: Frame,
    form: Posted,
) -> Answer {
    let host = host(&headers);
    let chain = form.get("chain").trim().to_owned();
    let key = Some(form.get("key").trim().to_owned()).filter(|key| !key.is_empty());
    let before = portal.identity.shown().facts.fingerprint;
    let (own, asked, typed) = (Arc::clone(&portal), host.clone(), chain.clone());
    let put = move || {
        let now_ms = own.view.now_ms();
        own.identity
            .put(&typed, key.as_deref(), Some(&asked), now_ms)
    };
    match tokio::task::spawn_blocking(put).await?? {
        Ok(shown) => {
            let after = shown.facts.fingerprint;
            portal
                .note(&who, "set certificate", &before, &after)
                .await?;
            Ok(go("/certificate"))
        }
        Err(problem) => {
            let hosts = portal.identity.hosts(Some(&host));
            let error = words(&frame, &problem, &hosts);
            draw(&portal, frame, &headers, chain, Some(error))
        }
    }
}

/// The field that is wrong, and a sentence on it.
fn words(frame: &Frame, problem: &NotUsable, hosts: &[String]) -> (&'static str, String) {
    let say = |field: &'static str, id: &str, values: &[(&'static str, String)]| {
        (field, frame.t.with(id, values))
    };
    let place = |at: &usize| [("place", at.to_string())];
    let day = |at: &i64| [("date", date(*at))];
    match problem {
        NotUsable::NoCertificate => say("chain", "pair-no-certificate", &[]),
        NotUsable::UnreadableCertificate(at) => say("chain", "pair-unreadable", &place(at)),
        NotUsable::TooMany => say("chain", "pair-too-many", &[]),
        NotUsable::NoKey => say("key", "pair-no-key", &[]),
        NotUsable::KeyEncrypted => say("key", "pair-key-encrypted", &[]),
        NotUsable::KeyUnknown => say("key", "pair-key-unknown", &[]),
        NotUsable::KeyDiffers => say("key", "pair-key-differs", &[]),
        NotUsable::Expired(at) => say("chain", "pair-expired", &day(at)),
        NotUsable::NotYet(at) => say("chain", "pair-not-yet", &day(at)),
        NotUsable::NotFor(names) => {
            let none = || frame.t.get("pair-no-names");
            let named = if names.is_empty() {
                none()
            } else {
                names.join(", ")
            };
            let values = [("hosts", hosts.join(", ")), ("names", named)];
            say("chain", "pair-not-for", &values)
        }
        NotUsable::NotForServers => say("chain", "pair-not-for-servers", &[]),
        NotUsable::ChainBroken(at) => say("chain", "pair-chain-broken", &place(at)),
    }
}

pub(crate) async fn forget(State(portal): Ours, Extension(SignedIn { who, .. }): Me) -> Answer {
    let before = portal.identity.shown().facts.fingerprint;
    let own = Arc::clone(&portal);
    let shown = tokio::task::spawn_blocking(move || own.identity.forget_own()).await??;
    let after = shown.facts.fingerprint;
    portal
        .note(&who, "forget certificate", &before, &after)
        .await?;
    Ok(go("/certificate"))
}

/// The box signs its own certificate anew, with the same key.
pub(crate) async fn renew(State(portal): Ours, Extension(SignedIn { who, .. }): Me) -> Answer {
    let before = portal.identity.shown().facts.fingerprint;
    let own = Arc::clone(&portal);
    let renew = move || own.identity.renew(own.view.now_ms());
    let shown = tokio::task::spawn_blocking(renew).await??;
    let after = shown.facts.fingerprint;
    portal
        .note(&who, "renew certificate", &before, &after)
        .await?;
    Ok(go("/certificate"))
}

pub(crate) async fn chain(State(portal): Ours) -> Response {
    file(
        "application/x-x509-ca-cert",
        "ringway.crt",
        portal.identity.chain_pem(),
    )
}

pub(crate) async fn request(State(portal): Ours) -> Answer {
    let own = Arc::clone(&portal);
    let request = tokio::task::spawn_blocking(move || own.identity.request()).await??;
    Ok(file("application/pkcs10", "ringway.csr", request))
}

fn file(kind: &'static str, name: &str, text: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, text).into_response()
}

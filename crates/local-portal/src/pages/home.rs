//! The home page: one line, cards, calls in progress; live by server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;

use super::{Answer, Frame, show};
use crate::alarms::ASSURANCE_NOTICE_DAYS;
use crate::portal::{Portal, Seen};
use crate::routes::{SESSION_COOKIE, cookie};
use crate::view::State3;

/// Time between two looks; a change is told once in this time at most.
const LIVE_PERIOD: Duration = Duration::from_millis(1_000);
/// A word that keeps the connection from being taken for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    live: String,
    frame: Frame,
    finish_setup: bool,
    assurance: Option<String>,
    certificate: Option<String>,
}

#[derive(Template)]
#[template(path = "live.html")]
struct Live<'a> {
    frame: &'a Frame,
    seen: &'a Seen,
}

impl Live<'_> {
    fn headline(&self) -> &'static str {
        match self.seen.health.state {
            State3::Ok => "home-ok",
            State3::Degraded => "home-degraded",
            State3::Down => "home-down",
        }
    }

    /// The time of day of an instant, in UTC as everywhere in the product.
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn when(&self, stamp: &str) -> String {
        stamp.get(..19).map_or_else(
            || stamp.to_owned(),
            |text| format!("{} UTC", text.replace('T', " ")),
        )
    }

    fn more(&self) -> String {
        let more = self.seen.calls_in_all - self.seen.calls.len();
        self.frame
            .t
            .with("calls-more", &[("count", more.to_string())])
    }
}

pub(crate) async fn page(State(portal): State<Arc<Portal>>, frame: Frame) -> Answer {
    let seen = portal.seen().await?;
    let live = Live {
        frame: &frame,
        seen: &seen,
    }
    .render()?;
    let applied = portal.read(|pages| pages.applied.is_some());
    let assurance = assurance(&portal, &frame);
    let shown = portal.identity.shown();
    let days = shown.days_left(portal.now_s());
    let certificate = super::certificate::notice(&frame, &shown, days);
    let finish_setup = !applied && frame.is_administrator();
    show(
        StatusCode::OK,
        &HomePage {
            live,
            frame,
            finish_setup,
            assurance,
            certificate,
        },
    )
}

/// A word when the PBX's software assurance ends soon, or has ended.
fn assurance(portal: &Portal, frame: &Frame) -> Option<String> {
    let (ends, days) = portal.assurance()?;
    let id = if days < 0 {
        "assurance-ended"
    } else {
        "assurance-ends"
    };
    let text = || {
        frame.t.with(
            id,
            &[("date", ends.to_string()), ("days", days.to_string())],
        )
    };
    (days <= ASSURANCE_NOTICE_DAYS).then(text)
}

/// What the stream carries from one look to the next.
struct Watcher {
    portal: Arc<Portal>,
    frame: Frame,
    token: String,
    shown: String,
}

pub(crate) async fn live(
    State(portal): State<Arc<Portal>>,
    headers: axum::http::HeaderMap,
    mut frame: Frame,
) -> Response {
    "/".clone_into(&mut frame.path);
    let token = cookie(&headers, SESSION_COOKIE)
        .unwrap_or_default()
        .to_owned();
    let watcher = Watcher {
        portal,
        frame,
        token,
        shown: String::new(),
    };
    let events = stream::unfold(watcher, |watcher| async move { watcher.next().await });
    let sse = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([(header::X_CONTENT_TYPE_OPTIONS, "nosniff")], sse).into_response()
}

impl Watcher {
    /// The next change; the stream ends when the session has.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if !self.shown.is_empty() {
                tokio::time::sleep(LIVE_PERIOD).await;
            }
            self.portal.session(&self.token, false)?;
            let seen = self.portal.seen().await.ok()?;
            let html = Live {
                frame: &self.frame,
                seen: &seen,
            }
            .render()
            .ok()?;
            if html != self.shown {
                let event = Event::default().event("home").data(&html);
                self.shown = html;
                return Some((Ok(event), self));
            }
        }
    }
}

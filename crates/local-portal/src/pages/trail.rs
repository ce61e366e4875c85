//! The audit log: a page of the newest lines, and the whole file.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;

use super::{Answer, Frame, show};
use crate::audit::Line;
use crate::portal::Portal;

/// Lines on the page; the export has all.
const LINES_SHOWN_MAX: usize = 200;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    lines: Vec<Line>,
    broken: Option<String>,
}

pub(crate) async fn page(State(portal): State<Arc<Portal>>, frame: Frame) -> Answer {
    let (lines, broken_at) = portal
        .audit(|audit| (audit.newest(LINES_SHOWN_MAX), audit.broken_at))
        .await?;
    let t = frame.t;
    let broken = broken_at.map(|line| t.with("audit-broken", &[("line", line.to_string())]));
    show(
        StatusCode::OK,
        &AuditPage {
            frame,
            lines: lines?,
            broken,
        },
    )
}

pub(crate) async fn export(State(portal): State<Arc<Portal>>) -> Answer {
    let text = portal.audit(crate::audit::Audit::text).await??;
    let headers = [
        (header::CONTENT_TYPE, "application/jsonl; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"ringway-audit.jsonl\"",
        ),
    ];
    Ok((headers, text).into_response())
}

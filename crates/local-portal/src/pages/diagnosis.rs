//! Why is it red: events beside the CSTA that they came of, the log, figures over time, and what one
//! sends to somebody who is to help.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;
use serde::Deserialize;

use super::{Answer, Frame, show};
use crate::chart::{Chart, HEIGHT, Merge, Span, WIDTH};
use crate::portal::Portal;
use crate::routes::SignedIn;
use crate::view::{GatewayView, LogLine, MediaTrace, Minute, Told, Weight};

/// Events on the page.
const EVENTS_SHOWN_MAX: usize = 100;
/// Log lines on the page.
const LINES_SHOWN_MAX: usize = 300;
/// Log lines in the file.
const LINES_MAX: usize = 20_000;
/// Calls with media on the page.
const TRACES_SHOWN_MAX: usize = 50;
/// Longest text that is searched for, in bytes.
const WANTED_LEN_MAX: usize = 200;
/// Hours that the charts may show.
const HOURS: [u64; 3] = [1, 6, 24];

/// What somebody looks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Wanted {
    find: String,
    least: String,
    hours: String,
    call: String,
}

impl Wanted {
    fn text(&self) -> String {
        let mut end = self.find.trim().len().min(WANTED_LEN_MAX);
        while !self.find.trim().is_char_boundary(end) {
            end -= 1;
        }
        self.find.trim()[..end].to_owned()
    }
}

#[derive(Template)]
#[template(path = "events.html")]
struct EventsPage {
    frame: Frame,
    find: String,
    events: Vec<Told>,
}

#[derive(Template)]
#[template(path = "log.html")]
struct LogPage {
    frame: Frame,
    find: String,
    least: Weight,
    lines: Vec<LogLine>,
}

#[derive(Template)]
#[template(path = "charts.html")]
struct ChartsPage {
    frame: Frame,
    hours: u64,
    span: Span,
    charts: Vec<Chart>,
}

#[derive(Template)]
#[template(path = "downloads.html")]
struct DownloadsPage {
    frame: Frame,
    traces: Vec<MediaTrace>,
}

impl DownloadsPage {
    /// The time of day, in UTC as everywhere in the product.
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn when(&self, ms: &u64) -> String {
        let ms = i64::try_from(*ms).unwrap_or(i64::MAX);
        let stamp = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
        stamp.strftime("%H:%M:%S").to_string()
    }
}

/// Asks the gateway, off the runtime.
async fn ask<T: Send + 'static>(
    portal: &Arc<Portal>,
    ask: impl FnOnce(&dyn GatewayView) -> T + Send + 'static,
) -> anyhow::Result<T> {
    let view = Arc::clone(&portal.view);
    Ok(tokio::task::spawn_blocking(move || ask(&*view)).await?)
}

pub(crate) async fn events(
    State(portal): State<Arc<Portal>>,
    Query(wanted): Query<Wanted>,
    frame: Frame,
) -> Answer {
    let find = wanted.text();
    let text = find.clone();
    let mut events = ask(&portal, move |view| view.events(&text, EVENTS_SHOWN_MAX)).await?;
    for xml in events.iter_mut().flat_map(|told| &mut told.csta) {
        *xml = indented(xml);
    }
    let page = EventsPage {
        frame,
        find,
        events,
    };
    show(StatusCode::OK, &page)
}

pub(crate) async fn log(
    State(portal): State<Arc<Portal>>,
    Query(wanted): Query<Wanted>,
    frame: Frame,
) -> Answer {
    let least = Weight::ALL
        .into_iter()
        .find(|it| it.as_str() == wanted.least);
    let (least, find) = (least.unwrap_or(Weight::Info), wanted.text());
    let text = find.clone();
    let lines = ask(&portal, move |view| view.log(least, &text, LINES_SHOWN_MAX)).await?;
    let page = LogPage {
        frame,
        find,
        least,
        lines,
    };
    show(StatusCode::OK, &page)
}

pub(crate) async fn charts(
    State(portal): State<Arc<Portal>>,
    Query(wanted): Query<Wanted>,
    frame: Frame,
) -> Answer {
    let hours = HOURS.into_iter().find(|it| it.to_string() == wanted.hours);
    let hours = hours.unwrap_or(HOURS[0]);
    let minutes = ask(&portal, |view| view.minutes()).await?;
    let newest = minutes.last().map(|minute| minute.at_ms);
    let span = Span::new(60 * hours, newest.unwrap_or_else(|| portal.view.now_ms()));
    let charts = drawn(&span, &minutes);
    let page = ChartsPage {
        frame,
        hours,
        span,
        charts,
    };
    show(StatusCode::OK, &page)
}

fn drawn(span: &Span, minutes: &[Minute]) -> Vec<Chart> {
    let line = |id, merge, value: fn(&Minute) -> Option<f64>| {
        let minutes = minutes.iter().map(|minute| (minute.at_ms, value(minute)));
        span.series(id, merge, minutes)
    };
    let events = line("events", Merge::Rate, |it| Some(it.events as f64));
    let calls = line("calls", Merge::Highest, |it| Some(it.calls as f64));
    let half = line("half", Merge::Highest, |it| Some(it.latency_ms?.0));
    let most = line("most", Merge::Highest, |it| Some(it.latency_ms?.1));
    let good = line("good", Merge::Sum, |it| Some(it.voice[0] as f64));
    let fair = line("fair", Merge::Sum, |it| Some(it.voice[1] as f64));
    let bad = line("bad", Merge::Sum, |it| Some(it.voice[2] as f64));
    vec![
        Chart::new("events", vec![events]),
        Chart::new("calls", vec![calls]),
        Chart::new("latency", vec![half, most]),
        Chart::new("voice", vec![good, fair, bad]),
    ]
}

pub(crate) async fn downloads(State(portal): State<Arc<Portal>>, frame: Frame) -> Answer {
    let mut traces = ask(&portal, |view| view.media_traces()).await?;
    traces.truncate(TRACES_SHOWN_MAX);
    show(StatusCode::OK, &DownloadsPage { frame, traces })
}

/// Headers of a call's media packets; without a number, of the newest call. No call, no packets: a file
/// without any.
pub(crate) async fn media(
    State(portal): State<Arc<Portal>>,
    Query(wanted): Query<Wanted>,
    signed_in: axum::Extension<SignedIn>,
) -> Answer {
    let given = wanted.call.parse().ok();
    let newest = ask(&portal, |view| view.media_traces()).await?;
    let call = given.or_else(|| newest.first().map(|it| it.call));
    let trace = ask(&portal, move |view| view.media_trace(call?)).await?;
    let what = call.map(|call| format!("media trace of call {call}"));
    let what = what.unwrap_or_else(|| "media trace".to_owned());
    portal.note(&signed_in.who, &what, "", "").await?;
    let Some(trace) = trace else {
        let none = (StatusCode::NOT_FOUND, "no packets of that call are kept\n");
        return Ok(none.into_response());
    };
    Ok(file(
        "application/vnd.tcpdump.pcap",
        "ringway-media.pcap",
        trace,
    ))
}

pub(crate) async fn support(
    State(portal): State<Arc<Portal>>,
    signed_in: axum::Extension<SignedIn>,
) -> Answer {
    portal
        .note(&signed_in.who, "support bundle", "", "")
        .await?;
    let archive = ask(&portal, |view| view.support_bundle()).await??;
    Ok(file("application/zip", "ringway-support.zip", archive))
}

pub(crate) async fn csta(
    State(portal): State<Arc<Portal>>,
    signed_in: axum::Extension<SignedIn>,
) -> Answer {
    portal.note(&signed_in.who, "CSTA record", "", "").await?;
    let record = ask(&portal, |view| view.csta_record()).await?;
    Ok(file(
        "application/jsonl; charset=utf-8",
        "ringway-csta.jsonl",
        record.into(),
    ))
}

pub(crate) async fn log_file(State(portal): State<Arc<Portal>>) -> Answer {
    let lines = ask(&portal, |view| view.log(Weight::Debug, "", LINES_MAX)).await?;
    let mut text = String::new();
    for line in lines.iter().rev() {
        text.push_str(&line.text);
        text.push('\n');
    }
    Ok(file(
        "text/plain; charset=utf-8",
        "ringway-log.txt",
        text.into(),
    ))
}

fn file(kind: &'static str, name: &'static str, body: Vec<u8>) -> axum::response::Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, body).into_response()
}

/// A document with each element on a line of its own, for people; texts stay where they are.
fn indented(xml: &str) -> String {
    let mut text = String::with_capacity(xml.len() * 2);
    let mut depth = 0_usize;
    let mut after_text = false;
    for piece in xml.split_inclusive('>') {
        let Some(at) = piece.find('<') else {
            text.push_str(piece);
            continue;
        };
        let (before, tag) = piece.split_at(at);
        let ends = tag.starts_with("</");
        depth = depth.saturating_sub(usize::from(ends));
        if !before.trim().is_empty() {
            text.push_str(before.trim());
        } else if !(text.is_empty() || (ends && after_text)) {
            text.push('\n');
            (0..depth.min(20)).for_each(|_| text.push_str("  "));
        }
        text.push_str(tag);
        let begins =
            !ends && !tag.ends_with("/>") && !tag.starts_with("<?") && !tag.starts_with("<!");
        depth += usize::from(begins);
        // An element without a child stays on its line.
        after_text = begins;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_stand_on_lines_of_their_own() {
        assert_eq!(
            indented("<?xml version=\"1.0\"?><a x=\"1\"><b>t</b><c/><d></d></a>"),
            "<?xml version=\"1.0\"?>\n<a x=\"1\">\n  <b>t</b>\n  <c/>\n  <d></d>\n</a>"
        );
        // Whatever it is, nothing of it is lost.
        assert_eq!(indented("no <xml"), "no<xml");
        assert_eq!(indented(""), "");
    }
}

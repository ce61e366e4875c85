//! Live calls, and the event stream.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

use super::Palette;
use crate::demo::board::{Board, Row as EventRow, What};
use crate::demo::plain::clock;

/// From this width on the event table tells the state, too.
const EVENTS_WIDE: u16 = 60;
/// From this width on the call table shows more of the id.
const CALLS_WIDE: u16 = 40;

/// Calls that are going on, oldest first.
pub(super) fn calls(board: &Board, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let count = board.calls.len();
    let block = heading(format!("Live calls  {count}"), palette);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let id_len = if area.width >= CALLS_WIDE { 8 } else { 4 };
    let room = usize::from(inner.height);
    let shown = if count > room {
        room.saturating_sub(1)
    } else {
        count
    };
    let now_ms = board.wall.as_unix_ms();
    let mut rows: Vec<_> = board
        .calls
        .iter()
        .take(shown)
        .map(|(id, call)| {
            let number = |number: &Option<String>| number.clone().unwrap_or_else(|| "?".to_owned());
            let id = id.to_string();
            let tail = id.get(id.len() - id_len..).unwrap_or_default();
            let going = Duration::from_millis(now_ms.saturating_sub(call.since.as_unix_ms()));
            let word = call.word();
            Row::new([
                Cell::from(format!("{} → {}", number(&call.from), number(&call.to))),
                Cell::from(Span::styled(word, state_style(word, palette))),
                Cell::from(Line::from(short(going)).right_aligned()),
                Cell::from(Span::styled(format!("…{tail}"), palette.dim())),
            ])
        })
        .collect();
    if shown < count {
        let more = format!("and {} more", count - shown);
        rows.push(Row::new([Span::styled(more, palette.dim())]));
    }
    let id_width = u16::try_from(id_len + 1).unwrap_or(u16::MAX);
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(8),
        Constraint::Length(4),
        Constraint::Length(id_width),
    ];
    frame.render_widget(Table::new(rows, widths).column_spacing(1), inner);
}

/// `0:42`, from ten minutes on `12m`: four characters.
fn short(time: Duration) -> String {
    match time.as_secs() / 60 {
        minutes if minutes < 10 => clock(time),
        minutes if minutes < 1000 => format!("{minutes}m"),
        minutes => format!("{}h", minutes / 60),
    }
}

fn state_style(word: &str, palette: Palette) -> Style {
    match word {
        "talking" => palette.colour(Color::Green),
        "ringing" => palette.colour(Color::Cyan),
        "on hold" => palette.colour(Color::Magenta),
        "failed" => palette.colour(Color::Red),
        _ => Style::new(),
    }
}

/// What the application got, newest below.
pub(super) fn events(board: &Board, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let block = heading(
        "What the application gets  (times in UTC)".to_owned(),
        palette,
    );
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let room = usize::from(inner.height);
    let skip = board.lines.len().saturating_sub(room);
    let lines: Vec<_> = board
        .lines
        .iter()
        .skip(skip)
        .map(|line| match &line.what {
            What::Event(row) => event(&line.time, row, area.width, palette),
            What::Note(notice) => Line::from(vec![
                Span::styled(format!("{} ", line.time), palette.dim()),
                Span::styled(format!("* {}", notice.text), palette.tone(notice.tone)),
            ]),
        })
        .collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn event(time: &str, row: &EventRow, width: u16, palette: Palette) -> Line<'static> {
    let EventRow {
        kind,
        about,
        detail,
        sequence,
        synthetic,
        replayed,
    } = row;
    let mut spans = vec![
        Span::styled(format!("{time} "), palette.dim()),
        Span::styled(format!("{kind:<11} "), kind_style(kind, palette)),
    ];
    if width >= EVENTS_WIDE {
        spans.push(Span::raw(format!("{about:<9.9} {detail:<10.10} ")));
    } else {
        spans.push(Span::raw(format!("{about:<7.7} ")));
    }
    spans.push(Span::styled(format!("#{sequence:<5}"), palette.dim()));
    let mark = match (synthetic, replayed) {
        (true, true) if width >= EVENTS_WIDE => " synthetic replayed",
        (true, _) => " synthetic",
        (false, true) => " replayed",
        (false, false) => "",
    };
    spans.push(Span::styled(mark, palette.colour(Color::Magenta)));
    Line::from(spans)
}

fn kind_style(kind: &str, palette: Palette) -> Style {
    match kind {
        "established" | "retrieved" | "link up" => palette.colour(Color::Green),
        "delivered" | "originated" => palette.colour(Color::Cyan),
        "held" | "diverted" => palette.colour(Color::Magenta),
        "failed" | "link down" | "alarm" | "unfollowed" => palette.colour(Color::Red),
        _ => Style::new(),
    }
}

fn heading(text: String, palette: Palette) -> Block<'static> {
    Block::new()
        .borders(Borders::TOP)
        .border_style(palette.dim())
        .title(Span::styled(format!(" {text} "), palette.strong()))
}

//! Draws the board. No background colours, so that light and dark terminals do; 80 × 24 and up.

mod figures;
mod palette;
mod picture;
mod tables;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

pub(crate) use palette::Palette;

use super::board::Board;
use super::plain::clock;

/// Narrower or lower than this there is no room for the picture.
const SIZE_MIN: (u16, u16) = (72, 20);
/// Wide enough for whole addresses and more columns.
const WIDE: u16 = 110;

/// Wide enough for the keys in more words.
const KEYS_WIDE: u16 = 120;

/// Keys and what they do, in few words and in more.
const KEYS: [(&str, &str, &str); 7] = [
    ("c", "call", "place a call"),
    ("x", "cut PBX", "cut the PBX link"),
    ("r", "restart PBX", "restart the PBX"),
    ("f", "far end", "far end away/back"),
    ("g", "gateway", "restart the gateway"),
    ("space", "pause", "pause"),
    ("q", "quit", "quit"),
];

/// Draws the board over the whole screen.
pub(crate) fn draw(board: &Board, palette: Palette, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < SIZE_MIN.0 || area.height < SIZE_MIN.1 {
        let text = format!(
            "ringway demo: this window is too small, {} x {} is needed. {} events delivered.",
            SIZE_MIN.0, SIZE_MIN.1, board.checker.delivered
        );
        let small = Paragraph::new(text).wrap(ratatui::widgets::Wrap { trim: true });
        return frame.render_widget(small, area);
    }
    let air = u16::from(area.height >= 30);
    let [
        title,
        headline,
        notice,
        _,
        picture,
        _,
        middle,
        _,
        figures,
        keys,
    ] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(air),
        Constraint::Length(4),
        Constraint::Length(air),
        Constraint::Fill(1),
        Constraint::Length(air),
        Constraint::Length(5),
        Constraint::Length(1),
    ])
    .areas(area);
    draw_title(board, palette, frame, title);
    frame.render_widget(Line::from(format!(" {}", board.headline())), headline);
    if let Some(last) = board.notice() {
        let text = Span::styled(format!(" * {}", last.text), palette.tone(last.tone));
        frame.render_widget(text, notice);
    }
    picture::draw(board, palette, frame, picture);
    let calls_width = if area.width >= WIDE { 44 } else { 34 };
    let [calls, _, events] = Layout::horizontal([
        Constraint::Length(calls_width),
        Constraint::Length(1),
        Constraint::Fill(1),
    ])
    .areas(middle);
    tables::calls(board, palette, frame, calls);
    tables::events(board, palette, frame, events);
    figures::draw(board, palette, frame, figures);
    draw_keys(palette, frame, keys);
}

fn draw_title(board: &Board, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let title = Line::from(vec![
        Span::styled(" ringway", palette.strong()),
        Span::styled(
            "  a telephone system, connected to the cloud",
            palette.dim(),
        ),
    ]);
    frame.render_widget(title, area);
    let time = match board.run_for {
        Some(whole) => format!("{} of {} ", clock(board.elapsed.min(whole)), clock(whole)),
        None => format!("{} ", clock(board.elapsed)),
    };
    let time = Paragraph::new(format!("demo  {time}")).alignment(Alignment::Right);
    frame.render_widget(time, area);
}

fn draw_keys(palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let mut spans = Vec::new();
    for (key, short, long) in KEYS {
        let text = if area.width >= KEYS_WIDE { long } else { short };
        spans.push(Span::styled(format!(" {key}"), palette.accent()));
        spans.push(Span::raw(format!(" {text} ")));
    }
    frame.render_widget(Line::from(spans), area);
}

#[cfg(test)]
mod tests;

//! Figures: how much, how fast, and whether anything is missing.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Sparkline};

use super::{Palette, WIDE};
use crate::demo::board::{Board, Tone};

pub(super) fn draw(board: &Board, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(palette.dim())
        .title(Span::styled(" Figures ", palette.strong()));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let [rate, _, flow, _, check, _, latency] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(2),
        Constraint::Length(19),
        Constraint::Length(2),
        Constraint::Length(17),
        Constraint::Length(2),
        Constraint::Length(if area.width >= WIDE { 30 } else { 18 }),
    ])
    .areas(inner);
    draw_rate(board, palette, frame, rate);
    let checker = &board.checker;
    let under_way = checker.lost(&board.produced);
    let flow_rows = [
        ("produced", board.produced_total()),
        ("stored", board.stored_total()),
        ("delivered", checker.delivered),
        ("on the way", under_way),
    ];
    let lines = flow_rows.map(|(name, value)| Line::raw(format!("{name:<11}{value:>8}")));
    frame.render_widget(Paragraph::new(lines.to_vec()), flow);
    let check_rows = [
        ("lost", checker.missing()),
        ("duplicated", checker.duplicated),
        ("out of order", checker.out_of_order),
        ("in gaps", checker.in_gaps),
    ];
    let lines = check_rows.map(|(name, value)| {
        let tone = if value == 0 { Tone::Good } else { Tone::Bad };
        Line::styled(format!("{name:<12}{value:>5}"), palette.tone(tone))
    });
    frame.render_widget(Paragraph::new(lines.to_vec()), check);
    draw_latency(board, palette, frame, latency);
}

fn draw_rate(board: &Board, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let [words, bars] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Line::raw(format!(" {:.1} events/s", board.rate())), words);
    let room = usize::from(bars.width.saturating_sub(1));
    let skip = board.rates.len().saturating_sub(room);
    let rates: Vec<u64> = board.rates.iter().skip(skip).copied().collect();
    let bars = Rect {
        x: bars.x + 1,
        width: bars.width.saturating_sub(1),
        ..bars
    };
    let sparkline = Sparkline::default().data(rates).style(palette.accent());
    frame.render_widget(sparkline, bars);
}

fn draw_latency(board: &Board, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let ms = |share| match board.latency.quantile(share) {
        Some(latency) => time(latency),
        None => "-".to_owned(),
    };
    let (what, to) = if area.width >= 30 {
        ("from the PBX's frame", "to stored at the far end")
    } else {
        ("PBX's frame until", "far end stored it")
    };
    let lines = vec![
        Line::from(vec![
            Span::raw("latency p50 "),
            Span::styled(ms(0.5), palette.strong()),
        ]),
        Line::from(vec![
            Span::raw("        p99 "),
            Span::styled(ms(0.99), palette.strong()),
        ]),
        Line::styled(what, palette.dim()),
        Line::styled(to, palette.dim()),
    ];
    frame.render_widget(Paragraph::new(lines), area);
}

/// `2.1 ms`, `31 ms`, `1.2 s`.
fn time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

//! The picture: PBX, gateway, far end and application, and the links between them.

use std::net::SocketAddr;

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Paragraph};

use super::{Palette, WIDE};
use crate::demo::board::{Board, Link};
use crate::demo::plain::word;

pub(super) fn draw(board: &Board, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let link_width = if area.width >= WIDE { 14 } else { 8 };
    let areas: [Rect; 7] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(link_width),
        Constraint::Fill(1),
        Constraint::Length(link_width),
        Constraint::Fill(1),
        Constraint::Length(link_width),
        Constraint::Fill(1),
    ])
    .areas(area);
    let [pbx, csta, gateway, channel, far_end, reader, application] = areas;
    draw_parts(board, palette, frame, [pbx, gateway, far_end, application]);
    let links = [
        (csta, "CSTA", board.pbx_link),
        (channel, "WSS", board.channel),
        (reader, "WSS+REST", board.reader),
    ];
    for (area, protocol, state) in links {
        link(protocol, state, palette, frame, area);
    }
}

fn draw_parts(board: &Board, palette: Palette, frame: &mut Frame<'_>, areas: [Rect; 4]) {
    let room = areas[0];
    let port = |address: SocketAddr| {
        let whole = address.to_string();
        if usize::from(room.width) >= whole.len() + 2 {
            whole
        } else {
            format!("port {}", address.port())
        }
    };
    let checker = &board.checker;
    let in_order = checker.missing() + checker.duplicated + checker.out_of_order == 0;
    let verdict = if in_order {
        "all in order"
    } else {
        "not in order"
    };
    let addresses = &board.addresses;
    let parts = [
        (
            "PBX",
            Link::Up,
            format!("{} phones", addresses.phones),
            port(addresses.pbx),
        ),
        (
            "gateway",
            board.gateway,
            format!("{} waiting", board.waiting),
            port(addresses.portal),
        ),
        (
            "far end",
            board.far_end,
            format!("{} stored", board.stored_total()),
            port(addresses.far_end),
        ),
        (
            "application",
            Link::Up,
            format!("{} read", checker.delivered),
            verdict.to_owned(),
        ),
    ];
    for (area, (name, state, first, second)) in areas.into_iter().zip(parts) {
        let first = match state {
            Link::Up | Link::Starting => Line::raw(first),
            Link::Away(_) => Line::styled(word(state), palette.link(state)),
        };
        let lines = [first, Line::styled(second, palette.dim())];
        part(name, lines, palette.link(state), palette, frame, area);
    }
}

fn part(
    name: &str,
    lines: [Line<'_>; 2],
    border: Style,
    palette: Palette,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let name = if name.len() + 4 > usize::from(area.width) {
        name.to_owned()
    } else {
        format!(" {name} ")
    };
    let title = Span::styled(name, palette.strong());
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(border)
        .title(Line::from(title).alignment(Alignment::Center));
    let text = Paragraph::new(lines.to_vec()).alignment(Alignment::Center);
    frame.render_widget(text.block(block), area);
}

fn link(protocol: &str, state: Link, palette: Palette, frame: &mut Frame<'_>, area: Rect) {
    let width = usize::from(area.width).saturating_sub(2);
    let line = match state {
        Link::Up => format!("◀{}▶", "━".repeat(width)),
        Link::Starting => format!("◁{}▷", "─".repeat(width)),
        Link::Away(_) => {
            let left = width.saturating_sub(1) / 2;
            let right = width.saturating_sub(1) - left;
            format!(" {}╳{} ", "╌".repeat(left), "╌".repeat(right))
        }
    };
    let style = palette.link(state);
    let lines = vec![
        Line::styled(protocol.to_owned(), palette.dim()),
        Line::styled(line, style),
        Line::styled(state_word(state, area), style),
    ];
    frame.render_widget(Paragraph::new(lines).alignment(Alignment::Center), area);
}

/// The state in a word, or only for how long where there is no room.
fn state_word(state: Link, area: Rect) -> String {
    match state {
        Link::Away(time) if word(state).len() > usize::from(area.width) => {
            format!("{} s", time.as_secs())
        }
        _ => word(state),
    }
}

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

/// From this width on a box has room for blanks around its name.
const ROOMY: u16 = 16;

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
    let port = |address: SocketAddr, room: Rect| {
        let whole = address.to_string();
        if usize::from(room.width) >= whole.len() + 2 {
            whole
        } else {
            format!("port {}", address.port())
        }
    };
    let waiting = board.waiting;
    let checker = &board.checker;
    let in_order = checker.missing() + checker.duplicated + checker.out_of_order == 0;
    let verdict = if in_order {
        "all in order"
    } else {
        "not in order"
    };
    let addresses = &board.addresses;
    let boxes = [
        (
            pbx,
            "PBX",
            Link::Up,
            format!("{} phones", addresses.phones),
            port(addresses.pbx, pbx),
        ),
        (
            gateway,
            "gateway",
            board.gateway,
            format!("{waiting} waiting"),
            port(addresses.portal, gateway),
        ),
        (
            far_end,
            "far end",
            board.far_end,
            format!("{} stored", board.stored_total()),
            port(addresses.far_end, far_end),
        ),
        (
            application,
            "application",
            Link::Up,
            format!("{} read", checker.delivered),
            verdict.to_owned(),
        ),
    ];
    for (area, name, state, first, second) in boxes {
        let lines = match state {
            Link::Up | Link::Starting => [Line::raw(first), Line::styled(second, palette.dim())],
            Link::Away(_) => [
                Line::styled(word(state), palette.link(state)),
                Line::styled(second, palette.dim()),
            ],
        };
        part(name, lines, palette.link(state), palette, frame, area);
    }
    let links = [
        (csta, "CSTA", board.pbx_link),
        (channel, "WSS", board.channel),
        (reader, "WSS+REST", board.reader),
    ];
    for (area, protocol, state) in links {
        link(protocol, state, palette, frame, area);
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
    let name = if area.width < ROOMY {
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
        Line::styled(word(state), style),
    ];
    frame.render_widget(Paragraph::new(lines).alignment(Alignment::Center), area);
}

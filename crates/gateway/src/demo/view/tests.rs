//! The picture as text, with fixed data.

use std::collections::BTreeMap;
use std::time::Duration;

use cloud_uplink::id::EventId;
use cloud_uplink::{Event, EventData, Identity, LegState, Timestamp};
use net::clock;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use uuid::Uuid;

use super::*;
use crate::demo::application::{Content, Heard, Item};
use crate::demo::board::{Link, Phase, Tone};
use crate::demo::calls::tests::change;
use crate::demo::stage::Addresses;
use crate::latency::Latency;

const STREAM: Uuid = Uuid::from_u128(1);
/// 2026-01-02T03:04:05Z.
const START_MS: u64 = 1_767_323_045_000;

fn board() -> Board {
    let at = |port| ([127, 0, 0, 1], port).into();
    let addresses = Addresses {
        pbx: at(8882),
        control: None,
        portal: at(8086),
        far_end: at(8443),
        token: "sesame".to_owned(),
        phones: 20,
    };
    let mut board = Board::new(addresses, Some(Duration::from_secs(90)), clock::now());
    (board.pbx_link, board.channel, board.reader) = (Link::Up, Link::Up, Link::Up);
    board
}

fn hear(board: &mut Board, second: u64, sequence: u64, replayed: bool, body: EventData) {
    let identity = Identity {
        account_id: "demo".to_owned(),
        site_id: "here".to_owned(),
        gateway_id: "gateway-1".to_owned(),
    };
    let id: EventId = format!("{sequence:026}").parse().unwrap();
    let time = Timestamp::from_unix_ms(START_MS + second * 1000);
    board.tick(Duration::from_secs(second), time);
    let content = Content::Event {
        stream: STREAM,
        sequence,
        replayed,
        event: Box::new(Event::new(id, &identity, time, body)),
    };
    let item = Item {
        cursor: sequence,
        content,
    };
    board.hear(Heard::Item(item), clock::now());
}

/// Half a minute of calls.
fn busy_board() -> Board {
    let mut board = board();
    let mut sequence = 0;
    for call in 0..7_u64 {
        let (from, to) = (format!("{}", 2001 + call), format!("{}", 2011 + call));
        let parties = (from.as_str(), to.as_str());
        let steps = [
            (from.as_str(), LegState::Initiated),
            (from.as_str(), LegState::Connected),
            (to.as_str(), LegState::Alerting),
            (to.as_str(), LegState::Connected),
        ];
        for (step, (endpoint, state)) in steps.into_iter().enumerate().take(4 - (call % 3) as usize)
        {
            sequence += 1;
            let mut change = change(call + 1, endpoint, state, parties);
            change.synthetic = call == 5;
            let body = match step {
                0 => EventData::CallInitiated(change),
                1 => EventData::CallOriginated(change),
                2 => EventData::CallDelivered(change),
                _ => EventData::CallEstablished(change),
            };
            hear(
                &mut board,
                call * 4 + step as u64,
                sequence,
                call == 6,
                body,
            );
        }
    }
    let latency = Latency::default();
    for us in [900, 1800, 2100, 2400, 9000] {
        latency.record(Duration::from_micros(us));
    }
    board.latency = latency.view();
    board.produced = BTreeMap::from([(STREAM, sequence)]);
    board.stored = board.produced.clone();
    board
}

fn drawn(board: &Board, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let palette = Palette { colours: true };
    terminal.draw(|frame| draw(board, palette, frame)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn calls_events_and_figures_fit_on_a_small_screen() {
    insta::assert_snapshot!(drawn(&busy_board(), 80, 24));
}

#[test]
fn a_large_screen_tells_more() {
    insta::assert_snapshot!(drawn(&busy_board(), 120, 40));
}

#[test]
fn what_is_away_is_said_in_words() {
    let mut board = busy_board();
    board.channel = Link::Away(Duration::from_secs(3));
    board.far_end = Link::Away(Duration::from_secs(3));
    board.pbx_link = Link::Away(Duration::from_secs(12));
    board.produced.insert(STREAM, 40);
    board.note(Tone::Bad, "the far end goes away".to_owned());
    insta::assert_snapshot!(drawn(&board, 80, 24));
}

#[test]
fn without_colours_there_are_none() {
    let mut board = busy_board();
    board.phase = Phase::Finishing;
    board.channel = Link::Away(Duration::from_secs(3));
    let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
    let palette = Palette { colours: false };
    terminal.draw(|frame| draw(&board, palette, frame)).unwrap();
    let cells = terminal.backend().buffer().content();
    let plain = |colour| colour == ratatui::style::Color::Reset;
    assert!(cells.iter().all(|cell| plain(cell.fg) && plain(cell.bg)));
}

#[test]
fn no_size_is_too_small_to_say_so() {
    for (width, height) in [(1, 1), (20, 5), (71, 19), (72, 20), (300, 100)] {
        drawn(&busy_board(), width, height);
    }
}

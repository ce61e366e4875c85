//! The board on a terminal: full screen while it lasts, and everything as it was afterwards.

use std::io::Stdout;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::sync::mpsc;

use super::board::Board;
use super::director::Order;
use super::show::{Input, Screen};
use super::view::{self, Palette};

/// Longest time that the keyboard's thread waits before it looks whether the demo is over.
const KEY_WAIT: Duration = Duration::from_millis(100);

/// Set by a panic: the terminal has been put back, and nothing more may be drawn.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// A terminal in our hands; dropping it gives it back.
pub(crate) struct TerminalScreen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    palette: Palette,
    over: Arc<AtomicBool>,
    keyboard: Option<JoinHandle<()>>,
}

impl TerminalScreen {
    /// Takes the terminal; key strokes go to `input`.
    ///
    /// # Errors
    /// When it is none, or cannot be set up.
    pub(crate) fn open(input: mpsc::Sender<Input>) -> anyhow::Result<Self> {
        let terminal = ratatui::try_init().context("cannot set up the terminal")?;
        // The palette decides on colours; the library would garble the rest without them.
        crossterm::style::force_color_output(true);
        let restoring = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            restoring(panic);
        }));
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let keyboard = std::thread::spawn(move || read_keys(&input, &until));
        Ok(Self {
            terminal,
            palette: Palette::from_env(),
            over,
            keyboard: Some(keyboard),
        })
    }
}

impl Screen for TerminalScreen {
    fn show(&mut self, board: &Board) -> anyhow::Result<()> {
        if PANICKED.load(Ordering::SeqCst) {
            bail!("a part of the demo panicked; what it said is above");
        }
        let palette = self.palette;
        let draw = |frame: &mut ratatui::Frame<'_>| view::draw(board, palette, frame);
        self.terminal
            .draw(draw)
            .context("cannot draw on the terminal")?;
        Ok(())
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(keyboard) = self.keyboard.take() {
            // It has nothing to say but that it panicked, which it has said.
            let _ = keyboard.join();
        }
        ratatui::restore();
    }
}

fn read_keys(input: &mpsc::Sender<Input>, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        let event = match event::poll(KEY_WAIT) {
            Ok(true) => event::read(),
            Ok(false) => continue,
            Err(error) => Err(error),
        };
        let wanted = match event {
            Ok(Event::Key(key)) => meaning(key),
            Ok(Event::Resize(..)) => Some(Input::Redraw),
            Ok(_) => None,
            // The terminal is gone.
            Err(_) => {
                let _ = input.blocking_send(Input::Quit);
                return;
            }
        };
        if let Some(wanted) = wanted {
            // Full of other input: nobody waits for a key stroke.
            let _ = input.try_send(wanted);
        }
    }
}

fn meaning(key: KeyEvent) -> Option<Input> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => Some(Input::Quit),
        KeyCode::Char('c') => Some(Input::Call),
        KeyCode::Char('x') => Some(Input::Plug(Order::CutPbx)),
        KeyCode::Char('r') => Some(Input::Plug(Order::RestartPbx)),
        KeyCode::Char('g') => Some(Input::Plug(Order::RestartGateway)),
        KeyCode::Char('f') => Some(Input::FarEnd),
        KeyCode::Char(' ') => Some(Input::Pause),
        KeyCode::Char('q') => Some(Input::Quit),
        _ => None,
    }
}

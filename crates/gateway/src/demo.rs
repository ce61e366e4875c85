//! `ringway demo`: a simulated PBX, the gateway, the far end and an application in one process on
//! loopback, with traffic, and with plugs that can be pulled.
//!
//! | module | what it holds |
//! | --- | --- |
//! | `stage`, `director` | PBX, gateway and far end, and who pulls their plugs |
//! | `application` | a client of the far end: event stream and REST, with a token and over TLS |
//! | `checker` | is everything there, once and in order? |
//! | `board`, `calls` | all that is shown, as plain data |
//! | `show` | the loop that ties these together |
//! | `view`, `terminal`, `plain` | the board on a terminal, and as plain lines |
//! | `summary` | what came of it |

mod application;
mod board;
mod calls;
mod checker;
mod director;
mod log;
mod options;
mod plain;
mod plugs;
mod show;
mod stage;
mod summary;
mod terminal;
mod view;
mod words;

use std::io::{IsTerminal as _, Write};
use std::path::Path;

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

pub use crate::cli::duration;
pub use options::Options;
use plain::Plain;
use show::{Input, Screen};
use stage::Stage;
pub use summary::Summary;
use terminal::TerminalScreen;

/// Key strokes and signals that may wait.
const INPUT_QUEUE: usize = 32;

/// Runs a demo with plain lines to `out`, with its data in `dir`.
///
/// # Errors
/// A sentence naming what cannot be started, or started again.
pub async fn run_plain(
    options: &Options,
    dir: &Path,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<Summary> {
    let (_no_input, inputs) = mpsc::channel(INPUT_QUEUE);
    lines(options, dir, out, inputs).await
}

/// Runs the demo that the command line asks for; the summary has been printed.
///
/// # Errors
/// A sentence naming what cannot be started, or started again.
pub fn run(options: &Options) -> anyhow::Result<Summary> {
    let dir = tempfile::Builder::new()
        .prefix("ringway-demo-")
        .tempdir()
        .context("cannot make a directory for the demo's data")?;
    log::start(dir.path())?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let result = runtime.block_on(async {
        let (input, inputs) = mpsc::channel(INPUT_QUEUE);
        quit_on_signals(&input)?;
        if options.plain || !std::io::stdout().is_terminal() {
            lines(options, dir.path(), &mut std::io::stdout(), inputs).await
        } else {
            pictures(options, dir.path(), input, inputs).await
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let in_order = match &result {
        Ok(summary) => summary.is_good(),
        Err(error) => is_closed_pipe(error),
    };
    if !in_order {
        keep(dir);
    }
    result
}

/// Whether nobody reads any more: that is the end, and no failure.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

async fn lines(
    options: &Options,
    dir: &Path,
    out: &mut (dyn Write + Send),
    inputs: mpsc::Receiver<Input>,
) -> anyhow::Result<Summary> {
    let stage = Stage::start(options, dir).await?;
    let mut screen = Plain::new(out, stage.addresses())?;
    let summary = show::run(options, stage, &mut screen, inputs).await?;
    writeln!(out, "\n{summary}")?;
    Ok(summary)
}

async fn pictures(
    options: &Options,
    dir: &Path,
    input: mpsc::Sender<Input>,
    inputs: mpsc::Receiver<Input>,
) -> anyhow::Result<Summary> {
    let stage = Stage::start(options, dir).await?;
    let addresses = plain::addresses(stage.addresses());
    let mut screen = TerminalScreen::open(input)?;
    let result = show::run(options, stage, &mut screen as &mut dyn Screen, inputs).await;
    drop(screen);
    let mut out = std::io::stdout();
    writeln!(out, "{addresses}\n")?;
    let summary = result?;
    writeln!(out, "{summary}")?;
    Ok(summary)
}

/// The first signal ends the demo in good order, the second at once.
fn quit_on_signals(input: &mpsc::Sender<Input>) -> anyhow::Result<()> {
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let input = input.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                // Full of other input: the next signal will do.
                let _ = input.try_send(Input::Quit);
            }
        });
    }
    Ok(())
}

/// Something went wrong: the log and the data stay, and the last complaints are shown.
fn keep(dir: TempDir) {
    let dir = dir.keep();
    let mut err = std::io::stderr().lock();
    for line in log::complaints(&dir) {
        let _ = writeln!(err, "{line}");
    }
    let _ = writeln!(err, "log and data are kept in {}", dir.display());
}

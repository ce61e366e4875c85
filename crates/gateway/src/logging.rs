//! Log lines on standard error: UTC times, levels by configuration, text or JSON. The newest are kept in
//! memory, for the portal and the support bundle.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use cloud_uplink::Timestamp;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::config::{LogFormat, LogLevel, LogSection};
use crate::recent::Ring;

/// Changes the level of a running process.
#[derive(Clone)]
pub struct LevelHandle(reload::Handle<EnvFilter, Registry>);

impl LevelHandle {
    /// Takes on a new level.
    ///
    /// # Errors
    /// When logging was torn down.
    pub fn set(&self, level: LogLevel) -> anyhow::Result<()> {
        self.0
            .reload(filter(level))
            .context("cannot change the log level")
    }
}

impl fmt::Debug for LevelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LevelHandle")
    }
}

/// Starts logging; `RINGWAY_LOG` overrules the configured level (`tracing` filter syntax).
///
/// # Errors
/// When logging was started before.
pub fn start(section: LogSection) -> anyhow::Result<LevelHandle> {
    let filter = EnvFilter::try_from_env("RINGWAY_LOG").unwrap_or_else(|_| filter(section.level));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_timer(Utc)
        .with_writer(io::stderr);
    let kept = tracing_subscriber::fmt::layer()
        .with_timer(Utc)
        .with_ansi(false)
        .with_target(false)
        .with_writer(Keep);
    let registry = tracing_subscriber::registry().with(filter).with(kept);
    match section.format {
        LogFormat::Text => {
            let lines = lines
                .with_ansi(io::stderr().is_terminal())
                .with_target(false);
            registry.with(lines).try_init()
        }
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    }
    .context("logging was started before")?;
    Ok(LevelHandle(handle))
}

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    })
}

/// Bytes of lines that are kept.
const LINES_BYTES_MAX: usize = 1024 * 1024;
/// Longest line that is kept whole, in bytes.
const LINE_LEN_MAX: usize = 4096;

/// The newest lines, as text. There is one log for the process.
static LINES: Mutex<Ring<Line>> = Mutex::new(Ring::new(LINES_BYTES_MAX));

/// A log line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// How much it matters.
    pub(crate) level: Level,
    /// The whole line.
    pub(crate) text: String,
}

/// The newest lines that `fits` takes, newest first.
pub(crate) fn newest(max: usize, fits: impl Fn(&Line) -> bool) -> Vec<Line> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let newest = lines.iter().rev().map(|(_, line)| line);
    newest
        .filter(|line| fits(line))
        .take(max)
        .cloned()
        .collect()
}

/// Makes a writer for each line, which keeps it.
struct Keep;

/// Keeps what is written as one line.
struct Keeper {
    level: Level,
    text: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Keep {
    type Writer = Keeper;

    fn make_writer(&'a self) -> Keeper {
        Keeper::new(Level::INFO)
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Keeper {
        Keeper::new(*of.level())
    }
}

impl Keeper {
    const fn new(level: Level) -> Self {
        Self {
            level,
            text: Vec::new(),
        }
    }
}

impl io::Write for Keeper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LINE_LEN_MAX.saturating_sub(self.text.len());
        self.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text).trim_end().to_owned();
        let (level, len) = (self.level, text.len());
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(Line { level, text }, len);
    }
}

/// ISO 8601 with `Z`.
pub(crate) struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", Timestamp::from_unix_ms(net::clock::unix_ms()))
    }
}

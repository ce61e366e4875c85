//! Log lines on standard error: UTC times, levels by configuration, text or JSON.

use std::fmt;
use std::io::IsTerminal as _;

use anyhow::Context as _;
use cloud_uplink::Timestamp;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::config::{LogFormat, LogLevel, LogSection};

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
        .with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    match section.format {
        LogFormat::Text => {
            let lines = lines
                .with_ansi(std::io::stderr().is_terminal())
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

/// ISO 8601 with `Z`.
pub(crate) struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", Timestamp::from_unix_ms(net::clock::unix_ms()))
    }
}

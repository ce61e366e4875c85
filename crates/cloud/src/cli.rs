//! The `ringway-cloud` program.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::Cloud;
use crate::app::timestamp;
use crate::config::{Complaint, Config, ConfigError, LogFormat, LogLevel};

/// Exit codes of sysexits.h.
mod exit {
    /// Something failed while running.
    pub(super) const SOFTWARE: u8 = 70;
    /// The configuration cannot be used.
    pub(super) const CONFIG: u8 = 78;
}

const ABOUT: &str = "The far end of ringway: gateways connect to it, applications read from it.";

const TEACHING: &str = "\
How it works:
  Gateways open a WebSocket to /gateway/v1/channel with a token and send what happens at the PBX.
  Every event is stored before it is acknowledged. Applications read events from any cursor at
  /events/v1 and make and control calls under /2017-09-01/ (see docs/rest.md, or /openapi.json).

First steps:
  1. Copy config/ringway-cloud.toml and put in a token for each gateway and application:
       openssl rand -hex 32
  2. ringway-cloud check-config ringway-cloud.toml
  3. ringway-cloud run --config ringway-cloud.toml
     It prints the fingerprint of the certificate that it made; gateways trust the file
     tls.crt in the data directory.
  4. curl --cacert DATA-DIR/tls.crt -H 'Authorization: Bearer TOKEN' \\
       https://localhost:8443/2017-09-01/calls

Exit codes: 0 ended on request, 70 failed, 78 configuration.";

#[derive(Debug, Parser)]
#[command(name = "ringway-cloud", version, about = ABOUT, after_long_help = TEACHING)]
#[command(arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Serves gateways and applications until SIGTERM or SIGINT.
    Run {
        /// The configuration file.
        #[arg(
            long,
            value_name = "FILE",
            default_value = "/etc/ringway/ringway-cloud.toml"
        )]
        config: PathBuf,
    },
    /// Reads a configuration file and says what is wrong with it.
    CheckConfig {
        /// The configuration file.
        #[arg(value_name = "FILE", default_value = "/etc/ringway/ringway-cloud.toml")]
        file: PathBuf,
    },
}

/// The program: reads the command line, does what it says, gives the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Args::parse().command {
        Task::CheckConfig { file } => check(&file),
        Task::Run { config } => Config::load(&config)
            .map_err(anyhow::Error::from)
            .and_then(run),
    };
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // Nowhere is left to complain to when standard error is closed.
    let _ = writeln!(io::stderr(), "ringway-cloud: {error:#}");
    ExitCode::from(exit_code(&error))
}

/// Another start does not help against a wrong configuration, and the service manager has to know.
fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() || error.is::<Complaint>() {
        exit::CONFIG
    } else {
        exit::SOFTWARE
    }
}

fn check(file: &Path) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    let (gateways, applications) = (config.gateways.len(), config.applications.len());
    writeln!(
        io::stdout(),
        "{}: ok, listens on {}, {gateways} gateway(s), {applications} application(s)",
        file.display(),
        config.listen,
    )
    .context("write to standard output")
}

fn run(config: Config) -> anyhow::Result<()> {
    log(config.log.level, config.log.format);
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let data_dir = config.data_dir.clone();
        let cloud = Cloud::start(config).await?;
        tracing::info!(
            address = %cloud.addr(), data_dir = %data_dir.display(),
            certificate = %cloud.certificate().display(), sha256 = cloud.fingerprint(),
            "ready"
        );
        notify(NotifyState::Ready);
        let ended = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            error = cloud.failed() => Err(error),
        };
        tracing::info!("stopping");
        notify(NotifyState::Stopping);
        cloud.shutdown().await;
        tracing::info!("stopped");
        ended
    })
}

/// Tells the service manager; outside of one this does nothing.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "service manager not told");
    }
}

fn log(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_timer(Utc)
        .with_writer(io::stderr);
    // A second subscriber is refused only where one is set already, in tests.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// ISO 8601 with milliseconds and `Z`.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_start_refuses_in_the_configuration_exits_as_one_that_cannot_be_read() {
        let dir = std::env::temp_dir().join("ringway-cloud-that-never-starts");
        let mut unwise = Config::loopback(&dir);
        unwise.retention_hours = 0;
        let mut uncertain = Config::loopback(&dir);
        uncertain.tls = Some(crate::config::Tls {
            certificate: dir.join("nowhere.crt"),
            key: dir.join("nowhere.key"),
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (config, key) in [(unwise, "retention-hours"), (uncertain, "tls")] {
            let error = runtime.block_on(Cloud::start(config)).unwrap_err();
            assert_eq!(exit_code(&error), exit::CONFIG, "{error:#}");
            assert!(error.to_string().starts_with(key), "{error:#}");
        }
        assert_eq!(exit_code(&anyhow::anyhow!("port taken")), exit::SOFTWARE);
    }
}

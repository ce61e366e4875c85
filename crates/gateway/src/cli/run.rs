//! `ringway run`: the service.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use net::clock;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{complain, exit};
use crate::config::Config;
use crate::daemon::{Gateway, Settings};
use crate::logging::{self, LevelHandle};
use crate::portal::SettingsFile;
use crate::telephony::TelephonySettings;

/// Time between two looks whether the links are alive.
const WATCHDOG_LOOK: Duration = Duration::from_secs(2);
/// The watchdog is fed only if each link's own task showed itself within this time.
const TICK_MAX: Duration = Duration::from_secs(10);

/// Runs the service until it is told to stop.
pub(super) fn run(path: &Path) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(exit::CONFIG);
        }
    };
    let started = logging::start(config.log).and_then(|level| {
        let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
        Ok((level, runtime))
    });
    let (level, runtime) = match started {
        Ok(started) => started,
        Err(error) => {
            complain(&format!("{error:#}"));
            return ExitCode::from(exit::SOFTWARE);
        }
    };
    let settings = match Settings::from_config(&config) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                "the configuration cannot be used"
            );
            return ExitCode::from(exit::CONFIG);
        }
    };
    match runtime.block_on(serve(path, &config, settings, &level)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ringway ends");
            ExitCode::from(exit::SOFTWARE)
        }
    }
}

/// Why the loop woke up.
enum Wake {
    Look,
    Reload,
    Stop(&'static str),
    Failed(anyhow::Error),
}

async fn serve(
    path: &Path,
    config: &Config,
    settings: Settings,
    level: &LevelHandle,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let mut current = config.clone();
    let file = SettingsFile::new(path, config);
    let mut gateway = Gateway::start_with(settings, Some(file.clone())).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        portal = %gateway.portal_addr(),
        fingerprint = gateway.fingerprint(),
        "ringway runs"
    );
    notify(&[NotifyState::Ready, NotifyState::Status("running")]);
    let mut look = tokio::time::interval(WATCHDOG_LOOK);
    loop {
        let wake = tokio::select! {
            _ = look.tick() => Wake::Look,
            wake = signals.next() => wake,
            () = file.changed() => Wake::Reload,
            error = gateway.failed() => Wake::Failed(error),
        };
        match wake {
            Wake::Look => {
                let silence = gateway.shared().longest_silence(clock::now());
                if silence < TICK_MAX {
                    notify(&[NotifyState::Watchdog]);
                } else {
                    tracing::error!(silence_ms = silence.as_millis(), "a link's task is stuck");
                }
            }
            Wake::Reload => {
                let stamp = NotifyState::monotonic_usec_now().context("no monotonic clock")?;
                notify(&[NotifyState::Reloading, stamp]);
                reload(path, &mut current, &gateway, level).await;
                notify(&[NotifyState::Ready]);
            }
            Wake::Stop(signal) => {
                tracing::info!(signal, "ringway stops");
                notify(&[NotifyState::Stopping]);
                tokio::select! {
                    () = gateway.shutdown() => {}
                    _ = signals.next_stop() => tracing::warn!("second signal: not waiting"),
                }
                return Ok(());
            }
            Wake::Failed(error) => {
                notify(&[NotifyState::Stopping]);
                gateway.shutdown().await;
                return Err(error);
            }
        }
    }
}

/// Takes on what can change while running; the rest is named and waits for a restart. A file that is
/// not in order changes nothing.
async fn reload(path: &Path, current: &mut Config, gateway: &Gateway, level: &LevelHandle) {
    let new = match Config::load(path) {
        Ok(new) => new,
        Err(error) => {
            tracing::error!(%error, "configuration not in order: going on with the old one");
            return;
        }
    };
    if let Err(error) = level.set(new.log.level) {
        tracing::error!(error = format!("{error:#}"), "log level unchanged");
    }
    if new.extensions() != current.extensions() {
        gateway.set_extensions(&new.extensions()).await;
    }
    // The users' file may have changed without this one.
    if let (Some(_), Some(sip)) = (&current.sip, &new.sip) {
        match TelephonySettings::users(sip) {
            Ok(users) => gateway.set_softclients(users),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "softphone users not in order: going on with the old ones"
                );
            }
        }
    }
    let waiting = current.needs_restart(&new);
    tracing::info!(
        extensions = new.extensions().len(),
        ?waiting,
        "configuration read anew"
    );
    *current = new;
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wake {
        tokio::select! {
            _ = self.terminate.recv() => Wake::Stop("SIGTERM"),
            _ = self.interrupt.recv() => Wake::Stop("SIGINT"),
            _ = self.hangup.recv() => Wake::Reload,
        }
    }

    async fn next_stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells the service manager; outside of one this does nothing.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "service manager not told");
    }
}

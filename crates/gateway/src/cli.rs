//! The command line.

mod duration;
mod run;
mod status;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use duration::duration;

use crate::config::{self, Config};
use crate::csta_tools;
use crate::daemon::Settings;
use crate::network;

/// Exit codes of sysexits.h.
pub(crate) mod exit {
    /// A configuration cannot be used.
    pub(crate) const CONFIG: u8 = 78;
    /// A service that is needed is not there.
    pub(crate) const UNAVAILABLE: u8 = 69;
    /// Something else went wrong.
    pub(crate) const SOFTWARE: u8 = 70;
}

const AFTER_HELP: &str = "\
Examples:
  ringway demo                                   see it work: PBX, gateway and far end in one process
  ringway demo --for 30s                         the same, with a summary at the end
  ringway check-config /etc/ringway/ringway.toml is the configuration in order?
  ringway run --config /etc/ringway/ringway.toml what the service does
  ringway status                                 how is the gateway on this box?
  ringway csta connect 10.0.0.5                  what is this PBX and what can it do?

The gateway follows the calls of a PBX by CSTA III XML, sends them as events to the far end over one
outbound connection, and carries out the far end's commands. Nothing is lost while either is away.";

#[cfg(feature = "demo")]
const DEMO_HELP: &str = "\
Examples:
  ringway demo                      watch calls; the keys are on the screen, q ends it
  ringway demo --for 30s            the same, ends by itself with a summary
  ringway demo --for 60s --plugs    with every plug pulled once: still nothing is lost
  ringway demo --for 10s | tail -1  one line for programs

Exit code 0: something was delivered, and nothing was lost, delivered twice or out of order.";

/// Connects a telephone system to the cloud.
#[derive(Debug, Parser)]
#[command(name = "ringway", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until SIGTERM; SIGHUP reads the configuration anew.
    Run {
        /// Configuration file.
        #[arg(long, value_name = "FILE", default_value = "/etc/ringway/ringway.toml")]
        config: PathBuf,
    },
    /// Check a configuration file and say what is wrong with it.
    CheckConfig {
        /// Configuration file.
        #[arg(value_name = "FILE", default_value = "/etc/ringway/ringway.toml")]
        config: PathBuf,
        /// Leave out the files that it names: for a configuration of another machine.
        #[arg(long)]
        without_files: bool,
    },
    /// See it work: simulated PBX, gateway, far end and an application in one process, with calls.
    #[cfg(feature = "demo")]
    #[command(after_help = DEMO_HELP)]
    Demo(crate::demo::Options),
    /// Show how the gateway on this box is: every part, since when, last error.
    Status {
        /// Address of the portal.
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8086")]
        portal: std::net::SocketAddr,
        /// Print the answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the code that claims this box in its portal, until somebody has used it.
    SetupCode {
        /// Configuration file.
        #[arg(long, value_name = "FILE", default_value = "/etc/ringway/ringway.toml")]
        config: PathBuf,
    },
    /// Carry out what the portal wants of the box's address, as root: `ringway-network.service` runs it.
    Network {
        /// What the portal wants.
        #[arg(
            long,
            value_name = "FILE",
            default_value = "/var/lib/ringway/network/wanted.json"
        )]
        wanted: PathBuf,
        /// Where to say what came of it.
        #[arg(long, value_name = "FILE", default_value = crate::portal::network::SAID)]
        said: PathBuf,
    },
    /// Look at a PBX: connect, monitor, call, record, replay, decode.
    #[command(subcommand, after_help = csta_tools::HELP)]
    Csta(Box<csta_tools::Tool>),
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run { config } => run::run(&config),
        Command::CheckConfig {
            config,
            without_files,
        } => check_config(&config, !without_files),
        #[cfg(feature = "demo")]
        Command::Demo(options) => demo(&options),
        Command::Status { portal, json } => status::status(portal, json),
        Command::SetupCode { config } => setup_code(&config),
        Command::Network { wanted, said } => network(&wanted, &said),
        Command::Csta(tool) => csta_tools::run(&tool),
    }
}

fn network(wanted: &std::path::Path, said: &std::path::Path) -> ExitCode {
    let places = network::Places::of_box(wanted, said);
    match network::run(&places, &mut network::Networkctl) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(exit::SOFTWARE)
        }
    }
}

/// Exit code 0 with the code, 69 when there is none: the box is claimed, or has never been started.
fn setup_code(path: &std::path::Path) -> ExitCode {
    let found = Config::load(path)
        .map_err(anyhow::Error::from)
        .and_then(|config| {
            let directory = config.gateway.state_dir.join(crate::daemon::PORTAL_DIR);
            local_portal::Portal::setup_code(&directory)
        });
    match found {
        Ok(Some(code)) => {
            say(&code);
            ExitCode::SUCCESS
        }
        Ok(None) => {
            complain("there is no setup code: this box is claimed, or the service never ran");
            ExitCode::from(exit::UNAVAILABLE)
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(exit::CONFIG)
        }
    }
}

#[cfg(feature = "demo")]
fn demo(options: &crate::demo::Options) -> ExitCode {
    match crate::demo::run(options) {
        Ok(summary) if summary.is_good() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) if crate::demo::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(exit::SOFTWARE)
        }
    }
}

/// Where systemd puts the secrets of services.
const CREDENTIALS: &str = "/run/credentials/";

fn check_config(path: &std::path::Path, with_files: bool) -> ExitCode {
    match Config::load(path) {
        Ok(config) => {
            if with_files && let Err(error) = Settings::from_config(&config) {
                let error = format!("{error:#}");
                // Secrets that systemd hands to the service are there while it runs, for nobody else.
                if !error.contains(CREDENTIALS) {
                    complain(&format!("{}: {error}", path.display()));
                    return ExitCode::from(exit::CONFIG);
                }
                complain(&format!("warning: for the running service alone: {error}"));
            }
            let extensions = config.extensions().len();
            say(&format!(
                "{}: in order\n  PBX        {}, {extensions} extensions\n  dialect    {}\n  SIP        {}\n  far end    {}\n  portal     {}\n  state      {}",
                path.display(),
                config.pbx.address.0,
                config::describe(&config.pbx.dialect()).replace('\n', "\n             "),
                config
                    .sip
                    .as_ref()
                    .map_or_else(|| "off".to_owned(), sip_lines),
                config.uplink.url.0,
                config.portal.listen.0,
                config.gateway.state_dir.display(),
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(exit::CONFIG)
        }
    }
}

/// What the SIP part is told, below each other.
fn sip_lines(sip: &config::SipSection) -> String {
    let below = "\n             ";
    let listen: Vec<String> = sip.listen.iter().map(ToString::to_string).collect();
    let targets: Vec<String> = sip.trunk.targets.iter().map(ToString::to_string).collect();
    let proof = if sip.trunk.authenticate {
        format!("proves itself as {}", sip.trunk.gateway_user)
    } else {
        "is known by its address alone".to_owned()
    };
    let codes = sip.codes().map(|it| format!("{below}{it}"));
    let softclients = sip.softclients.iter().map(|it| {
        format!(
            "{below}softclients of {} register at {}, {} a second, for {} s",
            it.file.display(),
            it.registrar,
            it.register_per_second.0,
            it.expires_s.0,
        )
    });
    format!(
        "{} as {}{below}trunk {}, {} channels; the PBX {proof}{}",
        listen.join(", "),
        sip.domain.0,
        targets.join(", "),
        sip.trunk.channels.0,
        codes.chain(softclients).collect::<String>(),
    )
}

/// A line for the person at the terminal. A closed pipe is not worth a word.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// A line about what went wrong.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

//! The command line of `ringway-pbx-sim`.

mod run;
mod sip;

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::command::{self, Command};
use crate::config::{CONTROL_PORT, CSTA_PORT, Config};
use crate::pbx::PbxSim;
use crate::provisioning::{Manager, ManagerConfig};
use crate::replay::{Replay, ReplayConfig};
use crate::{control, scenario, switching};
use run::RunArgs;

/// A PBX to try a CSTA client on: real call model, CSTA III over TCP, faults on demand.
#[derive(Debug, Parser)]
#[command(name = "ringway-pbx-sim", version, after_help = examples())]
struct Cli {
    /// Where the control port of the PBX is, loopback only
    #[arg(long, global = true, value_name = "ADDRESS", default_value_t = loopback(CONTROL_PORT))]
    control: SocketAddr,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start a PBX and keep it running until Ctrl-C
    Run(Box<RunArgs>),
    /// Play captured CSTA frames at a client, byte by byte as they are
    Replay(ReplayArgs),
    /// Play scenario files, each against a PBX of its own, and say which of them fit
    Scenario {
        /// Files, as those in tests/golden
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Tell a running PBX what to do: `call 2001 2002`, `state`, … (listed below)
    #[command(external_subcommand)]
    Tell(Vec<String>),
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// Captures: raw frames (8-byte header and XML), one or more in each file
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Where the client connects
    #[arg(long, value_name = "ADDRESS", default_value_t = loopback(CSTA_PORT))]
    listen: SocketAddr,
    /// Play once this device is monitored and snapshotted, instead of the captures' own
    #[arg(long, value_name = "DEVICE")]
    after_monitor: Vec<String>,
    /// Play to every client that connects, not to the first one alone
    #[arg(long)]
    repeat: bool,
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere to report that standard error is closed.
            let _ = writeln!(io::stderr(), "ringway-pbx-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    match cli.verb {
        Verb::Run(args) => {
            let manager = args.manager();
            let config = args.config(cli.control)?;
            in_runtime(run_pbx(config, manager))
        }
        Verb::Replay(args) => in_runtime(run_replay(args)),
        Verb::Scenario { files } => play_scenarios(&files),
        Verb::Tell(words) => tell(cli.control, &words),
    }
}

fn in_runtime(program: impl Future<Output = Result<()>>) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(Utc)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    tokio::runtime::Runtime::new()?.block_on(program)
}

async fn run_pbx(config: Config, manager: Option<ManagerConfig>) -> Result<()> {
    let extensions = config.extensions.len();
    let two: Vec<String> = config
        .extensions
        .iter()
        .take(2)
        .map(ToString::to_string)
        .collect();
    let stopped = until_stopped()?;
    let pbx = PbxSim::start(config).await?;
    say(&format!(
        "CSTA     {}  ({extensions} extensions)",
        pbx.addr()
    ))?;
    // Dropped when the PBX stops.
    let manager = match manager {
        Some(manager) => Some(Manager::start(manager).await?),
        None => None,
    };
    if let Some(manager) = &manager {
        say(&format!("PM       https://{}", manager.addr()))?;
        say(&format!("         SHA-256 {}", manager.fingerprint()))?;
    }
    for address in pbx.sip_addresses() {
        say(&format!("SIP      {address}"))?;
    }
    if let Some(control) = pbx.control_addr() {
        say(&format!("control  {control}"))?;
        let option = match control == loopback(CONTROL_PORT) {
            true => String::new(),
            false => format!(" --control {control}"),
        };
        if let [from, to] = &two[..] {
            say(&format!(
                "try      ringway-pbx-sim{option} call {from} {to}"
            ))?;
        }
    }
    if io::stdin().is_terminal() {
        let handle = pbx.handle();
        std::thread::spawn(move || obey_terminal(&handle));
    }
    stopped.await;
    pbx.shutdown().await;
    Ok(())
}

/// Commands typed where the PBX runs; ends with the terminal's input.
fn obey_terminal(handle: &crate::pbx::Handle) {
    for line in io::stdin().lines().map_while(Result::ok) {
        if !line.trim().is_empty() && say(&control::answer(&line, handle)).is_err() {
            return;
        }
    }
}

async fn run_replay(args: ReplayArgs) -> Result<()> {
    let mut captures = Vec::with_capacity(args.files.len());
    for file in &args.files {
        let bytes = std::fs::read(file);
        captures.push(
            bytes
                .with_context(|| format!("cannot read {}", file.display()))?
                .into(),
        );
    }
    let stopped = until_stopped()?;
    let replay = Replay::start(ReplayConfig {
        listen: args.listen,
        captures,
        after_monitor: args.after_monitor,
        repeat: args.repeat,
    })
    .await?;
    let devices: Vec<_> = replay.script().triggers().collect();
    let after = match devices.as_slice() {
        [] => "any device is".to_owned(),
        [device] => format!("{device} is"),
        devices => format!("{} are", devices.join(", ")),
    };
    say(&format!("CSTA     {}", replay.addr()))?;
    let files = args.files.len();
    say(&format!(
        "plays    {files} captures once {after} monitored and snapshotted"
    ))?;
    stopped.await;
    replay.shutdown().await;
    Ok(())
}

fn play_scenarios(files: &[PathBuf]) -> Result<()> {
    let mut outcomes = Vec::with_capacity(files.len());
    for file in files {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read {}", file.display()))?;
        let outcome = scenario::check(&text, net::clock::now());
        outcomes.push((file.display().to_string(), outcome));
    }
    say(scenario::table(&outcomes).trim_end())?;
    let failed = outcomes.iter().filter(|(_, outcome)| outcome.is_err());
    match failed.count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} scenarios do not fit", files.len()),
    }
}

fn tell(mut control: SocketAddr, words: &[String]) -> Result<()> {
    let mut words = words.to_vec();
    // The option may stand behind the verb, too, where clap leaves it alone.
    if let Some(at) = words.iter().position(|word| word == "--control") {
        let value = words.get(at + 1).context("--control needs an address")?;
        control = value
            .parse()
            .with_context(|| format!("{value:?} is no address"))?;
        words.drain(at..=at + 1);
    }
    let line = words.join(" ");
    if let Err(error) = line.parse::<Command>() {
        bail!("{error}");
    }
    if words.iter().eq(["help"]) {
        return say(command::help().trim_end());
    }
    say(&control::tell(control, &line)?)
}

/// Ends with Ctrl-C or SIGTERM, which are caught from the call on, not from the first poll.
fn until_stopped() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush().context("writing to standard output")
}

/// ISO 8601 with milliseconds and `Z`.
struct Utc;

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let ms = i64::try_from(net::clock::unix_ms()).unwrap_or(i64::MAX);
        let stamp = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX);
        write!(writer, "{stamp:.3}")
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

fn examples() -> String {
    let held = switching::HELD_CALLS_MAX;
    let help = command::help();
    format!(
        "\
Commands for a running PBX (a telephone has one active call and up to {held} held ones):
{help}
Examples:
  ringway-pbx-sim run --extensions 2000-2019 --calls-per-hour 600 --seed 7
  ringway-pbx-sim call 2001 2002        2001 dials 2002, which rings
  ringway-pbx-sim answer 2002           they talk
  ringway-pbx-sim state                 and this is what the PBX knows
  ringway-pbx-sim run --do 'drop every 10' --do 'unknown 2005 on'
  ringway-pbx-sim run --events-per-second 1000 --extensions 2000-2499
  ringway-pbx-sim run --dialect mivoice-400 --terminals 2001=2 --set resulting-call=primary
  ringway-pbx-sim run --sip udp:127.0.0.1:5070 --sip-password secret
                                        2000 to 2019 may register as SIP terminals
  ringway-pbx-sim run --sip tcp:127.0.0.1:5070 --trunk tcp:127.0.0.1:5060 --trunk-code 43800 \
      --trunk-login pbx:secret --trunk-gateway-login officelinkmxone:secret
                                        and 43800 rings at the gateway
  ringway-pbx-sim scenario tests/golden/*.scenario
  ringway-pbx-sim replay capture.bin    plays it once its device is monitored
"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_reach_the_configuration() {
        let line = "x run --extensions 300-302 --seed 7 --talk 0.5 --credentials a:b:c";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Verb::Run(args) = cli.verb else { panic!() };
        let config = args.config(loopback(1)).unwrap();
        assert_eq!((config.extensions.len(), config.traffic.seed), (3, 7));
        assert_eq!(config.traffic.talk_mean, Duration::from_millis(500));
        let credentials = config.association.credentials.unwrap();
        assert_eq!(credentials, ("a".to_owned(), "b:c".to_owned()));
    }

    #[test]
    fn a_dialect_its_switches_and_commands_reach_the_configuration() {
        let line = [
            "x",
            "run",
            "--dialect",
            "mivoice-400",
            "--set",
            "snapshot=segmented",
        ];
        let more = [
            "--events-first",
            "--terminals",
            "2001=2",
            "--do",
            "drop every 3",
        ];
        let cli = Cli::try_parse_from(line.into_iter().chain(more)).unwrap();
        let Verb::Run(args) = cli.verb else { panic!() };
        let config = args.config(loopback(1)).unwrap();
        let dialect = config.association.dialect;
        assert_eq!(dialect.name(), "mivoice-400");
        assert_eq!(dialect.snapshot(), csta::dialect::SnapshotForm::Segmented);
        assert_eq!(dialect.answers(), csta::dialect::AnswerOrder::AfterEvents);
        assert_eq!((config.terminals["2001"], config.commands.len()), (2, 1));
        for (option, value, sentence) in [
            (
                "--dialect",
                "asterisk",
                "ecma, mx-one, mivoice-400, openscape",
            ),
            ("--set", "snapshot=both", "\"inline\" or \"segmented\""),
            ("--terminals", "2001=9", "COUNT is 1 to 8"),
            ("--do", "fly", "there is no command"),
        ] {
            let error = Cli::try_parse_from(["x", "run", option, value]).unwrap_err();
            assert!(error.to_string().contains(sentence), "{error}");
        }
    }

    #[test]
    fn commands_come_through_as_words() {
        let cli = Cli::try_parse_from(["x", "--control", "127.0.0.1:9", "call", "1", "2"]).unwrap();
        let Verb::Tell(words) = cli.verb else {
            panic!()
        };
        assert_eq!(words, ["call", "1", "2"]);
    }
}

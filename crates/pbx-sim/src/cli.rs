//! The command line of `ringway-pbx-sim`.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use csta::Dialect;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::command::{self, Command, SessionFault};
use crate::config::{AssociationConfig, CONTROL_PORT, CSTA_PORT, Config, Extensions};
use crate::exchange::DEVICES_PER_SEGMENT_MAX;
use crate::pbx::PbxSim;
use crate::replay::{Replay, ReplayConfig};
use crate::session::SessionRefusal;
use crate::switching::TERMINALS_MAX;
use crate::{control, scenario, switching};

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
struct RunArgs {
    /// Where CSTA clients connect
    #[arg(long, value_name = "ADDRESS", default_value_t = loopback(CSTA_PORT))]
    listen: SocketAddr,
    /// The telephones, as numbers and ranges
    #[arg(long, value_name = "NUMBERS", default_value = "2000-2019")]
    extensions: Extensions,
    /// Telephones that nobody uses
    #[arg(long, value_name = "NUMBERS")]
    phantoms: Option<Extensions>,
    /// Extensions with several terminals, and how many: 2001=3
    #[arg(long, value_name = "NUMBER=COUNT", value_parser = terminals)]
    terminals: Vec<(String, u8)>,
    /// Numbers beginning with this are outside parties, which ring and answer
    #[arg(long, value_name = "DIGITS", default_value = "0")]
    trunk_prefix: String,
    /// Human traffic: calls begun per hour by all users together
    #[arg(long, value_name = "N", default_value_t = 0.0, value_parser = rate)]
    calls_per_hour: f64,
    /// Machine traffic instead: about so many CSTA events per second
    #[arg(long, value_name = "N", conflicts_with = "calls_per_hour")]
    events_per_second: Option<NonZeroU32>,
    /// The same seed gives the same calls
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Mean seconds until somebody answers
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    ring: Duration,
    /// Mean seconds of a conversation
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    talk: Duration,
    /// Seconds from lifting the handset (or the prompt of Make Call) until the number is dialled
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    dial: Duration,
    /// Seconds until no-answer forwarding acts
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    no_answer: Duration,
    /// Milliseconds until each request is carried out and answered
    #[arg(long, value_name = "MS", default_value_t = 0)]
    response_delay: u64,
    /// What the PBX makes of the standard: ecma, mx-one, mivoice-400 or openscape; without it the
    /// standard up to ed5, Diverted to the diverting device alone
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    dialect: Option<Dialect>,
    /// Set a switch of the dialect: `--set resulting-call=primary`, `--set answers=after-events`
    #[arg(long, value_name = "SWITCH=VALUE", value_parser = switch)]
    set: Vec<(String, String)>,
    /// The same as --set answers=after-events: a request's events before its response
    #[arg(long)]
    events_first: bool,
    /// The same as --set diverted-to=all
    #[arg(long)]
    diverted_to_all: bool,
    /// The same as --set snapshot=segmented
    #[arg(long)]
    segmented_snapshots: bool,
    /// Devices in one segment of the list of devices
    #[arg(long, value_name = "N", default_value_t = DEVICES_PER_SEGMENT_MAX)]
    devices_per_segment: usize,
    /// The same as --set speaks-first=true: greets each client with System Status
    #[arg(long)]
    greet: bool,
    /// Demand an application session (ECMA-354) before anything else
    #[arg(long)]
    session_required: bool,
    /// Longest life of a session without a reset
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    session_duration: Duration,
    /// Demand user and password in applicationSpecificInfo; implies --session-required
    #[arg(long, value_name = "USER:PASSWORD", value_parser = credentials)]
    credentials: Option<(String, String)>,
    /// Refuse every session: invalidApplicationInfo, requestedProtocolVersionNotSupported,
    /// serverResourcesBusy or maxNumberSessions; or `silent`, or `unsupported`
    #[arg(long, value_name = "REASON", value_parser = refusal)]
    refuse_session: Option<SessionFault>,
    /// Refuse monitors beyond so many
    #[arg(long, value_name = "N")]
    monitor_limit: Option<usize>,
    /// Carry out a command (listed below) before the first client comes, such as `drop every 10`
    #[arg(long = "do", value_name = "COMMAND")]
    commands: Vec<Command>,
    /// Frames that may wait for a client that does not read; then it is cut
    #[arg(long, value_name = "FRAMES", default_value_t = 20_000)]
    out_queue: usize,
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
        Verb::Run(args) => in_runtime(run_pbx(args.config(cli.control))),
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

async fn run_pbx(config: Config) -> Result<()> {
    let extensions = config.extensions.len();
    let pbx = PbxSim::start(config).await?;
    say(&format!(
        "CSTA     {}  ({extensions} extensions)",
        pbx.addr()
    ))?;
    if let Some(control) = pbx.control_addr() {
        say(&format!("control  {control}"))?;
        let option = match control == loopback(CONTROL_PORT) {
            true => String::new(),
            false => format!(" --control {control}"),
        };
        say(&format!("try      ringway-pbx-sim{option} call 2001 2002"))?;
    }
    if io::stdin().is_terminal() {
        let handle = pbx.handle();
        std::thread::spawn(move || obey_terminal(&handle));
    }
    until_stopped().await?;
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
    until_stopped().await?;
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

async fn until_stopped() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("waiting for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush().context("writing to standard output")
}

impl RunArgs {
    fn dialect(&self) -> Dialect {
        let mut dialect = self.dialect.unwrap_or(AssociationConfig::default().dialect);
        let flags = [
            (self.events_first, "answers", "after-events"),
            (self.diverted_to_all, "diverted-to", "all"),
            (self.segmented_snapshots, "snapshot", "segmented"),
            (self.greet, "speaks-first", "true"),
        ];
        let flags = flags.iter().filter(|(given, ..)| *given);
        let given = self.set.iter().map(|(switch, value)| (&**switch, &**value));
        for (switch, value) in flags
            .map(|(_, switch, value)| (*switch, *value))
            .chain(given)
        {
            let set = dialect.set(switch, value);
            debug_assert_eq!(set, Ok(()), "a switch was tried when it was read");
        }
        dialect
    }

    fn config(self, control: SocketAddr) -> Config {
        let dialect = self.dialect();
        let mut config = Config {
            listen: self.listen,
            control: Some(control),
            extensions: self.extensions,
            phantoms: self.phantoms.unwrap_or_default(),
            terminals: self.terminals.into_iter().collect(),
            commands: self.commands,
            trunk_prefix: self.trunk_prefix,
            ..Config::default()
        };
        config.timing.pick_up_after = self.dial;
        config.timing.no_answer_after = self.no_answer;
        config.traffic.seed = self.seed;
        config.traffic.calls_per_hour = self.calls_per_hour;
        config.traffic.events_per_second = self.events_per_second;
        config.traffic.ring_mean = self.ring;
        config.traffic.talk_mean = self.talk;
        let association = &mut config.association;
        association.dialect = dialect;
        association.session_required = self.session_required;
        association.session_duration_max = self.session_duration;
        association.credentials = self.credentials;
        association.refuse_session = self.refuse_session;
        association.response_delay = Duration::from_millis(self.response_delay);
        association.monitor_limit = self.monitor_limit;
        association.devices_per_segment = self.devices_per_segment;
        association.out_queue_frames = self.out_queue;
        config
    }
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

/// A day: longer times are mistakes.
const SECONDS_MAX: f64 = 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().unwrap_or(f64::NAN);
    if (0.0..=SECONDS_MAX).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("allowed are seconds from 0 to {SECONDS_MAX}"))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().unwrap_or(f64::NAN);
    let fits = rate.is_finite() && rate >= 0.0;
    fits.then_some(rate)
        .ok_or_else(|| "allowed are numbers from 0".to_owned())
}

fn credentials(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(':').ok_or("write it as USER:PASSWORD")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

fn dialect(text: &str) -> Result<Dialect, String> {
    let names = Dialect::ALL.map(|dialect| dialect.name()).join(", ");
    Dialect::by_name(text).ok_or_else(|| format!("allowed are {names}"))
}

fn switch(text: &str) -> Result<(String, String), String> {
    let (switch, value) = text.split_once('=').ok_or("write it as SWITCH=VALUE")?;
    let set = Dialect::ECMA.clone().set(switch, value);
    set.map_err(|error| error.to_string())?;
    Ok((switch.to_owned(), value.to_owned()))
}

fn terminals(text: &str) -> Result<(String, u8), String> {
    let pair = text.split_once('=');
    let pair = pair.and_then(|(number, count)| Some((number.to_owned(), count.parse().ok()?)));
    let pair = pair.filter(|(_, count)| (1..=TERMINALS_MAX).contains(count));
    pair.ok_or_else(|| format!("write it as NUMBER=COUNT; COUNT is 1 to {TERMINALS_MAX}"))
}

fn refusal(text: &str) -> Result<SessionFault, String> {
    let names = SessionRefusal::ALL.map(SessionRefusal::as_str).join(", ");
    let fault = SessionFault::from_word(text);
    fault.ok_or_else(|| format!("allowed are {names}, silent and unsupported"))
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
  ringway-pbx-sim replay capture.bin    plays it once its device is monitored
"
    )
}

#[cfg(test)]
mod tests {
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
        let config = args.config(loopback(1));
        assert_eq!((config.extensions.len(), config.traffic.seed), (3, 7));
        assert_eq!(config.traffic.talk_mean, Duration::from_millis(500));
        let credentials = config.association.credentials.unwrap();
        assert_eq!(credentials, ("a".to_owned(), "b:c".to_owned()));
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

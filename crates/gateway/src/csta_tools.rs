//! `ringway csta`: what an engineer at a customer's site uses first.
//!
//! | module | what it does |
//! | --- | --- |
//! | `describe`, `line`, `cut`, `record`, `secret` | without I/O: a message as JSON or a line, a file as messages, the record's form |
//! | `replay` | without I/O: what a recorded PBX says to a client |
//! | `tap`, `session` | an association over a link that is heard |
//! | `connect`, `monitor`, `call`, `recorder`, `serve`, `decode` | one command each |

mod call;
mod connect;
mod cut;
mod decode;
mod describe;
mod line;
mod monitor;
mod options;
pub(crate) mod record;
mod recorder;
mod replay;
mod secret;
mod serve;
mod session;
pub(crate) mod tap;

use std::io::{self, IsTerminal as _, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use self::options::PbxOptions;
use crate::cli::{complain, duration, exit};

/// What the tools have in common, for `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringway csta connect 10.0.0.5                   is it there, and what can it do?
  ringway csta monitor 2001 2002 --pbx 10.0.0.5   what happens at these telephones
  ringway csta call 2001 2002 --pbx 10.0.0.5      let 2001 call 2002 and watch
  ringway csta record day.jsonl 2000-2019 --pbx 10.0.0.5 --for 8h
  ringway csta replay day.jsonl                   serve it again to a client on 127.0.0.1:8882
  ringway csta decode day.jsonl | jq .name        every message as one JSON object

Instead of --pbx and the options of the login, --config /etc/ringway/ringway.toml takes what the
service uses. Credentials are never printed nor recorded.";

const CONNECT_HELP: &str = "\
Examples:
  ringway csta connect 10.0.0.5
  ringway csta connect pbx.example:8883 --tls --ca-file roots.pem
  ringway csta connect 10.0.0.5 --dialect mivoice-400 --editions ed5-ed4
  ringway csta connect 10.0.0.5 --user anna --password-file pass \\
    --login-fragment '<l xmlns=\"urn:vendor\"><u>{user}</u><p>{password}</p></l>'

Exit code 0: the association came up. 69: there is no PBX, or it refuses; the reason is said.";

const MONITOR_HELP: &str = "\
Examples:
  ringway csta monitor 2001 2002 --pbx 10.0.0.5
  ringway csta monitor 2000-2019 --config /etc/ringway/ringway.toml --for 30s
  ringway csta monitor 2001 --json | jq 'select(.name==\"DeliveredEvent\")'
  ringway csta monitor 2001 --xml > events.xml

A DEVICE is a number, a range, or the PBX's own id such as 'N<2001!98>'. Times are UTC. A link that is cut
is made again. Ctrl-C stops the monitors and the session in good order. With --json and --xml, events alone are on standard output; all else is on
standard error.";

const CALL_HELP: &str = "\
Examples:
  ringway csta call 2001 2002 --pbx 10.0.0.5
  ringway csta call 2001 00711123456 --hang-up-after 10s

Ends when the call is answered, which leaves it up, or when it is over before that. With
--hang-up-after it is cleared that long after the answer. Ctrl-C clears it.
Exit code 0: it was answered. 1: it was not. 69: the PBX cannot be reached or refuses.";

const RECORD_HELP: &str = "\
Examples:
  ringway csta record day.jsonl 2000-2019 --pbx 10.0.0.5
  ringway csta record fault.jsonl 2001 --config /etc/ringway/ringway.toml --for 10m

FILE is text, one JSON object a line. The first says what it is; every other is a frame:
  time      when, UTC            ms    milliseconds since the start
  from      us or pbx            invokeId  the four digits of the frame's header
  xml       the body as it was, or bytes: what is no UTF-8 or no frame, in hexadecimal
  cut       with time and ms: the link was cut, and why; what follows is a session of its own
  missed    alone in a line: so many frames are missing there, as the file was not written in time
A link that is cut is made again until the time is over or Ctrl-C comes.
Read it with: ringway csta decode FILE. Serve it again with: ringway csta replay FILE.";

const REPLAY_HELP: &str = "\
Examples:
  ringway csta replay day.jsonl
  ringway csta replay day.jsonl --listen 127.0.0.1:9000 --no-pauses
  ringway csta monitor 2001 --pbx 127.0.0.1:9000      in a second terminal

A client's request is answered as the same request was in the record. Events follow in the record's
order, after the pauses that were between them, once the client has done what had been done before
them; those of monitors that it does not start are left out, and the first event waits two seconds for
them. Each connection begins anew; where the link was cut in the record, it is cut, and the next
connection gets what followed.";

const DECODE_HELP: &str = "\
Examples:
  ringway csta decode event.xml                 a bare XML body
  ringway csta decode capture.bin               one or many frames: 8-byte header and XML
  ringway csta decode day.jsonl | jq .cause     a record
  tcpflow -C ... | ringway csta decode          standard input

One JSON object a message: where it stood, kind (request, response, error, event, unknown), name,
edition, ids, parties, states, cause, and every element as it came, known or not.
Exit code 1: something could not be read; file and position are on standard error.";

/// The tools.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Associate with a PBX and show what it is and can do.
    #[command(after_help = CONNECT_HELP)]
    Connect(ConnectArgs),
    /// Print the events of devices.
    #[command(after_help = MONITOR_HELP)]
    Monitor(MonitorArgs),
    /// Make a call and show what happens until it is up or over.
    #[command(after_help = CALL_HELP)]
    Call(CallArgs),
    /// Write every frame of a session to a file.
    #[command(after_help = RECORD_HELP)]
    Record(RecordArgs),
    /// Serve what a recorded PBX said to a client that connects.
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
    /// Print messages, frames and records as JSON, one object a message.
    #[command(after_help = DECODE_HELP)]
    Decode(DecodeArgs),
}

/// `connect`
#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The PBX; the port is 8882, or 8883 with TLS, unless it is said.
    #[arg(value_name = "HOST[:PORT]", conflicts_with = "pbx")]
    host: Option<String>,
    #[command(flatten)]
    pbx: PbxOptions,
}

/// `monitor`
#[derive(Debug, Args)]
pub(crate) struct MonitorArgs {
    /// Numbers, ranges, or the PBX's own ids.
    #[arg(value_name = "DEVICE", required = true, value_parser = not_empty)]
    devices: Vec<String>,
    /// One JSON object an event, as decode prints it.
    #[arg(long, conflicts_with = "xml")]
    json: bool,
    /// The XML of each event as it came.
    #[arg(long)]
    xml: bool,
    /// End by itself after this time: 30s, 2m, 1h or plain seconds.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    run_for: Option<Duration>,
    #[command(flatten)]
    pbx: PbxOptions,
}

/// `call`
#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The telephone that calls.
    #[arg(value_name = "FROM", value_parser = not_empty)]
    from: String,
    /// Whom it calls: digits as they are dialled.
    #[arg(value_name = "TO", value_parser = not_empty)]
    to: String,
    /// Clear the call this long after the answer.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    hang_up_after: Option<Duration>,
    #[command(flatten)]
    pbx: PbxOptions,
}

/// `record`
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// Where to write; a file that is there already is left alone.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Numbers, ranges, or the PBX's own ids.
    #[arg(value_name = "DEVICE", required = true, value_parser = not_empty)]
    devices: Vec<String>,
    /// End by itself after this time: 30s, 2m, 1h or plain seconds.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    run_for: Option<Duration>,
    #[command(flatten)]
    pbx: PbxOptions,
}

/// `replay`
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A record.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where clients connect.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8882")]
    listen: SocketAddr,
    /// Send events at once instead of after the pauses of the record.
    #[arg(long)]
    no_pauses: bool,
}

/// `decode`
#[derive(Debug, Args)]
pub(crate) struct DecodeArgs {
    /// Files; - is standard input, as is none where that is no terminal.
    #[arg(value_name = "FILE", required = io::stdin().is_terminal())]
    files: Vec<PathBuf>,
}

/// Runs a tool.
#[must_use]
pub(crate) fn run(tool: &Tool) -> ExitCode {
    let result = match tool {
        Tool::Connect(args) => in_runtime(connect::run(args)),
        Tool::Monitor(args) => in_runtime(monitor::run(args)),
        Tool::Call(args) => in_runtime(call::run(args)),
        Tool::Record(args) => in_runtime(recorder::run(args)),
        Tool::Replay(args) => in_runtime(serve::run(args)),
        Tool::Decode(args) => decode::run(args),
    };
    match result {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("ringway csta: {error:#}"));
            ExitCode::from(exit::UNAVAILABLE)
        }
    }
}

/// A number or an id, which an empty text is not.
fn not_empty(text: &str) -> Result<String, &'static str> {
    match text.trim() {
        "" => Err("it is empty"),
        _ => Ok(text.to_owned()),
    }
}

/// Whether the reader of the output is gone, which is how `| head` ends a tool.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn in_runtime(tool: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.context("cannot start the runtime")?.block_on(tool)
}

/// A line on standard output, at once.
fn print(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Ends when the tool is to end: the time is over, or Ctrl-C or SIGTERM came.
///
/// The signals are caught from the call on, not from the first poll: what is printed after it
/// may be answered with Ctrl-C.
fn until_stopped(run_for: Option<Duration>) -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        let over = async {
            match run_for {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = over => {}
        }
    })
}

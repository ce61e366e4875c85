//! The control port: one command a line, answered with lines and an empty one.
//!
//! A reply that begins with `error: ` is one. `state` and `ledger` answer with one line of JSON.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::command::Command;
use crate::pbx::Handle;

/// Longest line: `raw` with the largest frame in hexadecimal, and a little more.
pub const LINE_LEN_MAX: u64 = 2 * 65_536 + 64;
/// Most control clients at a time.
const CLIENTS_MAX: usize = 16;
/// How long the client waits for its answer.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting rests after an error.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How a reply begins that says why not.
const ERROR: &str = "error: ";

/// Serves the control port for ever.
pub(crate) async fn serve(listener: TcpListener, handle: Handle) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if clients.len() < CLIENTS_MAX => match accepted {
                Ok((stream, _)) => {
                    clients.spawn(serve_client(stream, handle.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a control client could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn serve_client(stream: TcpStream, handle: Handle) {
    if let Err(error) = converse(stream, &handle).await {
        tracing::debug!(%error, "a control client is gone");
    }
}

async fn converse(mut stream: TcpStream, handle: &Handle) -> std::io::Result<()> {
    let (incoming, mut outgoing) = stream.split();
    let mut incoming = BufReader::new(incoming);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = (&mut incoming).take(LINE_LEN_MAX);
        if limited.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n") || (line.len() as u64) < LINE_LEN_MAX;
        let reply = if whole {
            answer(&String::from_utf8_lossy(&line), handle)
        } else {
            format!("{ERROR}a line has at most {LINE_LEN_MAX} bytes")
        };
        outgoing
            .write_all(format!("{reply}\n\n").as_bytes())
            .await?;
        if !whole {
            return Ok(());
        }
    }
}

/// Carries out one line; every outcome is text.
#[must_use]
pub fn answer(line: &str, handle: &Handle) -> String {
    let command: Command = match line.parse() {
        Ok(command) => command,
        Err(error) => return format!("{ERROR}{error}"),
    };
    match handle.command(command) {
        Ok(reply) => reply.to_string(),
        Err(error) => format!("{ERROR}{error}"),
    }
}

/// Sends one line to the PBX that listens at `addr` and gives its reply.
///
/// # Errors
/// Nobody listens there, the answer does not come, or it is a refusal.
pub fn tell(addr: SocketAddr, line: &str) -> Result<String> {
    let context = || format!("no PBX answers at {addr}; start one with `ringway-pbx-sim run`");
    let mut stream = std::net::TcpStream::connect(addr).with_context(context)?;
    stream.set_read_timeout(Some(REPLY_TIMEOUT))?;
    stream
        .write_all(format!("{line}\n").as_bytes())
        .with_context(context)?;
    let mut lines = Vec::new();
    for line in std::io::BufReader::new(stream).lines() {
        let line = line.context("the PBX did not answer in time")?;
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let reply = lines.join("\n");
    if let Some(error) = reply.strip_prefix(ERROR) {
        bail!("{error}");
    }
    Ok(reply)
}

//! `ringway csta replay`: a recorded PBX on a port.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use csta::FrameDecoder;
use net::clock;
use net::csta_link::until;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::replay::{Player, Tape};
use super::{ReplayArgs, print, until_stopped};

/// Most clients at a time; the next one waits.
const LINKS_MAX: usize = 16;
/// Bytes read at a time.
const READ_LEN: usize = 16 * 1024;

pub(super) async fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let name = args.file.display();
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {name}"))?;
    let tapes = Tape::parse(&bytes).map_err(|what| anyhow::anyhow!("{name}: {what}"))?;
    let said: usize = tapes.iter().map(Tape::events).sum();
    let tapes: Vec<Arc<Tape>> = tapes.into_iter().map(Arc::new).collect();
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
    let stopped = until_stopped(None)?;
    tokio::pin!(stopped);
    let links = match tapes.len() {
        1 => String::new(),
        links => format!(" on {links} links, one after the other"),
    };
    print(&format!(
        "serving {name} on {}: {said} events{links}",
        listener.local_addr()?
    ))?;
    // Each connection gets what followed the cut at which the one before it ended.
    let mut turns = tapes.iter().cycle();
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut stopped => return Ok(ExitCode::SUCCESS),
            accepted = listener.accept(), if clients.len() < LINKS_MAX => {
                let (stream, peer) = accepted.context("cannot take a connection")?;
                print(&format!("{peer} has connected"))?;
                let tape = Arc::clone(turns.next().context("a record has a tape")?);
                let pauses = !args.no_pauses;
                clients.spawn(async move {
                    let why = match serve(&tape, pauses, stream, peer).await {
                        Ok((said, left_out)) => format!("{said} events sent, {left_out} left out"),
                        Err(error) => format!("{error:#}"),
                    };
                    format!("{peer} is gone: {why}")
                });
            }
            Some(ended) = clients.join_next() => print(&ended.unwrap_or_else(|error| error.to_string()))?,
        }
    }
}

/// Serves one client until it goes; gives the events sent and left out.
async fn serve(
    tape: &Tape,
    pauses: bool,
    mut stream: TcpStream,
    peer: SocketAddr,
) -> anyhow::Result<(u64, u64)> {
    stream.set_nodelay(true)?;
    let mut player = Player::new(tape, pauses, clock::now());
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; READ_LEN];
    loop {
        while let Some(frame) = player.poll(clock::now()) {
            stream.write_all(&frame).await?;
        }
        if player.is_cut() {
            return Ok(player.counts);
        }
        let wake = player.poll_timeout();
        tokio::select! {
            read = stream.read(&mut buffer) => {
                let len = read?;
                if len == 0 {
                    return Ok(player.counts);
                }
                decoder.push(&buffer[..len]);
                while let Some(frame) = decoder.next_frame()? {
                    if let Some(answer) = player.handle_frame(&frame, clock::now()) {
                        stream.write_all(&answer).await?;
                    }
                    if let Some(name) = player.missing.take() {
                        print(&format!("{peer}: not in the record: {name}"))?;
                    }
                }
            }
            () = until(wake) => {}
        }
    }
}

//! Plays captured frames at a connected client.
//!
//! The client gets proper answers to what it needs first: its application session, monitors under the
//! cross-references that the captures carry, and empty snapshots. Then the captures' bytes follow as
//! they are, frames of a wrong length included, and the link stays open.

mod script;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use csta::FrameDecoder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use script::Player;
pub use script::Script;

/// Most clients at a time.
const LINKS_MAX: usize = 16;
/// Bytes read at a time.
const READ_LEN: usize = 16 * 1024;

/// What to replay, and where.
#[derive(Debug, Clone)]
pub struct ReplayConfig {
    /// Where the client connects.
    pub listen: SocketAddr,
    /// The captures in the order in which they are sent, each one or more whole frames or whatever
    /// bytes they hold.
    pub captures: Vec<Bytes>,
    /// Play after these devices are monitored and snapshotted instead of the captures' own.
    pub after_monitor: Vec<String>,
    /// Play to every link that qualifies instead of the first one alone.
    pub repeat: bool,
}

/// A running replay; dropping it stops it.
#[derive(Debug)]
pub struct Replay {
    addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    repeat: bool,
    /// Links to which playing has begun.
    begun: AtomicU64,
    /// Links to which everything was sent.
    plays: AtomicU64,
    links: AtomicU64,
}

impl Replay {
    /// Binds and starts on the current tokio runtime.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(config: ReplayConfig) -> Result<Self> {
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", config.listen))?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script: Script::new(config.captures, &config.after_monitor),
            repeat: config.repeat,
            begun: AtomicU64::new(0),
            plays: AtomicU64::new(0),
            links: AtomicU64::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(Arc::clone(&shared), listener));
        Ok(Self {
            addr,
            shared,
            tasks,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What is played, and after which devices.
    #[must_use]
    pub fn script(&self) -> &Script {
        &self.shared.script
    }

    /// How many times the captures were played to their end.
    #[must_use]
    pub fn plays(&self) -> u64 {
        self.shared.plays.load(Ordering::Relaxed)
    }

    /// How many clients have connected.
    #[must_use]
    pub fn links(&self) -> u64 {
        self.shared.links.load(Ordering::Relaxed)
    }

    /// Stops listening and cuts the links.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if links.len() < LINKS_MAX => match accepted {
                Ok((stream, peer)) => {
                    shared.links.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(%peer, "a client has connected");
                    links.spawn(serve(Arc::clone(&shared), stream));
                }
                Err(error) => tracing::warn!(%error, "a client could not be accepted"),
            },
            Some(_) = links.join_next() => {}
        }
    }
}

async fn serve(shared: Arc<Shared>, stream: TcpStream) {
    match play(&shared, stream).await {
        Ok(()) => tracing::info!("a client is gone"),
        Err(error) => tracing::info!(%error, "a client is gone"),
    }
}

async fn play(shared: &Shared, mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut player = Player::new(&shared.script);
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; READ_LEN];
    let mut played = false;
    // Who is in the midst of a frame cannot answer.
    let mut silent = false;
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(());
        }
        decoder.push(&buffer[..len]);
        while let Some(frame) = decoder.next_frame()? {
            let answer = player.handle_frame(&frame, net::clock::now());
            if let Some(answer) = answer.filter(|_| !silent) {
                stream.write_all(&answer).await?;
            }
        }
        if played || !player.is_ready() {
            continue;
        }
        played = true;
        if shared.begun.fetch_add(1, Ordering::Relaxed) == 0 || shared.repeat {
            for capture in shared.script.captures() {
                stream.write_all(capture).await?;
            }
            stream.flush().await?;
            silent = !ends_with_a_frame(shared.script.captures());
            shared.plays.fetch_add(1, Ordering::Relaxed);
            tracing::info!(captures = shared.script.captures().len(), "played");
        }
    }
}

/// Whether the captures are whole frames to their end.
fn ends_with_a_frame(captures: &[Bytes]) -> bool {
    let mut decoder = FrameDecoder::default();
    captures.iter().for_each(|capture| decoder.push(capture));
    while let Ok(frame) = decoder.next_frame() {
        if frame.is_none() {
            return decoder.buffered() == 0;
        }
    }
    false
}

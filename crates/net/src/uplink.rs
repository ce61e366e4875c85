//! The driver of the channel: one WebSocket over TLS to the far end, for ever.
//!
//! [`run`] connects, says hello, sends what the outbox holds and hands over commands; when the
//! connection breaks it waits and connects again. Every decision about frames is
//! `cloud_uplink::session::gateway::GatewaySession`'s.

mod config;
mod connect;
mod driver;
mod feed;
mod link;
mod retry;
mod status;

pub use config::{BadToken, BadUrl, Endpoint, Proxy, Retry, Token, UplinkConfig};
pub use feed::{Fresh, OutboxFeed, OutboxTap, outbox_feed};
pub use status::{UplinkState, UplinkStatus};

use std::sync::Arc;
use std::time::Duration;

use cloud_uplink::frame::Response;
use cloud_uplink::session::gateway::{CommandRef, ReadRequest};
use cloud_uplink::session::{Item, View};
use cloud_uplink::{Command, StreamId};
use tokio::sync::{mpsc, watch};

use self::driver::Driver;

/// Where events come from: the outbox.
pub trait EventSource: Send + Sync + 'static {
    /// Reads what `request` asks for, in sequence. What the outbox no longer holds may be left out or
    /// given as [`Item::Gap`]; what it cannot read is a gap, too.
    ///
    /// # Errors
    /// Reading failed; the driver asks again a second later.
    fn read_events(
        &self,
        request: ReadRequest,
    ) -> impl Future<Output = anyhow::Result<Vec<Item>>> + Send;

    /// Reads all legs as they are, with the number of the last event that is in them.
    ///
    /// # Errors
    /// Reading failed; the driver gives up the connection and tries again.
    fn read_snapshot(&self) -> impl Future<Output = anyhow::Result<SnapshotRead>> + Send;

    /// The far end has stored everything of `stream` up to `seq`: it may be deleted. Must not block.
    fn acked(&self, stream: StreamId, seq: u64);

    /// The far end has stored more of `stream` than the outbox ever gave out: the outbox was put back
    /// from a copy and must open a new stream. Must not block.
    fn stream_ahead(&self, stream: StreamId, acked: u64);
}

/// All legs and endpoints as they are.
#[derive(Debug, Clone)]
pub struct SnapshotRead {
    /// The stream.
    pub stream: StreamId,
    /// Number of the last event that is in them.
    pub as_of: u64,
    /// Legs and endpoints.
    pub view: View,
}

/// A command to carry out.
#[derive(Debug, Clone)]
pub struct IncomingCommand {
    /// To confirm it by.
    pub reference: CommandRef,
    /// The command; it may come again after a reconnect, its key tells.
    pub command: Command,
}

/// What the gateway says about commands.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "each command has both, and only a few wait in the queue"
)]
pub enum CommandReply {
    /// It is stored: a crash no longer loses it.
    Stored(CommandRef),
    /// What became of it.
    Outcome(Response),
}

/// What the driver is connected to inside the gateway.
#[expect(missing_debug_implementations, reason = "holds a closure")]
pub struct UplinkPorts {
    /// The outbox's news.
    pub outbox: OutboxTap,
    /// Commands, to the gateway.
    pub commands: mpsc::Sender<IncomingCommand>,
    /// What the gateway says about them.
    pub replies: mpsc::Receiver<CommandReply>,
    /// How the channel is.
    pub status: watch::Sender<UplinkStatus>,
    /// Told for each event how long it took from [`Fresh::received`] to the far end's acknowledgement.
    pub delivered: Box<dyn FnMut(Duration) + Send>,
    /// Told at least once a second that the channel's own loop is alive.
    pub alive: Box<dyn FnMut() + Send>,
}

/// Keeps the channel up until the [`OutboxFeed`] is dropped, then closes it politely.
///
/// May be dropped at any time: what was not acknowledged is sent again.
pub async fn run<S: EventSource>(config: UplinkConfig, source: Arc<S>, ports: UplinkPorts) {
    Driver::new(config, source, ports).run().await;
}

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
use cloud_uplink::leg::LegSignal;
use cloud_uplink::session::gateway::{CommandRef, ReadRequest};
use cloud_uplink::session::{Item, View};
use cloud_uplink::{CloudLegId, Command, StreamId};
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
pub enum CommandReply {
    /// It is stored: a crash no longer loses it.
    Stored(CommandRef),
    /// What became of it.
    Outcome(Response),
}

/// Most signals of cloud legs between the driver and the gateway, in each direction. When full, the
/// gateway waits, and what comes is not acknowledged.
pub const LEG_SIGNALS_MAX: usize = 256;

/// A signal of a cloud leg.
pub type OfLeg = (CloudLegId, LegSignal);

/// The driver's ends of the queues of cloud legs.
#[derive(Debug)]
pub struct LegDriverPorts {
    received: mpsc::Sender<OfLeg>,
    to_send: mpsc::Receiver<OfLeg>,
}

/// The gateway's ends of the queues of cloud legs.
#[derive(Debug)]
pub struct LegPorts {
    /// What the far end says. An end is the last of its leg.
    pub received: mpsc::Receiver<OfLeg>,
    /// What is said to the far end; see [`cloud_uplink::session::Legs::send`].
    pub to_send: mpsc::Sender<OfLeg>,
}

/// The queues of cloud legs.
#[must_use]
pub fn leg_ports() -> (LegDriverPorts, LegPorts) {
    let (received_in, received) = mpsc::channel(LEG_SIGNALS_MAX);
    let (to_send, to_send_out) = mpsc::channel(LEG_SIGNALS_MAX);
    let driver = LegDriverPorts {
        received: received_in,
        to_send: to_send_out,
    };
    (driver, LegPorts { received, to_send })
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
    /// Signals of cloud legs.
    pub legs: LegDriverPorts,
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

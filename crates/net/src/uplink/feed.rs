//! The outbox's news on their way to the driver. Telling them never blocks and never loses: what
//! does not fit is read from the outbox later.

use std::time::Instant;

use cloud_uplink::StreamId;
use cloud_uplink::session::{Item, StreamState};
use tokio::sync::{mpsc, watch};

/// Most batches on their way to the driver. When full, the next batch is not handed over but read
/// from the outbox when its turn comes: slower, never lost.
const BATCHES_MAX: usize = 256;

/// An item just committed.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// The item.
    pub item: Item,
    /// When its cause was received, for measuring how long delivery takes.
    pub received: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) stream: StreamId,
    pub(super) items: Vec<Fresh>,
}

/// Both ends of the way from the outbox, which stands at `stream`, to the driver.
#[must_use]
pub fn outbox_feed(stream: StreamState) -> (OutboxFeed, OutboxTap) {
    let (batches_in, batches) = mpsc::channel(BATCHES_MAX);
    let (state_in, state) = watch::channel(stream);
    (
        OutboxFeed {
            batches: batches_in,
            state: state_in,
        },
        OutboxTap { batches, state },
    )
}

/// The outbox's end. Dropping it ends the driver.
#[derive(Debug)]
pub struct OutboxFeed {
    batches: mpsc::Sender<Batch>,
    state: watch::Sender<StreamState>,
}

impl OutboxFeed {
    /// These were committed to the current stream, in sequence.
    pub fn committed(&self, items: Vec<Fresh>) {
        let Some(last) = items.last().map(|fresh| fresh.item.last()) else {
            return;
        };
        let stream = self.state.borrow().stream;
        // A full queue is no loss: the state below tells that there is more to read.
        let _ = self.batches.try_send(Batch { stream, items });
        self.state
            .send_modify(|state| state.high_water = state.high_water.max(last));
    }

    /// The stream that the driver was told of last.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        self.state.borrow().stream
    }

    /// The outbox writes to another stream from now on.
    pub fn switched(&self, state: StreamState) {
        self.state.send_replace(state);
    }
}

/// The driver's end.
#[derive(Debug)]
pub struct OutboxTap {
    pub(super) batches: mpsc::Receiver<Batch>,
    pub(super) state: watch::Receiver<StreamState>,
}

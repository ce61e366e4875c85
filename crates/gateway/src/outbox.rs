//! The durable outbox between the PBX link, which fills it, and the channel, which empties it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use cloud_uplink::session::gateway::ReadRequest;
use cloud_uplink::session::{Item, StreamState, View};
use cloud_uplink::{CallRecord, StreamId};
use net::uplink::{EventSource, Fresh, OutboxFeed, OutboxTap, SnapshotRead, outbox_feed};
use store::gateway::{
    Batch, Committed, GatewayStore, OutboxItem, OutboxLimits, Overloaded, Recovered,
    StreamState as StoredState,
};

use crate::engine::{ENDPOINT_KEY, HISTORY_KEY};

/// File name of the database in the state directory.
pub const DATABASE: &str = "gateway.db";

/// What the engine goes on from.
#[derive(Debug, Default)]
pub struct Kept {
    /// All legs and endpoints, as the far end is told them.
    pub view: View,
    /// What the legs do not tell of users' parts in calls that go on.
    pub history: Vec<CallRecord>,
}

/// The store, and the news of what it committed.
#[derive(Debug)]
pub struct Outbox {
    store: GatewayStore,
    /// The channel's end of the news; absent while the channel's part is not running.
    feed: Arc<Mutex<Option<OutboxFeed>>>,
}

impl Outbox {
    /// Opens the database in `state_dir`.
    ///
    /// # Errors
    /// A sentence naming the file.
    pub fn open(
        state_dir: &Path,
        limits: OutboxLimits,
        now_ms: u64,
    ) -> anyhow::Result<(Self, Recovered)> {
        let path = state_dir.join(DATABASE);
        let feed = Arc::new(Mutex::new(None::<OutboxFeed>));
        let news = Arc::clone(&feed);
        let on_commit = Box::new(move |committed: Committed| {
            let feed = news.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(feed) = &*feed {
                tell(feed, committed);
            }
        });
        let (store, recovered) = GatewayStore::open(&path, limits, wall(now_ms), on_commit)
            .with_context(|| format!("cannot open {}", path.display()))?;
        Ok((Self { store, feed }, recovered))
    }

    /// The store itself, for commands, health and figures.
    #[must_use]
    pub const fn store(&self) -> &GatewayStore {
        &self.store
    }

    /// Stores a batch; never blocks.
    ///
    /// # Errors
    /// [`Overloaded`]: the events become a reported gap.
    pub fn append(&self, batch: Batch) -> Result<(), Overloaded> {
        self.store.append(batch)
    }

    /// What the engine goes on from as last committed, after everything appended so far. Blocks.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn kept(&self) -> anyhow::Result<Kept> {
        self.store.flush();
        let snapshot = self
            .store
            .snapshot()
            .context("cannot read the view of calls")?;
        Ok(parse_view(&snapshot.view))
    }

    /// The news for a channel that starts now; a channel before it gets no more.
    pub fn tap(&self) -> OutboxTap {
        let mut slot = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        let (feed, tap) = outbox_feed(session_state(self.store.stream()));
        *slot = Some(feed);
        tap
    }

    /// Ends the channel that has the news.
    pub fn untap(&self) {
        *self.feed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Hands one commit to the channel.
fn tell(feed: &OutboxFeed, committed: Committed) {
    if feed.stream() != StreamId(committed.stream) {
        // The channel greets anew: what was committed is read from the store.
        feed.switched(StreamState {
            stream: StreamId(committed.stream),
            durable: committed.durable,
            high_water: committed.last_seq,
            lowest_unacked: 1,
        });
        return;
    }
    let events = committed.records.into_iter().map(|record| Fresh {
        item: item(record.seq, &record.body),
        received: record.received,
    });
    let gaps = committed.gaps.into_iter().map(|gap| Fresh {
        item: gap_item(&gap),
        received: None,
    });
    let mut fresh: Vec<_> = events.chain(gaps).collect();
    fresh.sort_by_key(|fresh| fresh.item.first());
    feed.committed(fresh);
}

/// Reading blocks on the disk, so it happens on the runtime's blocking threads.
#[derive(Debug, Clone)]
pub struct OutboxSource(pub Arc<Outbox>);

impl EventSource for OutboxSource {
    async fn read_events(&self, request: ReadRequest) -> anyhow::Result<Vec<Item>> {
        let outbox = Arc::clone(&self.0);
        let items = tokio::task::spawn_blocking(move || {
            let events = usize::try_from(request.max_events).unwrap_or(usize::MAX);
            let bytes = usize::try_from(request.max_bytes).unwrap_or(usize::MAX);
            outbox
                .store
                .read_from(request.stream.0, request.from, events, bytes)
        })
        .await
        .context("reading the outbox panicked")?
        .context("cannot read the outbox")?;
        let to_item = |stored: &OutboxItem| match stored {
            OutboxItem::Event { seq, body } => item(*seq, body),
            OutboxItem::Gap(gap) => gap_item(gap),
        };
        Ok(items.iter().map(to_item).collect())
    }

    async fn read_snapshot(&self) -> anyhow::Result<SnapshotRead> {
        let outbox = Arc::clone(&self.0);
        let snapshot = tokio::task::spawn_blocking(move || outbox.store.snapshot())
            .await
            .context("reading the view panicked")?
            .context("cannot read the view of calls")?;
        Ok(SnapshotRead {
            stream: StreamId(snapshot.stream),
            as_of: snapshot.as_of,
            view: parse_view(&snapshot.view).view,
        })
    }

    fn acked(&self, stream: StreamId, seq: u64) {
        self.0.store.ack_upto(stream.0, seq);
    }

    fn stream_ahead(&self, stream: StreamId, acked: u64) {
        tracing::error!(%stream, acked, "the far end has more than this outbox ever gave out");
        self.0.store.open_new_stream(stream.0);
    }
}

/// The wall clock as the store counts it.
#[must_use]
pub fn wall(unix_ms: u64) -> i64 {
    i64::try_from(unix_ms).unwrap_or(i64::MAX)
}

/// An event that is no JSON any longer counts as lost, in its place.
fn item(seq: u64, body: &str) -> Item {
    let lost = |_| Item::Gap {
        from: seq,
        to: seq,
        reason: Cow::Borrowed("corrupt"),
    };
    Item::event(seq, body.to_owned()).unwrap_or_else(lost)
}

fn gap_item(gap: &store::gateway::Gap) -> Item {
    Item::Gap {
        from: gap.from,
        to: gap.to,
        reason: Cow::Borrowed(gap.reason.as_str()),
    }
}

fn session_state(state: StoredState) -> StreamState {
    StreamState {
        stream: StreamId(state.stream),
        durable: state.durable,
        high_water: state.high_water,
        lowest_unacked: state.acked + 1,
    }
}

/// Rows of the view. Those that cannot be read are left out: the next snapshot from the PBX brings
/// them back.
fn parse_view(rows: &[(String, String)]) -> Kept {
    let mut kept = Kept::default();
    let Kept { view, history } = &mut kept;
    for (key, body) in rows {
        let parsed = if key.starts_with(ENDPOINT_KEY) {
            serde_json::from_str(body).map(|endpoint| view.endpoints.push(endpoint))
        } else if key.starts_with(HISTORY_KEY) {
            serde_json::from_str(body).map(|part| history.push(part))
        } else {
            serde_json::from_str(body).map(|leg| view.legs.push(leg))
        };
        if let Err(error) = parsed {
            tracing::error!(key, %error, "unreadable row in the view");
        }
    }
    kept
}

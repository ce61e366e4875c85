//! What the writer thread and the callers of the gateway's store both see.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::job::Append;
use super::outbox::Tally;
use super::types::{StoreHealth, StreamState, ViewChange};
use super::volatile::Volatile;

#[derive(Debug)]
pub(super) struct Shared {
    status: Mutex<Status>,
    volatile: Mutex<Option<Volatile>>,
    overflow: Mutex<Overflow>,
}

#[derive(Debug, Clone)]
pub(super) struct Status {
    pub(super) stream: StreamState,
    pub(super) health: StoreHealth,
    pub(super) tally: Tally,
    pub(super) went_volatile: u64,
}

/// What a full queue has kept out; held while appending, so that losses stand in order.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    /// Events lost since the last batch that got through.
    pub(super) lost: u64,
    /// Events lost since start.
    pub(super) lost_total: u64,
    /// Newest change per key: the view must not miss what the stream misses.
    pub(super) view: BTreeMap<String, ViewChange>,
}

impl Overflow {
    pub(super) fn keep(&mut self, append: Append) {
        self.lost = append.lost + append.records.len() as u64;
        for change in append.view {
            let key = match &change {
                ViewChange::Put { key, .. } | ViewChange::Delete { key } => key.clone(),
            };
            self.view.insert(key, change);
        }
    }

    /// Losses so far and pending changes, to be carried by a batch.
    pub(super) fn take(&mut self) -> Append {
        Append {
            lost: std::mem::take(&mut self.lost),
            records: Vec::new(),
            view: std::mem::take(&mut self.view).into_values().collect(),
            first: 0,
            gap: None,
        }
    }
}

impl Shared {
    pub(super) fn new(stream: StreamState, health: StoreHealth, tally: Tally) -> Self {
        Self {
            status: Mutex::new(Status {
                stream,
                health,
                tally,
                went_volatile: 0,
            }),
            volatile: Mutex::new(None),
            overflow: Mutex::new(Overflow::default()),
        }
    }

    pub(super) fn status(&self) -> MutexGuard<'_, Status> {
        lock(&self.status)
    }

    pub(super) fn volatile(&self) -> MutexGuard<'_, Option<Volatile>> {
        lock(&self.volatile)
    }

    pub(super) fn overflow(&self) -> MutexGuard<'_, Overflow> {
        lock(&self.overflow)
    }

    pub(super) fn take_overflow(&self) -> Option<Append> {
        let mut overflow = self.overflow();
        (overflow.lost > 0 || !overflow.view.is_empty()).then(|| overflow.take())
    }

    /// Highest acknowledged number if that stream runs; 0 otherwise.
    pub(super) fn acked(&self, stream: Uuid) -> u64 {
        let status = self.status();
        if status.stream.stream == stream {
            status.stream.acked
        } else {
            0
        }
    }

    pub(super) fn update(&self, tally: &Tally, health: StoreHealth) {
        let mut status = self.status();
        status.tally = *tally;
        status.health = health;
    }

    pub(super) fn update_lost(&self, tally: &Tally) {
        self.status().tally = *tally;
    }

    /// The stream has grown, or another one rules from now on.
    pub(super) fn set_stream(&self, stream: Uuid, high_water: u64) {
        let mut status = self.status();
        if status.stream.stream == stream {
            status.stream.high_water = high_water;
        } else {
            // Only the durable stream comes back, and its acknowledgements are in its tally.
            status.stream = StreamState {
                stream,
                durable: true,
                high_water,
                acked: status.tally.acked,
            };
        }
    }

    /// The same numbers under another name.
    pub(super) fn rename_stream(&self, new: Uuid) -> StreamState {
        let mut status = self.status();
        status.stream.stream = new;
        status.stream
    }

    pub(super) fn go_volatile(&self, volatile: Volatile, health: StoreHealth) {
        let state = volatile.state();
        *self.volatile() = Some(volatile);
        let mut status = self.status();
        status.stream = state;
        status.health = health;
        status.went_volatile += 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

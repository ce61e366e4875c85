//! What all parts of the far end share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cloud_uplink::Timestamp;
use store::{CloudStore, StoreError};
use tokio::sync::{Semaphore, mpsc, watch};
use web::Secret;

use crate::commands::Commands;
use crate::config::Config;
use crate::feed::Feed;
use crate::gateways::Gateways;
use crate::gateways::quarantine::Quarantine;
use crate::legs::Legs;

/// What all parts of the far end share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Arc<CloudStore>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) gateways: Gateways,
    pub(crate) commands: Commands,
    pub(crate) legs: Legs,
    pub(crate) quarantine: Quarantine,
    /// Places for readers of the event stream.
    pub(crate) readers: Arc<Semaphore>,
    pub(crate) counters: Counters,
    /// Set once the server runs.
    pub(crate) server: OnceLock<Arc<web::serve::Counters>>,
    /// True from the moment on that everything has to end.
    pub(crate) stopped: watch::Receiver<bool>,
    /// Held by every WebSocket task: shutdown waits until all are dropped.
    pub(crate) alive: mpsc::WeakSender<()>,
}

/// What nobody else counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) tokens_refused: AtomicU64,
    pub(crate) channels_refused: AtomicU64,
    pub(crate) events_malformed: AtomicU64,
    pub(crate) commands: AtomicU64,
    pub(crate) commands_failed: AtomicU64,
    pub(crate) readers_dropped: AtomicU64,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl App {
    /// The accept loop's numbers.
    pub(crate) fn server_stats(&self) -> web::serve::Stats {
        self.server
            .get()
            .map(|server| server.stats())
            .unwrap_or_default()
    }

    /// Reads from the database without holding up the runtime.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&CloudStore) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.store);
        let reading = tokio::task::spawn_blocking(move || read(&store));
        // The task is neither aborted nor does it panic, except while the runtime goes down.
        reading.await.unwrap_or(Err(StoreError::Closed))
    }
}

/// Ends when everything has to.
pub(crate) async fn until_stopped(stopped: &mut watch::Receiver<bool>) {
    // An error means that the far end is gone altogether.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The wall clock as the channel writes it.
pub(crate) fn timestamp() -> Timestamp {
    Timestamp::from_unix_ms(net::clock::unix_ms())
}

/// The wall clock as the store takes it.
pub(crate) fn unix_ms() -> i64 {
    to_store_ms(timestamp())
}

/// A stamp as the store takes it; all stamps up to the year 9999 fit.
pub(crate) fn to_store_ms(stamp: Timestamp) -> i64 {
    i64::try_from(stamp.as_unix_ms()).unwrap_or(i64::MAX)
}

/// Whether a secret of the configuration is the given token.
pub(crate) fn is_token(secret: Option<&Secret>, given: &str) -> bool {
    secret.is_some_and(|secret| secret.matches(given))
}

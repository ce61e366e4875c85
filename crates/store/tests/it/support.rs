//! A gateway's store in its own directory, and shorthands.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use store::gateway::{
    Batch, Committed, GatewayStore, OutboxItem, OutboxLimits, Record, Recovered, ViewChange,
};
use tempfile::TempDir;

pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

pub(crate) struct Rig {
    pub(crate) dir: TempDir,
    pub(crate) store: GatewayStore,
    pub(crate) recovered: Recovered,
    pub(crate) committed: Receiver<Committed>,
}

pub(crate) fn limits() -> OutboxLimits {
    OutboxLimits {
        ballast_bytes: 0,
        probe_every: Duration::ZERO,
        ..OutboxLimits::default()
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), limits())
    }

    pub(crate) fn with(dir: TempDir, limits: OutboxLimits) -> Self {
        let (tell, committed) = channel();
        let on_commit = Box::new(move |c| drop(tell.send(c)));
        let (store, recovered) =
            GatewayStore::open(&file(dir.path()), limits, NOW_MS, on_commit).unwrap();
        Self {
            dir,
            store,
            recovered,
            committed,
        }
    }

    /// Closes and opens again.
    pub(crate) fn reopened(self) -> Self {
        let Self { dir, store, .. } = self;
        drop(store);
        Self::with(dir, limits())
    }

    /// Opens what a crash at this moment would leave behind, mark included or not.
    pub(crate) fn after_crash(&self, with_mark: bool) -> Self {
        self.after_crash_with(with_mark, |_| {})
    }

    pub(crate) fn after_crash_with(&self, with_mark: bool, harm: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for suffix in ["", "-wal", ".mark"] {
            let name = format!("gateway.db{suffix}");
            let from = self.dir.path().join(&name);
            if from.exists() && (with_mark || suffix != ".mark") {
                std::fs::copy(from, dir.path().join(&name)).unwrap();
            }
        }
        harm(dir.path());
        Self::with(dir, limits())
    }

    pub(crate) fn append(&self, bodies: &[&str]) {
        self.append_at(bodies, NOW_MS);
    }

    pub(crate) fn append_at(&self, bodies: &[&str], at_ms: i64) {
        self.store.append(batch(bodies, at_ms)).unwrap();
        self.store.flush();
    }

    pub(crate) fn put(&self, key: &str, body: &str) {
        let (key, body) = (key.to_owned(), body.to_owned());
        let view = vec![ViewChange::Put { key, body }];
        let records = Vec::new();
        self.store.append(Batch { records, view }).unwrap();
        self.store.flush();
    }

    pub(crate) fn read(&self, seq: u64) -> Vec<String> {
        let stream = self.store.stream().stream;
        let items = self.store.read_from(stream, seq, 1000, 1 << 20).unwrap();
        items.iter().map(show).collect()
    }

    pub(crate) fn ack(&self, seq: u64) {
        self.store.ack_upto(self.store.stream().stream, seq);
    }
}

pub(crate) fn file(dir: &Path) -> PathBuf {
    dir.join("gateway.db")
}

pub(crate) fn batch(bodies: &[&str], at_ms: i64) -> Batch {
    let record = |body: &&str| Record {
        body: (*body).to_owned(),
        at_ms,
        received: None,
    };
    Batch {
        records: bodies.iter().map(record).collect(),
        view: Vec::new(),
    }
}

/// `3:body` or `4-6:reason`.
pub(crate) fn show(item: &OutboxItem) -> String {
    match item {
        OutboxItem::Event { seq, body } => format!("{seq}:{body}"),
        OutboxItem::Gap(gap) => format!("{}-{}:{}", gap.from, gap.to, gap.reason.as_str()),
    }
}

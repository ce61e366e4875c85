//! Events that nobody can read are kept aside, and their place in the stream becomes a gap: refusing
//! them would make the gateway send them again for ever.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use cloud_uplink::{Identity, StreamId, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

/// Largest file of malformed events, in bytes; a full one replaces the one before it.
const FILE_LEN_MAX: u64 = 8 * 1024 * 1024;

/// `quarantine.jsonl` in the data directory, one JSON object per line.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    path: PathBuf,
    writing: Arc<Mutex<()>>,
}

/// One malformed event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Malformed {
    pub(crate) time: Timestamp,
    #[serde(flatten)]
    pub(crate) gateway: Identity,
    pub(crate) stream: StreamId,
    pub(crate) sequence: u64,
    pub(crate) reason: String,
    pub(crate) event: Box<RawValue>,
}

impl Quarantine {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join("quarantine.jsonl"),
            writing: Arc::default(),
        }
    }

    /// Writes them down. Blocks on the disk.
    pub(crate) fn keep(&self, all: &[Malformed]) -> io::Result<()> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = Vec::new();
        for malformed in all {
            serde_json::to_writer(&mut lines, malformed)?;
            lines.push(b'\n');
        }
        let len = std::fs::metadata(&self.path).map_or(0, |meta| meta.len());
        if len > FILE_LEN_MAX {
            std::fs::rename(&self.path, self.path.with_extension("jsonl.1"))?;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        file.write_all(&lines)?;
        file.sync_data()
    }
}

//! The high-water mark in a second place.
//!
//! `gateway.db.mark` repeats the stream and its highest sequence number after every commit. If the
//! write-ahead log is damaged later, SQLite silently forgets the transactions behind the damage;
//! without this file their numbers would be used again, and the far end would take the new events
//! for repeats. With it, the start finds the difference and reports it as a gap.
//!
//! The file is not synced per commit, which would double the cost of each: the kernel keeps it
//! through a kill, and a power cut sets it back at most to the last checkpoint, never ahead of the
//! database. Two slots are written in turn, so that a torn write leaves the other one.

use crate::db::FILE_MODE;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use uuid::Uuid;

use crate::db::{beside, io_error};
use crate::error::OpenError;

/// Slots lie in different sectors.
const SLOT_STRIDE: u64 = 4096;
const SLOT_BYTES: usize = 16 + 8 + 4;

#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    slot: u64,
}

impl Mark {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let path = beside(path, ".mark");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(FILE_MODE)
            .open(&path)
            .map_err(|source| io_error(&path, source))?;
        Ok(Self { file, slot: 0 })
    }

    /// The highest number noted for the stream; 0: none.
    pub(super) fn high_water(&self, stream: Uuid) -> u64 {
        let slot = |slot| {
            let mut bytes = [0; SLOT_BYTES];
            self.file
                .read_exact_at(&mut bytes, slot * SLOT_STRIDE)
                .ok()?;
            let (noted, rest) = bytes.split_first_chunk::<16>()?;
            let (seq, crc) = rest.split_first_chunk::<8>()?;
            let sound = crc32fast::hash(&bytes[..24]).to_le_bytes() == *crc;
            (sound && *noted == *stream.as_bytes()).then(|| u64::from_le_bytes(*seq))
        };
        slot(0).max(slot(1)).unwrap_or(0)
    }

    /// Notes a number that the database has committed.
    ///
    /// A failure is not reported: the database is right, and this only its second witness.
    pub(super) fn note(&mut self, stream: Uuid, high_water: u64) {
        let mut bytes = [0; SLOT_BYTES];
        bytes[..16].copy_from_slice(stream.as_bytes());
        bytes[16..24].copy_from_slice(&high_water.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..24]);
        bytes[24..].copy_from_slice(&crc.to_le_bytes());
        if self
            .file
            .write_all_at(&bytes, self.slot * SLOT_STRIDE)
            .is_ok()
        {
            self.slot = 1 - self.slot;
        }
    }

    /// Makes the last note survive a power cut.
    pub(super) fn sync(&self) {
        if let Err(error) = self.file.sync_data() {
            tracing::warn!(%error, "could not sync the high-water mark");
        }
    }
}

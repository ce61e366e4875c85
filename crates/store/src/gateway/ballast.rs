//! A file that is only there to be given up when the disk is full.

use crate::db::FILE_MODE;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::db::beside;

/// What opening a store may write, in bytes: a log with its index, and some pages.
const OPENING_BYTES: u64 = 256 << 10;

static CHUNK: [u8; 64 << 10] = [0; 64 << 10];

#[derive(Debug)]
pub(super) struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    pub(super) fn new(database: &Path, bytes: u64) -> Self {
        Self {
            path: beside(database, ".ballast"),
            bytes,
        }
    }

    /// True if the ballast is (back) in place; it is only taken when twice its size is free.
    pub(super) fn ensure(&self) -> bool {
        let there = fs::metadata(&self.path).map_or(0, |meta| meta.len());
        if self.bytes == 0 || there == self.bytes {
            return true;
        }
        let made = self.has_room() && self.fill().is_ok();
        if !made {
            self.release();
        }
        made
    }

    /// Gives the ballast up; true if there was any.
    pub(super) fn release(&self) -> bool {
        self.bytes > 0 && fs::remove_file(&self.path).is_ok()
    }

    /// Whether there is less space than opening a store takes.
    pub(super) fn is_disk_full(&self) -> bool {
        self.free_bytes().is_some_and(|free| free < OPENING_BYTES)
    }

    fn has_room(&self) -> bool {
        self.free_bytes().is_some_and(|free| free / 2 >= self.bytes)
    }

    fn free_bytes(&self) -> Option<u64> {
        let directory = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        let disk = statvfs(directory.unwrap_or_else(|| Path::new("."))).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(FILE_MODE)
            .open(&self.path)?;
        if fallocate(&file, FallocateFlags::empty(), 0, self.bytes).is_err() {
            // Not every file system can reserve; all can write.
            let mut left = self.bytes;
            while left > 0 {
                let chunk = CHUNK
                    .len()
                    .min(usize::try_from(left).unwrap_or(CHUNK.len()));
                file.write_all(&CHUNK[..chunk])?;
                left -= chunk as u64;
            }
        }
        file.sync_all()
    }
}

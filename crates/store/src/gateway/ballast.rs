//! A file that is only there to be given up when the disk is full.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::db::beside;

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

    fn has_room(&self) -> bool {
        let directory = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        statvfs(directory.unwrap_or_else(|| Path::new(".")))
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) / 2 >= self.bytes)
    }

    fn fill(&self) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
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

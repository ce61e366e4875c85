//! The disk's own speed: what two serial syncs take, with nothing else to do.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use net::clock;

/// Bytes appended before each sync.
const BLOCK_LEN: usize = 4096;
/// The file begins anew at this size, in bytes.
const FILE_LEN_MAX: u64 = 64 << 20;

/// File systems that are no disks, by the magic number of statfs(2).
const IN_MEMORY: [(u64, &str); 2] = [(0x0102_1994, "tmpfs"), (0x8584_58f6, "ramfs")];
/// Those that disks commonly have.
const ON_DISK: [(u64, &str); 4] = [
    (0xef53, "ext4"),
    (0x5846_5342, "xfs"),
    (0x9123_683e, "btrfs"),
    (0x794c_7630, "overlayfs"),
];

/// The kind of file system of a folder, and whether it survives a power cut.
///
/// # Errors
/// It cannot be asked.
pub fn file_system(folder: &Path) -> Result<(String, bool)> {
    let found = rustix::fs::statfs(folder)
        .with_context(|| format!("cannot ask for the file system of {}", folder.display()))?;
    let magic = u64::try_from(found.f_type).unwrap_or_default() & 0xffff_ffff;
    let named = |table: &[(u64, &str)]| {
        let known = table.iter().find(|(number, _)| *number == magic);
        known.map(|(_, name)| (*name).to_owned())
    };
    Ok(match named(&IN_MEMORY) {
        Some(name) => (name, false),
        None => {
            let name = named(&ON_DISK);
            (name.unwrap_or_else(|| format!("{magic:#x}")), true)
        }
    })
}

/// Appends and syncs twice in series, `per_second` times a second for that long; what each pair took.
///
/// This is what the shortest durable way costs: one sync here, and one at the far end.
///
/// # Errors
/// The disk refuses.
pub fn sync_pairs(folder: &Path, per_second: u32, length: Duration) -> Result<Vec<Duration>> {
    let path = folder.join("two-syncs");
    let open = || {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).open(&path)
    };
    let mut file: File = open().with_context(|| format!("cannot write {}", path.display()))?;
    let block = [0x5a; BLOCK_LEN];
    let (begin, mut pairs, mut written) = (clock::now(), Vec::new(), 0);
    let mut due: Instant = begin;
    while due < begin + length {
        std::thread::sleep(due.saturating_duration_since(clock::now()));
        if written >= FILE_LEN_MAX {
            (file, written) = (open()?, 0);
        }
        let start = clock::now();
        for _ in 0..2 {
            file.write_all(&block)?;
            file.sync_data()?;
        }
        pairs.push(clock::now().saturating_duration_since(start));
        written += 2 * BLOCK_LEN as u64;
        // What a slow disk missed is not made up for.
        due = (due + Duration::from_secs(1) / per_second).max(clock::now());
    }
    std::fs::remove_file(&path)?;
    Ok(pairs)
}

/// The duration below which that share (0 to 1) stays; zero without any.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a few thousand values and a share between 0 and 1"
)]
pub fn quantile(durations: &mut [Duration], share: f64) -> Duration {
    durations.sort_unstable();
    let rank = (durations.len() as f64 * share).ceil() as usize;
    let index = rank.clamp(1, durations.len().max(1)) - 1;
    durations.get(index).copied().unwrap_or_default()
}

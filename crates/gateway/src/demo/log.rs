//! Log lines go to a file beside the demo's data: the screen belongs to the demo.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// File name of the log.
pub(crate) const FILE: &str = "ringway-demo.log";
/// Lines that are shown when something failed.
const LINES_SHOWN: usize = 20;

/// Starts logging into `dir`; `RINGWAY_LOG` overrules the level.
///
/// # Errors
/// When the file cannot be written, or logging was started before.
pub(crate) fn start(dir: &Path) -> anyhow::Result<()> {
    let path = dir.join(FILE);
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let filter = EnvFilter::try_from_env("RINGWAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(crate::logging::Utc)
        .with_ansi(false)
        .with_writer(Mutex::new(file))
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging was started before: {error}"))
}

/// The last warnings and errors of the log in `dir`.
pub(crate) fn complaints(dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(FILE)).unwrap_or_default();
    let bad = |line: &&str| line.contains(" WARN ") || line.contains("ERROR ");
    let mut lines: Vec<_> = text.lines().rev().filter(bad).take(LINES_SHOWN).collect();
    lines.reverse();
    lines.into_iter().map(str::to_owned).collect()
}

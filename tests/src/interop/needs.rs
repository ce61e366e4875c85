//! The programs of others that are run here, and where they come from.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// A program and the package of Debian that has it.
pub type Program = (&'static str, &'static str);

/// A generator of SIP calls that plays scenario files.
pub const SIPP: Program = ("sipp", "sip-tester");
/// A proxy and registrar.
pub const KAMAILIO: Program = ("kamailio", "kamailio kamailio-tls-modules");
/// A telephone.
pub const BARESIP: Program = ("baresip", "baresip-core");
/// Scanners for SIP servers.
pub const SVMAP: Program = ("svmap", "sipvicious");
/// The interpreter of the benchmark.
pub const PYTHON: Program = ("python3", "python3");

/// Says which of these are not installed, all at once.
///
/// # Errors
/// One is missing.
pub fn need(programs: &[Program]) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let is_missing = |(name, _): &&Program| !folders.iter().any(|at| at.join(name).is_file());
    let missing: Vec<_> = programs.iter().filter(is_missing).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    bail!(
        "not installed: {}; on Debian: apt-get install --no-install-recommends {}",
        names.join(", "),
        packages.join(" ")
    )
}

//! `[sip.hep]`: copies of SIP messages, and reports on how calls sounded, for a collector.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::types::{Count, HostPort};

/// `[sip.hep]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HepSection {
    /// Host and port of the collector, of UDP.
    pub collector: HostPort,
    /// What the collector knows this gateway as.
    #[serde(default = "default_capture_id")]
    pub capture_id: Count<0, 4_294_967_295>,
    /// The file with what it lets copies in by, where it asks for that.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
}

const fn default_capture_id() -> Count<0, 4_294_967_295> {
    Count(1)
}

//! Gateway, far end and simulator in one file, so that cargo builds them for the tests of this package:
//! it is the one under whose name it is started.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use system_tests::harness::part::name;

fn main() -> ExitCode {
    let started_as = std::env::args_os().next().unwrap_or_default();
    match Path::new(&started_as).file_name().and_then(OsStr::to_str) {
        Some(name::GATEWAY) => gateway::cli::main(),
        Some(name::CLOUD) => cloud::cli::main(),
        Some(name::PBX) => pbx_sim::cli::main(),
        _ => ExitCode::FAILURE,
    }
}

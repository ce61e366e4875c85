//! See the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sip_oracles::run()
}

//! The `ringway-cloud` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cloud::cli::main()
}

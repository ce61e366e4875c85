//! `ringway-pbx-sim`: see the library and `--help`.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}

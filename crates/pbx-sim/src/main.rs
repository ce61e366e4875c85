//! `ringway-pbx-sim`: see the library and `--help`.

fn main() -> std::process::ExitCode {
    pbx_sim::cli::main()
}

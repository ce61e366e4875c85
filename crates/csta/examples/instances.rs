//! Writes a sample of every message that the crate can write to a file of its own:
//! `cargo run -p csta --example instances -- FOLDER`. The file's name tells message, edition, variant.
//! Presence messages are left out: no schema confirms them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for a terminal"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use csta::Edition;
use csta::conformance::instances;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: instances FOLDER");
        return ExitCode::from(64);
    };
    match write_all(&folder) {
        Ok(count) => {
            println!("{count} files in {}", folder.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &Path) -> std::io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    let mut count = 0;
    for edition in [Edition::Ed3, Edition::Ed6] {
        for instance in instances(edition) {
            if instance.rule.is_confirmed() {
                let (name, variant) = (instance.rule.name, instance.variant);
                let file = folder.join(format!("{name}.{edition}.{variant}.xml"));
                std::fs::write(file, instance.message.to_xml(edition))?;
                count += 1;
            }
        }
    }
    Ok(count)
}

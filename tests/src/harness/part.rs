//! One program as a process.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The names of the programs.
pub mod name {
    /// The gateway.
    pub const GATEWAY: &str = "ringway";
    /// The far end.
    pub const CLOUD: &str = "ringway-cloud";
    /// The simulated PBX.
    pub const PBX: &str = "ringway-pbx-sim";
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub enum Programs {
    /// Each in a file of its own in this folder.
    Built(PathBuf),
    /// All in one file, which goes by the name under which it is started.
    OneFile(PathBuf),
}

impl Programs {
    /// The programs that were built with the same profile as the present one.
    ///
    /// # Errors
    /// One of them is not there; the sentence says how to build it.
    pub fn beside_this_one() -> Result<Self> {
        let this = std::env::current_exe().context("where is this program?")?;
        let folder = this.parent().context("this program lies in no folder")?;
        for (program, package) in [
            (name::GATEWAY, "gateway"),
            (name::CLOUD, "cloud"),
            (name::PBX, "pbx-sim"),
        ] {
            let file = folder.join(program);
            ensure!(
                file.is_file(),
                "{} is missing: `cargo build -p {package}` with the same profile first",
                file.display()
            );
        }
        Ok(Self::Built(folder.to_owned()))
    }

    fn command(&self, name: &str) -> Command {
        match self {
            Self::Built(folder) => Command::new(folder.join(name)),
            Self::OneFile(file) => {
                let mut command = Command::new(file);
                command.arg0(name);
                command
            }
        }
    }
}

/// A program that can be started and killed again and again; dropped, it is killed.
#[derive(Debug)]
pub struct Part {
    programs: Programs,
    name: &'static str,
    arguments: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Part {
    /// Not started yet. What it says goes to `NAME.log` in `folder`.
    #[must_use]
    pub fn new(
        programs: &Programs,
        name: &'static str,
        arguments: Vec<String>,
        folder: &Path,
    ) -> Self {
        Self {
            programs: programs.clone(),
            name,
            arguments,
            log: folder.join(format!("{name}.log")),
            child: None,
        }
    }

    /// Starts the process.
    ///
    /// # Errors
    /// The program or its log file cannot be used, or it runs already.
    pub fn start(&mut self) -> Result<()> {
        ensure!(!self.is_running(), "{} runs already", self.name);
        let log = OpenOptions::new().create(true).append(true).open(&self.log);
        let log: File = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let child = self
            .programs
            .command(self.name)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        self.child = Some(child);
        Ok(())
    }

    /// Sends SIGKILL and waits for the end. Whether the process was alive until then.
    ///
    /// # Errors
    /// The process cannot be waited for.
    pub fn kill(&mut self) -> Result<bool> {
        let Some(mut child) = self.child.take() else {
            return Ok(false);
        };
        let alive = child.try_wait()?.is_none();
        // An error means that it ended by itself in between.
        let _ = child.kill();
        child.wait()?;
        Ok(alive)
    }

    /// Whether the process is there.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// The process id while it is there.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The file with everything that all its runs have said.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Everything that all its runs have said.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = self.kill();
    }
}

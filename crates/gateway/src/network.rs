//! `ringway network`: carries out what the portal wants of the box's address, as root and beside the
//! service, which may not. What it reads was written by somebody with fewer rights, and is judged anew.
//!
//! What is kept becomes a file for systemd-networkd under `/etc`, what is tried one under `/run`, which
//! comes first in the order of names and is gone with the next start of the box. When a trial is over and
//! nothing else was wanted, its file is taken away here, too, whatever became of the service.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use local_portal::network::{Plan, Said, TRIAL_MS, WANTED_LEN_MAX, Wanted};
use net::clock;

/// Time between two looks at what is wanted while something is tried.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Linux: open fails where the last part of the path is a symbolic link.
const O_NOFOLLOW: i32 = 0o400_000;

/// Where everything stands.
#[derive(Debug, Clone)]
pub struct Places {
    /// What the portal wants.
    pub wanted: PathBuf,
    /// What came of it, for the portal.
    pub said: PathBuf,
    /// The file of what is kept.
    pub kept: PathBuf,
    /// The file of what is tried.
    pub trial: PathBuf,
}

impl Places {
    /// Those of a box, with what is wanted and said in these places.
    #[must_use]
    pub fn of_box(wanted: &Path, said: &Path) -> Self {
        Self {
            wanted: wanted.to_owned(),
            said: said.to_owned(),
            kept: "/etc/systemd/network/05-ringway.network".into(),
            trial: "/run/systemd/network/04-ringway-trial.network".into(),
        }
    }
}

/// What reads the files: systemd-networkd.
pub trait Reload {
    /// Has it read its files anew, and set this interface by them.
    ///
    /// # Errors
    /// With what it says.
    fn reload(&mut self, interface: &str) -> anyhow::Result<()>;
}

/// The box's own.
#[derive(Debug)]
pub struct Networkctl;

impl Reload for Networkctl {
    fn reload(&mut self, interface: &str) -> anyhow::Result<()> {
        for arguments in [&["reload"][..], &["reconfigure", interface]] {
            let made = Command::new("networkctl").args(arguments).output();
            let made = made.context("cannot start networkctl")?;
            let said = String::from_utf8_lossy(&made.stderr);
            ensure!(
                made.status.success(),
                "networkctl {}: {}",
                arguments.join(" "),
                said.trim()
            );
        }
        Ok(())
    }
}

/// Does what is wanted until nothing is tried any more, and leaves word of each.
///
/// # Errors
/// When what is wanted cannot be read; what cannot be done is left as word.
pub fn run(places: &Places, box_: &mut impl Reload) -> anyhow::Result<()> {
    let mut done = None;
    loop {
        let now_ms = clock::unix_ms();
        let Some(wanted) = read(&places.wanted)? else {
            return Ok(());
        };
        let is_tried = wanted.trial.as_ref().is_some_and(|it| now_ms < it.until_ms);
        if done != Some((wanted.id, is_tried)) {
            let made = carry_out(places, &wanted, now_ms, box_);
            let error = made.err().map(|error| format!("{error:#}"));
            let said = Said {
                id: wanted.id,
                error,
            };
            write(&places.said, &serde_json::to_vec(&said)?)?;
            done = Some((wanted.id, is_tried));
        }
        if !is_tried {
            return Ok(());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// One look: the files as they shall be, and systemd-networkd told if one of them changed.
fn carry_out(
    places: &Places,
    wanted: &Wanted,
    now_ms: u64,
    box_: &mut impl Reload,
) -> anyhow::Result<()> {
    let trial = wanted.trial.as_ref().filter(|it| now_ms < it.until_ms);
    if let Some(trial) = trial
        && trial.until_ms - now_ms > 2 * TRIAL_MS
    {
        bail!("a trial of more than {} s", 2 * TRIAL_MS / 1000);
    }
    let trial = trial.map(|it| &it.plan);
    let interfaces = [
        place(&places.kept, wanted.kept.as_ref())?,
        place(&places.trial, trial)?,
    ];
    let mut changed: Vec<String> = interfaces.into_iter().flatten().flatten().collect();
    changed.sort();
    changed.dedup();
    changed
        .iter()
        .try_for_each(|interface| box_.reload(interface))
}

/// Has the file be that of the plan; the interfaces of the old and the new one where they differ.
fn place(path: &Path, plan: Option<&Plan>) -> anyhow::Result<Option<Vec<String>>> {
    let before = match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let after = plan.map(Plan::file);
    if before == after {
        return Ok(None);
    }
    match &after {
        Some(text) => write(path, text.as_bytes())?,
        None => fs::remove_file(path).with_context(|| format!("remove {}", path.display()))?,
    }
    let interface = |text: &String| {
        let name = text.lines().find_map(|line| line.strip_prefix("Name="));
        name.map(str::to_owned)
    };
    let both = [before.as_ref(), after.as_ref()];
    Ok(Some(
        both.into_iter().flatten().filter_map(interface).collect(),
    ))
}

/// For everybody to read: systemd-networkd has a user of its own.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = path.parent().context("a file stands in a directory")?;
    fs::create_dir_all(directory)?;
    web::write_atomically(path, bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
        .with_context(|| format!("let others read {}", path.display()))
}

/// What the portal wants, once it wanted something; of a file of bounded length that is no link to another.
fn read(path: &Path) -> anyhow::Result<Option<Wanted>> {
    let open = || -> std::io::Result<Vec<u8>> {
        let mut options = File::options();
        let file = options.read(true).custom_flags(O_NOFOLLOW).open(path)?;
        let mut bytes = Vec::new();
        file.take(WANTED_LEN_MAX + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let name = path.display();
    let bytes = match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("read {name}"))?,
    };
    ensure!(
        bytes.len() as u64 <= WANTED_LEN_MAX,
        "{name} is longer than {WANTED_LEN_MAX} bytes"
    );
    let wanted = Wanted::read(&bytes).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
    Ok(Some(wanted))
}

#[cfg(test)]
mod tests {
    use local_portal::network::{Fixed, Trial};

    use super::*;

    #[derive(Default)]
    struct Fake(Vec<String>, bool);

    impl Reload for Fake {
        fn reload(&mut self, interface: &str) -> anyhow::Result<()> {
            ensure!(!self.1, "networkd is away");
            self.0.push(interface.to_owned());
            Ok(())
        }
    }

    fn plan(last: u8) -> Plan {
        Plan {
            interface: "eth0".to_owned(),
            fixed: Some(Fixed {
                address: [192, 0, 2, last].into(),
                prefix: 24,
                gateway: [192, 0, 2, 1].into(),
            }),
            internal_dns: Vec::new(),
            given_dns: Vec::new(),
        }
    }

    fn places(dir: &Path) -> Places {
        Places {
            wanted: dir.join("wanted.json"),
            said: dir.join("run/said.json"),
            kept: dir.join("etc/05.network"),
            trial: dir.join("run/04.network"),
        }
    }

    fn want(places: &Places, id: u64, kept: Option<u8>, trial: Option<(u8, u64)>) {
        let wanted = Wanted {
            id,
            kept: kept.map(plan),
            trial: trial.map(|(last, until_ms)| Trial {
                plan: plan(last),
                until_ms,
            }),
        };
        fs::write(&places.wanted, serde_json::to_vec(&wanted).unwrap()).unwrap();
    }

    fn said(places: &Places) -> Said {
        serde_json::from_slice(&fs::read(&places.said).unwrap()).unwrap()
    }

    #[test]
    fn what_is_kept_stands_under_etc_and_a_trial_beside_it_ends_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let (places, mut fake) = (places(dir.path()), Fake::default());
        run(&places, &mut fake).unwrap();
        assert!(!places.said.exists());
        want(&places, 1, Some(20), None);
        run(&places, &mut fake).unwrap();
        assert_eq!(fs::read_to_string(&places.kept).unwrap(), plan(20).file());
        // Nothing has changed, so nothing is told.
        run(&places, &mut fake).unwrap();
        assert_eq!(fake.0, ["eth0"]);

        let until = clock::unix_ms() + 600;
        want(&places, 2, Some(20), Some((30, until)));
        std::thread::scope(|scope| {
            let run = scope.spawn(|| {
                let mut fake = Fake::default();
                run(&places, &mut fake).unwrap();
                fake.0
            });
            while said(&places).id < 2 {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert_eq!(fs::read_to_string(&places.trial).unwrap(), plan(30).file());
            assert_eq!(run.join().unwrap(), ["eth0", "eth0"]);
        });
        assert!(clock::unix_ms() >= until);
        assert!(!places.trial.exists());
        assert_eq!(fs::read_to_string(&places.kept).unwrap(), plan(20).file());

        want(&places, 3, None, None);
        run(&places, &mut fake).unwrap();
        assert!(!places.kept.exists());
    }

    #[test]
    fn a_trial_that_is_kept_changes_places_while_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let places = places(dir.path());
        want(&places, 1, None, Some((30, clock::unix_ms() + 60_000)));
        std::thread::scope(|scope| {
            let run = scope.spawn(|| run(&places, &mut Fake::default()));
            while !places.said.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            assert!(places.trial.exists() && !places.kept.exists());
            want(&places, 2, Some(30), None);
            run.join().unwrap().unwrap();
        });
        assert!(places.kept.exists() && !places.trial.exists());
        assert_eq!(said(&places), Said { id: 2, error: None });
    }

    #[test]
    fn what_cannot_be_done_is_said_and_what_is_no_wish_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (places, mut away) = (places(dir.path()), Fake(Vec::new(), true));
        want(&places, 1, Some(20), None);
        run(&places, &mut away).unwrap();
        assert_eq!(said(&places).error.as_deref(), Some("networkd is away"));
        want(
            &places,
            2,
            None,
            Some((20, clock::unix_ms() + 10 * TRIAL_MS)),
        );
        let now = clock::unix_ms();
        let wanted = read(&places.wanted).unwrap().unwrap();
        let long = carry_out(&places, &wanted, now, &mut away);
        assert!(long.unwrap_err().to_string().contains("120 s"));
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&places.wanted, &link).unwrap();
        assert!(read(&link).is_err());
        fs::write(&places.wanted, vec![b' '; 17 * 1024]).unwrap();
        assert!(
            read(&places.wanted)
                .unwrap_err()
                .to_string()
                .contains("longer")
        );
    }
}

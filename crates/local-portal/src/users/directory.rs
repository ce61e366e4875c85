//! The users' file: bounded, of one form, written whole or not at all.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::{Draft, USERS_MAX, User, Users};

/// Form of the file; another one is refused.
const FORMAT: u32 = 1;
/// Longest file, in bytes: 1,600 for each user, more than one can have, and as much for each that was not
/// taken.
const FILE_LEN_MAX: u64 = 16_000_000;

/// The file.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    revision: u64,
    users: Vec<User>,
    /// Those that were not taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_taken: Vec<Draft>,
}

/// The users and the file that they are in.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    users: Arc<Users>,
}

impl Directory {
    /// Reads the file; without one there are no users yet.
    ///
    /// # Errors
    /// When the file is there and is not as the portal wrote it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut users = Users::default();
        if let Some(kept) = read(path)? {
            for user in kept.users {
                users.insert(user);
            }
            for draft in kept.not_taken.iter().take(USERS_MAX) {
                users.keep_not_taken(draft);
            }
            users.revision = kept.revision;
        }
        Ok(Self {
            path: path.to_owned(),
            users: Arc::new(users),
        })
    }

    /// The users as they are now.
    pub(crate) fn users(&self) -> Arc<Users> {
        Arc::clone(&self.users)
    }

    /// Changes the users on disk, then here: a change that cannot be written has not happened.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn change<T>(&mut self, change: impl FnOnce(&mut Users) -> T) -> anyhow::Result<T> {
        let mut users = Users::clone(&self.users);
        let made = change(&mut users);
        if users.revision != self.users.revision {
            let kept = Kept {
                format: FORMAT,
                revision: users.revision,
                users: users.by_extension.values().cloned().collect(),
                not_taken: users.not_taken.values().cloned().collect(),
            };
            let bytes = serde_json::to_vec(&kept).context("write the users as JSON")?;
            web::write_atomically(&self.path, &bytes)?;
            self.users = Arc::new(users);
        }
        Ok(made)
    }
}

fn read(path: &Path) -> anyhow::Result<Option<Kept>> {
    let name = path.display();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("read {name}")),
    };
    let mut bytes = Vec::new();
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(
        bytes.len() as u64 <= FILE_LEN_MAX,
        "{name} is longer than {FILE_LEN_MAX} bytes"
    );
    let kept: Kept = serde_json::from_slice(&bytes)
        .with_context(|| format!("{name} is not as the portal wrote it"))?;
    let format = kept.format;
    ensure!(
        format == FORMAT,
        "{name} has the form {format}; this version reads {FORMAT}"
    );
    Ok(Some(kept))
}

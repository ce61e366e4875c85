//! What the portal keeps: accounts and what was typed into the set-up, as one small file that is
//! written whole or not at all.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::clients::Client;

/// Accounts that there may be.
pub(crate) const ACCOUNTS_MAX: usize = 100;

/// What somebody may do. Each may what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Look.
    Viewer,
    /// Also run the checks.
    Operator,
    /// Everything.
    Administrator,
}

impl Role {
    /// Every one, the least first.
    pub(crate) const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    /// Name, and name of its text.
    #[must_use]
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }

    pub(crate) fn of(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.id() == id)
    }
}

/// The file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Pages {
    /// By name.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Programs with a token, by name.
    #[serde(default)]
    pub(crate) clients: BTreeMap<String, Client>,
    /// What was typed, by step.
    #[serde(default)]
    pub(crate) steps: BTreeMap<String, Step>,
    /// When settings were taken on last, and by whom.
    #[serde(default)]
    pub(crate) applied: Option<(String, String)>,
    /// The PBX's Provisioning Manager.
    #[serde(default)]
    pub(crate) provisioning: Provisioning,
    /// The box's address.
    #[serde(default)]
    pub(crate) network: crate::network::Book,
    /// Users and devices of the PBX, compared.
    #[serde(default)]
    pub(crate) sync: crate::sync::Book,
}

/// Where Provisioning Manager is, how it is trusted, and what came of it. Its password is a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Provisioning {
    /// Host and port; empty where none is set.
    pub(crate) address: String,
    pub(crate) user: String,
    /// Fingerprint of the certificate that it showed when it was looked at.
    pub(crate) seen: String,
    /// The one that an administrator has accepted; empty before.
    pub(crate) trusted: String,
    /// What it said of itself at the last sign-in.
    pub(crate) version: String,
    /// When the trunk was made there, and by whom.
    pub(crate) created: Option<(String, String)>,
    /// What follows the account in the remote domain; empty for the usual one.
    pub(crate) region: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) role: Role,
    /// argon2id in the PHC's text form.
    pub(crate) password: String,
}

/// One step of the set-up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Counts changes, so that two who change at once find out.
    pub(crate) version: u64,
    /// Who changed it last.
    pub(crate) by: String,
    /// By field; a secret's value is the name of its file.
    pub(crate) values: BTreeMap<String, String>,
}

/// The file and where it is.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    pages: Pages,
}

impl Book {
    /// Reads the file; without one there is nothing yet.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let pages = match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("{} is not as the portal wrote it", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Pages::default(),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        Ok(Self {
            path: path.to_owned(),
            pages,
        })
    }

    pub(crate) const fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Changes the pages on disk, then here: a change that cannot be written has not happened.
    ///
    /// # Errors
    /// What `change` says, or when the file cannot be written.
    pub(crate) fn change<T, E: From<anyhow::Error>>(
        &mut self,
        change: impl FnOnce(&mut Pages) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut pages = self.pages.clone();
        let made = change(&mut pages)?;
        let bytes = serde_json::to_vec_pretty(&pages).context("write the accounts as JSON")?;
        web::write_atomically(&self.path, &bytes)?;
        self.pages = pages;
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_there_after_a_restart_and_a_refused_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("portal.json");
        let mut book = Book::open(&path).unwrap();
        let fill = |pages: &mut Pages| {
            pages.steps.entry("pbx".to_owned()).or_default().version = 7;
            anyhow::Ok(())
        };
        book.change(fill).unwrap();
        let refused = book.change(|pages| {
            pages.steps.clear();
            anyhow::bail!("no")
        });
        let refused: anyhow::Result<()> = refused;
        assert!(refused.is_err());
        assert_eq!(Book::open(&path).unwrap().pages().steps["pbx"].version, 7);
        std::fs::write(&path, "{").unwrap();
        let error = Book::open(&path).unwrap_err().to_string();
        assert!(error.contains("portal.json"), "{error}");
    }
}

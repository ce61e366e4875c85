//! Programs that use the REST API: each has a token, of which only the hash is kept.

use std::sync::Arc;

use anyhow::Context as _;
use rand::RngExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::book::Role;
use crate::portal::{Portal, Who};

/// Tokens that there may be.
pub(crate) const CLIENTS_MAX: usize = 50;
/// What a token begins with, so that people and programs that look for leaked secrets know it.
const PREFIX: &str = "ringway_";
/// Random bytes of a token.
const RANDOM_LEN: usize = 32;

/// One program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) role: Role,
    /// SHA-256 of the token, hexadecimal: 256 random bits need no slow hash.
    token: String,
    /// ISO 8601 UTC.
    pub(crate) made: String,
    /// Account that made it.
    pub(crate) by: String,
}

/// Why there is no new token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotMade {
    /// Another program has that name.
    Taken,
    /// [`CLIENTS_MAX`].
    Full,
}

impl Portal {
    /// Makes a token, and gives it: it is not shown again.
    ///
    /// # Errors
    /// When it cannot be written; inside, why there is none.
    pub(crate) async fn make_client(
        self: &Arc<Self>,
        who: &Who,
        name: &str,
        role: Role,
    ) -> anyhow::Result<Result<String, NotMade>> {
        let random: [u8; RANDOM_LEN] = rand::rng().random();
        let token = format!("{PREFIX}{}", hex(&random));
        let client = Client {
            role,
            token: hash(&token),
            made: self.now(),
            by: who.name.clone(),
        };
        let new = name.to_owned();
        let refused = self
            .change(move |pages| {
                if pages.clients.contains_key(&new) {
                    return Ok(Some(NotMade::Taken));
                }
                if pages.clients.len() >= CLIENTS_MAX {
                    return Ok(Some(NotMade::Full));
                }
                pages.clients.insert(new, client);
                anyhow::Ok(None)
            })
            .await?;
        if let Some(refused) = refused {
            return Ok(Err(refused));
        }
        self.note(who, &format!("make token {name}"), "", role.id())
            .await?;
        Ok(Ok(token))
    }

    /// Takes a token back: what it asks from now on is refused.
    ///
    /// # Errors
    /// When that cannot be written.
    pub(crate) async fn remove_client(
        self: &Arc<Self>,
        who: &Who,
        name: &str,
    ) -> anyhow::Result<()> {
        let gone = name.to_owned();
        let gone = self
            .change(move |pages| anyhow::Ok(pages.clients.remove(&gone)))
            .await
            .context("take a token back")?;
        if let Some(client) = gone {
            self.note(who, &format!("remove token {name}"), client.role.id(), "")
                .await?;
        }
        Ok(())
    }

    /// Whose token that is, and what it may do. Tries are not counted: 256 bits cannot be guessed.
    pub(crate) fn client(&self, token: &str) -> Option<(String, Role)> {
        // Hashes are compared, of which nobody can choose the beginning: no time tells anything.
        let hash = hash(token);
        let (name, role) = self.read(|pages| {
            let mut all = pages.clients.iter();
            let found = all.find(|(_, client)| client.token == hash);
            found.map(|(name, client)| (name.clone(), client.role))
        })?;
        self.used(&name);
        Some((name, role))
    }
}

fn hash(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

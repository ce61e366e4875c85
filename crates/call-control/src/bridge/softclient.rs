//! Softphone users, for each of whom the gateway is registered at the PBX as their extension.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sip::Uri;
use sip::ua::Logins;

use super::peers::Peer;

/// One softphone user's registration.
#[derive(Debug, Clone)]
pub struct Softclient {
    /// The user's extension.
    pub extension: Box<str>,
    /// The user part of the contact that is registered: whom the registrar calls. Nobody else knows it,
    /// so that it must not be easy to guess.
    pub contact_user: Box<str>,
    /// The address of record: `From` of this user's calls.
    pub aor: Uri,
    /// The registrar: calls of this user go there, by the flow of the registration.
    pub registrar: Peer,
    /// How this user proves who they are.
    pub logins: Option<Logins>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Softclients {
    by_extension: BTreeMap<Box<str>, (Softclient, bool)>,
    by_contact: BTreeMap<Box<str>, Box<str>>,
}

impl Softclients {
    pub(super) fn set(&mut self, softclient: Softclient, registered: bool) {
        self.remove(&softclient.extension);
        self.by_contact.insert(
            softclient.contact_user.clone(),
            softclient.extension.clone(),
        );
        self.by_extension
            .insert(softclient.extension.clone(), (softclient, registered));
    }

    pub(super) fn remove(&mut self, extension: &str) {
        if let Some((old, _)) = self.by_extension.remove(extension) {
            self.by_contact.remove(&old.contact_user);
        }
    }

    /// Whose contact it is, if their registrar asks.
    pub(super) fn called(&self, contact_user: &str, source: IpAddr) -> Option<&Softclient> {
        let extension = self.by_contact.get(contact_user)?;
        let (softclient, _) = self.by_extension.get(extension)?;
        (softclient.registrar.flow.remote.ip() == source).then_some(softclient)
    }

    /// The softclient of an extension, where it is registered now.
    pub(super) fn registered(&self, extension: &str) -> Option<&Softclient> {
        match self.by_extension.get(extension) {
            Some((softclient, true)) => Some(softclient),
            Some((_, false)) | None => None,
        }
    }

    /// Whether somebody has that extension, registered or not.
    pub(super) fn knows(&self, extension: &str) -> bool {
        self.by_extension.contains_key(extension)
    }
}

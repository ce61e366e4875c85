//! Which gateways are connected, and who may be: one live channel per gateway, the newest.

pub(crate) mod channel;
mod ingest;
pub(crate) mod quarantine;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloud_uplink::session::Fence;
use cloud_uplink::{Command, Identity};
use store::cloud::Owner;
use tokio::sync::{mpsc, oneshot};

/// Commands that may wait for one gateway's channel task; more are refused as overloaded.
pub(crate) const COMMANDS_QUEUED_MAX: usize = 64;

/// The live channels.
#[derive(Debug, Default, Clone)]
pub(crate) struct Gateways(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    live: BTreeMap<Identity, Live>,
    /// Name of the last session of each gateway, for resuming.
    sessions: BTreeMap<Identity, String>,
    claims: u64,
}

#[derive(Debug)]
struct Live {
    number: u64,
    /// What the gateway had to tell when it connected is stored up to less than this.
    behind: Option<u64>,
    fence: Fence,
    commands: mpsc::Sender<Command>,
    superseded: oneshot::Sender<()>,
}

/// A place in the table, given back when dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    gateways: Gateways,
    identity: Identity,
    number: u64,
    /// Commands for the gateway.
    pub(crate) commands: mpsc::Receiver<Command>,
    /// Fires when a newer session took over.
    pub(crate) superseded: oneshot::Receiver<()>,
    /// Name of the session: the old one's if it goes on.
    pub(crate) session: String,
    /// Whether the session asked for goes on.
    pub(crate) resumed: bool,
}

/// A newer session of the same gateway is live.
#[derive(Debug)]
pub(crate) struct Fenced;

impl Gateways {
    /// Makes this the gateway's live channel, and ends the one before it. The session goes on under its
    /// name if it is the one to `resume`; otherwise a new one begins as `fresh`. The gateway has events up
    /// to `high_water` to tell.
    pub(crate) fn claim(
        &self,
        identity: &Identity,
        fence: Fence,
        fresh: &str,
        resume: Option<&str>,
        high_water: u64,
    ) -> Result<Claim, Fenced> {
        let mut table = self.lock();
        let live = table.live.get(identity);
        if live.is_some_and(|live| !fence.supersedes(live.fence)) {
            return Err(Fenced);
        }
        table.claims += 1;
        let number = table.claims;
        let (commands_in, commands) = mpsc::channel(COMMANDS_QUEUED_MAX);
        let (supersede, superseded) = oneshot::channel();
        let new = Live {
            number,
            behind: Some(high_water),
            fence,
            commands: commands_in,
            superseded: supersede,
        };
        if let Some(old) = table.live.insert(identity.clone(), new) {
            // An error means that the old channel is ending by itself.
            let _ = old.superseded.send(());
        }
        let last = table.sessions.get(identity).map(String::as_str);
        let resumed = last.is_some() && last == resume;
        let session = resume.filter(|_| resumed).unwrap_or(fresh).to_owned();
        table.sessions.insert(identity.clone(), session.clone());
        Ok(Claim {
            session,
            gateways: self.clone(),
            identity: identity.clone(),
            number,
            commands,
            superseded,
            resumed,
        })
    }

    /// Whether the gateway's channel is up.
    pub(crate) fn is_connected(&self, identity: &Identity) -> bool {
        self.lock().live.contains_key(identity)
    }

    /// Whether the gateway's channel is up, and has told what happened while it was down.
    pub(crate) fn is_caught_up(&self, identity: &Identity) -> bool {
        let table = self.lock();
        let live = table.live.get(identity);
        live.is_some_and(|live| live.behind.is_none())
    }

    /// How many are connected.
    pub(crate) fn connected(&self) -> usize {
        self.lock().live.len()
    }

    /// Hands a command to the gateway's channel.
    pub(crate) fn send(&self, identity: &Identity, command: Command) -> Result<(), NotSent> {
        let commands = self
            .lock()
            .live
            .get(identity)
            .map(|live| live.commands.clone());
        let Some(commands) = commands else {
            return Err(NotSent::Disconnected);
        };
        commands.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotSent::Full,
            mpsc::error::TrySendError::Closed(_) => NotSent::Disconnected,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// What the gateway tells is stored up to that number.
    pub(crate) fn stored(&self, seq: u64) {
        if let Some(live) = self.gateways.lock().live.get_mut(&self.identity)
            && live.number == self.number
        {
            live.behind = live.behind.filter(|high_water| *high_water > seq);
        }
    }
}

/// Why a command was not handed over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// The channel is down.
    Disconnected,
    /// [`COMMANDS_QUEUED_MAX`] wait already.
    Full,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut table = self.gateways.lock();
        let live = table.live.get(&self.identity);
        if live.is_some_and(|live| live.number == self.number) {
            table.live.remove(&self.identity);
        }
    }
}

/// The store's words for a gateway.
pub(crate) fn owner(identity: &Identity) -> Owner {
    Owner {
        account: identity.account_id.as_str().into(),
        site: identity.site_id.as_str().into(),
        gateway: identity.gateway_id.as_str().into(),
    }
}

/// The channel's words for an owner.
pub(crate) fn identity(owner: &Owner) -> Identity {
    Identity {
        account_id: owner.account.as_ref().to_owned(),
        site_id: owner.site.as_ref().to_owned(),
        gateway_id: owner.gateway.as_ref().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Identity {
        Identity {
            account_id: "a".into(),
            site_id: "s".into(),
            gateway_id: "g".into(),
        }
    }

    const fn fence(lease_epoch: u64, boot: u64) -> Fence {
        Fence { lease_epoch, boot }
    }

    #[test]
    fn a_newer_session_ends_the_older_and_an_older_one_is_refused() {
        let gateways = Gateways::default();
        let mut first = gateways
            .claim(&gateway(), fence(0, 5), "one", None, 0)
            .unwrap();
        assert!(!first.resumed);
        let mut second = gateways
            .claim(&gateway(), fence(0, 5), "two", Some("one"), 7)
            .unwrap();
        assert!(
            second.resumed && second.session == "one",
            "a session that goes on keeps its name"
        );
        assert_eq!(first.session, "one");
        assert!(first.superseded.try_recv().is_ok());
        drop(first);
        assert!(
            gateways.is_connected(&gateway()),
            "the second is still there"
        );
        assert!(
            gateways
                .claim(&gateway(), fence(0, 4), "three", None, 0)
                .is_err()
        );
        assert!(second.superseded.try_recv().is_err());
        for (seq, caught_up) in [(0, false), (6, false), (7, true), (3, true)] {
            second.stored(seq);
            assert_eq!(gateways.is_caught_up(&gateway()), caught_up, "{seq}");
        }
        drop(second);
        assert!(!gateways.is_connected(&gateway()));
        assert_eq!(gateways.connected(), 0);
    }
}

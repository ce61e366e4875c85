//! Commands on their way: stored before they are sent, answered once, and never carried out twice.
//!
//! A command has an id (ours), a key (the application's, unique in its account) and a deadline. It is sent
//! again whenever its gateway connects without having answered; the gateway knows by the key what it
//! already did. What the gateway says is the outcome; it is stored and stays.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_uplink::command::{Accepted, Action};
use cloud_uplink::id::CommandId;
use cloud_uplink::{Command, CommandError, ErrorCode, Identity, Outcome, Timestamp};
use sha2::{Digest as _, Sha256};
use store::StoreError;
use store::cloud::{COMMANDS_KEPT_MS, CommandPut, NewCommand, StoredCommand};
use tokio::sync::oneshot;

use crate::app::{App, count, timestamp, to_store_ms, unix_ms};
use crate::gateways::{NotSent, owner};

/// How long a command may wait to be carried out.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// How much longer its outcome is waited for: the PBX takes its time.
pub(crate) const OUTCOME_GRACE: Duration = Duration::from_secs(10);
/// Likewise for a question, whose answer may be long; below what a request may take in all.
const ANSWER_GRACE: Duration = Duration::from_secs(20);
/// Longest outcome kept with its answer, in bytes of JSON; of a longer one the answer is told once.
const ANSWER_KEPT_MAX: usize = 64 * 1024;
/// Gateways keep keys for 24 hours: what is older is not sent again.
const RESEND_AGE_MAX: Duration = Duration::from_secs(23 * 3600);

/// Sees commands through.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    waiting: Arc<Waiting>,
}

/// Who waits for which outcome.
#[derive(Debug, Default)]
struct Waiting(Mutex<BTreeMap<String, Vec<oneshot::Sender<Outcome>>>>);

/// One who waits, until dropped.
#[derive(Debug)]
struct Wait {
    id: String,
    outcome: oneshot::Receiver<Outcome>,
    among: Arc<Waiting>,
}

/// A command that an application asks for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) gateway: Identity,
    pub(crate) key: String,
    pub(crate) action: Action,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The command; none if it was refused before it became one.
    pub(crate) id: Option<String>,
    pub(crate) outcome: Outcome,
}

impl Answer {
    fn refused(id: Option<String>, code: ErrorCode, message: &str) -> Self {
        let outcome = Outcome::Error(CommandError::new(code, message));
        Self { id, outcome }
    }
}

impl Commands {
    /// Sees a command through: a new one is stored and sent, a known one answers with its outcome.
    ///
    /// # Errors
    /// When the store cannot say whether the command is new: nothing was done.
    pub(crate) async fn place(&self, app: &App, request: Request) -> Result<Answer, StoreError> {
        let Request {
            gateway,
            key,
            action,
        } = request;
        let grace = if action.method().is_question() {
            ANSWER_GRACE
        } else {
            OUTCOME_GRACE
        };
        let (method, params) = split(&action);
        let fingerprint = fingerprint(&gateway.site_id, &method, &params);
        if let Some(known) = find(app, &gateway.account_id, &key).await? {
            return self.repeat(app, known, &fingerprint).await;
        }
        if !app.gateways.is_connected(&gateway) {
            let message = "the gateway is not connected; nothing was done";
            return Ok(Answer::refused(
                None,
                ErrorCode::GatewayUnavailable,
                message,
            ));
        }
        let id = new_id();
        let now = timestamp();
        let deadline = later(now, DEADLINE);
        let new = NewCommand {
            id: id.to_string(),
            owner: owner(&gateway),
            key: key.clone(),
            fingerprint: fingerprint.clone(),
            method,
            params,
            deadline_ms: to_store_ms(deadline),
            now_ms: to_store_ms(now),
        };
        // Before the command is stored: from then on its gateway may be sent it, and answer.
        let wait = self.wait_for(id.to_string());
        match put(app, new).await? {
            CommandPut::New => {}
            CommandPut::Known(known) => return self.repeat(app, *known, &fingerprint).await,
            CommandPut::Conflict => return Ok(key_reused()),
        }
        count(&app.counters.commands);
        let command = Command {
            id,
            key,
            deadline,
            action,
        };
        match app.gateways.send(&gateway, command) {
            // Disconnected meanwhile: it is sent when the gateway is back.
            Ok(()) | Err(NotSent::Disconnected) => {}
            Err(NotSent::Full) => self.refuse_unsent(app, id.to_string()),
        }
        Ok(wait.outcome(DEADLINE + grace).await)
    }

    /// A gateway told the outcome: it is stored, and whoever waits gets it.
    pub(crate) fn complete(&self, app: &App, id: String, outcome: &Outcome) {
        if matches!(outcome, Outcome::Error(_)) {
            count(&app.counters.commands_failed);
        }
        let json = stored_outcome(outcome);
        let outcome = outcome.clone();
        let name = id.clone();
        let waiting = Arc::clone(&self.waiting);
        let answer = move |stored: Result<(), StoreError>| {
            if let Err(error) = stored {
                tracing::error!(command = name, %error, "cannot store a command's outcome");
            }
            // Only now: who comes later finds the outcome in the store.
            waiting.tell(&name, &outcome);
        };
        app.store.command_done(&id, json, Box::new(answer));
    }

    /// A command that was stored but certainly not sent.
    pub(crate) fn refuse_unsent(&self, app: &App, id: String) {
        let message = "too many commands wait for this gateway; nothing was done";
        let error = CommandError::new(ErrorCode::Overloaded, message);
        self.complete(app, id, &Outcome::Error(error));
    }

    /// The commands to send to a gateway that just connected, oldest first.
    pub(crate) async fn unanswered(&self, app: &App, gateway: &Identity) -> Vec<Command> {
        let by_owner = owner(gateway);
        let pending = app
            .read(move |store| store.pending_commands(&by_owner))
            .await;
        let pending = pending.unwrap_or_else(|error| {
            tracing::error!(%gateway, %error, "cannot read unanswered commands");
            Vec::new()
        });
        let age_max = i64::try_from(RESEND_AGE_MAX.as_millis()).unwrap_or(i64::MAX);
        let oldest = unix_ms() - age_max;
        let young = pending
            .into_iter()
            .filter(|stored| stored.command.now_ms >= oldest);
        young.filter_map(|stored| command(&stored)).collect()
    }

    async fn repeat(
        &self,
        app: &App,
        known: StoredCommand,
        fingerprint: &str,
    ) -> Result<Answer, StoreError> {
        if known.command.fingerprint != fingerprint {
            return Ok(key_reused());
        }
        let id = known.command.id;
        let wait = self.wait_for(id.clone());
        // Looked up after the wait began: an outcome told in between is not missed.
        let by_id = id.clone();
        let stored = app.read(move |store| store.command(&by_id)).await?;
        let stored = stored.and_then(|stored| stored.outcome);
        if let Some(stored) = stored.and_then(|json| serde_json::from_str(&json).ok()) {
            return Ok(Answer {
                id: Some(id),
                outcome: stored,
            });
        }
        let until = known.command.deadline_ms.saturating_sub(unix_ms());
        let left = Duration::from_millis(u64::try_from(until).unwrap_or(0));
        Ok(wait.outcome(left.min(DEADLINE) + OUTCOME_GRACE).await)
    }

    fn wait_for(&self, id: String) -> Wait {
        let (sender, outcome) = oneshot::channel();
        self.waiting
            .lock()
            .entry(id.clone())
            .or_default()
            .push(sender);
        let among = Arc::clone(&self.waiting);
        Wait { id, outcome, among }
    }
}

impl Waiting {
    fn tell(&self, id: &str, outcome: &Outcome) {
        let waiting = self.lock().remove(id).unwrap_or_default();
        for waiting in waiting {
            // An error means that it has just given up.
            let _ = waiting.send(outcome.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Vec<oneshot::Sender<Outcome>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wait {
    async fn outcome(mut self, patience: Duration) -> Answer {
        let told = tokio::time::timeout(patience, &mut self.outcome).await;
        let id = Some(self.id.clone());
        match told {
            Ok(Ok(outcome)) => Answer { id, outcome },
            Ok(Err(_)) | Err(_) => {
                let message = "the gateway has not told the outcome; \
                               repeat with the same Idempotency-Key to learn it";
                Answer::refused(id, ErrorCode::OutcomeUnknown, message)
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.outcome.close();
        let mut waiting = self.among.lock();
        if let Some(here) = waiting.get_mut(&self.id) {
            here.retain(|other| !other.is_closed());
            if here.is_empty() {
                waiting.remove(&self.id);
            }
        }
    }
}

/// The command that used the key before, at whichever gateway of the account: which of a site's
/// gateways serves may change between a request and its repetition.
async fn find(app: &App, account: &str, key: &str) -> Result<Option<StoredCommand>, StoreError> {
    let gateways = app.config.gateways.iter();
    let owners: Vec<_> = gateways
        .filter(|gateway| gateway.account_id == account)
        .map(|gateway| owner(&gateway.identity()))
        .collect();
    let key = key.to_owned();
    let oldest = unix_ms() - COMMANDS_KEPT_MS;
    app.read(move |store| {
        for owner in &owners {
            let known = store.command_by_key(owner, &key)?;
            if let Some(known) = known.filter(|known| known.command.now_ms >= oldest) {
                return Ok(Some(known));
            }
        }
        Ok(None)
    })
    .await
}

fn stored_outcome(outcome: &Outcome) -> String {
    // Plain structs with string keys: serialization has no way to fail.
    let json = |outcome: &Outcome| serde_json::to_string(outcome).unwrap_or_default();
    match (json(outcome), outcome) {
        (long, Outcome::Ok(accepted)) if long.len() > ANSWER_KEPT_MAX => {
            json(&Outcome::Ok(Accepted {
                answer: None,
                ..accepted.clone()
            }))
        }
        (short, _) => short,
    }
}

fn key_reused() -> Answer {
    let message = "this Idempotency-Key was used for another command";
    Answer::refused(None, ErrorCode::KeyReused, message)
}

async fn put(app: &App, command: NewCommand) -> Result<CommandPut, StoreError> {
    let (sender, receiver) = oneshot::channel();
    let done = move |result| {
        // An error means that the request was given up; the command stays, and is answered later.
        let _ = sender.send(result);
    };
    Arc::clone(&app.store).command_put(command, Box::new(done));
    receiver.await.unwrap_or(Err(StoreError::Closed))
}

fn new_id() -> CommandId {
    let random = uuid::Uuid::new_v4().as_u128();
    let now = net::clock::unix_ms();
    CommandId::new(ulid::Ulid::from_parts(now, random))
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_unix_ms(now.as_unix_ms().saturating_add(by))
}

/// Method and parameters as the store keeps them, and as they stand in the frame.
fn split(action: &Action) -> (String, String) {
    // Plain structs with string keys: serialization has no way to fail.
    let mut value = serde_json::to_value(action).unwrap_or_default();
    let method = value["method"].as_str().unwrap_or_default().to_owned();
    (method, value["params"].take().to_string())
}

/// Tells a repeated request from another one with the same key.
fn fingerprint(site: &str, method: &str, params: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(format!("{site}\n{method}\n{params}"));
    digest.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String has no way to fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn command(stored: &StoredCommand) -> Option<Command> {
    let NewCommand {
        id,
        key,
        method,
        params,
        deadline_ms,
        ..
    } = &stored.command;
    let params: serde_json::Value = serde_json::from_str(params).ok()?;
    let action = serde_json::json!({ "method": method, "params": params });
    Some(Command {
        id: id.parse().ok()?,
        key: key.clone(),
        deadline: Timestamp::from_unix_ms(u64::try_from(*deadline_ms).ok()?),
        action: serde_json::from_value(action).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use cloud_uplink::command::MakeCall;

    use super::*;
    use crate::{Cloud, Config};

    fn request() -> Request {
        Request {
            gateway: Identity {
                account_id: "a".into(),
                site_id: "s".into(),
                gateway_id: "g".into(),
            },
            key: "crm/1".into(),
            action: Action::MakeCall(MakeCall {
                endpoint_id: "2001".into(),
                to: "2002".into(),
                prompt: true,
            }),
        }
    }

    /// The request as it is put into the store.
    fn stored(id: CommandId, now_ms: i64) -> NewCommand {
        let Request {
            gateway,
            key,
            action,
        } = request();
        let (method, params) = split(&action);
        NewCommand {
            id: id.to_string(),
            owner: owner(&gateway),
            key,
            fingerprint: fingerprint(&gateway.site_id, &method, &params),
            method,
            params,
            deadline_ms: 1_790_000_000_000,
            now_ms,
        }
    }

    #[test]
    fn a_stored_command_is_read_back_as_it_was() {
        let id = new_id();
        let stored = StoredCommand {
            command: stored(id, 0),
            outcome: None,
        };
        assert_eq!(stored.command.method, "makeCall");
        let read = command(&stored).unwrap();
        let Request { key, action, .. } = request();
        assert_eq!((read.id, read.key, read.action), (id, key, action));
        assert_eq!(read.deadline.as_unix_ms(), 1_790_000_000_000);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_repetition_learns_an_outcome_that_was_told_but_not_yet_stored() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::loopback(dir.path());
        let config = config.with_gateway(&request().gateway, "gateway-token-0123456789");
        let cloud = Cloud::start(config).await.unwrap();
        let app = &*cloud.app;
        let id = new_id();
        assert_eq!(put(app, stored(id, unix_ms())).await, Ok(CommandPut::New));
        // The writer stands still in a callback: what is queued behind is not committed.
        let (entered, stands) = oneshot::channel();
        let (go_on, gate) = std::sync::mpsc::channel::<()>();
        let stand = move |_| {
            let _ = entered.send(());
            let _ = gate.recv();
        };
        app.store
            .command_done("another", "{}".to_owned(), Box::new(stand));
        stands.await.unwrap();
        let outcome = Outcome::Ok(Accepted::default());
        app.commands.complete(app, id.to_string(), &outcome);
        let mut repetition = Box::pin(app.commands.place(app, request()));
        let early = tokio::time::timeout(Duration::from_millis(500), &mut repetition).await;
        assert!(early.is_err(), "{early:?} before anything was stored");
        drop(go_on);
        let answer = tokio::time::timeout(Duration::from_secs(8), repetition).await;
        let answer = answer.expect("it waits in vain").unwrap();
        assert_eq!((answer.id, answer.outcome), (Some(id.to_string()), outcome));
        assert!(app.commands.waiting.lock().is_empty());
        cloud.shutdown().await;
    }

    #[test]
    fn who_gives_up_no_longer_counts_as_waiting() {
        let commands = Commands::default();
        let (first, second) = (commands.wait_for("1".into()), commands.wait_for("1".into()));
        drop(first);
        assert_eq!(commands.waiting.lock()["1"].len(), 1);
        drop(second);
        assert!(commands.waiting.lock().is_empty());
    }
}

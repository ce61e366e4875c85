//! Carries out the far end's commands, each at most once: it is stored under its key before the PBX
//! is asked, and marked as sent before the request leaves. What happened to a command that was sent
//! when the process died is unknown, and said to be.

use std::sync::Arc;
use std::time::Duration;

use cloud_uplink::command::{Action, Command};
use cloud_uplink::event::CommandCompleted;
use cloud_uplink::frame::Response;
use cloud_uplink::{CommandError, ErrorCode, EventData, Outcome};
use net::clock;
use net::uplink::{CommandReply, IncomingCommand};
use store::StoreError;
use store::gateway::{Accepted, CommandState, Done, NewCommand, StoredCommand};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::engine::{EngineCommand, call_of};
use crate::outbox::{Outbox, wall};
use crate::status::{Running, Shared};

/// Commands carried out at once; the next ones wait for their turn, at most until their deadlines.
pub const COMMANDS_MAX: usize = 64;
/// Commands waiting for their turn; a new one beyond them is refused as overloaded.
pub const WAITING_MAX: usize = 1024;
/// Longest idempotency key.
const KEY_LEN_MAX: usize = 128;

/// What carrying out commands needs.
#[derive(Debug, Clone)]
pub struct Commands {
    /// Where commands are stored.
    pub outbox: Arc<Outbox>,
    /// The PBX's side.
    pub engine: mpsc::Sender<EngineCommand>,
    /// Where outcomes go.
    pub replies: mpsc::Sender<CommandReply>,
    /// Figures.
    pub shared: Arc<Shared>,
}

/// What is to be done about a command that came.
enum Taken {
    /// It is new, or was never begun: carry it out.
    New(Running),
    /// It has its outcome, or will never have one.
    Settled(Box<Outcome>),
    /// An earlier copy is still at it and will tell.
    Underway,
}

impl Commands {
    /// Carries out what comes until the channel's part is gone. Commands are stored, and confirmed, in
    /// the order in which they come: a confirmation covers all before it.
    pub async fn run(self, mut incoming: mpsc::Receiver<IncomingCommand>) {
        let turns = Arc::new(Semaphore::new(COMMANDS_MAX));
        let waiting = Arc::new(Semaphore::new(COMMANDS_MAX + WAITING_MAX));
        while let Some(IncomingCommand { reference, command }) = incoming.recv().await {
            let taken = self.take(&command).await;
            let _ = self.replies.send(CommandReply::Stored(reference)).await;
            match taken {
                Taken::Underway => {}
                Taken::Settled(outcome) => self.reply(&command, *outcome).await,
                Taken::New(running) => {
                    let (this, turns) = (self.clone(), Arc::clone(&turns));
                    let place = Arc::clone(&waiting).try_acquire_owned();
                    tokio::spawn(async move {
                        let outcome = match &place {
                            Ok(_) => this.in_turn(&command, &turns).await,
                            Err(_) => Outcome::Error(overloaded()),
                        };
                        this.finish(&command, &outcome).await;
                        this.reply(&command, outcome).await;
                        drop((running, place));
                    });
                }
            }
        }
    }

    /// Looks a command up by its key and stores it if it is new.
    async fn take(&self, command: &Command) -> Taken {
        let Some(running) = self.shared.try_run(&command.key) else {
            return Taken::Underway;
        };
        let outcome = match self.accept(command).await {
            Err(error) => Outcome::Error(error),
            Ok(Accepted::Conflict) => {
                let message = "this idempotency key was used before for another command";
                Outcome::Error(CommandError::new(ErrorCode::KeyReused, message))
            }
            Ok(Accepted::Known {
                state: CommandState::Done,
                outcome: Some(outcome),
            }) => parse_outcome(&outcome),
            Ok(Accepted::Known {
                state: CommandState::Sent | CommandState::Done,
                ..
            }) => {
                let outcome = outcome_unknown();
                self.finish(command, &outcome).await;
                outcome
            }
            Ok(
                Accepted::New
                | Accepted::Known {
                    state: CommandState::Accepted,
                    ..
                },
            ) => {
                return Taken::New(running);
            }
        };
        Taken::Settled(Box::new(outcome))
    }

    /// Waits for a turn, at most until the deadline, and carries the command out.
    async fn in_turn(&self, command: &Command, turns: &Semaphore) -> Outcome {
        let left = command
            .deadline
            .as_unix_ms()
            .saturating_sub(self.far_end_now());
        let turn = tokio::time::timeout(Duration::from_millis(left), turns.acquire()).await;
        match turn {
            Ok(_turn) => self.execute(command).await,
            Err(_) => Outcome::Error(expired(command)),
        }
    }

    async fn accept(&self, command: &Command) -> Result<Accepted, CommandError> {
        if command.key.is_empty() || command.key.len() > KEY_LEN_MAX {
            let message = format!("an idempotency key has 1 to {KEY_LEN_MAX} characters");
            return Err(CommandError::new(ErrorCode::Unsupported, message));
        }
        let body = serde_json::to_string(&command.action).unwrap_or_default();
        let new = NewCommand {
            key: command.key.clone(),
            id: command.id.to_string(),
            fingerprint: body.clone(),
            method: format!("{:?}", command.action.method()),
            body,
            deadline_ms: wall(command.deadline.as_unix_ms()),
            now_ms: wall(clock::unix_ms()),
        };
        // Whether the key was used before is then not known either.
        stored(|done| self.outbox.store().command_accept(new, done))
            .await
            .map_err(|mut error| {
                error.code = ErrorCode::OutcomeUnknown;
                error
            })
    }

    async fn execute(&self, command: &Command) -> Outcome {
        match self.try_execute(command).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Error(error),
        }
    }

    async fn try_execute(&self, command: &Command) -> Result<Outcome, CommandError> {
        let gone = || CommandError::new(ErrorCode::Internal, "the PBX link's part is restarting");
        self.check_deadline(command)?;
        let (reply, resolved) = oneshot::channel();
        let resolve = EngineCommand::Resolve(command.action.clone(), reply);
        self.engine.send(resolve).await.map_err(|_| gone())?;
        let request = resolved.await.map_err(|_| gone())??;
        stored(|done| self.outbox.store().command_sent(&command.key, done)).await?;
        self.check_deadline(command)?;
        let (reply, outcome) = oneshot::channel();
        let execute = EngineCommand::Execute(command.action.clone(), request, reply);
        self.engine.send(execute).await.map_err(|_| gone())?;
        // The part may have died with the request on its way.
        Ok(outcome.await.unwrap_or_else(|_| outcome_unknown()))
    }

    /// The far end's clock, by which deadlines are set: ours and how far it was ahead at the welcome.
    fn far_end_now(&self) -> u64 {
        let ahead_ms = self.shared.uplink.borrow().far_end_ahead_ms;
        clock::unix_ms().saturating_add_signed(ahead_ms)
    }

    fn check_deadline(&self, command: &Command) -> Result<(), CommandError> {
        if self.far_end_now() < command.deadline.as_unix_ms() {
            return Ok(());
        }
        Err(expired(command))
    }

    /// Stores the outcome and publishes it.
    async fn finish(&self, command: &Command, outcome: &Outcome) {
        let json = serde_json::to_string(outcome).unwrap_or_default();
        let done = stored(|done| self.outbox.store().command_done(&command.key, json, done)).await;
        if let Err(error) = done {
            tracing::error!(%error, command = %command.id, "outcome of a command not stored");
        }
        let completed = CommandCompleted {
            command_id: command.id,
            method: command.action.method(),
            call_id: call_of(outcome).or_else(|| command.action.call_id()),
            error: match outcome {
                Outcome::Ok(_) => None,
                Outcome::Error(error) => Some(error.clone()),
            },
        };
        let publish = EngineCommand::Publish(EventData::CommandCompleted(completed));
        let _ = self.engine.send(publish).await;
    }

    async fn reply(&self, command: &Command, outcome: Outcome) {
        match &outcome {
            Outcome::Ok(done) => {
                let call = done.call_id.map(|call| call.to_string());
                tracing::info!(command = %command.id, call, "command carried out");
            }
            Outcome::Error(error) => {
                tracing::info!(command = %command.id, code = ?error.code, "command refused");
            }
        }
        self.shared.count_command(&outcome);
        let response = Response {
            id: command.id,
            outcome,
        };
        let _ = self.replies.send(CommandReply::Outcome(response)).await;
    }
}

/// Waits for the store's word.
async fn stored<T: Send + 'static>(submit: impl FnOnce(Done<T>)) -> Result<T, CommandError> {
    let (done, told) = oneshot::channel();
    submit(Box::new(move |result: Result<T, StoreError>| {
        let _ = done.send(result);
    }));
    let internal = |what: String| CommandError::new(ErrorCode::Internal, what);
    match told.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(internal(format!("the command cannot be stored: {error}"))),
        Err(_) => Err(internal("the store is shutting down".to_owned())),
    }
}

fn expired(command: &Command) -> CommandError {
    let message = format!(
        "the deadline {} has passed; nothing was done",
        command.deadline
    );
    CommandError::new(ErrorCode::Expired, message)
}

fn overloaded() -> CommandError {
    let message = format!("{WAITING_MAX} commands wait for their turn; nothing was done");
    CommandError::new(ErrorCode::Overloaded, message)
}

fn outcome_unknown() -> Outcome {
    Outcome::Error(CommandError::new(
        ErrorCode::OutcomeUnknown,
        "the gateway was interrupted after the PBX was asked: whether it acted is not known",
    ))
}

fn parse_outcome(json: &str) -> Outcome {
    serde_json::from_str(json).unwrap_or_else(|_| outcome_unknown())
}

/// The outcome of a command that was sent when the process died: for the store and for publishing.
/// `None` for a row that cannot be read.
pub(crate) fn interrupted(stored: &StoredCommand) -> Option<(String, CommandCompleted)> {
    let Ok(action) = serde_json::from_str::<Action>(&stored.body) else {
        return None;
    };
    let outcome = outcome_unknown();
    let json = serde_json::to_string(&outcome).ok()?;
    let error = match outcome {
        Outcome::Error(error) => Some(error),
        Outcome::Ok(_) => None,
    };
    let completed = CommandCompleted {
        command_id: stored.id.parse().ok()?,
        method: action.method(),
        call_id: action.call_id(),
        error,
    };
    Some((json, completed))
}

#[cfg(test)]
mod tests;

//! Commands against a real store and a PBX's side that the test plays.

use std::time::Duration;

use cloud_uplink::command::{Accepted as Done, MakeCall};
use cloud_uplink::id::CommandId;
use cloud_uplink::session::gateway::CommandRef;
use cloud_uplink::{Identity, Timestamp};
use net::uplink::UplinkStatus;
use store::gateway::{OutboxLimits, Recovered};
use tokio::sync::watch;
use ulid::Ulid;

use super::*;
use crate::supervise::Restarts;

struct Rig {
    dir: tempfile::TempDir,
    commands: Commands,
    engine: mpsc::Receiver<EngineCommand>,
    replies: mpsc::Receiver<CommandReply>,
    status: watch::Sender<UplinkStatus>,
    recovered: Recovered,
}

fn rig_in(dir: tempfile::TempDir) -> Rig {
    let limits = OutboxLimits {
        ballast_bytes: 0,
        ..OutboxLimits::default()
    };
    let (outbox, recovered) = Outbox::open(dir.path(), limits, clock::unix_ms()).unwrap();
    let (engine_in, engine) = mpsc::channel(256);
    let (replies_in, replies) = mpsc::channel(256);
    let (status_in, status) = watch::channel(UplinkStatus::new(clock::now()));
    let identity = Identity {
        account_id: "a".to_owned(),
        site_id: "s".to_owned(),
        gateway_id: "g".to_owned(),
    };
    let shared = Shared::new(identity, String::new(), status, Restarts::default());
    let commands = Commands {
        outbox: Arc::new(outbox),
        engine: engine_in,
        replies: replies_in,
        shared: Arc::new(shared),
    };
    Rig {
        dir,
        commands,
        engine,
        replies,
        status: status_in,
        recovered,
    }
}

fn rig() -> Rig {
    rig_in(tempfile::tempdir().unwrap())
}

fn call(key: &str, to: &str, in_ms: i64) -> Command {
    let deadline = clock::unix_ms().saturating_add_signed(in_ms);
    Command {
        id: CommandId::new(Ulid::from_parts(deadline, 1)),
        key: key.to_owned(),
        deadline: Timestamp::from_unix_ms(deadline),
        action: Action::MakeCall(MakeCall {
            endpoint_id: "2001".to_owned(),
            to: to.to_owned(),
            prompt: true,
        }),
    }
}

fn request() -> csta::Request {
    let calling_device = csta::DeviceId::new("2001");
    let called_directory_number = csta::DeviceId::new("2002");
    csta::message::MakeCall {
        auto_originate: None,
        ..csta::message::MakeCall::new(calling_device, called_directory_number)
    }
    .into()
}

/// What comes of a command when there is nothing to wait for.
async fn carry_out(commands: &Commands, command: &Command) -> Option<Outcome> {
    match commands.take(command).await {
        Taken::Underway => None,
        Taken::Settled(outcome) => Some(*outcome),
        Taken::New(_running) => {
            let outcome = commands.in_turn(command, &Semaphore::new(1)).await;
            commands.finish(command, &outcome).await;
            Some(outcome)
        }
    }
}

fn code(outcome: Option<Outcome>) -> ErrorCode {
    match outcome {
        Some(Outcome::Error(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

/// Plays the PBX's side: every request is resolved and accepted. Gives how many were sent.
async fn play(mut engine: mpsc::Receiver<EngineCommand>) -> usize {
    let mut sent = 0;
    while let Some(command) = engine.recv().await {
        match command {
            EngineCommand::Resolve(_, reply) => drop(reply.send(Ok(request()))),
            EngineCommand::Execute(_, _, reply) => {
                sent += 1;
                drop(reply.send(Outcome::Ok(Done::default())));
            }
            EngineCommand::Publish(_)
            | EngineCommand::SetDevices(_)
            | EngineCommand::MessageWaiting(..)
            | EngineCommand::Panic => {}
        }
    }
    sent
}

#[tokio::test]
async fn a_command_past_its_deadline_is_refused_and_the_pbx_never_asked() {
    let Rig {
        commands, engine, ..
    } = rig();
    let playing = tokio::spawn(play(engine));
    let outcome = carry_out(&commands, &call("k", "2002", -1)).await;
    assert_eq!(code(outcome), ErrorCode::Expired);
    // Told again, the answer is the same.
    let again = carry_out(&commands, &call("k", "2002", 5000)).await;
    assert_eq!(code(again), ErrorCode::Expired);
    drop(commands);
    assert_eq!(playing.await.unwrap(), 0);
}

#[tokio::test]
async fn a_key_is_carried_out_once_and_tells_its_outcome_again() {
    let Rig {
        commands, engine, ..
    } = rig();
    let playing = tokio::spawn(play(engine));
    for _ in 0..3 {
        let outcome = carry_out(&commands, &call("k", "2002", 5000)).await;
        assert!(matches!(outcome, Some(Outcome::Ok(_))), "{outcome:?}");
    }
    let other = carry_out(&commands, &call("k", "2003", 5000)).await;
    assert_eq!(code(other), ErrorCode::KeyReused);
    let (empty, long) = (call("", "2002", 5000), call(&"k".repeat(129), "2002", 5000));
    assert_eq!(
        code(carry_out(&commands, &empty).await),
        ErrorCode::Unsupported
    );
    assert_eq!(
        code(carry_out(&commands, &long).await),
        ErrorCode::Unsupported
    );
    drop(commands);
    assert_eq!(playing.await.unwrap(), 1);
}

#[tokio::test]
async fn a_copy_of_a_command_that_is_being_carried_out_waits_for_nothing() {
    let Rig {
        commands,
        mut engine,
        ..
    } = rig();
    let first = tokio::spawn({
        let commands = commands.clone();
        async move { carry_out(&commands, &call("k", "2002", 5000)).await }
    });
    let Some(EngineCommand::Resolve(_, reply)) = engine.recv().await else {
        panic!()
    };
    let copy = carry_out(&commands, &call("k", "2002", 5000)).await;
    assert_eq!(copy, None, "the first one will tell");
    reply.send(Ok(request())).unwrap();
    let Some(EngineCommand::Execute(_, _, reply)) = engine.recv().await else {
        panic!()
    };
    reply.send(Outcome::Ok(Done::default())).unwrap();
    assert!(matches!(first.await.unwrap(), Some(Outcome::Ok(_))));
}

#[tokio::test]
async fn a_command_that_was_sent_when_the_process_died_has_an_unknown_outcome() {
    let Rig {
        dir,
        commands,
        mut engine,
        ..
    } = rig();
    let running = tokio::spawn({
        let commands = commands.clone();
        async move { carry_out(&commands, &call("k", "2002", 60_000)).await }
    });
    let Some(EngineCommand::Resolve(_, reply)) = engine.recv().await else {
        panic!()
    };
    reply.send(Ok(request())).unwrap();
    let Some(EngineCommand::Execute(..)) = engine.recv().await else {
        panic!()
    };
    running.abort();
    let _ = running.await;
    drop((commands, engine));

    let Rig {
        commands,
        engine,
        recovered,
        ..
    } = rig_in(dir);
    assert_eq!(recovered.unfinished.len(), 1);
    let (json, completed) = interrupted(&recovered.unfinished[0]).unwrap();
    assert!(json.contains("outcomeUnknown"), "{json}");
    assert_eq!(completed.error.unwrap().code, ErrorCode::OutcomeUnknown);
    let playing = tokio::spawn(play(engine));
    let again = carry_out(&commands, &call("k", "2002", 60_000)).await;
    assert_eq!(code(again), ErrorCode::OutcomeUnknown);
    drop(commands);
    assert_eq!(playing.await.unwrap(), 0, "never dialled twice");
}

#[tokio::test]
async fn commands_beyond_the_turns_wait_and_expire_and_the_pbx_is_never_asked_for_them() {
    let Rig {
        commands,
        mut engine,
        mut replies,
        ..
    } = rig();
    let (incoming_in, incoming) = mpsc::channel(COMMANDS_MAX * 2);
    let running = tokio::spawn(commands.run(incoming));
    let send = async |n: usize, in_ms| {
        let command = call(&format!("k{n}"), "2002", in_ms);
        let reference = CommandRef::default();
        incoming_in
            .send(IncomingCommand { reference, command })
            .await
            .unwrap();
    };
    for n in 0..COMMANDS_MAX {
        send(n, 60_000).await;
    }
    send(COMMANDS_MAX, 50).await;
    // A copy of one that is underway is confirmed and told nothing.
    send(0, 60_000).await;
    let outcome = loop {
        let wait = tokio::time::timeout(Duration::from_secs(10), replies.recv());
        if let Some(CommandReply::Outcome(response)) = wait.await.unwrap() {
            break response.outcome;
        }
    };
    assert_eq!(code(Some(outcome)), ErrorCode::Expired);
    let mut resolved = 0;
    while let Ok(command) = engine.try_recv() {
        resolved += usize::from(matches!(command, EngineCommand::Resolve(..)));
    }
    assert_eq!(resolved, COMMANDS_MAX);
    running.abort();
}

#[tokio::test]
async fn deadlines_are_the_far_ends_time() {
    for (ahead_ms, in_ms, expected) in [
        (-7_200_000, -3_600_000, true),
        (7_200_000, 3_600_000, false),
    ] {
        let Rig {
            commands,
            engine,
            status,
            ..
        } = rig();
        status.send_modify(|status| status.far_end_ahead_ms = ahead_ms);
        let playing = tokio::spawn(play(engine));
        let outcome = carry_out(&commands, &call("k", "2002", in_ms)).await;
        assert_eq!(
            matches!(outcome, Some(Outcome::Ok(_))),
            expected,
            "{outcome:?}"
        );
        drop(commands);
        assert_eq!(playing.await.unwrap(), usize::from(expected));
    }
}

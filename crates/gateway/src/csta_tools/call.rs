//! `ringway csta call`: one call, and what happens to it.

use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use csta::client::ClientEvent;
use csta::message::{ClearConnection, MakeCall, Message};
use csta::{AutoOriginate, ConnectionId, DeviceId, Event, Response};
use net::clock;
use net::csta_link::until;

use super::describe::describe;
use super::line::event_line;
use super::monitor::Names;
use super::record::{Frame, Sender};
use super::session::{ANSWER_TIMEOUT, OnCut, Seen, Session, lost};
use super::{CallArgs, print, until_stopped};

/// Longest wait for the events behind Clear Connection.
const CLEAR_TIMEOUT: Duration = Duration::from_secs(5);

/// A call from our telephone.
#[derive(Debug)]
struct Call {
    connection: ConnectionId,
    names: Names,
    answered: bool,
    /// It failed: what is left of it is to be cleared.
    failed: bool,
    over: bool,
}

pub(super) async fn run(args: &CallArgs) -> anyhow::Result<ExitCode> {
    let from = DeviceId::new(args.from.as_str());
    let to = DeviceId::new(args.to.as_str());
    if from == to {
        bail!("{from} cannot call itself");
    }
    let mut session =
        Session::open(args.pbx.link()?, vec![from.clone(), to.clone()], OnCut::End).await?;
    // From here on a Ctrl-C clears the call that may have been made.
    let stopped = until_stopped(None)?;
    tokio::pin!(stopped);
    let made = tokio::select! {
        names = monitored(&mut session, &from) => match names {
            Ok(names) => begin(&mut session, from, to, names).await,
            Err(error) => Err(error),
        },
        () = &mut stopped => Err(anyhow::anyhow!("stopped before the call was made")),
    };
    let mut call = match made {
        Ok(call) => call,
        Err(error) => {
            session.close().await;
            return Err(error);
        }
    };
    let result = call.follow(&mut session, args.hang_up_after, stopped).await;
    let (rest, reason) = session.close().await;
    if !result? {
        return Err(lost(&reason));
    }
    for heard in &rest {
        call.hear(heard)?;
    }
    print(match (call.answered, call.over) {
        (true, false) => "answered; the call stays up",
        (true, true) => "answered, and over",
        (false, true) => "over; it was not answered",
        (false, false) => "not answered; what is left of it could not be cleared",
    })?;
    Ok(ExitCode::from(u8::from(!call.answered)))
}

/// Waits until both telephones are monitored, as far as they can be; who is who in what came.
async fn monitored(session: &mut Session, from: &DeviceId) -> anyhow::Result<Names> {
    let mut names = Names::default();
    loop {
        match tokio::time::timeout(ANSWER_TIMEOUT, session.next()).await {
            Err(_) => bail!("{from} is not monitored in time"),
            Ok(None) => bail!("the association is over"),
            Ok(Some(Seen::Frame(frame))) => {
                if let Ok(message) = Message::parse(&frame.body) {
                    names.learn(&frame, &message);
                }
            }
            Ok(Some(Seen::Client(ClientEvent::Unmonitored { device, reason, .. }))) => {
                if device == *from {
                    bail!("{from} is not monitored, so its call could not be followed: {reason}");
                }
                print(&format!("{device} is not monitored: {reason}"))?;
            }
            Ok(Some(Seen::Client(ClientEvent::Synchronised { .. }))) => return Ok(names),
            Ok(Some(Seen::Missed(missed))) => print(&missed.to_string())?,
            Ok(Some(Seen::Client(_) | Seen::Cut(_) | Seen::Again)) => {}
        }
    }
}

/// Makes the call.
async fn begin(
    session: &mut Session,
    from: DeviceId,
    to: DeviceId,
    names: Names,
) -> anyhow::Result<Call> {
    let request = MakeCall {
        auto_originate: Some(AutoOriginate::DoNotPrompt),
        ..MakeCall::new(from.clone(), to)
    };
    match session.ask(request).await {
        Ok(Response::MakeCall(made)) => Ok(Call {
            connection: made.calling_device,
            names,
            answered: false,
            failed: false,
            over: false,
        }),
        Ok(other) => bail!("unexpected answer <{}> to Make Call", other.name()),
        Err(error) => bail!("no call from {from}: {error}"),
    }
}

impl Call {
    /// Shows the call until it is up or over; `false` if the association ended first.
    async fn follow(
        &mut self,
        session: &mut Session,
        hang_up_after: Option<Duration>,
        mut stopped: Pin<&mut impl Future<Output = ()>>,
    ) -> anyhow::Result<bool> {
        let mut hang_up_at: Option<Instant> = None;
        loop {
            if self.over || (self.answered && hang_up_after.is_none()) {
                return Ok(true);
            }
            if self.answered && hang_up_at.is_none() {
                hang_up_at = hang_up_after.map(|after| clock::now() + after);
            }
            tokio::select! {
                () = &mut stopped => return self.clear(session).await,
                () = until(hang_up_at) => return self.clear(session).await,
                heard = session.next() => match heard {
                    Some(heard) => self.hear(&heard)?,
                    None => return Ok(false),
                },
            }
            if self.failed && !self.over {
                return self.clear(session).await;
            }
        }
    }

    /// Clears our telephone's connection and shows what follows.
    async fn clear(&mut self, session: &mut Session) -> anyhow::Result<bool> {
        let request = ClearConnection::new(self.connection.clone());
        if let Err(error) = session.ask(request).await {
            print(&format!("not cleared: {error}"))?;
            return Ok(true);
        }
        let give_up = clock::now() + CLEAR_TIMEOUT;
        while !self.over {
            tokio::select! {
                () = until(Some(give_up)) => return Ok(true),
                heard = session.next() => match heard {
                    Some(heard) => self.hear(&heard)?,
                    None => return Ok(false),
                },
            }
        }
        Ok(true)
    }

    fn hear(&mut self, heard: &Seen) -> anyhow::Result<()> {
        match heard {
            Seen::Frame(frame) => self.frame(frame),
            Seen::Missed(missed) => print(&missed.to_string()),
            Seen::Client(_) | Seen::Cut(_) | Seen::Again => Ok(()),
        }
    }

    fn frame(&mut self, frame: &Frame) -> anyhow::Result<()> {
        let Ok(message) = Message::parse(&frame.body) else {
            return Ok(());
        };
        self.names.learn(frame, &message);
        let (Message::Event(event), Sender::Pbx) = (message, frame.from) else {
            return Ok(());
        };
        let Ok(described) = describe(&frame.body) else {
            return Ok(());
        };
        let ours = self.connection.call_id.as_ref();
        if !described
            .connections
            .calls()
            .any(|call| ours.is_some_and(|id| id.as_str() == call))
        {
            return Ok(());
        }
        let device = self.names.device(&described);
        print(&event_line(&frame.time.to_string(), device, &described))?;
        self.note(&event);
        Ok(())
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Established(_) => self.answered = true,
            Event::Failed(_) => self.failed = true,
            Event::CallCleared(_) => self.over = true,
            Event::ConnectionCleared(cleared) => {
                let number =
                    |id: &ConnectionId| id.device_id.as_ref().map(|it| it.number().to_owned());
                self.over |= number(&cleared.dropped_connection) == number(&self.connection);
            }
            _ => {}
        }
    }
}

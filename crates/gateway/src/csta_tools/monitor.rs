//! `ringway csta monitor`: events as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitCode;

use csta::client::{ClientEvent, UnmonitoredReason};
use csta::message::monitoring::MonitorObject;
use csta::message::{Message, SnapshotCallInfo};
use csta::{InvokeId, Request, Response};
use serde::Serialize;

use super::describe::{Described, Fault, describe};
use super::line::{event_line, folded, short};
use super::record::{Frame, Sender};
use super::session::{OnCut, Seen, Session, lost};
use super::{MonitorArgs, options, print, secret, until_stopped};
use crate::cli::complain;

/// Devices named at the end that are not monitored.
const NAMED_MAX: usize = 10;

/// How events are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Json,
    Xml,
}

/// One object of `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    invoke_id: u16,
    #[serde(flatten)]
    described: &'a Described,
}

pub(super) async fn run(args: &MonitorArgs) -> anyhow::Result<ExitCode> {
    let form = match (args.json, args.xml) {
        (true, _) => Form::Json,
        (_, true) => Form::Xml,
        _ => Form::Lines,
    };
    let devices = options::devices(&args.devices)?;
    let mut session = Session::open(args.pbx.link()?, devices, OnCut::ConnectAgain).await?;
    let stopped = until_stopped(args.run_for)?;
    tokio::pin!(stopped);
    let mut screen = Screen {
        form,
        names: Names::default(),
        events: 0,
    };
    let mut counted = None;
    let mut refused = BTreeSet::new();
    loop {
        tokio::select! {
            () = &mut stopped => break,
            heard = session.next() => match heard.inspect(|heard| note_refused(&mut refused, heard)) {
                Some(Seen::Client(ClientEvent::Synchronised { devices, unmonitored }))
                    if counted.is_none() =>
                {
                    let monitored = devices.saturating_sub(unmonitored);
                    counted = Some(monitored);
                    if monitored == 0 {
                        break;
                    }
                    screen.note(&format!("{} monitored, Ctrl-C ends", so_many(monitored, "device")))?;
                }
                Some(heard) => screen.show(&heard)?,
                None => {
                    let (_, reason) = session.close().await;
                    return Err(lost(&reason));
                }
            },
        }
    }
    let (rest, reason) = session.close().await;
    for heard in rest
        .iter()
        .filter(|heard| !matches!(heard, Seen::Client(_)))
    {
        screen.show(heard)?;
    }
    if counted == Some(0) {
        screen.note("nothing is monitored")?;
        return Ok(ExitCode::FAILURE);
    }
    let events = so_many(screen.events, "event");
    screen.note(&format!("{events}; {reason}"))?;
    if refused.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let (first, rest) = (
        refused.iter().take(NAMED_MAX),
        refused.len().saturating_sub(NAMED_MAX),
    );
    let mut names: Vec<_> = first.map(String::as_str).collect();
    let more = format!("{rest} more");
    names.extend((rest > 0).then_some(more.as_str()));
    screen.note(&format!("not monitored: {}", names.join(", ")))?;
    Ok(ExitCode::FAILURE)
}

/// Keeps the devices whose monitors do not run.
fn note_refused(refused: &mut BTreeSet<String>, heard: &Seen) {
    match heard {
        Seen::Client(ClientEvent::Unmonitored { device, reason, .. })
            if *reason != UnmonitoredReason::Removed =>
        {
            refused.insert(device.to_string());
        }
        Seen::Client(ClientEvent::Monitored { device }) => {
            refused.remove(&device.to_string());
        }
        _ => {}
    }
}

/// `1 device`, `2 devices`.
fn so_many<N: fmt::Display + PartialEq + From<u8>>(count: N, what: &str) -> String {
    let ending = if count == N::from(1) { "" } else { "s" };
    format!("{count} {what}{ending}")
}

/// Which monitor is whose, from the frames themselves.
#[derive(Debug, Default)]
pub(super) struct Names {
    asked: BTreeMap<InvokeId, String>,
    devices: BTreeMap<String, String>,
}

impl Names {
    /// Takes note of requests for monitors and their answers.
    pub(super) fn learn(&mut self, frame: &Frame, message: &Message) {
        match message {
            Message::Request(Request::MonitorStart(start)) => {
                if let MonitorObject::Device(device) = &start.monitor_object {
                    self.asked.insert(frame.invoke_id, device.to_string());
                }
            }
            Message::Response(Response::MonitorStart(started)) => {
                if let Some(device) = self.asked.remove(&frame.invoke_id) {
                    let id = started.monitor_cross_ref_id.to_string();
                    self.devices.insert(id, device);
                }
            }
            _ => {}
        }
    }

    /// The device that a monitor watches.
    pub(super) fn device(&self, described: &Described) -> Option<&str> {
        let id = described.cross_ref.as_deref()?;
        self.devices.get(id).map(String::as_str)
    }
}

struct Screen {
    form: Form,
    names: Names,
    events: u64,
}

impl Screen {
    fn show(&mut self, heard: &Seen) -> anyhow::Result<()> {
        match heard {
            Seen::Frame(frame) => self.frame(frame),
            Seen::Client(event) => match client_line(event) {
                Some(line) => self.note(&line),
                None => Ok(()),
            },
            Seen::Missed(missed) => self.note(&missed.to_string()),
            Seen::Cut(cut) => self.note(&format!("the link is down: {}; tried again", cut.reason)),
            Seen::Again => self.note("the link is up again; what happened meanwhile is not shown"),
        }
    }

    fn frame(&mut self, frame: &Frame) -> anyhow::Result<()> {
        let Ok(message) = Message::parse(&frame.body) else {
            return match frame.from {
                Sender::Pbx => self.note(&unreadable(&frame.body)),
                Sender::Us => Ok(()),
            };
        };
        self.names.learn(frame, &message);
        let is_event = match message {
            Message::Event(_) => true,
            Message::Unknown { .. } => frame.invoke_id == InvokeId::EVENT,
            Message::Request(_) | Message::Response(_) => false,
        };
        if !is_event || frame.from != Sender::Pbx {
            return Ok(());
        }
        self.events += 1;
        let Ok(described) = describe(&frame.body) else {
            return Ok(());
        };
        let device = self.names.device(&described);
        match self.form {
            Form::Lines => print(&event_line(&frame.time.to_string(), device, &described)),
            Form::Json => {
                let object = Object {
                    time: frame.time.to_string(),
                    device,
                    invoke_id: frame.invoke_id.get(),
                    described: &described,
                };
                print(&serde_json::to_string(&object)?)
            }
            Form::Xml => {
                let body = secret::without_secrets(&frame.body);
                print(String::from_utf8_lossy(&body).trim_end())
            }
        }
    }

    /// Something that is no event: beside the events where those are for a program.
    fn note(&self, text: &str) -> anyhow::Result<()> {
        match self.form {
            Form::Lines => print(&folded(text, 14)),
            Form::Json | Form::Xml => {
                complain(text);
                Ok(())
            }
        }
    }
}

/// Where a message cannot be read, and why.
fn unreadable(body: &[u8]) -> String {
    match describe(body) {
        Err(Fault { position, what }) => {
            format!("a message that cannot be read, at byte {position}: {what}")
        }
        Ok(_) => "a message that cannot be read".to_owned(),
    }
}

/// What the computing function has to say besides events.
fn client_line(event: &ClientEvent) -> Option<String> {
    Some(match event {
        ClientEvent::Unmonitored {
            device,
            reason,
            retry,
        } if *reason != UnmonitoredReason::Removed => {
            let again = if *retry { "; tried again" } else { "" };
            format!("{device} is not monitored: {reason}{again}")
        }
        ClientEvent::Snapshot { device, calls } if calls.is_empty() => format!("{device} is idle"),
        ClientEvent::Snapshot { device, calls } => {
            let calls: Vec<_> = calls.iter().map(snapshot_call).collect();
            format!("{device} has {}", calls.join(", "))
        }
        ClientEvent::SnapshotFailed { device, error } => {
            format!("the calls at {device} are not known: {error}")
        }
        ClientEvent::SystemStatus(status) => format!("the PBX reports its status: {status}"),
        ClientEvent::DevicesChanged => "the PBX's list of devices has changed".to_owned(),
        _ => return None,
    })
}

fn snapshot_call(call: &SnapshotCallInfo) -> String {
    let id = call.connection_identifier.call_id.as_ref();
    let id = id.map_or_else(|| "?".to_owned(), |id| short(id.as_str()));
    let state = call
        .local_call_state
        .as_ref()
        .and_then(csta::CallState::own);
    match state {
        Some(state) => format!("call {id} ({state})"),
        None => format!("call {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_message_is_told_with_its_position() {
        for (xml, at) in [("<HeldEvent><a></HeldEvent>", "byte 14"), ("", "byte 0")] {
            let told = unreadable(xml.as_bytes());
            assert!(told.contains(&format!("at {at}:")), "{told}");
        }
    }
}

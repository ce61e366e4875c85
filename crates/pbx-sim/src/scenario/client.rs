//! A client that takes nothing for granted: it sends what it is told to and keeps what it hears.
//! Nothing of `csta::client` is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use csta::dialect::{AssociationMode, Registration};
use csta::edition::APPLICATION_SESSION_NAMESPACE;
use csta::frame::{Frame, FrameDecoder};
use csta::{DeviceId, Dialect, InvokeId};

use super::compare::{Symbols, cross_ref_of};
use super::heard::{Heard, Node};
use super::{Atom, Field, Request, Value};
use crate::command::{Command, CommandError};
use crate::config::Config;
use crate::exchange::{Exchange, Output};
use crate::switching::AssociationId;

/// Most times that the PBX does something at one instant; a loop of its own would go on for ever.
const ROUNDS_MAX: usize = 10_000;

/// Why a step could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("the PBX refuses the command: {0}")]
    Command(#[from] CommandError),
    #[error("the PBX sent what is no frame: {0}")]
    Frame(#[from] csta::FrameError),
    #[error("the PBX sent what is no XML: {0}")]
    Xml(#[from] csta::xml::XmlError),
    #[error("the PBX closed the link")]
    Closed,
    #[error("the PBX does not come to rest")]
    Restless,
    #[error("no new call was heard of")]
    NoCall,
    #[error("{0} was expected\n  came: {1}")]
    Answer(&'static str, String),
    #[error("nobody asked for {answer}: invoke id {got}, the request's is {sent}")]
    InvokeId {
        answer: String,
        got: InvokeId,
        sent: InvokeId,
    },
    #[error("{0} stands for nothing yet")]
    Symbol(String),
    #[error("{0} cannot be sent: a request holds texts and connections")]
    Field(String),
}

pub(super) struct Client {
    exchange: Exchange,
    dialect: Dialect,
    now: Instant,
    link: AssociationId,
    decoder: FrameDecoder,
    namespace: String,
    next_invoke: InvokeId,
    closed: bool,
    /// Requests that are not answered yet.
    asked: BTreeSet<InvokeId>,
    calls: BTreeSet<String>,
    /// Every connection heard of, with the device id as the PBX writes it there.
    connections: BTreeSet<(String, String)>,
}

impl Client {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let mut exchange = Exchange::new(config, 1, now);
        let dialect = config.association.dialect;
        Self {
            link: exchange.open_link(),
            exchange,
            namespace: dialect.editions().newest().namespace().to_owned(),
            dialect,
            now,
            decoder: FrameDecoder::default(),
            next_invoke: InvokeId::new(1).unwrap_or(InvokeId::EVENT),
            closed: false,
            asked: BTreeSet::new(),
            calls: BTreeSet::new(),
            connections: BTreeSet::new(),
        }
    }

    /// Calls heard of.
    pub(super) const fn calls(&self) -> &BTreeSet<String> {
        &self.calls
    }

    /// Hears what the PBX begins with.
    pub(super) fn greet(&mut self) -> Result<(), ClientError> {
        self.settle().map(|_| ())
    }

    /// Makes the association as the dialect wants it.
    pub(super) fn associate(&mut self) -> Result<(), ClientError> {
        if self.dialect.association() != AssociationMode::Implicit {
            let mut body = "<applicationInfo><applicationID>scenario</applicationID>\
                            </applicationInfo><requestedProtocolVersions>"
                .to_owned();
            for edition in self.dialect.editions().newest_first() {
                let version = edition.namespace();
                let _ = write!(body, "<protocolVersion>{version}</protocolVersion>");
            }
            body += "</requestedProtocolVersions>";
            let heard = self.ask(
                "StartApplicationSession",
                APPLICATION_SESSION_NAMESPACE,
                &body,
            )?;
            let answer = positive(&heard, "StartApplicationSessionPosResponse")?;
            if let Some(version) = answer.child("actualProtocolVersion") {
                self.namespace.clone_from(&version.text);
            }
        }
        if self.dialect.system_register() == Registration::Always {
            let body = "<requestTypes><systemStatus>true</systemStatus></requestTypes>";
            let heard = self.ask("SystemRegister", &self.namespace.clone(), body)?;
            positive(&heard, "SystemRegisterResponse")?;
        }
        Ok(())
    }

    /// Monitors a device; its cross reference id.
    pub(super) fn monitor(&mut self, device: &str) -> Result<String, ClientError> {
        let body = format!("<monitorObject><deviceObject>{device}</deviceObject></monitorObject>");
        let heard = self.ask("MonitorStart", &self.namespace.clone(), &body)?;
        let answer = positive(&heard, "MonitorStartResponse")?;
        let cross_ref = answer.child("monitorCrossRefID");
        Ok(cross_ref.map(|it| it.text.clone()).unwrap_or_default())
    }

    pub(super) fn command(&mut self, command: Command) -> Result<Vec<Heard>, ClientError> {
        self.exchange.command(command, self.now, 1)?;
        self.settle()
    }

    pub(super) fn request(
        &mut self,
        request: &Request,
        symbols: &Symbols,
        monitors: &BTreeMap<String, String>,
    ) -> Result<Vec<Heard>, ClientError> {
        let mut body = String::new();
        for field in &request.fields {
            let content = match cross_ref_of(field, monitors) {
                Some(cross_ref) => escaped(cross_ref),
                None => self.content(field, symbols)?,
            };
            let path: Vec<&str> = field.name.split('/').collect();
            path.iter().for_each(|name| {
                let _ = write!(body, "<{name}>");
            });
            body += &content;
            path.iter().rev().for_each(|name| {
                let _ = write!(body, "</{name}>");
            });
        }
        let namespace = if request.name.contains("ApplicationSession") {
            APPLICATION_SESSION_NAMESPACE.to_owned()
        } else {
            self.namespace.clone()
        };
        self.ask(&request.name, &namespace, &body)
    }

    fn content(&self, field: &Field, symbols: &Symbols) -> Result<String, ClientError> {
        let known = |symbol: &str| {
            let known = symbols.get(symbol);
            known.ok_or_else(|| ClientError::Symbol(symbol.to_owned()))
        };
        let Value::OneOf(atoms) = &field.value else {
            return Err(ClientError::Field(field.name.clone()));
        };
        match atoms.as_slice() {
            [Atom::Word(word)] => Ok(escaped(symbols.get(word).unwrap_or(word))),
            [Atom::Connection(call, device)] => {
                let call = known(call)?;
                let device = match device.split_once('!') {
                    Some((_, terminal)) => known(terminal)?,
                    None => match symbols.get(device) {
                        Some(device) => device,
                        None => self.device_in(call, device),
                    },
                };
                let (call, device) = (escaped(call), escaped(device));
                Ok(format!(
                    "<callID>{call}</callID><deviceID>{device}</deviceID>"
                ))
            }
            _ => Err(ClientError::Field(field.name.clone())),
        }
    }

    /// The id that the PBX gave a device in a call: a client never makes up one.
    fn device_in<'a>(&'a self, call: &str, number: &'a str) -> &'a str {
        let devices = self.connections.iter().filter(|(it, _)| it == call);
        let mut devices = devices.map(|(_, device)| device.as_str());
        let heard = devices.find(|device| DeviceId::new(*device).number() == number);
        heard.unwrap_or(number)
    }

    /// Lets time pass, each thing at its own.
    pub(super) fn wait(&mut self, time: Duration) -> Result<Vec<Heard>, ClientError> {
        let end = self.now + time;
        let mut heard = Vec::new();
        for _ in 0..ROUNDS_MAX {
            heard.extend(self.settle()?);
            let due = self.exchange.poll_timeout().filter(|due| *due <= end);
            self.now = due.unwrap_or(end);
            self.exchange.handle_timeout(self.now);
            if due.is_none() {
                heard.extend(self.settle()?);
                return Ok(heard);
            }
        }
        Err(ClientError::Restless)
    }

    fn ask(&mut self, name: &str, namespace: &str, body: &str) -> Result<Vec<Heard>, ClientError> {
        if self.closed {
            return Err(ClientError::Closed);
        }
        let invoke_id = self.next_invoke;
        self.next_invoke = invoke_id.next();
        self.asked.insert(invoke_id);
        self.send(invoke_id, name, namespace, body);
        self.settle()
    }

    fn send(&mut self, invoke_id: InvokeId, name: &str, namespace: &str, body: &str) {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><{name} xmlns=\"{namespace}\">{body}</{name}>"
        );
        let body = body.into();
        let frame = Frame { invoke_id, body };
        self.exchange.handle_frame(self.link, &frame, self.now);
    }

    /// Lets the PBX do everything that is due now, answers what it asks, and gives what it said.
    fn settle(&mut self) -> Result<Vec<Heard>, ClientError> {
        let mut heard = Vec::new();
        for _ in 0..ROUNDS_MAX {
            match self.exchange.poll_output() {
                Some(Output::Send(_, bytes)) => {
                    self.decoder.push(&bytes);
                    while let Some(frame) = self.decoder.next_frame()? {
                        let message = Heard::read(&frame)?;
                        self.hear(&message)?;
                        heard.push(message);
                    }
                }
                // A link is closed behind the message that ends its session, never without.
                Some(Output::Close(_)) if ends_session(&heard) => self.closed = true,
                Some(Output::Close(_) | Output::Cut(_)) => return Err(ClientError::Closed),
                None => match self.exchange.poll_timeout().filter(|due| *due <= self.now) {
                    Some(_) => self.exchange.handle_timeout(self.now),
                    None => return Ok(heard),
                },
            }
        }
        Err(ClientError::Restless)
    }

    fn hear(&mut self, heard: &Heard) -> Result<(), ClientError> {
        let mut connections = Vec::new();
        heard.message.connections(&mut connections);
        self.calls
            .extend(connections.iter().map(|(call, _)| call.clone()));
        self.connections.extend(connections);
        let name = heard.message.name.as_str();
        let (invoke_id, namespace) = (heard.invoke_id, self.namespace.clone());
        if heard.is_answer() {
            if !self.asked.remove(&invoke_id) {
                let (answer, got) = (name.to_owned(), invoke_id);
                let sent = self.asked.first().copied().unwrap_or(InvokeId::EVENT);
                return Err(ClientError::InvokeId { answer, got, sent });
            }
        } else if ["SystemStatus", "MonitorStop", "SwFunctionDevicesChanged"].contains(&name) {
            self.send(invoke_id, &format!("{name}Response"), &namespace, "");
        }
        Ok(())
    }
}

fn ends_session(heard: &[Heard]) -> bool {
    let last = heard.last().map(|heard| heard.message.name.as_str());
    last == Some("ApplicationSessionTerminated")
}

fn positive<'a>(heard: &'a [Heard], wanted: &'static str) -> Result<&'a Node, ClientError> {
    let messages = || heard.iter().map(|heard| &heard.message);
    let came = || messages().map(ToString::to_string).collect::<Vec<_>>();
    let answer = messages().find(|message| message.name == wanted);
    answer.ok_or_else(|| ClientError::Answer(wanted, came().join("; ")))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

//! A PBX in virtual time with clients that are asked nothing they do not want: frames in, lines out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use csta::message::MonitorStart;
use csta::message::monitoring::MonitorObject;
use csta::{DeviceId, Edition, Frame, FrameDecoder, InvokeId, Message, Request, Response};
use pbx_sim::Config;
use pbx_sim::exchange::{Exchange, Output};
use pbx_sim::switching::AssociationId;

pub(crate) struct Bench {
    pub(crate) exchange: Exchange,
    pub(crate) now: Instant,
    pub(crate) first: AssociationId,
    next: InvokeId,
    /// What each monitor watches, by client and cross reference.
    monitors: BTreeMap<(AssociationId, String), String>,
}

/// One frame that a client got, or what became of its link.
pub(crate) enum Heard {
    Frame(AssociationId, InvokeId, String),
    Part(usize),
    Closed,
    Cut,
}

impl Bench {
    pub(crate) fn new(adjust: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        adjust(&mut config);
        let now = net::clock::now();
        let mut exchange = Exchange::new(&config, 1, now);
        let first = exchange.open_link();
        Self {
            exchange,
            now,
            first,
            next: InvokeId::FIRST,
            monitors: BTreeMap::new(),
        }
    }

    /// With the first client's monitors of these devices.
    pub(crate) fn watching(devices: &[&str]) -> Self {
        let mut bench = Self::new(|_| {});
        for device in devices {
            bench.watch(bench.first, device);
        }
        bench
    }

    pub(crate) fn send(&mut self, client: AssociationId, request: impl Into<Request>) {
        let xml = request.into().to_xml(Edition::Ed6);
        self.send_body(client, xml.into());
    }

    pub(crate) fn send_body(&mut self, client: AssociationId, body: bytes::Bytes) {
        let invoke_id = self.next;
        self.next = invoke_id.next();
        let frame = Frame { invoke_id, body };
        self.exchange.handle_frame(client, &frame, self.now);
    }

    /// Sends a request of the first client and gives everything that came of it.
    pub(crate) fn ask(&mut self, request: impl Into<Request>) -> Vec<String> {
        self.send(self.first, request);
        self.lines()
    }

    pub(crate) fn watch(&mut self, client: AssociationId, device: &str) {
        let object = MonitorObject::Device(DeviceId::new(device));
        self.send(client, MonitorStart::new(object));
        for heard in self.heard() {
            let Heard::Frame(to, _, xml) = heard else {
                panic!("no answer")
            };
            let Message::Response(Response::MonitorStart(started)) =
                Message::parse(xml.as_bytes()).unwrap()
            else {
                continue;
            };
            let key = (to, started.monitor_cross_ref_id.to_string());
            self.monitors.insert(key, device.to_owned());
        }
    }

    /// What the control port answers to one line.
    pub(crate) fn tell(&mut self, line: &str) -> String {
        let command = match line.parse() {
            Ok(command) => command,
            Err(error) => return format!("{error}"),
        };
        match self.exchange.command(command, self.now, 1) {
            Ok(reply) => reply.to_string(),
            Err(error) => error.to_string(),
        }
    }

    pub(crate) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.exchange.handle_timeout(self.now);
    }

    pub(crate) fn heard(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        while let Some(output) = self.exchange.poll_output() {
            all.push(match output {
                Output::Send(to, bytes) => {
                    let mut decoder = FrameDecoder::default();
                    decoder.push(&bytes);
                    match decoder.next_frame() {
                        Ok(Some(frame)) => {
                            let xml = String::from_utf8(frame.body.to_vec()).unwrap();
                            Heard::Frame(to, frame.invoke_id, xml)
                        }
                        _ => Heard::Part(bytes.len()),
                    }
                }
                Output::Close(_) => Heard::Closed,
                Output::Cut(_) => Heard::Cut,
            });
        }
        all
    }

    /// The XML of everything that was sent.
    pub(crate) fn xml(&mut self) -> Vec<String> {
        let heard = self.heard().into_iter();
        let xml = heard.filter_map(|it| match it {
            Heard::Frame(_, _, xml) => Some(xml),
            Heard::Part(_) | Heard::Closed | Heard::Cut => None,
        });
        xml.collect()
    }

    /// `SetForwardingResponse`, `2001: HeldEvent`, `operation/invalidDeviceID`, `closed`, `cut`; what
    /// goes to another client than the first begins with `client 2 `.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        let heard = self.heard();
        heard.iter().map(|it| self.line(it)).collect()
    }

    fn line(&self, heard: &Heard) -> String {
        let (to, xml) = match heard {
            Heard::Frame(to, _, xml) => (*to, xml),
            Heard::Part(len) => return format!("{len} bytes"),
            Heard::Closed => return "closed".to_owned(),
            Heard::Cut => return "cut".to_owned(),
        };
        let text = match Message::parse(xml.as_bytes()).unwrap() {
            Message::Response(Response::Error(error)) => error.to_string(),
            Message::Event(event) => {
                let cross_ref = event.monitor_cross_ref_id().to_string();
                let device = self.monitors.get(&(to, cross_ref)).map_or("?", |it| it);
                format!("{device}: {}", event.name())
            }
            message => message.name().to_owned(),
        };
        if to == self.first {
            text
        } else {
            format!("client {} {text}", to.0)
        }
    }

    pub(crate) fn fault(&self, name: &str) -> u64 {
        let ledger = self.exchange.ledger();
        ledger.faults.get(name).copied().unwrap_or_default()
    }
}

//! A message as one JSON object: what an engineer looks for first (kind, ids, parties, states, cause),
//! then every element as it came, known to this software or not.

use csta::message::DecodeError;
use csta::xml::{Document, Element, XmlError};
use csta::{Edition, Message, Response};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::secret;

/// A value of the JSON tree, in the order of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    /// Character data.
    Text(String),
    /// Elements and attributes (`@name`) by name; text beside them is `#text`.
    Node(Vec<(String, Self)>),
    /// Elements of the same name.
    List(Vec<Self>),
}

/// One message, described.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Described {
    /// `request`, `response`, `error`, `event` or `unknown`.
    pub(super) kind: &'static str,
    /// Local name of the root element.
    pub(super) name: String,
    /// `ed3` to `ed6`; absent where the namespace names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edition: Option<&'static str>,
    /// Namespace of the root element.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<String>,
    /// The monitor, or the segments, that the message belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cross_ref: Option<String>,
    /// Connections by element: call and device.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub(super) connections: Fields,
    /// Devices by element.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub(super) parties: Fields,
    /// States by element.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub(super) states: Fields,
    /// Why it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
    /// Branch and value of the error tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Every element.
    pub(super) elements: Tree,
}

/// Values by the name of their element; those of the same name become a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Fields(Vec<(String, Tree)>);

/// Why a body is no message, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Byte in the body.
    pub(super) position: usize,
    /// What is wrong there.
    pub(super) what: String,
}

impl Fields {
    /// Whether there is none.
    #[must_use]
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, name: &str, value: Tree) {
        add(&mut self.0, name, value);
    }

    /// The text of that name; the first of several.
    #[must_use]
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let (_, tree) = self.0.iter().find(|(key, _)| key == name)?;
        tree.first_text()
    }

    /// The first text of all.
    #[must_use]
    pub(super) fn first(&self) -> Option<&str> {
        self.0.iter().find_map(|(_, tree)| tree.first_text())
    }

    /// Names and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Tree)> {
        self.0.iter().map(|(name, tree)| (name.as_str(), tree))
    }

    /// The device of the connection of that name.
    #[must_use]
    pub(super) fn device_of(&self, name: &str) -> Option<&str> {
        let (_, tree) = self.0.iter().find(|(key, _)| key == name)?;
        tree.field("deviceId")
    }

    /// Each call id in connections.
    pub(super) fn calls(&self) -> impl Iterator<Item = &str> {
        self.fields("callId")
    }

    /// Each device in connections.
    pub(super) fn devices(&self) -> impl Iterator<Item = &str> {
        self.fields("deviceId")
    }

    fn fields(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(move |(_, tree)| match tree {
            Tree::List(list) => list.iter().filter_map(|it| it.field(name)).collect(),
            tree => tree.field(name).into_iter().collect::<Vec<_>>(),
        })
    }
}

impl Tree {
    fn first_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Node(fields) => fields.iter().find_map(|(_, tree)| tree.first_text()),
            Self::List(list) => list.iter().find_map(Self::first_text),
        }
    }

    fn field(&self, name: &str) -> Option<&str> {
        let Self::Node(fields) = self else {
            return None;
        };
        let (_, tree) = fields.iter().find(|(key, _)| key == name)?;
        tree.first_text()
    }
}

impl Described {
    /// The call that the message is about, by the first connection in it.
    #[must_use]
    pub(super) fn call(&self) -> Option<&str> {
        self.connections.calls().next()
    }

    /// The text of an element of the message itself.
    #[must_use]
    pub(super) fn element(&self, name: &str) -> Option<&str> {
        self.elements.field(name)
    }
}

/// Describes the body of a frame.
///
/// # Errors
/// [`Fault`], with the position.
pub(super) fn describe(body: &[u8]) -> Result<Described, Fault> {
    let document = Document::from_bytes(body).map_err(|error| xml_fault(&error))?;
    let root = document.root();
    let message = Message::parse(body).map_err(|error| fault(&error, root, body))?;
    let edition = root.namespace().and_then(Edition::from_namespace);
    let mut described = Described {
        kind: match &message {
            Message::Request(_) => "request",
            Message::Response(Response::Error(_)) => "error",
            Message::Response(_) => "response",
            Message::Event(_) => "event",
            Message::Unknown { .. } => "unknown",
        },
        name: root.name().to_owned(),
        edition: edition.map(|edition| match edition {
            Edition::Ed3 => "ed3",
            Edition::Ed4 => "ed4",
            Edition::Ed5 => "ed5",
            Edition::Ed6 => "ed6",
        }),
        namespace: root.namespace().map(str::to_owned),
        cross_ref: None,
        connections: Fields::default(),
        parties: Fields::default(),
        states: Fields::default(),
        cause: None,
        error: match &message {
            Message::Response(Response::Error(error)) => Some(error.to_string()),
            _ => None,
        },
        elements: tree(root),
    };
    for child in root.children() {
        described.note(child);
    }
    Ok(described)
}

/// The fault of an XML text; the library's masks are for logs, this is for who holds the file.
pub(super) fn xml_fault(error: &XmlError) -> Fault {
    let (position, what) = match error {
        XmlError::Malformed { position, what } => (*position, what.clone()),
        XmlError::Utf8 { position } => (*position, "not UTF-8".to_owned()),
        XmlError::Dtd { position } => (
            *position,
            "a document type declaration is not allowed".to_owned(),
        ),
        XmlError::TrailingData { position } => {
            (*position, "data after the end of the document".to_owned())
        }
        XmlError::TooDeep { position } | XmlError::TooMany { position } => {
            (*position, behind_colon(error))
        }
        other => (0, other.to_string()),
    };
    Fault { position, what }
}

/// The error without the position in front.
fn behind_colon(error: &XmlError) -> String {
    let text = error.to_string();
    let what = text.split_once(": ").map(|(_, what)| what.to_owned());
    what.unwrap_or(text)
}

/// Finds where in the document a message cannot be read.
fn fault(error: &DecodeError, root: Element<'_, '_>, body: &[u8]) -> Fault {
    let at = |element: Option<Element<'_, '_>>| {
        let start = element.unwrap_or(root).source().as_ptr() as usize;
        start.saturating_sub(body.as_ptr() as usize)
    };
    match error {
        DecodeError::Xml(error) => xml_fault(error),
        DecodeError::Missing { parent, .. } => Fault {
            position: at(find(root, &|it| it.name() == parent)),
            what: error.to_string(),
        },
        DecodeError::Value {
            element,
            value,
            expected,
        } => Fault {
            position: at(find(root, &|it| {
                it.name() == element && it.text().starts_with(value.as_str())
            })),
            what: match secret::is_secret(element) {
                true => format!("<{element}> holds something else than {expected}"),
                false => format!("<{element}> holds {value:?}, expected {expected}"),
            },
        },
        other => Fault {
            position: 0,
            what: other.to_string(),
        },
    }
}

/// The first element in document order that fits.
fn find<'d, 'x>(
    element: Element<'d, 'x>,
    fits: &dyn Fn(Element<'d, 'x>) -> bool,
) -> Option<Element<'d, 'x>> {
    if fits(element) {
        return Some(element);
    }
    element.children().find_map(|child| find(child, fits))
}

impl Described {
    /// Notes what an element says about ids, parties, states and cause.
    fn note(&mut self, element: Element<'_, '_>) {
        let name = element.name();
        if secret::is_secret(name) || name == "extensions" {
            return;
        }
        if let Some(connection) = connection(element) {
            self.connections.add(name, connection);
            return;
        }
        if let Some(party) = party(element) {
            self.parties.add(name, Tree::Text(party));
            return;
        }
        match name {
            "monitorCrossRefID" | "serviceCrossRefID" => {
                self.cross_ref
                    .get_or_insert_with(|| element.text().to_owned());
            }
            "cause" => self.cause = Some(element.text().to_owned()),
            _ if STATES.contains(&name) => {
                self.states.add(name, Tree::Text(state(element).to_owned()));
            }
            _ => {
                for child in element.children() {
                    self.note(child);
                }
            }
        }
    }
}

/// Elements that hold a state.
const STATES: [&str; 11] = [
    "localConnectionInfo",
    "localConnectionState",
    "simpleCallState",
    "systemStatus",
    "doNotDisturbOn",
    "forwardStatus",
    "forwardingType",
    "messageWaitingOn",
    "pendingAgentState",
    "presenceState",
    "lastSegment",
];

/// Elements whose text is a device, beside those whose name ends with `Device` or `DN`.
const DEVICES: [&str; 8] = [
    "device",
    "deviceID",
    "deviceObject",
    "snapshotObject",
    "calledDirectoryNumber",
    "newDestination",
    "forwardTo",
    "deviceForMessage",
];

/// What stands inside an element that names a device, or says why it does not.
const IN_PARTY: [&str; 6] = [
    "deviceIdentifier",
    "numberDialed",
    "notKnown",
    "notRequired",
    "notSpecified",
    "restricted",
];

/// The text, or the name of the element inside: a bit string has one for each bit that is set.
fn state<'d>(element: Element<'d, '_>) -> &'d str {
    match (element.text(), element.children().next()) {
        ("", Some(child)) => child.name(),
        (text, _) => text,
    }
}

fn connection(element: Element<'_, '_>) -> Option<Tree> {
    let call = element.child("callID");
    let device = element.child("deviceID").filter(|_| call.is_some());
    let fields = [("callId", call), ("deviceId", device)];
    let fields = fields.into_iter().filter_map(|(name, child)| {
        child.map(|child| (name.to_owned(), Tree::Text(child.text().to_owned())))
    });
    call.map(|_| Tree::Node(fields.collect()))
}

fn party(element: Element<'_, '_>) -> Option<String> {
    let name = element.name();
    if let Some(child) = element.children().next() {
        return match child.name() {
            "deviceIdentifier" | "numberDialed" if child.text().is_empty() => Some("?".to_owned()),
            name if !IN_PARTY.contains(&name) => None,
            name if child.text().is_empty() => Some(name.to_owned()),
            _ => Some(child.text().to_owned()),
        };
    }
    let named = DEVICES.contains(&name) || name.ends_with("Device") || name.ends_with("DN");
    (named && !element.text().is_empty()).then(|| element.text().to_owned())
}

fn tree(element: Element<'_, '_>) -> Tree {
    if secret::is_secret(element.name()) {
        return Tree::Text(secret::NOT_SHOWN.to_owned());
    }
    let mut fields: Vec<(String, Tree)> = element
        .attributes()
        .map(|(key, value)| (format!("@{key}"), Tree::Text(value.to_owned())))
        .collect();
    for child in element.children() {
        add(&mut fields, child.name(), tree(child));
    }
    if fields.is_empty() {
        return Tree::Text(element.text().to_owned());
    }
    if !element.text().is_empty() {
        fields.push(("#text".to_owned(), Tree::Text(element.text().to_owned())));
    }
    Tree::Node(fields)
}

fn add(fields: &mut Vec<(String, Tree)>, name: &str, value: Tree) {
    match fields.iter_mut().find(|(key, _)| key == name) {
        None => fields.push((name.to_owned(), value)),
        Some((_, Tree::List(list))) => list.push(value),
        Some((_, first)) => {
            let earlier = std::mem::replace(first, Tree::List(Vec::new()));
            *first = Tree::List(vec![earlier, value]);
        }
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Node(fields) => serialize(fields, serializer),
            Self::List(list) => list.serialize(serializer),
        }
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

fn serialize<S: Serializer>(fields: &[(String, Tree)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(fields.len()))?;
    for (name, tree) in fields {
        map.serialize_entry(name, tree)?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(xml: &str) -> String {
        serde_json::to_string(&describe(xml.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn an_event_shows_ids_parties_states_and_cause() {
        let xml = "<DeliveredEvent xmlns=\"http://www.ecma-international.org/standards/ecma-323/csta/ed5\">\
            <monitorCrossRefID>7</monitorCrossRefID>\
            <connection><callID>12</callID><deviceID>2002</deviceID></connection>\
            <alertingDevice><deviceIdentifier>2002</deviceIdentifier></alertingDevice>\
            <callingDevice><deviceIdentifier>2001</deviceIdentifier></callingDevice>\
            <calledDevice><notKnown/></calledDevice>\
            <lastRedirectionDevice><notRequired/></lastRedirectionDevice>\
            <localConnectionInfo>alerting</localConnectionInfo>\
            <cause>newCall</cause></DeliveredEvent>";
        let described = describe(xml.as_bytes()).unwrap();
        assert_eq!((described.kind, described.edition), ("event", Some("ed5")));
        assert_eq!(described.cross_ref.as_deref(), Some("7"));
        assert_eq!(described.call(), Some("12"));
        assert_eq!(described.parties.text("callingDevice"), Some("2001"));
        assert_eq!(described.parties.text("calledDevice"), Some("notKnown"));
        assert_eq!(
            described.states.text("localConnectionInfo"),
            Some("alerting")
        );
        assert_eq!(described.cause.as_deref(), Some("newCall"));
        assert!(json(xml).contains(r#""connection":{"callId":"12","deviceId":"2002"}"#));
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let xml = "<v:New xmlns:v=\"urn:v\" a=\"1\"><v:x>1</v:x><v:x>2</v:x>t</v:New>";
        assert_eq!(
            json(xml),
            r##"{"kind":"unknown","name":"New","namespace":"urn:v","elements":{"@a":"1","x":["1","2"],"#text":"t"}}"##
        );
    }

    #[test]
    fn an_error_shows_its_branch_and_secrets_are_not_shown() {
        let error = "<CSTAErrorCode><operation>invalidDeviceID</operation></CSTAErrorCode>";
        assert!(json(error).contains(r#""kind":"error""#));
        assert!(json(error).contains(r#""error":"operation/invalidDeviceID""#));
        let start = "<StartApplicationSession><applicationInfo><applicationID>a</applicationID>\
            <applicationSpecificInfo><p>hunter2</p></applicationSpecificInfo></applicationInfo>\
            <requestedProtocolVersions/></StartApplicationSession>";
        assert!(!json(start).contains("hunter2"));
        assert!(json(start).contains(secret::NOT_SHOWN));
    }

    #[test]
    fn faults_have_a_position() {
        for (xml, position, part) in [
            ("<a><b></a>", 6, "expected"),
            ("<MonitorStop> <x/></MonitorStop>", 0, "monitorCrossRefID"),
            (
                "<SetDoNotDisturb><device>1</device><doNotDisturbOn>perhaps</doNotDisturbOn></SetDoNotDisturb>",
                35,
                "\"perhaps\", expected true or false",
            ),
            ("<!DOCTYPE a><a/>", 0, "document type"),
        ] {
            let fault = describe(xml.as_bytes()).unwrap_err();
            assert_eq!(fault.position, position, "{xml}: {fault:?}");
            assert!(fault.what.contains(part), "{xml}: {fault:?}");
        }
    }
}

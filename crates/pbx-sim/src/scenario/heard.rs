//! What the client hears: a message as a tree of names and texts, whatever its namespace.

use std::fmt;

use csta::frame::Frame;
use csta::xml::{Document, Element, XmlError};
use csta::{InvokeId, SimpleCallState};

/// A message from the PBX.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) invoke_id: InvokeId,
    pub(super) message: Node,
}

/// An element.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Self>,
}

impl Heard {
    pub(super) fn read(frame: &Frame) -> Result<Self, XmlError> {
        let body = std::str::from_utf8(&frame.body).map_err(|error| XmlError::Utf8 {
            position: error.valid_up_to(),
        })?;
        let document = Document::parse(body)?;
        Ok(Self {
            invoke_id: frame.invoke_id,
            message: Node::read(document.root()),
        })
    }

    pub(super) fn is_answer(&self) -> bool {
        let name = self.message.name.as_str();
        name.ends_with("Response") || name == "CSTAErrorCode"
    }

    pub(super) fn is_event(&self) -> bool {
        self.invoke_id == InvokeId::EVENT && self.message.name.ends_with("Event")
    }

    /// The monitor that reports, where it is an event.
    pub(super) fn cross_ref(&self) -> Option<&str> {
        let cross_ref = self.message.child("monitorCrossRefID");
        let cross_ref = cross_ref.filter(|_| self.invoke_id == InvokeId::EVENT);
        cross_ref.map(|node| node.text.as_str())
    }
}

impl Node {
    fn read(element: Element<'_, '_>) -> Self {
        let node = Self {
            name: element.name().to_owned(),
            text: element.text().trim().to_owned(),
            children: element.children().map(Self::read).collect(),
        };
        match node.name.as_str() {
            "localCallState" => node.call_state(),
            _ => node,
        }
    }

    /// A compound and a simple state of a call say the same (ECMA-269 §12.2.5): `connected,alerting`.
    fn call_state(mut self) -> Self {
        let simple = self.child("simpleCallState");
        let simple = simple.and_then(|node| SimpleCallState::from_text(&node.text));
        let compound = self.child("compoundCallState");
        let text = match (simple, compound) {
            (Some(state), _) => {
                let (own, other) = state.states();
                format!("{},{}", own.as_str(), other.as_str())
            }
            (None, Some(states)) => {
                let states = states.children.iter().map(|state| state.text.as_str());
                states.collect::<Vec<_>>().join(",")
            }
            (None, None) => return self,
        };
        self.text = text;
        self.children.clear();
        self
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The element of that name which stands least deep inside.
    pub(super) fn find(&self, name: &str) -> Option<&Self> {
        let mut level: Vec<&Self> = vec![self];
        while !level.is_empty() {
            if let Some(found) = level.iter().find_map(|node| node.child(name)) {
                return Some(found);
            }
            level = level.iter().flat_map(|node| &node.children).collect();
        }
        None
    }

    /// What the element says in one word: its text, that of its only child, or its choice's name.
    pub(super) fn word(&self) -> Option<&str> {
        match self.children.as_slice() {
            [] => Some(&self.text),
            [only] if only.children.is_empty() && only.text.is_empty() => Some(&only.name),
            [only] => only.word(),
            _ => None,
        }
    }

    /// The call and the device where it is a connection.
    pub(super) fn connection(&self) -> Option<(&str, Option<&str>)> {
        let call = self.child("callID")?;
        let device = self.child("deviceID").map(|node| node.text.as_str());
        Some((&call.text, device))
    }

    /// Every connection inside.
    pub(super) fn connections(&self, found: &mut Vec<(String, String)>) {
        if let Some((call, Some(device))) = self.connection() {
            found.push((call.to_owned(), device.to_owned()));
        }
        for child in &self.children {
            child.connections(found);
        }
    }
}

/// As a line of a scenario would say it, but with the PBX's own ids.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for child in &self.children {
            write!(f, " {}=", child.name)?;
            child.fmt_value(f)?;
        }
        Ok(())
    }
}

impl Node {
    fn fmt_value(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((call, device)) = self.connection() {
            return write!(f, "{call}/{}", device.unwrap_or_default());
        }
        if let Some(word) = self.word() {
            return f.write_str(word);
        }
        f.write_str("{")?;
        for (index, child) in self.children.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}=", child.name)?;
            child.fmt_value(f)?;
        }
        f.write_str("}")
    }
}

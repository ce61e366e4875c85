//! What the standard wants of a message, beyond what a schema can say and a reader insists on.
//!
//! The schemas take a message for valid though elements are missing that the standard calls mandatory,
//! and [`Message::parse`](crate::Message::parse) reads many of those too: switching functions leave
//! things out. [`missing`] is the check for senders: it names each mandatory element that is not there
//! (the OPTIONAL marks of ECMA-285). [`instances`] are samples of every message that this crate can
//! write, to try a peer, a schema or a parser with.
//!
//! ```
//! use csta::conformance::missing;
//!
//! let xml = "<AnswerCall><callToBeAnswered/></AnswerCall>";
//! let missing = missing(xml.as_bytes())?;
//! assert_eq!(missing[0].to_string(), "<AnswerCall/callToBeAnswered> has none of callID, deviceID");
//! # Ok::<(), csta::xml::XmlError>(())
//! ```

mod grammar;
mod instance;
mod sample;

use std::fmt;

use crate::edition::Edition;
use crate::xml::{Document, Element, XmlError};

pub use grammar::{Content, ElementRule, MessageRule, Presence, Sender, Text};
pub use instance::{Instance, Variant, instances};

/// A mandatory element that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The names from the root element to where it is missing, with `/` between.
    pub path: String,
    /// The element; several where any one of them would do.
    pub elements: Vec<&'static str>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.elements.as_slice() {
            [element] => write!(f, "<{}> has no {element}", self.path),
            elements => write!(f, "<{}> has none of {}", self.path, elements.join(", ")),
        }
    }
}

/// The mandatory elements that `body` lacks, in the schema's order; none for a message that this crate
/// does not know. Where editions differ that of the root's namespace counts, without one the sixth.
///
/// # Errors
/// [`XmlError`] where the body is no document that can be read.
pub fn missing(body: &[u8]) -> Result<Vec<Missing>, XmlError> {
    let document = Document::from_bytes(body)?;
    let root = document.root();
    let edition = root.namespace().and_then(Edition::from_namespace);
    let edition = edition.unwrap_or(Edition::Ed6);
    let mut found = Vec::new();
    if let Some(rule) = MessageRule::of(root.name()) {
        check(root, rule.content.of(edition), root.name(), &mut found);
    }
    Ok(found)
}

/// Checks one element; the rules are a tree without cycles, so this ends. Only whole messages differ by
/// edition.
fn check(element: Element<'_, '_>, content: Content, path: &str, found: &mut Vec<Missing>) {
    match content {
        Content::Empty | Content::Text(_) | Content::Any | Content::ByEdition { .. } => {}
        Content::Sequence(rules) => {
            for rule in rules.iter().filter(|rule| rule.presence.is_mandatory()) {
                if element.child(rule.name).is_none() {
                    found.push(Missing {
                        path: path.to_owned(),
                        elements: vec![rule.name],
                    });
                }
            }
            check_children(element, rules, path, found);
        }
        Content::OneOf(rules) | Content::SomeOf(rules) => {
            if !rules.iter().any(|rule| element.child(rule.name).is_some()) {
                found.push(Missing {
                    path: path.to_owned(),
                    elements: rules.iter().map(|rule| rule.name).collect(),
                });
            }
            check_children(element, rules, path, found);
        }
        Content::List(item) => check_children(element, std::slice::from_ref(item), path, found),
    }
}

fn check_children(
    element: Element<'_, '_>,
    rules: &[ElementRule],
    path: &str,
    found: &mut Vec<Missing>,
) {
    for child in element.children() {
        if let Some(rule) = rules.iter().find(|rule| rule.name == child.name()) {
            check(child, rule.content, &format!("{path}/{}", rule.name), found);
        }
    }
}

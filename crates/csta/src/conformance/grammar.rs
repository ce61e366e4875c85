//! What each message may hold, as data: the same lists that read and write it.

use crate::edition::Edition;
use crate::message::{Event, Request, Response};

/// One message, as the standard has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRule {
    /// The name of its root element.
    pub name: &'static str,
    /// What it holds.
    pub content: Content,
    /// Who sends it.
    pub sender: Sender,
    /// The standard's clause.
    pub clause: &'static str,
}

impl MessageRule {
    /// The rule of the message whose root element has that name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        Self::all().find(|rule| rule.name == name)
    }

    /// The rules of every message: requests, responses, events.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        let rules = [Request::RULES, Response::RULES, Event::RULES];
        rules.into_iter().flatten()
    }

    /// Whether a schema confirms names and order. Presence is in none that could be had: its messages
    /// are written after the ASN.1 of ECMA-285.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        !self.name.contains("PresenceState")
    }
}

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The application's side.
    Computing,
    /// The PBX.
    Switching,
    /// Both.
    Either,
}

/// One element of a message, as the standard has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementRule {
    /// The element's name.
    pub name: &'static str,
    /// Whether it must be there.
    pub presence: Presence,
    /// What it holds.
    pub content: Content,
}

impl ElementRule {
    /// One of several alternatives, or an item of a list.
    pub(crate) const fn part(name: &'static str, content: Content) -> Self {
        Self {
            name,
            presence: Presence::Optional,
            content,
        }
    }
}

/// Whether an element must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The message is not read without it.
    Required,
    /// Mandatory by the standard, read without it.
    Mandatory,
    /// It may be absent.
    Optional,
    /// It may be absent, and is there from the sixth edition on.
    OptionalSinceEd6,
}

impl Presence {
    /// Whether the standard wants the element.
    #[must_use]
    pub const fn is_mandatory(self) -> bool {
        matches!(self, Self::Required | Self::Mandatory)
    }
}

/// What an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing: its name says all.
    Empty,
    /// Characters.
    Text(Text),
    /// These elements, in this order.
    Sequence(&'static [ElementRule]),
    /// Exactly one of these.
    OneOf(&'static [ElementRule]),
    /// One of these or more, in this order.
    SomeOf(&'static [ElementRule]),
    /// Any number of this.
    List(&'static ElementRule),
    /// Whatever came: this crate keeps it as it is.
    Any,
    /// One form up to the fifth edition, another from the sixth on.
    ByEdition {
        /// Third to fifth edition.
        before_ed6: &'static Self,
        /// Sixth edition.
        since_ed6: &'static Self,
    },
}

impl Content {
    /// The form that this edition has.
    #[must_use]
    pub fn of(self, edition: Edition) -> Self {
        match self {
            Self::ByEdition { before_ed6, .. } if edition < Edition::Ed6 => *before_ed6,
            Self::ByEdition { since_ed6, .. } => *since_ed6,
            content => content,
        }
    }
}

/// What the characters of an element may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// Any characters.
    Characters,
    /// A device, with `typeOfNumber`.
    Device,
    /// `true`, `false`, `1`, `0`.
    Boolean,
    /// A number from 0.
    Number,
    /// Octets as pairs of hexadecimal digits.
    Hex,
    /// One of these; anything else is refused.
    Closed(&'static [&'static str]),
    /// One of these or something newer.
    Open(&'static [&'static str]),
}

//! Scenarios: readable files of what happens at a PBX and what its clients are told.
//!
//! ```text
//! title Hold Call
//! monitor 2001 2002
//! set diverted all
//!
//! given C1 pbx: call 2001 2002
//! given pbx: answer 2002
//!
//! client: HoldCall callToBeHeld=C1/2001
//! client < HoldCallResponse                                          ; ECMA-269 §17.1.15
//! 2001 < HeldEvent heldConnection=C1/2001 localConnectionInfo=hold   ; ECMA-269 §17.2.10
//! ? 2002 < HeldEvent heldConnection=C1/2001                          ; may be told or not
//! ```
//!
//! | line | meaning |
//! | --- | --- |
//! | `title TEXT` | what is shown; first |
//! | `monitor DEVICE…` | the devices that the client monitors; before the first step |
//! | `set NAME VALUE…` | how the PBX is made, see [`SETTINGS`]; before the first step |
//! | `pbx: COMMAND` | a command of the control port |
//! | `client: MESSAGE FIELD…` | the client sends that request |
//! | `wait 20s` | time passes |
//! | `given pbx: COMMAND`, … | one of these three, but what it makes the PBX say is not looked at |
//! | `given C1 pbx: COMMAND`, … | the same, and the call that it begins is `C1` from here on |
//! | `client < MESSAGE FIELD…` | the client is answered or asked so |
//! | `DEVICE < MESSAGE FIELD…` | the monitor of that device reports so |
//! | `? …` | the line may be missing |
//! | `; TEXT` | where the line comes from |
//! | `# TEXT` | a remark |
//!
//! Messages and fields carry the names of the standard's XML; a field is found wherever it stands in
//! the message, and fields that are not named are not looked at. What a monitor reports is compared in
//! its order; the order between monitors is free, and so is that of answers and events.
//!
//! | value | meaning |
//! | --- | --- |
//! | `text` | that text or device, or the choice of that name |
//! | `C1/2001` | the connection of that call and device |
//! | `a\|b` | one or the other |
//! | `-` | the field is absent |
//! | `[…]` | a list of so many items, in any order |
//! | `C3/2002<C1/2002` | an item of a connection list: new connection, old one |
//! | `{FIELD…}` | an item or element with these fields |
//! | `C1`, `S1`, `T1`, `N1`, `M1` | a letter and digits: whatever stands there at first, the same ever after |
//!
//! A symbol stands for one thing: `C1` and `C2` are two calls. `2002!T1` is a terminal of 2002. `E1` is
//! the newest edition of the dialect. With `set session SECONDS` the scenario begins without an
//! association and makes it itself.

mod client;
mod compare;
mod heard;
mod parse;
mod play;
mod report;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use parse::{FILE_LEN_MAX, NESTING_MAX, ParseScenarioError, Problem, STEPS_MAX};
pub use play::{Mismatch, SETTINGS, Variant, play};
pub use report::{check, table};

use crate::command::Command;

/// One file.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// What it shows.
    pub title: String,
    /// The devices that the client monitors.
    pub monitors: Vec<String>,
    /// How the PBX is made.
    pub settings: Vec<Setting>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// One property of the PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Number of the line, from 1.
    pub line: usize,
    /// Its name and value.
    pub words: Vec<String>,
}

/// Something that happens, and what is said of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number of the line, from 1.
    pub line: usize,
    /// What happens.
    pub act: Act,
    /// What is said, in the order of the file.
    pub expected: Vec<Expected>,
}

/// Something that happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// One of the others, whose messages are not looked at, and the symbol of the call that it begins.
    Given(Box<Self>, Option<String>),
    /// A command.
    Pbx(Command),
    /// A request of the client.
    Client(Request),
    /// Time passes.
    Wait(Duration),
}

/// A request of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Name of the message.
    pub name: String,
    /// Its elements in order.
    pub fields: Vec<Field>,
}

/// A message that is to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line without its source.
    pub text: String,
    /// Whether it may be missing.
    pub optional: bool,
    /// `client`, a monitored device, or the symbol of a monitor.
    pub to: String,
    /// Name of the message.
    pub name: String,
    /// Fields that are looked at.
    pub fields: Vec<Field>,
    /// Where the line comes from; empty where nothing is said.
    pub source: String,
}

/// A named element and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name; in requests with those of the elements around it before, `/` between.
    pub name: String,
    /// What it holds.
    pub value: Value,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// The element is not there.
    Absent,
    /// One of these.
    OneOf(Vec<Atom>),
    /// So many items, in any order.
    List(Vec<Item>),
    /// These fields.
    Group(Vec<Field>),
}

/// Something without parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Atom {
    /// A text, a device, a choice or a symbol.
    Word(String),
    /// A call and a device in it.
    Connection(String, String),
}

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A connection of a resulting call, and what it was before where that is said.
    Moved(Atom, Option<Atom>),
    /// Fields.
    Group(Vec<Field>),
}

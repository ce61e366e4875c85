//! Whether what was heard is what was expected, and what the symbols came to stand for.

use std::collections::BTreeMap;

use csta::DeviceId;

use super::heard::Node;
use super::parse::is_symbol;
use super::{Atom, Expected, Field, Item, Value};

/// What the symbols stand for: each for one thing, and no two of a letter for the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Symbols(BTreeMap<String, String>);

/// The cross reference id where a field names a monitor by its device.
pub(super) fn cross_ref_of<'a>(
    field: &Field,
    monitors: &'a BTreeMap<String, String>,
) -> Option<&'a str> {
    match &field.value {
        Value::OneOf(atoms) if field.name == "monitorCrossRefID" => match atoms.as_slice() {
            [Atom::Word(device)] => monitors.get(device).map(String::as_str),
            _ => None,
        },
        _ => None,
    }
}

impl Symbols {
    /// The symbols of a scenario that begins with one that is known.
    pub(super) fn with(symbol: &str, text: &str) -> Self {
        Self([(symbol.to_owned(), text.to_owned())].into())
    }

    pub(super) fn get(&self, symbol: &str) -> Option<&str> {
        self.0.get(symbol).map(String::as_str)
    }

    /// Whether `symbol` stands for `text`, from now on where it stood for nothing.
    pub(super) fn bind(&mut self, symbol: &str, text: &str) -> bool {
        if let Some(known) = self.get(symbol) {
            return known == text;
        }
        let letter = symbol.chars().next();
        let mut alike = self.0.iter().filter(|(it, _)| it.chars().next() == letter);
        if alike.any(|(_, known)| known == text) {
            return false;
        }
        self.0.insert(symbol.to_owned(), text.to_owned());
        true
    }

    /// Whether `message` is what `expected` says; where it is, symbols are bound.
    /// `monitors` are the cross reference ids of monitored devices.
    pub(super) fn admit(
        &mut self,
        expected: &Expected,
        message: &Node,
        monitors: &BTreeMap<String, String>,
    ) -> bool {
        let mut symbols = self.clone();
        let mut fields = expected.fields.iter();
        let admitted = expected.name == message.name
            && fields.all(|field| match cross_ref_of(field, monitors) {
                Some(cross_ref) => message
                    .find(&field.name)
                    .is_some_and(|it| it.text == cross_ref),
                None => symbols.field(field, message),
            });
        if admitted {
            *self = symbols;
        }
        admitted
    }

    fn all(&mut self, fields: &[Field], node: &Node) -> bool {
        fields.iter().all(|field| self.field(field, node))
    }

    fn field(&mut self, field: &Field, node: &Node) -> bool {
        match (node.find(&field.name), &field.value) {
            (None, Value::Absent) => true,
            (None, _) | (Some(_), Value::Absent) => false,
            (Some(found), Value::OneOf(atoms)) => atoms.iter().any(|atom| self.atom(atom, found)),
            (Some(found), Value::Group(fields)) => self.all(fields, found),
            (Some(found), Value::List(items)) => {
                let nodes: Vec<&Node> = found.children.iter().collect();
                items.len() == nodes.len() && self.items(items, &nodes)
            }
        }
    }

    /// Whether each item is one of the nodes. Lists are short: every order is tried.
    fn items(&mut self, items: &[Item], nodes: &[&Node]) -> bool {
        let Some((item, other_items)) = items.split_first() else {
            return true;
        };
        (0..nodes.len()).any(|index| {
            let mut symbols = self.clone();
            let mut other_nodes = nodes.to_vec();
            let node = other_nodes.remove(index);
            let fits = symbols.item(item, node) && symbols.items(other_items, &other_nodes);
            if fits {
                *self = symbols;
            }
            fits
        })
    }

    fn item(&mut self, item: &Item, node: &Node) -> bool {
        match item {
            Item::Group(fields) => self.all(fields, node),
            Item::Moved(new, old) => {
                let part = |name| node.child(name);
                let new_fits = match part("newConnection") {
                    Some(connection) => self.atom(new, connection),
                    None => self.atom(new, node),
                };
                let old_fits = old.as_ref().is_none_or(|old| {
                    part("oldConnection").is_some_and(|connection| self.atom(old, connection))
                });
                new_fits && old_fits
            }
        }
    }

    fn atom(&mut self, atom: &Atom, node: &Node) -> bool {
        match (atom, node.connection()) {
            (Atom::Connection(call, device), Some((raw_call, Some(raw_device)))) => {
                self.bind(call, raw_call) && self.word(device, raw_device)
            }
            (Atom::Connection(..), _) => false,
            // A call alone, of a connection whose device may be there or not.
            (Atom::Word(word), Some((raw_call, _))) => self.word(word, raw_call),
            (Atom::Word(word), None) => node.word().is_some_and(|raw| self.word(word, raw)),
        }
    }

    /// A word stands for itself, for the device of that number, or for what its symbol stands for.
    fn word(&mut self, word: &str, raw: &str) -> bool {
        if is_symbol(word) {
            return self.bind(word, raw);
        }
        let device = DeviceId::new(raw);
        match word.split_once('!') {
            Some((number, terminal)) if is_symbol(terminal) => {
                device.number() == number && self.bind(terminal, raw)
            }
            _ => word == raw || word == device.number(),
        }
    }
}

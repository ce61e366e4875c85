//! The header fields of a message.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::grammar::{Elements, one_line};
use crate::header::{Header, HeaderError};
use crate::name::HeaderName;

/// The most values of one header field (the entries of `Via`, the bindings of `Contact`). With more it cannot
/// be read.
pub const VALUES_MAX: usize = 128;

/// The header fields of a message, in their order.
///
/// Of a received message the texts stay where they came, in one shared buffer, and are given a type only when
/// they are asked for. Each name may have many entries, and an entry of a list may have many values.
#[derive(Clone, Default)]
pub struct Headers {
    head: Arc<str>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    name: HeaderName,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    /// A part of the received head: where it begins and ends. Half the size of a range, as a message has
    /// many.
    Received(u32, u32),
    Own(Box<str>),
}

impl Headers {
    /// None yet, of a message with this head.
    pub(crate) fn of(head: Arc<str>) -> Self {
        Self {
            head,
            entries: Vec::with_capacity(24),
        }
    }

    /// Adds an entry that stands in the head, which is shorter than 4 GiB.
    pub(crate) fn push_received(&mut self, name: HeaderName, value: &Range<usize>) {
        let place = |at| u32::try_from(at).unwrap_or(u32::MAX);
        let value = Value::Received(place(value.start), place(value.end));
        self.entries.push(Entry { name, value });
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first value.
    ///
    /// # Errors
    /// The value does not follow its grammar.
    pub fn get<H: Header>(&self) -> Result<Option<H>, HeaderError> {
        self.elements::<H>().next().map(H::parse).transpose()
    }

    /// The first value of a header field that must be there.
    ///
    /// # Errors
    /// There is none, or it does not follow its grammar.
    pub fn need<H: Header>(&self) -> Result<H, HeaderError> {
        self.get()?.ok_or(HeaderError::Missing(H::NAME))
    }

    /// The value of a header field that may be there once at most.
    ///
    /// # Errors
    /// There are several entries, or the value does not follow its grammar.
    pub fn single<H: Header>(&self) -> Result<Option<H>, HeaderError> {
        match self.texts(&H::NAME).nth(1) {
            Some(_) => Err(HeaderError::Repeated(H::NAME)),
            None => self.get(),
        }
    }

    /// All values, of all entries of the name.
    ///
    /// # Errors
    /// One of them does not follow its grammar, or there are more than [`VALUES_MAX`].
    pub fn all<H: Header>(&self) -> Result<Vec<H>, HeaderError> {
        let mut values = Vec::new();
        for text in self.elements::<H>() {
            if values.len() == VALUES_MAX {
                return Err(HeaderError::TooMany(H::NAME));
            }
            values.push(H::parse(text)?);
        }
        Ok(values)
    }

    /// The texts of all values.
    fn elements<H: Header>(&self) -> impl Iterator<Item = &str> {
        let entries = self.entries.iter().filter(|entry| entry.name == H::NAME);
        entries.flat_map(|entry| {
            let text = self.resolve(&entry.value);
            let list = H::LIST.then(|| Elements::new(text));
            let one = (!H::LIST).then_some(text);
            list.into_iter().flatten().chain(one)
        })
    }

    /// Puts one value in the place of all that there are.
    pub fn set<H: Header>(&mut self, header: H) {
        self.set_all(vec![header]);
    }

    /// Puts these values in the place of all that there are, where the first of them stood and else at the
    /// end.
    #[expect(clippy::needless_pass_by_value, reason = "as `set` and `push`")]
    pub fn set_all<H: Header>(&mut self, headers: Vec<H>) {
        let at = self.position(&H::NAME).unwrap_or(self.entries.len());
        self.remove(&H::NAME);
        let new: Vec<_> = if H::JOINED && !headers.is_empty() {
            let mut text = String::new();
            for (at, header) in headers.iter().enumerate() {
                text.push_str(if at > 0 { ", " } else { "" });
                header.write(&mut text);
            }
            vec![Entry::own(H::NAME, text)]
        } else {
            headers.iter().map(Entry::of).collect()
        };
        self.entries.splice(at..at, new);
    }

    /// Adds a value behind all others.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a message owns its header fields"
    )]
    pub fn push<H: Header>(&mut self, header: H) {
        self.entries.push(Entry::of(&header));
    }

    /// Adds a value before the others of its name; where there are none, before everything else.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a message owns its header fields"
    )]
    pub fn push_front<H: Header>(&mut self, header: H) {
        let at = self.position(&H::NAME).unwrap_or(0);
        self.entries.insert(at, Entry::of(&header));
    }

    /// Removes the first value. The others stay as they were, also those in the same line.
    pub fn pop_front<H: Header>(&mut self) {
        let Some(at) = self.position(&H::NAME) else {
            return;
        };
        let rest = self.entries.get(at).and_then(|entry| {
            let mut elements = Elements::new(self.resolve(&entry.value));
            elements.next();
            elements.rest().filter(|_| H::LIST).map(ToOwned::to_owned)
        });
        match rest {
            Some(rest) => self.entries[at] = Entry::own(H::NAME, rest),
            None => drop(self.entries.remove(at)),
        }
    }

    /// Removes all entries of the name.
    pub fn remove(&mut self, name: &HeaderName) {
        self.entries.retain(|entry| entry.name != *name);
    }

    /// The text of the first entry, without white space around it and in one line.
    #[must_use]
    pub fn text(&self, name: &HeaderName) -> Option<&str> {
        self.texts(name).next()
    }

    /// The texts of all entries of the name.
    pub fn texts(&self, name: &HeaderName) -> impl Iterator<Item = &str> {
        let entries = self.entries.iter().filter(move |entry| entry.name == *name);
        entries.map(|entry| self.resolve(&entry.value))
    }

    /// Adds an entry behind all others. Line ends and control characters in the value become spaces.
    pub fn push_text(&mut self, name: HeaderName, value: impl Into<String>) {
        self.entries.push(Entry::own(name, value.into()));
    }

    /// All entries in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &str)> {
        let entries = self.entries.iter();
        entries.map(|entry| (&entry.name, self.resolve(&entry.value)))
    }

    /// Copies all entries of the name from another message, as they are.
    pub fn copy(&mut self, from: &Self, name: &HeaderName) {
        for text in from.texts(name) {
            self.push_text(name.clone(), text);
        }
    }

    fn position(&self, name: &HeaderName) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == *name)
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a str {
        match value {
            Value::Received(start, end) => {
                let range = *start as usize..*end as usize;
                self.head.get(range).unwrap_or_default()
            }
            Value::Own(text) => text,
        }
    }
}

impl Entry {
    fn own(name: HeaderName, value: String) -> Self {
        let value = Value::Own(one_line(value).into());
        Self { name, value }
    }

    fn of<H: Header>(header: &H) -> Self {
        let mut text = String::new();
        header.write(&mut text);
        Self::own(H::NAME, text)
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The same entries in the same order.
impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Headers {}

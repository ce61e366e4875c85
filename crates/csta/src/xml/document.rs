//! A bounded, borrowed XML tree.
//!
//! Elements are found by local name: switching functions put CSTA messages into the right namespace,
//! a wrong one, or none, with and without prefixes. A document type declaration is always refused.

use std::borrow::Cow;

use quick_xml::events::attributes::{Attribute, Attributes};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

/// Deepest nesting that is read; CSTA's own messages stay below 12.
pub const DEPTH_MAX: usize = 32;
/// Most elements and attributes together in one message; the largest real ones have about 400.
pub const ATTRIBUTES_AND_ELEMENTS_MAX: usize = 4096;

/// Why a text is no document that can be read. Positions count bytes from the start of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// The body is not UTF-8.
    #[error("byte {position}: not UTF-8")]
    Utf8 {
        /// First byte that is not.
        position: usize,
    },
    /// The XML is not well-formed.
    #[error("byte {position}: {}", crate::mask::quoted(what))]
    Malformed {
        /// Where the reader stopped.
        position: usize,
        /// What it found, the peer's words between back-quotes.
        what: String,
    },
    /// A `<!DOCTYPE`.
    #[error("byte {position}: a document type declaration is not allowed")]
    Dtd {
        /// Where it begins.
        position: usize,
    },
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("byte {position}: nested deeper than {DEPTH_MAX} elements")]
    TooDeep {
        /// The element that is too deep.
        position: usize,
    },
    /// More than [`ATTRIBUTES_AND_ELEMENTS_MAX`].
    #[error("byte {position}: more than {ATTRIBUTES_AND_ELEMENTS_MAX} elements and attributes")]
    TooMany {
        /// The first one too many.
        position: usize,
    },
    /// Something follows the end of the root element: the frame's length and its document disagree.
    #[error("byte {position}: data after the end of the document")]
    TrailingData {
        /// Where the document ended.
        position: usize,
    },
    /// No element at all.
    #[error("no element in the document")]
    Empty,
}

#[derive(Debug)]
struct Node<'x> {
    prefix: &'x str,
    name: &'x str,
    text: Cow<'x, str>,
    /// Where its attributes and the namespaces that it declares are in the document's lists.
    attributes: (u32, u32),
    declarations: (u32, u32),
    parent: u32,
    first_child: u32,
    next_sibling: u32,
    /// In the source: start tag, content, end tag.
    start: usize,
    content: (usize, usize),
    end: usize,
}

const NONE: u32 = u32::MAX;

/// A parsed document that borrows its names and plain texts from the body.
#[derive(Debug)]
pub struct Document<'x> {
    source: &'x str,
    nodes: Vec<Node<'x>>,
    /// Local names and values.
    attributes: Vec<(&'x str, Cow<'x, str>)>,
    /// Prefixes, empty for the default namespace, and what they stand for.
    declarations: Vec<(&'x str, Cow<'x, str>)>,
}

impl<'x> Document<'x> {
    /// Reads a body as it came in a frame.
    ///
    /// # Errors
    /// [`XmlError`], with the position.
    pub fn from_bytes(body: &'x [u8]) -> Result<Self, XmlError> {
        let position = match std::str::from_utf8(body) {
            Ok(text) => return Self::parse(text),
            Err(error) => error.valid_up_to(),
        };
        // Broken UTF-8 behind a whole document is what follows it in a frame of wrong length.
        let before = std::str::from_utf8(&body[..position]).unwrap_or_default();
        Err(match Self::parse(before) {
            Err(trailing @ XmlError::TrailingData { .. }) => trailing,
            Ok(document) => XmlError::TrailingData {
                position: document.nodes[0].end,
            },
            Err(_) => XmlError::Utf8 { position },
        })
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`XmlError`], with the position.
    pub fn parse(source: &'x str) -> Result<Self, XmlError> {
        let mut builder = Builder {
            document: Self {
                source,
                nodes: Vec::with_capacity(64),
                attributes: Vec::with_capacity(8),
                declarations: Vec::with_capacity(4),
            },
            open: Vec::with_capacity(12),
            root_end: None,
        };
        let mut reader = Reader::from_str(source);
        loop {
            let start = position(reader.buffer_position());
            let event = match reader.read_event() {
                Ok(event) => event,
                Err(_) if builder.root_end.is_some() => return Err(builder.trailing()),
                Err(error) => return Err(malformed(position(reader.error_position()), &error)),
            };
            let end = position(reader.buffer_position());
            match event {
                Event::Start(tag) => builder.start(&tag, start, end)?,
                Event::Empty(tag) => {
                    builder.start(&tag, start, end)?;
                    builder.end(end, end);
                }
                Event::End(_) => builder.end(start, end),
                Event::Text(text) => builder.text(text.into_inner(), start)?,
                Event::CData(text) => builder.text(text.into_inner(), start)?,
                Event::GeneralRef(reference) => builder.reference(&reference, start)?,
                Event::DocType(_) => return Err(XmlError::Dtd { position: start }),
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => return builder.finish(end),
            }
        }
    }

    /// The root element.
    #[must_use]
    pub fn root(&self) -> Element<'_, 'x> {
        Element {
            document: self,
            index: 0,
        }
    }
}

/// One element of a [`Document`].
#[derive(Debug, Clone, Copy)]
pub struct Element<'d, 'x> {
    document: &'d Document<'x>,
    index: u32,
}

impl<'d, 'x> Element<'d, 'x> {
    fn node(self) -> &'d Node<'x> {
        &self.document.nodes[self.index as usize]
    }

    /// The name without its prefix.
    #[must_use]
    pub fn name(self) -> &'x str {
        self.node().name
    }

    /// The prefix of the name; empty where it has none.
    #[must_use]
    pub fn prefix(self) -> &'x str {
        self.node().prefix
    }

    /// The namespace, or `None` where none is declared.
    #[must_use]
    pub fn namespace(self) -> Option<&'d str> {
        let prefix = self.prefix();
        let mut next = Some(self.index);
        while let Some(index) = next {
            let node = &self.document.nodes[index as usize];
            let (from, to) = node.declarations;
            let declared = &self.document.declarations[from as usize..to as usize];
            if let Some((_, namespace)) = declared.iter().find(|(it, _)| *it == prefix) {
                return Some(&**namespace).filter(|namespace| !namespace.is_empty());
            }
            next = (node.parent != NONE).then_some(node.parent);
        }
        None
    }

    /// The character data directly inside, without white space around it.
    #[must_use]
    pub fn text(self) -> &'d str {
        self.node().text.trim_ascii()
    }

    /// The attribute of that local name.
    #[must_use]
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        let (from, to) = self.node().attributes;
        self.document.attributes[from as usize..to as usize]
            .iter()
            .find_map(|(key, value)| (*key == name).then_some(&**value))
    }

    /// The attributes by local name, but for declarations of namespaces.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str)> {
        let (from, to) = self.node().attributes;
        let attributes = self.document.attributes[from as usize..to as usize].iter();
        attributes.map(|(key, value)| (*key, &**value))
    }

    /// The child elements in document order.
    pub fn children(self) -> impl Iterator<Item = Element<'d, 'x>> {
        let document = self.document;
        let mut next = self.node().first_child;
        std::iter::from_fn(move || {
            let index = (next != NONE).then_some(next)?;
            next = document.nodes[index as usize].next_sibling;
            Some(Element { document, index })
        })
    }

    /// The first child of that local name.
    #[must_use]
    pub fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.name() == name)
    }

    /// The XML of this element as it stood in the source.
    #[must_use]
    pub fn source(self) -> &'x str {
        &self.document.source[self.node().start..self.node().end]
    }

    /// What stands between its tags in the source.
    #[must_use]
    pub fn inner_source(self) -> &'x str {
        let (start, end) = self.node().content;
        &self.document.source[start..end]
    }
}

struct Builder<'x> {
    document: Document<'x>,
    /// The open elements, and the last child of each so far.
    open: Vec<(u32, u32)>,
    root_end: Option<usize>,
}

impl<'x> Builder<'x> {
    fn start(&mut self, tag: &BytesStart<'x>, start: usize, end: usize) -> Result<(), XmlError> {
        if self.root_end.is_some() {
            return Err(self.trailing());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(XmlError::TooDeep { position: start });
        }
        let document = &mut self.document;
        let from = (document.attributes.len(), document.declarations.len());
        // The tag stands right behind its `<`; this borrows it from the source.
        let inside = &document.source[start + 1..][..tag.len()];
        let (full_name, rest) = inside.split_at(tag.name().into_inner().len());
        if !rest.is_empty() {
            for attribute in Attributes::new(inside, full_name.len()) {
                self.attribute(attribute.map_err(|error| malformed(start, &error))?, start)?;
                self.check_size(start)?;
            }
        }
        self.check_size(start)?;
        let document = &mut self.document;
        let (prefix, name) = split_name(full_name);
        let this = index(document.nodes.len());
        let parent = match self.open.last_mut() {
            Some((parent, last)) => {
                match std::mem::replace(last, this) {
                    NONE => document.nodes[*parent as usize].first_child = this,
                    sibling => document.nodes[sibling as usize].next_sibling = this,
                }
                *parent
            }
            None => NONE,
        };
        document.nodes.push(Node {
            prefix,
            name,
            text: Cow::Borrowed(""),
            attributes: (index(from.0), index(document.attributes.len())),
            declarations: (index(from.1), index(document.declarations.len())),
            parent,
            first_child: NONE,
            next_sibling: NONE,
            start,
            content: (end, end),
            end,
        });
        self.open.push((this, NONE));
        Ok(())
    }

    fn attribute(&mut self, attribute: Attribute<'x>, start: usize) -> Result<(), XmlError> {
        let (prefix, name) = split_name(attribute.key.into_inner());
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| malformed(start, &error))?;
        match (prefix, name) {
            ("", "xmlns") => self.document.declarations.push(("", value)),
            ("xmlns", prefix) => self.document.declarations.push((prefix, value)),
            _ => self.document.attributes.push((name, value)),
        }
        Ok(())
    }

    fn check_size(&self, position: usize) -> Result<(), XmlError> {
        let document = &self.document;
        let total = document.attributes.len() + document.declarations.len() + document.nodes.len();
        if total >= ATTRIBUTES_AND_ELEMENTS_MAX {
            return Err(XmlError::TooMany { position });
        }
        Ok(())
    }

    /// Closes the innermost open element, whose end tag stands from `start` to `end`.
    fn end(&mut self, start: usize, end: usize) {
        let Some((closed, _)) = self.open.pop() else {
            return;
        };
        let node = &mut self.document.nodes[closed as usize];
        node.content.1 = start;
        node.end = end;
        if self.open.is_empty() {
            self.root_end = Some(end);
        }
    }

    fn text(&mut self, text: Cow<'x, str>, position: usize) -> Result<(), XmlError> {
        let Some(&(parent, _)) = self.open.last() else {
            if text.trim().is_empty() {
                return Ok(());
            }
            return Err(match self.root_end {
                Some(_) => self.trailing(),
                None => XmlError::Malformed {
                    position,
                    what: "text before the first element".to_owned(),
                },
            });
        };
        let node = &mut self.document.nodes[parent as usize];
        if node.text.is_empty() {
            node.text = text;
        } else {
            node.text.to_mut().push_str(&text);
        }
        Ok(())
    }

    fn reference(&mut self, reference: &BytesRef<'x>, position: usize) -> Result<(), XmlError> {
        if let Some(c) = reference
            .resolve_char_ref()
            .map_err(|error| malformed(position, &error))?
        {
            return self.text(Cow::Owned(c.to_string()), position);
        }
        let name = reference.xml10_content();
        match quick_xml::escape::resolve_predefined_entity(&name) {
            Some(text) => self.text(Cow::Borrowed(text), position),
            None => Err(XmlError::Malformed {
                position,
                what: format!(
                    "unknown entity `&{name};`, only lt, gt, amp, apos and quot are known"
                ),
            }),
        }
    }

    fn trailing(&self) -> XmlError {
        XmlError::TrailingData {
            position: self.root_end.unwrap_or_default(),
        }
    }

    fn finish(self, end: usize) -> Result<Document<'x>, XmlError> {
        if let Some(&(open, _)) = self.open.last() {
            let what = format!(
                "`<{}>` is not closed",
                self.document.nodes[open as usize].name
            );
            return Err(XmlError::Malformed {
                position: end,
                what,
            });
        }
        if self.document.nodes.is_empty() {
            return Err(XmlError::Empty);
        }
        Ok(self.document)
    }
}

/// Prefix and local name. Names are short: looking at each byte is the fastest way.
fn split_name(name: &str) -> (&str, &str) {
    match name.bytes().position(|byte| byte == b':') {
        Some(colon) => (&name[..colon], &name[colon + 1..]),
        None => ("", name),
    }
}

fn malformed(position: usize, error: &dyn std::fmt::Display) -> XmlError {
    XmlError::Malformed {
        position,
        what: error.to_string(),
    }
}

fn position(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(NONE)
}

#[cfg(test)]
mod tests;

//! A bounded, borrowed XML tree.
//!
//! Elements are found by local name: switching functions put CSTA messages into the right namespace,
//! a wrong one, or none, with and without prefixes. A document type declaration is always refused.

use std::borrow::Cow;

use super::reader::Reader;
use super::reader::characters::first_foreign;

/// Deepest nesting that is read; CSTA's own messages stay below 12.
pub const DEPTH_MAX: usize = 32;
/// Most elements and attributes together in one message; the largest real ones have about 400.
pub const ATTRIBUTES_AND_ELEMENTS_MAX: usize = 4096;
/// Most attributes of one element; CSTA's own have nine. Each is compared with those before it.
pub const ATTRIBUTES_MAX: usize = 64;

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
    /// More than [`ATTRIBUTES_AND_ELEMENTS_MAX`], or at one element more than [`ATTRIBUTES_MAX`].
    #[error(
        "byte {position}: more than {ATTRIBUTES_AND_ELEMENTS_MAX} elements and attributes, or than \
         {ATTRIBUTES_MAX} attributes of one element"
    )]
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
pub(super) struct Node<'x> {
    /// The name with its prefix.
    pub(super) tag: &'x str,
    pub(super) name: &'x str,
    pub(super) text: Cow<'x, str>,
    /// Where its attributes and the namespaces that it declares are in the document's lists.
    pub(super) attributes: (u32, u32),
    pub(super) declarations: (u32, u32),
    pub(super) parent: u32,
    pub(super) first_child: u32,
    pub(super) next_sibling: u32,
    /// In the source: start tag, content, end tag.
    pub(super) start: usize,
    pub(super) content: (usize, usize),
    pub(super) end: usize,
    /// How much inside has its meaning from its surroundings, or none.
    pub(super) special: u32,
}

/// An attribute, or a declaration of a namespace.
#[derive(Debug)]
pub(super) struct Attribute<'x> {
    /// The name with its prefix.
    pub(super) key: &'x str,
    /// The name without its prefix; of a declaration the prefix that is declared.
    pub(super) name: &'x str,
    pub(super) value: Cow<'x, str>,
}

/// White space of XML, which is less than that of ASCII or Unicode (XML 1.0 §2.3).
pub(crate) const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];

/// The index of no node.
pub(super) const NONE: u32 = u32::MAX;

/// A parsed document that borrows its names and plain texts from the body.
#[derive(Debug)]
pub struct Document<'x> {
    pub(super) source: &'x str,
    pub(super) nodes: Vec<Node<'x>>,
    pub(super) attributes: Vec<Attribute<'x>>,
    /// Of namespaces; the name is empty for the default one.
    pub(super) declarations: Vec<Attribute<'x>>,
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
        let before = std::str::from_utf8(&body[..position]).unwrap_or_default();
        Err(cut_off(before, XmlError::Utf8 { position }))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`XmlError`], with the position.
    pub fn parse(source: &'x str) -> Result<Self, XmlError> {
        let Some(position) = first_foreign(source) else {
            return Reader::new(source).read();
        };
        let what = "a character that no document may have".to_owned();
        let error = XmlError::Malformed { position, what };
        Err(cut_off(&source[..position], error))
    }

    /// The namespace of that prefix at a node, `""` for the default one; `None` where none is declared.
    pub(super) fn namespace(&self, node: u32, prefix: &str) -> Option<&str> {
        let mut next = Some(node);
        while let Some(index) = next {
            let node = &self.nodes[index as usize];
            let (from, to) = node.declarations;
            let declared = &self.declarations[from as usize..to as usize];
            if let Some(it) = declared.iter().find(|it| it.name == prefix) {
                return Some(&*it.value).filter(|namespace| !namespace.is_empty());
            }
            next = (node.parent != NONE).then_some(node.parent);
        }
        None
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

/// Why a body cannot be read that only `before` can be read of. Broken bytes behind a whole document are
/// what follows it in a frame of wrong length.
fn cut_off(before: &str, error: XmlError) -> XmlError {
    match Reader::new(before).read() {
        Err(trailing @ XmlError::TrailingData { .. }) => trailing,
        Ok(document) => XmlError::TrailingData {
            position: document.nodes[0].end,
        },
        Err(_) => error,
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
        let node = self.node();
        let colon = node.tag.len() - node.name.len();
        &node.tag[..colon.saturating_sub(1)]
    }

    /// The namespace, or `None` where none is declared.
    #[must_use]
    pub fn namespace(self) -> Option<&'d str> {
        self.document.namespace(self.index, self.prefix())
    }

    /// The character data directly inside, without white space around it.
    #[must_use]
    pub fn text(self) -> &'d str {
        self.node().text.trim_matches(SPACES)
    }

    /// The attribute of that local name.
    #[must_use]
    pub fn attribute(self, name: &str) -> Option<&'d str> {
        let (from, to) = self.node().attributes;
        self.document.attributes[from as usize..to as usize]
            .iter()
            .find_map(|it| (it.name == name).then_some(&*it.value))
    }

    /// The attributes by local name, but for declarations of namespaces.
    pub fn attributes(self) -> impl Iterator<Item = (&'d str, &'d str)> {
        let (from, to) = self.node().attributes;
        let attributes = self.document.attributes[from as usize..to as usize].iter();
        attributes.map(|it| (it.name, &*it.value))
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

    /// Whether what stands between its tags has neither prefixes, declarations of namespaces, comments
    /// nor the like, and so means the same at any place of its namespace.
    pub(crate) fn is_plain(self) -> bool {
        self.node().special == 0
    }

    /// What stands between its tags in the source.
    #[must_use]
    pub fn inner_source(self) -> &'x str {
        let (start, end) = self.node().content;
        &self.document.source[start..end]
    }
}

#[cfg(test)]
mod tests;

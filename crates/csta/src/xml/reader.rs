//! Reads a text into the nodes of a [`Document`], in one pass.
//!
//! XML 1.0 (fifth edition) with namespaces (Namespaces in XML 1.0, third edition), without document
//! types, as UTF-8. One thing is let pass that namespaces do not allow: prefixes that nobody declared,
//! as messages are understood by local name.

pub(super) mod characters;
mod markup;
mod text;

use std::borrow::Cow;

use self::characters::{
    CLASSES, ENDS_NAME, ENDS_TEXT, ENDS_VALUE, begins_name, is_in_name, is_space,
};
use self::text::{Place, resolved};
use super::document::{
    ATTRIBUTES_AND_ELEMENTS_MAX, ATTRIBUTES_MAX, Attribute, DEPTH_MAX, Document, NONE, Node,
    XmlError,
};

/// Bytes that an element of a message takes up, tags included; real ones have 25 to 40. What is
/// shorter on the whole makes the list of elements grow.
const ELEMENT_LEN: usize = 24;
/// The namespace of the prefix `xml`, which is always declared.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of `xmlns`, which nobody may declare.
const XMLNS_NAMESPACE: &str = "http://www.w3.org/2000/xmlns/";

/// A text that is being read.
pub(super) struct Reader<'x> {
    document: Document<'x>,
    bytes: &'x [u8],
    /// The byte that is read next.
    at: usize,
    /// The open elements, and the last child of each so far.
    open: Vec<(u32, u32)>,
    root_end: Option<usize>,
    /// How much there was so far that has its meaning from its surroundings, or none: prefixes,
    /// declarations of namespaces, comments and the like.
    special: u32,
}

impl<'x> Reader<'x> {
    pub(super) fn new(source: &'x str) -> Self {
        Self {
            document: Document {
                source,
                nodes: Vec::with_capacity(source.len() / ELEMENT_LEN + 1),
                attributes: Vec::with_capacity(8),
                declarations: Vec::with_capacity(4),
            },
            bytes: source.as_bytes(),
            at: if source.starts_with('\u{feff}') { 3 } else { 0 },
            open: Vec::with_capacity(12),
            root_end: None,
            special: 0,
        }
    }

    pub(super) fn read(mut self) -> Result<Document<'x>, XmlError> {
        while self.at < self.bytes.len() {
            if let Err(error) = self.text_and_tag() {
                return Err(match self.root_end {
                    Some(position) if !matches!(error, XmlError::Dtd { .. }) => {
                        XmlError::TrailingData { position }
                    }
                    _ => error,
                });
            }
        }
        if let Some(&(open, _)) = self.open.last() {
            let tag = self.document.nodes[open as usize].tag;
            return Err(malformed(self.at, format!("`<{tag}>` is not closed")));
        }
        if self.document.nodes.is_empty() {
            return Err(XmlError::Empty);
        }
        Ok(self.document)
    }

    /// The text up to the next `<`, and what begins there.
    fn text_and_tag(&mut self) -> Result<(), XmlError> {
        let text = self.at;
        let mut start = self.find(text, ENDS_TEXT);
        let mut plain = true;
        while let Some(byte) = self.bytes.get(start)
            && *byte != b'<'
        {
            plain &= *byte == b']';
            if self.bytes[start..].starts_with(b"]]>") {
                return Err(malformed(start, "`]]>` outside literal text"));
            }
            start = self.find(start + 1, ENDS_TEXT);
        }
        if start > text {
            self.text(&self.document.source[text..start], plain, text)?;
        }
        self.at = start;
        match self.bytes.get(start + 1) {
            Some(b'/') => self.end_tag(start),
            Some(b'!') => self.declaration(start),
            Some(b'?') => self.instruction(start),
            None if start == self.bytes.len() => Ok(()),
            _ => self.start_tag(start),
        }
    }

    fn start_tag(&mut self, start: usize) -> Result<(), XmlError> {
        if self.root_end.is_some() {
            return Err(malformed(start, "a second element"));
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(XmlError::TooDeep { position: start });
        }
        self.at = start + 1;
        let (tag, name) = self.name()?;
        if tag.starts_with("xmlns:") {
            return Err(malformed(start, "an element with the prefix `xmlns`"));
        }
        self.special += u32::from(name.len() < tag.len());
        let special = self.special;
        let attributes = index(self.document.attributes.len());
        let declarations = index(self.document.declarations.len());
        let empty = self.attributes(start)?;
        self.check_size(start)?;
        let this = index(self.document.nodes.len());
        let document = &mut self.document;
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
            tag,
            name,
            text: Cow::Borrowed(""),
            attributes: (attributes, index(document.attributes.len())),
            declarations: (declarations, index(document.declarations.len())),
            parent,
            first_child: NONE,
            next_sibling: NONE,
            start,
            content: (self.at, self.at),
            end: self.at,
            special: self.special,
        });
        if self.special > special {
            self.check_namespaces(this)?;
        }
        if empty {
            self.close(this, self.at);
        } else {
            self.open.push((this, NONE));
        }
        Ok(())
    }

    /// The rest of a start tag; whether it is one of an empty element.
    fn attributes(&mut self, start: usize) -> Result<bool, XmlError> {
        let first = self.document.attributes.len();
        let first_declared = self.document.declarations.len();
        loop {
            let spaced = self.skip_space();
            match &self.bytes[self.at..] {
                [b'>', ..] => {
                    self.at += 1;
                    return Ok(false);
                }
                [b'/', b'>', ..] => {
                    self.at += 2;
                    return Ok(true);
                }
                [_, ..] if spaced => {}
                _ => return Err(malformed(start, "a start tag without its `>`")),
            }
            let position = self.at;
            let attribute = self.attribute()?;
            let document = &mut self.document;
            let attributes = &document.attributes[first..];
            let declared = &document.declarations[first_declared..];
            if attributes.len() + declared.len() >= ATTRIBUTES_MAX {
                return Err(XmlError::TooMany { position: start });
            }
            let mut before = attributes.iter().chain(declared);
            if before.any(|it| it.key == attribute.key) {
                let what = format!("attribute `{}` is there twice", attribute.key);
                return Err(malformed(position, what));
            }
            self.special += u32::from(attribute.name.len() < attribute.key.len());
            if attribute.key == "xmlns" || attribute.key.starts_with("xmlns:") {
                self.declare(attribute, position)?;
            } else {
                self.document.attributes.push(attribute);
            }
            self.check_size(start)?;
        }
    }

    fn declare(&mut self, mut declared: Attribute<'x>, position: usize) -> Result<(), XmlError> {
        self.special += 1;
        if declared.key == "xmlns" {
            declared.name = "";
        }
        if !may_be_declared(declared.name, &declared.value) {
            let what = format!("`{}` declares what nobody may", declared.key);
            return Err(malformed(position, what));
        }
        self.document.declarations.push(declared);
        Ok(())
    }

    /// Refuses two attributes of one name and namespace (Namespaces in XML §6.3); without prefixes they
    /// were compared as they came.
    fn check_namespaces(&self, element: u32) -> Result<(), XmlError> {
        let node = &self.document.nodes[element as usize];
        let (from, to) = node.attributes;
        let attributes = &self.document.attributes[from as usize..to as usize];
        let namespace = |it: &Attribute<'x>| {
            let prefix = it.key.strip_suffix(it.name)?.strip_suffix(':')?;
            self.document.namespace(element, prefix)
        };
        for (nth, this) in attributes.iter().enumerate() {
            let mut before = attributes[..nth].iter().filter(|it| it.name == this.name);
            if before.any(|it| namespace(it).is_some() && namespace(it) == namespace(this)) {
                let what = format!("attribute `{}` is there twice", this.key);
                let source = self.document.source.as_ptr().addr();
                return Err(malformed(this.key.as_ptr().addr() - source, what));
            }
        }
        Ok(())
    }

    fn attribute(&mut self) -> Result<Attribute<'x>, XmlError> {
        let (key, name) = self.name()?;
        self.skip_space();
        self.expect(b'=')?;
        self.skip_space();
        let begin = self.at + 1;
        let quote = match self.bytes.get(self.at) {
            Some(quote @ (b'"' | b'\'')) => *quote,
            _ => return Err(malformed(self.at, "expected a quoted value")),
        };
        let mut end = self.find(begin, ENDS_VALUE);
        let mut plain = true;
        while let Some(byte) = self.bytes.get(end)
            && *byte != quote
            && *byte != b'<'
        {
            plain &= matches!(byte, b'"' | b'\'');
            end = self.find(end + 1, ENDS_VALUE);
        }
        if self.bytes.get(end) != Some(&quote) {
            return Err(malformed(begin, "an attribute's value without its end"));
        }
        let raw = &self.document.source[begin..end];
        let value = if plain {
            Cow::Borrowed(raw)
        } else {
            Cow::Owned(resolved(raw, Place::Value, begin)?)
        };
        self.at = end + 1;
        Ok(Attribute { key, name, value })
    }

    fn end_tag(&mut self, start: usize) -> Result<(), XmlError> {
        let Some((open, _)) = self.open.pop() else {
            return Err(malformed(start, "an end tag without its start tag"));
        };
        let tag = self.document.nodes[open as usize].tag;
        if !self.bytes[start + 2..].starts_with(tag.as_bytes()) {
            return Err(malformed(start, format!("expected `</{tag}>`")));
        }
        self.at = start + 2 + tag.len();
        self.skip_space();
        self.expect(b'>')?;
        self.close(open, start);
        Ok(())
    }

    /// Ends an element whose content ends at `content_end`, behind its end tag.
    fn close(&mut self, element: u32, content_end: usize) {
        let node = &mut self.document.nodes[element as usize];
        node.content.1 = content_end;
        node.end = self.at;
        node.special = self.special - node.special;
        if self.open.is_empty() {
            self.root_end = Some(self.at);
        }
    }

    fn text(&mut self, raw: &'x str, plain: bool, position: usize) -> Result<(), XmlError> {
        let blank = raw.bytes().all(is_space);
        let parent = self.open.last().map(|(open, _)| *open as usize);
        // Blanks before the first text are no part of an element's text, nor of anything outside.
        if blank && parent.is_none_or(|parent| self.document.nodes[parent].text.is_empty()) {
            return Ok(());
        }
        let text = if plain {
            Cow::Borrowed(raw)
        } else {
            Cow::Owned(resolved(raw, Place::Content, position)?)
        };
        self.append(text, position)
    }

    fn append(&mut self, text: Cow<'x, str>, position: usize) -> Result<(), XmlError> {
        let Some(&(parent, _)) = self.open.last() else {
            return Err(malformed(position, "text before the first element"));
        };
        let node = &mut self.document.nodes[parent as usize];
        if node.text.is_empty() {
            node.text = text;
        } else {
            node.text.to_mut().push_str(&text);
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

    /// Whether there was any.
    fn skip_space(&mut self) -> bool {
        let before = self.at;
        while self.bytes.get(self.at).copied().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > before
    }

    fn skip_to(&mut self, end: &str, start: usize) -> Result<(), XmlError> {
        let mut inside = self.at;
        // All of these end with the same byte.
        while let Some(length) = self.bytes[inside..].iter().position(|byte| *byte == b'>') {
            inside += length + 1;
            if self.bytes[self.at..inside].ends_with(end.as_bytes()) {
                self.at = inside;
                return Ok(());
            }
        }
        Err(malformed(
            start,
            format!("no `{end}` where one was expected"),
        ))
    }

    /// Where the next byte of that class is, at the latest the end.
    fn find(&self, from: usize, class: u8) -> usize {
        let rest = self.bytes[from..].iter();
        let length = rest.take_while(|byte| CLASSES[usize::from(**byte)] & class == 0);
        from + length.count()
    }

    fn expect(&mut self, byte: u8) -> Result<(), XmlError> {
        if self.bytes.get(self.at) != Some(&byte) {
            let what = format!("expected `{}`", char::from(byte));
            return Err(malformed(self.at, what));
        }
        self.at += 1;
        Ok(())
    }

    /// A name with its prefix, and without.
    #[inline]
    fn name(&mut self) -> Result<(&'x str, &'x str), XmlError> {
        let begin = self.at;
        let first = self.name_part(begin)?;
        let local = match self.bytes.get(first) {
            Some(b':') => first + 1,
            _ => begin,
        };
        self.at = if local > begin {
            self.name_part(local)?
        } else {
            first
        };
        let source = self.document.source;
        Ok((&source[begin..self.at], &source[local..self.at]))
    }

    /// Where the name or prefix ends that begins at `begin`.
    #[inline]
    fn name_part(&self, begin: usize) -> Result<usize, XmlError> {
        let end = self.find(begin, ENDS_NAME);
        if self.bytes.get(end).is_none_or(u8::is_ascii) {
            return match self.bytes.get(begin) {
                Some(byte) if end > begin && !matches!(byte, b'0'..=b'9' | b'-' | b'.') => Ok(end),
                _ => Err(malformed(begin, "expected a name")),
            };
        }
        let rest = &self.document.source[begin..];
        if !rest.starts_with(begins_name) {
            return Err(malformed(begin, "expected a name"));
        }
        Ok(begin + rest.find(|c| !is_in_name(c)).unwrap_or(rest.len()))
    }
}

/// Whether a prefix may be declared so, or for `""` the default namespace (Namespaces in XML §3).
fn may_be_declared(prefix: &str, namespace: &str) -> bool {
    match prefix {
        "xmlns" => false,
        "xml" => namespace == XML_NAMESPACE,
        "" => !matches!(namespace, XML_NAMESPACE | XMLNS_NAMESPACE),
        _ => !matches!(namespace, "" | XML_NAMESPACE | XMLNS_NAMESPACE),
    }
}

fn malformed(position: usize, what: impl Into<String>) -> XmlError {
    let what = what.into();
    XmlError::Malformed { position, what }
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(NONE)
}

//! Reads a text into the nodes of a [`Document`], in one pass.
//!
//! XML 1.0 with namespaces, without document types. Names and the form of tags are checked as the
//! recommendation has them; of characters only `<` and `&` have a meaning, and line ends stay as they
//! came.

use std::borrow::Cow;

use super::document::{
    ATTRIBUTES_AND_ELEMENTS_MAX, ATTRIBUTES_MAX, Attribute, DEPTH_MAX, Document, NONE, Node,
    XmlError,
};

/// Bytes that an element of a message takes up, tags included; real ones have 25 to 40. What is
/// shorter on the whole makes the list of elements grow.
const ELEMENT_LEN: usize = 24;

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
        let referring = self.bytes.get(start) == Some(&b'&');
        while self.bytes.get(start) == Some(&b'&') {
            start = self.find(start + 1, ENDS_TEXT);
        }
        if start > text {
            self.text(&self.document.source[text..start], referring, text)?;
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
        self.special += u32::from(name.len() < tag.len());
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
                return Err(malformed(start, what));
            }
            self.special += u32::from(attribute.name.len() < attribute.key.len());
            match attribute.key {
                "xmlns" => {
                    self.special += 1;
                    let name = "";
                    document.declarations.push(Attribute { name, ..attribute });
                }
                key if key.starts_with("xmlns:") => document.declarations.push(attribute),
                _ => document.attributes.push(attribute),
            }
            self.check_size(start)?;
        }
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
            attribute_value(raw, begin)?
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

    /// What begins with `<!`: a comment, literal text, or the document type that nobody may declare.
    fn declaration(&mut self, start: usize) -> Result<(), XmlError> {
        const LITERAL: &str = "<![CDATA[";
        const COMMENT: &str = "<!--";
        self.special += 1;
        let rest = &self.document.source[start..];
        if rest.starts_with(COMMENT) {
            self.at += COMMENT.len();
            return self.skip_to("-->", start);
        }
        if let Some(inside) = rest.strip_prefix(LITERAL) {
            self.skip_to("]]>", start)?;
            let text = &inside[..self.at - start - LITERAL.len() - "]]>".len()];
            return self.append(Cow::Borrowed(text), start);
        }
        match rest.as_bytes().get(2) {
            Some(b'D' | b'd') => Err(XmlError::Dtd { position: start }),
            _ => Err(malformed(start, "`<!` without a comment or literal text")),
        }
    }

    /// An instruction to a program, or the declaration that a document begins with.
    fn instruction(&mut self, start: usize) -> Result<(), XmlError> {
        self.special += 1;
        self.at += "<?".len();
        self.skip_to("?>", start)
    }

    fn text(&mut self, raw: &'x str, referring: bool, position: usize) -> Result<(), XmlError> {
        let blank = raw.bytes().all(|byte| byte.is_ascii_whitespace());
        let parent = self.open.last().map(|(open, _)| *open as usize);
        // Blanks before the first text are no part of an element's text, nor of anything outside.
        if blank && parent.is_none_or(|parent| self.document.nodes[parent].text.is_empty()) {
            return Ok(());
        }
        let text = if referring {
            unescaped(raw, position)?
        } else {
            Cow::Borrowed(raw)
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
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
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
        match self.bytes.get(begin) {
            Some(byte) if end > begin && !matches!(byte, b'0'..=b'9' | b'-' | b'.') => Ok(end),
            _ => Err(malformed(begin, "expected a name")),
        }
    }
}

/// Classes of bytes: what cannot be part of a name (Namespaces in XML 1.0, `NCName`; letters beyond
/// ASCII are not told apart), what ends a text or stands for something, and the same of a value.
const ENDS_NAME: u8 = 1;
const ENDS_TEXT: u8 = 2;
const ENDS_VALUE: u8 = 4;

/// The classes of each byte.
const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    let mut byte = 0_u8;
    while at < table.len() {
        if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-' | b'.') {
            table[at] |= ENDS_NAME;
        }
        if matches!(byte, b'<' | b'&') {
            table[at] |= ENDS_TEXT;
        }
        if matches!(byte, b'<' | b'&' | b'"' | b'\'' | b'\t' | b'\n' | b'\r') {
            table[at] |= ENDS_VALUE;
        }
        at += 1;
        byte = byte.wrapping_add(1);
    }
    table
};

/// An attribute's value: white space of any kind is a space, but for what is written as a reference.
fn attribute_value(raw: &str, position: usize) -> Result<Cow<'_, str>, XmlError> {
    if !raw.contains(['\t', '\n', '\r']) {
        return unescaped(raw, position);
    }
    let spaced = raw.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
    unescaped(&spaced, position).map(|value| Cow::Owned(value.into_owned()))
}

/// The text with what its references stand for.
fn unescaped(raw: &str, position: usize) -> Result<Cow<'_, str>, XmlError> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(reference) = rest.bytes().position(|byte| byte == b'&') {
        out.push_str(&rest[..reference]);
        let position = position + raw.len() - rest.len() + reference;
        let from = &rest[reference + 1..];
        let Some(length) = from.bytes().position(|byte| byte == b';') else {
            return Err(malformed(position, "`&` without its `;`"));
        };
        let name = &from[..length];
        out.push(referenced(name).ok_or_else(|| unknown_entity(name, position))?);
        rest = &from[length + 1..];
    }
    out.push_str(rest);
    Ok(Cow::Owned(out))
}

/// What stands for `&name;`.
fn referenced(name: &str) -> Option<char> {
    let (digits, radix) = match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "apos" => return Some('\''),
        "quot" => return Some('"'),
        _ => match name.strip_prefix("#x") {
            Some(digits) => (digits, 16),
            None => (name.strip_prefix('#')?, 10),
        },
    };
    let digits = Some(digits).filter(|it| it.starts_with(|c: char| c.is_ascii_hexdigit()))?;
    let code = u32::from_str_radix(digits, radix).ok()?;
    char::from_u32(code).filter(|c| *c != '\0')
}

fn unknown_entity(name: &str, position: usize) -> XmlError {
    const SHOWN_MAX: usize = 64;
    let name: String = name.chars().take(SHOWN_MAX).collect();
    let what = format!("unknown entity `&{name};`, only lt, gt, amp, apos and quot are known");
    malformed(position, what)
}

fn malformed(position: usize, what: impl Into<String>) -> XmlError {
    let what = what.into();
    XmlError::Malformed { position, what }
}

fn index(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(NONE)
}

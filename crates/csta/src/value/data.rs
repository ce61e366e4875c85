//! What messages carry for others: private data, data of users and applications, and everything that
//! this crate keeps as it came.

use std::fmt::Write as _;

use crate::codec::{Value, bad_value, messages, optional};
use crate::conformance::{Content, ElementRule, Text};
use crate::edition::Edition;
use crate::message::DecodeError;
use crate::xml::{Element, SPACES, Writer, escape, write_attribute};

/// The content of an element, kept as it came: attributes, text and elements, by local name. Names
/// outside the namespace of CSTA keep theirs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Raw(Box<str>);

impl Raw {
    /// The content of an element as XML: well-formed without a root, read before it is written.
    pub fn new(xml: impl Into<Box<str>>) -> Self {
        Self(xml.into())
    }

    fn of(element: Element<'_, '_>) -> Self {
        let source = element.inner_source();
        if element.prefix().is_empty()
            && element.is_plain()
            && element.namespace().is_none_or(is_csta)
        {
            return Self(source.trim_matches(SPACES).into());
        }
        let mut out = String::with_capacity(source.len());
        append_content(&mut out, element, None);
        Self(out.into())
    }

    /// The content as XML.
    #[must_use]
    pub fn as_xml(&self) -> &str {
        &self.0
    }
}

impl Value for Raw {
    const CONTENT: Content = Content::Any;
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        Ok(Self::of(element))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| w.raw(&self.0));
    }
}

/// Writes text and children; `inside` is the namespace that holds there. What has no name of its own
/// without its prefix, or the same one as another attribute, is left out: it could not be read again.
fn append_content(out: &mut String, element: Element<'_, '_>, inside: Option<&str>) {
    escape(element.text(), out);
    for child in element.children() {
        out.push('<');
        out.push_str(child.name());
        let foreign = child.namespace().filter(|it| !is_csta(it));
        if foreign != inside {
            write_attribute("xmlns", foreign.unwrap_or_default(), out);
        }
        let mut keys = Vec::new();
        for (key, value) in child.attributes() {
            if !keys.contains(&key) {
                keys.push(key);
                write_attribute(key, value, out);
            }
        }
        out.push('>');
        append_content(out, child, foreign);
        out.push_str("</");
        out.push_str(child.name());
        out.push('>');
    }
}

fn is_csta(namespace: &str) -> bool {
    let known = Edition::NEWEST_FIRST
        .iter()
        .any(|edition| edition.namespace() == namespace);
    known || namespace.contains("ecma-323") && Edition::from_namespace(namespace).is_some()
}

/// Octets as hexadecimal digits (`xsd:hexBinary`). White space inside is read, as real switching
/// functions break long values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HexBinary(pub Vec<u8>);

impl HexBinary {
    /// The digits, upper case.
    #[must_use]
    pub fn to_hex(&self) -> String {
        let mut out = String::with_capacity(self.0.len() * 2);
        for octet in &self.0 {
            let _ = write!(out, "{octet:02X}");
        }
        out
    }

    /// Reads digits; `None` where they are no whole octets or no digits.
    #[must_use]
    pub fn from_hex(digits: &str) -> Option<Self> {
        let digits = digits.chars().filter(|c| !SPACES.contains(c));
        let digits: Option<Vec<u32>> = digits.map(|c| c.to_digit(16)).collect();
        let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        let octets = pairs
            .iter()
            .map(|[high, low]| u8::try_from(high * 16 + low));
        octets.collect::<Result<_, _>>().ok().map(Self)
    }
}

impl Value for HexBinary {
    const CONTENT: Content = Content::Text(Text::Hex);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let octets = Self::from_hex(element.text());
        octets.ok_or_else(|| bad_value(element, "pairs of hexadecimal digits"))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| w.text(self.to_hex()));
    }
}

/// Octets or a vendor's own XML (`CorrelatorData`, `UserData`, `CSTAPrivateData`; ECMA-269 §12.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OpaqueData {
    /// Octets.
    Octets(HexBinary),
    /// XML.
    Private(Raw),
}

impl Value for OpaqueData {
    const CONTENT: Content = Content::OneOf(&[
        ElementRule::part("string", HexBinary::CONTENT),
        ElementRule::part("private", Raw::CONTENT),
    ]);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        match optional(element, "string")? {
            Some(octets) => Ok(Self::Octets(octets)),
            None => optional(element, "private").map(|xml| {
                // Some put their elements here without the one that the schema has around them.
                Self::Private(xml.unwrap_or_else(|| Raw::of(element)))
            }),
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| match self {
            Self::Octets(octets) => octets.write("string", w),
            Self::Private(xml) => xml.write("private", w),
        });
    }
}

messages! {
    /// What any message may carry besides (`CSTACommonArguments`; ECMA-269 §12.2.11).
    CommonArguments as "extensions" {
        /// Number and time of the message.
        opt security: Security = "security",
        /// The vendor's own data.
        opt private_data: OpaqueData = "privateData",
    }

    /// Number and time of a message (`CSTASecurityData`; ECMA-269 §12.2.13).
    Security as "security" {
        /// Number of the message.
        opt message_sequence_number: u32 = "messageSequenceNumber",
        /// When it was sent, ISO 8601.
        opt time_stamp: String = "timeStamp",
        /// Signature or the like, as it came.
        opt security_info: Raw = "securityInfo",
    }
}

/// What any message may carry besides: seldom there, so behind a pointer.
pub type Extensions = Box<CommonArguments>;

impl<T: Value> Value for Box<T> {
    const CONTENT: Content = T::CONTENT;
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        T::read(element).map(Self::new)
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        (**self).write(name, writer);
    }
}

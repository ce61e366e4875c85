//! Writes XML without white space, in the order of the calls.

use std::fmt::{Display, Write as _};

use crate::edition::Edition;
use crate::id::DeviceId;
use crate::xml::reader::characters::is_char;

/// Builds one document. Elements appear in the order in which they are written: the caller's order is
/// the schema's.
#[derive(Debug)]
pub struct Writer {
    out: String,
    edition: Edition,
    /// In front of each element's name, with its colon.
    prefix: &'static str,
    /// Whether a device id that is a number alone is written as `N<number>`.
    instance_form: bool,
}

impl Writer {
    /// Begins a document of that edition with its declaration.
    #[must_use]
    pub fn new(edition: Edition) -> Self {
        Self::spelled(edition, true, "")
    }

    /// Begins a document with or without its declaration; `prefix`, empty or with its colon, stands
    /// before the name of each element.
    pub(crate) fn spelled(edition: Edition, declaration: bool, prefix: &'static str) -> Self {
        let mut out = String::with_capacity(512);
        if declaration {
            out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        }
        Self {
            out,
            edition,
            prefix,
            instance_form: false,
        }
    }

    /// Writes device ids that are a number alone as `N<number>` (ECMA-269 clause 10), or as they are.
    pub(crate) const fn with_instance_form(mut self, instance_form: bool) -> Self {
        self.instance_form = instance_form;
        self
    }

    /// Writes the text of a device id in the form of this document.
    pub(crate) fn device(&mut self, device: &DeviceId) {
        let bare = device.type_of_number().is_none() && device.number() == device.as_str();
        if self.instance_form && bare {
            self.text(format_args!("N<{device}>"));
        } else {
            self.text(device);
        }
    }

    /// The edition that is written.
    #[must_use]
    pub const fn edition(&self) -> Edition {
        self.edition
    }

    /// Writes `<name …>inner</name>`.
    pub fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        inner: impl FnOnce(&mut Self),
    ) {
        self.out.push('<');
        self.out.push_str(self.prefix);
        self.out.push_str(name);
        for (key, value) in attributes {
            write_attribute(key, value, &mut self.out);
        }
        let start = self.out.len();
        self.out.push('>');
        let inside = self.out.len();
        inner(self);
        if self.out.len() == inside {
            self.out.truncate(start);
            self.out.push_str("/>");
        } else {
            // Writing to a String cannot fail.
            let _ = write!(self.out, "</{}{name}>", self.prefix);
        }
    }

    /// Writes character data, escaped.
    pub fn text(&mut self, text: impl Display) {
        escape(&text.to_string(), &mut self.out);
    }

    /// Writes XML as it is; for fragments that an installer configured and that were parsed before.
    pub fn raw(&mut self, xml: &str) {
        self.out.push_str(xml);
    }

    /// The finished document.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}

/// Writes one attribute behind the name of its element.
pub(crate) fn write_attribute(key: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(key);
    out.push_str("=\"");
    escape(value, out);
    out.push('"');
}

/// Writes `text` so that it is read again as it is, between tags and as the value of an attribute. What
/// no document may have becomes the character that stands for such.
pub(crate) fn escape(text: &str, out: &mut String) {
    let mut written = 0;
    for (at, c) in text.char_indices() {
        if let Some(reference) = reference(c) {
            out.push_str(&text[written..at]);
            out.push_str(reference);
            written = at + c.len_utf8();
        }
    }
    out.push_str(&text[written..]);
}

const fn reference(c: char) -> Option<&'static str> {
    match c {
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '&' => Some("&amp;"),
        '"' => Some("&quot;"),
        '\'' => Some("&apos;"),
        // As they are they would be read as spaces, or as other line ends.
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        _ if !is_char(c) => Some("\u{fffd}"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_escaped_text_and_collapses_empty_elements() {
        let mut writer = Writer::new(Edition::Ed6);
        writer.element("a", &[("k", "\"<")], |w| {
            w.element("b", &[], |w| w.text("N<1!2>&"));
            w.element("c", &[], |_| {});
            w.element("d", &[], |w| w.text("\u{0}e\u{c}\u{fffe}"));
        });
        assert_eq!(
            writer.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
             <a k=\"&quot;&lt;\"><b>N&lt;1!2&gt;&amp;</b><c/><d>\u{fffd}e\u{fffd}\u{fffd}</d></a>"
        );
    }
}

//! What begins with `<!` or `<?`: comments, literal text, instructions, and the document's own
//! declaration (XML 1.0 §2.5 to §2.8).

use std::borrow::Cow;

use super::text::{Place, resolved};
use super::{Reader, malformed};
use crate::xml::XmlError;

/// Whether a value has its form.
type Form = fn(&str) -> bool;

/// What the declaration of a document says, in this order, and the form of each. What encoding it
/// names makes no difference: the body is UTF-8 or refused.
const DECLARED: [(&str, Form); 3] = [
    ("version", |version| {
        let minor = version.strip_prefix("1.").unwrap_or_default();
        !minor.is_empty() && minor.bytes().all(|byte| byte.is_ascii_digit())
    }),
    ("encoding", |encoding| {
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        encoding.starts_with(|c: char| c.is_ascii_alphabetic()) && encoding.bytes().all(in_name)
    }),
    ("standalone", |standalone| {
        matches!(standalone, "yes" | "no")
    }),
];

impl Reader<'_> {
    /// What begins with `<!`: a comment, literal text, or the document type that nobody may declare.
    pub(super) fn declaration(&mut self, start: usize) -> Result<(), XmlError> {
        const LITERAL: &str = "<![CDATA[";
        const COMMENT: &str = "<!--";
        self.special += 1;
        let rest = &self.document.source[start..];
        if rest.starts_with(COMMENT) {
            self.at += COMMENT.len();
            return self.comment(start);
        }
        if let Some(inside) = rest.strip_prefix(LITERAL) {
            self.skip_to("]]>", start)?;
            let text = &inside[..self.at - start - LITERAL.len() - "]]>".len()];
            let text = if text.contains('\r') {
                Cow::Owned(resolved(text, Place::Literal, start)?)
            } else {
                Cow::Borrowed(text)
            };
            return self.append(text, start);
        }
        match rest.as_bytes().get(2) {
            Some(b'D' | b'd') => Err(XmlError::Dtd { position: start }),
            _ => Err(malformed(start, "`<!` without a comment or literal text")),
        }
    }

    /// The rest of a comment, in which two hyphens are its end and nothing else.
    fn comment(&mut self, start: usize) -> Result<(), XmlError> {
        let inside = self.at;
        self.skip_to("-->", start)?;
        match self.document.source[inside..self.at - 1].find("--") {
            Some(hyphens) if inside + hyphens + "-->".len() < self.at => {
                Err(malformed(inside + hyphens, "`--` in a comment"))
            }
            _ => Ok(()),
        }
    }

    /// An instruction to a program, or the declaration that a document begins with.
    pub(super) fn instruction(&mut self, start: usize) -> Result<(), XmlError> {
        self.special += 1;
        let name = start + "<?".len();
        self.at = self.name_part(name)?;
        let target = &self.document.source[name..self.at];
        if target == "xml" && matches!(&self.document.source[..start], "" | "\u{feff}") {
            return self.document_declaration(start);
        }
        if target.eq_ignore_ascii_case("xml") {
            let what = format!("`<?{target}` that is not the document's beginning");
            return Err(malformed(start, what));
        }
        let end = self.at;
        if !self.skip_space() && !self.document.source[end..].starts_with("?>") {
            return Err(malformed(end, "expected white space or `?>`"));
        }
        self.skip_to("?>", start)
    }

    fn document_declaration(&mut self, start: usize) -> Result<(), XmlError> {
        let mut to_come = DECLARED.iter();
        while self.skip_space() && !self.document.source[self.at..].starts_with("?>") {
            let first = to_come.len() == DECLARED.len();
            let attribute = self.attribute()?;
            let declared = to_come.find(|(key, _)| *key == attribute.key);
            let fits = declared
                .is_some_and(|(key, form)| (!first || *key == "version") && form(&attribute.value));
            if !fits || matches!(attribute.value, Cow::Owned(_)) {
                let what = format!("`{}` in the document's declaration", attribute.key);
                return Err(malformed(start, what));
            }
        }
        if to_come.len() == DECLARED.len() {
            let what = "the document's declaration without a version";
            return Err(malformed(start, what));
        }
        self.expect(b'?')?;
        self.expect(b'>')
    }
}

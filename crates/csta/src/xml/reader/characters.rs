//! Which characters a document may have, and its names (XML 1.0, fifth edition, §2.2 and §2.3).

/// Classes of bytes: what ends a name or has to be looked at as a character, what ends a text or
/// stands for something, and the same of a value.
pub(super) const ENDS_NAME: u8 = 1;
pub(super) const ENDS_TEXT: u8 = 2;
pub(super) const ENDS_VALUE: u8 = 4;

/// The classes of each byte.
pub(super) const CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    let mut byte = 0_u8;
    while at < table.len() {
        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'-' | b'.') {
            table[at] |= ENDS_NAME;
        }
        if matches!(byte, b'<' | b'&' | b']' | b'\r') {
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

/// White space: these four and no other (`S`).
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a document may have that character, as it is or by reference (`Char`).
pub(in crate::xml) const fn is_char(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\0'..'\u{20}' | '\u{fffe}' | '\u{ffff}' => false,
        _ => true,
    }
}

/// Where the first character is that no document may have.
pub(in crate::xml) fn first_foreign(source: &str) -> Option<usize> {
    // A look at the bytes first, all of them, as that is the fastest: most texts have none of these.
    let suspect = |byte: u8| (byte < b' ') & !is_space(byte) | (byte == 0xef);
    let any = source.bytes().fold(false, |any, byte| any | suspect(byte));
    let mut chars = source.char_indices().filter(|_| any);
    chars.find_map(|(at, c)| (!is_char(c)).then_some(at))
}

/// Whether a name may begin with that character (`NameStartChar` without the colon).
pub(super) const fn begins_name(c: char) -> bool {
    matches!(
        c,
        'A'..='Z'
            | '_'
            | 'a'..='z'
            | '\u{c0}'..='\u{d6}'
            | '\u{d8}'..='\u{f6}'
            | '\u{f8}'..='\u{2ff}'
            | '\u{370}'..='\u{37d}'
            | '\u{37f}'..='\u{1fff}'
            | '\u{200c}'..='\u{200d}'
            | '\u{2070}'..='\u{218f}'
            | '\u{2c00}'..='\u{2fef}'
            | '\u{3001}'..='\u{d7ff}'
            | '\u{f900}'..='\u{fdcf}'
            | '\u{fdf0}'..='\u{fffd}'
            | '\u{10000}'..='\u{effff}'
    )
}

/// Whether a name may have that character (`NameChar` without the colon).
pub(super) const fn is_in_name(c: char) -> bool {
    begins_name(c)
        || matches!(
            c,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}'
        )
}

//! Text of the peer in messages for people: it may be a telephone number or a name that has gone
//! astray, and messages end up in logs. So its shape alone is shown.

/// Each digit as 9, each letter as a.
pub(crate) fn shape(text: &str) -> String {
    let mask = |c: char| match c {
        c if c.is_numeric() => '9',
        c if c.is_alphabetic() => 'a',
        c => c,
    };
    text.chars().map(mask).collect()
}

/// The same between back-quotes, where an error repeats what it found; the rest as it is.
pub(crate) fn quoted(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let masked: Vec<String> = parts
        .map(|(index, part)| match index % 2 {
            0 => part.to_owned(),
            _ => shape(part),
        })
        .collect();
    masked.join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shape_of_what_the_peer_wrote_is_shown() {
        assert_eq!(shape("+49 (0)711 Jörg"), "+99 (9)999 aaaa");
        let error = "expected `</0711>`, but `</a>` was found";
        assert_eq!(quoted(error), "expected `</9999>`, but `</a>` was found");
        assert_eq!(quoted("no quotes"), "no quotes");
        assert_eq!(quoted("one that never `ends 1"), "one that never `aaaa 9");
    }
}

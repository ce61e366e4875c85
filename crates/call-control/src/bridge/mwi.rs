//! Message waiting: what `application/simple-message-summary` says (RFC 3842 §5.2).

/// Longest body that is read, in bytes.
const BODY_LEN_MAX: usize = 4096;

/// The messages that wait for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MessageSummary {
    /// Whether there are new ones.
    pub waiting: bool,
    /// How many voice messages are new, where that is said.
    pub new: Option<u32>,
    /// How many voice messages were heard and kept, where that is said.
    pub old: Option<u32>,
}

impl MessageSummary {
    /// Reads a body; `None` where the line that it must have is missing.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body.get(..body.len().min(BODY_LEN_MAX))?).ok()?;
        let mut waiting = None;
        let mut counts = None;
        for line in text.lines() {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("Messages-Waiting") {
                waiting = Some(value.eq_ignore_ascii_case("yes"));
            } else if name.eq_ignore_ascii_case("Voice-Message") {
                counts = read_counts(value);
            }
        }
        Some(Self {
            waiting: waiting?,
            new: counts.map(|(new, _)| new),
            old: counts.map(|(_, old)| old),
        })
    }
}

/// `2/8 (0/2)`: new, old, and of both the urgent ones.
fn read_counts(text: &str) -> Option<(u32, u32)> {
    let counts = text.split(['(', ' ', '\t']).next()?;
    let (new, old) = counts.split_once('/')?;
    Some((new.trim().parse().ok()?, old.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_read_as_mailboxes_write_them() {
        let counted = |waiting, new, old| MessageSummary {
            waiting,
            new: Some(new),
            old: Some(old),
        };
        for (body, expect) in [
            (
                "Messages-Waiting: yes\r\nMessage-Account: sip:2001@pbx\r\n\
                 Voice-Message: 2/8 (0/2)\r\n",
                Some(counted(true, 2, 8)),
            ),
            (
                "messages-waiting:NO\nvoice-message: 0/3",
                Some(counted(false, 0, 3)),
            ),
            (
                "Messages-Waiting: yes\r\n",
                Some(MessageSummary {
                    waiting: true,
                    ..MessageSummary::default()
                }),
            ),
            (
                "Messages-Waiting: no\r\nVoice-Message: many/none\r\n",
                Some(MessageSummary::default()),
            ),
            ("Voice-Message: 2/8\r\n", None),
            ("", None),
        ] {
            assert_eq!(MessageSummary::parse(body.as_bytes()), expect, "{body:?}");
        }
        assert_eq!(MessageSummary::parse(&[0xff; 9]), None);
    }
}

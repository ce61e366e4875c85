//! The switching function.

/// When a forwarding acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ForwardingType {
    /// Always.
    Immediate,
    /// When the extension is busy.
    Busy,
    /// When nobody answers.
    NoAnswer,
}

impl ForwardingType {
    /// Finds one by the word that commands use.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "immediate" => Some(Self::Immediate),
            "busy" => Some(Self::Busy),
            "no-answer" => Some(Self::NoAnswer),
            _ => None,
        }
    }
}

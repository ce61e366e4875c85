//! The values that a switch of a dialect may have. Each is one word of text, for configuration
//! files and scenarios.

use std::time::Duration;

use crate::edition::Edition;

/// A value of a switch, as text and back.
pub(super) trait Word: Copy {
    /// The texts that are allowed, for a person.
    fn allowed() -> String;
    /// The value of a text.
    fn parse(text: &str) -> Option<Self>;
    /// The text of the value.
    fn show(self) -> String;
}

/// Declares values that are one of a few words.
macro_rules! words {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$value_doc:meta])* $value:ident = $word:literal ),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[$value_doc])* $value, )* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$( Self::$value, )*];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$value => $word, )* }
            }
        }

        impl Word for $name {
            fn allowed() -> String {
                [$( concat!("\"", $word, "\"") ),*].join(" or ")
            }
            fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
            fn show(self) -> String {
                self.as_str().to_owned()
            }
        }
    )*};
}

words! {
    /// How the association is made.
    AssociationMode {
        /// Start Application Session (ECMA-354), and [`AssociationMode::Implicit`] where the switching
        /// function does not know that service.
        Auto = "auto",
        /// Start Application Session, nothing else.
        ApplicationSession = "application-session",
        /// No session: Request System Status as first message and as heart-beat (ECMA-269 §7.2); where
        /// the switching function speaks first, its status begins the association.
        Implicit = "implicit",
    }

    /// Whether the computing function sends System Register (ECMA-269 §14.1.2).
    Registration {
        /// It does not.
        Never = "never",
        /// Where the switching function reported its status before the association was up.
        WhenSpokenTo = "when-spoken-to",
        /// Always, as part of the association.
        Always = "always",
    }

    /// What keeps an association without a session timer alive.
    HeartBeatMessage {
        /// Request System Status.
        RequestSystemStatus = "request-system-status",
        /// System Status.
        SystemStatus = "system-status",
    }

    /// How device ids look.
    DeviceIdForm {
        /// The number alone.
        Plain = "plain",
        /// `N<number>`, and `N<number!instance>` for one of several terminals (ECMA-269 clause 10).
        Instance = "instance",
    }

    /// Who is told that a call was diverted.
    DivertedTo {
        /// Every monitored party of the call.
        All = "all",
        /// The diverting device alone.
        DivertingDevice = "diverting-device",
    }

    /// Which call id goes on after a transfer or a conference.
    ResultingCall {
        /// A third one.
        New = "new",
        /// That of the call that was held.
        Primary = "primary",
        /// That of the call that was active.
        Secondary = "secondary",
    }

    /// How a call to one number with several terminals is reported.
    MultipleTerminals {
        /// As one connection of the number.
        Number = "number",
        /// As one connection per terminal of the same call.
        Terminal = "terminal",
        /// As one call per terminal.
        Call = "call",
    }

    /// How the other terminals' connections end when one answers.
    AnsweredElsewhere {
        /// By Connection Cleared.
        Cleared = "cleared",
        /// By Diverted.
        Diverted = "diverted",
    }

    /// How snapshot data come (ECMA-269 §16.1).
    SnapshotForm {
        /// In the answer.
        Inline = "inline",
        /// In segments behind it.
        Segmented = "segmented",
    }

    /// Whether answers come before or after the events of what was asked for.
    AnswerOrder {
        /// Before.
        BeforeEvents = "before-events",
        /// After.
        AfterEvents = "after-events",
    }

    /// What stands before the names of CSTA elements.
    Prefix {
        /// Nothing: the namespace is the default one.
        None = "none",
        /// `csta:`
        Csta = "csta",
        /// `ns3:`
        Ns3 = "ns3",
    }

    /// Which documents begin with an XML declaration.
    Declaration {
        /// All.
        Always = "always",
        /// All but answers.
        NotInAnswers = "not-in-answers",
        /// None.
        Never = "never",
    }

    /// The namespace of the messages of an application session.
    SessionNamespace {
        /// The default one.
        Default = "default",
        /// Declared for a prefix that no element has: the elements are in no namespace.
        Unused = "unused",
    }

    /// The namespace of a System Status report.
    StatusNamespace {
        /// That of the edition spoken.
        Edition = "edition",
        /// That of the second edition, under its old authority.
        OldAuthority = "old-authority",
    }
}

impl Prefix {
    /// The prefix with its colon, or nothing.
    pub(super) const fn with_colon(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Csta => "csta:",
            Self::Ns3 => "ns3:",
        }
    }

    /// The attribute that declares the namespace.
    pub(super) const fn declaration(self) -> &'static str {
        match self {
            Self::None => "xmlns",
            Self::Csta => "xmlns:csta",
            Self::Ns3 => "xmlns:ns3",
        }
    }
}

/// Editions of ECMA-323, from a newest to an oldest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Editions {
    newest: Edition,
    oldest: Edition,
}

impl Editions {
    /// Every edition.
    pub const ALL: Self = Self::new(Edition::Ed6, Edition::Ed3);

    /// The editions from one to the other.
    #[must_use]
    pub const fn new(newest: Edition, oldest: Edition) -> Self {
        Self { newest, oldest }
    }

    /// One edition.
    #[must_use]
    pub const fn only(edition: Edition) -> Self {
        Self::new(edition, edition)
    }

    /// The newest one, spoken where nothing is negotiated.
    #[must_use]
    pub const fn newest(self) -> Edition {
        self.newest
    }

    /// Whether that edition is among them.
    #[must_use]
    pub fn contains(self, edition: Edition) -> bool {
        (self.oldest..=self.newest).contains(&edition)
    }

    /// The editions, best first: the order in which they are offered.
    pub fn newest_first(self) -> impl Iterator<Item = Edition> {
        Edition::NEWEST_FIRST
            .into_iter()
            .filter(move |edition| self.contains(*edition))
    }
}

/// The short name of an edition.
const fn short_name(edition: Edition) -> &'static str {
    match edition {
        Edition::Ed3 => "ed3",
        Edition::Ed4 => "ed4",
        Edition::Ed5 => "ed5",
        Edition::Ed6 => "ed6",
    }
}

impl Word for Editions {
    fn allowed() -> String {
        "\"ed3\", \"ed4\", \"ed5\", \"ed6\", or two of them, newest first, such as \"ed6-ed3\""
            .to_owned()
    }
    fn parse(text: &str) -> Option<Self> {
        let edition = |name: &str| {
            Edition::NEWEST_FIRST
                .into_iter()
                .find(|edition| short_name(*edition) == name)
        };
        let (newest, oldest) = text.split_once('-').unwrap_or((text, text));
        let (newest, oldest) = (edition(newest)?, edition(oldest)?);
        (oldest <= newest).then_some(Self { newest, oldest })
    }
    fn show(self) -> String {
        if self.newest == self.oldest {
            return short_name(self.newest).to_owned();
        }
        format!("{}-{}", short_name(self.newest), short_name(self.oldest))
    }
}

impl Word for bool {
    fn allowed() -> String {
        "true or false".to_owned()
    }
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
    fn show(self) -> String {
        self.to_string()
    }
}

/// A part of the session's duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percent(u32);

impl Percent {
    const MIN: u32 = 10;
    const MAX: u32 = 90;

    /// So many of a hundred; at least 10, at most 90.
    #[must_use]
    pub const fn new(percent: u32) -> Self {
        match percent {
            ..Self::MIN => Self(Self::MIN),
            Self::MIN..=Self::MAX => Self(percent),
            _ => Self(Self::MAX),
        }
    }

    /// That part of a time.
    #[must_use]
    pub fn of(self, time: Duration) -> Duration {
        time * self.0 / 100
    }
}

impl Word for Percent {
    fn allowed() -> String {
        format!("{} to {}", Self::MIN, Self::MAX)
    }
    fn parse(text: &str) -> Option<Self> {
        let percent = text.parse().ok()?;
        (Self::MIN..=Self::MAX)
            .contains(&percent)
            .then_some(Self(percent))
    }
    fn show(self) -> String {
        self.0.to_string()
    }
}

/// Whole seconds between two heart-beats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(u32);

impl Period {
    const MIN: u32 = 5;
    const MAX: u32 = 3600;

    /// So many seconds; at least 5, at most 3600.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        match seconds {
            ..Self::MIN => Self(Self::MIN),
            Self::MIN..=Self::MAX => Self(seconds),
            _ => Self(Self::MAX),
        }
    }

    /// The time.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl Word for Period {
    fn allowed() -> String {
        format!("{} to {} seconds", Self::MIN, Self::MAX)
    }
    fn parse(text: &str) -> Option<Self> {
        let seconds = text.parse().ok()?;
        (Self::MIN..=Self::MAX)
            .contains(&seconds)
            .then_some(Self(seconds))
    }
    fn show(self) -> String {
        self.0.to_string()
    }
}

//! `[sip.media]`: media of calls that go through the gateway, and what is heard of the gateway itself.

use std::path::PathBuf;

use ::media::sound::tone::Country;
use serde::Deserialize;
use serde::de::Deserializer;

use crate::config::types::{Count, SrtpChoice, parsed};

/// `[sip.media]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MediaSection {
    /// Whether they are encrypted (SDES, RFC 4568).
    #[serde(default)]
    pub srtp: SrtpChoice,
    /// The first port, and the last one: four of them for each call.
    #[serde(default = "default_first_port")]
    pub first_port: Count<1024, 65_535>,
    /// See `first-port`.
    #[serde(default = "default_last_port")]
    pub last_port: Count<1024, 65_535>,
    /// Threads that carry packets; 0 is one for each processor.
    #[serde(default = "default_threads")]
    pub threads: Count<0, 64>,
    /// Microseconds for which packets may wait to be carried together: half of it is added to their way.
    #[serde(default = "default_round")]
    pub round_us: Count<0, 5000>,
    /// Seconds for which a side of an answered call is not heard before that is told; 0: never.
    #[serde(default = "default_silence")]
    pub silence_s: Count<0, 3600>,
    /// The file with what is heard by who is on hold; without it, what the side sends that holds.
    #[serde(default)]
    pub music_on_hold: Option<PathBuf>,
    /// The file with what the echo says before it says back what it hears.
    #[serde(default)]
    pub echo_announcement: Option<PathBuf>,
    /// Whether a caller hears a tone while the other telephone rings and lets hear nothing itself.
    #[serde(default)]
    pub ringback_tone: bool,
    /// Whose tones those are.
    #[serde(default)]
    pub tones: Tones,
    /// Calls at once whose sides may share no codec, as their sound is made into each other's; 0: none.
    #[serde(default = "default_transcoded_calls")]
    pub transcoded_calls: Count<0, 1000>,
    /// Parties of all conferences together; each takes half of the work of such a call.
    #[serde(default = "default_conference_parties")]
    pub conference_parties: Count<0, 1000>,
    /// MiB for headers of the newest packets of all calls, which the portal saves; 0: none are kept.
    #[serde(default = "default_trace")]
    pub trace_mb: Count<0, 1024>,
}

/// A country with tones of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tones(pub Country);

impl Default for Tones {
    fn default() -> Self {
        Self(Country::of("de").expect("its tones are known"))
    }
}

impl<'de> Deserialize<'de> for Tones {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let codes: Vec<&str> = Country::codes().collect();
        let allowed = format!("a country of {}", codes.join(", "));
        parsed(deserializer, &allowed, |text| Country::of(text).map(Self))
    }
}

const fn default_first_port() -> Count<1024, 65_535> {
    Count(20_000)
}

const fn default_last_port() -> Count<1024, 65_535> {
    Count(29_999)
}

const fn default_threads() -> Count<0, 64> {
    Count(0)
}

const fn default_transcoded_calls() -> Count<0, 1000> {
    Count(20)
}

const fn default_conference_parties() -> Count<0, 1000> {
    Count(40)
}

const fn default_trace() -> Count<0, 1024> {
    Count(16)
}

const fn default_silence() -> Count<0, 3600> {
    Count(10)
}

const fn default_round() -> Count<0, 5000> {
    Count(1000)
}

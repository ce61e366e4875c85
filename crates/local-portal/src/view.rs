//! What the portal may see and ask of the gateway.

use std::collections::BTreeSet;
use std::pin::Pin;

use serde::Serialize;
use utoipa::ToSchema;

use crate::network::BoxNetwork;

/// What the portal may see and ask of the gateway.
pub trait GatewayView: Send + Sync + 'static {
    /// How every part is, now.
    fn health(&self) -> Health;
    /// The figures, as OpenMetrics text.
    fn metrics(&self) -> String;
    /// The time, in milliseconds since 1970.
    fn now_ms(&self) -> u64;
    /// Calls in progress, as committed; reads a database. At most `max` of them, and how many there are.
    fn calls(&self, max: usize) -> (Vec<Call>, usize);
    /// Tries what the gateway needs of its surroundings; takes seconds at most.
    fn checks(&self) -> Checking<'_>;
    /// The newest events whose text holds `wanted`, newest first; at most `max`.
    fn events(&self, wanted: &str, max: usize) -> Vec<Told>;
    /// The newest log lines of at least that weight whose text holds `wanted`, newest first; at most `max`.
    fn log(&self, least: Weight, wanted: &str, max: usize) -> Vec<LogLine>;
    /// Figures of each minute of the last day, the oldest first.
    fn minutes(&self) -> Vec<Minute>;
    /// Frames between PBX and gateway, newest as far as they are kept, as `ringway csta record` writes them.
    fn csta_record(&self) -> String;
    /// Calls of which there are headers of media packets, the newest first; empty where media are not
    /// relayed.
    fn media_traces(&self) -> Vec<MediaTrace>;
    /// Those of one of them, as a file of pcap; `None` where there are none.
    fn media_trace(&self, call: u64) -> Option<Vec<u8>>;
    /// What somebody needs who is to help, without a secret in it: a ZIP archive.
    ///
    /// # Errors
    /// When it cannot be put together.
    fn support_bundle(&self) -> anyhow::Result<Vec<u8>>;
    /// What the configuration says for these keys (`pbx.address`), where it says something.
    fn configured(&self, keys: &[&'static str]) -> Vec<(&'static str, String)>;
    /// Takes on these settings over those of the configuration file; all of them or none.
    ///
    /// # Errors
    /// A sentence naming the key whose value cannot be used.
    fn apply(&self, settings: &[(&'static str, Setting)]) -> Result<Applied, String>;
    /// Has the PBX tell its devices now; takes seconds.
    fn pbx_devices(&self) -> Listing<'_>;
    /// Raises the alarm of that name at the far end, or clears it where there is no sentence for it.
    fn alarm(&self, name: &'static str, detail: Option<String>);
    /// The box's network; none where it is not for the portal to set.
    fn network(&self) -> Option<&dyn BoxNetwork>;
}

/// Checks on their way.
pub type Checking<'a> = Pin<Box<dyn Future<Output = Vec<Check>> + Send + 'a>>;

/// A list of the PBX's devices on its way; a sentence where it does not come.
pub type Listing<'a> = Pin<Box<dyn Future<Output = Result<PbxDevices, String>> + Send + 'a>>;

/// Devices of the PBX, as it said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PbxDevices {
    /// All that it lists.
    pub listed: usize,
    /// Numbers with a telephone that are followed: they have a user.
    pub users: usize,
    /// Numbers with a telephone that are not.
    pub phantoms: usize,
    /// Every number in the list.
    pub numbers: BTreeSet<String>,
}

/// A value for a key of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// Text.
    Text(String),
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Number(u64),
    /// Several texts.
    List(Vec<String>),
    /// Tables, each of texts by key.
    Tables(Vec<Vec<(&'static str, String)>>),
}

/// What came of settings that were taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Sections of the configuration that wait for a restart of the service.
    pub waiting: Vec<&'static str>,
}

/// How the gateway is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// The worst state of all parts.
    pub state: State3,
    /// Whether it can do its work, or is within the grace of a short outage.
    pub ready: bool,
    /// Software and version.
    pub software: String,
    /// Since when the process runs, ISO 8601 UTC.
    pub started: String,
    /// Every part.
    pub parts: Vec<Part>,
}

/// One part of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    /// Its name: `pbx`, `far-end`, `outbox`.
    pub name: &'static str,
    /// How it is.
    pub state: State3,
    /// Since when, ISO 8601 UTC.
    pub since: String,
    /// A plain sentence: what that means.
    pub detail: String,
    /// What went wrong last, if anything did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// Green, yellow, red.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State3 {
    /// As it should be.
    Ok,
    /// Works, but needs attention.
    Degraded,
    /// Does not work.
    Down,
}

impl State3 {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// One device's part in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The conversation.
    pub call_id: String,
    /// Number of the device.
    pub device: String,
    /// Number of the other party, where known.
    pub other: String,
    /// Whether the device called.
    pub outgoing: bool,
    /// State of the leg, in the event's word: `connected`.
    pub state: String,
    /// Since when, ISO 8601 UTC.
    pub since: String,
}

/// An event as it went to the far end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When it happened, ISO 8601 UTC.
    pub at: String,
    /// Its type: `ringway.call.delivered.v1`.
    pub name: String,
    /// What it is about: `calls/{callId}`.
    pub subject: String,
    /// All of it, as JSON for people.
    pub body: String,
    /// The CSTA events that were read with it, as XML; none where it came of something else.
    pub csta: Vec<String>,
}

/// How much a log line matters, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Details.
    Debug,
    /// What happens.
    Info,
    /// What somebody should know.
    Warn,
    /// What somebody should mend.
    Error,
}

impl Weight {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub weight: Weight,
    /// All of it, beginning with its time.
    pub text: String,
}

/// Headers of a call's media packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaTrace {
    /// The call, as the log names it.
    pub call: u64,
    /// When the first of them came, and the last, in milliseconds since 1970.
    pub at_ms: (u64, u64),
    /// How many there are.
    pub packets: usize,
}

/// Figures of a minute.
#[derive(Debug, Clone, PartialEq)]
pub struct Minute {
    /// When it ended, in milliseconds since 1970.
    pub at_ms: u64,
    /// Events of the PBX.
    pub events: u64,
    /// Calls that were going on at its end.
    pub calls: u64,
    /// From the PBX's frame to the far end's acknowledgement, in milliseconds: half of the events took at
    /// most this, 99 of 100 that.
    pub latency_ms: Option<(f64, f64)>,
    /// Relayed calls that ended with a good, a fair and a bad sound.
    pub voice: [u64; 3],
}

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub subject: Subject,
    /// What came of it.
    pub state: State3,
    /// What was measured: an address, a time, a peer's words.
    pub measured: String,
    /// What that means and what to do, where something is to be done.
    pub advice: Option<Advice>,
}

/// Declares an enumeration each value of which is a text of the Fluent files.
macro_rules! texts {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$value_doc:meta])* $value:ident = $id:literal ),* $(,)? }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[$value_doc])* $value, )* }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$( Self::$value ),*];

            /// Name of its text.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $( Self::$value => $id, )* }
            }
        }
    )*};
}

texts! {
    /// What is checked.
    Subject {
        /// The box's address towards the PBX.
        Address = "check-address",
        /// The names that are configured, asked of the DNS.
        Dns = "check-dns",
        /// The box's clock beside the far end's.
        Time = "check-time",
        /// The proxy on the way to the far end.
        Proxy = "check-proxy",
        /// The channel to the far end: TLS and WebSocket.
        FarEnd = "check-far-end",
        /// TCP to the PBX.
        PbxTcp = "check-pbx-tcp",
        /// The CSTA association.
        Csta = "check-csta",
        /// SIP OPTIONS to the trunk's addresses.
        Sip = "check-sip",
        /// The database's disk.
        Disk = "check-disk",
        /// The certificate that the box shows.
        Certificate = "check-certificate",
        /// The PBX's Provisioning Manager, where its address is known.
        Provisioning = "check-provisioning",
        /// The PBX's software assurance, where the date of its end is known.
        Assurance = "check-assurance",
    }

    /// What a failed check means, and, as the attribute `act`, what to do.
    Advice {
        /// No address towards the PBX.
        NoRoute = "advice-no-route",
        /// A name is unknown.
        NoName = "advice-no-name",
        /// The clocks differ.
        ClockDiffers = "advice-clock",
        /// The far end has not been reached, so that the clock is compared with nothing.
        ClockUnknown = "advice-clock-unknown",
        /// The proxy does not answer.
        ProxyAway = "advice-proxy",
        /// The PBX's software assurance ends soon or has ended.
        AssuranceEnds = "advice-assurance",
        /// The channel is not up.
        FarEndAway = "advice-far-end",
        /// The far end refuses this gateway.
        FarEndRefuses = "advice-far-end-refuses",
        /// Nothing answers at the PBX's address.
        PbxSilent = "advice-pbx-silent",
        /// The port is closed.
        PbxRefuses = "advice-pbx-refuses",
        /// Connected, but no association.
        CstaAway = "advice-csta",
        /// Fewer extensions are followed than configured.
        CstaPartly = "advice-csta-partly",
        /// An address of the trunk does not answer.
        SipAway = "advice-sip",
        /// The disk is full or does not answer.
        DiskFull = "advice-disk",
        /// The certificate ends soon or has ended.
        CertificateEnds = "advice-certificate",
        /// Provisioning Manager does not answer, or not as it should.
        ManagerAway = "advice-pm-away",
        /// Its certificate is not accepted, or is another one by now.
        ManagerUntrusted = "advice-pm-untrusted",
        /// It does not take user and password.
        ManagerRefuses = "advice-pm-refuses",
        /// It is too old for gateway trunks.
        ManagerOld = "advice-pm-old",
    }
}

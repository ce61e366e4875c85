//! What can be set before a PBX starts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use csta::{Dialect, Edition};

use crate::command::{Command, SessionFault};
use crate::sip::SipConfig;
use crate::switching::SwitchingOptions;

/// Where a CSTA client finds the PBX unless told otherwise.
pub const CSTA_PORT: u16 = 8882;
/// Where the control port is unless told otherwise.
pub const CONTROL_PORT: u16 = 8881;
/// Most extensions of one PBX.
pub const EXTENSIONS_MAX: usize = 20_000;

/// A whole PBX. [`Config::default`] is the one that `ringway-pbx-sim run` starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where CSTA clients connect.
    pub listen: SocketAddr,
    /// Where the control port is, loopback only; `None` for no control port.
    pub control: Option<SocketAddr>,
    /// The telephones.
    pub extensions: Extensions,
    /// Devices that nobody uses: the PBX has them, and the users' own traffic leaves them alone.
    pub phantoms: Extensions,
    /// Extensions with more than one terminal, and how many; the dialect says how they ring.
    pub terminals: BTreeMap<String, u8>,
    /// Numbers that begin with this and are no extension are outside parties; empty for none.
    pub trunk_prefix: String,
    /// How long people and the PBX take.
    pub timing: Timing,
    /// Whether Diverted goes to every monitored device of the call or to the diverting one alone
    /// (a capability, ECMA-269 §17.2.7). For a bare switching function: behind associations their
    /// dialect decides, as it does of all in `switching` that it has a switch for.
    pub diverted_to_all: bool,
    /// What else the standard leaves to the switching function; forking and queues.
    pub switching: SwitchingOptions,
    /// The users' own calls.
    pub traffic: TrafficConfig,
    /// The CSTA associations.
    pub association: AssociationConfig,
    /// The SIP side; `None` leaves it off.
    pub sip: Option<SipConfig>,
    /// What is told to the PBX before the first client comes.
    pub commands: Vec<Command>,
    /// Part of every call id, so that none comes twice; `None` takes the wall clock's seconds.
    pub boot: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: loopback(CSTA_PORT),
            control: Some(loopback(CONTROL_PORT)),
            extensions: Extensions::range(2000, 2019),
            phantoms: Extensions::default(),
            terminals: BTreeMap::new(),
            trunk_prefix: "0".to_owned(),
            timing: Timing::default(),
            diverted_to_all: false,
            switching: SwitchingOptions::default(),
            traffic: TrafficConfig::default(),
            association: AssociationConfig::default(),
            sip: None,
            commands: Vec::new(),
            boot: None,
        }
    }
}

impl Config {
    /// Numbers that begin so are reached through the SIP trunk.
    #[must_use]
    pub fn routes(&self) -> &[String] {
        let trunk = self.sip.as_ref().and_then(|sip| sip.trunk.as_ref());
        trunk.map_or(&[], |trunk| &trunk.codes)
    }

    /// The default PBX on free ports of loopback: for tests and demonstrations.
    #[must_use]
    pub fn on_free_ports() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: free,
            control: Some(free),
            ..Self::default()
        }
    }
}

/// How long people and the PBX take.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From the prompt of Make Call, or from lifting the handset, to the end of dialling.
    pub pick_up_after: Duration,
    /// How long an extension rings before its no-answer forwarding acts.
    pub no_answer_after: Duration,
    /// How long a device rings at most.
    pub ring_timeout: Duration,
    /// How long an outside party rings before it answers; `None` rings until the caller gives up.
    pub outside_answer_after: Option<Duration>,
    /// How long a caller listens to the busy or number-unobtainable tone.
    pub tone_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            pick_up_after: Duration::ZERO,
            no_answer_after: Duration::from_secs(15),
            ring_timeout: Duration::from_secs(180),
            outside_answer_after: Some(Duration::from_secs(3)),
            tone_timeout: Duration::from_secs(30),
        }
    }
}

/// The users' own calls; none unless a rate is set.
#[derive(Debug, Clone, Copy)]
pub struct TrafficConfig {
    /// The same seed gives the same calls.
    pub seed: u64,
    /// Calls begun per hour by all extensions together.
    pub calls_per_hour: f64,
    /// Instead of human calls: as many operations as give about this many events per second when
    /// every extension has one monitor.
    pub events_per_second: Option<NonZeroU32>,
    /// Mean time until somebody answers.
    pub ring_mean: Duration,
    /// Mean time that two people talk.
    pub talk_mean: Duration,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            calls_per_hour: 0.0,
            events_per_second: None,
            ring_mean: Duration::from_secs(5),
            talk_mean: Duration::from_secs(60),
        }
    }
}

/// How the PBX treats its CSTA clients.
#[derive(Debug, Clone)]
pub struct AssociationConfig {
    /// What the PBX makes of the standard: how it writes, associates and reports.
    pub dialect: Dialect,
    /// Whether services need an application session (ECMA-354) first; set by credentials too.
    pub session_required: bool,
    /// Longest time that a session lives without a reset.
    pub session_duration_max: Duration,
    /// User and password that must stand in `applicationSpecificInfo`.
    pub credentials: Option<(String, String)>,
    /// What happens to requests for a session instead of what should.
    pub refuse_session: Option<SessionFault>,
    /// Each request is carried out and answered this much later; any number at a time.
    pub response_delay: Duration,
    /// Each answer is held for a random time up to this, so that answers overtake each other.
    pub shuffle: Duration,
    /// Most monitors at a time (`overallMonitorLimitExceeded` beyond).
    pub monitor_limit: Option<usize>,
    /// Devices in one segment of the list of devices; at least 1, at most
    /// [`DEVICES_PER_SEGMENT_MAX`](crate::exchange::DEVICES_PER_SEGMENT_MAX).
    pub devices_per_segment: usize,
    /// Bytes that a link sends before it is cut, in the midst of a frame.
    pub cut_after: Option<u64>,
    /// Frames that may wait for a client before it is cut.
    pub out_queue_frames: usize,
}

impl Default for AssociationConfig {
    fn default() -> Self {
        Self {
            dialect: plain_dialect(),
            session_required: false,
            session_duration_max: Duration::from_secs(60),
            credentials: None,
            refuse_session: None,
            response_delay: Duration::ZERO,
            shuffle: Duration::ZERO,
            monitor_limit: None,
            cut_after: None,
            devices_per_segment: crate::exchange::DEVICES_PER_SEGMENT_MAX,
            out_queue_frames: 20_000,
        }
    }
}

impl AssociationConfig {
    /// The edition spoken where none is agreed on.
    #[must_use]
    pub const fn edition(&self) -> Edition {
        self.dialect.editions().newest()
    }
}

/// The standard, up to its fifth edition; Diverted goes to the diverting device alone.
fn plain_dialect() -> Dialect {
    let mut dialect = Dialect::ECMA;
    for (switch, value) in [("editions", "ed5-ed3"), ("diverted-to", "diverting-device")] {
        let set = dialect.set(switch, value);
        debug_assert_eq!(set, Ok(()), "a switch that every dialect has");
    }
    dialect
}

/// The numbers of the extensions, such as `2000-2019,2100`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions(BTreeSet<String>);

impl Extensions {
    /// All numbers from `first` to `last`.
    #[must_use]
    pub fn range(first: u32, last: u32) -> Self {
        Self((first..=last).map(|number| number.to_string()).collect())
    }

    /// The numbers, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A text that names no extensions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseExtensionsError {
    /// Neither a number nor a range.
    #[error("{0:?} is neither a number such as 2000 nor a range such as 2000-2019")]
    Range(String),
    /// A range of numbers with different lengths, or that runs backwards.
    #[error("{0:?} must run upwards between numbers of the same length")]
    Order(String),
    /// More than [`EXTENSIONS_MAX`].
    #[error("more than {EXTENSIONS_MAX} extensions")]
    TooMany,
}

impl FromStr for Extensions {
    type Err = ParseExtensionsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = BTreeSet::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                digits.then(|| text.parse::<u64>().ok()).flatten()
            };
            let (Some(low), Some(high)) = (number(first), number(last)) else {
                return Err(ParseExtensionsError::Range(part.to_owned()));
            };
            if low > high || first.len() != last.len() {
                return Err(ParseExtensionsError::Order(part.to_owned()));
            }
            let width = first.len();
            for value in low..=high {
                numbers.insert(format!("{value:0width$}"));
                if numbers.len() > EXTENSIONS_MAX {
                    return Err(ParseExtensionsError::TooMany);
                }
            }
        }
        Ok(Self(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_ranges_and_keeps_leading_zeros() {
        let numbers: Extensions = "008-011,7".parse().unwrap();
        let got: Vec<_> = numbers.iter().collect();
        assert_eq!(got, ["008", "009", "010", "011", "7"]);
    }

    #[test]
    fn says_what_is_wrong_with_a_range() {
        use ParseExtensionsError::{Order, Range, TooMany};
        for (text, error) in [
            ("", Range(String::new())),
            ("20x", Range("20x".into())),
            ("-5", Range("-5".into())),
            ("2019-2000", Order("2019-2000".into())),
            ("1-10", Order("1-10".into())),
            ("00000-99999", TooMany),
        ] {
            assert_eq!(text.parse::<Extensions>(), Err(error), "{text}");
        }
    }
}

//! The PBX and the gateway of a run: what differs from one seed to another.

use std::time::Duration;

use call_control::Registry;
use cloud_uplink::{IdSource, Identity};
use csta::{ConnectionId, DeviceId, Dialect, Request, message};
use pbx_sim::switching::{HuntGroup, NetworkReached, SwitchingOptions};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::Options;

/// First extension.
pub(super) const FIRST_EXTENSION: u32 = 2000;
/// The number of the hunt group.
pub(super) const GROUP: &str = "2900";

/// A PBX of some dialect, with some of its switches the other way.
pub(super) fn pbx_config(options: &Options) -> pbx_sim::Config {
    let last = FIRST_EXTENSION + options.extensions - 1;
    let mut rng = StdRng::seed_from_u64(options.seed ^ 0xd1a1);
    let all = Dialect::ALL;
    let mut config = pbx_sim::Config {
        extensions: pbx_sim::Extensions::range(FIRST_EXTENSION, last),
        ..pbx_sim::Config::default()
    };
    let dialect = &mut config.association.dialect;
    *dialect = all[rng.random_range(0..all.len())];
    for (name, values) in SWITCHED {
        if rng.random_bool(0.5) {
            let value = values[rng.random_range(0..values.len())];
            let set = dialect.set(name, value);
            assert!(set.is_ok(), "{set:?}");
        }
    }
    if options.terminals {
        config.terminals.insert(FIRST_EXTENSION.to_string(), 2);
        config.terminals.insert(last.to_string(), 3);
    }
    let seconds = if rng.random_bool(0.3) { 8 } else { 60 };
    config.association.session_duration_max = Duration::from_secs(seconds);
    config.switching = switching(&mut rng);
    config
}

/// Choices of the switching function that no dialect makes.
fn switching(rng: &mut StdRng) -> SwitchingOptions {
    let group = HuntGroup {
        number: GROUP.to_owned(),
        members: [1, 2, 3]
            .map(|it| (FIRST_EXTENSION + it).to_string())
            .into(),
    };
    let reached = [
        NetworkReached::Never,
        NetworkReached::BeforeDelivered,
        NetworkReached::InsteadOfDelivered,
    ];
    SwitchingOptions {
        offered: rng.random_bool(0.3),
        network_reached: reached[rng.random_range(0..reached.len())],
        network_interface: rng.random_bool(0.5).then(|| "TRUNK".to_owned()),
        call_waiting: rng.random_bool(0.3),
        queueing: rng.random_bool(0.3),
        simple_call_states: rng.random_bool(0.2),
        groups: vec![group],
        ..SwitchingOptions::default()
    }
}

/// Switches that are tried.
const SWITCHED: &[(&str, &[&str])] = &[
    ("service-initiated", &["true", "false"]),
    ("diverted-to", &["all", "diverting-device"]),
    ("clear-after-transfer", &["true", "false"]),
    ("resulting-call", &["new", "primary", "secondary"]),
    ("single-step-old-connections", &["true", "false"]),
    ("multiple-terminals", &["number", "terminal", "call"]),
    ("answered-elsewhere", &["cleared", "diverted"]),
    ("snapshot", &["inline", "segmented"]),
    ("answers", &["before-events", "after-events"]),
];

/// Something that the PBX of a run does in one of several ways, and what shows that it did.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) name: String,
    /// Changes of calls, or requests.
    pub(super) counted: &'static [&'static str],
}

/// Ways that have to have been gone, all runs together.
pub(super) const VARIANTS: &[&str] = &[
    "diverted-to=all",
    "diverted-to=diverting-device",
    "clear-after-transfer=true",
    "clear-after-transfer=false",
    "resulting-call=new",
    "resulting-call=primary",
    "resulting-call=secondary",
    "single-step-old-connections=true",
    "single-step-old-connections=false",
    "multiple-terminals=number",
    "multiple-terminals=terminal",
    "multiple-terminals=call",
    "answered-elsewhere=cleared",
    "answered-elsewhere=diverted",
    "snapshot=inline",
    "snapshot=segmented",
    "answers=before-events",
    "answers=after-events",
    "call waiting",
    "queueing",
    "hunt group",
    "dialect ecma",
    "dialect mx-one",
    "dialect mivoice-400",
    "dialect openscape",
];

/// What this PBX does.
pub(super) fn variants(config: &pbx_sim::Config) -> Vec<Variant> {
    let dialect = &config.association.dialect;
    let mut all = vec![Variant {
        name: format!("dialect {}", dialect.name()),
        counted: &["MonitorStart"],
    }];
    for (name, _) in SWITCHED {
        let switch = Dialect::SWITCHES.iter().find(|it| it.name == *name);
        let value = switch.map(|switch| switch.value(dialect).0);
        let value = value.unwrap_or_default();
        let terminals = !config.terminals.is_empty();
        let counted: &[&str] = match *name {
            "diverted-to" => &["Diverted"],
            "clear-after-transfer" | "single-step-old-connections" => &["Transfered"],
            "resulting-call" => &["Transfered", "Conferenced"],
            "multiple-terminals" | "answered-elsewhere" if terminals => &["Delivered"],
            "snapshot" => &["SnapshotDevice"],
            "answers" => &["MakeCall"],
            _ => &[],
        };
        all.push(Variant {
            name: format!("{name}={value}"),
            counted,
        });
    }
    let options = &config.switching;
    let ways: [(&str, bool, &'static [&'static str]); 3] = [
        ("call waiting", options.call_waiting, &["Delivered"]),
        ("queueing", options.queueing, &["Queued"]),
        ("hunt group", !options.groups.is_empty(), &["Queued"]),
    ];
    let ways = ways.into_iter().filter(|(_, on, _)| *on);
    all.extend(ways.map(|(name, _, counted)| Variant {
        name: name.to_owned(),
        counted,
    }));
    all
}

/// What the gateway asks by itself.
#[expect(clippy::large_enum_variant, reason = "a handful wait at a time")]
#[derive(Debug)]
pub(super) enum Question {
    /// About a device's features.
    Features(DeviceId, Request),
    /// Who is in the call of a connection.
    Call(ConnectionId),
}

impl Question {
    /// Whether it is about that device.
    pub(super) fn is_about(&self, device: &DeviceId) -> bool {
        matches!(self, Self::Features(about, _) if about == device)
    }

    /// The message that asks it.
    pub(super) fn request(&self) -> Request {
        match self {
            Self::Features(_, request) => request.clone(),
            Self::Call(connection) => message::SnapshotCall::new(connection.clone()).into(),
        }
    }
}

/// What is asked about a device's features.
pub(super) fn questions(device: &DeviceId) -> [Question; 3] {
    [
        message::GetDoNotDisturb::new(device.clone()).into(),
        message::GetForwarding::new(device.clone()).into(),
        message::GetMessageWaitingIndicator::new(device.clone()).into(),
    ]
    .map(|question| Question::Features(device.clone(), question))
}

pub(super) fn registry(seed: u64) -> Registry {
    let identity = Identity {
        account_id: "acme".to_owned(),
        site_id: "hq".to_owned(),
        gateway_id: "gw1".to_owned(),
    };
    let mut rng = StdRng::seed_from_u64(seed);
    Registry::new(identity, IdSource::new(move || rng.random()))
}

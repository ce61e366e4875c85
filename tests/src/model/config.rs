//! The PBX and the gateway of a run: what differs from one seed to another.

use call_control::Registry;
use cloud_uplink::{IdSource, Identity};
use csta::{DeviceId, Dialect, Request, message};
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

/// What is asked about a device's features.
pub(super) fn questions(device: &DeviceId) -> [(DeviceId, Request); 3] {
    [
        message::GetDoNotDisturb::new(device.clone()).into(),
        message::GetForwarding::new(device.clone()).into(),
        message::GetMessageWaitingIndicator::new(device.clone()).into(),
    ]
    .map(|question| (device.clone(), question))
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

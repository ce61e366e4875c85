//! Identifiers from the system's randomness.

use call_control::bridge::LegIds;
use cloud_uplink::{CloudLegId, Timestamp};
use net::clock;
use rand::RngExt as _;
use sip::id::IdSource;

/// Tags, branches and the like.
pub(super) struct RandomIds;

impl IdSource for RandomIds {
    fn token(&mut self) -> String {
        format!("{:032x}", rand::rng().random::<u128>())
    }

    fn number(&mut self) -> u64 {
        rand::rng().random()
    }
}

/// Ids of the cloud legs that begin here.
pub(super) fn leg_ids() -> LegIds {
    let mut ids = cloud_uplink::IdSource::new(|| rand::rng().random());
    LegIds::new(move || CloudLegId::new(ids.ulid(Timestamp::from_unix_ms(clock::unix_ms()))))
}

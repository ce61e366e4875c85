//! Places for connections: so many altogether, so many per address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::Limits;

#[derive(Debug)]
pub(super) struct Slots {
    limits: Limits,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    per_address: HashMap<IpAddr, usize>,
}

impl Slots {
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let taken = Mutex::new(Taken::default());
        Arc::new(Self { limits, taken })
    }

    /// A place for a connection from that address, until the slot is dropped.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let network = network(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let here = taken.per_address.get(&network).copied().unwrap_or(0);
        if taken.all >= self.limits.connections || here >= self.limits.connections_per_address {
            return None;
        }
        taken.all += 1;
        taken.per_address.insert(network, here + 1);
        let slots = Arc::clone(self);
        Some(Slot { slots, network })
    }
}

/// One place, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    network: IpAddr,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let taken = self.slots.taken.lock();
        let mut taken = taken.unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(here) = taken.per_address.get_mut(&self.network) {
            *here -= 1;
            if *here == 0 {
                taken.per_address.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or the /64 that one IPv6 customer gets.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_above_either_limit_and_takes_again_what_is_given_back() {
        let slots = Slots::new(Limits {
            connections: 3,
            connections_per_address: 2,
        });
        let a = "192.0.2.1".parse().unwrap();
        let first = slots.take(a);
        let second = slots.take("::ffff:192.0.2.1".parse().unwrap());
        assert!(first.is_some() && second.is_some());
        assert!(slots.take(a).is_none());
        let _other = slots.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(slots.take("2001:db8:1::1".parse().unwrap()).is_none());
        drop(first);
        assert!(slots.take(a).is_some());
    }

    #[test]
    fn counts_one_ipv6_network_as_one_address() {
        let slots = Slots::new(Limits {
            connections: 9,
            connections_per_address: 1,
        });
        let _one = slots.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(slots.take("2001:db8::2".parse().unwrap()).is_none());
    }
}

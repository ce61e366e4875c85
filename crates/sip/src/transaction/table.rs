//! The store of transactions: slots that are used again under new keys.

/// Names one slot for one tenant's time. A key of a former tenant finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    slot: u32,
    generation: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    tenant: Option<Box<T>>,
}

/// Slots by key. Grows to the greatest number of tenants at once and stays there: a slot is 16 bytes, what
/// a tenant takes beside it goes with him.
#[derive(Debug)]
pub(super) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Table<T> {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, tenant: T) -> Key {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.tenant = Some(Box::new(tenant));
            return Key {
                slot: index,
                generation: slot.generation,
            };
        }
        let index = u32::try_from(self.slots.len()).expect("the limits are far below 2^32");
        self.slots.push(Slot {
            generation: 0,
            tenant: Some(Box::new(tenant)),
        });
        Key {
            slot: index,
            generation: 0,
        }
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(key.slot as usize)?;
        slot.tenant
            .as_deref()
            .filter(|_| slot.generation == key.generation)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        slot.tenant
            .as_deref_mut()
            .filter(|_| slot.generation == key.generation)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let tenant = slot.tenant.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(*tenant)
    }

    /// Keys of those that `wanted` holds for, in the order of their slots.
    pub(super) fn keys_where(&self, wanted: impl Fn(&T) -> bool) -> Vec<Key> {
        let tenants = (0u32..).zip(&self.slots);
        tenants
            .filter(|(_, slot)| slot.tenant.as_deref().is_some_and(&wanted))
            .map(|(index, slot)| Key {
                slot: index,
                generation: slot.generation,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_a_former_tenant_finds_nothing() {
        let mut table = Table::default();
        let first = table.insert("first");
        assert_eq!(table.remove(first), Some("first"));
        let second = table.insert("second");
        assert_eq!(first.slot, second.slot);
        assert_eq!(table.get(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.get(second), Some(&"second"));
        assert_eq!(table.len(), 1);
        assert_eq!(table.keys_where(|_| true), [second]);
    }
}

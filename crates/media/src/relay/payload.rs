//! Payload types, which each leg has its own numbers for.

/// Payload types of the other leg as this leg's phone knows them.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadMap([Option<u8>; 128]);

impl PayloadMap {
    /// A map of these pairs, the other leg's number first; all others are dropped. Numbers from 128 on
    /// are none.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (u8, u8)>) -> Self {
        let mut map = [None; 128];
        for (theirs, ours) in pairs {
            if let Some(place) = map.get_mut(usize::from(theirs)) {
                *place = Some(ours).filter(|ours| *ours < 128);
            }
        }
        Self(map)
    }

    pub(super) fn of(&self, payload_type: u8) -> Option<u8> {
        self.0[usize::from(payload_type & 0x7f)]
    }
}

impl std::fmt::Debug for PayloadMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs = (0..).zip(&self.0);
        let pairs = pairs.filter_map(|(theirs, ours): (u8, _)| ours.map(|ours| (theirs, ours)));
        f.debug_map().entries(pairs).finish()
    }
}

//! Identifiers and chance: tags, branches, Call-IDs, jitter. Both come from outside, so that a core is
//! the same twice when it is given the same twice.

/// Where tags, branches and Call-IDs come from.
///
/// Whoever can guess one can forge a response or end a call: outside of tests a token carries at least
/// 128 random bits (RFC 3261 §19.3 asks for 32).
pub trait IdSource: Send {
    /// A token that was never given before, of letters and digits (RFC 3261 §25.1 `token`).
    fn token(&mut self) -> String;

    /// A number drawn evenly from all of `u64`: for jitter and weights, not for secrets.
    fn number(&mut self) -> u64;
}

impl<T: IdSource + ?Sized> IdSource for Box<T> {
    fn token(&mut self) -> String {
        (**self).token()
    }

    fn number(&mut self) -> u64 {
        (**self).number()
    }
}

/// Counted tokens and a fixed sequence of numbers, for tests and simulations only: guessable.
#[derive(Debug, Clone)]
pub struct CountedIds {
    prefix: &'static str,
    count: u64,
    state: u64,
}

impl CountedIds {
    /// Tokens that begin with `prefix`, numbers that follow from `seed`.
    #[must_use]
    pub const fn new(prefix: &'static str, seed: u64) -> Self {
        Self {
            prefix,
            count: 0,
            state: seed,
        }
    }
}

impl IdSource for CountedIds {
    fn token(&mut self) -> String {
        self.count += 1;
        format!("{}{}", self.prefix, self.count)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_ids_are_the_same_for_the_same_seed_and_never_repeat() {
        let (mut one, mut other) = (CountedIds::new("a", 7), CountedIds::new("a", 7));
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let number = one.number();
            assert_eq!(number, other.number());
            assert!(seen.insert(number));
        }
        assert_eq!(one.token(), "a1");
        assert_eq!(one.token(), "a2");
    }
}

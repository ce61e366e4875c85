//! A side of an answered call that is not heard: most often a firewall, or an address that nobody reaches.

use std::time::{Duration, Instant};

/// Watches both sides of a call. Inputs are [`Self::answered`], [`Self::expect`] and [`Self::check`].
#[derive(Debug, Clone, Copy, Default)]
pub struct SilenceWatch {
    answered: Option<Instant>,
    /// Since when each side is to be heard; `None` while it is not, as on hold.
    expected: [Option<Instant>; 2],
    silent: [bool; 2],
}

/// Which sides are not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Both are heard, or need not be.
    No,
    /// The caller alone is not.
    Caller,
    /// Who was called alone is not.
    Called,
    /// Neither is.
    Both,
}

impl Silence {
    /// A word for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "none",
            Self::Caller => "caller",
            Self::Called => "called",
            Self::Both => "both",
        }
    }
}

impl SilenceWatch {
    /// Input: the call is answered. Before that nobody has to say anything.
    pub fn answered(&mut self, now: Instant) {
        self.answered.get_or_insert(now);
    }

    /// Input: the caller, 0, or who was called, 1, is to be heard from now on, or not any more.
    pub fn expect(&mut self, side: usize, heard: bool, now: Instant) {
        self.expected[side] = heard.then(|| self.expected[side].unwrap_or(now));
    }

    /// Input: when each side was heard last. Gives which sides have not been for `limit`, where that
    /// is another answer than before.
    pub fn check(
        &mut self,
        heard: [Option<Instant>; 2],
        limit: Duration,
        now: Instant,
    ) -> Option<Silence> {
        let before = self.silence();
        let answered = self.answered?;
        for side in [0, 1] {
            let last = self.expected[side].map(|since| {
                let since = since.max(answered);
                heard[side].map_or(since, |heard| heard.max(since))
            });
            let quiet = last.map(|last| now.saturating_duration_since(last));
            self.silent[side] = quiet.is_some_and(|quiet| quiet >= limit);
        }
        Some(self.silence()).filter(|silence| *silence != before)
    }

    /// Query: which sides are not heard.
    #[must_use]
    pub const fn silence(&self) -> Silence {
        match self.silent {
            [false, false] => Silence::No,
            [true, false] => Silence::Caller,
            [false, true] => Silence::Called,
            [true, true] => Silence::Both,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_that_is_expected_and_not_heard_is_told_once_and_again_when_it_is() {
        const LIMIT: Duration = Duration::from_secs(10);
        #[expect(clippy::disallowed_methods, reason = "any instant does")]
        let begin = Instant::now();
        let at = |second: u64| begin + Duration::from_secs(second);
        let mut watch = SilenceWatch::default();
        for side in [0, 1] {
            watch.expect(side, true, begin);
        }
        let nobody = [None, None];
        assert_eq!(watch.check(nobody, LIMIT, at(60)), None, "it still rings");
        watch.answered(at(60));
        let caller = |second| [Some(at(second)), None];
        let rows = [
            (69, caller(69), None),
            (70, caller(70), Some(Silence::Called)),
            (71, caller(71), None),
            (80, caller(70), Some(Silence::Both)),
            (81, [Some(at(81)), Some(at(81))], Some(Silence::No)),
            (91, [Some(at(81)), Some(at(90))], Some(Silence::Caller)),
        ];
        for (second, heard, said) in rows {
            assert_eq!(watch.check(heard, LIMIT, at(second)), said, "{second} s");
        }
        watch.expect(0, false, at(92));
        let held = watch.check(nobody, LIMIT, at(92));
        assert_eq!(held, Some(Silence::Called), "on hold it need not be heard");
        watch.expect(0, true, at(100));
        assert_eq!(watch.check(nobody, LIMIT, at(109)), None);
        assert_eq!(watch.check(nobody, LIMIT, at(110)), Some(Silence::Both));
    }
}

//! Numbers of the segments that belong together.

/// Sees to it that no segment of a series is missing or comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Segments {
    next: Option<u32>,
}

impl Segments {
    /// Whether the segment of that number is the one that is due. The first has number 1, or 0 as
    /// some count; one without a number is taken as it comes.
    pub(super) fn is_due(&mut self, number: Option<u32>) -> bool {
        let Some(number) = number else { return true };
        let due = match self.next {
            Some(next) => number == next,
            None => number <= 1,
        };
        self.next = Some(number.saturating_add(1));
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_doubled_segment_is_not_due() {
        for (numbers, due) in [
            (&[Some(1), Some(2), Some(3)][..], true),
            (&[Some(0), Some(1)], true),
            (&[None, None], true),
            (&[Some(1), None, Some(2)], true),
            (&[Some(2)], false),
            (&[Some(1), Some(3)], false),
            (&[Some(1), Some(1)], false),
            (&[Some(0), Some(2)], false),
        ] {
            let mut segments = Segments::default();
            let all = numbers.iter().all(|number| segments.is_due(*number));
            assert_eq!(all, due, "{numbers:?}");
        }
    }
}

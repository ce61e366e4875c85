//! Events (RFC 4733) among the formats of a stream, put in and taken out: the two sides of a call need not
//! tell digits in the same way.

use super::{Codec, Line, MediaDescription};

/// The number that most telephones use.
const USUAL: u8 = 101;
/// Numbers without a meaning of their own (RFC 3551 §6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;

impl MediaDescription {
    /// The payload types of events, each with its clock in ticks per second.
    pub fn events(&self) -> impl Iterator<Item = (u8, u32)> {
        let maps = self.formats.iter().filter_map(|it| self.rtp_map(it));
        let name = Codec::TelephoneEvent.encoding();
        maps.filter(move |map| map.encoding.eq_ignore_ascii_case(name))
            .map(|map| (map.payload_type, map.clock_rate))
    }

    /// Offers or answers digits as events, by that number where it is free, or another one. `None` when
    /// there is none.
    pub fn add_events(&mut self, wanted: Option<u8>, clock_rate: u32) -> Option<u8> {
        let is_free = |number: &u8| {
            let number = number.to_string();
            let is_described = |name| {
                let mut lines = self.attributes(name);
                lines.any(|line| line.split(' ').next() == Some(&number))
            };
            !self.formats.contains(&number) && !is_described("rtpmap") && !is_described("fmtp")
        };
        let mut numbers = wanted.into_iter().chain([USUAL]).chain(DYNAMIC);
        let number = numbers.find(is_free)?;
        self.formats.push(number.to_string());
        let name = Codec::TelephoneEvent.encoding();
        let map = format!("{number} {name}/{clock_rate}");
        self.push_attribute("rtpmap", Some(&map));
        self.push_attribute("fmtp", Some(&format!("{number} 0-16")));
        Some(number)
    }

    /// Takes them out, unless there is nothing else.
    pub fn remove_events(&mut self) {
        let numbers: Vec<String> = self.events().map(|(it, _)| it.to_string()).collect();
        if numbers.len() == self.formats.len() {
            return;
        }
        self.formats.retain(|format| !numbers.contains(format));
        let is_theirs = |line: &Line| {
            let attribute = line.as_attribute();
            let described = attribute.filter(|(name, _)| matches!(*name, "rtpmap" | "fmtp"));
            let number = described.and_then(|(_, value)| value?.split(' ').next());
            number.is_some_and(|number| numbers.iter().any(|it| it == number))
        };
        self.lines.retain(|line| !is_theirs(line));
    }
}

//! Digits of relayed calls: how each phone is told them, and who is told of those that it sends.
//!
//! Where both sides agreed on events (RFC 4733), they pass as packets. What a side says otherwise, by INFO
//! or on the channel, the other hears as events where it takes them. A side on the channel need not take
//! them: the phone is offered them all the same, and the channel is told what it sends.

use std::time::{Duration, Instant};

use cloud_uplink::leg::{DIGIT_MS_MAX, DIGIT_MS_MIN, LegDigits, LegSignal};
use media::relay::{Digit, DigitTypes};
use media::sdp::MediaDescription;
use sip::ua::{Dtmf, UserAgent};

use super::super::call::CallKey;
use super::super::party::{Line, Side};
use super::super::switchboard::Switchboard;
use super::{End, Relays, clock_rate};

/// How long a digit is heard of which nobody said it.
const DURATION: Duration = Duration::from_millis(100);

impl End {
    /// Its offer as the other side is told it: with events where the channel is told of them.
    pub(super) fn offers_digits(&self, stream: &mut MediaDescription, far: &Self) {
        if self.on_channel && stream.events().next().is_none() {
            let clock_rate = clock_rate(stream);
            let number = far.hears(clock_rate).filter(|it| it.1 == clock_rate);
            stream.add_events(number.map(|it| it.0), clock_rate);
        }
    }

    /// Its answer as the other side is told it, who offered.
    pub(super) fn answers_digits(&self, stream: &mut MediaDescription, far: &Self) {
        // Each side has its own, which are told with its own codec.
        if self.transcoded {
            return;
        }
        let clock_rate = clock_rate(stream);
        let answers = stream.events().next().is_some();
        match far.hears(clock_rate) {
            Some((number, clock)) if !answers && self.on_channel => {
                let taken = stream.formats.iter().any(|it| *it == number.to_string());
                if !taken {
                    stream.add_events(Some(number), clock);
                }
            }
            // What we put into the offer.
            None if answers => stream.remove_events(),
            _ => {}
        }
    }

    /// The number at which its phone hears events, and their clock: the codec's, or else whatever it has.
    fn hears(&self, clock_rate: u32) -> Option<(u8, u32)> {
        let agreed = self.agreed.as_ref()?;
        let own = agreed.events.iter().find(|it| it.1 == clock_rate);
        own.or_else(|| agreed.events.first()).copied()
    }
}

impl Relays {
    /// Offer and answer are there: events that only one side has are ours to make and to take.
    pub(super) fn agree_digits(&mut self, call: CallKey, clock_rate: u32) {
        let Some([a, b]) = self.calls.get(&call) else {
            return;
        };
        let clock_of = |end: &End| {
            let coded = end.coded.filter(|_| end.transcoded);
            coded.map_or(clock_rate, |it| it.format.codec.clock_rate())
        };
        for (called, near, far) in [(false, a, b), (true, b, a)] {
            let hears = near.hears(clock_of(near));
            let clock_rate = hears.map_or_else(|| clock_of(near), |it| it.1);
            let hears = hears.map(|it| it.0);
            let told = with_clock(&near.told_events, clock_rate);
            let passes = far.hears(clock_of(far)).is_some();
            let types = DigitTypes {
                say: hears.filter(|_| told.is_some()),
                take: told.filter(|_| hears.is_some() && !passes),
                clock_rate,
            };
            self.relay.set_digit_types(call, called, types);
        }
    }
}

impl Switchboard {
    /// Input: the phone of that side, `true` for who was called, dialled a digit that goes no further as
    /// packets.
    pub fn handle_digit(
        &mut self,
        key: CallKey,
        called: bool,
        digit: Digit,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let side = if called { Side::B } else { Side::A };
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        let duration_ms = u32::try_from(digit.duration.as_millis()).unwrap_or(DIGIT_MS_MAX);
        let digits = LegDigits {
            digits: digit.digit.to_string(),
            duration_ms: Some(duration_ms.clamp(DIGIT_MS_MIN, DIGIT_MS_MAX)),
        };
        match call.line(side.other()) {
            // The flash of a hook means nothing there.
            Some(Line::Cloud(leg)) if digit.digit != '!' => {
                self.signal(leg, LegSignal::Dtmf(digits));
            }
            Some(Line::Sip(_)) => self.dial_digits(key, side, &digits, ua, now),
            _ => {}
        }
    }

    /// Whether the phone of that side is told a digit in events.
    pub(in super::super) fn relay_digit(&mut self, key: CallKey, to: Side, dtmf: Dtmf) -> bool {
        let Some(relays) = &mut self.relays else {
            return false;
        };
        let said = dtmf.duration_ms.map(u64::from);
        let duration = said.map_or(DURATION, Duration::from_millis);
        relays.relay.dial(key, to == Side::B, dtmf.digit, duration)
    }

    /// The relay knows which sides are on the channel.
    pub(super) fn relay_parties(&mut self, key: CallKey) {
        let (Some(relays), Some(call)) = (&mut self.relays, self.calls.get(&key)) else {
            return;
        };
        if let Some(ends) = relays.calls.get_mut(&key) {
            for (end, side) in ends.iter_mut().zip([Side::A, Side::B]) {
                end.on_channel = matches!(call.line(side), Some(Line::Cloud(_)));
            }
        }
    }
}

fn with_clock(events: &[(u8, u32)], clock_rate: u32) -> Option<u8> {
    let mut events = events.iter();
    let fits = events.find(|(_, clock)| *clock == clock_rate);
    fits.map(|(number, _)| *number)
}

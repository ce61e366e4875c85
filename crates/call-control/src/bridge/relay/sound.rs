//! Sound of our own in relayed calls: codecs of ours where the sides share none, music for who is on hold,
//! and the tone that tells that the called telephone rings.
//!
//! A side is offered what the other side offers, and behind that the codecs of ours that are missing. Whoever
//! answers takes the first that it can: where that is one of the other side's, packets pass as they are; else
//! each side hears the other in its own codec.

use bytes::Bytes;
use media::sdp::{Direction, MediaDescription, SessionDescription};
use media::sound::offer::{self, Coded};

use super::super::call::CallKey;
use super::super::party::Side;
use super::{End, LocalSound, MediaRefusal, Relays, read, split};

/// Who answers with a hold tells nothing but that: music goes to who is told "sendonly" (RFC 3264 §8.4).
pub(super) fn opens_hold(description: &mut SessionDescription, index: usize) {
    let is = description.direction(&description.media[index]);
    if is == Direction::Inactive {
        description.media[index].set_direction(Direction::SendOnly);
    }
}

impl End {
    /// An offer as its phone is told it: with codecs of ours behind the other side's.
    pub(super) fn is_offered_ours(&mut self, stream: &mut MediaDescription, adds: bool) {
        self.ours_told.clear();
        if adds {
            let before = self.agreed.as_ref();
            let opus = before.and_then(|it| {
                let mut all = offer::voices(&it.stream);
                all.find(|map| map.encoding.eq_ignore_ascii_case("opus"))
            });
            self.ours_told = offer::add(stream, opus.map(|map| map.payload_type));
        }
    }

    /// An answer as its phone is told it, which has offered: with its own formats alone, without those that
    /// we had added for whoever answers.
    pub(super) fn is_answered_theirs(&self, stream: &mut MediaDescription, answers: &Self) {
        let ours = &answers.ours_told;
        let Some(offer) = &self.agreed else { return };
        if let (true, Some(coded)) = (self.transcoded, self.coded) {
            let format = coded.format;
            let events = format.events.map(|(number, _)| number);
            // Events pass where whoever answers takes them, too; the channel is told of them.
            let has_events = answers.on_channel || stream.events().next().is_some();
            let events = events.filter(|_| has_events);
            let numbers = [Some(format.payload_type), format.noise, events];
            let numbers: Vec<u8> = numbers.into_iter().flatten().collect();
            offer::put(stream, &offer.stream, &numbers);
        } else if !ours.is_empty() {
            offer::keep(stream, |number| !ours.contains(&number));
        }
        //= RFC 3264 §6.1
        // If a stream is offered as inactive, it MUST be answered as inactive.
        if offer.remote.direction == Direction::Inactive {
            stream.set_direction(Direction::Inactive);
        }
    }

    /// Whether it has put the other side on hold.
    const fn holds(&self) -> bool {
        match &self.agreed {
            Some(agreed) => self.talked && !agreed.remote.direction.sends(),
            None => false,
        }
    }

    /// Its format of ours, the first one that it names.
    fn best(&self) -> Option<Coded> {
        let stream = &self.agreed.as_ref()?.stream;
        offer::voices(stream).find_map(|map| offer::coded(stream, &map))
    }

    /// Its format of that codec.
    fn same(&self, map: &media::sdp::RtpMap) -> Option<(u32, Option<Coded>)> {
        let stream = &self.agreed.as_ref()?.stream;
        let same = offer::voices(stream).find(|it| offer::is_same(it, map))?;
        Some((same.clock_rate, offer::coded(stream, &same)))
    }
}

impl Relays {
    /// Offer and answer are there, the answer from that side: how each is spoken to from now on.
    pub(super) fn settle(&mut self, call: CallKey, from: Side) -> Result<(), MediaRefusal> {
        let Some(ends) = self.calls.get_mut(&call) else {
            return Ok(());
        };
        let (near, far) = split(ends, from);
        let Some(first) = near
            .agreed
            .as_ref()
            .and_then(|it| offer::first_voice(&it.stream))
        else {
            return Ok(());
        };
        let near_coded = near.same(&first).and_then(|(_, coded)| coded);
        let (clock, far_coded, transcoded) = match (far.same(&first), near_coded, far.best()) {
            (Some((clock, coded)), ..) => (clock, coded, false),
            (None, Some(_), Some(best)) => (best.format.codec.clock_rate(), Some(best), true),
            // Whoever answers so has not read the offer; or the other one has not offered yet.
            (None, ..) => (first.clock_rate, None, false),
        };
        for (end, coded, clock) in [
            (&mut *near, near_coded, first.clock_rate),
            (&mut *far, far_coded, clock),
        ] {
            end.coded = coded;
            end.transcoded = transcoded;
            end.rings = false;
            if let Some(agreed) = &mut end.agreed {
                agreed.remote.clock_rate = clock;
                end.talked |= agreed.remote.direction == Direction::SendRecv;
            }
        }
        let formats = match (near_coded, far_coded) {
            (Some(near), Some(far)) if transcoded => Some(match from {
                Side::A => [near, far],
                Side::B => [far, near],
            }),
            _ => None,
        };
        for (end, called) in ends.iter().zip([false, true]) {
            if let Some(agreed) = &end.agreed {
                self.relay.set_remote(call, called, &agreed.remote);
            }
        }
        if !self.relay.transcode(call, formats) {
            return Err(MediaRefusal::Transcoding);
        }
        self.play_music(call);
        Ok(())
    }

    /// Who is on hold hears music, where there is some.
    fn play_music(&mut self, call: CallKey) {
        let Some([a, b]) = self.calls.get(&call) else {
            return;
        };
        let has_music = self.relay.has(LocalSound::Music);
        for (called, near, far) in [(false, a, b), (true, b, a)] {
            let hears = near.agreed.as_ref();
            let hears = hears.is_some_and(|it| it.remote.direction.sends());
            let music = has_music && hears && far.holds();
            let music = near.coded.filter(|_| music);
            let music = music.map(|coded| (LocalSound::Music, coded));
            self.relay.play(call, called, music);
        }
    }

    /// The called telephone rings, and lets hear nothing: the caller is told so by a tone, as early media.
    /// `None` where there is none, or no offer that it could answer.
    pub(super) fn ring(&mut self, call: CallKey) -> Option<Bytes> {
        if !self.relay.has(LocalSound::Ringback) {
            return None;
        }
        let [caller, called] = self.calls.get_mut(&call)?;
        if called.agreed.is_some() {
            return None;
        }
        let agreed = caller.agreed.as_ref()?;
        let coded = caller.best()?;
        let (mut description, index) = read(&agreed.said).ok()?;
        let events = coded.format.events.map(|(number, _)| number);
        let numbers = [Some(coded.format.payload_type), events];
        let numbers: Vec<u8> = numbers.into_iter().flatten().collect();
        let stream = &mut description.media[index];
        offer::put(stream, &agreed.stream, &numbers);
        let hears = agreed.remote.direction;
        let hears = hears.sends();
        stream.set_direction(agreed.remote.direction);
        let clock = coded.format.codec.clock_rate();
        let told = caller.tell_answer(&description, index).ok()?;
        if hears && !std::mem::replace(&mut caller.rings, true) {
            if let Some(agreed) = &mut caller.agreed {
                agreed.remote.clock_rate = clock;
                self.relay.set_remote(call, false, &agreed.remote);
            }
            let tone = Some((LocalSound::Ringback, coded));
            self.relay.play(call, false, tone);
        }
        Some(told)
    }
}

#[cfg(test)]
mod tests;

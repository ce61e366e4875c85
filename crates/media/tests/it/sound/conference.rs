//! Conferences of phones, in virtual time: tones by their frequency and level.

use std::time::{Duration, Instant};

use media::rtp::RtpPacket;
use media::sound::Rate;
use media::sound::codec::{Codec, Decoder};
use media::sound::conference::{Conference, JoinError, ROUND};
use media::sound::mix::{PARTIES_MAX, PartyId};
use media::sound::transcode::{Format, STALL_MAX};

use super::call::{Phone, decoded, format};
use super::{Noise, db, opus, peak_at, start, tone};

/// A phone that says one tone, and what it hears.
struct Party {
    id: PartyId,
    format: Format,
    phone: Phone,
    hz: f64,
    decoder: Decoder,
    heard: Vec<i16>,
    said: usize,
    timestamps: Vec<u32>,
}

impl Party {
    fn join(conference: &mut Conference, codec: Codec, hz: f64, now: Instant) -> Self {
        let format = format(codec);
        Self {
            id: conference.join(&format, now).unwrap(),
            phone: Phone::new(&format, codec.rate().per_ms() * 20),
            decoder: codec.decoder().unwrap(),
            format,
            hz,
            heard: Vec::new(),
            said: 0,
            timestamps: Vec::new(),
        }
    }

    fn rate(&self) -> Rate {
        self.format.codec.rate()
    }

    fn say(&mut self, conference: &mut Conference, now: Instant, is_lost: bool) {
        let len = self.rate().per_ms() * 20;
        let all = tone(self.rate(), self.hz, 6000.0, self.said + len);
        let packet = self.phone.say(&all[self.said..]);
        self.said += len;
        let packet = RtpPacket {
            header: packet.header,
            header_len: 12,
            payload: &packet.payload,
        };
        if !is_lost {
            conference.receive(self.id, &packet, now);
        }
    }

    fn hear(&mut self, conference: &mut Conference, now: Instant) {
        let mut buffer = [0; 1500];
        while let Some(len) = conference.poll_packet(self.id, &mut buffer, now) {
            let packet = RtpPacket::parse(&buffer[..len]).unwrap();
            self.timestamps.push(packet.header.timestamp);
            self.heard
                .extend(decoded(&mut self.decoder, packet.payload));
        }
    }

    /// How loud it hears a frequency in the last half second, in dB above how it was said.
    fn hears(&self, hz: f64) -> f64 {
        let last = &self.heard[self.heard.len() - self.rate().per_ms() * 500..];
        db(peak_at(self.rate(), hz, last).max(0.1) / 6000.0)
    }
}

/// All talk for so many rounds; `is_lost` says of each packet whether the network drops it.
fn talk(
    conference: &mut Conference,
    parties: &mut [Party],
    began: &mut Instant,
    rounds: usize,
    mut is_lost: impl FnMut() -> bool,
) {
    for _ in 0..rounds {
        for party in &mut *parties {
            let lost = is_lost();
            party.say(conference, *began, lost);
        }
        *began += ROUND;
        for party in &mut *parties {
            party.hear(conference, *began);
        }
    }
}

#[test]
fn phones_of_each_codec_hear_all_others_and_not_themselves() {
    let mut now = start();
    let mut conference = Conference::new(now);
    let codecs = [Codec::Pcma, Codec::Pcmu, Codec::G722, opus(Rate::Hz48000)];
    let tones = [400.0, 700.0, 1100.0, 1900.0];
    let mut parties: Vec<_> = codecs
        .into_iter()
        .zip(tones)
        .map(|(codec, hz)| Party::join(&mut conference, codec, hz, now))
        .collect();
    talk(&mut conference, &mut parties, &mut now, 150, || false);
    for party in &parties {
        for hz in tones {
            let level = party.hears(hz);
            println!("{:?} hears {hz} Hz at {level:.2} dB", party.format.codec);
            if hz == party.hz {
                assert!(level < -30.0, "{:?} hears itself", party.format.codec);
            } else {
                assert!(
                    level.abs() < 1.0,
                    "{:?}: {hz} Hz {level}",
                    party.format.codec
                );
            }
        }
        let step = party.format.codec.clock_rate() / 50;
        for two in party.timestamps.windows(2) {
            assert_eq!(two[1].wrapping_sub(two[0]), step);
        }
        assert!(party.timestamps.len() >= 148, "{}", party.timestamps.len());
    }
}

#[test]
fn lost_packets_of_one_are_filled_for_all() {
    let mut now = start();
    let mut conference = Conference::new(now);
    let mut parties = vec![
        Party::join(&mut conference, Codec::Pcma, 500.0, now),
        Party::join(&mut conference, opus(Rate::Hz48000), 900.0, now),
    ];
    let mut noise = Noise(7);
    talk(&mut conference, &mut parties, &mut now, 300, || {
        (noise.next() >> 8) % 100 < 5
    });
    let (first, second) = (parties[0].hears(900.0), parties[1].hears(500.0));
    assert!(first.abs() < 2.0 && second.abs() < 2.0, "{first} {second}");
}

#[test]
fn who_comes_and_who_goes_is_told_by_two_notes() {
    let mut now = start();
    let mut conference = Conference::new(now);
    let mut parties = vec![
        Party::join(&mut conference, Codec::Pcma, 1500.0, now),
        Party::join(&mut conference, Codec::Pcma, 2000.0, now),
    ];
    talk(&mut conference, &mut parties, &mut now, 50, || false);
    // 100 ms of each note, the chime of the first two is long over.
    let notes = |party: &Party, from: usize| {
        let part = |at: usize| &party.heard[from + at * 800..from + (at + 1) * 800];
        [(0, 600.0), (0, 800.0), (1, 600.0), (1, 800.0)]
            .map(|(at, hz)| peak_at(Rate::Hz8000, hz, part(at)) > 1000.0)
    };
    let from = parties[0].heard.len();
    parties.push(Party::join(&mut conference, Codec::Pcmu, 3000.0, now));
    talk(&mut conference, &mut parties, &mut now, 50, || false);
    assert_eq!(notes(&parties[0], from), [true, false, false, true], "up");
    assert_eq!(notes(&parties[0], from + 3200), [false; 4], "and over");
    let from = parties[0].heard.len();
    let gone = parties.pop().unwrap();
    conference.leave(gone.id);
    talk(&mut conference, &mut parties, &mut now, 50, || false);
    assert_eq!(notes(&parties[0], from), [false, true, true, false], "down");
    assert_eq!(conference.len(), 2);
}

#[test]
fn who_holds_the_conference_is_not_heard_and_is_again_after_it() {
    let mut now = start();
    let mut conference = Conference::new(now);
    let mut parties = vec![
        Party::join(&mut conference, Codec::G722, 500.0, now),
        Party::join(&mut conference, Codec::Pcma, 900.0, now),
    ];
    conference.set_muted(parties[1].id, true);
    talk(&mut conference, &mut parties, &mut now, 60, || false);
    assert!(
        parties[0].hears(900.0) < -40.0,
        "{}",
        parties[0].hears(900.0)
    );
    assert!(parties[1].hears(500.0).abs() < 1.0);
    conference.set_muted(parties[1].id, false);
    talk(&mut conference, &mut parties, &mut now, 60, || false);
    assert!(parties[0].hears(900.0).abs() < 1.0);
}

#[test]
fn a_new_format_goes_on_with_the_rounds() {
    let mut now = start();
    let mut conference = Conference::new(now);
    let mut parties = vec![
        Party::join(&mut conference, Codec::Pcma, 500.0, now),
        Party::join(&mut conference, Codec::Pcma, 900.0, now),
    ];
    talk(&mut conference, &mut parties, &mut now, 30, || false);
    let other = format(opus(Rate::Hz48000));
    conference.set_format(parties[1].id, &other).unwrap();
    parties[1].format = other;
    parties[1].phone = Phone::new(&other, 960);
    parties[1].decoder = other.codec.decoder().unwrap();
    parties[1].heard.clear();
    parties[1].said = 0;
    talk(&mut conference, &mut parties, &mut now, 80, || false);
    assert!(parties[0].hears(900.0).abs() < 1.0);
    assert!(parties[1].hears(500.0).abs() < 1.0);
}

#[test]
fn the_seventeenth_does_not_get_in_and_a_place_is_given_again() {
    let now = start();
    let mut conference = Conference::new(now);
    let format = format(Codec::Pcma);
    let ids: Vec<_> = (0..PARTIES_MAX)
        .map(|_| conference.join(&format, now).unwrap())
        .collect();
    assert_eq!(conference.join(&format, now), Err(JoinError::Full));
    conference.leave(ids[3]);
    assert_eq!(conference.join(&format, now), Ok(ids[3]));
    for id in ids {
        conference.leave(id);
    }
    assert!(conference.is_empty());
}

#[test]
fn a_stall_is_left_out_and_the_clock_has_gone_on_when_it_is_over() {
    let mut now = start();
    let mut conference = Conference::new(now);
    let mut parties = vec![
        Party::join(&mut conference, Codec::Pcma, 500.0, now),
        Party::join(&mut conference, Codec::Pcma, 900.0, now),
    ];
    talk(&mut conference, &mut parties, &mut now, 30, || false);
    let so_far = |conference: &Conference, party: &Party| {
        let last = *party.timestamps.last().unwrap();
        let stalled = conference.counters(party.id).stalled;
        (party.timestamps.len() as u64, stalled, last)
    };
    let before: Vec<_> = parties.iter().map(|it| so_far(&conference, it)).collect();
    now += STALL_MAX + Duration::from_millis(800);
    for party in &mut parties {
        party.hear(&mut conference, now);
    }
    for (party, (packets, stalled, last)) in parties.iter().zip(before) {
        let after = so_far(&conference, party);
        let (packets, stalled) = (after.0 - packets, after.1 - stalled);
        assert!(packets <= 11 && stalled >= 39, "{packets} {stalled}");
        let ticks = u64::from(after.2.wrapping_sub(last));
        assert_eq!(ticks, (packets + stalled) * 160, "the clock has gone on");
    }
    talk(&mut conference, &mut parties, &mut now, 60, || false);
    assert!(parties[0].hears(900.0).abs() < 1.0);
}

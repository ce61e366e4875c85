//! Codecs in session descriptions: which formats of a stream are sound that can be made and understood here,
//! and how ours are added for the other side of a call that has none of them.

use super::Rate;
use super::codec::{Codec, OpusSettings};
use super::transcode::Format;
use crate::sdp::{Line, MediaDescription, RtpMap};

/// A format, and how it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coded {
    /// Codec and payload types.
    pub format: Format,
    /// Milliseconds of a packet: 10, 20, 40 or 60.
    pub period: u8,
}

/// Numbers without a meaning of their own (RFC 3551 §6).
const DYNAMIC: std::ops::RangeInclusive<u8> = 96..=127;
/// The number that most give to Opus.
const OPUS_USUAL: u8 = 111;
/// Milliseconds of a packet where nobody wants another number (RFC 3551 §4.2).
const PERIOD: u8 = 20;
/// Bits a second that Opus takes (RFC 7587 §6.1).
const OPUS_BITS: std::ops::RangeInclusive<u32> = 6_000..=510_000;

/// Ours, in the order in which they are added.
const OURS: [(u8, &str); 3] = [(8, "PCMA"), (0, "PCMU"), (9, "G722")];

/// The first format of a stream that is sound, in a codec of ours or not.
#[must_use]
pub fn first_voice(stream: &MediaDescription) -> Option<RtpMap> {
    voices(stream).next()
}

/// All formats of a stream that are sound, in its order.
pub fn voices(stream: &MediaDescription) -> impl Iterator<Item = RtpMap> {
    let maps = stream.formats.iter().filter_map(|it| stream.rtp_map(it));
    maps.filter(|map| {
        let is = |name: &str| map.encoding.eq_ignore_ascii_case(name);
        !is("telephone-event") && !is("CN") && !is("red")
    })
}

/// Whether two are the same codec, whatever their numbers.
#[must_use]
pub fn is_same(one: &RtpMap, other: &RtpMap) -> bool {
    let channels = |map: &RtpMap| match map.parameters.as_deref() {
        None | Some("1") => 1,
        Some(many) => many.parse().unwrap_or(0),
    };
    one.encoding.eq_ignore_ascii_case(&other.encoding)
        && one.clock_rate == other.clock_rate
        && channels(one) == channels(other)
}

/// What we make and understand of a format of a stream; `None` where it is none of our codecs.
#[must_use]
pub fn coded(stream: &MediaDescription, map: &RtpMap) -> Option<Coded> {
    let codec = codec(stream, map)?;
    let clock = codec.clock_rate();
    let of_clock = |(_, rate): &(u8, u32)| *rate == clock;
    let mut maps = stream.formats.iter().filter_map(|it| stream.rtp_map(it));
    let noise = maps.find(|it| it.encoding.eq_ignore_ascii_case("CN") && it.clock_rate == clock);
    // Comfort noise beside Opus would be for nobody: it has its own.
    let noise = noise.filter(|_| !matches!(codec, Codec::Opus(_)));
    let format = Format {
        codec,
        payload_type: map.payload_type,
        noise: noise.map(|it| it.payload_type),
        // A phone that counts them by another clock is heard all the same.
        events: stream
            .events()
            .find(of_clock)
            .or_else(|| stream.events().next()),
    };
    let period = match stream.ptime_ms() {
        Some(period @ (10 | 20 | 40 | 60)) => u8::try_from(period).unwrap_or(PERIOD),
        Some(_) | None => PERIOD,
    };
    Some(Coded { format, period })
}

fn codec(stream: &MediaDescription, map: &RtpMap) -> Option<Codec> {
    let is = |name: &str| map.encoding.eq_ignore_ascii_case(name);
    let one_channel = matches!(map.parameters.as_deref(), None | Some("1"));
    match (map.clock_rate, map.parameters.as_deref()) {
        (8_000, _) if one_channel && is("PCMU") => Some(Codec::Pcmu),
        (8_000, _) if one_channel && is("PCMA") => Some(Codec::Pcma),
        //= RFC 3551 §4.5.2
        (8_000, _) if one_channel && is("G722") => Some(Codec::G722),
        //= RFC 7587 §7
        // The media format is always opus/48000/2, whatever is sent.
        (48_000, Some("2")) if is("opus") => Some(Codec::Opus(opus(stream, map.payload_type))),
        _ => None,
    }
}

/// What the phone wants of Opus (RFC 7587 §6.1).
fn opus(stream: &MediaDescription, payload_type: u8) -> OpusSettings {
    let usual = OpusSettings {
        rate: Rate::Hz48000,
        ..OpusSettings::default()
    };
    let number = payload_type.to_string();
    let lines = stream.format_parameters(&number);
    let parameters = lines.flat_map(|line| line.split(';'));
    let pairs = parameters.filter_map(|it| it.trim().split_once('='));
    let mut settings = OpusSettings {
        fec: false,
        ..usual
    };
    for (name, value) in pairs {
        match name {
            "useinbandfec" => settings.fec = value == "1",
            "usedtx" => settings.dtx = value == "1",
            "maxaveragebitrate" => {
                let bits = value.parse().unwrap_or(usual.bit_rate);
                let bits = bits.clamp(*OPUS_BITS.start(), *OPUS_BITS.end());
                settings.bit_rate = bits.min(usual.bit_rate);
            }
            _ => {}
        }
    }
    settings
}

/// Adds the codecs of ours that a stream has not, behind its own, and events for their clocks where it has
/// events. `wanted` is the number that the other side knows for Opus. Gives the numbers that were added.
pub fn add(stream: &mut MediaDescription, wanted: Option<u8>) -> Vec<u8> {
    let mut added = Vec::new();
    let had_events = stream.events().next().is_some();
    for (number, name) in OURS {
        let map = RtpMap {
            payload_type: number,
            encoding: name.to_owned(),
            clock_rate: 8_000,
            parameters: None,
        };
        if is_free(stream, number) && !voices(stream).any(|it| is_same(&it, &map)) {
            push(stream, &map, None);
            added.push(number);
        }
    }
    let opus = RtpMap {
        payload_type: 0,
        encoding: "opus".to_owned(),
        clock_rate: 48_000,
        parameters: Some("2".to_owned()),
    };
    if !voices(stream).any(|it| is_same(&it, &opus)) {
        let mut numbers = wanted.into_iter().chain([OPUS_USUAL]).chain(DYNAMIC);
        if let Some(payload_type) = numbers.find(|it| is_free(stream, *it)) {
            let map = RtpMap {
                payload_type,
                ..opus
            };
            push(stream, &map, Some("useinbandfec=1"));
            added.push(payload_type);
        }
    }
    for clock in [8_000, 48_000] {
        let of_clock = |(_, rate): (u8, u32)| rate == clock;
        if had_events && !added.is_empty() && !stream.events().any(of_clock) {
            added.extend(stream.add_events(None, clock));
        }
    }
    added
}

fn is_free(stream: &MediaDescription, number: u8) -> bool {
    let number = number.to_string();
    let is_described = |name| {
        let mut lines = stream.attributes(name);
        lines.any(|line| line.split(' ').next() == Some(&number))
    };
    !stream.formats.contains(&number) && !is_described("rtpmap") && !is_described("fmtp")
}

fn push(stream: &mut MediaDescription, map: &RtpMap, parameters: Option<&str>) {
    let number = map.payload_type;
    stream.formats.push(number.to_string());
    let channels = map.parameters.as_deref().map(|it| format!("/{it}"));
    let channels = channels.unwrap_or_default();
    let text = format!("{number} {}/{}{channels}", map.encoding, map.clock_rate);
    stream.push_attribute("rtpmap", Some(&text));
    if let Some(parameters) = parameters {
        stream.push_attribute("fmtp", Some(&format!("{number} {parameters}")));
    }
}

/// Leaves the formats with these numbers alone, and their lines.
pub fn keep(stream: &mut MediaDescription, is_kept: impl Fn(u8) -> bool) {
    let stays = |number: &str| number.parse().is_ok_and(&is_kept);
    stream.formats.retain(|format| stays(format));
    stream.lines.retain(|line| {
        let attribute = line.as_attribute();
        let format = attribute.filter(|(name, _)| matches!(*name, "rtpmap" | "fmtp"));
        let number = format.and_then(|(_, value)| value?.split(' ').next());
        number.is_none_or(stays)
    });
}

/// Describes a stream by formats of another one: those with these numbers, in that order, with their lines.
pub fn put(stream: &mut MediaDescription, of: &MediaDescription, numbers: &[u8]) {
    keep(stream, |_| false);
    for number in numbers {
        let number = number.to_string();
        for name in ["rtpmap", "fmtp"] {
            let lines = of.attributes(name).filter(|value| {
                let of_it = value.split(' ').next();
                of_it == Some(number.as_str())
            });
            let lines: Vec<Line> = lines.map(|it| Line::attribute(name, Some(it))).collect();
            stream.lines.extend(lines);
        }
        stream.formats.push(number);
    }
}

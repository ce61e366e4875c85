//! Recordings and tones that callers hear of the gateway itself.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use hound::{SampleFormat, WavReader};
use media::sound::Rate;
use media::sound::play::{Clip, Sound};
use media::sound::tone::{Country, Signal};

use crate::config::MediaSection;

/// What there is to hear. Recordings are read once, and shared by all who hear them.
#[derive(Debug, Clone, Default)]
pub struct Sounds {
    /// For who is on hold.
    pub music: Option<Arc<Clip>>,
    /// What the echo says first.
    pub announcement: Option<Arc<Clip>>,
    /// Whose tone tells a caller that the other telephone rings, where the gateway tells that.
    pub ringback: Option<Country>,
}

impl Sounds {
    /// Reads the files that the section names.
    ///
    /// # Errors
    /// A sentence naming the key and the file, and what a file shall be.
    pub(super) fn read(section: &MediaSection) -> anyhow::Result<Self> {
        let clip = |file: &Path| read(file).map(Arc::new);
        let music = section.music_on_hold.as_deref().map(clip).transpose();
        let announcement = section.echo_announcement.as_deref().map(clip);
        Ok(Self {
            music: music.context("sip.media.music-on-hold")?,
            announcement: announcement
                .transpose()
                .context("sip.media.echo-announcement")?,
            ringback: section.ringback_tone.then_some(section.tones.0),
        })
    }

    /// The music, again and again.
    pub(super) fn music(&self) -> Option<Sound> {
        let clip = Arc::clone(self.music.as_ref()?);
        Some(Sound::Clip {
            clip,
            repeats: true,
        })
    }

    /// What the echo says first.
    pub(super) fn announcement(&self) -> Option<Sound> {
        let clip = Arc::clone(self.announcement.as_ref()?);
        Some(Sound::Clip {
            clip,
            repeats: false,
        })
    }

    /// The tone of a telephone that rings.
    pub(super) fn ringback(&self) -> Option<Sound> {
        let country = self.ringback?;
        Some(Sound::Tone(country, Signal::Ringback))
    }
}

/// A recording, as a file of WAV.
fn read(file: &Path) -> anyhow::Result<Clip> {
    let name = file.display();
    let opened = File::open(file).with_context(|| format!("{name} cannot be read"))?;
    let mut reader =
        WavReader::new(BufReader::new(opened)).with_context(|| format!("{name} is no WAV file"))?;
    let spec = reader.spec();
    ensure!(
        spec.sample_format == SampleFormat::Int
            && spec.bits_per_sample == 16
            && matches!(spec.channels, 1 | 2),
        "{name} has {} channels of {} bits; one or two of 16 bits (PCM) are taken",
        spec.channels,
        spec.bits_per_sample
    );
    let rate = Rate::ALL.into_iter().find(|it| it.hz() == spec.sample_rate);
    let rate = rate.with_context(|| {
        format!(
            "{name} has {} samples a second; 8000, 16000 or 48000 are taken",
            spec.sample_rate
        )
    })?;
    let (len, most) = (reader.duration() as usize, Clip::len_max(rate));
    ensure!(
        len <= most,
        "{name} is {} s long; at most {} s are taken at {} samples a second",
        len / rate.hz() as usize,
        most / rate.hz() as usize,
        rate.hz()
    );
    let samples = reader.samples::<i16>().collect::<Result<Vec<_>, _>>();
    let samples = samples.with_context(|| format!("{name} cannot be read to its end"))?;
    let samples = match spec.channels {
        1 => samples,
        _ => samples.as_chunks().0.iter().map(both).collect(),
    };
    Clip::new(rate, samples).with_context(|| name.to_string())
}

/// Two channels as one.
const fn both([left, right]: &[i16; 2]) -> i16 {
    left.midpoint(*right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of WAV with so many channels, bits and samples a second, and so many samples of silence.
    fn wav(channels: u16, bits: u16, hz: u32, len: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let spec = hound::WavSpec {
            channels,
            sample_rate: hz,
            bits_per_sample: bits,
            sample_format: SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(file.path(), spec).unwrap();
        for _ in 0..len * u32::from(channels) {
            writer.write_sample(7_i16).unwrap();
        }
        writer.finalize().unwrap();
        file
    }

    #[test]
    fn recordings_of_telephony_are_read_and_others_are_refused_with_what_would_do() {
        for (channels, hz) in [(1, 8_000), (2, 16_000), (1, 48_000)] {
            let file = wav(channels, 16, hz, hz);
            let clip = read(file.path()).unwrap();
            assert_eq!(clip.duration().as_millis(), 1000, "{hz}");
        }
        let rows = [
            (wav(1, 16, 44_100, 44_100), "44100 samples a second; 8000"),
            (wav(3, 16, 8_000, 8_000), "3 channels of 16 bits"),
            (wav(1, 24, 8_000, 8_000), "1 channels of 24 bits"),
            (wav(1, 16, 8_000, 8_000 * 601), "601 s long; at most 600 s"),
            (
                wav(1, 16, 48_000, 48_000 * 201),
                "201 s long; at most 200 s",
            ),
            (wav(1, 16, 8_000, 80), "10 ms of sound"),
        ];
        for (file, why) in rows {
            let error = format!("{:#}", read(file.path()).unwrap_err());
            assert!(error.contains(why), "{error}");
            assert!(error.contains(&*file.path().to_string_lossy()), "{error}");
        }
        let no_wav = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(no_wav.path(), "ID3 this is none").unwrap();
        let error = format!("{:#}", read(no_wav.path()).unwrap_err());
        assert!(error.contains("is no WAV file"), "{error}");
        let cut = wav(1, 16, 8_000, 8_000);
        let bytes = std::fs::read(cut.path()).unwrap();
        std::fs::write(cut.path(), &bytes[..bytes.len() / 2]).unwrap();
        assert!(read(cut.path()).is_err());
    }
}

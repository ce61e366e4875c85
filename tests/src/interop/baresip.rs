//! baresip as a telephone, with libsrtp beneath it: it says a tone, keeps what it hears, and that is judged by
//! frequency.

use std::f64::consts::TAU;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};

use super::gateway::{Addresses, CALL_THROUGH, ECHO, Gateway, PORT, Setup};
use super::others::output;
use crate::harness::Programs;

/// Samples per second of the tone, and how many there are.
const RATE: u32 = 8000;
const SAMPLES: u32 = 2 * RATE;
/// The tone of who calls, and that of who is called.
const TONES: [f64; 2] = [500.0, 800.0];
/// The share of what is heard that has to be in the tone.
const SHARE_MIN: f64 = 0.9;

/// A call of baresip: what the gateway is set to, and what the telephones are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    /// The policy of `[sip.media]`; without one, media are not relayed.
    srtp: Option<&'static str>,
    /// Media encryption of who calls, as baresip names it.
    caller: &'static str,
    /// Media encryption of who is called through the gateway; without one, it is the echo.
    called: Option<&'static str>,
    /// The status that refuses the call, if it is refused.
    refused: Option<&'static str>,
}

const SDES: &str = ";mediaenc=srtp-mand";

/// Over TCP, baresip's own end has an address that it cannot be told, and that is no PBX's here.
pub(super) const CASES: [Case; 6] = [
    Case {
        name: "baresip udp: echo, its tone comes back",
        srtp: None,
        caller: "",
        called: None,
        refused: None,
    },
    Case {
        name: "baresip udp: echo with SRTP, its tone comes back",
        srtp: Some("require"),
        caller: SDES,
        called: None,
        refused: None,
    },
    Case {
        name: "baresip udp: through, SRTP on both sides",
        srtp: Some("require"),
        caller: SDES,
        called: Some(SDES),
        refused: None,
    },
    Case {
        name: "baresip udp: through, SRTP to RTP",
        srtp: Some("prefer"),
        caller: SDES,
        called: Some(""),
        refused: None,
    },
    Case {
        name: "baresip udp: through, RTP to SRTP",
        srtp: Some("prefer"),
        caller: "",
        called: Some(";mediaenc=srtp"),
        refused: None,
    },
    Case {
        name: "baresip udp: RTP where SRTP is required",
        srtp: Some("require"),
        caller: "",
        called: None,
        refused: Some("488 Not Acceptable Here"),
    },
];

/// Whether the call went as it must, and what was said.
pub(super) fn run(programs: &Programs, case: &Case) -> Result<(bool, String)> {
    let more = case.srtp.map_or_else(String::new, |policy| {
        format!("[sip.media]\nsrtp = \"{policy}\"\nfirst-port = 20000\nlast-port = 20099\n")
    });
    let at = Addresses::choose()?;
    let setup = Setup {
        at,
        transport: "udp",
        authenticate: false,
        md5: false,
        channels: 30,
        more: &more,
    };
    let gateway = Gateway::start_as(programs, &setup)?;
    let to = at.gateway;
    let called = case.called.map(|encryption| {
        let telephone = Telephone {
            folder: gateway.folder().join("called"),
            at: at.second,
            port: PORT,
            account: format!(
                "<sip:{CALL_THROUGH}@{}:{PORT};transport=tcp>;regint=0;answermode=auto{encryption}",
                at.second
            ),
            tone: TONES[1],
        };
        telephone.wait()
    });
    let called = called.transpose()?;
    let caller = Telephone {
        folder: gateway.folder().join("caller"),
        at: at.pbx,
        port: 6060,
        account: format!(
            "<sip:2001@{}>;regint=0;outbound=\"sip:{to}:{PORT};transport=udp\"{}",
            at.pbx, case.caller
        ),
        tone: TONES[0],
    };
    let number = if called.is_some() { CALL_THROUGH } else { ECHO };
    let said = caller.call(&format!("sip:{number}@{to}"))?;
    let mut words = format!("{said}\n{}", gateway.log());
    if let Some(waiting) = &called {
        words += &std::fs::read_to_string(waiting.folder.join("said"))?;
    }
    if let Some(status) = case.refused {
        return Ok((said.contains(status), words));
    }
    let closed = said.contains("\nBYE sip:") && said.contains(" BYE\r\n");
    let mut heard = vec![(&caller.folder, TONES[usize::from(called.is_some())])];
    let of_called = called.as_ref().map(|waiting| (&waiting.folder, TONES[0]));
    heard.extend(of_called);
    let mut right = closed;
    for (folder, tone) in heard {
        let share = share_of(folder, tone)?;
        words += &format!(
            "{tone} Hz is {share:.3} of what {} heard\n",
            folder.display()
        );
        right &= share >= SHARE_MIN;
    }
    Ok((right, words))
}

/// A telephone that is not started yet.
struct Telephone {
    folder: PathBuf,
    at: Ipv4Addr,
    port: u16,
    account: String,
    tone: f64,
}

/// One that waits for calls.
struct Waiting {
    folder: PathBuf,
    child: Child,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Telephone {
    fn prepare(&self) -> Result<Command> {
        let folder = &self.folder;
        std::fs::create_dir(folder)?;
        let tone = folder.join("tone.wav");
        std::fs::write(&tone, wave(self.tone))?;
        let config = format!(
            "poll_method epoll\nsip_listen {}:{}\naudio_source aufile,{}\nsnd_path {}\n\
             module_path /usr/lib/baresip/modules\nmodule g711.so\nmodule aufile.so\nmodule srtp.so\n\
             module sndfile.so\nmodule_tmp account.so\nmodule_app menu.so\n",
            self.at,
            self.port,
            tone.display(),
            folder.display()
        );
        std::fs::write(folder.join("config"), config)?;
        let account = format!("{};audio_codecs=pcma\n", self.account);
        std::fs::write(folder.join("accounts"), account)?;
        std::fs::write(folder.join("contacts"), "")?;
        let mut command = Command::new("baresip");
        command.arg("-f").arg(folder);
        command.args(["-n", &self.at.to_string(), "-s"]);
        Ok(command)
    }

    /// Calls for five seconds, and gives what it said.
    fn call(&self, to: &str) -> Result<String> {
        let mut command = self.prepare()?;
        command.args(["-t", "5", "-e", &format!("/dial {to}")]);
        output(&mut command, &self.folder, "baresip")
    }

    /// Answers what comes, for as long as it is kept.
    fn wait(self) -> Result<Waiting> {
        let mut command = self.prepare()?;
        let said = File::create(self.folder.join("said"))?;
        command.args(["-t", "20"]).stdin(Stdio::null());
        command.stdout(said.try_clone()?).stderr(said);
        let child = command.spawn().context("cannot start baresip")?;
        let folder = self.folder;
        Ok(Waiting { folder, child })
    }
}

/// How much of what a telephone heard is in that tone, 0 to 1 (Goertzel over each 100 ms, the median).
fn share_of(folder: &Path, tone: f64) -> Result<f64> {
    let recording = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with("-dec.wav"));
    // Without voice it keeps nothing.
    let Some(recording) = recording else {
        return Ok(0.0);
    };
    let bytes = std::fs::read(&recording)?;
    let at = bytes.windows(4).position(|four| four == b"data");
    let data = at.and_then(|at| bytes.get(at + 8..)).unwrap_or_default();
    let (samples, _) = data.as_chunks::<2>();
    let samples: Vec<f64> = samples
        .iter()
        .map(|bytes| f64::from(i16::from_le_bytes(*bytes)))
        .collect();
    let mut shares: Vec<f64> = samples
        .chunks_exact(RATE as usize / 10)
        .map(|chunk| share_in(chunk, tone))
        .collect();
    shares.sort_by(f64::total_cmp);
    Ok(shares.get(shares.len() / 2).copied().unwrap_or(0.0))
}

fn share_in(chunk: &[f64], tone: f64) -> f64 {
    let all: f64 = chunk.iter().map(|sample| sample * sample).sum();
    let step = TAU * tone / f64::from(RATE);
    let (mut re, mut im) = (0.0, 0.0);
    for (at, sample) in chunk.iter().enumerate() {
        let (sin, cos) = (step * at as f64).sin_cos();
        re += sample * cos;
        im += sample * sin;
    }
    if all == 0.0 {
        return 0.0;
    }
    2.0 * (re * re + im * im) / (chunk.len() as f64 * all)
}

/// One channel of two seconds of a tone.
fn wave(tone: f64) -> Vec<u8> {
    let bytes = 2 * SAMPLES;
    let mut wave = Vec::new();
    wave.extend(b"RIFF");
    wave.extend((36 + bytes).to_le_bytes());
    wave.extend(b"WAVEfmt ");
    wave.extend(16_u32.to_le_bytes());
    // Linear samples, one channel.
    wave.extend([1, 0, 1, 0]);
    wave.extend(RATE.to_le_bytes());
    wave.extend((2 * RATE).to_le_bytes());
    // Bytes and bits of a sample.
    wave.extend([2, 0, 16, 0]);
    wave.extend(b"data");
    wave.extend(bytes.to_le_bytes());
    for sample in 0..SAMPLES {
        let turns = tone * f64::from(sample) / f64::from(RATE);
        let level = (8000.0 * (TAU * turns).sin()) as i16;
        wave.extend(level.to_le_bytes());
    }
    wave
}

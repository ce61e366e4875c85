//! `ringway csta record`: every frame of a session, to a file.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use cloud_uplink::Timestamp;
use net::clock;

use super::record::{Head, Sender, missed_line};
use super::session::{Seen, Session, lost};
use super::{RecordArgs, options, print, until_stopped};

/// What was written is on its way to the disk after this time, for who looks at the file meanwhile.
const FLUSH: Duration = Duration::from_secs(1);

struct Recorder {
    file: BufWriter<File>,
    ours: u64,
    theirs: u64,
    missed: u64,
}

pub(super) async fn run(args: &RecordArgs) -> anyhow::Result<ExitCode> {
    let devices = options::devices(&args.devices)?;
    let link = args.pbx.link()?;
    let name = args.file.display();
    // Numbers and names of people are in it.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&args.file);
    let mut recorder = Recorder {
        file: BufWriter::new(file.with_context(|| format!("cannot write {name}"))?),
        ours: 0,
        theirs: 0,
        missed: 0,
    };
    let started = Timestamp::from_unix_ms(clock::unix_ms());
    let head = Head::new(link.endpoint.address.clone(), started);
    writeln!(recorder.file, "{}", head.to_line())?;
    let mut session = match Session::open(link, devices).await {
        Ok(session) => session,
        Err(error) => {
            // There is nothing in it; the same name can be used for the next try.
            let _ = std::fs::remove_file(&args.file);
            return Err(error);
        }
    };
    print(&format!("associated; recording to {name}, Ctrl-C ends"))?;
    let over = recorder.follow(&mut session, args.run_for).await;
    let (rest, reason) = session.close().await;
    for heard in &rest {
        recorder.write(heard)?;
    }
    recorder
        .file
        .flush()
        .with_context(|| format!("cannot write {name}"))?;
    let Recorder {
        ours,
        theirs,
        missed,
        ..
    } = recorder;
    print(&format!(
        "{name}: {theirs} frames of the PBX, {ours} of ours; {reason}"
    ))?;
    if missed > 0 {
        print(&format!(
            "{missed} frames are missing, the file says where: it was not written in time"
        ))?;
    }
    match over? {
        true => Ok(ExitCode::SUCCESS),
        false => Err(lost(&reason)),
    }
}

impl Recorder {
    /// Writes what is heard until it is time to end; `false` if the association ended first.
    async fn follow(
        &mut self,
        session: &mut Session,
        run_for: Option<Duration>,
    ) -> anyhow::Result<bool> {
        let stopped = until_stopped(run_for);
        tokio::pin!(stopped);
        let mut flush = tokio::time::interval(FLUSH);
        loop {
            tokio::select! {
                result = &mut stopped => return result.map(|()| true),
                _ = flush.tick() => self.file.flush()?,
                heard = session.next() => match heard {
                    Some(heard) => self.write(&heard)?,
                    None => return Ok(false),
                },
            }
        }
    }

    fn write(&mut self, heard: &Seen) -> anyhow::Result<()> {
        let frame = match heard {
            Seen::Frame(frame) => frame,
            Seen::Missed(missed) if missed.frames > 0 => {
                self.missed += missed.frames;
                return Ok(writeln!(self.file, "{}", missed_line(missed.frames))?);
            }
            Seen::Missed(_) | Seen::Client(_) => return Ok(()),
        };
        match frame.from {
            Sender::Us => self.ours += 1,
            Sender::Pbx => self.theirs += 1,
        }
        Ok(writeln!(self.file, "{}", frame.to_line())?)
    }
}

//! `ringway csta record`: every frame of a session, to a file.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use cloud_uplink::Timestamp;
use net::clock;

use super::record::{Head, Sender, cut_line, missed_line};
use super::session::{Cut, OnCut, Seen, Session, lost};
use super::{RecordArgs, options, print, until_stopped};
use crate::cli::complain;

/// What was written is on its way to the disk after this time, for who looks at the file meanwhile.
const FLUSH: Duration = Duration::from_secs(1);

struct Recorder {
    file: BufWriter<File>,
    ours: u64,
    theirs: u64,
    missed: u64,
    cuts: u64,
    is_cut: bool,
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
        cuts: 0,
        is_cut: false,
    };
    let started = Timestamp::from_unix_ms(clock::unix_ms());
    let head = Head::new(link.endpoint.address.clone(), started);
    writeln!(recorder.file, "{}", head.to_line())?;
    let mut session = match Session::open(link, devices, OnCut::ConnectAgain).await {
        Ok(session) => session,
        Err(error) => {
            // There is nothing in it; the same name can be used for the next try.
            let _ = std::fs::remove_file(&args.file);
            return Err(error);
        }
    };
    let stopped = until_stopped(args.run_for)?;
    print(&format!("associated; recording to {name}, Ctrl-C ends"))?;
    let over = recorder.follow(&mut session, stopped).await;
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
        cuts,
        ..
    } = recorder;
    print(&format!(
        "{name}: {theirs} frames of the PBX, {ours} of ours; {reason}"
    ))?;
    if cuts > 0 {
        let times = if cuts == 1 { "once" } else { "several times" };
        print(&format!(
            "the link was cut {times}, the file says where; what happened meanwhile is not in it"
        ))?;
    }
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
        stopped: impl Future<Output = ()>,
    ) -> anyhow::Result<bool> {
        tokio::pin!(stopped);
        let mut flush = tokio::time::interval(FLUSH);
        loop {
            tokio::select! {
                () = &mut stopped => return Ok(true),
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
            Seen::Cut(Cut { time, ms, reason }) => {
                if !self.is_cut {
                    self.cuts += 1;
                }
                self.is_cut = true;
                complain(&format!("the link is down: {reason}; tried again"));
                return Ok(writeln!(self.file, "{}", cut_line(*time, *ms, reason))?);
            }
            Seen::Again => {
                self.is_cut = false;
                complain("the link is up again");
                return Ok(());
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

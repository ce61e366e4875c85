//! What happened lately, in bounded memory, for the portal and the support bundle: frames of the PBX's
//! link, events, and figures of each minute of a day. Log lines are kept by `logging`.

mod minutes;
mod ring;

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloud_uplink::{Event, Timestamp};
use net::clock;
use net::tcp::BoxedStream;

use crate::csta_tools::record::{Frame, Head, Sender};
use crate::csta_tools::tap::Ear;

pub(crate) use self::minutes::{Counted, Minute, Minutes};
pub(crate) use self::ring::Ring;

/// Bytes of frames that are kept.
const FRAMES_MAX: usize = 2 * 1024 * 1024;
/// Bytes of events that are kept.
const EVENTS_MAX: usize = 1024 * 1024;

/// What happened lately.
pub(crate) struct Recent {
    frames: Arc<Mutex<Ring<Frame>>>,
    events: Mutex<Ring<Told>>,
    minutes: Mutex<Minutes>,
    ear: Ear,
}

/// An event as it went into the outbox.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    /// When it happened.
    pub(crate) at: Timestamp,
    /// The whole of it, as JSON.
    pub(crate) body: String,
    /// Numbers of the frames that were read with what it came of.
    frames: Range<u64>,
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").finish_non_exhaustive()
    }
}

impl Default for Recent {
    fn default() -> Self {
        let frames = Arc::new(Mutex::new(Ring::new(FRAMES_MAX)));
        let into = Arc::clone(&frames);
        let ear = Ear::new(move |frame| {
            let len = frame.body.len();
            lock(&into).push(frame, len);
        });
        Self {
            frames,
            events: Mutex::new(Ring::new(EVENTS_MAX)),
            minutes: Mutex::default(),
            ear,
        }
    }
}

impl Recent {
    /// The link to the PBX, whose frames are kept from now on.
    pub(crate) fn listen_to(&self, link: BoxedStream) -> BoxedStream {
        self.ear.listen_to(link)
    }

    /// The number of the next frame.
    pub(crate) fn next_frame(&self) -> u64 {
        lock(&self.frames).next()
    }

    /// Keeps an event that came of the frames from `first` on.
    pub(crate) fn told(&self, event: &Event, body: &str, first: u64) {
        let told = Told {
            at: event.time,
            body: body.to_owned(),
            frames: first..self.next_frame(),
        };
        lock(&self.events).push(told, body.len());
    }

    /// The newest events that `fits` takes, newest first, each with the CSTA events that were read with
    /// it, as far as they are still kept.
    pub(crate) fn events(
        &self,
        max: usize,
        fits: impl Fn(&Told) -> bool,
    ) -> Vec<(Told, Vec<String>)> {
        let events: Vec<Told> = {
            let events = lock(&self.events);
            let newest = events.iter().rev().map(|(_, told)| told);
            newest
                .filter(|told| fits(told))
                .take(max)
                .cloned()
                .collect()
        };
        let frames = lock(&self.frames);
        let with_frames = events.into_iter().map(|told| {
            let frames = frames.range(told.frames.clone());
            let theirs = frames.filter(|frame| frame.from == Sender::Pbx && !frame.lost);
            let xml = theirs.map(|frame| String::from_utf8_lossy(&frame.body).into_owned());
            let xml = xml.collect();
            (told, xml)
        });
        with_frames.collect()
    }

    /// The frames as `ringway csta record` writes them; credentials are left out.
    pub(crate) fn record(&self, pbx: &str) -> String {
        let frames = lock(&self.frames);
        let first = frames.iter().next().map(|(_, frame)| frame.time);
        let started = first.unwrap_or_else(|| Timestamp::from_unix_ms(clock::unix_ms()));
        let mut text = Head::new(pbx.to_owned(), started).to_line();
        for (_, frame) in frames.iter() {
            text.push('\n');
            text.push_str(&frame.to_line());
        }
        text.push('\n');
        text
    }

    /// The figures by minute.
    pub(crate) fn minutes(&self) -> MutexGuard<'_, Minutes> {
        lock(&self.minutes)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

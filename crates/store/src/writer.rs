//! One thread that works off jobs in groups.
//!
//! It blocks for the first job and then takes whatever queued up during the last group: an idle
//! store commits at once, a busy one shares each commit among all who wait for it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::stats::Stopwatch;

/// Jobs waiting; above this they are refused. A second's worth of the fastest burst.
pub(crate) const QUEUE_JOBS_MAX: usize = 16_384;
/// Bytes waiting; above this jobs are refused.
pub(crate) const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Places beyond [`QUEUE_JOBS_MAX`] for the few jobs that must not drown in events: commands.
pub(crate) const QUEUE_JOBS_RESERVED: usize = 1_024;
/// Jobs per group; bounds how long the first one waits for the last.
pub(crate) const GROUP_JOBS_MAX: usize = 512;
/// Bytes per group.
pub(crate) const GROUP_BYTES_MAX: usize = 1 << 20;
/// Quiet time after which the engine gets a turn for its chores.
pub(crate) const IDLE_AFTER: Duration = Duration::from_millis(250);

/// What a store says whose writer thread is no more.
pub(crate) const WRITER_GONE: &str = "the store's writer thread has ended";

/// Does the work; lives on the writer thread.
pub(crate) trait Engine<J>: Send + 'static {
    /// Works off one group, in order, callbacks included.
    fn group(&mut self, jobs: Vec<J>);
    /// Nothing has come for [`IDLE_AFTER`].
    fn idle(&mut self);
}

/// The queue's end that the rest of the process holds; dropping it drains the queue.
pub(crate) struct Writer<J> {
    shared: Arc<Shared<J>>,
    thread: Option<JoinHandle<()>>,
}

/// Who may use the reserved places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Ordinary,
    Reserved,
}

/// Why a job was not queued; it comes back.
pub(crate) enum Refused<J> {
    Full(J),
    Closed(J),
}

struct Shared<J> {
    queue: Mutex<Queue<J>>,
    /// Something to do, or closed.
    work: Condvar,
    /// A group is finished.
    progress: Condvar,
}

struct Queue<J> {
    jobs: VecDeque<(J, usize, Stopwatch)>,
    /// Runs since the first job of the group at work was queued.
    working: Option<Stopwatch>,
    bytes: usize,
    closed: bool,
    /// A test wishes the thread to panic.
    panic: bool,
    /// Jobs ever queued, and finished.
    queued: u64,
    finished: u64,
    refused: u64,
}

impl<J: Send + 'static> Writer<J> {
    pub(crate) fn spawn(name: &str, engine: impl Engine<J>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                working: None,
                bytes: 0,
                closed: false,
                panic: false,
                queued: 0,
                finished: 0,
                refused: 0,
            }),
            work: Condvar::new(),
            progress: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let closer = Closer(theirs);
                closer.0.work_off(engine);
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Queues a job of that many bytes; never blocks.
    pub(crate) fn try_submit(&self, job: J, bytes: usize, class: Class) -> Result<(), Refused<J>> {
        let mut queue = self.shared.lock();
        if queue.closed {
            return Err(Refused::Closed(job));
        }
        let (jobs_max, bytes_max) = match class {
            Class::Ordinary => (QUEUE_JOBS_MAX, QUEUE_BYTES_MAX),
            Class::Reserved => (QUEUE_JOBS_MAX + QUEUE_JOBS_RESERVED, 2 * QUEUE_BYTES_MAX),
        };
        // A single job larger than the bound would never fit: an empty queue takes anything.
        let fits = queue.jobs.len() < jobs_max && queue.bytes + bytes <= bytes_max;
        if !fits && !queue.jobs.is_empty() {
            queue.refused += 1;
            return Err(Refused::Full(job));
        }
        queue.jobs.push_back((job, bytes, Stopwatch::start()));
        queue.bytes += bytes;
        queue.queued += 1;
        drop(queue);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Waits until everything queued so far is finished, or the thread is gone.
    pub(crate) fn flush(&self) {
        let mut queue = self.shared.lock();
        let target = queue.queued;
        while queue.finished < target && !self.is_gone() {
            queue = self
                .shared
                .progress
                .wait_timeout(queue, IDLE_AFTER)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Jobs waiting, and jobs refused so far.
    pub(crate) fn load(&self) -> (u64, u64) {
        let queue = self.shared.lock();
        (queue.jobs.len() as u64, queue.refused)
    }

    /// For how long the oldest job that is not finished has waited; zero when there is none.
    pub(crate) fn waiting(&self) -> Duration {
        let queue = self.shared.lock();
        let queued = queue.jobs.front().map(|(.., queued)| *queued);
        let oldest = queue.working.or(queued);
        oldest.map_or(Duration::ZERO, |watch| watch.elapsed())
    }

    /// A fault switch for tests: the thread panics.
    pub(crate) fn panic(&self) {
        self.shared.lock().panic = true;
        self.shared.work.notify_one();
    }

    /// Whether the thread takes jobs; once false, it stays so.
    pub(crate) fn is_running(&self) -> bool {
        !self.shared.lock().closed
    }

    fn is_gone(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl<J> fmt::Debug for Writer<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<J> Drop for Writer<J> {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A callback may hold the last reference; the thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the store's writer thread panicked");
        }
    }
}

impl<J> Shared<J> {
    fn lock(&self) -> MutexGuard<'_, Queue<J>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work_off(&self, mut engine: impl Engine<J>) {
        while let Some(jobs) = self.next_group(&mut engine) {
            let count = jobs.len() as u64;
            engine.group(jobs);
            let mut queue = self.lock();
            queue.finished += count;
            queue.working = None;
            drop(queue);
            self.progress.notify_all();
        }
    }

    /// `None`: closed and drained.
    fn next_group(&self, engine: &mut impl Engine<J>) -> Option<Vec<J>> {
        let mut queue = self.lock();
        while queue.jobs.is_empty() {
            assert!(!queue.panic, "as a test wished");
            if queue.closed {
                return None;
            }
            let (back, waited) = self
                .work
                .wait_timeout(queue, IDLE_AFTER)
                .unwrap_or_else(PoisonError::into_inner);
            queue = back;
            if waited.timed_out() && queue.jobs.is_empty() && !queue.closed {
                drop(queue);
                engine.idle();
                queue = self.lock();
            }
        }
        let mut group = Vec::new();
        let mut group_bytes = 0;
        queue.working = queue.jobs.front().map(|(.., queued)| *queued);
        while let Some((_, bytes, _)) = queue.jobs.front() {
            group_bytes += bytes;
            let full = group.len() == GROUP_JOBS_MAX || group_bytes > GROUP_BYTES_MAX;
            if full && !group.is_empty() {
                break;
            }
            if let Some((job, bytes, _)) = queue.jobs.pop_front() {
                queue.bytes -= bytes;
                group.push(job);
            }
        }
        Some(group)
    }
}

/// Lets nobody queue for a thread that is gone, however it went.
struct Closer<J>(Arc<Shared<J>>);

impl<J> Drop for Closer<J> {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        queue.bytes = 0;
        let unheard = std::mem::take(&mut queue.jobs);
        drop(queue);
        // Whoever waits for one of them learns that nothing comes.
        drop(unheard);
        self.0.progress.notify_all();
    }
}

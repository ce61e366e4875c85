//! The writer thread's half of the far end's store.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use super::types::{
    CommandPut, Content, Done, Ingest, IngestItem, Ingested, LegChange, NewCommand, OnCommit,
    Owner, StoredEvent, StreamInfo, View,
};
use super::{commands, endpoints, log, records, streams, view};
use crate::db::{Db, Verdict, Work};
use crate::error::{IngestError, StoreError};
use crate::writer::Engine;

/// Why a new stream that does not begin at 1 has a gap before its first event.
const BEFORE_FIRST_CONTACT: &str = "before-first-contact";

pub(super) enum Job {
    Ingest {
        batch: Ingest,
        done: Done<Ingested, IngestError>,
        /// What came of it, and the new rows.
        found: Option<Result<(Ingested, Vec<StoredEvent>), IngestError>>,
    },
    ReplaceView {
        snapshot: Snapshot,
        done: Done<(), IngestError>,
        found: Option<Result<(), IngestError>>,
    },
    CommandPut(NewCommand, Done<CommandPut>, Option<CommandPut>),
    CommandDone(String, String, Done<()>, Option<bool>),
    Prune(Due),
}

/// What is too old.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) now_ms: i64,
    pub(super) events_before_ms: i64,
    pub(super) records_before_ms: i64,
    pub(super) records_max: u64,
}

pub(super) struct Snapshot {
    pub(super) info: StreamInfo,
    pub(super) as_of: u64,
    pub(super) view: View,
    pub(super) now_ms: i64,
}

/// Counters since start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counters {
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) refused: u64,
}

pub(super) struct CloudEngine {
    pub(super) db: Db,
    pub(super) on_commit: OnCommit,
    pub(super) counters: Arc<Mutex<Counters>>,
    /// Retention has more to remove.
    pub(super) prune_left: Option<Due>,
}

/// One group on the disk.
#[derive(Default)]
struct OnDisk {
    prune_left: Option<Due>,
}

impl Engine<Job> for CloudEngine {
    fn group(&mut self, mut jobs: Vec<Job>) {
        let mut work = OnDisk {
            prune_left: self.prune_left,
        };
        match self.db.group(&mut jobs, &mut work) {
            Ok(results) => {
                self.prune_left = work.prune_left;
                self.finish(jobs, results);
            }
            Err(error) => {
                tracing::error!(%error, "the far end's store could not commit");
                let error = StoreError::Disk(error.to_string());
                let results = jobs.iter().map(|_| Err(error.clone())).collect();
                self.finish(jobs, results);
            }
        }
        self.db.checkpoint(false);
    }

    fn idle(&mut self) {
        if let Some(due) = self.prune_left {
            self.group(vec![Job::Prune(due)]);
        }
        self.db.checkpoint(true);
    }
}

impl CloudEngine {
    /// New rows first, then whoever waits for them.
    fn finish(&mut self, mut jobs: Vec<Job>, results: Vec<Result<(), StoreError>>) {
        let mut rows = Vec::new();
        for (job, result) in jobs.iter_mut().zip(&results) {
            if let (
                Job::Ingest {
                    found: Some(Ok((_, new))),
                    ..
                },
                Ok(()),
            ) = (job, result)
            {
                rows.append(new);
            }
        }
        if !rows.is_empty() {
            (self.on_commit)(Arc::from(rows));
        }
        for (job, result) in jobs.into_iter().zip(results) {
            self.answer(job, result);
        }
    }

    fn answer(&self, job: Job, result: Result<(), StoreError>) {
        let unreached = || Err(StoreError::Closed);
        match job {
            Job::Ingest { found, done, .. } => {
                let outcome = match result {
                    Ok(()) => found.unwrap_or_else(|| Err(StoreError::Closed.into())),
                    Err(error) => Err(error.into()),
                };
                let outcome = outcome.map(|(ingested, _)| ingested);
                self.count(&outcome);
                done(outcome);
            }
            Job::ReplaceView { found, done, .. } => done(match result {
                Ok(()) => found.unwrap_or_else(|| Err(StoreError::Closed.into())),
                Err(error) => Err(error.into()),
            }),
            Job::CommandPut(_, done, found) => {
                done(result.and_then(|()| found.map_or_else(unreached, Ok)));
            }
            Job::CommandDone(_, _, done, found) => done(result.and_then(|()| match found {
                Some(true) => Ok(()),
                Some(false) => Err(StoreError::NotFound),
                None => unreached().map(drop),
            })),
            Job::Prune(_) => {}
        }
    }

    fn count(&self, outcome: &Result<Ingested, IngestError>) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(ingested) => {
                counters.stored += ingested.new as u64;
                counters.duplicates += ingested.duplicates as u64;
            }
            Err(_) => counters.refused += 1,
        }
    }
}

impl Job {
    /// Tells the caller that it was not even queued.
    pub(super) fn refuse(self, error: StoreError) {
        match self {
            Self::Ingest { done, .. } => done(Err(error.into())),
            Self::ReplaceView { done, .. } => done(Err(error.into())),
            Self::CommandPut(_, done, _) => done(Err(error)),
            Self::CommandDone(_, _, done, _) => done(Err(error)),
            // Done with the next call.
            Self::Prune(_) => {}
        }
    }
}

impl Ingest {
    /// Bytes it occupies in the queue.
    pub(super) fn bytes(&self) -> usize {
        let leg = |change: &LegChange| match change {
            LegChange::Put(leg) => leg.body.len(),
            LegChange::Delete { leg_id } => leg_id.len(),
        };
        let item = |item: &IngestItem| {
            let body = match &item.content {
                Content::Event { body, .. } => body.len(),
                Content::Gap { reason, .. } => reason.len(),
            };
            let record = item.record.as_ref().map_or(0, |record| record.body.len());
            let voice = item.voice.as_ref().map_or(0, |voice| voice.body.len());
            body + record + voice + item.legs.iter().map(leg).sum::<usize>()
        };
        self.items.iter().map(item).sum()
    }
}

impl Work<Job> for OnDisk {
    fn run(&mut self, conn: &Connection, job: &mut Job) -> rusqlite::Result<Verdict> {
        let kept = match job {
            Job::Ingest { batch, found, .. } => {
                let outcome = ingest(conn, batch)?;
                found.insert(outcome).is_ok()
            }
            Job::ReplaceView {
                snapshot, found, ..
            } => {
                let outcome = replace_view(conn, snapshot)?;
                found.insert(outcome).is_ok()
            }
            Job::CommandPut(command, _, found) => {
                *found = Some(commands::put(conn, command)?);
                true
            }
            Job::CommandDone(id, outcome, _, found) => {
                *found = Some(commands::done(conn, id, outcome)?);
                true
            }
            Job::Prune(due) => {
                commands::prune(conn, due.now_ms)?;
                let more_events = log::prune(conn, due.events_before_ms)?;
                let more_records = records::prune(conn, due.records_before_ms, due.records_max)?;
                self.prune_left = (more_events || more_records).then_some(*due);
                true
            }
        };
        Ok(if kept { Verdict::Keep } else { Verdict::Undo })
    }
}

type Stored<T> = rusqlite::Result<Result<T, IngestError>>;

fn ingest(conn: &Connection, batch: &Ingest) -> Stored<(Ingested, Vec<StoredEvent>)> {
    let stream = match streams::admit(conn, &batch.info, batch.now_ms)? {
        Ok(stream) => stream,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut rows = Vec::with_capacity(batch.items.len());
    let mut store = |seq: u64, content: Content| {
        let cursor = log::insert(conn, stream.id, seq, &content, batch.now_ms)?;
        rows.push(StoredEvent {
            cursor,
            stream: batch.info.stream,
            seq,
            owner: batch.info.owner.clone(),
            content,
        });
        Ok::<_, rusqlite::Error>(cursor)
    };
    let (mut last_seq, mut duplicates) = (stream.last_seq, 0);
    if let (true, Some(first)) = (stream.is_new, batch.items.first())
        && first.seq > 1
    {
        let (to, reason) = (first.seq - 1, Arc::from(BEFORE_FIRST_CONTACT));
        store(1, Content::Gap { to, reason })?;
        last_seq = to;
    }
    for item in &batch.items {
        let Some(content) = unseen(item, last_seq) else {
            duplicates += 1;
            continue;
        };
        if item.seq > last_seq + 1 {
            return Ok(Err(IngestError::Hole {
                expected: last_seq + 1,
                found: item.seq,
            }));
        }
        let seq = last_seq + 1;
        last_seq = last_of(seq, &content);
        let cursor = store(seq, content)?;
        if let Some(record) = &item.record {
            records::insert(conn, &batch.info.owner, cursor, record)?;
        }
        if let Some(voice) = &item.voice {
            records::insert_voice(conn, &batch.info.owner, cursor, voice)?;
        }
        change_view(conn, &batch.info.owner, stream.id, item)?;
    }
    if last_seq > stream.last_seq {
        streams::advance(conn, stream.id, last_seq, batch.now_ms)?;
    }
    let ends = rows.first().zip(rows.last());
    let ingested = Ingested {
        acked: last_seq,
        new: rows.len(),
        duplicates,
        cursors: ends.map(|(first, last)| (first.cursor, last.cursor)),
    };
    Ok(Ok((ingested, rows)))
}

fn change_view(
    conn: &Connection,
    owner: &Owner,
    stream: i64,
    item: &IngestItem,
) -> rusqlite::Result<()> {
    let changes = !item.legs.is_empty() || item.endpoint.is_some() || item.all.is_some();
    if !changes || !view::is_due(conn, owner, stream, item.seq)? {
        return Ok(());
    }
    if let Some(change) = &item.all {
        view::change_all(conn, owner, change)?;
    }
    for change in &item.legs {
        view::change(conn, owner, change)?;
    }
    if let Some(change) = &item.endpoint {
        endpoints::change(conn, owner, change)?;
    }
    Ok(())
}

/// What of the item is new; a gap may have grown since it was stored.
fn unseen(item: &IngestItem, last_seq: u64) -> Option<Content> {
    (last_of(item.seq, &item.content) > last_seq).then(|| item.content.clone())
}

fn last_of(seq: u64, content: &Content) -> u64 {
    match content {
        Content::Event { .. } => seq,
        Content::Gap { to, .. } => *to,
    }
}

fn replace_view(conn: &Connection, snapshot: &Snapshot) -> Stored<()> {
    let Snapshot {
        info,
        as_of,
        view,
        now_ms,
    } = snapshot;
    match streams::admit(conn, info, *now_ms)? {
        Ok(stream) => {
            view::replace(conn, &info.owner, stream.id, *as_of, view)?;
            Ok(Ok(()))
        }
        Err(refusal) => Ok(Err(refusal)),
    }
}

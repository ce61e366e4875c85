//! The application's end: reads every event from a cursor, over and over again, and keeps account.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_uplink::event::LegChange;
use cloud_uplink::{Event, LegState};
use tokio::task::JoinHandle;

use super::stream::{Arrival, StreamAccount};
use crate::harness::events::ConnectError;
use crate::harness::rows::digest;
use crate::harness::{Api, EventStream, Leg, Received};

/// Wait before the next connection when the far end is away.
const TRY_AGAIN: Duration = Duration::from_millis(30);
/// Most complaints kept word for word; all are counted.
const COMPLAINTS_MAX: usize = 40;

/// What the reader was given so far.
#[derive(Debug, Default)]
pub struct Account {
    /// Where the next connection goes on from.
    pub cursor: u64,
    /// Each gateway stream.
    pub streams: BTreeMap<String, StreamAccount>,
    /// Live legs by their id, from events alone.
    legs: BTreeMap<String, Option<Leg>>,
    /// Distinct events.
    pub events: u64,
    /// Those of them that were inferred from a snapshot.
    pub synthetic: u64,
    /// Events sent again by the gateway after a reconnect.
    pub replayed: u64,
    /// The same event twice, or the same cursor.
    pub duplicated: u64,
    /// Events that came after one with a higher number.
    pub out_of_order: u64,
    /// Numbers that came with two different events.
    pub reused: u64,
    /// Gaps reported.
    pub gaps: u64,
    /// Connections to the event stream.
    pub connections: u64,
    /// Cursors that the far end had given and no longer knew.
    pub cursors_refused: u64,
    /// What was wrong, word for word.
    pub complaints: Vec<String>,
}

impl Account {
    /// Takes one message.
    pub fn take(&mut self, message: &Received) {
        let is_mere_cursor = message.event.is_none() && message.gap.is_none();
        if !is_mere_cursor && message.cursor <= self.cursor {
            self.duplicated += 1;
            let (cursor, had) = (message.cursor, self.cursor);
            self.complain(format!("cursor {cursor} again; {had} was there already"));
        }
        self.cursor = self.cursor.max(message.cursor);
        if let Some(gap) = &message.gap {
            self.gaps += 1;
            let stream = gap.stream.clone().unwrap_or_default();
            let account = self.streams.entry(stream).or_default();
            account.take_gap(gap.from, gap.to);
            self.complain(format!("gap reported: {gap:?}"));
        }
        let (Some(body), Some(sequence)) = (&message.event, message.sequence) else {
            return;
        };
        let stream = message.stream.clone().unwrap_or_default();
        let account = self.streams.entry(stream).or_default();
        let arrival = account.take(sequence, digest(body.get()));
        let what = match arrival {
            Arrival::Next => None,
            Arrival::Ahead(expected) => Some(format!("{sequence} came where {expected} was due")),
            Arrival::Late => {
                self.out_of_order += 1;
                Some(format!("{sequence} came late"))
            }
            Arrival::Again => {
                self.duplicated += 1;
                Some(format!("{sequence} came twice"))
            }
            Arrival::Reused => {
                self.reused += 1;
                Some(format!("{sequence} came with another event"))
            }
        };
        if let Some(what) = what {
            self.complain(what);
        }
        if !matches!(arrival, Arrival::Again | Arrival::Reused) {
            self.events += 1;
        }
        self.replayed += u64::from(message.replayed);
        match serde_json::from_str::<Event>(body.get()) {
            Ok(event) => {
                if let Some(change) = event.body.leg_change() {
                    self.take_change(change);
                }
            }
            Err(error) => self.complain(format!("{sequence} is no event: {error}")),
        }
    }

    /// The legs of extensions that the events alone lead to, sorted.
    #[must_use]
    pub fn view(&self) -> Vec<Leg> {
        let mut legs: Vec<_> = self.legs.values().flatten().cloned().collect();
        legs.sort();
        legs
    }

    /// Live legs, those of outside parties too.
    #[must_use]
    pub fn live(&self) -> usize {
        self.legs.len()
    }

    /// Notes what was wrong.
    pub fn complain(&mut self, complaint: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(complaint);
        }
    }

    fn take_change(&mut self, change: &LegChange) {
        self.synthetic += u64::from(change.synthetic);
        let id = change.leg.leg_id.to_string();
        if change.leg.state == LegState::Cleared {
            self.legs.remove(&id);
        } else {
            self.legs.insert(id, Leg::of(&change.leg));
        }
    }
}

/// The reading task; dropped, it ends.
#[derive(Debug)]
pub struct Reader {
    account: Arc<Mutex<Account>>,
    task: JoinHandle<()>,
}

impl Reader {
    /// Begins to read at the beginning.
    #[must_use]
    pub fn start(api: Api) -> Self {
        let account = Arc::new(Mutex::new(Account::default()));
        let task = tokio::spawn(read(api, Arc::clone(&account)));
        Self { account, task }
    }

    /// What it was given so far.
    pub fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.account)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn read(api: Api, account: Arc<Mutex<Account>>) {
    loop {
        let cursor = lock(&account).cursor;
        match EventStream::open(&api, cursor).await {
            Ok(mut stream) => {
                lock(&account).connections += 1;
                while let Ok(message) = stream.next().await {
                    lock(&account).take(&message);
                }
            }
            Err(ConnectError::Refused { status: 400, body }) => {
                let mut account = lock(&account);
                account.cursors_refused += 1;
                account.complain(format!("cursor {cursor} refused: {body}"));
            }
            Err(ConnectError::Refused { .. } | ConnectError::Away(_)) => {}
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}

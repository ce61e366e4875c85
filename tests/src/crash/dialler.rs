//! An application that makes calls all the while, each to a number of its own, and repeats itself: no
//! number may ever be called twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Api, Reply};

/// What every number begins with: the trunk prefix of the simulated PBX.
pub const PREFIX: &str = "0";
/// Repeats are drawn from so many of the newest orders.
const REPEATED_FROM: usize = 24;

/// One call that was ordered.
#[derive(Debug, Clone)]
struct Order {
    key: String,
    to: String,
    extension: String,
    /// The call, once some answer named it.
    call: Option<String>,
    ended: bool,
}

/// What is known of all orders.
#[derive(Debug, Default)]
struct Book {
    orders: Vec<Order>,
    /// Answers by kind: `accepted`, `none`, or the error's name.
    answers: BTreeMap<String, u64>,
    repeats: u64,
    contradictions: u64,
}

/// The application.
#[derive(Debug)]
pub struct Dialler {
    api: Api,
    book: Arc<Mutex<Book>>,
    tasks: JoinSet<()>,
}

/// What the orders came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    /// Different orders.
    pub orders: u64,
    /// Orders said to be accepted.
    pub accepted: u64,
    /// Orders sent again under the same key.
    pub repeats: u64,
    /// Numbers that the PBX was made to call more than once.
    pub dialled_twice: u64,
    /// Orders said to be accepted that the PBX knows nothing of.
    pub never_dialled: u64,
    /// Answers to one key that named different calls.
    pub contradictions: u64,
    /// Answers by kind.
    pub answers: BTreeMap<String, u64>,
}

impl Dialler {
    /// Nothing ordered so far.
    #[must_use]
    pub fn new(api: Api) -> Self {
        Self {
            api,
            book: Arc::default(),
            tasks: JoinSet::new(),
        }
    }

    /// Orders a call from an extension to a number of its own.
    pub fn dial(&mut self, extension: &str) {
        let mut book = lock(&self.book);
        let index = book.orders.len();
        let order = Order {
            key: format!("order-{index}"),
            to: format!("{PREFIX}7{index:06}"),
            extension: extension.to_owned(),
            call: None,
            ended: false,
        };
        book.orders.push(order);
        drop(book);
        self.send(index);
    }

    /// Sends some of the newest orders again, word for word.
    pub fn repeat(&mut self, count: usize, rng: &mut StdRng) {
        let orders = lock(&self.book).orders.len();
        for _ in 0..count.min(orders) {
            let index = rng.random_range(orders.saturating_sub(REPEATED_FROM)..orders);
            lock(&self.book).repeats += 1;
            self.send(index);
        }
    }

    /// Ends every call that was accepted and not ended yet.
    pub fn hang_up(&mut self) {
        let mut book = lock(&self.book);
        let mut ends = Vec::new();
        for order in book.orders.iter_mut().filter(|order| !order.ended) {
            if let Some(call) = &order.call {
                order.ended = true;
                ends.push((order.extension.clone(), call.clone()));
            }
        }
        drop(book);
        for (extension, call) in ends {
            let (api, book) = (self.api.clone(), Arc::clone(&self.book));
            self.tasks.spawn(async move {
                let path = format!("/2017-09-01/endpoints/{extension}/calls/{call}");
                let reply = api
                    .ask("PUT", &path, None, &json!({ "action": "end" }))
                    .await;
                let kind = kind(reply.as_ref().ok());
                count(&mut lock(&book).answers, format!("end: {kind}"));
            });
        }
    }

    /// The numbers ordered, with the extension that calls.
    #[must_use]
    pub fn numbers(&self) -> BTreeMap<String, String> {
        let book = lock(&self.book);
        let orders = book.orders.iter();
        orders
            .map(|order| (order.to.clone(), order.extension.clone()))
            .collect()
    }

    /// Whether some order was accepted.
    #[must_use]
    pub fn has_accepted(&self) -> bool {
        let book = lock(&self.book);
        book.orders.iter().any(|order| order.call.is_some())
    }

    /// Waits, not for ever, until every request has its answer or none is to be expected.
    pub async fn settle(&mut self, limit: Duration) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Those that are left wait for a gateway that died, and change nothing any more.
        let _ = tokio::time::timeout(limit, all).await;
    }

    /// What the orders came to, by the PBX's own count of calls made to each number.
    #[must_use]
    pub fn judge(&self, made: &BTreeMap<String, u64>) -> Orders {
        let book = lock(&self.book);
        let times = |order: &Order| made.get(&order.to).copied().unwrap_or_default();
        let number = |is: &dyn Fn(&Order) -> bool| {
            book.orders.iter().filter(|order| is(order)).count() as u64
        };
        Orders {
            orders: book.orders.len() as u64,
            accepted: number(&|order| order.call.is_some()),
            repeats: book.repeats,
            dialled_twice: number(&|order| times(order) > 1),
            never_dialled: number(&|order| order.call.is_some() && times(order) == 0),
            contradictions: book.contradictions,
            answers: book.answers.clone(),
        }
    }

    fn send(&mut self, index: usize) {
        let (api, book) = (self.api.clone(), Arc::clone(&self.book));
        self.tasks.spawn(async move {
            let order = lock(&book).orders[index].clone();
            let path = format!("/2017-09-01/endpoints/{}/calls", order.extension);
            let body = json!({ "to": order.to });
            let reply = api.ask("POST", &path, Some(&order.key), &body).await;
            lock(&book).answered(index, reply.as_ref().ok());
        });
        // Ended tasks have nothing to say.
        while self.tasks.try_join_next().is_some() {}
    }
}

impl Book {
    fn answered(&mut self, index: usize, reply: Option<&Reply>) {
        count(&mut self.answers, kind(reply));
        let accepted = reply.filter(|reply| (200..300).contains(&reply.status));
        let Some(call) =
            accepted.and_then(|reply| reply.json()["callId"].as_str().map(str::to_owned))
        else {
            return;
        };
        let known = &mut self.orders[index].call;
        self.contradictions += u64::from(known.as_ref().is_some_and(|known| *known != call));
        known.get_or_insert(call);
    }
}

/// What kind of answer it is.
fn kind(reply: Option<&Reply>) -> String {
    let Some(reply) = reply else {
        return "none".to_owned();
    };
    if (200..300).contains(&reply.status) {
        return "accepted".to_owned();
    }
    let name = reply.json()["name"].as_str().map(str::to_owned);
    name.unwrap_or_else(|| reply.status.to_string())
}

fn count(map: &mut BTreeMap<String, u64>, key: String) {
    *map.entry(key).or_default() += 1;
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What other parts tell the SIP part and hear from it, brought together in one queue.

use std::convert::Infallible;
use std::sync::Arc;

use call_control::bridge::CallKey;
use cloud_uplink::event::LegChange;
use media::relay::Digit;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, watch};

use super::peers::Peers;
use crate::config::SoftclientUser;
use crate::engine::EngineCommand;
use crate::legs::{LegEar, LegIn, LegPipe};

/// Orders that wait for the part.
pub(super) const ORDERS: usize = 64;
/// Legs of CSTA that wait to be compared with calls; one more is not compared.
const TOLD: usize = 4096;

/// Softphone users.
pub type Users = Arc<Vec<SoftclientUser>>;

/// What other parts ask of this one.
#[derive(Debug)]
pub(super) enum Order {
    /// These are the softphone users from now on.
    Softclients(Users),
    /// The far end says something on a cloud leg.
    Leg(LegIn),
    /// CSTA told of a leg of a followed extension.
    Told(Box<LegChange>),
    /// The PBX's names lead there from now on.
    Peers(Box<Peers>),
    /// The phone of a side of a relayed call, `true` for who was called, dialled a digit.
    Digit(CallKey, bool, Digit),
}

/// The ways between this part and the others. They outlive each run of it.
#[derive(Debug, Clone)]
pub struct Ways {
    /// The softphone users, as configured last.
    pub users: watch::Receiver<Users>,
    /// The way to the channel.
    pub legs: LegPipe,
    /// Legs of CSTA.
    pub told: Arc<Mutex<mpsc::Receiver<Box<LegChange>>>>,
    /// The way to the PBX link's part.
    pub engine: mpsc::Sender<EngineCommand>,
}

impl Ways {
    /// The ways, and where legs of CSTA are told.
    #[must_use]
    pub fn new(
        users: watch::Receiver<Users>,
        legs: LegPipe,
        engine: mpsc::Sender<EngineCommand>,
    ) -> (Self, mpsc::Sender<Box<LegChange>>) {
        let (sender, told) = mpsc::channel(TOLD);
        let ways = Self {
            users,
            legs,
            told: Arc::new(Mutex::new(told)),
            engine,
        };
        (ways, sender)
    }
}

/// Passes on what comes, for as long as there is a run that takes it.
pub(super) async fn pass_on(
    mut users: watch::Receiver<Users>,
    mut ear: LegEar,
    mut told: OwnedMutexGuard<mpsc::Receiver<Box<LegChange>>>,
    orders: mpsc::Sender<Order>,
) -> Infallible {
    // What was told before this run is of calls that it does not know.
    while told.try_recv().is_ok() {}
    users.mark_changed();
    loop {
        let order = tokio::select! {
            Some(leg) = ear.recv() => Order::Leg(leg),
            Ok(()) = users.changed() => {
                Order::Softclients(Arc::clone(&users.borrow_and_update()))
            }
            Some(change) = told.recv() => Order::Told(change),
            else => return std::future::pending().await,
        };
        if orders.send(order).await.is_err() {
            return std::future::pending().await;
        }
    }
}

//! Cloud legs between the channel and telephony: two bounded queues, and a relay that keeps both sides
//! honest when one of them starts anew.
//!
//! ```text
//! net::uplink ══ LegPorts ══ Relay ══ LegPipe ══ telephony (its thread)
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cloud_uplink::CloudLegId;
use cloud_uplink::leg::{LegEnd, LegEndCause, LegSignal};
use cloud_uplink::session::legs::LEGS_MAX;
use net::uplink::LegPorts;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, mpsc};

/// Signals on their way to telephony; when full, the channel holds back what comes.
const IN_QUEUE: usize = 1_024;
/// Signals on their way from telephony; one more ends its leg.
const OUT_QUEUE: usize = 1_024;
/// What is said of legs when telephony is not configured.
const SIP_OFF: &str = "SIP is off";

/// What comes for telephony.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegIn {
    /// The far end says something.
    Signal(CloudLegId, LegSignal),
    /// The leg is lost: the channel was down for too long, or a part started anew.
    Lost(CloudLegId),
}

/// What telephony says.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are signals, and the queue holds few"
)]
enum LegOut {
    Signal(CloudLegId, LegSignal),
    /// It started anew, without a leg.
    Anew,
}

/// The way between the channel and telephony. Outlives both.
#[derive(Debug, Clone)]
pub struct LegPipe(Arc<Pipe>);

#[derive(Debug)]
struct Pipe {
    /// Whether there is telephony at all.
    sip: bool,
    to_sip: mpsc::Sender<LegIn>,
    at_sip: Arc<AsyncMutex<mpsc::Receiver<LegIn>>>,
    from_sip: mpsc::Sender<LegOut>,
    at_relay: AsyncMutex<mpsc::Receiver<LegOut>>,
    /// Legs of which both sides know.
    live: Mutex<BTreeSet<CloudLegId>>,
}

/// Telephony's end, where it speaks.
#[derive(Debug, Clone)]
pub struct LegMouth(mpsc::Sender<LegOut>);

/// Telephony's end, where it listens. Only one can.
pub type LegEar = OwnedMutexGuard<mpsc::Receiver<LegIn>>;

/// The leg's signal could not be passed on: to telephony the leg is over, and the far end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many signals of cloud legs wait for the channel")]
pub struct LegsFull;

impl LegPipe {
    /// A pipe; `sip` says whether there is telephony at all.
    #[must_use]
    pub fn new(sip: bool) -> Self {
        let (to_sip, at_sip) = mpsc::channel(IN_QUEUE);
        // Every leg has a place for its end beside.
        let (from_sip, at_relay) = mpsc::channel(OUT_QUEUE + LEGS_MAX);
        Self(Arc::new(Pipe {
            sip,
            to_sip,
            at_sip: Arc::new(AsyncMutex::new(at_sip)),
            from_sip,
            at_relay: AsyncMutex::new(at_relay),
            live: Mutex::default(),
        }))
    }

    /// Telephony's two ends, at its start: what it said and was told before is over. Waits until the run
    /// before has let go of them.
    pub async fn telephony(&self) -> (LegMouth, LegEar) {
        let mut ear = Arc::clone(&self.0.at_sip).lock_owned().await;
        while ear.try_recv().is_ok() {}
        // An error would mean that the relay's end is gone, which lives as long as this.
        let _ = self.0.from_sip.send(LegOut::Anew).await;
        (LegMouth(self.0.from_sip.clone()), ear)
    }

    /// Passes signals on between the channel and telephony, for as long as the channel's part lives.
    pub async fn relay(&self, mut ports: LegPorts) {
        let mut at_relay = self.0.at_relay.lock().await;
        // Legs of the channel's part before this one: the far end lost them with it.
        let lost = std::mem::take(&mut *self.0.live());
        for leg in lost {
            self.tell(LegIn::Lost(leg)).await;
        }
        loop {
            tokio::select! {
                Some((leg, signal)) = ports.received.recv() => self.inward(leg, signal, &ports).await,
                Some(out) = at_relay.recv() => self.outward(out, &ports).await,
                else => return,
            }
        }
    }

    async fn inward(&self, leg: CloudLegId, signal: LegSignal, ports: &LegPorts) {
        if !self.0.sip {
            if matches!(signal, LegSignal::Invite(_)) {
                let off = end(LegEndCause::Failed, SIP_OFF);
                let _ = ports.to_send.send((leg, off)).await;
            }
            return;
        }
        let news = match signal {
            LegSignal::End(LegEnd {
                cause: LegEndCause::Lost,
                ..
            }) => LegIn::Lost(leg),
            signal => LegIn::Signal(leg, signal),
        };
        match &news {
            LegIn::Signal(_, LegSignal::Invite(_)) => {
                self.0.live().insert(leg);
            }
            LegIn::Lost(_) | LegIn::Signal(_, LegSignal::End(_)) => {
                self.0.live().remove(&leg);
            }
            LegIn::Signal(..) => {}
        }
        self.tell(news).await;
    }

    async fn outward(&self, out: LegOut, ports: &LegPorts) {
        match out {
            LegOut::Signal(leg, signal) => {
                match &signal {
                    LegSignal::Invite(_) => {
                        self.0.live().insert(leg);
                    }
                    LegSignal::End(_) => {
                        self.0.live().remove(&leg);
                    }
                    _ => {}
                }
                let _ = ports.to_send.send((leg, signal)).await;
            }
            LegOut::Anew => {
                let lost = std::mem::take(&mut *self.0.live());
                for leg in lost {
                    let anew = end(LegEndCause::Lost, "the gateway's telephony started anew");
                    let _ = ports.to_send.send((leg, anew)).await;
                    // It may have come to the new one before this word did.
                    self.tell(LegIn::Lost(leg)).await;
                }
            }
        }
    }

    async fn tell(&self, news: LegIn) {
        // An error would mean that telephony's end is gone, which lives as long as this.
        let _ = self.0.to_sip.send(news).await;
    }
}

impl Pipe {
    fn live(&self) -> MutexGuard<'_, BTreeSet<CloudLegId>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LegMouth {
    /// Says something to the far end. Never waits.
    ///
    /// # Errors
    /// [`LegsFull`]: the channel's part does not keep up. The leg is over; the far end is told so.
    pub fn say(&self, leg: CloudLegId, signal: LegSignal) -> Result<(), LegsFull> {
        let over = matches!(signal, LegSignal::End(_));
        if over || self.0.capacity() > LEGS_MAX {
            return self
                .0
                .try_send(LegOut::Signal(leg, signal))
                .map_err(|_| LegsFull);
        }
        let full = end(
            LegEndCause::Failed,
            "the gateway's channel does not keep up",
        );
        let _ = self.0.try_send(LegOut::Signal(leg, full));
        Err(LegsFull)
    }

    /// Ends a leg of which telephony knows nothing more.
    pub fn forget(&self, leg: CloudLegId) {
        // Without a place even for an end, the leg is lost with the channel's part that hangs.
        let _ = self.say(leg, end(LegEndCause::Lost, "the gateway lost the call"));
    }
}

fn end(cause: LegEndCause, reason: &str) -> LegSignal {
    LegSignal::End(LegEnd {
        cause,
        status: None,
        reason: Some(reason.to_owned()),
    })
}

#[cfg(test)]
mod tests;

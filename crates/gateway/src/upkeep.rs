//! What has to be looked after now and then: retention of the outbox, alarms, figures by minute.

use std::sync::Arc;
use std::time::Duration;

use cloud_uplink::EventData;
use cloud_uplink::event::Alarm;
use net::clock;
use store::gateway::StoreHealth;
use tokio::sync::{mpsc, watch};

use crate::engine::EngineCommand;
use crate::outbox::{Outbox, wall};
use crate::status::Shared;
use crate::supervise::Fatal;

/// Time between two looks at the parts' health.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks between two runs of retention, and two minutes of figures.
const LOOKS_A_MINUTE: u32 = 60;

/// Looks after things until it is time to stop.
///
/// # Errors
/// When the engine is gone; [`Fatal`] when the outbox is.
pub(crate) async fn run(
    outbox: Arc<Outbox>,
    shared: Arc<Shared>,
    engine: mpsc::Sender<EngineCommand>,
    mut stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut timer = tokio::time::interval(LOOK_EVERY);
    let mut looks = 0_u32;
    let mut disk = DiskAlarm::default();
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
        }
        if looks.is_multiple_of(LOOKS_A_MINUTE) {
            outbox.store().prune(wall(clock::unix_ms()));
            shared
                .recent
                .minutes()
                .end(clock::unix_ms(), shared.counted());
        }
        looks = looks.wrapping_add(1);
        let health = outbox.store().health();
        if let StoreHealth::Failed { error } = health {
            return Err(Fatal(error).into());
        }
        if let Some(event) = disk.look(&health) {
            engine.send(EngineCommand::Publish(event)).await?;
        }
    }
}

/// Raises and clears the alarm about the disk.
#[derive(Debug, Default)]
struct DiskAlarm {
    raised: Option<Alarm>,
}

impl DiskAlarm {
    /// The change to publish, if there is one.
    fn look(&mut self, health: &StoreHealth) -> Option<EventData> {
        let detail = match health {
            StoreHealth::Durable => {
                return self.raised.take().map(EventData::AlarmCleared);
            }
            StoreHealth::Tight => "the disk is nearly full: the reserve was given up".to_owned(),
            StoreHealth::Volatile { error, .. } | StoreHealth::Failed { error } => {
                format!("the disk takes no writes, events are kept in memory only: {error}")
            }
        };
        let alarm = Alarm {
            name: "disk-full".to_owned(),
            detail,
        };
        if self.raised.as_ref() == Some(&alarm) {
            return None;
        }
        tracing::error!(detail = alarm.detail, "alarm");
        self.raised = Some(alarm.clone());
        Some(EventData::AlarmRaised(alarm))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_alarm_is_raised_once_per_cause_and_cleared_once() {
        let mut alarm = DiskAlarm::default();
        let full = StoreHealth::Volatile {
            since_ms: 0,
            error: "full".to_owned(),
        };
        assert_eq!(alarm.look(&StoreHealth::Durable), None);
        assert!(matches!(
            alarm.look(&StoreHealth::Tight),
            Some(EventData::AlarmRaised(_))
        ));
        assert_eq!(alarm.look(&StoreHealth::Tight), None);
        assert!(matches!(alarm.look(&full), Some(EventData::AlarmRaised(_))));
        assert!(matches!(
            alarm.look(&StoreHealth::Durable),
            Some(EventData::AlarmCleared(_))
        ));
        assert_eq!(alarm.look(&StoreHealth::Durable), None);
    }
}

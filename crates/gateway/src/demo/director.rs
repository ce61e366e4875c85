//! Carries out what is ordered: pulls plugs and puts them back, one after the other.

use std::time::Duration;

use pbx_sim::Command;
use tokio::sync::{mpsc, watch};
use tokio::time::interval;

use super::stage::{Scene, Stage};

/// Time between two looks at what the far end has stored.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Something to do with the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Cut the PBX's links; the gateway connects again.
    CutPbx,
    /// Restart the PBX: all its calls are gone.
    RestartPbx,
    /// Stop the far end.
    FarEndAway,
    /// Start it again.
    FarEndBack,
    /// Stop the gateway and start it again.
    RestartGateway,
    /// The lively beginning is over: calls at the usual rate.
    Settle,
    /// No new calls.
    Pause,
    /// New calls again.
    Resume,
    /// Everything back up, and every call to its end.
    Finish,
}

/// Carries out orders until the sender is gone, then ends the stage.
///
/// # Errors
/// When something cannot be started again.
pub(crate) async fn direct(
    mut stage: Stage,
    mut orders: mpsc::Receiver<Order>,
    scene: watch::Sender<Scene>,
) -> anyhow::Result<()> {
    let mut look = interval(LOOK_EVERY);
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            _ = look.tick() => {
                stage.look().await;
                scene.send_replace(stage.scene().clone());
                continue;
            }
        };
        let Some(order) = order else { break };
        tracing::info!(?order, "demo");
        carry_out(order, &mut stage, &scene).await?;
        scene.send_replace(stage.scene().clone());
    }
    stage.end().await;
    Ok(())
}

async fn carry_out(
    order: Order,
    stage: &mut Stage,
    scene: &watch::Sender<Scene>,
) -> anyhow::Result<()> {
    match order {
        Order::CutPbx => stage.tell_pbx(Command::Cut),
        Order::RestartPbx => stage.tell_pbx(Command::Restart),
        Order::Settle => stage.settle(),
        Order::Pause => stage.tell_pbx(Command::TrafficPause),
        Order::Resume => stage.tell_pbx(Command::TrafficResume),
        Order::FarEndAway => {
            stage.far_end_goes();
            scene.send_replace(stage.scene().clone());
            stage.stop_far_end().await;
        }
        Order::FarEndBack => stage.start_far_end().await?,
        Order::RestartGateway => {
            stage.gateway_goes();
            scene.send_replace(stage.scene().clone());
            stage.restart_gateway().await?;
        }
        Order::Finish => {
            stage.start_far_end().await?;
            stage.tell_pbx(Command::Drain);
        }
    }
    Ok(())
}

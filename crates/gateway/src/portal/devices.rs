//! The PBX's devices, asked for now.

use std::collections::BTreeSet;
use std::time::Duration;

use cloud_uplink::Outcome;
use cloud_uplink::command::{Action, Answer, Site};
use local_portal::PbxDevices;
use net::csta_link::CstaLinkState;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::engine::EngineCommand;
use crate::status::Shared;

/// Longest time for the whole list: 5,000 devices come in many segments.
const LIST_MAX: Duration = Duration::from_secs(60);

/// Asks for the list, and counts it as the engine does.
pub(super) async fn ask(
    engine: &mpsc::Sender<EngineCommand>,
    shared: &Shared,
) -> Result<PbxDevices, String> {
    if shared.pbx().link != CstaLinkState::Up {
        return Err("there is no association with the PBX".to_owned());
    }
    let (reply, outcome) = oneshot::channel();
    let request = csta::message::GetSwitchingFunctionDevices::new().into();
    let asked = EngineCommand::Execute(Action::GetDevices(Site {}), request, reply);
    let gone = "the link to the PBX has ended meanwhile";
    engine.send(asked).await.map_err(|_| gone.to_owned())?;
    let outcome = timeout(LIST_MAX, outcome)
        .await
        .map_err(|_| format!("no answer in {} s", LIST_MAX.as_secs()))?;
    match outcome.map_err(|_| gone.to_owned())? {
        Outcome::Ok(result) => {
            let Some(Answer::Devices(list)) = result.answer else {
                return Err("the PBX's answer has no list of devices".to_owned());
            };
            let counted = shared.pbx().inventory.devices.unwrap_or_default();
            let numbers: BTreeSet<String> = list.into_iter().map(|it| it.number).collect();
            Ok(PbxDevices {
                listed: counted.listed,
                users: counted.users,
                phantoms: counted.phantoms,
                numbers,
            })
        }
        Outcome::Error(error) => Err(error.message),
    }
}

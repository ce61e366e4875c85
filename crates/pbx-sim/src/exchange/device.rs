//! Services that set and ask for features of devices (ECMA-269 §21.1, §22.1).

use csta::message::{
    GetDoNotDisturbResponse, GetForwardingResponse, GetMessageWaitingIndicatorResponse,
    GetPresenceStateResponse, SetDoNotDisturb, SetDoNotDisturbResponse, SetForwarding,
    SetForwardingResponse, SetMessageWaitingIndicator, SetMessageWaitingIndicatorResponse,
    SetPresenceState, SetPresenceStateResponse,
};
use csta::value::{
    CallOrigination, ForwardListItem, ForwardingType as CstaForwardingType, Forwardings,
};
use csta::{CstaError, Request, Response};

use super::Exchange;
use crate::switching::{
    ForwardingType, MessageWaiting, SwitchingFunction, invalid_do_not_disturb,
    parameter_not_supported,
};

/// Calls of any origin.
const ALL_CALLS: CallOrigination = CallOrigination {
    internal: true,
    external: true,
};

impl Exchange {
    /// `None` when the request is no service of a device's features.
    pub(super) fn respond_to_feature(
        &mut self,
        request: &Request,
    ) -> Option<Result<Response, CstaError>> {
        let pbx = &mut self.pbx;
        Some(match request {
            Request::SetDoNotDisturb(set) => set_do_not_disturb(pbx, set),
            Request::SetForwarding(set) => set_forwarding(pbx, set),
            Request::SetMessageWaitingIndicator(set) => set_message_waiting(pbx, set),
            Request::SetPresenceState(set) => set_presence(pbx, set),
            Request::GetDoNotDisturb(get) => pbx.features(&get.device).map(|features| {
                let origin = features.do_not_disturb;
                GetDoNotDisturbResponse {
                    call_origination: origin.filter(|origin| *origin != ALL_CALLS),
                    ..GetDoNotDisturbResponse::new(origin.is_some())
                }
                .into()
            }),
            Request::GetForwarding(get) => pbx.features(&get.device).map(|features| {
                let forwardings = features.forwardings.iter();
                let items = forwardings.map(|(kind, forwarding)| ForwardListItem {
                    forwarding_type: Some(kind.to_csta()),
                    forward_status: Some(forwarding.on),
                    forward_dn: Some(forwarding.to.clone()),
                    ring_count: forwarding.ring_count,
                    ..ForwardListItem::new()
                });
                GetForwardingResponse {
                    forwarding_list: Some(Forwardings(items.collect())),
                    ..GetForwardingResponse::new()
                }
                .into()
            }),
            Request::GetMessageWaitingIndicator(get) => pbx.features(&get.device).map(|features| {
                let waiting = &features.message_waiting;
                GetMessageWaitingIndicatorResponse {
                    device_for_message: waiting.device_for_message.clone(),
                    lamp_is_present: Some(true),
                    ..GetMessageWaitingIndicatorResponse::new(waiting.on)
                }
                .into()
            }),
            Request::GetPresenceState(get) => pbx
                .features(&get.device)
                .map(|features| GetPresenceStateResponse::new(features.presence.clone()).into()),
            _ => return None,
        })
    }
}

fn set_do_not_disturb(
    pbx: &mut SwitchingFunction,
    set: &SetDoNotDisturb,
) -> Result<Response, CstaError> {
    if set.calling_device_list.is_some() {
        return Err(parameter_not_supported());
    }
    let origin = set.call_origination.unwrap_or(ALL_CALLS);
    if origin == CallOrigination::default() {
        return Err(invalid_do_not_disturb());
    }
    let origin = set.do_not_disturb_on.then_some(origin);
    pbx.set_do_not_disturb(&set.device, origin)?;
    Ok(SetDoNotDisturbResponse::new().into())
}

fn set_forwarding(pbx: &mut SwitchingFunction, set: &SetForwarding) -> Result<Response, CstaError> {
    let kind = set.forwarding_type.as_ref();
    // The type is the device's own default where none is given.
    let kind = ForwardingType::from_csta(kind.unwrap_or(&CstaForwardingType::IMMEDIATE))?;
    let to = set.forward_dn.clone();
    pbx.change_forwarding(&set.device, kind, set.activate_forward, to, set.ring_count)?;
    Ok(SetForwardingResponse::new().into())
}

fn set_message_waiting(
    pbx: &mut SwitchingFunction,
    set: &SetMessageWaitingIndicator,
) -> Result<Response, CstaError> {
    let waiting = MessageWaiting {
        on: set.message_waiting_on,
        device_for_message: set.device_for_message.clone(),
    };
    pbx.set_message_waiting(&set.device, waiting)?;
    Ok(SetMessageWaitingIndicatorResponse::new().into())
}

fn set_presence(
    pbx: &mut SwitchingFunction,
    set: &SetPresenceState,
) -> Result<Response, CstaError> {
    if set.from_time.is_some() || set.until_time.is_some() {
        return Err(parameter_not_supported());
    }
    pbx.set_presence(&set.device, &set.requested_presence_state)?;
    Ok(SetPresenceStateResponse::new().into())
}

//! System services (ECMA-269 §14): status, and who is registered to be told.

use csta::message::{
    RequestSystemStatusResponse, SwFunctionDevicesChanged, SystemRegister, SystemRegisterResponse,
    SystemStatus,
};
use csta::value::{RequestTypes, StatusFilter};
use csta::{CstaError, Request, SystemStatusValue};

use super::{Exchange, Link};
use crate::switching::{
    AssociationId, invalid_cross_ref, invalid_parameter_value, registration_limit,
};

/// Most registrations of one client.
const REGISTRATIONS_MAX: usize = 16;

/// What a client has registered for.
#[derive(Debug)]
pub(super) struct Registration {
    id: String,
    types: RequestTypes,
    filter: StatusFilter,
}

impl Exchange {
    /// System Register (§14.2).
    pub(super) fn register(
        &mut self,
        id: AssociationId,
        request: &SystemRegister,
    ) -> Result<SystemRegisterResponse, CstaError> {
        if request.request_types == RequestTypes::default() {
            return Err(invalid_parameter_value());
        }
        let Some(link) = self.links.get_mut(&id) else {
            return Err(invalid_cross_ref());
        };
        if link.registrations.len() >= REGISTRATIONS_MAX {
            return Err(registration_limit());
        }
        let registration = Registration {
            id: format!("{}-{}", id.0, link.registrations.len() + 1),
            types: request.request_types,
            filter: request.requested_status_filter.unwrap_or_default(),
        };
        let response = SystemRegisterResponse {
            actual_status_filter: request.requested_status_filter,
            ..SystemRegisterResponse::new(registration.id.clone())
        };
        link.registrations.push(registration);
        Ok(response)
    }

    /// Request System Status (§14.1); a registration that it names must be there.
    pub(super) fn status(
        &self,
        id: AssociationId,
        registration: Option<&str>,
    ) -> Result<RequestSystemStatusResponse, CstaError> {
        let link = self.links.get(&id);
        let known =
            |name| link.is_some_and(|link| link.registrations.iter().any(|it| it.id == name));
        if registration.is_some_and(|name| !known(name)) {
            return Err(invalid_cross_ref());
        }
        Ok(RequestSystemStatusResponse::new(self.status))
    }

    /// Reports a status to every client that wants it, and has it from now on; gives how many.
    pub(super) fn report_status(&mut self, status: SystemStatusValue) -> usize {
        // What passes is not what a later question is answered with.
        self.status = match status {
            SystemStatusValue::MessagesLost
            | SystemStatusValue::Enabled
            | SystemStatusValue::OverloadRelieved => SystemStatusValue::Normal,
            lasting => lasting,
        };
        self.tell_registered(
            |it| it.types.system_status && !filters(&it.filter, status),
            |registration| {
                SystemStatus {
                    sys_stat_register_id: registration,
                    system_status: Some(status),
                    ..SystemStatus::new()
                }
                .into()
            },
        )
    }

    /// Says that the list of devices has changed; gives to how many clients.
    pub(super) fn report_devices_changed(&mut self) -> usize {
        self.tell_registered(
            |it| it.types.switching_function_devices_changed,
            |registration| {
                SwFunctionDevicesChanged {
                    sys_stat_register_id: registration,
                    ..SwFunctionDevicesChanged::new()
                }
                .into()
            },
        )
    }

    /// A client that never registered hears everything, as many switching functions have it that know
    /// no registration; one that did hears what it registered for (ECMA-269 §7.2, §14.2).
    fn tell_registered(
        &mut self,
        wants: impl Fn(&Registration) -> bool,
        message: impl Fn(Option<String>) -> Request,
    ) -> usize {
        let mut told = Vec::new();
        for (id, link) in &self.links {
            if !self.hears(link) {
                continue;
            }
            if link.registrations.is_empty() {
                told.push((*id, message(None)));
            }
            let registrations = link.registrations.iter().filter(|it| wants(it));
            told.extend(registrations.map(|it| (*id, message(Some(it.id.clone())))));
        }
        for (id, request) in &told {
            self.ask(*id, request);
        }
        told.len()
    }

    /// Nobody is told anything before the session that is needed.
    fn hears(&self, link: &Link) -> bool {
        !self.session_needed() || link.session.is_open()
    }
}

const fn filters(filter: &StatusFilter, status: SystemStatusValue) -> bool {
    match status {
        SystemStatusValue::Initializing => filter.initializing,
        SystemStatusValue::Enabled => filter.enabled,
        SystemStatusValue::Normal => filter.normal,
        SystemStatusValue::MessagesLost => filter.message_lost,
        SystemStatusValue::Disabled => filter.disabled,
        SystemStatusValue::PartiallyDisabled => filter.partially_disabled,
        SystemStatusValue::OverloadImminent => filter.overload_imminent,
        SystemStatusValue::OverloadReached => filter.overload_reached,
        SystemStatusValue::OverloadRelieved => filter.overload_relieved,
    }
}

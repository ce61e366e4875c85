//! System services (ECMA-269 §14) and the universal failure answer.

use crate::codec::{Value, bad_value, messages};
use crate::message::DecodeError;
use crate::value::{CstaError, ErrorCategory, SystemStatusValue};
use crate::xml::{Element, Writer};

messages! {
    /// Asks the other side for its status.
    RequestSystemStatus as "RequestSystemStatus" {
        /// The registration it belongs to.
        opt sys_stat_register_id: String = "sysStatRegisterID",
    }

    /// The status asked for.
    RequestSystemStatusResponse as "RequestSystemStatusResponse" {
        /// The status.
        req system_status: SystemStatusValue = "systemStatus",
    }

    /// Reports the sender's status; some switching functions send it first, and without its status as
    /// a heart-beat.
    SystemStatus as "SystemStatus" {
        /// The registration it belongs to.
        opt sys_stat_register_id: String = "sysStatRegisterID",
        /// The status.
        opt system_status: SystemStatusValue = "systemStatus",
    }

    /// The report was received.
    SystemStatusResponse as "SystemStatusResponse" {}

    /// Registers for system services.
    SystemRegister as "SystemRegister" {
        /// What is asked for.
        req request_types: RequestTypes = "requestTypes",
    }

    /// The registration.
    SystemRegisterResponse as "SystemRegisterResponse" {
        /// Its id.
        req sys_stat_register_id: String = "sysStatRegisterID",
    }
}

/// Which system services a registration covers (`RequestTypes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestTypes {
    /// System Status reports are to be sent.
    pub system_status: bool,
    /// Request System Status will be answered.
    pub request_system_status: bool,
}

impl Value for RequestTypes {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let flag = |name| element.child(name).map_or(Ok(false), bool::read);
        Ok(Self {
            system_status: flag("systemStatus")?,
            request_system_status: flag("requestSystemStatus")?,
        })
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| {
            self.system_status.write("systemStatus", w);
            self.request_system_status.write("requestSystemStatus", w);
        });
    }
}

impl CstaError {
    /// Name of the message's root element.
    pub const NAME: &'static str = "CSTAErrorCode";

    pub(crate) fn write_elements(&self, w: &mut Writer) {
        w.element(self.category.as_str(), &[], |w| w.text(&self.value));
    }
}

impl Value for CstaError {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let Some(branch) = element.children().next() else {
            return Ok(Self::new(ErrorCategory::Unspecified, element.text()));
        };
        // The schema misspells one branch; accept the right spelling too.
        let category = match branch.name() {
            "systemResourceAvailability" => Some(ErrorCategory::SystemResourceAvailability),
            name => ErrorCategory::from_text(name),
        };
        let category = category.ok_or_else(|| bad_value(element, "a branch of CSTAErrorCode"))?;
        Ok(Self::new(category, branch.text()))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| self.write_elements(w));
    }
}

//! System services (ECMA-269 §14) and the universal failure answer.

use crate::codec::{Value, messages};
use crate::conformance::{Content, ElementRule, Text};
use crate::message::DecodeError;
use crate::value::{
    CstaError, ErrorCategory, Extensions, RequestTypes, StatusFilter, SystemStatusValue, error,
};
use crate::xml::{Element, Writer};

messages! {
    /// Asks the other side for its status (ECMA-269 §14.2.1).
    RequestSystemStatus as "RequestSystemStatus" {
        /// The registration it belongs to.
        opt sys_stat_register_id: String = "sysStatRegisterID",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The status asked for.
    RequestSystemStatusResponse as "RequestSystemStatusResponse" {
        /// The status.
        req system_status: SystemStatusValue = "systemStatus",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Reports the sender's status; some switching functions send it first, and without its status as a
    /// heart-beat (ECMA-269 §14.2.2).
    SystemStatus as "SystemStatus" {
        /// The registration it belongs to.
        opt sys_stat_register_id: String = "sysStatRegisterID",
        /// The status.
        man system_status: SystemStatusValue = "systemStatus",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The report was received.
    SystemStatusResponse as "SystemStatusResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// Registers for system services (ECMA-269 §14.1.2).
    SystemRegister as "SystemRegister" {
        /// What is asked for.
        req request_types: RequestTypes = "requestTypes",
        /// States that are not to be reported.
        opt requested_status_filter: StatusFilter = "requestedStatusFilter",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The registration.
    SystemRegisterResponse as "SystemRegisterResponse" {
        /// Its id.
        req sys_stat_register_id: String = "sysStatRegisterID",
        /// States that are not reported.
        opt actual_status_filter: StatusFilter = "actualStatusFilter",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The list of devices changed (ECMA-269 §14.2.4).
    SwFunctionDevicesChanged as "SwFunctionDevicesChanged" {
        /// The registration it belongs to.
        opt sys_stat_register_id: String = "sysStatRegisterID",
        /// Security and private data.
        opt extensions: Extensions = "extensions",
    }

    /// The report was received.
    SwFunctionDevicesChangedResponse as "SwFunctionDevicesChangedResponse" {
        /// Security and private data.
        opt extensions: Extensions = "extensions",
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
    const CONTENT: Content = Content::OneOf(&[
        ElementRule::part("operation", Content::Text(Text::Open(error::OPERATION))),
        ElementRule::part("security", Content::Text(Text::Open(error::SECURITY))),
        ElementRule::part(
            "stateIncompatibility",
            Content::Text(Text::Open(error::STATE_INCOMPATIBILITY)),
        ),
        ElementRule::part(
            "systemResourceAvailibility",
            Content::Text(Text::Open(error::SYSTEM_RESOURCE_AVAILABILITY)),
        ),
        ElementRule::part(
            "subscribedResourceAvailability",
            Content::Text(Text::Open(error::SUBSCRIBED_RESOURCE_AVAILABILITY)),
        ),
        ElementRule::part(
            "performanceManagement",
            Content::Text(Text::Open(error::PERFORMANCE_MANAGEMENT)),
        ),
        ElementRule::part(
            "privateData",
            Content::Text(Text::Open(error::PRIVATE_DATA)),
        ),
        ElementRule::part("unspecified", Content::Empty),
        ElementRule::part("privateErrorCode", Content::Text(Text::Characters)),
    ]);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let Some(branch) = element.children().next() else {
            return Ok(Self::new(ErrorCategory::Unspecified, element.text()));
        };
        // The schema misspells one branch; accept the right spelling too.
        let category = match branch.name() {
            "systemResourceAvailability" => Some(ErrorCategory::SystemResourceAvailability),
            name => ErrorCategory::from_text(name),
        };
        let Some(category) = category else {
            // A refusal is one, whatever its branch is called.
            let value = format!("{}/{}", branch.name(), branch.text());
            return Ok(Self::new(ErrorCategory::Unspecified, value));
        };
        Ok(Self::new(category, branch.text()))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| self.write_elements(w));
    }
}

//! What switching functions make of the standard, as data.
//!
//! A [`Dialect`] is a name and a value for each of the [`Dialect::SWITCHES`]. The computing function
//! associates by it and writes strictly whatever it is; a reader has to expect what its event
//! switches say; who plays a switching function sends what they say and writes with
//! [`Dialect::write`]. Each value says where it is from ([`Source`]), and each can be set by name, so
//! that an assumption that a site proves wrong is corrected in its configuration:
//!
//! ```
//! use csta::Dialect;
//! use csta::dialect::DivertedTo;
//! let mut dialect = Dialect::by_name("mx-one").unwrap_or(Dialect::ECMA);
//! assert!(dialect.set("diverted-to", "diverting-device").is_ok());
//! assert_eq!(dialect.diverted_to(), DivertedTo::DivertingDevice);
//! assert_eq!(
//!     dialect.set("diverted-to", "none").unwrap_err().to_string(),
//!     "diverted-to is \"none\"; allowed: \"all\" or \"diverting-device\""
//! );
//! ```

mod table;
#[cfg(test)]
mod tests;
mod word;

use std::fmt;

use self::word::Word;
use crate::edition::{APPLICATION_SESSION_NAMESPACE, Edition};
use crate::id::DeviceId;
use crate::message::{Event, Family, Message, Request, Response};
use crate::xml::Writer;

pub use word::{
    AnswerOrder, AnsweredElsewhere, AssociationMode, Declaration, DeviceIdForm, DivertedTo,
    Editions, HeartBeatMessage, MultipleTerminals, Percent, Period, Prefix, Registration,
    ResultingCall, SessionNamespace, SnapshotForm, StatusNamespace,
};

/// Where a value of a dialect is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The standard: the clause.
    Standard(&'static str),
    /// The vendor's documentation.
    Vendor,
    /// Messages that a system of that vendor has sent.
    Observed,
    /// Nobody has said so; a site may have to correct it.
    Assumption,
    /// Set with [`Dialect::set`].
    Set,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(clause) => f.write_str(clause),
            Self::Vendor => f.write_str("documented by the vendor"),
            Self::Observed => f.write_str("seen in messages of such a system"),
            Self::Assumption => f.write_str("assumption"),
            Self::Set => f.write_str("set"),
        }
    }
}

/// A value and where it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Setting<T> {
    value: T,
    source: Source,
}

/// Who acts on a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The computing function; who plays a switching function keeps to it too.
    Computing,
    /// Who plays a switching function. A computing function takes every value as it comes.
    Switching,
}

/// One of the things in which dialects differ.
#[derive(Debug, Clone, Copy)]
pub struct Switch {
    /// Its name.
    pub name: &'static str,
    /// What it decides, in one sentence.
    pub what: &'static str,
    /// Who acts on it.
    pub side: Side,
    allowed: fn() -> String,
    show: fn(&Dialect) -> (String, Source),
    set: fn(&mut Dialect, &str) -> bool,
}

impl Switch {
    /// The values that are allowed, for a person.
    #[must_use]
    pub fn allowed(&self) -> String {
        (self.allowed)()
    }

    /// The value in a dialect, and where it is from.
    #[must_use]
    pub fn value(&self, dialect: &Dialect) -> (String, Source) {
        (self.show)(dialect)
    }
}

/// Why a switch was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// There is no switch of that name.
    #[error("there is no switch {name:?}; there are {}", all_names())]
    Unknown {
        /// The name.
        name: String,
    },
    /// The switch does not have that value.
    #[error("{switch} is {value:?}; allowed: {allowed}")]
    Value {
        /// The switch.
        switch: &'static str,
        /// The value.
        value: String,
        /// The values that are allowed.
        allowed: String,
    },
}

fn all_names() -> String {
    let names: Vec<&str> = Dialect::SWITCHES.iter().map(|switch| switch.name).collect();
    names.join(", ")
}

/// Declares the switches: a field each, the field's reading and setting, and the list of all.
macro_rules! switches {
    ($( #[doc = $doc:literal] $side:ident $field:ident: $ty:ty = $name:literal; )*) => {
        /// What a switching function makes of the standard.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Dialect {
            name: &'static str,
            $( $field: Setting<$ty>, )*
        }

        impl Dialect {
            /// Everything in which dialects differ.
            pub const SWITCHES: &'static [Switch] = &[$( Switch {
                name: $name,
                what: $doc.trim_ascii(),
                side: Side::$side,
                allowed: <$ty as Word>::allowed,
                show: |dialect| (dialect.$field.value.show(), dialect.$field.source),
                set: |dialect, text| {
                    let value = <$ty as Word>::parse(text);
                    if let Some(value) = value {
                        dialect.$field = Setting { value, source: Source::Set };
                    }
                    value.is_some()
                },
            }, )*];

            $(
                #[doc = $doc]
                #[must_use]
                pub const fn $field(&self) -> $ty {
                    self.$field.value
                }
            )*
        }
    };
}

switches! {
    /// How the association is made
    Computing association: AssociationMode = "association";
    /// Whether the switching function reports its status before anything else
    Computing speaks_first: bool = "speaks-first";
    /// Whether the computing function registers for system services
    Computing system_register: Registration = "system-register";
    /// Editions that are offered and spoken
    Computing editions: Editions = "editions";
    /// Whether the session lives as long as the answer says, not as long as was asked for
    Computing obey_session_duration: bool = "obey-session-duration";
    /// After which percentage of its duration the session's timer is reset
    Computing reset_at: Percent = "reset-at-percent";
    /// Whether the session is stopped when the computing function shuts down
    Computing stop_session: bool = "stop-session";
    /// Seconds between heart-beats where there is no session timer
    Computing heart_beat: Period = "heart-beat-s";
    /// The message that is the heart-beat
    Computing heart_beat_message: HeartBeatMessage = "heart-beat-message";
    /// Whether System Status and Request System Status of the switching function are answered
    Computing answer_system_services: bool = "answer-system-services";
    /// Whether every device is snapshotted anew when messages were lost
    Computing resnapshot_on_messages_lost: bool = "resnapshot-on-messages-lost";
    /// Whether every monitor is started anew when the switching function is back in service
    Computing remonitor_on_enabled: bool = "remonitor-on-enabled";
    /// Whether requests are slowed while the switching function is overloaded
    Computing slow_on_overload: bool = "slow-on-overload";
    /// How device ids look
    Computing device_id_form: DeviceIdForm = "device-id-form";
    /// Whether a new call is reported as Service Initiated before Originated
    Switching service_initiated: bool = "service-initiated";
    /// Who is told that a call was diverted
    Switching diverted_to: DivertedTo = "diverted-to";
    /// Whether Connection Cleared follows Transferred for the transferring device
    Switching clear_after_transfer: bool = "clear-after-transfer";
    /// Which call id goes on after a transfer or a conference
    Switching resulting_call: ResultingCall = "resulting-call";
    /// Whether the connections of a single-step transfer name the old ones
    Switching single_step_old_connections: bool = "single-step-old-connections";
    /// How a call to one number with several terminals is reported
    Switching multiple_terminals: MultipleTerminals = "multiple-terminals";
    /// How the other terminals' connections end when one answers
    Switching answered_elsewhere: AnsweredElsewhere = "answered-elsewhere";
    /// Whether monitors report calls that existed before them
    Switching monitor_existing_calls: bool = "monitor-existing-calls";
    /// How snapshot data come
    Switching snapshot: SnapshotForm = "snapshot";
    /// Whether answers come before or after the events of what was asked for
    Switching answers: AnswerOrder = "answers";
    /// What the switching function writes before the names of CSTA elements
    Switching prefix: Prefix = "prefix";
    /// Which of the switching function's documents begin with an XML declaration
    Switching declaration: Declaration = "declaration";
    /// The namespace that the switching function gives the messages of an application session
    Switching session_namespace: SessionNamespace = "session-namespace";
    /// The namespace that the switching function gives a System Status report
    Switching status_namespace: StatusNamespace = "status-namespace";
}

impl Dialect {
    /// The dialect of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dialect| dialect.name == name)
    }

    /// Its name; switches that were set do not change it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Sets the switch of that name.
    ///
    /// # Errors
    /// [`SwitchError`], naming the switches there are or the values that are allowed.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SwitchError> {
        let switch = Self::SWITCHES.iter().find(|switch| switch.name == name);
        let Some(switch) = switch else {
            let name = name.to_owned();
            return Err(SwitchError::Unknown { name });
        };
        if (switch.set)(self, value) {
            return Ok(());
        }
        Err(SwitchError::Value {
            switch: switch.name,
            value: value.to_owned(),
            allowed: switch.allowed(),
        })
    }

    /// The same dialect with another kind of association.
    #[must_use]
    pub const fn with_association(mut self, association: AssociationMode) -> Self {
        self.association = Setting {
            value: association,
            source: Source::Set,
        };
        self
    }

    /// The id of a device: its number, and which of the number's terminals it is where it is one of
    /// several. An instance is told whatever the form: without it, terminals would be one device.
    /// [`DeviceId::number`] and [`DeviceId::instance`] read each form.
    #[must_use]
    pub fn device_id(&self, number: &str, instance: Option<&str>) -> DeviceId {
        DeviceId::new(match (self.device_id_form(), instance) {
            (_, Some(instance)) => format!("N<{number}!{instance}>"),
            (DeviceIdForm::Instance, None) => format!("N<{number}>"),
            (DeviceIdForm::Plain, None) => number.to_owned(),
        })
    }

    /// A device id as this dialect writes it: a number alone is put into its form, any other text is
    /// left as it is.
    #[must_use]
    pub fn device_id_on_the_wire(&self, device: &DeviceId) -> DeviceId {
        let bare = device.type_of_number().is_none() && device.number() == device.as_str();
        if bare {
            return self.device_id(device.as_str(), None);
        }
        device.clone()
    }

    /// Writes a message as the switching function does, device ids that are a number alone in their
    /// form ([`Dialect::device_id_on_the_wire`]). What is kept as it came
    /// ([`Raw`](crate::value::Raw), unknown messages) is written as it is.
    #[must_use]
    pub fn write(&self, message: &Message, edition: Edition) -> String {
        match message {
            Message::Request(request) => self.write_request(request, edition),
            Message::Response(response) => self.write_response(response, edition),
            Message::Event(event) => self.write_event(event, edition),
            Message::Unknown { xml, .. } => xml.clone(),
        }
    }

    /// Writes a request as the switching function does.
    #[must_use]
    pub fn write_request(&self, request: &Request, edition: Edition) -> String {
        let declaration = self.declaration() != Declaration::Never;
        let old = matches!(request, Request::SystemStatus(_))
            && self.status_namespace() == StatusNamespace::OldAuthority;
        if old {
            let writer = Writer::spelled(edition, declaration, "");
            return request.write_to(writer, &[("xmlns", OLD_AUTHORITY_NAMESPACE)]);
        }
        let (writer, root) = self.spelling(request.family(), edition, declaration);
        request.write_to(writer, &[root])
    }

    /// Writes an answer as the switching function does.
    #[must_use]
    pub fn write_response(&self, response: &Response, edition: Edition) -> String {
        let declaration = self.declaration() == Declaration::Always;
        let (writer, root) = self.spelling(response.family(), edition, declaration);
        response.write_to(writer, &[root])
    }

    /// Writes an event as the switching function does.
    #[must_use]
    pub fn write_event(&self, event: &Event, edition: Edition) -> String {
        let declaration = self.declaration() != Declaration::Never;
        let (writer, root) = self.spelling(event.family(), edition, declaration);
        event.write_to(writer, &[root])
    }

    /// A writer, and the attribute of the root that declares the namespace.
    fn spelling(
        &self,
        family: Family,
        edition: Edition,
        declaration: bool,
    ) -> (Writer, (&'static str, &'static str)) {
        let unused = self.session_namespace() == SessionNamespace::Unused;
        let formed = self.device_id_form() == DeviceIdForm::Instance;
        match family {
            Family::Csta => (
                Writer::spelled(edition, declaration, self.prefix().with_colon())
                    .with_instance_form(formed),
                (self.prefix().declaration(), edition.namespace()),
            ),
            Family::ApplicationSession => (
                Writer::spelled(edition, declaration, ""),
                (
                    if unused { "xmlns:aps" } else { "xmlns" },
                    APPLICATION_SESSION_NAMESPACE,
                ),
            ),
        }
    }
}

/// Namespace of the second edition of ECMA-323, under Ecma's old address.
const OLD_AUTHORITY_NAMESPACE: &str = "http://www.ecma.ch/standards/ecma-323/csta/ed2";

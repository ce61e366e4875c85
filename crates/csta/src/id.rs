//! Identifiers that travel in messages. All but the invoke id are opaque text that the switching
//! function allocates; nothing here invents or normalises one (ECMA-269 §6.1, clause 10).

use std::fmt;

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it stood on the wire.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text as it stood on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id! {
    /// Names a call within the switching sub-domain (ECMA-269 §6.1.4); opaque text.
    CallId
}
opaque_id! {
    /// Names one monitor while the association lives (ECMA-269 §15.1.2); opaque text.
    MonitorCrossRefId
}

/// Names a device: the text of the element and its `typeOfNumber` attribute, unchanged.
///
/// The text may be a plain number, a URI, or the switching function representation of ECMA-269
/// clause 10: `N<dn!instance&name>display;parameters`. Two ids are equal when their texts are.
#[derive(Debug, Clone, Eq)]
pub struct DeviceId {
    text: String,
    type_of_number: Option<String>,
}

impl DeviceId {
    /// Wraps the text as it stood on the wire, without a `typeOfNumber`.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            type_of_number: None,
        }
    }

    /// Adds the `typeOfNumber` attribute (`dialingNumber` is the default when it is absent).
    #[must_use]
    pub fn with_type_of_number(mut self, type_of_number: impl Into<String>) -> Self {
        self.type_of_number = Some(type_of_number.into());
        self
    }

    /// The text as it stood on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The `typeOfNumber` attribute as it stood on the wire.
    #[must_use]
    pub fn type_of_number(&self) -> Option<&str> {
        self.type_of_number.as_deref()
    }

    /// The directory number inside: what stands between `N<` and the first of `!`, `&`, `>`; for any
    /// other form the whole text.
    #[must_use]
    pub fn number(&self) -> &str {
        match self.text.strip_prefix("N<") {
            Some(rest) => rest.split(['!', '&', '>']).next().unwrap_or(rest),
            None => &self.text,
        }
    }

    /// The terminal (instance) behind `!` in `N<dn!instance>`, where several share a number.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        let inner = self.text.strip_prefix("N<")?.split('>').next()?;
        let (_, instance) = inner.split_once('!')?;
        instance
            .split('&')
            .next()
            .filter(|instance| !instance.is_empty())
    }
}

impl PartialEq for DeviceId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl std::hash::Hash for DeviceId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for DeviceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DeviceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Names a device's part in a call (ECMA-269 §6.1.5). Either half may be missing in what a switching
/// function sends (a Failed event may carry the call alone); a complete one has both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// The call.
    pub call_id: Option<CallId>,
    /// The device in it.
    pub device_id: Option<DeviceId>,
}

impl ConnectionId {
    /// A complete connection id.
    #[must_use]
    pub fn new(call_id: CallId, device_id: DeviceId) -> Self {
        Self {
            call_id: Some(call_id),
            device_id: Some(device_id),
        }
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = self.call_id.as_ref().map_or("?", CallId::as_str);
        let device = self.device_id.as_ref().map_or("?", DeviceId::as_str);
        write!(f, "{call}/{device}")
    }
}

/// Correlates a request with its answer: four digits in the frame header, `0000` to `9998`;
/// `9999` marks an event (ECMA-323, TCP without SOAP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InvokeId(u16);

impl InvokeId {
    /// The id that every event carries.
    pub const EVENT: Self = Self(9999);
    /// The first id of a request.
    pub const FIRST: Self = Self(0);
    /// How many ids a request may take: `0000` to `9998`.
    pub const REQUEST_COUNT: u16 = 9999;

    /// The id `value`, or `None` above 9999.
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        if value <= 9999 {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The id after this one for a request; wraps below the event's.
    #[must_use]
    pub const fn next(self) -> Self {
        Self((self.0 + 1) % Self::REQUEST_COUNT)
    }
}

impl fmt::Display for InvokeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_number_out_of_the_switching_function_representation() {
        for (text, number, instance) in [
            ("2001", "2001", None),
            (
                "N<302118840101>;displayNumber=302118840101;noa=nk",
                "302118840101",
                None,
            ),
            ("N<123!98>", "123", Some("98")),
            ("N<123!98&Anna>Anna A", "123", Some("98")),
            ("N<123&Anna>", "123", None),
            ("N<>", "", None),
            ("sip:455455@phone.example", "sip:455455@phone.example", None),
        ] {
            let id = DeviceId::new(text);
            assert_eq!((id.number(), id.instance()), (number, instance), "{text}");
            assert_eq!(id.as_str(), text);
        }
    }

    #[test]
    fn request_ids_wrap_below_the_id_of_events() {
        assert_eq!(InvokeId::new(9998).map(InvokeId::next), InvokeId::new(0));
        assert_eq!(InvokeId::new(10_000), None);
        assert_eq!(
            InvokeId::new(7).map(|id| id.to_string()).as_deref(),
            Some("0007")
        );
    }
}

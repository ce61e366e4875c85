//! How values and messages become elements and back: [`Value`], and the two macros that write a
//! message down as the list of its elements in schema order.

use crate::id::{CallId, ConnectionId, DeviceId, MonitorCrossRefId};
use crate::message::DecodeError;
use crate::xml::{Element, Writer};

/// Something that one element holds.
pub(crate) trait Value: Sized {
    /// Reads the value of `element`.
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError>;
    /// Writes the value as an element called `name`.
    fn write(&self, name: &str, writer: &mut Writer);
}

/// Reads an element that a message cannot do without.
pub(crate) fn required<T: Value>(
    parent: Element<'_, '_>,
    name: &'static str,
) -> Result<T, DecodeError> {
    match parent.child(name) {
        Some(child) => T::read(child),
        None => Err(DecodeError::Missing {
            parent: parent.name().to_owned(),
            element: name,
        }),
    }
}

/// Reads an element that may be absent.
pub(crate) fn optional<T: Value>(
    parent: Element<'_, '_>,
    name: &'static str,
) -> Result<Option<T>, DecodeError> {
    parent.child(name).map(T::read).transpose()
}

/// Error for a value that its element does not allow.
pub(crate) fn bad_value(element: Element<'_, '_>, expected: &'static str) -> DecodeError {
    const SHOWN_MAX: usize = 64;
    DecodeError::Value {
        element: element.name().to_owned(),
        value: element.text().chars().take(SHOWN_MAX).collect(),
        expected,
    }
}

impl Value for String {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        Ok(element.text().to_owned())
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| w.text(self));
    }
}

impl Value for bool {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        match element.text() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(bad_value(element, "true or false")),
        }
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| w.text(self));
    }
}

impl Value for u32 {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        element
            .text()
            .parse()
            .map_err(|_| bad_value(element, "a number from 0 to 4294967295"))
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| w.text(self));
    }
}

macro_rules! text_value {
    ($($id:ident),*) => {$(
        impl Value for $id {
            fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
                Ok(Self::new(element.text()))
            }
            fn write(&self, name: &str, writer: &mut Writer) {
                writer.element(name, &[], |w| w.text(self));
            }
        }
    )*};
}
text_value!(CallId, MonitorCrossRefId);

impl Value for DeviceId {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let id = Self::new(element.text());
        Ok(match element.attribute("typeOfNumber") {
            Some(type_of_number) => id.with_type_of_number(type_of_number),
            None => id,
        })
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        match self.type_of_number() {
            Some(t) => writer.element(name, &[("typeOfNumber", t)], |w| w.text(self)),
            None => writer.element(name, &[], |w| w.text(self)),
        }
    }
}

impl Value for ConnectionId {
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let id = Self {
            call_id: optional(element, "callID")?,
            device_id: optional(element, "deviceID")?,
        };
        if id.call_id.is_none() && id.device_id.is_none() {
            return Err(bad_value(element, "a callID, a deviceID, or both"));
        }
        Ok(id)
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| {
            if let Some(call_id) = &self.call_id {
                call_id.write("callID", w);
            }
            if let Some(device_id) = &self.device_id {
                device_id.write("deviceID", w);
            }
        });
    }
}

/// Declares messages: each a struct and its elements in schema order.
///
/// `req` elements are those without which the message says nothing; every other is `opt`, because
/// switching functions leave out what the standard calls mandatory.
macro_rules! messages {
    ($(
        $(#[$doc:meta])*
        $name:ident as $element:literal {
            $( $(#[$field_doc:meta])* $kind:ident $field:ident : $ty:ty = $tag:literal ),* $(,)?
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $( $(#[$field_doc])* pub $field: $crate::codec::field_type!($kind $ty), )*
        }

        impl $name {
            /// Name of the message's root element.
            pub const NAME: &'static str = $element;
        }

        impl $crate::codec::Value for $name {
            #[allow(unused_variables, reason = "a message without elements reads none")]
            fn read(
                element: $crate::xml::Element<'_, '_>,
            ) -> Result<Self, $crate::message::DecodeError> {
                Ok(Self {
                    $( $field: $crate::codec::field_read!($kind element, $tag), )*
                })
            }
            #[allow(unused_variables, reason = "a message without elements writes none")]
            fn write(&self, name: &str, writer: &mut $crate::xml::Writer) {
                writer.element(name, &[], |w| self.write_elements(w));
            }
        }

        impl $name {
            #[allow(unused_variables, reason = "a message without elements writes none")]
            pub(crate) fn write_elements(&self, w: &mut $crate::xml::Writer) {
                $( $crate::codec::field_write!($kind self.$field, $tag, w); )*
            }
        }
    )*};
}

macro_rules! field_type {
    (req $ty:ty) => { $ty };
    (opt $ty:ty) => { Option<$ty> };
}

macro_rules! field_read {
    (req $element:ident, $tag:literal) => {
        $crate::codec::required($element, $tag)?
    };
    (opt $element:ident, $tag:literal) => {
        $crate::codec::optional($element, $tag)?
    };
}

macro_rules! field_write {
    (req $value:expr, $tag:literal, $w:ident) => {
        $crate::codec::Value::write(&$value, $tag, $w)
    };
    (opt $value:expr, $tag:literal, $w:ident) => {
        if let Some(value) = &$value {
            $crate::codec::Value::write(value, $tag, $w);
        }
    };
}

pub(crate) use {field_read, field_type, field_write, messages};

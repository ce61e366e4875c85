//! How values and messages become elements and back: [`Value`], and the macros that write a message
//! down as the list of its elements in schema order.

use crate::conformance::{Content, ElementRule, Text};
use crate::id::{CallId, ConnectionId, DeviceId, MonitorCrossRefId};
use crate::message::DecodeError;
use crate::xml::{Element, Writer};

/// Something that one element holds.
pub(crate) trait Value: Sized {
    /// What the element holds, for checks and samples.
    const CONTENT: Content;
    /// Reads the value of `element`.
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError>;
    /// Writes the value as an element called `name`.
    fn write(&self, name: &str, writer: &mut Writer);
}

/// Error for an element that is not there.
pub(crate) fn missing(parent: Element<'_, '_>, name: &'static str) -> DecodeError {
    DecodeError::Missing {
        parent: parent.name().to_owned(),
        element: name,
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
    const CONTENT: Content = Content::Text(Text::Characters);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        Ok(element.text().to_owned())
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        writer.element(name, &[], |w| w.text(self));
    }
}

impl Value for bool {
    const CONTENT: Content = Content::Text(Text::Boolean);
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
    const CONTENT: Content = Content::Text(Text::Number);
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
            const CONTENT: Content = Content::Text(Text::Characters);
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
    const CONTENT: Content = Content::Text(Text::Device);
    fn read(element: Element<'_, '_>) -> Result<Self, DecodeError> {
        let id = Self::new(element.text());
        Ok(match element.attribute("typeOfNumber") {
            Some(type_of_number) => id.with_type_of_number(type_of_number),
            None => id,
        })
    }
    fn write(&self, name: &str, writer: &mut Writer) {
        match self.type_of_number() {
            Some(t) => writer.element(name, &[("typeOfNumber", t)], |w| w.device(self)),
            None => writer.element(name, &[], |w| w.device(self)),
        }
    }
}

impl Value for ConnectionId {
    const CONTENT: Content = Content::SomeOf(&[
        ElementRule::part("callID", CallId::CONTENT),
        ElementRule::part("deviceID", DeviceId::CONTENT),
    ]);
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
/// | kind | read | write |
/// | --- | --- | --- |
/// | `req` | refused without it: the message would say nothing | always |
/// | `man` | may be absent, as switching functions leave out what the standard calls mandatory | if there; the standard wants it |
/// | `opt` | may be absent | if there |
/// | `ed6` | may be absent | if there, from the sixth edition on |
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

        $crate::codec::constructor! { $name [] [] $( $kind $field: $ty, )* }

        impl $name {
            /// The element's name.
            pub const NAME: &'static str = $element;

            /// The elements inside, in the schema's order.
            pub const ELEMENTS: &'static [$crate::conformance::ElementRule] = &[
                $( $crate::conformance::ElementRule {
                    name: $tag,
                    presence: $crate::codec::field_presence!($kind),
                    content: <$ty as $crate::codec::Value>::CONTENT,
                }, )*
            ];
        }

        impl $crate::codec::Value for $name {
            const CONTENT: $crate::conformance::Content =
                $crate::conformance::Content::Sequence(Self::ELEMENTS);
            #[allow(
                unused_variables,
                clippy::never_loop,
                clippy::match_single_binding,
                reason = "a message without elements reads none"
            )]
            fn read(
                element: $crate::xml::Element<'_, '_>,
            ) -> Result<Self, $crate::message::DecodeError> {
                $( let mut $field = None; )*
                let mut children = element.children();
                let mut next = children.next();
                // Nearly all come in the schema's order: one comparison for each element there is.
                $( if let Some(child) = next && child.name() == $tag {
                    $field = Some($crate::codec::Value::read(child)?);
                    next = children.next();
                } )*
                // What is left is unknown, out of order, or there twice: the first counts.
                while let Some(child) = next {
                    match child.name() {
                        $( $tag if $field.is_none() => {
                            $field = Some($crate::codec::Value::read(child)?);
                        } )*
                        _ => {}
                    }
                    next = children.next();
                }
                Ok(Self {
                    $( $field: $crate::codec::field_read!($kind $field, element, $tag), )*
                })
            }
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

/// Writes `new`: the required elements as arguments, every other absent.
macro_rules! constructor {
    ($name:ident [$($arg:ident: $arg_ty:ty,)*] [$($absent:ident,)*]) => {
        impl $name {
            /// The message with the elements that it cannot do without, and no other.
            #[must_use]
            #[allow(
                clippy::new_without_default,
                reason = "most messages cannot do without some element"
            )]
            pub const fn new($($arg: $arg_ty),*) -> Self {
                Self { $($arg,)* $($absent: None,)* }
            }
        }
    };
    ($name:ident [$($args:tt)*] [$($absent:tt)*] req $field:ident: $ty:ty, $($rest:tt)*) => {
        $crate::codec::constructor! { $name [$($args)* $field: $ty,] [$($absent)*] $($rest)* }
    };
    ($name:ident [$($args:tt)*] [$($absent:tt)*] $kind:ident $field:ident: $ty:ty, $($rest:tt)*) => {
        $crate::codec::constructor! { $name [$($args)*] [$($absent)* $field,] $($rest)* }
    };
}

macro_rules! field_presence {
    (req) => {
        $crate::conformance::Presence::Required
    };
    (man) => {
        $crate::conformance::Presence::Mandatory
    };
    (opt) => {
        $crate::conformance::Presence::Optional
    };
    (ed6) => {
        $crate::conformance::Presence::OptionalSinceEd6
    };
}

macro_rules! field_type {
    (req $ty:ty) => { $ty };
    ($kind:ident $ty:ty) => { Option<$ty> };
}

macro_rules! field_read {
    (req $field:ident, $element:ident, $tag:literal) => {
        $field.ok_or_else(|| $crate::codec::missing($element, $tag))?
    };
    ($kind:ident $field:ident, $element:ident, $tag:literal) => {
        $field
    };
}

macro_rules! field_write {
    (req $value:expr, $tag:literal, $w:ident) => {
        $crate::codec::Value::write(&$value, $tag, $w)
    };
    (ed6 $value:expr, $tag:literal, $w:ident) => {
        if $w.edition() >= $crate::edition::Edition::Ed6
            && let Some(value) = &$value
        {
            $crate::codec::Value::write(value, $tag, $w);
        }
    };
    ($kind:ident $value:expr, $tag:literal, $w:ident) => {
        if let Some(value) = &$value {
            $crate::codec::Value::write(value, $tag, $w);
        }
    };
}

/// Declares a list: an element that holds any number of another.
macro_rules! lists {
    ($( $(#[$doc:meta])* $name:ident of $item:ty = $tag:expr; )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name(pub Vec<$item>);

        impl $crate::codec::Value for $name {
            const CONTENT: $crate::conformance::Content = $crate::conformance::Content::List(
                &$crate::conformance::ElementRule::part(
                    $tag,
                    <$item as $crate::codec::Value>::CONTENT,
                ),
            );
            fn read(
                element: $crate::xml::Element<'_, '_>,
            ) -> Result<Self, $crate::message::DecodeError> {
                let items = element.children().filter(|child| child.name() == $tag);
                items
                    .map(<$item as $crate::codec::Value>::read)
                    .collect::<Result<_, _>>()
                    .map(Self)
            }
            fn write(&self, name: &str, writer: &mut $crate::xml::Writer) {
                writer.element(name, &[], |w| {
                    for item in &self.0 {
                        $crate::codec::Value::write(item, $tag, w);
                    }
                });
            }
        }
    )*};
}

/// Declares a choice: an element that holds exactly one of several others. A variant without a type
/// is an empty element.
macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        $name:ident {
            $( $(#[$variant_doc:meta])* $variant:ident $(($ty:ty))? = $tag:literal ),* $(,)?
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$variant_doc])* $variant $(($ty))?, )* }

        impl $crate::codec::Value for $name {
            const CONTENT: $crate::conformance::Content = $crate::conformance::Content::OneOf(&[
                $( $crate::conformance::ElementRule::part(
                    $tag,
                    $crate::codec::choice_content!($($ty)?),
                ), )*
            ]);
            fn read(
                element: $crate::xml::Element<'_, '_>,
            ) -> Result<Self, $crate::message::DecodeError> {
                for child in element.children() {
                    match child.name() {
                        $( $tag => return $crate::codec::choice_read!($variant child $($ty)?), )*
                        _ => {}
                    }
                }
                Err($crate::codec::bad_value(element, concat!("one of the elements", $( " ", $tag, )*)))
            }
            fn write(&self, name: &str, writer: &mut $crate::xml::Writer) {
                writer.element(name, &[], |w| {
                    $( $crate::codec::choice_write!(self $variant $tag w $($ty)?); )*
                });
            }
        }
    )*};
}

macro_rules! choice_content {
    () => {
        $crate::conformance::Content::Empty
    };
    ($ty:ty) => {
        <$ty as $crate::codec::Value>::CONTENT
    };
}

macro_rules! choice_read {
    ($variant:ident $child:ident) => {
        Ok(Self::$variant)
    };
    ($variant:ident $child:ident $ty:ty) => {
        <$ty as $crate::codec::Value>::read($child).map(Self::$variant)
    };
}

macro_rules! choice_write {
    ($this:ident $variant:ident $tag:literal $w:ident) => {
        if matches!($this, Self::$variant) {
            $w.element($tag, &[], |_| {});
        }
    };
    ($this:ident $variant:ident $tag:literal $w:ident $ty:ty) => {
        if let Self::$variant(value) = $this {
            $crate::codec::Value::write(value, $tag, $w);
        }
    };
}

pub(crate) use {
    choice_content, choice_read, choice_write, choices, constructor, field_presence, field_read,
    field_type, field_write, lists, messages,
};

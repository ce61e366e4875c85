//! What a switching function tells of a call beside its identifier, by which the calls that it makes of
//! one caller's are told from those of another.

use csta::value::{OpaqueData, Raw};
use csta::xml::{Document, Element};
use csta::{ConnectionId, DeviceId, Event};

/// Where a call comes from, as far as told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The call's link across switching functions (`GlobalCallData`, ECMA-269 §12.2).
    linked: Option<Box<str>>,
    /// The calls that it belongs together with (`ThreadData`, likewise).
    thread: Option<Box<str>>,
    /// Its connection at the network interface.
    interface: Option<ConnectionId>,
    /// What applications attached to it.
    correlator: Option<OpaqueData>,
}

impl Origin {
    /// What the event of a call that is offered or delivered tells.
    pub(super) fn of_event(event: &Event) -> Option<Self> {
        let (interface, correlator, linkage) = match event {
            Event::Offered(e) => (
                &e.originating_nid_connection,
                &e.correlator_data,
                &e.call_linkage_data,
            ),
            Event::Delivered(e) => (
                &e.originating_nid_connection,
                &e.correlator_data,
                &e.call_linkage_data,
            ),
            _ => return None,
        };
        Some(Self {
            interface: interface.clone(),
            correlator: correlator.clone(),
            ..Self::of_linkage(linkage.as_ref())
        })
    }

    pub(super) fn of_linkage(data: Option<&Raw>) -> Self {
        let xml = data.map(|data| format!("<data>{}</data>", data.as_xml()));
        let document = xml.as_deref().and_then(|xml| Document::parse(xml).ok());
        let part = |name| {
            let element = document.as_ref()?.root().child(name)?;
            let mut text = String::new();
            append_text(&mut text, element);
            (!text.is_empty()).then(|| text.into_boxed_str())
        };
        Self {
            linked: part("globalCallData"),
            thread: part("threadData"),
            ..Self::default()
        }
    }

    /// Whether two calls are one caller's; `None` where what was told of them does not decide it.
    pub(super) fn is_same(&self, other: &Self) -> Option<bool> {
        // A thread holds calls that belong together; each of them may have a link of its own.
        let thread = equal(self.thread.as_ref(), other.thread.as_ref());
        let linked = equal(self.linked.as_ref(), other.linked.as_ref());
        let by_link = thread.filter(|same| *same).or(linked).or(thread);
        by_link
            .or_else(|| self.is_same_interface(other))
            .or_else(|| equal(self.correlator.as_ref(), other.correlator.as_ref()))
    }

    /// The same connection is the same caller, another line is another one. One device may be a group of
    /// lines.
    fn is_same_interface(&self, other: &Self) -> Option<bool> {
        let (one, other) = (self.interface.as_ref()?, other.interface.as_ref()?);
        if one.call_id.is_some() && one.device_id.is_some() && one == other {
            return Some(true);
        }
        let device = |it: &'_ ConnectionId| it.device_id.as_ref().map(DeviceId::to_string);
        equal(device(one), device(other)).filter(|same| !same)
    }
}

fn equal<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<bool> {
    Some(one? == other?)
}

/// The texts of an element, each under its element's name.
fn append_text(out: &mut String, element: Element<'_, '_>) {
    for child in element.children() {
        let text = child.text().trim();
        if !text.is_empty() {
            out.extend([child.name(), "=", text, ";"]);
        }
        append_text(out, child);
    }
}

//! Events in one line each, and what is published for them.
//!
//! `2001 < held C1/2001 hold` is the report of 2001's monitor; words after the state: `from=`, `to=`
//! (the calling and the called number), `by=` (who redirected the call last), `goes=` (where a
//! diverted call goes), `why=` (cause). A transfer or conference lists the old calls
//! and the resulting connections: `2002 < transferred C1/2001 C2/2001 to=2003 [C3/2002<C1/2002 …]`.

use csta::message::{CallClearedEvent, ConferencedEvent, TransferedEvent};
use csta::value::{ConnectionList, ConnectionListItem};
use csta::{ConnectionId, DeviceId, Event, EventCause, LocalConnectionState, MonitorCrossRefId};

use crate::harness::{Bench, Short, connection};

/// Feeds events to a bench, one a line.
pub(crate) fn feed(bench: &mut Bench, lines: &str) {
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (monitored, event) = line.split_once(" < ").unwrap();
        bench.event(monitored, &event_of(event));
    }
}

/// Feeds events and says what was published of legs.
pub(crate) fn trace(monitored: &[&str], lines: &str) -> Vec<String> {
    let mut bench = Bench::new(monitored);
    feed(&mut bench, lines);
    bench.traced()
}

/// The event that a line describes.
pub(crate) fn event_of(line: &str) -> Event {
    let (line, list) = line.split_once('[').unwrap_or((line, ""));
    let mut words = line.split_whitespace();
    let (kind, about) = (words.next().unwrap(), words.next().unwrap());
    let rest: Vec<_> = words.collect();
    let option = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name));
    let local = rest
        .iter()
        .find_map(|word| LocalConnectionState::from_text(word));
    let cause = EventCause::new(option("why=").unwrap_or("normal"));
    let about = pair(about);
    if let "transferred" | "conferenced" = kind {
        let second = rest.first().filter(|word| word.contains('/'));
        let to = option("to=").map(|to| DeviceId::new(to).into());
        let joined = (about, second.map(|word| pair(word)), to);
        return join(kind, joined, list, local, cause);
    }
    if kind == "call-cleared" {
        let cleared = CallClearedEvent {
            cause: Some(cause),
            ..CallClearedEvent::new(xref(), about)
        };
        return cleared.into();
    }
    let short = Short {
        call: about.call_id.as_ref().unwrap().as_str(),
        device: about.device_id.as_ref().unwrap().as_str(),
        from: option("from=").unwrap_or("2001"),
        to: option("to=").unwrap_or("2002"),
        redirected: option("by="),
        cause,
    };
    let mut event = short.event(kind, local);
    if let Event::Diverted(diverted) = &mut event {
        diverted.new_destination = option("goes=").map(|to| DeviceId::new(to).into());
    }
    event
}

type Joined = (
    ConnectionId,
    Option<ConnectionId>,
    Option<csta::ExtendedDeviceId>,
);

fn join(
    kind: &str,
    (primary, secondary, to): Joined,
    list: &str,
    local: Option<LocalConnectionState>,
    cause: EventCause,
) -> Event {
    let by = primary.device_id.clone().map(Into::into);
    let items = list.trim_end_matches(']').split_whitespace();
    let items = items.map(|item| {
        let (new, old) = item
            .split_once('<')
            .map_or((item, None), |(n, o)| (n, Some(o)));
        ConnectionListItem {
            new_connection: Some(pair(new)),
            old_connection: old.map(pair),
            endpoint: pair(new).device_id.map(Into::into),
            ..ConnectionListItem::new()
        }
    });
    let list = Some(ConnectionList(items.collect()));
    if kind == "transferred" {
        TransferedEvent {
            secondary_old_call: secondary,
            transferring_device: by,
            transferred_to_device: to,
            transferred_connections: list,
            local_connection_info: local,
            cause: Some(cause),
            ..TransferedEvent::new(xref(), primary)
        }
        .into()
    } else {
        ConferencedEvent {
            secondary_old_call: secondary,
            conferencing_device: by,
            added_party: to,
            conference_connections: list,
            local_connection_info: local,
            cause: Some(cause),
            ..ConferencedEvent::new(xref(), primary)
        }
        .into()
    }
}

fn pair(text: &str) -> ConnectionId {
    let (call, device) = text.split_once('/').unwrap();
    match device.split_once('!') {
        Some(_) => connection(call, &format!("N<{device}>")),
        None => connection(call, device),
    }
}

fn xref() -> MonitorCrossRefId {
    MonitorCrossRefId::new("1")
}

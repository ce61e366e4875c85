//! The parts that touch each event, one by one, in processor time of one thread.

mod sip;

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::BytesMut;
use call_control::Registry;
use cloud_uplink::{IdSource, Identity, Timestamp};
use csta::frame::{FrameDecoder, encode};
use csta::{DeviceId, Event, InvokeId, Message};
use quick_xml::Reader;
use quick_xml::events::Event as XmlEvent;

use super::process::thread_cpu_time;
use super::report::median;
use super::{Goal, Row};

/// Each figure is the median of so many runs.
const RUNS: usize = 5;
/// The goals, for one processor.
const PARSED_MIN: f64 = 150_000.0;
const FRAMES_MIN_GB: f64 = 1.0;
const APPLIED_MIN: f64 = 200_000.0;
/// Devices of the registry's calls.
const DEVICES: u32 = 200;

/// Runs the bench.
///
/// # Errors
/// Our own events are not readable.
pub fn run(quick: bool) -> Result<Vec<Row>> {
    let per_run = Duration::from_millis(if quick { 100 } else { 500 });
    let event = delivered("C000000000000001", "2000", "2001", "2001");
    let mut rows = Vec::new();
    parsing(
        &mut rows,
        "micro.parse",
        "our own Delivered",
        event.as_bytes(),
        per_run,
    )?;
    if let Some(captured) = captured() {
        let body = captured.get(8..).context("a capture without a body")?;
        parsing(
            &mut rows,
            "micro.parse_captured",
            "the captured Originated",
            body,
            per_run,
        )?;
    }
    framing(&mut rows, &event, per_run)?;
    registry(&mut rows, per_run)?;
    sip::run(&mut rows, per_run)?;
    Ok(rows)
}

fn parsing(
    rows: &mut Vec<Row>,
    name: &'static str,
    what: &str,
    body: &[u8],
    per_run: Duration,
) -> Result<()> {
    let message = Message::parse(body)?;
    anyhow::ensure!(matches!(message, Message::Event(_)), "no event");
    let ours = per_second(per_run, 1, || {
        let _ = black_box(Message::parse(black_box(body)));
    });
    let bare = per_second(per_run, 1, || {
        let mut reader = Reader::from_reader(black_box(body));
        while let Ok(event) = reader.read_event() {
            if matches!(black_box(event), XmlEvent::Eof) {
                break;
            }
        }
    });
    rows.push(Row::new(
        name,
        format!(
            "CSTA messages read ({what}, {} bytes), {:.0} % of the bare XML reader",
            body.len(),
            100.0 * ours / bare
        ),
        ours,
        "events/s",
        Goal::AtLeast(PARSED_MIN),
    ));
    Ok(())
}

fn framing(rows: &mut Vec<Row>, event: &str, per_run: Duration) -> Result<()> {
    let mut stream = BytesMut::new();
    while stream.len() < 64 * 1024 - event.len() - 8 {
        encode(InvokeId::EVENT, event, &mut stream)?;
    }
    let mut decoder = FrameDecoder::default();
    let ours = per_second(per_run, stream.len(), || {
        decoder.push(black_box(&stream));
        while let Ok(Some(frame)) = decoder.next_frame() {
            black_box(frame);
        }
    });
    let mut copy = vec![0; stream.len()];
    let bare = per_second(per_run, stream.len(), || {
        black_box(&mut copy).copy_from_slice(black_box(&stream));
    });
    rows.push(Row::new(
        "micro.frames",
        format!(
            "frames cut out of the byte stream, {:.0} % of one copy",
            100.0 * ours / bare
        ),
        ours / 1e9,
        "GB/s",
        Goal::AtLeast(FRAMES_MIN_GB),
    ));
    Ok(())
}

fn registry(rows: &mut Vec<Row>, per_run: Duration) -> Result<()> {
    let now = Timestamp::from_unix_ms(1_700_000_000_000);
    let identity = Identity {
        account_id: "acme".into(),
        site_id: "north".into(),
        gateway_id: "gw-1".into(),
    };
    let mut counter = 0_u128;
    let ids = IdSource::new(move || {
        counter += 1;
        counter
    });
    let mut registry = Registry::new(identity, ids);
    let devices: Vec<_> = (0..DEVICES)
        .map(|number| DeviceId::new((2000 + number).to_string()))
        .collect();
    registry.set_endpoints(devices.iter().cloned(), now);
    registry.handle_link_up(now);
    for device in &devices {
        registry.handle_monitored(device, now);
    }
    let calls = calls()?;
    let mut at = 0;
    let mut apply = |json: bool| {
        let (device, event) = &calls[at % calls.len()];
        at += 1;
        registry.handle_event(device, event, now);
        while let Some(change) = registry.poll_change() {
            if json {
                let _ = black_box(serde_json::to_string(&change.event));
            }
            black_box(change);
        }
    };
    let bare = per_second(per_run, 1, || apply(false));
    let json = per_second(per_run, 1, || apply(true));
    rows.push(Row::new(
        "micro.registry",
        "CSTA events applied to the calls",
        bare,
        "events/s",
        Goal::AtLeast(APPLIED_MIN),
    ));
    rows.push(Row::info(
        "micro.registry_json",
        "the same, and what is published written as JSON",
        json,
        "events/s",
    ));
    Ok(())
}

/// Basic calls between neighbours, each seen by both: ringing, answered, ended.
fn calls() -> Result<Vec<(DeviceId, Event)>> {
    let mut events = Vec::new();
    for call in 0..20_000_u32 {
        let from = (2000 + 2 * call % DEVICES).to_string();
        let to = (2001 + 2 * call % DEVICES).to_string();
        let id = format!("C{call:015}");
        for seen_by in [&from, &to] {
            let text = delivered(&id, &from, &to, seen_by);
            events.push((DeviceId::new(seen_by.as_str()), parse(&text)?));
        }
        for seen_by in [&from, &to] {
            let text = established(&id, &from, &to, seen_by);
            events.push((DeviceId::new(seen_by.as_str()), parse(&text)?));
        }
        for leaving in [&from, &to] {
            for seen_by in [&from, &to] {
                let text = cleared(&id, leaving, seen_by);
                events.push((DeviceId::new(seen_by.as_str()), parse(&text)?));
            }
        }
    }
    Ok(events)
}

fn parse(text: &str) -> Result<Event> {
    match Message::parse(text.as_bytes())? {
        Message::Event(event) => Ok(event),
        other => anyhow::bail!("{} is no event", other.name()),
    }
}

/// An event of the size that a PBX with all its additions sends.
fn delivered(call: &str, from: &str, to: &str, seen_by: &str) -> String {
    let local = if seen_by == to {
        "alerting"
    } else {
        "connected"
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <DeliveredEvent xmlns=\"http://www.ecma-international.org/standards/ecma-323/csta/ed4\">\
         <monitorCrossRefID>{seen_by}0001</monitorCrossRefID>\
         <connection><callID>{call}</callID><deviceID>{to}</deviceID></connection>\
         <alertingDevice><deviceIdentifier>{to}</deviceIdentifier></alertingDevice>\
         <callingDevice><deviceIdentifier>{from}</deviceIdentifier></callingDevice>\
         <calledDevice><deviceIdentifier>{to}</deviceIdentifier></calledDevice>\
         <lastRedirectionDevice><notRequired/></lastRedirectionDevice>\
         <localConnectionInfo>{local}</localConnectionInfo><cause>newCall</cause>\
         <servicesPermitted><callControlServices><answerCall>true</answerCall>\
         <clearConnection>true</clearConnection><deflectCall>true</deflectCall>\
         </callControlServices><callAssociatedServices/><mediaAttachementServices/>\
         <routeingServices/><voiceServices/></servicesPermitted>\
         <mediaCallCharacteristics><mediaClass><voice>true</voice><image>false</image>\
         <im>false</im></mediaClass></mediaCallCharacteristics>\
         </DeliveredEvent>"
    )
}

fn established(call: &str, from: &str, to: &str, seen_by: &str) -> String {
    format!(
        "<EstablishedEvent xmlns=\"http://www.ecma-international.org/standards/ecma-323/csta/ed4\">\
         <monitorCrossRefID>{seen_by}0001</monitorCrossRefID>\
         <establishedConnection><callID>{call}</callID><deviceID>{to}</deviceID>\
         </establishedConnection>\
         <answeringDevice><deviceIdentifier>{to}</deviceIdentifier></answeringDevice>\
         <callingDevice><deviceIdentifier>{from}</deviceIdentifier></callingDevice>\
         <calledDevice><deviceIdentifier>{to}</deviceIdentifier></calledDevice>\
         <lastRedirectionDevice><notRequired/></lastRedirectionDevice>\
         <localConnectionInfo>connected</localConnectionInfo><cause>newCall</cause>\
         </EstablishedEvent>"
    )
}

fn cleared(call: &str, leaving: &str, seen_by: &str) -> String {
    let local = if seen_by == leaving {
        "null"
    } else {
        "connected"
    };
    format!(
        "<ConnectionClearedEvent \
         xmlns=\"http://www.ecma-international.org/standards/ecma-323/csta/ed4\">\
         <monitorCrossRefID>{seen_by}0001</monitorCrossRefID>\
         <droppedConnection><callID>{call}</callID><deviceID>{leaving}</deviceID>\
         </droppedConnection>\
         <releasingDevice><deviceIdentifier>{leaving}</deviceIdentifier></releasingDevice>\
         <localConnectionInfo>{local}</localConnectionInfo><cause>normalClearing</cause>\
         </ConnectionClearedEvent>"
    )
}

/// A frame of a real system, where there is test data.
fn captured() -> Option<Vec<u8>> {
    let folder = std::env::var_os("RINGWAY_TESTDATA")?;
    let frames = Path::new(&folder).join("csta/samples/frames");
    let mut files = std::fs::read_dir(frames).ok()?.filter_map(Result::ok);
    let is_it = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("OriginatedEvent");
    let file = files.find(|file| is_it(&file.file_name()))?;
    std::fs::read(file.path()).ok()
}

/// How many units a second of processor time does; `once` does `units`. The median of some runs.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
fn per_second(per_run: Duration, units: usize, mut once: impl FnMut()) -> f64 {
    let mut run = || {
        let (start, mut times) = (thread_cpu_time(), 0_u64);
        loop {
            for _ in 0..64 {
                once();
            }
            times += 64;
            let took = thread_cpu_time().saturating_sub(start);
            if took >= per_run {
                return times as f64 * units as f64 / took.as_secs_f64();
            }
        }
    };
    median((0..RUNS).map(|_| run()).collect())
}

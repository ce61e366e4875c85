//! Every dialect: its switches, its device ids, its writing.

use super::{AssociationMode, Dialect, Source, SwitchError};
use crate::edition::Edition;
use crate::id::DeviceId;
use crate::message::{
    Message, Request, Response, StartApplicationSessionPosResponse, SystemStatus,
};
use crate::value::{CstaError, ErrorCategory, SystemStatusValue};

#[test]
fn dialects_are_found_by_name_and_differ() {
    for dialect in Dialect::ALL {
        assert_eq!(Dialect::by_name(dialect.name()), Some(dialect));
    }
    assert_eq!(Dialect::by_name("no such"), None);
    let names: std::collections::BTreeSet<_> = Dialect::ALL.map(|d| d.name()).into();
    assert_eq!(names.len(), Dialect::ALL.len());
}

#[test]
fn each_switch_is_read_and_set_by_name_and_says_what_is_allowed() {
    for switch in Dialect::SWITCHES {
        assert!(!switch.what.is_empty() && switch.what.trim() == switch.what);
        for dialect in Dialect::ALL {
            let (value, source) = switch.value(&dialect);
            assert_ne!(source, Source::Set);
            let mut copy = dialect;
            copy.set(switch.name, &value).unwrap();
            assert_eq!(switch.value(&copy), (value, Source::Set), "{}", switch.name);
            let error = copy.set(switch.name, "?").unwrap_err();
            assert!(error.to_string().contains(&switch.allowed()), "{error}");
        }
    }
    let mut dialect = Dialect::ECMA;
    let error = dialect.set("no-such", "true").unwrap_err();
    assert!(matches!(error, SwitchError::Unknown { .. }));
    assert!(error.to_string().contains("diverted-to"), "{error}");
    assert_eq!(dialect, Dialect::ECMA);
}

#[test]
fn values_have_bounds() {
    for (switch, bad) in [
        ("editions", "ed3-ed6"),
        ("editions", "ed7"),
        ("reset-at-percent", "9"),
        ("heart-beat-s", "3601"),
        ("speaks-first", "1"),
    ] {
        assert!(Dialect::ECMA.clone().set(switch, bad).is_err(), "{bad}");
    }
    let mut dialect = Dialect::ECMA;
    dialect.set("editions", "ed5-ed3").unwrap();
    let offered: Vec<Edition> = dialect.editions().newest_first().collect();
    assert_eq!(offered, [Edition::Ed5, Edition::Ed4, Edition::Ed3]);
}

#[test]
fn device_ids_are_formed_and_read_back() {
    for (dialect, number, instance, text) in [
        (Dialect::ECMA, "2001", None, "2001"),
        (Dialect::MX_ONE, "2001", Some("3"), "N<2001!3>"),
        (Dialect::MIVOICE_400, "123", Some("98"), "N<123!98>"),
        (Dialect::MIVOICE_400, "123", None, "N<123>"),
        (Dialect::OPENSCAPE, "302118840101", None, "302118840101"),
    ] {
        let id = dialect.device_id(number, instance);
        assert_eq!(id.as_str(), text);
        assert_eq!((id.number(), id.instance()), (number, instance));
    }
    let wire = |text: &str| {
        let id = Dialect::MIVOICE_400.device_id_on_the_wire(&DeviceId::new(text));
        id.as_str().to_owned()
    };
    assert_eq!(wire("123"), "N<123>");
    assert_eq!(wire("N<123!98>"), "N<123!98>");
}

#[test]
fn only_the_association_changes_with_another_one() {
    let dialect = Dialect::MX_ONE.with_association(AssociationMode::Implicit);
    assert_eq!(dialect.association(), AssociationMode::Implicit);
    let back = dialect.with_association(Dialect::MX_ONE.association());
    assert_eq!(back.name(), "mx-one");
}

const ED4: &str = "http://www.ecma-international.org/standards/ecma-323/csta/ed4";
const ED5: &str = "http://www.ecma-international.org/standards/ecma-323/csta/ed5";
const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

fn error() -> Response {
    CstaError::new(
        ErrorCategory::SystemResourceAvailability,
        "overallMonitorLimitExceeded",
    )
    .into()
}

fn status() -> Request {
    SystemStatus {
        system_status: Some(SystemStatusValue::Normal),
        ..SystemStatus::new()
    }
    .into()
}

#[test]
fn mivoice_400_writes_prefixes_and_answers_without_declaration() {
    let answer = Dialect::MIVOICE_400.write_response(&error(), Edition::Ed5);
    assert_eq!(
        answer,
        format!(
            "<csta:CSTAErrorCode xmlns:csta=\"{ED5}\"><csta:systemResourceAvailibility>\
             overallMonitorLimitExceeded</csta:systemResourceAvailibility></csta:CSTAErrorCode>"
        )
    );
    let report = Dialect::MIVOICE_400.write_request(&status(), Edition::Ed5);
    assert_eq!(
        report,
        format!(
            "{XML}<csta:SystemStatus xmlns:csta=\"{ED5}\"><csta:systemStatus>normal\
             </csta:systemStatus></csta:SystemStatus>"
        )
    );
}

#[test]
fn openscape_writes_a_session_in_no_namespace_and_its_status_in_an_old_one() {
    let session = StartApplicationSessionPosResponse {
        actual_protocol_version: Some(ED4.to_owned()),
        actual_session_duration: Some(600),
        ..StartApplicationSessionPosResponse::new("1".to_owned())
    };
    assert_eq!(
        Dialect::OPENSCAPE.write_response(&session.into(), Edition::Ed4),
        format!(
            "{XML}<StartApplicationSessionPosResponse \
             xmlns:aps=\"http://www.ecma-international.org/standards/ecma-354/appl_session\">\
             <sessionID>1</sessionID><actualProtocolVersion>{ED4}</actualProtocolVersion>\
             <actualSessionDuration>600</actualSessionDuration>\
             </StartApplicationSessionPosResponse>"
        )
    );
    assert_eq!(
        Dialect::OPENSCAPE.write_request(&status(), Edition::Ed4),
        format!(
            "{XML}<SystemStatus xmlns=\"http://www.ecma.ch/standards/ecma-323/csta/ed2\">\
             <systemStatus>normal</systemStatus></SystemStatus>"
        )
    );
}

#[test]
fn the_strict_dialect_writes_as_the_messages_themselves_and_all_are_read_alike() {
    let messages = [
        Message::Response(error()),
        Message::Request(status()),
        Message::Response(StartApplicationSessionPosResponse::new("1".to_owned()).into()),
        Message::Event(
            Message::parse(
                b"<HeldEvent><monitorCrossRefID>x</monitorCrossRefID><heldConnection><callID>1\
                  </callID><deviceID>N&lt;1!2></deviceID></heldConnection></HeldEvent>",
            )
            .map(|message| match message {
                Message::Event(event) => event,
                other => panic!("unexpected {}", other.name()),
            })
            .unwrap(),
        ),
    ];
    for message in &messages {
        let strict = match message {
            Message::Request(request) => request.to_xml(Edition::Ed5),
            Message::Response(response) => response.to_xml(Edition::Ed5),
            Message::Event(event) => event.to_xml(Edition::Ed5),
            Message::Unknown { xml, .. } => xml.clone(),
        };
        assert_eq!(Dialect::ECMA.write(message, Edition::Ed5), strict);
        for dialect in Dialect::ALL {
            let xml = dialect.write(message, Edition::Ed5);
            assert_eq!(
                Message::parse(xml.as_bytes()).as_ref(),
                Ok(message),
                "{xml}"
            );
        }
    }
}

#[test]
fn device_ids_of_events_and_answers_get_their_form_and_terminals_keep_theirs() {
    let held = |device: &str| {
        let connection = crate::ConnectionId::new(crate::CallId::new("1"), DeviceId::new(device));
        let monitor = crate::MonitorCrossRefId::new("x");
        crate::message::HeldEvent::new(monitor, connection).into()
    };
    for (dialect, device, written) in [
        (Dialect::MIVOICE_400, "2001", "N&lt;2001&gt;"),
        (Dialect::MIVOICE_400, "N<2001!2>", "N&lt;2001!2&gt;"),
        (Dialect::ECMA, "2001", "<deviceID>2001<"),
        (Dialect::OPENSCAPE, "N<2001!2>", "N&lt;2001!2&gt;"),
    ] {
        let xml = dialect.write_event(&held(device), Edition::Ed5);
        assert!(xml.contains(written), "{xml}");
    }
}

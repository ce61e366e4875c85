//! Dialects: how the PBX begins, and the bytes that it writes.

use csta::message::application_session::{ApplicationInfo, ProtocolVersions};
use csta::message::monitoring::MonitorObject;
use csta::message::{MonitorStart, SnapshotDevice, StartApplicationSession};
use csta::{DeviceId, Dialect, Edition};
use pbx_sim::Config;

use crate::bench::Bench;

const XML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
const CSTA: &str = "http://www.ecma-international.org/standards/ecma-323/csta";
const SESSION: &str = "http://www.ecma-international.org/standards/ecma-354/appl_session";

fn bench(dialect: Dialect) -> Bench {
    Bench::new(|config: &mut Config| config.association.dialect = dialect)
}

#[test]
fn each_writes_an_event_in_its_namespace_with_its_ids_and_declaration() {
    let body = |p: &str, id: &str| {
        let held = "heldConnection";
        let holding = "holdingDevice";
        format!(
            "<{p}monitorCrossRefID>1</{p}monitorCrossRefID><{p}{held}><{p}callID>0000000100000001\
             </{p}callID><{p}deviceID>{id}</{p}deviceID></{p}{held}><{p}{holding}>\
             <{p}deviceIdentifier>{id}</{p}deviceIdentifier></{p}{holding}>\
             <{p}localConnectionInfo>hold</{p}localConnectionInfo><{p}cause>keyOperation</{p}cause>"
        )
    };
    for (dialect, edition, prefix, id) in [
        (Dialect::ECMA, "ed6", "", "2001"),
        (Dialect::MX_ONE, "ed6", "", "2001"),
        (Dialect::MIVOICE_400, "ed5", "csta", "N&lt;2001&gt;"),
        (Dialect::OPENSCAPE, "ed4", "", "2001"),
    ] {
        let mut bench = bench(dialect);
        bench.lines();
        // Plain and formed ids are both understood.
        let formed = DeviceId::new("N<2001>");
        bench.send(
            bench.first,
            MonitorStart::new(MonitorObject::Device(formed)),
        );
        for line in ["call 2001 2002", "answer 2002"] {
            bench.tell(line);
        }
        bench.xml();
        bench.tell("hold 2001");
        let (colon, declared) = match prefix {
            "" => (String::new(), "xmlns".to_owned()),
            prefix => (format!("{prefix}:"), format!("xmlns:{prefix}")),
        };
        let expected = format!(
            "{XML}<{colon}HeldEvent {declared}=\"{CSTA}/{edition}\">{}</{colon}HeldEvent>",
            body(&colon, id)
        );
        assert_eq!(bench.xml(), [expected], "{}", dialect.name());
    }
}

#[test]
fn each_refuses_in_its_own_words() {
    for (dialect, expected) in [
        (
            Dialect::ECMA,
            format!(
                "{XML}<CSTAErrorCode xmlns=\"{CSTA}/ed6\"><operation>invalidDeviceID</operation>\
                 </CSTAErrorCode>"
            ),
        ),
        (
            Dialect::MIVOICE_400,
            format!(
                "<csta:CSTAErrorCode xmlns:csta=\"{CSTA}/ed5\"><csta:operation>invalidDeviceID\
                 </csta:operation></csta:CSTAErrorCode>"
            ),
        ),
        (
            Dialect::OPENSCAPE,
            format!(
                "{XML}<CSTAErrorCode xmlns=\"{CSTA}/ed4\"><operation>invalidDeviceID</operation>\
                 </CSTAErrorCode>"
            ),
        ),
    ] {
        let mut bench = bench(dialect);
        bench.lines();
        bench.send(bench.first, SnapshotDevice::new(DeviceId::new("777")));
        assert_eq!(bench.xml(), [expected], "{}", dialect.name());
    }
}

#[test]
fn openscape_speaks_first_and_the_others_wait() {
    for dialect in Dialect::ALL {
        let mut bench = bench(dialect);
        let first = bench.xml();
        if dialect.name() != "openscape" {
            assert_eq!(first, Vec::<String>::new(), "{}", dialect.name());
            continue;
        }
        assert_eq!(
            first,
            [format!(
                "{XML}<SystemStatus xmlns=\"http://www.ecma.ch/standards/ecma-323/csta/ed2\">\
                 <systemStatus>normal</systemStatus></SystemStatus>"
            )]
        );
    }
}

#[test]
fn a_session_is_granted_in_an_edition_that_the_dialect_has() {
    for (dialect, offered, granted) in [
        (Dialect::ECMA, Edition::Ed6, true),
        (Dialect::ECMA, Edition::Ed3, true),
        (Dialect::MIVOICE_400, Edition::Ed6, false),
        (Dialect::MIVOICE_400, Edition::Ed5, true),
        (Dialect::OPENSCAPE, Edition::Ed3, false),
        (Dialect::OPENSCAPE, Edition::Ed4, true),
    ] {
        let mut bench = bench(dialect);
        bench.lines();
        let info = ApplicationInfo {
            application_id: "test".to_owned(),
            specific_info: String::new(),
        };
        let versions = ProtocolVersions(vec![offered.namespace().to_owned()]);
        bench.send(bench.first, StartApplicationSession::new(info, versions));
        let xml = bench.xml().remove(0);
        let (name, end) = if granted {
            ("Pos", "sessionID")
        } else {
            ("Neg", "errorCode")
        };
        // OpenScape declares the namespace for a prefix that it does not use.
        let declared = match dialect.name() {
            "openscape" => "xmlns:aps",
            _ => "xmlns",
        };
        let root =
            format!("<StartApplicationSession{name}Response {declared}=\"{SESSION}\"><{end}>");
        assert!(xml.contains(&root), "{}: {xml}", dialect.name());
    }
}

#[test]
fn terminals_of_one_number_ring_as_the_dialect_has_it() {
    for (value, delivered) in [
        ("number", vec!["2002"]),
        ("terminal", vec!["N&lt;2002!1&gt;", "N&lt;2002!2&gt;"]),
        ("call", vec!["N&lt;2002!1&gt;", "N&lt;2002!2&gt;"]),
    ] {
        let mut bench = Bench::new(|config| {
            config.terminals.insert("2002".to_owned(), 2);
            let dialect = &mut config.association.dialect;
            dialect.set("multiple-terminals", value).unwrap();
        });
        bench.watch(bench.first, "2002");
        bench.tell("call 2001 2002");
        let xml = bench.xml();
        assert_eq!(xml.len(), delivered.len(), "{value}: {xml:?}");
        for (xml, device) in xml.iter().zip(delivered) {
            let connection = format!("<deviceID>{device}</deviceID></connection>");
            assert!(xml.contains(&connection), "{value}: {xml}");
        }
        let refusal = "there are calls: `drain` first";
        let other = if value == "number" { "call" } else { "number" };
        assert_eq!(
            bench.tell(&format!("set multiple-terminals {other}")),
            refusal
        );
        bench.tell("drain");
        assert_eq!(bench.tell(&format!("set multiple-terminals {other}")), "ok");
    }
}

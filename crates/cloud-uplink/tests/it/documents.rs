//! The documents under `docs/` against the types, and golden messages against the documents.

use std::fs;
use std::path::Path;

use cloud_uplink::schema;
use cloud_uplink::{CloudFrame, Event, GatewayFrame};
use jsonschema::Validator;
use serde_json::{Value, json};

/// Set to rewrite the documents instead of comparing them.
const UPDATE: &str = "UPDATE_SCHEMAS";

#[test]
fn the_documents_are_those_that_the_types_generate() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for (file, document) in schema::documents() {
        let file = docs.join(file);
        let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
        if std::env::var_os(UPDATE).is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        }
        let committed = fs::read_to_string(&file).unwrap_or_default();
        assert!(
            committed == text,
            "{} is old: run {UPDATE}=1 cargo test",
            file.display()
        );
    }
}

#[test]
fn every_kind_of_frame_is_in_the_channel_document() {
    let document = schema::asyncapi();
    let resolve = |reference: &Value| -> Value {
        let path = reference["$ref"]
            .as_str()
            .unwrap()
            .strip_prefix('#')
            .unwrap();
        document
            .pointer(path)
            .unwrap_or_else(|| panic!("{path} leads nowhere"))
            .clone()
    };
    let described = |operation: &str| -> Vec<String> {
        let messages = document["operations"][operation]["messages"]
            .as_array()
            .unwrap();
        let names = messages
            .iter()
            .map(|message| resolve(&resolve(message))["name"].clone());
        let mut names: Vec<_> = names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let kinds = |golden: &[&str]| -> Vec<String> {
        let kind = |text: &&str| serde_json::from_str::<Value>(text).unwrap()["t"].clone();
        let mut kinds: Vec<_> = golden
            .iter()
            .map(kind)
            .map(|t| t.as_str().unwrap().to_owned())
            .collect();
        kinds.sort();
        kinds.dedup();
        kinds
    };
    assert_eq!(described("sendFrame"), kinds(GATEWAY_FRAMES));
    assert_eq!(described("receiveFrame"), kinds(CLOUD_FRAMES));
}

#[test]
fn golden_frames_fit_schema_and_types() {
    let gateway = |text: &str| GatewayFrame::parse(text).unwrap().to_json();
    check(&schema::gateway_frames(), GATEWAY_FRAMES, gateway);
    let cloud = |text: &str| CloudFrame::parse(text).unwrap().to_json();
    check(&schema::cloud_frames(), CLOUD_FRAMES, cloud);
}

#[test]
fn golden_events_fit_schema_and_types() {
    let event = |text: &str| {
        let event: Event = serde_json::from_str(text).unwrap();
        serde_json::to_string(&event).unwrap()
    };
    check(&schema::events(), EVENTS, event);
}

/// Data of one event of each type that came with features, history and calls of several parties.
#[test]
fn every_type_of_event_fits_schema_and_types() {
    let leg = r#""callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D","legId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2E",
        "endpointId":"2001","device":"2001","direction":"inbound","state":"connected",
        "since":"2026-03-04T05:06:07.089Z","pbx":{"callId":"c7","deviceId":"2001"},"synthetic":false"#;
    let joined = format!(r#"{{{leg},"previousCallId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","by":"2005"}}"#);
    let reached = format!("{{{leg}}}");
    let change = |state: &str| {
        format!(
            r#"{{"endpointId":"2001",{state},"cause":"normal",
        "pbxEvent":"AnEvent","synthetic":true}}"#
        )
    };
    let all = [
        ("call.transferred", joined.clone()),
        ("call.conferenced", joined),
        ("call.networkReached", reached.clone()),
        ("call.confirmed", reached),
        ("link.down", r#"{"link":"pbx","reason":"x","knownUntil":"2026-03-04T05:06:07.089Z"}"#.to_owned()),
        ("call.digits", r##"{"callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D","endpointId":"2001","digits":"1#"}"##.to_owned()),
        ("call.information", r#"{"callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D","endpointId":"2001","from":"2000",
            "subject":"x","correlatorData":"00ff"}"#.to_owned()),
        ("call.recorded", r#"{"callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D","endpointId":"2001","direction":"outbound",
            "from":"2001","to":"2002","redirectedFrom":"2009","parties":["2002","2005"],
            "started":"2026-03-04T05:06:07.089Z","answered":"2026-03-04T05:06:09.000Z",
            "ended":"2026-03-04T05:07:07.089Z","outcome":"answered","cause":"normalClearing",
            "transfers":[{"kind":"transferred","by":"2002","to":"2005","at":"2026-03-04T05:06:30.000Z"}],
            "synthetic":false}"#.to_owned()),
        ("endpoint.service", change(r#""inService":false"#)),
        ("endpoint.doNotDisturb", change(r#""on":true"#)),
        ("endpoint.forwarding", change(r#""forwarding":[{"kind":"immediate","to":"2005"}]"#)),
        ("endpoint.messageWaiting", change(r#""on":true,"call":"555""#)),
        ("endpoint.presence", change(r#""presence":"away","source":"pbx""#)),
        ("endpoint.agent", change(r#""agentState":"workingAfterCall","agentId":"7","group":"G1""#)),
        ("pbx.unknown", r#"{"endpointId":"2001","name":"OddEvent","xml":"<OddEvent/>"}"#.to_owned()),
    ];
    for (name, data) in all {
        let text = format!(
            r#"{{"specversion":"1.0","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D",
            "source":"/accounts/acme/sites/hq/gateways/gw-1","type":"ringway.{name}.v1",
            "subject":"endpoints/2001","time":"2026-03-04T05:06:07.089Z","datacontenttype":"application/json",
            "accountid":"acme","siteid":"hq","gatewayid":"gw-1","data":{data}}}"#
        );
        check(&schema::events(), &[&text], |text| {
            let event: Event = serde_json::from_str(text).unwrap();
            serde_json::to_string(&event).unwrap()
        });
    }
}

#[test]
fn every_command_and_answer_fits_schema_and_types() {
    let call = r#""callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D""#;
    let pair =
        r#""heldCallId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D","activeCallId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F""#;
    let to = format!(r#"{call},"to":"2005""#);
    let commands = [
        ("consult", &*to),
        ("singleStepTransfer", &to),
        ("singleStepConference", &to),
        ("deflect", &to),
        ("alternate", pair),
        ("reconnect", pair),
        ("transfer", pair),
        ("conference", pair),
        (
            "dtmf",
            r##""callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D","digits":"12#,""##,
        ),
        ("setDoNotDisturb", r#""on":true"#),
        ("setMessageWaiting", r#""on":false"#),
        (
            "setForwarding",
            r#""kind":"busy","origin":"internal","on":true,"to":"2005""#,
        ),
        ("setPresence", r#""presence":"away""#),
        ("snapshotCall", call),
        ("getDoNotDisturb", ""),
        ("getForwarding", ""),
        ("getMessageWaiting", ""),
        ("getPresence", ""),
        ("snapshot", ""),
        ("getDevice", ""),
        ("getDevices", "-"),
        ("getFeatures", "-"),
    ];
    for (method, params) in commands {
        let params = match params {
            "-" => String::new(),
            "" => r#""endpointId":"2001""#.to_owned(),
            more => format!(r#""endpointId":"2001",{more}"#),
        };
        let text = format!(
            r#"{{"t":"command","s":1,"id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","key":"k",
            "deadline":"2026-03-04T05:06:12.089Z","method":"{method}","params":{{{params}}}}}"#
        );
        check(&schema::cloud_frames(), &[&text], |text| {
            CloudFrame::parse(text).unwrap().to_json()
        });
    }
    let device = r#"{"deviceId":"N<2001>","number":"2001","category":"station","model":"x","services":["MakeCall"]}"#;
    let answers = [
        r#""doNotDisturb":{"on":true}"#.to_owned(),
        r#""forwarding":{"forwarding":[]}"#.to_owned(),
        r#""messageWaiting":{"on":false}"#.to_owned(),
        r#""presence":{"presence":"meeting","source":"pbx"}"#.to_owned(),
        r#""snapshot":{"legs":[],"endpoint":{"endpointId":"2001","since":"2026-03-04T05:06:12.089Z"}}"#.to_owned(),
        r#""call":[{"device":"2001","state":"held","pbx":{"callId":"c7","deviceId":"2001"}}]"#.to_owned(),
        format!(r#""device":{device}"#),
        format!(r#""devices":[{device}]"#),
        r#""features":{"services":["MakeCall"],"events":["HeldEvent"]}"#.to_owned(),
    ];
    for answer in answers {
        let text = format!(
            r#"{{"t":"response","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","ok":{{"answer":{{{answer}}}}}}}"#
        );
        check(&schema::gateway_frames(), &[&text], |text| {
            GatewayFrame::parse(text).unwrap().to_json()
        });
    }
}

#[test]
fn schemas_refuse_what_is_wrong() {
    let refused = |schema: &Value, wrong: Value| {
        assert!(!validator(schema).is_valid(&wrong), "{wrong}");
    };
    refused(&schema::gateway_frames(), json!({ "t": "hello" }));
    refused(&schema::gateway_frames(), json!({ "t": "welcome" }));
    refused(&schema::gateway_frames(), json!({ "t": "ack", "s": -1 }));
    refused(
        &schema::gateway_frames(),
        json!({ "t": "events", "s": 1, "e": [{}] }),
    );
    refused(
        &schema::cloud_frames(),
        json!({ "t": "command", "s": 1, "method": "fly" }),
    );
    refused(
        &schema::events(),
        json!({ "type": "ringway.call.flown.v1" }),
    );
}

#[test]
fn fields_that_are_not_known_are_ignored_and_kinds_that_are_not_known_are_told_apart() {
    assert!(CloudFrame::parse(r#"{"x":[1],"t":"ack","s":3,"later":true}"#).is_ok());
    let unknown = CloudFrame::parse(r#"{"t":"flow","events":3}"#).unwrap_err();
    assert!(matches!(unknown, cloud_uplink::FrameParseError::UnknownKind(kind) if kind == "flow"));
    for broken in [
        "",
        "[]",
        "{}",
        r#"{"t":1}"#,
        r#"{"t":"ack"}"#,
        r#"{"t":"ack","s":1}x"#,
    ] {
        let error = CloudFrame::parse(broken).unwrap_err();
        assert!(
            matches!(error, cloud_uplink::FrameParseError::Json(_)),
            "{broken}: {error}"
        );
    }
}

/// Each text fits the schema, is understood, and is written again as it was read.
fn check(schema: &Value, golden: &[&str], through_types: impl Fn(&str) -> String) {
    let validator = validator(schema);
    for text in golden {
        let value: Value = serde_json::from_str(text).unwrap();
        if let Err(error) = validator.validate(&value) {
            panic!("{text}: {error}");
        }
        let again: Value = serde_json::from_str(&through_types(text)).unwrap();
        assert_eq!(again, value);
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).unwrap()
}

const GATEWAY_FRAMES: &[&str] = &[
    r#"{"t":"hello","v":1,"vMin":1,"accountId":"acme","siteId":"hq","gatewayId":"gw-1",
        "software":"ringway/0.1.0","stream":"6f1c2d8e-9a54-4b0c-8f0e-0a3c5a6d7e10","durable":true,
        "next":17,"highWater":20,"boot":3,"leaseEpoch":0,"resume":{"session":"s1","commands":4},"caps":[]}"#,
    r#"{"t":"hello","v":1,"vMin":1,"accountId":"acme","siteId":"hq","gatewayId":"gw-1",
        "software":"ringway/0.1.0","stream":"6f1c2d8e-9a54-4b0c-8f0e-0a3c5a6d7e10","durable":false,
        "next":1,"highWater":0,"boot":4,"leaseEpoch":0,"caps":[]}"#,
    r#"{"t":"events","s":17,"replayed":true,"e":[{"specversion":"1.0","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D",
        "source":"/accounts/acme/sites/hq/gateways/gw-1","type":"ringway.link.down.v1","subject":"links/pbx",
        "time":"2026-03-04T05:06:07.089Z","datacontenttype":"application/json","accountid":"acme",
        "siteid":"hq","gatewayid":"gw-1","data":{"link":"pbx","reason":"no answer"}}]}"#,
    r#"{"t":"gap","from":18,"to":19,"reason":"retention"}"#,
    r#"{"t":"snapshot","id":1,"part":0,"last":true,"asOf":20,"items":[{"callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D",
        "legId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2E","endpointId":"2001","device":"2001","direction":"inbound",
        "state":"alerting","from":"2002","to":"2001","since":"2026-03-04T05:06:07.089Z",
        "pbx":{"callId":"c7","deviceId":"2001"}}]}"#,
    r#"{"t":"ack","s":5}"#,
    r#"{"t":"response","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","ok":{"callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D",
        "legId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2E"}}"#,
    r#"{"t":"response","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","error":{"code":"pbxRefused",
        "message":"the PBX refused the call","pbxError":"stateIncompatibility/invalidObjectState"}}"#,
    r#"{"t":"snapshot","id":2,"part":1,"last":true,"asOf":20,"items":[],"endpoints":[{"endpointId":"2001",
        "inService":true,"doNotDisturb":false,"forwarding":[{"kind":"noAnswer","origin":"external",
        "to":"2005","afterSeconds":20}],"messageWaiting":{"on":true,"call":"555"},
        "presence":{"presence":"busy","source":"calls"},"agent":{"agentState":"ready","agentId":"7",
        "group":"G1"},"since":"2026-03-04T05:06:07.089Z"}]}"#,
    r#"{"t":"responsePart","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","part":0,"last":false,"text":"{\"t\":\"resp"}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":1,"signal":"invite","data":{"from":"2001",
        "fromName":"Ann","to":"43801","owner":{"kind":"application","id":"crm"},
        "callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D","divertedFrom":"2009","sdp":"v=0\r\n"}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":2,"signal":"offerWanted"}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":3,"signal":"correlated",
        "data":{"callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D"}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":4,"signal":"transferRefused",
        "data":{"status":603,"reason":"declined"}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":0,"signal":"end",
        "data":{"cause":"lost","reason":"the leg is not known here"}}"#,
    r#"{"t":"legAck","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":7}"#,
    r#"{"t":"ping","n":1}"#,
    r#"{"t":"pong","n":1}"#,
];

const CLOUD_FRAMES: &[&str] = &[
    r#"{"t":"welcome","v":1,"session":"s1","resumed":false,"acked":16,"heartbeatMs":10000,
        "window":{"events":2048,"bytes":1048576},"maxFrame":131072,"time":"2026-03-04T05:06:07.089Z"}"#,
    r#"{"t":"welcome","v":1,"session":"s1","resumed":true,"acked":16,"heartbeatMs":10000,
        "window":{"events":2048,"bytes":1048576},"maxFrame":131072,"time":"2026-03-04T05:06:07.089Z",
        "caps":["legs"]}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":1,"signal":"invite","data":{"to":"2002",
        "owner":{"kind":"endpoint","id":"2001"}}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":1,"signal":"ringing","data":{}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":2,"signal":"answer","data":{"sdp":"v=0\r\n"}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":3,"signal":"offer","data":{"sdp":"v=0\r\n"}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":4,"signal":"offerAnswer","data":{"sdp":"v=0\r\n"}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":5,"signal":"offerRefused","data":{"status":488}}"#,
    r##"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":6,"signal":"dtmf",
        "data":{"digits":"12#","durationMs":100}}"##,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":7,"signal":"transfer",
        "data":{"kind":"number","id":"2005"}}"#,
    r#"{"t":"leg","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":8,"signal":"end",
        "data":{"cause":"busy","status":486}}"#,
    r#"{"t":"legAck","cloudLegId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","n":2}"#,
    r#"{"t":"ack","s":20}"#,
    r#"{"t":"command","s":1,"id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","key":"order-4711",
        "deadline":"2026-03-04T05:06:12.089Z","method":"makeCall",
        "params":{"endpointId":"2001","to":"2002","prompt":true}}"#,
    r#"{"t":"command","s":2,"id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","key":"order-4712",
        "deadline":"2026-03-04T05:06:12.089Z","method":"endCall",
        "params":{"endpointId":"2001","callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D"}}"#,
    r#"{"t":"ping","n":7}"#,
    r#"{"t":"pong","n":7}"#,
    r#"{"t":"goaway","reason":"upgrade","afterMs":0,"spreadMs":30000}"#,
];

const EVENTS: &[&str] = &[
    r#"{"specversion":"1.0","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D",
        "source":"/accounts/acme/sites/hq/gateways/gw-1","type":"ringway.call.delivered.v1",
        "subject":"endpoints/2001","time":"2026-03-04T05:06:07.089Z","datacontenttype":"application/json",
        "accountid":"acme","siteid":"hq","gatewayid":"gw-1","data":{"callId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D",
        "legId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2E","endpointId":"2001","device":"2001","direction":"inbound",
        "state":"alerting","from":"2002","to":"2001","since":"2026-03-04T05:06:07.089Z",
        "pbx":{"callId":"c7","deviceId":"2001"},"cause":"newCall","pbxEvent":"DeliveredEvent",
        "synthetic":false}}"#,
    r#"{"specversion":"1.0","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D",
        "source":"/accounts/acme/sites/hq/gateways/gw-1","type":"ringway.command.completed.v1",
        "subject":"commands/01J9ZQ3W6M8T4V5X7Y9A0B1C2F","time":"2026-03-04T05:06:07.089Z",
        "datacontenttype":"application/json","accountid":"acme","siteid":"hq","gatewayid":"gw-1",
        "data":{"commandId":"01J9ZQ3W6M8T4V5X7Y9A0B1C2F","method":"makeCall",
        "error":{"code":"outcomeUnknown","message":"the PBX was asked and did not answer"}}}"#,
    r#"{"specversion":"1.0","id":"01J9ZQ3W6M8T4V5X7Y9A0B1C2D",
        "source":"/accounts/acme/sites/hq/gateways/gw-1","type":"ringway.alarm.raised.v1",
        "subject":"alarms/disk-full","time":"2026-03-04T05:06:07.089Z",
        "datacontenttype":"application/json","accountid":"acme","siteid":"hq","gatewayid":"gw-1",
        "data":{"name":"disk-full","detail":"events are kept in memory"}}"#,
];

//! `docs/openapi.json` against what the far end really answers.

use serde_json::{Value, json};

use crate::endpoints::{ENDPOINTS, change, publish, record};
use crate::harness::{Answer, CALL, Far, LEG, Peer, event, leg};

/// What the PBX answers to each question.
const QUESTIONS: [(&str, &str); 9] = [
    ("getDoNotDisturb", r#""doNotDisturb":{"on":true}"#),
    (
        "getForwarding",
        r#""forwarding":{"forwarding":[{"kind":"busy","origin":"internal","to":"2005","afterSeconds":5}]}"#,
    ),
    (
        "getMessageWaiting",
        r#""messageWaiting":{"on":true,"call":"555"}"#,
    ),
    (
        "getPresence",
        r#""presence":{"presence":"away","source":"pbx"}"#,
    ),
    (
        "snapshot",
        r#""snapshot":{"legs":[],"endpoint":{"endpointId":"2001","since":"2026-11-22T13:00:00.000Z"}}"#,
    ),
    (
        "snapshotCall",
        r#""call":[{"device":"2001","state":"held","pbx":{"callId":"7","deviceId":"2001"}}]"#,
    ),
    (
        "getDevice",
        r#""device":{"deviceId":"N<2001>","number":"2001","category":"station","model":"x","services":["MakeCall"]}"#,
    ),
    (
        "getDevices",
        r#""devices":[{"deviceId":"N<2001>","number":"2001"}]"#,
    ),
    (
        "getFeatures",
        r#""features":{"services":["MakeCall"],"events":["HeldEvent"]}"#,
    ),
];

/// The description; objects with listed members have no others.
pub(crate) struct Description(Value);

impl Description {
    pub(crate) fn new() -> Self {
        let mut document = serde_json::from_str(cloud::OPENAPI).unwrap();
        close(&mut document);
        Self(document)
    }

    /// All (path, method, operation) of applications.
    fn operations(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        let paths = paths.filter(|(path, _)| path.starts_with("/2017-09-01/"));
        paths.flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            let methods = methods.filter(|(method, _)| *method != "parameters");
            methods.map(move |(method, operation)| (&**path, &**method, operation))
        })
    }

    /// The value is one of those that `name` describes.
    pub(crate) fn assert_is(&self, name: &str, value: &Value) {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}") });
        self.assert_fits(&schema, value, name);
    }

    fn assert_fits(&self, schema: &Value, value: &Value, what: &str) {
        let mut schema = schema.clone();
        schema["components"] = self.0["components"].clone();
        let options = jsonschema::options().should_validate_formats(true);
        let judge = options.build(&schema).unwrap();
        let errors: Vec<_> = judge
            .iter_errors(value)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{what}: {errors:?} in {value}");
    }

    /// The answer is one that the operation is said to have.
    /// What is said of one operation.
    pub(crate) fn operation(&self, method: &str, path: &str) -> &Value {
        &self.0["paths"][path][method]
    }

    pub(crate) fn assert_describes(&self, operation: &Value, answer: &Answer, what: &str) {
        let Answer { status, text, .. } = answer;
        let mut response = &operation["responses"][status.to_string()];
        if let Some(reference) = response["$ref"].as_str() {
            response = self.0.pointer(&reference[1..]).unwrap();
        }
        let schema = &response["content"]["application/json"]["schema"];
        assert!(
            schema.is_object(),
            "{what}: {status} is not described: {text}"
        );
        self.assert_fits(schema, &answer.body, what);
        let named = &response["headers"]["x-correlation-id"];
        assert!(named.is_object(), "{what}: {status} has no correlation id");
        assert!(answer.head.contains("x-correlation-id: "), "{what}");
    }
}

/// Forbids members that are not listed.
fn close(value: &mut Value) {
    if value["properties"].is_object() && value["additionalProperties"].is_null() {
        value["additionalProperties"] = false.into();
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(close),
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

/// Answers every command as a PBX that accepts everything would.
async fn accept_all(gateway: &mut Peer) -> ! {
    loop {
        let command = gateway.hear().await;
        if command["t"] != "command" {
            continue;
        }
        let question = QUESTIONS
            .iter()
            .find(|(method, _)| command["method"] == *method);
        let ok = match question {
            Some((_, answer)) => format!(r#"{{"answer":{{{answer}}}}}"#),
            None => format!(r#"{{"callId":"{CALL}","legId":"{LEG}"}}"#),
        };
        let (s, id) = (&command["s"], &command["id"]);
        gateway.say(&format!(r#"{{"t":"ack","s":{s}}}"#)).await;
        let response = format!(r#"{{"t":"response","id":{id},"ok":{ok}}}"#);
        gateway.say(&response).await;
    }
}

/// A gateway that told a call, features and history.
async fn told(far: &Far) -> Peer {
    let (mut gateway, _) = far.gateway(1).await;
    let full = json!({
        "callId": CALL, "endpointId": "2001", "direction": "outbound", "from": "2001", "to": "2002",
        "redirectedFrom": "2009", "parties": ["2002"], "started": "2026-11-22T13:00:00.000Z",
        "answered": "2026-11-22T13:00:05.000Z", "ended": "2026-11-22T13:01:00.000Z",
        "outcome": "answered", "cause": "normalClearing", "synthetic": false,
        "transfers": [{
            "kind": "transferred", "by": "2002", "to": "2005", "at": "2026-11-22T13:00:30.000Z",
        }],
    });
    let events = [
        event("ringway.call.established.v1", "2001", &leg("connected")),
        change("service", r#""inService":true"#),
        change("doNotDisturb", r#""on":true"#),
        change(
            "forwarding",
            r#""forwarding":[{"kind":"busy","to":"2005"}]"#,
        ),
        change("messageWaiting", r#""on":true,"call":"555""#),
        change("presence", r#""presence":"busy","source":"calls""#),
        change(
            "agent",
            r#""agentState":"ready","agentId":"7","group":"G1""#,
        ),
        record("2001", 1, "inbound", "missed"),
        event("ringway.call.recorded.v1", "2001", &full.to_string()),
    ];
    publish(&mut gateway, 1, &events).await;
    gateway
}

fn at(path: &str) -> String {
    path.replace("{endpointId}", "2001")
        .replace("{callId}", CALL)
        .replace("{cloudLegId}", LEG)
}

/// The examples of a body, or nothing where the operation takes none.
fn bodies(operation: &Value) -> Vec<Value> {
    let body = &operation["requestBody"]["content"]["application/json"];
    let named = body["examples"].as_object().into_iter().flatten();
    let named = named.map(|(_, example)| example["value"].clone());
    let one = Some(&body["example"]).filter(|one| !one.is_null());
    named.chain(one.cloned()).collect()
}

#[tokio::test]
async fn every_operation_answers_as_it_is_described() {
    let far = Far::start().await;
    let mut gateway = told(&far).await;
    let description = Description::new();
    let every = async {
        // Legs need a call that goes on: see the tests of legs.
        let lasting = description
            .operations()
            .filter(|(path, ..)| !path.contains("/legs"));
        for (path, method, operation) in lasting {
            let (upper, path) = (method.to_ascii_uppercase(), at(path));
            let mut bodies = bodies(operation);
            assert_eq!(bodies.is_empty(), operation["requestBody"].is_null());
            for body in &bodies {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                description.assert_fits(schema, body, &path);
            }
            if bodies.is_empty() {
                bodies.push(Value::Null);
            }
            for body in bodies {
                let what = format!("{upper} {path} {body}");
                let body = match body {
                    Value::Null => String::new(),
                    some => some.to_string(),
                };
                let done = far.http(&upper, &path, &[], &body).await;
                assert!(done.status < 300, "{what}: {} {}", done.status, done.text);
                description.assert_describes(operation, &done, &what);
                if operation["parameters"].to_string().contains(r#""fresh""#) {
                    let asked = far.get(&format!("{path}?fresh=true")).await;
                    assert_eq!(asked.status, 200, "{what}: {}", asked.text);
                    description.assert_describes(operation, &asked, &what);
                }
            }
        }
    };
    tokio::select! {
        never = accept_all(&mut gateway) => never,
        () = every => {}
    }
}

/// A value that a query parameter cannot have, if there is one.
fn wrong_value(parameter: &Value) -> Option<&'static str> {
    let schema = &parameter["schema"];
    let place = ["cursor", "after"].contains(&parameter["name"].as_str()?);
    let any = schema["type"] == "string" && schema["enum"].is_null() && schema["format"].is_null();
    (!any || place).then_some("x")
}

#[tokio::test]
async fn every_wrong_query_is_told_by_its_field_and_what_is_allowed() {
    let far = Far::start().await;
    let description = Description::new();
    let mut tried = std::collections::BTreeSet::new();
    for (path, method, operation) in description.operations() {
        let upper = method.to_ascii_uppercase();
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let parameters = parameters.map(|parameter| match parameter["$ref"].as_str() {
            Some(reference) => description.0.pointer(&reference[1..]).unwrap(),
            None => parameter,
        });
        let mut known: Vec<_> = parameters.filter(|it| it["in"] == "query").collect();
        let no = json!({ "name": "no", "schema": { "type": "integer" } });
        known.push(&no);
        for parameter in known {
            let Some(value) = wrong_value(parameter) else {
                continue;
            };
            let name = parameter["name"].as_str().unwrap();
            let what = format!("{upper} {}?{name}={value}", at(path));
            let query = format!("{}?{name}={value}", at(path));
            let body = bodies(operation).pop();
            let body = body.map(|body| body.to_string()).unwrap_or_default();
            let refused = far.http(&upper, &query, &[], &body).await;
            assert!(
                matches!(refused.status, 400 | 422),
                "{what}: {}",
                refused.text
            );
            assert_eq!(refused.body["field"], name, "{what}");
            assert!(
                !refused.body["allowed"].is_null(),
                "{what}: {}",
                refused.text
            );
            description.assert_describes(operation, &refused, &what);
            tried.insert(name.to_owned());
        }
    }
    let all = [
        "after",
        "cursor",
        "direction",
        "fresh",
        "limit",
        "no",
        "outcome",
        "since",
        "until",
    ];
    assert_eq!(Vec::from_iter(tried), all);
}

#[tokio::test]
async fn every_operation_refuses_as_it_is_described() {
    let far = Far::start().await;
    let description = Description::new();
    let mut seen = std::collections::BTreeSet::new();
    for (path, method, operation) in description.operations() {
        let (upper, good) = (method.to_ascii_uppercase(), at(path));
        let body = bodies(operation).pop();
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let odd = path
            .replace("{endpointId}", "not-a-number")
            .replace("{callId}", "7")
            .replace("{cloudLegId}", "7");
        for (path, headers, body) in [
            (&good, &[("authorization", "nobody")][..], &*body),
            (&odd, &[], &body),
            (&format!("{good}?no=1"), &[], &body),
            (&good, &[], "{"),
            (&good, &[], r#"{"no":1}"#),
            (&good, &[("content-type", "text/plain")], &body),
            // No gateway is connected.
            (&good, &[], &body),
        ] {
            let done = far.http(&upper, path, headers, body).await;
            if done.status < 300 {
                continue; // It takes no body, or tells what is stored.
            }
            let what = format!("{upper} {path} {headers:?} {body}");
            description.assert_describes(operation, &done, &what);
            seen.insert(done.status);
        }
    }
    assert_eq!(Vec::from_iter(seen), [400, 401, 404, 409, 415, 422, 503]);
    let (mut gateway, _) = far.gateway(1).await;
    let refused = json!({
        "code": "pbxRefused", "message": "because", "pbxError": "stateIncompatibility/generic",
    });
    let path = format!("{ENDPOINTS}/2001/calls");
    let ask = far.post(&path, "k", r#"{"to":"2002"}"#);
    let outcome = format!(r#""error":{refused}"#);
    let (_, done) = crate::commands::answered(&mut gateway, &outcome, ask).await;
    let operation = &description.0["paths"]["/2017-09-01/endpoints/{endpointId}/calls"]["post"];
    assert_eq!(done.status, 502);
    description.assert_describes(operation, &done, "a refusal of the PBX");
}

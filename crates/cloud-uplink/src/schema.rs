//! JSON Schemas of events and frames, and the AsyncAPI document over them: generated from the types,
//! committed under `docs/`, compared by a test.

use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::frame::{CloudFrame, GatewayFrame, SUBPROTOCOL, VERSION};

/// Where the far end accepts gateways.
pub const CHANNEL_PATH: &str = "/gateway/v1/channel";

/// Every generated document with its path below `docs/`.
#[must_use]
pub fn documents() -> Vec<(&'static str, Value)> {
    vec![
        ("schemas/events.schema.json", events()),
        ("schemas/gateway-frames.schema.json", gateway_frames()),
        ("schemas/cloud-frames.schema.json", cloud_frames()),
        ("asyncapi.json", asyncapi()),
    ]
}

/// Schema of a normalized event (JSON Schema 2020-12).
#[must_use]
pub fn events() -> Value {
    schema::<Event>("ringway event")
}

/// Schema of what a gateway sends.
#[must_use]
pub fn gateway_frames() -> Value {
    schema::<GatewayFrame>("ringway channel: frames of the gateway")
}

/// Schema of what the far end sends.
#[must_use]
pub fn cloud_frames() -> Value {
    schema::<CloudFrame>("ringway channel: frames of the far end")
}

/// The channel as AsyncAPI 3.0, seen from the gateway.
#[must_use]
pub fn asyncapi() -> Value {
    let messages = messages();
    let on_channel: Map<_, _> = messages
        .keys()
        .map(|name| {
            (
                name.clone(),
                reference(&format!("components/messages/{name}")),
            )
        })
        .collect();
    let of = |from: &str| -> Vec<Value> {
        let from = messages.keys().filter(|name| name.starts_with(from));
        from.map(|name| reference(&format!("channels/channel/messages/{name}")))
            .collect()
    };
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "ringway channel",
            "version": format!("{VERSION}.0.0"),
            "description": "One outbound WebSocket from a gateway to its far end: events up, commands \
                down. Rules of order, resume, window and closing are in channel.md.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": { "farEnd": {
            "host": "{host}",
            "protocol": "wss",
            "description": "The far end; TLS 1.2 or newer.",
            "variables": { "host": { "description": "Name, and port if it is not 443." } },
            "security": [reference("components/securitySchemes/token")],
        } },
        "channels": { "channel": {
            "address": CHANNEL_PATH,
            "messages": on_channel,
            "bindings": { "ws": {
                "method": "GET",
                "headers": {
                    "type": "object",
                    "properties": {
                        "Sec-WebSocket-Protocol": { "type": "string", "const": SUBPROTOCOL },
                    },
                    "required": ["Sec-WebSocket-Protocol"],
                },
            } },
        } },
        "operations": {
            "sendFrame": {
                "action": "send",
                "channel": reference("channels/channel"),
                "messages": of("gateway"),
            },
            "receiveFrame": {
                "action": "receive",
                "channel": reference("channels/channel"),
                "messages": of("cloud"),
            },
        },
        "components": {
            "messages": messages,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// Every message by its name, which starts with who sends it.
fn messages() -> Map<String, Value> {
    let directions = [
        ("gateway", "gateway-frames", gateway_frames()),
        ("cloud", "cloud-frames", cloud_frames()),
    ];
    let mut messages = Map::new();
    for (from, file, schema) in &directions {
        for (index, kind, summary) in kinds(schema) {
            let payload = format!("./schemas/{file}.schema.json#/oneOf/{index}");
            let message = json!({
                "name": kind,
                "title": format!("{kind} (from {from})"),
                "summary": summary,
                "contentType": "application/json",
                "payload": { "$ref": payload },
            });
            messages.insert(message_name(from, &kind), message);
        }
    }
    messages
}

fn schema<T: JsonSchema>(title: &str) -> Value {
    let mut schema = schema_for!(T);
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// Each kind of frame in a schema: its place, its name, its summary.
fn kinds(schema: &Value) -> Vec<(usize, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kinds = schema["oneOf"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let kind = |(index, kind): (usize, &Value)| {
        (
            index,
            text(&kind["properties"]["t"]["const"]),
            text(&kind["description"]),
        )
    };
    kinds.iter().enumerate().map(kind).collect()
}

fn message_name(from: &str, kind: &str) -> String {
    let (first, rest) = kind.split_at(1);
    format!("{from}{}{rest}", first.to_ascii_uppercase())
}

fn reference(path: &str) -> Value {
    json!({ "$ref": format!("#/{path}") })
}

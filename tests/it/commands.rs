//! Every command of the channel, asked for by REST: what it changes comes as events, and what cannot be
//! done is refused with the reason.
//! Size: one table of every command, its events and its refusals, and the desk that asks.

use csta::Dialect;
use pbx_sim::PbxSim;
use serde_json::{Value, json};

use crate::application::{Answer, Application, Events};
use crate::outages::away_during;
use crate::world::{World, quiet_sim, tell, until};

/// An application at its desk: the world, the event stream, and the calls by the letters in which they
/// came up.
struct Desk {
    world: World,
    sim: PbxSim,
    application: Application,
    events: Events,
    calls: Vec<String>,
}

impl Desk {
    async fn open(config: pbx_sim::Config) -> Self {
        let (world, sim) = World::with_sim(config).await;
        let application = world.application();
        let events = application.events(0).await;
        Self {
            world,
            sim,
            application,
            events,
            calls: Vec::new(),
        }
    }

    /// The id of the call with that letter.
    fn call(&self, letter: char) -> &str {
        &self.calls[letter as usize - 'A' as usize]
    }

    fn letter(&mut self, call: &str) -> char {
        let known = self.calls.iter().position(|it| it == call);
        let index = known.unwrap_or_else(|| {
            self.calls.push(call.to_owned());
            self.calls.len() - 1
        });
        (b'A' + u8::try_from(index).unwrap()) as char
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let path = format!("/2017-09-01/{path}");
        self.application.ask(method, &path, Some(body), None).await
    }

    /// Reads a resource that is there.
    async fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// Acts on an extension's call. In `body`, a call is its letter.
    async fn act(&self, extension: &str, call: char, mut body: Value) -> Answer {
        if let Some(letter) = body["heldCallId"].as_str() {
            body["heldCallId"] = json!(self.call(letter.chars().next().unwrap()));
        }
        let path = format!("endpoints/{extension}/calls/{}", self.call(call));
        self.ask("PUT", &path, body).await
    }

    /// Acts on an extension's call, which is accepted.
    async fn does(&self, extension: &str, call: char, body: Value) -> Value {
        let what = format!("{extension} {call} {body}");
        let answer = self.act(extension, call, body).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.body);
        answer.body
    }

    /// Has `from` call `to` and `to` answer.
    async fn connect(&mut self, from: &str, to: &str) {
        let made = self.application.call(from, to, None).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let call = self.letter(made.body["callId"].as_str().unwrap());
        let next = |verb: &str, who: &str, state: &str| format!("{verb} {who} {call} {state}");
        let rings = [
            next("initiated", from, "initiated"),
            next("originated", from, "connected"),
            next("delivered", to, "alerting"),
        ];
        assert_eq!(self.changes(rings.len()).await, rings);
        self.does(to, call, json!({ "action": "answer" })).await;
        self.see(&[&next("established", to, "connected")]).await;
    }

    /// The next changes of legs are these.
    async fn see(&mut self, expected: &[&str]) {
        assert_eq!(self.changes(expected.len()).await, expected);
    }

    /// The next changes of legs are these; which of one event's comes first does not matter.
    async fn see_together(&mut self, expected: &[&str]) {
        let mut seen = self.changes(expected.len()).await;
        seen.sort();
        assert_eq!(seen, expected);
    }

    /// The next changes of legs, as `verb device call state`.
    async fn changes(&mut self, count: usize) -> Vec<String> {
        let mut changes = Vec::new();
        while changes.len() < count {
            let event = self.events.next().await["event"].take();
            changes.extend(self.change(&event));
        }
        changes
    }

    fn change(&mut self, event: &Value) -> Option<String> {
        let data = &event["data"];
        data["legId"].as_str()?;
        let verb = event["type"].as_str()?.strip_prefix("ringway.call.")?;
        let mut line = format!(
            "{} {} {} {}",
            verb.trim_end_matches(".v1"),
            data["device"].as_str()?,
            self.letter(data["callId"].as_str()?),
            data["state"].as_str()?
        );
        if let Some(previous) = data["previousCallId"].as_str() {
            line.push_str(&format!(" from {}", self.letter(previous)));
        }
        if let Some(by) = data["by"].as_str() {
            line.push_str(&format!(" by {by}"));
        }
        if data["synthetic"] == true {
            line.push_str(" synthetic");
        }
        Some(line)
    }

    /// Waits for an event of that kind about an extension that includes `state`.
    async fn told_that(&mut self, kind: &str, extension: &str, state: &Value) {
        while !includes(&self.told(kind, extension).await, state) {}
    }

    /// The next event of that kind about an extension.
    async fn told(&mut self, kind: &str, extension: &str) -> Value {
        let wanted = format!("ringway.{kind}.v1");
        loop {
            let event = self.events.next().await["event"].take();
            if event["type"] == *wanted && event["data"]["endpointId"] == extension {
                return event["data"].clone();
            }
        }
    }
}

impl Answer {
    /// It is refused so.
    fn is(&self, status: u16, name: &str) {
        let is = (self.status, &self.body["name"]);
        assert_eq!(is, (status, &json!(name)), "{}", self.body);
        self.has_a_sentence();
    }

    /// The PBX refused, in its own word and in a sentence.
    fn is_of_the_pbx(&self) {
        self.is(502, "pbxRefused");
        let word = self.body["pbxError"].as_str().unwrap_or_default();
        assert!(word.contains('/'), "{}", self.body);
    }

    fn has_a_sentence(&self) {
        let message = self.body["message"].as_str().unwrap_or_default();
        let is_one = message.ends_with('.') && message.contains(' ');
        assert!(is_one, "{}", self.body);
    }
}

/// Whether all of `part` is in `whole`: fields by name, items of lists one by one.
fn includes(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| whole.get(key).is_some_and(|whole| includes(whole, part))),
        (Value::Array(whole), Value::Array(part)) => {
            let all = || whole.iter().zip(part).all(|(a, b)| includes(a, b));
            whole.len() == part.len() && all()
        }
        _ => whole == part,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_consulted_alternated_reconnected_transferred_ended_and_remembered() {
    let mut desk = Desk::open(quiet_sim((2001, 2004))).await;
    desk.connect("2001", "2002").await;
    let consulted = desk
        .does("2001", 'A', json!({ "action": "consult", "to": "2003" }))
        .await;
    desk.see(&[
        "held 2001 A held",
        "initiated 2001 B initiated",
        "originated 2001 B connected",
        "delivered 2003 B alerting",
    ])
    .await;
    assert_eq!(consulted["callId"], desk.call('B'));
    desk.does("2003", 'B', json!({ "action": "answer" })).await;
    desk.see(&["established 2003 B connected"]).await;
    let pair = |action: &str, held: &str| json!({ "action": action, "heldCallId": held });
    desk.does("2001", 'B', pair("alternate", "A")).await;
    desk.see(&["held 2001 B held", "retrieved 2001 A connected"])
        .await;
    desk.does("2001", 'A', pair("reconnect", "B")).await;
    desk.see(&[
        "cleared 2001 A cleared",
        "cleared 2002 A cleared",
        "retrieved 2001 B connected",
    ])
    .await;
    desk.does("2001", 'B', json!({ "action": "consult", "to": "2004" }))
        .await;
    desk.changes(4).await;
    desk.does("2004", 'C', json!({ "action": "answer" })).await;
    desk.see(&["established 2004 C connected"]).await;
    let transferred = desk.does("2001", 'C', pair("transfer", "B")).await;
    assert_eq!(transferred["callId"], desk.call('B'));
    desk.see_together(&[
        "cleared 2001 B cleared",
        "cleared 2001 C cleared",
        "transferred 2003 B connected by 2001",
        "transferred 2004 B connected from C by 2001",
    ])
    .await;
    desk.does("2003", 'B', json!({ "action": "endCall" })).await;
    desk.see(&["cleared 2003 B cleared", "cleared 2004 B cleared"])
        .await;
    desk.world.view_equals_truth(&desk.sim, "at the end").await;
    until("the record of the transferred call", async || {
        let history = desk.get("endpoints/2004/callHistory").await;
        history["count"] == 1
    })
    .await;
    let history = desk.get("endpoints/2004/callHistory").await;
    let record = &history["_embedded"]["items"][0];
    assert_eq!(
        (&record["outcome"], &record["callId"]),
        (&json!("answered"), &json!(desk.call('B'))),
        "{record}"
    );
    assert_eq!(record["parties"], json!(["2001", "2003"]), "{record}");
    assert_eq!(record["transfers"][0]["kind"], "transferred", "{record}");
    assert_eq!(record["transfers"][0]["by"], "2001", "{record}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_conferenced_handed_on_in_one_step_deflected_and_get_digits() {
    let mut desk = Desk::open(quiet_sim((2001, 2006))).await;
    desk.connect("2001", "2002").await;
    desk.does("2001", 'A', json!({ "action": "consult", "to": "2003" }))
        .await;
    desk.changes(4).await;
    desk.does("2003", 'B', json!({ "action": "answer" })).await;
    desk.changes(1).await;
    let conference = json!({ "action": "conference", "heldCallId": "A" });
    let joined = desk.does("2001", 'B', conference).await;
    assert_eq!(joined["callId"], desk.call('A'));
    desk.see_together(&[
        "cleared 2001 B cleared",
        "conferenced 2001 A connected by 2001",
        "conferenced 2002 A connected by 2001",
        "conferenced 2003 A connected from B by 2001",
    ])
    .await;
    desk.does("2003", 'A', json!({ "action": "end" })).await;
    desk.see(&["cleared 2003 A cleared"]).await;
    let digits = json!({ "action": "dtmf", "digits": "12#" });
    desk.does("2001", 'A', digits).await;
    assert_eq!(desk.told("call.digits", "2001").await["digits"], "12#");
    let add = json!({ "action": "singleStepConference", "to": "2004" });
    desk.does("2001", 'A', add).await;
    desk.see_together(&[
        "conferenced 2001 A connected by 2001",
        "conferenced 2002 A connected by 2001",
        "delivered 2004 A alerting",
    ])
    .await;
    desk.does("2004", 'A', json!({ "action": "answer" })).await;
    desk.see(&["established 2004 A connected"]).await;
    let hand_on = json!({ "action": "singleStepTransfer", "to": "2005" });
    desk.does("2004", 'A', hand_on).await;
    desk.see_together(&[
        "cleared 2004 A cleared",
        "delivered 2005 A alerting",
        "transferred 2001 A connected by 2004",
        "transferred 2002 A connected by 2004",
    ])
    .await;
    let send_on = json!({ "action": "deflect", "to": "2006" });
    desk.does("2005", 'A', send_on).await;
    desk.see(&["diverted 2005 A cleared", "delivered 2006 A alerting"])
        .await;
    for action in ["hold", "retrieve"] {
        desk.does("2002", 'A', json!({ "action": action })).await;
    }
    desk.see(&["held 2002 A held", "retrieved 2002 A connected"])
        .await;
    desk.does("2001", 'A', json!({ "action": "endCall" })).await;
    desk.see_together(&[
        "cleared 2001 A cleared",
        "cleared 2002 A cleared",
        "cleared 2006 A cleared",
    ])
    .await;
    desk.world.view_equals_truth(&desk.sim, "at the end").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_and_presence_are_set_told_and_read() {
    let mut desk = Desk::open(quiet_sim((2001, 2003))).await;
    let forwarding = json!({ "kind": "noAnswer", "to": "2003" });
    let rows = [
        ("doNotDisturb", json!({ "on": true }), json!({ "on": true })),
        (
            "messageWaiting",
            json!({ "on": true }),
            json!({ "on": true }),
        ),
        (
            "forwarding",
            json!({ "kind": "noAnswer", "on": true, "to": "2003" }),
            json!({ "forwarding": [forwarding] }),
        ),
        (
            "presence",
            json!({ "presence": "away" }),
            json!({ "presence": "away", "source": "pbx" }),
        ),
    ];
    for (feature, body, state) in rows {
        let path = format!("endpoints/2002/{feature}");
        let nobody = format!("endpoints/9999/{feature}");
        let fresh = [path.clone(), nobody.clone()].map(|path| format!("{path}?fresh=true"));
        let set = desk.ask("PUT", &path, body.clone()).await;
        assert_eq!(set.status, 200, "{feature}: {}", set.body);
        desk.told_that(&format!("endpoint.{feature}"), "2002", &state)
            .await;
        for path in [&path, &fresh[0]] {
            assert!(includes(&desk.get(path).await, &state), "{path}");
        }
        let refused = desk.ask("PUT", &nobody, body.clone()).await;
        refused.is(404, "unknownEndpoint");
        let read = desk.ask("GET", &fresh[1], Value::Null).await;
        read.is(404, "unknownEndpoint");
        tell(&desk.sim, "licence refuse").await;
        desk.ask("PUT", &path, body).await.is_of_the_pbx();
        let read = desk.ask("GET", &fresh[0], Value::Null).await;
        read.is_of_the_pbx();
        tell(&desk.sim, "licence ok").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_at_the_telephone_while_the_link_is_down_is_learnt_afterwards() {
    let mut desk = Desk::open(quiet_sim((2001, 2002))).await;
    desk.told_that("endpoint.doNotDisturb", "2002", &json!({ "on": false }))
        .await;
    away_during(&desk.world, &desk.sim, "dnd 2002 on").await;
    let learnt = json!({ "on": true, "synthetic": true });
    desk.told_that("endpoint.doNotDisturb", "2002", &learnt)
        .await;
    let read = desk.get("endpoints/2002/doNotDisturb").await;
    assert_eq!(read["on"], true, "{read}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_answered_by_the_pbx_or_refused() {
    let mut desk = Desk::open(quiet_sim((2001, 2003))).await;
    desk.connect("2001", "2002").await;
    let connections = format!("endpoints/2001/calls/{}/connections", desk.call('A'));
    let party = |number: &str| json!({ "device": number, "state": "connected" });
    let device = |number: &str| json!({ "number": number, "category": "station" });
    let snapshot = json!({
        "legs": [{ "callId": desk.call('A'), "state": "connected" }],
        "endpoint": { "endpointId": "2001", "doNotDisturb": false },
    });
    let items = |items: Value| json!({ "_embedded": { "items": items } });
    let rows = [
        (
            "GET",
            &*connections,
            items(json!([party("2001"), party("2002")])),
        ),
        ("GET", "endpoints/2001/device", device("2001")),
        (
            "GET",
            "pbx/devices",
            items(json!([device("2001"), device("2002"), device("2003")])),
        ),
        ("POST", "endpoints/2001/snapshot", snapshot),
    ];
    for (method, path, expected) in rows {
        let answer = desk.ask(method, path, Value::Null).await;
        assert!(includes(&answer.body, &expected), "{path}: {}", answer.body);
    }
    let features = desk.get("pbx/features").await;
    for (list, name) in [("services", "transferCall"), ("events", "transferred")] {
        let names = features[list].as_array().unwrap();
        assert!(names.iter().any(|it| it == name), "{list}: {features}");
    }
    let nobody = [
        ("GET", "endpoints/9999/device", "unknownEndpoint"),
        ("POST", "endpoints/9999/snapshot", "unknownEndpoint"),
        (
            "GET",
            "endpoints/2001/calls/01KA0000000000000000000009/connections",
            "unknownCall",
        ),
    ];
    for (method, path, name) in nobody {
        desk.ask(method, path, Value::Null).await.is(404, name);
    }
    tell(&desk.sim, "licence refuse").await;
    let all = [
        &*connections,
        "endpoints/2001/device",
        "pbx/devices",
        "pbx/features",
    ];
    for path in all {
        desk.ask("GET", path, Value::Null).await.is_of_the_pbx();
    }
    let path = "endpoints/2001/snapshot";
    desk.ask("POST", path, Value::Null).await.is_of_the_pbx();
}

/// Every action on a call, with what it needs.
fn actions() -> [Value; 14] {
    [
        json!({ "action": "answer" }),
        json!({ "action": "hold" }),
        json!({ "action": "retrieve" }),
        json!({ "action": "end" }),
        json!({ "action": "endCall" }),
        json!({ "action": "consult", "to": "2003" }),
        json!({ "action": "alternate", "heldCallId": "A" }),
        json!({ "action": "reconnect", "heldCallId": "A" }),
        json!({ "action": "transfer", "heldCallId": "A" }),
        json!({ "action": "conference", "heldCallId": "A" }),
        json!({ "action": "singleStepTransfer", "to": "2003" }),
        json!({ "action": "singleStepConference", "to": "2003" }),
        json!({ "action": "deflect", "to": "2003" }),
        json!({ "action": "dtmf", "digits": "1" }),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_refused_with_the_reason() {
    let mut desk = Desk::open(quiet_sim((2001, 2004))).await;
    desk.connect("2001", "2002").await;
    desk.calls.push("01KA0000000000000000000009".to_owned());
    desk.does("2001", 'A', json!({ "action": "hold" })).await;
    desk.see(&["held 2001 A held"]).await;
    for body in actions() {
        desk.act("2001", 'B', body.clone())
            .await
            .is(404, "unknownCall");
        // Held, it can be retrieved and ended; everything else needs another state or a second call.
        let action = body["action"].as_str().unwrap();
        if !["retrieve", "end", "endCall"].contains(&action) {
            desk.act("2001", 'A', body).await.is(409, "invalidState");
        }
    }
    // Each in the state that it needs: then it is the PBX that refuses.
    desk.calls.pop();
    desk.does("2001", 'A', json!({ "action": "retrieve" }))
        .await;
    desk.see(&["retrieved 2001 A connected"]).await;
    desk.does("2001", 'A', json!({ "action": "consult", "to": "2003" }))
        .await;
    desk.changes(4).await;
    tell(&desk.sim, "licence refuse").await;
    for body in actions() {
        let (extension, call) = match body["action"].as_str().unwrap() {
            "answer" | "deflect" => ("2003", 'B'),
            "retrieve" => ("2001", 'A'),
            _ => ("2001", 'B'),
        };
        desk.act(extension, call, body).await.is_of_the_pbx();
    }
    let made = desk.application.call("2004", "2002", None).await;
    made.is_of_the_pbx();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_several_terminals_is_one_ringing_and_one_answer_in_every_variant() {
    for variant in ["number", "terminal", "call"] {
        let mut config = quiet_sim((2001, 2002));
        config.terminals.insert("2002".to_owned(), 3);
        let dialect = &mut config.association.dialect;
        dialect.set("multiple-terminals", variant).unwrap();
        let mut desk = Desk::open(config).await;
        // The second call shows that nothing came late of the first.
        for call in ['A', 'B'] {
            desk.connect("2001", "2002").await;
            desk.does("2001", call, json!({ "action": "end" })).await;
            desk.see_together(&[
                &format!("cleared 2001 {call} cleared"),
                &format!("cleared 2002 {call} cleared"),
            ])
            .await;
        }
        let truth = format!("with terminals by {variant}");
        until(&truth, async || desk.world.view().await.is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_dialect_makes_answers_transfers_and_clears_with_the_same_events() {
    for dialect in Dialect::ALL {
        let mut config = quiet_sim((2001, 2003));
        config.association.dialect = dialect;
        let mut desk = Desk::open(config).await;
        desk.connect("2001", "2002").await;
        desk.does("2002", 'A', json!({ "action": "consult", "to": "2003" }))
            .await;
        desk.see(&[
            "held 2002 A held",
            "initiated 2002 B initiated",
            "originated 2002 B connected",
            "delivered 2003 B alerting",
        ])
        .await;
        desk.does("2003", 'B', json!({ "action": "answer" })).await;
        desk.see(&["established 2003 B connected"]).await;
        let transfer = json!({ "action": "transfer", "heldCallId": "A" });
        desk.does("2002", 'B', transfer).await;
        desk.see_together(&[
            "cleared 2002 A cleared",
            "cleared 2002 B cleared",
            "transferred 2001 A connected by 2002",
            "transferred 2003 A connected from B by 2002",
        ])
        .await;
        desk.does("2001", 'A', json!({ "action": "endCall" })).await;
        desk.see_together(&["cleared 2001 A cleared", "cleared 2003 A cleared"])
            .await;
    }
}

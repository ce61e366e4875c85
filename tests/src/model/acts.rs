//! What happens: users at their telephones, applications, time, and bad luck.

use std::time::Duration;

use cloud_uplink::command::{
    Action, Digits, LegPair, LegRef, MakeCall, Redirect, SetForwarding, SetMessageWaiting,
    SetSwitch,
};
use cloud_uplink::endpoint::ForwardingKind;
use cloud_uplink::{LegState, LegView};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::config::GROUP;
use super::world::World;

/// What users do at their telephones: the control command without its extension, and whether a
/// number follows.
const BY_HAND: &[(&str, bool)] = &[
    ("call", true),
    ("call", true),
    ("call", true),
    ("answer", false),
    ("answer", false),
    ("answer", false),
    ("answer", false),
    ("hold", false),
    ("retrieve", false),
    ("clear", false),
    ("clear", false),
    ("consult", true),
    ("consult", true),
    ("alternate", false),
    ("reconnect", false),
    ("transfer", false),
    ("blind", true),
    ("conference", false),
    ("add", true),
    ("deflect", true),
];

/// What users set at their telephones, with words behind the extension.
const SET_BY_HAND: &[(&str, &[&str])] = &[
    ("dnd", &["on", "off", "off"]),
    ("mwi", &["on 2004", "on", "off"]),
    ("presence", &["away", "available", "meeting"]),
    ("service", &["out", "in", "in", "in"]),
    (
        "agent",
        &["logged-on 7 77", "ready", "not-ready", "logged-off"],
    ),
    ("digits", &["12#"]),
    ("call-information", &["0a0b"]),
];

/// Bad luck that a control command makes; it goes on until the next quiet point.
const TOLD_FAULTS: &[(&str, Harm)] = &[
    ("events-first on", Harm::None),
    ("events-first off", Harm::None),
    ("delay 40", Harm::Late),
    ("delay 0", Harm::None),
    ("shuffle 50", Harm::Late),
    ("drop every 9", Harm::Lost),
    ("drop off", Harm::None),
    ("duplicate every 4", Harm::None),
    ("duplicate off", Harm::None),
    ("lose 1500", Harm::Lost),
    ("monitor-stop all", Harm::Lost),
    ("monitor-limit 5", Harm::Lost),
    ("cut-after 3000", Harm::Lost),
    ("session end", Harm::Lost),
    ("session resets off", Harm::Lingers),
    ("refuse-session silent", Harm::Lingers),
    ("refuse-session serverResourcesBusy", Harm::Lost),
    ("unknown 2005 on", Harm::Lost),
    ("licence terminate", Harm::Lost),
    ("licence refuse", Harm::Lost),
    ("status messagesLost", Harm::Lost),
    ("silent on", Harm::Lingers),
    ("silent off", Harm::None),
];

/// What somebody who listens misses then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// Nothing.
    None,
    /// Nothing, but it comes late.
    Late,
    /// Something.
    Lost,
    /// Something, and what is asked of the PBX stays without an answer.
    Lingers,
}

/// Everything that users do.
pub(super) fn acts() -> impl Iterator<Item = &'static str> {
    let by_hand = BY_HAND.iter().map(|(verb, _)| *verb);
    let set = SET_BY_HAND.iter().map(|(verb, _)| *verb);
    by_hand.chain(set).chain(["forward"])
}

/// Everything that applications ask for.
pub(super) fn commands() -> impl Iterator<Item = &'static str> {
    let all = [
        "alternate",
        "answer",
        "conference",
        "consult",
        "deflect",
        "end call",
        "hang up",
        "hold",
        "make call",
        "reconnect",
        "retrieve",
        "send digits",
        "set do not disturb",
        "set forwarding",
        "set message waiting",
        "single step conference",
        "single step transfer",
        "transfer",
    ];
    all.into_iter()
}

/// Everything that goes wrong.
pub(super) fn faults() -> impl Iterator<Item = &'static str> {
    let told = TOLD_FAULTS.iter().map(|(line, _)| *line);
    told.chain(["link cut", "PBX restarted", "gateway restarted"])
}

/// One step.
pub fn step(world: &mut World, rng: &mut StdRng) {
    world.report.steps += 1;
    match rng.random_range(0..100) {
        0..45 => by_hand(world, rng),
        45..75 => by_command(world, rng),
        75..96 => world.advance(Duration::from_millis(rng.random_range(1..4_000))),
        _ => fault(world, rng),
    }
}

fn by_hand(world: &mut World, rng: &mut StdRng) {
    let Some(&(verb, number)) = BY_HAND.choose(rng) else {
        return;
    };
    let who = extension(world, rng);
    if rng.random_bool(0.12) {
        return set_by_hand(world, rng, &who);
    }
    let line = if number {
        format!("{verb} {who} {}", somebody(world, rng))
    } else {
        format!("{verb} {who}")
    };
    let done = world.tell(&line).is_some();
    world.report.act(verb, done);
}

fn set_by_hand(world: &mut World, rng: &mut StdRng, who: &str) {
    if rng.random_bool(0.2) {
        let kind = ["immediate", "busy", "no-answer"]
            .choose(rng)
            .unwrap_or(&"busy");
        let to = if rng.random_bool(0.6) {
            "off".to_owned()
        } else {
            somebody(world, rng)
        };
        let done = world.tell(&format!("forward {who} {kind} {to}")).is_some();
        return world.report.act("forward", done);
    }
    let Some((verb, words)) = SET_BY_HAND.choose(rng) else {
        return;
    };
    let words = words.choose(rng).unwrap_or(&"off");
    let was = world.pbx.truth().devices.remove(who);
    let done = world.tell(&format!("{verb} {who} {words}")).is_some();
    world.report.act(verb, done);
    if was == world.pbx.truth().devices.remove(who) {
        // Nothing is told of what is as it was, be it known or not.
        return;
    }
    let set = (who.to_owned(), *verb);
    if world.clean {
        world.sure.insert(set.clone());
        world.pending.insert(set);
    } else {
        world.sure.remove(&set);
    }
}

fn extension(world: &World, rng: &mut StdRng) -> String {
    let all: Vec<_> = world.extensions().collect();
    all.choose(rng).cloned().unwrap_or_default()
}

/// An extension mostly, at times an outside number, seldom one that does not exist.
fn somebody(world: &World, rng: &mut StdRng) -> String {
    match rng.random_range(0..20) {
        0..3 => format!("0{}", rng.random_range(100..999)),
        3 => "9999".to_owned(),
        4 => GROUP.to_owned(),
        _ => extension(world, rng),
    }
}

/// An application acts on what it believes, which may be out of date.
fn by_command(world: &mut World, rng: &mut StdRng) {
    if rng.random_bool(0.06) {
        return set_by_command(world, rng);
    }
    let legs: Vec<LegView> = world.far_end.legs().cloned().collect();
    let legs: Vec<_> = legs
        .iter()
        .filter(|leg| leg.endpoint_id.is_some())
        .collect();
    let Some(leg) = legs.choose(rng).filter(|_| rng.random_bool(0.9)) else {
        let action = Action::MakeCall(MakeCall {
            endpoint_id: extension(world, rng),
            to: somebody(world, rng),
            prompt: rng.random_bool(0.5),
        });
        return ask(world, &action);
    };
    let endpoint_id = leg.endpoint_id.clone().unwrap_or_default();
    let other = legs
        .iter()
        .find(|it| it.endpoint_id == leg.endpoint_id && it.leg_id != leg.leg_id);
    let to = somebody(world, rng);
    let action = match other {
        Some(other) if rng.random_bool(0.6) => {
            let held_first = leg.state == LegState::Held;
            let (held, active) = if held_first {
                (leg, other)
            } else {
                (other, leg)
            };
            let pair = LegPair {
                endpoint_id,
                held_call_id: held.call_id,
                active_call_id: active.call_id,
            };
            match rng.random_range(0..4) {
                0 => Action::Alternate(pair),
                1 => Action::Reconnect(pair),
                2 => Action::Transfer(pair),
                _ => Action::Conference(pair),
            }
        }
        _ => on_one_leg(leg, endpoint_id, to, rng),
    };
    ask(world, &action);
}

/// Something that can be done with one leg.
fn on_one_leg(leg: &LegView, endpoint_id: String, to: String, rng: &mut StdRng) -> Action {
    let own = LegRef {
        endpoint_id: endpoint_id.clone(),
        call_id: leg.call_id,
    };
    let redirect = Redirect {
        endpoint_id: endpoint_id.clone(),
        call_id: leg.call_id,
        to,
    };
    match leg.state {
        LegState::Alerting => match rng.random_range(0..4) {
            0 => Action::Deflect(redirect),
            1 => Action::End(own),
            _ => Action::Answer(own),
        },
        LegState::Held => match rng.random_range(0..3) {
            0 => Action::End(own),
            _ => Action::Retrieve(own),
        },
        LegState::Connected => match rng.random_range(0..9) {
            0 => Action::Hold(own),
            1 => Action::End(own),
            2 => Action::EndCall(own),
            3 | 4 => Action::Consult(redirect),
            5 => Action::SingleStepTransfer(redirect),
            6 => Action::SingleStepConference(redirect),
            7 => Action::Dtmf(Digits {
                endpoint_id,
                call_id: leg.call_id,
                digits: "12#".to_owned(),
            }),
            _ => Action::Hold(own),
        },
        _ => Action::End(own),
    }
}

fn set_by_command(world: &mut World, rng: &mut StdRng) {
    let endpoint_id = extension(world, rng);
    let on = rng.random_bool(0.4);
    let action = match rng.random_range(0..3) {
        0 => Action::SetDoNotDisturb(SetSwitch { endpoint_id, on }),
        1 => Action::SetMessageWaiting(SetMessageWaiting {
            endpoint_id,
            on,
            call: None,
        }),
        _ => Action::SetForwarding(SetForwarding {
            endpoint_id,
            kind: ForwardingKind::Busy,
            origin: None,
            on,
            to: on.then(|| somebody(world, rng)),
        }),
    };
    ask(world, &action);
}

fn ask(world: &mut World, action: &Action) {
    world.ask(action);
    world.report.command(action.method().words());
}

fn fault(world: &mut World, rng: &mut StdRng) {
    match rng.random_range(0..10) {
        0 | 1 => {
            world.spoil();
            let bit = world.cut();
            world.report.fault("link cut", bit);
        }
        2 => {
            world.spoil();
            let calls = !world.pbx.truth().calls.is_empty();
            world.tell("restart");
            world.report.fault("PBX restarted", calls);
        }
        3 => {
            world.spoil();
            let legs = world.far_end.legs().count() > 0;
            world.restart_gateway();
            world.report.fault("gateway restarted", legs);
        }
        _ => {
            if let Some((line, harm)) = TOLD_FAULTS.choose(rng) {
                match harm {
                    Harm::None => {}
                    Harm::Late => world.exact = false,
                    Harm::Lost => world.spoil(),
                    Harm::Lingers => {
                        world.spoil();
                        world.lingers = true;
                    }
                }
                let done = world.tell(line).is_some();
                world.report.fault(line, done);
            }
        }
    }
}

//! Events in a few words: what, about whom, and how it is now.

use std::fmt::Debug;

use cloud_uplink::EventData;
use cloud_uplink::event::LegChange;

/// Something that happened, in the words of three columns.
pub(super) fn describe(body: &EventData) -> (String, String, String) {
    let line = |what: &str, who: &str, how: String| (what.to_owned(), who.to_owned(), how);
    let known = |text: &Option<String>| text.clone().unwrap_or_default();
    let of = |what: &str, who: &Option<String>, how| line(what, &known(who), how);
    let on = |on: bool| if on { "on" } else { "off" }.to_owned();
    match body {
        EventData::CommandCompleted(done) => match &done.error {
            None => line(done.method.words(), "done", String::new()),
            Some(error) => line(done.method.words(), "failed", error.message.clone()),
        },
        EventData::EndpointMonitored(it) => line("followed", &it.endpoint_id, String::new()),
        EventData::EndpointUnmonitored(it) => {
            line("unfollowed", &it.endpoint_id, it.reason.clone())
        }
        EventData::LinkUp(it) => line("link up", &it.link, String::new()),
        EventData::LinkDown(it) => {
            line("link down", &it.link, it.reason.clone().unwrap_or_default())
        }
        EventData::AlarmRaised(it) => line("alarm", &it.name, it.detail.clone()),
        EventData::AlarmCleared(it) => line("alarm over", &it.name, String::new()),
        EventData::CallInitiated(it) => leg("initiated", it),
        EventData::CallOriginated(it) => leg("originated", it),
        EventData::CallDelivered(it) => leg("delivered", it),
        EventData::CallEstablished(it) => leg("established", it),
        EventData::CallHeld(it) => leg("held", it),
        EventData::CallRetrieved(it) => leg("retrieved", it),
        EventData::CallQueued(it) => leg("queued", it),
        EventData::CallDiverted(it) => leg("diverted", it),
        EventData::CallFailed(it) => leg("failed", it),
        EventData::CallCleared(it) => leg("cleared", it),
        EventData::CallTransferred(it) => leg("transferred", it),
        EventData::CallConferenced(it) => leg("conferenced", it),
        EventData::CallNetworkReached(it) => leg("network", it),
        EventData::CallConfirmed(it) => leg("confirmed", it),
        EventData::CallDigits(it) => line("digits", &it.endpoint_id, it.digits.clone()),
        EventData::CallInformation(it) => of("call info", &it.endpoint_id, known(&it.subject)),
        EventData::CallVoice(it) => of("voice", &it.endpoint_id, words(&it.quality)),
        EventData::CallRecorded(it) => line("recorded", &it.endpoint_id, words(&it.outcome)),
        EventData::EndpointService(it) => {
            let how = if it.state.in_service {
                "in service"
            } else {
                "out of service"
            };
            line("service", &it.endpoint_id, how.to_owned())
        }
        EventData::EndpointDoNotDisturb(it) => line("dnd", &it.endpoint_id, on(it.state.on)),
        EventData::EndpointForwarding(it) => {
            let to = it
                .state
                .forwarding
                .first()
                .map(|it| it.to.clone().unwrap_or_default());
            let how = to.map_or_else(|| on(false), |to| format!("to {to}"));
            line("forwarding", &it.endpoint_id, how)
        }
        EventData::EndpointMessageWaiting(it) => line("message", &it.endpoint_id, on(it.state.on)),
        EventData::EndpointPresence(it) => {
            line("presence", &it.endpoint_id, words(&it.state.presence))
        }
        EventData::EndpointAgent(it) => {
            line("agent", &it.endpoint_id, words(&it.state.agent_state))
        }
        EventData::PbxUnknown(it) => line(
            "unknown",
            it.endpoint_id.as_deref().unwrap_or_default(),
            it.name.clone(),
        ),
    }
}

fn leg(what: &str, change: &LegChange) -> (String, String, String) {
    let leg = &change.leg;
    let who = leg.endpoint_id.as_ref().unwrap_or(&leg.device);
    (what.to_owned(), who.clone(), words(&leg.state))
}

/// `DoNotDisturb` as `do not disturb`.
fn words(value: &impl Debug) -> String {
    let mut words = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

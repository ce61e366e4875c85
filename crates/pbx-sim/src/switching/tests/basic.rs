//! Calls of two parties: one golden trace after the other, in the order of the standard's clauses.

use super::*;

// Make Call A to B (ECMA-269 §17.1.18, §17.2.4, 5, 8, 14, 18).
#[test]
fn make_call_answer_and_clear_give_the_basic_sequence() {
    let mut bench = Bench::new();
    let call = bench.make("2001", "2002", AutoOriginate::Prompt).unwrap();
    bench.expect(
        "2001 | ServiceInitiated C1/2001 initiated [makeCall]
         2001 | Originated C1/2001 connected [newCall]
         2002 | Delivered C1/2002 alerting [newCall]
         2001 | Delivered C1/2002 connected [newCall]",
    );
    bench.answer(&call, "2002");
    bench.expect(
        "2002 | Established C1/2002 connected [newCall]
         2001 | Established C1/2002 connected [newCall]",
    );
    // §17.2.4: the releasing device sees null; the last party is cleared after it.
    bench.pbx.clear_connection(&call).unwrap();
    bench.expect(
        "2001 | ConnectionCleared C1/2001 null [normalClearing]
         2002 | ConnectionCleared C1/2001 connected [normalClearing]
         2002 | ConnectionCleared C1/2002 null [normalClearing]",
    );
    assert_eq!(bench.pbx.truth().calls, []);
}

// §17.2.18: Service Initiated is not required for a hands-free Make Call.
#[test]
fn a_hands_free_make_call_begins_with_originated() {
    let mut bench = Bench::new();
    bench
        .make("2001", "2002", AutoOriginate::DoNotPrompt)
        .unwrap();
    assert!(
        bench
            .trace()
            .starts_with("2001 | Originated C1/2001 connected [newCall]")
    );
}

#[test]
fn a_prompted_telephone_waits_for_its_user() {
    let pick_up = Duration::from_secs(4);
    let mut bench = Bench::with(|config| config.timing.pick_up_after = pick_up);
    bench.make("2001", "2002", AutoOriginate::Prompt).unwrap();
    bench.expect("2001 | ServiceInitiated C1/2001 initiated [makeCall]");
    bench.wait(pick_up - Duration::from_millis(1));
    bench.expect("");
    bench.wait(Duration::from_millis(1));
    assert!(bench.trace().starts_with("2001 | Originated"));
    let prompted = bench.make("2003", "2004", AutoOriginate::Prompt).unwrap();
    bench.trace();
    bench.answer(&prompted, "2003");
    assert!(
        bench
            .trace()
            .starts_with("2003 | Originated C2/2003 connected")
    );
    bench.wait(pick_up);
    bench.expect("");
}

// Busy: Failed C1B, the caller stays connected (ECMA-269 §17.2.9).
#[test]
fn a_busy_extension_fails_the_called_connection() {
    let mut bench = Bench::new();
    bench.talk("2002", "2004");
    let call = bench.dial("2001", "2002");
    bench.expect(
        "2001 | ServiceInitiated C2/2001 initiated [newCall]
         2001 | Originated C2/2001 connected [newCall]
         2002 | Failed C2/2002 fail [busy]
         2001 | Failed C2/2002 connected [busy]",
    );
    bench.pbx.clear_connection(&call).unwrap();
    bench.expect(
        "2001 | ConnectionCleared C2/2001 null [normalClearing]
         2002 | ConnectionCleared C2/2001 fail [normalClearing]
         2002 | ConnectionCleared C2/2002 null [normalClearing]",
    );
}

// §17.2.9: where nobody was reached, the caller's own connection fails.
#[test]
fn an_unknown_number_fails_the_caller_until_the_tone_ends() {
    let mut bench = Bench::new();
    bench.dial("2001", "777");
    bench.expect(
        "2001 | ServiceInitiated C1/2001 initiated [newCall]
         2001 | Originated C1/2001 connected [newCall]
         2001 | Failed C1/2001 fail [destNotObtainable]",
    );
    bench.wait(Duration::from_secs(30));
    bench.expect("2001 | ConnectionCleared C1/2001 null [normalClearing]");
}

// Forward immediate (ECMA-269 §17.2.7): Diverted on B, Delivered on C with lastRedirectionDevice B.
#[test]
fn immediate_forwarding_diverts_and_names_the_last_redirection() {
    let mut bench = Bench::new();
    bench.forward("2002", ForwardingType::Immediate, "2003");
    bench
        .make("2001", "2002", AutoOriginate::DoNotPrompt)
        .unwrap();
    bench.expect(
        "2001 | Originated C1/2001 connected [newCall]
         2002 | Diverted C1/2002 null [callForwardImmediate]
         2003 | Delivered C1/2003 alerting [callForwardImmediate]
         2001 | Delivered C1/2003 connected [callForwardImmediate]",
    );
    let Some(Event::Delivered(delivered)) = bench.last.last() else {
        panic!()
    };
    let redirection = delivered.last_redirection_device.clone().unwrap();
    assert_eq!(
        redirection,
        RedirectionDeviceId::NumberDialed(DeviceId::new("2002"))
    );
    let called = delivered
        .called_device
        .as_ref()
        .and_then(ExtendedDeviceId::device);
    assert_eq!(called, Some(&DeviceId::new("2002")));
}

// No answer (ECMA-269 §17.2.7): Delivered B, Diverted B with callForwardNoAnswer, Delivered C.
#[test]
fn no_answer_forwarding_acts_when_its_time_is_over() {
    let mut bench = Bench::with(|config| config.diverted_to_all = true);
    bench.forward("2002", ForwardingType::NoAnswer, "2003");
    bench.dial("2001", "2002");
    bench.trace();
    bench.wait(Duration::from_millis(14_999));
    bench.expect("");
    bench.wait(Duration::from_millis(1));
    // §17.2.7: Diverted to all, as configured here.
    bench.expect(
        "2002 | Diverted C1/2002 null [callForwardNoAnswer]
         2001 | Diverted C1/2002 connected [callForwardNoAnswer]
         2003 | Delivered C1/2003 alerting [callForwardNoAnswer]
         2001 | Delivered C1/2003 connected [callForwardNoAnswer]",
    );
}

#[test]
fn busy_forwarding_goes_on_where_the_line_is_busy() {
    let mut bench = Bench::new();
    bench.talk("2002", "2004");
    bench.forward("2002", ForwardingType::Busy, "2003");
    bench
        .make("2001", "2002", AutoOriginate::DoNotPrompt)
        .unwrap();
    bench.expect(
        "2001 | Originated C2/2001 connected [newCall]
         2002 | Diverted C2/2002 null [callForwardBusy]
         2003 | Delivered C2/2003 alerting [callForwardBusy]
         2001 | Delivered C2/2003 connected [callForwardBusy]",
    );
}

#[test]
fn forwarding_in_a_circle_and_back_to_the_caller_fails() {
    let mut bench = Bench::new();
    bench.forward("2002", ForwardingType::Immediate, "2003");
    bench.forward("2003", ForwardingType::Immediate, "2002");
    bench.dial("2001", "2002");
    assert!(
        bench
            .trace()
            .ends_with("2001 | Failed C1/2001 fail [destNotObtainable]")
    );
    bench.forward("2003", ForwardingType::Immediate, "2005");
    bench.dial("2005", "2003");
    bench.trace();
    let truth = bench.pbx.truth().calls.pop().unwrap();
    assert_eq!(truth.connections[0].state, "fail");
}

// Hold Call, Retrieve Call (ECMA-269 §17.1.15, §17.1.23): local hold at A, connected at B.
#[test]
fn hold_and_retrieve_show_each_side_its_own_state() {
    let mut bench = Bench::new();
    let call = bench.talk("2001", "2002");
    bench.pbx.hold(&call, Actor::Service).unwrap();
    bench.expect(
        "2001 | Held C1/2001 hold [normal]
         2002 | Held C1/2001 connected [normal]",
    );
    bench.pbx.retrieve(&call, Actor::User).unwrap();
    bench.expect(
        "2001 | Retrieved C1/2001 connected [keyOperation]
         2002 | Retrieved C1/2001 connected [keyOperation]",
    );
}

#[test]
fn a_caller_who_gives_up_cancels_the_call() {
    let mut bench = Bench::new();
    let call = bench.dial("2001", "2002");
    bench.trace();
    bench.pbx.clear_connection(&call).unwrap();
    bench.expect(
        "2001 | ConnectionCleared C1/2001 null [callCancelled]
         2002 | ConnectionCleared C1/2001 alerting [callCancelled]
         2002 | ConnectionCleared C1/2002 null [callCancelled]",
    );
}

#[test]
fn a_called_party_who_rejects_ends_the_call() {
    let mut bench = Bench::new();
    let call = bench.dial("2001", "2002");
    bench.trace();
    let ringing = bench.at(&call, "2002");
    bench.pbx.clear_connection(&ringing).unwrap();
    bench.expect(
        "2002 | ConnectionCleared C1/2002 null [normalClearing]
         2001 | ConnectionCleared C1/2002 connected [normalClearing]
         2001 | ConnectionCleared C1/2001 null [normalClearing]",
    );
}

#[test]
fn ringing_ends_by_itself() {
    let mut bench = Bench::new();
    bench.dial("2001", "2002");
    bench.trace();
    bench.wait(Duration::from_secs(180));
    assert!(
        bench
            .trace()
            .starts_with("2002 | ConnectionCleared C1/2002 null [callNotAnswered]")
    );
    assert_eq!(bench.pbx.poll_timeout(), None);
}

// Clear Call (ECMA-269 §17.1.7): Connection Cleared for each device, to that device.
#[test]
fn clear_call_needs_the_call_alone() {
    let mut bench = Bench::new();
    let call = bench.talk("2001", "2002");
    bench
        .pbx
        .clear_call(call.call_id.as_ref().unwrap())
        .unwrap();
    bench.expect(
        "2001 | ConnectionCleared C1/2001 null [normalClearing]
         2002 | ConnectionCleared C1/2002 null [normalClearing]",
    );
}

#[test]
fn outside_parties_ring_answer_and_see_nothing() {
    let mut bench = Bench::new();
    bench
        .make("2001", "0701234567", AutoOriginate::DoNotPrompt)
        .unwrap();
    bench.expect(
        "2001 | Originated C1/2001 connected [newCall]
         2001 | Delivered C1/0701234567 connected [newCall]",
    );
    bench.wait(Duration::from_secs(3));
    bench.expect("2001 | Established C1/0701234567 connected [newCall]");
    let call = bench.dial("0709", "2002");
    bench.expect("2002 | Delivered C2/2002 alerting [newCall]");
    let refused = bench.pbx.hold(&call, Actor::Service).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "operation/requestIncompatibleWithConnection"
    );
    bench.pbx.clear_connection(&call).unwrap();
    bench.expect(
        "2002 | ConnectionCleared C2/0709 alerting [callCancelled]
         2002 | ConnectionCleared C2/2002 null [callCancelled]",
    );
}

#[test]
fn a_snapshot_has_the_devices_own_state_first() {
    use LocalConnectionState::{Alerting, Connected, Hold};
    let mut bench = Bench::new();
    let held = bench.talk("2001", "2002");
    bench.pbx.hold(&held, Actor::User).unwrap();
    bench.dial("2003", "2001");
    let calls = bench.pbx.snapshot(&DeviceId::new("N<2001>")).unwrap();
    let states: Vec<_> = calls
        .iter()
        .map(|call| call.local_call_state.clone().unwrap())
        .collect();
    let compound = |states: [LocalConnectionState; 2]| CallState::Compound(states.into());
    assert_eq!(
        states,
        [compound([Hold, Connected]), compound([Alerting, Connected])]
    );
    assert_eq!(bench.pbx.snapshot(&DeviceId::new("2006")), Ok(vec![]));
}

// §15.1.2: several starts on one device make monitors of their own.
#[test]
fn every_monitor_reports_for_itself_and_only_while_it_runs() {
    let mut bench = Bench::new();
    let other = AssociationId(2);
    let device = DeviceId::new("2001");
    let twice = [CLIENT, other].map(|owner| bench.pbx.start_monitor(owner, &device).unwrap());
    bench.dial("2001", "777");
    let events = std::iter::from_fn(|| bench.pbx.poll_event());
    let owners: Vec<_> = events.map(|(owner, _)| owner).collect();
    assert_eq!(owners.len(), 9);
    assert_eq!(owners.iter().filter(|owner| **owner == other).count(), 3);
    let refused = bench.pbx.stop_monitor(CLIENT, &twice[1]).unwrap_err();
    assert_eq!(refused.to_string(), "operation/invalidMonitorCrossRefID");
    bench.pbx.stop_monitor(CLIENT, &twice[0]).unwrap();
    bench.pbx.stop_monitors(other);
    assert_eq!(bench.pbx.monitor_count(), 3);
}

#[test]
fn refusals_name_the_cause_in_the_schemas_words() {
    use AutoOriginate::Prompt;
    let mut bench = Bench::new();
    let refused = |result: Result<ConnectionId, String>| result.unwrap_err();
    assert_eq!(
        refused(bench.make("777", "2001", Prompt)),
        "operation/invalidCallingDeviceID"
    );
    assert_eq!(
        refused(bench.make("2001", "2001", Prompt)),
        "operation/notDifferentDevices"
    );
    let call = bench.talk("2001", "2002");
    let busy = "stateIncompatibility/invalidCallingDeviceState";
    assert_eq!(refused(bench.make("2001", "2003", Prompt)), busy);
    let (stranger, half) = (
        bench.at(&call, "2003"),
        ConnectionId {
            call_id: call.call_id.clone(),
            device_id: None,
        },
    );
    let gone = ConnectionId::new(CallId::new("0000B00700000063"), DeviceId::new("2001"));
    let now = bench.now;
    let pbx = &mut bench.pbx;
    for wrong in [&stranger, &half, &gone] {
        let text = "operation/invalidConnectionID";
        assert_eq!(
            pbx.answer(wrong, Actor::Service, now)
                .unwrap_err()
                .to_string(),
            text
        );
        assert_eq!(
            pbx.hold(wrong, Actor::Service).unwrap_err().to_string(),
            text
        );
        assert_eq!(
            pbx.retrieve(wrong, Actor::Service).unwrap_err().to_string(),
            text
        );
        assert_eq!(pbx.clear_connection(wrong).unwrap_err().to_string(), text);
    }
    let state = |error: CstaError| error.to_string();
    let service = Actor::Service;
    let text = "stateIncompatibility/invalidConnectionState";
    assert_eq!(state(pbx.answer(&call, service, now).unwrap_err()), text);
    let text = "stateIncompatibility/noHeldCall";
    assert_eq!(state(pbx.retrieve(&call, service).unwrap_err()), text);
    pbx.hold(&call, service).unwrap();
    let text = "stateIncompatibility/invalidHeldConnectionState";
    assert_eq!(state(pbx.hold(&call, service).unwrap_err()), text);
    bench.dial("2003", "2001");
    let text = "stateIncompatibility/connectedCallExists";
    assert_eq!(state(bench.pbx.retrieve(&call, service).unwrap_err()), text);
    let text = "operation/invalidCallID";
    let never = CallId::new("what");
    assert_eq!(state(bench.pbx.clear_call(&never).unwrap_err()), text);
    let text = "operation/invalidDeviceID";
    assert_eq!(
        state(bench.pbx.snapshot(&DeviceId::new("777")).unwrap_err()),
        text
    );
    let monitor = bench.pbx.start_monitor(CLIENT, &DeviceId::new("0709"));
    assert_eq!(state(monitor.unwrap_err()), text);
    bench.trace();
}

#[test]
fn a_restart_forgets_calls_silently_and_never_gives_an_id_twice() {
    let mut bench = Bench::new();
    let before = bench.talk("2001", "2002");
    bench.pbx.restart(0xB008);
    bench.expect("");
    assert_eq!(bench.pbx.truth().calls, []);
    let gone = bench.pbx.clear_connection(&before).unwrap_err();
    assert_eq!(gone.to_string(), "operation/invalidConnectionID");
    let after = bench.dial("2001", "2002");
    assert_ne!(before.call_id, after.call_id);
}

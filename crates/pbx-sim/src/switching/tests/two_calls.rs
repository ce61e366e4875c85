//! Two calls at one telephone, and what becomes of them (ECMA-269 §17.1.2, 9, 10, 11, 22, 25 to 27).
//!
//! Size: golden traces, one after the other, in the order of the services.

use csta::value::ParticipationType;

use super::*;

#[test]
fn consultation_holds_the_first_call_and_makes_a_second() {
    let mut bench = Bench::new();
    let held = bench.talk("2001", "2002");
    let active = bench.consult(&held, "2003");
    bench.expect(
        "2001 | Held C1/2001 hold [consultation]
         2002 | Held C1/2001 connected [consultation]
         2001 | ServiceInitiated C2/2001 initiated [consultation]
         2001 | Originated C2/2001 connected [consultation]
         2003 | Delivered C2/2003 alerting [consultation]
         2001 | Delivered C2/2003 connected [consultation]",
    );
    bench.answer(&active, "2003");
    bench.expect(
        "2003 | Established C2/2003 connected [consultation]
         2001 | Established C2/2003 connected [consultation]",
    );
    let calls = ["C1/2001 hold,connected", "C2/2001 connected,connected"];
    assert_eq!(bench.snapshot("2001"), calls);
}

// §17.2.18: Service Initiated is not required.
#[test]
fn a_switch_without_service_initiated_begins_with_originated() {
    let mut bench = Bench::with_options(|options| options.service_initiated = false);
    bench.dial("2001", "777");
    assert!(bench.trace().starts_with("2001 | Originated C1/2001"));
}

// §17.1.2: Hold of the active call, then Retrieve of the held one.
#[test]
fn alternate_holds_the_active_call_and_retrieves_the_held_one() {
    let mut bench = Bench::new();
    let (held, active) = bench.consulted();
    bench.pbx.alternate_call(&held, &active, SERVICE).unwrap();
    bench.expect(
        "2001 | Held C2/2001 hold [alternate]
         2003 | Held C2/2001 connected [alternate]
         2001 | Retrieved C1/2001 connected [alternate]
         2002 | Retrieved C1/2001 connected [alternate]",
    );
    let wrong = bench.pbx.alternate_call(&held, &active, SERVICE);
    assert_eq!(
        refused(wrong),
        "stateIncompatibility/invalidActiveConnectionState"
    );
}

// §17.1.2: the held call may be one that rings: compound of Hold and Answer.
#[test]
fn alternate_answers_a_call_that_waits() {
    let mut bench = Bench::with_options(|options| options.call_waiting = true);
    let first = bench.talk("2001", "2002");
    let second = bench.dial("2003", "2001");
    bench.trace();
    let waiting = bench.at(&second, "2001");
    let answer = bench.pbx.answer(&waiting, SERVICE, bench.now);
    assert_eq!(refused(answer), "stateIncompatibility/connectedCallExists");
    bench.pbx.alternate_call(&waiting, &first, SERVICE).unwrap();
    bench.expect(
        "2001 | Held C1/2001 hold [alternate]
         2002 | Held C1/2001 connected [alternate]
         2001 | Established C2/2001 connected [alternate]
         2003 | Established C2/2001 connected [alternate]",
    );
}

#[test]
fn without_call_waiting_a_second_call_finds_the_line_busy() {
    let mut bench = Bench::new();
    bench.talk("2001", "2002");
    bench.dial("2003", "2001");
    assert!(bench.trace().contains("2001 | Failed C2/2001 fail [busy]"));
}

// With call waiting one call may wait, not two.
#[test]
fn the_third_call_finds_the_line_busy_with_call_waiting() {
    let mut bench = Bench::with_options(|options| options.call_waiting = true);
    bench.talk("2001", "2002");
    bench.dial("2003", "2001");
    assert!(bench.trace().contains("2001 | Delivered C2/2001 alerting"));
    bench.dial("2004", "2001");
    assert!(bench.trace().contains("2001 | Failed C3/2001 fail [busy]"));
}

// §17.1.22: Clear Connection of the active call, then Retrieve of the held one.
#[test]
fn reconnect_clears_the_active_call_and_retrieves_the_held_one() {
    let mut bench = Bench::new();
    let (held, active) = bench.consulted();
    bench.pbx.reconnect_call(&active, &held, SERVICE).unwrap();
    bench.expect(
        "2001 | ConnectionCleared C2/2001 null [normalClearing]
         2003 | ConnectionCleared C2/2001 connected [normalClearing]
         2003 | ConnectionCleared C2/2003 null [normalClearing]
         2001 | Retrieved C1/2001 connected [normal]
         2002 | Retrieved C1/2001 connected [normal]",
    );
}

// §17.1.22: the active call may have failed.
#[test]
fn reconnect_leaves_a_busy_tone() {
    let mut bench = Bench::new();
    bench.talk("2003", "2004");
    let held = bench.talk("2001", "2002");
    let active = bench.consult(&held, "2003");
    bench.trace();
    bench.pbx.reconnect_call(&active, &held, SERVICE).unwrap();
    assert!(
        bench
            .trace()
            .ends_with("2002 | Retrieved C2/2001 connected [normal]")
    );
}

// §17.1.27, §17.2.19: null at A, connected at B and C; the call ids as the options say.
#[test]
fn transfer_rekeys_the_others_and_drops_the_device() {
    for (policy, new) in [
        (ResultingCall::New, "C3"),
        (ResultingCall::Primary, "C1"),
        (ResultingCall::Secondary, "C2"),
    ] {
        let mut bench = Bench::with_options(|options| options.resulting_call = policy);
        let (held, active) = bench.consulted();
        let merged = bench.pbx.transfer_call(&held, &active, SERVICE).unwrap();
        let what = format!("C1/2001+C2/2001>({new}/2002<C1/2002 {new}/2003<C2/2003)");
        bench.expect(&format!(
            "2001 | Transfered {what} null [transfer]
             2002 | Transfered {what} connected [transfer]
             2003 | Transfered {what} connected [transfer]"
        ));
        assert_eq!(short(&merged.connection), format!("{new}/2003"));
        assert_eq!(merged.connections.0.len(), 2);
        assert_eq!(bench.snapshot("2001"), [""; 0]);
        assert_eq!(
            bench.snapshot("2002"),
            [format!("{new}/2002 connected,connected")]
        );
        bench.clear(&merged.connection, "2003");
        bench.expect(&format!(
            "2003 | ConnectionCleared {new}/2003 null [normalClearing]
             2002 | ConnectionCleared {new}/2003 connected [normalClearing]
             2002 | ConnectionCleared {new}/2002 null [normalClearing]"
        ));
        let stats = bench.pbx.stats();
        assert_eq!(stats.calls_begun, stats.calls_ended);
        let gone = bench.pbx.clear_connection(&held);
        assert_eq!(refused(gone), "operation/invalidConnectionID");
    }
}

// §17.1.27: the consulted party may still ring; it answers under the new id.
#[test]
fn a_transfer_to_a_telephone_that_rings_is_answered_under_the_new_id() {
    let mut bench = Bench::new();
    let held = bench.talk("2001", "2002");
    let active = bench.consult(&held, "2003");
    bench.trace();
    let merged = bench.pbx.transfer_call(&held, &active, SERVICE).unwrap();
    assert!(bench.trace().ends_with(
        "2003 | Transfered C1/2001+C2/2001>(C3/2002<C1/2002 C3/2003<C2/2003) alerting [transfer]"
    ));
    bench.answer(&merged.connection, "2003");
    bench.expect(
        "2003 | Established C3/2003 connected [normal]
         2002 | Established C3/2003 connected [normal]",
    );
    let Some(Event::Established(established)) = bench.last.last() else {
        panic!()
    };
    let device = |device: &Option<ExtendedDeviceId>| {
        let device = device.as_ref().and_then(ExtendedDeviceId::device);
        device.map(ToString::to_string)
    };
    assert_eq!(device(&established.calling_device).as_deref(), Some("2002"));
    assert_eq!(device(&established.called_device).as_deref(), Some("2003"));
}

// The ringing that began before the transfer ends after it, in its time.
#[test]
fn a_transferred_call_that_nobody_answers_ends() {
    let mut bench = Bench::new();
    let held = bench.talk("2001", "2002");
    let active = bench.consult(&held, "2003");
    bench.pbx.transfer_call(&held, &active, SERVICE).unwrap();
    bench.trace();
    bench.wait(Duration::from_secs(180));
    assert!(
        bench
            .trace()
            .starts_with("2003 | ConnectionCleared C3/2003 null [callNotAnswered]")
    );
    assert_eq!(bench.pbx.call_count(), 0);
}

// Some systems send Connection Cleared after Transferred, under the old ids.
#[test]
fn clears_may_follow_a_transfer() {
    let mut bench = Bench::with_options(|options| options.clears_after_transfer = true);
    let (held, active) = bench.consulted();
    bench.pbx.transfer_call(&held, &active, SERVICE).unwrap();
    assert!(bench.trace().ends_with(
        "2001 | ConnectionCleared C1/2001 null [transfer]\n\
         2001 | ConnectionCleared C2/2001 null [transfer]"
    ));
}

#[test]
fn transfer_and_conference_refuse_what_the_states_do_not_allow() {
    let mut bench = Bench::new();
    let (held, active) = bench.consulted();
    let other = bench.at(&active, "2003");
    let pbx = &mut bench.pbx;
    let held_state = "stateIncompatibility/invalidHeldConnectionState";
    let active_state = "stateIncompatibility/invalidActiveConnectionState";
    let not_same = "operation/notSameDevice";
    assert_eq!(
        refused(pbx.transfer_call(&active, &held, SERVICE)),
        active_state
    );
    assert_eq!(
        refused(pbx.conference_call(&active, &held, SERVICE)),
        active_state
    );
    assert_eq!(refused(pbx.transfer_call(&held, &other, SERVICE)), not_same);
    assert_eq!(
        refused(pbx.transfer_call(&held, &held, SERVICE)),
        "operation/requestIncompatibleWithHeldConnection"
    );
    pbx.alternate_call(&held, &active, SERVICE).unwrap();
    pbx.clear_connection(&active).unwrap();
    assert_eq!(
        refused(pbx.transfer_call(&held, &active, SERVICE)),
        "operation/invalidConnectionID"
    );
    // A call that has failed is no party.
    bench.talk("2003", "2004");
    let active = bench.consult(&held, "2003");
    let pbx = &mut bench.pbx;
    assert_eq!(
        refused(pbx.transfer_call(&held, &active, SERVICE)),
        active_state
    );
    pbx.reconnect_call(&active, &held, SERVICE).unwrap();
    // Nobody to join while the consulted party rings.
    let active = bench.consult(&held, "2005");
    let pbx = &mut bench.pbx;
    assert_eq!(
        refused(pbx.conference_call(&held, &active, SERVICE)),
        active_state
    );
    pbx.reconnect_call(&active, &held, SERVICE).unwrap();
    assert_eq!(
        refused(pbx.reconnect_call(&active, &held, SERVICE)),
        "operation/invalidConnectionID"
    );
    assert_ne!(held_state, active_state);
}

#[test]
fn consult_options_forbid_what_they_do_not_name() {
    let wrong = "operation/invalidConsultPurpose";
    for (options, transfer, conference) in [
        (ConsultOptions::CONSULT_ONLY, false, false),
        (ConsultOptions::TRANSFER_ONLY, true, false),
        (ConsultOptions::CONFERENCE_ONLY, false, true),
    ] {
        for (conferences, allowed) in [(false, transfer), (true, conference)] {
            let mut bench = Bench::new();
            let held = bench.talk("2001", "2002");
            let to = DeviceId::new("2003");
            let (data, now) = (CallData::default(), bench.now);
            let pbx = &mut bench.pbx;
            let active = pbx.consultation_call(&held, &to, options.clone(), data, SERVICE, now);
            let active = active.unwrap();
            bench.answer(&active, "2003");
            let result = match conferences {
                true => bench.pbx.conference_call(&held, &active, SERVICE),
                false => bench.pbx.transfer_call(&held, &active, SERVICE),
            };
            assert_eq!(result.is_ok(), allowed, "{options} {conferences}");
            assert!(allowed || refused(result) == wrong);
        }
    }
}

// §17.1.9, §17.2.3: no devices leave; a device that leaves later leaves alone (§17.2.4).
#[test]
fn a_conference_joins_two_calls_and_shrinks_again() {
    let mut bench = Bench::new();
    let (held, active) = bench.consulted();
    let merged = bench.pbx.conference_call(&held, &active, SERVICE).unwrap();
    let what = "C1/2001+C2/2001>(C3/2001<C1/2001 C3/2002<C1/2002 C3/2003<C2/2003)";
    bench.expect(&format!(
        "2001 | Conferenced {what} connected [conference]
         2002 | Conferenced {what} connected [conference]
         2003 | Conferenced {what} connected [conference]"
    ));
    assert_eq!(short(&merged.connection), "C3/2001");
    assert_eq!(
        bench.snapshot("2003"),
        ["C3/2003 connected,connected,connected"]
    );
    let third = bench.at(&merged.connection, "2003");
    bench.pbx.hold(&third, SERVICE).unwrap();
    bench.expect(
        "2003 | Held C3/2003 hold [normal]
         2001 | Held C3/2003 connected [normal]
         2002 | Held C3/2003 connected [normal]",
    );
    bench.pbx.retrieve(&third, SERVICE).unwrap();
    bench.trace();
    bench.clear(&merged.connection, "2001");
    bench.expect(
        "2001 | ConnectionCleared C3/2001 null [normalClearing]
         2002 | ConnectionCleared C3/2001 connected [normalClearing]
         2003 | ConnectionCleared C3/2001 connected [normalClearing]",
    );
    assert_eq!(bench.snapshot("2002"), ["C3/2002 connected,connected"]);
    bench.clear(&merged.connection, "2002");
    bench.expect(
        "2002 | ConnectionCleared C3/2002 null [normalClearing]
         2003 | ConnectionCleared C3/2002 connected [normalClearing]
         2003 | ConnectionCleared C3/2003 null [normalClearing]",
    );
}

// A conference grows until the bridge has no port left.
#[test]
fn a_conference_has_a_largest_size() {
    let mut bench = Bench::with(|config| config.extensions = Extensions::range(2001, 2040));
    let mut call = bench.talk("2001", "2002");
    for number in 2003..=2040 {
        let device = number.to_string();
        let active = bench.consult(&call, &device);
        bench.answer(&active, &device);
        match bench.pbx.conference_call(&call, &active, SERVICE) {
            Ok(merged) => call = merged.connection,
            Err(error) => {
                assert_eq!(
                    error.to_string(),
                    "systemResourceAvailibility/conferenceMemberLimitExceeded"
                );
                break;
            }
        }
    }
    let parties = bench.pbx.truth().calls[0].connections.len();
    assert!(
        (CONNECTIONS_MAX - 1..=CONNECTIONS_MAX).contains(&parties),
        "{parties}"
    );
}

// §17.1.26: no secondary old call; the target rings in the resulting call.
#[test]
fn a_single_step_transfer_sends_the_other_party_on() {
    let mut bench = Bench::with_options(|options| options.single_step_old_connections = false);
    let call = bench.talk("2002", "2001");
    let leaving = bench.at(&call, "2001");
    let to = DeviceId::new("2003");
    let now = bench.now;
    let transfer = |bench: &mut Bench, to: &DeviceId| {
        let data = CallData::default();
        bench
            .pbx
            .single_step_transfer_call(&leaving, to, data, SERVICE, now)
    };
    let unknown = transfer(&mut bench, &DeviceId::new("777"));
    assert_eq!(refused(unknown), "operation/invalidDestination");
    let same = transfer(&mut bench, &DeviceId::new("2002"));
    assert_eq!(refused(same), "operation/notDifferentDevices");
    let merged = transfer(&mut bench, &to).unwrap();
    bench.expect(
        "2002 | Transfered C1/2001>(C2/2002 C2/2003) connected [singleStepTransfer]
         2001 | Transfered C1/2001>(C2/2002 C2/2003) null [singleStepTransfer]
         2003 | Delivered C2/2003 alerting [singleStepTransfer]
         2002 | Delivered C2/2003 connected [singleStepTransfer]",
    );
    bench.answer(&merged.connection, "2003");
    bench.expect(
        "2003 | Established C2/2003 connected [singleStepTransfer]
         2002 | Established C2/2003 connected [singleStepTransfer]",
    );
}

#[test]
fn a_single_step_transfer_to_a_busy_line_fails_and_ends() {
    let mut bench = Bench::new();
    bench.talk("2003", "2004");
    let call = bench.talk("2001", "2002");
    let (to, data, now) = (DeviceId::new("2003"), CallData::default(), bench.now);
    let pbx = &mut bench.pbx;
    pbx.single_step_transfer_call(&call, &to, data, SERVICE, now)
        .unwrap();
    assert!(
        bench
            .trace()
            .contains("2002 | Failed C3/2003 connected [busy]")
    );
    bench.wait(Duration::from_secs(30));
    assert_eq!(bench.pbx.call_count(), 1);
}

// §17.1.25: the call keeps its id; the device that is added rings.
#[test]
fn a_single_step_conference_adds_a_device() {
    let mut bench = Bench::new();
    let call = bench.talk("2001", "2002");
    let (to, now) = (DeviceId::new("2003"), bench.now);
    let join = |bench: &mut Bench, to: &DeviceId, how: &ParticipationType| {
        let pbx = &mut bench.pbx;
        pbx.single_step_conference_call(&call, to, how, SERVICE, now)
    };
    let active = &ParticipationType::ACTIVE;
    let none = join(&mut bench, &to, &ParticipationType::NONE);
    assert_eq!(refused(none), "operation/participationTypeOutOfRange");
    let outside = join(&mut bench, &DeviceId::new("0709"), active);
    assert_eq!(refused(outside), "operation/invalidDestination");
    join(&mut bench, &to, active).unwrap();
    let what = "C1/2001>(C1/2001<C1/2001 C1/2002<C1/2002 C1/2003)";
    bench.expect(&format!(
        "2001 | Conferenced {what} connected [singleStepConference]
         2002 | Conferenced {what} connected [singleStepConference]
         2003 | Delivered C1/2003 alerting [singleStepConference]
         2001 | Delivered C1/2003 connected [singleStepConference]
         2002 | Delivered C1/2003 connected [singleStepConference]"
    ));
    assert_eq!(
        refused(join(&mut bench, &DeviceId::new("2002"), active)),
        "operation/notDifferentDevices"
    );
    // Nobody answers: the others talk on.
    bench.wait(Duration::from_secs(180));
    bench.expect(
        "2003 | ConnectionCleared C1/2003 null [callNotAnswered]
         2001 | ConnectionCleared C1/2003 connected [callNotAnswered]
         2002 | ConnectionCleared C1/2003 connected [callNotAnswered]",
    );
    bench.talk("2003", "2004");
    assert_eq!(
        refused(join(&mut bench, &to, active)),
        "stateIncompatibility/invalidDestinationDeviceState"
    );
}

// §17.1.11, §17.2.7: Diverted with redirected, then the new destination rings.
#[test]
fn deflect_sends_a_ringing_call_elsewhere() {
    let mut bench = Bench::new();
    let call = bench.dial("2001", "2002");
    bench.trace();
    let ringing = bench.at(&call, "2002");
    let now = bench.now;
    let deflect = |bench: &mut Bench, connection: &ConnectionId, to: &str| {
        let (to, data) = (DeviceId::new(to), CallData::default());
        bench.pbx.deflect_call(connection, &to, data, SERVICE, now)
    };
    let wrong = "stateIncompatibility/invalidConnectionState";
    assert_eq!(refused(deflect(&mut bench, &call, "2003")), wrong);
    let unknown = deflect(&mut bench, &ringing, "777");
    assert_eq!(refused(unknown), "operation/invalidDestination");
    let back = deflect(&mut bench, &ringing, "2001");
    assert_eq!(refused(back), "operation/notDifferentDevices");
    deflect(&mut bench, &ringing, "2003").unwrap();
    bench.expect(
        "2002 | Diverted C1/2002 null [redirected]
         2003 | Delivered C1/2003 alerting [redirected]
         2001 | Delivered C1/2003 connected [redirected]",
    );
    let Some(Event::Delivered(delivered)) = bench.last.last() else {
        panic!()
    };
    let last = delivered.last_redirection_device.as_ref();
    let last = last.and_then(RedirectionDeviceId::device);
    assert_eq!(last, Some(&DeviceId::new("2002")));
}

// §18.1, §18.2
#[test]
fn digits_are_sent_into_a_call_that_talks() {
    let mut bench = Bench::new();
    let call = bench.dial("2001", "2002");
    let ringing = bench.at(&call, "2002");
    let state = "stateIncompatibility/invalidConnectionState";
    assert_eq!(
        refused(bench.pbx.generate_digits(&ringing, "1", SERVICE)),
        state
    );
    bench.answer(&call, "2002");
    bench.trace();
    for wrong in ["", "12x", &"1".repeat(65)] {
        let wrong = bench.pbx.generate_digits(&call, wrong, SERVICE);
        assert_eq!(refused(wrong), "operation/invalidParameterValue");
    }
    bench.pbx.generate_digits(&call, "12#", SERVICE).unwrap();
    bench.expect(
        "2001 | DigitsGenerated C1/2001
         2002 | DigitsGenerated C1/2001",
    );
    let Some(Event::DigitsGenerated(event)) = bench.last.last() else {
        panic!()
    };
    assert_eq!(event.digit_generated_list.as_deref(), Some("12#"));
}

// §12.2.10: data of a consultation belong to the second call; §18.2: Call Information on a change.
#[test]
fn data_stay_with_their_call_and_a_change_is_told() {
    let mut bench = Bench::new();
    let held = bench.talk("2001", "2002");
    let about = |text: &str| CallData {
        subject: Some(text.to_owned()),
        ..CallData::default()
    };
    let (to, now) = (DeviceId::new("2003"), bench.now);
    let options = ConsultOptions::UNRESTRICTED;
    let pbx = &mut bench.pbx;
    let active = pbx.consultation_call(&held, &to, options, about("lunch"), SERVICE, now);
    let active = active.unwrap();
    bench.trace();
    let subject = |event: &Event| match event {
        Event::Delivered(event) => event.subject_of_call.clone(),
        Event::CallInformation(event) => event.subject_of_call.clone(),
        _ => None,
    };
    assert_eq!(
        subject(bench.last.last().unwrap()).as_deref(),
        Some("lunch")
    );
    assert!(bench.pbx.associate_data(&held, about("dinner")).unwrap());
    bench.expect(
        "2001 | CallInformation C1/2001
         2002 | CallInformation C1/2001",
    );
    assert_eq!(
        subject(bench.last.last().unwrap()).as_deref(),
        Some("dinner")
    );
    assert!(!bench.pbx.associate_data(&held, about("dinner")).unwrap());
    assert!(
        !bench
            .pbx
            .associate_data(&active, CallData::default())
            .unwrap()
    );
    bench.expect("");
}

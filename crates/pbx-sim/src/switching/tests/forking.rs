//! One extension, several terminals: three ways in which a client may see them ring.

use super::*;

fn forking(forking: Forking, adjust: impl FnOnce(&mut SwitchingOptions)) -> Bench {
    Bench::with_options(|options| {
        let terminals = Terminals::new(3, forking);
        options.terminals.insert("2002".to_owned(), terminals);
        adjust(options);
    })
}

#[test]
fn one_delivered_stands_for_all_terminals() {
    let mut bench = forking(Forking::OneDelivered, |_| {});
    let call = bench.dial("2001", "2002");
    bench.trace();
    bench.answer(&call, "2002");
    bench.expect(
        "2002 | Established C1/2002 connected [newCall]
         2001 | Established C1/2002 connected [newCall]",
    );
}

#[test]
fn each_terminal_rings_in_the_one_call_and_the_others_are_cleared_on_the_answer() {
    let mut bench = forking(Forking::PerTerminal, |_| {});
    let call = bench.dial("2001", "2002");
    bench.expect(
        "2001 | ServiceInitiated C1/2001 initiated [newCall]
         2001 | Originated C1/2001 connected [newCall]
         2002 | Delivered C1/N<2002!1> alerting [multipleAlerting]
         2001 | Delivered C1/N<2002!1> connected [multipleAlerting]
         2002 | Delivered C1/N<2002!2> alerting [multipleAlerting]
         2001 | Delivered C1/N<2002!2> connected [multipleAlerting]
         2002 | Delivered C1/N<2002!3> alerting [multipleAlerting]
         2001 | Delivered C1/N<2002!3> connected [multipleAlerting]",
    );
    // A terminal that rejects leaves the others ringing.
    bench.clear(&call, "N<2002!1>");
    bench.expect(
        "2002 | ConnectionCleared C1/N<2002!1> null [normalClearing]
         2001 | ConnectionCleared C1/N<2002!1> connected [normalClearing]",
    );
    bench.answer(&call, "N<2002!3>");
    bench.expect(
        "2002 | Established C1/N<2002!3> connected [newCall]
         2001 | Established C1/N<2002!3> connected [newCall]
         2002 | ConnectionCleared C1/N<2002!2> null [normalClearing]
         2001 | ConnectionCleared C1/N<2002!2> connected [normalClearing]",
    );
    assert_eq!(bench.snapshot("2002"), ["C1/N<2002!3> connected,connected"]);
    let truth = bench.pbx.truth();
    assert_eq!(truth.calls[0].connections[1].line.as_deref(), Some("2002"));
}

#[test]
fn the_others_may_be_diverted_on_the_answer() {
    let mut bench = forking(Forking::PerTerminal, |options| {
        options.fork_release = ForkRelease::Diverted;
    });
    let call = bench.dial("2001", "2002");
    bench.trace();
    bench.answer(&call, "2002");
    bench.expect(
        "2002 | Established C1/N<2002!1> connected [newCall]
         2001 | Established C1/N<2002!1> connected [newCall]
         2002 | Diverted C1/N<2002!2> null [redirected]
         2002 | Diverted C1/N<2002!3> null [redirected]",
    );
}

#[test]
fn a_caller_who_gives_up_stops_every_terminal() {
    for variant in [Forking::PerTerminal, Forking::CallPerTerminal] {
        let mut bench = forking(variant, |_| {});
        let call = bench.dial("2001", "2002");
        bench.trace();
        bench.clear(&call, "2001");
        assert_eq!(bench.pbx.truth().calls, [], "{variant:?}");
        assert_eq!(bench.pbx.poll_timeout(), None);
        let trace = bench.trace();
        let ends = trace.matches("2002 | ConnectionCleared").count();
        let own = trace.matches(" null [callCancelled]").count();
        assert!(ends >= 3 && own >= 4, "{trace}");
    }
}

#[test]
fn each_terminal_may_have_a_call_of_its_own() {
    let mut bench = forking(Forking::CallPerTerminal, |_| {});
    let call = bench.dial("2001", "2002");
    let ring = |n| {
        format!(
            "2002 | Delivered C{n}/N<2002!{n}> alerting [multipleAlerting]
             2001 | Delivered C{n}/N<2002!{n}> connected [multipleAlerting]"
        )
    };
    bench.expect(&format!(
        "2001 | ServiceInitiated C1/2001 initiated [newCall]
         2001 | Originated C1/2001 connected [newCall]
         {}\n{}\n{}",
        ring(1),
        ring(2),
        ring(3)
    ));
    let hold = bench.pbx.hold(&call, SERVICE);
    assert_eq!(refused(hold), "stateIncompatibility/invalidConnectionState");
    assert!(bench.pbx.truth().calls.iter().all(|call| call.fork));
    let second = bench
        .pbx
        .connection_in(&DeviceId::new("N<2002!2>"), LocalConnectionState::Alerting);
    let second = second.unwrap();
    bench.pbx.answer(&second, SERVICE, bench.now).unwrap();
    let end = |n| {
        format!(
            "2002 | ConnectionCleared C{n}/N<2002!{n}> null [normalClearing]
             2001 | ConnectionCleared C{n}/N<2002!{n}> connected [normalClearing]
             2001 | ConnectionCleared C{n}/2001 null [normalClearing]"
        )
    };
    bench.expect(&format!(
        "2002 | Established C2/N<2002!2> connected [newCall]
         2001 | Established C2/N<2002!2> connected [newCall]
         {}\n{}",
        end(1),
        end(3)
    ));
    assert_eq!(bench.snapshot("2001"), ["C2/2001 connected,connected"]);
    let stats = bench.pbx.stats();
    assert_eq!((stats.calls_begun, stats.calls_ended), (3, 2));
}

#[test]
fn nobody_answers_any_terminal() {
    for variant in [Forking::PerTerminal, Forking::CallPerTerminal] {
        let mut bench = forking(variant, |_| {});
        bench.dial("2001", "2002");
        bench.wait(Duration::from_secs(180));
        assert_eq!(bench.pbx.call_count(), 0, "{variant:?}");
        assert_eq!(bench.pbx.poll_timeout(), None);
    }
}

#[test]
fn forwarding_takes_every_terminal_out() {
    for variant in [Forking::PerTerminal, Forking::CallPerTerminal] {
        let mut bench = forking(variant, |_| {});
        bench.forward("2002", ForwardingType::NoAnswer, "2003");
        bench.dial("2001", "2002");
        bench.trace();
        bench.wait(Duration::from_secs(15));
        let trace = bench.trace();
        assert!(
            trace.ends_with("2001 | Delivered C1/2003 connected [callForwardNoAnswer]"),
            "{trace}"
        );
        assert_eq!(bench.snapshot("2002"), [""; 0]);
        assert_eq!(bench.pbx.call_count(), 1, "{variant:?}");
    }
}

// A terminal calls under its own name; the number is one line.
#[test]
fn a_terminal_makes_a_call_under_its_own_name() {
    let mut bench = forking(Forking::PerTerminal, |_| {});
    bench.dial("N<2002!2>", "2001");
    assert!(
        bench
            .trace()
            .contains("2002 | Originated C1/N<2002!2> connected")
    );
    let busy = bench.make("2002", "2003", AutoOriginate::Prompt);
    let text = "stateIncompatibility/invalidCallingDeviceState";
    assert_eq!(busy.unwrap_err(), text);
}

// A transfer into the extension: the caller is held elsewhere, and still every terminal rings.
#[test]
fn a_single_step_transfer_rings_every_terminal() {
    let mut bench = forking(Forking::PerTerminal, |_| {});
    let call = bench.talk("2001", "2003");
    let (to, data) = (DeviceId::new("2002"), CallData::default());
    let now = bench.now;
    let pbx = &mut bench.pbx;
    pbx.single_step_transfer_call(&call, &to, data, SERVICE, now)
        .unwrap();
    assert_eq!(bench.snapshot("2002").len(), 3);
    assert_eq!(
        bench.trace().matches("2003 | Delivered C2/N<2002!").count(),
        3
    );
}

// Names of terminals are the switching function's own.
#[test]
fn terminals_may_have_names_of_any_form() {
    let mut bench = forking(Forking::PerTerminal, |options| {
        let terminals = options.terminals.get_mut("2002").unwrap();
        terminals.name = |number, terminal| format!("SEP{number}-{terminal}");
    });
    let call = bench.dial("SEP2002-2", "2001");
    assert_eq!(short(&call), "C1/SEP2002-2");
    bench.answer(&call, "2001");
    bench.clear(&call, "SEP2002-2");
    assert_eq!(bench.pbx.call_count(), 0);
}

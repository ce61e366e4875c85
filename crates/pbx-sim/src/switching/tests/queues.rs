//! Hunt groups, calls that wait, trunks, and what comes before Delivered.

use super::*;

fn group(members: &[&str]) -> Bench {
    let mut bench = Bench::with_options(|options| {
        options.groups.push(HuntGroup {
            number: "2900".to_owned(),
            members: members.iter().map(ToString::to_string).collect(),
        });
    });
    bench.watch("2900");
    bench
}

// §17.2.15, §17.2.7: Queued with enteringDistribution, Diverted and Delivered with distributed.
#[test]
fn a_hunt_group_gives_its_call_to_a_free_member() {
    let mut bench = group(&["2002", "2003"]);
    bench.talk("2002", "2004");
    bench.dial("2001", "2900");
    bench.expect(
        "2001 | ServiceInitiated C2/2001 initiated [newCall]
         2001 | Originated C2/2001 connected [newCall]
         2900 | Queued C2/2900 queued [enteringDistribution]
         2001 | Queued C2/2900 connected [enteringDistribution]
         2900 | Diverted C2/2900 null [distributed]
         2003 | Delivered C2/2003 alerting [distributed]
         2001 | Delivered C2/2003 connected [distributed]",
    );
}

#[test]
fn calls_wait_in_order_until_a_member_is_free() {
    let mut bench = group(&["2002"]);
    let busy = bench.talk("2002", "2004");
    bench.dial("2001", "2900");
    bench.dial("2003", "2900");
    bench.trace();
    assert_eq!(bench.snapshot("2900").len(), 2);
    bench.wait(Duration::from_secs(7));
    bench.expect("");
    bench.clear(&busy, "2004");
    bench.trace();
    bench.wait(Duration::ZERO);
    bench.expect(
        "2900 | Diverted C2/2900 null [distributed]
         2002 | Delivered C2/2002 alerting [distributed]
         2001 | Delivered C2/2002 connected [distributed]",
    );
    assert_eq!(bench.snapshot("2900"), ["C3/2900 queued,connected"]);
}

#[test]
fn queued_says_how_many_wait_in_front() {
    let mut bench = group(&[]);
    bench.dial("2001", "2900");
    bench.dial("2003", "2900");
    bench.trace();
    let queued = bench.last.iter().rev().find_map(|event| match event {
        Event::Queued(event) => Some((event.number_queued, event.calls_in_front)),
        _ => None,
    });
    assert_eq!(queued, Some((Some(2), Some(1))));
}

// Nobody's telephone: it can be monitored, and calls nobody.
#[test]
fn a_group_is_no_telephone() {
    let mut bench = group(&["2002"]);
    assert_eq!(
        bench
            .make("2900", "2001", AutoOriginate::Prompt)
            .unwrap_err(),
        "operation/invalidCallingDeviceID"
    );
    assert!(bench.pbx.is_group(&DeviceId::new("2900")));
    assert_eq!(bench.pbx.extension(&DeviceId::new("2900")), None);
}

#[test]
fn a_member_on_do_not_disturb_or_not_ready_is_passed_over() {
    let mut bench = group(&["2002", "2003", "2004"]);
    let both = csta::value::CallOrigination {
        internal: true,
        external: true,
    };
    let device = DeviceId::new("2002");
    bench.pbx.set_do_not_disturb(&device, Some(both)).unwrap();
    let device = DeviceId::new("2003");
    let (id, group) = ("7".to_owned(), None);
    bench
        .pbx
        .set_agent(&device, AgentAct::LogOn { id, group })
        .unwrap();
    bench
        .pbx
        .set_agent(&device, AgentAct::Go(AgentState::NotReady))
        .unwrap();
    bench.dial("2001", "2900");
    assert_eq!(bench.snapshot("2004"), ["C1/2004 alerting,connected"]);
}

// A call waits at a busy extension and rings there when it is free.
#[test]
fn a_call_waits_at_a_busy_extension() {
    let mut bench = Bench::with_options(|options| options.queueing = true);
    let busy = bench.talk("2003", "2002");
    bench.dial("2001", "2002");
    bench.expect(
        "2001 | ServiceInitiated C2/2001 initiated [newCall]
         2001 | Originated C2/2001 connected [newCall]
         2002 | Queued C2/2002 queued [busy]
         2001 | Queued C2/2002 connected [busy]",
    );
    bench.clear(&busy, "2002");
    bench.trace();
    bench.wait(Duration::ZERO);
    bench.expect(
        "2002 | Delivered C2/2002 alerting [newCall]
         2001 | Delivered C2/2002 connected [newCall]",
    );
}

// §17.2.13
#[test]
fn a_call_may_be_offered_before_it_alerts() {
    let mut bench = Bench::with_options(|options| options.offered = true);
    bench.dial("2001", "2002");
    bench.expect(
        "2001 | ServiceInitiated C1/2001 initiated [newCall]
         2001 | Originated C1/2001 connected [newCall]
         2002 | Offered C1/2002 alerting [newCall]
         2001 | Offered C1/2002 connected [newCall]
         2002 | Delivered C1/2002 alerting [newCall]
         2001 | Delivered C1/2002 connected [newCall]",
    );
}

// §17.2.12: the connection of the network interface, before Delivered or in its place.
#[test]
fn network_reached_comes_before_delivered_or_in_its_place() {
    for (reached, delivered) in [
        (
            NetworkReached::BeforeDelivered,
            "\n2001 | Delivered C1/N-1 connected [newCall]",
        ),
        (NetworkReached::InsteadOfDelivered, ""),
    ] {
        let mut bench = Bench::with_options(|options| {
            options.network_reached = reached;
            options.network_interface = Some("N".to_owned());
            options.service_initiated = false;
        });
        bench.dial("2001", "0701234567");
        bench.expect(&format!(
            "2001 | Originated C1/2001 connected [newCall]
             2001 | NetworkReached C1/N-1 connected [newCall]{delivered}"
        ));
        // The next channel for the next call.
        let second = bench.dial("0709", "2002");
        assert_eq!(short(&second), "C2/N-2");
        bench.trace();
        bench.wait(Duration::from_secs(3));
        bench.expect("2001 | Established C1/N-1 connected [newCall]");
        let number = DeviceId::new("0701234567");
        let there = bench.pbx.active_connection(&number).unwrap();
        assert_eq!(short(&there), "C1/N-1");
        bench.pbx.clear_connection(&there).unwrap();
        bench.expect(
            "2001 | ConnectionCleared C1/N-1 connected [normalClearing]
             2001 | ConnectionCleared C1/2001 null [normalClearing]",
        );
    }
}

// §17.2.9: a device that is not to be disturbed, and one whose forwarding says where to go.
#[test]
fn do_not_disturb_refuses_or_forwards() {
    let mut bench = Bench::new();
    let both = csta::value::CallOrigination {
        internal: true,
        external: true,
    };
    let device = DeviceId::new("2002");
    bench.pbx.set_do_not_disturb(&device, Some(both)).unwrap();
    let call = bench.dial("2001", "2002");
    assert!(
        bench
            .trace()
            .ends_with("2001 | Failed C1/2002 connected [doNotDisturb]")
    );
    bench.clear(&call, "2001");
    bench.forward("2002", ForwardingType::DoNotDisturb, "2003");
    bench.dial("2001", "2002");
    assert!(
        bench
            .trace()
            .contains("2002 | Diverted C2/2002 null [doNotDisturb]")
    );
}

//! Monitors of calls, and snapshots of calls.

use super::*;

fn watch_call(bench: &mut Bench, call: &ConnectionId) {
    let id = bench.pbx.start_call_monitor(CLIENT, call).unwrap();
    bench.watched.insert(id.to_string(), "call".to_owned());
}

fn of_the_call(trace: &str) -> String {
    let lines = trace.lines().filter(|line| line.starts_with("call"));
    lines.collect::<Vec<_>>().join("\n")
}

// §17.2.2, §15.1.2: told of every connection, without a local state; ends with Call Cleared.
#[test]
fn a_call_monitor_sees_the_call_to_its_end() {
    let mut bench = Bench::new();
    let call = bench.dial("2001", "2002");
    bench.trace();
    watch_call(&mut bench, &call);
    assert_eq!(bench.pbx.monitor_count(), 4);
    bench.answer(&call, "2002");
    bench.clear(&call, "2001");
    let trace = bench.trace();
    assert_eq!(
        of_the_call(&trace),
        "call | Established C1/2002 [newCall]\n\
         call | ConnectionCleared C1/2001 [normalClearing]\n\
         call | ConnectionCleared C1/2002 [normalClearing]\n\
         call | CallCleared C1/2002 [normalClearing]"
    );
    assert_eq!(bench.pbx.monitor_count(), 3);
    let gone = bench.pbx.start_call_monitor(CLIENT, &call);
    assert_eq!(refused(gone), "operation/invalidCallID");
}

#[test]
fn a_call_monitor_goes_on_with_the_resulting_call() {
    let mut bench = Bench::new();
    let (held, active) = bench.consulted();
    watch_call(&mut bench, &active);
    let merged = bench.pbx.transfer_call(&held, &active, SERVICE).unwrap();
    bench.clear(&merged.connection, "2003");
    let trace = bench.trace();
    assert_eq!(
        of_the_call(&trace),
        "call | Transfered C1/2001+C2/2001>(C3/2002<C1/2002 C3/2003<C2/2003) [transfer]\n\
         call | ConnectionCleared C3/2003 [normalClearing]\n\
         call | ConnectionCleared C3/2002 [normalClearing]\n\
         call | CallCleared C3/2002 [normalClearing]"
    );
}

#[test]
fn a_call_monitor_can_be_stopped() {
    let mut bench = Bench::new();
    let call = bench.talk("2001", "2002");
    watch_call(&mut bench, &call);
    bench.pbx.stop_monitors(CLIENT);
    bench.clear(&call, "2001");
    bench.expect("");
}

// §16.1.1
#[test]
fn a_snapshot_of_a_call_lists_its_devices() {
    let mut bench = Bench::new();
    let (held, active) = bench.consulted();
    let snapshot = bench.pbx.snapshot_call(&held).unwrap();
    let Some(csta::message::snapshot::Source::Inline(devices)) = snapshot.data else {
        panic!()
    };
    let devices = devices.0.iter().map(|it| {
        let id = short(it.call_identifier.as_ref().unwrap());
        format!("{id} {}", it.local_connection_info.unwrap())
    });
    let devices: Vec<_> = devices.collect();
    assert_eq!(devices, ["C1/2001 hold", "C1/2002 connected"]);
    bench.clear(&active, "2001");
    let gone = bench.pbx.snapshot_call(&active);
    assert_eq!(refused(gone), "operation/invalidCallID");
}

// ECMA-269 §6.1.4: the state of a two-party call in one word.
#[test]
fn a_snapshot_may_tell_simple_states() {
    use csta::SimpleCallState::{CallDelivered, CallReceived};
    let mut bench = Bench::with_options(|options| options.simple_call_states = true);
    bench.dial("2001", "2002");
    for (device, state) in [("2001", CallDelivered), ("2002", CallReceived)] {
        let calls = bench.pbx.snapshot(&DeviceId::new(device)).unwrap();
        let state = CallState::Simple(state);
        assert_eq!(calls[0].local_call_state, Some(state));
    }
}

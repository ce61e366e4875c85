//! The far end's views: legs that move to another call, endpoints.

use std::sync::Arc;

use store::cloud::{Endpoint, EndpointChange, EndpointFilter, IngestItem, Leg, LegChange, View};

use crate::cloud::{Rig, event, leg};

/// Appends `what` to the row, or begins it.
pub(crate) fn change(endpoint: &str, what: &'static str) -> EndpointChange {
    EndpointChange {
        endpoint: endpoint.into(),
        apply: Arc::new(move |before| format!("{}{what}", before.unwrap_or_default())),
    }
}

/// Gateway, endpoint and body of all rows.
pub(crate) fn bodies(rig: &Rig) -> Vec<String> {
    let filter = EndpointFilter {
        account: "acme".into(),
        site: None,
        endpoint: None,
        after: None,
    };
    let rows = rig.store.at_once(|at| at.endpoints(&filter, 100)).unwrap();
    rows.iter()
        .map(|row| {
            let Endpoint { endpoint, body } = &row.endpoint;
            format!("{} {endpoint} {body}", row.owner.gateway)
        })
        .collect()
}

fn changed(seq: u64, endpoint: &str, what: &'static str) -> IngestItem {
    IngestItem {
        endpoint: Some(change(endpoint, what)),
        ..event(seq)
    }
}

fn listed(endpoint: &str, body: &str) -> Endpoint {
    Endpoint {
        endpoint: endpoint.into(),
        body: body.into(),
    }
}

fn view(endpoints: Vec<Endpoint>) -> View {
    View {
        legs: Vec::new(),
        endpoints,
    }
}

#[test]
fn a_leg_that_moves_to_another_call_leaves_the_old_one() {
    let rig = Rig::new();
    let put = |seq, leg| IngestItem {
        legs: vec![LegChange::Put(leg)],
        ..event(seq)
    };
    let moved = Leg {
        call_id: "call2".into(),
        state: "held".into(),
        ..leg("a", "2000")
    };
    rig.ingest(vec![put(1, leg("a", "2000")), put(2, leg("b", "2001"))])
        .unwrap();
    rig.ingest(vec![put(3, moved.clone())]).unwrap();
    let of = |call| -> Vec<Leg> {
        let legs = rig.store.at_once(|at| at.call_legs("acme", call)).unwrap();
        legs.into_iter().map(|owned| owned.leg).collect()
    };
    assert_eq!(of("call1"), [leg("b", "2001")]);
    assert_eq!(of("call2"), [moved]);
    assert_eq!(rig.legs().len(), 2);
}

#[test]
fn an_endpoint_changes_with_the_event_that_says_so_and_once() {
    let rig = Rig::new();
    let items = vec![changed(1, "2000", "+dnd"), changed(2, "2000", "+busy")];
    rig.ingest(items).unwrap();
    assert_eq!(bodies(&rig), ["gw1 2000 +dnd+busy"]);
    let again = vec![changed(2, "2000", "+busy"), changed(3, "2001", "+away")];
    rig.ingest(again).unwrap();
    assert_eq!(bodies(&rig), ["gw1 2000 +dnd+busy", "gw1 2001 +away"]);
    let refused = rig.ingest(vec![changed(4, "2000", "+lost"), event(9)]);
    assert!(refused.is_err());
    assert_eq!(bodies(&rig), ["gw1 2000 +dnd+busy", "gw1 2001 +away"]);
}

#[test]
fn a_snapshot_replaces_the_endpoints_of_its_gateway_alone() {
    let rig = Rig::new();
    rig.ingest(vec![
        changed(1, "2000", "+dnd"),
        changed(2, "2001", "+away"),
    ])
    .unwrap();
    let mut standby = rig.info.clone();
    standby.stream = uuid::Uuid::from_u128(2);
    standby.owner.gateway = "gw2".into();
    rig.ingest_as(standby, vec![changed(1, "2000", "+standby")], 0)
        .unwrap();
    rig.replace_all(
        4,
        view(vec![listed("2000", "listed"), listed("2002", "new")]),
    );
    let after = ["gw1 2000 listed", "gw2 2000 +standby", "gw1 2002 new"];
    assert_eq!(bodies(&rig), after);
    // Those that the snapshot covers change nothing, the next one does.
    let late = [(3, "2000", "+3"), (4, "2001", "+4"), (5, "2002", "+5")];
    let late = late.map(|(seq, endpoint, what)| changed(seq, endpoint, what));
    rig.ingest(late.to_vec()).unwrap();
    let after = ["gw1 2000 listed", "gw2 2000 +standby", "gw1 2002 new+5"];
    assert_eq!(bodies(&rig), after);
    rig.replace_all(5, view(Vec::new()));
    assert_eq!(bodies(&rig), ["gw2 2000 +standby"]);
}

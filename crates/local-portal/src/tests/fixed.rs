//! A gateway that always says the same.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use crate::network::{Asking, BoxNetwork, Present, Said, Wanted};
use crate::view::{
    Advice, Applied, Call, Check, Checking, GatewayView, Health, Listing, LogLine, MediaTrace,
    Minute, Part, PbxDevices, Setting, State3, Subject, Told, Weight,
};

pub(super) struct Fixed(pub(super) State3, pub(super) FixedNetwork);

/// A network at 192.0.2.10/24 that does what is wanted; 192.0.2.99 is somebody else's.
#[derive(Default)]
pub(super) struct FixedNetwork(
    pub(super) Mutex<Vec<Wanted>>,
    /// Alarms that were raised and cleared.
    pub(super) Mutex<Vec<(&'static str, Option<String>)>>,
);

impl BoxNetwork for FixedNetwork {
    fn present(&self) -> Result<Present, String> {
        Ok(Present {
            interface: "eth0".to_owned(),
            address: Ipv4Addr::new(192, 0, 2, 10),
            prefix: 24,
            gateway: Ipv4Addr::new(192, 0, 2, 1),
            dns: vec![Ipv4Addr::new(192, 0, 2, 53).into()],
            dhcp: true,
        })
    }

    fn want(&self, wanted: &Wanted) -> anyhow::Result<()> {
        self.0.lock().unwrap().push(wanted.clone());
        Ok(())
    }

    fn said(&self) -> Option<Said> {
        let id = self.0.lock().unwrap().last()?.id;
        Some(Said { id, error: None })
    }

    fn who_has(&self, address: Ipv4Addr) -> Asking<'_> {
        let taken = address == Ipv4Addr::new(192, 0, 2, 99);
        Box::pin(async move { taken.then(|| "52:54:00:12:35:02".to_owned()) })
    }
}

impl GatewayView for Fixed {
    fn health(&self) -> Health {
        Health {
            state: self.0,
            ready: self.0 != State3::Down,
            software: "ringway/0".to_owned(),
            started: "2026-01-01T00:00:00.000Z".to_owned(),
            parts: vec![Part {
                name: "pbx",
                state: self.0,
                since: "2026-01-01T00:00:00.000Z".to_owned(),
                detail: "192.0.2.1:8882 does not answer".to_owned(),
                last_error: None,
            }],
        }
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    fn now_ms(&self) -> u64 {
        1_790_000_000_000
    }

    fn calls(&self, _: usize) -> (Vec<Call>, usize) {
        let call = Call {
            call_id: "1".to_owned(),
            device: "2001".to_owned(),
            other: "<b>2002".to_owned(),
            outgoing: true,
            state: "connected".to_owned(),
            since: "2026-01-01T00:00:00.000Z".to_owned(),
        };
        (vec![call], 3)
    }

    fn checks(&self) -> Checking<'_> {
        Box::pin(async {
            vec![Check {
                subject: Subject::PbxTcp,
                state: State3::Down,
                measured: "192.0.2.1:8882: refused".to_owned(),
                advice: Some(Advice::PbxRefuses),
            }]
        })
    }

    fn events(&self, wanted: &str, _: usize) -> Vec<Told> {
        let told = Told {
            at: "2026-01-01T00:00:00.000Z".to_owned(),
            name: "ringway.call.delivered.v1".to_owned(),
            subject: "calls/1".to_owned(),
            body: "{ \"from\": \"<b>2002\" }".to_owned(),
            csta: vec!["<DeliveredEvent><cause>newCall</cause></DeliveredEvent>".to_owned()],
        };
        let fits = told.body.contains(wanted);
        Some(told).filter(|_| fits).into_iter().collect()
    }

    fn log(&self, least: Weight, wanted: &str, _: usize) -> Vec<LogLine> {
        let line = |weight: Weight| LogLine {
            weight,
            text: format!("2026-01-01T00:00:00.000Z a line of {}", weight.as_str()),
        };
        let lines = Weight::ALL.into_iter().map(line);
        lines
            .filter(|line| line.weight >= least && line.text.contains(wanted))
            .collect()
    }

    fn minutes(&self) -> Vec<Minute> {
        vec![Minute {
            at_ms: self.now_ms(),
            events: 60,
            calls: 7,
            latency_ms: Some((2.5, 8.0)),
            voice: [3, 2, 1],
        }]
    }

    fn csta_record(&self) -> String {
        "{\"record\":\"ringway-csta\"}\n".to_owned()
    }

    fn media_traces(&self) -> Vec<MediaTrace> {
        let at = self.now_ms();
        vec![MediaTrace {
            call: 17,
            at_ms: (at - 61_000, at),
            packets: 6_100,
        }]
    }

    fn media_trace(&self, call: u64) -> Option<Vec<u8>> {
        (call == 17).then(|| b"pcap".to_vec())
    }

    fn support_bundle(&self) -> anyhow::Result<Vec<u8>> {
        Ok(b"PK".to_vec())
    }

    fn configured(&self, keys: &[&'static str]) -> Vec<(&'static str, String)> {
        let all = keys.iter().filter(|key| **key == "pbx.address");
        all.map(|key| (*key, "192.0.2.1:8882".to_owned())).collect()
    }

    fn apply(&self, settings: &[(&'static str, Setting)]) -> Result<Applied, String> {
        if settings.is_empty() {
            return Err("pbx.address: nothing was set".to_owned());
        }
        Ok(Applied {
            waiting: vec!["pbx"],
        })
    }

    fn pbx_devices(&self) -> Listing<'_> {
        let devices = PbxDevices {
            listed: 7,
            users: 4,
            phantoms: 2,
            numbers: ["2001", "2002"].map(str::to_owned).into(),
        };
        let told = match self.0 {
            State3::Down => Err("no link to the PBX".to_owned()),
            State3::Ok | State3::Degraded => Ok(devices),
        };
        Box::pin(async { told })
    }

    fn alarm(&self, name: &'static str, detail: Option<String>) {
        self.1.1.lock().unwrap().push((name, detail));
    }

    fn network(&self) -> Option<&dyn BoxNetwork> {
        Some(&self.1)
    }
}

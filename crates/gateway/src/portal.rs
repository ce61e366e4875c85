//! The gateway as the portal sees it: its health, its calls, the checks, and the settings that the
//! portal lays over the configuration file.

mod bundle;
mod checks;
mod devices;
pub(crate) mod network;
mod overlay;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cloud_uplink::event::{Alarm, Direction};
use cloud_uplink::{EventData, LegView, Timestamp};
use local_portal::network::BoxNetwork;
use local_portal::{
    Applied, Call, Checking, GatewayView, Health, Listing, LogLine, MediaTrace, Minute, Part,
    Portal, Setting, State3, Told, Weight,
};
use media::quality::Verdict;
use net::clock;
use net::media::{Traced, Traces};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tracing::Level;
use web::identity::Shown;

pub use overlay::{OVERLAY, SettingsFile};

use crate::daemon::{PORTAL_DIR, Settings};
use crate::engine::EngineCommand;
use crate::health::View;
use crate::{logging, recent};

/// Days before its end from which on a certificate is worth a word.
const CERTIFICATE_NOTICE_DAYS: i64 = 30;
/// Time between two looks at the certificate for the log.
const CERTIFICATE_LOOK_EVERY: Duration = Duration::from_secs(24 * 3600);

/// What the portal may see and ask of this gateway.
#[derive(Debug)]
pub(crate) struct PortalView {
    view: View,
    identity: Arc<web::Identity>,
    /// None where the gateway was started without a configuration file: nothing can be set then.
    file: Option<SettingsFile>,
    /// Host and port of the far end.
    far_end: (String, u16),
    /// Host and port of a proxy by way of which the far end is reached, and which then also asks the DNS.
    proxy: Option<(String, u16)>,
    /// The PBX's side.
    engine: mpsc::Sender<EngineCommand>,
    /// None where the portal may not set it.
    network: Option<network::Networkd>,
}

impl PortalView {
    /// Sees what `view` sees, and reaches for the far end of `settings`.
    pub(crate) fn new(
        view: View,
        settings: &Settings,
        identity: Arc<web::Identity>,
        file: Option<SettingsFile>,
        engine: mpsc::Sender<EngineCommand>,
    ) -> Self {
        let far_end = &settings.far_end;
        Self {
            view,
            identity,
            file,
            engine,
            far_end: (far_end.endpoint.host.clone(), far_end.endpoint.port),
            proxy: far_end.proxy.as_ref().map(|it| (it.host.clone(), it.port)),
            network: network::Networkd::of_box(&settings.state_dir),
        }
    }
}

impl PortalView {
    /// Those of the relay, where there is one.
    fn traces(&self) -> Option<Traces> {
        Some(self.view.shared.sip()?.media?.traces)
    }
}

impl GatewayView for PortalView {
    fn health(&self) -> Health {
        let mut health = self.view.health();
        let since = health.started.clone();
        let part = certificate_part(&self.identity.shown(), self.now_ms(), since);
        health.state = health.state.max(part.state);
        health.parts.push(part);
        health
    }

    fn metrics(&self) -> String {
        self.view.metrics()
    }

    fn now_ms(&self) -> u64 {
        clock::unix_ms()
    }

    fn calls(&self, max: usize) -> (Vec<Call>, usize) {
        let snapshot = match self.view.outbox.store().snapshot() {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::warn!(%error, "the portal cannot read the calls");
                return (Vec::new(), 0);
            }
        };
        let rows = snapshot.view.iter();
        let legs = rows.filter_map(|(_, body)| serde_json::from_str::<LegView>(body).ok());
        // Outside parties are told with the extension's leg.
        let mut legs: Vec<LegView> = legs.filter(|leg| leg.endpoint_id.is_some()).collect();
        legs.sort_by_key(|leg| std::cmp::Reverse(leg.since));
        let count = legs.len();
        (legs.into_iter().take(max).map(call).collect(), count)
    }

    fn checks(&self) -> Checking<'_> {
        Box::pin(self.run_checks())
    }

    fn events(&self, wanted: &str, max: usize) -> Vec<Told> {
        let wanted = wanted.to_lowercase();
        let fits = |told: &recent::Told| holds(&told.body, &wanted);
        let events = self.view.shared.recent.events(max, fits);
        events.into_iter().map(told).collect()
    }

    fn log(&self, least: Weight, wanted: &str, max: usize) -> Vec<LogLine> {
        let wanted = wanted.to_lowercase();
        let lines = logging::newest(max, |line| {
            weight(line.level) >= least && holds(&line.text, &wanted)
        });
        let line = |line: logging::Line| LogLine {
            weight: weight(line.level),
            text: line.text,
        };
        lines.into_iter().map(line).collect()
    }

    fn minutes(&self) -> Vec<Minute> {
        let minutes = self.view.shared.recent.minutes();
        minutes.iter().map(minute).collect()
    }

    fn csta_record(&self) -> String {
        let shared = &self.view.shared;
        shared.recent.record(&shared.pbx_address)
    }

    fn media_traces(&self) -> Vec<MediaTrace> {
        let traces = self.traces().map(|it| it.calls()).unwrap_or_default();
        let trace = |it: Traced| MediaTrace {
            call: it.call,
            at_ms: it.at_ms,
            packets: it.packets,
        };
        traces.into_iter().map(trace).collect()
    }

    fn media_trace(&self, call: u64) -> Option<Vec<u8>> {
        self.traces()?.pcap(call)
    }

    fn support_bundle(&self) -> anyhow::Result<Vec<u8>> {
        self.pack()
    }

    fn configured(&self, keys: &[&'static str]) -> Vec<(&'static str, String)> {
        let file = self.file.as_ref();
        file.map_or_else(Vec::new, |file| file.configured(keys))
    }

    fn apply(&self, settings: &[(&'static str, Setting)]) -> Result<Applied, String> {
        let file = self.file.as_ref().ok_or(
            "this gateway was started without a configuration file, so nothing can be set",
        )?;
        file.apply(settings).map(|waiting| Applied { waiting })
    }

    fn pbx_devices(&self) -> Listing<'_> {
        Box::pin(devices::ask(&self.engine, &self.view.shared))
    }

    fn alarm(&self, name: &'static str, detail: Option<String>) {
        let alarm = |detail| Alarm {
            name: name.to_owned(),
            detail,
        };
        let event = match detail {
            Some(detail) => EventData::AlarmRaised(alarm(detail)),
            None => EventData::AlarmCleared(alarm(String::new())),
        };
        if self.engine.try_send(EngineCommand::Publish(event)).is_err() {
            tracing::warn!(alarm = name, "the alarm could not be told to the far end");
        }
    }

    fn network(&self) -> Option<&dyn BoxNetwork> {
        let network = self.network.as_ref()?;
        Some(network)
    }
}

/// Whether a text holds what is wanted, in lower case, however it is written.
fn holds(text: &str, wanted: &str) -> bool {
    wanted.is_empty() || text.to_lowercase().contains(wanted)
}

const fn weight(level: Level) -> Weight {
    match level {
        Level::ERROR => Weight::Error,
        Level::WARN => Weight::Warn,
        Level::INFO => Weight::Info,
        Level::DEBUG | Level::TRACE => Weight::Debug,
    }
}

fn told((told, csta): (recent::Told, Vec<String>)) -> Told {
    let value: serde_json::Value = serde_json::from_str(&told.body).unwrap_or_default();
    let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
    Told {
        at: told.at.to_string(),
        name: text("type"),
        subject: text("subject"),
        body: serde_json::to_string_pretty(&value).unwrap_or_default(),
        csta,
    }
}

fn minute(minute: &recent::Minute) -> Minute {
    let ms = |took: Duration| took.as_secs_f64() * 1000.0;
    let of = |verdict: Verdict| {
        let at = Verdict::ALL.iter().position(|it| *it == verdict);
        at.map_or(0, |at| minute.voice[at])
    };
    Minute {
        at_ms: minute.at_ms,
        events: minute.events,
        calls: minute.calls,
        latency_ms: minute.latency.map(|(half, most)| (ms(half), ms(most))),
        voice: [
            of(Verdict::High),
            of(Verdict::Medium),
            of(Verdict::Low) + of(Verdict::OneSide),
        ],
    }
}

fn call(leg: LegView) -> Call {
    let outgoing = leg.direction == Direction::Outbound;
    let other = leg.party.or(if outgoing { leg.to } else { leg.from });
    let state = serde_json::to_value(leg.state).ok();
    let state = state.as_ref().and_then(serde_json::Value::as_str);
    Call {
        call_id: leg.call_id.to_string(),
        device: leg.device,
        other: other.unwrap_or_default(),
        outgoing,
        state: state.unwrap_or_default().to_owned(),
        since: leg.since.to_string(),
    }
}

/// The certificate that the portal shows, made at the first start.
pub(crate) fn identity(settings: &Settings) -> anyhow::Result<Arc<web::Identity>> {
    let (names, addresses) = certificate_names(settings);
    let directory = settings.state_dir.join(PORTAL_DIR);
    let identity = web::Identity::open(&directory, names, addresses, clock::unix_ms())?;
    Ok(Arc::new(identity))
}

/// Binds the portal and serves it, and says how to claim the box as long as nobody has.
pub(crate) async fn start(settings: &Settings, view: PortalView) -> anyhow::Result<web::Server> {
    let identity = Arc::clone(&view.identity);
    let tls = identity.server_config()?;
    let listener = TcpListener::bind(settings.portal)
        .await
        .with_context(|| format!("cannot listen on {} for the portal", settings.portal))?;
    let directory = settings.state_dir.join(PORTAL_DIR);
    let portal = Arc::new(Portal::open(&directory, identity, Arc::new(view))?);
    if let Err(error) = portal.settle_network().await {
        tracing::error!(
            error = format!("{error:#}"),
            "the box was not told its former address"
        );
    }
    if let Some(code) = Portal::setup_code(&directory)? {
        // Shown on purpose: who reads the console or the journal of the box is its owner.
        tracing::warn!(
            setup_code = code,
            portal = %settings.portal,
            "this gateway is not claimed yet: open the portal and type the setup code"
        );
    }
    tokio::spawn(Portal::keep_watch(Arc::downgrade(&portal)));
    let (names, _) = certificate_names(settings);
    let routes = local_portal::router(&portal, web::HostNames::new(names));
    let server = web::Server::start(listener, tls, routes, web::Limits::default())?;
    Ok(server)
}

/// Says in the log, once a day, that the certificate ends soon or has ended.
pub(crate) async fn watch_certificate(
    identity: Arc<web::Identity>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut timer = tokio::time::interval(CERTIFICATE_LOOK_EVERY);
    loop {
        tokio::select! {
            _ = timer.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let part = certificate_part(&identity.shown(), clock::unix_ms(), String::new());
        if part.state != State3::Ok {
            tracing::warn!(
                certificate = part.detail,
                "the portal's certificate: upload a new one under Set-up, Certificate"
            );
        }
    }
}

/// The certificate as a part of the gateway's health. Calls do not need it, so it is never red.
fn certificate_part(shown: &Shown, now_ms: u64, since: String) -> Part {
    let now_s = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
    let days = shown.days_left(now_s);
    let ends_ms = u64::try_from(shown.facts.not_after_s).unwrap_or(0) * 1000;
    let ends = Timestamp::from_unix_ms(ends_ms).to_string();
    let ends = ends.get(..10).unwrap_or_default();
    let kind = if shown.own {
        "uploaded"
    } else {
        "signed by the box itself"
    };
    let (state, detail) = match days {
        ..0 => (State3::Degraded, format!("{kind}, ended on {ends}")),
        0..=CERTIFICATE_NOTICE_DAYS => (
            State3::Degraded,
            format!("{kind}, ends on {ends}, in {days} days"),
        ),
        _ => (State3::Ok, format!("{kind}, valid until {ends}")),
    };
    Part {
        name: "certificate",
        state,
        since,
        detail,
        last_error: None,
    }
}

/// What the portal's certificate is for: the box's own name, loopback, and what was configured.
fn certificate_names(settings: &Settings) -> (Vec<String>, Vec<IpAddr>) {
    let mut names = settings.portal_names.clone();
    names.push("localhost".to_owned());
    // A box without the file has no name that a certificate could carry.
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    names.extend(Some(host.trim().to_owned()).filter(|host| !host.is_empty()));
    let mut addresses = vec![
        IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ];
    addresses.push(settings.portal.ip());
    // The PBX compares the address that it has reached, where SIP goes by TLS.
    let listened = settings.sip.iter().flat_map(|sip| &sip.listen);
    addresses.extend(listened.map(|at| at.address.ip()));
    addresses.extend(settings.sip.iter().map(|sip| sip.media_address));
    addresses.retain(|address| !address.is_unspecified());
    names.sort();
    names.dedup();
    addresses.sort();
    addresses.dedup();
    (names, addresses)
}

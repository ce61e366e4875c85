//! The numbers of the far end as OpenMetrics text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use store::cloud::CloudStats;
use web::serve::Stats as ServerStats;

use crate::app::{App, Counters};
use crate::legs::Stats;

/// Writes all numbers as they are now.
pub(crate) fn write(app: &Arc<App>, text: &mut String) -> fmt::Result {
    let mut registry = Registry::with_prefix("ringway_cloud");
    registry.register_collector(Box::new(Numbers(Arc::clone(app))));
    encode(text, &registry)
}

#[derive(Debug)]
struct Numbers(Arc<App>);

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let app = &self.0;
        let store = app.store.stats();
        let server = app.server_stats();
        let legs = app.legs.stats();
        let counters = of_store(&store)
            .into_iter()
            .chain(of_app(&app.counters))
            .chain(of_legs(&legs))
            .chain(of_server(&server));
        for (name, help, value) in counters {
            let metric = ConstCounter::new(value);
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        let readers = app.config.limits.readers - app.readers.available_permits();
        let gateways = app.gateways.connected();
        for (name, help, value) in [
            ("gateways_connected", "Gateways connected", gateways as u64),
            (
                "readers_connected",
                "Event readers connected",
                readers as u64,
            ),
            (
                "store_queue",
                "Jobs waiting for the store",
                store.writer.queued,
            ),
            ("connections_open", "HTTP connections open", server.open),
            ("legs_open", "Cloud legs open", legs.books.open as u64),
        ] {
            let metric = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        Ok(())
    }
}

/// Name, help, value.
type Counter = (&'static str, &'static str, u64);

fn of_store(store: &CloudStats) -> [Counter; 4] {
    let failures = store.writer.disk_failures;
    [
        ("events_stored", "Events and gaps stored", store.stored),
        ("events_duplicate", "Events stored before", store.duplicates),
        ("batches_refused", "Batches refused", store.refused),
        ("disk_failures", "Commits that the disk failed", failures),
    ]
}

fn of_app(own: &Counters) -> [Counter; 6] {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (done, failed) = (read(&own.commands), read(&own.commands_failed));
    let (tokens, channels) = (read(&own.tokens_refused), read(&own.channels_refused));
    let (events, readers) = (read(&own.events_malformed), read(&own.readers_dropped));
    [
        ("commands", "Commands given to gateways", done),
        ("commands_failed", "Commands that ended in an error", failed),
        ("tokens_refused", "Callers without a valid token", tokens),
        ("channels_refused", "Channels refused at hello", channels),
        ("events_malformed", "Malformed events put aside", events),
        ("readers_dropped", "Event readers that fell behind", readers),
    ]
}

fn of_legs(legs: &Stats) -> [Counter; 5] {
    let books = &legs.books;
    [
        ("legs", "Cloud legs begun", books.begun),
        ("legs_lost", "Legs that the channel lost", books.lost),
        ("legs_refused", "Legs ended by a bad signal", books.refused),
        (
            "legs_overflowed",
            "Legs ended as too much waited",
            books.overflowed,
        ),
        (
            "legs_unheard",
            "Legs ended as nobody listened",
            legs.unheard,
        ),
    ]
}

fn of_server(server: &ServerStats) -> [Counter; 7] {
    let (headers, idle) = (server.header_timeouts, server.idle_timeouts);
    [
        ("connections_accepted", "Connections", server.accepted),
        ("connections_refused", "Over the limits", server.refused),
        ("tls_failed", "TLS handshakes failed", server.tls_failed),
        (
            "tls_timeouts",
            "TLS handshakes too slow",
            server.tls_timeouts,
        ),
        ("header_timeouts", "Request heads too slow", headers),
        ("idle_timeouts", "Connections closed idle", idle),
        ("requests_malformed", "No HTTP", server.malformed),
    ]
}

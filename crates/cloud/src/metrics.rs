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

use crate::app::App;

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
        let own = &app.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let readers = app.config.limits.readers - app.readers.available_permits();
        for (name, help, value) in [
            ("events_stored", "Events and gaps stored", store.stored),
            (
                "events_duplicate",
                "Events that had been stored before",
                store.duplicates,
            ),
            (
                "events_malformed",
                "Events put aside as malformed",
                read(&own.events_malformed),
            ),
            (
                "batches_refused",
                "Batches that the store refused",
                store.refused,
            ),
            (
                "disk_failures",
                "Commits that failed because of the disk",
                store.writer.disk_failures,
            ),
            (
                "commands",
                "Commands given to gateways",
                read(&own.commands),
            ),
            (
                "commands_failed",
                "Commands whose outcome is an error",
                read(&own.commands_failed),
            ),
            (
                "tokens_refused",
                "Requests and channels without a valid token",
                read(&own.tokens_refused),
            ),
            (
                "channels_refused",
                "Channels refused after their hello",
                read(&own.channels_refused),
            ),
            (
                "readers_dropped",
                "Event readers that did not keep up",
                read(&own.readers_dropped),
            ),
            (
                "connections_accepted",
                "Connections accepted",
                server.accepted,
            ),
            (
                "connections_refused",
                "Connections over the limits",
                server.refused,
            ),
            ("tls_failed", "TLS handshakes failed", server.tls_failed),
            (
                "tls_timeouts",
                "TLS handshakes too slow",
                server.tls_timeouts,
            ),
            (
                "header_timeouts",
                "Requests whose head was too slow",
                server.header_timeouts,
            ),
            (
                "idle_timeouts",
                "Connections closed idle",
                server.idle_timeouts,
            ),
            (
                "requests_malformed",
                "Connections that spoke no HTTP",
                server.malformed,
            ),
        ] {
            let metric = ConstCounter::new(value);
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        let count = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let count_u64 = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        for (name, help, value) in [
            (
                "gateways_connected",
                "Gateways connected",
                count(app.gateways.connected()),
            ),
            (
                "readers_connected",
                "Event readers connected",
                count(readers),
            ),
            (
                "store_queue",
                "Jobs waiting for the store",
                count_u64(store.writer.queued),
            ),
            (
                "connections_open",
                "HTTP connections open",
                count_u64(server.open),
            ),
        ] {
            let metric = ConstGauge::new(value);
            let kind = metric.metric_type();
            metric.encode(encoder.encode_descriptor(name, help, None, kind)?)?;
        }
        Ok(())
    }
}

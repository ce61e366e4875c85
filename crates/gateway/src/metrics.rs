//! The figures of `/metrics`: read from plain numbers when asked, in OpenMetrics text.

mod sip;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use net::clock;
use net::csta_link::CstaLinkState;
use net::uplink::UplinkState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric as _, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use store::gateway::StoreHealth;

use crate::engine::Inventory;
use crate::outbox::Outbox;
use crate::status::{PbxStatus, Shared};

/// Bounds of the latency histogram.
const LATENCY_BOUNDS: [Duration; 12] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(3),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(10),
];

/// The page.
#[must_use]
pub fn render(shared: &Arc<Shared>, outbox: &Arc<Outbox>) -> String {
    let mut registry = Registry::default();
    let figures = Figures {
        shared: Arc::clone(shared),
        outbox: Arc::clone(outbox),
    };
    registry.register_collector(Box::new(figures));
    let mut page = String::new();
    if let Err(error) = text::encode(&mut page, &registry) {
        tracing::error!(%error, "metrics cannot be written");
    }
    page
}

#[derive(Debug)]
struct Figures {
    shared: Arc<Shared>,
    outbox: Arc<Outbox>,
}

/// Writes one metric after the other.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(encoder)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(value).encode(encoder)
    }

    /// How many values were within each bound and beyond the one before.
    fn histogram(
        &mut self,
        name: &str,
        help: &str,
        sum: f64,
        buckets: &[(f64, u64)],
    ) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Histogram)?;
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }

    /// One gauge per value of a label.
    fn gauges<'k>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'k str, f64)>,
    ) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (key, value) in values {
            let labels = [(label, key)];
            let family: MetricEncoder<'_> = encoder.encode_family(&labels)?;
            ConstGauge::new(value).encode(family)?;
        }
        Ok(())
    }

    /// One counter per value of a label.
    fn counters<'k>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'k str, u64)>,
    ) -> fmt::Result {
        let mut encoder = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (key, value) in values {
            let labels = [(label, key)];
            let family: MetricEncoder<'_> = encoder.encode_family(&labels)?;
            ConstCounter::new(value).encode(family)?;
        }
        Ok(())
    }

    fn flag(&mut self, name: &str, help: &str, value: bool) -> fmt::Result {
        self.gauge(name, help, f64::from(u8::from(value)))
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people: 2^52 is far away"
)]
const fn float(value: u64) -> f64 {
    value as f64
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.pbx(&mut page)?;
        self.outbox(&mut page)?;
        self.channel(&mut page)?;
        self.sip(&mut page)?;
        self.process(&mut page)
    }
}

impl Figures {
    fn pbx(&self, page: &mut Page<'_>) -> fmt::Result {
        let pbx = self.shared.pbx();
        let counters = self.shared.counters();
        page.flag(
            "ringway_csta_link_up",
            "Whether the association with the PBX is up",
            pbx.link == CstaLinkState::Up,
        )?;
        page.counter(
            "ringway_csta_link_downs",
            "Times that the PBX link went down",
            pbx.downs,
        )?;
        page.counters(
            "ringway_csta_events",
            "CSTA events by name",
            "event",
            counters
                .csta_events
                .iter()
                .map(|(name, count)| (*name, *count)),
        )?;
        page.counters(
            "ringway_commands",
            "Commands of the far end by result",
            "result",
            counters
                .commands
                .iter()
                .map(|(result, count)| (result.as_str(), *count)),
        )?;
        if let Some(client) = &pbx.client {
            page.gauge(
                "ringway_monitored_devices",
                "Devices whose calls are followed",
                float(client.monitored as u64),
            )?;
        }
        Self::inventory(page, pbx.inventory)?;
        Self::pbx_faults(page, &pbx)?;
        page.gauge(
            "ringway_calls_active",
            "Calls going on",
            float(pbx.registry.calls as u64),
        )?;
        page.counters(
            "ringway_registry_events",
            "Events of monitors by what became of them",
            "fate",
            [
                ("published", pbx.registry.published),
                ("synthetic", pbx.registry.synthetic),
                ("copy", pbx.registry.copies),
                ("stale", pbx.registry.stale),
                ("illegal", pbx.registry.illegal),
                ("overflowed", pbx.registry.overflowed),
            ],
        )
    }

    fn inventory(page: &mut Page<'_>, inventory: Inventory) -> fmt::Result {
        if let Some(devices) = inventory.devices {
            page.gauge(
                "ringway_pbx_devices",
                "Devices that the PBX lists",
                float(devices.listed as u64),
            )?;
            page.gauge(
                "ringway_pbx_phantom_devices",
                "Telephones of the PBX without a configured user",
                float(devices.phantoms as u64),
            )?;
        }
        if let Some(features) = inventory.features {
            page.gauge(
                "ringway_pbx_services",
                "CSTA services that the PBX says it has",
                float(features.services as u64),
            )?;
        }
        Ok(())
    }

    fn pbx_faults(page: &mut Page<'_>, pbx: &PbxStatus) -> fmt::Result {
        let bad_messages = pbx.bad_messages();
        page.counters(
            "ringway_csta_bad_messages",
            "CSTA messages that could not be read, by kind",
            "kind",
            bad_messages.iter().map(|(kind, count)| (*kind, *count)),
        )?;
        page.counter(
            "ringway_csta_unknown_messages",
            "CSTA messages of unknown names",
            pbx.unknown_messages(),
        )?;
        page.counter(
            "ringway_csta_unknown_events",
            "CSTA events of unknown names",
            pbx.unknown_events(),
        )?;
        page.counters(
            "ringway_csta_questions_unanswered",
            "Questions of the gateway's own that the PBX refused or did not answer: what they are about stays unknown",
            "service",
            pbx.unanswered.iter().map(|(service, count)| (*service, *count)),
        )?;
        page.counters(
            "ringway_csta_link_closes",
            "Ends of associations with the PBX, by reason",
            "reason",
            pbx.closes.iter().map(|(kind, count)| (*kind, *count)),
        )?;
        page.counter(
            "ringway_csta_request_timeouts",
            "CSTA requests without an answer in time",
            pbx.timeouts(),
        )
    }

    fn outbox(&self, page: &mut Page<'_>) -> fmt::Result {
        let stats = self.outbox.store().stats();
        page.gauge(
            "ringway_outbox_records",
            "Events not acknowledged",
            float(stats.records),
        )?;
        page.gauge(
            "ringway_outbox_bytes",
            "Bytes of these events",
            float(stats.bytes),
        )?;
        let age_ms = stats.oldest_ms.map_or(0, |oldest| {
            clock::unix_ms().saturating_sub(u64::try_from(oldest).unwrap_or(0))
        });
        page.gauge(
            "ringway_outbox_oldest_age_seconds",
            "Age of the oldest event not acknowledged",
            float(age_ms) / 1000.0,
        )?;
        page.counters(
            "ringway_outbox_lost_events",
            "Events reported as a gap, by reason",
            "reason",
            [
                ("overload", stats.lost_overload),
                ("retention", stats.lost_retention),
                ("corrupt", stats.lost_corrupt),
                ("disk", stats.lost_volatile),
            ],
        )?;
        let durable = self.outbox.store().health() == StoreHealth::Durable;
        page.flag(
            "ringway_outbox_durable",
            "Whether events are on disk with room to spare",
            durable,
        )
    }

    fn channel(&self, page: &mut Page<'_>) -> fmt::Result {
        let status = self.shared.uplink.borrow().clone();
        let up = status.state == UplinkState::Up;
        page.flag(
            "ringway_channel_up",
            "Whether the far end accepted the gateway",
            up,
        )?;
        page.counter(
            "ringway_channel_reconnects",
            "Connections after the first",
            status.reconnects,
        )?;
        #[expect(clippy::cast_precision_loss, reason = "a difference of clocks")]
        let ahead = status.far_end_ahead_ms as f64 / 1000.0;
        page.gauge(
            "ringway_channel_clock_difference_seconds",
            "How far the far end's clock was ahead of ours at the last welcome",
            ahead,
        )?;
        let rtt = status.rtt.unwrap_or_default().as_secs_f64();
        page.gauge(
            "ringway_channel_rtt_seconds",
            "Round-trip time of the last ping",
            rtt,
        )?;
        page.gauge(
            "ringway_channel_in_flight_events",
            "Events sent and not acknowledged",
            float(status.in_flight),
        )?;
        let view = self.shared.latency.view();
        let counts = view.cumulative(&LATENCY_BOUNDS);
        let mut within = 0;
        let mut buckets: Vec<(f64, u64)> = Vec::with_capacity(LATENCY_BOUNDS.len() + 1);
        for (bound, cumulative) in LATENCY_BOUNDS.iter().zip(counts) {
            buckets.push((bound.as_secs_f64(), cumulative - within));
            within = cumulative;
        }
        buckets.push((f64::MAX, view.count() - within));
        page.histogram(
            "ringway_e2e_latency_seconds",
            "CSTA frame received to acknowledgement by the far end",
            view.sum.as_secs_f64(),
            &buckets,
        )
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let restarts = self.shared.restarts.counts();
        page.counters(
            "ringway_part_restarts",
            "Restarts of parts that failed",
            "part",
            restarts.iter().map(|(part, count)| (*part, *count)),
        )?;
        page.gauge(
            "ringway_start_time_seconds",
            "When the process started, seconds since 1970",
            float(self.shared.started.as_unix_ms()) / 1000.0,
        )?;
        let mut encoder = page.0.encode_descriptor(
            "ringway_build_info",
            "Version of the software",
            None,
            MetricType::Gauge,
        )?;
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        ConstGauge::new(1.0_f64).encode(encoder.encode_family(&labels)?)
    }
}

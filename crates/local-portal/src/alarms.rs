//! What the portal raises by itself: the end of certificate and software assurance, a synchronisation that
//! fails. Each is an alarm at the far end and a figure, and the last one a part of the health as well.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::portal::Portal;
use crate::provisioning::CERTIFICATE_NOTICE_DAYS;
use crate::view::{Health, Part, State3};

/// Days before its end from which on the PBX's software assurance is worth a word.
pub(crate) const ASSURANCE_NOTICE_DAYS: i32 = 30;
/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Names of the alarms, as the far end has them.
const NAMES: [&str; 3] = [
    "certificate-ends",
    "software-assurance-ends",
    "pbx-sync-failed",
];

impl Portal {
    /// When the PBX's software assurance ends, and in how many days.
    pub(crate) fn assurance(&self) -> Option<(Date, i32)> {
        let typed = self.read(|pages| {
            let step = pages.steps.get("pbx")?;
            step.values.get("pbx-assurance-ends").cloned()
        });
        let ends: Date = typed?.parse().ok()?;
        let today: Date = self.now().get(..10)?.parse().ok()?;
        Some((ends, today.until(ends).ok()?.get_days()))
    }

    /// The gateway's health with the portal's own parts.
    pub(crate) fn health(&self) -> Health {
        let mut health = self.view.health();
        let failed = self.read(|pages| pages.sync.failed.clone());
        if let Some(failed) = failed {
            health.state = health.state.max(State3::Degraded);
            health.parts.push(Part {
                name: "pbx-sync",
                state: State3::Degraded,
                since: failed.at,
                detail: "users and devices of the PBX were not compared".to_owned(),
                last_error: Some(failed.why),
            });
        }
        health
    }

    /// The gateway's figures and the portal's own, as OpenMetrics text.
    pub(crate) fn metrics(&self) -> String {
        let mut text = self.view.metrics();
        let end = text.rfind("# EOF").unwrap_or(text.len());
        text.truncate(end);
        let assurance = self.assurance().and_then(|(ends, _)| {
            let midnight = ends.to_zoned(TimeZone::UTC).ok()?;
            Some(midnight.timestamp().as_second())
        });
        let sync = self.read(|pages| pages.sync.clone());
        let synced = sync.last.as_ref();
        let synced_s = synced.and_then(|it| it.at.parse::<jiff::Timestamp>().ok());
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let gauges = [
            (
                "ringway_certificate_expiry_timestamp_seconds",
                "End of the certificate that the portal shows.",
                Some(self.identity.shown().facts.not_after_s),
            ),
            (
                "ringway_software_assurance_end_timestamp_seconds",
                "End of the PBX's software assurance, as it was typed.",
                assurance,
            ),
            (
                "ringway_pbx_sync_success_timestamp_seconds",
                "When users and devices of the PBX were compared last.",
                synced_s.map(jiff::Timestamp::as_second),
            ),
            (
                "ringway_pbx_sync_failed",
                "Whether the last comparison failed.",
                (sync.tried_ms > 0).then(|| i64::from(sync.failed.is_some())),
            ),
            (
                "ringway_pbx_sync_missing_users",
                "Users whose extension the PBX does not have.",
                synced.map(|it| count(it.missing)),
            ),
            (
                "ringway_portal_users",
                "Users in the portal.",
                Some(count(self.users().len())),
            ),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                // Writing into a String cannot fail.
                let _ = write!(
                    text,
                    "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n"
                );
            }
        }
        text.push_str("# EOF\n");
        text
    }

    /// What is to be raised now, by name.
    fn alarms(&self) -> BTreeMap<&'static str, String> {
        let mut alarms = BTreeMap::new();
        let shown = self.identity.shown();
        if shown.days_left(self.now_s()) <= CERTIFICATE_NOTICE_DAYS {
            let ends = jiff::Timestamp::from_second(shown.facts.not_after_s).unwrap_or_default();
            let ends = ends.strftime("%Y-%m-%d");
            let detail = format!("the portal's certificate is valid until {ends}");
            alarms.insert(NAMES[0], detail);
        }
        if let Some((ends, days)) = self.assurance()
            && days <= ASSURANCE_NOTICE_DAYS
        {
            let detail = format!("the PBX's software assurance is good until {ends}");
            alarms.insert(NAMES[1], detail);
        }
        if let Some(failed) = self.read(|pages| pages.sync.failed.clone()) {
            let detail = format!(
                "users and devices of the PBX were not compared: {}",
                failed.why
            );
            alarms.insert(NAMES[2], detail);
        }
        alarms
    }

    /// One look: raises and clears what has changed since `raised`.
    pub(crate) fn look(self: &Arc<Self>, raised: &mut BTreeMap<&'static str, String>) {
        self.sync_if_due();
        let now = self.alarms();
        for name in NAMES {
            let (before, after) = (raised.get(name), now.get(name));
            if before != after {
                if let Some(detail) = after {
                    tracing::warn!(alarm = name, detail, "alarm");
                }
                self.view.alarm(name, after.cloned());
            }
        }
        *raised = now;
    }

    /// Looks after alarms and the schedule until the portal is gone.
    pub async fn keep_watch(portal: Weak<Self>) {
        let mut raised = BTreeMap::new();
        let mut timer = tokio::time::interval(LOOK_EVERY);
        loop {
            timer.tick().await;
            let Some(portal) = portal.upgrade() else {
                return;
            };
            portal.look(&mut raised);
        }
    }
}

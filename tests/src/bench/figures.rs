//! The gateway's page of metrics, read once.

use anyhow::{Result, ensure};

use crate::harness::Api;

/// A page.
#[derive(Debug, Clone)]
pub struct Figures(String);

impl Figures {
    /// Asks for the page.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn read(portal: &Api) -> Result<Self> {
        let reply = portal.get("/metrics").await?;
        ensure!(reply.status == 200, "/metrics answers {}", reply.status);
        Ok(Self(reply.text))
    }

    /// The sum of all series whose name, with labels, begins like this; 0 without any.
    #[must_use]
    pub fn sum(&self, beginning: &str) -> f64 {
        let lines = self.0.lines().filter(|line| line.starts_with(beginning));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        values.sum()
    }

    /// Events given to the outbox.
    #[must_use]
    pub fn published(&self) -> f64 {
        self.sum("ringway_registry_events_total{fate=\"published\"")
    }

    /// CSTA events received.
    #[must_use]
    pub fn csta_events(&self) -> f64 {
        self.sum("ringway_csta_events_total")
    }

    /// Events that were lost and reported as gaps.
    #[must_use]
    pub fn lost(&self) -> f64 {
        self.sum("ringway_outbox_lost_events_total")
    }

    /// Events not acknowledged yet.
    #[must_use]
    pub fn backlog(&self) -> f64 {
        self.sum("ringway_outbox_records ")
    }

    /// Times that the PBX link went down.
    #[must_use]
    pub fn link_downs(&self) -> f64 {
        self.sum("ringway_csta_link_downs_total")
    }
}

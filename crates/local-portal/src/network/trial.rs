//! A change of the box's address: tried for a minute, kept when somebody confirms it from there, else
//! given back.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{BoxNetwork, Plan, TRIAL_MS, Trial, Wanted};
use crate::portal::{Portal, Who};
use crate::wizard::Problem;

/// What the portal keeps of the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Network {
    /// Counts what the box was told.
    pub(crate) id: u64,
    /// What an administrator has confirmed; none as long as it is as installed.
    pub(crate) kept: Option<Plan>,
    /// What is tried.
    pub(crate) pending: Option<Pending>,
    /// When a change was given back, and name of the text that says why.
    pub(crate) returned: Option<(String, String)>,
}

/// A change that nobody has confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) plan: Plan,
    /// In milliseconds since 1970.
    pub(crate) until_ms: u64,
    /// Who has made it.
    pub(crate) by: String,
    /// The address that the box had before.
    pub(crate) former: Ipv4Addr,
}

/// Why a change is not tried or not kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotTried {
    /// Another change is being tried, or none at all.
    Busy,
    /// Somebody else has the address.
    Taken(Problem),
    /// It has to be confirmed from the new address.
    OldAddress,
}

impl Network {
    fn wanted(&self) -> Wanted {
        let trial = self.pending.as_ref().map(|pending| Trial {
            plan: pending.plan.clone(),
            until_ms: pending.until_ms,
        });
        Wanted {
            id: self.id,
            kept: self.kept.clone(),
            trial,
        }
    }

    /// Ends the trial; what was kept before is what the box has again.
    fn give_back(&mut self, at: String, why: &str) -> Option<Pending> {
        let pending = self.pending.take()?;
        self.id += 1;
        self.returned = Some((at, why.to_owned()));
        Some(pending)
    }
}

impl Portal {
    /// Tries a plan for a minute.
    pub(crate) async fn try_network(
        self: &Arc<Self>,
        network: &dyn BoxNetwork,
        plan: Plan,
        former: Ipv4Addr,
        who: &Who,
    ) -> anyhow::Result<Result<(), NotTried>> {
        if let Some(address) = plan.fixed.map(|fixed| fixed.address)
            && address != former
            && let Some(hardware) = network.who_has(address).await
        {
            let problem = Problem {
                id: "error-net-taken",
                limits: vec![("who", hardware)],
            };
            return Ok(Err(NotTried::Taken(problem)));
        }
        let pending = Pending {
            until_ms: self.view.now_ms() + TRIAL_MS,
            by: who.name.clone(),
            plan,
            former,
        };
        let summary = pending.plan.summary();
        let begun = self
            .change(move |pages| {
                let kept = &mut pages.network;
                if kept.pending.is_some() {
                    return Ok(None);
                }
                (kept.id, kept.pending, kept.returned) = (kept.id + 1, Some(pending), None);
                anyhow::Ok(Some(kept.wanted()))
            })
            .await?;
        let Some(wanted) = begun else {
            return Ok(Err(NotTried::Busy));
        };
        let told = network.want(&wanted).context("tell the box its address");
        if told.is_err() {
            self.give_network_back(wanted.id, "net-returned-failed")
                .await?;
            told?;
        }
        self.note(who, "try network", &former.to_string(), &summary)
            .await?;
        let (portal, id) = (Arc::clone(self), wanted.id);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(TRIAL_MS)).await;
            if let Err(error) = portal.give_network_back(id, "net-returned-late").await {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the former address is not set yet"
                );
            }
        });
        Ok(Ok(()))
    }

    /// Keeps what is tried; `host` is the address that the request came to.
    pub(crate) async fn keep_network(
        self: &Arc<Self>,
        network: &dyn BoxNetwork,
        host: Option<Ipv4Addr>,
        who: &Who,
    ) -> anyhow::Result<Result<(), NotTried>> {
        let now = self.view.now_ms();
        let kept = self
            .change(move |pages| {
                let kept = &mut pages.network;
                let Some(pending) = kept.pending.take_if(|pending| now < pending.until_ms) else {
                    return Ok(Err(NotTried::Busy));
                };
                let moves = pending
                    .plan
                    .fixed
                    .is_some_and(|it| it.address != pending.former);
                if moves && host == Some(pending.former) {
                    kept.pending = Some(pending);
                    return Ok(Err(NotTried::OldAddress));
                }
                kept.id += 1;
                (kept.kept, kept.returned) = (Some(pending.plan), None);
                anyhow::Ok(Ok(kept.wanted()))
            })
            .await?;
        let wanted = match kept {
            Ok(wanted) => wanted,
            Err(not) => return Ok(Err(not)),
        };
        network.want(&wanted).context("tell the box its address")?;
        let summary = wanted.kept.as_ref().map(Plan::summary);
        self.note(who, "keep network", "", &summary.unwrap_or_default())
            .await?;
        Ok(Ok(()))
    }

    /// Gives a change back, if it is still the one with that number.
    pub(crate) async fn give_network_back(
        self: &Arc<Self>,
        id: u64,
        why: &'static str,
    ) -> anyhow::Result<()> {
        let at = self.now();
        let given = self
            .change(move |pages| {
                let kept = &mut pages.network;
                let given = (kept.id == id).then(|| kept.give_back(at, why)).flatten();
                anyhow::Ok(given.map(|pending| (pending, kept.wanted())))
            })
            .await?;
        let (Some((pending, wanted)), Some(network)) = (given, self.view.network()) else {
            return Ok(());
        };
        let told = network.want(&wanted);
        let who = Who {
            name: "-".to_owned(),
            from: String::new(),
        };
        let (plan, former) = (pending.plan.summary(), pending.former.to_string());
        self.note(&who, "network returned", &plan, &former).await?;
        told.context("tell the box its former address")
    }

    /// What nobody had confirmed when the portal stopped is given back when it starts, and a box that was
    /// not told what is kept is told.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub async fn settle_network(self: &Arc<Self>) -> anyhow::Result<()> {
        let (id, pending) = self.read(|pages| {
            let network = &pages.network;
            (network.id, network.pending.is_some())
        });
        if pending {
            return self.give_network_back(id, "net-returned-restart").await;
        }
        let Some(network) = self.view.network().filter(|_| id > 0) else {
            return Ok(());
        };
        if network.said().is_some_and(|said| said.id == id) {
            return Ok(());
        }
        network.want(&self.read(|pages| pages.network.wanted()))
    }
}

impl Plan {
    /// For the audit log.
    pub(crate) fn summary(&self) -> String {
        let dns = super::joined(&self.internal_dns);
        let address = self.fixed.map_or_else(
            || "DHCP".to_owned(),
            |fixed| format!("{}/{} by {}", fixed.address, fixed.prefix, fixed.gateway),
        );
        let dns = if dns.is_empty() {
            dns
        } else {
            format!(", DNS {dns}")
        };
        format!("{}: {address}{dns}", self.interface)
    }
}

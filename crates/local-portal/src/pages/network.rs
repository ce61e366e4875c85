//! The box's address: as it is, as it shall be, and the minute in which a change has to be confirmed.

use std::net::Ipv4Addr;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};

use super::{Answer, Frame, Posted, go, show};
use crate::network::{self, NotTried, Pending, Present, Said, TRIAL_MS, Typed, Wrong};
use crate::portal::Portal;
use crate::routes::SignedIn;

type Ours = State<Arc<Portal>>;
type Me = Extension<SignedIn>;

#[derive(Template)]
#[template(path = "network.html")]
struct Page {
    frame: Frame,
    /// How it is now, or why that cannot be told.
    present: Result<Present, String>,
    /// Whether the portal may change it.
    ours: bool,
    typed: Typed,
    wrong: Vec<Wrong>,
    pending: Option<Pending>,
    /// Seconds that are left to confirm it.
    left_s: u64,
    /// When and why the last change was given back.
    returned: Option<(String, String)>,
    /// What the box said against the last change.
    failed: Option<String>,
    alert: Option<&'static str>,
}

impl Page {
    fn error(&self, field: &str) -> String {
        let found = self.wrong.iter().find(|(name, _)| *name == field);
        found.map_or_else(String::new, |(_, problem)| {
            self.frame.t.with(problem.id, &problem.limits)
        })
    }

    fn is_wrong(&self, field: &str) -> bool {
        self.wrong.iter().any(|(name, _)| *name == field)
    }

    /// Where the box is found while a change is tried.
    fn at(&self) -> Option<String> {
        let fixed = self.pending.as_ref()?.plan.fixed?;
        Some(format!("https://{}:8086/network", fixed.address))
    }

    fn trial_s(&self) -> String {
        (TRIAL_MS / 1000).to_string()
    }

    fn dns(&self) -> String {
        let dns = self.present.as_ref().map(|it| network::joined(&it.dns));
        dns.unwrap_or_default()
    }
}

fn page_of(portal: &Portal, frame: Frame) -> Page {
    let network = portal.view.network();
    let none = || Err(frame.t.get("network-not-ours"));
    let present = network.map_or_else(none, network::BoxNetwork::present);
    let kept = portal.read(|pages| pages.network.clone());
    let said = network.and_then(network::BoxNetwork::said);
    let failed = said.filter(|said| said.id == kept.id);
    let now = portal.view.now_ms();
    let left = kept
        .pending
        .as_ref()
        .map_or(0, |it| it.until_ms.saturating_sub(now));
    let typed = present
        .as_ref()
        .map(|present| Typed::of(present, kept.kept.as_ref()));
    Page {
        frame,
        typed: typed.unwrap_or_default(),
        present,
        ours: network.is_some(),
        wrong: Vec::new(),
        pending: kept.pending,
        left_s: left.div_ceil(1000),
        returned: kept.returned,
        failed: failed.and_then(|Said { error, .. }| error),
        alert: None,
    }
}

pub(crate) async fn page(State(portal): Ours, frame: Frame) -> Answer {
    show(StatusCode::OK, &page_of(&portal, frame))
}

/// Tries what was typed.
pub(crate) async fn try_it(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    mut frame: Frame,
    form: Posted,
) -> Answer {
    "/network".clone_into(&mut frame.path);
    let mut page = page_of(&portal, frame);
    let text = |name: &str| form.get(name).chars().take(500).collect::<String>();
    page.typed = Typed {
        mode: text("mode"),
        address: text("address"),
        gateway: text("gateway"),
        dns: text("dns"),
    };
    let (Some(network), Ok(present)) = (portal.view.network(), page.present.clone()) else {
        return show(StatusCode::CONFLICT, &page);
    };
    let kept = portal.read(|pages| pages.network.kept.clone());
    let plan = match page.typed.plan(&present, kept.as_ref()) {
        Ok(plan) => plan,
        Err(wrong) => {
            page.wrong = wrong;
            return show(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    match portal
        .try_network(network, plan, present.address, &who)
        .await?
    {
        Ok(()) => Ok(go("/network")),
        Err(NotTried::Taken(problem)) => {
            page.wrong = vec![("address", problem)];
            show(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(NotTried::Busy | NotTried::OldAddress) => {
            page.alert = Some("network-busy");
            show(StatusCode::CONFLICT, &page)
        }
    }
}

/// Keeps what is tried.
pub(crate) async fn keep(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
    mut frame: Frame,
    _: Posted,
) -> Answer {
    "/network".clone_into(&mut frame.path);
    let Some(network) = portal.view.network() else {
        return show(StatusCode::CONFLICT, &page_of(&portal, frame));
    };
    let alert = match portal
        .keep_network(network, host_of(&headers), &who)
        .await?
    {
        Ok(()) => return Ok(go("/network")),
        Err(NotTried::OldAddress) => "network-old-address",
        Err(NotTried::Busy | NotTried::Taken(_)) => "network-late",
    };
    let mut page = page_of(&portal, frame);
    page.alert = Some(alert);
    show(StatusCode::CONFLICT, &page)
}

/// Gives it back at once.
pub(crate) async fn give_back(State(portal): Ours, _: Me, _: Posted) -> Answer {
    let id = portal.read(|pages| pages.network.id);
    portal.give_network_back(id, "net-returned-asked").await?;
    Ok(go("/network"))
}

/// The address that a request was sent to, where it is one and no name.
fn host_of(headers: &HeaderMap) -> Option<Ipv4Addr> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    host.parse().ok()
}

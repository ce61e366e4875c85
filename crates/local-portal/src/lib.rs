//! HTTPS 8086 on the box: claim, sign-in, set-up, home page, accounts, audit log, health and figures.
//!
//! The portal knows nothing of the gateway but [`GatewayView`]. Who may use which route stands in one
//! table, `routes::table`; nothing but health, figures and the pages' style is reachable before the
//! box is claimed with the code that its console shows. What people typed and who may come in is kept
//! in `portal.json`, each secret in a file of its own, and what they did in `audit.jsonl`.
//!
//! | path | who | answer |
//! | --- | --- | --- |
//! | `/livez` | anyone | the process answers |
//! | `/readyz` | anyone | it can do its work, or is within the grace of a short outage |
//! | `/healthz` | anyone: one word; from loopback: every part, since when, last error | |
//! | `/metrics` | from loopback | OpenMetrics text |
//! | `/api/v1/…` | programs with a token | JSON, see `docs/portal-api.md` |
//! | everything else | see `routes::table` | pages |

mod alarms;
mod api;
mod assets;
mod audit;
mod book;
mod chart;
mod clients;
mod health;
pub mod network;
mod pages;
mod password;
mod portal;
mod provisioning;
mod routes;
mod sessions;
mod sync;
mod texts;
mod users;
mod view;
mod wizard;

pub use portal::Portal;
pub use routes::router;
pub use view::{
    Advice, Applied, Call, Check, Checking, GatewayView, Health, Listing, LogLine, MediaTrace,
    Minute, Part, PbxDevices, Setting, State3, Subject, Told, Weight,
};

#[cfg(test)]
mod tests;

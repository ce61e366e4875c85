//! `ringway csta connect`: what a PBX is and can do.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use csta::Response;
use csta::client::ClientEvent;
use csta::message::{
    DeviceListDevice, GetCSTAFeatures, GetSwitchingFunctionDevices, RequestSystemStatus,
};
use csta::value::FeatureGroups;

use super::line::{folded, words};
use super::session::{AskError, OnCut, Seen, Session, Started};
use super::{ConnectArgs, print};

/// Width of the first column.
const LABEL: usize = 15;

pub(super) async fn run(args: &ConnectArgs) -> anyhow::Result<ExitCode> {
    let address = args.host.as_deref().or(args.pbx.pbx.as_deref());
    let link = args.pbx.link.link(address)?;
    let address = link.endpoint.address.clone();
    let dialect = link.client.dialect.name();
    let tls = if link.endpoint.tls.is_some() {
        " with TLS"
    } else {
        ""
    };
    let mut session = Session::open(link, Vec::new(), OnCut::End).await?;
    let Started {
        edition,
        session_id,
        duration,
        took,
    } = session.started.clone();
    row(
        "PBX",
        &format!("{address}{tls}, {} ms to the association", took.as_millis()),
    )?;
    row("Association", &association(session_id.as_deref(), duration))?;
    row("Dialect", dialect)?;
    row("Edition", edition.namespace())?;
    row(
        "Status",
        &status(session.ask(RequestSystemStatus::new()).await),
    )?;
    row("Devices", &devices(&mut session).await)?;
    match session.ask(GetCSTAFeatures::new()).await {
        Ok(Response::GetCSTAFeatures(features)) => {
            list("Services", features.supported_services.as_ref())?;
            list("Events", features.supported_events.as_ref())?;
        }
        other => row("Features", &not_told(other))?,
    }
    let (_, reason) = session.close().await;
    row("End", &format!("session {reason}"))?;
    Ok(ExitCode::SUCCESS)
}

fn association(session_id: Option<&str>, duration: Option<Duration>) -> String {
    match (session_id, duration) {
        (Some(id), Some(duration)) => {
            format!(
                "application session {id}, lives {} s without a reset",
                duration.as_secs()
            )
        }
        (Some(id), None) => format!("application session {id}"),
        (None, _) => "implicit: the PBX has no application sessions".to_owned(),
    }
}

fn status(answer: Result<Response, AskError>) -> String {
    match answer {
        Ok(Response::RequestSystemStatus(status)) => status.system_status.to_string(),
        other => not_told(other),
    }
}

/// Asks for the list, waits until it is whole, and counts it by category.
async fn devices(session: &mut Session) -> String {
    match session.ask(GetSwitchingFunctionDevices::new()).await {
        Ok(Response::GetSwitchingFunctionDevices(_)) => {}
        other => return not_told(other),
    }
    loop {
        match session.next().await {
            Some(Seen::Client(ClientEvent::Devices(list))) => {
                return match list.devices {
                    Ok(devices) => counted(&devices),
                    Err(error) => format!("not told: {error}"),
                };
            }
            Some(_) => {}
            None => return "not told: the association is over".to_owned(),
        }
    }
}

fn counted(devices: &[DeviceListDevice]) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for device in devices {
        let category = device.device_category.as_ref().map(ToString::to_string);
        let category = category.unwrap_or_else(|| "of no category".to_owned());
        *kinds.entry(category).or_insert(0) += 1;
    }
    let kinds: Vec<_> = kinds
        .iter()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    match kinds.is_empty() {
        true => "0".to_owned(),
        false => format!("{}: {}", devices.len(), kinds.join(", ")),
    }
}

fn not_told(answer: Result<Response, AskError>) -> String {
    match answer {
        Ok(other) => format!("not told: unexpected answer <{}>", other.name()),
        Err(error) => format!("not told: {error}"),
    }
}

fn row(label: &str, text: &str) -> anyhow::Result<()> {
    print(&format!("{label:<LABEL$}{text}"))
}

/// Groups with their features, wrapped.
fn list(label: &str, groups: Option<&FeatureGroups>) -> anyhow::Result<()> {
    let groups = groups.map(|groups| groups.0.as_slice()).unwrap_or_default();
    let total: usize = groups.iter().map(|group| group.features.len()).sum();
    row(label, &total.to_string())?;
    for group in groups.iter().filter(|group| !group.features.is_empty()) {
        print(&wrapped(&group_name(&group.name), &group.features))?;
    }
    Ok(())
}

/// `physDevServList` as `physical device`.
fn group_name(element: &str) -> String {
    let name = ["ServList", "EvtsList", "List"]
        .iter()
        .find_map(|suffix| element.strip_suffix(suffix))
        .unwrap_or(element);
    let words = words(name);
    let words: Vec<&str> = words.split(' ').map(in_full).collect();
    words.join(" ")
}

/// The words that the schema shortens.
fn in_full(word: &str) -> &str {
    match word {
        "cap" => "capability",
        "stat" => "status",
        "phys" => "physical",
        "dev" => "device",
        "maint" => "maintenance",
        other => other,
    }
}

fn wrapped(label: &str, words: &[String]) -> String {
    format!("  {label}\n{}", folded(&words.join(" "), 4))
}

#[cfg(test)]
mod tests {
    use super::super::line::WIDTH;
    use super::*;

    #[test]
    fn lists_stay_within_a_terminal() {
        let words: Vec<String> = (0..30).map(|n| format!("service{n}")).collect();
        let text = wrapped(&group_name("callControlServList"), &words);
        assert!(
            text.starts_with("  call control\n    service0 service1 "),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert_eq!(text.split_whitespace().count(), 32);
        assert_eq!(group_name("physDevEvtsList"), "physical device");
    }
}

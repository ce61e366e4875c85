//! Who may depend on whom.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{cargo, no_problem};

/// Crates that do no I/O and read no clock.
const CORES: &[&str] = &["call-control", "cloud-uplink", "csta", "media", "sip"];

/// What a core must not pull in: a name, or the beginning of one before a dash.
const BANNED_IN_CORES: &[&str] = &[
    "async-io",
    "async-std",
    "axum",
    "futures-executor",
    "h2",
    "hyper",
    "mio",
    "native-tls",
    "openssl",
    "opentelemetry",
    "quinn",
    "reqwest",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tower",
    "tungstenite",
    "ureq",
];

/// Every edge between our own crates that there may be, tests' edges too. A crate that is not here
/// has no place yet. `system-tests` may know everybody.
const EDGES: &[(&str, &[&str])] = &[
    ("call-control", &["cloud-uplink", "csta", "media", "sip"]),
    ("cloud", &["cloud-uplink", "net", "store", "web"]),
    ("cloud-uplink", &[]),
    ("csta", &[]),
    (
        "gateway",
        &[
            "call-control",
            "cloud",
            "cloud-uplink",
            "csta",
            "local-portal",
            "media",
            "net",
            "pbx-sim",
            "sip",
            "store",
            "web",
        ],
    ),
    ("local-portal", &["web"]),
    ("media", &[]),
    ("net", &["cloud-uplink", "csta", "media", "sip"]),
    ("pbx-sim", &["csta", "media", "net", "sip", "web"]),
    ("sip", &[]),
    ("store", &[]),
    ("web", &[]),
];

/// Parts of the demo, which a daemon built without the feature `demo` does not contain.
const DEMO_PARTS: &[&str] = &["cloud", "pbx-sim"];

#[test]
fn cores_pull_in_nothing_that_does_io() {
    let members = members();
    let cores = CORES.iter().filter(|core| members.contains_key(**core));
    no_problem(cores.flat_map(|core| {
        let tree = cargo(&["tree", "-p", core, "-e", "normal", "--prefix", "none"]);
        let pulled_in: Vec<String> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|name| is_banned(name))
            .map(|name| format!("{core} pulls in {name}"))
            .collect();
        pulled_in
    }));
}

#[test]
fn crates_know_only_whom_the_drawing_allows() {
    let allowed: BTreeMap<&str, &[&str]> = EDGES.iter().copied().collect();
    let mut problems = Vec::new();
    for (package, manifest) in members() {
        if package == "system-tests" {
            continue;
        }
        let Some(allowed) = allowed.get(package.as_str()) else {
            problems.push(format!("{package} is not in the drawing"));
            continue;
        };
        let known = own_dependencies(&manifest).map(|(name, _)| name);
        let forbidden = known.filter(|name| !allowed.contains(&name.as_str()));
        problems.extend(forbidden.map(|name| format!("{package} must not know {name}")));
    }
    no_problem(problems);
}

#[test]
fn the_daemon_takes_in_the_demo_only_by_its_feature() {
    let gateway = members()
        .remove("gateway")
        .expect("the gateway is a member");
    let unconditional = own_dependencies(&gateway)
        .filter(|(name, optional)| DEMO_PARTS.contains(&name.as_str()) && !optional);
    no_problem(unconditional.map(|(name, _)| format!("gateway: {name} must be optional")));

    let features = gateway["features"]
        .as_object()
        .expect("features are a table");
    let takers = features.iter().filter(|(feature, parts)| {
        let parts = parts.to_string();
        *feature != "demo"
            && DEMO_PARTS
                .iter()
                .any(|part| parts.contains(&format!("dep:{part}\"")))
    });
    no_problem(takers.map(|(feature, _)| format!("gateway: feature {feature} takes in the demo")));
}

/// The packages of the workspace by name, as `cargo metadata` describes them.
fn members() -> BTreeMap<String, Value> {
    let text = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata prints JSON");
    let packages = metadata["packages"]
        .as_array()
        .expect("packages are a list");
    let named = packages
        .iter()
        .map(|package| (text_of(&package["name"]), package.clone()));
    named.collect()
}

/// The package's dependencies of this workspace, of every kind, and whether each is optional.
fn own_dependencies(package: &Value) -> impl Iterator<Item = (String, bool)> {
    let dependencies = package["dependencies"]
        .as_array()
        .expect("dependencies are a list");
    let own = dependencies
        .iter()
        .filter(|dependency| dependency["path"].is_string());
    own.map(|own| (text_of(&own["name"]), own["optional"] == true))
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a name is a text").to_owned()
}

fn is_banned(name: &str) -> bool {
    BANNED_IN_CORES.iter().any(|banned| {
        let rest = name.strip_prefix(banned);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

//! The steps of the set-up: which fields each has, what is allowed in them, and which key of the
//! configuration each of them sets.

mod value;

use std::collections::BTreeMap;

pub(crate) use value::{Kind, Problem, destinations, items};

use crate::book::Step as Kept;
use crate::portal::Portal;
use crate::view::Setting;

/// One page of the set-up.
#[derive(Debug)]
pub(crate) struct Step {
    /// Name, and name of its texts: `step-pbx`.
    pub(crate) id: &'static str,
    pub(crate) fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    /// Name, and name of its texts: `field-pbx-address`, with the attribute `hint`.
    pub(crate) id: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Key of the configuration that it sets; none for what is only kept.
    pub(crate) key: Option<&'static str>,
}

const fn field(id: &'static str, kind: Kind) -> Field {
    Field {
        id,
        kind,
        required: false,
        key: None,
    }
}

impl Field {
    const fn must(mut self) -> Self {
        self.required = true;
        self
    }

    const fn sets(mut self, key: &'static str) -> Self {
        self.key = Some(key);
        self
    }
}

/// Longest ordinary text, in characters.
const TEXT: Kind = Kind::Text { len_max: 100 };

/// The steps in their order; the overview behind them has no fields.
pub(crate) static STEPS: &[Step] = &[
    Step {
        id: "customer",
        fields: &[
            field("customer-name", TEXT).must(),
            field("customer-address", TEXT),
            field("customer-town", TEXT),
            field("customer-country", TEXT),
            field("customer-language", Kind::Choice(&["en", "de", "sv"])),
            field(
                "customer-business",
                Kind::Choice(&[
                    "office",
                    "hotel",
                    "health",
                    "education",
                    "public",
                    "industry",
                    "retail",
                    "other",
                ]),
            ),
        ],
    },
    Step {
        id: "gateway",
        fields: &[
            field("site-id", Kind::Name).must().sets("gateway.site-id"),
            field("gateway-id", Kind::Name)
                .must()
                .sets("gateway.gateway-id"),
            field("gateway-address", TEXT),
            field("gateway-postal-code", Kind::Text { len_max: 16 }),
            field("gateway-town", TEXT),
            field("gateway-country", TEXT),
        ],
    },
    Step {
        id: "pbx",
        fields: &[
            field(
                "pbx-type",
                Kind::Choice(&["mx-one", "mivoice-400", "openscape", "ecma"]),
            )
            .must()
            .sets("pbx.dialect"),
            field("pbx-name", Kind::Name),
            field("pbx-address", Kind::HostPort { port: 8882 })
                .must()
                .sets("pbx.address"),
            field("pbx-tls", Kind::Flag).sets("pbx.tls"),
            field("pbx-ca", Kind::Pem).sets("pbx.ca-file"),
            field("csta-user", Kind::Text { len_max: 64 }).sets("pbx.user"),
            field("csta-password", Kind::Secret).sets("pbx.password-file"),
            field("pbx-assurance-ends", Kind::Date),
        ],
    },
    Step {
        id: "connect",
        fields: &[
            field("account-id", Kind::Name)
                .must()
                .sets("gateway.account-id"),
            field("far-end-url", Kind::Url).must().sets("uplink.url"),
            field("far-end-token", Kind::Secret).sets("uplink.token-file"),
            field("far-end-ca", Kind::Pem).sets("uplink.ca-file"),
            field("far-end-proxy", Kind::HostPort { port: 3128 }).sets("uplink.proxy"),
            field(SYNC_MINUTES, Kind::Number(5, 10_080)),
        ],
    },
    Step {
        id: "deployment",
        fields: &[
            field("devices", Kind::Devices).must().sets("pbx.devices"),
            field(REGISTRAR, Kind::SipPeer).sets("sip.softclients.registrar"),
        ],
    },
    Step {
        id: "advanced",
        fields: &[
            field(
                "log-level",
                Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
            )
            .sets("log.level"),
            field("retention-h", Kind::Number(1, 720)).sets("outbox.retention-h"),
            field("requests-in-flight", Kind::Number(1, 200)).sets("pbx.requests-in-flight"),
            field("session-duration-s", Kind::Number(30, 86_400)).sets("pbx.session-duration-s"),
            field("login-fragment", Kind::Lines { len_max: 4_000 }).sets("pbx.login-fragment"),
            field("sip-listen", Kind::SipPeers).sets("sip.listen"),
            field("sip-domain", Kind::Name).sets("sip.domain"),
            field("trunk-targets", Kind::SipPeers).sets("sip.trunk.targets"),
            field("trunk-channels", Kind::Number(1, 2000)).sets("sip.trunk.channels"),
            field("trunk-gateway-user", Kind::Text { len_max: 64 }).sets("sip.trunk.gateway-user"),
            field("trunk-gateway-password", Kind::Secret).sets("sip.trunk.gateway-password-file"),
            field("trunk-pbx-user", Kind::Text { len_max: 64 }).sets("sip.trunk.pbx-user"),
            field("trunk-pbx-password", Kind::Secret).sets("sip.trunk.pbx-password-file"),
            field("destinations", Kind::Destinations).sets("sip.destinations"),
            field("call-through-number", Kind::Pattern).sets("sip.call-through.number"),
            field("call-through-targets", Kind::SipPeers).sets("sip.call-through.targets"),
            field("dial-allow", Kind::Patterns).sets("sip.policy.allow"),
            field("dial-international", Kind::Flag).sets("sip.policy.international"),
            field("srtp", Kind::Choice(&["off", "prefer", "require"])).sets("sip.media.srtp"),
        ],
    },
];

/// Minutes between two looks at the PBX's devices; empty for none by itself.
pub(crate) const SYNC_MINUTES: &str = "pbx-sync-minutes";
/// Where the users' softphones register.
pub(crate) const REGISTRAR: &str = "softclient-registrar";
/// Name of the last step.
pub(crate) const OVERVIEW: &str = "overview";

impl Step {
    pub(crate) fn of(id: &str) -> Option<&'static Self> {
        STEPS.iter().find(|step| step.id == id)
    }

    pub(crate) fn field(&self, id: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.id == id)
    }
}

/// Every key of the configuration that a field sets.
pub(crate) fn keys() -> Vec<&'static str> {
    STEPS
        .iter()
        .flat_map(|step| step.fields)
        .filter_map(|field| field.key)
        .collect()
}

/// The names of all steps, the overview last.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|step| step.id).chain([OVERVIEW])
}

/// The step behind `id`, and the one before.
pub(crate) fn neighbours(id: &str) -> (Option<&'static str>, Option<&'static str>) {
    let all: Vec<&str> = names().collect();
    let at = all.iter().position(|name| *name == id);
    let before = at.and_then(|at| all.get(at.checked_sub(1)?).copied());
    (before, at.and_then(|at| all.get(at + 1).copied()))
}

/// What a field holds: typed here, or else as the configuration file has it.
pub(crate) fn value_of(
    field: &Field,
    kept: Option<&Kept>,
    configured: &[(&'static str, String)],
) -> String {
    let typed = kept.and_then(|kept| kept.values.get(field.id));
    let of_file = || {
        let key = field.key?;
        configured
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.clone())
    };
    typed.cloned().or_else(of_file).unwrap_or_default()
}

/// Required fields that are empty.
pub(crate) fn missing(
    step: &Step,
    kept: Option<&Kept>,
    configured: &[(&'static str, String)],
) -> Vec<&'static Field> {
    let fields = step.fields.iter();
    fields
        .filter(|field| field.required && value_of(field, kept, configured).is_empty())
        .collect()
}

/// What was typed as settings over the configuration file.
pub(crate) fn settings(
    portal: &Portal,
    steps: &BTreeMap<String, Kept>,
) -> Vec<(&'static str, Setting)> {
    let mut settings = Vec::new();
    for step in STEPS {
        let Some(kept) = steps.get(step.id) else {
            continue;
        };
        for field in step.fields {
            let (Some(key), Some(value)) = (field.key, kept.values.get(field.id)) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let setting = match field.kind {
                Kind::Secret | Kind::Pem => {
                    Setting::Text(portal.secret_path(field.id).display().to_string())
                }
                Kind::Flag => Setting::Flag(value == "yes"),
                Kind::Number(..) => Setting::Number(value.parse().unwrap_or_default()),
                Kind::Devices => Setting::List(items(value).map(str::to_owned).collect()),
                Kind::SipPeers | Kind::Patterns => {
                    Setting::List(items(value).map(str::to_owned).collect())
                }
                Kind::Destinations => Setting::Tables(
                    destinations(value)
                        .map(|(code, to)| vec![("code", code.to_owned()), ("to", to.to_owned())])
                        .collect(),
                ),
                Kind::Text { .. }
                | Kind::Pattern
                | Kind::SipPeer
                | Kind::Lines { .. }
                | Kind::Name
                | Kind::HostPort { .. }
                | Kind::Url
                | Kind::Date
                | Kind::Choice(_) => Setting::Text(value.clone()),
            };
            settings.push((key, setting));
        }
    }
    settings
}

/// Whether it is known where softphones register.
pub(crate) fn has_registrar(portal: &Portal) -> bool {
    let configured = portal.view.configured(&["sip.softclients.registrar"]);
    let typed = portal.read(|pages| {
        let step = pages.steps.get("deployment")?;
        step.values.get(REGISTRAR).cloned()
    });
    typed.map_or(!configured.is_empty(), |typed| !typed.is_empty())
}

/// What the users add to that: each of them is followed, and those with a password register where the
/// registrar is known.
pub(crate) fn settings_of_users(
    portal: &Portal,
    steps: &BTreeMap<String, Kept>,
    settings: &mut Vec<(&'static str, Setting)>,
) {
    let users = portal.users();
    let is_ours = users.len() > 0 || portal.softclients_path().exists();
    if !is_ours {
        return;
    }
    let configured = portal.view.configured(&keys());
    let value = |id: &str| {
        let of = |step: &'static Step| Some((step.field(id)?, steps.get(step.id)));
        let found = STEPS.iter().find_map(of);
        found.map(|(field, kept)| value_of(field, kept, &configured))
    };
    let devices = value("devices").unwrap_or_default();
    let mut devices: Vec<String> = items(&devices).map(str::to_owned).collect();
    let typed = devices.len();
    for extension in users.extensions() {
        if !devices[..typed]
            .iter()
            .any(|range| value::covers(range, extension))
        {
            devices.push(extension.to_owned());
        }
    }
    settings.retain(|(key, _)| *key != "pbx.devices");
    settings.push(("pbx.devices", Setting::List(devices)));
    if value(REGISTRAR).is_some_and(|registrar| !registrar.is_empty()) {
        let path = portal.softclients_path().display().to_string();
        settings.push(("sip.softclients.file", Setting::Text(path)));
    }
}

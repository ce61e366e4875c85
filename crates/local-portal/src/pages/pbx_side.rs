//! What is to be done at the PBX: by Provisioning Manager's API, or by hand with the values to copy.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

use super::certificate::{host, port, with_brackets};
use super::{Answer, Frame, Posted, go, show};
use crate::book::{Provisioning, Step as Kept};
use crate::portal::{Portal, Who};
use crate::provisioning::{self, REGION, Trouble, Values, is_new_enough};
use crate::routes::SignedIn;
use crate::wizard::Kind;

type Ours = State<Arc<Portal>>;
type Me = Extension<SignedIn>;

/// Name of the secret: Provisioning Manager's password.
pub(crate) const PASSWORD: &str = "pm-password";

/// What is shown of one try.
#[derive(Default)]
struct Said {
    /// Field and what is wrong with it.
    error: Option<(&'static str, String)>,
    /// What Provisioning Manager made of it, in a sentence, and its own words.
    trouble: Option<(String, String)>,
    /// What was typed, while it is not kept.
    typed: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "pbx_side.html")]
struct PbxSidePage {
    frame: Frame,
    manager: Provisioning,
    has_password: bool,
    values: Values,
    said: Said,
    region: String,
    portal_url: String,
}

impl PbxSidePage {
    fn error(&self, field: &str) -> &str {
        let error = self.said.error.as_ref();
        let error = error.filter(|(wrong, _)| *wrong == field);
        error.map_or("", |(_, text)| text)
    }

    fn is_wrong(&self, field: &str) -> bool {
        !self.error(field).is_empty()
    }

    fn missing(&self) -> Vec<String> {
        let missing = self.values.missing().into_iter();
        missing
            .map(|id| self.frame.t.get(&format!("field-{id}")))
            .collect()
    }

    /// Whether its certificate is another one by now, or not accepted yet.
    fn has_to_accept(&self) -> bool {
        let manager = &self.manager;
        !manager.seen.is_empty() && manager.seen != manager.trusted
    }

    /// What Provisioning Manager's form for a trunk asks, in its words.
    fn trunk(&self) -> Vec<(&'static str, String)> {
        let values = &self.values;
        let hidden = self.frame.t.get("pbx-side-as-typed");
        let mut rows = vec![
            ("IP/FQDN Address", values.host.clone()),
            ("SIP Port Number", values.port.to_string()),
            ("Transport Protocol", values.transport.to_owned()),
            ("Description", values.description.clone()),
            ("PBX User name", self.or_missing(&values.pbx_user)),
            ("PBX User Password", hidden.clone()),
            ("CloudLink Gateway User name", values.gateway_user.clone()),
            ("CloudLink Gateway User Password", hidden),
        ];
        // Its field in the API; the guide shows no form with it.
        if !values.call_through.is_empty() {
            rows.push(("gsmCallthroughDeployNumber", values.call_through.clone()));
        }
        rows
    }

    /// What Service Node Manager's form for a route asks.
    fn route(&self) -> Vec<(&'static str, String)> {
        let values = &self.values;
        let domain = values.domain.clone().unwrap_or_default();
        vec![
            ("Type of Signaling", "SIP".to_owned()),
            ("Profile Name", "CloudLink-Gateway".to_owned()),
            ("Trunk Index", format!("1-{}", values.channels)),
            ("Authentication Username", values.gateway_user.clone()),
            ("Match Remote Domain", self.or_missing(&domain)),
            ("Remote Host IP", values.host.clone()),
        ]
    }

    fn or_missing(&self, value: &str) -> String {
        if value.is_empty() {
            return self.frame.t.get("pbx-side-not-typed");
        }
        value.to_owned()
    }
}

fn draw(portal: &Portal, frame: Frame, headers: &HeaderMap, said: Said) -> Answer {
    let mut manager = portal.read(|pages| pages.provisioning.clone());
    let reached = host(headers);
    let is_wrong = said.error.is_some() || said.trouble.is_some();
    let status = if is_wrong {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    if let Some((address, user)) = &said.typed {
        manager.address.clone_from(address);
        manager.user.clone_from(user);
    }
    let region = if manager.region.is_empty() {
        REGION.to_owned()
    } else {
        manager.region.clone()
    };
    let values = Values::of(portal, &reached);
    let page = PbxSidePage {
        frame,
        has_password: portal.secret_path(PASSWORD).exists(),
        portal_url: format!("https://{}:{}", with_brackets(&values.host), port(headers)),
        values,
        manager,
        said,
        region,
    };
    show(status, &page)
}

pub(crate) async fn page(State(portal): Ours, headers: HeaderMap, frame: Frame) -> Answer {
    draw(&portal, frame, &headers, Said::default())
}

/// Where Provisioning Manager is, and with which user; its certificate is looked at, and nothing is
/// sent before somebody has accepted it.
pub(crate) async fn manager(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
    frame: Frame,
    form: Posted,
) -> Answer {
    let typed = [form.get("pm-address"), form.get("pm-user")].map(|text| text.trim().to_owned());
    let password = form.get("pm-password").to_owned();
    let port = provisioning::PORT;
    let address = Kind::HostPort { port }.check(&typed[0]);
    let user = Kind::Text { len_max: 64 }.check(&typed[1]);
    let fields = [
        ("pm-address", &address),
        ("pm-user", &user),
        ("pm-password", &Kind::Secret.check(&password)),
    ];
    let wrong = fields.iter().find_map(|(field, checked)| match checked {
        Ok(value) if value.is_empty() && *field != "pm-password" => {
            Some((*field, frame.t.get("error-required")))
        }
        Ok(_) => None,
        Err(problem) => Some((*field, frame.t.with(problem.id, &problem.limits))),
    });
    let (Ok(address), Ok(user), None) = (address, user, &wrong) else {
        let [address, user] = typed;
        let said = Said {
            error: wrong,
            typed: Some((address, user)),
            ..Said::default()
        };
        return draw(&portal, frame, &headers, said);
    };
    keep_manager(&portal, &who, &address, user, password).await?;
    match web::client::look(&address).await {
        Ok(facts) => {
            let seen = facts.fingerprint;
            let kept = portal.change(move |pages| {
                pages.provisioning.seen = seen;
                anyhow::Ok(())
            });
            kept.await?;
            Ok(go("/pbx-side"))
        }
        Err(error) => troubled(&portal, frame, &headers, error.into()),
    }
}

/// Keeps address, user and, where one was typed, password. A password is for one address alone: it is
/// not sent to another.
async fn keep_manager(
    portal: &Arc<Portal>,
    who: &Who,
    address: &str,
    user: String,
    password: String,
) -> anyhow::Result<()> {
    let before = portal.read(|pages| pages.provisioning.clone());
    let moved = before.address != address;
    if !password.is_empty() || moved {
        portal.keep_secret(PASSWORD, password).await?;
    }
    let (at, name) = (address.to_owned(), user.clone());
    let kept = portal.change(move |pages| {
        let region = std::mem::take(&mut pages.provisioning.region);
        if moved {
            pages.provisioning = Provisioning::default();
        }
        let manager = &mut pages.provisioning;
        (manager.address, manager.user, manager.region) = (at, name, region);
        anyhow::Ok(())
    });
    kept.await?;
    *portal.pm_checked.lock().await = None;
    let words = |address: &str, user: &str| format!("{user} at {address}");
    let before = words(&before.address, &before.user);
    let after = words(address, &user);
    portal
        .note(who, "set provisioning manager", &before, &after)
        .await
}

/// Its certificate is the right one: an administrator has compared it.
pub(crate) async fn trust(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
    frame: Frame,
    form: Posted,
) -> Answer {
    let accepted = form.get("fingerprint").to_owned();
    let known = portal
        .change(move |pages| {
            let manager = &mut pages.provisioning;
            let fits = !accepted.is_empty() && manager.seen == accepted;
            let before = manager.trusted.clone();
            if fits {
                manager.trusted = accepted;
            }
            anyhow::Ok(fits.then(|| (before, manager.trusted.clone())))
        })
        .await?;
    let Some((before, after)) = known else {
        let said = Said {
            error: Some(("pm-address", frame.t.get("pm-look-again"))),
            ..Said::default()
        };
        return draw(&portal, frame, &headers, said);
    };
    portal
        .note(
            &who,
            "accept certificate of provisioning manager",
            &before,
            &after,
        )
        .await?;
    *portal.pm_checked.lock().await = None;
    match signed_in(&portal).await? {
        Ok(_) => Ok(go("/pbx-side")),
        Err(trouble) => troubled(&portal, frame, &headers, trouble),
    }
}

/// Signs in, and keeps what it says of its version.
async fn signed_in(
    portal: &Arc<Portal>,
) -> anyhow::Result<Result<(Provisioning, String), Trouble>> {
    let manager = portal.read(|pages| pages.provisioning.clone());
    let password = portal.secret(PASSWORD).await?;
    let (at, trusted) = (&manager.address, &manager.trusted);
    let signed_in = match provisioning::sign_in(at, trusted, &manager.user, &password).await {
        Ok(signed_in) => signed_in,
        Err(trouble) => return Ok(Err(trouble)),
    };
    let version = signed_in.version.clone();
    if is_new_enough(&version) == Some(false) {
        return Ok(Err(Trouble::Old(version)));
    }
    let kept = portal.change(move |pages| {
        pages.provisioning.version = version;
        anyhow::Ok(())
    });
    kept.await?;
    Ok(Ok((manager, signed_in.token)))
}

/// Has Provisioning Manager make the gateway's trunk.
pub(crate) async fn trunk(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
    frame: Frame,
) -> Answer {
    let values = Values::of(&portal, &host(&headers));
    let manager = portal.read(|pages| pages.provisioning.clone());
    if manager.trusted.is_empty() {
        let said = Said {
            error: Some(("pm-address", frame.t.get("pm-look-again"))),
            ..Said::default()
        };
        return draw(&portal, frame, &headers, said);
    }
    if !values.missing().is_empty() {
        let said = Said {
            trouble: Some((frame.t.get("pbx-side-missing"), String::new())),
            ..Said::default()
        };
        return draw(&portal, frame, &headers, said);
    }
    let (manager, token) = match signed_in(&portal).await? {
        Ok(signed_in) => signed_in,
        Err(trouble) => return troubled(&portal, frame, &headers, trouble),
    };
    let trunk = values.trunk(
        portal.secret("trunk-pbx-password").await?,
        portal.secret("trunk-gateway-password").await?,
    );
    let (at, trusted) = (&manager.address, &manager.trusted);
    if let Err(trouble) = provisioning::create(at, trusted, &token, &trunk).await {
        return troubled(&portal, frame, &headers, trouble);
    }
    let stamp = (portal.now(), who.name.clone());
    let kept = portal.change(move |pages| {
        pages.provisioning.created = Some(stamp);
        anyhow::Ok(())
    });
    kept.await?;
    let made = format!("{}:{} {}", values.host, values.port, values.transport);
    portal
        .note(&who, "make trunk at provisioning manager", "", &made)
        .await?;
    Ok(go("/pbx-side"))
}

/// What follows the account in the remote domain. The gateway's own domain is set along where nobody
/// has typed one.
pub(crate) async fn domain(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    headers: HeaderMap,
    frame: Frame,
    form: Posted,
) -> Answer {
    let checked = Kind::Name.check(form.get("region"));
    let region = match checked {
        Ok(region) => region,
        Err(problem) => {
            let said = Said {
                error: Some(("region", frame.t.with(problem.id, &problem.limits))),
                ..Said::default()
            };
            return draw(&portal, frame, &headers, said);
        }
    };
    let before = portal.read(|pages| pages.provisioning.region.clone());
    let (after, by) = (region.clone(), who.name.clone());
    let kept = portal.change(move |pages| {
        pages.provisioning.region = region;
        anyhow::Ok(())
    });
    kept.await?;
    portal.note(&who, "set region", &before, &after).await?;
    let built = Values::of(&portal, &host(&headers)).domain;
    let Some(built) = built.filter(|built| Kind::Name.check(built).is_ok()) else {
        return Ok(go("/pbx-side"));
    };
    let value = built.clone();
    let set = portal
        .change(move |pages| {
            let step: &mut Kept = pages.steps.entry("advanced".to_owned()).or_default();
            let typed = step.values.entry("sip-domain".to_owned()).or_default();
            if !typed.is_empty() {
                return anyhow::Ok(false);
            }
            *typed = value;
            (step.version, step.by) = (step.version + 1, by);
            Ok(true)
        })
        .await?;
    if set {
        portal
            .note(&who, "set advanced.sip-domain", "", &built)
            .await?;
    }
    Ok(go("/pbx-side"))
}

fn troubled(portal: &Portal, frame: Frame, headers: &HeaderMap, trouble: Trouble) -> Answer {
    let t = frame.t;
    let told = |id: &str, said: String| (t.get(id), said);
    let trouble = match trouble {
        Trouble::Silent(why) => told("pm-silent", why),
        Trouble::Strange(why) => told("pm-strange", why),
        Trouble::OtherCertificate(shown) => told("pm-other-certificate", shown),
        Trouble::SignIn(said) => told("pm-sign-in", said),
        Trouble::Old(version) => told("pm-old", version),
        Trouble::NoTrunks => told("pm-no-trunks", String::new()),
        Trouble::NotAllowed(said) => told("pm-not-allowed", said),
        Trouble::Refused { said, field: None } => told("pm-refused", said),
        Trouble::Refused {
            said,
            field: Some((name, ours)),
        } => {
            let label = t.get(&format!("field-{ours}"));
            let values = [("field", name.to_owned()), ("ours", label)];
            (t.with("pm-refused-field", &values), said)
        }
    };
    let said = Said {
        trouble: Some(trouble),
        ..Said::default()
    };
    draw(portal, frame, headers, said)
}

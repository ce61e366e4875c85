//! The set-up: a page for each step, saved field by field; the checks; the overview; taking it on.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use web::{ApiError, Query};

use super::deployment::{Asked, List, SyncShown};
use super::{Answer, Frame, Posted, go, show};
use crate::book::Step as Kept;
use crate::portal::{Portal, Who};
use crate::routes::SignedIn;
use crate::view::{Applied, Check};
use crate::wizard::{self, Field, Kind, OVERVIEW, Problem, Step};

type Ours = State<Arc<Portal>>;
type Me = Extension<SignedIn>;

/// A step in the list at the side.
struct Entry {
    id: &'static str,
    complete: bool,
}

/// A field as it is shown.
struct Shown {
    field: &'static Field,
    value: String,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct StepPage {
    frame: Frame,
    step: &'static Step,
    entries: Vec<Entry>,
    fields: Vec<Shown>,
    version: u64,
    conflict: Option<String>,
    before: Option<&'static str>,
    deployment: Option<List>,
    sync: Option<SyncShown>,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    entries: Vec<Entry>,
    steps: Vec<(&'static str, Vec<Shown>)>,
    missing: usize,
    problem: Option<String>,
    applied: Option<(String, String)>,
    waiting: Vec<&'static str>,
}

#[derive(Template)]
#[template(path = "checks.html")]
struct Checks<'a> {
    frame: &'a Frame,
    checks: &'a [Check],
}

impl Checks<'_> {
    fn act(&self, id: &str) -> String {
        self.frame.t.get(&format!("{id}.act"))
    }
}

impl Shown {
    /// Words for the value on the overview.
    fn words(&self, frame: &Frame) -> String {
        match self.field.kind {
            _ if self.value.is_empty() => "–".to_owned(),
            kind if kind.is_hidden() => frame.t.get("is-set"),
            Kind::Flag => frame.t.get(if self.value == "yes" { "yes" } else { "no" }),
            Kind::Choice(_) => frame.t.get(&format!("choice-{}", self.value)),
            _ => self.value.clone(),
        }
    }

    fn label(&self, frame: &Frame) -> String {
        frame.t.get(&format!("field-{}", self.field.id))
    }

    fn hint(&self, frame: &Frame) -> Option<String> {
        frame.t.find(&format!("field-{}.hint", self.field.id), &[])
    }

    /// How the template draws it.
    fn control(&self) -> &'static str {
        match self.field.kind {
            Kind::Choice(_) => "choice",
            Kind::Flag => "flag",
            Kind::Secret => "secret",
            Kind::Pem
            | Kind::Devices
            | Kind::Patterns
            | Kind::Destinations
            | Kind::Lines { .. } => "lines",
            Kind::Date => "date",
            Kind::Number(..) => "number",
            Kind::Text { .. }
            | Kind::Name
            | Kind::HostPort { .. }
            | Kind::SipPeer
            | Kind::SipPeers
            | Kind::Pattern
            | Kind::Url => "text",
        }
    }

    fn choices(&self) -> &'static [&'static str] {
        match self.field.kind {
            Kind::Choice(words) => words,
            _ => &[],
        }
    }

    fn is_chosen(&self, word: &str) -> bool {
        self.value == word
    }

    fn is_set(&self) -> bool {
        self.field.kind.is_hidden() && !self.value.is_empty()
    }

    /// Secrets stay where they are.
    fn shown_value(&self) -> &str {
        if self.field.kind.is_hidden() {
            ""
        } else {
            &self.value
        }
    }
}

/// Goes to the first step that lacks something, which after a restart is where one was.
pub(crate) async fn first(State(portal): Ours) -> Response {
    let entries = entries(&portal);
    let open = entries.iter().find(|entry| !entry.complete);
    go(&format!(
        "/setup/{}",
        open.map_or(OVERVIEW, |entry| entry.id)
    ))
}

fn entries(portal: &Portal) -> Vec<Entry> {
    let configured = portal.view.configured(&wizard::keys());
    let mut entries: Vec<Entry> = portal.read(|pages| {
        let steps = wizard::STEPS.iter();
        steps
            .map(|step| Entry {
                id: step.id,
                complete: wizard::missing(step, pages.steps.get(step.id), &configured).is_empty(),
            })
            .collect()
    });
    let complete = portal.read(|pages| pages.applied.is_some());
    entries.push(Entry {
        id: OVERVIEW,
        complete,
    });
    entries
}

fn fields(portal: &Portal, step: &'static Step) -> (Vec<Shown>, u64) {
    let configured = portal.view.configured(&wizard::keys());
    portal.read(|pages| {
        let kept = pages.steps.get(step.id);
        let shown = step.fields.iter().map(|field| Shown {
            field,
            value: wizard::value_of(field, kept, &configured),
            error: None,
        });
        (shown.collect(), kept.map_or(0, |kept| kept.version))
    })
}

pub(crate) async fn page(
    State(portal): Ours,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    frame: Frame,
) -> Answer {
    if id == OVERVIEW {
        return overview(&portal, frame, None, Vec::new());
    }
    let Some(step) = Step::of(&id) else {
        return Ok(ApiError::no_such_path().into_response());
    };
    let (fields, version) = fields(&portal, step);
    let list = (id == "deployment").then(|| List::of(&portal, &frame, &asked));
    step_page(&portal, frame, step, fields, (version, None), list)
}

/// A step as it is shown: `conflict` is beside its version where somebody else has changed it.
fn step_page(
    portal: &Portal,
    frame: Frame,
    step: &'static Step,
    fields: Vec<Shown>,
    (version, conflict): (u64, Option<String>),
    deployment: Option<List>,
) -> Answer {
    let status = match () {
        () if conflict.is_some() => StatusCode::CONFLICT,
        () if fields.iter().any(|field| field.error.is_some()) => StatusCode::UNPROCESSABLE_ENTITY,
        () => StatusCode::OK,
    };
    let (before, _) = wizard::neighbours(step.id);
    let entries = entries(portal);
    let of_step = step.id == "deployment";
    let list = || of_step.then(|| List::of(portal, &frame, &Asked::default()));
    let deployment = deployment.or_else(list);
    let sync = (step.id == "connect").then(|| SyncShown::of(portal));
    show(
        status,
        &StepPage {
            frame,
            step,
            entries,
            fields,
            version,
            conflict,
            before,
            deployment,
            sync,
        },
    )
}

/// The whole page at once, as browsers without scripts send it.
pub(crate) async fn save(
    State(portal): Ours,
    Path(id): Path<String>,
    Extension(SignedIn { who, .. }): Me,
    frame: Frame,
    form: Posted,
) -> Answer {
    let Some(step) = Step::of(&id) else {
        return Ok(ApiError::no_such_path().into_response());
    };
    let Ok(version) = form.get("version").parse() else {
        return Ok(ApiError::bad_request("the form lacks its version").into_response());
    };
    let (mut shown, _) = fields(&portal, step);
    let mut changes = Vec::new();
    for shown in &mut shown {
        let field = shown.field;
        let typed = form.find(field.id).unwrap_or_default();
        match field.kind.check(typed) {
            // A hidden value that is left empty stays as it is.
            Ok(value) if value.is_empty() && field.kind.is_hidden() => {}
            Ok(value) if value.is_empty() && field.required => {
                typed.clone_into(&mut shown.value);
                shown.error = Some(frame.t.get("error-required"));
            }
            Ok(value) => {
                if value != shown.value {
                    changes.push((field, value.clone()));
                }
                if !field.kind.is_hidden() {
                    shown.value = value;
                }
            }
            Err(problem) => {
                shown.error = Some(words(&frame, &problem));
                if !field.kind.is_hidden() {
                    typed.clone_into(&mut shown.value);
                }
            }
        }
    }
    let version = match change(&portal, step, version, changes, &who).await? {
        Ok(version) => version,
        Err(Conflict { by, version }) => {
            let text = frame.t.with("conflict", &[("who", by)]);
            return step_page(&portal, frame, step, shown, (version, Some(text)), None);
        }
    };
    if shown.iter().any(|shown| shown.error.is_some()) {
        return step_page(&portal, frame, step, shown, (version, None), None);
    }
    let (_, next) = wizard::neighbours(step.id);
    Ok(go(&format!("/setup/{}", next.unwrap_or(OVERVIEW))))
}

fn words(frame: &Frame, problem: &Problem) -> String {
    frame.t.with(problem.id, &problem.limits)
}

/// One field, as it is left.
pub(crate) async fn save_field(
    State(portal): Ours,
    Path(id): Path<String>,
    Extension(SignedIn { who, .. }): Me,
    frame: Frame,
    form: Posted,
) -> Answer {
    let step = Step::of(&id);
    let found = step.and_then(|step| Some((step, step.field(form.get("name"))?)));
    let Some((step, field)) = found else {
        return Ok(ApiError::no_such_path().into_response());
    };
    let Ok(version) = form.get("version").parse() else {
        return Ok(ApiError::bad_request("the form lacks its version").into_response());
    };
    let checked = field.kind.check(form.get("value")).and_then(|value| {
        let lacks = value.is_empty() && field.required;
        if lacks {
            Err(Problem::new("error-required"))
        } else {
            Ok(value)
        }
    });
    let value = match checked {
        Ok(value) => value,
        Err(problem) => {
            let error = ApiError::invalid(field.id, words(&frame, &problem));
            return Ok(error.into_response());
        }
    };
    let hidden = field.kind.is_hidden();
    let shown = if hidden { String::new() } else { value.clone() };
    Ok(
        match change(&portal, step, version, vec![(field, value)], &who).await? {
            Ok(version) => axum::Json(json!({"version": version, "value": shown})).into_response(),
            Err(Conflict { by, .. }) => {
                let text = frame.t.with("conflict", &[("who", by)]);
                ApiError::new(StatusCode::CONFLICT, "changedByOther", text).into_response()
            }
        },
    )
}

/// Somebody else has changed the step since the page was shown.
pub(crate) struct Conflict {
    by: String,
    version: u64,
}

/// Takes on changes of a step that is still as its editor saw it, and notes each.
pub(crate) async fn change(
    portal: &Arc<Portal>,
    step: &'static Step,
    version: u64,
    mut changes: Vec<(&'static Field, String)>,
    who: &Who,
) -> anyhow::Result<Result<u64, Conflict>> {
    let now = portal.read(|pages| pages.steps.get(step.id).cloned().unwrap_or_default());
    if now.version != version {
        let Kept { by, version, .. } = now;
        return Ok(Err(Conflict { by, version }));
    }
    for (field, value) in &mut changes {
        if field.kind.is_hidden() && !value.is_empty() {
            portal
                .keep_secret(field.id, std::mem::replace(value, "set".to_owned()))
                .await?;
        }
    }
    let by = who.name.clone();
    let made = portal
        .change(move |pages| {
            let kept = pages.steps.entry(step.id.to_owned()).or_default();
            if kept.version != version {
                let Kept { by, version, .. } = kept.clone();
                return Ok(Err(Conflict { by, version }));
            }
            let mut notes = Vec::new();
            for (field, value) in changes {
                let before = kept.values.insert(field.id.to_owned(), value.clone());
                let before = before.unwrap_or_default();
                if before != value || field.kind.is_hidden() {
                    notes.push((field.id, before, value));
                }
            }
            if !notes.is_empty() {
                (kept.version, kept.by) = (version + 1, by);
            }
            anyhow::Ok(Ok((kept.version, notes)))
        })
        .await?;
    let (version, notes) = match made {
        Ok(made) => made,
        Err(conflict) => return Ok(Err(conflict)),
    };
    for (field, before, after) in notes {
        portal
            .note(who, &format!("set {}.{field}", step.id), &before, &after)
            .await?;
    }
    Ok(Ok(version))
}

pub(crate) async fn checks(State(portal): Ours, frame: Frame) -> Answer {
    let checks = portal.checks().await;
    show(
        StatusCode::OK,
        &Checks {
            frame: &frame,
            checks: &checks,
        },
    )
}

fn overview(
    portal: &Portal,
    frame: Frame,
    problem: Option<String>,
    waiting: Vec<&'static str>,
) -> Answer {
    let steps: Vec<_> = wizard::STEPS
        .iter()
        .map(|step| (step.id, fields(portal, step).0))
        .collect();
    let all = steps.iter().flat_map(|(_, fields)| fields);
    let missing = all
        .filter(|shown| shown.field.required && shown.value.is_empty())
        .count();
    let entries = entries(portal);
    let applied = portal.read(|pages| pages.applied.clone());
    let status = problem
        .as_ref()
        .map_or(StatusCode::OK, |_| StatusCode::UNPROCESSABLE_ENTITY);
    let page = OverviewPage {
        frame,
        entries,
        steps,
        missing,
        problem,
        applied,
        waiting,
    };
    show(status, &page)
}

/// Takes on what was typed: the gateway judges it as a whole.
pub(crate) async fn apply(
    State(portal): Ours,
    Extension(SignedIn { who, .. }): Me,
    mut frame: Frame,
) -> Answer {
    "/setup/overview".clone_into(&mut frame.path);
    match apply_all(&portal, &who).await? {
        Ok(applied) => overview(&portal, frame, None, applied.waiting),
        Err(problem) => overview(&portal, frame, Some(problem), Vec::new()),
    }
}

/// The same for whoever asks; inside, the gateway's sentence against it.
pub(crate) async fn apply_all(
    portal: &Arc<Portal>,
    who: &Who,
) -> anyhow::Result<Result<Applied, String>> {
    let steps = portal.read(|pages| pages.steps.clone());
    let mut settings = wizard::settings(portal, &steps);
    wizard::settings_of_users(portal, &steps, &mut settings);
    let asked = Arc::clone(portal);
    let made = tokio::task::spawn_blocking(move || asked.apply(&settings)).await??;
    if let Ok(applied) = &made {
        let stamp = (portal.now(), who.name.clone());
        let kept = portal.change(move |pages| {
            pages.applied = Some(stamp);
            anyhow::Ok(())
        });
        kept.await?;
        portal
            .note(who, "apply settings", "", &applied.waiting.join(" "))
            .await?;
    }
    Ok(made)
}

//! Every route with who may use it, in one table; and the door in front of each.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use web::{ApiError, HostNames};

use crate::book::Role;
use crate::pages::{
    accounts, certificate, deployment, diagnosis, entry, home, import, network, pbx_side, people,
    setup, tokens, trail,
};
use crate::portal::{Portal, Who};
use crate::{api, assets, health};

/// Name of the session's cookie: bound to this host, by TLS alone, for every path.
pub(crate) const SESSION_COOKIE: &str = "__Host-ringway";

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anyone.
    Anyone,
    /// Anyone, until the box is claimed.
    Unclaimed,
    /// Anyone, once the box is claimed.
    Claimed,
    /// Who is signed in with at least that role.
    Only(Role),
    /// A program with a token of at least that role.
    Client(Role),
}

/// One route.
pub(crate) struct Route {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the tests try every route by its method")
    )]
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) handler: MethodRouter<Arc<Portal>>,
}

/// Every route of the portal.
pub(crate) fn table() -> Vec<Route> {
    [
        doors(),
        watching(),
        people_and_accounts(),
        setting_up(),
        api::routes(),
        trust_and_pbx_side(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn look(path: &'static str, access: Access, handler: MethodRouter<Arc<Portal>>) -> Route {
    Route {
        method: Method::GET,
        path,
        access,
        handler,
    }
}

fn act(path: &'static str, access: Access, handler: MethodRouter<Arc<Portal>>) -> Route {
    Route {
        method: Method::POST,
        path,
        access,
        handler,
    }
}

/// What is there without a session, and the way in and out.
fn doors() -> Vec<Route> {
    use Access::{Anyone, Claimed, Only, Unclaimed};
    use Role::Viewer;
    vec![
        look("/livez", Anyone, get(health::livez)),
        look("/readyz", Anyone, get(health::readyz)),
        look("/healthz", Anyone, get(health::healthz)),
        look("/metrics", Anyone, get(health::metrics)),
        look("/assets/{name}", Anyone, get(assets::get)),
        act("/appearance", Anyone, post(entry::appearance)),
        look("/claim", Unclaimed, get(entry::claim_page)),
        act("/claim", Unclaimed, post(entry::claim)),
        look("/sign-in", Claimed, get(entry::sign_in_page)),
        act("/sign-in", Claimed, post(entry::sign_in)),
        act("/sign-out", Only(Viewer), post(entry::sign_out)),
    ]
}

/// What one looks at.
fn watching() -> Vec<Route> {
    use Access::Only;
    use Role::{Operator, Viewer};
    vec![
        look("/", Only(Viewer), get(home::page)),
        look("/live", Only(Viewer), get(home::live)),
        look("/events", Only(Operator), get(diagnosis::events)),
        look("/log", Only(Operator), get(diagnosis::log)),
        look("/charts", Only(Operator), get(diagnosis::charts)),
        look("/downloads", Only(Operator), get(diagnosis::downloads)),
        look(
            "/downloads/ringway-support.zip",
            Only(Operator),
            get(diagnosis::support),
        ),
        look(
            "/downloads/ringway-csta.jsonl",
            Only(Operator),
            get(diagnosis::csta),
        ),
        look(
            "/downloads/ringway-media.pcap",
            Only(Operator),
            get(diagnosis::media),
        ),
        look(
            "/downloads/ringway-log.txt",
            Only(Operator),
            get(diagnosis::log_file),
        ),
    ]
}

/// Users, accounts, and what they did.
fn people_and_accounts() -> Vec<Route> {
    use Access::Only;
    use Role::{Administrator, Operator, Viewer};
    vec![
        look("/account", Only(Viewer), get(accounts::own_page)),
        act("/account", Only(Viewer), post(accounts::change_own)),
        look("/accounts", Only(Administrator), get(accounts::page)),
        act("/accounts/add", Only(Administrator), post(accounts::add)),
        act(
            "/accounts/remove",
            Only(Administrator),
            post(accounts::remove),
        ),
        look("/tokens", Only(Administrator), get(tokens::page)),
        act("/tokens/add", Only(Administrator), post(tokens::add)),
        act("/tokens/remove", Only(Administrator), post(tokens::remove)),
        look("/users", Only(Operator), get(people::page)),
        look("/users/import", Only(Administrator), get(import::page)),
        act("/users/import", Only(Administrator), import::route()),
        look("/users/new", Only(Administrator), get(people::new_page)),
        act("/users/new", Only(Administrator), post(people::add)),
        look(
            "/users/{extension}",
            Only(Administrator),
            get(people::edit_page),
        ),
        act(
            "/users/{extension}",
            Only(Administrator),
            post(people::change),
        ),
        act(
            "/users/{extension}/remove",
            Only(Administrator),
            post(people::remove),
        ),
        look("/audit", Only(Administrator), get(trail::page)),
        look("/audit.jsonl", Only(Administrator), get(trail::export)),
    ]
}

/// The set-up.
fn setting_up() -> Vec<Route> {
    use Access::Only;
    use Role::{Administrator, Operator};
    vec![
        look("/checks", Only(Operator), get(setup::checks)),
        look("/setup", Only(Administrator), get(setup::first)),
        look("/setup/{step}", Only(Administrator), get(setup::page)),
        act("/setup/{step}", Only(Administrator), post(setup::save)),
        act(
            "/setup/{step}/field",
            Only(Administrator),
            post(setup::save_field),
        ),
        act("/apply", Only(Administrator), post(setup::apply)),
        act("/sync", Only(Administrator), post(deployment::synchronise)),
        act(
            "/deployment/forget",
            Only(Administrator),
            post(deployment::forget),
        ),
        look("/network", Only(Administrator), get(network::page)),
        act("/network", Only(Administrator), post(network::try_it)),
        act("/network/keep", Only(Administrator), post(network::keep)),
        act(
            "/network/return",
            Only(Administrator),
            post(network::give_back),
        ),
    ]
}

/// The box's certificate, and what is to be done at the PBX.
fn trust_and_pbx_side() -> Vec<Route> {
    let only = Access::Only(Role::Administrator);
    vec![
        look("/certificate", only, get(certificate::page)),
        act("/certificate", only, post(certificate::put)),
        act("/certificate/forget", only, post(certificate::forget)),
        act("/certificate/renew", only, post(certificate::renew)),
        look("/certificate/ringway.crt", only, get(certificate::chain)),
        look("/certificate/ringway.csr", only, get(certificate::request)),
        look("/pbx-side", only, get(pbx_side::page)),
        act("/pbx-side/manager", only, post(pbx_side::manager)),
        act("/pbx-side/trust", only, post(pbx_side::trust)),
        act("/pbx-side/trunk", only, post(pbx_side::trunk)),
        act("/pbx-side/domain", only, post(pbx_side::domain)),
    ]
}

/// The portal's routes, each behind its door, with the headers that every answer carries. `hosts` are
/// the names that it answers to beside plain addresses.
pub fn router(portal: &Arc<Portal>, hosts: HostNames) -> Router {
    let mut routes = Router::new();
    for route in table() {
        let door = from_fn_with_state((Arc::clone(portal), route.access), door);
        routes = routes.route(route.path, route.handler.route_layer(door));
    }
    web::finish(routes.with_state(Arc::clone(portal)), Some(hosts))
}

/// Who is signed in, for handlers.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) who: Who,
    pub(crate) role: Role,
}

async fn door(
    State((portal, access)): State<(Arc<Portal>, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Access::Client(least) = access {
        return match client(&portal, &request, least) {
            Ok(signed_in) => {
                request.extensions_mut().insert(signed_in);
                next.run(request).await
            }
            Err(refused) => refused.into_response(),
        };
    }
    if !request.method().is_safe() && !is_from_our_page(request.headers()) {
        let message = "this request does not come from a page of this portal";
        return ApiError::new(StatusCode::FORBIDDEN, "wrongOrigin", message).into_response();
    }
    // Pages that refresh themselves keep nobody signed in.
    let active = request.uri().path() != "/live";
    let signed_in =
        cookie(request.headers(), SESSION_COOKIE).and_then(|token| portal.session(token, active));
    let refused = match access {
        Access::Anyone => None,
        Access::Unclaimed => portal.is_claimed().then(|| away(&request, "/")),
        Access::Claimed => (!portal.is_claimed()).then(|| away(&request, "/claim")),
        Access::Only(_) if !portal.is_claimed() => Some(away(&request, "/claim")),
        Access::Only(least) => match &signed_in {
            None => Some(away(&request, "/sign-in")),
            Some((_, role)) if *role < least => {
                let message = "your account may not do this; ask an administrator";
                Some(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message).into_response())
            }
            Some(_) => None,
        },
        // Let in above.
        Access::Client(_) => Some(ApiError::unauthorized().into_response()),
    };
    if let Some(refused) = refused {
        return refused;
    }
    if let Some((name, role)) = signed_in {
        let from = peer(&request);
        let who = Who { name, from };
        request.extensions_mut().insert(SignedIn { who, role });
    }
    next.run(request).await
}

/// The program whose token a request carries. Browsers send none by themselves, so that no page of somebody
/// else can ask here.
fn client(portal: &Portal, request: &Request, least: Role) -> Result<SignedIn, ApiError> {
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.split_once(' '));
    let token = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let found = token.and_then(|(_, token)| portal.client(token.trim()));
    let (name, role) = found.ok_or_else(ApiError::unauthorized)?;
    if role < least {
        let message = format!("this needs a token of the role {}", least.id());
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", message));
    }
    let who = Who {
        name: format!("token {name}"),
        from: peer(request),
    };
    Ok(SignedIn { who, role })
}

/// Where a request came from, for the audit log.
pub(crate) fn peer(request: &Request) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or_else(String::new, |ConnectInfo(at)| {
        at.ip().to_canonical().to_string()
    })
}

/// People who look are sent to where they can go on; everything else is told.
fn away(request: &Request, to: &'static str) -> Response {
    let looks = request.method() == Method::GET
        && request
            .headers()
            .get(header::ACCEPT)
            .is_some_and(|accepts| accepts.as_bytes().starts_with(b"text/html"));
    if looks {
        return Redirect::to(to).into_response();
    }
    let message = match to {
        "/claim" => "this box is not claimed yet",
        "/sign-in" => "sign in first",
        _ => "this box is claimed",
    };
    let status = if to == "/sign-in" {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::FORBIDDEN
    };
    ApiError::new(status, "notSignedIn", message).into_response()
}

/// Browsers say with each request that changes something which page it comes from. One that says
/// nothing is no browser with a page of ours.
fn is_from_our_page(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::HeaderName::from_static("sec-fetch-site"))
        .is_some_and(|site| site != "same-origin")
    {
        return false;
    }
    let host = text(header::HOST);
    match (text(header::ORIGIN), host) {
        (Some(origin), Some(host)) => origin
            .strip_prefix("https://")
            .is_some_and(|from| from.eq_ignore_ascii_case(host)),
        _ => false,
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter();
    all.filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(key, value)| (key == name).then_some(value))
}

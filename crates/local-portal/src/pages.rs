//! The pages: what all of them have in common.

pub(crate) mod accounts;
pub(crate) mod certificate;
pub(crate) mod deployment;
pub(crate) mod diagnosis;
pub(crate) mod entry;
pub(crate) mod home;
pub(crate) mod import;
pub(crate) mod network;
pub(crate) mod pbx_side;
pub(crate) mod people;
pub(crate) mod setup;
pub(crate) mod tokens;
pub(crate) mod trail;

use std::convert::Infallible;

use askama::Template;
use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use web::ApiError;

use crate::assets;
use crate::book::Role;
use crate::routes::{SignedIn, cookie};
use crate::texts::{Language, Texts};

pub(crate) const LANGUAGE_COOKIE: &str = "__Host-language";
pub(crate) const THEME_COOKIE: &str = "__Host-theme";
/// The looks that one may choose; the first follows the browser.
pub(crate) const THEMES: [&str; 3] = ["auto", "light", "dark"];

/// What every page shows around its own content.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) t: Texts,
    pub(crate) theme: &'static str,
    pub(crate) path: String,
    pub(crate) signed_in: Option<(String, Role)>,
    pub(crate) assets: &'static assets::Names,
}

impl Frame {
    pub(crate) fn code(&self) -> &'static str {
        self.t.0.code()
    }

    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.path == path || (path != "/" && self.path.starts_with(&format!("{path}/")))
    }

    pub(crate) fn is_administrator(&self) -> bool {
        self.signed_in
            .as_ref()
            .is_some_and(|(_, role)| *role == Role::Administrator)
    }

    pub(crate) fn is_operator(&self) -> bool {
        self.signed_in
            .as_ref()
            .is_some_and(|(_, role)| *role >= Role::Operator)
    }

    /// Code, own name, and whether it is the one of this page.
    pub(crate) fn languages(&self) -> [(&'static str, &'static str, bool); 3] {
        Language::ALL.map(|language| (language.code(), language.name(), language == self.t.0))
    }

    pub(crate) fn themes(&self) -> [(&'static str, bool); 3] {
        THEMES.map(|theme| (theme, theme == self.theme))
    }

    /// The text `stem-id`, or the id where there is none.
    pub(crate) fn text(&self, stem: &str, id: &str) -> String {
        let found = self.t.find(&format!("{stem}-{id}"), &[]);
        found.unwrap_or_else(|| id.to_owned())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Frame {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let chosen = cookie(&parts.headers, LANGUAGE_COOKIE).and_then(Language::of);
        let accepts = parts.headers.get(header::ACCEPT_LANGUAGE);
        let accepted = || Language::accepted(accepts?.to_str().ok()?);
        let theme = cookie(&parts.headers, THEME_COOKIE);
        let theme = THEMES.into_iter().find(|known| Some(*known) == theme);
        let signed_in = parts.extensions.get::<SignedIn>();
        Ok(Self {
            t: Texts(chosen.or_else(accepted).unwrap_or_default()),
            theme: theme.unwrap_or(THEMES[0]),
            path: parts.uri.path().to_owned(),
            signed_in: signed_in.map(|it| (it.who.name.clone(), it.role)),
            assets: &assets::NAMES,
        })
    }
}

/// A posted form: the fields in their order. What is no form gets the JSON error.
#[derive(Debug)]
pub(crate) struct Posted(Vec<(String, String)>);

impl Posted {
    pub(crate) fn get(&self, name: &str) -> &str {
        self.find(name).unwrap_or_default()
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        form.map(|Form(fields)| Self(fields)).map_err(|rejection| {
            match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "bodyTooLarge",
                    "the form is larger than the portal takes",
                ),
                StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupportedMediaType",
                    "send the form with Content-Type: application/x-www-form-urlencoded",
                ),
                _ => ApiError::bad_request("the form cannot be read"),
            }
        })
    }
}

/// Something broke here, not in the request: the log has it, the answer does not.
#[derive(Debug)]
pub(crate) struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        tracing::error!(
            error = format!("{:#}", self.0),
            "the portal could not do what was asked"
        );
        ApiError::internal().into_response()
    }
}

pub(crate) type Answer = Result<Response, Failed>;

/// A page. Its scripts, styles and connections are its own; it stands in nobody's frame.
pub(crate) fn show(status: StatusCode, page: &impl Template) -> Answer {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                          connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                          base-uri 'none'";
    let headers: [(HeaderName, &str); 3] = [
        // Without a referrer of their own, browsers name no origin with a form either.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((status, headers, page.render()?).into_response())
}

/// Sends the browser to another page, with a GET.
pub(crate) fn go(to: &str) -> Response {
    axum::response::Redirect::to(to).into_response()
}

/// A cookie for this host alone; `seconds` 0 takes it away.
pub(crate) fn set_cookie(name: &str, value: &str, seconds: u64) -> String {
    format!("{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

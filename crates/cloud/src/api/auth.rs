//! Who asks: applications by their token, `Bearer x` or plain `x`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};
use web::ApiError;

use crate::app::{App, count, is_token};
use crate::legs::Scope;

/// The application that asks; extracting it refuses everybody else with 401.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) application: String,
    pub(crate) account: String,
    softphones: Vec<String>,
}

impl Caller {
    /// Which cloud legs are its.
    pub(crate) fn scope(&self) -> Scope {
        Scope {
            account: self.account.clone(),
            application: self.application.clone(),
            softphones: self.softphones.clone(),
        }
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers);
        let application = token.and_then(|token| {
            let mut all = app.config.applications.iter();
            all.find(|application| is_token(application.token.as_ref(), token))
        });
        let Some(application) = application else {
            count(&app.counters.tokens_refused);
            return Err(ApiError::unauthorized());
        };
        Ok(Self {
            application: application.name.clone(),
            account: application.account_id.clone(),
            softphones: application.softphones.clone(),
        })
    }
}

/// The token of the `Authorization` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    match value.split_once(' ') {
        Some((scheme, token)) => scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim_start()),
        None => Some(value),
    }
}

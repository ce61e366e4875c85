//! Style and script of the pages, named by their content, so that browsers keep them for good.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use web::ApiError;

const STYLE: &str = include_str!("../assets/portal.css");
const SCRIPT: &str = include_str!("../assets/portal.js");
const ICON: &str = include_str!("../assets/icon.svg");

/// Names with the hash of the content: they change when it does.
pub(crate) static NAMES: LazyLock<Names> = LazyLock::new(|| Names {
    style: named("portal", STYLE, "css"),
    script: named("portal", SCRIPT, "js"),
    icon: named("icon", ICON, "svg"),
});

/// What pages link to.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) style: String,
    pub(crate) script: String,
    pub(crate) icon: String,
}

fn named(stem: &str, content: &str, extension: &str) -> String {
    let hash = Sha256::digest(content.as_bytes());
    let short: String = hash
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{stem}-{short}.{extension}")
}

pub(crate) async fn get(Path(name): Path<String>) -> Response {
    let names = &*NAMES;
    let (kind, content) = match name {
        name if name == names.style => ("text/css; charset=utf-8", STYLE),
        name if name == names.script => ("text/javascript; charset=utf-8", SCRIPT),
        name if name == names.icon => ("image/svg+xml", ICON),
        _ => return ApiError::no_such_path().into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, content).into_response()
}

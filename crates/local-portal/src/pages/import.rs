//! Users out of a file that is chosen in the browser.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::multipart::{Multipart, MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, post};
use web::ApiError;

use super::{Answer, Failed, Frame, show};
use crate::api::{FILE_LEN_MAX, Import, ImportAsked, Imported, Wrong, run_import};
use crate::portal::Portal;
use crate::routes::SignedIn;

/// What the form adds to the file, in bytes.
const FORM_LEN_MAX: usize = 16 * 1024;

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    frame: Frame,
    delimiter: String,
    dry_run: bool,
    result: Option<Imported>,
    error: Option<String>,
}

impl ImportPage {
    fn new(frame: Frame) -> Self {
        Self {
            frame,
            delimiter: ";".to_owned(),
            dry_run: true,
            result: None,
            error: None,
        }
    }

    /// The sentence above the problems.
    fn sentence(&self, result: &Imported) -> String {
        let id = if result.dry_run {
            "import-tried"
        } else {
            "import-result"
        };
        let values = [
            ("imported", result.imported.to_string()),
            ("records", result.records.to_string()),
        ];
        self.frame.t.with(id, &values)
    }
}

pub(crate) fn route() -> MethodRouter<Arc<Portal>> {
    post(run).layer(DefaultBodyLimit::max(FILE_LEN_MAX + FORM_LEN_MAX))
}

pub(crate) async fn page(frame: Frame) -> Answer {
    show(StatusCode::OK, &ImportPage::new(frame))
}

/// The form's parts.
#[derive(Default)]
struct Sent {
    file: Bytes,
    delimiter: String,
    dry_run: bool,
}

async fn sent(mut form: Multipart) -> Result<Sent, MultipartError> {
    let mut sent = Sent::default();
    while let Some(part) = form.next_field().await? {
        match part.name().unwrap_or_default() {
            "file" => sent.file = part.bytes().await?,
            "delimiter" => sent.delimiter = part.text().await?,
            "dry-run" => sent.dry_run = part.text().await? == "yes",
            _ => {}
        }
    }
    Ok(sent)
}

pub(crate) async fn run(
    State(portal): State<Arc<Portal>>,
    Extension(SignedIn { who, .. }): Extension<SignedIn>,
    frame: Frame,
    form: Result<Multipart, MultipartRejection>,
) -> Answer {
    let Ok(form) = form else {
        let message = "send the form with Content-Type: multipart/form-data";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Ok(ApiError::new(status, "unsupportedMediaType", message).into_response());
    };
    let mut page = ImportPage::new(frame);
    let sent = match sent(form).await {
        Ok(sent) if !sent.file.is_empty() => sent,
        Ok(_) => {
            page.error = Some(page.frame.t.get("error-file"));
            return show(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
        Err(error) => {
            page.error = Some(page.frame.t.get("error-file"));
            return show(error.status(), &page);
        }
    };
    (page.delimiter, page.dry_run) = (sent.delimiter, sent.dry_run);
    let asked = ImportAsked {
        dry_run: page.dry_run,
        delimiter: Some(page.delimiter.clone()).filter(|text| !text.is_empty()),
        ..ImportAsked::default()
    };
    let import = Import {
        bytes: sent.file,
        asked,
    };
    match run_import(&portal, &who, import).await {
        Ok(result) => {
            page.result = Some(result);
            show(StatusCode::OK, &page)
        }
        Err(Wrong::Refused(error)) => {
            page.error = Some(error.message().to_owned());
            show(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(Wrong::Failed(failed)) => Err::<_, Failed>(failed),
    }
}

//! Users out of a CSV or Excel file: the first line names the columns, each other one is a user.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::{MethodRouter, post};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use web::{ApiError, Query};

use super::bulk::{self, Step};
use super::{Answer, Problem, workbook};
use crate::portal::{Portal, Who};
use crate::routes::SignedIn;
use crate::users::{Draft, USERS_MAX};

/// Longest file, in bytes.
pub(crate) const FILE_LEN_MAX: usize = 4_000_000;
/// Most columns that are looked at.
pub(super) const COLUMNS_MAX: usize = 100;
/// Most lines, that of the headers among them.
pub(super) const LINES_MAX: usize = 2 * USERS_MAX + 1;

/// The columns that are read, as JSON names them.
const COLUMNS: [&str; 8] = [
    "extension",
    "email",
    "firstName",
    "lastName",
    "role",
    "softphone",
    "meetings",
    "sipPassword",
];

/// How the file is read.
#[derive(Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportAsked {
    /// Says what would come of it, and changes nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// Character between two fields of a CSV file; `;` if it is left out.
    #[param(min_length = 1, max_length = 1)]
    pub(crate) delimiter: Option<String>,
    /// Character around a field that holds a delimiter; `"` if it is left out.
    #[param(min_length = 1, max_length = 1)]
    pub(crate) qualifier: Option<String>,
    /// What the columns are called where the file has names of its own, like
    /// `extension=Number,email=Mail`.
    pub(crate) columns: Option<String>,
}

/// What came of a file.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Imported {
    /// Nothing was changed: this is what would have come of it.
    pub(crate) dry_run: bool,
    /// Lines behind the first that are not empty.
    pub(crate) records: usize,
    /// How many of them were taken, those among them that changed nothing.
    pub(crate) imported: usize,
    /// How many users were added.
    added: usize,
    /// How many were changed.
    changed: usize,
    /// Why others were not.
    pub(crate) problems: Vec<ImportProblem>,
}

/// Why a line was not taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImportProblem {
    /// Its number, the line of the headers being 1.
    pub(crate) row: usize,
    /// Name of the column; empty where it is none of them.
    pub(crate) column: String,
    /// A sentence.
    pub(crate) message: String,
}

/// A file to be read.
pub(crate) struct Import {
    pub(crate) bytes: Bytes,
    pub(crate) asked: ImportAsked,
}

impl Import {
    /// The table: lines with their numbers, the headers first.
    fn table(&self) -> Result<Vec<(usize, Vec<String>)>, ApiError> {
        // A ZIP archive begins so, which an Excel file is.
        if self.bytes.starts_with(b"PK\x03\x04") {
            workbook::read(&self.bytes)
        } else {
            self.csv()
        }
    }

    fn csv(&self) -> Result<Vec<(usize, Vec<String>)>, ApiError> {
        let text = self
            .bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&self.bytes);
        let character = |field, given: &Option<String>, default: u8| match given.as_deref() {
            None => Ok(default),
            Some("\\t") => Ok(b'\t'),
            Some(one) if one.len() == 1 && one.is_ascii() => Ok(one.as_bytes()[0]),
            Some(_) => Err(ApiError::invalid(field, "one ASCII character, or \\t")),
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(character("delimiter", &self.asked.delimiter, b';')?)
            .quote(character("qualifier", &self.asked.qualifier, b'"')?)
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text);
        let (mut table, mut row, mut seen) = (Vec::new(), 1, 0);
        for record in reader.records() {
            let record = record.map_err(|error| {
                let line = error.position().map_or(0, csv::Position::line);
                let message = match error.kind() {
                    csv::ErrorKind::Utf8 { .. } => "the file is not in UTF-8: save it as CSV UTF-8",
                    _ => "the file cannot be read as CSV",
                };
                ApiError::invalid("", message).with("row", line)
            })?;
            // The reader counts a line end only with the next record.
            let begin = record.position().map_or(0, csv::Position::byte);
            let begin = usize::try_from(begin).unwrap_or_default();
            let ends = |byte: &&u8| matches!(**byte, b'\r' | b'\n');
            let begin = begin + text[begin..].iter().take_while(ends).count();
            row += text[seen..begin]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count();
            seen = begin;
            table.push((
                row,
                record.iter().take(COLUMNS_MAX).map(str::to_owned).collect(),
            ));
            if table.len() > LINES_MAX {
                return Err(too_many());
            }
        }
        Ok(table)
    }

    /// Which column is where.
    fn columns(&self, headers: &[String]) -> Result<BTreeMap<&'static str, usize>, ApiError> {
        let plain = |name: &str| -> String {
            let letters = name.chars().filter(|letter| letter.is_alphanumeric());
            letters.flat_map(char::to_lowercase).collect()
        };
        let mut wanted: BTreeMap<&str, String> = COLUMNS.map(|name| (name, plain(name))).into();
        for pair in self.asked.columns.iter().flat_map(|text| text.split(',')) {
            let named = pair.split_once('=').and_then(|(name, header)| {
                let name = COLUMNS.into_iter().find(|known| *known == name.trim())?;
                Some((name, plain(header)))
            });
            let message = format!(
                "pairs like extension=Number; names are {}",
                COLUMNS.join(", ")
            );
            let (name, header) = named.ok_or_else(|| ApiError::invalid("columns", message))?;
            wanted.insert(name, header);
        }
        let headers: Vec<String> = headers.iter().map(|header| plain(header)).collect();
        let found: BTreeMap<_, _> = wanted
            .into_iter()
            .filter_map(|(name, header)| {
                let at = headers.iter().position(|given| *given == header);
                Some((name, at?))
            })
            .collect();
        for name in ["extension", "email"] {
            if !found.contains_key(name) {
                let message = format!("the first line names no column {name}");
                return Err(ApiError::invalid(name, message).with("row", 1));
            }
        }
        Ok(found)
    }

    /// Each line as a user.
    fn drafts(&self) -> Result<Vec<(usize, Draft)>, ApiError> {
        let mut table = self.table()?.into_iter();
        let empty = || ApiError::invalid("", "the file is empty");
        let (_, headers) = table.next().ok_or_else(empty)?;
        let columns = self.columns(&headers)?;
        let lines = table.filter(|(_, line)| line.iter().any(|field| !field.is_empty()));
        let drafts = lines.map(|(row, line)| {
            let text = |name: &str| {
                let at = columns.get(name)?;
                line.get(*at).filter(|text| !text.is_empty()).cloned()
            };
            let is = |name: &str, default: bool| text(name).map_or(default, |text| is_yes(&text));
            let draft = Draft {
                extension: text("extension").unwrap_or_default(),
                email: text("email").unwrap_or_default(),
                first_name: text("firstName").unwrap_or_default(),
                last_name: text("lastName").unwrap_or_default(),
                role: text("role").unwrap_or_default(),
                softphone: is("softphone", true),
                meetings: is("meetings", false),
                sip_password: text("sipPassword").as_deref().and_then(Draft::password),
            };
            (row, draft)
        });
        Ok(drafts.collect())
    }
}

pub(super) fn too_many() -> ApiError {
    let message = format!("the file has more than {LINES_MAX} lines");
    ApiError::invalid("", message)
}

fn is_yes(text: &str) -> bool {
    let text = text.to_lowercase();
    ["yes", "y", "true", "1", "x", "ja"].contains(&&*text)
}

/// Takes in a file, or tries it.
pub(crate) async fn run(
    portal: &Arc<Portal>,
    who: &Who,
    import: Import,
) -> Result<Imported, super::Wrong> {
    let dry_run = import.asked.dry_run;
    let drafts = tokio::task::spawn_blocking(move || import.drafts());
    let drafts = drafts.await.map_err(anyhow::Error::from)??;
    let rows: Vec<usize> = drafts.iter().map(|(row, _)| *row).collect();
    let steps = drafts
        .into_iter()
        .map(|(_, draft)| Step::Put(draft))
        .collect();
    let result = bulk::run(portal, who, steps, false, dry_run).await?;
    let of_row = rows.iter().zip(&result.items);
    let problems = of_row.flat_map(|(row, item)| {
        item.reasons.iter().map(|reason| ImportProblem {
            row: *row,
            column: reason.field.clone(),
            message: reason.message.clone(),
        })
    });
    Ok(Imported {
        dry_run,
        records: rows.len(),
        imported: result.added + result.changed + result.unchanged,
        added: result.added,
        changed: result.changed,
        problems: problems.collect(),
    })
}

pub(super) fn route() -> MethodRouter<Arc<Portal>> {
    post(import).layer(DefaultBodyLimit::max(FILE_LEN_MAX))
}

/// Adds and changes users out of a CSV file (UTF-8) or an Excel workbook (.xlsx, its first sheet).
#[utoipa::path(post, path = "/api/v1/users/import", operation_id = "importUsers", params(ImportAsked),
    request_body(content((String = "text/csv"), (String = "application/octet-stream"))),
    responses((status = 200, description = "What came of each line", body = Imported),
              (status = 400, description = "The query cannot be used", body = Problem),
              (status = 401, description = "No valid token", body = Problem),
              (status = 403, description = "The token's role does not suffice", body = Problem),
              (status = 413, description = "Larger than 4 MB", body = Problem),
              (status = 422, description = "The file cannot be read", body = Problem)))]
pub(crate) async fn import(
    State(portal): State<Arc<Portal>>,
    axum::Extension(SignedIn { who, .. }): axum::Extension<SignedIn>,
    Query(asked): Query<ImportAsked>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let bytes = body.map_err(|_| {
        let message = format!("a file of {FILE_LEN_MAX} bytes at most");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "bodyTooLarge", message)
    })?;
    let import = Import { bytes, asked };
    Ok(axum::Json(run(&portal, &who, import).await?).into_response())
}

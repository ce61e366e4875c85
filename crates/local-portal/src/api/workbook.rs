//! The first sheet of an Excel workbook, of which nothing is believed: not how far its cells go, nor how
//! little there is in it before it is unpacked.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, copy, sink};

use calamine::{Data, Reader as _, Xlsx, XlsxError};
use web::ApiError;
use zip::ZipArchive;
use zip::result::ZipError;

use super::import::{COLUMNS_MAX, LINES_MAX, too_many};

/// Longest content, in bytes: packed, a file says little of it.
const UNPACKED_LEN_MAX: u64 = 40_000_000;

fn unreadable() -> ApiError {
    ApiError::invalid("", "the file cannot be read as an Excel workbook")
}

/// Lines with their numbers from 1, without those that are empty.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(usize, Vec<String>)>, ApiError> {
    let wrong = |_: XlsxError| unreadable();
    unpacks(bytes)?;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(wrong)?;
    let none = || ApiError::invalid("", "the workbook has no sheet");
    let name = book.sheet_names().first().cloned().ok_or_else(none)?;
    // Cell by cell: a range is allocated from the first cell to the last, however far that is.
    let mut cells = book.worksheet_cells_reader(&name).map_err(wrong)?;
    let mut lines: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    while let Some(found) = cells.next_cell().map_err(wrong)? {
        let (row, column) = found.get_position();
        let place = usize::try_from(row).and_then(|row| Ok((row, usize::try_from(column)?)));
        let (row, column) = place.map_err(|_| unreadable())?;
        let text = text_of(&Data::from(found.get_value().clone()));
        if column >= COLUMNS_MAX || text.is_empty() {
            continue;
        }
        let line = lines.entry(row + 1).or_default();
        if line.len() <= column {
            line.resize(column + 1, String::new());
        }
        line[column] = text;
        if lines.len() > LINES_MAX {
            return Err(too_many());
        }
    }
    Ok(lines.into_iter().collect())
}

/// Whether it stays within bounds once it is unpacked. What the archive says of a length is its sender's
/// word; it is unpacked to be known.
fn unpacks(bytes: &[u8]) -> Result<(), ApiError> {
    let wrong = |_: ZipError| unreadable();
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(wrong)?;
    let mut left = UNPACKED_LEN_MAX;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(wrong)?;
        let read = copy(&mut part.take(left + 1), &mut sink()).map_err(|_| unreadable())?;
        let message = format!("the workbook is larger than {UNPACKED_LEN_MAX} bytes unpacked");
        let fits = left.checked_sub(read);
        left = fits.ok_or_else(|| ApiError::invalid("", message))?;
    }
    Ok(())
}

/// A whole number is written as one: 2001, not 2001.0.
fn text_of(data: &Data) -> String {
    match data {
        Data::Float(number) if number.fract() == 0.0 => format!("{number:.0}"),
        Data::Empty => String::new(),
        other => other.to_string().trim().to_owned(),
    }
}

//! Users out of files: by the REST API, and chosen in the browser.

use std::io::Write as _;

use axum::http::{Method, header};
use serde_json::{Value, json};

use super::{HOST, World};
use crate::book::Role;

impl World {
    async fn import(&self, token: &str, query: &str, file: &[u8]) -> (u16, Value) {
        let path = format!("/api/v1/users/import?{query}");
        let token = format!("Bearer {token}");
        let headers = [(header::AUTHORIZATION, &*token)];
        let answer = self
            .call((Method::POST, &path), &headers, file.to_vec())
            .await;
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }
}

const CSV: &str = "\u{feff}Extension;E-Mail;First name;Last Name;Meetings\r\n\
                   2001;anna@example.org;Anna;\"Berg; Lund\";yes\r\n\
                   \r\n\
                   2002;nobody;Bo;;\r\n\
                   2003;carin@example.org;Carin;Dahl;\r\n";

#[tokio::test]
async fn a_csv_file_is_taken_in_line_by_line() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let (status, tried) = world.import(&token, "dryRun=true", CSV.as_bytes()).await;
    assert_eq!((status, &tried["imported"]), (200, &json!(2)), "{tried}");
    assert_eq!(world.portal.users().len(), 0);
    let (_, done) = world.import(&token, "", CSV.as_bytes()).await;
    assert_eq!(
        (&done["records"], &done["imported"]),
        (&json!(3), &json!(2))
    );
    let problem = &done["problems"][0];
    assert_eq!(
        (&problem["row"], &problem["column"]),
        (&json!(4), &json!("email"))
    );
    let users = world.portal.users();
    let anna = users.get("2001").unwrap();
    assert_eq!((&*anna.last_name, anna.meetings), ("Berg; Lund", true));
    assert!(!users.get("2003").unwrap().meetings);

    let own = "Nr,Mail,Name\n7,'a,b@example.org',A\n8,g@example.org,G\n";
    let query = "delimiter=,&qualifier='&columns=extension=Nr,email=Mail,lastName=Name";
    let (status, done) = world.import(&token, query, own.as_bytes()).await;
    assert_eq!((status, &done["imported"]), (200, &json!(1)), "{done}");
    for (query, file, status) in [
        ("", &b"2001;a@b.c\n"[..], 422),
        ("", b"", 422),
        ("", b"extension;email\n1;\xff\xfe\n", 422),
        ("", b"PK\x03\x04 no archive", 422),
        ("delimiter=;;", CSV.as_bytes(), 422),
        ("columns=colour=Red", CSV.as_bytes(), 422),
        ("colour=red", CSV.as_bytes(), 422),
    ] {
        let (seen, answer) = world.import(&token, query, file).await;
        assert!(seen == status || seen == 400, "{query}: {seen} {answer}");
    }
}

/// ECMA-376 Part 1 §18: a workbook of one sheet.
fn workbook(rows: &str) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    let relation = |kind: &str, to: &str| {
        format!(
            "<Relationships xmlns='{PACKAGE}'><Relationship Id='r1' Type='{OFFICE}/{kind}' \
             Target='{to}'/></Relationships>"
        )
    };
    let book = format!(
        "<workbook xmlns='{MAIN}' xmlns:r='{OFFICE}'><sheets><sheet name='Users' sheetId='1' \
         r:id='r1'/></sheets></workbook>"
    );
    let sheet = format!("<worksheet xmlns='{MAIN}'><sheetData>{rows}</sheetData></worksheet>");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in [
        ("_rels/.rels", relation("officeDocument", "xl/workbook.xml")),
        ("xl/workbook.xml", book),
        (
            "xl/_rels/workbook.xml.rels",
            relation("worksheet", "worksheets/sheet1.xml"),
        ),
        ("xl/worksheets/sheet1.xml", sheet),
    ] {
        let options = zip::write::SimpleFileOptions::default();
        archive.start_file(name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[tokio::test]
async fn an_excel_file_is_taken_in_and_its_numbers_are_whole() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let text =
        |at: &str, text: &str| format!("<c r='{at}' t='inlineStr'><is><t>{text}</t></is></c>");
    let rows = format!(
        "<row r='1'>{}{}{}</row><row r='2'><c r='A2'><v>2001</v></c>{}{}</row><row r='3'>{}</row>",
        text("A1", "extension"),
        text("B1", "email"),
        text("C1", "last name"),
        text("B2", "anna@example.org"),
        text("C2", "Berg"),
        text("A3", "abc"),
    );
    let (status, done) = world.import(&token, "", &workbook(&rows)).await;
    assert_eq!((status, &done["records"]), (200, &json!(2)), "{done}");
    assert_eq!(
        (&done["imported"], &done["problems"][0]["row"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(
        world.portal.users().get("2001").unwrap().email,
        "anna@example.org"
    );
}

/// What is small when it is packed and far apart when it is read.
#[tokio::test]
async fn an_excel_file_that_grows_without_bound_is_refused_or_read_within_bounds() {
    let (world, token) = World::with_token(Role::Administrator).await;
    let cell =
        |at: &str, text: &str| format!("<c r='{at}' t='inlineStr'><is><t>{text}</t></is></c>");
    let headers = format!(
        "<row r='1'>{}{}</row>",
        cell("A1", "extension"),
        cell("B1", "email")
    );
    let far = format!(
        "{headers}<row r='1048576'>{}</row>",
        cell("XFD1048576", "x")
    );
    let (status, read) = world.import(&token, "", &workbook(&far)).await;
    assert_eq!((status, &read["records"]), (200, &json!(0)), "{read}");
    let large = format!(
        "{headers}<row r='2'>{}</row>",
        cell("A2", &"9".repeat(41_000_000))
    );
    let large = workbook(&large);
    assert!(large.len() < 1_000_000, "{}", large.len());
    let (status, refused) = world.import(&token, "", &large).await;
    assert_eq!(status, 422, "{refused}");
    assert!(refused.to_string().contains("40000000"), "{refused}");
    let row = |number: usize| {
        format!(
            "<row r='{number}'>{}</row>",
            cell(&format!("A{number}"), "1")
        )
    };
    let long: String = (2..=10_002).map(row).collect();
    let (status, refused) = world
        .import(&token, "", &workbook(&(headers + &long)))
        .await;
    assert_eq!(status, 422);
    assert!(refused.to_string().contains("10001"), "{refused}");
}

#[tokio::test]
async fn a_file_from_the_browser_is_tried_and_taken_in() {
    let world = World::with(&[Role::Administrator]).await;
    let cookie = world.sign_in(Role::Administrator).await;
    let form = |dry: &str| {
        let part = |name: &str, text: &str| {
            format!("--x\r\nContent-Disposition: form-data; {name}\r\n\r\n{text}\r\n")
        };
        let file = part("name=\"file\"; filename=\"users.csv\"", CSV);
        let rest = part("name=\"delimiter\"", ";") + &part("name=\"dry-run\"", dry);
        format!("{file}{rest}--x--\r\n")
    };
    let origin = format!("https://{HOST}");
    let post = async |kind: &'static str, body: String| {
        let headers = [
            (header::COOKIE, &*cookie),
            (header::ORIGIN, &*origin),
            (header::CONTENT_TYPE, kind),
        ];
        world
            .call((Method::POST, "/users/import"), &headers, body)
            .await
    };
    let multipart = "multipart/form-data; boundary=x";
    let tried = post(multipart, form("yes")).await;
    assert_eq!(
        (tried.status, world.portal.users().len()),
        (200, 0),
        "{}",
        tried.body
    );
    assert!(tried.body.contains("2 of 3 records would be taken"));
    let done = post(multipart, form("")).await;
    assert_eq!((done.status, world.portal.users().len()), (200, 2));
    assert!(done.body.contains("<code>email</code>"));
    assert_eq!(post(multipart, "--x--\r\n".to_owned()).await.status, 422);
    assert_eq!(post(multipart, "nothing".to_owned()).await.status, 400);
    assert_eq!(post("text/plain", form("")).await.status, 415);
    let large = form("").replace("2001", &"9".repeat(5_000_000));
    assert_eq!(post(multipart, large).await.status, 413);
}

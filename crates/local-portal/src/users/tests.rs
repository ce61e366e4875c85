use super::*;

fn draft(extension: &str) -> Draft {
    Draft {
        extension: extension.to_owned(),
        email: format!("user{extension}@example.com"),
        first_name: "Åsa".to_owned(),
        last_name: "Öberg".to_owned(),
        role: "user".to_owned(),
        softphone: true,
        meetings: false,
        sip_password: Draft::password("s3cret \"\\"),
    }
}

type Spoil = fn(&mut Draft);

fn reasons(put: Result<Put, NotPut>) -> Vec<(&'static str, &'static str)> {
    match put {
        Err(NotPut::Refused(refusals)) => refusals
            .iter()
            .map(|refusal| (refusal.field, refusal.problem.id))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_user_lacks_nothing_or_is_refused_with_every_reason() {
    let mut users = Users::default();
    assert_eq!(users.add(&draft("2001")), Ok(Put::Added));
    let rows: &[(Spoil, &str, &str)] = &[
        (|it| it.email.clear(), "email", "error-user-email"),
        (|it| it.email = "a@b".into(), "email", "error-user-email"),
        (
            |it| it.email = "a b@c.de".into(),
            "email",
            "error-user-email",
        ),
        (
            |it| it.email = "a@b..de".into(),
            "email",
            "error-user-email",
        ),
        (
            |it| it.extension.clear(),
            "extension",
            "error-user-extension",
        ),
        (
            |it| it.extension = "20a".into(),
            "extension",
            "error-user-extension",
        ),
        (
            |it| it.softphone = false,
            "softphone",
            "error-user-softphone",
        ),
        (|it| it.role = "king".into(), "role", "error-choice"),
        (
            |it| it.last_name = "x".repeat(65),
            "last-name",
            "error-text",
        ),
        (
            |it| it.sip_password = Draft::password("ä"),
            "sip-password",
            "error-user-password",
        ),
        (
            |it| (it.first_name, it.last_name) = (" ".into(), String::new()),
            "first-name",
            "error-user-name",
        ),
        (
            |it| it.extension = "2001".into(),
            "extension",
            "error-user-extension-taken",
        ),
        (
            |it| it.email = "USER2001@Example.com".into(),
            "email",
            "error-user-email-taken",
        ),
    ];
    for (spoil, field, id) in rows {
        let mut bad = draft("2002");
        spoil(&mut bad);
        assert_eq!(reasons(users.add(&bad)), [(*field, *id)]);
    }
    let all = reasons(users.add(&Draft::default()));
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(users.len(), 1);
    assert!(!format!("{users:?}").contains("s3cret"));
}

#[test]
fn user_5001_is_refused_with_the_limit_and_a_list_is_found_quickly() {
    let mut users = Users::default();
    for number in 0..USERS_MAX {
        users.add(&draft(&format!("{number:05}"))).unwrap();
    }
    let Err(NotPut::Refused(refusals)) = users.add(&draft("99999")) else {
        panic!("taken");
    };
    assert_eq!(refusals[0].problem.id, "error-users-full");
    assert_eq!(refusals[0].problem.limits, [("max", "5000".to_owned())]);
    // Changing one of them is no new user.
    let changed = users.change("00001", Some(2), &draft("77777"));
    assert!(matches!(changed, Ok(Put::Changed(_))), "{changed:?}");
    assert_eq!(users.find("ÅSA öb").len(), USERS_MAX);
    assert_eq!(users.find("user0012").len(), 10);
    assert_eq!(users.find("77777")[0].version, 3);
}

#[test]
fn a_change_is_refused_to_who_saw_an_older_user() {
    let mut users = Users::default();
    users.add(&draft("2001")).unwrap();
    assert_eq!(
        users.change("2001", Some(1), &draft("2001")),
        Ok(Put::Unchanged)
    );
    let mut new = draft("2001");
    (new.meetings, new.sip_password) = (true, None);
    assert!(matches!(
        users.change("2001", Some(1), &new),
        Ok(Put::Changed(_))
    ));
    assert_eq!(users.silent(), 0, "the password stays");
    assert_eq!(users.change("2001", Some(1), &new), Err(NotPut::Conflict));
    assert_eq!(users.change("2002", None, &new), Err(NotPut::Conflict));
}

#[test]
fn users_are_there_after_a_restart_and_a_file_of_another_form_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users.json");
    let mut directory = Directory::open(&path).unwrap();
    let added = directory.change(|users| users.add(&draft("2001"))).unwrap();
    assert_eq!(added, Ok(Put::Added));
    let again = Directory::open(&path).unwrap().users();
    assert_eq!(again.get("2001"), directory.users().get("2001"));
    let text = again.softclients();
    assert!(text.contains("password = \"s3cret \\\"\\\\\"\n"), "{text}");
    for bad in ["{", r#"{"format":2,"revision":1,"users":[]}"#] {
        std::fs::write(&path, bad).unwrap();
        let error = Directory::open(&path).unwrap_err().to_string();
        assert!(error.contains("users.json"), "{error}");
    }
}

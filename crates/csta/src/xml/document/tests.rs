use super::*;

fn error(source: &str) -> XmlError {
    Document::parse(source).expect_err(source)
}

#[test]
fn reads_names_namespaces_texts_and_attributes() {
    let source = "<?xml version=\"1.0\"?>\n<c:M xmlns:c=\"urn:c\" xmlns=\"urn:d\">\
        <a typeOfNumber=\"x&amp;y\"> N&lt;1&#33;2&gt; </a><c:b><![CDATA[<]]></c:b><a/>\
        <d xmlns=\"\"/><e/></c:M>";
    let document = Document::parse(source).unwrap();
    let root = document.root();
    assert_eq!((root.name(), root.namespace()), ("M", Some("urn:c")));
    let children: Vec<_> = root
        .children()
        .map(|e| (e.name(), e.namespace(), e.text()))
        .collect();
    assert_eq!(
        children,
        [
            ("a", Some("urn:d"), "N<1!2>"),
            ("b", Some("urn:c"), "<"),
            ("a", Some("urn:d"), ""),
            ("d", None, ""),
            ("e", Some("urn:d"), ""),
        ]
    );
    assert_eq!(
        root.child("a").and_then(|a| a.attribute("typeOfNumber")),
        Some("x&y")
    );
    assert_eq!(
        root.child("b").map(Element::source),
        Some("<c:b><![CDATA[<]]></c:b>")
    );
}

#[test]
fn refuses_what_is_not_well_formed_with_its_position() {
    assert!(matches!(
        error("<a><b></a>"),
        XmlError::Malformed { position: 6, .. }
    ));
    assert!(matches!(
        error("<a><b>"),
        XmlError::Malformed { position: 6, .. }
    ));
    assert!(matches!(
        error("<a x=\"1\" x=\"2\"/>"),
        XmlError::Malformed { .. }
    ));
    assert!(matches!(
        error("<a>&nope;</a>"),
        XmlError::Malformed { position: 3, .. }
    ));
    assert!(matches!(
        error("text<a/>"),
        XmlError::Malformed { position: 0, .. }
    ));
    assert_eq!(error(""), XmlError::Empty);
    assert_eq!(error("  "), XmlError::Empty);
    let utf8 = Document::from_bytes(b"<a>\xff</a>").expect_err("broken UTF-8");
    assert_eq!(utf8, XmlError::Utf8 { position: 3 });
}

#[test]
fn refuses_document_types_and_bombs() {
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bb\">]><a>&b;</a>";
    assert_eq!(error(bomb), XmlError::Dtd { position: 0 });
    assert_eq!(
        error(&"<a>".repeat(20_000)),
        XmlError::TooDeep {
            position: 3 * DEPTH_MAX
        }
    );
    let wide = format!("<a>{}</a>", "<b/>".repeat(10_000));
    assert!(matches!(error(&wide), XmlError::TooMany { .. }));
    let attributes: String = (0..9000).map(|i| format!(" a{i}=''")).collect();
    assert!(matches!(
        error(&format!("<a{attributes}/>")),
        XmlError::TooMany { .. }
    ));
}

#[test]
fn tells_data_after_the_document_from_a_malformed_one() {
    for tail in ["x", "<b/>", "\0\0\u{3}ab", "</a>"] {
        let source = format!("<a></a>{tail}");
        assert_eq!(
            error(&source),
            XmlError::TrailingData { position: 7 },
            "{tail:?}"
        );
    }
    assert!(Document::parse("<a/>\n<!-- fine -->\n").is_ok());
    for tail in [&b"\xff"[..], b"\0\0\x03\xeb9999<b", b" <b/>\xff"] {
        let body = [b"<a></a>", tail].concat();
        let error = Document::from_bytes(&body).expect_err("data behind the document");
        assert_eq!(error, XmlError::TrailingData { position: 7 }, "{tail:?}");
    }
}

#[test]
fn refuses_what_the_recommendation_does_not_allow_in_tags_and_references() {
    for (source, position, what) in [
        ("<", 1, "expected a name"),
        ("<1/>", 1, "expected a name"),
        ("<a:/>", 3, "expected a name"),
        ("<a:b:c/>", 0, "a start tag without its `>`"),
        ("<a", 0, "a start tag without its `>`"),
        ("<a/", 0, "a start tag without its `>`"),
        ("<a x=\"1\"y=\"2\"/>", 0, "a start tag without its `>`"),
        ("<a x/>", 4, "expected `=`"),
        ("<a x=1/>", 5, "expected a quoted value"),
        ("<a x=\"1>", 6, "an attribute's value without its end"),
        ("<a x=\"<\"/>", 6, "an attribute's value without its end"),
        (
            "<a x='&y;'/>",
            6,
            "unknown entity `&y;`, only lt, gt, amp, apos and quot are known",
        ),
        ("<a c:x='' c:x=''/>", 0, "attribute `c:x` is there twice"),
        ("<a>b &lt</a>", 5, "`&` without its `;`"),
        (
            "<a>&#0;</a>",
            3,
            "unknown entity `&#0;`, only lt, gt, amp, apos and quot are known",
        ),
        (
            "<a>&#+9;</a>",
            3,
            "unknown entity `&#+9;`, only lt, gt, amp, apos and quot are known",
        ),
        (
            "<a>&#xD800;</a>",
            3,
            "unknown entity `&#xD800;`, only lt, gt, amp, apos and quot are known",
        ),
        ("<a><b></ab>", 6, "expected `</b>`"),
        ("<a></ab>", 6, "expected `>`"),
        ("<a></a\u{c}>", 6, "expected `>`"),
        ("</a>", 0, "an end tag without its start tag"),
        ("<!-- a --", 0, "no `-->` where one was expected"),
        ("<a><![CDATA[x]]</a>", 3, "no `]]>` where one was expected"),
        ("<?xml version='1.0'", 0, "no `?>` where one was expected"),
        ("<?><a/>", 0, "no `?>` where one was expected"),
        ("<!ELEMENT a>", 0, "`<!` without a comment or literal text"),
        ("<![CDATA[x]]><a/>", 0, "text before the first element"),
    ] {
        let what = what.to_owned();
        assert_eq!(
            error(source),
            XmlError::Malformed { position, what },
            "{source}"
        );
    }
    let attributes: String = (0..=ATTRIBUTES_MAX).map(|i| format!(" a{i}=''")).collect();
    assert_eq!(
        error(&format!("<a{attributes}/>")),
        XmlError::TooMany { position: 0 }
    );
}

#[test]
fn reads_every_form_of_white_space_reference_and_comment() {
    let source = "\u{feff}<?xml version='1.0'?><!--><a/>-->\n<a\tx = '1\r\n2&#10;\"3\"' >\n  \
        b<!-- c -->d<?e f?>&#x26;<![CDATA[]>g]]>\r\n<h ></h\n></a >";
    let document = Document::parse(source).unwrap();
    let root = document.root();
    assert_eq!(root.attribute("x"), Some("1 2\n\"3\""));
    assert_eq!(root.text(), "bd&]>g");
    assert_eq!(root.child("h").map(Element::source), Some("<h ></h\n>"));
    assert!(!root.is_plain());
    for (inside, plain) in [
        ("<b c='d'>N&lt;1:2!&gt;</b>", true),
        ("<b:c/>", false),
        ("<b d:c=''/>", false),
        ("<b xmlns=''/>", false),
        ("<b xmlns:c=''/>", false),
        ("<!-- c -->", false),
        ("<![CDATA[c]]>", false),
        ("<?c?>", false),
    ] {
        let source = format!("<c:a xmlns:c='urn:c'>{inside}</c:a>");
        assert_eq!(
            Document::parse(&source).unwrap().root().is_plain(),
            plain,
            "{inside}"
        );
    }
}

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
        ("<a c:x='' c:x=''/>", 10, "attribute `c:x` is there twice"),
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
        ("<a></a x>", 7, "expected `>`"),
        ("</a>", 0, "an end tag without its start tag"),
        ("<!-- a --", 0, "no `-->` where one was expected"),
        ("<a><![CDATA[x]]</a>", 3, "no `]]>` where one was expected"),
        ("<?xml version='1.0'", 19, "expected `?`"),
        ("<?><a/>", 2, "expected a name"),
        ("<?e", 3, "expected white space or `?>`"),
        ("<?e f?", 0, "no `?>` where one was expected"),
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
        ("<b xmlns:c='u'/>", false),
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

/// What XML 1.0 (fifth edition) and Namespaces in XML 1.0 (third edition) allow, with what is read of the
/// root: its text, and the values of its attributes.
#[test]
fn reads_what_the_recommendations_allow() {
    for (source, text, values) in [
        // §2.2, §4.1: characters, as they are and by reference
        (
            "<a>\u{7f}\u{85}\u{fffd}\u{10ffff}</a>",
            "\u{7f}\u{85}\u{fffd}\u{10ffff}",
            &[][..],
        ),
        (
            "<a>b&#9;&#xA;&#13;&#x10FFFF;c</a>",
            "b\t\n\r\u{10ffff}c",
            &[],
        ),
        ("<a>\u{feff}b</a>", "\u{feff}b", &[]),
        // §2.3: names
        (
            "<\u{c4}_\u{b7}-.9\u{300} \u{4e2d}='1'>b</\u{c4}_\u{b7}-.9\u{300}>",
            "b",
            &["1"],
        ),
        ("<_:\u{e9} xmlns:_='u'/>", "", &[]),
        // §2.3: other spaces than the four are text
        ("<a>\u{a0}b\u{2003}</a>", "\u{a0}b\u{2003}", &[]),
        // §2.4: text
        ("<a>]]&gt; ]> ]] ></a>", "]]> ]> ]] >", &[]),
        ("<a b='>' c=\"]]>\"/>", "", &[">", "]]>"]),
        // §2.5, §2.6: comments and instructions
        ("<!----><a><!-- - - --></a>", "", &[]),
        ("<a><!--- <b> & -->b<?e?><?f ??> <?xmlg h?></a>", "b", &[]),
        // §2.7: literal text
        (
            "<a><![CDATA[]]><![CDATA[&amp;<b>]] ]]]]><![CDATA[>]]></a>",
            "&amp;<b>]] ]]>",
            &[],
        ),
        // §2.8: the declaration
        ("<?xml version='1.0'?><a/>", "", &[]),
        (
            "\u{feff}<?xml version=\"1.1\" encoding='utf-8' standalone = 'no' ?>\n<a/>",
            "",
            &[],
        ),
        ("<?xml version='1.0' standalone='yes'?><a/>", "", &[]),
        // ISO 8859-1 by name, UTF-8 by its bytes
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?><a>J\u{fc}</a>",
            "J\u{fc}",
            &[],
        ),
        // §2.11: line ends
        (
            "<a>b\r\nc\rd\n\re<![CDATA[\r\n]]>f</a>",
            "b\nc\nd\n\ne\nf",
            &[],
        ),
        // §3.1, §3.3.3: attributes
        ("<a\nb\t=\r'1\t2\r\n3\r4&#13;'/>", "", &["1 2 3 4\r"]),
        ("<a b='\"' c=\"'\"></a\t>", "", &["\"", "'"]),
        // Namespaces §3, §6: the same local name, not the same name
        (
            "<a b='1' c:b='2' d:b='3' xmlns:c='u' xmlns:d='v'/>",
            "",
            &["1", "2", "3"],
        ),
        (
            "<a xml:b='1' xmlns:xml='http://www.w3.org/XML/1998/namespace'/>",
            "",
            &["1"],
        ),
        // Namespaces §5: a prefix that nobody declared is let pass
        ("<c:a d:b='1' e:b='2'/>", "", &["1", "2"]),
    ] {
        let document = Document::parse(source).unwrap_or_else(|e| panic!("{source:?}: {e}"));
        let root = document.root();
        assert_eq!(root.text(), text, "{source:?}");
        let read: Vec<&str> = root.attributes().map(|(_, value)| value).collect();
        assert_eq!(read, values, "{source:?}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn refuses_what_the_recommendations_do_not_allow() {
    const FOREIGN: &str = "a character that no document may have";
    for (source, position, what) in [
        // §2.2: characters
        ("<a>b\0</a>", 4, FOREIGN),
        ("<a b='\u{1}'/>", 6, FOREIGN),
        ("<a\u{c}/>", 2, FOREIGN),
        ("<!--\u{b}--><a/>", 4, FOREIGN),
        ("<a><![CDATA[\u{fffe}]]></a>", 12, FOREIGN),
        ("\u{ffff}<a/>", 0, FOREIGN),
        ("<a>&#1;</a>", 3, ""),
        ("<a>&#xFFFE;</a>", 3, ""),
        ("<a>&#xB;</a>", 3, ""),
        ("<a>&#x110000;</a>", 3, ""),
        ("<a b='1\r\n&#xDFFF;'/>", 9, ""),
        ("<a>\r\n&#X41;</a>", 5, ""),
        ("<a>&#;</a>", 3, ""),
        // §2.3: names
        ("<\u{b7}/>", 1, "expected a name"),
        ("<a\u{d7}/>", 0, "a start tag without its `>`"),
        ("<a \u{300}b='1'/>", 3, "expected a name"),
        ("<a \u{2028}='1'/>", 3, "expected a name"),
        ("<:a/>", 1, "expected a name"),
        ("<\u{a0}a/>", 1, "expected a name"),
        ("< a/>", 1, "expected a name"),
        // §2.4: text
        ("<a>b]]></a>", 4, "`]]>` outside literal text"),
        ("<a>&amp;]]]></a>", 9, "`]]>` outside literal text"),
        // §2.5, §2.6: comments and instructions
        ("<a><!-- b -- c --></a>", 10, "`--` in a comment"),
        ("<a><!-- b ---></a>", 10, "`--` in a comment"),
        ("<a><!---></a>", 3, "no `-->` where one was expected"),
        ("<?1?><a/>", 2, "expected a name"),
        ("<?e:f?><a/>", 3, "expected white space or `?>`"),
        ("<?e+?><a/>", 3, "expected white space or `?>`"),
        // §2.8: the declaration
        (
            " <?xml version='1.0'?><a/>",
            1,
            "`<?xml` that is not the document's beginning",
        ),
        (
            "<a><?xml version='1.0'?></a>",
            3,
            "`<?xml` that is not the document's beginning",
        ),
        (
            "<?XML version='1.0'?><a/>",
            0,
            "`<?XML` that is not the document's beginning",
        ),
        (
            "<?xml?><a/>",
            0,
            "the document's declaration without a version",
        ),
        (
            "<?xml ?><a/>",
            0,
            "the document's declaration without a version",
        ),
        (
            "<?xml encoding='UTF-8'?><a/>",
            0,
            "`encoding` in the document's declaration",
        ),
        (
            "<?xml version='2.0'?><a/>",
            0,
            "`version` in the document's declaration",
        ),
        (
            "<?xml version='&#49;.0'?><a/>",
            0,
            "`version` in the document's declaration",
        ),
        (
            "<?xml version='1.0'encoding='UTF-8'?><a/>",
            19,
            "expected `?`",
        ),
        (
            "<?xml version='1.0' encoding='8'?><a/>",
            0,
            "`encoding` in the document's declaration",
        ),
        (
            "<?xml version='1.0' standalone='no' encoding='UTF-8'?><a/>",
            0,
            "`encoding` in the document's declaration",
        ),
        (
            "<?xml version='1.0' version='1.0'?><a/>",
            0,
            "`version` in the document's declaration",
        ),
        // §3.1: attributes
        ("<a b='1' b='2'/>", 9, "attribute `b` is there twice"),
        // Namespaces §3, §4, §6.3
        (
            "<a c:b='' d:b='' xmlns:c='u' xmlns:d='u'/>",
            10,
            "attribute `d:b` is there twice",
        ),
        (
            "<e xmlns:c='u'><a xmlns:d='u' c:b='' b='' d:b=''/></e>",
            42,
            "attribute `d:b` is there twice",
        ),
        (
            "<a xmlns='' xmlns=''/>",
            12,
            "attribute `xmlns` is there twice",
        ),
        ("<a xmlns:b=''/>", 3, "`xmlns:b` declares what nobody may"),
        (
            "<a xmlns:xmlns='u'/>",
            3,
            "`xmlns:xmlns` declares what nobody may",
        ),
        (
            "<a xmlns:xml='u'/>",
            3,
            "`xmlns:xml` declares what nobody may",
        ),
        (
            "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
            3,
            "`xmlns` declares what nobody may",
        ),
        ("<xmlns:a/>", 0, "an element with the prefix `xmlns`"),
    ] {
        match error(source) {
            XmlError::Malformed {
                position: at,
                what: ours,
            } => {
                assert_eq!(at, position, "{source:?}: {ours}");
                assert!(
                    ours == what || what.is_empty() && ours.starts_with("unknown entity"),
                    "{ours}"
                );
            }
            other => panic!("{source:?}: {other}"),
        }
    }
    for source in [
        "<!DOCTYPE a><a/>",
        "<!doctype a><a/>",
        "<a/><!DOCTYPE a>",
        "\u{feff} <!DOCTYPE",
    ] {
        assert!(matches!(error(source), XmlError::Dtd { .. }), "{source:?}");
    }
    for (body, position) in [
        (&b"<a>J\xfc</a>"[..], 4),
        (
            b"<?xml version='1.0' encoding='ISO-8859-1'?><a>J\xfc</a>",
            47,
        ),
        (b"\xff\xfe<\0a\0/\0>\0", 0),
        (b"<a>\xc0\x80</a>", 3),
        (b"<a>\xed\xa0\x80</a>", 3),
    ] {
        let error = Document::from_bytes(body).expect_err("not UTF-8");
        assert_eq!(error, XmlError::Utf8 { position });
    }
}

//! URIs: what is read, what is written, which ones are the same.

use sip::{Host, Scheme, Uri};

fn uri(text: &str) -> Uri {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_parts_are_found() {
    let odd = uri("sip:user;par=u%40example.net@example.com;x?Subject=a%20b&Route=%3Csip:h%3E");
    assert_eq!(odd.user_text().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(odd.host, Host::Name("example.com".into()));
    assert!(odd.params.has("x"));
    assert_eq!(
        (odd.header("subject"), odd.header("Route")),
        (Some("a b"), Some("<sip:h>"))
    );
    let escaped = uri("sip:cal%6Cer@h;%6C%72;n%61me=v%61lue%25%34%31");
    assert_eq!(escaped.user_text().as_deref(), Some("caller"));
    assert!(escaped.lr());
    assert_eq!(escaped.params.get("name"), Some("value%41"));
    let nul = uri("sip:%00%00@h");
    assert_eq!(nul.user_text().as_deref(), Some("\0\0"));
    assert_ne!(nul.user, uri("sip:%00@h").user);
    let secret = uri("sips:a:b@[2001:db8::1]:5061;transport=TLS");
    assert_eq!(
        (
            secret.scheme.clone(),
            secret.password.as_deref(),
            secret.port
        ),
        (Scheme::Sips, Some("b"), Some(5061))
    );
    let phone = uri("tel:+49-30-12;phone-context=example.com");
    assert_eq!(
        (phone.user_text().as_deref(), phone.host.is_empty()),
        (Some("+49-30-12"), true)
    );
    assert_eq!(
        uri("soap.beep://192.0.2.103:3002").scheme,
        Scheme::Other("soap.beep".into())
    );
    assert_eq!(uri("sip:*21#@h").user_text().as_deref(), Some("*21#"));
}

#[test]
fn what_is_no_uri_is_refused() {
    let cases = [
        "",
        "sip",
        "sip:",
        "sip:@h",
        "sip:a@",
        "sip:2001:db8::10",
        "sip:a@h:",
        "sip:a@h:99999",
        "sip:a@h;",
        "sip:a@h;=x",
        "sip:a b@h",
        "sip:a@h; lr",
        "<sip:a@h>",
        "sip:a@[::1",
        "sip:a@h?",
        "sip:a@h?=x",
        "tel:",
        "1x:a",
        ":a",
        "x:",
        "sip:a@h;p=%ff",
        "sip:a@1.2.3.999",
        "sip:a@h/x",
        "sip:a\"@h",
        "sip:a\u{7f}@h",
        "tel:1?a=b",
    ];
    for text in cases {
        assert!(Uri::parse(text).is_err(), "{text}");
    }
}

/// The examples of RFC 3261 §19.1.4.
#[test]
fn equivalence_follows_rfc_3261() {
    let same = [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
    ];
    let different = [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:a@h;security=on", "sip:a@h;security=off"),
        ("sip:a@h", "sips:a@h"),
        ("sip:a@h", "sip:h"),
        (
            "tel:5550123;phone-context=a.com",
            "tel:5550123;phone-context=b.com",
        ),
        ("mailto:a@b", "mailto:a@c"),
    ];
    for (one, two) in same {
        assert!(
            uri(one).is_equivalent(&uri(two)) && uri(two).is_equivalent(&uri(one)),
            "{one} {two}"
        );
    }
    for (one, two) in different {
        assert!(
            !uri(one).is_equivalent(&uri(two)) && !uri(two).is_equivalent(&uri(one)),
            "{one} {two}"
        );
    }
}

#[test]
fn what_is_written_is_what_was_read() {
    let cases = [
        "sip:a%40b@h",
        "sip:h",
        "sips:a:b@[2001:db8::1]:5061;transport=tls",
        "tel:+49-30;phone-context=x.de",
        "mailto:a@b?x=y",
        "sip:a@h;n=v%2541?Route=%3Csip:h%3E&X=",
        "sip:a@h;lr;x=%22",
    ];
    for text in cases {
        assert_eq!(uri(text).to_string(), text);
    }
    assert_eq!(Uri::sip("a b@c", "h").to_string(), "sip:a%20b%40c@h");
}

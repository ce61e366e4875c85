//! The examples of the RFCs, and others worked out with another program's hash functions.

use super::{Algorithm, Proof, Qop};

#[test]
fn responses_are_those_of_the_rfcs() {
    for vector in VECTORS {
        let algorithm = Algorithm::parse(vector.algorithm).expect("it is known");
        let [username, realm, password] = vector.login;
        let (method, uri, body) = vector.request;
        let proof = Proof {
            algorithm,
            nonce: vector.nonce,
            qop: vector.protection.map(|(qop, ..)| qop),
            nc: vector.protection.map_or(0, |(_, _, nc)| nc),
            cnonce: vector.protection.map_or("", |(_, cnonce, _)| cnonce),
            uri,
        };
        let ha1 = algorithm.hash.ha1(username, realm, password);
        let response = proof.response(&ha1, method, body);
        assert_eq!(response, vector.response, "{} {uri}", vector.algorithm);
    }
}

struct Vector {
    algorithm: &'static str,
    /// User, realm, password.
    login: [&'static str; 3],
    /// Method, URI, body.
    request: (&'static str, &'static str, &'static [u8]),
    nonce: &'static str,
    protection: Option<(Qop, &'static str, u32)>,
    response: &'static str,
}

const VECTORS: &[Vector] = &[
    rfc_7616("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
    rfc_7616(
        "SHA-256",
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    ),
    // RFC 7616 §3.9.2, with the response of erratum 4897
    Vector {
        algorithm: "SHA-512-256",
        login: ["Jäsøn Doe", "api@example.org", "Secret, or not?"],
        request: ("GET", "/doe.json", b""),
        nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        protection: Some((Qop::Auth, "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", 1)),
        response: "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
    },
    // RFC 2617 §3.5
    Vector {
        algorithm: "MD5",
        login: ["Mufasa", "testrealm@host.com", "Circle Of Life"],
        request: ("GET", "/dir/index.html", b""),
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        protection: Some((Qop::Auth, "0a4f113b", 1)),
        response: "6629fae49393a05397450978507c4ef1",
    },
    // RFC 2069 §2.4, with the response of erratum 749
    Vector {
        algorithm: "MD5",
        login: ["Mufasa", "testrealm@host.com", "CircleOfLife"],
        request: ("GET", "/dir/index.html", b""),
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        protection: None,
        response: "1949323746fe6a43ef61f9606e7febea",
    },
    invite("MD5", Qop::Auth, "da61920429f958b1fe4eb4f5eebbc2cf"),
    invite("MD5", Qop::AuthInt, "9855c80e3610fac8933f2c676a44cb4b"),
    invite("MD5-sess", Qop::Auth, "c0a5870829c575198432ba651b8a41de"),
    invite("MD5-sess", Qop::AuthInt, "00ee96738abb1ce19ad845eae2775d15"),
    invite(
        "SHA-256-sess",
        Qop::AuthInt,
        "7dcf1cf1b00925794110d603812151ab9c4ca20a747c9d6c4a97fdc321ca8445",
    ),
];

/// RFC 7616 §3.9.1.
const fn rfc_7616(algorithm: &'static str, response: &'static str) -> Vector {
    Vector {
        algorithm,
        login: ["Mufasa", "http-auth@example.org", "Circle of Life"],
        request: ("GET", "/dir/index.html", b""),
        nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        protection: Some((Qop::Auth, "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", 1)),
        response,
    }
}

const fn invite(algorithm: &'static str, qop: Qop, response: &'static str) -> Vector {
    Vector {
        algorithm,
        login: ["bob", "biloxi.com", "zanzibar"],
        request: ("INVITE", "sip:bob@biloxi.com", b"v=0\r\n"),
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        protection: Some((qop, "0a4f113b", 10)),
        response,
    }
}

//! `a=crypto` lines (RFC 4568 §9.1, RFC 7714 §14.2).

use media::sdp::{CryptoAttribute, CryptoSuite, SrtpKey};

#[test]
fn keys_of_every_suite_are_written_and_read_again() {
    for (tag, suite) in (1..).zip(CryptoSuite::ALL) {
        let bytes: Vec<u8> = (0..=255).rev().take(suite.key_len()).collect();
        let key = SrtpKey::new(suite, bytes.clone()).expect("the suite's length");
        assert_eq!(key.bytes(), bytes);
        assert!(
            !format!("{key:?}").contains("255, 254"),
            "keys stay out of logs"
        );
        assert_eq!(SrtpKey::new(suite, bytes[1..].to_vec()), None);
        let line = CryptoAttribute { tag, key };
        assert_eq!(
            CryptoAttribute::parse(&line.to_string()),
            Some(line.clone())
        );
        let without_padding = line.to_string().replace('=', "");
        assert_eq!(CryptoAttribute::parse(&without_padding), Some(line));
    }
}

#[test]
fn lines_that_cannot_be_met_are_passed_over() {
    // The key of RFC 4568 §10.1, and what it decodes to by another program.
    const KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
    let good = CryptoAttribute::parse(&format!("1 {SUITE} {KEY}|2^20")).expect("it can be met");
    assert_eq!(good.key.bytes(), b"YS___semctl () {\t220;}\n}\nunles");
    let cases = [
        format!("1 F8_128_HMAC_SHA1_80 {KEY}"),
        format!("1 AEAD_AES_128_GCM {KEY}"),
        format!("1 {SUITE} {KEY}|2^20|1:4"),
        format!("1 {SUITE} {KEY}|1:4"),
        format!("1 {SUITE} {KEY};{KEY}"),
        format!("1 {SUITE} {KEY} UNENCRYPTED_SRTCP"),
        format!("1 {SUITE} {KEY} KDR=1"),
        format!("1 {SUITE} {}", &KEY[..KEY.len() - 2]),
        format!("1 {SUITE} inline:{}", "*".repeat(40)),
        format!("1 {SUITE}"),
        format!("x {SUITE} {KEY}"),
        String::new(),
    ];
    for line in cases {
        assert_eq!(CryptoAttribute::parse(&line), None, "{line}");
    }
}

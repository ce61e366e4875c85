//! The examples of the RFCs.

use aes::{Aes128Enc, Aes256Enc};

use super::ctr::{Counter, Ctr, Keyed as _};
use super::derive::{Label, Prf};
use super::gcm::{Gcm, TAG_LEN};
use super::{Opener, Protector};
use crate::sdp::{CryptoSuite, SrtpKey};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| {
        let text = std::str::from_utf8(pair).expect("digits are ASCII");
        u8::from_str_radix(text, 16).expect("they are digits")
    };
    digits.chunks(2).map(pair).collect()
}

fn array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().expect("the vector has that length")
}

fn key(suite: CryptoSuite, text: &str) -> SrtpKey {
    SrtpKey::new(suite, hex(text)).expect("the key has its suite's length")
}

const RFC_3711_MASTER: &str = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6";
const RFC_6188_MASTER: &str = "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6
                               3b04803de51ee7c96423ab5b78d2";

/// RFC 3711 appendix B.3.
#[test]
fn session_keys_of_128_bits() {
    let prf = Prf::new(&key(CryptoSuite::AesCm128HmacSha1_80, RFC_3711_MASTER));
    let cipher = prf.key::<16>(Label::RTP);
    assert_eq!(*cipher, array("c61e7a93744f39ee10734afe3ff7a087"));
    let salt: [u8; 14] = prf.salt(Label::RTP);
    assert_eq!(salt, array("30cbbc08863d8c85d49db34a9ae1"));
    let auth = prf.auth(Label::RTP);
    assert_eq!(*auth, array("cebe321f6ff7716b6fd4ab49af256a156d38baa4"));
}

/// RFC 6188 §7.2.
#[test]
fn session_keys_of_256_bits() {
    let prf = Prf::new(&key(CryptoSuite::AesCm256HmacSha1_80, RFC_6188_MASTER));
    let cipher = prf.key::<32>(Label::RTP);
    let expected = "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4";
    assert_eq!(*cipher, array(expected));
    let salt: [u8; 14] = prf.salt(Label::RTP);
    assert_eq!(salt, array("fa31791685ca444a9e07c6c64e93"));
    let auth = prf.auth(Label::RTP);
    assert_eq!(*auth, array("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"));
}

/// RFC 3711 appendix B.2: SSRC, roll-overs and sequence number are 0.
#[test]
fn key_stream_of_counter_mode() {
    let ctr = Ctr::new(Aes128Enc::keyed(&array("2b7e151628aed2a6abf7158809cf4f3c")));
    let mut stream = [0; 0xff02 * 16];
    let first = Counter(array("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000"));
    ctr.apply(first, &mut stream);
    let rows = [
        (0, "e03ead0935c95e80e166b16dd92b4eb4"),
        (1, "d23513162b02d0f72a43a2fe4a5f97ab"),
        (2, "41e95b3bb0a2e8dd477901e4fca894c0"),
        (0xfeff, "ec8cdf7398607cb0f2d21675ea9ea1e4"),
        (0xff00, "362b7c3c6773516318a077d7fc5073ae"),
        (0xff01, "6a2cc3787889374fbeb4c81b17ba6c44"),
    ];
    for (block, expected) in rows {
        assert_eq!(stream[16 * block..][..16], hex(expected), "block {block:x}");
    }
}

/// What libsrtp checks itself with: RFC 3711's master key, sequence number 0x1234.
#[test]
fn a_packet_of_counter_mode() {
    let key = key(CryptoSuite::AesCm128HmacSha1_80, RFC_3711_MASTER);
    let clear = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    let secret = hex(
        "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402
                      b78d6acc 99ea179b 8dbb",
    );
    let mut buffer = clear.clone();
    buffer.resize(clear.len() + 10, 0);
    let len = Protector::new(&key).protect(&mut buffer, clear.len());
    assert_eq!(len, Ok(secret.len()));
    assert_eq!(buffer, secret);
    let len = Opener::new(&key).open(&mut buffer).expect("it is ours");
    assert_eq!(buffer[..len], clear);
}

const RFC_7714_SALT: &str = "51756964 2070726f 2071756f";

/// RFC 7714 §16.1.1 and §16.2.1: the session key is given.
#[test]
fn packets_of_gcm() {
    let clear = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
                 69736120 696e2070 61727465 73207472 6573";
    let of_128 = "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
                  0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce";
    let of_256 = "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
                  9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13";
    let salt = array(RFC_7714_SALT);
    let key: [u8; 32] = std::array::from_fn(|at| at as u8);
    let small = Gcm::<Aes128Enc>::new(key.first_chunk::<16>().expect("half of it"), &salt);
    let large = Gcm::<Aes256Enc>::new(&key, &salt);
    let iv = small.rtp_iv(0x5501_a0b2, 0xf17b);
    let mut packet = hex(clear);
    let mut tag = [0; TAG_LEN];
    small.seal(iv, &mut packet, 12, &[], &mut tag);
    assert_eq!([&packet[..], &tag].concat(), hex(of_128));
    assert_eq!(small.open(iv, &mut packet, 12, &[], &tag), Ok(()));
    assert_eq!(packet, hex(clear));
    large.seal(iv, &mut packet, 12, &[], &mut tag);
    assert_eq!([&packet[..], &tag].concat(), hex(of_256));
}

/// RFC 7714 §17.1 and §17.2.
#[test]
fn rtcp_packets_of_gcm() {
    let clear = "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
                 deadbeef deadbeef deadbeef deadbeef deadbeef";
    let of_128 = "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
                  c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872
                  45d9eade 800005d4";
    let of_256 = "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
                  a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c
                  b26ac3be 800005d4";
    let (index, word) = (0x5d4, [0x80, 0, 5, 0xd4]);
    let salt = array(RFC_7714_SALT);
    let key: [u8; 32] = std::array::from_fn(|at| at as u8);
    let small = Gcm::<Aes128Enc>::new(key.first_chunk::<16>().expect("half of it"), &salt);
    let large = Gcm::<Aes256Enc>::new(&key, &salt);
    let len = hex(clear).len();
    let mut buffer = hex(clear);
    buffer.resize(len + TAG_LEN + 4, 0);
    small.seal_rtcp(&mut buffer, len, 0x4d61_7273, index, word);
    assert_eq!(buffer, hex(of_128));
    assert_eq!(
        small.open_rtcp(&mut buffer, len, 0x4d61_7273, index),
        Ok(())
    );
    assert_eq!(buffer[..len], hex(clear));
    large.seal_rtcp(&mut buffer, len, 0x4d61_7273, index, word);
    assert_eq!(buffer, hex(of_256));
}

//! Whether a certificate and a key can be shown at all, said before they are.

use std::net::IpAddr;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::certificate::fingerprint;

/// Certificates in a chain; public ones have three or four.
const CHAIN_MAX: usize = 10;

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256 of the certificate: `AB:CD:…`, 32 bytes.
    pub fingerprint: String,
    /// Whose it is: `CN=box.example`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// DNS names and addresses that it is for (RFC 5280 §4.2.1.6), others left out.
    pub names: Vec<String>,
    /// When it begins to be valid, in seconds since 1970.
    pub not_before_s: i64,
    /// When it ends, in seconds since 1970.
    pub not_after_s: i64,
}

/// Why a certificate and a key are not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotUsable {
    /// There is no certificate in PEM form in it.
    NoCertificate,
    /// One of the certificates cannot be read: its place in the file, from 1.
    UnreadableCertificate(usize),
    /// More certificates than a chain has.
    TooMany,
    /// There is no private key in PEM form in it.
    NoKey,
    /// The key is encrypted.
    KeyEncrypted,
    /// The key is of a kind that is not known here.
    KeyUnknown,
    /// The key is not that of the first certificate.
    KeyDiffers,
    /// Its time is over; seconds since 1970.
    Expired(i64),
    /// Its time has not come; seconds since 1970.
    NotYet(i64),
    /// It is for none of the names and addresses under which it will be seen; those that it is for.
    NotFor(Vec<String>),
    /// It says what it is for, and servers are not among that (RFC 5280 §4.2.1.12).
    NotForServers,
    /// The certificate at that place did not sign the one before.
    ChainBroken(usize),
}

/// What a pair has to be fit for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Names and addresses, one of which it has to be for.
    pub hosts: Vec<String>,
    /// When it has to hold, in seconds since 1970.
    pub now_s: i64,
}

/// A pair that can be shown.
#[derive(Debug)]
pub struct Pair {
    pub(crate) certified: CertifiedKey,
    pub(crate) facts: Facts,
}

impl Pair {
    /// What the certificate says of itself.
    #[must_use]
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Reads a chain, the certificate itself first, and its key, both PEM, and asks whether they belong
/// together and, where something is `wanted`, are fit for it. Nothing is wanted of a pair that was
/// taken before.
///
/// # Errors
/// [`NotUsable`].
pub fn pair(chain: &str, key: &str, wanted: Option<&Wanted>) -> Result<Pair, NotUsable> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| NotUsable::NoCertificate)?;
    let first = chain.first().ok_or(NotUsable::NoCertificate)?;
    if chain.len() > CHAIN_MAX {
        return Err(NotUsable::TooMany);
    }
    let facts = facts(first).ok_or(NotUsable::UnreadableCertificate(1))?;
    if let Some(wanted) = wanted {
        holds(&facts, &wanted.hosts, wanted.now_s)?;
        linked(&chain)?;
        for_servers(first)?;
    }
    if key.contains("ENCRYPTED") {
        return Err(NotUsable::KeyEncrypted);
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| NotUsable::NoKey)?;
    let provider = crate::tls::provider();
    let signing = provider
        .key_provider
        .load_private_key(key)
        .map_err(|_| NotUsable::KeyUnknown)?;
    let certified = CertifiedKey::new(chain, signing);
    certified.keys_match().map_err(|_| NotUsable::KeyDiffers)?;
    Ok(Pair { certified, facts })
}

/// What a certificate in DER says of itself; nothing where it cannot be read.
#[must_use]
pub fn facts(der: &[u8]) -> Option<Facts> {
    let (_, read) = X509Certificate::from_der(der).ok()?;
    let named = read.subject_alternative_name().ok()?;
    let names = named.map_or_else(Vec::new, |extension| {
        let names = extension.value.general_names.iter();
        names.filter_map(name).collect()
    });
    Some(Facts {
        fingerprint: fingerprint(der),
        subject: read.subject().to_string(),
        issuer: read.issuer().to_string(),
        names,
        not_before_s: read.validity().not_before.timestamp(),
        not_after_s: read.validity().not_after.timestamp(),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn holds(facts: &Facts, hosts: &[String], now_s: i64) -> Result<(), NotUsable> {
    if facts.not_after_s <= now_s {
        return Err(NotUsable::Expired(facts.not_after_s));
    }
    if facts.not_before_s > now_s {
        return Err(NotUsable::NotYet(facts.not_before_s));
    }
    let is_for = |host: &String| facts.names.iter().any(|name| covers(name, host));
    if hosts.iter().any(is_for) {
        Ok(())
    } else {
        Err(NotUsable::NotFor(facts.names.clone()))
    }
}

/// Whether a name of a certificate is that host: a `*` stands for the first label alone (RFC 9525 §6.3).
fn covers(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let rest = name.strip_prefix("*.");
    let parent = host.split_once('.').map(|(_, parent)| parent);
    let is_name = host.parse::<IpAddr>().is_err();
    matches!((rest, parent), (Some(rest), Some(parent)) if is_name && rest.eq_ignore_ascii_case(parent))
}

/// Each certificate has to be signed by the next.
fn linked(chain: &[CertificateDer<'_>]) -> Result<(), NotUsable> {
    let mut below: Option<X509Certificate<'_>> = None;
    for (index, der) in chain.iter().enumerate() {
        let (_, read) = X509Certificate::from_der(der)
            .map_err(|_| NotUsable::UnreadableCertificate(index + 1))?;
        if below.is_some_and(|below| below.issuer() != read.subject()) {
            return Err(NotUsable::ChainBroken(index + 1));
        }
        below = Some(read);
    }
    Ok(())
}

fn for_servers(der: &[u8]) -> Result<(), NotUsable> {
    let unreadable = || NotUsable::UnreadableCertificate(1);
    let (_, read) = X509Certificate::from_der(der).map_err(|_| unreadable())?;
    let usage = read.extended_key_usage().map_err(|_| unreadable())?;
    match usage {
        Some(usage) if !usage.value.server_auth && !usage.value.any => {
            Err(NotUsable::NotForServers)
        }
        _ => Ok(()),
    }
}

//! The self-signed certificate made at first start: whoever connects pins its fingerprint, so key and
//! certificate stay the same until somebody removes the files.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};

/// How long a certificate is valid: five years.
pub const VALIDITY: Duration = Duration::from_secs(5 * 365 * 24 * 3600);
/// How far before the present it starts, for clients whose clock is behind.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);

/// Where a certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// PEM file of the certificate.
    pub certificate: PathBuf,
    /// PEM file of the private key, readable by its owner alone.
    pub key: PathBuf,
    /// SHA-256 of the certificate: `AB:CD:…`, 32 bytes.
    pub fingerprint: String,
    /// Whether this call made it.
    pub new: bool,
}

impl Certificate {
    /// A certificate of the operator's own.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn from_files(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let der = CertificateDer::from_pem_file(certificate)
            .with_context(|| format!("read {}", certificate.display()))?;
        Ok(Self {
            fingerprint: fingerprint(&der),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            new: false,
        })
    }
}

/// The certificate in `dir` (`tls.crt`, `tls.key`), made if it is not there: ECDSA P-256, for those
/// names and addresses, valid for [`VALIDITY`] from `now_unix_ms`. An existing key is kept.
///
/// # Errors
/// When the directory or its files cannot be read or written.
pub fn ensure_certificate(
    dir: &Path,
    names: &[String],
    addresses: &[IpAddr],
    now_unix_ms: u64,
) -> anyhow::Result<Certificate> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let (certificate, key) = (dir.join("tls.crt"), dir.join("tls.key"));
    let new = !(certificate.exists() && key.exists());
    if new {
        let pair = ensure_key(&key)?;
        let pem = self_signed(&pair, names, addresses, now_unix_ms)?;
        write_atomically(&certificate, pem.as_bytes())?;
    }
    let made = Certificate::from_files(&certificate, &key)?;
    Ok(Certificate { new, ..made })
}

/// SHA-256 of a certificate in DER as `AB:CD:…`.
#[must_use]
pub fn fingerprint(der: &[u8]) -> String {
    let mut text = String::with_capacity(95);
    for byte in Sha256::digest(der) {
        let colon = if text.is_empty() { "" } else { ":" };
        // Writing to a String has no way to fail.
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

pub(crate) fn ensure_key(path: &Path) -> anyhow::Result<KeyPair> {
    match fs::read_to_string(path) {
        Ok(pem) => KeyPair::from_pem(&pem).with_context(|| format!("read {}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("make a key")?;
            write_atomically(path, pair.serialize_pem().as_bytes())?;
            Ok(pair)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// A certificate that is kept nowhere, for tests and simulators: configuration of the server, and the
/// certificate's fingerprint.
///
/// # Errors
/// When the names cannot stand in a certificate.
pub fn throwaway(
    names: &[String],
    addresses: &[IpAddr],
    now_unix_ms: u64,
) -> anyhow::Result<(Arc<ServerConfig>, String)> {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).context("make a key")?;
    let pem = self_signed(&pair, names, addresses, now_unix_ms)?;
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).context("read what was made")?;
    let fingerprint = fingerprint(&der);
    let key = PrivatePkcs8KeyDer::from(pair.serialize_der());
    let config = crate::tls::of_pair(vec![der], key.into())?;
    Ok((config, fingerprint))
}

/// A request for a certificate (PKCS#10) with that key, for those names and addresses, in PEM.
pub(crate) fn request(
    pair: &KeyPair,
    names: &[String],
    addresses: &[IpAddr],
) -> anyhow::Result<String> {
    let request = params(names, addresses)?.serialize_request(pair);
    let request = request.context("sign the request")?;
    request.pem().context("write the request")
}

fn params(names: &[String], addresses: &[IpAddr]) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(names).context("use the names in a certificate")?;
    let ips = addresses.iter().copied().map(SanType::IpAddress);
    params.subject_alt_names.extend(ips);
    let mut subject = DistinguishedName::new();
    let common = names.first().map_or("ringway", String::as_str);
    subject.push(DnType::CommonName, common);
    params.distinguished_name = subject;
    Ok(params)
}

pub(crate) fn self_signed(
    pair: &KeyPair,
    names: &[String],
    addresses: &[IpAddr],
    now_unix_ms: u64,
) -> anyhow::Result<String> {
    let mut params = params(names, addresses)?;
    let now = date_time_ymd(1970, 1, 1) + Duration::from_millis(now_unix_ms);
    params.not_before = now - BACKDATED;
    params.not_after = now + VALIDITY;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(pair).context("sign the certificate")?;
    Ok(certificate.pem())
}

/// Writes a file that only its owner may read: whole or not at all, also across a power cut.
///
/// # Errors
/// When the file cannot be written.
pub fn write_atomically(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        let dir = path.parent().unwrap_or_else(|| Path::new("."));
        File::open(dir)?.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: u64 = 1_790_000_000_000;

    #[test]
    fn makes_a_certificate_once_and_keeps_it() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["cloud.example.com".to_owned()];
        let ips = ["192.0.2.7".parse().unwrap()];
        let first = ensure_certificate(dir.path(), &names, &ips, NOW).unwrap();
        assert!(first.new);
        assert_eq!(first.fingerprint.len(), 95);
        for file in [&first.key, &first.certificate] {
            assert_eq!(
                fs::metadata(file).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        let again = ensure_certificate(dir.path(), &[], &[], NOW + 1).unwrap();
        assert!(!again.new);
        assert_eq!(again.fingerprint, first.fingerprint);
        crate::tls::server_config(&first.certificate, &first.key).unwrap();
    }

    #[test]
    fn keeps_the_key_when_the_certificate_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let first = ensure_certificate(dir.path(), &[], &[], NOW).unwrap();
        let key = fs::read(&first.key).unwrap();
        fs::remove_file(&first.certificate).unwrap();
        let second = ensure_certificate(dir.path(), &[], &[], NOW).unwrap();
        assert!(second.new);
        assert_eq!(fs::read(&second.key).unwrap(), key);
    }

    #[test]
    fn says_which_file_is_broken() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("tls.key"), "no key").unwrap();
        let error = ensure_certificate(dir.path(), &[], &[], NOW).unwrap_err();
        assert!(error.to_string().contains("tls.key"), "{error}");
    }
}

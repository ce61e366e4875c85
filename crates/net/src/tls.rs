//! Who is trusted and who we are: rustls configurations made from files, with errors naming the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

/// Largest PEM file that is read, in bytes: a system's bundle of roots is a fifth of this.
const PEM_LEN_MAX: u64 = 1024 * 1024;

/// How a client trusts a server.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Certificates signed by one of these roots, a PEM file.
    Roots(PathBuf),
    /// Exactly this certificate, a PEM file: its name and dates do not matter.
    Pinned(PathBuf),
    /// Whoever answers. For this machine asking itself over loopback, where there is nothing to compare
    /// with; never for anything that leaves the machine.
    Loopback,
}

/// Why there is no TLS configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is too large to be what it should be.
    #[error("{} is larger than {PEM_LEN_MAX} bytes", .0.display())]
    TooBig(PathBuf),
    /// The file holds something else.
    #[error("{} holds no {wanted} in PEM form: {reason}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What was found.
        reason: String,
    },
    /// Certificate and key cannot be used together, or at all.
    #[error("{} cannot be used: {source}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// A client's configuration.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn client_config(trust: &Trust) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| unusable(trust.file(), source))?;
    let config = match trust {
        Trust::Roots(file) => builder
            .with_root_certificates(roots(file)?)
            .with_no_client_auth(),
        Trust::Pinned(file) => {
            let certificate = certificates(file)?.swap_remove(0);
            let verifier = Pin::new(Some(certificate));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        }
        Trust::Loopback => {
            let verifier = Pin::new(None);
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        }
    };
    Ok(Arc::new(config))
}

/// A server's configuration: its certificate, followed by those that signed it, and its key.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| TlsError::Pem {
        file: key.to_owned(),
        wanted: "private key",
        reason: error.to_string(),
    })?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        })
        .map_err(|source| unusable(key, source))?;
    Ok(Arc::new(config))
}

impl Trust {
    fn file(&self) -> &Path {
        match self {
            Self::Roots(file) | Self::Pinned(file) => file,
            Self::Loopback => Path::new("the TLS library"),
        }
    }
}

/// Trusts one certificate, or any, whatever it says. The server still has to prove that it has the key.
#[derive(Debug)]
struct Pin {
    certificate: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Pin {
    fn new(certificate: Option<CertificateDer<'static>>) -> Arc<Self> {
        Arc::new(Self {
            certificate,
            provider: provider(),
        })
    }
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self
            .certificate
            .as_ref()
            .is_none_or(|pinned| pinned == end_entity)
        {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::CertificateError::UnknownIssuer.into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A system's bundle may hold a certificate that is not understood; one that is must be in it.
fn roots(file: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates(file)?);
    if added == 0 {
        let source = rustls::Error::General("no certificate in it can be a root".to_owned());
        return Err(unusable(file, source));
    }
    Ok(store)
}

/// The certificates in a file; at least one.
fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let missing = |reason: String| TlsError::Pem {
        file: file.to_owned(),
        wanted: "certificate",
        reason,
    };
    let found: Vec<_> = CertificateDer::pem_slice_iter(&read(file)?)
        .collect::<Result<_, _>>()
        .map_err(|error| missing(error.to_string()))?;
    if found.is_empty() {
        return Err(missing("there is none".to_owned()));
    }
    Ok(found)
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read {
        file: file.to_owned(),
        source,
    };
    if fs::metadata(file).map_err(failed)?.len() > PEM_LEN_MAX {
        return Err(TlsError::TooBig(file.to_owned()));
    }
    fs::read(file).map_err(failed)
}

fn unusable(file: &Path, source: rustls::Error) -> TlsError {
    TlsError::Unusable {
        file: file.to_owned(),
        source,
    }
}

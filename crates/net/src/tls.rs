//! Who is trusted and who we are: rustls configurations made from files, with errors naming the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, ServerConfig,
    SignatureScheme,
};

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
    #[error("cannot read {}", file.display())]
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
    #[error("{} cannot be used", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// A certificate, followed by those that signed it, and its key: PEM files.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The certificate and those that signed it.
    pub certificate: &'a Path,
    /// Its key.
    pub key: &'a Path,
}

/// A client's configuration.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn client_config(trust: &Trust) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(Arc::new(trusting(trust)?.with_no_client_auth()))
}

/// The configuration of a client that shows a certificate of its own where the server asks for one.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn client_config_as(
    trust: &Trust,
    identity: Identity<'_>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let (chain, private) = identity.read()?;
    let config = trusting(trust)?
        .with_client_auth_cert(chain, private)
        .map_err(|source| unusable(identity.key, source))?;
    Ok(Arc::new(config))
}

fn trusting(trust: &Trust) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|source| unusable(trust.file(), source))?;
    let pin = |certificate| {
        let builder = builder.clone().dangerous();
        builder.with_custom_certificate_verifier(Pin::new(certificate))
    };
    Ok(match trust {
        Trust::Roots(file) => builder.clone().with_root_certificates(roots(file)?),
        Trust::Pinned(file) => pin(Some(certificates(file)?.swap_remove(0))),
        Trust::Loopback => pin(None),
    })
}

/// A server's configuration.
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    serving(Identity { certificate, key }, None)
}

/// The configuration of a server that takes only clients with a certificate that `clients`, a PEM file
/// of roots, leads to. One that says what it is for has to say TLS clients (RFC 5280 §4.2.1.12).
///
/// # Errors
/// [`TlsError`], naming the file.
pub fn mutual_server_config(
    identity: Identity<'_>,
    clients: &Path,
) -> Result<Arc<ServerConfig>, TlsError> {
    let roots = Arc::new(roots(clients)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .build()
        .map_err(|error| unusable(clients, rustls::Error::General(error.to_string())))?;
    serving(identity, Some(verifier))
}

fn serving(
    identity: Identity<'_>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, private) = identity.read()?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let clients = clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth);
            builder
                .with_client_cert_verifier(clients)
                .with_single_cert(chain, private)
        })
        .map_err(|source| unusable(identity.key, source))?;
    Ok(Arc::new(config))
}

impl Identity<'_> {
    fn read(self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates(self.certificate)?;
        let private =
            PrivateKeyDer::from_pem_slice(&read(self.key)?).map_err(|error| TlsError::Pem {
                file: self.key.to_owned(),
                wanted: "private key",
                reason: error.to_string(),
            })?;
        Ok((chain, private))
    }
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

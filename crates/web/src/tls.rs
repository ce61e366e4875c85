//! TLS server configuration from PEM files.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// TLS 1.2 and 1.3 without client certificates, HTTP/1.1 by ALPN.
///
/// # Errors
/// When a file cannot be read, holds no certificate or key, or both do not belong together.
pub fn server_config(certificate: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("read certificates from {}", certificate.display()))?;
    if chain.is_empty() {
        bail!("{} holds no certificate", certificate.display());
    }
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("read the private key from {}", key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose TLS versions")?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .with_context(|| {
            format!(
                "use the key {} with {}",
                key.display(),
                certificate.display()
            )
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

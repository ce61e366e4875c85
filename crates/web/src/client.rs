//! Requests to a peer by HTTPS that is trusted by the fingerprint of its certificate alone: appliances
//! on a site sign their certificates themselves, and a person compares.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::fingerprint;
use crate::pair::{self, Facts};

/// Longest time for a connection with its handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest time for an answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer that is read, in bytes.
pub const ANSWER_LEN_MAX: usize = 256 * 1024;

/// What went wrong before there was an answer.
#[derive(Debug)]
pub enum ClientError {
    /// Nothing answers at the address, or not in time.
    Silent(String),
    /// Something answers, but not as a TLS server does.
    NoTls(String),
    /// It shows another certificate than the one that is trusted: the fingerprint of what it shows.
    OtherCertificate(String),
    /// It answers, but not as an HTTP server does, or too much.
    NoHttp(String),
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Its head.
    pub headers: HeaderMap,
    /// Its body, at most [`ANSWER_LEN_MAX`] bytes.
    pub body: Vec<u8>,
}

/// What the certificate that is shown at `at` (host and port) says of itself. Nothing is sent.
///
/// # Errors
/// [`ClientError`].
pub async fn look(at: &str) -> Result<Facts, ClientError> {
    let (_, der) = connect(at, None).await?;
    pair::facts(&der).ok_or_else(|| ClientError::NoTls("its certificate cannot be read".to_owned()))
}

/// Sends a request to `at` (host and port), if its certificate has that fingerprint, and reads the
/// answer. The request carries its own `Host`.
///
/// # Errors
/// [`ClientError`].
pub async fn send(
    at: &str,
    trusted: &str,
    request: Request<Body>,
) -> Result<Answered, ClientError> {
    let no_http = |error: &dyn std::fmt::Display| ClientError::NoHttp(error.to_string());
    let (stream, _) = connect(at, Some(trusted)).await?;
    let asking = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| no_http(&error))?;
        // It ends with the sender, which goes when this is done.
        let driving = tokio::spawn(connection);
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| no_http(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = axum::body::to_bytes(Body::new(answer.into_body()), ANSWER_LEN_MAX).await;
        driving.abort();
        let body = body.map_err(|error| no_http(&error))?.to_vec();
        Ok(Answered {
            status,
            headers,
            body,
        })
    };
    let late = || ClientError::Silent(format!("no answer in {} s", ANSWER_TIMEOUT.as_secs()));
    timeout(ANSWER_TIMEOUT, asking).await.map_err(|_| late())?
}

async fn connect(
    at: &str,
    trusted: Option<&str>,
) -> Result<(TlsStream<TcpStream>, Vec<u8>), ClientError> {
    let late = || ClientError::Silent(format!("no answer in {} s", CONNECT_TIMEOUT.as_secs()));
    let verifier = Arc::new(ByFingerprint {
        trusted: trusted.map(str::to_owned),
        seen: Mutex::default(),
        provider: crate::tls::provider(),
    });
    let connecting = async {
        let stream = TcpStream::connect(at)
            .await
            .map_err(|error| ClientError::Silent(error.to_string()))?;
        let host = at.rsplit_once(':').map_or(at, |(host, _)| host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let host = ServerName::try_from(host);
        let host = host.map_err(|error| ClientError::Silent(error.to_string()))?;
        let config = ClientConfig::builder_with_provider(Arc::new(crate::tls::provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| ClientError::NoTls(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        connector
            .connect(host, stream)
            .await
            .map_err(|error| verifier.why(&error))
    };
    let stream = timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| late())??;
    Ok((stream, verifier.seen()))
}

/// Trusts the certificate of one fingerprint, or, to look at it, any. The server still has to prove
/// that it has the key.
#[derive(Debug)]
struct ByFingerprint {
    trusted: Option<String>,
    seen: Mutex<Vec<u8>>,
    provider: CryptoProvider,
}

impl ByFingerprint {
    fn seen(&self) -> Vec<u8> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn why(&self, error: &std::io::Error) -> ClientError {
        let seen = self.seen();
        let shown = fingerprint(&seen);
        if !seen.is_empty()
            && self
                .trusted
                .as_ref()
                .is_some_and(|trusted| *trusted != shown)
        {
            return ClientError::OtherCertificate(shown);
        }
        ClientError::NoTls(error.to_string())
    }
}

impl ServerCertVerifier for ByFingerprint {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = end_entity.to_vec();
        let shown = fingerprint(end_entity);
        if self
            .trusted
            .as_ref()
            .is_none_or(|trusted| *trusted == shown)
        {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::CertificateError::ApplicationVerificationFailure.into())
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

//! What the web faces share: the accept loop with its limits, the certificate, headers and errors.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`serve`] | HTTPS accept loop around an axum router: every limit has a name, every refusal a counter |
//! | [`tls`] | server configuration from PEM files |
//! | [`certificate`] | the self-signed certificate made at first start |
//! | [`identity`] | the certificate that is shown now: the self-signed one, or one of the owner's own |
//! | [`pair`] | whether a certificate and a key can be shown at all |
//! | [`client`] | requests to a peer that is trusted by the fingerprint of its certificate |
//! | [`layer`] | what every answer gets: correlation id, security headers, request log, time limit |
//! | [`error`] | the JSON error, and extractors that refuse with it |
//! | [`exposition`] | metrics in the format that the asker reads |
//! | [`host`] | which `Host` names are ours |
//! | [`secret`] | text that cannot be printed |

pub mod certificate;
pub mod client;
pub mod error;
pub mod exposition;
pub mod host;
pub mod identity;
pub mod layer;
pub mod pair;
pub mod secret;
pub mod serve;
pub mod tls;

pub use certificate::{Certificate, ensure_certificate, write_atomically};
pub use error::{ApiError, Json, Query};
pub use host::HostNames;
pub use identity::Identity;
pub use layer::{CorrelationId, finish};
pub use secret::Secret;
pub use serve::{Limits, Server};

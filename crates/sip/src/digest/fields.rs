//! Challenges and credentials with the meaning that digest gives their parameters.

use super::algorithm::Algorithm;
use crate::header::{Challenge, Credentials};

/// Longest value that is taken, in bytes; what a peer sends is repeated and hashed.
pub const MAX_VALUE_LEN: usize = 1024;

/// Quality of protection (RFC 7616 §3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qop {
    /// The request line is protected.
    Auth,
    /// So is the body.
    AuthInt,
}

impl Qop {
    /// The name in headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Auth, Self::AuthInt]
            .into_iter()
            .find(|qop| qop.as_str().eq_ignore_ascii_case(name.trim()))
    }
}

/// Why a list of parameters is no digest challenge, or no digest credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// Another scheme, as `Basic`.
    #[error("the scheme is {0:?}, `Digest` was expected")]
    OtherScheme(String),
    /// A parameter that must be there is not.
    #[error("parameter `{0}` was expected")]
    Missing(&'static str),
    /// The same parameter twice (RFC 7235 §2.1: once only).
    #[error("parameter `{0}` stands twice, once was expected")]
    Twice(&'static str),
    /// Longer than [`MAX_VALUE_LEN`].
    #[error("parameter `{0}` is longer than {MAX_VALUE_LEN} bytes")]
    TooLong(&'static str),
    /// A value that the parameter cannot have.
    #[error("parameter `{name}` is not {expected}")]
    Wrong {
        /// The parameter.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A hash function that is not known here.
    #[error("algorithm {0:?} is not known: MD5, SHA-256 or SHA-512-256 was expected")]
    UnknownAlgorithm(String),
}

/// A digest challenge: what `WWW-Authenticate` and `Proxy-Authenticate` say (RFC 7616 §3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestChallenge {
    /// Who asks.
    pub realm: String,
    /// The server's nonce, kept as it came.
    pub nonce: String,
    /// To be returned as it came.
    pub opaque: Option<String>,
    /// The last credentials were refused for their nonce alone.
    pub stale: bool,
    /// The hash function; MD5 when the challenge names none.
    pub algorithm: Algorithm,
    /// Names that were offered and are known here, best first as the server has them; empty is the
    /// form of RFC 2069.
    pub qop: Vec<Qop>,
}

impl DigestChallenge {
    /// Reads the parameters of a challenge.
    ///
    /// # Errors
    /// [`FieldError`] says which parameter is not as expected.
    pub fn read(challenge: &Challenge) -> Result<Self, FieldError> {
        let given = Given::collect(challenge, Self::NAMES)?;
        let qop: Vec<Qop> = match given.get("qop") {
            None => Vec::new(),
            Some(list) => {
                let known: Vec<Qop> = list.split(',').filter_map(Qop::parse).collect();
                if known.is_empty() {
                    return Err(FieldError::Wrong {
                        name: "qop",
                        expected: "`auth` or `auth-int`",
                    });
                }
                known
            }
        };
        Ok(Self {
            realm: given.need("realm")?.to_owned(),
            nonce: given.need("nonce")?.to_owned(),
            opaque: given.get("opaque").map(str::to_owned),
            stale: given
                .get("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
            algorithm: given.algorithm()?,
            qop,
        })
    }

    /// As it is written: all is quoted but `algorithm` and `stale` (RFC 7616 §3.3).
    #[must_use]
    pub fn write(&self) -> Challenge {
        let mut challenge = Challenge::new("Digest")
            .quoted("realm", &*self.realm)
            .quoted("nonce", &*self.nonce)
            .token("algorithm", self.algorithm.as_str());
        if !self.qop.is_empty() {
            let names: Vec<&str> = self.qop.iter().map(|qop| qop.as_str()).collect();
            challenge = challenge.quoted("qop", names.join(","));
        }
        if let Some(opaque) = &self.opaque {
            challenge = challenge.quoted("opaque", &**opaque);
        }
        if self.stale {
            challenge = challenge.token("stale", "true");
        }
        challenge
    }

    const NAMES: &'static [&'static str] =
        &["realm", "nonce", "opaque", "stale", "algorithm", "qop"];
}

/// Digest credentials: what `Authorization` and `Proxy-Authorization` say (RFC 7616 §3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestCredentials {
    /// Who it is.
    pub username: String,
    /// The realm of the challenge.
    pub realm: String,
    /// The nonce of the challenge.
    pub nonce: String,
    /// The Request-URI.
    pub uri: String,
    /// The proof, hexadecimal.
    pub response: String,
    /// The hash function.
    pub algorithm: Algorithm,
    /// As it came in the challenge.
    pub opaque: Option<String>,
    /// Quality of protection with the client's nonce and its count of the server's nonce, from 1;
    /// `None` is the form of RFC 2069.
    pub protection: Option<(Qop, String, u32)>,
}

impl DigestCredentials {
    /// Reads the parameters of credentials.
    ///
    /// # Errors
    /// [`FieldError`] says which parameter is not as expected.
    pub fn read(credentials: &Credentials) -> Result<Self, FieldError> {
        let given = Given::collect(credentials, Self::NAMES)?;
        let algorithm = given.algorithm()?;
        let protection = match given.get("qop") {
            Some(qop) => {
                let qop = Qop::parse(qop).ok_or(FieldError::Wrong {
                    name: "qop",
                    expected: "`auth` or `auth-int`",
                })?;
                let cnonce = given.need("cnonce")?.to_owned();
                Some((qop, cnonce, nonce_count(given.need("nc")?)?))
            }
            //= RFC 7616 §3.4.2
            // The session forms of A1 need a client nonce.
            None if algorithm.session => return Err(FieldError::Missing("qop")),
            None => None,
        };
        let response = given.need("response")?;
        if !response.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(FieldError::Wrong {
                name: "response",
                expected: "hexadecimal digits",
            });
        }
        Ok(Self {
            username: given.need("username")?.to_owned(),
            realm: given.need("realm")?.to_owned(),
            nonce: given.need("nonce")?.to_owned(),
            uri: given.need("uri")?.to_owned(),
            response: response.to_ascii_lowercase(),
            algorithm,
            opaque: given.get("opaque").map(str::to_owned),
            protection,
        })
    }

    /// As they are written: all is quoted but `algorithm`, `qop` and `nc` (RFC 7616 §3.4).
    #[must_use]
    pub fn write(&self) -> Credentials {
        let mut credentials = Credentials::new("Digest")
            .quoted("username", &*self.username)
            .quoted("realm", &*self.realm)
            .quoted("nonce", &*self.nonce)
            .quoted("uri", &*self.uri)
            .quoted("response", &*self.response)
            .token("algorithm", self.algorithm.as_str());
        if let Some((qop, cnonce, nc)) = &self.protection {
            credentials = credentials
                .quoted("cnonce", &**cnonce)
                .token("qop", qop.as_str())
                .token("nc", format!("{nc:08x}"));
        }
        if let Some(opaque) = &self.opaque {
            credentials = credentials.quoted("opaque", &**opaque);
        }
        credentials
    }

    const NAMES: &'static [&'static str] = &[
        "username",
        "realm",
        "nonce",
        "uri",
        "response",
        "algorithm",
        "opaque",
        "qop",
        "cnonce",
        "nc",
    ];
}

/// `nc` is eight hexadecimal digits (RFC 7616 §3.4); fewer are taken, zero is not: it counts from 1.
fn nonce_count(text: &str) -> Result<u32, FieldError> {
    let count = (text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| u32::from_str_radix(text, 16).ok())
        .flatten();
    count.filter(|count| *count > 0).ok_or(FieldError::Wrong {
        name: "nc",
        expected: "one to eight hexadecimal digits above zero",
    })
}

/// The parameters that are known, each once and not too long. Others are passed over, as RFC 7616
/// §3.3 says.
struct Given<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Given<'a> {
    fn collect(
        challenge: &'a Challenge,
        names: &'static [&'static str],
    ) -> Result<Self, FieldError> {
        if !challenge.is("Digest") {
            let shown: String = challenge.scheme.chars().take(32).collect();
            return Err(FieldError::OtherScheme(shown));
        }
        let mut given = Self(Vec::with_capacity(names.len()));
        for param in &challenge.params {
            let mut names = names.iter();
            let Some(name) = names.find(|name| name.eq_ignore_ascii_case(&param.name)) else {
                continue;
            };
            if given.get(name).is_some() {
                return Err(FieldError::Twice(name));
            }
            if param.value.len() > MAX_VALUE_LEN {
                return Err(FieldError::TooLong(name));
            }
            given.0.push((name, &param.value));
        }
        Ok(given)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }

    fn need(&self, name: &'static str) -> Result<&'a str, FieldError> {
        self.get(name).ok_or(FieldError::Missing(name))
    }

    fn algorithm(&self) -> Result<Algorithm, FieldError> {
        let Some(name) = self.get("algorithm") else {
            return Ok(Algorithm::MD5);
        };
        Algorithm::parse(name)
            .ok_or_else(|| FieldError::UnknownAlgorithm(name.chars().take(32).collect()))
    }
}

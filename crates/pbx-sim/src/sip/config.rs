//! What the SIP side is set up with.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use sip::digest::{Algorithm, Login};
use sip::transport::Transport;

use crate::config::EXTENSIONS_MAX;

/// The domain of the PBX unless it is said otherwise (RFC 2606).
pub const DOMAIN: &str = "pbx.example.com";

/// The SIP side of a PBX.
#[derive(Debug, Clone)]
pub struct SipConfig {
    /// Where SIP is spoken.
    pub listen: Vec<SipAddress>,
    /// The domain of the extensions, and the realm of digest.
    pub domain: String,
    /// Who registers. Empty: any number may, unless `authenticate`.
    pub users: Vec<SipUser>,
    /// Whether REGISTER and INVITE want digest.
    pub authenticate: bool,
    /// The algorithms that are offered, the preferred one first.
    pub digest: Vec<Algorithm>,
    /// The shortest registration that is taken (423 below it, RFC 3261 §10.3).
    pub expires_min: Duration,
    /// The longest registration that is granted, and what is granted where nothing is asked for.
    pub expires_max: Duration,
    /// The trunk to the gateway.
    pub trunk: Option<TrunkConfig>,
    /// Where RTP of all calls goes to.
    pub media: SocketAddr,
    /// Makes tags, branches, Call-IDs and nonces: random where others can reach the PBX.
    pub seed: u64,
}

impl Default for SipConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            domain: DOMAIN.to_owned(),
            users: Vec::new(),
            authenticate: true,
            digest: SipDigest::default().algorithms(),
            expires_min: Duration::from_secs(60),
            expires_max: Duration::from_secs(3600),
            trunk: None,
            media: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            seed: 1,
        }
    }
}

impl SipConfig {
    /// The address of ours that a transport is spoken at, of the same family as the peer's.
    #[must_use]
    pub fn local(&self, transport: Transport, peer: SocketAddr) -> Option<SocketAddr> {
        let mut addresses = self.listen.iter();
        let fits =
            |at: &&SipAddress| at.transport == transport && at.address.is_ipv4() == peer.is_ipv4();
        addresses.find(fits).map(|at| at.address)
    }
}

/// Who may register for an extension.
#[derive(Debug, Clone)]
pub struct SipUser {
    /// The extension.
    pub extension: String,
    /// Name and password.
    pub login: Login,
}

/// Reads a file of users: a line each, `EXTENSION USER PASSWORD`; `#` begins a remark.
///
/// # Errors
/// A sentence with the line that is none.
pub fn parse_users(text: &str) -> Result<Vec<SipUser>, String> {
    let mut seen = BTreeSet::new();
    let mut users = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [] => {}
            [extension, user, password] if users.len() < EXTENSIONS_MAX => {
                if !seen.insert(user.to_owned()) {
                    return Err(format!("line {number}: {user} stands there twice"));
                }
                users.push(SipUser {
                    extension: extension.to_owned(),
                    login: login(user, password),
                });
            }
            [_, _, _] => return Err(format!("more than {EXTENSIONS_MAX} users")),
            _ => {
                return Err(format!(
                    "line {number}: write it as EXTENSION USER PASSWORD"
                ));
            }
        }
    }
    Ok(users)
}

/// The trunk to the gateway.
#[derive(Debug, Clone)]
pub struct TrunkConfig {
    /// The gateway.
    pub peer: SipAddress,
    /// What the gateway proves itself with when we challenge it: the PBX user.
    pub pbx_login: Option<Login>,
    /// What we prove ourselves with when the gateway challenges us: the gateway user.
    pub gateway_login: Option<Login>,
    /// Numbers that begin so go to the gateway.
    pub codes: Vec<String>,
}

/// A transport and an address, as `tcp:127.0.0.1:5060`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipAddress {
    /// UDP or TCP.
    pub transport: Transport,
    /// Address and port.
    pub address: SocketAddr,
}

impl FromStr for SipAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let usage = || {
            format!("{text:?} is no SIP address: write udp:127.0.0.1:5070 or tcp:127.0.0.1:5070")
        };
        let (transport, address) = text.split_once(':').ok_or_else(usage)?;
        let transport = match transport {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            _ => return Err(usage()),
        };
        let address = address.parse().map_err(|_| usage())?;
        Ok(Self { transport, address })
    }
}

impl fmt::Display for SipAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.uri_token(), self.address)
    }
}

/// Which digest algorithms are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SipDigest {
    /// MD5 alone (RFC 3261): many telephones know nothing else, and some give up where another
    /// algorithm is offered beside it.
    #[default]
    Md5,
    /// SHA-256 alone (RFC 8760).
    Sha256,
    /// SHA-256, then MD5.
    Both,
}

impl SipDigest {
    /// The algorithms, the preferred one first.
    #[must_use]
    pub fn algorithms(self) -> Vec<Algorithm> {
        match self {
            Self::Md5 => vec![Algorithm::MD5],
            Self::Sha256 => vec![Algorithm::SHA_256],
            Self::Both => vec![Algorithm::SHA_256, Algorithm::MD5],
        }
    }
}

impl FromStr for SipDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "md5" => Ok(Self::Md5),
            "sha-256" => Ok(Self::Sha256),
            "both" => Ok(Self::Both),
            _ => Err("allowed are md5, sha-256 and both".to_owned()),
        }
    }
}

/// A name and a password.
#[must_use]
pub fn login(user: &str, password: &str) -> Login {
    Login {
        username: user.to_owned(),
        password: password.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_users_is_read_or_refused_with_its_line() {
        let users = parse_users("# all\n2001 alice secret\n\n2002 bob\n").unwrap_err();
        assert_eq!(users, "line 4: write it as EXTENSION USER PASSWORD");
        let users = parse_users("2001 alice secret # her own\n2002 bob b\n").unwrap();
        let got: Vec<_> = users
            .iter()
            .map(|it| (&*it.extension, &*it.login.username))
            .collect();
        assert_eq!(got, [("2001", "alice"), ("2002", "bob")]);
        let twice = parse_users("2001 alice a\n2002 alice b").unwrap_err();
        assert_eq!(twice, "line 2: alice stands there twice");
    }

    #[test]
    fn addresses_are_written_as_they_are_read() {
        for text in ["udp:127.0.0.1:5070", "tcp:[::1]:5060"] {
            assert_eq!(text.parse::<SipAddress>().unwrap().to_string(), text);
        }
        for text in [
            "127.0.0.1:5060",
            "tls:127.0.0.1:5061",
            "udp:host:5060",
            "udp:",
        ] {
            assert!(
                text.parse::<SipAddress>()
                    .unwrap_err()
                    .contains("no SIP address"),
                "{text}"
            );
        }
    }
}

//! The certificate that is shown now: the one that the box has signed itself, or one of its owner's.
//! A new one counts from the next handshake on.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context as _, anyhow};
use pem::{EncodeConfig, LineEnding, Pem};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::certificate::{
    ensure_certificate, ensure_key, request, self_signed as sign_own, write_atomically,
};
use crate::pair::{Facts, NotUsable, Pair, Wanted, pair};

/// File of the owner's chain and key, in one, so that both change at once.
const OWN: &str = "tls-own.pem";

/// The certificate that is shown now.
#[derive(Debug)]
pub struct Identity {
    dir: PathBuf,
    names: Vec<String>,
    addresses: Vec<IpAddr>,
    now: Arc<Now>,
    /// Held while files change: one after the other.
    changing: Mutex<()>,
}

/// What each handshake asks for.
#[derive(Debug)]
struct Now(RwLock<Current>);

#[derive(Debug, Clone)]
struct Current {
    certified: Arc<CertifiedKey>,
    shown: Shown,
}

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What the certificate says of itself.
    pub facts: Facts,
    /// Whether it is the owner's own, and not the one that the box has signed itself.
    pub own: bool,
}

impl Shown {
    /// Full days until its end, rounded down; negative when it is over.
    #[must_use]
    pub const fn days_left(&self, now_s: i64) -> i64 {
        (self.facts.not_after_s - now_s).div_euclid(24 * 3600)
    }
}

impl Identity {
    /// Shows what is in `dir`: the owner's certificate where there is one that can be read, else the
    /// self-signed one, made if it is not there, for those names and addresses.
    ///
    /// # Errors
    /// When the directory or its files cannot be read or written.
    pub fn open(
        dir: &Path,
        names: Vec<String>,
        addresses: Vec<IpAddr>,
        now_unix_ms: u64,
    ) -> anyhow::Result<Self> {
        ensure_certificate(dir, &names, &addresses, now_unix_ms)?;
        let own = dir.join(OWN);
        let current = match std::fs::read_to_string(&own) {
            Ok(both) => pair(&both, &both, None).map(|pair| Current::of(pair, true)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self_signed(dir)?),
            Err(error) => return Err(error).with_context(|| format!("read {}", own.display())),
        };
        let current = match current {
            Ok(current) => current,
            Err(problem) => {
                tracing::error!(
                    file = %own.display(),
                    ?problem,
                    "the certificate that was uploaded cannot be used: showing the box's own"
                );
                self_signed(dir)?
            }
        };
        Ok(Self {
            dir: dir.to_owned(),
            names,
            addresses,
            now: Arc::new(Now(RwLock::new(current))),
            changing: Mutex::default(),
        })
    }

    /// TLS 1.2 and 1.3 without client certificates, with whatever is shown at the time.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub fn server_config(&self) -> anyhow::Result<Arc<ServerConfig>> {
        crate::tls::of_resolver(Arc::clone(&self.now) as Arc<dyn ResolvesServerCert>)
    }

    /// What is shown now.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.now.get().shown
    }

    /// Files of the certificate that is shown now, and of its key.
    #[must_use]
    pub fn files(&self) -> (PathBuf, PathBuf) {
        if self.shown().own {
            let both = self.dir.join(OWN);
            return (both.clone(), both);
        }
        (self.dir.join("tls.crt"), self.dir.join("tls.key"))
    }

    /// The chain that is shown now, in PEM; no key.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        let current = self.now.get();
        let blocks = current.certified.cert.iter().map(|der| block(der));
        blocks.collect()
    }

    /// A request for a certificate with the box's own key, which stays the same (PKCS#10, PEM).
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn request(&self) -> anyhow::Result<String> {
        let key = ensure_key(&self.dir.join("tls.key"))?;
        request(&key, &self.names, &self.addresses)
    }

    /// Takes a certificate of the owner's: the chain and, unless it was made for [`Self::request`], its
    /// key. It is shown from now on, if it can be, to those who know the box as `host` or by one of its
    /// own names; else everything stays as it is.
    ///
    /// # Errors
    /// When the files cannot be read or written; inside, why it cannot be shown.
    pub fn put(
        &self,
        chain: &str,
        key: Option<&str>,
        host: Option<&str>,
        now_unix_ms: u64,
    ) -> anyhow::Result<Result<Shown, NotUsable>> {
        let boxes = self.dir.join("tls.key");
        let key = match key {
            Some(key) => key.to_owned(),
            None => std::fs::read_to_string(&boxes)
                .with_context(|| format!("read {}", boxes.display()))?,
        };
        let wanted = Wanted {
            hosts: self.hosts(host),
            now_s: i64::try_from(now_unix_ms / 1000).unwrap_or(i64::MAX),
        };
        let made = match pair(chain, &key, Some(&wanted)) {
            Ok(made) => made,
            Err(problem) => return Ok(Err(problem)),
        };
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut both: String = made.certified.cert.iter().map(|der| block(der)).collect();
        both.push_str(&key_block(&key)?);
        write_atomically(&self.dir.join(OWN), both.as_bytes())?;
        let current = Current::of(made, true);
        let shown = current.shown.clone();
        self.now.set(current);
        Ok(Ok(shown))
    }

    /// Shows the certificate that the box has signed itself again, and forgets the owner's.
    ///
    /// # Errors
    /// When the files cannot be read or removed.
    pub fn forget_own(&self) -> anyhow::Result<Shown> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let own = self.dir.join(OWN);
        let current = self_signed(&self.dir)?;
        match std::fs::remove_file(&own) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("remove {}", own.display()));
            }
            _ => {}
        }
        let shown = current.shown.clone();
        self.now.set(current);
        Ok(shown)
    }

    /// Signs the box's own certificate anew, with the same key, for the usual time; it is shown unless
    /// there is one of the owner's. Whoever trusts its fingerprint has to be told.
    ///
    /// # Errors
    /// When the files cannot be read or written.
    pub fn renew(&self, now_unix_ms: u64) -> anyhow::Result<Shown> {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let key = ensure_key(&self.dir.join("tls.key"))?;
        let pem = sign_own(&key, &self.names, &self.addresses, now_unix_ms)?;
        write_atomically(&self.dir.join("tls.crt"), pem.as_bytes())?;
        if self.shown().own {
            return Ok(self.shown());
        }
        let current = self_signed(&self.dir)?;
        let shown = current.shown.clone();
        self.now.set(current);
        Ok(shown)
    }

    /// Names and addresses under which the box is known, loopback left out; one of them has to stand in
    /// a certificate.
    #[must_use]
    pub fn hosts(&self, host: Option<&str>) -> Vec<String> {
        let names = self.names.iter().filter(|name| *name != "localhost");
        let outside = self.addresses.iter().filter(|at| !at.is_loopback());
        let mut hosts: Vec<String> = host.map(str::to_owned).into_iter().collect();
        hosts.extend(names.cloned());
        hosts.extend(outside.map(ToString::to_string));
        hosts.dedup();
        hosts
    }
}

impl Current {
    fn of(pair: Pair, own: bool) -> Self {
        Self {
            certified: Arc::new(pair.certified),
            shown: Shown {
                facts: pair.facts,
                own,
            },
        }
    }
}

impl Now {
    /// It is only changed as a whole.
    fn get(&self) -> Current {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, current: Current) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = current;
    }
}

impl ResolvesServerCert for Now {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().certified)
    }
}

fn self_signed(dir: &Path) -> anyhow::Result<Current> {
    let read = |name: &str| {
        let path = dir.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let made = pair(&read("tls.crt")?, &read("tls.key")?, None);
    let made =
        made.map_err(|problem| anyhow!("{problem:?}: tls.crt and tls.key in {}", dir.display()))?;
    Ok(Current::of(made, false))
}

fn block(der: &CertificateDer<'_>) -> String {
    in_pem("CERTIFICATE", der)
}

/// The key alone, whatever else stood in the text.
fn key_block(text: &str) -> anyhow::Result<String> {
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).context("read the private key")?;
    let label = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    Ok(in_pem(label, key.secret_der()))
}

fn in_pem(label: &str, der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(label, der), config)
}

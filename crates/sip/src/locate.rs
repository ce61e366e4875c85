//! Where a request for a URI goes (RFC 3263): transports, addresses and ports, the best first, the rest
//! for fail-over (§4.3).
//!
//! [`locate`] is a function of what is known: it gives the whole list, or the questions to the DNS whose
//! answers it lacks. Its caller asks them, adds the answers and calls again; it keeps them for as long
//! as their records live, and a name that does not exist is an answer without records.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::id::IdSource;
use crate::transport::Transport;
use crate::uri::{Host, Scheme, Uri};

/// Targets of one URI; those beyond are dropped.
pub const TARGETS_MAX: usize = 64;

/// A question to the DNS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// The services of a domain (RFC 3403).
    Naptr(Box<str>),
    /// The servers of a service (RFC 2782), as `_sip._udp.example.com`.
    Srv(Box<str>),
    /// IPv4 addresses.
    A(Box<str>),
    /// IPv6 addresses.
    Aaaa(Box<str>),
}

/// What the DNS answered; records of other kinds are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// To a question for NAPTR.
    pub naptr: Vec<Naptr>,
    /// To a question for SRV.
    pub srv: Vec<Srv>,
    /// To a question for A or AAAA.
    pub addresses: Vec<IpAddr>,
}

/// A NAPTR record that leads to SRV records (flag `s`); those with other flags are no concern here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower ones first.
    pub order: u16,
    /// Lower ones first among the same order.
    pub preference: u16,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T` and others.
    pub service: Box<str>,
    /// Where the SRV records are.
    pub replacement: Box<str>,
}

/// A SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower ones first.
    pub priority: u16,
    /// The share among those of the same priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The server's name; `.` says that there is no such service.
    pub target: Box<str>,
}

/// What we can do.
#[derive(Debug, Clone)]
pub struct LocateConfig {
    /// Transports that we speak, the preferred one first where the DNS leaves it to us.
    pub transports: Vec<Transport>,
    /// Whether IPv4 addresses are of use.
    pub has_v4: bool,
    /// Whether IPv6 addresses are of use. They stand behind IPv4 addresses of the same server.
    pub has_v6: bool,
}

impl Default for LocateConfig {
    fn default() -> Self {
        Self {
            transports: vec![Transport::Tls, Transport::Tcp, Transport::Udp],
            has_v4: true,
            has_v6: true,
        }
    }
}

/// What is known so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// Where to send, in this order. Empty when the DNS knows no address.
    Targets(Vec<(Transport, SocketAddr)>),
    /// These have to be answered first.
    Ask(BTreeSet<Question>),
}

/// Why a URI leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocateError {
    /// Only `sip` and `sips` URIs name a place.
    #[error("a URI of scheme {scheme} names no server; expected sip or sips")]
    Scheme {
        /// What it is.
        scheme: String,
    },
    /// The URI asks for a transport that we do not speak, or that its scheme forbids.
    #[error("the transport {transport} is of no use for this URI")]
    Transport {
        /// What it asks for.
        transport: String,
    },
}

/// Where a request for `uri` goes, out of what the DNS has answered so far. Chance decides between
/// servers by their weights.
///
/// # Errors
///
/// [`LocateError`]: no answer of the DNS would help.
pub fn locate(
    uri: &Uri,
    config: &LocateConfig,
    answers: &BTreeMap<Question, Answer>,
    ids: &mut dyn IdSource,
) -> Result<Located, LocateError> {
    let mut search = Search {
        config,
        answers,
        ids,
        missing: BTreeSet::new(),
        found: Vec::new(),
    };
    search.run(uri)?;
    if !search.missing.is_empty() {
        return Ok(Located::Ask(search.missing));
    }
    let mut targets: Vec<(Transport, SocketAddr)> = Vec::new();
    for target in search.found {
        if !targets.contains(&target) && targets.len() < TARGETS_MAX {
            targets.push(target);
        }
    }
    Ok(Located::Targets(targets))
}

struct Search<'a, 'i> {
    config: &'a LocateConfig,
    answers: &'a BTreeMap<Question, Answer>,
    ids: &'i mut dyn IdSource,
    missing: BTreeSet<Question>,
    found: Vec<(Transport, SocketAddr)>,
}

impl<'a> Search<'a, '_> {
    fn run(&mut self, uri: &Uri) -> Result<(), LocateError> {
        let is_secure = match uri.scheme {
            Scheme::Sip => false,
            Scheme::Sips => true,
            _ => {
                let scheme = uri.scheme.as_str().to_owned();
                return Err(LocateError::Scheme { scheme });
            }
        };
        let asked = self.asked_transport(uri, is_secure)?;
        //= RFC 3263 §4
        // If the URI contains a maddr parameter, the TARGET is the value of it.
        let host = match uri.maddr() {
            Some(maddr) => maddr.parse().unwrap_or_else(|_| Host::Name(maddr.into())),
            None => uri.host.clone(),
        };
        let plain = if is_secure {
            Transport::Tls
        } else {
            Transport::Udp
        };
        //= RFC 3263 §4.1
        // A TARGET that is a numeric IP address, or comes with a port, is reached by UDP for a SIP URI and
        // by TCP for a SIPS URI.
        let transport = asked.unwrap_or(plain);
        match (&host, uri.port) {
            (Host::Name(name), Some(port)) => {
                self.check(transport)?;
                self.addresses(transport, name, port);
            }
            (Host::Name(name), None) => self.search_name(name, asked, is_secure),
            (Host::V4(_) | Host::V6(_), port) => {
                self.check(transport)?;
                let port = port.unwrap_or_else(|| transport.default_port());
                let address = host.ip().map(|ip| (transport, SocketAddr::new(ip, port)));
                self.found.extend(address);
            }
        }
        Ok(())
    }

    /// The transport that the URI asks for.
    fn asked_transport(
        &self,
        uri: &Uri,
        is_secure: bool,
    ) -> Result<Option<Transport>, LocateError> {
        let Some(asked) = uri.transport_param() else {
            return Ok(None);
        };
        let transport = match (asked.to_ascii_lowercase().as_str(), is_secure) {
            ("udp", false) => Some(Transport::Udp),
            ("tcp", false) => Some(Transport::Tcp),
            ("tcp", true) | ("tls", _) => Some(Transport::Tls),
            _ => None,
        };
        let transport = transport.filter(|transport| self.config.transports.contains(transport));
        transport.map(Some).ok_or_else(|| LocateError::Transport {
            transport: asked.to_owned(),
        })
    }

    fn check(&self, transport: Transport) -> Result<(), LocateError> {
        match self.config.transports.contains(&transport) {
            true => Ok(()),
            false => Err(LocateError::Transport {
                transport: transport.uri_token().to_owned(),
            }),
        }
    }

    /// A name without a port.
    fn search_name(&mut self, name: &str, asked: Option<Transport>, is_secure: bool) {
        let services = match asked {
            Some(transport) => vec![(transport, srv_name(transport, name))],
            None => match self.answer(Question::Naptr(name.into())) {
                Some(answer) => self.services(&answer.naptr, name, is_secure),
                None => return,
            },
        };
        let mut any = false;
        for (transport, srv) in services {
            let Some(answer) = self.answer(Question::Srv(srv.into())) else {
                continue;
            };
            any |= !answer.srv.is_empty();
            for record in self.by_weight(&answer.srv) {
                // "." is the service that is decidedly not there (RFC 2782).
                if &*record.target != "." {
                    self.addresses(transport, &record.target, record.port);
                }
            }
        }
        if any || !self.missing.is_empty() {
            return;
        }
        //= RFC 3263 §4.2
        // If no SRV records were found, the client performs an A or AAAA record lookup of the domain.
        let plain = if is_secure {
            Transport::Tls
        } else {
            Transport::Udp
        };
        let transport = asked.unwrap_or(plain);
        if self.config.transports.contains(&transport) {
            self.addresses(transport, name, transport.default_port());
        }
    }

    /// Where SRV records are to be looked for, by NAPTR or, without such, by each transport.
    fn services(&self, naptr: &[Naptr], name: &str, is_secure: bool) -> Vec<(Transport, String)> {
        let mut records: Vec<&Naptr> = naptr.iter().collect();
        records.sort_by_key(|record| (record.order, record.preference));
        let by_naptr = records.into_iter().filter_map(|record| {
            let transport = match record.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => return None,
            };
            Some((transport, record.replacement.to_string()))
        });
        let usable = |transport: Transport| {
            //= RFC 3263 §4.1
            // For a SIPS URI, records with a service that does not begin with "SIPS" are discarded.
            let is_allowed = !is_secure || transport == Transport::Tls;
            is_allowed && self.config.transports.contains(&transport)
        };
        let by_naptr: Vec<_> = by_naptr
            .filter(|(transport, _)| usable(*transport))
            .collect();
        if !by_naptr.is_empty() {
            return by_naptr;
        }
        let transports = self.config.transports.iter().copied();
        let usable = transports.filter(|transport| usable(*transport));
        let named = usable.map(|transport| (transport, srv_name(transport, name)));
        named.collect()
    }

    /// SRV records in the order to try them (RFC 2782).
    fn by_weight(&mut self, records: &[Srv]) -> Vec<Srv> {
        let mut left: Vec<&Srv> = records.iter().collect();
        // Records of weight 0 stand first, so that they are seldom drawn.
        left.sort_by_key(|record| (record.priority, record.weight != 0));
        let mut ordered = Vec::with_capacity(left.len());
        while let Some(first) = left.first() {
            let peers = left
                .iter()
                .take_while(|record| record.priority == first.priority);
            let weights: Vec<u64> = peers.map(|record| u64::from(record.weight)).collect();
            let draw = self.ids.number() % (weights.iter().sum::<u64>() + 1);
            let mut sum = 0;
            let drawn = weights.iter().position(|weight| {
                sum += weight;
                sum >= draw
            });
            ordered.push(left.remove(drawn.unwrap_or_default()).clone());
        }
        ordered
    }

    fn addresses(&mut self, transport: Transport, name: &str, port: u16) {
        if let Ok(ip) = name.parse::<IpAddr>() {
            self.found.push((transport, SocketAddr::new(ip, port)));
            return;
        }
        let families = [
            (self.config.has_v4, Question::A(name.into())),
            (self.config.has_v6, Question::Aaaa(name.into())),
        ];
        for (_, question) in families.into_iter().filter(|(wanted, _)| *wanted) {
            if let Some(answer) = self.answer(question) {
                let addresses = answer.addresses.iter();
                let targets = addresses.map(|ip| (transport, SocketAddr::new(*ip, port)));
                self.found.extend(targets);
            }
        }
    }

    fn answer(&mut self, question: Question) -> Option<&'a Answer> {
        let answer = self.answers.get(&question);
        if answer.is_none() {
            self.missing.insert(question);
        }
        answer
    }
}

fn srv_name(transport: Transport, name: &str) -> String {
    let prefix = match transport {
        Transport::Udp => "_sip._udp.",
        Transport::Tcp => "_sip._tcp.",
        Transport::Tls => "_sips._tcp.",
    };
    format!("{prefix}{name}")
}

//! Names of SIP servers: asks the DNS what [`sip::locate`] wants to know.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ::sip::Uri;
use ::sip::id::IdSource;
use ::sip::locate::{Answer, LocateConfig, LocateError, Located, Naptr, Question, Srv, locate};
use ::sip::transport::Transport;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::task::JoinSet;

/// Longest time for one name, all questions together.
pub const NAME_TIMEOUT: Duration = Duration::from_secs(10);
/// Questions that one name may lead to; beyond it the answers go in a circle, or somebody means no good.
const QUESTIONS_MAX: usize = 64;

/// Looks up names.
#[derive(Clone)]
pub struct Names {
    resolver: TokioResolver,
    config: LocateConfig,
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// The system's `/etc/resolv.conf` cannot be used.
    #[error("the system's name servers cannot be used: {0}")]
    System(#[source] NetError),
    /// No name server gave an answer, which says nothing about the name.
    #[error("no answer of the DNS to the question for {question}: {source}")]
    NoAnswer {
        /// What was asked.
        question: String,
        /// What happened.
        source: NetError,
    },
    /// Not answered within [`NAME_TIMEOUT`].
    #[error("{uri} was not looked up within {} s", NAME_TIMEOUT.as_secs())]
    Timeout {
        /// What was looked for.
        uri: String,
    },
    /// More than 64 questions.
    #[error("{uri} leads to more than {QUESTIONS_MAX} questions to the DNS")]
    TooMany {
        /// What was looked for.
        uri: String,
    },
    /// The DNS knows no address for it.
    #[error("the DNS knows no address for {uri}")]
    Nowhere {
        /// What was looked for.
        uri: String,
    },
    /// The URI itself.
    #[error(transparent)]
    Uri(#[from] LocateError),
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// Asks the name servers of the system.
    ///
    /// # Errors
    /// [`NamesError::System`].
    pub fn of_system(config: LocateConfig) -> Result<Self, NamesError> {
        let builder = TokioResolver::builder_tokio().map_err(NamesError::System)?;
        let resolver = builder.build().map_err(NamesError::System)?;
        Ok(Self { resolver, config })
    }

    /// Asks one name server, by UDP and, for long answers, TCP.
    ///
    /// # Errors
    /// [`NamesError::System`].
    pub fn of_server(server: SocketAddr, config: LocateConfig) -> Result<Self, NamesError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut way| {
            way.port = server.port();
            way
        });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let servers = ResolverConfig::from_name_servers(vec![server]);
        let resolver = TokioResolver::builder_with_config(servers, TokioRuntimeProvider::default())
            .build()
            .map_err(NamesError::System)?;
        Ok(Self { resolver, config })
    }

    /// Where a request for `uri` goes (RFC 3263), the best first; at least one. Answers of the DNS are
    /// kept for as long as their records live.
    ///
    /// # Errors
    /// [`NamesError`].
    pub async fn locate(
        &self,
        uri: &Uri,
        ids: &mut (dyn IdSource + Send),
    ) -> Result<Vec<(Transport, SocketAddr)>, NamesError> {
        let asking = self.ask_all(uri, ids);
        let found = tokio::time::timeout(NAME_TIMEOUT, asking).await;
        let timeout = |_| NamesError::Timeout {
            uri: uri.to_string(),
        };
        found.map_err(timeout)?
    }

    async fn ask_all(
        &self,
        uri: &Uri,
        ids: &mut (dyn IdSource + Send),
    ) -> Result<Vec<(Transport, SocketAddr)>, NamesError> {
        let mut answers = BTreeMap::new();
        loop {
            let questions = match locate(uri, &self.config, &answers, ids)? {
                Located::Targets(targets) if targets.is_empty() => {
                    let uri = uri.to_string();
                    return Err(NamesError::Nowhere { uri });
                }
                Located::Targets(targets) => return Ok(targets),
                Located::Ask(questions) => questions,
            };
            if answers.len() + questions.len() > QUESTIONS_MAX {
                let uri = uri.to_string();
                return Err(NamesError::TooMany { uri });
            }
            let mut asking = JoinSet::new();
            for question in questions {
                let resolver = self.resolver.clone();
                asking.spawn(async move {
                    let answer = ask(&resolver, &question).await;
                    answer.map(|answer| (question, answer))
                });
            }
            for answered in asking.join_all().await {
                let (question, answer) = answered?;
                answers.insert(question, answer);
            }
        }
    }
}

async fn ask(resolver: &TokioResolver, question: &Question) -> Result<Answer, NamesError> {
    // NAPTR and SRV are of a domain as it stands; a host may be short for one of the search domains.
    let whole = |name: &str| format!("{}.", name.trim_end_matches('.'));
    let (name, kind) = match question {
        Question::Naptr(name) => (whole(name), RecordType::NAPTR),
        Question::Srv(name) => (whole(name), RecordType::SRV),
        Question::A(name) => (name.to_string(), RecordType::A),
        Question::Aaaa(name) => (name.to_string(), RecordType::AAAA),
    };
    match resolver.lookup(name.as_str(), kind).await {
        Ok(lookup) => Ok(read(&lookup)),
        // There is nothing of that kind, or no such name.
        Err(error) if error.is_no_records_found() => Ok(Answer::default()),
        Err(source) => Err(NamesError::NoAnswer {
            question: format!("{kind} of {name}"),
            source,
        }),
    }
}

fn read(lookup: &Lookup) -> Answer {
    let mut answer = Answer::default();
    for record in lookup.answers() {
        match &record.data {
            RData::A(a) => answer.addresses.push(IpAddr::V4(a.0)),
            RData::AAAA(aaaa) => answer.addresses.push(IpAddr::V6(aaaa.0)),
            RData::SRV(srv) => answer.srv.push(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii().into(),
            }),
            RData::NAPTR(naptr) if naptr.flags.eq_ignore_ascii_case(b"s") => {
                answer.naptr.push(Naptr {
                    order: naptr.order,
                    preference: naptr.preference,
                    service: String::from_utf8_lossy(&naptr.services).into(),
                    replacement: naptr.replacement.to_ascii().into(),
                });
            }
            _ => {}
        }
    }
    answer
}

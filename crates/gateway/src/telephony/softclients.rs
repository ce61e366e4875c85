//! Softphone users as extensions of the PBX: the registration machine over the user agent core.
//!
//! All users register over one flow: one TCP or TLS connection, or the UDP socket. RFC 5626 binds each
//! registration to the flow that it came over and says nothing against several on one, which is how
//! every edge of a network looks to its registrar. One connection for each user would cost the PBX and
//! us 5,000 of them, with their buffers, keep-alives and handshakes, and would fail all at once all the
//! same: they lead from the same box to the same PBX. When the connection fails, everybody registers
//! anew over the next one, at the pace that the PBX bears. Calls come in over it, or over a connection
//! that the PBX opens to the `Contact`, as it likes.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use call_control::bridge::{Peer, Softclient};
use sip::header::{From, NameAddr, To};
use sip::id::IdSource;
use sip::registration::{
    Account, RegistrationChange, RegistrationConfig, RegistrationKey, Registrations,
};
use sip::transport::{Flow, Transport};
use sip::ua::{Logins, OutgoingRequest, RequestKey, UserAgent};
use sip::uri::{Host, HostPort};
use sip::{Method, Request, Response, StatusCode, Uri};

use super::status::{SoftclientStatus, Standing};
use crate::config::SoftclientUser;

/// First and longest wait after failures. RFC 5626 §4.5 has half a minute and half an hour, for a user
/// alone somewhere; that is too long without a telephone where the registrar stands in the same
/// building, and the pace of all keeps it from being flooded.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(2));
/// Requests without an answer at once.
const IN_FLIGHT_MAX: usize = 200;
/// The pace after the hardest overload, in registrations a second.
const RATE_MIN: f64 = 1.0;

/// What is needed to register users.
#[derive(Debug, Clone)]
pub struct SoftclientSettings {
    /// Where they register.
    pub registrar: crate::config::SipTarget,
    /// The domain of their addresses.
    pub domain: HostPort,
    /// Registrations begun each second at most.
    pub register_per_second: f64,
    /// Seconds that a registration is asked to last.
    pub expires_s: u32,
    /// Time between two OPTIONS to the registrar.
    pub options_interval: Option<Duration>,
    /// Whether users' messages have to be asked for (RFC 3842).
    pub subscribe_messages: bool,
}

/// What the switchboard has to know.
#[derive(Debug)]
pub(super) enum Change {
    /// There is this user, registered or not.
    Is(Box<Softclient>, bool),
    /// The user of this extension is no more.
    Gone(Box<str>),
}

#[derive(Debug)]
struct User {
    settings: SoftclientUser,
    standing: Standing,
}

/// Whether the registrar answers OPTIONS.
#[derive(Debug)]
struct Watch {
    interval: Duration,
    at: Instant,
    asked: Option<RequestKey>,
    silent: bool,
}

/// All users of the file, and their registrations.
#[derive(Debug)]
pub(super) struct Softclients {
    settings: SoftclientSettings,
    registrations: Registrations,
    users: BTreeMap<RegistrationKey, User>,
    requests: BTreeMap<RequestKey, RegistrationKey>,
    /// The registrar's addresses, and which of them is used.
    addresses: Vec<Peer>,
    current: usize,
    /// Host and port in `Contact`.
    contact: HostPort,
    watch: Option<Watch>,
    /// Registrations that failed, by status.
    failures: BTreeMap<Box<str>, u64>,
    /// For the switchboard.
    changes: VecDeque<Change>,
    said: Said,
}

/// What the log was told.
#[derive(Debug, PartialEq, Eq, Clone, Default)]
struct Said {
    complete: bool,
    refused: usize,
    unanswered: bool,
}

impl Softclients {
    /// Registers nobody so far. `registrar` is where the name leads; it has one address at least.
    pub(super) fn new(
        settings: SoftclientSettings,
        registrar: Vec<Peer>,
        advertise: Option<&Host>,
        ids: Box<dyn IdSource>,
        now: Instant,
    ) -> Self {
        let local = registrar[0].flow.local;
        let contact = HostPort {
            host: advertise
                .cloned()
                .unwrap_or_else(|| HostPort::from(local).host),
            port: Some(local.port()),
        };
        let config = RegistrationConfig {
            expires_secs: settings.expires_s,
            rate_start: settings.register_per_second,
            rate_min: RATE_MIN.min(settings.register_per_second),
            rate_max: settings.register_per_second,
            in_flight_max: IN_FLIGHT_MAX,
            retry_base: RETRY.0,
            retry_max: RETRY.1,
            ..RegistrationConfig::default()
        };
        let watch = settings.options_interval.map(|interval| Watch {
            interval,
            at: now + interval,
            asked: None,
            silent: false,
        });
        Self {
            registrations: Registrations::new(config, ids),
            users: BTreeMap::new(),
            requests: BTreeMap::new(),
            addresses: registrar,
            current: 0,
            contact,
            watch,
            failures: BTreeMap::new(),
            changes: VecDeque::new(),
            said: Said::default(),
            settings,
        }
    }

    /// These are the users from now on: who is new registers, who is gone unregisters, who stays as it
    /// was is left alone.
    pub(super) fn set_users(&mut self, wanted: &[SoftclientUser], now: Instant) {
        let mut wanted: BTreeMap<&str, &SoftclientUser> =
            wanted.iter().map(|user| (&*user.extension, user)).collect();
        let mut gone = Vec::new();
        for (key, user) in &self.users {
            let extension = &*user.settings.extension;
            match wanted.get(extension) {
                Some(same) if **same == user.settings => _ = wanted.remove(extension),
                _ => gone.push(*key),
            }
        }
        for key in gone {
            self.forget(key);
            self.registrations.remove(key, now);
        }
        for user in wanted.into_values() {
            let key = self.registrations.add(self.account(user), now);
            self.tell(user, false);
            let settings = user.clone();
            let standing = Standing::Trying;
            self.users.insert(key, User { settings, standing });
        }
    }

    /// Shutdown: everybody unregisters, at a pace at which `within` is enough.
    pub(super) fn leave(&mut self, within: Duration, now: Instant) {
        self.watch = None;
        let keys: Vec<_> = self.users.keys().copied().collect();
        for key in keys {
            self.forget(key);
        }
        self.registrations.remove_all(within, now);
    }

    /// How many are left to unregister.
    pub(super) fn left(&self) -> usize {
        self.registrations.len()
    }

    /// The answer to a request of ours; `false` when it was not one.
    pub(super) fn answered(&mut self, key: RequestKey, response: &Response, now: Instant) -> bool {
        if let Some(watch) = &mut self.watch
            && watch.asked == Some(key)
        {
            watch.asked = None;
            let was_silent = watch.silent;
            watch.silent = !came(response);
            if was_silent && !watch.silent {
                // It may have lost what it knew.
                let flow = self.flow();
                self.registrations.handle_flow_failure(&flow, now);
            }
            return true;
        }
        let Some(registration) = self.requests.remove(&key) else {
            return false;
        };
        if came(response) {
            self.registrations
                .handle_response(registration, response, now);
        } else {
            self.registrations.handle_failure(registration, now);
        }
        true
    }

    /// A flow has failed: who is registered over it registers anew. Where it could not even be opened,
    /// the registrar's next address is tried.
    pub(super) fn flow_failed(&mut self, flow: &Flow, now: Instant) {
        if !self.flow().shares_fate_with(flow) {
            return;
        }
        if flow.link.is_none() && self.addresses.len() > 1 {
            self.current = (self.current + 1) % self.addresses.len();
            self.registrations.set_flow(self.flow(), now);
        }
        self.registrations.handle_flow_failure(flow, now);
    }

    /// The registrar is there from now on; who is registered somewhere else registers anew.
    pub(super) fn set_registrar(&mut self, addresses: Vec<Peer>, now: Instant) {
        let used = self.flow();
        let same = addresses.iter().position(|peer| peer.flow == used);
        self.addresses = addresses;
        self.current = same.unwrap_or(0);
        self.registrations.set_flow(self.flow(), now);
    }

    /// What is due.
    pub(super) fn timeout(&mut self, ua: &mut UserAgent, now: Instant) {
        if self
            .registrations
            .poll_timeout()
            .is_some_and(|at| at <= now)
        {
            self.registrations.handle_timeout(now);
        }
        self.ask(ua, now);
    }

    /// When something is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let watch = self.watch.as_ref();
        let watch = watch.filter(|watch| watch.asked.is_none());
        let watch = watch.map(|watch| watch.at);
        let times = [self.registrations.poll_timeout(), watch];
        times.into_iter().flatten().min()
    }

    /// Sends what the machine wants sent, and takes what it tells.
    pub(super) fn pump(&mut self, ua: &mut UserAgent, now: Instant) {
        while let Some((key, request, flow)) = self.registrations.poll_request() {
            let order = OutgoingRequest {
                request,
                flow,
                credentials: None,
            };
            match ua.request(order, now) {
                Ok(request) => _ = self.requests.insert(request, key),
                Err(error) => {
                    tracing::debug!(%error, "a registration cannot be sent");
                    self.registrations.handle_failure(key, now);
                }
            }
        }
        while let Some(event) = self.registrations.poll_event() {
            self.changed(event.key, &event.change);
        }
    }

    /// What the switchboard has to know next.
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    fn tell(&mut self, user: &SoftclientUser, registered: bool) {
        let softclient = Softclient {
            extension: user.extension.clone(),
            contact_user: user.contact_user.clone(),
            aor: self.aor(user),
            registrar: self.addresses[self.current].clone(),
            logins: Some(Logins::from(user.login.clone())),
        };
        self.changes
            .push_back(Change::Is(Box::new(softclient), registered));
    }

    fn flow(&self) -> Flow {
        self.addresses[self.current].flow
    }

    fn aor(&self, user: &SoftclientUser) -> Uri {
        Uri::sip(&user.extension, self.settings.domain.clone())
    }

    /// How everybody is.
    pub(super) fn status(&self) -> SoftclientStatus {
        let stats = self.registrations.stats();
        let mut status = SoftclientStatus {
            all: self.users.len(),
            requests: stats.requests,
            granted: stats.granted,
            rate: stats.rate,
            failures: self.failures.clone(),
            ..SoftclientStatus::default()
        };
        for user in self.users.values() {
            status.add(user.standing, &user.settings.extension);
        }
        status
    }

    /// Tells the log what has changed since it was told last: one line, however many users it is about.
    pub(super) fn log(&mut self, status: &SoftclientStatus) {
        let said = Said {
            complete: status.all > 0 && status.registered == status.all,
            refused: status.refused(),
            unanswered: status.failed() > 0,
        };
        if said == self.said {
            return;
        }
        let (all, registered) = (status.all, status.registered);
        if said.complete {
            tracing::info!(all, "every softclient is registered");
        } else if said.refused > self.said.refused {
            tracing::warn!(
                all,
                registered,
                refused = said.refused,
                what = status.in_words(),
                "softclients refused by the registrar"
            );
        } else if said.unanswered && !self.said.unanswered {
            tracing::warn!(
                all,
                registered,
                what = status.in_words(),
                "softclients cannot register"
            );
        }
        self.said = said;
    }

    fn account(&self, user: &SoftclientUser) -> Account {
        let contact = Uri::sip(&user.contact_user, self.contact.clone());
        let flow = self.flow();
        Account {
            aor: self.aor(user),
            registrar: Uri::sip_host(self.settings.domain.clone()),
            contact: match flow.transport {
                Transport::Udp => contact,
                Transport::Tcp | Transport::Tls => {
                    contact.with_param("transport", Some(flow.transport.uri_token()))
                }
            },
            login: Some(user.login.clone()),
            instance: Some(user.instance.clone()),
            reg_id: 1,
            flow,
        }
    }

    fn forget(&mut self, key: RegistrationKey) {
        if let Some(user) = self.users.remove(&key) {
            self.changes
                .push_back(Change::Gone(user.settings.extension));
        }
    }

    fn changed(&mut self, key: RegistrationKey, change: &RegistrationChange) {
        let standing = match change {
            RegistrationChange::Registered { .. } => Standing::Registered,
            RegistrationChange::Refused { status, .. } => Standing::Refused(*status),
            RegistrationChange::Failed { status, .. } => Standing::Failed(*status),
            RegistrationChange::Unregistered => return,
        };
        let failed = match standing {
            Standing::Refused(status) | Standing::Failed(Some(status)) => {
                Some(status.code().to_string())
            }
            Standing::Failed(None) => Some("no-answer".to_owned()),
            Standing::Trying | Standing::Registered => None,
        };
        if let Some(label) = failed {
            *self.failures.entry(label.into()).or_default() += 1;
        }
        let Some(user) = self.users.get_mut(&key) else {
            return;
        };
        let (was, is) = (user.standing, standing);
        user.standing = standing;
        let registered = is == Standing::Registered;
        if registered != (was == Standing::Registered) {
            let user = user.settings.clone();
            self.tell(&user, registered);
        }
    }

    /// Asks the registrar whether it is there.
    fn ask(&mut self, ua: &mut UserAgent, now: Instant) {
        let Some(watch) = &mut self.watch else { return };
        if watch.asked.is_some() || watch.at > now {
            return;
        }
        watch.at = now + watch.interval;
        let target = Uri::sip_host(self.settings.domain.clone());
        let request = Request::new(Method::Options, target.clone())
            .with(From(NameAddr::new(target.clone())))
            .with(To(NameAddr::new(target)));
        let order = OutgoingRequest {
            request,
            flow: self.addresses[self.current].flow,
            credentials: None,
        };
        watch.asked = ua.request(order, now).ok();
    }
}

/// Whether the registrar has sent this response. One that the user agent core made because none came
/// has no tag, which every other has (RFC 3261 §8.2.6.2).
fn came(response: &Response) -> bool {
    let is_made_here =
        [StatusCode::REQUEST_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE].contains(&response.status);
    let to = response.headers.get::<To>().ok().flatten();
    !is_made_here || to.is_some_and(|to| to.tag().is_some())
}

//! REFER within a session (RFC 3515) with its implicit subscription, as the one who asks and as the one
//! who is asked; without subscription by `Refer-Sub: false` (RFC 4488).

use std::time::{Duration, Instant};

use super::core::{Core, Purpose, Timer, set_contact};
use super::session::{Phase, Session, seq};
use super::{CommandError, ReferKey, ReferProgress, ReferRequest, ReferTarget, UserAgentEvent};
use crate::header::{
    ContentType, Event, Header, NameAddr, ReferSub, ReferTo, ReferredBy, Replaces,
    SubscriptionState,
};
use crate::headers::Headers;
use crate::message::{Request, Response};
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::transaction::ServerKey;

/// How many REFERs of a session may be open.
const REFERS_MAX: usize = 4;

/// How long a REFER's subscription lasts (RFC 3515 §2.4.4 leaves it to the one who is asked).
const SUBSCRIPTION: Duration = Duration::from_secs(180);

/// One REFER.
#[derive(Debug)]
pub(super) struct Refer {
    /// The number of the REFER, which its notifications bear as `id`.
    seq: u32,
    role: Role,
}

#[derive(Debug)]
enum Role {
    /// We asked.
    Referrer {
        /// Notifications are awaited only after they were not declined.
        without_subscription: bool,
    },
    /// We are asked, and the user has not decided.
    Asked {
        key: ServerKey,
        request: Box<Request>,
    },
    /// We do it, and tell how it goes: one notification after the other, so that none overtakes another.
    Referee {
        /// The last one is not answered yet.
        is_telling: bool,
        /// What is told after that.
        next: Option<StatusCode>,
    },
}

impl Session {
    /// Asks the peer to call somebody.
    pub(super) fn refer(
        &mut self,
        core: &mut Core,
        key: ReferKey,
        order: ReferRequest,
        now: Instant,
    ) -> Result<(), CommandError> {
        if self.phase != Phase::Established {
            return Err(CommandError::State(
                "only an answered call can be transferred",
            ));
        }
        if self.refers.len() >= REFERS_MAX {
            return Err(CommandError::Full("REFERs of the session"));
        }
        let contact = self.contact.clone();
        let fork = self.fork()?;
        let (id, local) = (fork.id, fork.dialog.local().uri.clone());
        let mut request = fork.dialog.request(Method::Refer);
        set_contact(&mut request.headers, &contact);
        request.headers.set(ReferTo(with_replaces(
            order.target,
            order.replaces.as_ref(),
        )));
        request.headers.set(ReferredBy::new(local));
        if order.without_subscription {
            request.headers.set(ReferSub(false));
        }
        let number = seq(&request.headers);
        self.take_extra(&mut request.headers);
        self.send(core, request, id, Purpose::Refer(key), now)?;
        let role = Role::Referrer {
            without_subscription: order.without_subscription,
        };
        self.refers.insert(key, Refer { seq: number, role });
        core.set_timer(self.owner(), Timer::ReferExpires(key), now + SUBSCRIPTION);
        Ok(())
    }

    /// The final response to our REFER.
    pub(super) fn on_refer_response(
        &mut self,
        core: &mut Core,
        key: ReferKey,
        response: &Response,
        _now: Instant,
    ) {
        let Some(Refer {
            role: Role::Referrer {
                without_subscription,
            },
            ..
        }) = self.refers.get(&key)
        else {
            return;
        };
        if !response.status.is_success() {
            self.tell_refer(core, key, ReferProgress::Refused(response.status));
            return self.forget_refer(core, key);
        }
        //= RFC 4488 §4
        // Refer-Sub: false in the 2xx says that there is no subscription.
        let declined = matches!(
            response.headers.get::<ReferSub>(),
            Ok(Some(ReferSub(false)))
        );
        let done = *without_subscription && declined;
        self.tell_refer(core, key, ReferProgress::Accepted);
        if done {
            self.forget_refer(core, key);
        }
    }

    /// The peer tells how far the call is that we asked for.
    pub(super) fn on_refer_notify(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Request,
        now: Instant,
    ) {
        let Some(refer) = self.refer_of(&request.headers) else {
            return core.reply(
                key,
                request,
                StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                now,
            );
        };
        let response = self.response(core, request, StatusCode::OK);
        core.respond(key, response, now);
        let status = sipfrag_status(&request.body);
        if let Some(status) = status {
            self.tell_refer(core, refer, ReferProgress::Status(status));
        }
        let state = request.headers.get::<SubscriptionState>().ok().flatten();
        let terminated = state
            .as_ref()
            .is_some_and(|state| state.state == "terminated");
        if terminated {
            if status.is_none_or(StatusCode::is_provisional) {
                self.tell_refer(core, refer, ReferProgress::Ended);
            }
            self.forget_refer(core, refer);
        } else if let Some(expires) = state.and_then(|state| state.expires) {
            let lasts = Duration::from_secs(expires.into()).min(SUBSCRIPTION);
            core.set_timer(self.owner(), Timer::ReferExpires(refer), now + lasts);
        }
    }

    /// Which REFER a notification is about: that with the `id`, or the oldest where it has none (RFC 3515
    /// §2.4.6 wants it from the second on).
    fn refer_of(&self, headers: &Headers) -> Option<ReferKey> {
        let event = headers.get::<Event>().ok().flatten()?;
        if event.package != "refer" {
            return None;
        }
        let id = event.id.map(|id| id.parse::<u32>().ok());
        let ours = self
            .refers
            .iter()
            .filter(|(_, refer)| matches!(refer.role, Role::Referrer { .. }));
        let mut fitting = ours.filter(|(_, refer)| id.is_none_or(|id| id == Some(refer.seq)));
        fitting.next().map(|(key, _)| *key)
    }

    /// The peer asks us to call somebody.
    pub(super) fn on_refer(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: Request,
        now: Instant,
    ) {
        //= RFC 3515 §2.4.2
        // An agent responding to a REFER method MUST return a 400 (Bad Request) if the request contained
        // zero or more than one Refer-To header field values.
        let target = match request.headers.all::<ReferTo>().as_deref() {
            Ok([one]) => refer_target(one, &request.headers),
            Ok(_) | Err(_) => None,
        };
        let Some(target) = target else {
            return core.reply(key, &request, StatusCode::BAD_REQUEST, now);
        };
        if self.refers.len() >= REFERS_MAX || self.phase != Phase::Established {
            return core.reply_full(key, &request, now);
        }
        let refer = ReferKey(core.next_key());
        let number = seq(&request.headers);
        self.refers.insert(
            refer,
            Refer {
                seq: number,
                role: Role::Asked {
                    key,
                    request: Box::new(request),
                },
            },
        );
        core.emit(UserAgentEvent::Referred {
            session: self.key,
            refer,
            target: Box::new(target),
        });
    }

    /// The user does what the peer asked for.
    pub(super) fn accept_refer(
        &mut self,
        core: &mut Core,
        refer: ReferKey,
        now: Instant,
    ) -> Result<(), CommandError> {
        let (key, request) = self.asked(refer)?;
        let mut response = self.response(core, &request, StatusCode::ACCEPTED);
        let silent = matches!(request.headers.get::<ReferSub>(), Ok(Some(ReferSub(false))));
        if silent {
            response.headers.set(ReferSub(false));
        }
        core.respond(key, response, now);
        if silent {
            self.forget_refer(core, refer);
            return Ok(());
        }
        self.refers.insert(
            refer,
            Refer {
                seq: seq(&request.headers),
                role: Role::Referee {
                    is_telling: false,
                    next: None,
                },
            },
        );
        core.set_timer(self.owner(), Timer::ReferExpires(refer), now + SUBSCRIPTION);
        //= RFC 3515 §2.4.4
        // The agent that accepts a REFER MUST send a NOTIFY immediately.
        self.notify_referrer(core, refer, StatusCode::TRYING, now);
        Ok(())
    }

    /// The user does not do it.
    pub(super) fn refuse_refer(
        &mut self,
        core: &mut Core,
        refer: ReferKey,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), CommandError> {
        let (key, request) = self.asked(refer)?;
        let response = self.response(core, &request, status);
        core.respond(key, response, now);
        self.forget_refer(core, refer);
        Ok(())
    }

    fn asked(&mut self, refer: ReferKey) -> Result<(ServerKey, Request), CommandError> {
        match self.refers.get(&refer) {
            Some(Refer {
                role: Role::Asked { key, request },
                ..
            }) => Ok((*key, (**request).clone())),
            Some(_) => Err(CommandError::State("the REFER is answered")),
            None => Err(CommandError::Unknown),
        }
    }

    /// The user tells how far the call is; a final status ends the matter.
    pub(super) fn refer_progress(
        &mut self,
        core: &mut Core,
        refer: ReferKey,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), CommandError> {
        match self.refers.get_mut(&refer).map(|refer| &mut refer.role) {
            Some(Role::Referee {
                is_telling: true,
                next,
            }) => *next = Some(status),
            Some(Role::Referee { .. }) => self.notify_referrer(core, refer, status, now),
            Some(_) => return Err(CommandError::State("the REFER is not accepted")),
            // Refer-Sub: false, or the subscription is over: nobody wants to know.
            None => {}
        }
        Ok(())
    }

    fn notify_referrer(
        &mut self,
        core: &mut Core,
        refer: ReferKey,
        status: StatusCode,
        now: Instant,
    ) {
        let (Some(known), Some(fork)) = (self.refers.get_mut(&refer), self.forks.last_mut()) else {
            return;
        };
        let number = known.seq;
        known.role = Role::Referee {
            is_telling: true,
            next: None,
        };
        let contact = self.contact.clone();
        let id = fork.id;
        let mut request = fork.dialog.request(Method::Notify);
        set_contact(&mut request.headers, &contact);
        request.headers.set(Event {
            id: Some(number.to_string()),
            ..Event::new("refer")
        });
        let state = if status.is_final() {
            SubscriptionState {
                reason: Some("noresource".into()),
                ..SubscriptionState::new("terminated")
            }
        } else {
            SubscriptionState {
                expires: Some(SUBSCRIPTION.as_secs() as u32),
                ..SubscriptionState::new("active")
            }
        };
        request.headers.set(state);
        let mut content = ContentType::new("message", "sipfrag");
        content.0.params.set("version", Some("2.0"));
        request.headers.set(content);
        request.body = format!("SIP/2.0 {status} {}\r\n", status.reason()).into();
        // The referrer sees the end of its subscription by time where a notification is lost.
        let _unsent = self.send(core, request, id, Purpose::Notify(Some(refer)), now);
        if status.is_final() {
            self.forget_refer(core, refer);
        }
    }

    /// The peer has answered a notification: one who knows nothing of it gets no more (RFC 6665 §4.2.2).
    pub(super) fn on_refer_notified(
        &mut self,
        core: &mut Core,
        refer: ReferKey,
        status: StatusCode,
        now: Instant,
    ) {
        if status == StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST
            || status == StatusCode::REQUEST_TIMEOUT
        {
            return self.forget_refer(core, refer);
        }
        let known = self.refers.get_mut(&refer);
        if let Some(Role::Referee { is_telling, next }) = known.map(|refer| &mut refer.role) {
            *is_telling = false;
            if let Some(status) = next.take() {
                self.notify_referrer(core, refer, status, now);
            }
        }
    }

    /// Sends what waits for the answer to a notification.
    pub(super) fn tell_waiting(&mut self, core: &mut Core, now: Instant) {
        let waiting = self.refers.iter_mut().filter_map(|(key, refer)| {
            let Role::Referee { next, .. } = &mut refer.role else {
                return None;
            };
            Some((*key, next.take()?))
        });
        let waiting: Vec<_> = waiting.collect();
        for (refer, status) in waiting {
            self.notify_referrer(core, refer, status, now);
        }
    }

    /// The time of a REFER's subscription is over.
    pub(super) fn on_refer_expired(&mut self, core: &mut Core, refer: ReferKey) {
        if let Some(Refer {
            role: Role::Referrer { .. },
            ..
        }) = self.refers.get(&refer)
        {
            self.tell_refer(core, refer, ReferProgress::Ended);
        }
        self.forget_refer(core, refer);
    }

    /// REFERs that nobody has decided on end with the session.
    pub(super) fn void_refers(&mut self, core: &mut Core, now: Instant) {
        let asked: Vec<_> = self
            .refers
            .iter()
            .filter(|(_, refer)| matches!(refer.role, Role::Asked { .. }))
            .map(|(key, _)| *key)
            .collect();
        for refer in asked {
            // It was looked up just now.
            let _known = self.refuse_refer(
                core,
                refer,
                StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                now,
            );
        }
    }

    fn tell_refer(&self, core: &mut Core, refer: ReferKey, progress: ReferProgress) {
        core.emit(UserAgentEvent::ReferProgress {
            session: self.key,
            refer,
            progress,
        });
    }

    fn forget_refer(&mut self, core: &mut Core, refer: ReferKey) {
        self.refers.remove(&refer);
        core.stop_timer(self.owner(), Timer::ReferExpires(refer));
        self.settle(core);
    }
}

/// What a `Refer-To` asks for. `None` where its `Replaces` cannot be read.
pub(super) fn refer_target(refer_to: &ReferTo, headers: &Headers) -> Option<ReferTarget> {
    let mut uri = refer_to.uri.clone();
    let replaces = match uri.header("Replaces") {
        Some(text) => Some(Replaces::parse(text).ok()?),
        None => None,
    };
    uri.headers.clear();
    let referred_by = headers.get::<ReferredBy>().ok().flatten();
    Some(ReferTarget {
        uri,
        replaces,
        referred_by,
        refer_to: refer_to.0.clone(),
    })
}

/// The target with the dialog to be replaced among its headers (RFC 3891 §6.1... RFC 5589 §7.3).
fn with_replaces(mut target: NameAddr, replaces: Option<&Replaces>) -> NameAddr {
    if let Some(replaces) = replaces {
        let mut text = String::new();
        replaces.write(&mut text);
        target
            .uri
            .headers
            .push((HeaderName::Replaces.as_str().into(), text.into()));
    }
    target
}

/// The status in a `message/sipfrag` (RFC 3420).
fn sipfrag_status(body: &[u8]) -> Option<StatusCode> {
    let text = std::str::from_utf8(body.get(..body.len().min(256))?).ok()?;
    let rest = text.trim_start().strip_prefix("SIP/2.0 ")?;
    rest.get(..3)?.parse().ok().and_then(StatusCode::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_tells_the_status() {
        for (body, expect) in [
            ("SIP/2.0 200 OK\r\n", Some(200)),
            ("SIP/2.0 180 Ringing", Some(180)),
            ("SIP/2.0 99 Low", None),
            ("SIP/2.0", None),
            ("hello", None),
            ("", None),
        ] {
            assert_eq!(
                sipfrag_status(body.as_bytes()).map(StatusCode::code),
                expect,
                "{body:?}"
            );
        }
    }
}

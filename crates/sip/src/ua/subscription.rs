//! Subscriptions (RFC 6665) with dialogs of their own, as subscriber and as notifier: message-summary
//! (RFC 3842), dialog (RFC 4235) and others. What the bodies say is the user's.

mod notifier;

use std::time::{Duration, Instant};

use super::auth::Auth;
use super::core::{Core, Owner, Purpose, Sent, Timer, add_headers, set_contact};
use super::in_dialog::content_type;
use super::session::seq;
use super::{CommandError, SubscribeRequest, SubscriptionKey, UserAgentEvent};
use crate::dialog::{Dialog, DialogError, DialogId};
use crate::header::{
    CSeq, CallId, Event, Expires, From, MaxForwards, MinExpires, NameAddr, SubscriptionState, To,
};
use crate::message::{Request, Response};
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::transaction::ServerKey;
use crate::transport::Flow;

/// How often a subscription is asked for with another time or other credentials.
const RETRIES_MAX: u8 = 3;

/// One subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) key: SubscriptionKey,
    role: Role,
    dialog: Option<Dialog>,
    call_id: Box<str>,
    local_tag: Box<str>,
    contact: NameAddr,
    event: Event,
    expires: Duration,
    auth: Option<Auth>,
    retries: u8,
    pub(super) gone: bool,
}

#[derive(Debug)]
enum Role {
    /// We subscribe.
    Subscriber { accept: Box<str>, ending: bool },
    /// The peer subscribes, and the user has not decided.
    Asked {
        key: ServerKey,
        request: Box<Request>,
    },
    /// We notify.
    Notifier,
}

impl Subscription {
    fn owner(&self) -> Owner {
        Owner::Subscription(self.key)
    }

    /// How it stands in the table of dialogs while the peer's tag is not known.
    fn awaited(&self) -> DialogId {
        DialogId {
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
            remote_tag: "".into(),
        }
    }

    /// A connection is gone.
    pub(super) fn link_lost(&mut self, failed: &Flow) {
        if let Some(dialog) = &mut self.dialog {
            dialog.link_lost(failed);
        }
    }

    /// Subscribes.
    pub(super) fn subscribe(
        core: &mut Core,
        key: SubscriptionKey,
        order: SubscribeRequest,
        now: Instant,
    ) -> Result<Self, CommandError> {
        let (call_id, local_tag) = (core.token(), core.token());
        let user = order.from.uri.user_text().map(|user| user.into_owned());
        let contact = order
            .contact
            .unwrap_or_else(|| core.contact(user.as_deref(), &order.flow));
        let mut request = Request::new(Method::Subscribe, order.request_uri.clone());
        let headers = &mut request.headers;
        headers.set(MaxForwards(crate::dialog::MAX_FORWARDS));
        headers.set(From(order.from).with_tag(&local_tag));
        headers.set(To(NameAddr::new(order.request_uri)));
        headers.set(CallId(call_id.clone()));
        headers.set(CSeq {
            seq: 1,
            method: Method::Subscribe,
        });
        let mut subscription = Self {
            key,
            role: Role::Subscriber {
                accept: order.accept,
                ending: false,
            },
            dialog: None,
            call_id: call_id.into(),
            local_tag: local_tag.into(),
            contact,
            event: Event::new(order.event),
            expires: order.expires,
            auth: order.credentials.map(Auth::new),
            retries: 0,
            gone: false,
        };
        subscription.describe(core, &mut request, order.expires);
        add_headers(&mut request.headers, &order.headers);
        subscription.send(core, request, order.flow, Purpose::Subscribe, now)?;
        core.dialogs
            .insert(subscription.awaited(), subscription.owner());
        Ok(subscription)
    }

    /// What each SUBSCRIBE says.
    fn describe(&self, core: &Core, request: &mut Request, expires: Duration) {
        let headers = &mut request.headers;
        set_contact(headers, &self.contact);
        headers.set(self.event.clone());
        headers.set(Expires(seconds(expires)));
        if let Role::Subscriber { accept, .. } = &self.role {
            headers.push_text(HeaderName::Accept, accept.to_string());
        }
        core.sign(headers);
    }

    fn send(
        &mut self,
        core: &mut Core,
        mut request: Request,
        flow: Flow,
        purpose: Purpose,
        now: Instant,
    ) -> Result<(), CommandError> {
        if let Some(auth) = &mut self.auth {
            auth.anticipate(&mut request, core.transactions.ids());
        }
        let sent = Sent {
            owner: self.owner(),
            purpose,
            fork: Default::default(),
            request,
            flow,
        };
        core.send(sent, now).map(|_| ())
    }

    /// Subscribes anew in the dialog, for `expires`; zero ends it.
    fn resubscribe(
        &mut self,
        core: &mut Core,
        expires: Duration,
        now: Instant,
    ) -> Result<(), CommandError> {
        let Some(dialog) = &mut self.dialog else {
            return Err(CommandError::State("the subscription has no answer yet"));
        };
        let mut request = dialog.request(Method::Subscribe);
        let flow = dialog.flow();
        self.describe(core, &mut request, expires);
        self.send(core, request, flow, Purpose::Subscribe, now)
    }

    /// It is time to refresh.
    pub(super) fn on_resubscribe(&mut self, core: &mut Core, now: Instant) {
        if self.resubscribe(core, self.expires, now).is_err() {
            self.end(core, None, None);
        }
    }

    /// The user unsubscribes. The notifier tells once more and ends it.
    pub(super) fn unsubscribe(
        &mut self,
        core: &mut Core,
        now: Instant,
    ) -> Result<(), CommandError> {
        let Role::Subscriber { ending, .. } = &mut self.role else {
            return Err(CommandError::State("the peer subscribed"));
        };
        *ending = true;
        core.stop_timer(self.owner(), Timer::Resubscribe);
        // The notifier may forget to tell.
        core.set_timer(
            self.owner(),
            Timer::SubscriptionExpires,
            now + core.linger_time(),
        );
        if self.dialog.is_some() {
            self.resubscribe(core, Duration::ZERO, now)
        } else {
            Ok(())
        }
    }

    /// The final response to our SUBSCRIBE.
    pub(super) fn on_response(
        &mut self,
        core: &mut Core,
        sent: Sent,
        response: Response,
        flow: Flow,
        now: Instant,
    ) {
        if sent.purpose == Purpose::Notify(None) {
            return self.on_notified(core, sent, &response, now);
        }
        let status = response.status;
        if status.is_success() {
            return self.on_accepted(core, &response, flow, now);
        }
        let number = self
            .dialog
            .as_ref()
            .map_or_else(|| seq(&sent.request.headers), Dialog::local_seq)
            + 1;
        let challenged = matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        if challenged {
            let mut auth = self.auth.take();
            let retried = core.retry_with_credentials(sent, &response, &mut auth, number, now);
            self.auth = auth;
            if retried.is_some() {
                return self.used(number);
            }
        } else if status == StatusCode::INTERVAL_TOO_BRIEF
            && let Ok(Some(MinExpires(min))) = response.headers.get::<MinExpires>()
            && self.retries < RETRIES_MAX
        {
            self.retries += 1;
            self.expires = Duration::from_secs(min.into());
            let mut request = sent.request;
            request.headers.set(Expires(min));
            request.headers.set(CSeq {
                seq: number,
                method: Method::Subscribe,
            });
            self.used(number);
            if self
                .send(core, request, sent.flow, Purpose::Subscribe, now)
                .is_ok()
            {
                return;
            }
        }
        self.end(core, Some(status), None);
    }

    fn used(&mut self, number: u32) {
        if let Some(dialog) = &mut self.dialog {
            dialog.used_seq(number);
        }
    }

    fn on_accepted(&mut self, core: &mut Core, response: &Response, flow: Flow, now: Instant) {
        self.retries = 0;
        if self.dialog.is_none() {
            match Dialog::of_response(response, flow) {
                Ok(dialog) => self.set_dialog(core, dialog),
                Err(_) => return self.end(core, Some(response.status), None),
            }
        } else if let Some(dialog) = &mut self.dialog {
            let _kept = dialog.refresh_target(&response.headers);
        }
        let Role::Subscriber { ending, .. } = &self.role else {
            return;
        };
        if *ending {
            if response.headers.get::<Expires>().ok().flatten() != Some(Expires(0)) {
                let _unsent = self.resubscribe(core, Duration::ZERO, now);
            }
            return;
        }
        let granted = response.headers.get::<Expires>().ok().flatten();
        let lasts = granted.map_or(self.expires, |expires| {
            Duration::from_secs(expires.0.into())
        });
        self.arm(core, lasts, now);
    }

    fn arm(&self, core: &mut Core, lasts: Duration, now: Instant) {
        core.set_timer(self.owner(), Timer::Resubscribe, now + lasts - lasts / 10);
        core.set_timer(
            self.owner(),
            Timer::SubscriptionExpires,
            now + lasts + core.linger_time(),
        );
    }

    fn set_dialog(&mut self, core: &mut Core, dialog: Dialog) {
        core.dialogs.remove(&self.awaited());
        core.dialogs.insert(dialog.id().clone(), self.owner());
        self.dialog = Some(dialog);
    }

    /// NOTIFY or SUBSCRIBE in the subscription's dialog.
    pub(super) fn on_request(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Request,
        flow: Flow,
        now: Instant,
    ) {
        if self.dialog.is_none() {
            //= RFC 6665 §4.4.1
            // The NOTIFY makes the dialog where it comes before the 2xx.
            match Dialog::of_request(request, &self.local_tag, flow) {
                Ok(mut dialog) => {
                    dialog.used_seq(1 + u32::from(self.retries));
                    self.set_dialog(core, dialog);
                }
                Err(_) => return core.reply(key, request, StatusCode::BAD_REQUEST, now),
            }
        } else if let Some(dialog) = &mut self.dialog {
            if let Err(DialogError::OutOfOrder { .. }) = dialog.check_order(request) {
                return core.reply(key, request, StatusCode::SERVER_INTERNAL_ERROR, now);
            }
            dialog.seen_on(flow);
            let _kept = dialog.refresh_target(&request.headers);
        }
        match (&self.role, &request.method) {
            (Role::Subscriber { .. }, Method::Notify) => self.on_notify(core, key, request, now),
            (Role::Notifier, Method::Subscribe) => self.on_refreshed(core, key, request, now),
            _ => core.reply(
                key,
                request,
                StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
                now,
            ),
        }
    }

    fn on_notify(&mut self, core: &mut Core, key: ServerKey, request: &Request, now: Instant) {
        let event = request.headers.get::<Event>().ok().flatten();
        if event.is_none_or(|event| event.package != self.event.package) {
            return core.reply(key, request, StatusCode::BAD_EVENT, now);
        }
        core.reply(key, request, StatusCode::OK, now);
        let state = request.headers.get::<SubscriptionState>().ok().flatten();
        let terminated = state
            .as_ref()
            .is_some_and(|state| state.state == "terminated");
        if !terminated || !request.body.is_empty() {
            core.emit(UserAgentEvent::Notified {
                subscription: self.key,
                active: !terminated,
                content_type: content_type(request),
                body: request.body.clone(),
            });
        }
        if terminated {
            let reason = state.and_then(|state| state.reason).map(Into::into);
            self.end(core, None, reason);
        } else if let Some(expires) = state.and_then(|state| state.expires)
            && matches!(self.role, Role::Subscriber { ending: false, .. })
        {
            self.arm(core, Duration::from_secs(expires.into()), now);
        }
    }

    /// A request of ours got no response.
    pub(super) fn on_lost(&mut self, core: &mut Core) {
        self.end(core, Some(StatusCode::REQUEST_TIMEOUT), None);
    }

    /// The time of the subscription is over.
    pub(super) fn on_expired(&mut self, core: &mut Core, now: Instant) {
        if matches!(self.role, Role::Notifier) {
            // It leaves the tables whether the last word gets through or not.
            let _unsent = self.notify(core, None, Some("timeout"), now);
        }
        self.end(core, None, Some("timeout".into()));
    }

    fn end(&mut self, core: &mut Core, status: Option<StatusCode>, reason: Option<Box<str>>) {
        core.emit(UserAgentEvent::SubscriptionEnded {
            subscription: self.key,
            status,
            reason,
        });
        self.leave(core);
    }

    fn leave(&mut self, core: &mut Core) {
        core.stop_timer(self.owner(), Timer::Resubscribe);
        core.stop_timer(self.owner(), Timer::SubscriptionExpires);
        core.dialogs.remove(&match &self.dialog {
            Some(dialog) => dialog.id().clone(),
            None => self.awaited(),
        });
        self.gone = true;
    }
}

fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

//! Subscriptions of the peer (RFC 6665 §4.2).

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Role, Subscription, seconds};
use crate::dialog::{Dialog, DialogError};
use crate::header::{ContentType, Event, Expires, SubscriptionState, To};
use crate::message::{Request, Response};
use crate::method::Method;
use crate::name::HeaderName;
use crate::status::StatusCode;
use crate::transaction::ServerKey;
use crate::transport::Flow;
use crate::ua::core::{Core, Owner, Purpose, Sent, Timer, set_contact};
use crate::ua::{CommandError, SubscriptionKey, UserAgentEvent};

impl Subscription {
    /// The peer subscribes. The user has as long to decide as the transaction lasts.
    pub(in crate::ua) fn asked(
        core: &mut Core,
        key: SubscriptionKey,
        server: ServerKey,
        request: Request,
        flow: Flow,
        now: Instant,
    ) -> Result<Self, DialogError> {
        let local_tag = core.token();
        let dialog = Dialog::of_request(&request, &local_tag, flow)?;
        let event = request.headers.need::<Event>()?;
        let user = request.uri.user_text().map(|user| user.into_owned());
        let asked = request
            .headers
            .get::<Expires>()?
            .map_or(3600, |expires| expires.0);
        let undecided = now + core.linger_time();
        core.set_timer(
            Owner::Subscription(key),
            Timer::SubscriptionExpires,
            undecided,
        );
        Ok(Self {
            key,
            call_id: dialog.id().call_id.clone(),
            local_tag: local_tag.into(),
            dialog: Some(dialog),
            contact: core.contact(user.as_deref(), &flow),
            event,
            expires: Duration::from_secs(asked.into()),
            auth: None,
            retries: 0,
            gone: false,
            role: Role::Asked {
                key: server,
                request: Box::new(request),
            },
        })
    }

    /// The user takes the subscription, for at most `expires`.
    pub(in crate::ua) fn accept(
        &mut self,
        core: &mut Core,
        expires: Duration,
        now: Instant,
    ) -> Result<(), CommandError> {
        let Role::Asked { key, request } = &self.role else {
            return Err(CommandError::State("the SUBSCRIBE is answered"));
        };
        let (key, request) = (*key, request.clone());
        self.expires = self.expires.min(expires);
        if let Some(dialog) = &self.dialog {
            core.dialogs.insert(dialog.id().clone(), self.owner());
        }
        self.role = Role::Notifier;
        self.grant(core, key, &request, now);
        Ok(())
    }

    fn grant(&self, core: &mut Core, key: ServerKey, request: &Request, now: Instant) {
        let mut response = request.response(StatusCode::OK);
        if let Ok(Some(to)) = response.headers.get::<To>() {
            response.headers.set(to.with_tag(&self.local_tag));
        }
        response
            .headers
            .copy(&request.headers, &HeaderName::RecordRoute);
        set_contact(&mut response.headers, &self.contact);
        response.headers.set(Expires(seconds(self.expires)));
        core.respond(key, response, now);
        core.set_timer(self.owner(), Timer::SubscriptionExpires, now + self.expires);
    }

    /// The user does not take it.
    pub(in crate::ua) fn refuse(
        &mut self,
        core: &mut Core,
        status: StatusCode,
        now: Instant,
    ) -> Result<(), CommandError> {
        let Role::Asked { key, request } = &self.role else {
            return Err(CommandError::State("the SUBSCRIBE is answered"));
        };
        core.reply(*key, request, status, now);
        self.leave(core);
        Ok(())
    }

    pub(super) fn on_refreshed(
        &mut self,
        core: &mut Core,
        key: ServerKey,
        request: &Request,
        now: Instant,
    ) {
        let asked = request
            .headers
            .get::<Expires>()
            .ok()
            .flatten()
            .map_or(3600, |expires| expires.0);
        self.expires = self.expires.min(Duration::from_secs(asked.into()));
        self.grant(core, key, request, now);
        if asked == 0 {
            self.on_expired(core, now);
        } else {
            core.emit(UserAgentEvent::SubscriptionRefreshed {
                subscription: self.key,
            });
        }
    }

    /// Tells the subscriber; a `reason` ends the subscription.
    pub(in crate::ua) fn notify(
        &mut self,
        core: &mut Core,
        content: Option<(ContentType, Bytes)>,
        reason: Option<&str>,
        now: Instant,
    ) -> Result<(), CommandError> {
        let (Role::Notifier, Some(dialog)) = (&self.role, &mut self.dialog) else {
            return Err(CommandError::State("there is nobody to notify"));
        };
        let mut request = dialog.request(Method::Notify);
        let flow = dialog.flow();
        set_contact(&mut request.headers, &self.contact);
        request.headers.set(self.event.clone());
        request.headers.set(match reason {
            Some(reason) => SubscriptionState {
                reason: Some(reason.into()),
                ..SubscriptionState::new("terminated")
            },
            None => SubscriptionState {
                expires: Some(seconds(self.expires)),
                ..SubscriptionState::new("active")
            },
        });
        if let Some((content, body)) = content {
            request.headers.set(content);
            request.body = body;
        }
        core.sign(&mut request.headers);
        self.send(core, request, flow, Purpose::Notify(None), now)?;
        if reason.is_some() {
            self.leave(core);
        }
        Ok(())
    }

    pub(super) fn on_notified(
        &mut self,
        core: &mut Core,
        sent: Sent,
        response: &Response,
        now: Instant,
    ) {
        let challenged = matches!(
            response.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        if challenged && let Some(dialog) = &mut self.dialog {
            let number = dialog.local_seq() + 1;
            dialog.used_seq(number);
            let mut auth = self.auth.take();
            let _unmet = core.retry_with_credentials(sent, response, &mut auth, number, now);
            self.auth = auth;
        } else if response.status == StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST {
            //= RFC 6665 §4.2.2
            // A subscriber that knows nothing of the subscription gets no more.
            self.end(core, Some(response.status), None);
        }
    }
}

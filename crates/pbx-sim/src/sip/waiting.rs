//! Message waiting: NOTIFY of message-summary (RFC 3842), to who subscribed, and to registered terminals
//! that did not, as many PBXs do.

use std::collections::BTreeMap;

use bytes::Bytes;
use csta::DeviceId;
use sip::header::{ContentType, Event, Expires, From, Route, SubscriptionState, To};
use sip::transport::Flow;
use sip::ua::{OutgoingRequest, SubscriptionKey};
use sip::{Method, Request, StatusCode, Uri};

use super::{SipSide, Times};
use crate::switching::{MessageWaiting, SwitchingFunction};
use crate::truth::count;

/// The event package.
const PACKAGE: &str = "message-summary";
/// The feature's name in the model's counts.
const FEATURE: &str = "MessageWaiting";
/// How long a subscription lasts that does not say it (RFC 3842 §3.4).
const EXPIRES_S: u32 = 3600;

/// Who is told of message waiting, and what was told.
#[derive(Debug, Default)]
pub(super) struct Lamps {
    subscriptions: BTreeMap<SubscriptionKey, String>,
    /// The numbers that were told that messages wait.
    lit: BTreeMap<String, MessageWaiting>,
    /// The changes of the model that were looked at.
    seen: u64,
}

impl Lamps {
    pub(super) fn forget(&mut self, subscription: SubscriptionKey) {
        self.subscriptions.remove(&subscription);
    }

    fn of(&self, number: &str) -> Vec<SubscriptionKey> {
        let all = self.subscriptions.iter();
        let own = all.filter(|(_, of)| *of == number);
        own.map(|(key, _)| *key).collect()
    }
}

impl SipSide {
    pub(super) fn on_subscribed(
        &mut self,
        subscription: SubscriptionKey,
        request: &Request,
        flow: &Flow,
        pbx: &SwitchingFunction,
        times: Times,
    ) {
        let number = request.uri.user_text().unwrap_or_default().into_owned();
        let event = request.headers.need::<Event>();
        let package = event.is_ok_and(|event| event.package.eq_ignore_ascii_case(PACKAGE));
        let bindings = self.registrar.bindings(&number);
        let known = bindings.iter().any(|binding| binding.is_at(flow)) || !self.config.authenticate;
        let refused = match (package, pbx.extension(&DeviceId::new(&number)), known) {
            (false, ..) => Some(StatusCode::BAD_EVENT),
            (_, None, _) => Some(StatusCode::NOT_FOUND),
            // Only a registered terminal subscribes: it has proved who it is.
            (.., false) => Some(StatusCode::FORBIDDEN),
            _ => None,
        };
        let now = times.network;
        if let Some(status) = refused {
            // The subscriber may be gone.
            let _gone = self.ua.refuse_subscription(subscription, status, now);
            return;
        }
        let asked = request.headers.get::<Expires>().ok().flatten();
        let seconds = asked.map_or(EXPIRES_S, |it| it.0).min(EXPIRES_S);
        let time = std::time::Duration::from_secs(u64::from(seconds));
        if self.ua.accept_subscription(subscription, time, now).is_ok() {
            count(&mut self.counts, "SUBSCRIBE taken");
            self.lamps.subscriptions.insert(subscription, number);
            self.on_refreshed(subscription, pbx, times);
        }
    }

    /// A subscriber is told the state.
    pub(super) fn on_refreshed(
        &mut self,
        subscription: SubscriptionKey,
        pbx: &SwitchingFunction,
        times: Times,
    ) {
        if let Some(number) = self.lamps.subscriptions.get(&subscription).cloned() {
            let waiting = waiting(&number, pbx);
            self.notify(subscription, &number, &waiting, times);
        }
    }

    /// A terminal has registered: it is told at once if messages wait.
    pub(super) fn light(&mut self, number: &str, pbx: &SwitchingFunction, times: Times) {
        let waiting = waiting(number, pbx);
        if waiting.on && self.lamps.of(number).is_empty() {
            self.notify_terminals(number, &waiting, times);
        }
    }

    /// Tells whatever has changed at the model.
    pub(super) fn tell_waiting(&mut self, pbx: &SwitchingFunction, times: Times) {
        let changes = pbx
            .feature_changes()
            .get(FEATURE)
            .copied()
            .unwrap_or_default();
        if changes == self.lamps.seen {
            return;
        }
        self.lamps.seen = changes;
        let registered = self.registrar.all().map(|(number, _)| number.to_owned());
        let subscribed = self.lamps.subscriptions.values().cloned();
        let mut numbers: Vec<_> = registered.chain(subscribed).collect();
        numbers.sort();
        numbers.dedup();
        for number in numbers {
            let waiting = waiting(&number, pbx);
            let told = self.lamps.lit.get(&number).cloned().unwrap_or_default();
            if told == waiting {
                continue;
            }
            match waiting.on {
                true => self.lamps.lit.insert(number.clone(), waiting.clone()),
                false => self.lamps.lit.remove(&number),
            };
            let subscriptions = self.lamps.of(&number);
            if subscriptions.is_empty() {
                self.notify_terminals(&number, &waiting, times);
            }
            for subscription in subscriptions {
                self.notify(subscription, &number, &waiting, times);
            }
        }
    }

    fn notify(
        &mut self,
        subscription: SubscriptionKey,
        number: &str,
        waiting: &MessageWaiting,
        times: Times,
    ) {
        let content = (summary_type(), self.summary(number, waiting));
        // A subscriber that is gone is told nothing.
        let _gone = self
            .ua
            .notify(subscription, Some(content), None, times.network);
    }

    fn notify_terminals(&mut self, number: &str, waiting: &MessageWaiting, times: Times) {
        let terminals = self.registrar.terminals(number).into_iter();
        let targets: Vec<_> = terminals.map(|it| it.target(&self.config)).collect();
        let body = self.summary(number, waiting);
        for target in targets {
            let own = self.own(number);
            let mut request = Request::new(Method::Notify, target.uri)
                .with(From::new(own.clone()))
                .with(To::new(own))
                .with(Event::new(PACKAGE))
                .with(SubscriptionState::new("active"))
                .with(summary_type());
            request.headers.set_all::<Route>(target.routes);
            request.body = body.clone();
            let order = OutgoingRequest {
                request,
                flow: target.flow,
                credentials: None,
            };
            match self.ua.request(order, times.network) {
                Ok(_) => count(&mut self.counts, "NOTIFY sent"),
                Err(error) => tracing::debug!(%error, "no NOTIFY"),
            }
        }
    }

    /// The body (RFC 3842 §5.2): how many messages wait is not known to the model.
    fn summary(&self, number: &str, waiting: &MessageWaiting) -> Bytes {
        let account = waiting.device_for_message.as_ref();
        let account = account.map_or(number, |device| device.as_str());
        let (yes, new) = match waiting.on {
            true => ("yes", 1),
            false => ("no", 0),
        };
        let account = self.own(account);
        format!(
            "Messages-Waiting: {yes}\r\nMessage-Account: {account}\r\nVoice-Message: {new}/0 (0/0)\r\n"
        )
        .into()
    }

    /// A number in our domain.
    pub(super) fn own(&self, number: &str) -> Uri {
        let host = self.config.domain.parse();
        let host = host.unwrap_or_else(|_| self.config.media.ip().into());
        Uri::sip(number, sip::HostPort { host, port: None })
    }
}

fn summary_type() -> ContentType {
    ContentType::new("application", "simple-message-summary")
}

fn waiting(number: &str, pbx: &SwitchingFunction) -> MessageWaiting {
    let features = pbx.features(&DeviceId::new(number));
    features
        .map(|it| it.message_waiting.clone())
        .unwrap_or_default()
}

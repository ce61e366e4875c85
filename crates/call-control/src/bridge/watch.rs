//! Who wants to know of a softphone's calls (RFC 4235), and what else the PBX asks beside calls.
//!
//! | request | answer |
//! | --- | --- |
//! | SUBSCRIBE, package `dialog`, to a softphone | 200, and NOTIFY with its bridged calls at each change |
//! | SUBSCRIBE, another package | 489 |
//! | SUBSCRIBE to somebody else | 404 |
//! | NOTIFY `message-summary` to a softphone | 200, and [`Notice::MessageWaiting`] |
//! | NOTIFY to somebody else, or of another package | 481, 489 (RFC 6665 §4.1.3) |
//! | MESSAGE to a softphone | 405: the far end has no place for page-mode messages (RFC 3428 §7) |
//! | MESSAGE and anything else to somebody else | 404 |

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::header::{Allow, ContentType, Event, NameAddr};
use sip::transport::Flow;
use sip::ua::{RequestKey, SubscribeRequest, SubscriptionKey, UserAgent};
use sip::{Headers, Method, Request, Response, StatusCode, Uri};

use super::call::CallKey;
use super::mwi::MessageSummary;
use super::notice::{CallDirection, Notice};
use super::softclient::Softclient;
use super::switchboard::Switchboard;

/// Subscriptions at the same time; more are refused with 503.
const WATCHERS_MAX: usize = 5000;
/// Longest time that one lasts without being refreshed.
const WATCH_LASTS: Duration = Duration::from_hours(1);

/// One subscription to the calls of a softphone.
#[derive(Debug)]
pub(super) struct Watcher {
    extension: Box<str>,
    entity: Box<str>,
    version: u32,
}

impl Switchboard {
    /// A request outside of calls.
    pub(super) fn request(
        &mut self,
        key: RequestKey,
        request: &Request,
        flow: Flow,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let softphone = self.softphone(request, flow.remote.ip());
        let event = request.headers.get::<Event>().ok().flatten();
        let package = event.map(|event| event.package).unwrap_or_default();
        let mut response = match (&request.method, softphone) {
            (Method::Notify, Some(softphone)) if package == "message-summary" => {
                Response::new(match MessageSummary::parse(&request.body) {
                    Some(messages) => {
                        self.notice(Notice::MessageWaiting {
                            extension: softphone.extension,
                            messages,
                        });
                        StatusCode::OK
                    }
                    None => StatusCode::BAD_REQUEST,
                })
            }
            (Method::Notify, Some(_)) => Response::new(StatusCode::BAD_EVENT),
            (Method::Notify, None) => Response::new(StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST),
            (_, Some(_)) => Response::new(StatusCode::METHOD_NOT_ALLOWED),
            // A trunk carries calls. What else it brings has no recipient here (RFC 3261 §8.2.3).
            (_, None) => Response::new(StatusCode::NOT_FOUND),
        };
        if response.status == StatusCode::METHOD_NOT_ALLOWED {
            //= RFC 3261 §8.2.1
            // The UAS MUST also add an Allow header field to the 405 response.
            let taken = ua.methods().iter();
            let taken = taken.filter(|method| **method != request.method);
            let taken = taken.cloned().map(Allow).collect();
            response.headers.set_all(taken);
        }
        let _ = ua.respond(key, response, now);
    }

    /// Command: asks a softphone user's registrar for the messages that wait (RFC 3842), where it does
    /// not tell them unasked. Once for each registration; a subscription that is there goes on.
    pub fn subscribe_messages(&mut self, extension: &str, ua: &mut UserAgent, now: Instant) {
        let has = self.mailboxes.values().any(|of| **of == *extension);
        let Some(softclient) = self.softclients.registered(extension).filter(|_| !has) else {
            return;
        };
        let order = SubscribeRequest {
            request_uri: softclient.aor.clone(),
            from: NameAddr::new(softclient.aor.clone()),
            contact: None,
            event: "message-summary".into(),
            accept: "application/simple-message-summary".into(),
            expires: WATCH_LASTS,
            headers: Headers::default(),
            flow: softclient.registrar.flow,
            credentials: softclient.logins.clone(),
        };
        match ua.subscribe(order, now) {
            Ok(key) => {
                self.mailboxes.insert(key, extension.into());
            }
            Err(error) => tracing::warn!(%error, "messages cannot be asked for"),
        }
    }

    /// A notifier tells something: `false` where it is not about messages that were asked for here.
    pub(super) fn notified(&mut self, key: SubscriptionKey, body: &Bytes) -> bool {
        let Some(extension) = self.mailboxes.get(&key).cloned() else {
            return false;
        };
        if let Some(messages) = MessageSummary::parse(body) {
            self.notice(Notice::MessageWaiting {
                extension,
                messages,
            });
        }
        true
    }

    /// Whose softphone a request is for. Its contact is told to its registrar alone and cannot be
    /// guessed, so that it stands for a proof of who asks.
    fn softphone(&self, request: &Request, source: IpAddr) -> Option<Softclient> {
        let user = request.uri.user_text()?;
        self.softclients.called(&user, source).cloned()
    }

    /// Somebody wants to be told.
    pub(super) fn subscribed(
        &mut self,
        key: SubscriptionKey,
        request: &Request,
        flow: Flow,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let event = request.headers.get::<Event>().ok().flatten();
        let dialogs = event.is_some_and(|event| event.package == "dialog");
        let refused = match self.softphone(request, flow.remote.ip()) {
            None => StatusCode::NOT_FOUND,
            Some(_) if !dialogs => StatusCode::BAD_EVENT,
            Some(_) if self.watchers.len() >= WATCHERS_MAX => StatusCode::SERVICE_UNAVAILABLE,
            Some(softphone) => {
                if ua.accept_subscription(key, WATCH_LASTS, now).is_ok() {
                    let watcher = Watcher {
                        entity: entity(&softphone.aor),
                        extension: softphone.extension,
                        version: 0,
                    };
                    self.watchers.insert(key, watcher);
                    self.tell_watcher(key, ua, now);
                }
                return;
            }
        };
        let _ = ua.refuse_subscription(key, refused, now);
    }

    /// Tells everybody who watches the softphone of a call.
    pub(super) fn tell_watchers_of(&mut self, key: CallKey, ua: &mut UserAgent, now: Instant) {
        if self.watchers.is_empty() {
            return;
        }
        let call = self.calls.get(&key);
        let extension = call.and_then(|call| call.begun.extension.clone());
        self.tell_watchers(extension.as_deref(), ua, now);
    }

    /// Tells everybody who watches that softphone.
    pub(super) fn tell_watchers(
        &mut self,
        extension: Option<&str>,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        let Some(extension) = extension else { return };
        let of = |(_, watcher): &(&SubscriptionKey, &Watcher)| *watcher.extension == *extension;
        let watchers: Vec<SubscriptionKey> = self
            .watchers
            .iter()
            .filter(of)
            .map(|(key, _)| *key)
            .collect();
        for key in watchers {
            self.tell_watcher(key, ua, now);
        }
    }

    /// Tells one subscriber all calls of its softphone.
    pub(super) fn tell_watcher(&mut self, key: SubscriptionKey, ua: &mut UserAgent, now: Instant) {
        let Some(watcher) = self.watchers.get_mut(&key) else {
            return;
        };
        let version = watcher.version;
        watcher.version = version.wrapping_add(1);
        let (extension, entity) = (watcher.extension.clone(), watcher.entity.clone());
        let body = self.dialogs(&extension, &entity, version);
        let content = ContentType::new("application", "dialog-info+xml");
        let _ = ua.notify(key, Some((content, body)), None, now);
    }

    /// The calls of a softphone (RFC 4235 §4.1), all of them each time.
    fn dialogs(&self, extension: &str, entity: &str, version: u32) -> Bytes {
        let mut xml = format!(
            "<?xml version=\"1.0\"?>\r\n\
             <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"{version}\" \
             state=\"full\" entity=\"{entity}\">\r\n"
        );
        for (key, call) in &self.calls {
            if call.begun.extension.as_deref() != Some(extension) {
                continue;
            }
            let direction = match call.begun.direction {
                CallDirection::FromPbx => "recipient",
                CallDirection::ToPbx => "initiator",
            };
            let state = match (call.is_answered(), call.rings) {
                (true, _) => "confirmed",
                (false, true) => "early",
                (false, false) => "trying",
            };
            // Writing to a string cannot fail.
            let _ = write!(
                xml,
                "<dialog id=\"{}\" direction=\"{direction}\"><state>{state}</state></dialog>\r\n",
                key.0
            );
        }
        xml.push_str("</dialog-info>\r\n");
        Bytes::from(xml)
    }
}

/// The URI without its parameters, as XML.
fn entity(uri: &Uri) -> Box<str> {
    let bare = Uri::sip(&uri.user_text().unwrap_or_default(), uri.host_port());
    let text = bare.to_string();
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
    escaped.replace('"', "&quot;").into()
}

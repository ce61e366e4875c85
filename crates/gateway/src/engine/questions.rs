//! What the engine asks the PBX by itself, at low priority: which services and devices there are, who
//! is in a call of which snapshots of devices do not tell, and the features of each followed device. Only a few are in flight, and none while monitors and
//! snapshots are being brought up to date.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use csta::client::InvocationError;
use csta::message::{
    GetCSTAFeatures, GetDoNotDisturb, GetForwarding, GetMessageWaitingIndicator, GetPresenceState,
    GetSwitchingFunctionDevices, SnapshotCall,
};
use csta::{ConnectionId, DeviceId, InvokeId, Request, Response};

/// Questions in flight: a tenth of what commands may have.
pub(super) const IN_FLIGHT_MAX: usize = 4;
/// Time that the PBX gets to answer one.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Changes of the list of devices come in bursts; it is asked for this long after the last one.
const DEVICES_DEBOUNCE: Duration = Duration::from_secs(5);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Features,
    Devices,
    DoNotDisturb,
    Forwarding,
    MessageWaiting,
    Presence,
    Call,
}

impl Kind {
    /// What is asked of each device.
    const OF_DEVICE: [Self; 4] = [
        Self::DoNotDisturb,
        Self::Forwarding,
        Self::MessageWaiting,
        Self::Presence,
    ];

    /// The service in the list of what the PBX has.
    pub(super) const fn service(self) -> &'static str {
        match self {
            Self::Features => "getCSTAFeatures",
            Self::Devices => "getSwitchingFunctionDevices",
            Self::DoNotDisturb => "getDoNotDisturb",
            Self::Forwarding => "getForwarding",
            Self::MessageWaiting => "getMessageWaitingIndicator",
            Self::Presence => "getPresenceState",
            Self::Call => "snapshotCall",
        }
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) kind: Kind,
    /// `None` where it is about the site.
    pub(super) device: Option<DeviceId>,
    /// The call that it is about, by one of its connections.
    pub(super) call: Option<ConnectionId>,
}

impl Question {
    /// The message that asks it.
    pub(super) fn request(&self) -> Request {
        let device = || self.device.clone().unwrap_or_else(|| DeviceId::new(""));
        let nowhere = || ConnectionId {
            call_id: None,
            device_id: None,
        };
        match self.kind {
            Kind::Features => GetCSTAFeatures::new().into(),
            Kind::Devices => GetSwitchingFunctionDevices::new().into(),
            Kind::DoNotDisturb => GetDoNotDisturb::new(device()).into(),
            Kind::Forwarding => GetForwarding::new(device()).into(),
            Kind::MessageWaiting => GetMessageWaitingIndicator::new(device()).into(),
            Kind::Presence => GetPresenceState::new(device()).into(),
            Kind::Call => SnapshotCall::new(self.call.clone().unwrap_or_else(nowhere)).into(),
        }
    }
}

/// The questions of one association.
#[derive(Debug, Default)]
pub(super) struct Questions {
    waiting: VecDeque<Question>,
    in_flight: BTreeMap<InvokeId, Question>,
    /// Not to be asked again while the association lives.
    unsupported: BTreeSet<Kind>,
    /// Devices whose features were asked for.
    asked: BTreeSet<DeviceId>,
    /// Monitors and snapshots are up to date.
    synchronised: bool,
    devices_at: Option<Instant>,
}

impl Questions {
    /// A new association: nothing is known of it.
    pub(super) fn begin(&mut self) {
        // Whether there is a presence service is not asked by trying: few have it.
        *self = Self {
            unsupported: BTreeSet::from([Kind::Presence]),
            ..Self::default()
        };
        self.site(Kind::Features);
        self.site(Kind::Devices);
    }

    /// All devices are as they should be.
    pub(super) const fn synchronised(&mut self) {
        self.synchronised = true;
    }

    /// Monitors and snapshots are being brought up to date again.
    pub(super) const fn resynchronising(&mut self) {
        self.synchronised = false;
    }

    /// Messages were lost: features may have changed unheard.
    pub(super) fn all_anew(&mut self) {
        self.asked.clear();
    }

    /// A device has a new monitor.
    pub(super) fn monitored(&mut self, device: &DeviceId) {
        self.asked.remove(device);
    }

    /// A device has been snapshotted: its features are asked for, once.
    pub(super) fn snapshotted(&mut self, device: &DeviceId) {
        if self.asked.insert(device.clone()) {
            self.ask_features(device);
        }
    }

    fn ask_features(&mut self, device: &DeviceId) {
        for kind in Kind::OF_DEVICE {
            self.waiting.push_back(Question {
                kind,
                device: Some(device.clone()),
                call: None,
            });
        }
    }

    /// The parties of a call are not known: they are asked for before features.
    pub(super) fn call(&mut self, connection: ConnectionId) {
        self.waiting.push_front(Question {
            kind: Kind::Call,
            device: None,
            call: Some(connection),
        });
    }

    /// A command wants a device's features now: they go before all others.
    pub(super) fn first(&mut self, device: &DeviceId) {
        self.asked.insert(device.clone());
        self.waiting.retain(|it| it.device.as_ref() != Some(device));
        self.ask_features(device);
        self.waiting.rotate_right(Kind::OF_DEVICE.len());
    }

    /// Whether something about a device is still to be answered.
    pub(super) fn is_asking(&self, device: &DeviceId) -> bool {
        let mut open = self.waiting.iter().chain(self.in_flight.values());
        open.any(|it| it.device.as_ref() == Some(device) && !self.unsupported.contains(&it.kind))
    }

    /// The list of devices has changed.
    pub(super) fn devices_changed(&mut self, now: Instant) {
        self.devices_at = Some(now + DEVICES_DEBOUNCE);
    }

    /// Takes note of the time.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.devices_at.is_some_and(|at| at <= now) {
            self.devices_at = None;
            self.site(Kind::Devices);
        }
    }

    fn site(&mut self, kind: Kind) {
        self.waiting.push_front(Question {
            kind,
            device: None,
            call: None,
        });
    }

    /// The next question to send, while there is room; `urgent` ones do not wait for the rest.
    pub(super) fn next(&mut self, urgent: bool) -> Option<Question> {
        if !(self.synchronised || urgent) || self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        loop {
            let question = self.waiting.pop_front()?;
            if !self.unsupported.contains(&question.kind) {
                return Some(question);
            }
        }
    }

    /// A question was sent.
    pub(super) fn sent(&mut self, id: InvokeId, question: Question) {
        self.in_flight.insert(id, question);
    }

    /// A question could not be sent: it is asked again later.
    pub(super) fn not_sent(&mut self, question: Question) {
        self.waiting.push_front(question);
    }

    /// A request has ended; gives the question if it was one.
    pub(super) fn answered(
        &mut self,
        id: InvokeId,
        result: &Result<Response, InvocationError>,
    ) -> Option<Question> {
        let question = self.in_flight.remove(&id)?;
        match result {
            Ok(Response::GetCSTAFeatures(features)) => {
                let services = features.supported_services.as_ref();
                if services.is_some_and(|it| it.contains(Kind::Presence.service())) {
                    self.unsupported.remove(&Kind::Presence);
                }
            }
            Err(InvocationError::Refused(error)) if error.value == "serviceNotSupported" => {
                self.unsupported.insert(question.kind);
            }
            _ => {}
        }
        Some(question)
    }
}

#[cfg(test)]
mod tests {
    use csta::message::GetCSTAFeaturesResponse;
    use csta::value::{CstaError, ErrorCategory, FeatureGroup, FeatureGroups};
    use net::clock;

    use super::*;

    fn device(number: &str) -> DeviceId {
        DeviceId::new(number)
    }

    /// Sends all that may be sent; gives kind and device.
    fn send(questions: &mut Questions, from: u16) -> Vec<(Kind, String)> {
        let mut sent = Vec::new();
        while let Some(question) = questions.next(false) {
            let number = question.device.as_ref().map(ToString::to_string);
            sent.push((question.kind, number.unwrap_or_default()));
            let id = from + u16::try_from(sent.len()).unwrap();
            questions.sent(InvokeId::new(id).unwrap(), question);
        }
        sent
    }

    fn refused(value: &str) -> Result<Response, InvocationError> {
        let error = CstaError::new(ErrorCategory::Operation, value);
        Err(InvocationError::Refused(error))
    }

    #[test]
    fn nothing_is_asked_before_all_devices_are_synchronised_and_few_at_a_time() {
        let mut questions = Questions::default();
        questions.begin();
        questions.snapshotted(&device("1"));
        assert_eq!(questions.next(false), None);
        questions.synchronised();
        let first = send(&mut questions, 0);
        assert_eq!(first.len(), IN_FLIGHT_MAX);
        assert_eq!(first[0].0, Kind::Devices);
        assert_eq!(first[1].0, Kind::Features);
        questions.resynchronising();
        questions.answered(InvokeId::new(1).unwrap(), &refused("generic"));
        assert_eq!(questions.next(false), None);
        assert!(questions.next(true).is_some(), "a command does not wait");
    }

    #[test]
    fn what_the_pbx_does_not_have_is_not_asked_again() {
        let mut questions = Questions::default();
        questions.begin();
        questions.synchronised();
        questions.snapshotted(&device("1"));
        questions.snapshotted(&device("2"));
        send(&mut questions, 0);
        for id in 1..=4 {
            let result = refused("serviceNotSupported");
            assert!(
                questions
                    .answered(InvokeId::new(id).unwrap(), &result)
                    .is_some()
            );
        }
        // Devices, features, do not disturb and forwarding were refused; presence is not known of.
        let rest = send(&mut questions, 10);
        let waiting = |number: &str| (Kind::MessageWaiting, number.to_owned());
        assert_eq!(rest, [waiting("1"), waiting("2")]);
        assert!(!questions.is_asking(&device("9")) && questions.is_asking(&device("2")));
        questions.snapshotted(&device("2"));
        assert_eq!(send(&mut questions, 20), [], "once is enough");
    }

    #[test]
    fn presence_is_asked_for_where_the_pbx_names_the_service() {
        let mut questions = Questions::default();
        questions.begin();
        questions.synchronised();
        send(&mut questions, 0);
        let group = FeatureGroup {
            name: "logicalServList".to_owned(),
            features: vec!["getPresenceState".to_owned()],
        };
        let features = GetCSTAFeaturesResponse {
            supported_services: Some(FeatureGroups(vec![group])),
            ..GetCSTAFeaturesResponse::new()
        };
        questions.answered(InvokeId::new(2).unwrap(), &Ok(features.into()));
        questions.answered(InvokeId::new(1).unwrap(), &refused("generic"));
        questions.first(&device("1"));
        let kinds: Vec<_> = send(&mut questions, 10).iter().map(|it| it.0).collect();
        assert_eq!(kinds, Kind::OF_DEVICE);
    }

    #[test]
    fn a_burst_of_changes_of_the_device_list_is_one_question() {
        let (mut questions, now) = (Questions::default(), clock::now());
        questions.synchronised();
        for ms in [0, 1000, 2000] {
            questions.devices_changed(now + Duration::from_millis(ms));
        }
        questions.handle_timeout(now + DEVICES_DEBOUNCE);
        assert_eq!(questions.next(false), None);
        questions.handle_timeout(now + Duration::from_secs(7));
        assert_eq!(send(&mut questions, 0), [(Kind::Devices, String::new())]);
    }
}

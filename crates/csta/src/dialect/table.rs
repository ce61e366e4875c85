//! The dialects there are.

use super::{
    AnswerOrder, AnsweredElsewhere, AssociationMode, Declaration, DeviceIdForm, Dialect,
    DivertedTo, Editions, HeartBeatMessage, MultipleTerminals, Percent, Period, Prefix,
    Registration, ResultingCall, SessionNamespace, Setting, SnapshotForm, Source, StatusNamespace,
};
use crate::edition::Edition;

const fn standard<T: Copy>(value: T, clause: &'static str) -> Setting<T> {
    let source = Source::Standard(clause);
    Setting { value, source }
}

const fn vendor<T: Copy>(value: T) -> Setting<T> {
    let source = Source::Vendor;
    Setting { value, source }
}

const fn observed<T: Copy>(value: T) -> Setting<T> {
    let source = Source::Observed;
    Setting { value, source }
}

const fn assumed<T: Copy>(value: T) -> Setting<T> {
    let source = Source::Assumption;
    Setting { value, source }
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 4] = [Self::ECMA, Self::MX_ONE, Self::MIVOICE_400, Self::OPENSCAPE];

    /// The standard, strictly. Where it leaves a choice to the switching function, the choice is an
    /// assumption.
    pub const ECMA: Self = Self {
        name: "ecma",
        association: standard(AssociationMode::Auto, "ECMA-269 §7.2, ECMA-354"),
        speaks_first: assumed(false),
        system_register: standard(Registration::WhenSpokenTo, "ECMA-269 §14.2"),
        editions: standard(Editions::ALL, "ECMA-323"),
        obey_session_duration: standard(true, "ECMA-354 §8.1.1"),
        reset_at: assumed(Percent::new(50)),
        stop_session: standard(true, "ECMA-354 §8.1.2"),
        heart_beat: assumed(Period::from_secs(30)),
        heart_beat_message: standard(HeartBeatMessage::RequestSystemStatus, "ECMA-269 §7.2"),
        answer_system_services: standard(true, "ECMA-269 §14.1"),
        resnapshot_on_messages_lost: standard(true, "ECMA-269 §14.1.4"),
        remonitor_on_enabled: standard(true, "ECMA-269 §14.1.4"),
        slow_on_overload: standard(true, "ECMA-269 §14.1.4"),
        device_id_form: standard(DeviceIdForm::Plain, "ECMA-269 clause 10"),
        service_initiated: standard(true, "ECMA-269 §17.2.18"),
        diverted_to: standard(DivertedTo::All, "ECMA-269 §17.2.7"),
        clear_after_transfer: standard(false, "ECMA-269 §17.2.19"),
        resulting_call: assumed(ResultingCall::New),
        single_step_old_connections: standard(true, "ECMA-269 §17.2.19"),
        multiple_terminals: assumed(MultipleTerminals::Number),
        answered_elsewhere: assumed(AnsweredElsewhere::Cleared),
        monitor_existing_calls: assumed(true),
        snapshot: standard(SnapshotForm::Inline, "ECMA-269 §16.1.2"),
        answers: assumed(AnswerOrder::BeforeEvents),
        prefix: standard(Prefix::None, "ECMA-323"),
        declaration: standard(Declaration::Always, "ECMA-323"),
        session_namespace: standard(SessionNamespace::Default, "ECMA-354"),
        status_namespace: standard(StatusNamespace::Edition, "ECMA-323"),
    };

    /// MiVoice MX-ONE. The vendor documents that it speaks CSTA III in XML on TCP 8882 (8883 with
    /// TLS), that it supports application sessions and monitors of devices and calls, and that up to
    /// eight terminals share a number; everything else is assumed.
    pub const MX_ONE: Self = Self {
        name: "mx-one",
        // Application sessions are documented, the way without one is not.
        association: assumed(AssociationMode::Auto),
        speaks_first: assumed(false),
        system_register: assumed(Registration::WhenSpokenTo),
        editions: assumed(Editions::ALL),
        obey_session_duration: assumed(true),
        reset_at: assumed(Percent::new(50)),
        stop_session: assumed(true),
        heart_beat: assumed(Period::from_secs(30)),
        heart_beat_message: assumed(HeartBeatMessage::RequestSystemStatus),
        answer_system_services: assumed(true),
        resnapshot_on_messages_lost: assumed(true),
        remonitor_on_enabled: assumed(true),
        slow_on_overload: assumed(true),
        device_id_form: assumed(DeviceIdForm::Plain),
        service_initiated: assumed(true),
        diverted_to: assumed(DivertedTo::All),
        clear_after_transfer: assumed(false),
        resulting_call: assumed(ResultingCall::New),
        single_step_old_connections: assumed(true),
        multiple_terminals: assumed(MultipleTerminals::Number),
        answered_elsewhere: assumed(AnsweredElsewhere::Cleared),
        monitor_existing_calls: assumed(true),
        snapshot: assumed(SnapshotForm::Inline),
        answers: assumed(AnswerOrder::BeforeEvents),
        prefix: assumed(Prefix::None),
        declaration: assumed(Declaration::Always),
        session_namespace: assumed(SessionNamespace::Default),
        status_namespace: assumed(StatusNamespace::Edition),
    };

    /// MiVoice Office 400: device ids with the terminal's number, prefixed elements, the fifth
    /// edition. The vendor's log tells a missing cycle signal from a log-off, so that there is a
    /// heart-beat; its message and period are assumed.
    pub const MIVOICE_400: Self = Self {
        name: "mivoice-400",
        editions: observed(Editions::only(Edition::Ed5)),
        stop_session: vendor(true),
        device_id_form: observed(DeviceIdForm::Instance),
        multiple_terminals: assumed(MultipleTerminals::Terminal),
        prefix: observed(Prefix::Csta),
        declaration: observed(Declaration::NotInAnswers),
        ..Self::MX_ONE
    };

    /// OpenScape Voice: the switching function speaks first, the computing function registers, and
    /// some messages are in no namespace or in that of another edition.
    pub const OPENSCAPE: Self = Self {
        name: "openscape",
        association: observed(AssociationMode::Implicit),
        speaks_first: observed(true),
        system_register: observed(Registration::Always),
        editions: observed(Editions::only(Edition::Ed4)),
        heart_beat_message: assumed(HeartBeatMessage::SystemStatus),
        service_initiated: observed(true),
        resulting_call: observed(ResultingCall::New),
        single_step_old_connections: observed(false),
        multiple_terminals: assumed(MultipleTerminals::Terminal),
        declaration: observed(Declaration::Always),
        prefix: observed(Prefix::None),
        session_namespace: observed(SessionNamespace::Unused),
        status_namespace: observed(StatusNamespace::OldAuthority),
        ..Self::MX_ONE
    };
}

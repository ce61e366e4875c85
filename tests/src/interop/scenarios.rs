//! What SIPp plays: the calls of the PBX, and what the second PBX does with them.

/// One scenario: what the PBX plays, what the second PBX plays, and how.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) caller: &'static str,
    pub(super) callee: Option<&'static str>,
    pub(super) authenticate: bool,
    /// The proof is MD5, which SIPp knows.
    pub(super) md5: bool,
    /// By what a Kamailio in front of the second PBX asks who the gateway is: SIPp 3.6 knows MD5 alone.
    pub(super) asks: &'static str,
    pub(super) calls: u32,
    /// Percent of the messages that are lost, both ways; over UDP only.
    pub(super) lost: u32,
}

pub(super) const fn echo(name: &'static str, caller: &'static str) -> Scenario {
    Scenario {
        name,
        caller,
        callee: None,
        authenticate: false,
        md5: false,
        asks: "",
        calls: 1,
        lost: 0,
    }
}

const fn through(name: &'static str, caller: &'static str, callee: &'static str) -> Scenario {
    Scenario {
        callee: Some(callee),
        ..echo(name, caller)
    }
}

impl Scenario {
    const fn challenged(self) -> Self {
        Self {
            authenticate: true,
            ..self
        }
    }

    const fn by_md5(self) -> Self {
        Self {
            md5: true,
            ..self.challenged()
        }
    }

    const fn asked_by(self, asks: &'static str) -> Self {
        Self { asks, ..self }
    }

    const fn lossy(self, calls: u32, lost: u32) -> Self {
        Self {
            calls,
            lost,
            ..self
        }
    }
}

/// Every one.
pub(super) const SCENARIOS: [Scenario; 23] = [
    echo("echo", "caller_basic"),
    echo("echo, challenged", "caller_is_challenged").challenged(),
    echo("echo, the PBX proves itself", "caller_proves_itself").by_md5(),
    echo("echo, hold and resume", "caller_holds"),
    echo("echo, no offer", "caller_offerless"),
    echo("echo, UPDATE", "caller_updates"),
    echo("echo, session timer", "caller_session_timer"),
    echo("echo, 20 calls, 10 % lost", "caller_basic").lossy(20, 10),
    through("through", "caller_basic", "callee_answers"),
    through(
        "through, the PBX proves itself",
        "caller_proves_itself",
        "callee_answers",
    )
    .by_md5(),
    through(
        "through, the gateway proves itself by MD5",
        "caller_basic",
        "callee_answers",
    )
    .asked_by("MD5"),
    through(
        "through, the gateway proves itself by SHA-256",
        "caller_basic",
        "callee_answers",
    )
    .asked_by("SHA-256"),
    through(
        "through, the gateway proves itself to SIPp",
        "caller_basic",
        "callee_asks",
    ),
    through("through, REFER", "caller_refers", "callee_is_referred"),
    through("through, CANCEL", "caller_cancels", "callee_is_cancelled"),
    through("through, busy", "caller_hears_busy", "callee_is_busy"),
    through(
        "through, no answer",
        "caller_hears_no_answer",
        "callee_does_not_answer",
    ),
    through("through, hold and resume", "caller_holds", "callee_is_held"),
    through("through, no offer", "caller_offerless", "callee_offers"),
    through("through, PRACK", "caller_prack", "callee_answers"),
    through("through, UPDATE", "caller_updates", "callee_gets_an_offer"),
    through(
        "through, session timer",
        "caller_session_timer",
        "callee_answers",
    ),
    through(
        "through, 10 calls, 10 % lost",
        "caller_basic",
        "callee_answers",
    )
    .lossy(10, 10),
];

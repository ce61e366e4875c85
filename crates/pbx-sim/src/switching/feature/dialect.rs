//! What a dialect says of the switching function's own choices.

use csta::dialect::{AnsweredElsewhere, DivertedTo, MultipleTerminals, ResultingCall as Resulting};
use csta::{DeviceId, Dialect};

use super::super::{ForkRelease, Forking, ResultingCall, SwitchingFunction, Terminals};

impl SwitchingFunction {
    /// Behaves as `dialect` says, from now on. How terminals ring changes only while there is no call:
    /// gives whether everything was taken over.
    pub fn adopt(&mut self, dialect: &Dialect) -> bool {
        self.config.diverted_to_all = dialect.diverted_to() == DivertedTo::All;
        let options = &mut self.config.options;
        options.service_initiated = dialect.service_initiated();
        options.clears_after_transfer = dialect.clear_after_transfer();
        options.single_step_old_connections = dialect.single_step_old_connections();
        options.resulting_call = match dialect.resulting_call() {
            Resulting::New => ResultingCall::New,
            Resulting::Primary => ResultingCall::Primary,
            Resulting::Secondary => ResultingCall::Secondary,
        };
        options.fork_release = match dialect.answered_elsewhere() {
            AnsweredElsewhere::Cleared => ForkRelease::Cleared,
            AnsweredElsewhere::Diverted => ForkRelease::Diverted,
        };
        let forking = match dialect.multiple_terminals() {
            MultipleTerminals::Number => Forking::OneDelivered,
            MultipleTerminals::Terminal => Forking::PerTerminal,
            MultipleTerminals::Call => Forking::CallPerTerminal,
        };
        let mut terminals = options.terminals.values();
        if terminals.all(|terminals| terminals.forking == forking) {
            return true;
        }
        if !self.calls.is_empty() {
            return false;
        }
        self.terminals.clear();
        for (number, terminals) in &mut options.terminals {
            *terminals = Terminals {
                forking,
                ..*terminals
            };
            let line = DeviceId::new(number);
            let devices = terminals.devices(&line);
            self.terminals
                .extend(devices.map(|device| (device, line.clone())));
        }
        true
    }
}

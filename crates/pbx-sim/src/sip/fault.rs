//! What goes wrong on purpose.

use sip::{Method, Request, StatusCode};

use super::config::SipDigest;
use super::{SipSide, Times};
use crate::command::Reply;
use crate::truth::count;

/// Something to go wrong, or to go right again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SipFault {
    /// Each REGISTER is refused with that status, and perhaps `Retry-After` in seconds.
    RefuseRegister(Option<(u16, Option<u32>)>),
    /// Each INVITE is refused so.
    RefuseInvite(Option<(u16, Option<u32>)>),
    /// REGISTER gets no answer.
    SilentRegistrar(bool),
    /// The bindings of a number, or all, are gone without a word.
    DropRegistration(Option<String>),
    /// Digest is asked for with these algorithms.
    Digest(SipDigest),
    /// Every nonce that was given is stale.
    Stale,
}

/// A status, and perhaps seconds until somebody may try again.
type Refuses = Option<(StatusCode, Option<u32>)>;

/// The faults that are switched on.
#[derive(Debug, Default)]
pub(super) struct SipFaults {
    pub(super) register: Refuses,
    pub(super) invite: Refuses,
    silent_registrar: bool,
}

impl SipSide {
    /// Something goes wrong from now on.
    pub(crate) fn act_of_fate(&mut self, fault: SipFault, times: Times) -> Reply {
        let refuses = |it: Option<(u16, Option<u32>)>| {
            let (code, retry_after) = it?;
            Some((StatusCode::new(code)?, retry_after))
        };
        match fault {
            SipFault::RefuseRegister(how) => self.faults.register = refuses(how),
            SipFault::RefuseInvite(how) => self.faults.invite = refuses(how),
            SipFault::SilentRegistrar(on) => self.faults.silent_registrar = on,
            SipFault::DropRegistration(number) => {
                let dropped = self.registrar.forget(number.as_deref());
                return Reply::Count(dropped, "bindings dropped");
            }
            SipFault::Digest(digest) => {
                self.config.digest = digest.algorithms();
                self.renew_nonces(times);
            }
            SipFault::Stale => self.renew_nonces(times),
        }
        Reply::Done
    }

    fn renew_nonces(&mut self, times: Times) {
        let key = self.ids.key();
        self.guard
            .renew(self.config.digest.clone(), key, times.network);
    }

    /// Whether a request is to be overheard.
    pub(super) fn swallows(&mut self, request: &Request) -> bool {
        let swallows = self.faults.silent_registrar && request.method == Method::Register;
        if swallows {
            count(&mut self.counts, "REGISTER swallowed");
        }
        swallows
    }
}

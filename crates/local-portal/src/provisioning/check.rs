//! The checks that the portal makes itself: Provisioning Manager, and the certificate of the box.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{Trouble, is_new_enough, sign_in};
use crate::alarms::ASSURANCE_NOTICE_DAYS;
use crate::pages::pbx_side::PASSWORD;
use crate::portal::Portal;
use crate::view::{Advice, Check, State3, Subject};

/// A sign-in is not tried again within this time: Provisioning Manager keeps a session for each.
const SIGN_IN_EVERY: Duration = Duration::from_secs(60);
/// Longest wait for its answer, so that all checks together take no more than 5 seconds.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// Days before its end from which on a certificate is worth a word.
pub(crate) const CERTIFICATE_NOTICE_DAYS: i64 = 30;

impl Portal {
    /// How Provisioning Manager is; nothing where none is set.
    pub(crate) async fn provisioning_check(&self) -> Option<Check> {
        let manager = self.read(|pages| pages.provisioning.clone());
        if manager.address.is_empty() {
            return None;
        }
        let check = |state, measured, advice| Check {
            subject: Subject::Provisioning,
            state,
            measured: format!("{}: {measured}", manager.address),
            advice: (state != State3::Ok).then_some(advice),
        };
        if manager.trusted.is_empty() {
            let measured = "its certificate is not accepted yet".to_owned();
            return Some(check(State3::Degraded, measured, Advice::ManagerUntrusted));
        }
        let mut kept = self.pm_checked.lock().await;
        if let Some((at, check)) = &*kept
            && at.elapsed() < SIGN_IN_EVERY
        {
            return Some(check.clone());
        }
        let password = self.secret(PASSWORD).await;
        let password = password.unwrap_or_default();
        let asked = sign_in(&manager.address, &manager.trusted, &manager.user, &password);
        let late = || Trouble::Silent(format!("no answer in {} s", ANSWER_MAX.as_secs()));
        let signed_in = timeout(ANSWER_MAX, asked).await;
        let signed_in = signed_in.unwrap_or_else(|_| Err(late()));
        let made = match signed_in {
            Ok(signed_in) => match is_new_enough(&signed_in.version) {
                Some(true) => check(State3::Ok, signed_in.version, Advice::ManagerOld),
                Some(false) => check(State3::Down, signed_in.version, Advice::ManagerOld),
                None => {
                    let measured = "it does not tell its version".to_owned();
                    check(State3::Degraded, measured, Advice::ManagerOld)
                }
            },
            Err(Trouble::OtherCertificate(shown)) => {
                check(State3::Down, shown, Advice::ManagerUntrusted)
            }
            Err(Trouble::SignIn(said)) => check(State3::Down, said, Advice::ManagerRefuses),
            Err(Trouble::NoTrunks) => {
                let measured = "it has no such API".to_owned();
                check(State3::Down, measured, Advice::ManagerOld)
            }
            Err(Trouble::Silent(why) | Trouble::Strange(why)) => {
                check(State3::Down, why, Advice::ManagerAway)
            }
            Err(other) => check(State3::Down, format!("{other:?}"), Advice::ManagerAway),
        };
        *kept = Some((Instant::now(), made.clone()));
        Some(made)
    }

    /// How long the PBX's software assurance holds, where that was typed.
    pub(crate) fn assurance_check(&self) -> Option<Check> {
        let (ends, days) = self.assurance()?;
        let state = match days {
            ..0 => State3::Down,
            0..=ASSURANCE_NOTICE_DAYS => State3::Degraded,
            _ => State3::Ok,
        };
        Some(Check {
            subject: Subject::Assurance,
            state,
            measured: format!("until {ends}, {days} days"),
            advice: (state != State3::Ok).then_some(Advice::AssuranceEnds),
        })
    }

    /// How long the certificate of the box holds.
    pub(crate) fn certificate_check(&self) -> Check {
        let shown = self.identity.shown();
        let days = shown.days_left(self.now_s());
        let ends = jiff::Timestamp::from_second(shown.facts.not_after_s).unwrap_or_default();
        let kind = if shown.own { "own" } else { "self-signed" };
        let state = match days {
            ..0 => State3::Down,
            0..=CERTIFICATE_NOTICE_DAYS => State3::Degraded,
            _ => State3::Ok,
        };
        Check {
            subject: Subject::Certificate,
            state,
            measured: format!("{kind}, until {}", ends.strftime("%Y-%m-%d")),
            advice: (state != State3::Ok).then_some(Advice::CertificateEnds),
        }
    }
}

//! The dial policy: who may call what, and how often. It guards against toll fraud, so it refuses
//! unless something allows; emergency numbers alone pass everything.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::number::{Number, Pattern};

/// Users whose use is remembered. When full, those without a call and without a recent one go first;
/// where there is none, a new user is refused as over its limit.
pub const USERS_MAX: usize = 20_000;
/// The window of the limit per minute.
const MINUTE: Duration = Duration::from_secs(60);

/// What may be called.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// Numbers that may be called; none means all that are not international and have no `*` or `#`,
    /// which are orders to the PBX and need a pattern of their own.
    pub allow: Vec<Pattern>,
    /// Whether international numbers may be called.
    pub international: bool,
    /// How international numbers begin.
    pub international_prefixes: Vec<String>,
    /// Calls at the same time for one user.
    pub concurrent: usize,
    /// Calls in a minute for one user.
    pub per_minute: usize,
    /// Calls at the same time for all users.
    pub site_concurrent: usize,
    /// Numbers that pass every limit.
    pub emergency: Vec<Pattern>,
}

/// Why a call may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum DialRefusal {
    /// Nobody known asks for it.
    #[error("the caller is not authenticated")]
    NotAuthenticated,
    /// What was dialled is no number.
    #[error("this is no number that can be dialled")]
    NotANumber,
    /// No pattern allows the number.
    #[error("the dial policy does not allow this number")]
    NotAllowed,
    /// International calls are off.
    #[error("international calls are not allowed")]
    International,
    /// The user has too many calls.
    #[error("the caller has as many calls as are allowed at the same time")]
    Concurrent,
    /// The user made too many calls in the last minute.
    #[error("the caller has made as many calls as are allowed in a minute")]
    PerMinute,
    /// All channels are taken.
    #[error("as many calls are up as are allowed at this site")]
    SiteConcurrent,
    /// The gateway shuts down.
    #[error("the gateway takes no new calls as it shuts down")]
    Draining,
}

impl DialRefusal {
    /// Each reason, for counters.
    pub const ALL: [Self; 8] = [
        Self::NotAuthenticated,
        Self::NotANumber,
        Self::NotAllowed,
        Self::International,
        Self::Concurrent,
        Self::PerMinute,
        Self::SiteConcurrent,
        Self::Draining,
    ];

    /// The reason as a label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAuthenticated => "not-authenticated",
            Self::NotANumber => "not-a-number",
            Self::NotAllowed => "not-allowed",
            Self::International => "international",
            Self::Concurrent => "concurrent",
            Self::PerMinute => "per-minute",
            Self::SiteConcurrent => "site-concurrent",
            Self::Draining => "draining",
        }
    }
}

/// A call that was admitted; to be given back with [`DialPolicy::release`] when it is over.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a call that is over has to be released"]
pub struct Admitted {
    /// Whose it is; `None` for an emergency call, which counts for nobody.
    user: Option<Box<str>>,
}

impl Admitted {
    /// Whether it passed because it is an emergency call.
    #[must_use]
    pub const fn is_emergency(&self) -> bool {
        self.user.is_none()
    }
}

/// Bytes of a caller's name that tell him from others.
const USER_LEN_MAX: usize = 64;

/// What one user does.
#[derive(Debug, Default)]
struct Use {
    calls: usize,
    /// When the calls of the last minute began.
    recent: VecDeque<Instant>,
}

/// Keeps the policy and what is used of it.
///
/// Inputs are [`DialPolicy::admit`], [`DialPolicy::release`] and [`DialPolicy::drain`]; it has no timers.
#[derive(Debug)]
pub struct DialPolicy {
    config: PolicyConfig,
    users: BTreeMap<Box<str>, Use>,
    calls: usize,
    draining: bool,
}

impl DialPolicy {
    /// A policy of which nothing is used.
    #[must_use]
    pub const fn new(config: PolicyConfig) -> Self {
        Self {
            config,
            users: BTreeMap::new(),
            calls: 0,
            draining: false,
        }
    }

    /// Calls that count.
    #[must_use]
    pub const fn calls(&self) -> usize {
        self.calls
    }

    /// No new calls from now on, emergency calls excepted.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether new calls are taken at all.
    ///
    /// # Errors
    /// [`DialRefusal::Draining`].
    pub const fn is_open(&self) -> Result<(), DialRefusal> {
        if self.draining {
            Err(DialRefusal::Draining)
        } else {
            Ok(())
        }
    }

    /// Whether it is an emergency number.
    #[must_use]
    pub fn is_emergency(&self, number: &Number) -> bool {
        self.config.emergency.iter().any(|p| p.matches(number))
    }

    /// Whether `user` may call `number` now; `None` is somebody who did not prove who they are.
    ///
    /// # Errors
    /// Why not. Nothing is counted then, but the try itself where only the rate speaks against it.
    pub fn admit(
        &mut self,
        user: Option<&str>,
        number: &Number,
        now: Instant,
    ) -> Result<Admitted, DialRefusal> {
        if self.is_emergency(number) {
            return Ok(Admitted { user: None });
        }
        let user = known_by(user.ok_or(DialRefusal::NotAuthenticated)?);
        self.is_open()?;
        self.allowed(number)?;
        if self.calls >= self.config.site_concurrent {
            return Err(DialRefusal::SiteConcurrent);
        }
        if !self.users.contains_key(user) && !self.room_for_a_user(now) {
            return Err(DialRefusal::PerMinute);
        }
        let used = self.users.entry(user.into()).or_default();
        used.forget_before(now);
        if used.calls >= self.config.concurrent {
            return Err(DialRefusal::Concurrent);
        }
        if used.recent.len() >= self.config.per_minute {
            return Err(DialRefusal::PerMinute);
        }
        used.calls += 1;
        used.recent.push_back(now);
        self.calls += 1;
        Ok(Admitted {
            user: Some(user.into()),
        })
    }

    /// The call is over.
    pub fn release(&mut self, call: Admitted, now: Instant) {
        let Some(user) = call.user else {
            return;
        };
        debug_assert!(self.calls > 0, "a call that was admitted counts");
        self.calls = self.calls.saturating_sub(1);
        if let Some(used) = self.users.get_mut(&user) {
            used.calls = used.calls.saturating_sub(1);
            used.forget_before(now);
            if used.is_idle() {
                self.users.remove(&user);
            }
        }
    }

    fn allowed(&self, number: &Number) -> Result<(), DialRefusal> {
        let PolicyConfig {
            allow,
            international,
            international_prefixes,
            ..
        } = &self.config;
        let number_text = number.as_str();
        let is_code = |c| matches!(c, '*' | '#');
        // A prefix may stand behind an order to the PBX, such as `#31#` or `*21*`.
        let begins = |prefix: &String| {
            number_text.starts_with(prefix.as_str())
                || number_text
                    .split(is_code)
                    .any(|part| part.starts_with(prefix.as_str()))
        };
        // Also where a pattern such as `0x+` would take it: that is how fraud begins.
        if !international && international_prefixes.iter().any(begins) {
            return Err(DialRefusal::International);
        }
        let by_pattern = !allow.is_empty() || number_text.contains(is_code);
        if by_pattern && !allow.iter().any(|pattern| pattern.matches(number)) {
            return Err(DialRefusal::NotAllowed);
        }
        Ok(())
    }

    fn room_for_a_user(&mut self, now: Instant) -> bool {
        if self.users.len() < USERS_MAX {
            return true;
        }
        self.users.retain(|_, used| {
            used.forget_before(now);
            !used.is_idle()
        });
        self.users.len() < USERS_MAX
    }
}

impl Use {
    fn forget_before(&mut self, now: Instant) {
        while self
            .recent
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) >= MINUTE)
        {
            self.recent.pop_front();
        }
    }

    fn is_idle(&self) -> bool {
        self.calls == 0 && self.recent.is_empty()
    }
}

/// The name under which a caller's calls are counted: the beginning of what he calls himself, which may be
/// as long as a message.
fn known_by(user: &str) -> &str {
    &user[..user.floor_char_boundary(USER_LEN_MAX)]
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test begins at any instant")]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn a_caller_is_known_by_the_beginning_of_his_name() {
        assert_eq!(known_by("2001"), "2001");
        let long = "é".repeat(1_000);
        assert_eq!(known_by(&long), "é".repeat(USER_LEN_MAX / 2));
        let odd = format!("a{long}");
        assert_eq!(known_by(&odd).len(), USER_LEN_MAX - 1);
    }

    fn policy(change: impl FnOnce(&mut PolicyConfig)) -> DialPolicy {
        let mut config = PolicyConfig {
            allow: Vec::new(),
            international: false,
            international_prefixes: vec!["00".to_owned(), "+".to_owned()],
            concurrent: 2,
            per_minute: 3,
            site_concurrent: 3,
            emergency: vec![Pattern::parse("112").unwrap()],
        };
        change(&mut config);
        DialPolicy::new(config)
    }

    #[test]
    fn nobody_calls_without_having_proved_who_they_are() {
        let mut policy = policy(|_| {});
        let now = Instant::now();
        let refused = policy.admit(None, &number("2001"), now);
        assert_eq!(refused, Err(DialRefusal::NotAuthenticated));
    }

    #[test]
    fn international_numbers_are_off_even_where_a_pattern_would_take_them() {
        let mut off = policy(|config| config.allow = vec![Pattern::parse("0x+").unwrap()]);
        let now = Instant::now();
        for text in ["0049301234", "+49301234"] {
            let refused = off.admit(Some("2001"), &number(text), now);
            assert_eq!(refused, Err(DialRefusal::International), "{text}");
        }
        assert!(off.admit(Some("2001"), &number("0301234"), now).is_ok());
        let refused = off.admit(Some("2001"), &number("2002"), now);
        assert_eq!(refused, Err(DialRefusal::NotAllowed));
        let mut on = policy(|config| config.international = true);
        assert!(on.admit(Some("2001"), &number("+49301234"), now).is_ok());
    }

    #[test]
    fn orders_to_the_pbx_pass_by_a_pattern_alone_and_never_before_an_international_number() {
        let now = Instant::now();
        let orders = ["#31#00491234", "*21*00491234#", "#31#2002", "*21#", "2*1"];
        let mut open = policy(|_| {});
        for text in orders {
            assert!(
                open.admit(Some("2001"), &number(text), now).is_err(),
                "{text}"
            );
        }
        let allow = ["#31#x+", "*21*x+", "*21#"].map(|text| Pattern::parse(text).unwrap());
        let mut some = policy(|config| config.allow = allow.into());
        for (text, expect) in [
            ("#31#2002", None),
            ("*21#", None),
            ("2*1", Some(DialRefusal::NotAllowed)),
            ("#31#00491234", Some(DialRefusal::International)),
            ("*21*00491234", Some(DialRefusal::International)),
        ] {
            let admitted = some.admit(Some("2001"), &number(text), now);
            assert_eq!(admitted.err(), expect, "{text}");
        }
    }

    #[test]
    fn each_limit_holds_and_gives_way_when_calls_end_or_the_minute_is_over() {
        let mut policy = policy(|_| {});
        let begin = Instant::now();
        let to = number("2005");
        let first = policy.admit(Some("2001"), &to, begin).unwrap();
        let second = policy.admit(Some("2001"), &to, begin).unwrap();
        let refused = policy.admit(Some("2001"), &to, begin);
        assert_eq!(refused, Err(DialRefusal::Concurrent));
        let other = policy.admit(Some("2002"), &to, begin).unwrap();
        let refused = policy.admit(Some("2003"), &to, begin);
        assert_eq!(refused, Err(DialRefusal::SiteConcurrent));
        policy.release(first, begin);
        let third = policy.admit(Some("2001"), &to, begin).unwrap();
        policy.release(second, begin);
        let refused = policy.admit(Some("2001"), &to, begin);
        assert_eq!(refused, Err(DialRefusal::PerMinute));
        let later = begin + MINUTE;
        let fourth = policy.admit(Some("2001"), &to, later).unwrap();
        for call in [other, third, fourth] {
            policy.release(call, later + MINUTE);
        }
        assert_eq!(policy.calls(), 0);
        assert!(policy.users.is_empty());
    }

    #[test]
    fn emergency_calls_pass_every_limit_the_drain_and_the_policy() {
        let mut policy = policy(|config| {
            config.allow = vec![Pattern::parse("2xxx").unwrap()];
            config.concurrent = 0;
            config.per_minute = 0;
            config.site_concurrent = 0;
        });
        policy.drain();
        let now = Instant::now();
        for user in [None, Some("2001")] {
            let call = policy.admit(user, &number("112"), now).unwrap();
            assert!(call.is_emergency());
            policy.release(call, now);
        }
        let refused = policy.admit(Some("2001"), &number("2002"), now);
        assert_eq!(refused, Err(DialRefusal::Draining));
        // Only the number itself: what follows it is another number.
        assert!(policy.admit(Some("2001"), &number("1120"), now).is_err());
    }
}

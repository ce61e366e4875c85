//! What may stand in a signal. Both ends look at what comes before they act on it.

use super::{DIGITS_MAX, Description, LegInvite, LegOwner, LegSignal, Refused, SDP_LEN_MAX};
use super::{LegEnd, TransferTarget};

/// Longest number, name or reason in a signal, in bytes.
pub const TEXT_LEN_MAX: usize = 256;
/// Shortest time that a digit is heard, in milliseconds.
pub const DIGIT_MS_MIN: u32 = 20;
/// Longest time that a digit is heard, in milliseconds.
pub const DIGIT_MS_MAX: u32 = 10_000;
/// First SIP status that refuses or ends something (RFC 3261 §21.3).
const STATUS_MIN: u16 = 300;
/// Last SIP status (RFC 3261 §21.6).
const STATUS_MAX: u16 = 699;

/// Why a signal is refused, in plain words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSignal {
    /// Longer than [`SDP_LEN_MAX`].
    #[error("a session description has at most {SDP_LEN_MAX} bytes, this one has {0}")]
    SdpTooLong(usize),
    /// No `v=0` line at its beginning (RFC 8866 §5.1), or with control characters other than line ends
    /// and tabs.
    #[error("a session description is lines of text, the first of which is v=0")]
    Sdp,
    /// Not 1 to [`DIGITS_MAX`] digits.
    #[error("digits are 1 to {DIGITS_MAX} of 0-9 * # A-D")]
    Digits,
    /// Outside of [`DIGIT_MS_MIN`] to [`DIGIT_MS_MAX`].
    #[error("a digit is heard for {DIGIT_MS_MIN} to {DIGIT_MS_MAX} ms, not for {0} ms")]
    Duration(u32),
    /// No final status.
    #[error("a status is {STATUS_MIN} to {STATUS_MAX}, not {0}")]
    Status(u16),
    /// Empty where it must not be, longer than [`TEXT_LEN_MAX`], or with control characters.
    #[error("{0} is 1 to {TEXT_LEN_MAX} bytes of text without control characters")]
    Text(&'static str),
}

impl BadSignal {
    /// The field that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::SdpTooLong(_) | Self::Sdp => "sdp",
            Self::Digits => "digits",
            Self::Duration(_) => "durationMs",
            Self::Status(_) => "status",
            Self::Text(name) => name,
        }
    }
}

impl LegSignal {
    /// Whether everything in it is within its limits.
    ///
    /// # Errors
    /// [`BadSignal`]: what is not.
    pub fn check(&self) -> Result<(), BadSignal> {
        match self {
            Self::Invite(invite) => invite.check(),
            Self::Ringing(early) => early.sdp.as_deref().map_or(Ok(()), check_sdp),
            Self::Answer(Description { sdp })
            | Self::Offer(Description { sdp })
            | Self::OfferAnswer(Description { sdp }) => check_sdp(sdp),
            Self::OfferRefused(refused) | Self::TransferRefused(refused) => refused.check(),
            Self::Dtmf(dtmf) => {
                check_digits(&dtmf.digits)?;
                let wrong = |ms: &u32| !(DIGIT_MS_MIN..=DIGIT_MS_MAX).contains(ms);
                dtmf.duration_ms
                    .filter(wrong)
                    .map_or(Ok(()), |ms| Err(BadSignal::Duration(ms)))
            }
            Self::Transfer(TransferTarget::Number(number)) => check_text("to", number),
            Self::Transfer(TransferTarget::Leg(_)) | Self::OfferWanted | Self::Correlated(_) => {
                Ok(())
            }
            Self::End(end) => end.check(),
        }
    }

    /// Bytes of text in it: what it counts against limits of memory.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        let len = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        match self {
            Self::Invite(invite) => {
                let LegInvite {
                    from,
                    from_name,
                    to,
                    owner: LegOwner::Endpoint(owner) | LegOwner::Application(owner),
                    call_id: _,
                    diverted_from,
                    sdp,
                } = invite;
                let texts = len(from) + len(from_name) + len(diverted_from) + len(sdp);
                texts + to.len() + owner.len()
            }
            Self::Ringing(early) => len(&early.sdp),
            Self::Answer(Description { sdp })
            | Self::Offer(Description { sdp })
            | Self::OfferAnswer(Description { sdp }) => sdp.len(),
            Self::OfferRefused(Refused { reason, .. })
            | Self::TransferRefused(Refused { reason, .. })
            | Self::End(LegEnd { reason, .. }) => len(reason),
            Self::Dtmf(dtmf) => dtmf.digits.len(),
            Self::Transfer(TransferTarget::Number(number)) => number.len(),
            Self::Transfer(TransferTarget::Leg(_)) | Self::OfferWanted | Self::Correlated(_) => 0,
        }
    }
}

impl LegInvite {
    fn check(&self) -> Result<(), BadSignal> {
        let Self {
            from,
            from_name,
            to,
            owner: LegOwner::Endpoint(owner) | LegOwner::Application(owner),
            call_id: _,
            diverted_from,
            sdp,
        } = self;
        check_text("to", to)?;
        check_text("owner", owner)?;
        for (name, text) in [
            ("from", from),
            ("fromName", from_name),
            ("divertedFrom", diverted_from),
        ] {
            text.as_ref()
                .map_or(Ok(()), |text| check_text(name, text))?;
        }
        sdp.as_deref().map_or(Ok(()), check_sdp)
    }
}

impl Refused {
    fn check(&self) -> Result<(), BadSignal> {
        check_status(self.status)?;
        check_reason(self.reason.as_deref())
    }
}

impl LegEnd {
    fn check(&self) -> Result<(), BadSignal> {
        self.status.map_or(Ok(()), check_status)?;
        check_reason(self.reason.as_deref())
    }
}

fn check_sdp(sdp: &str) -> Result<(), BadSignal> {
    if sdp.len() > SDP_LEN_MAX {
        return Err(BadSignal::SdpTooLong(sdp.len()));
    }
    let strange = |c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t');
    let first = sdp.lines().next();
    if first != Some("v=0") || sdp.contains(strange) {
        return Err(BadSignal::Sdp);
    }
    Ok(())
}

fn check_digits(digits: &str) -> Result<(), BadSignal> {
    let known = |byte: u8| byte.is_ascii_digit() || b"*#ABCD".contains(&byte);
    if (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(known) {
        return Ok(());
    }
    Err(BadSignal::Digits)
}

const fn check_status(status: u16) -> Result<(), BadSignal> {
    if status >= STATUS_MIN && status <= STATUS_MAX {
        return Ok(());
    }
    Err(BadSignal::Status(status))
}

fn check_reason(reason: Option<&str>) -> Result<(), BadSignal> {
    reason.map_or(Ok(()), |reason| check_text("reason", reason))
}

fn check_text(name: &'static str, text: &str) -> Result<(), BadSignal> {
    if (1..=TEXT_LEN_MAX).contains(&text.len()) && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(BadSignal::Text(name))
}

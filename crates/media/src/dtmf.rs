//! Digits in RTP (RFC 4733): what a packet says, and what a stream of them means.
//!
//! | module | what it holds |
//! | --- | --- |
//! | this | the payload: [`TelephoneEvent`], and digits as characters |
//! | [`receive`] | one digit out of the packets of an event, however many came, and in whatever order |
//! | [`send`] | the packets of a digit: beginning, updates, three ends |
//!
//! Bodies of SIP INFO are `sip`'s: digits pass between the two as characters.

pub mod receive;
pub mod send;

pub use self::receive::{Change, DtmfReceiver};
pub use self::send::{DtmfPacket, DtmfSender};

/// Bytes of one report (RFC 4733 §2.3).
pub const REPORT_LEN: usize = 4;
/// Reports that are read of one packet: more than that is no telephone's.
pub const REPORTS_MAX: usize = 8;
/// The event of a hook that is flashed (RFC 4733 §7, as RFC 2833 had it), written `!`.
const FLASH: u8 = 16;
const DIGITS: &[u8; 17] = b"0123456789*#ABCD!";

/// Why there is no digit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DtmfError {
    /// A payload of another length.
    #[error("{0} bytes of events, expected 4 for each of 1 to {REPORTS_MAX}")]
    Length(usize),
    /// A character that no telephone has.
    #[error("{0:?} is no digit, expected one of 0-9, *, #, A-D, !")]
    Digit(char),
    /// The phone takes no events.
    #[error("no events were agreed on with the phone")]
    NotAgreed,
    /// As many digits wait as may.
    #[error("{0} digits wait already")]
    Full(usize),
}

/// One report of an event (RFC 4733 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelephoneEvent {
    /// The event: 0 to 15 are digits, 16 is the flash of a hook.
    pub code: u8,
    /// It is over.
    pub end: bool,
    /// Level of the tone in dBm0 without its sign, 0 to 63: 0 is the loudest.
    pub volume: u8,
    /// How long it lasts so far, in ticks of the stream's clock.
    pub duration: u16,
}

impl TelephoneEvent {
    /// Reads one report. The reserved bit is not looked at (RFC 4733 §2.3.4).
    #[must_use]
    pub const fn from_bytes([code, flags, high, low]: [u8; REPORT_LEN]) -> Self {
        Self {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([high, low]),
        }
    }

    /// Writes it. A volume beyond 63 is written as 63.
    #[must_use]
    pub fn to_bytes(self) -> [u8; REPORT_LEN] {
        let [high, low] = self.duration.to_be_bytes();
        let flags = u8::from(self.end) << 7 | self.volume.min(63);
        [self.code, flags, high, low]
    }

    /// The reports of a packet, of which each begins where the one before it ends (RFC 4733 §2.5.1.5).
    ///
    /// # Errors
    /// [`DtmfError::Length`].
    pub fn of_payload(payload: &[u8]) -> Result<impl Iterator<Item = Self>, DtmfError> {
        let (reports, rest) = payload.as_chunks::<REPORT_LEN>();
        if !rest.is_empty() || !(1..=REPORTS_MAX).contains(&reports.len()) {
            return Err(DtmfError::Length(payload.len()));
        }
        Ok(reports.iter().map(|bytes| Self::from_bytes(*bytes)))
    }
}

/// The character of an event: `0` to `9`, `*`, `#`, `A` to `D`, and `!` for the flash of a hook.
#[must_use]
pub fn digit(code: u8) -> Option<char> {
    DIGITS.get(usize::from(code)).map(|byte| char::from(*byte))
}

/// The event of a character, also of a small letter.
///
/// # Errors
/// [`DtmfError::Digit`].
pub fn code(digit: char) -> Result<u8, DtmfError> {
    let upper = digit.to_ascii_uppercase();
    let mut codes = (0..=FLASH).zip(DIGITS);
    let found = codes.find(|(_, byte)| char::from(**byte) == upper);
    found.map(|(code, _)| code).ok_or(DtmfError::Digit(digit))
}

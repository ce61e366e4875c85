//! Offer and answer (RFC 3264) by the message that carries them: who may offer now, and what a session
//! description in a message means (RFC 3261 §13.2.1 and §14, RFC 3262 §5, RFC 3311 §5, RFC 6337 §2.1).
//!
//! ```text
//!            offer in        answer in
//!   1        INVITE          2xx to INVITE
//!   2        2xx to INVITE   ACK
//!   3        INVITE          reliable 1xx
//!   4        reliable 1xx    PRACK
//!   5        PRACK           2xx to PRACK
//!   6        UPDATE          2xx to UPDATE
//! ```
//!
//! The machine knows no message and no description: it is told which carrier goes which way and with
//! or without a body, and says what the body is. One belongs to each dialog.

use thiserror::Error;

/// One of the two sides of a dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// This user agent.
    Local,
    /// The peer.
    Remote,
}

impl Party {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Local => Self::Remote,
            Self::Remote => Self::Local,
        }
    }
}

/// A message that may carry a session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// INVITE, the first or a later one of the dialog.
    Invite,
    /// A provisional response to INVITE that is not acknowledged.
    Unreliable,
    /// A provisional response to INVITE with an `RSeq` (RFC 3262).
    Reliable,
    /// A 2xx response to INVITE.
    Success,
    /// ACK for a 2xx response.
    Ack,
    /// PRACK.
    Prack,
    /// A 2xx response to PRACK.
    PrackSuccess,
    /// UPDATE.
    Update,
    /// A 2xx response to UPDATE.
    UpdateSuccess,
}

/// What a session description in a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The message carries none, and needs none.
    Nothing,
    /// An offer, which the other side has to answer.
    Offer,
    /// The answer to the pending offer.
    Answer,
    /// What the answer will be, in an unreliable provisional response (RFC 6337 §3.1.1): media may be
    /// set up from it, the exchange stays open.
    Preview,
    /// A repetition or a description where none has a meaning; it is passed over (RFC 3261 §13.2.1).
    Ignored,
}

/// Why a description cannot be carried, or must be there and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OfferAnswerError {
    /// An offer of this side is pending.
    #[error("an offer of this side waits for its answer")]
    LocalPending,
    /// An offer of the other side is pending.
    #[error("an offer of the other side waits for its answer")]
    RemotePending,
    /// The first exchange has to be completed before.
    #[error("the first offer of the dialog is not answered yet")]
    NotEstablished,
    /// The message must carry the answer, or the offer, and has no description.
    #[error("the message must carry a session description")]
    Missing,
    /// Nothing is pending that this message could answer.
    #[error("no offer is pending that this message could answer")]
    NothingToAnswer,
}

/// The state of offer and answer of one dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OfferAnswer {
    pending: Option<Pending>,
    invite: Option<Invite>,
    established: bool,
}

/// An offer without its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pending {
    by: Party,
    carrier: Carrier,
}

/// The INVITE transaction that is going on, as far as offer and answer are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Invite {
    by: Party,
    /// Its own exchange is over: other offers may follow, and its final response needs no description.
    exchanged: bool,
    /// A description was seen in an unreliable provisional response.
    previewed: bool,
}

impl OfferAnswer {
    /// A dialog before its first INVITE.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Who has offered and waits for the answer.
    #[must_use]
    pub fn pending(&self) -> Option<Party> {
        self.pending.map(|pending| pending.by)
    }

    /// The message that carried the pending offer.
    #[must_use]
    pub fn pending_in(&self) -> Option<Carrier> {
        self.pending.map(|pending| pending.carrier)
    }

    /// Whether an exchange was completed in this dialog.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.established
    }

    /// Whether the INVITE that is going on still needs a description in its 2xx: the answer to its
    /// offer, or the offer where it had none.
    #[must_use]
    pub fn success_needs_body(&self) -> bool {
        self.invite.is_some_and(|invite| !invite.exchanged)
            && self.pending_in() != Some(Carrier::Reliable)
    }

    /// Whether an INVITE is going on, and whose.
    #[must_use]
    pub fn invite_by(&self) -> Option<Party> {
        self.invite.map(|invite| invite.by)
    }

    /// Whether `by` may offer in UPDATE now.
    ///
    /// # Errors
    ///
    /// The reason why it may not.
    pub fn may_update(&self, by: Party) -> Result<(), OfferAnswerError> {
        self.none_pending(by)?;
        //= RFC 3311 §5.1
        // Before the first exchange is done, and while an INVITE without its exchange is open, the next
        // description belongs to the INVITE.
        let open = self.invite.is_some_and(|invite| !invite.exchanged);
        if open || !self.established {
            Err(OfferAnswerError::NotEstablished)
        } else {
            Ok(())
        }
    }

    /// `by` sends a message of the kind `carrier`, with or without a session description; says what the
    /// description is.
    ///
    /// # Errors
    ///
    /// [`OfferAnswerError`] where the description may not be there now, or has to be there. The state is
    /// then as before.
    pub fn carry(
        &mut self,
        by: Party,
        carrier: Carrier,
        body: bool,
    ) -> Result<Meaning, OfferAnswerError> {
        match carrier {
            Carrier::Invite => self.invite(by, body),
            Carrier::Unreliable => Ok(self.unreliable(by, body)),
            Carrier::Reliable => self.reliable(by, body),
            Carrier::Success => self.success(by, body),
            Carrier::Ack => self.ack(by, body),
            Carrier::Prack => self.prack(by, body),
            Carrier::PrackSuccess => self.answered_by(by, Carrier::Prack, body),
            Carrier::Update => self.update(by, body),
            Carrier::UpdateSuccess => self.answered_by(by, Carrier::Update, body),
        }
    }

    /// The INVITE that was going on got a final response other than 2xx, or was given up: what it or its
    /// provisional responses offered is void (RFC 3261 §14.1, RFC 6337 §3.4).
    pub fn invite_failed(&mut self) {
        if let Some(Pending {
            carrier: Carrier::Invite | Carrier::Reliable | Carrier::Success,
            ..
        }) = self.pending
        {
            self.pending = None;
        }
        self.invite = None;
    }

    /// The INVITE that was going on is over: its 2xx was sent or received and needs nothing more than
    /// the ACK.
    pub fn invite_done(&mut self) {
        self.invite = None;
    }

    /// The PRACK or UPDATE that carried the pending offer was refused.
    pub fn request_failed(&mut self, carrier: Carrier) {
        if self.pending_in() == Some(carrier) {
            self.pending = None;
        }
    }

    fn none_pending(&self, by: Party) -> Result<(), OfferAnswerError> {
        match self.pending {
            None => Ok(()),
            Some(pending) if pending.by == by => Err(same_side(by)),
            Some(_) => Err(same_side(by.other())),
        }
    }

    fn offer(&mut self, by: Party, carrier: Carrier) -> Meaning {
        self.pending = Some(Pending { by, carrier });
        Meaning::Offer
    }

    fn complete(&mut self) -> Meaning {
        if let Some(Pending {
            carrier: Carrier::Invite | Carrier::Reliable | Carrier::Success,
            ..
        }) = self.pending
            && let Some(invite) = &mut self.invite
        {
            invite.exchanged = true;
        }
        self.pending = None;
        self.established = true;
        Meaning::Answer
    }

    fn invite(&mut self, by: Party, body: bool) -> Result<Meaning, OfferAnswerError> {
        //= RFC 3261 §14.1
        // A UAC MUST NOT initiate a new INVITE transaction within a dialog while another is in progress.
        if let Some(invite) = self.invite {
            return Err(same_side(invite.by));
        }
        self.none_pending(by)?;
        self.invite = Some(Invite {
            by,
            exchanged: false,
            previewed: false,
        });
        Ok(if body {
            self.offer(by, Carrier::Invite)
        } else {
            Meaning::Nothing
        })
    }

    fn unreliable(&mut self, by: Party, body: bool) -> Meaning {
        if !body {
            return Meaning::Nothing;
        }
        let awaits = self.pending
            == Some(Pending {
                by: by.other(),
                carrier: Carrier::Invite,
            });
        match &mut self.invite {
            Some(invite) if awaits => {
                invite.previewed = true;
                Meaning::Preview
            }
            _ => Meaning::Ignored,
        }
    }

    fn reliable(&mut self, by: Party, body: bool) -> Result<Meaning, OfferAnswerError> {
        if !body {
            return Ok(Meaning::Nothing);
        }
        match (self.pending, self.invite) {
            (
                Some(Pending {
                    carrier: Carrier::Invite,
                    by: offerer,
                }),
                _,
            ) if offerer != by => Ok(self.complete()),
            (Some(_), _) => Ok(Meaning::Ignored),
            (
                None,
                Some(Invite {
                    exchanged: false,
                    by: caller,
                    ..
                }),
            ) if caller != by => Ok(self.offer(by, Carrier::Reliable)),
            // RFC 6337 §2.1 knows no offer in a reliable response once the INVITE's exchange is over.
            (None, _) => Ok(Meaning::Ignored),
        }
    }

    fn success(&mut self, by: Party, body: bool) -> Result<Meaning, OfferAnswerError> {
        let Some(invite) = self.invite else {
            return Ok(if body {
                Meaning::Ignored
            } else {
                Meaning::Nothing
            });
        };
        let meaning = match (self.pending, body) {
            (
                Some(Pending {
                    carrier: Carrier::Invite,
                    by: offerer,
                }),
                true,
            ) if offerer != by => self.complete(),
            // Some answer in an unreliable 18x and leave the 2xx empty; RFC 3261 §13.2.1 lets the first
            // description that is seen stand for the answer.
            (
                Some(Pending {
                    carrier: Carrier::Invite,
                    by: offerer,
                }),
                false,
            ) if offerer != by && invite.previewed => {
                self.complete();
                Meaning::Nothing
            }
            (
                Some(Pending {
                    carrier: Carrier::Invite,
                    ..
                }),
                false,
            ) => return Err(OfferAnswerError::Missing),
            (Some(pending), _) if pending.carrier == Carrier::Reliable => {
                return Err(same_side(pending.by));
            }
            (None, true) if !invite.exchanged => self.offer(by, Carrier::Success),
            (None, false) if !invite.exchanged => return Err(OfferAnswerError::Missing),
            (_, true) => Meaning::Ignored,
            (_, false) => Meaning::Nothing,
        };
        if self.pending.is_none() {
            self.invite = None;
        }
        Ok(meaning)
    }

    fn ack(&mut self, by: Party, body: bool) -> Result<Meaning, OfferAnswerError> {
        let awaits = self.pending
            == Some(Pending {
                by: by.other(),
                carrier: Carrier::Success,
            });
        match (awaits, body) {
            (true, true) => {
                self.complete();
                self.invite = None;
                Ok(Meaning::Answer)
            }
            //= RFC 3261 §13.2.2.4
            // An offer in the 2xx is answered in the ACK, nowhere else.
            (true, false) => Err(OfferAnswerError::Missing),
            (false, true) => Ok(Meaning::Ignored),
            (false, false) => Ok(Meaning::Nothing),
        }
    }

    fn prack(&mut self, by: Party, body: bool) -> Result<Meaning, OfferAnswerError> {
        let awaits = self.pending
            == Some(Pending {
                by: by.other(),
                carrier: Carrier::Reliable,
            });
        match (awaits, body) {
            (true, true) => Ok(self.complete()),
            //= RFC 3262 §5
            // If the UAC receives a reliable provisional response with an offer, it MUST generate an answer
            // in the PRACK.
            (true, false) => Err(OfferAnswerError::Missing),
            (false, false) => Ok(Meaning::Nothing),
            (false, true) => {
                self.may_update(by)?;
                Ok(self.offer(by, Carrier::Prack))
            }
        }
    }

    fn update(&mut self, by: Party, body: bool) -> Result<Meaning, OfferAnswerError> {
        if !body {
            return Ok(Meaning::Nothing);
        }
        self.may_update(by)?;
        Ok(self.offer(by, Carrier::Update))
    }

    fn answered_by(
        &mut self,
        by: Party,
        offered_in: Carrier,
        body: bool,
    ) -> Result<Meaning, OfferAnswerError> {
        let awaits = self.pending
            == Some(Pending {
                by: by.other(),
                carrier: offered_in,
            });
        match (awaits, body) {
            (true, true) => Ok(self.complete()),
            (true, false) => Err(OfferAnswerError::Missing),
            (false, true) => Ok(Meaning::Ignored),
            (false, false) => Ok(Meaning::Nothing),
        }
    }
}

fn same_side(by: Party) -> OfferAnswerError {
    match by {
        Party::Local => OfferAnswerError::LocalPending,
        Party::Remote => OfferAnswerError::RemotePending,
    }
}

#[cfg(test)]
mod tests;

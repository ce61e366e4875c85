//! The invocations of one link: which invoke ids are out, for what, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::config::LATE_ANSWER_LIMIT;
use crate::id::InvokeId;

/// Requests that wait for their answers. Ids are given out in a circle below that of events; one that
/// is out is never given again, nor is that of a timed-out request while its answer may still come.
#[derive(Debug)]
pub(super) struct Invocations<T> {
    next: InvokeId,
    open: BTreeMap<InvokeId, Open<T>>,
    deadlines: BTreeSet<(Instant, InvokeId)>,
}

#[derive(Debug)]
struct Open<T> {
    request: &'static str,
    tag: T,
    deadline: Instant,
    /// Timed out; only its id is kept.
    late: bool,
}

/// An answer's request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered<T> {
    /// What the request was for.
    pub(super) tag: T,
    /// Whether it had timed out before.
    pub(super) late: bool,
    /// Whether a message of that name answers that request.
    pub(super) fits: bool,
}

impl<T: Copy> Invocations<T> {
    pub(super) fn new() -> Self {
        Self {
            next: InvokeId::FIRST,
            open: BTreeMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    /// The id for the next request. Gives up the oldest late one when all are out.
    pub(super) fn free_id(&mut self) -> InvokeId {
        while self.open.len() >= usize::from(InvokeId::REQUEST_COUNT) {
            let late = |(_, id): &&(Instant, InvokeId)| self.open.get(id).is_none_or(|o| o.late);
            let oldest = self.deadlines.iter().find(late).map(|&(_, id)| id);
            // The lanes' limits keep the requests that are not late far below the number of ids.
            let Some(id) = oldest else { break };
            self.remove(id);
        }
        while self.open.contains_key(&self.next) {
            self.next = self.next.next();
        }
        self.next
    }

    /// Notes that the request of that name went out under an id from [`Self::free_id`].
    pub(super) fn insert(
        &mut self,
        id: InvokeId,
        request: &'static str,
        tag: T,
        deadline: Instant,
    ) {
        let open = Open {
            request,
            tag,
            deadline,
            late: false,
        };
        debug_assert!(!self.open.contains_key(&id), "id {id} is out already");
        self.open.insert(id, open);
        self.deadlines.insert((deadline, id));
        self.next = id.next();
    }

    /// Takes the request that a message of that name and id answers.
    pub(super) fn answer(&mut self, id: InvokeId, name: &str) -> Option<Answered<T>> {
        let open = self.remove(id)?;
        Some(Answered {
            tag: open.tag,
            late: open.late,
            fits: name == crate::value::CstaError::NAME || answers(name, open.request),
        })
    }

    /// A request whose answer is overdue.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(InvokeId, T)> {
        while let Some(&(deadline, id)) = self.deadlines.first() {
            if deadline > now {
                return None;
            }
            let Some(mut open) = self.remove(id) else {
                continue;
            };
            if open.late {
                continue;
            }
            let tag = open.tag;
            open.late = true;
            open.deadline = now + LATE_ANSWER_LIMIT;
            self.deadlines.insert((open.deadline, id));
            self.open.insert(id, open);
            return Some((id, tag));
        }
        None
    }

    /// Takes everything that is open, without the late ones.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (InvokeId, T)> + use<T> {
        self.deadlines.clear();
        std::mem::take(&mut self.open)
            .into_iter()
            .filter(|(_, open)| !open.late)
            .map(|(id, open)| (id, open.tag))
    }

    /// When [`Self::expire`] has something to say.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    fn remove(&mut self, id: InvokeId) -> Option<Open<T>> {
        let open = self.open.remove(&id)?;
        self.deadlines.remove(&(open.deadline, id));
        Some(open)
    }
}

/// Whether `answer` is the name of an answer to `request`.
fn answers(answer: &str, request: &str) -> bool {
    let rest = answer.strip_prefix(request);
    matches!(rest, Some("Response" | "PosResponse" | "NegResponse"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::testing::instant;

    fn send(invocations: &mut Invocations<u32>, tag: u32, seconds: u64) -> u16 {
        let id = invocations.free_id();
        let deadline = instant() + Duration::from_secs(seconds);
        invocations.insert(id, "MakeCall", tag, deadline);
        id.get()
    }

    fn answer(invocations: &mut Invocations<u32>, id: u16) -> Option<Answered<u32>> {
        invocations.answer(InvokeId::new(id)?, "MakeCallResponse")
    }

    #[test]
    fn ids_go_round_below_9999_and_skip_those_that_are_out() {
        let mut invocations = Invocations::new();
        let first = send(&mut invocations, 0, 1);
        for tag in 1..9999 {
            let id = send(&mut invocations, tag, 1);
            assert!(id < 9999);
            assert!(answer(&mut invocations, id).is_some());
        }
        let next = send(&mut invocations, 1, 1);
        assert_ne!(next, first, "still out");
        assert!(answer(&mut invocations, first).is_some_and(|a| a.tag == 0 && a.fits));
        assert_eq!(answer(&mut invocations, first), None);
    }

    #[test]
    fn a_late_answer_is_known_as_one_and_its_id_reserved_for_a_while() {
        let mut invocations = Invocations::new();
        let id = send(&mut invocations, 5, 1);
        let later = instant() + Duration::from_secs(2);
        assert_eq!(invocations.expire(later).map(|(_, tag)| tag), Some(5));
        assert_eq!(invocations.expire(later), None);
        assert_eq!(invocations.take_all().count(), 0);

        let mut invocations = Invocations::new();
        assert_eq!(send(&mut invocations, 5, 1), id);
        invocations.expire(later);
        assert!(answer(&mut invocations, id).is_some_and(|a| a.late));
        send(&mut invocations, 6, 1);
        invocations.expire(later);
        assert_eq!(invocations.expire(later + LATE_ANSWER_LIMIT), None);
        assert_eq!(invocations.deadline(), None, "forgotten");
    }

    #[test]
    fn late_ids_are_given_up_when_all_are_out() {
        let mut invocations = Invocations::new();
        for tag in 0..9999 {
            send(&mut invocations, tag, u64::from(tag));
        }
        let now = instant() + Duration::from_secs(3);
        while invocations.expire(now).is_some() {}
        assert_eq!(send(&mut invocations, 1, 1), 0);
    }

    #[test]
    fn tells_answers_that_fit_their_request() {
        for (answer, request, fits) in [
            ("MakeCallResponse", "MakeCall", true),
            (
                "StartApplicationSessionNegResponse",
                "StartApplicationSession",
                true,
            ),
            ("MonitorStartResponse", "MonitorStop", false),
            ("MonitorStartedResponse", "MonitorStart", false),
        ] {
            assert_eq!(answers(answer, request), fits, "{answer} to {request}");
        }
    }
}

//! A small conference: everybody hears everybody else.
//!
//! Only the loudest are mixed, so that the noise of many silent rooms does not add up. Who speaks keeps the
//! place against somebody who is hardly louder.

use super::saturated;

/// Parties of a conference at most.
pub const PARTIES_MAX: usize = 16;
/// Those who are heard at once at most.
pub const SPEAKERS_MAX: usize = 4;
/// How much louder somebody has to be to take a speaker's place, as a factor of power: 6 dB.
const LOUDER: u64 = 4;
/// How much of a party's loudness is forgotten with each frame: one part of 8.
const FORGET: u64 = 8;

/// One of the parties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartyId(pub(super) usize);

/// The mixer. A round is: [`Self::put`] for each party that said something, [`Self::sum_up`], [`Self::get`]
/// for each party.
#[derive(Debug)]
pub struct Mixer {
    frame: usize,
    parties: [Option<Party>; PARTIES_MAX],
    sum: Box<[i32]>,
}

#[derive(Debug)]
struct Party {
    /// What it said in this round.
    said: Box<[i16]>,
    has_said: bool,
    /// Its power, smoothed.
    loudness: u64,
    is_speaker: bool,
}

impl Mixer {
    /// For frames of so many samples.
    #[must_use]
    pub fn new(frame: usize) -> Self {
        Self {
            frame,
            parties: [const { None }; PARTIES_MAX],
            sum: vec![0; frame].into_boxed_slice(),
        }
    }

    /// Command: somebody joins; `None` where [`PARTIES_MAX`] are there already.
    pub fn join(&mut self) -> Option<PartyId> {
        let place = self.parties.iter().position(Option::is_none)?;
        self.parties[place] = Some(Party {
            said: vec![0; self.frame].into_boxed_slice(),
            has_said: false,
            loudness: 0,
            is_speaker: false,
        });
        Some(PartyId(place))
    }

    /// Command: somebody leaves. The id may be given to another.
    pub fn leave(&mut self, party: PartyId) {
        self.parties[party.0] = None;
    }

    /// Query: how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parties.iter().flatten().count()
    }

    /// Query: whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Query: who is heard, as of the last [`Self::sum_up`].
    pub fn speakers(&self) -> impl Iterator<Item = PartyId> {
        let parties = self.parties.iter().enumerate();
        parties.filter_map(|(at, party)| {
            party.as_ref().filter(|it| it.is_speaker)?;
            Some(PartyId(at))
        })
    }

    /// Input: what a party says in this round; what is missing of a frame is silence.
    pub fn put(&mut self, party: PartyId, samples: &[i16]) {
        if let Some(party) = &mut self.parties[party.0] {
            let len = samples.len().min(party.said.len());
            party.said[..len].copy_from_slice(&samples[..len]);
            party.said[len..].fill(0);
            party.has_said = true;
        }
    }

    /// Input: all have said what they say in this round.
    pub fn sum_up(&mut self) {
        for party in self.parties.iter_mut().flatten() {
            if !std::mem::take(&mut party.has_said) {
                party.said.fill(0);
            }
            let power = power(&party.said);
            // Rounded up, so that nothing stays of who is silent.
            let forgotten = party.loudness.div_ceil(FORGET);
            party.loudness = party.loudness - forgotten + power / FORGET;
        }
        self.choose();
        self.sum.fill(0);
        for party in self.parties.iter().flatten().filter(|it| it.is_speaker) {
            for (sum, sample) in self.sum.iter_mut().zip(&party.said) {
                *sum += i32::from(*sample);
            }
        }
    }

    /// Output: what a party hears in this round, which is everybody but itself.
    pub fn get(&self, party: PartyId, out: &mut [i16]) {
        let own = self.parties[party.0].as_ref().filter(|it| it.is_speaker);
        match own {
            None => {
                for (out, sum) in out.iter_mut().zip(&self.sum) {
                    *out = saturated(*sum);
                }
            }
            Some(own) => {
                for ((out, sum), own) in out.iter_mut().zip(&self.sum).zip(&own.said) {
                    *out = saturated(sum - i32::from(*own));
                }
            }
        }
    }

    /// The loudest, where those who are heard already count for more.
    fn choose(&mut self) {
        let mut weights = [(0_u64, 0_usize); PARTIES_MAX];
        let mut len = 0;
        for (at, party) in self.parties.iter_mut().enumerate() {
            let Some(party) = party else { continue };
            let factor = if party.is_speaker { LOUDER } else { 1 };
            weights[len] = (party.loudness * factor, at);
            len += 1;
            party.is_speaker = false;
        }
        let weights = &mut weights[..len];
        weights.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        for (loudness, at) in weights.iter().take(SPEAKERS_MAX) {
            if let Some(party) = &mut self.parties[*at] {
                party.is_speaker = *loudness > 0;
            }
        }
    }
}

fn power(samples: &[i16]) -> u64 {
    let squares = samples.iter().map(|it| i64::from(*it) * i64::from(*it));
    squares.sum::<i64>().unsigned_abs() / samples.len().max(1) as u64
}

//! Offer and answer by carrier.

use super::Carrier::{
    Ack, Invite, Prack, PrackSuccess, Reliable, Success, Unreliable, Update, UpdateSuccess,
};
use super::Meaning::{Answer, Ignored, Nothing, Offer, Preview};
use super::Party::{Local, Remote};
use super::*;

type Step = (Party, Carrier, bool, Result<Meaning, OfferAnswerError>);

fn check(steps: &[Step]) -> OfferAnswer {
    let mut machine = OfferAnswer::new();
    for (number, (by, carrier, body, expect)) in steps.iter().enumerate() {
        let got = machine.carry(*by, *carrier, *body);
        assert_eq!(
            got, *expect,
            "step {number}: {by:?} {carrier:?} body {body}"
        );
    }
    machine
}

#[test]
fn every_placement_of_rfc_6337_table_1_is_an_exchange() {
    let placements: [&[Step]; 6] = [
        &[
            (Local, Invite, true, Ok(Offer)),
            (Remote, Success, true, Ok(Answer)),
        ],
        &[
            (Local, Invite, false, Ok(Nothing)),
            (Remote, Success, true, Ok(Offer)),
            (Local, Ack, true, Ok(Answer)),
        ],
        &[
            (Local, Invite, true, Ok(Offer)),
            (Remote, Reliable, true, Ok(Answer)),
            (Local, Prack, false, Ok(Nothing)),
        ],
        &[
            (Local, Invite, false, Ok(Nothing)),
            (Remote, Reliable, true, Ok(Offer)),
            (Local, Prack, true, Ok(Answer)),
        ],
        &[
            (Local, Invite, true, Ok(Offer)),
            (Remote, Reliable, true, Ok(Answer)),
            (Local, Prack, true, Ok(Offer)),
            (Remote, PrackSuccess, true, Ok(Answer)),
        ],
        &[
            (Local, Invite, true, Ok(Offer)),
            (Remote, Success, true, Ok(Answer)),
            (Remote, Update, true, Ok(Offer)),
            (Local, UpdateSuccess, true, Ok(Answer)),
        ],
    ];
    for steps in placements {
        let end = check(steps);
        assert_eq!(
            (end.pending(), end.is_established()),
            (None, true),
            "{steps:?}"
        );
    }
}

#[test]
fn a_preview_leaves_the_exchange_open_until_the_2xx() {
    let end = check(&[
        (Local, Invite, true, Ok(Offer)),
        (Remote, Unreliable, true, Ok(Preview)),
        (Remote, Unreliable, true, Ok(Preview)),
    ]);
    assert_eq!(end.pending(), Some(Local));
    check(&[
        (Local, Invite, true, Ok(Offer)),
        (Remote, Unreliable, true, Ok(Preview)),
        (Remote, Success, false, Ok(Nothing)),
        (Local, Update, true, Ok(Offer)),
    ]);
}

#[test]
fn an_answer_is_repeated_without_a_second_meaning() {
    check(&[
        (Local, Invite, true, Ok(Offer)),
        (Remote, Reliable, true, Ok(Answer)),
        (Remote, Reliable, true, Ok(Ignored)),
        (Remote, Success, true, Ok(Ignored)),
        (Local, Ack, false, Ok(Nothing)),
    ]);
}

#[test]
fn what_must_carry_a_description_and_does_not_is_told() {
    check(&[
        (Local, Invite, true, Ok(Offer)),
        (Remote, Success, false, Err(OfferAnswerError::Missing)),
    ]);
    check(&[
        (Local, Invite, false, Ok(Nothing)),
        (Remote, Success, false, Err(OfferAnswerError::Missing)),
    ]);
    check(&[
        (Local, Invite, false, Ok(Nothing)),
        (Remote, Success, true, Ok(Offer)),
        (Local, Ack, false, Err(OfferAnswerError::Missing)),
    ]);
    check(&[
        (Remote, Invite, false, Ok(Nothing)),
        (Local, Reliable, true, Ok(Offer)),
        (Remote, Prack, false, Err(OfferAnswerError::Missing)),
    ]);
}

#[test]
fn glare_names_whose_offer_is_pending() {
    let established: [Step; 2] = [
        (Local, Invite, true, Ok(Offer)),
        (Remote, Success, true, Ok(Answer)),
    ];
    let after = |steps: &[Step]| check(&[&established[..], steps].concat());
    after(&[
        (Local, Invite, true, Ok(Offer)),
        (Remote, Invite, true, Err(OfferAnswerError::LocalPending)),
    ]);
    after(&[
        (Local, Update, true, Ok(Offer)),
        (Remote, Update, true, Err(OfferAnswerError::LocalPending)),
    ]);
    after(&[
        (Remote, Update, true, Ok(Offer)),
        (Remote, Update, true, Err(OfferAnswerError::RemotePending)),
    ]);
    after(&[
        (Remote, Invite, false, Ok(Nothing)),
        (Local, Invite, false, Err(OfferAnswerError::RemotePending)),
    ]);
}

#[test]
fn an_update_waits_for_the_first_exchange() {
    check(&[
        (Local, Invite, true, Ok(Offer)),
        (Local, Update, true, Err(OfferAnswerError::LocalPending)),
    ]);
    check(&[
        (Remote, Invite, true, Ok(Offer)),
        (Local, Update, true, Err(OfferAnswerError::RemotePending)),
    ]);
    check(&[
        (Local, Invite, false, Ok(Nothing)),
        (Local, Update, true, Err(OfferAnswerError::NotEstablished)),
    ]);
    check(&[
        (Local, Invite, true, Ok(Offer)),
        (Remote, Reliable, true, Ok(Answer)),
        (Local, Update, true, Ok(Offer)),
        (Remote, UpdateSuccess, true, Ok(Answer)),
        (Remote, Success, false, Ok(Nothing)),
    ]);
}

#[test]
fn a_failed_re_invite_voids_its_offer_and_keeps_what_was_agreed() {
    let mut machine = check(&[
        (Local, Invite, true, Ok(Offer)),
        (Remote, Success, true, Ok(Answer)),
        (Local, Invite, true, Ok(Offer)),
    ]);
    machine.invite_failed();
    assert_eq!(
        (
            machine.pending(),
            machine.invite_by(),
            machine.is_established()
        ),
        (None, None, true)
    );
    assert_eq!(machine.carry(Remote, Invite, true), Ok(Offer));
}

#[test]
fn a_final_answer_waits_for_the_prack_that_answers_an_offer() {
    check(&[
        (Remote, Invite, false, Ok(Nothing)),
        (Local, Reliable, true, Ok(Offer)),
        (Local, Success, false, Err(OfferAnswerError::LocalPending)),
        (Remote, Prack, true, Ok(Answer)),
        (Local, Success, false, Ok(Nothing)),
    ]);
}

//! The pipe between a channel's part and telephony's, both played by the test.

use cloud_uplink::leg::{LegDigits, LegInvite, LegOwner};
use net::uplink::OfLeg;

use super::*;

fn id(number: u128) -> CloudLegId {
    CloudLegId::new(ulid::Ulid(number))
}

fn invite() -> LegSignal {
    LegSignal::Invite(LegInvite {
        from: None,
        from_name: None,
        to: "2002".to_owned(),
        owner: LegOwner::Application("desk".to_owned()),
        call_id: None,
        diverted_from: None,
        sdp: None,
    })
}

fn cause(signal: &LegSignal) -> Option<LegEndCause> {
    match signal {
        LegSignal::End(end) => Some(end.cause),
        _ => None,
    }
}

/// A channel's part over a pipe: what the far end says goes in, what it is told comes out.
struct Channel {
    say: mpsc::Sender<OfLeg>,
    told: mpsc::Receiver<OfLeg>,
    relay: tokio::task::JoinHandle<()>,
}

fn channel(pipe: &LegPipe) -> Channel {
    let (say, received) = mpsc::channel(8);
    let (to_send, told) = mpsc::channel(8);
    let (pipe, ports) = (pipe.clone(), LegPorts { received, to_send });
    let relay = tokio::spawn(async move { pipe.relay(ports).await });
    Channel { say, told, relay }
}

#[tokio::test]
async fn without_sip_an_invite_is_answered_and_nothing_else() {
    let mut channel = channel(&LegPipe::new(false));
    channel
        .say
        .send((id(1), LegSignal::OfferWanted))
        .await
        .unwrap();
    channel.say.send((id(2), invite())).await.unwrap();
    let (leg, end) = channel.told.recv().await.unwrap();
    assert_eq!((leg, cause(&end)), (id(2), Some(LegEndCause::Failed)));
    assert!(format!("{end:?}").contains("SIP is off"));
}

#[tokio::test]
async fn telephony_that_starts_anew_ends_its_legs_and_a_channel_that_does_loses_them() {
    let pipe = LegPipe::new(true);
    let mut first = channel(&pipe);
    let (mouth, mut ear) = pipe.telephony().await;
    // What telephony says comes after its word that it began: from there on, calls are its own.
    mouth.say(id(2), invite()).unwrap();
    assert_eq!(first.told.recv().await, Some((id(2), invite())));
    first.say.send((id(1), invite())).await.unwrap();
    assert_eq!(ear.recv().await, Some(LegIn::Signal(id(1), invite())));
    drop(ear);
    let (mouth, mut ear) = pipe.telephony().await;
    for leg in [id(1), id(2)] {
        let (ended, end) = first.told.recv().await.unwrap();
        assert_eq!((ended, cause(&end)), (leg, Some(LegEndCause::Lost)));
    }
    mouth.say(id(3), invite()).unwrap();
    assert_eq!(first.told.recv().await, Some((id(3), invite())));
    // The new one may have heard of legs that ended with the one before.
    for leg in [id(1), id(2)] {
        assert_eq!(ear.recv().await, Some(LegIn::Lost(leg)));
    }
    first.relay.abort();
    let _ = first.relay.await;
    let _second = channel(&pipe);
    assert_eq!(ear.recv().await, Some(LegIn::Lost(id(3))));
}

#[tokio::test]
async fn a_call_that_comes_before_the_word_that_telephony_began_is_over_on_both_sides() {
    let pipe = LegPipe::new(true);
    let (_mouth, mut ear) = pipe.telephony().await;
    let (_say, received) = mpsc::channel(8);
    let (to_send, mut told) = mpsc::channel(8);
    let ports = LegPorts { received, to_send };
    // As the relay is free to do: the call first.
    pipe.inward(id(1), invite(), &ports).await;
    pipe.outward(LegOut::Anew, &ports).await;
    let (leg, end) = told.recv().await.unwrap();
    assert_eq!((leg, cause(&end)), (id(1), Some(LegEndCause::Lost)));
    assert_eq!(ear.recv().await, Some(LegIn::Signal(id(1), invite())));
    assert_eq!(ear.recv().await, Some(LegIn::Lost(id(1))));
}

#[tokio::test]
async fn signals_keep_their_order_and_a_lost_leg_is_told_as_lost() {
    let pipe = LegPipe::new(true);
    let mut channel = channel(&pipe);
    let (mouth, mut ear) = pipe.telephony().await;
    let digits = |digits: String| {
        LegSignal::Dtmf(LegDigits {
            digits,
            duration_ms: None,
        })
    };
    for number in 0..100 {
        let signal = digits(number.to_string());
        mouth.say(id(1), signal.clone()).unwrap();
        channel.say.send((id(2), signal)).await.unwrap();
        // The channel takes in what it is told while it says more: neither waits for the other.
        assert_eq!(
            channel.told.recv().await,
            Some((id(1), digits(number.to_string())))
        );
    }
    for number in 0..100 {
        let next = LegIn::Signal(id(2), digits(number.to_string()));
        assert_eq!(ear.recv().await, Some(next));
    }
    let lost = end(LegEndCause::Lost, "the channel is down");
    channel.say.send((id(2), lost)).await.unwrap();
    assert_eq!(ear.recv().await, Some(LegIn::Lost(id(2))));
    let hangup = end(LegEndCause::Hangup, "over");
    channel.say.send((id(3), hangup.clone())).await.unwrap();
    assert_eq!(ear.recv().await, Some(LegIn::Signal(id(3), hangup)));
}

#[tokio::test]
async fn a_leg_that_telephony_forgets_ends_and_is_not_lost_again() {
    let pipe = LegPipe::new(true);
    let mut first = channel(&pipe);
    let (mouth, mut ear) = pipe.telephony().await;
    for leg in [id(1), id(2)] {
        mouth.say(leg, invite()).unwrap();
        assert_eq!(first.told.recv().await, Some((leg, invite())));
    }
    mouth.forget(id(1));
    let (leg, end) = first.told.recv().await.unwrap();
    assert_eq!((leg, cause(&end)), (id(1), Some(LegEndCause::Lost)));
    first.relay.abort();
    let _ = first.relay.await;
    let _second = channel(&pipe);
    assert_eq!(
        ear.recv().await,
        Some(LegIn::Lost(id(2))),
        "the other alone"
    );
}

#[tokio::test]
async fn a_channel_that_does_not_keep_up_costs_the_leg_and_never_waiting() {
    let pipe = LegPipe::new(true);
    let (mouth, _ear) = pipe.telephony().await;
    let mut said = 0;
    while mouth.say(id(1), LegSignal::OfferWanted).is_ok() {
        said += 1;
    }
    assert_eq!(said, OUT_QUEUE - 1, "beside the word that telephony began");
    let mut channel = channel(&pipe);
    let mut last = None;
    for _ in 0..=said {
        last = channel.told.recv().await;
    }
    assert_eq!(cause(&last.unwrap().1), Some(LegEndCause::Failed));
}

//! One leg as the application sees it, and which signal has a place when.

use std::time::Instant;

use cloud_uplink::leg::{LegInvite, LegOwner, LegSignal};
use cloud_uplink::{CallId, CloudLegId, Identity, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

/// Who began a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Direction {
    /// A call to the application.
    Inbound,
    /// A call that the application makes.
    Outbound,
}

/// Whether a leg is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum State {
    Ringing,
    Connected,
}

/// One leg.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part {
    #[serde(rename = "cloudLegId")]
    pub(crate) leg: CloudLegId,
    #[serde(flatten)]
    pub(crate) gateway: Identity,
    pub(crate) owner: LegOwner,
    direction: Direction,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_name: Option<String>,
    to: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    diverted_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    call_id: Option<CallId>,
    /// The gateway's last description.
    #[serde(skip_serializing_if = "Option::is_none")]
    sdp: Option<String>,
    /// That description is an offer which the application has to answer.
    offered: bool,
    /// The application's offer is not answered.
    #[serde(skip)]
    offers: bool,
    /// The gateway wants an offer.
    offer_wanted: bool,
    since: Timestamp,
    #[serde(skip)]
    pub(crate) unheard_since: Option<Instant>,
}

/// Why a signal has no place now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfPlace(pub(crate) &'static str);

impl Part {
    pub(crate) fn new(
        leg: CloudLegId,
        gateway: Identity,
        direction: Direction,
        invite: &LegInvite,
        since: Timestamp,
    ) -> Self {
        let LegInvite {
            from,
            from_name,
            to,
            owner,
            call_id,
            diverted_from,
            sdp,
        } = invite.clone();
        let inbound = direction == Direction::Inbound;
        Self {
            leg,
            gateway,
            owner,
            direction,
            state: State::Ringing,
            from,
            from_name,
            to,
            diverted_from,
            call_id,
            offered: inbound && sdp.is_some(),
            offers: !inbound && sdp.is_some(),
            sdp: sdp.filter(|_| inbound),
            offer_wanted: false,
            since,
            unheard_since: None,
        }
    }

    /// What is said of it where its last description does not matter.
    pub(crate) fn without_sdp(&self) -> Self {
        Self {
            sdp: None,
            ..self.clone()
        }
    }

    /// How the application ends it where it does not say why.
    pub(crate) fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    pub(crate) fn is_inbound(&self) -> bool {
        self.direction == Direction::Inbound
    }

    /// A signal of it as applications read it.
    pub(crate) fn message(&self, signal: &LegSignal) -> Value {
        let Identity {
            account_id,
            site_id,
            gateway_id,
        } = &self.gateway;
        // Plain structs with string keys: serialization has no way to fail.
        let mut leg = serde_json::to_value(signal).unwrap_or_default();
        leg["cloudLegId"] = json!(self.leg);
        leg["owner"] = json!(self.owner);
        leg["accountId"] = json!(account_id);
        leg["siteId"] = json!(site_id);
        leg["gatewayId"] = json!(gateway_id);
        json!({ "leg": leg })
    }

    /// Takes on what the gateway says.
    pub(crate) fn hear(&mut self, signal: &LegSignal) {
        match signal {
            LegSignal::Ringing(early) => {
                if let Some(sdp) = &early.sdp {
                    self.offered = !self.offers;
                    self.sdp = Some(sdp.clone());
                }
            }
            LegSignal::Answer(description) => {
                self.state = State::Connected;
                // A description after none of ours is the offer, unless early media brought it before.
                let again = self.sdp.as_ref() == Some(&description.sdp);
                self.offered = !self.offers && (self.offered || !again);
                self.offers = false;
                self.sdp = Some(description.sdp.clone());
            }
            LegSignal::Offer(description) => {
                (self.offered, self.offer_wanted) = (true, false);
                self.sdp = Some(description.sdp.clone());
            }
            LegSignal::OfferAnswer(description) => {
                self.offers = false;
                self.sdp = Some(description.sdp.clone());
            }
            LegSignal::OfferRefused(_) => self.offers = false,
            LegSignal::OfferWanted => self.offer_wanted = true,
            LegSignal::Correlated(correlated) => self.call_id = Some(correlated.call_id),
            LegSignal::Invite(_)
            | LegSignal::Dtmf(_)
            | LegSignal::Transfer(_)
            | LegSignal::TransferRefused(_)
            | LegSignal::End(_) => {}
        }
    }

    /// Takes on what the application says.
    pub(crate) fn say(&mut self, signal: &LegSignal) -> Result<(), OutOfPlace> {
        let place = |fits: bool, why| if fits { Ok(()) } else { Err(OutOfPlace(why)) };
        let rings_here = self.is_inbound() && !self.is_connected();
        let connected = self.is_connected();
        match signal {
            LegSignal::Ringing(early) => {
                place(rings_here, "only a call that comes in rings here")?;
                if early.sdp.is_some() && !self.offered {
                    self.offers = true;
                }
            }
            LegSignal::Answer(_) => {
                place(
                    rings_here,
                    "only a call that comes in and rings is answered",
                )?;
                self.state = State::Connected;
                self.offers = !self.offered;
                self.offered = false;
            }
            LegSignal::Offer(_) => {
                place(connected, "a call is answered before media change")?;
                place(!self.offers && !self.offered, "an offer is open")?;
                (self.offers, self.offer_wanted) = (true, false);
            }
            LegSignal::OfferAnswer(_) => {
                let fits = self.offered && (connected || !self.is_inbound());
                place(fits, "there is no offer to answer")?;
                self.offered = false;
            }
            LegSignal::OfferRefused(_) => {
                let fits = connected && (self.offered || self.offer_wanted);
                place(fits, "there is no offer to refuse")?;
                (self.offered, self.offer_wanted) = (false, false);
            }
            LegSignal::Dtmf(_) => place(connected, "digits go to a call that is answered")?,
            LegSignal::Transfer(_) => {
                place(connected, "a call is answered before it is handed over")?
            }
            LegSignal::End(_) => {}
            LegSignal::Invite(_)
            | LegSignal::OfferWanted
            | LegSignal::TransferRefused(_)
            | LegSignal::Correlated(_) => return Err(OutOfPlace("it is the gateway that says so")),
        }
        Ok(())
    }
}

//! Ports of our own applications. The echo sends back what it gets: by legs of the relay where media are
//! relayed, which can say something first, or else by ports of its own. A conference is mixed by the relay;
//! who is alone there hears the music.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use call_control::bridge::number::Number;
use call_control::bridge::{CallKey, LocalAgreed, LocalApplication, LocalMedia, RefusalReason};
use media::sound::mix::PARTIES_MAX;
use media::sound::offer::Coded;
use net::media::{Conference, Leg, Seat};
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::media::RelayFigures;
use super::sounds::Sounds;

/// Echo calls at once.
const PORTS_MAX: usize = 100;
/// Tries for an even port (RFC 3550 §11) whose neighbour is left for RTCP.
const TRIES: usize = 32;
/// The longest packet that is reflected.
const PACKET_LEN: usize = 1500;
/// The shortest: the fixed header of RTP (RFC 3550 §5.1).
const HEADER_LEN: usize = 12;

/// The open ports, and the conferences.
#[derive(Debug)]
pub(super) struct LocalPorts {
    address: IpAddr,
    open: BTreeMap<CallKey, Port>,
    relay: Option<(Arc<RelayFigures>, Sounds)>,
    rooms: BTreeMap<Number, Room>,
    /// Parties of all conferences at most.
    parties_max: usize,
}

/// A port that is open.
#[derive(Debug)]
enum Port {
    /// Packets are sent back by that task.
    Own(AbortHandle),
    /// A leg of the relay, and whether it has said yet what it says first.
    Relayed(Leg, bool),
    /// A leg of the relay in the conference of that number: its place there, and how it is spoken to, once
    /// that is agreed on.
    InRoom(Number, Leg, Option<(Seat, Coded)>),
}

/// A conference.
#[derive(Debug)]
struct Room {
    conference: Conference,
    calls: BTreeSet<CallKey>,
    /// Who is alone, and hears music.
    alone: Option<CallKey>,
}

impl LocalPorts {
    pub(super) const fn new(address: IpAddr) -> Self {
        Self {
            address,
            open: BTreeMap::new(),
            relay: None,
            rooms: BTreeMap::new(),
            parties_max: 0,
        }
    }

    /// Packets go through the relay.
    pub(super) fn relay(&mut self, relay: Arc<RelayFigures>, sounds: Sounds, parties_max: usize) {
        self.relay = Some((relay, sounds));
        self.parties_max = parties_max;
    }

    fn bind(&self) -> std::io::Result<std::net::UdpSocket> {
        let mut last = std::net::UdpSocket::bind((self.address, 0))?;
        for _ in 0..TRIES {
            if last.local_addr()?.port().is_multiple_of(2) {
                break;
            }
            // The odd one stays taken while the next is chosen, so that it is another one.
            last = std::net::UdpSocket::bind((self.address, 0))?;
        }
        last.set_nonblocking(true)?;
        Ok(last)
    }
}

impl LocalPorts {
    fn open_echo(&mut self, call: CallKey) -> Option<SocketAddr> {
        if self.open.len() >= PORTS_MAX {
            return None;
        }
        if self.relay.is_some() {
            let leg = self.leg(call, "an echo")?;
            leg.join(&leg);
            let address = leg.address();
            self.open.insert(call, Port::Relayed(leg, false));
            return Some(address);
        }
        let socket = self.bind().and_then(UdpSocket::from_std);
        let socket = socket
            .inspect_err(|error| tracing::warn!(%error, "no port for an echo"))
            .ok()?;
        let address = socket.local_addr().ok()?;
        let task = tokio::spawn(reflect(socket));
        self.open.insert(call, Port::Own(task.abort_handle()));
        Some(address)
    }

    fn open_room(&mut self, call: CallKey, number: &Number) -> Result<SocketAddr, RefusalReason> {
        let in_rooms: usize = self.rooms.values().map(|room| room.calls.len()).sum();
        let in_room = self.rooms.get(number).map_or(0, |room| room.calls.len());
        if in_room >= PARTIES_MAX || in_rooms >= self.parties_max {
            return Err(RefusalReason::ConferenceFull);
        }
        let leg = self.leg(call, "a conference").ok_or(RefusalReason::Media)?;
        let address = leg.address();
        self.open
            .insert(call, Port::InRoom(number.clone(), leg, None));
        let room = self.rooms.entry(number.clone()).or_insert_with(|| Room {
            conference: Conference::open(),
            calls: BTreeSet::new(),
            alone: None,
        });
        room.calls.insert(call);
        self.tell();
        Ok(address)
    }

    fn leg(&self, call: CallKey, whom: &str) -> Option<Leg> {
        let (relay, _) = self.relay.as_ref()?;
        let leg = relay.allocate(self.address, call);
        leg.inspect_err(|error| tracing::warn!(%error, "no port for {whom}"))
            .ok()
    }

    /// Who is alone in a conference hears music, where there is some.
    fn entertain(&mut self, number: &Number) {
        let (Some(room), Some((_, sounds))) = (self.rooms.get_mut(number), &self.relay) else {
            return;
        };
        let alone = room.calls.first().filter(|_| room.calls.len() == 1);
        let alone = alone.copied();
        let before = std::mem::replace(&mut room.alone, alone);
        if let Some(before) = before.filter(|it| Some(*it) != alone)
            && let Some(Port::InRoom(_, leg, _)) = self.open.get(&before)
        {
            let _ = leg.play(None);
        }
        if let Some(call) = alone
            && let Some(Port::InRoom(_, leg, Some((_, coded)))) = self.open.get(&call)
            && let Some(music) = sounds.music()
            && let Err(error) = leg.play(Some((&music, coded)))
        {
            tracing::warn!(call = call.0, %error, "music could not be played");
        }
    }

    fn tell(&self) {
        if let Some((relay, _)) = &self.relay {
            let parties = self.rooms.values().map(|room| room.calls.len()).sum();
            relay.confer(self.rooms.len(), parties);
        }
    }

    /// How a party of a conference is spoken to.
    fn seat(&mut self, call: CallKey, agreed: &LocalAgreed) {
        let Some(Port::InRoom(number, leg, place)) = self.open.get_mut(&call) else {
            return;
        };
        let (Some(coded), Some(room)) = (&agreed.coded, self.rooms.get(number)) else {
            return;
        };
        leg.set_remote(&agreed.remote);
        let seated = match place {
            Some((seat, before)) => {
                *before = *coded;
                seat.set_format(coded)
                    .map(|()| seat.clone())
                    .map_err(Into::into)
            }
            None => room.conference.join(coded),
        };
        match seated {
            Ok(seat) => {
                seat.set_muted(!agreed.remote.direction.sends());
                if place.is_none() {
                    leg.confer(Some(seat.clone()));
                    *place = Some((seat, *coded));
                }
            }
            Err(error) => tracing::warn!(call = call.0, %error, "a phone is not in its conference"),
        }
        let number = number.clone();
        self.entertain(&number);
    }
}

impl LocalMedia for LocalPorts {
    fn open(
        &mut self,
        call: CallKey,
        application: &LocalApplication,
    ) -> Result<SocketAddr, RefusalReason> {
        match application {
            LocalApplication::Echo => self.open_echo(call).ok_or(RefusalReason::Media),
            LocalApplication::Conference(number) => self.open_room(call, number),
        }
    }

    fn agreed(&mut self, call: CallKey, agreed: &LocalAgreed) {
        let (leg, has_spoken) = match self.open.get_mut(&call) {
            Some(Port::Relayed(leg, has_spoken)) => (leg, has_spoken),
            Some(Port::InRoom(..)) => return self.seat(call, agreed),
            Some(Port::Own(_)) | None => return,
        };
        leg.set_remote(&agreed.remote);
        if std::mem::replace(has_spoken, true) {
            return;
        }
        let sound = self.relay.as_ref().and_then(|(_, it)| it.announcement());
        if let (Some(sound), Some(coded)) = (sound, &agreed.coded)
            && let Err(error) = leg.play(Some((&sound, coded)))
        {
            tracing::warn!(call = call.0, %error, "an announcement could not be played");
        }
    }

    fn close(&mut self, call: CallKey) {
        match self.open.remove(&call) {
            Some(Port::Own(task)) => task.abort(),
            Some(Port::InRoom(number, leg, _)) => {
                drop(leg);
                if let Some(room) = self.rooms.get_mut(&number) {
                    room.calls.remove(&call);
                    if room.calls.is_empty() {
                        self.rooms.remove(&number);
                    }
                }
                self.entertain(&number);
                self.tell();
            }
            Some(Port::Relayed(..)) | None => {}
        }
    }
}

impl Drop for LocalPorts {
    fn drop(&mut self) {
        for port in self.open.values() {
            if let Port::Own(task) = port {
                task.abort();
            }
        }
    }
}

/// Sends each packet of RTP back to whoever sent the first one: one out for one in, nothing else.
async fn reflect(socket: UdpSocket) {
    let mut buffer = [0; PACKET_LEN];
    let mut talker = None;
    loop {
        // An error is the network's word about an earlier packet.
        let Ok((len, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let is_rtp = len >= HEADER_LEN && buffer[0] >> 6 == 2;
        if is_rtp && *talker.get_or_insert(from) == from {
            let _ = socket.try_send_to(&buffer[..len], from);
        }
    }
}

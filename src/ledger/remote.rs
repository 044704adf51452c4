//! Messages of other generators, known only from what is read here.
//!
//! No generator tells us what the others send, but each numbers its messages without gaps, so a
//! connection that has read two numbers of a generator expected those between them. What is
//! missing gets its verdict one horizon after this generator first knew of the number.

use std::time::Duration;

use super::peer::{ArrivalKind, LeftOpen, Peer, RemoteArrival};
use super::tally::{Fastest, Tally};
use super::user_set::{RoomSpan, RoomUser};
use crate::clock::Stamp;
use crate::marker::{GeneratorTag, Marker};
use crate::model::{Anomaly, Basis, DeliveryTerms, Origin, Outcome, SenderId};

/// Other generators that are followed at the same time; chats of further ones are not judged.
pub const PEER_LIMIT: usize = 64;

/// Numbers of all peers in all rooms remembered at the same time. A jump for which there is no room any more
/// starts its peer's book afresh: sixty-four forged generators take no more than one.
const NUMBER_LIMIT: usize = 1 << 19;

/// A peer that has said nothing for this many horizons is forgotten.
const FORGET_HORIZONS: u32 = 10;

/// The other generators, in all rooms.
#[derive(Debug, Default)]
pub(super) struct Generators {
    known: Vec<Generator>,
    /// How many of their numbers are remembered in all rooms.
    numbers: usize,
    /// Numbers that are first heard of from now on are expected of no connection.
    stopped: bool,
}

/// What is known of another generator whatever the room.
#[derive(Debug)]
struct Generator {
    tag: GeneratorTag,
    last_heard: Stamp,
    fastest: Fastest,
}

impl Generator {
    /// How far our wall clock is ahead of this one's, in microseconds: the fastest of its
    /// messages would have taken as long as the fastest of ours, the way being the same.
    fn offset(&self, fastest_local: Option<i64>) -> Option<i64> {
        Some(self.fastest.get()? - fastest_local?)
    }

    /// What the first arrival of a message says.
    fn first_arrival(
        &mut self,
        arrived: &RemoteArrival<'_>,
        fastest_local: Option<i64>,
        reordered: bool,
    ) -> FirstArrival {
        let since = arrived.since;
        self.fastest.offer(since);
        let offset = self.offset(fastest_local);
        let age = since.saturating_sub(offset.unwrap_or(0));
        let excess = since.saturating_sub(self.fastest.get().unwrap_or(since));
        // It was handed over after its intended time. So the connection had joined by then if it
        // had by the intended time, be it by the clocks as they are or by the estimate.
        let expected = arrived.stay.is_some_and(|stay| since.max(age) <= stay);
        FirstArrival { reordered, expected, offset_known: offset.is_some(), age, excess }
    }
}

/// The first arrival of a message on a connection.
#[derive(Debug, Clone, Copy)]
struct FirstArrival {
    /// A higher number of the same sender came before it.
    reordered: bool,
    /// Whether the connection had certainly joined when the message was handed over.
    expected: bool,
    offset_known: bool,
    /// Microseconds from its intended time to now, by the estimate of the offset.
    age: i64,
    /// By how many microseconds it was slower than the fastest.
    excess: i64,
}

impl FirstArrival {
    /// What an expected delivery comes to.
    fn judge(self, arrived: &RemoteArrival<'_>, terms: &DeliveryTerms, tally: &mut Tally) -> Outcome {
        let at = arrived.at;
        let cell = tally.cell(arrived.marker.intended_micros, at);
        tally.negative_durations += u64::from(self.age < 0);
        let took = Duration::from_micros(u64::try_from(self.age).unwrap_or(0));
        if took > terms.horizon && (self.offset_known || self.excess > micros(terms.horizon)) {
            let intended = at.minus(took);
            tally.expect(Origin::Remote, cell, 1);
            tally.lose(Origin::Remote, cell, 1, intended.plus(terms.horizon));
            tally.lost_one(Origin::Remote, arrived.room, arrived.user, arrived.subject(), at, true);
            arrived.odd(Anomaly::Unexpected, tally);
            tally.overdue(Origin::Remote, arrived.marker.intended_micros, intended, at);
            return Outcome::Lost;
        }
        let outcome = if took <= terms.deadline { Outcome::OnTime } else { Outcome::Late };
        tally.expect_and_add(Origin::Remote, cell, outcome, 1);
        tally.duration(Origin::Remote, Basis::Intended, took);
        tally.judge(Origin::Remote, cell, outcome == Outcome::Late, took, at.minus(took), at);
        if self.reordered {
            arrived.odd(Anomaly::Reordered, tally);
        }
        outcome
    }
}

impl Generators {
    /// From now on, no connection expects a number that was not known before.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Forgets those of which nothing was heard for long.
    pub(super) fn sweep(&mut self, now: Stamp, terms: &DeliveryTerms) {
        self.known.iter_mut().for_each(|generator| generator.fastest.roll(now));
        let silence = terms.horizon * FORGET_HORIZONS;
        self.known.retain(|generator| now.since(generator.last_heard) < silence);
    }

    /// This machine's wall clock is not what it was: the estimates begin afresh.
    pub(super) fn forget_offsets(&mut self) {
        self.known.iter_mut().for_each(|generator| generator.fastest = Fastest::default());
    }

    /// Estimated lead of our wall clock over the others', the mean over them, in seconds.
    pub(super) fn clock_offset(&self, fastest_local: Option<i64>) -> Option<f64> {
        let offsets: Vec<f64> = self.known.iter().filter_map(|g| g.offset(fastest_local)).map(micros_to_s).collect();
        #[allow(clippy::cast_precision_loss, reason = "at most PEER_LIMIT")]
        (!offsets.is_empty()).then(|| offsets.iter().sum::<f64>() / offsets.len() as f64)
    }

    /// How many numbers more may be remembered.
    fn left(&self) -> usize {
        NUMBER_LIMIT.saturating_sub(self.numbers)
    }

    /// A peer remembers another number of numbers than before.
    fn remembers(&mut self, before: usize, after: usize) {
        self.numbers = (self.numbers + after).saturating_sub(before);
    }

    /// The generator with this tag, of which something is read.
    fn heard(&mut self, tag: GeneratorTag, at: Stamp) -> Option<&mut Generator> {
        let place = match self.known.iter().position(|generator| generator.tag == tag) {
            Some(place) => place,
            None if self.known.len() >= PEER_LIMIT => return None,
            None => {
                self.known.push(Generator { tag, last_heard: at, fastest: Fastest::default() });
                self.known.len() - 1
            }
        };
        let generator = self.known.get_mut(place)?;
        generator.last_heard = at;
        Some(generator)
    }
}

/// The other generators' messages in one room.
#[derive(Debug, Default)]
pub(super) struct Remote {
    peers: Vec<Peer>,
}

impl Remote {
    /// What the delivery comes to, if the connection expected it and this is the first arrival.
    pub(super) fn receive(
        &mut self,
        arrived: &RemoteArrival<'_>,
        terms: &DeliveryTerms,
        generators: &mut Generators,
        tally: &mut Tally,
    ) -> Option<Outcome> {
        let (local, left) = (tally.fastest_local(), generators.left());
        if generators.stopped && !self.knows(arrived.marker) {
            arrived.raced(tally);
            return None;
        }
        let generator = generators.heard(arrived.marker.generator, arrived.at)?;
        let peer = self.peer(arrived)?;
        peer.last_heard = arrived.at;
        let before = peer.len();
        let arrival = peer.arrive(arrived, left, terms.horizon);
        let after = peer.len();
        let first = match arrival {
            ArrivalKind::First { reordered } => Some(generator.first_arrival(arrived, local, reordered)),
            ArrivalKind::Odd(what) => {
                arrived.odd(what, tally);
                None
            }
        };
        generators.remembers(before, after);
        let first = first?;
        peer.note_read(arrived.user, arrived.marker.seq, first.expected);
        if !first.expected {
            arrived.raced(tally);
            return None;
        }
        Some(first.judge(arrived, terms, tally))
    }

    /// A damaged copy of the message with this marker was read on `user`'s connection.
    pub(super) fn damaged(&mut self, user: RoomUser, from: SenderId, marker: &Marker, openings: u64) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.tag() == marker.generator) {
            peer.damaged(user, from, marker.seq, openings);
        }
    }

    /// The connection of `user` ended: what it still missed.
    pub(super) fn ended(&mut self, user: RoomUser) -> LeftOpen {
        let mut open = LeftOpen::default();
        self.peers.iter_mut().for_each(|peer| peer.ended(user, &mut open));
        open
    }

    /// Whether no connection misses anything whose verdict has not fallen.
    pub(super) fn is_settled(&self) -> bool {
        self.peers.iter().all(Peer::is_settled)
    }

    /// Passes the verdicts that are due and forgets what is old; how many deliveries were lost.
    pub(super) fn sweep(
        &mut self,
        now: Stamp,
        terms: &DeliveryTerms,
        room: RoomSpan,
        generators: &mut Generators,
        tally: &mut Tally,
    ) -> u64 {
        let (mut lost, silence) = (0, terms.horizon * FORGET_HORIZONS);
        self.peers.retain_mut(|peer| {
            let before = peer.len();
            lost += peer.judge(now, terms, room, tally);
            let is_heard = now.since(peer.last_heard) < silence;
            generators.remembers(before, if is_heard { peer.len() } else { 0 });
            is_heard
        });
        lost
    }

    fn knows(&self, marker: &Marker) -> bool {
        self.peers.iter().any(|peer| peer.tag() == marker.generator && peer.knows(marker.seq))
    }

    fn peer(&mut self, arrived: &RemoteArrival<'_>) -> Option<&mut Peer> {
        let tag = arrived.marker.generator;
        if let Some(i) = self.peers.iter().position(|p| p.tag() == tag) {
            return self.peers.get_mut(i);
        }
        self.peers.push(Peer::new(*arrived.marker, arrived.at, arrived.room.len()));
        self.peers.last_mut()
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn micros_to_s(micros: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let micros = micros as f64;
    micros / 1e6
}

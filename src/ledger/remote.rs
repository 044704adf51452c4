//! Messages of other generators, known only from what is read here.
//!
//! Generators do not announce what they send, but each numbers its messages without gaps, so a connection
//! that has read two numbers of a generator expects those between them. A missing one gets its verdict one
//! horizon after this generator first knew of the number.

use std::time::Duration;

use super::peer::{ArrivalKind, LeftOpen, Peer, RemoteArrival};
use super::tally::{Fastest, Tally};
use super::user_set::{RoomSpan, RoomUser};
use crate::clock::Stamp;
use crate::marker::{GeneratorTag, Marker};
use crate::model::{Anomaly, Basis, DeliveryTerms, Origin, Outcome, SenderId};

/// Maximum number of other generators that are tracked; chats of further ones are not judged.
pub const PEER_LIMIT: usize = 64;

/// Maximum number of remembered numbers of all peers in all rooms. A jump beyond it resets the peer's window, so
/// that sixty-four forged generators take no more memory than one.
const NUMBER_LIMIT: usize = 1 << 19;

/// A peer that was silent for this many horizons is forgotten.
const FORGET_HORIZONS: u32 = 10;

/// The other generators, in all rooms.
#[derive(Debug, Default)]
pub(super) struct Generators {
    known: Vec<Generator>,
    /// Number of their remembered numbers in all rooms.
    numbers: usize,
    /// Whether the run is stopping: no connection expects numbers first heard of from then on.
    stopped: bool,
}

/// What is known about another generator, independent of rooms.
#[derive(Debug)]
struct Generator {
    tag: GeneratorTag,
    last_heard: Stamp,
    fastest: Fastest,
}

impl Generator {
    /// How far our wall clock is ahead of this generator's, in microseconds. Its fastest message is assumed to
    /// have taken as long as our fastest, since the path is the same.
    fn offset(&self, fastest_local: Option<i64>) -> Option<i64> {
        Some(self.fastest.get()? - fastest_local?)
    }

    /// Evaluates the first arrival of a message.
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
        // It was handed over after its intended time, so the connection had joined before that if it had
        // joined by the intended time, by the clocks as they are or by the estimate.
        let expected = arrived.stay.is_some_and(|stay| since.max(age) <= stay);
        FirstArrival { reordered, expected, offset_known: offset.is_some(), age, excess }
    }
}

/// The first arrival of a message on a connection.
#[derive(Debug, Clone, Copy)]
struct FirstArrival {
    /// Whether a higher number of the same sender arrived before it.
    reordered: bool,
    /// Whether the connection had certainly joined when the message was handed over.
    expected: bool,
    offset_known: bool,
    /// Microseconds from its intended time to now, corrected by the estimated offset.
    age: i64,
    /// How much slower than the fastest it was, in microseconds.
    excess: i64,
}

impl FirstArrival {
    /// The outcome of an expected delivery.
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
    /// Begins the stop: no connection expects a number that was unknown before.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// Forgets generators that have been silent for long.
    pub(super) fn sweep(&mut self, now: Stamp, terms: &DeliveryTerms) {
        self.known.iter_mut().for_each(|generator| generator.fastest.roll(now));
        let silence = terms.horizon * FORGET_HORIZONS;
        self.known.retain(|generator| now.since(generator.last_heard) < silence);
    }

    /// Resets the estimates, because this machine's wall clock has changed.
    pub(super) fn forget_offsets(&mut self) {
        self.known.iter_mut().for_each(|generator| generator.fastest = Fastest::default());
    }

    /// Estimated lead of our wall clock over the others', in seconds: the mean over them.
    pub(super) fn clock_offset(&self, fastest_local: Option<i64>) -> Option<f64> {
        let offsets: Vec<f64> = self.known.iter().filter_map(|g| g.offset(fastest_local)).map(micros_to_s).collect();
        #[allow(clippy::cast_precision_loss, reason = "at most PEER_LIMIT")]
        (!offsets.is_empty()).then(|| offsets.iter().sum::<f64>() / offsets.len() as f64)
    }

    /// How many more numbers may be remembered.
    fn left(&self) -> usize {
        NUMBER_LIMIT.saturating_sub(self.numbers)
    }

    /// Updates the count after a peer's window has changed.
    fn remembers(&mut self, before: usize, after: usize) {
        self.numbers = (self.numbers + after).saturating_sub(before);
    }

    /// The generator with this tag, a message of which was read.
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
    /// Takes an arrival; returns the delivery's outcome if the connection expected it and this is its first
    /// arrival.
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

    /// Notes a damaged copy of the message with this marker on `user`'s connection.
    pub(super) fn damaged(&mut self, user: RoomUser, from: SenderId, marker: &Marker, openings: u64) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.tag() == marker.generator) {
            peer.damaged(user, from, marker.seq, openings);
        }
    }

    /// Ends the connection of `user`; returns the deliveries that it still missed.
    pub(super) fn ended(&mut self, user: RoomUser) -> LeftOpen {
        let mut open = LeftOpen::default();
        self.peers.iter_mut().for_each(|peer| peer.ended(user, &mut open));
        open
    }

    /// Whether no connection misses a message without a verdict.
    pub(super) fn is_settled(&self) -> bool {
        self.peers.iter().all(Peer::is_settled)
    }

    /// Passes the verdicts that are due, and forgets what is old; returns the number of lost deliveries.
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

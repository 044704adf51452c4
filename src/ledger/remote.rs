//! Messages of other generators, known only from what is read here.
//!
//! Nobody tells us what the others send; but each numbers its messages without gaps, so a
//! connection that has read two numbers of a generator expected those between them. What is
//! missing gets its verdict one horizon after this generator first knew of the number.

use std::time::Duration;

use super::Terms;
use super::evidence::{Sender, Subject};
use super::peer::{Arrival, Peer};
use super::tally::{Fastest, Tally};
use crate::clock::Stamp;
use crate::marker::Marker;
use crate::model::{Anomaly, Basis, Origin, Outcome, SenderId, UserIndex};

/// Other generators that are followed at the same time; chats of further ones are not judged.
pub const PEER_LIMIT: usize = 64;

/// Numbers of all peers remembered at the same time. A jump for which there is no room any more
/// starts its peer's book afresh: sixty-four forged generators take no more than one.
const NUMBER_LIMIT: usize = 1 << 19;

/// A peer that has said nothing for this many horizons is forgotten.
const FORGET_HORIZONS: u32 = 10;

#[derive(Debug)]
pub(super) struct Remote {
    users: usize,
    peers: Vec<Peer>,
    /// Numbers that are first heard of from now on are expected of no connection.
    stopped: bool,
}

/// An intact chat of another generator, as it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard<'a> {
    /// On whose connection.
    pub(super) user: UserIndex,
    /// Its sender; [`SenderId::NONE`] where messages name none.
    pub(super) from: SenderId,
    pub(super) marker: &'a Marker,
    pub(super) at: Stamp,
    /// Microseconds from its intended time to now by the two machines' wall clocks.
    pub(super) since: i64,
    /// Which opening the connection is, and how many there have been by now.
    pub(super) nth: u64,
    pub(super) openings: u64,
    /// For how many microseconds the connection has been joined; `None` before it is.
    pub(super) stay: Option<i64>,
    /// Whether the server keeps the order of a sender's messages.
    pub(super) ordered: bool,
}

/// What became of the deliveries that a connection left open.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Nothing of them was read.
    pub(super) unread: u64,
    /// They were read, damaged.
    pub(super) damaged: Vec<Subject>,
}

impl Remote {
    pub(super) fn new(users: usize) -> Self {
        Self { users, peers: Vec::new(), stopped: false }
    }

    /// From now on, no connection expects a number that was not known before.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    pub(super) fn receive(&mut self, heard: &Heard<'_>, terms: &Terms, tally: &mut Tally) {
        let (Heard { user, at, since, .. }, seq) = (*heard, heard.marker.seq);
        let (users, local, room) = (self.users, tally.fastest_local(), self.room());
        if self.stopped && !self.knows(heard.marker) {
            tally.remote_mut().raced += 1;
            return;
        }
        let Some(peer) = self.peer(heard.marker, at) else { return };
        peer.last_heard = at;
        let subject = Subject::read(Sender::Id(heard.from), *heard.marker);
        let odd = |tally: &mut Tally, what| tally.anomaly(Origin::Remote, what, user, subject, at);
        let reordered = match peer.arrive(heard, users, room, terms.horizon) {
            Arrival::First { reordered } => reordered,
            Arrival::Odd(what) => return odd(tally, what),
        };
        peer.fastest.offer(since);
        let offset = peer.offset(local);
        let age = since.saturating_sub(offset.unwrap_or(0));
        // It was handed over after its intended time. So the connection had joined by then if it
        // had by the intended time, be it by the clocks as they are or by the estimate.
        let expected = heard.stay.is_some_and(|stay| since.max(age) <= stay);
        peer.note_read(user, seq, expected);
        if !expected {
            tally.remote_mut().raced += 1;
            return;
        }
        tally.negative_durations += u64::from(age < 0);
        let took = Duration::from_micros(u64::try_from(age).unwrap_or(0));
        if took > terms.horizon && (offset.is_some() || peer.excess(since) > micros(terms.horizon)) {
            let intended = at.minus(took);
            tally.remote_mut().expect(1);
            tally.lose(Origin::Remote, 1, intended.plus(terms.horizon));
            tally.lost_one(Origin::Remote, user, subject, at, true);
            odd(tally, Anomaly::Unexpected);
            return tally.judged.overdue(Origin::Remote, intended, at);
        }
        let outcome = if took <= terms.deadline { Outcome::OnTime } else { Outcome::Late };
        tally.remote_mut().expect_and_add(outcome, 1);
        tally.duration(Origin::Remote, Basis::Intended, took);
        tally.judged.arrived(Origin::Remote, outcome == Outcome::Late, took, at);
        if reordered {
            odd(tally, Anomaly::Reordered);
        }
    }

    /// A damaged copy of the message with this marker was read on `user`'s connection.
    pub(super) fn damaged(&mut self, user: UserIndex, from: SenderId, marker: &Marker, openings: u64) {
        let users = self.users;
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.tag() == marker.generator) {
            peer.damaged(user, from, marker.seq, openings, users);
        }
    }

    /// The connection of `user` ended: what it still missed.
    pub(super) fn ended(&mut self, user: UserIndex) -> Open {
        let mut open = Open::default();
        self.peers.iter_mut().for_each(|peer| peer.ended(user, &mut open));
        open
    }

    /// Whether no connection misses anything whose verdict has not fallen.
    pub(super) fn is_settled(&self) -> bool {
        self.peers.iter().all(|peer| peer.is_settled(self.users))
    }

    /// Passes the verdicts that are due and forgets what is old.
    pub(super) fn sweep(&mut self, now: Stamp, terms: &Terms, tally: &mut Tally) {
        for peer in &mut self.peers {
            peer.fastest.roll(now);
            peer.judge(now, terms, tally);
        }
        let silence = terms.horizon * FORGET_HORIZONS;
        self.peers.retain(|p| now.since(p.last_heard) < silence);
    }

    /// This machine's wall clock is not what it was: the estimates begin afresh.
    pub(super) fn forget_offsets(&mut self) {
        self.peers.iter_mut().for_each(|peer| peer.fastest = Fastest::default());
    }

    /// Estimated lead of our wall clock over the peers', the mean over them, in seconds.
    pub(super) fn clock_offset(&self, fastest_local: Option<i64>) -> Option<f64> {
        let offsets: Vec<f64> = self.peers.iter().filter_map(|p| p.offset(fastest_local)).map(micros_to_s).collect();
        #[allow(clippy::cast_precision_loss, reason = "at most PEER_LIMIT")]
        (!offsets.is_empty()).then(|| offsets.iter().sum::<f64>() / offsets.len() as f64)
    }

    /// How many numbers more may be remembered.
    fn room(&self) -> usize {
        NUMBER_LIMIT.saturating_sub(self.peers.iter().map(Peer::len).sum())
    }

    fn knows(&self, marker: &Marker) -> bool {
        self.peers.iter().any(|peer| peer.tag() == marker.generator && peer.knows(marker.seq))
    }

    fn peer(&mut self, marker: &Marker, at: Stamp) -> Option<&mut Peer> {
        let tag = marker.generator;
        if let Some(i) = self.peers.iter().position(|p| p.tag() == tag) {
            return self.peers.get_mut(i);
        }
        if self.peers.len() >= PEER_LIMIT {
            return None;
        }
        self.peers.push(Peer::new(*marker, at, self.users));
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

//! Messages of other generators, known only from what is read here.
//!
//! Nobody tells us what the others send; but each numbers its messages without gaps, so a
//! connection that has read two numbers of a generator expected those between them. What is
//! missing gets its verdict one horizon after this generator first knew of the number.

use std::collections::VecDeque;

use super::book::UserSet;
use super::evidence::{Sender, Subject};
use super::pauses::Pause;
use super::tally::{Fastest, Tally};
use super::{SETTLE, Terms};
use crate::chat::{Anomaly, Basis, Origin, Outcome, SenderId, UserIndex};
use crate::clock::Stamp;
use crate::marker::{GeneratorTag, Marker, RunTag};

/// Other generators that are followed at the same time; chats of further ones are not judged.
pub const PEER_LIMIT: usize = 64;

/// Numbers of one peer remembered at the same time. A marker that jumps further ahead than
/// this starts the peer's book anew, so that a forged number cannot take all memory.
const WINDOW_LIMIT: usize = 1 << 16;

/// Numbers of all peers remembered at the same time. A jump for which there is no room any more
/// starts its peer's book anew, too: sixty-four forged generators take no more than one.
const NUMBER_LIMIT: usize = 1 << 19;

/// A peer that has said nothing for this many horizons is forgotten.
const FORGET_HORIZONS: u32 = 10;

#[derive(Debug)]
pub(super) struct Remote {
    users: usize,
    peers: Vec<Peer>,
}

#[derive(Debug)]
struct Peer {
    tag: (RunTag, GeneratorTag),
    /// The marker that was read first.
    first: Marker,
    /// The number of the front message.
    base: u64,
    messages: VecDeque<RemoteMessage>,
    /// Numbers that each user's present connection has read: lowest and highest.
    read: Vec<Option<(u64, u64)>>,
    last_heard: Stamp,
    fastest: Fastest,
}

#[derive(Debug)]
struct RemoteMessage {
    /// When a number this high was first read here.
    noticed: Stamp,
    /// The server's id of the sender, once the message was read anywhere.
    sender: Option<SenderId>,
    /// The intended time in its marker, once it was read.
    intended_micros: u64,
    judged: bool,
    /// Made for as many users as there are with the first arrival: most forged numbers have none.
    arrived: UserSet,
}

impl RemoteMessage {
    /// What is known of message `seq` of the peer that wrote `first`, too.
    fn subject(&self, first: Marker, seq: u64) -> Subject {
        let read = self.sender.is_some();
        let marker = Marker { seq, intended_micros: self.intended_micros, ..first };
        Subject { sender: self.sender.map(Sender::Id), marker: Some(marker), intended_known: read, read }
    }

    /// Notes that `user`, of `users`, has it or needs it no more; true if that is news.
    fn insert(&mut self, user: UserIndex, users: usize) -> bool {
        if users > 64 && matches!(self.arrived, UserSet::Small(_)) {
            self.arrived = UserSet::empty(users);
        }
        self.arrived.insert(user)
    }
}

impl Remote {
    pub(super) fn new(users: usize) -> Self {
        Self { users, peers: Vec::new() }
    }

    /// An intact chat of another generator was read on `user`'s connection, `since` micro-
    /// seconds after its intended time by the two machines' wall clocks.
    #[allow(clippy::too_many_arguments, reason = "one fact each, all needed for one verdict")]
    pub(super) fn receive(
        &mut self,
        user: UserIndex,
        from: SenderId,
        marker: &Marker,
        at: Stamp,
        since: i64,
        terms: &Terms,
        tally: &mut Tally,
    ) {
        let users = self.users;
        let local = tally.fastest_local();
        let known: usize = self.peers.iter().map(|peer| peer.messages.len()).sum();
        let room = NUMBER_LIMIT.saturating_sub(known).min(WINDOW_LIMIT);
        let Some(peer) = self.peer(marker, at) else { return };
        peer.last_heard = at;
        peer.fastest.offer(since);
        let since = since.saturating_sub(peer.offset(local).unwrap_or(0));
        let subject = Subject::read(Sender::Id(from), *marker);
        match peer.arrive(user, from, marker, at, users, room) {
            Arrival::Forgotten => tally.anomaly(Origin::Remote, Anomaly::Unexpected, user, subject, at),
            Arrival::Again => tally.anomaly(Origin::Remote, Anomaly::Duplicate, user, subject, at),
            Arrival::OtherSender => tally.anomaly(Origin::Remote, Anomaly::Corrupt, user, subject, at),
            Arrival::First { reordered } => {
                if since < 0 {
                    tally.negative_durations += 1;
                }
                let took = std::time::Duration::from_micros(u64::try_from(since).unwrap_or(0));
                let on_time = took <= terms.deadline;
                tally.remote_mut().expect_and_add(if on_time { Outcome::OnTime } else { Outcome::Late }, 1);
                tally.duration(Origin::Remote, Basis::Intended, took);
                if reordered {
                    tally.anomaly(Origin::Remote, Anomaly::Reordered, user, subject, at);
                }
            }
        }
    }

    /// The connection of `user` ended: what it still missed is excused. Returns how many.
    pub(super) fn ended(&mut self, user: UserIndex) -> u64 {
        let (mut excused, users) = (0, self.users);
        for peer in &mut self.peers {
            let Some((low, high)) = peer.read.get_mut(user.get()).and_then(Option::take) else { continue };
            for seq in low.max(peer.base)..high {
                let Some(message) = peer.get_mut(seq) else { continue };
                excused += u64::from(!message.judged && message.insert(user, users));
            }
        }
        excused
    }

    /// Passes the verdicts that are due and forgets what is old.
    pub(super) fn sweep(&mut self, now: Stamp, terms: &Terms, tally: &mut Tally) {
        let users = self.users;
        for peer in &mut self.peers {
            peer.fastest.roll(now);
            peer.judge(now, users, terms, tally);
        }
        let silence = terms.horizon * FORGET_HORIZONS;
        self.peers.retain(|p| now.since(p.last_heard) < silence);
    }

    /// Moves the times of what has no verdict on, so that no age contains the pause.
    pub(super) fn skip(&mut self, pause: Pause) {
        for peer in &mut self.peers {
            peer.last_heard = pause.skip(peer.last_heard);
            peer.messages.iter_mut().for_each(|message| message.noticed = pause.skip(message.noticed));
        }
    }

    /// This machine's wall clock is not what it was: the estimates begin anew.
    pub(super) fn forget_offsets(&mut self) {
        self.peers.iter_mut().for_each(|peer| peer.fastest = Fastest::default());
    }

    /// Estimated lead of our wall clock over the peers', the mean over them, in seconds.
    pub(super) fn clock_offset(&self, fastest_local: Option<i64>) -> Option<f64> {
        let offsets: Vec<f64> = self.peers.iter().filter_map(|p| p.offset(fastest_local)).map(micros_to_s).collect();
        #[allow(clippy::cast_precision_loss, reason = "at most PEER_LIMIT")]
        (!offsets.is_empty()).then(|| offsets.iter().sum::<f64>() / offsets.len() as f64)
    }

    fn peer(&mut self, marker: &Marker, at: Stamp) -> Option<&mut Peer> {
        let tag = (marker.run, marker.generator);
        if let Some(i) = self.peers.iter().position(|p| p.tag == tag) {
            return self.peers.get_mut(i);
        }
        if self.peers.len() >= PEER_LIMIT {
            return None;
        }
        self.peers.push(Peer {
            tag,
            first: *marker,
            base: marker.seq,
            messages: VecDeque::new(),
            read: vec![None; self.users],
            last_heard: at,
            fastest: Fastest::default(),
        });
        self.peers.last_mut()
    }
}

enum Arrival {
    First {
        reordered: bool,
    },
    Again,
    /// Older than what is remembered.
    Forgotten,
    /// The same number from two senders: one of them is forged.
    OtherSender,
}

impl Peer {
    fn arrive(
        &mut self,
        user: UserIndex,
        from: SenderId,
        marker: &Marker,
        at: Stamp,
        users: usize,
        room: usize,
    ) -> Arrival {
        let seq = marker.seq;
        self.reach(seq, at, room);
        let read = self.read.get(user.get()).copied().flatten();
        let Some(message) = self.get_mut(seq) else { return Arrival::Forgotten };
        if *message.sender.get_or_insert(from) != from {
            return Arrival::OtherSender;
        }
        message.intended_micros = marker.intended_micros;
        if !message.insert(user, users) {
            return Arrival::Again;
        }
        let judged = message.judged;
        let high = read.map_or(seq, |(_, high)| high);
        if judged && read.is_some_and(|(low, high)| (low..high).contains(&seq)) {
            return Arrival::Forgotten;
        }
        let reordered = (seq + 1..=high)
            .any(|s| self.get_mut(s).is_some_and(|m| m.sender == Some(from) && m.arrived.contains(user)));
        if let Some(place) = self.read.get_mut(user.get()) {
            *place = Some(read.map_or((seq, seq), |(low, high)| (low.min(seq), high.max(seq))));
        }
        Arrival::First { reordered }
    }

    /// Makes room for `seq` and everything between what is known and it, `room` numbers at most.
    fn reach(&mut self, seq: u64, at: Stamp, room: usize) {
        let end = self.base + self.messages.len() as u64;
        if seq >= end.saturating_add(room.max(1) as u64) {
            self.messages = VecDeque::new();
            self.base = seq;
            self.read.fill(None);
        }
        while self.base + (self.messages.len() as u64) <= seq {
            self.messages.push_back(RemoteMessage {
                noticed: at,
                sender: None,
                intended_micros: 0,
                judged: false,
                arrived: UserSet::Small(0),
            });
        }
        while self.messages.len() > WINDOW_LIMIT {
            self.messages.pop_front();
            self.base += 1;
        }
    }

    fn judge(&mut self, now: Stamp, users: usize, terms: &Terms, tally: &mut Tally) {
        let due = terms.horizon + SETTLE;
        for (seq, message) in (self.base..).zip(&mut self.messages) {
            if now < message.noticed.plus(due) {
                break;
            }
            if message.judged {
                continue;
            }
            message.judged = true;
            let missing = UserSet::of(users, |user| {
                let read = self.read.get(user.get()).copied().flatten();
                read.is_some_and(|(low, high)| low < seq && seq < high) && !message.arrived.contains(user)
            });
            tally.remote_mut().expect_and_add(Outcome::Lost, missing.len());
            if !missing.is_empty() {
                tally.lost_by(Origin::Remote, missing, message.subject(self.first, seq), now);
            }
        }
        let forget = due + terms.horizon;
        while self.messages.front().is_some_and(|m| m.judged && now >= m.noticed.plus(forget)) {
            self.messages.pop_front();
            self.base += 1;
        }
    }

    /// How far our wall clock is ahead of this peer's, in microseconds: the fastest of its
    /// messages would have taken as long as the fastest of ours, the way being the same.
    fn offset(&self, fastest_local: Option<i64>) -> Option<i64> {
        Some(self.fastest.get()? - fastest_local?)
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut RemoteMessage> {
        let at = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.messages.get_mut(at)
    }
}

fn micros_to_s(micros: i64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let micros = micros as f64;
    micros / 1e6
}

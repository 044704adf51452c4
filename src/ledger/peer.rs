//! The messages of one other generator in one room: a window of its numbers, and the readers of each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::SETTLE;
use super::evidence::{Sender, Subject};
use super::message_log::UNREAD;
use super::tally::Tally;
use super::user_set::{RoomSpan, RoomUser, UserGroup, UserSet};
use crate::clock::Stamp;
use crate::marker::{GeneratorTag, Marker};
use crate::model::{Anomaly, DeliveryTerms, Origin, SenderId};

/// Maximum number of remembered numbers of one peer. A marker that jumps further ahead resets the peer's
/// window, so that a forged number cannot take all memory.
const WINDOW_LIMIT: usize = 1 << 16;

/// A damaged number is believed up to this far ahead of the known ones.
const AHEAD_LIMIT: u64 = 1 << 10;

#[derive(Debug)]
pub(super) struct Peer {
    /// The marker that was read first.
    first: Marker,
    /// The number of the front message.
    base: u64,
    messages: VecDeque<RemoteMessage>,
    /// When the first number was noticed, as long as none is forgotten. For up to a horizon, lower ones may still
    /// be on their way.
    began: Option<Stamp>,
    /// The span read by each user's current connection.
    read: Box<[Span]>,
    /// Numbers that were read damaged, with the users concerned.
    damaged: BTreeMap<u64, UserSet>,
    pub(super) last_heard: Stamp,
}

/// A range of numbers that a connection expects completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// The lowest number that was read and certainly expected; [`u64::MAX`] if there is none.
    low: u64,
    /// The highest number that was read, plus one.
    end: u64,
}

impl Span {
    const EMPTY: Self = Self { low: u64::MAX, end: 0 };

    /// Whether a number is expected because those around it were read.
    fn contains(self, seq: u64) -> bool {
        self.low < seq && seq + 1 < self.end
    }
}

#[derive(Debug)]
struct RemoteMessage {
    /// When a number this high or higher was first read here.
    noticed: Stamp,
    /// Its sender, once the message has been read.
    sender: Option<SenderId>,
    /// The intended time in its marker; before it was read, the time when its number became known.
    intended_micros: u64,
    /// Number of connections opened before it was first read anywhere; [`UNREAD`] until then.
    read_at: u64,
    judged: bool,
    /// Its receivers; allocated with the first arrival, since most forged numbers have none.
    arrived: UserSet,
}

impl RemoteMessage {
    fn noticed(at: Stamp, wall_micros: u64) -> Self {
        Self {
            noticed: at,
            sender: None,
            intended_micros: wall_micros,
            read_at: UNREAD,
            judged: false,
            arrived: UserSet::Small(0),
        }
    }
}

/// An intact chat of another generator that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemoteArrival<'a> {
    /// The room.
    pub(super) room: RoomSpan,
    /// The user on whose connection it was read.
    pub(super) user: RoomUser,
    /// Its sender; [`SenderId::NONE`] if messages name none.
    pub(super) from: SenderId,
    pub(super) marker: &'a Marker,
    pub(super) at: Stamp,
    /// Microseconds from its intended time to now by the two machines' wall clocks.
    pub(super) since: i64,
    /// The number of the connection's opening, and the number of openings so far.
    pub(super) nth: u64,
    pub(super) openings: u64,
    /// Time since the connection joined, in microseconds; `None` if it has not.
    pub(super) stay: Option<i64>,
    /// Whether the server keeps the order of a sender's messages.
    pub(super) ordered: bool,
}

impl RemoteArrival<'_> {
    pub(super) fn subject(&self) -> Subject {
        Subject::read(Sender::Id(self.from), *self.marker)
    }

    /// The wall clock when it was read, in microseconds since 1970.
    fn wall_micros(&self) -> u64 {
        self.marker.intended_micros.saturating_add_signed(self.since)
    }

    /// Counts it as raced: the server may have handled it either way.
    pub(super) fn raced(&self, tally: &mut Tally) {
        let cell = tally.cell(self.marker.intended_micros, self.at);
        tally.raced(Origin::Remote, cell);
    }

    /// Counts the arrival as an anomaly.
    pub(super) fn odd(&self, what: Anomaly, tally: &mut Tally) {
        tally.anomaly(Origin::Remote, what, self.room.user(self.user), self.subject(), self.at);
    }
}

/// The deliveries that a connection left open.
#[derive(Debug, Default)]
pub(super) struct LeftOpen {
    /// Those of which nothing was read: the intended time of each, as far as known, in microseconds since 1970.
    pub(super) unread: Vec<u64>,
    /// Those that were read damaged, with the same time.
    pub(super) damaged: Vec<(Subject, u64)>,
}

/// The kind of an arrival, apart from its age.
pub(super) enum ArrivalKind {
    /// The first arrival of its number on this connection.
    First {
        /// Whether a higher number of the same sender arrived before it.
        reordered: bool,
    },
    Odd(Anomaly),
}

impl Peer {
    /// A peer whose first marker to be read is this one.
    pub(super) fn new(first: Marker, at: Stamp, users: usize) -> Self {
        Self {
            first,
            base: first.seq,
            messages: VecDeque::new(),
            began: Some(at),
            read: vec![Span::EMPTY; users].into_boxed_slice(),
            damaged: BTreeMap::new(),
            last_heard: at,
        }
    }

    pub(super) fn tag(&self) -> GeneratorTag {
        self.first.generator
    }

    /// Number of remembered numbers.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn knows(&self, seq: u64) -> bool {
        (self.base..self.end()).contains(&seq)
    }

    /// Takes an arrival; `room` is how many more numbers may be remembered.
    pub(super) fn arrive(&mut self, arrived: &RemoteArrival<'_>, room: usize, horizon: Duration) -> ArrivalKind {
        let users = self.read.len();
        let (RemoteArrival { user, from, nth, .. }, seq) = (*arrived, arrived.marker.seq);
        self.reach(seq, arrived, room.min(WINDOW_LIMIT), horizon);
        let Some(message) = self.get_mut(seq) else { return ArrivalKind::Odd(Anomaly::Unexpected) };
        if *message.sender.get_or_insert(from) != from {
            return ArrivalKind::Odd(Anomaly::Corrupt);
        }
        message.intended_micros = arrived.marker.intended_micros;
        message.read_at = message.read_at.min(arrived.openings);
        // The server had sent it on before this connection was opened.
        if message.read_at < nth {
            return ArrivalKind::Odd(Anomaly::Unexpected);
        }
        if !message.arrived.insert_of(user, users) {
            return ArrivalKind::Odd(Anomaly::Duplicate);
        }
        if message.judged {
            return ArrivalKind::Odd(Anomaly::Unexpected);
        }
        let end = self.read.get(user.get()).map_or(0, |span| span.end);
        let by_same = |m: &RemoteMessage| m.sender == Some(from) && m.arrived.contains(user);
        let judged = arrived.ordered && from != SenderId::NONE;
        let reordered = judged && (seq + 1..end).any(|s| self.get(s).is_some_and(by_same));
        ArrivalKind::First { reordered }
    }

    /// Notes that `user`'s connection has read `seq`; `expected`: it had certainly joined before the message was
    /// handed over, and so before all later ones.
    pub(super) fn note_read(&mut self, user: RoomUser, seq: u64, expected: bool) {
        let Some(span) = self.read.get_mut(user.get()) else { return };
        span.end = span.end.max(seq + 1);
        if expected {
            span.low = span.low.min(seq);
        }
    }

    /// Notes a damaged copy of a message, if that may still be expected.
    pub(super) fn damaged(&mut self, user: RoomUser, from: SenderId, seq: u64, openings: u64) {
        let users = self.read.len();
        if let Some(message) = self.get_mut(seq) {
            let fits = from == SenderId::NONE || message.sender.is_none_or(|sender| sender == from);
            if !fits || message.judged || message.arrived.contains(user) {
                return;
            }
            message.read_at = message.read_at.min(openings);
        } else if seq < self.base || seq - self.base >= self.messages.len() as u64 + AHEAD_LIMIT {
            return;
        }
        self.damaged.entry(seq).or_insert_with(|| UserSet::empty(users)).insert(user);
    }

    /// Ends the connection of `user`: adds the deliveries that it still missed to `open`.
    pub(super) fn ended(&mut self, user: RoomUser, open: &mut LeftOpen) {
        let Some(span) = self.read.get_mut(user.get()) else { return };
        let Span { low, end } = std::mem::replace(span, Span::EMPTY);
        for seq in low.saturating_add(1).max(self.base)..end.saturating_sub(1) {
            let missing = |m: &&RemoteMessage| !m.judged && !m.arrived.contains(user);
            let Some(intended_micros) = self.get(seq).filter(missing).map(|m| m.intended_micros) else { continue };
            let damaged = self.damaged.get(&seq).is_some_and(|users| users.contains(user));
            match self.subject(seq) {
                Some(subject) if damaged => open.damaged.push((subject, intended_micros)),
                _ => open.unread.push(intended_micros),
            }
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        let mut readers = UserSet::empty(self.read.len());
        for (user, _) in self.readers() {
            readers.insert(user);
        }
        let open = |(seq, m): (u64, &RemoteMessage)| {
            !m.judged && !m.arrived.contains_all(&readers) && self.missing(seq, m).next().is_some()
        };
        !(self.base..).zip(&self.messages).any(open)
    }

    /// Passes the verdicts that are due; returns the number of lost deliveries.
    pub(super) fn judge(&mut self, now: Stamp, terms: &DeliveryTerms, room: RoomSpan, tally: &mut Tally) -> u64 {
        let mut lost = 0;
        let due = terms.horizon + SETTLE;
        let first = self.messages.iter().take_while(|m| m.judged).count() as u64;
        for seq in self.base + first..self.end() {
            let Some(message) = self.get(seq).filter(|m| now >= m.noticed.plus(due)) else { break };
            let mut missing = UserGroup::none(room);
            for user in self.missing(seq, message) {
                missing.users.insert(user);
            }
            let missed = missing.users.len();
            lost += missed;
            let cell = tally.cell(message.intended_micros, now);
            tally.expect(Origin::Remote, cell, missed);
            tally.lose(Origin::Remote, cell, missed, message.noticed.plus(terms.horizon));
            if let Some(subject) = self.subject(seq)
                && (missed > 0 || tally.losses.has_pending())
            {
                tally.lost_by(Origin::Remote, missing, subject, now);
            }
            if let Some(message) = self.get_mut(seq) {
                message.judged = true;
            }
            self.damaged.remove(&seq);
        }
        let forget = due + terms.horizon;
        while self.messages.front().is_some_and(|m| m.judged && now >= m.noticed.plus(forget)) {
            self.drop_front();
        }
        lost
    }

    /// Makes room for `seq` and everything between it and the known numbers, at most `room` numbers.
    fn reach(&mut self, seq: u64, arrived: &RemoteArrival<'_>, room: usize, horizon: Duration) {
        if seq < self.base {
            return self.reach_down(seq, arrived, room, horizon);
        }
        let (at, wall) = (arrived.at, arrived.wall_micros());
        if seq >= self.end().saturating_add(room.max(1) as u64) {
            self.messages = VecDeque::new();
            self.damaged.clear();
            self.base = seq;
            self.began = Some(at);
            self.read.fill(Span::EMPTY);
        }
        while self.end() <= seq {
            self.messages.push_back(RemoteMessage::noticed(at, wall));
        }
        while self.messages.len() > WINDOW_LIMIT {
            self.drop_front();
        }
    }

    /// Extends the window downwards: the first number read need not be the peer's first, and lower ones may
    /// arrive for a horizon.
    fn reach_down(&mut self, seq: u64, arrived: &RemoteArrival<'_>, room: usize, horizon: Duration) {
        let at = arrived.at;
        let more = usize::try_from(self.base - seq).unwrap_or(usize::MAX);
        let young = self.began.is_some_and(|began| at <= began.plus(horizon));
        if !young || more > room || more > WINDOW_LIMIT - self.messages.len() {
            return;
        }
        // Known since a higher one was, so that verdicts fall in the order of the numbers.
        let noticed = self.messages.front().map_or(at, |first| first.noticed);
        for _ in 0..more {
            self.messages.push_front(RemoteMessage::noticed(noticed, arrived.wall_micros()));
        }
        self.base = seq;
    }

    fn drop_front(&mut self) {
        self.messages.pop_front();
        self.damaged.remove(&self.base);
        self.base += 1;
        self.began = None;
    }

    /// What is known about a message.
    fn subject(&self, seq: u64) -> Option<Subject> {
        let message = self.get(seq)?;
        let read = message.sender.is_some();
        let intended_micros = if read { message.intended_micros } else { 0 };
        let marker = Marker { seq, intended_micros, ..self.first };
        Some(Subject { sender: message.sender.map(Sender::Id), marker: Some(marker), intended_known: read, read })
    }

    /// The highest known number, plus one.
    fn end(&self) -> u64 {
        self.base + self.messages.len() as u64
    }

    /// Users whose connections have read anything, with the span.
    fn readers(&self) -> impl Iterator<Item = (RoomUser, Span)> + '_ {
        let users = (0..).map(RoomUser).zip(self.read.iter().copied());
        users.filter(|(_, span)| *span != Span::EMPTY)
    }

    /// Users who expect a message but have not received it.
    fn missing<'a>(&'a self, seq: u64, message: &'a RemoteMessage) -> impl Iterator<Item = RoomUser> + 'a {
        let expecting = self.readers().filter(move |(_, span)| span.contains(seq));
        expecting.map(|(user, _)| user).filter(|user| !message.arrived.contains(*user))
    }

    fn get(&self, seq: u64) -> Option<&RemoteMessage> {
        self.messages.get(usize::try_from(seq.checked_sub(self.base)?).ok()?)
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut RemoteMessage> {
        self.messages.get_mut(usize::try_from(seq.checked_sub(self.base)?).ok()?)
    }
}

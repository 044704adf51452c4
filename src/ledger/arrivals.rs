//! What is read: whose message it is, and what its arrival means for the books.

use std::collections::HashMap;
use std::time::Duration;

use super::Ledger;
use super::evidence::{Sender, Subject};
use super::remote::Heard;
use crate::clock::Stamp;
use crate::marker::{Decoded, Marker, RunTag};
use crate::model::{Anomaly, Basis, Origin, Outcome, SenderId, UserIndex};

impl Ledger {
    /// A chat of `from` was read on `user`'s connection at `at`.
    pub fn receive(&mut self, user: UserIndex, from: SenderId, decoded: Decoded, at: Stamp) {
        self.tally.judged.called(at);
        match decoded {
            Decoded::Intact(marker) if self.is_own(&marker) => self.receive_own(user, from, marker, at),
            Decoded::Intact(marker) if self.is_foreign(&marker) => self.tally.foreign += 1,
            // The server leaks between rooms.
            Decoded::Intact(marker) if marker.room != self.identity.room => {
                let subject = Subject::read(self.sender(from), marker);
                self.tally.anomaly(self.origin(&marker), Anomaly::Unexpected, user, subject, at);
            }
            Decoded::Intact(marker) => self.receive_remote(user, from, &marker, at),
            Decoded::Corrupt(marker) if self.concerns(from, marker.map(|m| m.run)) => {
                self.corrupt(user, from, marker, at);
            }
            Decoded::Torn(run) if self.concerns(from, Some(run)) => self.corrupt(user, from, None, at),
            Decoded::Corrupt(_) | Decoded::Torn(_) | Decoded::Foreign => self.tally.foreign += 1,
            Decoded::None if self.is_ours(from) => self.corrupt(user, from, None, at),
            Decoded::None => {}
        }
    }

    /// History was read at `at` that the protocol marks as such: neither a delivery nor an anomaly,
    /// and no proof of anything, since it may go its own way in the server.
    pub fn replayed(&mut self, at: Stamp) {
        self.tally.judged.called(at);
    }

    /// Whether a marker is of this process and this room.
    #[must_use]
    pub fn is_own(&self, marker: &Marker) -> bool {
        let us = &self.identity;
        marker.generator == us.generator && marker.run == us.run && marker.room == us.room
    }

    /// Whether it is of another run, or of an earlier life of this one.
    fn is_foreign(&self, marker: &Marker) -> bool {
        let horizon = u64::try_from(self.terms.horizon.as_micros()).unwrap_or(u64::MAX);
        let old = marker.intended_micros.saturating_add(horizon) < self.started_micros;
        marker.run != self.identity.run || (old && marker.generator != self.identity.generator)
    }

    /// Whether a sender is one of our users, as far as messages name them.
    fn is_ours(&self, from: SenderId) -> bool {
        self.rules.senders && self.ids.contains_key(&from)
    }

    /// Whether damage is this run's: one of our users said it, or its run can still be read. Anything
    /// else may be other people's chat.
    fn concerns(&self, from: SenderId, run: Option<RunTag>) -> bool {
        run == Some(self.identity.run) || self.is_ours(from)
    }

    /// Whose a message is, by its marker.
    fn origin(&self, marker: &Marker) -> Origin {
        let ours = (marker.run, marker.generator) == (self.identity.run, self.identity.generator);
        if ours { Origin::Local } else { Origin::Remote }
    }

    fn receive_remote(&mut self, user: UserIndex, from: SenderId, marker: &Marker, at: Stamp) {
        let Some((nth, joined)) = self.seats.get(user.get()).and_then(|seat| seat.joined()) else { return };
        let since = self.since_by_wall(at, marker.intended_micros);
        let stay = joined.map(|joined| i64::try_from(at.since(joined).as_micros()).unwrap_or(i64::MAX));
        let from = if self.rules.senders { from } else { SenderId::NONE };
        let (openings, ordered) = (self.openings, self.rules.ordered);
        let heard = Heard { user, from, marker, at, since, nth, openings, stay, ordered };
        self.remote.receive(&heard, &self.terms, &mut self.tally);
    }

    /// Something that looks like one of our messages arrived damaged; with what can be read of its marker.
    fn corrupt(&mut self, user: UserIndex, from: SenderId, marker: Option<Marker>, at: Stamp) {
        let named = self.rules.senders && from != SenderId::NONE;
        let origin = match marker {
            Some(marker) if !named => self.origin(&marker),
            _ if self.is_ours(from) => Origin::Local,
            _ => Origin::Remote,
        };
        let sender = (from != SenderId::NONE).then(|| self.sender(from));
        self.tally.anomaly(origin, Anomaly::Corrupt, user, Subject::damaged(sender, marker), at);
        match marker {
            Some(marker) if self.is_own(&marker) => self.damaged(user, from, &marker),
            Some(marker) if (marker.run, marker.room) == (self.identity.run, self.identity.room) => {
                let from = if named { from } else { SenderId::NONE };
                self.remote.damaged(user, from, &marker, self.openings);
            }
            _ => {}
        }
    }

    /// A damaged copy of a message of ours was read: the server had it, and this connection will
    /// have lost it unless an intact copy comes.
    fn damaged(&mut self, user: UserIndex, from: SenderId, marker: &Marker) {
        let (Some(seat), openings) = (self.seats.get(user.get()).copied(), self.openings) else { return };
        let Some((sender, intended)) = self.book.get(marker.seq).map(|m| (m.sender, m.intended_micros)) else { return };
        let senders = self.rules.senders && is_of(&self.present_ids, &self.ids, sender, from);
        // The number may be what was damaged.
        let nothing_else = marker.intended_micros == 0 && (!self.rules.senders || from == SenderId::NONE);
        if !senders && !nothing_else && marker.intended_micros != intended {
            return;
        }
        let Some(message) = self.book.get_mut(marker.seq) else { return };
        message.read_at = message.read_at.min(openings);
        if seat.expected(marker.seq) && !message.is_own_of(user) {
            self.book.note_damaged(user, marker.seq);
        }
    }

    fn receive_own(&mut self, user: UserIndex, from: SenderId, marker: Marker, at: Stamp) {
        let seq = marker.seq;
        let Some(seat) = self.seats.get_mut(user.get()) else { return };
        let seat_at_receipt = *seat;
        if seq >= self.book.next() {
            // A number that was never given out: somebody forged it.
            return self.forged(user, from, marker, at);
        }
        let Some(message) = self.book.get_mut(seq) else {
            let subject = Subject::read(self.sender(from), marker);
            let since_start = Duration::from_micros(marker.intended_micros.saturating_sub(self.identity.origin_micros));
            return self.overdue(user, subject, Stamp::default().plus(since_start), at);
        };
        if self.rules.senders && !is_of(&self.present_ids, &self.ids, message.sender, from) {
            return self.forged(user, from, marker, at);
        }
        let subject = Subject::read(Sender::User(message.sender), marker);
        message.read_at = message.read_at.min(self.openings);
        // Where there is no echo, what comes back on the connection it came from is one all the same.
        let echoed = message.is_own_of(user) && seat_at_receipt.expected(seq);
        if echoed || !seat_at_receipt.may_receive(seq, message) {
            return self.tally.anomaly(Origin::Local, Anomaly::Unexpected, user, subject, at);
        }
        if !message.arrived.insert(user) {
            return self.tally.anomaly(Origin::Local, Anomaly::Duplicate, user, subject, at);
        }
        let overtaken = self.rules.ordered && self.book.note_read(user, seq);
        if !seat_at_receipt.expected(seq) {
            self.tally.local_mut().raced += 1;
            return;
        }
        self.first_arrival(user, subject, seq, at, overtaken);
    }

    /// The first arrival of an expected message on the connection that expected it.
    fn first_arrival(&mut self, user: UserIndex, subject: Subject, seq: u64, at: Stamp, overtaken: bool) {
        let Some(message) = self.book.get_mut(seq) else { return };
        let (intended, sent) = (message.intended, message.sent);
        if message.judged {
            return self.overdue(user, subject, intended, at);
        }
        self.book.settle_one(seq);
        let age = at.since(intended);
        if age > self.terms.horizon {
            self.book.lose_one(seq);
            self.lose(seq, 1);
            self.lose_one(user, seq, at, true);
            return self.overdue(user, subject, intended, at);
        }
        let on_time = age <= self.terms.deadline;
        self.tally.local_mut().add(if on_time { Outcome::OnTime } else { Outcome::Late }, 1);
        self.tally.duration(Origin::Local, Basis::Intended, age);
        self.tally.judged.arrived(Origin::Local, !on_time, age, at);
        self.tally.duration(Origin::Local, Basis::Sent, at.since(sent));
        if overtaken {
            self.tally.anomaly(Origin::Local, Anomaly::Reordered, user, subject, at);
        }
    }

    /// What was judged lost has come after all.
    fn overdue(&mut self, user: UserIndex, subject: Subject, intended: Stamp, at: Stamp) {
        self.tally.anomaly(Origin::Local, Anomaly::Unexpected, user, subject, at);
        self.tally.judged.overdue(Origin::Local, intended, at);
    }

    /// An intact marker of ours that is not what we wrote.
    fn forged(&mut self, user: UserIndex, from: SenderId, marker: Marker, at: Stamp) {
        let origin = if self.rules.senders && !self.is_ours(from) { Origin::Remote } else { Origin::Local };
        let subject = Subject::read(self.sender(from), marker);
        self.tally.anomaly(origin, Anomaly::Corrupt, user, subject, at);
    }

    /// Whom the server means by an id.
    fn sender(&self, id: SenderId) -> Sender {
        self.ids.get(&id).map_or(Sender::Id(id), |user| Sender::User(*user))
    }
}

/// Whether `from` is a name that `sender` has or had.
fn is_of(present: &[SenderId], ids: &HashMap<SenderId, UserIndex>, sender: UserIndex, from: SenderId) -> bool {
    present.get(sender.get()) == Some(&from) || ids.get(&from) == Some(&sender)
}

//! Arrivals: the origin of each message read, and what its arrival means for the ledger.

use std::time::Duration;

use super::evidence::{Sender, Subject};
use super::message_log::Message;
use super::peer::RemoteArrival;
use super::room::RoomLedger;
use super::run_wide::RunWide;
use super::user_set::RoomUser;
use crate::clock::Stamp;
use crate::marker::{Decoded, Marker};
use crate::model::{Anomaly, Origin, Outcome, SenderId, UserIndex};

/// A copy of one of our messages that was read.
struct OwnCopy<'a> {
    user: RoomUser,
    sender: UserIndex,
    marker: &'a Marker,
    at: Stamp,
}

impl OwnCopy<'_> {
    fn subject(&self) -> Subject {
        Subject::read(Sender::User(self.sender), *self.marker)
    }
}

impl RoomLedger {
    /// Takes a message of `from` that was read on `user`'s connection at `at`.
    #[inline]
    pub(super) fn receive(&mut self, run: &mut RunWide, user: RoomUser, from: SenderId, decoded: Decoded, at: Stamp) {
        match &decoded {
            Decoded::Intact(marker) if self.is_own(run, marker) => self.receive_own(run, user, from, marker, at),
            _ => self.receive_other(run, user, from, decoded, at),
        }
    }

    /// Takes anything but an intact message of ours.
    fn receive_other(&mut self, run: &mut RunWide, user: RoomUser, from: SenderId, decoded: Decoded, at: Stamp) {
        match decoded {
            Decoded::Intact(marker) if run.is_foreign(&marker) => run.tally.foreign += 1,
            // The server leaked it from another room.
            Decoded::Intact(marker) if marker.room != self.tag => {
                self.books.leaked += 1;
                let subject = Subject::read(run.sender(from), marker);
                self.odd(run, run.origin(&marker), Anomaly::Unexpected, user, subject, at);
            }
            Decoded::Intact(marker) => self.receive_remote(run, user, from, &marker, at),
            Decoded::Corrupt(marker) if run.concerns(from, marker.map(|m| m.run)) => {
                self.corrupt(run, user, from, marker, at);
            }
            Decoded::Torn(tag) if run.concerns(from, Some(tag)) => self.corrupt(run, user, from, None, at),
            Decoded::Corrupt(_) | Decoded::Torn(_) | Decoded::Foreign => run.tally.foreign += 1,
            Decoded::None if run.is_ours(from) => self.corrupt(run, user, from, None, at),
            Decoded::None => {}
        }
    }

    /// Whether a marker is of this process and this room.
    pub(super) fn is_own(&self, run: &RunWide, marker: &Marker) -> bool {
        let us = &run.identity;
        marker.generator == us.generator && marker.run == us.run && marker.room == self.tag
    }

    fn receive_remote(&mut self, run: &mut RunWide, user: RoomUser, from: SenderId, marker: &Marker, at: Stamp) {
        let Some((nth, joined)) = self.window(user).and_then(|window| window.joined()) else { return };
        let since = run.since_by_wall(at, marker.intended_micros);
        let stay = joined.map(|joined| i64::try_from(at.since(joined).as_micros()).unwrap_or(i64::MAX));
        let from = if run.rules.senders { from } else { SenderId::NONE };
        let (openings, ordered) = (self.openings, run.rules.ordered);
        let arrived = RemoteArrival { room: self.span, user, from, marker, at, since, nth, openings, stay, ordered };
        if let Some(outcome) = self.remote.receive(&arrived, &run.terms, &mut run.generators, &mut run.tally) {
            self.books.expect_and_add(outcome, 1);
        }
    }

    /// Something that looks like one of our messages arrived damaged; `marker` is what can be read of its marker.
    fn corrupt(&mut self, run: &mut RunWide, user: RoomUser, from: SenderId, marker: Option<Marker>, at: Stamp) {
        let named = run.rules.senders && from != SenderId::NONE;
        let origin = match marker {
            Some(marker) if !named => run.origin(&marker),
            _ if run.is_ours(from) => Origin::Local,
            _ => Origin::Remote,
        };
        let sender = (from != SenderId::NONE).then(|| run.sender(from));
        self.odd(run, origin, Anomaly::Corrupt, user, Subject::damaged(sender, marker), at);
        match marker {
            Some(marker) if self.is_own(run, &marker) => self.damaged(run, user, from, &marker),
            Some(marker) if (marker.run, marker.room) == (run.identity.run, self.tag) => {
                let from = if named { from } else { SenderId::NONE };
                self.remote.damaged(user, from, &marker, self.openings);
            }
            _ => {}
        }
    }

    /// A damaged copy of one of our messages was read: the server had it, and this connection has lost it
    /// unless an intact copy arrives.
    fn damaged(&mut self, run: &RunWide, user: RoomUser, from: SenderId, marker: &Marker) {
        let (Some(window), openings) = (self.window(user), self.openings) else { return };
        let Some((sender, intended)) = self.log.get(marker.seq).map(|m| (m.sender, m.intended_micros)) else { return };
        let senders = run.rules.senders && run.is_of(self.span.user(sender), from);
        // The number itself may be damaged.
        let nothing_else = marker.intended_micros == 0 && (!run.rules.senders || from == SenderId::NONE);
        if !senders && !nothing_else && marker.intended_micros != intended {
            return;
        }
        let Some(message) = self.log.get_mut(marker.seq) else { return };
        message.read_at = message.read_at.min(openings);
        if window.expected(marker.seq) && !message.is_own_of(user) {
            self.log.note_damaged(user, marker.seq);
        }
    }

    fn receive_own(&mut self, run: &mut RunWide, user: RoomUser, from: SenderId, marker: &Marker, at: Stamp) {
        let seq = marker.seq;
        let Some(window) = self.windows.get(user.get()) else { return };
        let Some(message) = self.log.get_mut(seq) else { return self.not_in_log(run, user, from, *marker, at) };
        let copy = OwnCopy { user, sender: self.span.user(message.sender), marker, at };
        if run.rules.senders && !run.is_of(copy.sender, from) {
            return self.forged(run, user, from, *marker, at);
        }
        message.read_at = message.read_at.min(self.openings);
        // Without echo, no copy should arrive on the connection that it was sent on.
        let expected = window.expected(seq);
        if (expected && message.is_own_of(user)) || !window.may_receive(seq, message) {
            return self.odd_copy(run, Anomaly::Unexpected, &copy);
        }
        if !message.arrived.insert(user) {
            return self.odd_copy(run, Anomaly::Duplicate, &copy);
        }
        let cell = message.cell;
        let overtaken = run.rules.ordered && self.log.note_read(user, seq);
        if !expected {
            return run.tally.raced(Origin::Local, cell);
        }
        self.first_arrival(run, &copy, overtaken);
    }

    /// Takes a number that was never issued, or that is forgotten.
    #[cold]
    fn not_in_log(&self, run: &mut RunWide, user: RoomUser, from: SenderId, marker: Marker, at: Stamp) {
        if marker.seq >= self.log.next() {
            // A number that was never issued: forged.
            return self.forged(run, user, from, marker, at);
        }
        let subject = Subject::read(run.sender(from), marker);
        let since_start = Duration::from_micros(marker.intended_micros.saturating_sub(run.identity.origin_micros));
        self.overdue(run, user, subject, Stamp::default().plus(since_start), at);
    }

    /// Takes the first arrival of an expected message on the connection that expected it.
    #[inline]
    fn first_arrival(&mut self, run: &mut RunWide, copy: &OwnCopy<'_>, overtaken: bool) {
        let (seq, at) = (copy.marker.seq, copy.at);
        let Some(message) = self.log.get(seq) else { return };
        let Message { intended, sent, judged, cell, .. } = *message;
        if judged {
            return self.overdue(run, copy.user, copy.subject(), intended, at);
        }
        if message.refused {
            // The server said that it had refused it.
            return self.odd_copy(run, Anomaly::Unexpected, copy);
        }
        self.log.settle_one(seq);
        let age = at.since(intended);
        if age > run.terms.horizon {
            return self.too_late(run, copy, intended);
        }
        let on_time = age <= run.terms.deadline;
        let outcome = if on_time { Outcome::OnTime } else { Outcome::Late };
        self.books.add(outcome, 1);
        run.tally.came(cell, outcome, age, intended.min(at), at);
        run.tally.came_since_sent(at.0.saturating_sub(sent.0));
        if overtaken {
            self.odd_copy(run, Anomaly::Reordered, copy);
        }
    }

    /// Takes an arrival after its horizon but before its verdict.
    #[cold]
    fn too_late(&mut self, run: &mut RunWide, copy: &OwnCopy<'_>, intended: Stamp) {
        let seq = copy.marker.seq;
        self.log.lose_one(seq);
        self.lose(run, seq, 1);
        self.lose_one(run, copy.user, seq, copy.at, true);
        self.overdue(run, copy.user, copy.subject(), intended, copy.at);
    }

    /// Notes an anomaly of a copy of one of our messages.
    #[cold]
    fn odd_copy(&self, run: &mut RunWide, what: Anomaly, copy: &OwnCopy<'_>) {
        self.odd(run, Origin::Local, what, copy.user, copy.subject(), copy.at);
    }

    /// Takes the arrival of a delivery that was judged lost.
    #[cold]
    fn overdue(&self, run: &mut RunWide, user: RoomUser, subject: Subject, intended: Stamp, at: Stamp) {
        self.odd(run, Origin::Local, Anomaly::Unexpected, user, subject, at);
        run.tally.overdue(Origin::Local, run.wall_micros(intended), intended, at);
    }

    /// Takes an intact marker of ours that we did not write.
    #[cold]
    fn forged(&self, run: &mut RunWide, user: RoomUser, from: SenderId, marker: Marker, at: Stamp) {
        let origin = if run.rules.senders && !run.is_ours(from) { Origin::Remote } else { Origin::Local };
        let subject = Subject::read(run.sender(from), marker);
        self.odd(run, origin, Anomaly::Corrupt, user, subject, at);
    }

    /// Notes an anomaly of an arrival on `user`'s connection.
    fn odd(&self, run: &mut RunWide, origin: Origin, what: Anomaly, user: RoomUser, subject: Subject, at: Stamp) {
        run.tally.anomaly(origin, what, self.span.user(user), subject, at);
    }
}

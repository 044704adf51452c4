//! The ledger: which connection should have received which message, and what became of it.
//!
//! Pure bookkeeping: it knows no clock and does no I/O; every call brings its time. The
//! definitions it keeps are in `docs/ledger.md`. All calls come in one order (the owner
//! holds a lock), which is what lets the books balance to the last delivery.
//!
//! Who expects what follows from two numbers a connection: messages are numbered in the
//! order in which they are handed over, so a connection expects exactly those between
//! the number that was next when it became connected and the one that was next when its
//! close began. No list of recipients is kept for a message, only who has received it.

mod arrivals;
mod connection_window;
mod evidence;
mod faults;
mod judged;
mod losses;
mod message_log;
mod peer;
mod remote;
mod spoilt;
mod tally;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use hdrhistogram::CreationError;

pub use connection_window::DisconnectCause;
pub use evidence::{Gap, LogLines, Note, NoteKind, Notes, Sender, Subject};
pub use judged::JudgedTally;
pub use losses::{GROUPS_TOLD, LossGroup, LossGroups, MESSAGES_TOLD, NAMES_TOLD};
pub use remote::PEER_LIMIT;
pub use spoilt::SpoiltTime;
pub use tally::{OriginTally, Tally, empty_histogram};
pub use terms::{Identity, RecordedSend, Rules, SETTLE, Standing, Terms};

use connection_window::ConnectionWindow;
use message_log::{Gone, Message, MessageLog, UNREAD, UserSet};
use remote::Remote;

use crate::clock::Stamp;
use crate::marker::Marker;
use crate::model::{Origin, Outcome, SenderId, UserIndex};

/// The books of one generator.
#[derive(Debug)]
pub struct Ledger {
    terms: Terms,
    rules: Rules,
    identity: Identity,
    book: MessageLog,
    seats: Vec<ConnectionWindow>,
    /// Users whose seat is `Connected`.
    connected: u32,
    /// The wall clock when this generator started, in microseconds since the Unix epoch.
    started_micros: u64,
    /// Connections opened so far.
    openings: u64,
    /// How the server names this generator's users, the names they had before included.
    ids: HashMap<SenderId, UserIndex>,
    /// Each user's present one.
    present_ids: Box<[SenderId]>,
    remote: Remote,
    tally: Tally,
    /// When nobody waited any longer: see [`Ledger::close`].
    closed: Option<Stamp>,
    /// Deliveries of others' messages that were open when nobody waited for them any longer.
    remote_outstanding: u64,
}

impl Ledger {
    /// Empty books for `users` users.
    ///
    /// # Errors
    /// Only if the histograms cannot be made, which their constant bounds rule out.
    pub fn new(terms: Terms, rules: Rules, identity: Identity, users: usize) -> Result<Self, CreationError> {
        Ok(Self {
            terms,
            rules,
            identity,
            book: MessageLog::new(users),
            seats: vec![ConnectionWindow::Vacant; users],
            connected: 0,
            started_micros: identity.origin_micros,
            openings: 0,
            ids: HashMap::new(),
            present_ids: vec![SenderId::NONE; users].into_boxed_slice(),
            remote: Remote::new(users),
            tally: Tally::new(users, identity.origin_micros)?,
            closed: None,
            remote_outstanding: 0,
        })
    }

    /// Notes how the server names a user, so that its chats are known as ours.
    pub fn introduce(&mut self, user: UserIndex, id: SenderId) {
        self.ids.insert(id, user);
        if let Some(present) = self.present_ids.get_mut(user.get()) {
            *present = id;
        }
    }

    /// A connection's handshake begins.
    pub fn opening(&mut self, user: UserIndex) {
        self.openings += 1;
        let next = self.book.next();
        self.set_seat(user, ConnectionWindow::Opening { nth: self.openings, opened: next });
    }

    /// The user joined, by what was read at `at`: from now on the connection expects every message.
    pub fn connected(&mut self, user: UserIndex, at: Stamp) {
        let next = self.book.next();
        if let Some(ConnectionWindow::Opening { nth, opened }) = self.seats.get(user.get()).copied() {
            self.set_seat(user, ConnectionWindow::Connected { nth, opened, connected: next, joined: at });
        }
    }

    /// A close began on either side: later messages are not expected on this connection,
    /// earlier ones may still arrive until [`ended`](Self::ended).
    pub fn closing(&mut self, user: UserIndex, at: Stamp) {
        self.tally.judged.called(at);
        let next = self.book.next();
        if let Some(ConnectionWindow::Connected { nth, opened, connected, joined }) =
            self.seats.get(user.get()).copied()
        {
            self.set_seat(user, ConnectionWindow::Closing { nth, opened, connected, joined, closing: next, since: at });
        }
    }

    /// The stream is at its end, every byte of it was reported. What has not come is excused, but
    /// for what was past its horizon before the connection was left: that is lost.
    pub fn ended(&mut self, user: UserIndex, why: DisconnectCause, at: Stamp) {
        self.tally.judged.called(at);
        let next = self.book.next();
        let Some(seat) = self.seats.get(user.get()).copied() else { return };
        self.set_seat(user, ConnectionWindow::Vacant);
        let gone = seat.gone_since(at);
        let excuses = self.closed.is_none_or(|closed| gone < closed);
        if let Some((from, to)) = seat.expects(next) {
            let settled = self.book.part(user, from, to, Gone { at: gone, excuses }, self.terms.horizon);
            self.tally.local_mut().add(why.outcome(), settled.excused);
            self.tally.local_mut().add(Outcome::ExcusedSenderCut, settled.sender_cut);
            for seq in settled.lost {
                self.lose(seq, 1);
                self.lose_one(user, seq, at, false);
            }
        }
        let open = self.remote.ended(user);
        self.tally.remote_mut().expect_and_add(Outcome::Lost, open.damaged.len() as u64);
        for subject in open.damaged {
            self.tally.lost_one(Origin::Remote, user, subject, at, false);
        }
        if excuses {
            self.tally.remote_mut().expect_and_add(why.outcome(), open.unread);
        } else {
            self.tally.remote_mut().expect(open.unread);
            self.remote_outstanding += open.unread;
        }
    }

    /// This generator begins to stop: it sends no more, and expects no message of another one
    /// that it first hears of from now on.
    pub fn stop(&mut self) {
        self.remote.stop();
    }

    /// Nobody waits any longer: what has no verdict at `now` stays outstanding when its connection
    /// is closed now, which is no user's wish to leave. What still arrives counts.
    pub fn close(&mut self, now: Stamp) {
        self.sweep(now);
        self.closed.get_or_insert(now);
    }

    /// A chat is being handed to the sender's socket at `now`: fixes its number and who is
    /// expected to receive it. Call it before the first byte is written.
    pub fn record_send(&mut self, sender: UserIndex, intended: Stamp, now: Stamp) -> RecordedSend {
        self.tally.judged.called(now);
        let intended_micros = self.wall_micros(intended);
        let is_connected = matches!(self.seats.get(sender.get()), Some(ConnectionWindow::Connected { .. }));
        let echo = self.rules.echo;
        let expected = self.connected - u32::from(is_connected && !echo);
        let message = Message::new(sender, intended, now, expected);
        let seq = self.book.push(Message { intended_micros, echo, ..message });
        self.tally.local_mut().expect(u64::from(expected));
        let Identity { run, room, generator, .. } = self.identity;
        let marker = Marker { run, room, generator, seq, intended_micros };
        RecordedSend { marker, expected }
    }

    /// Passes the verdicts that are due at `now` and forgets what is too old to matter.
    pub fn sweep(&mut self, now: Stamp) {
        self.tally.judged.called(now);
        let verdict_age = self.terms.horizon + SETTLE;
        let judged_at = self.closed.map_or(now, |closed| closed.min(now));
        while let Some((seq, lost, sender_cut)) = self.book.judge_next(judged_at, verdict_age) {
            if sender_cut {
                self.tally.local_mut().add(Outcome::ExcusedSenderCut, u64::from(lost));
            } else {
                self.lose(seq, u64::from(lost));
            }
            self.note_lost(seq, !sender_cut && lost > 0, now);
        }
        self.book.forget(now, verdict_age + self.terms.horizon);
        self.remote.sweep(judged_at, &self.terms, &mut self.tally);
        self.tally.judged.forget(now.minus(verdict_age * 2));
        self.tally.roll(now);
    }

    /// The machine slept for `time`: stamps stood still, and wall clocks did not. What others are
    /// told of intended times is right from now on.
    pub fn slept(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.identity.origin_micros = self.identity.origin_micros.saturating_add(micros);
        self.tally.evidence.origin_micros = self.identity.origin_micros;
        self.remote.forget_offsets();
    }

    /// The limits that decide between on time, late and lost.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// The figures so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Takes the anomalies and losses noted since the last call.
    pub fn take_notes(&mut self) -> Notes {
        self.tally.evidence.take()
    }

    /// Asks for notes of single losses and anomalies, for a log; they are bounded.
    pub fn keep_notes(&mut self) {
        self.tally.evidence.keep();
    }

    /// Of the notes taken, so many were written as lines, and so many given up.
    pub fn logged(&mut self, written: u64, dropped: u64) {
        self.tally.evidence.logged(written, dropped);
    }

    /// The log is at its end: what has not become a line is dropped, now and later. Tells how many.
    pub fn close_log(&mut self) -> u64 {
        self.tally.evidence.close()
    }

    /// What became of notes so far; `None` where they were not asked for.
    #[must_use]
    pub fn log_lines(&self) -> Option<LogLines> {
        self.tally.evidence.lines()
    }

    /// All losses so far, local and remote, by the set of receivers.
    #[must_use]
    pub fn loss_groups(&self) -> LossGroups {
        self.tally.losses.groups()
    }

    /// Expected deliveries of our messages that have no verdict yet.
    #[must_use]
    pub fn outstanding(&self) -> u64 {
        self.book.outstanding()
    }

    /// Whether every delivery that is known to be expected has its verdict.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.outstanding() == 0 && self.remote.is_settled()
    }

    /// Deliveries of others' messages that got no verdict, because nobody waited any longer. They
    /// are expected from then on.
    #[must_use]
    pub fn remote_outstanding(&self) -> u64 {
        self.remote_outstanding
    }

    /// How far our message `seq` has come; `None` where it is not remembered.
    #[must_use]
    pub fn standing(&self, seq: u64) -> Option<Standing> {
        let message = self.book.get(seq)?;
        Some(Standing { outstanding: message.outstanding, lost: message.lost })
    }

    /// Messages that the ledger still remembers.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.book.len()
    }

    /// Connections that expect the next message.
    #[must_use]
    pub fn connected_now(&self) -> u32 {
        self.connected
    }

    /// Estimated lead of this machine's clock over the other generators', in seconds.
    #[must_use]
    pub fn clock_offset(&self) -> Option<f64> {
        self.remote.clock_offset(self.tally.fastest_local())
    }

    /// So many deliveries of `seq` are lost.
    fn lose(&mut self, seq: u64, n: u64) {
        let intended = self.book.get(seq).map_or(Stamp::default(), |message| message.intended);
        self.tally.lose(Origin::Local, n, intended.plus(self.terms.horizon));
    }

    /// Notes a message's verdict; `lost`: those who are expected to receive it and have not, lost it.
    fn note_lost(&mut self, seq: u64, lost: bool, now: Stamp) {
        if !lost && !self.tally.losses.has_pending() {
            return;
        }
        let Some((message, subject)) = self.book.get(seq).zip(self.subject(seq)) else { return };
        let missing = UserSet::of(self.seats.len(), |user| {
            lost && self.seats[user.get()].expected(seq) && !message.is_own_of(user) && !message.arrived.contains(user)
        });
        self.tally.lost_by(Origin::Local, missing, subject, now);
    }

    /// One receiver lost message `seq`, before the verdict on the others.
    fn lose_one(&mut self, user: UserIndex, seq: u64, at: Stamp, arrived: bool) {
        if let Some(subject) = self.subject(seq) {
            self.tally.lost_one(Origin::Local, user, subject, at, arrived);
        }
    }

    /// What is known of a message of ours.
    fn subject(&self, seq: u64) -> Option<Subject> {
        let message = self.book.get(seq)?;
        let Identity { run, room, generator, .. } = self.identity;
        let marker = Marker { run, room, generator, seq, intended_micros: message.intended_micros };
        let (sender, read) = (Some(Sender::User(message.sender)), message.read_at != UNREAD);
        Some(Subject { sender, marker: Some(marker), intended_known: true, read })
    }

    fn set_seat(&mut self, user: UserIndex, seat: ConnectionWindow) {
        let Some(place) = self.seats.get_mut(user.get()) else { return };
        let was = matches!(place, ConnectionWindow::Connected { .. });
        let is = matches!(seat, ConnectionWindow::Connected { .. });
        self.connected = self.connected + u32::from(is) - u32::from(was);
        *place = seat;
    }

    fn wall_micros(&self, at: Stamp) -> u64 {
        self.identity.origin_micros.saturating_add(at.0 / 1_000)
    }

    /// Microseconds from a wall-clock time of another machine to the stamp `at` of this one.
    fn since_by_wall(&self, at: Stamp, micros: u64) -> i64 {
        let here = i64::try_from(self.wall_micros(at)).unwrap_or(i64::MAX);
        here.saturating_sub(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

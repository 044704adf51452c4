//! The books of one room: its messages, and the connections that should receive them.

use strum::EnumCount as _;

use super::SETTLE;
use super::connection_window::{ConnectionWindow, DisconnectCause};
use super::evidence::{Sender, Subject};
use super::message_log::{Gone, Message, MessageLog, UNREAD, Verdict};
use super::remote::Remote;
use super::run_wide::RunWide;
use super::terms::{RecordedSend, RoomFigures, RoomShare};
use super::user_set::{RoomSpan, RoomUser, UserGroup, UserSet};
use crate::clock::Stamp;
use crate::marker::{Marker, RoomTag};
use crate::model::{Origin, Outcome};

#[derive(Debug)]
pub(super) struct RoomLedger {
    pub(super) tag: RoomTag,
    pub(super) span: RoomSpan,
    /// Number of connected users.
    pub(super) connected: u32,
    /// Number of connections opened so far.
    pub(super) openings: u64,
    pub(super) log: MessageLog,
    pub(super) windows: Box<[ConnectionWindow]>,
    pub(super) remote: Remote,
    pub(super) books: Books,
}

/// The outcomes of a room's deliveries, local and remote.
#[derive(Debug, Default)]
pub(super) struct Books {
    expected: u64,
    outcomes: [u64; Outcome::COUNT],
    /// Remote deliveries that got no verdict because the wait was over.
    remote_outstanding: u64,
    /// Number of arrivals here of messages from other rooms of the run.
    pub(super) leaked: u64,
}

impl Books {
    pub(super) fn add(&mut self, outcome: Outcome, n: u64) {
        self.outcomes[outcome as usize] += n;
    }

    pub(super) fn expect_and_add(&mut self, outcome: Outcome, n: u64) {
        self.expected += n;
        self.add(outcome, n);
    }
}

impl RoomLedger {
    /// Empty books for a room with `users` users from `first` on.
    pub(super) fn new(RoomShare { tag, users }: RoomShare, first: u32) -> Self {
        Self {
            tag,
            span: RoomSpan { first, users },
            connected: 0,
            openings: 0,
            log: MessageLog::new(users as usize),
            windows: vec![ConnectionWindow::Vacant; users as usize].into_boxed_slice(),
            remote: Remote::default(),
            books: Books::default(),
        }
    }

    pub(super) fn opening(&mut self, user: RoomUser) {
        self.openings += 1;
        let next = self.log.next();
        self.set_window(user, ConnectionWindow::Opening { nth: self.openings, opened: next });
    }

    pub(super) fn connected(&mut self, user: RoomUser, at: Stamp) {
        let next = self.log.next();
        if let Some(ConnectionWindow::Opening { nth, opened }) = self.window(user) {
            self.set_window(user, ConnectionWindow::Connected { nth, opened, connected: next, joined: at });
        }
    }

    pub(super) fn closing(&mut self, user: RoomUser, at: Stamp) {
        let closing = self.log.next();
        if let Some(ConnectionWindow::Connected { nth, opened, connected, joined }) = self.window(user) {
            let window = ConnectionWindow::Closing { nth, opened, connected, joined, closing, since: at };
            self.set_window(user, window);
        }
    }

    pub(super) fn ended(&mut self, run: &mut RunWide, user: RoomUser, why: DisconnectCause, at: Stamp) {
        let next = self.log.next();
        let Some(window) = self.window(user) else { return };
        self.set_window(user, ConnectionWindow::Vacant);
        let gone = window.gone_since(at);
        let excuses = run.closed.is_none_or(|closed| gone < closed);
        if let Some((from, to)) = window.expects(next) {
            let settled = self.log.part(user, from, to, Gone { at: gone, excuses }, run.terms.horizon);
            for (outcome, cells) in [(why.outcome(), settled.excused), (Outcome::ExcusedSenderCut, settled.sender_cut)]
            {
                for (cell, n) in cells.iter() {
                    run.tally.add(Origin::Local, cell, outcome, n);
                    self.books.add(outcome, n);
                }
            }
            for seq in settled.lost {
                self.lose(run, seq, 1);
                self.lose_one(run, user, seq, at, false);
            }
        }
        let open = self.remote.ended(user);
        for (subject, intended_micros) in open.damaged {
            let cell = run.tally.cell(intended_micros, at);
            self.books.expect_and_add(Outcome::Lost, 1);
            run.tally.expect_and_add(Origin::Remote, cell, Outcome::Lost, 1);
            run.tally.lost_one(Origin::Remote, self.span, user, subject, at, false);
        }
        for intended_micros in open.unread {
            let cell = run.tally.cell(intended_micros, at);
            run.tally.expect(Origin::Remote, cell, 1);
            self.books.expected += 1;
            if excuses {
                run.tally.add(Origin::Remote, cell, why.outcome(), 1);
                self.books.add(why.outcome(), 1);
            } else {
                run.remote_outstanding += 1;
                self.books.remote_outstanding += 1;
            }
        }
    }

    pub(super) fn record_send(
        &mut self,
        run: &mut RunWide,
        sender: RoomUser,
        intended: Stamp,
        now: Stamp,
    ) -> RecordedSend {
        let intended_micros = run.wall_micros(intended);
        let is_connected = matches!(self.window(sender), Some(ConnectionWindow::Connected { .. }));
        let echo = run.rules.echo;
        let expected = self.connected - u32::from(is_connected && !echo);
        let message = Message::new(sender, intended, now, expected);
        let cell = run.tally.cell(intended_micros, now);
        let seq = self.log.push(Message { intended_micros, cell, echo, ..message });
        run.tally.cells.remember(cell);
        run.tally.expect(Origin::Local, cell, u64::from(expected));
        self.books.expected += u64::from(expected);
        RecordedSend { marker: self.marker(run, seq, intended_micros), expected }
    }

    pub(super) fn refused(&mut self, run: &mut RunWide, sender: RoomUser) {
        let Some((cell, excused)) = self.log.refuse(sender) else { return };
        run.tally.add(Origin::Local, cell, Outcome::ExcusedRefused, excused);
        self.books.add(Outcome::ExcusedRefused, excused);
    }

    /// Passes the verdicts that are due at `now`, and forgets what is too old to matter.
    pub(super) fn sweep(&mut self, run: &mut RunWide, now: Stamp) {
        let verdict_age = run.terms.horizon + SETTLE;
        let judged_at = run.judged_at(now);
        while let Some(Verdict { seq, cell, missing, sender_cut }) = self.log.judge_next(judged_at, verdict_age) {
            if sender_cut {
                run.tally.add(Origin::Local, cell, Outcome::ExcusedSenderCut, missing);
                self.books.add(Outcome::ExcusedSenderCut, missing);
            } else {
                self.lose(run, seq, missing);
            }
            self.note_lost(run, seq, !sender_cut && missing > 0, now);
        }
        self.log.forget(now, verdict_age + run.terms.horizon, &mut run.tally.cells);
        let lost = self.remote.sweep(judged_at, &run.terms, self.span, &mut run.generators, &mut run.tally);
        self.books.expect_and_add(Outcome::Lost, lost);
    }

    /// The outcomes of its deliveries so far; it is the `nth` room.
    pub(super) fn figures(&self, nth: usize) -> RoomFigures {
        let Books { expected, outcomes, remote_outstanding, leaked } = self.books;
        let outstanding = self.log.outstanding() + remote_outstanding;
        RoomFigures { nth, expected, outcomes, outstanding, leaked }
    }

    /// Whether every known expected delivery has its verdict.
    pub(super) fn is_settled(&self) -> bool {
        self.log.outstanding() == 0 && self.remote.is_settled()
    }

    /// Counts `n` deliveries of `seq` as lost.
    pub(super) fn lose(&mut self, run: &mut RunWide, seq: u64, n: u64) {
        let Some(message) = self.log.get(seq) else { return };
        self.books.add(Outcome::Lost, n);
        run.tally.lose(Origin::Local, message.cell, n, message.intended.plus(run.terms.horizon));
    }

    /// Notes that one receiver lost message `seq`, before the verdict on the others.
    pub(super) fn lose_one(&self, run: &mut RunWide, user: RoomUser, seq: u64, at: Stamp, arrived: bool) {
        if let Some(subject) = self.subject(run, seq) {
            run.tally.lost_one(Origin::Local, self.span, user, subject, at, arrived);
        }
    }

    pub(super) fn window(&self, user: RoomUser) -> Option<ConnectionWindow> {
        self.windows.get(user.get()).copied()
    }

    /// Notes a message's verdict; `lost`: the expected receivers without it have lost it.
    fn note_lost(&self, run: &mut RunWide, seq: u64, lost: bool, now: Stamp) {
        if !lost && !run.tally.losses.has_pending() {
            return;
        }
        let Some((message, subject)) = self.log.get(seq).zip(self.subject(run, seq)) else { return };
        let missing = UserSet::of(self.windows.len(), |user| {
            lost && self.windows[user.get()].expected(seq)
                && !message.is_own_of(user)
                && !message.arrived.contains(user)
        });
        run.tally.lost_by(Origin::Local, UserGroup { room: self.span, users: missing }, subject, now);
    }

    /// What is known about one of our messages.
    fn subject(&self, run: &RunWide, seq: u64) -> Option<Subject> {
        let message = self.log.get(seq)?;
        let marker = self.marker(run, seq, message.intended_micros);
        let (sender, read) = (Some(Sender::User(self.span.user(message.sender))), message.read_at != UNREAD);
        Some(Subject { sender, marker: Some(marker), intended_known: true, read })
    }

    fn marker(&self, run: &RunWide, seq: u64, intended_micros: u64) -> Marker {
        let (generator, run) = (run.identity.generator, run.identity.run);
        Marker { run, room: self.tag, generator, seq, intended_micros }
    }

    fn set_window(&mut self, user: RoomUser, window: ConnectionWindow) {
        let Some(place) = self.windows.get_mut(user.get()) else { return };
        let was = matches!(place, ConnectionWindow::Connected { .. });
        let is = matches!(window, ConnectionWindow::Connected { .. });
        self.connected = self.connected + u32::from(is) - u32::from(was);
        *place = window;
    }
}

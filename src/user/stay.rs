//! A stay in the room: one socket, from its 101 to its end.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::beats::{BEAT, next_beat};
use super::breakout;
use super::ear::{Ear, Phase};
use super::ending;
use super::life::{Life, Visit};
use super::open::Open;
use super::spans;
use super::world::World;
use crate::chat::{Action, EndReason, Failure, Initiator, Socket, UserIndex, UserState};
use crate::clock::Stamp;
use crate::drivers::{Connection, Driver, Ended, Outgoing, Progress};
use crate::fleet::desk::Desk;
use crate::ledger::HandedOver;
use crate::schedule::Intent;
use crate::telemetry::traces::chats::Chat;

/// From the 101 to the first presence frame, at most.
const PRESENCE_TIMEOUT: Duration = Duration::from_secs(30);
/// A socket on which nothing was read for this long, pongs included, is dead.
const SILENCE: Duration = Duration::from_secs(75);
/// A frame that is not written after this long means that the server reads no more.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the server may take to answer a close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Reads in a row before anything else is looked at.
const READS_IN_A_ROW: u32 = 16;

pub(super) struct Stay<D: Driver> {
    connection: D::Connection,
    _open: Open,
    world: Arc<World<D>>,
    me: UserIndex,
    user_id: u64,
    phase: Phase,
    /// Whether it was told that the way in has come to its end.
    is_in: bool,
    began: Stamp,
    last_read: Stamp,
    writing_since: Option<Stamp>,
    next_beat: Stamp,
    beats: u32,
    /// The breakout visit of this stay; present while there may be one.
    breakout: Option<Breakout>,
    /// The span of the way in, until the user is in.
    coming_in: Option<Span>,
}

/// A visit to a breakout, which ends with this.
struct Breakout(CancellationToken);

impl Drop for Breakout {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Why the loop of a stay ends.
enum Turn {
    /// The connection is over.
    Over(Ended),
    /// The server has begun to close.
    ServerCloses,
    /// The user leaves on purpose.
    Leave(EndReason),
    /// The user gives the connection up.
    GiveUp(Ended),
}

/// What a stay hears of next.
enum Next {
    /// The connection did something.
    Progress(Progress),
    /// Something happened at the desk.
    Stirred,
    /// The timer has gone off.
    Time,
    /// Enough was read in a row.
    Pause,
}

impl<D: Driver> Stay<D> {
    pub(super) fn new(
        connection: D::Connection,
        open: Open,
        world: Arc<World<D>>,
        me: UserIndex,
        user_id: u64,
        began: Stamp,
        coming_in: Span,
    ) -> Self {
        let now = world.clock.now();
        let next_beat = now.plus(BEAT);
        Self {
            connection,
            _open: open,
            world,
            me,
            user_id,
            phase: Phase::Joining,
            is_in: false,
            began,
            last_read: now,
            writing_since: None,
            next_beat,
            beats: 0,
            breakout: None,
            coming_in: Some(coming_in),
        }
    }

    /// Holds the socket until it ends, whoever ends it.
    pub(super) async fn hold(mut self, life: &mut Life<'_, D>) -> Visit {
        let turn = self.turn(life).await;
        let joined = self.phase != Phase::Joining;
        let left = matches!(turn, Turn::Leave(EndReason::Left));
        let stopped = matches!(turn, Turn::Leave(EndReason::Stopped));
        let ended = self.wind_up(turn, if left { UserState::Away } else { UserState::BackingOff }).await;
        self.world.ledger.lock().ended(self.me, ending::excuse(ended.initiator), self.world.clock.now());
        self.world.withdraw(self.me, if left { UserState::Away } else { UserState::BackingOff });
        if joined {
            self.world.metrics.disconnect(Socket::Plenary, ended.initiator, ended.reason);
        }
        match (joined, left, stopped) {
            (_, _, true) => Visit::Stopped,
            (_, true, _) => Visit::Left,
            (true, ..) => Visit::Cut(self.world.clock.now().since(self.began)),
            (false, ..) => self.never_joined(ended, life),
        }
    }

    fn never_joined(&mut self, ended: Ended, life: &Life<'_, D>) -> Visit {
        let kind = ending::failure(ended.reason);
        self.world.metrics.connect_failure(Socket::Plenary, kind);
        let span = self.coming_in.take().unwrap_or_else(Span::none);
        let failure =
            Failure::with(kind, format!("the socket ended before the first presence frame: {}", ended.reason.as_str()));
        spans::end(&span, Err(&failure));
        span.in_scope(|| tracing::warn!(user = %life.username(), stage = "connect", %failure, "step failed"));
        Visit::Failed(failure)
    }

    /// Until something ends the stay.
    async fn turn(&mut self, life: &mut Life<'_, D>) -> Turn {
        let world = Arc::clone(&self.world);
        let Some(desk) = world.roster.desk(self.me) else { return Turn::Leave(EndReason::Stopped) };
        let mut timer = pin!(sleep_until(world.clock.instant(self.next_wake())));
        let mut timer_is_set = false;
        let mut reads = 0;
        loop {
            // Whoever closes the world stirs every desk afterwards.
            if reads == 0 && world.closing.is_cancelled() {
                return Turn::Leave(EndReason::Stopped);
            }
            let next = poll_fn(|cx| self.poll_next(cx, desk, &mut timer, &mut timer_is_set, reads)).await;
            match next {
                Next::Progress(progress) => {
                    reads += 1;
                    if let Some(turn) = self.progressed(progress, life) {
                        return turn;
                    }
                    if !matches!(progress, Progress::Written) {
                        continue;
                    }
                }
                Next::Time => {
                    timer_is_set = false;
                    if let Some(turn) = self.beat(&mut timer) {
                        return turn;
                    }
                }
                Next::Stirred | Next::Pause => {}
            }
            reads = 0;
            if let Some(turn) = self.take_up(desk, life) {
                return turn;
            }
        }
    }

    /// What happens next. This runs for every read of every user, so it asks no more than it must:
    /// the desk with two loads, and the timer, once it is set, only whether it has gone off.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        desk: &Desk,
        timer: &mut Pin<&mut Sleep>,
        timer_is_set: &mut bool,
        reads: u32,
    ) -> Poll<Next> {
        if reads < READS_IN_A_ROW {
            let mut ear = Ear { world: &self.world, me: self.me, began: self.began, phase: &mut self.phase };
            let drive = pin!(self.connection.drive(|frame| ear.hear(&frame)));
            if let Poll::Ready(progress) = drive.poll(cx) {
                return Poll::Ready(Next::Progress(progress));
            }
        }
        if desk.poll_stirred(cx).is_ready() {
            return Poll::Ready(Next::Stirred);
        }
        if !*timer_is_set || timer.is_elapsed() {
            *timer_is_set = true;
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Next::Time);
            }
        }
        if reads >= READS_IN_A_ROW { Poll::Ready(Next::Pause) } else { Poll::Pending }
    }

    fn progressed(&mut self, progress: Progress, life: &mut Life<'_, D>) -> Option<Turn> {
        match progress {
            Progress::Read { at, bytes } => {
                self.last_read = at;
                self.world.metrics.received_bytes(bytes as u64);
                if self.phase == Phase::Connected && !self.is_in {
                    self.is_in = true;
                    if let Some(span) = self.coming_in.take() {
                        spans::end(&span, Ok(()));
                    }
                    life.concluded(Ok(()));
                }
                None
            }
            Progress::Written => {
                self.writing_since = None;
                None
            }
            Progress::Closing(_) => Some(Turn::ServerCloses),
            Progress::Ended(ended) => Some(Turn::Over(ended)),
        }
    }

    /// Carries out the intent on the desk, if there is one and the socket is free for it. The
    /// desk is free again once the frame before is wholly written.
    fn take_up(&mut self, desk: &Desk, life: &mut Life<'_, D>) -> Option<Turn> {
        if self.phase != Phase::Connected || self.connection.is_writing() {
            return None;
        }
        let Some(intent) = desk.take() else {
            desk.done();
            return None;
        };
        self.world.carried_out(intent.action);
        match intent.action {
            Action::Chat => self.chat(intent),
            Action::Leave => return Some(Turn::Leave(EndReason::Left)),
            Action::Breakout => self.join_breakout(life),
        }
        if !self.connection.is_writing() {
            desk.done();
        }
        None
    }

    fn chat(&mut self, intent: Intent) {
        let world = &self.world;
        let now = world.clock.now();
        let handed = world.ledger.lock().hand_over(self.me, intent.intended, now);
        if world.chats.samples(handed.marker.seq) {
            self.trace(&handed, intent.intended, now);
        }
        let text = handed.marker.stamp(self.user_id, &world.texts.next());
        self.send(Outgoing::Chat(&text), now);
    }

    fn trace(&self, handed: &HandedOver, intended: Stamp, now: Stamp) {
        let world = &self.world;
        world.chats.begin(Chat {
            seq: handed.marker.seq,
            sender: world.crowd.usernames.get(self.me.get()).map_or("", |name| name),
            expected: handed.expected,
            intended: world.clock.wall(intended),
            handed: world.clock.wall(now),
        });
    }

    fn send(&mut self, frame: Outgoing<'_>, now: Stamp) {
        self.world.metrics.sent(frame.kind());
        if self.connection.begin(frame) {
            self.writing_since = Some(now);
        }
    }

    fn join_breakout(&mut self, life: &mut Life<'_, D>) {
        if self.breakout.as_ref().is_some_and(|Breakout(visit)| !visit.is_cancelled()) {
            return;
        }
        let Some(id) = self.world.some_breakout(&mut life.rng) else { return };
        let over = CancellationToken::new();
        self.breakout = Some(Breakout(over.clone()));
        self.world.visits.spawn(breakout::visit(Arc::clone(&self.world), self.me, id, over));
    }

    /// A sign of life is due, or a timeout has passed.
    fn beat(&mut self, timer: &mut Pin<&mut Sleep>) -> Option<Turn> {
        let now = self.world.clock.now();
        if let Some(reason) = self.overdue(now) {
            return Some(Turn::GiveUp(Ended { initiator: Initiator::Network, reason }));
        }
        if now >= self.next_beat {
            self.next_beat = next_beat(self.next_beat, now);
            self.beats = self.beats.wrapping_add(1);
            let frame = if self.beats.is_multiple_of(2) { Outgoing::Heartbeat } else { Outgoing::Ping };
            // Whoever is being read from is alive, and need not be asked.
            let is_asked = frame != Outgoing::Ping || now.since(self.last_read) >= BEAT;
            if is_asked && !self.connection.is_writing() {
                self.send(frame, now);
            }
        }
        timer.as_mut().reset(self.world.clock.instant(self.next_wake()));
        None
    }

    fn overdue(&self, now: Stamp) -> Option<EndReason> {
        if self.phase == Phase::Joining && now >= self.began.plus(PRESENCE_TIMEOUT) {
            return Some(EndReason::NoPresence);
        }
        if self.writing_since.is_some_and(|since| now.since(since) >= WRITE_TIMEOUT) {
            return Some(EndReason::WriteTimeout);
        }
        (now.since(self.last_read) >= SILENCE).then_some(EndReason::Silent)
    }

    fn next_wake(&self) -> Stamp {
        // Reads and writes move these limits on; that is seen to at the next beat.
        let written = self.writing_since.map_or(self.next_beat, |since| since.plus(WRITE_TIMEOUT));
        let next = self.next_beat.min(self.last_read.plus(SILENCE)).min(written);
        match self.phase {
            Phase::Joining => next.min(self.began.plus(PRESENCE_TIMEOUT)),
            Phase::Connected | Phase::Closing => next,
        }
    }

    /// Brings the connection to its end; what still arrives on the way counts.
    async fn wind_up(&mut self, turn: Turn, state: UserState) -> Ended {
        self.breakout = None;
        if self.phase == Phase::Connected {
            self.phase = Phase::Closing;
            self.world.ledger.lock().closing(self.me, self.world.clock.now());
            self.world.withdraw(self.me, state);
        }
        let fallback = match turn {
            Turn::Over(ended) | Turn::GiveUp(ended) => return ended,
            Turn::ServerCloses => None,
            Turn::Leave(reason) => {
                self.world.metrics.sent(crate::chat::SentKind::Close);
                self.connection.close();
                Some(Ended { initiator: Initiator::User, reason })
            }
        };
        let ended = tokio::time::timeout(CLOSE_TIMEOUT, self.last_words()).await.ok();
        // Whoever began the close ended the connection, however its end then looked.
        fallback.or(ended).unwrap_or(Ended { initiator: Initiator::Server, reason: EndReason::NoCloseFrame })
    }

    async fn last_words(&mut self) -> Ended {
        let world = Arc::clone(&self.world);
        loop {
            let mut ear = Ear { world: &world, me: self.me, began: self.began, phase: &mut self.phase };
            match self.connection.drive(|frame| ear.hear(&frame)).await {
                Progress::Ended(ended) => return ended,
                Progress::Read { bytes, .. } => world.metrics.received_bytes(bytes as u64),
                Progress::Written | Progress::Closing(_) => {}
            }
        }
    }
}

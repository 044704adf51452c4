//! A stay in the room: one socket, from its 101 to its end.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rand::rngs::SmallRng;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::beats::{BEAT, next_beat};
use super::breakout;
use super::calls::{Call, Calls};
use super::ear::{Ear, Phase};
use super::ending;
use super::life::Visit;
use super::open::Open;
use super::spans;
use super::world::World;
use crate::chat::{Action, EndReason, Failure, Initiator, SenderId, Socket, UserIndex, UserState};
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

/// Small, and what is rarely looked at is elsewhere: a read of any of ten thousand stays finds
/// nothing of it in a cache.
pub(super) struct Stay<D: Driver> {
    connection: D::Connection,
    world: Arc<World<D>>,
    began: Stamp,
    last_read: Stamp,
    next_beat: Stamp,
    rest: Box<Rest>,
    me: UserIndex,
    phase: Phase,
    /// Whether it was told that the user is in.
    is_in: bool,
}

/// What a read does not touch.
struct Rest {
    _open: Open,
    user_id: SenderId,
    writing_since: Option<Stamp>,
    beats: u32,
    /// The breakout visit of this stay; present while there may be one.
    breakout: Option<Breakout>,
    /// The span of the way in, until the user is in.
    coming_in: Option<Span>,
    rng: SmallRng,
    /// Who waits for the user to be in.
    tell: Option<oneshot::Sender<()>>,
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
    /// Desk or alarm called.
    Call(Call),
    /// Enough was read in a row.
    Pause,
}

impl<D: Driver> Stay<D> {
    pub(super) fn new(
        connection: D::Connection,
        world: Arc<World<D>>,
        me: UserIndex,
        user_id: SenderId,
        began: Stamp,
        coming_in: Span,
        rng: SmallRng,
    ) -> Self {
        let now = world.clock.now();
        let rest = Rest {
            _open: Open::new(&world.metrics, Socket::Plenary),
            user_id,
            writing_since: None,
            beats: 0,
            breakout: None,
            coming_in: Some(coming_in),
            rng,
            tell: None,
        };
        Self {
            connection,
            world,
            began,
            last_read: now,
            next_beat: now.plus(BEAT),
            rest: Box::new(rest),
            me,
            phase: Phase::Joining,
            is_in: false,
        }
    }

    /// Holds the socket until it ends, whoever ends it, and tells once the user is in.
    pub(super) async fn hold(&mut self, tell: oneshot::Sender<()>) -> Visit {
        self.rest.tell = Some(tell);
        let turn = self.turn().await;
        let joined = self.phase != Phase::Joining;
        let left = matches!(turn, Turn::Leave(EndReason::Left));
        let stopped = matches!(turn, Turn::Leave(EndReason::Stopped));
        let ended = self.wind_up(turn, if left { UserState::Away } else { UserState::BackingOff }).await;
        self.world.ledger.lock().ended(self.me, ending::excuse(ended.initiator), self.world.clock.now());
        self.world.withdraw(self.me, if left { UserState::Away } else { UserState::BackingOff });
        if joined {
            self.world.metrics.disconnect(Socket::Plenary, ended.initiator, ended.reason);
            let step = if left || stopped { "leave" } else { "cut" };
            self.world.step(self.me, step, ended.reason.as_str(), self.began);
        }
        if stopped && !joined {
            self.world.metrics.connect_failure(Socket::Plenary, self.world.unanswered(self.began));
        }
        match (joined, left, stopped) {
            (_, _, true) => Visit::Stopped,
            (_, true, _) => Visit::Left,
            (true, ..) => Visit::Cut(self.world.clock.now().since(self.began)),
            (false, ..) => self.never_joined(ended),
        }
    }

    fn never_joined(&mut self, ended: Ended) -> Visit {
        let kind = ending::failure(ended.reason);
        self.world.metrics.connect_failure(Socket::Plenary, kind);
        let span = self.rest.coming_in.take().unwrap_or_else(Span::none);
        let failure = Failure::with(kind, ending::never_joined(ended.reason, PRESENCE_TIMEOUT));
        spans::end(&span, Err(&failure));
        span.in_scope(
            || tracing::warn!(user = self.world.username(self.me), stage = "connect", %failure, "step failed"),
        );
        Visit::Failed(failure)
    }

    /// Until something ends the stay.
    async fn turn(&mut self) -> Turn {
        let world = Arc::clone(&self.world);
        let Some(desk) = world.roster.desk(self.me) else { return Turn::Leave(EndReason::Stopped) };
        let due = self.next_wake();
        let mut calls = Calls::new(&world.roster, self.me, due, &world.clock);
        let (mut reads, mut just_read) = (0, None);
        loop {
            // Whoever closes the world stirs every desk afterwards.
            if reads == 0 && world.closing.is_cancelled() {
                return Turn::Leave(EndReason::Stopped);
            }
            let next = poll_fn(|cx| self.poll_next(cx, &mut calls, reads, just_read.take())).await;
            match next {
                Next::Progress(progress) => {
                    reads += 1;
                    if let Some(turn) = self.progressed(progress) {
                        return turn;
                    }
                    if let Progress::Read { at, .. } = progress {
                        just_read = Some(at);
                        continue;
                    }
                }
                Next::Call(Call::Time) => {
                    if let Some(turn) = self.beat() {
                        return turn;
                    }
                    calls.set(self.next_wake(), &world.clock);
                }
                Next::Call(Call::Stirred) | Next::Pause => {}
            }
            reads = 0;
            if let Some(turn) = self.take_up(desk) {
                return turn;
            }
        }
    }

    /// What happens next. This runs for every read of every user.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        calls: &mut Calls<'_>,
        reads: u32,
        just_read: Option<Stamp>,
    ) -> Poll<Next> {
        if reads >= READS_IN_A_ROW {
            return match calls.poll(cx, just_read) {
                Poll::Ready(call) => Poll::Ready(Next::Call(call)),
                Poll::Pending => Poll::Ready(Next::Pause),
            };
        }
        let mut ear = Ear { world: &self.world, me: self.me, began: self.began, phase: &mut self.phase };
        let drive = pin!(self.connection.drive(|frame| ear.hear(&frame)));
        if let Poll::Ready(progress) = drive.poll(cx) {
            return Poll::Ready(Next::Progress(progress));
        }
        calls.poll(cx, just_read).map(Next::Call)
    }

    fn progressed(&mut self, progress: Progress) -> Option<Turn> {
        match progress {
            Progress::Read { at, bytes } => {
                self.last_read = at;
                self.world.metrics.received_bytes(bytes as u64);
                if self.phase == Phase::Connected && !self.is_in {
                    self.come_in();
                }
                None
            }
            Progress::Written => {
                self.rest.writing_since = None;
                None
            }
            Progress::Closing(_) => Some(Turn::ServerCloses),
            Progress::Ended(ended) => Some(Turn::Over(ended)),
        }
    }

    fn come_in(&mut self) {
        self.is_in = true;
        if let Some(span) = self.rest.coming_in.take() {
            spans::end(&span, Ok(()));
        }
        if let Some(tell) = self.rest.tell.take() {
            // The life that began this stay waits for it, or is gone with the runtime.
            let _ = tell.send(());
        }
    }

    /// Carries out the intent on the desk, if there is one and the socket is free for it. The
    /// desk is free again once the frame before is wholly written.
    fn take_up(&mut self, desk: &Desk) -> Option<Turn> {
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
            Action::Breakout => self.join_breakout(),
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
        let text = handed.marker.stamp(self.rest.user_id, &world.texts.next());
        self.send(Outgoing::Chat(&text), now);
    }

    fn trace(&self, handed: &HandedOver, intended: Stamp, now: Stamp) {
        let world = &self.world;
        world.chats.begin(Chat {
            seq: handed.marker.seq,
            sender: world.username(self.me),
            expected: handed.expected,
            intended: world.clock.wall(intended),
            handed: world.clock.wall(now),
        });
    }

    fn send(&mut self, frame: Outgoing<'_>, now: Stamp) {
        self.world.metrics.sent(frame.kind());
        if self.connection.begin(frame) {
            self.rest.writing_since = Some(now);
        }
    }

    fn join_breakout(&mut self) {
        if self.rest.breakout.as_ref().is_some_and(|Breakout(visit)| !visit.is_cancelled()) {
            return;
        }
        let Some(id) = self.world.some_breakout(&mut self.rest.rng) else { return };
        let over = CancellationToken::new();
        self.rest.breakout = Some(Breakout(over.clone()));
        self.world.visits.spawn(breakout::visit(Arc::clone(&self.world), self.me, id, over));
    }

    /// A sign of life is due, or a timeout has passed.
    fn beat(&mut self) -> Option<Turn> {
        let now = self.world.clock.now();
        if let Some(reason) = self.overdue(now) {
            return Some(Turn::GiveUp(Ended { initiator: Initiator::Network, reason }));
        }
        if now >= self.next_beat {
            self.next_beat = next_beat(self.next_beat, now);
            self.rest.beats = self.rest.beats.wrapping_add(1);
            let frame = if self.rest.beats.is_multiple_of(2) { Outgoing::Heartbeat } else { Outgoing::Ping };
            // Whoever is being read from is alive, and need not be asked.
            let is_asked = frame != Outgoing::Ping || now.since(self.last_read) >= BEAT;
            if is_asked && !self.connection.is_writing() {
                self.send(frame, now);
            }
        }
        None
    }

    fn overdue(&self, now: Stamp) -> Option<EndReason> {
        if self.phase == Phase::Joining && now >= self.began.plus(PRESENCE_TIMEOUT) {
            return Some(EndReason::NoPresence);
        }
        if self.rest.writing_since.is_some_and(|since| now.since(since) >= WRITE_TIMEOUT) {
            return Some(EndReason::WriteTimeout);
        }
        (now.since(self.last_read) >= SILENCE).then_some(EndReason::Silent)
    }

    fn next_wake(&self) -> Stamp {
        // Reads and writes move these limits on; that is seen to at the next beat.
        let written = self.rest.writing_since.map_or(self.next_beat, |since| since.plus(WRITE_TIMEOUT));
        let next = self.next_beat.min(self.last_read.plus(SILENCE)).min(written);
        match self.phase {
            Phase::Joining => next.min(self.began.plus(PRESENCE_TIMEOUT)),
            Phase::Connected | Phase::Closing => next,
        }
    }

    /// Brings the connection to its end; what still arrives on the way counts.
    async fn wind_up(&mut self, turn: Turn, state: UserState) -> Ended {
        self.rest.breakout = None;
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

//! A connection to the room: one socket, from its 101 to its end.

mod intents;
mod liveness;

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rand::rngs::SmallRng;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::context::RunContext;
use super::end_reason::{self, ConnectionOutcome};
use super::frame_handler::{FrameHandler, Phase};
use super::socket::{CLOSE_TIMEOUT, OpenSocket};
use super::steps;
use super::wakeups::{Wakeup, Wakeups};
use crate::clock::Stamp;
use crate::model::{EndReason, Failure, Initiator, SenderId, SocketKind, UserIndex, UserState};
use crate::protocol::{Connection, Driver, Ended, Keepalive, Progress};

/// Maximum number of consecutive reads: a socket that is always readable must not keep the user from its
/// slot, its alarm and the stop.
const READS_IN_A_ROW: u32 = 16;

/// A connection. It is small, and rarely used fields are elsewhere: with ten thousand connections each read
/// finds nothing of it in a CPU cache.
pub(super) struct RoomConnection<D: Driver> {
    connection: D::Connection,
    context: Arc<RunContext<D>>,
    began: Stamp,
    last_read: Stamp,
    next_keepalive: Stamp,
    cold: Box<Cold>,
    me: UserIndex,
    phase: Phase,
    /// Whether it has noted that the user has joined.
    is_in: bool,
}

/// The fields that a read does not touch.
struct Cold {
    _open: OpenSocket,
    user_id: SenderId,
    writing_since: Option<Stamp>,
    keepalive: Keepalive,
    keepalives: u32,
    /// The side room of this connection; present while there may be one.
    side_room: Option<SideRoomTask>,
    /// The span of connecting, until the user has joined.
    coming_in: Option<Span>,
    rng: SmallRng,
    /// Notified when the user has joined.
    tell: Option<oneshot::Sender<()>>,
}

/// A visit to a side room, which ends when this is dropped.
struct SideRoomTask(CancellationToken);

impl Drop for SideRoomTask {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Why the loop of a connection ends.
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

/// What happens next.
enum Next {
    /// The connection did something.
    Progress(Progress),
    /// Its slot or its alarm woke it.
    Wakeup(Wakeup),
    /// The maximum number of consecutive reads was reached.
    Pause,
}

impl<D: Driver> RoomConnection<D> {
    pub(super) fn new(
        connection: D::Connection,
        context: Arc<RunContext<D>>,
        me: UserIndex,
        user_id: SenderId,
        began: Stamp,
        coming_in: Span,
        rng: SmallRng,
    ) -> Self {
        let (now, keepalive) = (context.clock.now(), connection.keepalive());
        let cold = Cold {
            _open: OpenSocket::new(&context.metrics, SocketKind::Room),
            user_id,
            writing_since: None,
            keepalive,
            keepalives: 0,
            side_room: None,
            coming_in: Some(coming_in),
            rng,
            tell: None,
        };
        Self {
            connection,
            context,
            began,
            last_read: now,
            next_keepalive: now.plus(keepalive.every),
            cold: Box::new(cold),
            me,
            phase: Phase::Joining,
            is_in: false,
        }
    }

    /// Holds the socket until either side ends it; notifies `tell` when the user has joined.
    pub(super) async fn hold(&mut self, tell: oneshot::Sender<()>) -> ConnectionOutcome {
        self.cold.tell = Some(tell);
        // A pending reset of this connection is void.
        self.context.roster.takes_reset(self.me);
        let turn = self.turn().await;
        let joined = self.phase != Phase::Joining;
        let left = matches!(turn, Turn::Leave(EndReason::Left));
        let stopped = matches!(turn, Turn::Leave(EndReason::Stopped));
        let ended = self.wind_up(turn, if left { UserState::Away } else { UserState::BackingOff }).await;
        self.context.ledger.lock().ended(self.me, end_reason::cause(ended.initiator), self.context.clock.now());
        self.context.make_unavailable(self.me, if left { UserState::Away } else { UserState::BackingOff });
        if joined {
            self.context.metrics.disconnect(SocketKind::Room, ended.initiator, ended.reason);
            self.context.metrics.ended_at(ended.initiator, self.context.clock.now().since(self.began));
            if ended.initiator != Initiator::User {
                self.context.recoveries.cut(self.me, self.context.clock.now());
            }
            let step = if left || stopped { "leave" } else { "cut" };
            self.context.step(self.me, step, ended.reason.as_str(), self.began);
        }
        if (stopped || left) && !joined {
            self.context.metrics.connect_failure(SocketKind::Room, &self.context.unanswered(self.began));
        }
        match (joined, left, stopped) {
            (_, _, true) => ConnectionOutcome::Stopped,
            (_, true, _) => ConnectionOutcome::Left,
            (true, ..) => ConnectionOutcome::Cut(self.context.clock.now().since(self.began)),
            (false, ..) => self.never_joined(ended),
        }
    }

    fn never_joined(&mut self, ended: Ended) -> ConnectionOutcome {
        let span = self.cold.coming_in.take().unwrap_or_else(Span::none);
        let failure = self.connection.failure().unwrap_or_else(|| {
            let patience = self.cold.keepalive.join_timeout.unwrap_or_default();
            Failure::with(end_reason::failure(ended.reason), end_reason::never_joined(ended.reason, patience))
        });
        self.context.metrics.connect_failure(SocketKind::Room, &failure);
        steps::end_span(&span, Err(&failure));
        let user = self.context.username(self.me);
        span.in_scope(|| tracing::warn!(user, stage = "connect", %failure, "step failed"));
        ConnectionOutcome::Failed(failure)
    }

    /// Runs until something ends the connection.
    async fn turn(&mut self) -> Turn {
        let context = Arc::clone(&self.context);
        let Some(slot) = context.roster.slot(self.me) else { return Turn::Leave(EndReason::Stopped) };
        let mut wakeups = Wakeups::new(&context.roster, self.me, self.next_wake(), &context.clock);
        let (mut reads, mut just_read) = (0, None);
        loop {
            // After cancelling, closing the context notifies every slot.
            if reads == 0 && context.closing.is_cancelled() {
                return Turn::Leave(EndReason::Stopped);
            }
            match poll_fn(|cx| self.poll_next(cx, &mut wakeups, reads, just_read.take())).await {
                Next::Progress(progress) => {
                    reads += 1;
                    let was_in = self.is_in;
                    if let Some(turn) = self.progressed(progress) {
                        return turn;
                    }
                    // The join may have set the keepalive interval.
                    if self.is_in != was_in {
                        wakeups.set(self.next_wake(), &context.clock);
                    }
                    if let Progress::Read { at, .. } = progress {
                        just_read = Some(at);
                        continue;
                    }
                }
                Next::Wakeup(Wakeup::Time) => {
                    if let Some(turn) = self.keepalive() {
                        return turn;
                    }
                    wakeups.set(self.next_wake(), &context.clock);
                }
                Next::Wakeup(Wakeup::Notified) => {
                    if let Some(turn) = self.ordered() {
                        return turn;
                    }
                }
                Next::Pause => {}
            }
            reads = 0;
            if let Some(turn) = self.take_up(slot) {
                return turn;
            }
        }
    }

    /// What a command asks of the connection.
    fn ordered(&mut self) -> Option<Turn> {
        if self.context.roster.is_recalled(self.me) {
            return Some(Turn::Leave(EndReason::Left));
        }
        self.context.roster.takes_reset(self.me).then(|| {
            self.connection.reset_when_dropped();
            Turn::GiveUp(Ended { initiator: Initiator::User, reason: EndReason::Reset })
        })
    }

    /// The next thing that happens. This runs for every read of every user.
    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        wakeups: &mut Wakeups<'_>,
        reads: u32,
        just_read: Option<Stamp>,
    ) -> Poll<Next> {
        if reads >= READS_IN_A_ROW {
            return match wakeups.poll(cx, just_read) {
                Poll::Ready(call) => Poll::Ready(Next::Wakeup(call)),
                Poll::Pending => Poll::Ready(Next::Pause),
            };
        }
        let mut handler =
            FrameHandler { context: &self.context, me: self.me, began: self.began, phase: &mut self.phase };
        let drive = pin!(self.connection.drive(|frame| handler.handle(&frame)));
        if let Poll::Ready(progress) = drive.poll(cx) {
            return Poll::Ready(Next::Progress(progress));
        }
        wakeups.poll(cx, just_read).map(Next::Wakeup)
    }

    fn progressed(&mut self, progress: Progress) -> Option<Turn> {
        match progress {
            Progress::Read { at, bytes } => {
                self.last_read = at;
                self.context.metrics.received_bytes(bytes as u64);
                self.note_joined();
                None
            }
            Progress::Written => {
                self.cold.writing_since = None;
                self.note_joined();
                None
            }
            Progress::Closing(_) => Some(Turn::ServerCloses),
            Progress::Ended(ended) => Some(Turn::Over(ended)),
        }
    }

    fn note_joined(&mut self) {
        if self.phase == Phase::Connected && !self.is_in {
            self.come_in();
        }
    }

    fn come_in(&mut self) {
        self.is_in = true;
        let keepalive = self.connection.keepalive();
        if keepalive != self.cold.keepalive {
            self.cold.keepalive = keepalive;
            self.next_keepalive = self.context.clock.now().plus(keepalive.every);
        }
        if let Some(span) = self.cold.coming_in.take() {
            steps::end_span(&span, Ok(()));
        }
        if let Some(tell) = self.cold.tell.take() {
            // The receiver is gone only if the runtime is.
            let _ = tell.send(());
        }
    }

    /// Brings the connection to its end; frames that still arrive count.
    async fn wind_up(&mut self, turn: Turn, state: UserState) -> Ended {
        self.cold.side_room = None;
        if self.phase == Phase::Connected {
            self.phase = Phase::Closing;
            self.context.ledger.lock().closing(self.me, self.context.clock.now());
            self.context.make_unavailable(self.me, state);
        }
        let fallback = match turn {
            Turn::Over(ended) | Turn::GiveUp(ended) => return ended,
            Turn::ServerCloses => None,
            Turn::Leave(reason) => {
                self.context.metrics.sent(crate::model::SentKind::Close);
                self.connection.close();
                Some(Ended { initiator: Initiator::User, reason })
            }
        };
        let ended = tokio::time::timeout(CLOSE_TIMEOUT, self.drain()).await.ok();
        // The side that began the close counts as having ended the connection, however it ended.
        fallback.or(ended).unwrap_or(Ended { initiator: Initiator::Server, reason: EndReason::NoCloseFrame })
    }

    async fn drain(&mut self) -> Ended {
        let context = Arc::clone(&self.context);
        loop {
            let mut handler =
                FrameHandler { context: &context, me: self.me, began: self.began, phase: &mut self.phase };
            match self.connection.drive(|frame| handler.handle(&frame)).await {
                Progress::Ended(ended) => return ended,
                Progress::Read { bytes, .. } => context.metrics.received_bytes(bytes as u64),
                Progress::Written | Progress::Closing(_) => {}
            }
        }
    }
}

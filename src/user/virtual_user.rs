//! A virtual user: connections to the room, one after the other, with waits between them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::backoff::{Backoff, GOOD, HARDLY_BEGUN};
use super::context::RunContext;
use super::end_reason::ConnectionOutcome;
use super::room_connection::RoomConnection;
use super::steps;
use crate::clock::Stamp;
use crate::ledger::DisconnectCause;
use crate::model::{
    EndReason, Failure, FailureClass, FailureKind, Initiator, Reconnect, SocketKind, Stage, UserIndex, UserState,
};
use crate::protocol::Driver;

/// Wait after a panic: longer than the longest backoff, so that a bug that hits every user does not cause a
/// flood of connections.
const AFTER_PANIC: Duration = Duration::from_secs(30);

/// Runs the user `me` until the context stops or the server refuses the account for good. `first` receives
/// the outcome of the first attempt.
pub async fn run_user<D: Driver>(
    context: Arc<RunContext<D>>,
    me: UserIndex,
    first: Option<oneshot::Sender<Result<(), Failure>>>,
) {
    let mut first_attempt = Some(FirstAttempt { tell: first });
    loop {
        let rng = context.rng(me);
        let user = VirtualUser {
            context: Arc::clone(&context),
            me,
            backoff: Backoff::default(),
            is_back_at_once: false,
            rng,
            under_way: None,
            first_attempt: &mut first_attempt,
        };
        if AssertUnwindSafe(user.run()).catch_unwind().await.is_ok() {
            return;
        }
        // The panic hook has logged it.
        close_books(&context, me);
        conclude(&context, &mut first_attempt, Err(Failure::new(FailureKind::Panic)));
        if pause(&context, me, AFTER_PANIC).await.is_err() {
            context.roster.set(me, UserState::Waiting);
            return;
        }
    }
}

/// Counts a panic, and closes what the user had open in the ledger.
fn close_books<D>(context: &RunContext<D>, me: UserIndex) {
    context.metrics.error(Stage::Receive, FailureKind::Panic);
    {
        let mut ledger = context.ledger.lock();
        ledger.ended(me, DisconnectCause::Network, context.clock.now());
        ledger.waits(me, None, context.clock.now());
    }
    if context.make_unavailable(me, UserState::BackingOff) == Some(UserState::Connected) {
        context.metrics.disconnect(SocketKind::Room, Initiator::Network, EndReason::Panic);
    }
}

/// Reports the end of the first attempt, once.
fn conclude<D>(context: &RunContext<D>, first_attempt: &mut Option<FirstAttempt>, how: Result<(), Failure>) {
    let Some(first_attempt) = first_attempt.take() else { return };
    context.first_attempt_over();
    if let Some(tell) = first_attempt.tell {
        // The receiver is gone if the run is already stopping.
        let _ = tell.send(how);
    }
}

/// The receiver of the first attempt's outcome.
#[derive(Debug)]
pub(super) struct FirstAttempt {
    tell: Option<oneshot::Sender<Result<(), Failure>>>,
}

pub(super) struct VirtualUser<'a, D> {
    pub(super) context: Arc<RunContext<D>>,
    pub(super) me: UserIndex,
    pub(super) rng: SmallRng,
    backoff: Backoff,
    /// Whether the next connect ignores the rate limit.
    pub(super) is_back_at_once: bool,
    /// The step that the server has not answered yet, and when it began.
    pub(super) under_way: Option<(Stage, Stamp)>,
    /// Kept outside the user, so that a panic does not leave the ramp waiting.
    first_attempt: &'a mut Option<FirstAttempt>,
}

/// The run is stopping, or the user must leave for good.
struct Stopping;

impl<D: Driver> VirtualUser<'_, D> {
    async fn run(mut self) {
        loop {
            let attempt = self.attempt().await;
            let (state, wait) = match attempt {
                ConnectionOutcome::Stopped => break,
                ConnectionOutcome::Left => {
                    self.backoff.reset();
                    (UserState::Away, self.between(self.context.behaviour.away))
                }
                ConnectionOutcome::Cut(lasted) => {
                    if lasted >= GOOD {
                        self.backoff.reset();
                    }
                    (UserState::BackingOff, self.wait_after_cut(lasted))
                }
                ConnectionOutcome::Failed(failure) => {
                    let wait = self.wait_after(&failure);
                    let last = failure.class == FailureClass::Final;
                    if failure.class == FailureClass::SignedOut {
                        self.context.sessions.forget(self.me);
                    }
                    self.concluded(Err(failure));
                    if last {
                        self.context.roster.set(self.me, UserState::Failed);
                        return;
                    }
                    (UserState::BackingOff, wait)
                }
            };
            self.context.roster.set(self.me, state);
            if pause(&self.context, self.me, wait).await.is_err() {
                break;
            }
            steps::done(self.username(), "return", state.as_str(), wait);
        }
        self.waits(None);
        if self.context.roster.is_recalled(self.me) {
            self.context.recoveries.gone(self.me);
            self.concluded(Err(Failure::new(FailureKind::Stopping)));
        }
        self.context.roster.set(self.me, UserState::Waiting);
    }

    /// One attempt, from the session to the end of the socket. The large futures of connecting are boxed, so
    /// that a user in the room does not keep their memory.
    async fn attempt(&mut self) -> ConnectionOutcome {
        let (context, me) = (Arc::clone(&self.context), self.me);
        let stopping = context.stopping.clone();
        let recalled = Box::pin(context.roster.recalled(me));
        let entered = tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            () = recalled => None,
            entered = Box::pin(self.come_in()) => Some(entered),
        };
        self.waits(entered.as_ref().and_then(|how| how.as_ref().err()));
        match entered {
            None => {
                self.cut_short();
                self.context.ledger.lock().ended(self.me, DisconnectCause::Left, self.context.clock.now());
                ConnectionOutcome::Stopped
            }
            Some(Err(failure)) => ConnectionOutcome::Failed(failure),
            Some(Ok(connection)) => self.hold(connection).await,
        }
    }

    /// Notes that a step begins.
    pub(super) fn begins(&mut self, stage: Stage) {
        self.under_way = Some((stage, self.context.clock.now()));
    }

    /// Counts the step that the stop cut short, if one was under way.
    fn cut_short(&mut self) {
        let Some((stage, began)) = self.under_way.take() else { return };
        let (metrics, failure) = (&self.context.metrics, self.context.unanswered(began));
        if stage == Stage::Connect {
            return metrics.connect_failure(SocketKind::Room, &failure);
        }
        metrics.operation(stage);
        metrics.error(stage, failure.kind);
    }

    /// Notes whether the user now waits because of this machine, after `failure`, if there was one.
    fn waits(&self, failure: Option<&Failure>) {
        let why = failure.and_then(|failure| failure.kind.spoils());
        self.context.ledger.lock().waits(self.me, why, self.context.clock.now());
    }

    /// Holds a connection in its own task, so that a read polls nothing else. A panic in it propagates to this
    /// user.
    async fn hold(&mut self, mut connection: RoomConnection<D>) -> ConnectionOutcome {
        let (tell, is_in) = oneshot::channel();
        let connection = tokio::spawn(async move { connection.hold(tell).await });
        if is_in.await.is_ok() {
            self.concluded(Ok(()));
        }
        match connection.await {
            Ok(attempt) => attempt,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            // Only the end of the runtime ends a connection early.
            Err(_) => ConnectionOutcome::Stopped,
        }
    }

    /// Gets a session, the page, and a socket up to its 101.
    async fn come_in(&mut self) -> Result<RoomConnection<D>, Failure> {
        let (room, span) = self.enter().await?;
        let context = Arc::clone(&self.context);
        let Some(mut session) = context.session(self.me) else { return Err(Failure::new(FailureKind::SignedOut)) };
        let began = context.clock.now();
        context.introduce(self.me, room.user_id);
        {
            let mut ledger = context.ledger.lock();
            ledger.introduce(self.me, room.user_id);
            ledger.opening(self.me);
        }
        context.metrics.connect_attempt(SocketKind::Room);
        self.begins(Stage::Connect);
        let before = session.cookies.clone();
        let connected = context.driver.connect(&mut session).instrument(span.clone()).await;
        if session.cookies != before {
            context.sessions.put(self.me, session);
        }
        self.under_way = None;
        self.log("connect", connected.as_ref().map(|_| ()), began);
        match connected {
            Ok(connection) => {
                let rng = SmallRng::from_rng(&mut self.rng);
                Ok(RoomConnection::new(connection, context, self.me, room.user_id, began, span, rng))
            }
            Err(failure) => {
                context.ledger.lock().ended(self.me, DisconnectCause::Network, context.clock.now());
                context.metrics.connect_failure(SocketKind::Room, &failure);
                steps::end_span(&span, Err(&failure));
                span.in_scope(|| {
                    tracing::warn!(user = %self.username(), stage = Stage::Connect.as_str(), %failure, "step failed");
                });
                Err(failure)
            }
        }
    }

    /// Reports the end of the first attempt.
    pub(super) fn concluded(&mut self, how: Result<(), Failure>) {
        conclude(&self.context, self.first_attempt, how);
    }

    pub(super) fn username(&self) -> &str {
        self.context.username(self.me)
    }

    fn between(&mut self, (shortest, longest): (Duration, Duration)) -> Duration {
        self.rng.random_range(shortest..=longest.max(shortest))
    }

    /// The wait after a connection that ended. After a very short one it is the backoff, whatever `--reconnect`
    /// says, so that a server that closes every connection at once is not asked in a tight loop.
    fn wait_after_cut(&mut self, lasted: Duration) -> Duration {
        match self.context.behaviour.reconnect {
            Reconnect::Fixed(wait) => wait,
            Reconnect::Immediate if lasted >= HARDLY_BEGUN => {
                self.is_back_at_once = true;
                Duration::ZERO
            }
            Reconnect::Immediate | Reconnect::Backoff => self.backoff.next(&mut self.rng),
        }
    }

    fn wait_after(&mut self, failure: &Failure) -> Duration {
        self.is_back_at_once = false;
        match (failure.class, failure.retry_after, self.context.behaviour.reconnect) {
            (FailureClass::Wait(quiet), ..) => quiet,
            (_, Some(asked), _) => self.backoff.next_asked(asked, &mut self.rng),
            (_, None, Reconnect::Fixed(wait)) => wait,
            (_, None, _) => self.backoff.next(&mut self.rng),
        }
    }
}

/// Waits, unless the run stops or the user must leave for good.
async fn pause<D>(context: &RunContext<D>, me: UserIndex, wait: Duration) -> Result<(), Stopping> {
    tokio::select! {
        biased;
        () = context.stopping.cancelled() => Err(Stopping),
        () = Box::pin(context.roster.recalled(me)) => Err(Stopping),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

//! A life: visits to the room, one after the other, with waits between them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::backoff::{Backoff, GOOD};
use super::spans;
use super::stay::Stay;
use super::steps;
use super::world::World;
use crate::chat::{EndReason, Failure, FailureKind, Initiator, Socket, Stage, UserIndex, UserState};
use crate::clock::Stamp;
use crate::drivers::Driver;
use crate::ledger::Excuse;

/// Wait after a refusal because of too many failed log-ins: the server wants about five minutes.
const LOCKED: Duration = Duration::from_secs(330);
/// Wait after a defect of our own.
const AFTER_PANIC: Duration = Duration::from_secs(30);

/// Lives as `me` until the world stops or the server refuses the account for good. `first`
/// hears how the first attempt went.
pub async fn live<D: Driver>(world: Arc<World<D>>, me: UserIndex, first: Option<oneshot::Sender<Result<(), Failure>>>) {
    let mut debut = Some(Debut { tell: first });
    loop {
        let rng = world.rng(me);
        let life = Life {
            world: Arc::clone(&world),
            me,
            backoff: Backoff::default(),
            rng,
            under_way: None,
            debut: &mut debut,
        };
        if AssertUnwindSafe(life.run()).catch_unwind().await.is_ok() {
            return;
        }
        // The panic hook has logged it.
        close_books(&world, me);
        conclude(&world, &mut debut, Err(Failure::new(FailureKind::Panic)));
        if pause(&world, AFTER_PANIC).await.is_err() {
            world.roster.set(me, UserState::Waiting);
            return;
        }
    }
}

/// Counts a panic, and closes what the user it struck had open in the books.
fn close_books<D>(world: &World<D>, me: UserIndex) {
    world.metrics.error(Stage::Receive, FailureKind::Panic);
    {
        let mut ledger = world.ledger.lock();
        ledger.ended(me, Excuse::Network, world.clock.now());
        ledger.waits(me, None, world.clock.now());
    }
    if world.withdraw(me, UserState::BackingOff) == Some(UserState::Connected) {
        world.metrics.disconnect(Socket::Plenary, Initiator::Network, EndReason::Panic);
    }
}

/// The first attempt has come to an end; says so once.
fn conclude<D>(world: &World<D>, debut: &mut Option<Debut>, how: Result<(), Failure>) {
    let Some(debut) = debut.take() else { return };
    world.debut();
    if let Some(tell) = debut.tell {
        // Nobody listens any more where the run stops already.
        let _ = tell.send(how);
    }
}

/// Who wants to know of a first attempt.
#[derive(Debug)]
pub(super) struct Debut {
    tell: Option<oneshot::Sender<Result<(), Failure>>>,
}

pub(super) struct Life<'a, D> {
    pub(super) world: Arc<World<D>>,
    pub(super) me: UserIndex,
    pub(super) rng: SmallRng,
    backoff: Backoff,
    /// The step of the way in that the server has not answered yet, and when it began.
    pub(super) under_way: Option<(Stage, Stamp)>,
    /// Kept by whoever lives this life, so that a panic does not leave the ramp waiting for it.
    debut: &'a mut Option<Debut>,
}

/// How a visit to the room ended.
#[derive(Debug)]
pub(super) enum Visit {
    /// The user left on purpose.
    Left,
    /// The connection was cut after lasting this long.
    Cut(Duration),
    /// The user did not get in.
    Failed(Failure),
    /// The run stopped.
    Stopped,
}

/// The run is stopping.
struct Stopping;

impl<D: Driver> Life<'_, D> {
    async fn run(mut self) {
        loop {
            let visit = self.visit().await;
            let (state, wait) = match visit {
                Visit::Stopped => break,
                Visit::Left => {
                    self.backoff.reset();
                    (UserState::Away, self.between(self.world.habits.away))
                }
                Visit::Cut(lasted) => {
                    if lasted >= GOOD {
                        self.backoff.reset();
                    }
                    (UserState::BackingOff, self.backoff.next(&mut self.rng))
                }
                Visit::Failed(failure) => {
                    let wait = self.wait_after(&failure);
                    let last = is_final(&failure);
                    self.concluded(Err(failure));
                    if last {
                        self.world.roster.set(self.me, UserState::Failed);
                        return;
                    }
                    (UserState::BackingOff, wait)
                }
            };
            self.world.roster.set(self.me, state);
            if pause(&self.world, wait).await.is_err() {
                break;
            }
            steps::done(self.username(), "return", state.as_str(), wait);
        }
        self.waits(None);
        self.world.roster.set(self.me, UserState::Waiting);
    }

    /// One visit, from the session to the end of the socket. The large futures of the way in
    /// are boxed, so that a user who is in the room costs only what being there costs.
    async fn visit(&mut self) -> Visit {
        let stopping = self.world.stopping.clone();
        let came_in = tokio::select! {
            biased;
            () = stopping.cancelled() => None,
            came_in = Box::pin(self.come_in()) => Some(came_in),
        };
        self.waits(came_in.as_ref().and_then(|how| how.as_ref().err()));
        match came_in {
            None => {
                self.cut_short();
                self.world.ledger.lock().ended(self.me, Excuse::Left, self.world.clock.now());
                Visit::Stopped
            }
            Some(Err(failure)) => Visit::Failed(failure),
            Some(Ok(stay)) => self.hold(stay).await,
        }
    }

    /// A step begins.
    pub(super) fn begins(&mut self, stage: Stage) {
        self.under_way = Some((stage, self.world.clock.now()));
    }

    /// The stop came while a step was under way: it is counted.
    fn cut_short(&mut self) {
        let Some((stage, began)) = self.under_way.take() else { return };
        let (metrics, kind) = (&self.world.metrics, self.world.unanswered(began));
        if stage == Stage::Connect {
            return metrics.connect_failure(Socket::Plenary, kind);
        }
        metrics.operation(stage);
        metrics.error(stage, kind);
    }

    /// Notes whether the user now waits because of this machine: after `failure`, if there was one.
    fn waits(&self, failure: Option<&Failure>) {
        let why = failure.and_then(|failure| failure.kind.spoils());
        self.world.ledger.lock().waits(self.me, why, self.world.clock.now());
    }

    /// A stay is a task of its own: every read polls it, and there is nothing then but the stay
    /// to go through. What strikes it strikes this life.
    async fn hold(&mut self, mut stay: Stay<D>) -> Visit {
        let (tell, is_in) = oneshot::channel();
        let stay = tokio::spawn(async move { stay.hold(tell).await });
        if is_in.await.is_ok() {
            self.concluded(Ok(()));
        }
        match stay.await {
            Ok(visit) => visit,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            // Only the end of the runtime takes a stay away.
            Err(_) => Visit::Stopped,
        }
    }

    /// Session, page and socket up to the 101.
    async fn come_in(&mut self) -> Result<Stay<D>, Failure> {
        let (room, span) = self.enter().await?;
        let world = Arc::clone(&self.world);
        let Some(session) = world.sessions.get(self.me) else { return Err(Failure::new(FailureKind::SignedOut)) };
        let began = world.clock.now();
        world.register.lock().introduce(self.me, room.user_id);
        {
            let mut ledger = world.ledger.lock();
            ledger.introduce(self.me, room.user_id);
            ledger.opening(self.me);
        }
        world.metrics.connect_attempt(Socket::Plenary);
        self.begins(Stage::Connect);
        let connected = world.driver.connect(&session).instrument(span.clone()).await;
        self.under_way = None;
        self.log("connect", connected.as_ref().map(|_| ()), began);
        match connected {
            Ok(connection) => {
                let rng = SmallRng::from_rng(&mut self.rng);
                Ok(Stay::new(connection, world, self.me, room.user_id, began, span, rng))
            }
            Err(failure) => {
                world.ledger.lock().ended(self.me, Excuse::Network, world.clock.now());
                world.metrics.connect_failure(Socket::Plenary, failure.kind);
                spans::end(&span, Err(&failure));
                span.in_scope(|| {
                    tracing::warn!(user = %self.username(), stage = Stage::Connect.as_str(), %failure, "step failed");
                });
                Err(failure)
            }
        }
    }

    /// The first attempt has come to an end.
    pub(super) fn concluded(&mut self, how: Result<(), Failure>) {
        conclude(&self.world, self.debut, how);
    }

    pub(super) fn username(&self) -> &str {
        self.world.username(self.me)
    }

    fn between(&mut self, (shortest, longest): (Duration, Duration)) -> Duration {
        self.rng.random_range(shortest..=longest.max(shortest))
    }

    fn wait_after(&mut self, failure: &Failure) -> Duration {
        match (failure.kind, failure.retry_after) {
            (FailureKind::Locked, _) => LOCKED,
            (_, Some(asked)) => self.backoff.next_asked(asked, &mut self.rng),
            (_, None) => self.backoff.next(&mut self.rng),
        }
    }
}

/// Whether trying again cannot help, and could lock the account.
fn is_final(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::WrongPassword | FailureKind::SignupRefused)
}

/// Waits, unless the run stops meanwhile.
async fn pause<D>(world: &World<D>, wait: Duration) -> Result<(), Stopping> {
    tokio::select! {
        biased;
        () = world.stopping.cancelled() => Err(Stopping),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::plenary::Plenary;

    /// A user's task is what it is for as long as the user is in the room; the way in is boxed
    /// and given back.
    #[test]
    fn a_users_task_is_small() {
        fn size<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(live::<Plenary>);
        assert!(bytes <= 2_048, "{bytes} bytes");
    }
}

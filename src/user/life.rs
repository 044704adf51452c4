//! A life: visits to the room, one after the other, with waits between them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rand::RngExt as _;
use rand::rngs::SmallRng;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::backoff::{Backoff, GOOD};
use super::spans;
use super::stay::Stay;
use super::world::World;
use crate::chat::{Failure, FailureKind, Socket, Stage, UserIndex, UserState};
use crate::drivers::Driver;
use crate::ledger::Excuse;

/// Wait after a refusal because of too many failed log-ins: the server wants about five minutes.
const LOCKED: Duration = Duration::from_secs(330);
/// Longest wait that a server can ask for with `Retry-After`.
const RETRY_AFTER_LIMIT: Duration = Duration::from_secs(120);
/// Wait after a defect of our own.
const AFTER_PANIC: Duration = Duration::from_secs(30);

/// Lives as `me` until the world stops or the server refuses the account for good. `first`
/// hears how the first attempt went.
pub async fn live<D: Driver>(world: Arc<World<D>>, me: UserIndex, first: Option<oneshot::Sender<Result<(), Failure>>>) {
    let mut first = Some(Debut { tell: first });
    loop {
        let rng = world.rng(me);
        let life = Life { world: Arc::clone(&world), me, backoff: Backoff::default(), rng, debut: first.take() };
        match AssertUnwindSafe(life.run()).catch_unwind().await {
            Ok(()) => return,
            Err(_) => {
                // The panic hook has logged it; the user's books must not stay open.
                world.metrics.error(Stage::Receive, FailureKind::Panic);
                world.ledger.lock().ended(me, Excuse::Network, world.clock.now());
                world.withdraw(me, UserState::BackingOff);
            }
        }
        if pause(&world, AFTER_PANIC).await.is_err() {
            world.roster.set(me, UserState::Waiting);
            return;
        }
    }
}

/// Who wants to know of a first attempt.
#[derive(Debug)]
pub(super) struct Debut {
    tell: Option<oneshot::Sender<Result<(), Failure>>>,
}

pub(super) struct Life<D> {
    pub(super) world: Arc<World<D>>,
    pub(super) me: UserIndex,
    pub(super) rng: SmallRng,
    backoff: Backoff,
    debut: Option<Debut>,
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

impl<D: Driver> Life<D> {
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
        }
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
        match came_in {
            None => {
                self.world.ledger.lock().ended(self.me, Excuse::Left, self.world.clock.now());
                Visit::Stopped
            }
            Some(Err(failure)) => Visit::Failed(failure),
            Some(Ok(stay)) => stay.hold(self).await,
        }
    }

    /// Session, page and socket up to the 101.
    async fn come_in(&mut self) -> Result<Stay<D>, Failure> {
        let (room, span) = self.enter().await?;
        let world = &self.world;
        let Some(session) = world.sessions.get(self.me) else { return Err(Failure::new(FailureKind::SignedOut)) };
        let began = world.clock.now();
        {
            let mut ledger = world.ledger.lock();
            ledger.introduce(self.me, room.user_id);
            ledger.opening(self.me);
        }
        world.metrics.connect_attempt(Socket::Plenary);
        match world.driver.connect(&session).instrument(span.clone()).await {
            Ok(connection) => {
                world.metrics.connection_opened(Socket::Plenary);
                Ok(Stay::new(connection, Arc::clone(world), self.me, room.user_id, began, span))
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
        if let Some(debut) = self.debut.take() {
            self.world.debut();
            if let Some(tell) = debut.tell {
                // Nobody listens any more where the run stops already.
                let _ = tell.send(how);
            }
        }
    }

    pub(super) fn username(&self) -> &str {
        self.world.crowd.usernames.get(self.me.get()).map_or("", |name| name)
    }

    fn between(&mut self, (shortest, longest): (Duration, Duration)) -> Duration {
        self.rng.random_range(shortest..=longest.max(shortest))
    }

    fn wait_after(&mut self, failure: &Failure) -> Duration {
        let wait = self.backoff.next(&mut self.rng);
        let asked = match failure.kind {
            FailureKind::Locked => LOCKED,
            _ => failure.retry_after.unwrap_or_default().min(RETRY_AFTER_LIMIT),
        };
        wait.max(asked)
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
        fn size<D: Driver, F>(
            _: fn(Arc<World<D>>, UserIndex, Option<oneshot::Sender<Result<(), Failure>>>) -> F,
        ) -> usize {
            size_of::<F>()
        }
        let bytes = size(live::<Plenary>);
        assert!(bytes <= 2_048, "{bytes} bytes");
    }
}

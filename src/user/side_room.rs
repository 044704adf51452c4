//! A visit to a side room: a second socket besides the room's, held for a while.
//!
//! Its first frame decides. A full side room, or another connection of the same user, is an ordinary
//! answer; nothing in a side room touches the ledger.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use rand::{Rng, RngExt as _};
use tokio_util::sync::CancellationToken;

use super::context::RunContext;
use super::socket::{CLOSE_TIMEOUT, OpenSocket};
use super::steps;
use crate::clock::Stamp;
use crate::model::{
    EndReason, Failure, FailureClass, FailureKind, FrameKind, Initiator, SentKind, SocketKind, Stage, UserIndex,
};
use crate::protocol::{
    Connection, Driver, Ended, Event, Keepalive, Outgoing, Progress, Received, SideRoomId, SignOfLife,
};

/// A random length of a visit, from a range of shortest and longest.
pub(super) fn length_of_stay((shortest, longest): (Duration, Duration), rng: &mut impl Rng) -> Duration {
    rng.random_range(shortest..=longest.max(shortest))
}

/// Joins `id` as `me`, and stays for `stay` or until `over` is cancelled. Cancels `over` at its end, so that
/// the user may join another.
pub(super) async fn visit<D: Driver>(
    context: Arc<RunContext<D>>,
    me: UserIndex,
    id: SideRoomId,
    stay: Duration,
    over: CancellationToken,
) {
    let visiting = async {
        let began = context.clock.now();
        let visited = join_and_stay(&context, me, id, stay, &over).await;
        steps::log(context.username(me), "breakout", visited.as_ref().copied(), context.clock.now().since(began));
        if let Err(failure) = visited {
            context.metrics.connect_failure(SocketKind::SideRoom, &failure);
        }
    };
    if AssertUnwindSafe(visiting).catch_unwind().await.is_err() {
        context.metrics.error(Stage::Receive, FailureKind::Panic);
    }
    over.cancel();
}

async fn join_and_stay<D: Driver>(
    context: &Arc<RunContext<D>>,
    me: UserIndex,
    id: SideRoomId,
    stay: Duration,
    over: &CancellationToken,
) -> Result<(), Failure> {
    let tried = AtomicBool::new(false);
    let opened = tokio::select! {
        biased;
        () = over.cancelled() => return cut_short(&tried),
        () = context.stopping.cancelled() => return cut_short(&tried),
        opened = open(context, me, id, &tried) => opened?,
    };
    let Some((connection, began)) = opened else { return Ok(()) };
    // The socket is open; from here on its end is counted, whatever ends it.
    let _open = OpenSocket::new(&context.metrics, SocketKind::SideRoom);
    SideRoomVisit { connection, context: Arc::clone(context), began, joined: None }.stay(stay, over).await
}

/// The outcome of an attempt cut short by the end of its user's own connection, or of the run. Every attempt
/// gets an outcome, and this one does not count against the server.
fn cut_short(tried: &AtomicBool) -> Result<(), Failure> {
    if tried.load(Ordering::Relaxed) { Err(Failure::new(FailureKind::Stopping)) } else { Ok(()) }
}

async fn open<D: Driver>(
    context: &RunContext<D>,
    me: UserIndex,
    id: SideRoomId,
    tried: &AtomicBool,
) -> Result<Option<(D::Connection, Stamp)>, Failure> {
    context.limits.connect.ready().await;
    let Some(mut session) = context.sessions.get(me) else { return Ok(None) };
    let began = context.clock.now();
    context.metrics.connect_attempt(SocketKind::SideRoom);
    tried.store(true, Ordering::Relaxed);
    Ok(Some((context.driver.connect_side_room(&mut session, id).await?, began)))
}

struct SideRoomVisit<D: Driver> {
    connection: D::Connection,
    context: Arc<RunContext<D>>,
    began: Stamp,
    /// The outcome in the first frame.
    joined: Option<Result<(), Failure>>,
}

impl<D: Driver> SideRoomVisit<D> {
    async fn stay(&mut self, stay: Duration, over: &CancellationToken) -> Result<(), Failure> {
        let limit = self.connection.keepalive().join_timeout.unwrap_or(Duration::MAX);
        let first_frame = tokio::select! {
            biased;
            () = over.cancelled() => Ok(Ok(Ok(()))),
            first = tokio::time::timeout(limit, self.first_frame()) => first,
        };
        let ended = match first_frame {
            Err(_) => Err(Failure::new(FailureKind::NoPresence)),
            Ok(Err(_)) => Err(Failure::new(FailureKind::ConnectionClosed)),
            Ok(Ok(Err(refusal))) => Err(refusal),
            Ok(Ok(Ok(()))) => {
                self.context.metrics.connected(SocketKind::SideRoom, self.context.clock.now().since(self.began));
                Ok(self.hold(self.context.clock.now().plus(stay), over).await)
            }
        };
        let ended = match ended {
            Ok(Some(ended)) => Ok(ended),
            Ok(None) => Ok(self.close(EndReason::Left).await),
            Err(failure) => {
                self.close(EndReason::Refused).await;
                Err(failure)
            }
        }?;
        self.context.metrics.disconnect(SocketKind::SideRoom, ended.initiator, ended.reason);
        Ok(())
    }

    async fn first_frame(&mut self) -> Result<Result<(), Failure>, Ended> {
        loop {
            if let Some(ended) = self.drive().await {
                return Err(ended);
            }
            if let Some(joined) = &self.joined {
                return Ok(joined.clone());
            }
        }
    }

    /// Reads and sends heartbeats until the time is up (`None`) or the connection ends.
    async fn hold(&mut self, until: Stamp, over: &CancellationToken) -> Option<Ended> {
        let context = Arc::clone(&self.context);
        let (sign, every) = sign_of_life(self.connection.keepalive());
        let mut heartbeat = tokio::time::interval(every);
        let mut timer = std::pin::pin!(tokio::time::sleep_until(context.clock.instant(until)));
        loop {
            tokio::select! {
                () = over.cancelled() => return None,
                () = context.closing.cancelled() => return None,
                () = &mut timer => return None,
                _ = heartbeat.tick() => {
                    if self.connection.begin(sign) {
                        context.metrics.sent(sign.kind());
                    }
                }
                ended = self.drive() => match (ended, &self.joined) {
                    (Some(ended), _) => return Some(ended),
                    // An older socket receives this when another one takes over.
                    (None, Some(Err(_))) => {
                        return Some(Ended { initiator: Initiator::Server, reason: EndReason::Displaced });
                    }
                    _ => {}
                },
            }
        }
    }

    async fn close(&mut self, reason: EndReason) -> Ended {
        self.context.metrics.sent(SentKind::Close);
        self.connection.close();
        let last = async { while self.drive().await.is_none() {} };
        // Leave even if the server does not answer.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, last).await;
        Ended { initiator: Initiator::User, reason }
    }

    /// Makes one step of the connection; returns how it ended, once it has.
    async fn drive(&mut self) -> Option<Ended> {
        let Self { connection, context, joined, .. } = self;
        let progress = connection.drive(|frame| handle(context, joined, &frame)).await;
        match progress {
            Progress::Ended(ended) => Some(ended),
            Progress::Read { bytes, .. } => {
                self.context.metrics.received_bytes(bytes as u64);
                None
            }
            Progress::Written | Progress::Closing(_) => None,
        }
    }
}

/// The keepalive on a side room's connection, and its interval; if two kinds alternate, only the
/// heartbeat.
fn sign_of_life(Keepalive { sign, every, .. }: Keepalive) -> (Outgoing<'static>, Duration) {
    match sign {
        SignOfLife::Alternate => (Outgoing::Heartbeat, every * 2),
        SignOfLife::Heartbeat => (Outgoing::Heartbeat, every),
        SignOfLife::Ping => (Outgoing::Ping, every),
    }
}

fn handle<D>(context: &RunContext<D>, joined: &mut Option<Result<(), Failure>>, frame: &Received<'_>) {
    if let Some(kind) = frame.kind {
        context.metrics.received(kind, 1);
    }
    match &frame.event {
        Event::Joined => {
            joined.get_or_insert(Ok(()));
        }
        Event::Refused(failure) if joined.is_none() || failure.class == FailureClass::Declined => {
            *joined = Some(Err((*failure).clone()));
        }
        Event::Refused(failure) | Event::MessageRefused(failure) => {
            context.metrics.error(Stage::Receive, failure.kind);
        }
        Event::Malformed { .. } => context.metrics.error(Stage::Receive, FailureKind::Malformed),
        Event::Message { .. } | Event::Members(_) | Event::SideRooms(_) | Event::Other => {}
    }
    if frame.kind == Some(FrameKind::Ping) {
        context.metrics.sent(SentKind::Pong);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn the_visits_of_one_user_differ_in_length_and_keep_to_the_range() {
        let (range, mut rng) = ((Duration::from_secs(30), Duration::from_secs(300)), SmallRng::seed_from_u64(1));
        let stays: BTreeSet<Duration> = (0..20).map(|_| length_of_stay(range, &mut rng)).collect();
        assert!(stays.len() > 10, "{stays:?}");
        assert!(stays.iter().all(|stay| (range.0..=range.1).contains(stay)), "{stays:?}");
    }

    #[test]
    fn a_side_room_gets_a_heartbeat_every_25_s_by_default_and_the_drivers_sign_otherwise() {
        let keepalive = Keepalive::default();
        assert_eq!(sign_of_life(keepalive), (Outgoing::Heartbeat, Duration::from_secs(25)));
        let every = Duration::from_secs(9);
        assert_eq!(sign_of_life(Keepalive { sign: SignOfLife::Ping, every, ..keepalive }), (Outgoing::Ping, every));
        let heartbeat = Keepalive { sign: SignOfLife::Heartbeat, every, ..keepalive };
        assert_eq!(sign_of_life(heartbeat), (Outgoing::Heartbeat, every));
    }

    #[test]
    fn a_range_of_one_length_is_that_length() {
        let (length, mut rng) = (Duration::from_secs(5), SmallRng::seed_from_u64(1));
        assert_eq!(length_of_stay((length, length), &mut rng), length);
    }
}

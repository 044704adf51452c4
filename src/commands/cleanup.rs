//! `soakrig cleanup`: deletes the accounts of a username range.
//!
//! It reports what was deleted and updates the cache file, even if a signal ends it early.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use super::check::Quiet;
use super::protocol::with_protocol;
use crate::clock::Clock;
use crate::config::plan::{Cleanup, Users};
use crate::drivers::Visitor;
use crate::error::{ExitCode, StartError};
use crate::model::{Account, Failure, FailureClass};
use crate::protocol::{Driver, Protocol, Session, Untraced};
use crate::run::Console;
use crate::run::session_cache::SessionCache;
use crate::run::setup::{self, Asked};
use crate::run::signals::{Signals, read_by};
use crate::schedule::limit::Limit;
use crate::telemetry::stdio::{say, tell};

/// Attempts per account while no answer of the server settles its deletion.
const ATTEMPTS: u32 = 3;

/// Interval between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Longest time that a request under way may still take after a signal.
const LAST: Duration = Duration::from_secs(2);

/// Most deletions that the cache file does not know yet.
const UNSAVED: usize = 100;

/// The outcome for one account.
enum Fate {
    Deleted,
    Absent,
}

/// A cleanup, to be run with the chosen protocol.
struct Cleaned(Cleanup);

impl Visitor for Cleaned {
    type Output = Pin<Box<dyn Future<Output = Result<ExitCode, StartError>>>>;

    fn visit<P: Protocol>(self, protocol: P) -> Self::Output {
        Box::pin(async move { cleanup_with(&protocol, self.0).await })
    }
}

/// Logs in as each user and deletes the account; exit code 99 if one is left, 105 after a signal.
pub(super) async fn cleanup(cleanup: Cleanup) -> Result<ExitCode, StartError> {
    let choice = cleanup.protocol.clone();
    with_protocol(&choice, Cleaned(cleanup))?.await
}

async fn cleanup_with<P: Protocol>(protocol: &P, cleanup: Cleanup) -> Result<ExitCode, StartError> {
    if !protocol.capabilities().delete {
        let why = format!("the protocol {} cannot delete accounts", protocol.name());
        return Err(StartError::usage("cleanup", why).remedy("delete them on the server"));
    }
    for users in &cleanup.users {
        setup::capabilities(protocol, &cleanup.protocol, users)?;
    }
    let mut signals = Signals::listen()?;
    Console::open(&cleanup.logging)?;
    let clock = Clock::start();
    let Cleanup { target, connection, .. } = &cleanup;
    let asked = Asked { target, room: "", connection, secrets: Vec::new(), clock };
    let driver = setup::driver(protocol, asked, Arc::new(Quiet), Arc::new(Untraced))?;
    let all = cleanup.users.iter().map(|users| u64::from(users.range.len())).sum::<u64>();
    let (mut count, mut flow) = (Count::default(), ControlFlow::Continue(()));
    for users in &cleanup.users {
        let cache = SessionCache::open(users.cache.clone(), cleanup.target.to_string()).await?;
        flow = clear(users, cache, &driver, clock, &mut count, &mut signals).await?;
        if flow.is_break() {
            break;
        }
    }
    let Count { deleted, absent, left } = count;
    let said = format!("{deleted} accounts deleted, {absent} were not there or have another password, {left} failed");
    if flow.is_break() {
        tell(&format!("interrupted: {said}, {} remain untried", all - deleted - absent - left));
        return Ok(ExitCode::Interrupted);
    }
    tell(&said);
    read_by(&mut signals).await;
    Ok(if left == 0 { ExitCode::Ok } else { ExitCode::Threshold })
}

/// The outcomes for all accounts.
#[derive(Debug, Default)]
struct Count {
    deleted: u64,
    absent: u64,
    left: u64,
}

impl Count {
    /// Counts one account, and returns whether it is gone. `fate` is `None` if the outcome was not awaited.
    fn take(&mut self, fate: Option<Result<Fate, Failure>>, username: &str) -> bool {
        match fate {
            Some(Ok(Fate::Deleted)) => self.deleted += 1,
            Some(Ok(Fate::Absent)) => self.absent += 1,
            Some(Err(failure)) => {
                self.left += 1;
                say(&format!("soakrig: cleanup: {username}: {failure}"));
                return false;
            }
            None => return false,
        }
        true
    }
}

/// Deletes the accounts of one range of users; breaks on a signal.
async fn clear(
    users: &Users,
    mut cache: SessionCache,
    driver: &impl Driver,
    clock: Clock,
    count: &mut Count,
    signals: &mut Signals,
) -> Result<ControlFlow<()>, StartError> {
    let password = cache.password(users.password.clone()).await?;
    let limit = Limit::evenly(users.sign_in_rate.per_second(), clock);
    let mut sessions = cache.sessions();
    let (mut gone, mut flow) = (Vec::new(), ControlFlow::Continue(()));
    for username in setup::usernames(users) {
        if flow.is_continue() {
            flow = wait(&limit, signals).await;
        }
        if flow.is_break() {
            break;
        }
        let saved = sessions.remove(&username);
        let account = Account { username, password: password.clone() };
        let stopping = Cell::new(false);
        let settled = settle(driver, &account, saved, &stopping);
        let fate;
        (fate, flow) = to_the_end(signals.next(), &stopping, settled).await;
        if count.take(fate, &account.username) {
            gone.push((account.username, None));
        }
        if gone.len() >= UNSAVED {
            cache.write(std::mem::take(&mut gone)).await;
        }
    }
    cache.write(gone).await;
    Ok(flow)
}

/// Waits for the rate limit; breaks on a signal.
async fn wait(limit: &Limit, signals: &mut Signals) -> ControlFlow<()> {
    tokio::select! {
        biased;
        () = signals.next() => ControlFlow::Break(()),
        () = limit.ready() => ControlFlow::Continue(()),
    }
}

/// Lets a deletion finish after a signal, because half of one would leave its outcome unknown; but not
/// for long, and without another attempt.
async fn to_the_end<T>(
    signal: impl Future<Output = ()>,
    stopping: &Cell<bool>,
    work: impl Future<Output = T>,
) -> (Option<T>, ControlFlow<()>) {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => return (Some(done), ControlFlow::Continue(())),
        () = signal => stopping.set(true),
    }
    (tokio::time::timeout(LAST, work).await.ok(), ControlFlow::Break(()))
}

/// Deletes one account; retries if no answer came, unless it is `stopping`.
async fn settle(
    driver: &impl Driver,
    account: &Account,
    mut saved: Option<Session>,
    stopping: &Cell<bool>,
) -> Result<Fate, Failure> {
    let mut seen = false;
    for attempt in 1.. {
        match delete(driver, account, saved.take(), &mut seen).await {
            Err(failure) if failure.class == FailureClass::Unanswered && attempt < ATTEMPTS && !stopping.get() => {
                tokio::time::sleep(PAUSE).await;
                if stopping.get() {
                    return Err(failure);
                }
            }
            outcome => return outcome,
        }
    }
    Ok(Fate::Absent)
}

/// Deletes one account with its saved session or a new one. `seen`: whether the account is known to
/// have existed.
async fn delete(
    driver: &impl Driver,
    account: &Account,
    saved: Option<Session>,
    seen: &mut bool,
) -> Result<Fate, Failure> {
    if let Some(mut session) = saved {
        match driver.delete(&mut session).await {
            Err(failure) if failure.class == FailureClass::SignedOut => {}
            outcome => return outcome.map(|()| Fate::Deleted),
        }
    }
    let mut session = Session::default();
    match driver.log_in(account, &mut session).await {
        // The server answers a wrong password and an unknown name alike.
        Err(failure) if failure.class == FailureClass::Final && *seen => return Ok(Fate::Deleted),
        Err(failure) if failure.class == FailureClass::Final => return Ok(Fate::Absent),
        outcome => outcome?,
    }
    *seen = true;
    driver.delete(&mut session).await.map(|()| Fate::Deleted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test(start_paused = true)]
    async fn a_signal_leaves_what_does_not_end_within_two_seconds() {
        let (stopping, begun) = (Cell::new(false), tokio::time::Instant::now());
        let (fate, flow) = to_the_end(ready(()), &stopping, pending::<()>()).await;
        assert!(fate.is_none() && flow.is_break() && stopping.get());
        assert!(begun.elapsed() < Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_signal_lets_short_work_finish() {
        let stopping = Cell::new(false);
        let work = async { tokio::time::sleep(Duration::from_secs(1)).await };
        let (fate, flow) = to_the_end(ready(()), &stopping, work).await;
        assert!(fate.is_some() && flow.is_break());
    }
}

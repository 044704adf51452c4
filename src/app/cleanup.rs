//! `soakrig cleanup`: delete the accounts of a username range.

use std::sync::Arc;

use super::check::Quiet;
use super::keepers::Cache;
use super::run::Console;
use super::{assemble, say, tell};
use crate::chat::{Account, Failure, FailureKind};
use crate::clock::Clock;
use crate::config::plan::{Cleanup, Crowd};
use crate::drivers::{Driver, Session, Untraced};
use crate::error::{ExitCode, StartError};
use crate::schedule::limit::Limit;

/// What became of one account.
enum Fate {
    Deleted,
    Absent,
}

/// Logs in as each user and deletes it; exit 99 if an account is left.
pub(super) async fn cleanup(cleanup: Cleanup) -> Result<ExitCode, StartError> {
    Console::open(&cleanup.logging)?;
    let clock = Clock::start();
    let driver =
        assemble::driver(&cleanup.target, "", &cleanup.connection, clock, Arc::new(Quiet), Arc::new(Untraced))?;
    let mut count = Count::default();
    for crowd in &cleanup.crowds {
        let cache = Cache::open(crowd.cache.clone(), cleanup.target.to_string()).await?;
        clear(crowd, cache, &driver, clock, &mut count).await?;
    }
    let Count { deleted, absent, left } = count;
    tell(&format!("{deleted} accounts deleted, {absent} were not there or have another password, {left} failed"));
    Ok(if left == 0 { ExitCode::Ok } else { ExitCode::Threshold })
}

/// What became of all accounts.
#[derive(Debug, Default)]
struct Count {
    deleted: u64,
    absent: u64,
    left: u64,
}

/// Deletes the accounts of one crowd.
async fn clear(
    crowd: &Crowd,
    mut cache: Cache,
    driver: &impl Driver,
    clock: Clock,
    count: &mut Count,
) -> Result<(), StartError> {
    let password = cache.password(crowd.password.clone()).await?;
    let limit = Limit::evenly(crowd.sign_in_rate.per_second(), clock);
    let mut sessions = cache.sessions();
    let mut gone = Vec::new();
    for username in assemble::usernames(crowd) {
        limit.ready().await;
        let saved = sessions.remove(&username);
        let account = Account { username: username.clone(), password: password.clone() };
        match delete(driver, &account, saved).await {
            Ok(Fate::Deleted) => count.deleted += 1,
            Ok(Fate::Absent) => count.absent += 1,
            Err(failure) => {
                count.left += 1;
                say(&format!("soakrig: cleanup: {username}: {failure}"));
                continue;
            }
        }
        gone.push((username, None));
    }
    cache.write(gone).await;
    Ok(())
}

/// Deletes one account, with its saved session or a new one.
async fn delete(driver: &impl Driver, account: &Account, saved: Option<Session>) -> Result<Fate, Failure> {
    if let Some(mut session) = saved {
        match driver.delete(&mut session).await {
            Err(failure) if failure.kind == FailureKind::SignedOut => {}
            outcome => return outcome.map(|()| Fate::Deleted),
        }
    }
    let mut session = Session::default();
    match driver.log_in(account, &mut session).await {
        // The server says the same to a wrong password and to a name that does not exist.
        Err(failure) if failure.kind == FailureKind::WrongPassword => return Ok(Fate::Absent),
        outcome => outcome?,
    }
    driver.delete(&mut session).await.map(|()| Fate::Deleted)
}

//! The file of saved sessions: opened before a run, a check or a cleanup, and kept up to date.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::background::ticks;
use crate::config::plan::{self, CacheLocation};
use crate::error::StartError;
use crate::model::{SaveOutcome, Secret};
use crate::protocol::{Driver, Session};
use crate::store::{self, Mode, Store, StoreError};
use crate::user::RunContext;

/// Interval between two checks for new sign-ups and log-ins, which are saved at once.
const GLANCE: Duration = Duration::from_millis(250);
/// Interval between two saves of sessions that were only refreshed, and the longest between any two.
const SAVE: Duration = Duration::from_secs(5);
/// After each save the next waits for this many times as long as the save took.
const REST: u32 = 20;

/// The file of saved sessions, if there is one.
#[derive(Debug)]
pub(crate) struct SessionCache {
    store: Option<Store>,
    read_only: bool,
}

impl SessionCache {
    /// Opens the cache of a target.
    pub(crate) async fn open(cache: plan::Cache, target: String) -> Result<Self, StartError> {
        let path = match cache.place {
            CacheLocation::Nowhere => return Ok(Self { store: None, read_only: false }),
            CacheLocation::File(path) => path,
            CacheLocation::Directory(directory) => store::file_in(&directory, &target),
        };
        let mode = if cache.read_only { Mode::ReadOnly } else { Mode::ReadWrite };
        let mut store = blocking(move || Store::open(path, &target, mode)).await?;
        for notice in store.take_notices() {
            tracing::warn!("{notice}");
        }
        Ok(Self { store: Some(store), read_only: cache.read_only })
    }

    /// The password to use: the one that was set, else the one generated once for the target.
    pub(crate) async fn password(&mut self, set: Option<Secret>) -> Result<Secret, StartError> {
        if let Some(password) = set {
            return Ok(password);
        }
        let Some(mut store) = self.store.take() else { return Ok(store::make_password()) };
        let (store, password) = blocking(move || {
            let password = store.password()?;
            Ok((store, password))
        })
        .await?;
        self.store = Some(store);
        Ok(password)
    }

    /// The sessions it holds.
    pub(crate) fn sessions(&mut self) -> HashMap<String, Session> {
        self.store.as_ref().map(Store::sessions).unwrap_or_default()
    }

    /// Writes what has changed; a failure is logged, and the next save retries.
    pub(crate) async fn save<D: Driver>(&mut self, context: &RunContext<D>) {
        let changes = context.sessions.take_changes();
        if changes.is_empty() || !self.is_kept() {
            return;
        }
        let named = changes
            .iter()
            .map(|(user, session)| (context.credentials.account(*user).username, session.clone()))
            .collect();
        let saved = self.write(named).await;
        context.metrics.sessions_saved(if saved { SaveOutcome::Saved } else { SaveOutcome::Failed });
        if !saved {
            context.sessions.mark_changed(changes.iter().map(|(user, _)| *user));
        }
    }

    fn is_kept(&self) -> bool {
        self.store.is_some() && !self.read_only
    }

    /// Writes or removes these sessions; false if that failed.
    pub(crate) async fn write(&mut self, changes: Vec<(String, Option<Session>)>) -> bool {
        if self.read_only || changes.is_empty() {
            return true;
        }
        let Some(mut store) = self.store.take() else { return true };
        let saved = tokio::task::spawn_blocking(move || {
            let saved = store.save(changes);
            (store, saved)
        })
        .await;
        let Ok((store, saved)) = saved else { return false };
        self.store = Some(store);
        if let Err(error) = &saved {
            tracing::error!(%error, remedy = error.remedy(), "sessions not saved");
        }
        saved.is_ok()
    }

    /// Saves new sessions soon and refreshed ones every five seconds; returns the cache at the end.
    pub(crate) async fn keep<D: Driver>(mut self, context: Arc<RunContext<D>>, until: CancellationToken) -> Self {
        let (mut saved, mut rest) = (Instant::now(), GLANCE);
        while ticks(GLANCE, &until).await {
            let wait = if context.sessions.has_new_sign_in() { rest } else { SAVE };
            if saved.elapsed() < wait {
                continue;
            }
            let begun = Instant::now();
            self.save(&context).await;
            saved = Instant::now();
            // Do not write a large file on a slow disk all the time.
            rest = (saved.duration_since(begun) * REST).clamp(GLANCE, SAVE);
        }
        self
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StartError> {
    let wrong = |e: StoreError| StartError::environment("the cache file", e.to_string()).remedy(e.remedy());
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| StartError::environment("the cache file", e.to_string()))?
        .map_err(wrong)
}

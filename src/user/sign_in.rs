//! How a user gets a session and enters the room: the step that follows each answer.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{Instrument as _, Span};

use super::steps;
use super::virtual_user::VirtualUser;
use crate::clock::Stamp;
use crate::model::{Failure, FailureClass, Stage, UserState};
use crate::protocol::IDLE_LIMIT;
use crate::protocol::{Driver, RoomPage, Session};

impl<D: Driver> VirtualUser<'_, D> {
    /// Opens the room's page, signing in first if there is no session that the server knows. Returns the span
    /// of connecting, which has just begun.
    pub(super) async fn enter(&mut self) -> Result<(RoomPage, Span), Failure> {
        let mut session = match self.context.session(self.me) {
            Some(session) => session,
            None => self.sign_in().await?,
        };
        self.context.roster.set(self.me, UserState::Connecting);
        self.await_turn(&mut session).await;
        match self.open(&mut session).await {
            Err(failure) if failure.class == FailureClass::SignedOut => {
                self.context.sessions.forget(self.me);
                session = self.sign_in().await?;
                self.context.roster.set(self.me, UserState::Connecting);
                let opened = self.open(&mut session).await;
                if let Err(failure) = &opened
                    && failure.class == FailureClass::SignedOut
                {
                    // The session is a moment old and already unknown; signing in again would not help.
                    self.count(Stage::Room, Err(failure));
                }
                opened
            }
            opened => opened,
        }
    }

    /// Waits until the limit lets this user connect. Closes its idle connection before a long wait.
    async fn await_turn(&mut self, session: &mut Session) {
        if std::mem::take(&mut self.is_back_at_once) {
            return;
        }
        let mut turn = pin!(self.context.limits.connect.ready());
        if tokio::time::timeout(IDLE_LIMIT, &mut turn).await.is_err() {
            session.hang_up();
            turn.await;
        }
    }

    async fn open(&mut self, session: &mut Session) -> Result<(RoomPage, Span), Failure> {
        let span = steps::connect_span(self.username());
        self.begins(Stage::Room);
        let began = self.context.clock.now();
        let opened = self.context.driver.open(session).instrument(span.clone()).await;
        self.under_way = None;
        self.log("event_page", opened.as_ref().map(|_| ()), began);
        match &opened {
            Ok(room) => {
                self.context.metrics.operation(Stage::Room);
                self.context.note_side_rooms(self.me, &room.side_rooms);
                self.context.capacity.store(room.capacity.unwrap_or(0), Ordering::Relaxed);
                self.context.sessions.put(self.me, session.clone());
            }
            // Being signed out leads to the sign-in, which is counted in its own stage.
            Err(failure) if failure.class == FailureClass::SignedOut => {}
            Err(failure) => span.in_scope(|| self.count(Stage::Room, Err(failure))),
        }
        if let Err(failure) = &opened {
            steps::end_span(&span, Err(failure));
        }
        Ok((opened?, span))
    }

    /// Signs up, or logs in if the account is known to exist; each falls back to the other once. If the name
    /// is taken and the log-in refused, the account has another password, which is final.
    async fn sign_in(&mut self) -> Result<Session, Failure> {
        self.context.roster.set(self.me, UserState::SigningIn);
        self.context.limits.sign_in.ready().await;
        let span = steps::sign_in_span(self.username());
        let outcome = self.identify().instrument(span.clone()).await;
        steps::end_span(&span, outcome.as_ref().map(|_| ()));
        outcome
    }

    async fn identify(&mut self) -> Result<Session, Failure> {
        let account = self.context.credentials.account(self.me);
        let context = Arc::clone(&self.context);
        let driver = &context.driver;
        let mut session = self.context.new_session(self.me);
        let signs_up = context.capabilities.sign_up;
        if !signs_up || self.context.sessions.is_known(self.me) {
            self.begins(Stage::Login);
            let began = context.clock.now();
            let outcome = driver.log_in(&account, &mut session).await;
            self.log("log_in", outcome.as_ref().copied(), began);
            match outcome {
                // A server that has forgotten its accounts answers as to a wrong password, and may lock the name
                // after repeated log-ins, so sign up first from now on.
                Err(failure) if signs_up && failure.class == FailureClass::Final => {
                    self.context.sessions.doubt(self.me);
                    session = self.context.new_session(self.me);
                }
                outcome => return self.signed_in(Stage::Login, outcome, session),
            }
        }
        self.begins(Stage::Signup);
        let began = context.clock.now();
        let outcome = driver.sign_up(&account, &mut session).await;
        self.log("sign_up", outcome.as_ref().copied(), began);
        match outcome {
            Err(failure) if failure.class == FailureClass::NameTaken => {
                self.count(Stage::Signup, Ok(()));
                session = self.context.new_session(self.me);
                self.begins(Stage::Login);
                let began = context.clock.now();
                let outcome = driver.log_in(&account, &mut session).await;
                self.log("log_in", outcome.as_ref().copied(), began);
                self.signed_in(Stage::Login, outcome, session)
            }
            outcome => self.signed_in(Stage::Signup, outcome, session),
        }
    }

    /// Logs a step that began at `began`.
    pub(super) fn log(&self, step: &'static str, outcome: Result<(), &Failure>, began: Stamp) {
        steps::log(self.username(), step, outcome, self.context.clock.now().since(began));
    }

    fn signed_in(&mut self, stage: Stage, outcome: Result<(), Failure>, session: Session) -> Result<Session, Failure> {
        self.under_way = None;
        self.count(stage, outcome.as_ref().map(|_| ()));
        outcome?;
        self.context.sessions.put(self.me, session.clone());
        Ok(session)
    }

    fn count(&self, stage: Stage, outcome: Result<(), &Failure>) {
        self.context.metrics.operation(stage);
        if let Err(failure) = outcome {
            self.context.metrics.error(stage, failure.kind);
            tracing::warn!(user = %self.username(), stage = stage.as_str(), %failure, "step failed");
        }
    }
}

//! The steps before a user may open its connection: session, sign-up, log-in, the room's page.

use crate::clock::{Clock, Stamp};
use crate::model::{Failure, FailureClass};
use crate::protocol::{Driver, RoomPage, Session, SessionUser};
use crate::run::over_capacity;
use crate::telemetry::stdio::tell;

/// One user on its way in.
pub(super) struct Admission<'a, D> {
    pub(super) driver: &'a D,
    pub(super) clock: Clock,
    /// Whether the protocol has sign-up.
    pub(super) sign_up: bool,
    pub(super) user: &'a SessionUser,
}

/// A user who may open its connection.
pub(super) struct Admitted {
    pub(super) session: Session,
    pub(super) room: RoomPage,
}

impl Admitted {
    /// Prints what the room's page says; `users` is the number that a run of this configuration would hold.
    pub(super) fn tell(&self, users: u64) {
        let RoomPage { user_id, side_rooms, capacity, page_bytes } = &self.room;
        if *page_bytes > 0 {
            let side_rooms = side_rooms.len();
            tell(&format!("    user id {}, page of {page_bytes} bytes, {side_rooms} side rooms to join", user_id.0));
        }
        if let Some(warning) = over_capacity(users, capacity.unwrap_or(0)) {
            tell(&format!("    warning: {warning}"));
        }
    }
}

impl<D: Driver> Admission<'_, D> {
    /// Opens the room's page, with the saved session if the server still knows it.
    pub(super) async fn come_in(&self, saved: Option<Session>) -> Result<Admitted, Failure> {
        if let Some(mut session) = saved.map(|session| Session { user: self.user(), ..session }) {
            tell(&format!("  {}: session: saved by an earlier run or check", self.user.account.username));
            match self.step("room page", self.driver.open(&mut session)).await {
                Err(failure) if failure.class == FailureClass::SignedOut => {
                    tell("  session: no longer valid, signing in");
                }
                opened => return opened.map(|room| Admitted { session, room }),
            }
        }
        let mut session = self.sign_in().await?;
        let room = self.step("room page", self.driver.open(&mut session)).await?;
        Ok(Admitted { session, room })
    }

    fn user(&self) -> Option<SessionUser> {
        Some(self.user.clone())
    }

    /// Signs up, or logs in if the name is taken.
    async fn sign_in(&self) -> Result<Session, Failure> {
        let mut session = Session { user: self.user(), ..Session::default() };
        if !self.sign_up {
            self.step("log-in", self.driver.log_in(&self.user.account, &mut session)).await?;
            return Ok(session);
        }
        let name = &self.user.account.username;
        match self.driver.sign_up(&self.user.account, &mut session).await {
            Ok(()) => tell(&format!("  {name}: sign-up: ok")),
            Err(failure) if failure.class == FailureClass::NameTaken => {
                tell(&format!("  {name}: sign-up: the name is taken, logging in"));
                session = Session { user: self.user(), ..Session::default() };
                self.step("log-in", self.driver.log_in(&self.user.account, &mut session)).await?;
            }
            Err(failure) => return Err(failure),
        }
        Ok(session)
    }

    /// Does a step, and prints how it went and how long it took.
    pub(super) async fn step<T>(
        &self,
        what: &str,
        doing: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let began: Stamp = self.clock.now();
        let done = doing.await;
        let took = self.clock.now().since(began).as_secs_f64() * 1e3;
        let name = &self.user.account.username;
        match &done {
            Ok(_) => tell(&format!("  {name}: {what}: ok, {took:.1} ms")),
            Err(_) => tell(&format!("  {name}: {what}: failed after {took:.1} ms")),
        }
        done
    }
}

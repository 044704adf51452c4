//! `soakrig check`: one user through every step of the protocol, and what came back.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::protocol::with_protocol;
use crate::clock::{Clock, Stamp};
use crate::config::plan::Check;
use crate::drivers::Visitor;
use crate::error::{ExitCode, StartError};
use crate::marker::{Decoded, GeneratorTag, Marker, RoomTag, RunTag};
use crate::model::{Failure, FailureClass, FailureKind, HttpOutcome, HttpStep};
use crate::protocol::{
    Capabilities, Connection, Driver, Event, Outgoing, Probe, Progress, Protocol, RoomPage, Session, SessionUser,
    Untraced,
};
use crate::run::Console;
use crate::run::over_capacity;
use crate::run::session_cache::SessionCache;
use crate::run::setup::{self, Asked};
use crate::run::signals::{Signals, read_by};
use crate::telemetry::stdio::tell;
use crate::transport::endpoint::Endpoint;

/// How long one frame may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A check of whichever protocol was chosen.
struct Checked(Check);

impl Visitor for Checked {
    type Output = Pin<Box<dyn Future<Output = Result<ExitCode, StartError>>>>;

    fn visit<P: Protocol>(self, protocol: P) -> Self::Output {
        Box::pin(async move { check_with(&protocol, self.0).await })
    }
}

/// Goes through the steps and prints a line each; exit 107 at the first that fails.
pub(super) async fn check(check: Check) -> Result<ExitCode, StartError> {
    let choice = check.protocol.clone();
    with_protocol(&choice, Checked(check))?.await
}

async fn check_with<P: Protocol>(protocol: &P, check: Check) -> Result<ExitCode, StartError> {
    let mut signals = Signals::listen()?;
    Console::open(&check.logging)?;
    let clock = Clock::start();
    let mut cache = SessionCache::open(check.users.cache.clone(), check.target.to_string()).await?;
    let password = cache.password(check.users.password.clone()).await?;
    let slug = check.plenary.as_str();
    let asked = Asked {
        target: &check.target,
        room: slug,
        connection: &check.connection,
        secrets: vec![password.clone()],
        clock,
    };
    let driver = setup::driver(protocol, asked, Arc::new(Quiet), Arc::new(Untraced))?;
    let number = check.users.range.min();
    let (account, row) = (check.users.account(number, &password), check.users.row(number));
    let username = account.username.clone();
    tell(&format!("{} as {username}, room {slug}", check.target));
    if let Some(proxy) = &check.connection.proxy {
        let direct = Endpoint::of(check.target.url()).is_some_and(|server| !proxy.takes(&server));
        let used = if direct { "not used: NO_PROXY names the server" } else { "every connection goes through it" };
        tell(&format!("  proxy {proxy}: {used}"));
    }
    let saved = cache.sessions().remove(&username);
    let users = u64::from(check.users.fleet_range.len());
    let capabilities = setup::capabilities(protocol, &check.protocol, &check.users)?;
    let walk = Walk {
        driver,
        clock,
        users,
        user: SessionUser { account, index: number.into(), row, room: None },
        capabilities,
    };
    let mut session = None;
    let walked = tokio::select! {
        walked = walk.all(saved, &mut session) => Some(walked),
        () = signals.next() => None,
    };
    if session.is_some() {
        cache.write(vec![(walk.user.account.username, session)]).await;
    }
    let code = match walked {
        Some(Ok(())) => {
            tell("every step works");
            ExitCode::Ok
        }
        Some(Err(failure)) => {
            tell(&format!("  FAILED: {failure}"));
            ExitCode::Refused
        }
        None => {
            tell("  interrupted");
            return Ok(ExitCode::Interrupted);
        }
    };
    read_by(&mut signals).await;
    Ok(code)
}

/// A probe nobody asks.
pub(super) struct Quiet;

impl Probe for Quiet {
    fn http(&self, _: HttpStep, _: HttpOutcome, _: Duration) {}

    fn http_retry(&self, _: HttpStep) {}
}

struct Walk<D> {
    driver: D,
    clock: Clock,
    capabilities: Capabilities,
    /// How many users a run of this configuration would hold.
    users: u64,
    user: SessionUser,
}

impl<D: Driver> Walk<D> {
    /// Every step. `session` is left as it is known to the server, for the cache file.
    async fn all(&self, saved: Option<Session>, known: &mut Option<Session>) -> Result<(), Failure> {
        self.step("room is there and open", self.driver.preflight()).await?;
        let (mut session, room) = self.come_in(saved).await?;
        *known = Some(session.clone());
        told(format_args!(
            "user id {}, page of {} bytes, {} side rooms to join",
            room.user_id.0,
            room.page_bytes,
            room.side_rooms.len()
        ));
        if let Some(warning) = over_capacity(self.users, room.capacity.unwrap_or(0)) {
            told(format_args!("warning: {warning}"));
        }
        self.talk(&mut session, &room).await?;
        if !self.capabilities.side_rooms {
            return Ok(());
        }
        match room.side_rooms.first() {
            None => {
                tell("  side rooms: none to join, which is normal");
                Ok(())
            }
            Some(first) => {
                let joining = self.driver.connect_side_room(&mut session, *first);
                let mut socket = self.step("side room page and socket", joining).await?;
                self.step("side room joined", self.until(&mut socket, joined)).await?;
                self.leave(&mut socket).await
            }
        }
    }

    /// The room's page, with the saved session if the server still knows it.
    async fn come_in(&self, saved: Option<Session>) -> Result<(Session, RoomPage), Failure> {
        if let Some(mut session) = saved.map(|session| Session { user: self.user(), ..session }) {
            tell("  session: saved by an earlier run or check");
            match self.step("room page", self.driver.open(&mut session)).await {
                Err(failure) if failure.class == FailureClass::SignedOut => {
                    tell("  session: the server does not know it any more, signing in");
                }
                opened => return opened.map(|room| (session, room)),
            }
        }
        let mut session = self.sign_in().await?;
        let room = self.step("room page", self.driver.open(&mut session)).await?;
        Ok((session, room))
    }

    fn user(&self) -> Option<SessionUser> {
        Some(self.user.clone())
    }

    /// Signs up, or logs in where the name is taken.
    async fn sign_in(&self) -> Result<Session, Failure> {
        let mut session = Session { user: self.user(), ..Session::default() };
        if !self.capabilities.sign_up {
            self.step("log-in", self.driver.log_in(&self.user.account, &mut session)).await?;
            return Ok(session);
        }
        match self.driver.sign_up(&self.user.account, &mut session).await {
            Ok(()) => tell("  sign-up: ok"),
            Err(failure) if failure.class == FailureClass::NameTaken => {
                tell("  sign-up: the name is taken, logging in");
                session = Session { user: self.user(), ..Session::default() };
                self.step("log-in", self.driver.log_in(&self.user.account, &mut session)).await?;
            }
            Err(failure) => return Err(failure),
        }
        Ok(session)
    }

    /// The room's socket: joining, a chat and its echo, a heartbeat, the close.
    async fn talk(&self, session: &mut Session, room: &RoomPage) -> Result<(), Failure> {
        let mut socket = self.step("socket handshake", self.driver.connect(session)).await?;
        self.step("joined", self.until(&mut socket, joined)).await?;
        if !self.capabilities.delivery.echo {
            tell("  chat: its sender would not hear it, so none is sent");
            return self.leave(&mut socket).await;
        }
        let marker = Marker {
            run: RunTag::of("check"),
            room: RoomTag::of("check"),
            generator: GeneratorTag(rand::random()),
            seq: 0,
            intended_micros: self.clock.unix_micros(self.clock.now()),
        };
        socket.begin(Outgoing::Chat(&marker.encode(room.user_id, "soakrig checks that a chat comes back unchanged")));
        let echo = self.until(&mut socket, |event| match event {
            Event::Message { decoded: Decoded::Intact(seen), .. } if *seen == marker => Some(Ok(())),
            // Other people's chats may look damaged, too.
            Event::Message { sender, decoded: Decoded::Corrupt(_) | Decoded::Torn(_), .. }
                if *sender == room.user_id =>
            {
                Some(Err(Failure::new(FailureKind::Corrupt)))
            }
            Event::Refused(failure) => Some(Err(failure.clone())),
            _ => None,
        });
        self.step("chat and its echo", echo).await?;
        self.leave(&mut socket).await
    }

    async fn leave(&self, socket: &mut impl Connection) -> Result<(), Failure> {
        socket.close();
        let over = async { while !matches!(socket.drive(|_| {}).await, Progress::Ended(_)) {} };
        let closed = async {
            tokio::time::timeout(PATIENCE, over)
                .await
                .map_err(|_| Failure::with(FailureKind::Timeout, "no answer to the close"))
        };
        self.step("close", closed).await
    }

    /// Reads until `wanted` has seen what it waits for.
    async fn until(
        &self,
        socket: &mut impl Connection,
        mut wanted: impl FnMut(&Event<'_>) -> Option<Result<(), Failure>> + Send,
    ) -> Result<(), Failure> {
        let reading = async {
            let mut seen = None;
            while seen.is_none() {
                let progress = socket.drive(|frame| seen = seen.take().or_else(|| wanted(&frame.event))).await;
                if let Progress::Ended(ended) = progress {
                    let how = format!("the socket ended: {} ({})", ended.reason.as_str(), ended.initiator.as_str());
                    return seen.unwrap_or(Err(Failure::with(FailureKind::ConnectionClosed, how)));
                }
            }
            seen.unwrap_or(Ok(()))
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| Err(Failure::new(FailureKind::Timeout)))
    }

    async fn step<T>(&self, what: &str, doing: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let began: Stamp = self.clock.now();
        let done = doing.await;
        let took = self.clock.now().since(began);
        match &done {
            Ok(_) => tell(&format!("  {what}: ok, {:.1} ms", took.as_secs_f64() * 1e3)),
            Err(_) => tell(&format!("  {what}: failed after {:.1} ms", took.as_secs_f64() * 1e3)),
        }
        done
    }
}

fn joined(event: &Event<'_>) -> Option<Result<(), Failure>> {
    match event {
        Event::Joined => Some(Ok(())),
        Event::Refused(failure) => Some(Err(failure.clone())),
        _ => None,
    }
}

fn told(what: impl Display) {
    tell(&format!("    {what}"));
}

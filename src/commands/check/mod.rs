//! `soakrig check`: takes two users through every step of the protocol, without load. Prints a
//! transcript, and findings about the server.
//!
//! | file | what it is for |
//! | --- | --- |
//! | `recorder` | prints the transcript, and keeps the last frame |
//! | `admission` | the steps before a user may open its connection |
//! | `seat` | one user's open connection, and what it received |
//! | `talk` | what the users send each other: echo, history, frames without a rule |
//! | `texts`, `samples` | characters that a server changes, and the sender of a message |
//! | `burst` | losses and order of many messages at once |
//! | `silence` | connections on which the user sends nothing |
//! | `field` | the place of a value in a frame |
//! | `finding` | findings and the exit code |
//! | `resemblance` | the shipped protocol file that the server may need instead |

mod admission;
mod burst;
mod field;
mod finding;
mod recorder;
mod resemblance;
mod samples;
mod seat;
mod silence;
mod talk;
mod texts;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use self::admission::{Admission, Admitted};
use self::finding::{Finding, Findings};
use self::recorder::{Recorder, Recording};
use self::seat::Seat;
use self::talk::Talk;
use super::protocol::with_protocol;
use crate::clock::Clock;
use crate::config::plan::Check;
use crate::drivers::Visitor;
use crate::error::{ExitCode, StartError};
use crate::model::{Failure, FailureClass, HttpOutcome, HttpStep, Secret};
use crate::protocol::{Capabilities, Driver, Probe, Protocol, Session, SessionUser, Untraced};
use crate::run::Console;
use crate::run::session_cache::SessionCache;
use crate::run::setup::{self, Asked};
use crate::run::signals::{Signals, read_by};
use crate::telemetry::stdio::tell;
use crate::transport::endpoint::Endpoint;

/// A check, to be run with the chosen protocol.
struct Checked(Check);

impl Visitor for Checked {
    type Output = Pin<Box<dyn Future<Output = Result<ExitCode, StartError>>>>;

    fn visit<P: Protocol>(self, protocol: P) -> Self::Output {
        Box::pin(async move { check_with(&protocol, self.0).await })
    }
}

/// Goes through the steps and prints transcript and findings. Exit code 107 if a step fails or a finding
/// contradicts the protocol.
pub(super) async fn check(check: Check) -> Result<ExitCode, StartError> {
    let choice = check.protocol.clone();
    with_protocol(&choice, Checked(check))?.await
}

async fn check_with<P: Protocol>(protocol: &P, check: Check) -> Result<ExitCode, StartError> {
    let capabilities = setup::capabilities(protocol, &check.protocol, &check.users)?;
    let mut signals = Signals::listen()?;
    Console::open(&check.logging)?;
    let mut cache = SessionCache::open(check.users.cache.clone(), check.target.to_string()).await?;
    let password = cache.password(check.users.password.clone()).await?;
    let range = check.users.range;
    let numbers: Vec<u32> = (range.min()..range.max()).take(2).collect();
    let names: Vec<String> = numbers.iter().map(|number| check.users.account(*number, &password).username).collect();
    tell(&format!("{} as {}, room {}", check.target, names.join(" and "), check.plenary.as_str()));
    tell_proxy(&check);
    let (clock, findings) = (Clock::start(), Findings::default());
    let mut walk = Walk { protocol, check: &check, password: &password, clock, capabilities, findings };
    let mut users = Vec::new();
    for (number, username) in numbers.into_iter().zip(&names) {
        let account = check.users.account(number, &password);
        let recorder = Arc::new(Recorder::new(username, account.password.reveal()));
        let trace = Arc::new(Recording(Arc::clone(&recorder)));
        users.push(User {
            driver: setup::driver(protocol, walk.asked(), Arc::new(Quiet), trace)?,
            user: SessionUser { account, index: number.into(), row: check.users.row(number), room: None },
            saved: cache.sessions().remove(username),
            known: None,
            recorder,
        });
    }
    let walked = tokio::select! {
        walked = walk.all(&mut users) => Some(walked),
        () = signals.next() => None,
    };
    cache.write(users.into_iter().filter_map(User::session).collect()).await;
    let Some(walked) = walked else {
        tell("  interrupted");
        return Ok(ExitCode::Interrupted);
    };
    let code = walk.findings.tell(walked.is_ok());
    if let Err(failure) = &walked {
        let place = place_of_step(protocol, failure).map(|place| format!("{place}: ")).unwrap_or_default();
        tell(&format!("  FAILED: {place}{failure}"));
    }
    read_by(&mut signals).await;
    Ok(if walked.is_ok() { code } else { ExitCode::Refused })
}

/// The place in the protocol's description of the step that failed: details start like `join step 3: `.
fn place_of_step<P: Protocol>(protocol: &P, failure: &Failure) -> Option<String> {
    let (list, rest) = failure.detail.split_once(" step ")?;
    let number: usize = rest.split_once(':')?.0.parse().ok()?;
    protocol.place(&format!("{list}[{number}]"))
}

/// Prints whether connections go through the configured proxy.
fn tell_proxy(check: &Check) {
    let Some(proxy) = &check.connection.proxy else { return };
    let direct = Endpoint::of(check.target.url()).is_some_and(|server| !proxy.takes(&server));
    let used = if direct { "not used: NO_PROXY names the server" } else { "every connection goes through it" };
    tell(&format!("  proxy {proxy}: {used}"));
}

/// A probe that ignores what it observes.
pub(super) struct Quiet;

impl Probe for Quiet {
    fn http(&self, _: HttpStep, _: HttpOutcome, _: Duration) {}

    fn http_retry(&self, _: HttpStep) {}
}

/// One of the users in the check.
struct User<D> {
    driver: D,
    user: SessionUser,
    saved: Option<Session>,
    /// The session as the server knows it, for the cache file.
    known: Option<Session>,
    recorder: Arc<Recorder>,
}

impl<D> User<D> {
    fn session(self) -> Option<(String, Option<Session>)> {
        self.known.map(|session| (self.user.account.username, Some(session)))
    }
}

struct Walk<'a, P> {
    protocol: &'a P,
    check: &'a Check,
    password: &'a Secret,
    clock: Clock,
    capabilities: Capabilities,
    findings: Findings,
}

impl<P: Protocol> Walk<'_, P> {
    /// Goes through every step.
    async fn all(&mut self, users: &mut [User<P::Driver>]) -> Result<(), Failure> {
        let [first, others @ ..] = users else { return Ok(()) };
        let entered = async {
            self.admission(first).step("first contact", first.driver.preflight()).await?;
            self.enter(first).await
        };
        let (mut admitted, seat) = match entered.await {
            Ok(entered) => entered,
            Err(failure) => {
                if !matches!(failure.class, FailureClass::Final | FailureClass::NameTaken) {
                    self.probe().await;
                }
                return Err(failure);
            }
        };
        let place = |key: &str| self.protocol.place(key);
        let mut talk = Talk::new(seat, self.capabilities, &place, self.check.plenary.as_str(), self.clock);
        let talked = self.talk(&mut talk, others).await;
        if let Err(failure) = talked {
            let heard = talk.has_heard();
            self.findings.extend(talk.findings.0);
            if !heard {
                self.probe().await;
            }
            return Err(failure);
        }
        let findings = talk.leave().await;
        self.findings.extend(findings);
        if self.capabilities.side_rooms {
            self.side_room(first, &mut admitted).await?;
        }
        Ok(())
    }

    /// What the first user says alone, and what both say once the second is in the room.
    async fn talk(
        &self,
        talk: &mut Talk<'_, <P::Driver as Driver>::Connection>,
        others: &mut [User<P::Driver>],
    ) -> Result<(), Failure> {
        talk.alone().await?;
        if let [second, ..] = others {
            let seat = talk.while_listening(self.enter(second)).await?.1;
            talk.welcome(seat);
        } else {
            talk.findings.add(Finding::note("only one user: raise --user-range-max for the steps that need two"));
        }
        talk.all(self.check.patient).await
    }

    /// Asks the target what other protocol it may speak.
    async fn probe(&mut self) {
        let settings = setup::settings(self.asked(), Arc::new(Quiet), Arc::new(Untraced));
        self.findings.extend(resemblance::of(&settings, self.protocol.name()).await);
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            target: &self.check.target,
            room: self.check.plenary.as_str(),
            connection: &self.check.connection,
            secrets: vec![self.password.clone()],
            clock: self.clock,
        }
    }

    fn admission<'u>(&self, user: &'u User<P::Driver>) -> Admission<'u, P::Driver> {
        Admission { driver: &user.driver, clock: self.clock, sign_up: self.capabilities.sign_up, user: &user.user }
    }

    /// Signs a user in and joins the room.
    async fn enter(
        &self,
        user: &mut User<P::Driver>,
    ) -> Result<(Admitted, Seat<<P::Driver as Driver>::Connection>), Failure> {
        let saved = user.saved.take();
        let admission = self.admission(user);
        let mut admitted = admission.come_in(saved).await?;
        admitted.tell(self.check.users.fleet_range.len().into());
        let connection = admission.step("socket handshake", user.driver.connect(&mut admitted.session)).await?;
        let name = user.user.account.username.clone();
        let mut seat = Seat::new(name, admitted.room.user_id, connection, Arc::clone(&user.recorder));
        let joined = admission.step("joined", seat.join()).await;
        user.known = Some(admitted.session.clone());
        joined?;
        Ok((admitted, seat))
    }

    /// Joins and leaves one side room, if there is one.
    async fn side_room(&self, user: &User<P::Driver>, admitted: &mut Admitted) -> Result<(), Failure> {
        let Some(side_room) = admitted.room.side_rooms.first().copied() else {
            tell("  side rooms: none to join, which is normal");
            return Ok(());
        };
        let admission = self.admission(user);
        let joining = user.driver.connect_side_room(&mut admitted.session, side_room);
        let connection = admission.step("side room page and socket", joining).await?;
        let name = user.user.account.username.clone();
        let mut seat = Seat::new(name, admitted.room.user_id, connection, Arc::clone(&user.recorder));
        admission.step("side room joined", seat.join()).await?;
        admission.step("side room left", async { Ok(seat.leave().await) }).await.map(drop)
    }
}

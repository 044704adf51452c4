//! A crowd of users over a driver without a network, for tests on paused time.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use soakrig::clock::Clock;
use soakrig::drivers::plenary::PlenaryProtocol;
use soakrig::fleet::dispatch::{Dispatcher, Pace};
use soakrig::fleet::ramp::Fleet;
use soakrig::ledger::{Identity, Ledger, Rules, Terms};
use soakrig::marker::{GeneratorTag, RoomTag, RunTag};
use soakrig::metrics::Metrics;
use soakrig::model::{Account, EndReason, Failure, FailureClass, FailureKind, Initiator, Secret, SenderId, Stage};
use soakrig::protocol::{
    Connection, Driver, Ended, Event, Members, Outgoing, Progress, Protocol as _, Received, Room, Session, SideRoomId,
};
use soakrig::schedule::limit::Limit;
use soakrig::schedule::pacer::Pacer;
use soakrig::schedule::timetable::Spacing;
use soakrig::telemetry::traces::chats::ChatTraces;
use soakrig::user::{Behaviour, Crowd, Limits, Parts, RunContext};
use tokio::sync::watch;

pub const HOUR: Duration = Duration::from_secs(3600);
pub const MINUTE: Duration = Duration::from_secs(60);
/// Connects a second, as `--connect-rate` has it by default.
pub const CONNECT_RATE: f64 = 20.0;

/// How the server is.
#[derive(Debug, Clone, PartialEq)]
pub enum Weather {
    Fair,
    /// Nobody listens, and what was open is reset.
    Away,
    /// Sockets are open, and nothing comes.
    Silent,
    /// Sockets take nothing.
    Deaf,
    /// Nobody stays signed in.
    Forgetful,
    /// Accounts are gone, sockets are reset, and signing up fails.
    Wiped,
    /// Upgrades are refused with this wish.
    Busy(Duration),
    /// Pages are refused in this class, by a kind that says nothing.
    Refusing(FailureClass),
}

/// A server without a network.
pub struct Stub {
    weather: watch::Sender<Weather>,
    clock: Clock,
    /// Pages asked for.
    pub asked: AtomicU64,
    /// Log-ins tried.
    pub logins: AtomicU64,
    /// So many of the next pages, and reads, are defects.
    pub bad_pages: AtomicU32,
    pub bad_reads: watch::Sender<u32>,
}

impl Stub {
    fn new(clock: Clock) -> Self {
        Self {
            weather: watch::Sender::new(Weather::Fair),
            clock,
            asked: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            bad_pages: AtomicU32::new(0),
            bad_reads: watch::Sender::new(0),
        }
    }
}

pub struct Line {
    weather: watch::Receiver<Weather>,
    bad_reads: watch::Sender<u32>,
    clock: Clock,
    greeted: bool,
    writing: bool,
    closed: bool,
}

impl Connection for Line {
    fn begin(&mut self, _: Outgoing<'_>) -> bool {
        !std::mem::replace(&mut self.writing, true)
    }

    fn is_writing(&self) -> bool {
        self.writing
    }

    fn close(&mut self) {
        self.closed = true;
    }

    async fn drive<F>(&mut self, mut sink: F) -> Progress
    where
        F: FnMut(Received<'_>) + Send,
    {
        let at = self.clock.now();
        let weather = self.weather.borrow().clone();
        if weather == Weather::Silent && !self.closed {
            if std::mem::take(&mut self.writing) {
                return Progress::Written;
            }
            let _ = self.weather.wait_for(|weather| *weather != Weather::Silent).await;
        }
        if !std::mem::replace(&mut self.greeted, true) {
            // A protocol without member lists, in which no frame says that the user is in.
            sink(Received { at, kind: None, event: Event::Joined });
            return Progress::Read { at, bytes: 1 };
        }
        if self.closed {
            return Progress::Ended(Ended { initiator: Initiator::User, reason: EndReason::Left });
        }
        if weather != Weather::Deaf && std::mem::take(&mut self.writing) {
            return Progress::Written;
        }
        let mut bad = self.bad_reads.subscribe();
        tokio::select! {
            _ = self.weather.wait_for(|weather| matches!(weather, Weather::Away | Weather::Wiped)) => {
                Progress::Ended(Ended { initiator: Initiator::Network, reason: EndReason::Reset })
            }
            () = async { drop(bad.wait_for(|left| *left > 0).await) } => {
                self.bad_reads.send_modify(|left| *left -= 1);
                panic!("a defect in a read");
            }
            // Now and then something comes: the server is alive.
            () = tokio::time::sleep(Duration::from_secs(10)) => Progress::Read { at: self.clock.now(), bytes: 1 },
        }
    }
}

impl Driver for Stub {
    type Connection = Line;

    async fn sign_up(&self, _: &Account, _: &mut Session) -> Result<(), Failure> {
        match &*self.weather.borrow() {
            Weather::Wiped => Err(Failure::new(FailureKind::InternalError)),
            _ => Ok(()),
        }
    }

    async fn log_in(&self, _: &Account, _: &mut Session) -> Result<(), Failure> {
        self.logins.fetch_add(1, Ordering::Relaxed);
        match &*self.weather.borrow() {
            Weather::Wiped => Err(Failure::new(FailureKind::WrongPassword)),
            _ => Ok(()),
        }
    }

    async fn open(&self, _: &mut Session) -> Result<Room, Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let one_less = |left: u32| left.checked_sub(1);
        if self.bad_pages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            panic!("a defect in a page");
        }
        match &*self.weather.borrow() {
            Weather::Away => Err(Failure::new(FailureKind::ConnectionRefused)),
            Weather::Refusing(class) => Err(Failure::new(FailureKind::ServerMessage).classed(*class)),
            Weather::Forgetful | Weather::Wiped => Err(Failure::new(FailureKind::SignedOut)),
            _ => Ok(Room { user_id: SenderId::number(1), side_rooms: Vec::new(), capacity: None, page_bytes: 1 }),
        }
    }

    async fn connect(&self, _: &mut Session) -> Result<Line, Failure> {
        if let Weather::Busy(wish) = *self.weather.borrow() {
            let failure = Failure::new(FailureKind::TooManyRequests);
            return Err(Failure { retry_after: Some(wish), ..failure });
        }
        Ok(Line {
            weather: self.weather.subscribe(),
            bad_reads: self.bad_reads.clone(),
            clock: self.clock,
            greeted: false,
            writing: false,
            closed: false,
        })
    }

    async fn connect_side_room(&self, session: &mut Session, _: SideRoomId) -> Result<Line, Failure> {
        self.connect(session).await
    }

    async fn delete(&self, _: &mut Session) -> Result<(), Failure> {
        Ok(())
    }

    fn members(&self, _: Members<'_>, _: impl FnMut(SenderId, &str)) -> Result<(), Failure> {
        Ok(())
    }

    async fn addresses(&self) -> Result<Vec<std::net::IpAddr>, Failure> {
        Ok(Vec::new())
    }

    async fn preflight(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// A crowd that wants to be in, with ten chats a second.
pub struct Lab {
    pub world: Arc<RunContext<Stub>>,
    fleet: Fleet<Stub>,
}

impl Lab {
    pub fn new(users: usize) -> Self {
        let clock = Clock::start();
        let usernames: Box<[Box<str>]> = (0..users).map(|i| format!("u{i}").into()).collect();
        let terms = Terms { deadline: Duration::from_secs(10), horizon: MINUTE };
        let identity = Identity {
            run: RunTag::of("lab"),
            room: RoomTag::of("test"),
            generator: GeneratorTag(1),
            origin_micros: 0,
        };
        let brief = (Duration::from_secs(2), Duration::from_secs(30));
        let parts = Parts {
            capabilities: PlenaryProtocol.capabilities(),
            ledger: Ledger::new(terms, Rules::default(), identity, users).unwrap(),
            metrics: Arc::new(Metrics::new().unwrap()),
            limits: Limits { sign_in: Limit::evenly(20.0, clock), connect: Limit::evenly(CONNECT_RATE, clock) },
            behaviour: Behaviour { away: brief, breakout_stay: brief, seed: 1 },
            crowd: Crowd { usernames, password: Secret::new("x") },
            saved: HashMap::new(),
            chats: ChatTraces::default(),
        };
        let world = Arc::new(RunContext::new(Stub::new(clock), clock, parts));
        Self { fleet: Fleet::new(Arc::clone(&world)), world }
    }

    /// Starts the users, the schedule and the sweeps; returns once the ramp is done.
    pub async fn begin(&self) {
        self.fleet.first().await.unwrap();
        let traffic = [Pace::Total(10.0), Pace::Off, Pace::Off];
        let dispatcher = Dispatcher::new(Arc::clone(&self.world), traffic, self.fleet.ramped());
        let pacer = Pacer::new(self.world.clock, Spacing::Even, 1, dispatcher);
        tokio::spawn(pacer.run(self.world.stopping.clone()));
        let world = Arc::clone(&self.world);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                world.sweep();
            }
        });
        self.fleet.others(20.0).await;
    }

    pub fn connected(&self) -> usize {
        self.world.roster.connected()
    }

    pub fn panics(&self) -> u64 {
        self.errors(Stage::Receive, FailureKind::Panic)
    }

    pub fn errors(&self, stage: Stage, kind: FailureKind) -> u64 {
        let errors = self.world.metrics.totals(&self.world.metrics.ledger()).errors;
        errors.iter().find(|(what, _)| *what == (stage, kind)).map_or(0, |(_, n)| *n)
    }

    pub fn set(&self, weather: Weather) {
        self.world.driver.weather.send_replace(weather);
    }

    pub fn asked(&self) -> u64 {
        self.world.driver.asked.load(Ordering::Relaxed)
    }

    /// How long it takes until everybody is connected.
    pub async fn until_all_are_in(&self) -> Duration {
        let begin = tokio::time::Instant::now();
        while self.connected() < self.world.roster.len() {
            assert!(begin.elapsed() < HOUR, "{} are in", self.connected());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        begin.elapsed()
    }
}

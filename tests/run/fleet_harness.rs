//! A fleet of users over a stub driver without a network, for tests on paused time.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use soakrig::clock::Clock;
use soakrig::drivers::plenary::PlenaryProtocol;
use soakrig::fleet::dispatch::Dispatcher;
use soakrig::fleet::ramp::Fleet;
use soakrig::ledger::{Identity, Ledger};
use soakrig::marker::{GeneratorTag, RunTag};
use soakrig::metrics::Metrics;
use soakrig::model::{
    Account, DeliveryRules, DeliveryTerms, EndReason, Failure, FailureClass, FailureKind, Initiator, Pacing, Secret,
    SenderId, Stage, Vocabulary, Volume,
};
use soakrig::protocol::{
    Connection, Driver, Ended, Event, Members, Outgoing, Progress, Protocol as _, Received, RoomPage, Session,
    SideRoomId,
};
use soakrig::schedule::limit::Limit;
use soakrig::schedule::pacer::Pacer;
use soakrig::schedule::set_rates::SetRates;
use soakrig::telemetry::traces::chats::ChatTraces;
use soakrig::user::{Behaviour, Credentials, Limits, Parts, Rooms, RunContext};
use tokio::sync::watch;

pub const HOUR: Duration = Duration::from_secs(3600);
pub const MINUTE: Duration = Duration::from_secs(60);
/// Connects per second, the default of `--connect-rate`.
pub const CONNECT_RATE: f64 = 20.0;

/// The condition of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerCondition {
    Healthy,
    /// Connections are refused, and open ones are reset.
    Offline,
    /// Sockets are open, and nothing arrives.
    Silent,
    /// Sockets are open, and accept no bytes.
    Blocked,
    /// Every session is refused as signed out.
    RefusingSessions,
    /// Accounts are gone, sockets are reset, and signing up fails.
    AccountsLost,
    /// Upgrades are refused with this `Retry-After`.
    RetryAfter(Duration),
    /// Pages are refused in this class, by a kind without its own class.
    Refusing(FailureClass),
}

/// A server without a network.
pub struct StubDriver {
    condition: watch::Sender<ServerCondition>,
    clock: Clock,
    /// Pages requested.
    pub page_requests: AtomicU64,
    /// Log-ins tried.
    pub logins: AtomicU64,
    /// This many of the next pages and reads panic.
    pub bad_pages: AtomicU32,
    pub bad_reads: watch::Sender<u32>,
}

impl StubDriver {
    fn new(clock: Clock) -> Self {
        Self {
            condition: watch::Sender::new(ServerCondition::Healthy),
            clock,
            page_requests: AtomicU64::new(0),
            logins: AtomicU64::new(0),
            bad_pages: AtomicU32::new(0),
            bad_reads: watch::Sender::new(0),
        }
    }
}

pub struct StubConnection {
    condition: watch::Receiver<ServerCondition>,
    bad_reads: watch::Sender<u32>,
    clock: Clock,
    listed: bool,
    writing: bool,
    closed: bool,
}

impl Connection for StubConnection {
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
        let condition = self.condition.borrow().clone();
        if condition == ServerCondition::Silent && !self.closed {
            if std::mem::take(&mut self.writing) {
                return Progress::Written;
            }
            let _ = self.condition.wait_for(|condition| *condition != ServerCondition::Silent).await;
        }
        if !std::mem::replace(&mut self.listed, true) {
            // A protocol without member lists, in which no frame confirms the join.
            sink(Received { at, kind: None, event: Event::Joined });
            return Progress::Read { at, bytes: 1 };
        }
        if self.closed {
            return Progress::Ended(Ended { initiator: Initiator::User, reason: EndReason::Left });
        }
        if condition != ServerCondition::Blocked && std::mem::take(&mut self.writing) {
            return Progress::Written;
        }
        let mut bad = self.bad_reads.subscribe();
        tokio::select! {
            _ = self.condition.wait_for(|condition| matches!(condition, ServerCondition::Offline | ServerCondition::AccountsLost)) => {
                Progress::Ended(Ended { initiator: Initiator::Network, reason: EndReason::Reset })
            }
            () = async { drop(bad.wait_for(|left| *left > 0).await) } => {
                self.bad_reads.send_modify(|left| *left -= 1);
                panic!("a defect in a read");
            }
            // The server sends something now and then.
            () = tokio::time::sleep(Duration::from_secs(10)) => Progress::Read { at: self.clock.now(), bytes: 1 },
        }
    }
}

impl Driver for StubDriver {
    type Connection = StubConnection;

    async fn sign_up(&self, _: &Account, _: &mut Session) -> Result<(), Failure> {
        match &*self.condition.borrow() {
            ServerCondition::AccountsLost => Err(Failure::new(FailureKind::InternalError)),
            _ => Ok(()),
        }
    }

    async fn log_in(&self, _: &Account, _: &mut Session) -> Result<(), Failure> {
        self.logins.fetch_add(1, Ordering::Relaxed);
        match &*self.condition.borrow() {
            ServerCondition::AccountsLost => Err(Failure::new(FailureKind::WrongPassword)),
            _ => Ok(()),
        }
    }

    async fn open(&self, _: &mut Session) -> Result<RoomPage, Failure> {
        self.page_requests.fetch_add(1, Ordering::Relaxed);
        let one_less = |left: u32| left.checked_sub(1);
        if self.bad_pages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            panic!("a defect in a page");
        }
        match &*self.condition.borrow() {
            ServerCondition::Offline => Err(Failure::new(FailureKind::ConnectionRefused)),
            ServerCondition::Refusing(class) => Err(Failure::new(FailureKind::ServerMessage).classed(*class)),
            ServerCondition::RefusingSessions | ServerCondition::AccountsLost => {
                Err(Failure::new(FailureKind::SignedOut))
            }
            _ => Ok(RoomPage { user_id: SenderId::number(1), side_rooms: Vec::new(), capacity: None, page_bytes: 1 }),
        }
    }

    async fn connect(&self, _: &mut Session) -> Result<StubConnection, Failure> {
        if let ServerCondition::RetryAfter(wait) = *self.condition.borrow() {
            let failure = Failure::new(FailureKind::TooManyRequests);
            return Err(Failure { retry_after: Some(wait), ..failure });
        }
        Ok(StubConnection {
            condition: self.condition.subscribe(),
            bad_reads: self.bad_reads.clone(),
            clock: self.clock,
            listed: false,
            writing: false,
            closed: false,
        })
    }

    async fn connect_side_room(&self, session: &mut Session, _: SideRoomId) -> Result<StubConnection, Failure> {
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

/// Users that connect, with ten chats per second in all.
pub struct FleetHarness {
    pub context: Arc<RunContext<StubDriver>>,
    fleet: Fleet<StubDriver>,
}

impl FleetHarness {
    pub fn new(users: usize) -> Self {
        let clock = Clock::start();
        let usernames: Box<[Box<str>]> = (0..users).map(|i| format!("u{i}").into()).collect();
        let terms = DeliveryTerms { deadline: Duration::from_secs(10), horizon: MINUTE };
        let rooms = Rooms::one("test", u32::try_from(users).unwrap());
        let identity = Identity { run: RunTag::of("lab"), generator: GeneratorTag(1), origin_micros: 0 };
        let range = (Duration::from_secs(2), Duration::from_secs(30));
        let parts = Parts {
            capabilities: PlenaryProtocol.capabilities(),
            ledger: Ledger::new(terms, DeliveryRules::ALL, identity, &rooms.shares()),
            rooms,
            speakers: None,
            metrics: Arc::new(Metrics::new(Vocabulary::COMMON).unwrap()),
            limits: Limits { sign_in: Limit::evenly(20.0, clock), connect: Limit::evenly(CONNECT_RATE, clock) },
            behaviour: Behaviour {
                away: range,
                side_room_stay: range,
                reconnect: Default::default(),
                texts: Default::default(),
                seed: 1,
            },
            credentials: Credentials { usernames, password: Secret::new("x"), accounts: None, first: 0 },
            saved: HashMap::new(),
            chats: ChatTraces::default(),
        };
        let context = Arc::new(RunContext::new(StubDriver::new(clock), clock, parts));
        Self { fleet: Fleet::new(Arc::clone(&context)), context }
    }

    /// Starts the users, the schedule and the sweeps; returns once the ramp is done.
    pub async fn start(&self) {
        self.fleet.first().await.unwrap();
        let traffic = [Volume::Total(10.0), Volume::Off, Volume::Off];
        let rates = Arc::new(SetRates::new(traffic, self.context.roster.all_able()));
        let dispatcher = Dispatcher::new(Arc::clone(&self.context), rates, self.fleet.ramped());
        let pacer = Pacer::new(self.context.clock, Pacing::Even, 1, dispatcher);
        tokio::spawn(pacer.run(self.context.stopping.clone()));
        let context = Arc::clone(&self.context);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                context.sweep();
            }
        });
        self.fleet.others(20.0).await;
    }

    pub fn connected(&self) -> usize {
        self.context.roster.connected()
    }

    pub fn panics(&self) -> u64 {
        self.errors(Stage::Receive, FailureKind::Panic)
    }

    pub fn errors(&self, stage: Stage, kind: FailureKind) -> u64 {
        let errors = self.context.metrics.totals(&self.context.metrics.ledger()).errors;
        errors.iter().find(|(what, _)| *what == (stage, kind)).map_or(0, |(_, n)| *n)
    }

    pub fn set(&self, condition: ServerCondition) {
        self.context.driver.condition.send_replace(condition);
    }

    pub fn page_requests(&self) -> u64 {
        self.context.driver.page_requests.load(Ordering::Relaxed)
    }

    /// Waits until all users are connected; returns how long it took.
    pub async fn wait_until_all_connected(&self) -> Duration {
        let begin = tokio::time::Instant::now();
        while self.connected() < self.context.roster.len() {
            assert!(begin.elapsed() < HOUR, "{} are in", self.connected());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        begin.elapsed()
    }
}

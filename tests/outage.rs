//! A server that is away for an hour, and defects of soakrig itself, on paused time: a crowd over
//! a stub of a driver.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use soakrig::chat::{
    Account, Action, DropReason, EndReason, Failure, FailureKind, FrameKind, Initiator, Origin, Outcome, Secret,
    Socket, UserState,
};
use soakrig::clock::Clock;
use soakrig::drivers::{
    BreakoutId, Connection, Driver, Ended, Event, Members, Outgoing, Progress, Received, Room, Session,
};
use soakrig::fleet::dispatch::{Dispatcher, Pace};
use soakrig::fleet::ramp::Fleet;
use soakrig::fleet::roster::Roster;
use soakrig::ledger::{Identity, Ledger, Terms};
use soakrig::marker::{GeneratorTag, RunTag};
use soakrig::metrics::Metrics;
use soakrig::schedule::limit::Limit;
use soakrig::schedule::pacer::Pacer;
use soakrig::schedule::timetable::Spacing;
use soakrig::telemetry::traces::chats::ChatTraces;
use soakrig::user::{Crowd, Habits, Limits, Sessions, Texts, World};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// Connects a second, as `--connect-rate` has it by default.
const CONNECT_RATE: f64 = 20.0;

/// How the server is.
#[derive(Debug, Clone, PartialEq)]
enum Weather {
    Fair,
    /// Nobody listens, and what was open is reset.
    Away,
    /// Upgrades are refused with this wish.
    Busy(Duration),
}

/// A server without a network.
struct Stub {
    weather: watch::Sender<Weather>,
    clock: Clock,
    /// Pages asked for.
    asked: AtomicU64,
    /// So many of the next pages, and reads, are defects.
    bad_pages: AtomicU32,
    bad_reads: watch::Sender<u32>,
}

impl Stub {
    fn new(clock: Clock) -> Self {
        Self {
            weather: watch::Sender::new(Weather::Fair),
            clock,
            asked: AtomicU64::new(0),
            bad_pages: AtomicU32::new(0),
            bad_reads: watch::Sender::new(0),
        }
    }
}

struct Line {
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
        if !std::mem::replace(&mut self.greeted, true) {
            let event = Event::Presence(Members { text: "" });
            sink(Received { at, kind: FrameKind::Presence, event });
            return Progress::Read { at, bytes: 1 };
        }
        if self.closed {
            return Progress::Ended(Ended { initiator: Initiator::User, reason: EndReason::Left });
        }
        if std::mem::take(&mut self.writing) {
            return Progress::Written;
        }
        let mut bad = self.bad_reads.subscribe();
        tokio::select! {
            _ = self.weather.wait_for(|weather| *weather == Weather::Away) => {
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
        Ok(())
    }

    async fn log_in(&self, _: &Account, _: &mut Session) -> Result<(), Failure> {
        Ok(())
    }

    async fn open(&self, _: &mut Session) -> Result<Room, Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let one_less = |left: u32| left.checked_sub(1);
        if self.bad_pages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
            panic!("a defect in a page");
        }
        match &*self.weather.borrow() {
            Weather::Away => Err(Failure::new(FailureKind::ConnectionRefused)),
            _ => Ok(Room { user_id: 1, breakouts: Vec::new(), page_bytes: 1 }),
        }
    }

    async fn connect(&self, _: &Session) -> Result<Line, Failure> {
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

    async fn connect_breakout(&self, session: &mut Session, _: BreakoutId) -> Result<Line, Failure> {
        self.connect(session).await
    }

    async fn delete(&self, _: &mut Session) -> Result<(), Failure> {
        Ok(())
    }

    async fn preflight(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn sockets(&self) -> &'static [Socket] {
        Socket::ALL
    }
}

/// A crowd that wants to be in, with ten chats a second.
struct Lab {
    world: Arc<World<Stub>>,
    fleet: Fleet<Stub>,
}

impl Lab {
    fn new(users: usize) -> Self {
        let clock = Clock::start();
        let usernames: Box<[Box<str>]> = (0..users).map(|i| format!("u{i}").into()).collect();
        let terms = Terms { deadline: Duration::from_secs(10), horizon: MINUTE };
        let identity = Identity { run: RunTag::of("lab"), generator: GeneratorTag(1), origin_micros: 0 };
        let brief = (Duration::from_secs(2), Duration::from_secs(30));
        let world = Arc::new(World {
            driver: Stub::new(clock),
            clock,
            ledger: Mutex::new(Ledger::new(terms, identity, users).unwrap()),
            roster: Roster::new(users, 1),
            metrics: Arc::new(Metrics::new().unwrap()),
            limits: Limits { sign_in: Limit::evenly(20.0, clock), connect: Limit::evenly(CONNECT_RATE, clock) },
            habits: Habits { away: brief, breakout_stay: brief, seed: 1 },
            sessions: Sessions::new(usernames.iter().map(ToString::to_string), HashMap::new()),
            crowd: Crowd { usernames, password: Secret::new("x") },
            texts: Texts::new(1),
            breakouts: Mutex::new(Arc::from([])),
            stopping: CancellationToken::new(),
            closing: CancellationToken::new(),
            visits: TaskTracker::new(),
            done: std::array::from_fn(|_| 0.into()),
            chats: ChatTraces::default(),
            debuts: AtomicUsize::new(0),
            anybody_came: AtomicBool::new(false),
        });
        Self { fleet: Fleet::new(Arc::clone(&world)), world }
    }

    /// Starts the users, the schedule and the sweeps; returns once the ramp is done.
    async fn begin(&self) {
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

    fn connected(&self) -> usize {
        self.world.roster.connected()
    }

    fn panics(&self) -> u64 {
        let errors = self.world.metrics.totals(&self.world.metrics.ledger()).errors;
        errors.iter().filter(|((_, kind), _)| *kind == FailureKind::Panic).map(|(_, n)| n).sum()
    }

    fn set(&self, weather: Weather) {
        self.world.driver.weather.send_replace(weather);
    }

    fn asked(&self) -> u64 {
        self.world.driver.asked.load(Ordering::Relaxed)
    }

    /// How long it takes until everybody is connected.
    async fn until_all_are_in(&self) -> Duration {
        let begin = tokio::time::Instant::now();
        while self.connected() < self.world.roster.len() {
            assert!(begin.elapsed() < HOUR, "{} are in", self.connected());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        begin.elapsed()
    }
}

/// A runtime of this thread alone, whose time passes when nothing else is to be done.
fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn a_server_that_is_away_for_an_hour_costs_a_bounded_number_of_attempts_and_no_memory() {
    const USERS: u32 = 300;
    let runtime = paused();
    let lab = runtime.block_on(async {
        let lab = Lab::new(USERS as usize);
        lab.begin().await;
        lab.until_all_are_in().await;
        tokio::time::sleep(MINUTE).await;
        lab.set(Weather::Away);
        // The messages of before are judged and forgotten after two horizons.
        tokio::time::sleep(5 * MINUTE).await;
        assert_eq!(lab.connected(), 0);
        lab
    });
    let (asked, tasks) = (lab.asked(), runtime.metrics().num_alive_tasks());
    let memory = allocation_counter::measure(|| runtime.block_on(async { tokio::time::sleep(HOUR).await }));
    let asked = lab.asked() - asked;
    // A user waits ten seconds at least by then, and all together are held to the rate of connects.
    assert!(asked <= u64::from(USERS) * 360, "{asked} attempts");
    assert!(asked as f64 <= HOUR.as_secs_f64() * CONNECT_RATE + 1.0, "{asked} attempts");
    assert!(asked > u64::from(USERS) * 100, "they do try: {asked} attempts");
    assert!(memory.bytes_current.abs() < 16 * 1024, "{} bytes more than before", memory.bytes_current);
    assert_eq!(runtime.metrics().num_alive_tasks(), tasks);
    assert_eq!(lab.world.ledger.lock().remembered(), 0);
    let dropped = lab.world.metrics.totals(&lab.world.metrics.ledger()).dropped;
    let nobody = dropped.iter().find(|(what, _)| *what == (Action::Chat, DropReason::NotConnected)).unwrap().1;
    assert!(nobody >= 36_000, "every intent of the hour is counted: {nobody}");
    lab.set(Weather::Fair);
    let took = runtime.block_on(lab.until_all_are_in());
    assert!(took < MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_users_are_back_within_a_minute_of_any_outage() {
    let lab = Lab::new(1000);
    lab.begin().await;
    lab.until_all_are_in().await;
    for outage in [1, 20, 60, 300, 1800] {
        lab.set(Weather::Away);
        tokio::time::sleep(Duration::from_secs(outage)).await;
        assert_eq!(lab.connected(), 0);
        lab.set(Weather::Fair);
        let took = lab.until_all_are_in().await;
        assert!(took < MINUTE, "after {outage} s: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_a_year_of_quiet_gets_half_a_minute() {
    const USERS: usize = 100;
    let lab = Lab::new(USERS);
    lab.begin().await;
    lab.until_all_are_in().await;
    lab.set(Weather::Away);
    tokio::time::sleep(Duration::from_secs(1)).await;
    lab.set(Weather::Busy(Duration::from_secs(365 * 86_400)));
    tokio::time::sleep(MINUTE).await;
    let asked = lab.asked();
    tokio::time::sleep(10 * MINUTE).await;
    let asked = lab.asked() - asked;
    // Between 30 and 36 seconds each.
    assert!((USERS as u64 * 16..=USERS as u64 * 21).contains(&asked), "{asked} attempts");
    lab.set(Weather::Fair);
    let took = lab.until_all_are_in().await;
    assert!(took < MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_defect_of_our_own_is_caught_counted_and_survived() {
    let lab = Lab::new(20);
    // The very first attempt, and two more during the ramp.
    lab.world.driver.bad_pages.store(3, Ordering::Relaxed);
    tokio::time::timeout(MINUTE, lab.begin()).await.expect("the ramp does not wait for those whom a defect struck");
    assert_eq!(lab.panics(), 3);
    let took = lab.until_all_are_in().await;
    assert!(took < MINUTE, "{took:?}");
    lab.world.driver.bad_reads.send_replace(4);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((lab.panics(), lab.connected()), (7, 16));
    let counts = lab.world.roster.counts();
    assert_eq!((counts[UserState::BackingOff as usize], counts.iter().sum::<u64>()), (4, 20));
    let metrics = &lab.world.metrics;
    let shown = metrics.encode().unwrap();
    for line in [
        r#"soakrig_errors_total{stage="receive",kind="panic"} 7"#,
        r#"soakrig_connections{socket="plenary"} 16"#,
        r#"soakrig_disconnects_total{socket="plenary",initiator="network",reason="panic"} 4"#,
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    let took = lab.until_all_are_in().await;
    assert!(took < MINUTE, "{took:?}");
    assert!(metrics.encode().unwrap().contains(r#"soakrig_connections{socket="plenary"} 20"#));
    // What they should have heard is excused, and the books go on.
    tokio::time::sleep(3 * MINUTE).await;
    let ledger = lab.world.ledger.lock();
    let local = ledger.tally().origin(Origin::Local);
    assert!(local.expected > 0 && local.outcome(Outcome::ExcusedNetwork) > 0, "{local:?}");
    assert_eq!(local.expected, local.decided() + ledger.outstanding(), "{local:?}");
}

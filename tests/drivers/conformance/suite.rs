//! The tests for every driver: generic over its server.

use std::sync::Arc;
use std::time::Duration;

use allocation_counter::measure;
use soakrig::marker::{Decoded, GeneratorTag, Marker, RoomTag, RunTag};
use soakrig::model::{Account, Failure, FailureClass, Initiator, Secret, SenderId};
use soakrig::protocol::{Capabilities, Connection, Driver, Event, Outgoing, Progress, Protocol, RoomPage, Session};
use soakrig::user::run_user;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use super::{PASSWORD, ServerForDriver};
use crate::scripted_server::settings;

/// Time limit for anything that should come at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Heap that a connected user may hold at rest, tokio's registration included, in bytes.
const HEAP_BUDGET: i64 = 2_048;

/// The part of a connection that lies in its user's task, in bytes.
const SIZE_BUDGET: usize = 512;

type DriverOf<S> = <<S as ServerForDriver>::Protocol as Protocol>::Driver;
type ConnectionOf<S> = <DriverOf<S> as Driver>::Connection;

/// A server on its own threads, so that its allocations are not counted here, and a driver.
struct Pair<S: ServerForDriver> {
    server: Option<S>,
    url: String,
    driver: DriverOf<S>,
    capabilities: Capabilities,
    /// The server's runtime; other users run here, too.
    elsewhere: Runtime,
    here: Runtime,
}

/// A user who has joined.
struct Member<C> {
    connection: C,
    room: RoomPage,
}

fn driver<S: ServerForDriver>(url: &str, room: &str) -> DriverOf<S> {
    let mut settings = settings(url);
    settings.room = room.to_owned();
    S::Protocol::default().driver(settings).unwrap()
}

fn account(name: &str) -> Account {
    Account { username: name.to_owned(), password: Secret::new(PASSWORD) }
}

/// A session of a user: with a new account if the protocol has a sign-up.
async fn sign_in<D: Driver>(driver: &D, capabilities: Capabilities, name: &str) -> Session {
    let mut session = Session::default();
    if capabilities.sign_up {
        driver.sign_up(&account(name), &mut session).await.unwrap();
    } else {
        driver.log_in(&account(name), &mut session).await.unwrap();
    }
    session
}

async fn join<D: Driver>(driver: &D, session: &mut Session) -> Member<D::Connection> {
    let room = driver.open(session).await.unwrap();
    let mut connection = driver.connect(session).await.unwrap();
    drive_until(&mut connection, |event| matches!(event, Event::Joined)).await;
    Member { connection, room }
}

/// Drives until an event is `wanted`; the connection must not end before.
async fn drive_until<C: Connection>(connection: &mut C, mut wanted: impl FnMut(&Event<'_>) -> bool + Send) {
    let driving = async {
        let mut seen = false;
        while !seen {
            let progress = connection.drive(|received| seen |= wanted(&received.event)).await;
            assert!(seen || !matches!(progress, Progress::Ended(_)), "{progress:?}");
        }
    };
    tokio::time::timeout(PATIENCE, driving).await.unwrap();
}

/// Drives to the end of the connection; returns which side ended it.
async fn drive_to_the_end<C: Connection>(connection: &mut C) -> Initiator {
    let driving = async {
        loop {
            if let Progress::Ended(ended) = connection.drive(|_| {}).await {
                return ended.initiator;
            }
        }
    };
    tokio::time::timeout(PATIENCE, driving).await.unwrap()
}

fn marker(seq: u64) -> Marker {
    let (run, room, generator) = (RunTag::of("suite"), RoomTag::of("suite"), GeneratorTag(7));
    Marker { run, room, generator, seq, intended_micros: 1 }
}

/// Sends a message, and drives until it is written; `heard` gets the events meanwhile.
async fn send<C: Connection>(member: &mut Member<C>, seq: u64, mut heard: impl FnMut(&Event<'_>) + Send) {
    let text = marker(seq).encode(member.room.user_id, "the quick brown fox jumps over the lazy dog");
    assert!(member.connection.begin(Outgoing::Chat(&text)), "nothing else is in writing");
    while member.connection.is_writing() {
        member.connection.drive(|received| heard(&received.event)).await;
    }
}

fn is_message(event: &Event<'_>, from: SenderId, seq: u64) -> bool {
    let expected = Decoded::Intact(marker(seq));
    matches!(event, Event::Message { sender, decoded, replay: false } if *sender == from && *decoded == expected)
}

impl<S: ServerForDriver> Pair<S> {
    fn new() -> Self {
        let elsewhere = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let here = Builder::new_current_thread().enable_all().build().unwrap();
        // On a thread of that runtime: tasks that it starts must not be this thread's.
        let server = elsewhere.block_on(elsewhere.spawn(S::start())).unwrap();
        let url = server.url();
        let driver = driver::<S>(&url, S::ROOM);
        Self { server: Some(server), url, driver, capabilities: S::Protocol::default().capabilities(), elsewhere, here }
    }

    fn member(&self, name: &str) -> Member<ConnectionOf<S>> {
        self.here.block_on(async {
            let mut session = sign_in(&self.driver, self.capabilities, name).await;
            join(&self.driver, &mut session).await
        })
    }

    fn stop_server(&mut self) {
        let server = self.server.take().unwrap();
        self.elsewhere.block_on(self.elsewhere.spawn(server.stop())).unwrap();
    }
}

pub fn a_user_joins_once_and_an_open_room_passes_the_preflight<S: ServerForDriver>() {
    let pair = Pair::<S>::new();
    pair.here.block_on(pair.driver.preflight()).unwrap();
    let mut first = pair.member("loadtest1");
    let mut second = pair.member("loadtest2");
    assert_ne!(first.room.user_id, second.room.user_id);
    // Also the events after the second user's join: no user joins twice.
    let mut joined = 0;
    pair.here.block_on(async {
        send(&mut second, 0, |_| {}).await;
        let id = if pair.capabilities.delivery.senders { second.room.user_id } else { SenderId::NONE };
        drive_until(&mut first.connection, |event| {
            joined += usize::from(*event == Event::Joined);
            is_message(event, id, 0)
        })
        .await;
    });
    assert_eq!(joined, 0);
}

pub fn a_message_reaches_others_and_its_sender_only_if_the_protocol_echoes<S: ServerForDriver>() {
    let pair = Pair::<S>::new();
    let (mut sender, mut other) = (pair.member("loadtest1"), pair.member("loadtest2"));
    let (id, other_id) = (sender.room.user_id, other.room.user_id);
    let named = |id| if pair.capabilities.delivery.senders { id } else { SenderId::NONE };
    pair.here.block_on(async {
        let mut echoed = false;
        send(&mut sender, 1, |event| echoed |= is_message(event, named(id), 1)).await;
        drive_until(&mut other.connection, |event| is_message(event, named(id), 1)).await;
        send(&mut other, 2, |_| {}).await;
        drive_until(&mut sender.connection, |event| {
            echoed |= is_message(event, named(id), 1);
            is_message(event, named(other_id), 2)
        })
        .await;
        assert_eq!(echoed, pair.capabilities.delivery.echo);
    });
}

pub fn a_close_by_the_user_ends_the_connection<S: ServerForDriver>() {
    let pair = Pair::<S>::new();
    let mut member = pair.member("loadtest1");
    member.connection.close();
    pair.here.block_on(drive_to_the_end(&mut member.connection));
}

pub fn a_close_by_the_server_is_reported_as_the_servers<S: ServerForDriver>() {
    let mut pair = Pair::<S>::new();
    let mut member = pair.member("loadtest1");
    pair.stop_server();
    assert_eq!(pair.here.block_on(drive_to_the_end(&mut member.connection)), Initiator::Server);
}

pub fn a_wrong_password_is_final<S: ServerForDriver>() {
    let pair = Pair::<S>::new();
    pair.here.block_on(async {
        sign_in(&pair.driver, pair.capabilities, "loadtest1").await;
        let wrong = Account { password: Secret::new("another one 42"), ..account("loadtest1") };
        let failure = pair.driver.log_in(&wrong, &mut Session::default()).await.unwrap_err();
        assert_eq!(failure.class, FailureClass::Final, "{failure}");
        assert!(!failure.to_string().contains("another one"), "{failure}");
        pair.driver.log_in(&account("loadtest1"), &mut Session::default()).await.unwrap();
    });
}

pub fn a_taken_name_leads_to_the_log_in<S: ServerForDriver>() {
    let pair = Pair::<S>::new();
    pair.here.block_on(async {
        sign_in(&pair.driver, pair.capabilities, "loadtest1").await;
        let again = pair.driver.sign_up(&account("loadtest1"), &mut Session::default()).await;
        let class = again.unwrap_err().class;
        assert_eq!(class == FailureClass::NameTaken, pair.capabilities.sign_up, "{class:?}");
    });
}

pub fn a_refused_room_is_hopeless_at_start<S: ServerForDriver>() {
    let pair = Pair::<S>::new();
    let refused = driver::<S>(&pair.url, S::REFUSED_ROOM);
    pair.here.block_on(async {
        let mut session = sign_in(&pair.driver, pair.capabilities, "loadtest1").await;
        let came_in = async {
            refused.open(&mut session).await?;
            refused.connect(&mut session).await.map(drop)
        };
        let failure: Failure = came_in.await.unwrap_err();
        assert_eq!(failure.class, FailureClass::HopelessAtStart, "{failure}");
    });
}

pub fn an_unknown_session_is_signed_out<S: ServerForDriver>() {
    let pair = Pair::<S>::new();
    let Some(mut session) = S::unknown_session() else { return };
    pair.here.block_on(async {
        let opened = async {
            pair.driver.open(&mut session).await?;
            pair.driver.connect(&mut session).await.map(drop)
        };
        let failure: Failure = opened.await.unwrap_err();
        assert_eq!(failure.class, FailureClass::SignedOut, "{failure}");
    });
}

pub fn a_server_that_is_gone_is_hopeless_at_start<S: ServerForDriver>() {
    let pair = Pair::<S>::new();
    // A port that was free a moment ago, and on which nothing listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = driver::<S>(&format!("http://127.0.0.1:{port}/"), S::ROOM);
    let failure = pair.here.block_on(gone.preflight()).unwrap_err();
    assert_eq!(failure.class, FailureClass::HopelessAtStart, "{failure}");
}

pub fn a_connection_at_rest_is_small<S: ServerForDriver>() {
    assert!(size_of::<ConnectionOf<S>>() <= SIZE_BUDGET, "{}", size_of::<ConnectionOf<S>>());
    let held = heap_of_a_connection::<S>();
    assert!(held <= HEAP_BUDGET, "{held} bytes");
}

/// The memory of a user in the room, in bytes: its task, and the heap of its connection. What does not
/// depend on the driver, its share of the ledger and its session's cookies, is left out.
pub fn bytes_of_a_user<S: ServerForDriver>() -> i64 {
    fn task<A, B, C, F>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }
    i64::try_from(task(run_user::<DriverOf<S>>)).unwrap() + heap_of_a_connection::<S>()
}

/// The heap that a connection holds at rest, in bytes.
fn heap_of_a_connection<S: ServerForDriver>() -> i64 {
    let pair = Pair::<S>::new();
    // The first connection allocates what all share.
    let _first = pair.member("loadtest1");
    let mut session = pair.here.block_on(sign_in(&pair.driver, pair.capabilities, "loadtest3"));
    pair.here.block_on(pair.driver.open(&mut session)).unwrap();
    session.hang_up();
    let mut kept = None;
    // Without the join, which is over.
    let held = measure(|| {
        kept = Some(pair.here.block_on(async {
            let mut connection = pair.driver.connect(&mut session).await.unwrap();
            drive_until(&mut connection, |event| matches!(event, Event::Joined)).await;
            connection
        }));
    });
    assert!(kept.is_some());
    held.bytes_current
}

pub fn a_message_allocates_nothing<S: ServerForDriver>() {
    const WARM_UP: u64 = 60;
    const MEASURED: u64 = 200;
    let pair = Pair::<S>::new();
    let mut listener = pair.member("loadtest1");
    let (url, capabilities) = (pair.url.clone(), pair.capabilities);
    let (tell_id, id) = tokio::sync::oneshot::channel();
    // A message per permit: none arrives in two parts, which would have to be joined.
    let permits = Arc::new(Semaphore::new(0));
    let go = Arc::clone(&permits);
    pair.elsewhere.spawn(async move {
        let driver = driver::<S>(&url, S::ROOM);
        let mut session = sign_in(&driver, capabilities, "loadtest2").await;
        let mut speaker = join(&driver, &mut session).await;
        tell_id.send(speaker.room.user_id).unwrap();
        for seq in 1_000.. {
            go.acquire().await.unwrap().forget();
            send(&mut speaker, seq, |_| {}).await;
        }
    });
    let from = pair.here.block_on(id).unwrap();
    let from = if capabilities.delivery.senders { from } else { SenderId::NONE };
    // The number of frames up to a message, and of allocations for them.
    let mut hear = |seq: u64| {
        let mut frames = 0;
        permits.add_permits(1);
        let allocated = measure(|| {
            pair.here.block_on(drive_until(&mut listener.connection, |event| {
                frames += 1;
                is_message(event, from, seq)
            }));
        });
        (frames, allocated.count_total)
    };
    // The thread's memory of recent texts fills up first.
    (1_000..1_000 + WARM_UP).for_each(|seq| {
        hear(seq);
    });
    let heard: Vec<_> = (1_000 + WARM_UP..1_000 + WARM_UP + MEASURED).map(hear).collect();
    // A ping may come between two messages; its answer is not part of a message's cost.
    let alone: Vec<u64> = heard.iter().filter(|(frames, _)| *frames == 1).map(|(_, taken)| *taken).collect();
    assert!(alone.len() as u64 > MEASURED / 2, "{heard:?}");
    assert!(alone.iter().all(|taken| *taken == 0), "{heard:?}");
}

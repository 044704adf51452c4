//! How users reconnect, by `--reconnect`, after a server has ended every connection: on paused time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::in_memory_server::{InMemoryServer, run_context};
use soakrig::clock::Clock;
use soakrig::fleet::ramp::Fleet;
use soakrig::model::{DeliveryTerms, Reconnect};
use soakrig::user::RunContext;
use tokio::time::{Instant, sleep};

const USERS: usize = 100;
/// The rate of `in_memory_server::run_context`: as long as that takes for all users.
const IN_TURN: Duration = Duration::from_millis(50 * (USERS as u64 - 1));
const TERMS: DeliveryTerms = DeliveryTerms { deadline: Duration::from_secs(10), horizon: Duration::from_secs(60) };

/// Users of one way to come back, who have been connected for a minute.
struct Held {
    server: InMemoryServer,
    context: Arc<RunContext<InMemoryServer>>,
    fleet: Fleet<InMemoryServer>,
}

impl Held {
    async fn coming_back(how: Reconnect) -> Self {
        let server = InMemoryServer::new(Clock::start());
        let mut context = run_context(server.clone(), USERS, TERMS);
        context.behaviour.reconnect = how;
        let context = Arc::new(context);
        let fleet = Fleet::new(Arc::clone(&context));
        fleet.first().await.unwrap();
        fleet.others(20.0).await;
        let held = Self { server, context, fleet };
        held.until_all_are_back().await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(held.context.roster.connected(), USERS);
        held
    }

    /// The server ends every connection, and takes new ones at once.
    fn restart(&self) {
        self.server.go_offline();
        self.server.go_online();
    }

    /// Waits until all users are connected; how long that took.
    async fn until_all_are_back(&self) -> Duration {
        let began = Instant::now();
        // The end of a connection is noticed at the next poll.
        loop {
            sleep(Duration::from_millis(1)).await;
            if self.context.roster.connected() == USERS {
                return began.elapsed();
            }
        }
    }

    fn requests(&self) -> u64 {
        self.server.counts().requests.load(Ordering::Relaxed)
    }

    async fn end(self) {
        self.context.stopping.cancel();
        self.context.close();
        assert!(self.fleet.ended(Duration::from_secs(10)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn immediate_brings_all_users_back_at_once_whatever_the_connect_rate() {
    let held = Held::coming_back(Reconnect::Immediate).await;
    held.restart();
    let took = held.until_all_are_back().await;
    // A page and a socket, 5 ms each.
    assert!(took < Duration::from_millis(50), "{took:?}");
    held.end().await;
}

#[tokio::test(start_paused = true)]
async fn immediate_waits_after_a_connection_that_had_hardly_begun() {
    let held = Held::coming_back(Reconnect::Immediate).await;
    held.restart();
    held.until_all_are_back().await;
    held.restart();
    let took = held.until_all_are_back().await;
    assert!(took >= IN_TURN, "the connect rate holds again: {took:?}");
    held.end().await;
}

#[tokio::test(start_paused = true)]
async fn immediate_does_not_ask_a_server_that_is_down_in_a_loop() {
    let held = Held::coming_back(Reconnect::Immediate).await;
    let before = held.requests();
    held.server.go_offline();
    sleep(Duration::from_secs(10)).await;
    let asked = held.requests() - before;
    // The first attempt of each is at once; the others wait for the backoff and for the connect rate.
    let limited = USERS as u64 + 10 * 20 + 1;
    assert!((USERS as u64..=limited).contains(&asked), "{asked} requests");
    held.server.go_online();
    let took = held.until_all_are_back().await;
    assert!(took < Duration::from_secs(60), "{took:?}");
    held.end().await;
}

#[tokio::test(start_paused = true)]
async fn fixed_waits_so_long_and_keeps_to_the_connect_rate() {
    let held = Held::coming_back(Reconnect::Fixed(Duration::from_secs(5))).await;
    let before = held.requests();
    held.restart();
    sleep(Duration::from_millis(4_990)).await;
    assert_eq!((held.requests(), held.context.roster.connected()), (before, 0), "no user asks before");
    let took = held.until_all_are_back().await;
    let allowed = IN_TURN..IN_TURN + Duration::from_millis(500);
    assert!(allowed.contains(&took), "{took:?}");
    held.end().await;
}

#[tokio::test(start_paused = true)]
async fn fixed_waits_as_long_after_each_attempt_that_failed() {
    let held = Held::coming_back(Reconnect::Fixed(Duration::from_secs(20))).await;
    let before = held.requests();
    held.server.go_offline();
    sleep(Duration::from_secs(110)).await;
    // After 20, 40, 60, 80 and 100 seconds, each of the first at up to 5 s more for the connect rate.
    let asked = held.requests() - before;
    assert!((4 * USERS as u64..=5 * USERS as u64).contains(&asked), "{asked} requests");
    held.end().await;
}

#[tokio::test(start_paused = true)]
async fn backoff_spreads_users_and_keeps_to_the_connect_rate() {
    let held = Held::coming_back(Reconnect::Backoff).await;
    let before = held.requests();
    held.restart();
    sleep(Duration::from_millis(490)).await;
    assert_eq!(held.requests(), before, "the shortest wait is half a second");
    let took = held.until_all_are_back().await;
    assert!(took >= IN_TURN, "{took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    held.end().await;
}

//! Seventy-two hours in seconds: schedule, users and ledger on a paused clock, against a server in
//! memory that goes offline for an hour now and then.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use crate::in_memory_server::InMemoryServer;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use soakrig::clock::{Clock, Stamp};
use soakrig::fleet::dispatch::Dispatcher;
use soakrig::fleet::ramp::Fleet;
use soakrig::metrics::snapshot::LedgerSnapshot;
use soakrig::model::{Action, Anomaly, EndReason, Initiator, Origin, Outcome, SocketKind, UserState, Volume};
use soakrig::model::{DeliveryTerms, Pacing};
use soakrig::protocol::Ended;
use soakrig::schedule::Intent;
use soakrig::schedule::pacer::{Dispatch, Pacer};
use soakrig::schedule::set_rates::{SetRates, Traffic};
use soakrig::user::RunContext;
use strum::EnumCount;

const USERS: usize = 5;
const DAYS_3: Duration = Duration::from_secs(72 * 3600);
/// Interval between two chats of all users together.
const CHAT_GAP: Duration = Duration::from_secs(10);
/// Interval between two users who leave.
const LEAVE_GAP: Duration = Duration::from_secs(240);
const OUTAGE: Duration = Duration::from_secs(3600);
/// From the start of one outage to the start of the next.
const OUTAGE_GAP: Duration = Duration::from_secs(9 * 3600);
/// Interval between two checks of the ledger.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
const TERMS: DeliveryTerms = DeliveryTerms { deadline: Duration::from_secs(10), horizon: Duration::from_secs(60) };

/// Records the intended time of each intent.
struct RecordIntended {
    inner: Dispatcher<InMemoryServer>,
    intended: Arc<StdMutex<[Vec<Stamp>; Action::COUNT]>>,
}

impl Dispatch for RecordIntended {
    fn rate(&mut self, action: Action) -> f64 {
        self.inner.rate(action)
    }

    fn issue(&mut self, intent: Intent, late: Duration) {
        self.intended.lock().unwrap()[intent.action as usize].push(intent.intended);
        assert!(late < Duration::from_millis(5), "{late:?} late");
        self.inner.issue(intent, late);
    }
}

/// The ledger must balance, and hold no more than two horizons of messages.
fn check_ledger(context: &RunContext<InMemoryServer>) {
    context.sweep();
    let ledger = context.ledger.lock();
    let tally = ledger.tally().origin(Origin::Local);
    let decided: u64 = tally.outcomes.iter().sum();
    assert_eq!(tally.expected, decided + ledger.outstanding());
    assert_eq!((tally.outcomes[Outcome::Lost as usize], tally.outcomes[Outcome::Late as usize]), (0, 0));
    let most = (2 * TERMS.horizon + CHECK_INTERVAL * 2).as_secs() / CHAT_GAP.as_secs() + 2;
    assert!(ledger.remembered() as u64 <= most, "{} messages are remembered", ledger.remembered());
    drop(ledger);
    assert_eq!(context.roster.counts().iter().sum::<u64>(), USERS as u64);
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // A virtual user each, and its room connection.
    assert!(tasks <= 2 * USERS + 4, "{tasks} tasks");
}

/// Holds the load for three days, checking the ledger throughout; returns the number of outages.
async fn hold_load(context: &RunContext<InMemoryServer>, server: &InMemoryServer) -> u32 {
    let mut rng = StdRng::seed_from_u64(3);
    let begin = context.clock.now();
    let (mut next_cut, mut outages) = (Duration::from_secs(600), 0);
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        check_ledger(context);
        let passed = context.clock.now().since(begin);
        if passed >= DAYS_3 {
            return outages;
        }
        if passed >= OUTAGE_GAP * (outages + 1) - OUTAGE_GAP / 2 {
            outages += 1;
            outage(context, server, outages).await;
        } else if passed >= next_cut {
            next_cut = passed + Duration::from_secs(rng.random_range(60..1_200));
            let (initiator, reason) = match rng.random_range(0..3) {
                0 => (Initiator::Network, EndReason::Reset),
                1 => (Initiator::Server, EndReason::ServiceRestart),
                _ => (Initiator::Server, EndReason::NoCloseFrame),
            };
            server.disconnect(rng.random_range(0..USERS), Ended { initiator, reason });
        }
    }
}

/// The server is offline for an hour, which costs a bounded number of attempts; a minute later all
/// users are back.
async fn outage(context: &RunContext<InMemoryServer>, server: &InMemoryServer, nth: u32) {
    let before = server.counts().requests.load(Ordering::Relaxed);
    server.go_offline();
    if nth.is_multiple_of(3) {
        server.forget_sessions();
    }
    for _ in 0..OUTAGE.as_secs() / CHECK_INTERVAL.as_secs() {
        tokio::time::sleep(CHECK_INTERVAL).await;
        check_ledger(context);
    }
    let attempts = server.counts().requests.load(Ordering::Relaxed) - before;
    let most = USERS as u64 * OUTAGE.as_secs() / 10;
    assert!((USERS as u64 * 10..most).contains(&attempts), "{attempts} requests in an hour of silence");
    assert_eq!(context.roster.connected(), 0);
    server.go_online();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let states = context.roster.counts();
    let well = states[UserState::Connected as usize] + states[UserState::Away as usize];
    // One of them may just be reconnecting.
    assert!(well + states[UserState::Connecting as usize] == USERS as u64 && well >= USERS as u64 - 1, "{states:?}");
}

/// Every gap has the set length: the schedule ignores what the server does.
fn assert_even(intended: &[Stamp], gap: Duration) {
    for pair in intended.windows(2) {
        let off = pair[1].since(pair[0]).abs_diff(gap);
        assert!(off < Duration::from_micros(2), "{:?} after {:?}", pair[1], pair[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn every_intent_and_delivery_of_72_hours_is_accounted_for() {
    let clock = Clock::start();
    let server = InMemoryServer::new(clock);
    let context = Arc::new(crate::in_memory_server::run_context(server.clone(), USERS, TERMS));
    let fleet = Fleet::new(Arc::clone(&context));
    fleet.first().await.unwrap();
    fleet.others(20.0).await;
    assert_eq!(context.roster.connected(), USERS);

    let intended = Arc::default();
    let mut traffic: Traffic = [Volume::Off; Action::COUNT];
    traffic[Action::Chat as usize] = Volume::Total(1.0 / CHAT_GAP.as_secs_f64());
    traffic[Action::Leave as usize] = Volume::Total(1.0 / LEAVE_GAP.as_secs_f64());
    let rates = Arc::new(SetRates::new(traffic, context.roster.all_able()));
    let dispatcher = Dispatcher::new(Arc::clone(&context), rates, fleet.ramped());
    let recording = RecordIntended { inner: dispatcher, intended: Arc::clone(&intended) };
    // Rates do not change here; ten times fewer wake-ups spare most of the test's time.
    let pacer = Pacer::new(clock, Pacing::Even, 1, recording).asking_every(Duration::from_secs(1));
    let pacer = tokio::spawn(pacer.run(context.stopping.clone()));
    let begin = clock.now();

    let outages = hold_load(&context, &server).await;
    assert_eq!(outages, 8);
    let held = clock.now().since(begin);
    context.stopping.cancel();
    pacer.await.unwrap();
    tokio::time::sleep(TERMS.horizon * 3).await;
    check_ledger(&context);
    context.close();
    assert!(fleet.ended(Duration::from_secs(10)).await);

    check_totals(&context, &server, &intended.lock().unwrap(), held);
}

fn check_totals(
    context: &RunContext<InMemoryServer>,
    server: &InMemoryServer,
    intended: &[Vec<Stamp>; Action::COUNT],
    held: Duration,
) {
    let of = |action: Action| &intended[action as usize];
    for (action, gap) in [(Action::Chat, CHAT_GAP), (Action::Leave, LEAVE_GAP)] {
        let owed = held.as_secs() / gap.as_secs();
        assert!(of(action).len().abs_diff(owed as usize) <= 1, "{} of {owed}", of(action).len());
        assert_even(of(action), gap);
    }
    let ledger = context.ledger.lock();
    let tally = ledger.tally().origin(Origin::Local);
    assert_eq!((ledger.outstanding(), ledger.remembered()), (0, 0));
    assert_eq!(tally.anomalies, [0; Anomaly::COUNT]);

    let totals = context.metrics.totals(&LedgerSnapshot::default());
    for action in [Action::Chat, Action::Leave] {
        let dropped: u64 = totals.dropped.iter().filter(|((a, _), _)| *a == action).map(|(_, n)| n).sum();
        let done = context.done[action as usize].load(Ordering::Relaxed);
        assert_eq!(done + dropped, of(action).len() as u64, "every {action:?} is carried out or counted as dropped");
    }
    // The server was away for eight of 72 hours: an intent without a user is dropped, not queued.
    let chats = context.done[Action::Chat as usize].load(Ordering::Relaxed);
    assert!(chats > 22_900, "{chats} chats");

    let counts = server.counts();
    let read = tally.outcomes[Outcome::OnTime as usize] + tally.raced;
    let copies = counts.copies.load(Ordering::Relaxed);
    // Messages on their way when a connection was reset are the difference.
    assert!(read <= copies && copies - read < 200, "{read} of {copies} copies were read");
    assert_eq!(counts.sign_ups.load(Ordering::Relaxed), USERS as u64);
    assert_eq!(counts.log_ins.load(Ordering::Relaxed), 2 * USERS as u64, "sessions were forgotten twice");
    assert_eq!(totals.connect_failures.iter().filter(|((s, _), _)| *s == SocketKind::SideRoom).count(), 0);
}

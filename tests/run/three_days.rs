//! Seventy-two hours in seconds: schedule, users and ledger on a paused clock, against a server in
//! memory that goes away for an hour now and then.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use crate::hall::Hall;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use soakrig::clock::{Clock, Stamp};
use soakrig::fleet::dispatch::{Dispatcher, Pace, Traffic};
use soakrig::fleet::ramp::Fleet;
use soakrig::ledger::Terms;
use soakrig::metrics::snapshot::LedgerSnapshot;
use soakrig::model::{Action, Anomaly, EndReason, Initiator, Origin, Outcome, Socket, UserState};
use soakrig::protocol::Ended;
use soakrig::schedule::Intent;
use soakrig::schedule::pacer::{Dispatch, Pacer};
use soakrig::schedule::timetable::Spacing;
use soakrig::user::RunContext;
use strum::EnumCount;

const USERS: usize = 5;
const DAYS_3: Duration = Duration::from_secs(72 * 3600);
/// One chat in this time, of all users together.
const CHAT_GAP: Duration = Duration::from_secs(10);
/// One user leaves in this time.
const LEAVE_GAP: Duration = Duration::from_secs(240);
const OUTAGE: Duration = Duration::from_secs(3600);
/// Between the begins of two outages.
const OUTAGE_GAP: Duration = Duration::from_secs(9 * 3600);
/// Between two looks at the books.
const LOOK: Duration = Duration::from_secs(10);
const TERMS: Terms = Terms { deadline: Duration::from_secs(10), horizon: Duration::from_secs(60) };

/// Notes the intended time of each intent on its way.
struct Noted {
    inner: Dispatcher<Hall>,
    intended: Arc<StdMutex<[Vec<Stamp>; Action::COUNT]>>,
}

impl Dispatch for Noted {
    fn rate(&mut self, action: Action) -> f64 {
        self.inner.rate(action)
    }

    fn issue(&mut self, intent: Intent, late: Duration) {
        self.intended.lock().unwrap()[intent.action as usize].push(intent.intended);
        assert!(late < Duration::from_millis(5), "{late:?} late");
        self.inner.issue(intent, late);
    }
}

/// The books must balance, and hold no more than two horizons of messages.
fn look_at(world: &RunContext<Hall>) {
    world.sweep();
    let ledger = world.ledger.lock();
    let tally = ledger.tally().origin(Origin::Local);
    let decided: u64 = tally.outcomes.iter().sum();
    assert_eq!(tally.expected, decided + ledger.outstanding());
    assert_eq!((tally.outcomes[Outcome::Lost as usize], tally.outcomes[Outcome::Late as usize]), (0, 0));
    let most = (2 * TERMS.horizon + LOOK * 2).as_secs() / CHAT_GAP.as_secs() + 2;
    assert!(ledger.remembered() as u64 <= most, "{} messages are remembered", ledger.remembered());
    drop(ledger);
    assert_eq!(world.roster.counts().iter().sum::<u64>(), USERS as u64);
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // A life each, and a stay in the room.
    assert!(tasks <= 2 * USERS + 4, "{tasks} tasks");
}

/// Holds the load for three days, looking at the books all the time; returns the number of outages.
async fn fate(world: &RunContext<Hall>, hall: &Hall) -> u32 {
    let mut rng = StdRng::seed_from_u64(3);
    let begin = world.clock.now();
    let (mut next_cut, mut outages) = (Duration::from_secs(600), 0);
    loop {
        tokio::time::sleep(LOOK).await;
        look_at(world);
        let passed = world.clock.now().since(begin);
        if passed >= DAYS_3 {
            return outages;
        }
        if passed >= OUTAGE_GAP * (outages + 1) - OUTAGE_GAP / 2 {
            outages += 1;
            outage(world, hall, outages).await;
        } else if passed >= next_cut {
            next_cut = passed + Duration::from_secs(rng.random_range(60..1_200));
            let (initiator, reason) = match rng.random_range(0..3) {
                0 => (Initiator::Network, EndReason::Reset),
                1 => (Initiator::Server, EndReason::ServiceRestart),
                _ => (Initiator::Server, EndReason::NoCloseFrame),
            };
            hall.cut(rng.random_range(0..USERS), Ended { initiator, reason });
        }
    }
}

/// The server is away for an hour, which costs a bounded number of attempts; a minute later
/// everybody is back.
async fn outage(world: &RunContext<Hall>, hall: &Hall, nth: u32) {
    let before = hall.counts().requests.load(Ordering::Relaxed);
    hall.go_away();
    if nth.is_multiple_of(3) {
        hall.forget_sessions();
    }
    for _ in 0..OUTAGE.as_secs() / LOOK.as_secs() {
        tokio::time::sleep(LOOK).await;
        look_at(world);
    }
    let attempts = hall.counts().requests.load(Ordering::Relaxed) - before;
    let most = USERS as u64 * OUTAGE.as_secs() / 10;
    assert!((USERS as u64 * 10..most).contains(&attempts), "{attempts} requests in an hour of silence");
    assert_eq!(world.roster.connected(), 0);
    hall.come_back();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let states = world.roster.counts();
    let well = states[UserState::Connected as usize] + states[UserState::Away as usize];
    // One of them may be coming back from being away just now.
    assert!(well + states[UserState::Connecting as usize] == USERS as u64 && well >= USERS as u64 - 1, "{states:?}");
}

/// Every gap is the set one: the schedule takes no notice of what the server does.
fn assert_even(intended: &[Stamp], gap: Duration) {
    for pair in intended.windows(2) {
        let off = pair[1].since(pair[0]).abs_diff(gap);
        assert!(off < Duration::from_micros(2), "{:?} after {:?}", pair[1], pair[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn seventy_two_hours_are_exact_to_the_last_delivery() {
    let clock = Clock::start();
    let hall = Hall::open(clock);
    let world = Arc::new(crate::hall::world(hall.clone(), USERS, TERMS));
    let fleet = Fleet::new(Arc::clone(&world));
    fleet.first().await.unwrap();
    fleet.others(20.0).await;
    assert_eq!(world.roster.connected(), USERS);

    let intended = Arc::default();
    let mut traffic: Traffic = [Pace::Off; Action::COUNT];
    traffic[Action::Chat as usize] = Pace::Total(1.0 / CHAT_GAP.as_secs_f64());
    traffic[Action::Leave as usize] = Pace::Total(1.0 / LEAVE_GAP.as_secs_f64());
    let dispatcher = Dispatcher::new(Arc::clone(&world), traffic, fleet.ramped());
    let noted = Noted { inner: dispatcher, intended: Arc::clone(&intended) };
    // Rates do not change here; ten times fewer wake-ups spare most of the test's time.
    let pacer = Pacer::new(clock, Spacing::Even, 1, noted).asking_every(Duration::from_secs(1));
    let pacer = tokio::spawn(pacer.run(world.stopping.clone()));
    let begin = clock.now();

    let outages = fate(&world, &hall).await;
    assert_eq!(outages, 8);
    let held = clock.now().since(begin);
    world.stopping.cancel();
    pacer.await.unwrap();
    tokio::time::sleep(TERMS.horizon * 3).await;
    look_at(&world);
    world.close();
    assert!(fleet.ended(Duration::from_secs(10)).await);

    judge(&world, &hall, &intended.lock().unwrap(), held);
}

fn judge(world: &RunContext<Hall>, hall: &Hall, intended: &[Vec<Stamp>; Action::COUNT], held: Duration) {
    let of = |action: Action| &intended[action as usize];
    for (action, gap) in [(Action::Chat, CHAT_GAP), (Action::Leave, LEAVE_GAP)] {
        let owed = held.as_secs() / gap.as_secs();
        assert!(of(action).len().abs_diff(owed as usize) <= 1, "{} of {owed}", of(action).len());
        assert_even(of(action), gap);
    }
    let ledger = world.ledger.lock();
    let tally = ledger.tally().origin(Origin::Local);
    assert_eq!((ledger.outstanding(), ledger.remembered()), (0, 0));
    assert_eq!(tally.anomalies, [0; Anomaly::COUNT]);

    let totals = world.metrics.totals(&LedgerSnapshot::default());
    for action in [Action::Chat, Action::Leave] {
        let dropped: u64 = totals.dropped.iter().filter(|((a, _), _)| *a == action).map(|(_, n)| n).sum();
        let done = world.done[action as usize].load(Ordering::Relaxed);
        assert_eq!(done + dropped, of(action).len() as u64, "every {action:?} is carried out or counted as dropped");
    }
    // Eight hours of seventy-two the server was away: an intent for nobody is dropped, not queued.
    let chats = world.done[Action::Chat as usize].load(Ordering::Relaxed);
    assert!(chats > 22_900, "{chats} chats");

    let counts = hall.counts();
    let read = tally.outcomes[Outcome::OnTime as usize] + tally.raced;
    let copies = counts.copies.load(Ordering::Relaxed);
    // What was in a line when it was cut is the difference.
    assert!(read <= copies && copies - read < 200, "{read} of {copies} copies were read");
    assert_eq!(counts.sign_ups.load(Ordering::Relaxed), USERS as u64);
    assert_eq!(counts.log_ins.load(Ordering::Relaxed), 2 * USERS as u64, "sessions were forgotten twice");
    assert_eq!(totals.connect_failures.iter().filter(|((s, _), _)| *s == Socket::Breakout).count(), 0);
}

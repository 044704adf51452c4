//! A server that is away for an hour, and defects of soakrig itself, on paused time: a crowd over
//! a stub of a driver.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::crowd::{CONNECT_RATE, HOUR, Lab, MINUTE, Weather};
use soakrig::model::{
    Action, DropReason, EndReason, FailureClass, FailureKind, Initiator, Origin, Outcome, Socket, Stage, UserState,
};

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

#[tokio::test(start_paused = true)]
async fn a_socket_on_which_nothing_comes_is_given_up_and_so_is_one_that_takes_nothing() {
    for (weather, reason) in [(Weather::Silent, EndReason::Silent), (Weather::Deaf, EndReason::WriteTimeout)] {
        let lab = Lab::new(20);
        lab.begin().await;
        lab.until_all_are_in().await;
        lab.set(weather.clone());
        if weather == Weather::Silent {
            tokio::time::sleep(Duration::from_secs(64)).await;
            assert_eq!(lab.connected(), 20, "somebody heard something ten seconds ago at the most");
            tokio::time::sleep(Duration::from_secs(12)).await;
            assert_eq!(lab.connected(), 0, "after 75 s of silence");
        }
        // Whom nobody reads is given up 60 s after its next frame.
        tokio::time::sleep(3 * MINUTE).await;
        let totals = lab.world.metrics.totals(&lab.world.metrics.ledger());
        let ends = totals.disconnects.iter().find(|(end, _)| *end == (Socket::Plenary, Initiator::Network, reason));
        assert!(ends.is_some_and(|(_, n)| *n >= 20), "{weather:?}: {:?}", totals.disconnects);
        if weather == Weather::Silent {
            assert_eq!(lab.connected(), 0, "who is not greeted is not in");
            let refused = (Socket::Plenary, FailureKind::NoPresence);
            assert!(totals.connect_failures.iter().any(|(failure, n)| *failure == refused && *n >= 20));
        }
        lab.set(Weather::Fair);
        let took = lab.until_all_are_in().await;
        assert!(took < MINUTE, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_lost_its_accounts_is_not_asked_for_them_until_it_locks_the_names() {
    let lab = Lab::new(20);
    lab.begin().await;
    lab.until_all_are_in().await;
    lab.set(Weather::Wiped);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(lab.world.driver.logins.load(Ordering::Relaxed), 20, "one each; five would lock a name");
    assert!(lab.errors(Stage::Signup, FailureKind::InternalError) > 200);
    lab.set(Weather::Fair);
    let took = lab.until_all_are_in().await;
    assert!(took < MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_knows_nobody_who_has_just_signed_in_is_an_error() {
    let lab = Lab::new(20);
    lab.begin().await;
    lab.until_all_are_in().await;
    lab.set(Weather::Away);
    tokio::time::sleep(Duration::from_secs(1)).await;
    lab.set(Weather::Forgetful);
    tokio::time::sleep(10 * MINUTE).await;
    let errors = lab.errors(Stage::Event, FailureKind::SignedOut);
    assert!((20 * 25..20 * 70).contains(&errors), "{errors}");
    lab.set(Weather::Fair);
    let took = lab.until_all_are_in().await;
    assert!(took < MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn users_act_on_the_class_of_a_failure_whatever_its_kind() {
    let quiet = FailureClass::Wait(10 * MINUTE);
    for (class, pages, last) in [
        (quiet, 20..=20, UserState::BackingOff),
        (FailureClass::Final, 20..=20, UserState::Failed),
        (FailureClass::Retry, 20 * 10..=20 * 60, UserState::BackingOff),
        (FailureClass::HopelessAtStart, 20 * 10..=20 * 60, UserState::BackingOff),
    ] {
        let lab = Lab::new(20);
        lab.begin().await;
        lab.until_all_are_in().await;
        lab.set(Weather::Away);
        tokio::time::sleep(Duration::from_secs(1)).await;
        lab.set(Weather::Refusing(class));
        let before = lab.world.driver.asked.load(Ordering::Relaxed);
        tokio::time::sleep(5 * MINUTE).await;
        let asked = lab.world.driver.asked.load(Ordering::Relaxed) - before;
        assert!(pages.contains(&asked), "{class:?}: {asked} pages");
        assert!(lab.world.roster.counts()[last as usize] >= 18, "{class:?}");
        let errors = lab.errors(Stage::Event, FailureKind::ServerMessage);
        assert_eq!(errors, asked, "{class:?}: each counts under its kind");
    }
}

//! Outages of the server, and panics in soakrig itself, on paused time: users over a stub driver.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fleet_harness::{CONNECT_RATE, FleetHarness, HOUR, MINUTE, ServerCondition};
use soakrig::model::{
    Action, DropReason, EndReason, FailureClass, FailureKind, Initiator, Origin, Outcome, SocketKind, Stage, UserState,
};

/// A single-threaded runtime whose time advances while all tasks wait.
fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn an_outage_of_an_hour_costs_bounded_attempts_and_no_memory() {
    const USERS: u32 = 300;
    let runtime = paused();
    let harness = runtime.block_on(async {
        let harness = FleetHarness::new(USERS as usize);
        harness.start().await;
        harness.wait_until_all_connected().await;
        tokio::time::sleep(MINUTE).await;
        harness.set(ServerCondition::Offline);
        // Earlier messages are judged and forgotten after two horizons.
        tokio::time::sleep(5 * MINUTE).await;
        assert_eq!(harness.connected(), 0);
        harness
    });
    let (asked, tasks) = (harness.page_requests(), runtime.metrics().num_alive_tasks());
    let memory = allocation_counter::measure(|| runtime.block_on(async { tokio::time::sleep(HOUR).await }));
    let asked = harness.page_requests() - asked;
    // Each user now waits ten seconds at least, and all together keep to the connect rate.
    assert!(asked <= u64::from(USERS) * 360, "{asked} attempts");
    assert!(asked as f64 <= HOUR.as_secs_f64() * CONNECT_RATE + 1.0, "{asked} attempts");
    assert!(asked > u64::from(USERS) * 100, "they do try: {asked} attempts");
    assert!(memory.bytes_current.abs() < 16 * 1024, "{} bytes more than before", memory.bytes_current);
    assert_eq!(runtime.metrics().num_alive_tasks(), tasks);
    assert_eq!(harness.context.ledger.lock().remembered(), 0);
    let dropped = harness.context.metrics.totals(&harness.context.metrics.ledger()).dropped;
    let undelivered = dropped.iter().find(|(what, _)| *what == (Action::Chat, DropReason::NotConnected)).unwrap().1;
    assert!(undelivered >= 36_000, "every intent of the hour is counted: {undelivered}");
    harness.set(ServerCondition::Healthy);
    let took = runtime.block_on(harness.wait_until_all_connected());
    assert!(took < MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_users_reconnect_within_a_minute_of_any_outage() {
    let harness = FleetHarness::new(1000);
    harness.start().await;
    harness.wait_until_all_connected().await;
    for outage in [1, 20, 60, 300, 1800] {
        harness.set(ServerCondition::Offline);
        tokio::time::sleep(Duration::from_secs(outage)).await;
        assert_eq!(harness.connected(), 0);
        harness.set(ServerCondition::Healthy);
        let took = harness.wait_until_all_connected().await;
        assert!(took < MINUTE, "after {outage} s: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_capped_at_30s() {
    const USERS: usize = 100;
    let harness = FleetHarness::new(USERS);
    harness.start().await;
    harness.wait_until_all_connected().await;
    harness.set(ServerCondition::Offline);
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.set(ServerCondition::RetryAfter(Duration::from_secs(365 * 86_400)));
    tokio::time::sleep(MINUTE).await;
    let asked = harness.page_requests();
    tokio::time::sleep(10 * MINUTE).await;
    let asked = harness.page_requests() - asked;
    // Between 30 and 36 seconds each.
    assert!((USERS as u64 * 16..=USERS as u64 * 21).contains(&asked), "{asked} attempts");
    harness.set(ServerCondition::Healthy);
    let took = harness.wait_until_all_connected().await;
    assert!(took < MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn panics_of_user_tasks_are_caught_counted_and_retried() {
    let harness = FleetHarness::new(20);
    // The very first attempt, and two more during the ramp.
    harness.context.driver.bad_pages.store(3, Ordering::Relaxed);
    tokio::time::timeout(MINUTE, harness.start()).await.expect("the ramp does not wait for users that panicked");
    assert_eq!(harness.panics(), 3);
    let took = harness.wait_until_all_connected().await;
    assert!(took < MINUTE, "{took:?}");
    harness.context.driver.bad_reads.send_replace(4);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((harness.panics(), harness.connected()), (7, 16));
    let counts = harness.context.roster.counts();
    assert_eq!((counts[UserState::BackingOff as usize], counts.iter().sum::<u64>()), (4, 20));
    let metrics = &harness.context.metrics;
    let shown = metrics.encode().unwrap();
    for line in [
        r#"soakrig_errors_total{stage="receive",kind="panic"} 7"#,
        r#"soakrig_connections{socket="plenary"} 16"#,
        r#"soakrig_disconnects_total{socket="plenary",initiator="network",reason="panic"} 4"#,
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    let took = harness.wait_until_all_connected().await;
    assert!(took < MINUTE, "{took:?}");
    assert!(metrics.encode().unwrap().contains(r#"soakrig_connections{socket="plenary"} 20"#));
    // Their missed deliveries are excused, and the ledger goes on.
    tokio::time::sleep(3 * MINUTE).await;
    let ledger = harness.context.ledger.lock();
    let local = ledger.tally().origin(Origin::Local);
    assert!(local.expected > 0 && local.outcome(Outcome::ExcusedNetwork) > 0, "{local:?}");
    assert_eq!(local.expected, local.decided() + ledger.outstanding(), "{local:?}");
}

#[tokio::test(start_paused = true)]
async fn silent_and_blocked_sockets_are_disconnected() {
    for (condition, reason) in
        [(ServerCondition::Silent, EndReason::Silent), (ServerCondition::Blocked, EndReason::WriteTimeout)]
    {
        let harness = FleetHarness::new(20);
        harness.start().await;
        harness.wait_until_all_connected().await;
        harness.set(condition.clone());
        if condition == ServerCondition::Silent {
            tokio::time::sleep(Duration::from_secs(64)).await;
            assert_eq!(harness.connected(), 20, "some received something ten seconds ago at most");
            tokio::time::sleep(Duration::from_secs(12)).await;
            assert_eq!(harness.connected(), 0, "after 75 s of silence");
        }
        // A socket that accepts no bytes is closed 60 s after its next frame.
        tokio::time::sleep(3 * MINUTE).await;
        let totals = harness.context.metrics.totals(&harness.context.metrics.ledger());
        let ends = totals.disconnects.iter().find(|(end, _)| *end == (SocketKind::Room, Initiator::Network, reason));
        assert!(ends.is_some_and(|(_, n)| *n >= 20), "{condition:?}: {:?}", totals.disconnects);
        if condition == ServerCondition::Silent {
            assert_eq!(harness.connected(), 0, "without a member list no user has joined");
            let refused = (SocketKind::Room, FailureKind::NoPresence);
            assert!(totals.connect_failures.iter().any(|(failure, n)| *failure == refused && *n >= 20));
        }
        harness.set(ServerCondition::Healthy);
        let took = harness.wait_until_all_connected().await;
        assert!(took < MINUTE, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_user_logs_in_once_on_a_server_that_lost_its_accounts() {
    let harness = FleetHarness::new(20);
    harness.start().await;
    harness.wait_until_all_connected().await;
    harness.set(ServerCondition::AccountsLost);
    tokio::time::sleep(10 * MINUTE).await;
    assert_eq!(harness.context.driver.logins.load(Ordering::Relaxed), 20, "one each; five would lock a name");
    assert!(harness.errors(Stage::Signup, FailureKind::InternalError) > 200);
    harness.set(ServerCondition::Healthy);
    let took = harness.wait_until_all_connected().await;
    assert!(took < MINUTE, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn sessions_refused_right_after_sign_in_are_errors() {
    let harness = FleetHarness::new(20);
    harness.start().await;
    harness.wait_until_all_connected().await;
    harness.set(ServerCondition::Offline);
    tokio::time::sleep(Duration::from_secs(1)).await;
    harness.set(ServerCondition::RefusingSessions);
    tokio::time::sleep(10 * MINUTE).await;
    let errors = harness.errors(Stage::Room, FailureKind::SignedOut);
    assert!((20 * 25..20 * 70).contains(&errors), "{errors}");
    harness.set(ServerCondition::Healthy);
    let took = harness.wait_until_all_connected().await;
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
        let harness = FleetHarness::new(20);
        harness.start().await;
        harness.wait_until_all_connected().await;
        harness.set(ServerCondition::Offline);
        tokio::time::sleep(Duration::from_secs(1)).await;
        harness.set(ServerCondition::Refusing(class));
        let before = harness.page_requests();
        tokio::time::sleep(5 * MINUTE).await;
        let asked = harness.page_requests() - before;
        assert!(pages.contains(&asked), "{class:?}: {asked} pages");
        assert!(harness.context.roster.counts()[last as usize] >= 18, "{class:?}");
        let errors = harness.errors(Stage::Room, FailureKind::ServerMessage);
        assert_eq!(errors, asked, "{class:?}: each counts under its kind");
    }
}

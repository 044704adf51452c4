//! Several plenaries in one process: each has its own load, counts and summary.

use crate::plenary_config::{TWO_PLENARIES, metrics_url, start, summary};
use crate::support::{PATIENCE, Target, balances, eventually, get, number, sum};
use nix::sys::signal::Signal;

#[test]
fn each_plenary_has_its_own_users_metrics_and_summary() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let mut process = start(&target, home.path(), TWO_PLENARIES, &[]);
    let pages = ["test", "nobreak"].map(|slug| metrics_url(&mut process, slug));
    eventually("both ready", || {
        pages.iter().all(|page| get(&format!("{page}/ready")).is_some_and(|(status, _)| status == 200))
    });
    for (page, slug, users, rate) in [(&pages[0], "test", 6.0, 9.0), (&pages[1], "nobreak", 4.0, 5.0)] {
        let scrape = || get(&format!("{page}/metrics")).unwrap().1;
        // The schedule sets its rate at its first look at the connected users.
        eventually("its rate", || sum(&scrape(), "soakrig_rate_target", &["kind=\"chat\""]) == rate);
        // Seen from outside, each is a generator like any other.
        let scrape = scrape();
        assert_eq!(sum(&scrape, "soakrig_run_info", &[]), 1.0);
        assert_eq!(sum(&scrape, "soakrig_run_info", &[&format!("plenary=\"{slug}\"")]), 1.0);
        assert_eq!(sum(&scrape, "soakrig_users_target", &[]), users);
    }
    eventually("chats", || number(&target.counts(), "/received/chats") > 30);
    process.signal(Signal::SIGTERM);
    let ended = process.end(PATIENCE);
    // On a busy machine the run may be invalid.
    assert!(matches!(ended.code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
    let both = [summary(home.path(), "test", &ended), summary(home.path(), "nobreak", &ended)];
    for (summary, users) in both.iter().zip([6, 4]) {
        assert_eq!(number(summary, "/users/target"), users);
        assert_eq!(number(summary, "/deliveries/lost"), 0);
        assert_eq!(number(summary, "/remote/deliveries/expected"), 0, "plenaries receive nothing of each other");
        assert!(number(summary, "/deliveries/on_time") > 0 && balances(summary), "{summary}");
    }
    assert_eq!(both[0].pointer("/run/id"), both[1].pointer("/run/id"));
    let sent: u64 = both.iter().map(|summary| number(summary, "/messages/sent/chat")).sum();
    let read: u64 = both.iter().map(|summary| number(summary, "/messages/received/chat")).sum();
    let counts = target.counts();
    assert_eq!((sent, read), (number(&counts, "/received/chats"), number(&counts, "/sent/chats_written")));
    assert_eq!(number(&counts, "/accounts/signed_up"), 10);
    assert!(ended.stdout.contains(" on test, ") && ended.stdout.contains(" on nobreak, "), "{}", ended.stdout);
}

#[test]
fn a_refused_plenary_ends_alone_and_the_worst_exit_code_wins() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let process = start(&target, home.path(), &TWO_PLENARIES.replace("nobreak", "closed"), &["--duration", "15s"]);
    let ended = process.end(PATIENCE);
    assert_eq!(ended.code, Some(107), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(number(&summary(home.path(), "closed", &ended), "/verdict/code"), 107);
    let other = summary(home.path(), "test", &ended);
    assert!(matches!(number(&other, "/verdict/code"), 0 | 106), "{other}");
    assert!(number(&other, "/deliveries/on_time") > 0, "{other}");
    let (first, last) = (ended.stdout.lines().next().unwrap(), ended.stdout.trim_end().lines().last().unwrap());
    assert!(first.starts_with("2 plenaries: 1 ") && first.ends_with(", 1 refused (exit code 107)"), "{first}");
    assert_eq!(first, last);
}

#[test]
fn a_busy_metrics_port_stops_the_start_of_all_plenaries() {
    let target = Target::start(&[]);
    let home = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("metrics-listen = \"{}\"\n", taken.local_addr().unwrap());
    let ended = start(&target, home.path(), &(TWO_PLENARIES.to_owned() + &listen), &[]).end(PATIENCE);
    assert_eq!(ended.code, Some(104), "{}", ended.stderr);
    assert!(ended.stderr.contains("--metrics-listen"), "{}", ended.stderr);
    assert_eq!(number(&target.counts(), "/accounts/signed_up"), 0);
}

#[test]
fn a_second_signal_ends_all_plenaries_at_once() {
    // No message comes back, so a stop waits for its grace.
    let target = Target::start(&["--fault-drop", "100%"]);
    let home = tempfile::tempdir().unwrap();
    let mut process = start(&target, home.path(), TWO_PLENARIES, &["--grace", "10m", "--delivery-horizon", "20m"]);
    eventually("chats", || number(&target.counts(), "/received/chats") > 10);
    process.signal(Signal::SIGINT);
    process.wait_for_line("a second signal ends at once");
    process.signal(Signal::SIGINT);
    let ended = process.end(PATIENCE);
    assert_eq!(ended.code, Some(105), "{}", ended.stderr);
    for slug in ["test", "nobreak"] {
        assert_eq!(number(&summary(home.path(), slug, &ended), "/verdict/code"), 105);
    }
}

//! The file of saved sessions with the real binary: killed with -9 at random moments, damaged,
//! foreign, readable by others, on a disk that is full or refuses writes.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Ended, PATIENCE, Rig, Target, eventually, number};
use nix::sys::signal::Signal;
use rand::RngExt;
use soakrig::store::{Mode, Store};

const USERS: u64 = 40;

struct Fixture {
    folder: tempfile::TempDir,
    cache: PathBuf,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("sessions.json");
    Fixture { folder, cache }
}

fn target() -> Target {
    Target::start(&["--presence", "batched:1s", "--control", "127.0.0.1:0"])
}

fn rig(target: &Target, cache: &Path, args: &[&str]) -> Rig {
    let load = ["--user-range-max", "40", "--ramp", "60/s", "--connect-rate", "60/s", "--chat-rate", "5/s"];
    let leaving = ["--leave-rate", "4/s", "--away", "1s..2s"];
    Rig::run(&target.url, "test", cache, &[&load[..], &leaving, args].concat())
}

/// Runs until all users have connected, and stops: that must succeed.
fn until_ready(mut rig: Rig) -> Ended {
    rig.wait_until_ready();
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(number(&summary, "/deliveries/lost"), 0);
    ended
}

/// The names of saved sessions, and the password kept with them.
fn saved(target: &Target, cache: &Path) -> (BTreeSet<String>, String) {
    let mut store = Store::open(cache, &target.url, Mode::ReadOnly).unwrap();
    assert_eq!(store.take_notices(), Vec::<String>::new());
    let password = store.password().unwrap().reveal().to_owned();
    (store.sessions().into_keys().collect(), password)
}

fn posts(target: &Target) -> u64 {
    number(&target.counts(), "/http/signup_posts")
}

#[test]
fn a_run_killed_at_any_moment_resumes_with_the_same_users() {
    let (target, fixture) = (target(), fixture());
    let (mut known, mut password, mut before) = (BTreeSet::new(), None, 0);
    for turn in 0..7 {
        let mut rig = rig(&target, &fixture.cache, &[]);
        let somewhere = rand::rng().random_range(0..8);
        if turn < 5 {
            let sign_ups = turn * 8 + somewhere;
            eventually("some have signed up", || number(&target.counts(), "/accounts/signed_up") >= sign_ups);
        } else {
            rig.wait_until_ready();
            let chats = || rig.metric("soakrig_messages_sent_total", &["kind=\"chat\""]);
            eventually("some have chatted", || chats() >= somewhere as f64);
        }
        if turn == 0 {
            // The process may not have written its file yet.
            eventually("a password is kept", || fixture.cache.exists());
        }
        rig.process.signal(Signal::SIGKILL);
        assert_eq!(rig.end_early().code, None, "it ended before it was killed");

        let (now, kept) = saved(&target, &fixture.cache);
        assert!(now.is_superset(&known), "turn {turn}: {known:?} were saved, then {now:?}");
        assert_eq!(*password.get_or_insert_with(|| kept.clone()), kept, "turn {turn}: another password");
        // A user saved before this turn does not sign up again.
        let posted = posts(&target) - before;
        assert!(posted <= USERS - known.len() as u64, "turn {turn}: {posted} sign-ups, {} were saved", known.len());
        (known, before) = (now, posts(&target));
    }
    assert!(known.len() as u64 > USERS / 2, "{} were saved after two holds", known.len());

    until_ready(rig(&target, &fixture.cache, &[]));
    assert_eq!(number(&target.counts(), "/accounts/signed_up"), USERS);
    assert!(posts(&target) - before <= USERS - known.len() as u64, "a saved user signed up again");
    assert_eq!(saved(&target, &fixture.cache).0.len() as u64, USERS);
}

#[test]
fn sign_ups_are_saved_in_batches_while_the_run_goes_on() {
    let (target, fixture) = (target(), fixture());
    let mut rig = rig(&target, &fixture.cache, &["--sign-in-rate", "60/s"]);
    rig.wait_until_ready();
    let saves = || rig.metric("soakrig_session_saves_total", &["outcome=\"saved\""]);
    // Once per quarter of a second, not once per user, and not only every five seconds.
    eventually("all are saved", || saved(&target, &fixture.cache).0.len() as u64 == USERS);
    assert!((1.0..40.0).contains(&saves()), "{} saves", saves());
    assert_eq!(rig.metric("soakrig_session_saves_total", &["outcome=\"failed\""]), 0.0);
}

#[test]
fn users_whose_session_was_lost_log_in_with_the_kept_password() {
    let (target, fixture) = (target(), fixture());
    until_ready(rig(&target, &fixture.cache, &[]));
    let text = std::fs::read_to_string(&fixture.cache).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    file["sessions"] = serde_json::json!({});
    std::fs::write(&fixture.cache, serde_json::to_vec(&file).unwrap()).unwrap();

    until_ready(rig(&target, &fixture.cache, &[]));
    assert_eq!(number(&target.counts(), "/accounts/signed_up"), USERS);
    assert_eq!(number(&target.counts(), "/accounts/logged_in"), USERS);
}

/// Starts with this file; if it is accepted, runs until all users have joined.
fn with_file(target: &Target, text: &[u8], mode: u32, args: &[&str], taken: bool) -> (Ended, Fixture) {
    let fixture = fixture();
    std::fs::write(&fixture.cache, text).unwrap();
    std::fs::set_permissions(&fixture.cache, std::fs::Permissions::from_mode(mode)).unwrap();
    let few = ["--user-range-max", "3", "--disable-chat"];
    let rig = Rig::run(&target.url, "test", &fixture.cache, &[&few[..], args].concat());
    (if taken { until_ready(rig) } else { rig.end_early() }, fixture)
}

fn assert_exit(ended: &Ended, code: i32, words: &[&str]) {
    let said = format!("{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
    assert!(!said.contains("abcDEF123"), "the password is shown:\n{said}");
}

fn file(target: &str, version: u32) -> String {
    format!("{{\"version\":{version},\"target\":\"{target}\",\"password\":\"abcDEF123\",\"sessions\":{{}}}}\n")
}

#[test]
fn an_unusable_cache_is_refused_and_kept() {
    let target = target();
    let foreign = file("https://example.org", 1);
    let (ended, fixture) = with_file(&target, foreign.as_bytes(), 0o600, &[], false);
    assert_exit(&ended, 104, &["holds the sessions of https://example.org", "leave --cache-file out"]);
    assert_eq!(std::fs::read_to_string(&fixture.cache).unwrap(), foreign);

    let (ended, _) = with_file(&target, file(&target.url, 2).as_bytes(), 0o600, &[], false);
    assert_exit(&ended, 104, &["has the version 2", "remedy"]);
    let (ended, _) = with_file(&target, file(&target.url, 1).as_bytes(), 0o666, &[], false);
    assert_exit(&ended, 104, &["others can write it (mode 0666)", "chmod 600"]);
    let (ended, _) = with_file(&target, b"{\"version\":1,", 0o600, &["--read-only-cache"], false);
    assert_exit(&ended, 104, &["damaged", "leave --read-only-cache out once"]);
    assert_eq!(number(&target.counts(), "/http/signup_posts"), 0, "no user signed up");
}

#[test]
fn a_damaged_cache_is_repaired_with_a_notice() {
    let target = target();
    let whole = file(&target.url, 1);
    let (ended, fixture) = with_file(&target, whole.as_bytes(), 0o644, &[], true);
    assert_exit(&ended, 0, &["others could read the sessions", "it is 0600 now"]);
    assert_eq!(std::fs::metadata(&fixture.cache).unwrap().permissions().mode() & 0o777, 0o600);

    let half = &whole.as_bytes()[..whole.len() - 8];
    let (ended, fixture) = with_file(&target, half, 0o600, &[], true);
    // The same accounts: the password was recovered from the half that remains.
    assert_exit(&ended, 0, &["was damaged", "its password was recovered"]);
    assert_eq!(saved(&target, &fixture.cache).1, "abcDEF123");
    assert_eq!(number(&target.counts(), "/accounts/signed_up"), 3);

    let (ended, fixture) = with_file(&target, b"\x00\xff nonsense", 0o600, &["--username-template", "other%s"], true);
    assert_exit(&ended, 0, &["was damaged", "starting over"]);
    assert_eq!(saved(&target, &fixture.cache).0.len(), 3);
    let aside = std::fs::read_dir(&fixture.folder).unwrap().flatten();
    assert_eq!(aside.filter(|e| e.file_name().to_string_lossy().contains(".damaged-")).count(), 1);
}

/// A command in its own mount namespace, after `setup`. Needs root, or a kernel with unprivileged
/// user namespaces.
fn in_namespace(setup: &str) -> Command {
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", &format!("{setup} && exec \"$@\""), "sh"]);
    command
}

/// A rig whose cache is on its own file system.
fn on_disk(target: &Target, fixture: &Fixture, options: &str, then: &str, args: &[&str]) -> Rig {
    let disk = fixture.folder.path().display();
    let command = in_namespace(&format!("mount -t tmpfs -o {options} tmpfs '{disk}' && {then}"));
    let few = ["--user-range-max", "10", "--chat-rate", "5/s", "--leave-rate", "3/s", "--away", "1s..1s"];
    Rig::behind(command, &target.url, "test", &fixture.cache, &[&few[..], args].concat())
}

#[test]
fn a_full_or_read_only_disk_is_a_start_error() {
    let (target, fixture) = (target(), fixture());
    let disk = fixture.folder.path().display();
    let fill = format!("{{ head -c 1m /dev/zero > '{disk}/full' 2>&-; test -s '{disk}/full'; }}");
    let ended = on_disk(&target, &fixture, "size=64k", &fill, &[]).end_early();
    assert_exit(&ended, 104, &["No space left on device", "make room on the disk", "--cache-file"]);
    // A given password needs no space; that there is none for sessions is still reported.
    let set = ["--password-file", "/proc/self/comm"];
    assert_exit(&on_disk(&target, &fixture, "size=64k", &fill, &set).end_early(), 104, &["No space left on device"]);

    let ended = on_disk(&target, &fixture, "ro", "true", &[]).end_early();
    assert_exit(&ended, 104, &["Read-only file system", "give another place with --cache-file", "--read-only-cache"]);

    let below_a_file = fixture.cache.join("sessions.json");
    std::fs::write(&fixture.cache, "").unwrap();
    let ended = Rig::run(&target.url, "test", &below_a_file, &[]).end_early();
    assert_exit(&ended, 104, &["cannot create the directory", "sessions.json", "--cache-file"]);
    assert_eq!(number(&target.counts(), "/http/signup_posts"), 0, "no user signed up");
}

#[test]
fn a_disk_that_fills_up_during_a_run_loses_no_session() {
    let (target, fixture) = (target(), fixture());
    let mut rig = on_disk(&target, &fixture, "size=128k", "true", &[]);
    rig.wait_until_ready();
    let inside =
        |path: &Path| PathBuf::from(format!("/proc/{}/root", rig.process.id())).join(path.strip_prefix("/").unwrap());
    let (cache, filler) = (inside(&fixture.cache), inside(&fixture.folder.path().join("filler")));
    let metrics = rig.metrics.clone();
    let saves = |outcome: &str| {
        let page = crate::support::get(&format!("{metrics}/metrics")).unwrap().1;
        crate::support::sum(&page, "soakrig_session_saves_total", &[&format!("outcome=\"{outcome}\"")])
    };
    eventually("all are saved", || saved(&target, &cache).0.len() == 10);
    // Filled to the last byte, so that writing fails: the point of the test.
    let _ = std::fs::write(&filler, vec![b'x'; 1 << 20]);
    let before = std::fs::read(&cache).unwrap();
    target.act(r#"{"do": "forget_sessions"}"#);
    let said = rig.process.wait_for_line("sessions not saved");
    assert!(said.contains("make room on the disk"), "{said}");
    assert_eq!(std::fs::read(&cache).unwrap(), before, "the earlier file is as it was");
    eventually("failures are counted", || saves("failed") >= 2.0);
    let (failed, chats) = (saves("failed"), || rig.metric("soakrig_messages_sent_total", &["kind=\"chat\""]));
    let (so_far, sent) = (saves("saved"), chats());
    eventually("the rig goes on", || chats() > sent + 5.0);

    std::fs::remove_file(&filler).unwrap();
    eventually("it is saved again", || saves("saved") > so_far);
    assert_ne!(std::fs::read(&cache).unwrap(), before);
    assert_eq!(saved(&target, &cache).0.len(), 10);
    assert!(failed >= 2.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(crate::support::balances(&summary));
}

#[test]
fn a_full_anomaly_log_does_not_end_the_run() {
    let target = Target::start(&["--fault-duplicate", "20%"]);
    let fixture = fixture();
    let few = ["--user-range-max", "5", "--chat-rate", "10/s", "--anomaly-log", "/dev/full", "--max-anomalies", "off"];
    let mut rig = Rig::run(&target.url, "test", &fixture.cache, &few);
    rig.wait_until_ready();
    let said = rig.process.wait_for_line("anomaly log not written");
    assert!(said.contains("No space left on device") && said.contains("/dev/full"), "{said}");
    let duplicates = || rig.metric("soakrig_delivery_anomalies_total", &["kind=\"duplicate\""]);
    let so_far = duplicates();
    eventually("the rig goes on", || duplicates() > so_far + 5.0);
    rig.process.signal(Signal::SIGTERM);
    let (ended, summary) = rig.end(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    assert!(number(&summary, "/anomalies/duplicate") > 5, "{summary}");
}

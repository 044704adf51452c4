//! `--verbose` of the real binary: a line for each step of each user, and no secret in any.

use nix::sys::signal::Signal;

use crate::support::{PATIENCE, Rig, Target};

#[test]
fn verbose_logs_each_users_steps_and_no_secret() {
    let target = Target::start(&[]);
    let cache = tempfile::tempdir().unwrap();
    let sessions = cache.path().join("s.json");
    let flags =
        ["--verbose", "--user-range-max", "15", "--ramp", "50/s", "--sign-in-rate", "50/s", "--chat-rate", "5/s"];
    let mut rig = Rig::run(&target.url, "test", &sessions, &flags);
    rig.wait_until_ready();
    rig.process.signal(Signal::SIGTERM);
    let (ended, _) = rig.end(PATIENCE);
    for step in ["sign_up", "event_page", "connect", "joined", "leave"] {
        let lines = ended.stderr.lines().filter(|line| line.contains(&format!("step=\"{step}\"")));
        let users: std::collections::HashSet<_> =
            lines.filter_map(|line| line.split("user=\"").nth(1)?.split('"').next()).collect();
        assert_eq!(users.len(), 15, "{step}: {}", ended.stderr);
    }
    let saved = std::fs::read_to_string(&sessions).unwrap();
    let secrets: Vec<_> = saved.split('"').filter(|text| text.len() >= 20 && !text.contains([' ', '/'])).collect();
    assert!(!secrets.is_empty(), "{saved}");
    for secret in secrets {
        assert!(!ended.stderr.contains(secret), "a secret is in the log");
    }
}

//! The real binary through proxies: a tunnel (CONNECT) to a load balancer with sticky cookies, and
//! what `check` says about proxies that make no tunnel.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::proxies::{Conduct, ForwardProxy, ReverseProxy};
use crate::support::{Ended, PATIENCE, Process, Rig, Target, eventually, number, soakrig};
use tokio::task::block_in_place;

/// `me:pr0xy-s3cret`.
const CREDENTIALS: &str = "proxy-authorization: Basic bWU6cHIweHktczNjcmV0";
/// What must never be shown: the proxy's password, plain and encoded, and the value of a header.
const SECRETS: [&str; 3] = ["s3cret", "bWU6", "t4rget"];

fn secret_file(folder: &Path, name: &str, text: &str) -> String {
    let path: PathBuf = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    format!("@{}", path.display())
}

fn port_of(target: &Target) -> u16 {
    target.url.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[track_caller]
fn assert_no_secret(text: &str) {
    SECRETS.iter().for_each(|secret| assert!(!text.contains(secret), "{secret} in {text}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_through_a_tunnel_and_a_sticky_load_balancer_loses_nothing() {
    let target = block_in_place(|| Target::start(&[]));
    let balancer = ReverseProxy::start(port_of(&target)).await;
    let proxy = ForwardProxy::start(&[("chat.test:80", balancer.port)], Conduct::TunnelFor(CREDENTIALS)).await;
    let folder = tempfile::tempdir().unwrap();
    let url = secret_file(folder.path(), "proxy", &proxy.url().replace("//", "//me:pr0xy-s3cret@"));
    let headers = secret_file(folder.path(), "headers", "X-Key: t4rget\n");
    let way = ["--proxy", &url, "--header", &headers, "--verbose"];
    let load = ["--user-range-max", "6", "--chat-rate", "5/s", "--leave-rate", "1/s", "--away", "1s..2s"];
    let (shown, scrape, ended, summary) = block_in_place(|| {
        let args = [&way[..], &load].concat();
        let mut rig = Rig::run("http://chat.test", "test", &folder.path().join("sessions.json"), &args);
        rig.wait_until_ready();
        eventually("chats arrive", || rig.metric("soakrig_deliveries_total", &[]) >= 200.0);
        let shown = std::fs::read_to_string(format!("/proc/{}/cmdline", rig.process.id())).unwrap();
        let scrape = rig.scrape();
        let (ended, summary) = rig.stop();
        (shown, scrape, ended, summary)
    });
    // A machine that is busy with other work voids a run; what was counted is exact all the same.
    assert!(matches!(ended.code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(number(&summary, "/deliveries/lost"), 0, "{}", ended.stdout);
    for text in [&shown, &scrape, &ended.stdout, &ended.stderr, &summary.to_string()] {
        assert_no_secret(text);
    }
    let seen = proxy.seen();
    assert!(proxy.targets().iter().all(|target| target == "chat.test:80") && seen.strange.is_empty());
    assert!(seen.heads.iter().all(|head| !head.contains("t4rget")), "a header of the server's reached the proxy");
    assert!(!seen.inside.to_lowercase().contains("proxy-authorization"), "the proxy's reached the server");
    let keys = seen.inside.matches("x-key: t4rget").count();
    assert_eq!(keys, seen.inside.matches("user-agent: soakrig").count(), "a request without the header");
    // Each user's first request found it a node, and all others went there: those of a log-in, of the
    // page, and the sockets.
    let nodes = balancer.nodes();
    let of_users = nodes.values().filter(|requests| **requests > 2).count();
    assert_eq!(of_users, 6, "{nodes:?}");
    assert!(nodes.len() <= 7, "one more is the preflight's: {nodes:?}");
}

fn check(url: &str, variables: &[(&str, &str)], args: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let mut command = soakrig();
    command.env("HOME", folder.path()).env("SOAKRIG_PASSWORD", "correct horse 9").envs(variables.iter().copied());
    command.args(["check", url, "test"]).args(args);
    block_in_place(|| Process::command(command).end(PATIENCE))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn check_says_which_proxy_is_used_and_what_it_answers() {
    let target = block_in_place(|| Target::start(&[]));
    let knows = [("chat.test:80", port_of(&target))];
    let proxy = ForwardProxy::start(&knows, Conduct::TunnelFor(CREDENTIALS)).await;
    let (plain, with_credentials) = (proxy.url(), proxy.url().replace("//", "//me:pr0xy-s3cret@"));

    let ended = check("http://chat.test", &[("SOAKRIG_PROXY", &with_credentials)], &[]);
    let used = format!("proxy {plain}: every connection goes through it");
    assert!(ended.code == Some(0) && ended.stdout.contains(&used), "{}{}", ended.stdout, ended.stderr);
    assert_no_secret(&ended.stdout);

    let ended = check("http://chat.test", &[], &["--proxy", &plain]);
    let refused = format!("proxy_refused: the proxy {plain}: HTTP 407 Proxy Authentication Required to CONNECT");
    assert!(ended.code == Some(107) && ended.stdout.contains(&refused), "{}{}", ended.stdout, ended.stderr);

    // Proxy variables alone have no effect; NO_PROXY applies together with --proxy.
    let others = [("HTTP_PROXY", "http://127.0.0.1:1"), ("ALL_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "127.0.0.1")];
    let ended = check(&target.url, &others, &[]);
    assert!(ended.code == Some(0) && !ended.stdout.contains("proxy"), "{}{}", ended.stdout, ended.stderr);
    let ended = check(&target.url, &others, &["--proxy", "http://127.0.0.1:1"]);
    let unused = "proxy http://127.0.0.1:1: not used: NO_PROXY names the server";
    assert!(ended.code == Some(0) && ended.stdout.contains(unused), "{}{}", ended.stdout, ended.stderr);
}

//! Behind nginx, as servers are deployed: TLS, gzip and a sticky cookie on every answer; and cookies
//! that no browser would keep.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;

use crate::support::{Ended, PATIENCE, Process, Rig, Target, eventually, number, soakrig};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::block_in_place;

/// In front of a target: `tls.sock` as it should be, `secure.sock` and `domain.sock` without TLS and with
/// session cookies for elsewhere.
const CONFIGURATION: &str = r#"
daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    # A user without a node gets one, and keeps it.
    map $cookie_node $node { "" $request_id; default $cookie_node; }
    log_format nodes '$node|$cookie_node|$status|$sent_http_content_encoding|$uri';
    access_log off;
    gzip on; gzip_types *; gzip_min_length 0; gzip_proxied any;
    map $http_upgrade $upgrade_or_close { "" close; default upgrade; }
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $upgrade_or_close;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_read_timeout 300s;
    server {
        listen unix:tls.sock ssl;
        ssl_certificate certificate.pem;
        ssl_certificate_key key.pem;
        access_log access.log nodes;
        add_header Set-Cookie "node=$node; Path=/; Secure; HttpOnly; SameSite=Lax" always;
        location / { proxy_pass TARGET; }
    }
    server {
        listen unix:secure.sock;
        location / { proxy_pass TARGET; proxy_cookie_flags sessionid secure; }
    }
    server {
        listen unix:domain.sock;
        location / { proxy_pass TARGET; proxy_cookie_path / "/; Domain=other.example"; }
    }
}
"#;

/// An nginx in front of a target; it ends with the test.
struct Nginx {
    process: Child,
    folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Nginx {
    fn start(target: &Target) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["chat.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(file("certificate.pem"), pem("CERTIFICATE", certificate.der())).unwrap();
        std::fs::write(file("key.pem"), pem("PRIVATE KEY", &key.serialize_der())).unwrap();
        std::fs::write(file("nginx.conf"), CONFIGURATION.replace("TARGET", &target.url)).unwrap();
        // /usr/sbin is only on root's path.
        let program = ["/usr/sbin/nginx", "nginx"].into_iter().find(|path| Path::new(path).exists()).unwrap_or("nginx");
        let process = Command::new(program)
            .current_dir(&folder)
            .args(["-e", "stderr", "-c", "nginx.conf", "-p"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx is missing: apt-get update && apt-get install -y --no-install-recommends nginx");
        let mut nginx = Self { process, folder };
        let socket = nginx.file("domain.sock");
        eventually("nginx listens", || {
            assert!(nginx.process.try_wait().unwrap().is_none(), "nginx has ended; what it says is above");
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        nginx
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A port of this machine that leads to one of its sockets.
    async fn port(&self, socket: &str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let path = self.file(socket);
        tokio::spawn(async move {
            while let Ok((mut front, _)) = listener.accept().await {
                let path = path.clone();
                tokio::spawn(async move {
                    let mut back = UnixStream::connect(path).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut front, &mut back).await;
                });
            }
        });
        port
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

/// One line of the access log.
struct Logged {
    node: String,
    had_node: bool,
    status: String,
    packing: String,
    path: String,
}

fn logged(nginx: &Nginx) -> Vec<Logged> {
    let text = std::fs::read_to_string(nginx.file("access.log")).unwrap();
    text.lines()
        .map(|line| {
            let mut fields = line.split('|').map(str::to_owned);
            let mut next = || fields.next().unwrap();
            Logged { node: next(), had_node: next() != "-", status: next(), packing: next(), path: next() }
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_behind_tls_gzip_and_sticky_cookies_loses_nothing() {
    const USERS: usize = 6;
    let target = block_in_place(|| Target::start(&[]));
    let nginx = block_in_place(|| Nginx::start(&target));
    let port = nginx.port("tls.sock").await;
    let (url, fixed) = (format!("https://chat.test:{port}"), format!("chat.test:{port}:127.0.0.1"));
    let certificate = nginx.file("certificate.pem").display().to_string();
    let way = ["--resolve", &fixed, "--ca-file", &certificate];
    let ended = check(&url, &way);
    assert!(ended.code == Some(0) && ended.stdout.contains("every step works"), "{}{}", ended.stdout, ended.stderr);
    let before = logged(&nginx).len();

    let load = ["--user-range-min", "10", "--user-range-max", "16", "--chat-rate", "5/s", "--leave-rate", "1/s"];
    let folder = tempfile::tempdir().unwrap();
    let (ended, summary) = block_in_place(|| {
        let args = [&way[..], &load, &["--away", "1s..2s"]].concat();
        let mut rig = Rig::run(&url, "test", &folder.path().join("sessions.json"), &args);
        rig.wait_until_ready();
        eventually("chats arrive", || rig.metric("soakrig_deliveries_total", &[]) >= 200.0);
        rig.stop()
    });
    // A machine that is busy with other work voids a run; what was counted is exact all the same.
    assert!(matches!(ended.code, Some(0 | 106)), "{}\n{}", ended.stdout, ended.stderr);
    assert_eq!(number(&summary, "/deliveries/lost"), 0, "{}", ended.stdout);

    let requests = logged(&nginx).split_off(before);
    let mut nodes: BTreeMap<&str, Vec<&Logged>> = BTreeMap::new();
    requests.iter().for_each(|request| nodes.entry(&request.node).or_default().push(request));
    let users: Vec<_> = nodes.values().filter(|requests| requests.iter().any(|r| r.status == "101")).collect();
    assert_eq!(users.len(), USERS, "each user stays with its node: {:?}", nodes.keys());
    for requests in users {
        let without = requests.iter().filter(|request| !request.had_node).count();
        assert_eq!(without, 1, "a user's first request alone is without the cookie");
    }
    assert!(requests.iter().any(|r| r.path == "/event/test/" && r.status == "200" && r.packing == "gzip"));
}

fn check(url: &str, args: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let mut command = soakrig();
    command.env("HOME", folder.path()).args(["check", url, "test"]).args(args);
    block_in_place(|| Process::command(command).end(PATIENCE))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cookies_that_no_browser_keeps_lock_out_and_check_says_why() {
    let target = block_in_place(|| Target::start(&[]));
    let nginx = block_in_place(|| Nginx::start(&target));
    for (socket, why) in [
        ("secure.sock", "the cookie sessionid: it is Secure, and this is plain http"),
        ("domain.sock", "its Domain is not that of the server"),
    ] {
        let ended = check(&format!("http://127.0.0.1:{}", nginx.port(socket).await), &[]);
        assert_eq!(ended.code, Some(107), "{socket}: {}{}", ended.stdout, ended.stderr);
        assert!(ended.stdout.contains(why), "{socket}: {}", ended.stdout);
    }
}

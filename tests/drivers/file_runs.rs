//! Whole runs over protocol files, against a server whose own counts must agree with the ledger.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use crate::file_chat_server::{Counts, FileChatServer, Habits, Posting, Wire};

/// A run ends long before.
const PATIENCE: Duration = Duration::from_secs(120);

/// Log-in over HTTP; a request in the middle of the join, which names the open socket.
const FILE: &str = r#"schema = 1
[[log_in]]
post = "/api/session"
json = { name = "{{user}}", password = "{{password}}" }
accept = 201
outcome = [{ status = 401, as = "wrong_password" }]
capture = { token = "json:/token" }
[socket]
url = "{{ws}}/socket"
[[join]]
expect = { json = { "/type" = "hello" } }
capture = { sid = "json:/sid", interval = "json:/ping_ms" }
[[join]]
wait = "10ms"
[[join]]
post = "/api/tickets"
form = { sid = "{{sid}}" }
headers = { Authorization = "Bearer {{token}}" }
capture = { ticket = "json:/ticket" }
[[join]]
send = '{"type":"enter","ticket":{{ticket|json}}}'
expect = { json = { "/type" = "entered" } }
[keepalive]
every = "{{interval}}ms"
send = '{"type":"ping"}'
[[refusal]]
close = 4408
as = "too_silent"
[message]
send = '{"type":"say","text":{{text|json}}}'
echo = true
[[message.received]]
match = { json = { "/type" = "said" } }
text = "json:/text"
sender = "json:/by"
"#;

/// Messages of [`FILE`] by POST.
fn by_post() -> String {
    let request =
        "post = \"/api/messages\"\njson = { text = \"{{text}}\" }\nheaders = { Authorization = \"Bearer {{token}}\" }";
    FILE.replace("send = '{\"type\":\"say\",\"text\":{{text|json}}}'", request)
}

/// Accounts of this many users, whose passwords the server knows.
fn accounts(directory: &Path, users: u32) -> String {
    let rows: String = (0..users).map(|n| format!("ann{n},pw of ann{n}\n")).collect();
    let path = directory.join("accounts.csv");
    std::fs::write(&path, format!("username,password\n{rows}")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs soakrig over a file; returns its summary and its output.
async fn run(server: &FileChatServer, file: &str, more: &[&str]) -> (Value, String) {
    let directory = tempfile::tempdir().unwrap();
    let (protocol, summary) = (directory.path().join("my.toml"), directory.path().join("summary.json"));
    std::fs::write(&protocol, file).unwrap();
    let accounts = accounts(directory.path(), 6);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_soakrig"));
    command.env_clear().env("HOME", directory.path()).stdin(Stdio::null());
    // Flags win over variables.
    command.env("SOAKRIG_CHAT_RATE", "20/s").env("SOAKRIG_DURATION", "4s").env("SOAKRIG_DISABLE_EVENT_LEAVING", "true");
    command.args(["run", &server.url(), "lobby", "--user-range-max", "6", "--metrics-listen", "127.0.0.1:0"]);
    command.args(["--protocol", protocol.to_str().unwrap(), "--summary", summary.to_str().unwrap()]);
    command.args(["--accounts", &accounts, "--ramp", "50/s"]);
    command.args(["--delivery-deadline", "2s", "--delivery-horizon", "4s"]).args(more);
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = tokio::time::timeout(PATIENCE, ran).await.expect("the run ends").unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let text = std::fs::read_to_string(&summary).unwrap_or_else(|e| panic!("{e}\n{said}"));
    assert!(!said.contains("pw of ann") && !said.contains("token-of-"), "a secret is shown:\n{said}");
    assert!(!text.contains("pw of ann") && !text.contains("token-of-"), "a secret is in the summary");
    (serde_json::from_str(&text).unwrap(), said)
}

fn number(summary: &Value, pointer: &str) -> u64 {
    summary.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {summary:#}"))
}

/// Arrivals by the ledger.
fn came(summary: &Value) -> u64 {
    ["on_time", "late", "raced"].iter().map(|key| number(summary, &format!("/deliveries/{key}"))).sum()
}

/// The ledger agrees with the server's own counts, and something was measured.
#[track_caller]
fn agree(summary: &Value, said: &str, counts: &Counts) {
    let told = || format!("{:#}\n{counts:?}\n{said}", summary["deliveries"]);
    assert!(counts.get(|c| &c.copies) > 50, "{}", told());
    assert_eq!(came(summary), counts.get(|c| &c.copies), "{}", told());
    assert_eq!(number(summary, "/anomalies/duplicate"), counts.get(|c| &c.repeated), "{}", told());
    for kind in ["reordered", "unexpected", "corrupt"] {
        assert_eq!(number(summary, &format!("/anomalies/{kind}")), 0, "{kind}: {}", told());
    }
    assert_eq!(number(summary, "/deliveries/outstanding"), 0, "{}", told());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_the_middle_of_a_join_and_binary_frames_over_a_wire_with_faults() {
    let wire = |n| {
        if n % 50 == 7 {
            Wire::Drop
        } else if n % 50 == 31 {
            Wire::Repeat
        } else {
            Wire::Pass
        }
    };
    let server = FileChatServer::start(Habits { binary: true, wire, ..Habits::default() }).await;
    let file = FILE.replace(
        "[[join]]\nexpect = { json = { \"/type\" = \"hello\" }",
        "binary = true\n[[join]]\nexpect = { json = { \"/type\" = \"hello\" }",
    );
    let (summary, said) = run(&server, &file, &["--max-lost", "off"]).await;
    agree(&summary, &said, server.counts());
    assert_eq!(number(&summary, "/deliveries/lost"), server.counts().get(|c| &c.dropped), "{said}");
    assert!(server.counts().get(|c| &c.dropped) > 0 && server.counts().get(|c| &c.repeated) > 0);
    assert!(server.requests().iter().filter(|request| request.path == "/api/tickets").count() >= 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_messages_in_a_frame_and_no_echo() {
    let wire = |n| if n % 40 == 3 { Wire::Drop } else { Wire::Pass };
    let server = FileChatServer::start(Habits { echo: false, lines: true, wire, ..Habits::default() }).await;
    let file = FILE.replace(
        "[[join]]\nexpect = { json = { \"/type\" = \"hello\" }",
        "split = \"\\n\"\n[[join]]\nexpect = { json = { \"/type\" = \"hello\" }",
    );
    let file = file.replace("echo = true", "echo = false");
    let (summary, said) = run(&server, &file, &["--max-lost", "off", "--chat-rate", "60/s"]).await;
    agree(&summary, &said, server.counts());
    assert_eq!(number(&summary, "/deliveries/lost"), server.counts().get(|c| &c.dropped), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_by_post_that_are_taken_refused_and_left_without_an_answer() {
    let post = |n| match n % 20 {
        4 | 11 => Posting::Refuse,
        8 => Posting::TakeSilently,
        15 => Posting::Forget,
        _ => Posting::Take,
    };
    let server = FileChatServer::start(Habits { post, ..Habits::default() }).await;
    let (summary, said) = run(&server, &by_post(), &["--max-lost", "off", "--max-error-rate", "off"]).await;
    let counts = server.counts();
    agree(&summary, &said, counts);
    assert!(counts.get(|c| &c.refused) > 2 && counts.get(|c| &c.forgotten_copies) > 0, "{counts:?}");
    assert_eq!(number(&summary, "/deliveries/excused/refused"), counts.get(|c| &c.refused_copies), "{said}");
    // A message without an answer is expected once: what the server forwarded arrived, the rest is lost.
    assert_eq!(number(&summary, "/deliveries/lost"), counts.get(|c| &c.forgotten_copies), "{said}");
    let errors = &summary["errors"]["send"];
    assert_eq!(errors["unavailable"].as_u64(), Some(counts.get(|c| &c.refused)), "{:#}", summary["errors"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_that_closes_is_met_by_a_keepalive_from_a_capture() {
    let patience = Some(Duration::from_millis(1500));
    let server = FileChatServer::start(Habits { patience, ..Habits::default() }).await;
    let (summary, said) = run(&server, FILE, &["--chat-rate", "10/s"]).await;
    agree(&summary, &said, server.counts());
    // Whatever the machine does, a user that pings five times per second is seldom silent; but a user who
    // pings at the usual 25 s always is.
    assert!(server.counts().get(|c| &c.pings) >= 6, "{:?}", server.counts());
    let server =
        FileChatServer::start(Habits { patience: Some(Duration::from_millis(400)), ..Habits::default() }).await;
    let quiet = FILE
        .replace("[keepalive]\nevery = \"{{interval}}ms\"\nsend = '{\"type\":\"ping\"}'\n", "")
        .replace(", interval = \"json:/ping_ms\"", "");
    let (summary, said) =
        run(&server, &quiet, &["--disable-chat", "--duration", "6s", "--reconnect", "immediate"]).await;
    let closed = server.counts().get(|c| &c.silent);
    let cut = number(&summary, "/connections/plenary/disconnects/server/application");
    assert!(cut > 0 && cut <= closed, "{cut} of {closed}\n{said}");
    assert!(summary["errors"]["receive"]["too_silent"].as_u64().is_some(), "{:#}", summary["errors"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_joined_when_its_own_message_arrives_and_a_connection_may_stay_open_after_the_close() {
    for post in [false, true] {
        let server = FileChatServer::start(Habits { lingers: true, ..Habits::default() }).await;
        let file = if post { by_post() } else { FILE.to_owned() };
        let file = file.replacen("schema = 1", "schema = 1\njoined = \"own_message\"", 1);
        let (summary, said) = run(&server, &file, &[]).await;
        agree(&summary, &said, server.counts());
        assert_eq!(number(&summary, "/deliveries/lost"), 0, "{said}");
        assert_eq!(number(&summary, "/connections/plenary/joined"), 6, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_who_leave_and_return_are_accounted_for() {
    let server = FileChatServer::start(Habits::default()).await;
    let file = FILE.to_owned() + "[[leave]]\nsend = '{\"type\":\"bye\"}'\n";
    let (summary, said) =
        run(&server, &file, &["--disable-event-leaving=false", "--leave-rate", "2/s", "--away", "100ms..300ms"]).await;
    let deliveries = &summary["deliveries"];
    let excused = number(&summary, "/deliveries/excused/total");
    let copies = server.counts().get(|c| &c.copies);
    // Messages to a connection whose user is leaving are not expected, and may never be read.
    assert!(came(&summary) > 50 && came(&summary) <= copies, "{deliveries:#} {copies}\n{said}");
    let arrived = number(&summary, "/deliveries/on_time") + number(&summary, "/deliveries/late");
    assert_eq!(arrived + excused, number(&summary, "/deliveries/expected"), "{deliveries:#}\n{said}");
    assert_eq!(number(&summary, "/deliveries/lost"), 0, "{deliveries:#}\n{said}");
    assert!(number(&summary, "/connections/plenary/disconnects/user/left") > 0, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_may_make_the_token() {
    let server = FileChatServer::start(Habits::default()).await;
    let log_in = FILE.split("[socket]").next().unwrap();
    // The program reads nothing but its standard input.
    let program = "schema = 1\n[[log_in]]\nexec = [\"/bin/sh\", \"-c\", 'IFS= read -r input; case \"$input\" in \
                   *\"\\\"password\\\":\\\"pw of $0\\\"\"*) echo \"{\\\"token\\\":\\\"token-of-$0\\\"}\";; \
                   *) echo \"not $0, $input\" >&2; exit 1;; esac', \"{{user}}\"]\ncapture = { token = \"json:/token\" }\n";
    let file = FILE.replace(log_in, program);
    let (summary, said) = run(&server, &file, &["--allow-exec"]).await;
    agree(&summary, &said, server.counts());
    let failing = file.replace("pw of $0", "another");
    let (summary, said) = run(&server, &failing, &["--allow-exec", "--disable-chat", "--verbose"]).await;
    assert!(summary["errors"]["login"]["program_failed"].as_u64() > Some(0), "{:#}", summary["errors"]);
    assert!(said.contains("the program failed (exit status: 1): not ann"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn member_lists_and_changes_are_compared_with_who_is_connected() {
    let server = FileChatServer::start(Habits { lists_without: Some("ann3"), ..Habits::default() }).await;
    let file = FILE.to_owned()
        + "[[members]]\nmatch = { json = { \"/type\" = \"members\" } }\nlist = \"json:/names\"\nname = \"json:/nick\"\n\
           [[members]]\nmatch = { json = { \"/type\" = \"came\" } }\njoins = \"json:/nick\"\n\
           [[members]]\nmatch = { json = { \"/type\" = \"left\" } }\nleaves = \"json:/nick\"\n";
    // Both sides of a change count as right for 5 s.
    let (summary, said) = run(&server, &file, &["--duration", "10s", "--chat-rate", "10/s"]).await;
    let presence = &summary["presence"];
    assert_eq!(presence["missing"]["episodes"], 1, "{presence:#}\n{said}");
    assert_eq!(presence["ghost"]["episodes"], 0, "{presence:#}\n{said}");
    assert!(presence["lists"]["judged"].as_u64() > Some(0), "{presence:#}");
    assert_eq!(presence["lists"]["unreadable"].as_u64().unwrap_or(0), 0, "{presence:#}");
    assert!(said.contains("ann3"), "{said}");
    agree(&summary, &said, server.counts());
}

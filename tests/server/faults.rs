//! The embedded target's faults of connections, pages and member lists, and its control address.

use std::net::SocketAddr;
use std::time::Duration;

use crate::target_client::{Line, Person, csrf_field, initial_state, members, until};
use futures_util::StreamExt;
use serde_json::{Value, json};
use soakrig::server::{
    ChatFaults, FaultAction, Faults, Frequency, HttpFaults, Options, PresenceFaults, Server, SocketFaults, Timing,
    serve,
};
use tokio_tungstenite::tungstenite::{Error, Message};

const ALWAYS: Frequency = Frequency::Probability(1.0);

async fn target(faults: Faults) -> Server {
    serve(Options { faults, control: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..Options::default() }).await.unwrap()
}

async fn enter(target: &Server, name: &str) -> (Person, Line) {
    let person = Person::signed_up(target.addr(), name).await;
    let (line, _) = person.enter("/event/test/").await;
    (person, line)
}

fn chat(chat: ChatFaults) -> Faults {
    Faults { chat, ..Faults::default() }
}

fn socket(socket: SocketFaults) -> Faults {
    Faults { socket, ..Faults::default() }
}

fn http(http: HttpFaults) -> Faults {
    Faults { http, ..Faults::default() }
}

/// How a connection came to its end.
async fn end_of(line: &mut Line) -> String {
    loop {
        match line.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code).to_string(),
            Some(Ok(_)) => {}
            Some(Err(Error::Io(error))) => return format!("{:?}", error.kind()),
            Some(Err(error)) => return error.to_string(),
            None => return "end".to_owned(),
        }
    }
}

#[tokio::test]
async fn connections_end_as_they_are_told_to() {
    let target = target(Faults::default()).await;
    let alice = Person::signed_up(target.addr(), "alice").await;
    for code in [1000, 1001, 1009, 1011, 1012, 4000] {
        let (mut line, _) = alice.enter("/event/test/").await;
        target.inject(FaultAction::Close { code, share: 1.0 }).await.unwrap();
        assert_eq!(end_of(&mut line).await, code.to_string());
        // Read on, or the client's own close frame never goes out.
        assert_eq!(end_of(&mut line).await, "end");
        until("the end is counted", || target.counts().sockets.open_now == 0).await;
    }
    let (mut line, _) = alice.enter("/event/test/").await;
    target.inject(FaultAction::Reset { share: 1.0 }).await.unwrap();
    assert_eq!(end_of(&mut line).await, "ConnectionReset");
    let (mut line, _) = alice.enter("/event/test/").await;
    target.inject(FaultAction::Cut { share: 1.0 }).await.unwrap();
    assert_eq!(end_of(&mut line).await, "WebSocket protocol error: Connection reset without closing handshake");
    drop(line);
    until("all are counted", || target.counts().sockets.ended_by_fault == 8).await;
    let injected = target.counts().injected;
    assert_eq!((injected["close"], injected["reset"], injected["cut"]), (6, 1, 1));
    assert!(target.inject(FaultAction::Close { code: 99, share: 1.0 }).await.is_err());
}

#[tokio::test]
async fn a_delivery_can_cost_the_connection() {
    let knobs = SocketFaults { close: ALWAYS, close_code: 1012, ..SocketFaults::default() };
    let target = target(socket(knobs)).await;
    let (_alice, mut line) = enter(&target, "alice").await;
    line.chat("hello").await;
    assert_eq!(end_of(&mut line).await, "1012");
    let injections = target.injections(0);
    assert_eq!((injections.len(), injections[0].fault.as_str()), (1, "close"));
    assert!(injections[0].ended.is_some_and(|ended| ended >= injections[0].joined));
}

#[tokio::test]
async fn frames_that_break_the_protocol() {
    let never = ChatFaults::default;
    for (knobs, name) in [
        (ChatFaults { invalid_utf8: ALWAYS, ..never() }, "invalid_utf8"),
        (ChatFaults { compressed: ALWAYS, ..never() }, "compressed"),
        (ChatFaults { oversize: ALWAYS, oversize_bytes: (16 << 20) + 1, ..never() }, "oversize"),
        (ChatFaults { truncate: ALWAYS, ..never() }, "truncate"),
    ] {
        let target = target(chat(knobs)).await;
        let (_alice, mut line) = enter(&target, "alice").await;
        line.chat("hello").await;
        let mut chats = 0;
        let error = loop {
            match line.next().await {
                Some(Ok(Message::Text(_))) => chats += 1,
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("{name}: an orderly end"),
            }
        };
        assert_eq!(target.counts().injected[name], 1, "{name}: {error}");
        assert_eq!(chats, usize::from(name != "truncate"), "{name}: the chat itself arrives");
    }
}

#[tokio::test]
async fn a_frame_at_the_limit_is_a_whole_one() {
    let target = target(Faults::default()).await;
    let (_alice, mut line) = enter(&target, "alice").await;
    target.inject(FaultAction::Frame { bytes: 1 << 20 }).await.unwrap();
    let text = line.text().await;
    assert_eq!(text.len(), 1 << 20);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["type"], "embeds");
}

#[tokio::test]
async fn fragments_with_pings_between_make_one_chat() {
    let target = target(chat(ChatFaults { fragment: ALWAYS, ..ChatFaults::default() })).await;
    let (_alice, mut line) = enter(&target, "alice").await;
    line.chat("hello").await;
    let mut pings = 0;
    loop {
        match line.next().await.unwrap().unwrap() {
            Message::Ping(_) => pings += 1,
            Message::Text(text) => {
                assert!(text.contains("hello"));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pings, 2);
}

#[tokio::test]
async fn upgrades_are_refused_or_hang() {
    for status in [403, 500, 503, 429] {
        let knobs =
            SocketFaults { refuse_upgrade: ALWAYS, refuse_status: status, retry_after: 7, ..Default::default() };
        let target = target(socket(knobs)).await;
        let alice = Person::signed_up(target.addr(), "alice").await;
        let Err(Error::Http(answer)) = alice.dial("/event/test/").await else { panic!("not refused") };
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (status, "7"));
    }
    let target = target(socket(SocketFaults { hang_upgrade: ALWAYS, ..Default::default() })).await;
    let alice = Person::signed_up(target.addr(), "alice").await;
    tokio::select! {
        _ = alice.dial("/event/test/") => panic!("it answered"),
        () = until("it hangs", || target.counts().injected["hang_upgrade"] == 1) => {}
    }
    tokio::time::timeout(crate::target_client::PATIENCE, target.stop())
        .await
        .expect("a hanging upgrade does not hold the stop");
}

#[tokio::test]
async fn pages_go_wrong() {
    let target = target(Faults::default()).await;
    let mut alice = Person::signed_up(target.addr(), "alice").await;
    let set = |knobs| target.set_faults(http(knobs)).unwrap();
    set(HttpFaults { error: ALWAYS, ..Default::default() });
    assert_eq!(alice.get("/event/test/").await.status(), 500);
    set(HttpFaults { no_state: ALWAYS, ..Default::default() });
    assert_eq!(initial_state(&alice.get("/event/test/").await.text().await.unwrap()), None);
    set(HttpFaults { no_csrf: ALWAYS, ..Default::default() });
    assert_eq!(csrf_field(&alice.get("/accounts/delete/").await.text().await.unwrap()), None);
    let slow_by = Duration::from_millis(30);
    set(HttpFaults { slow_first_byte: ALWAYS, slow_body: ALWAYS, slow_by, ..Default::default() });
    let start = tokio::time::Instant::now();
    let answer = alice.get("/event/test/").await;
    assert!(start.elapsed() >= slow_by);
    assert!(initial_state(&answer.text().await.unwrap()).is_some());
    assert!(start.elapsed() >= 10 * slow_by, "ten pieces, each late");
    set(HttpFaults { endless_body: ALWAYS, ..Default::default() });
    let mut body = alice.get("/event/test/").await.bytes_stream();
    let mut bytes = 0;
    while bytes < 4 << 20 {
        bytes += body.next().await.unwrap().unwrap().len();
    }
    let injected = target.counts().injected;
    for fault in ["http_error", "no_state", "no_csrf", "slow_first_byte", "slow_body", "endless_body"] {
        assert_eq!(injected[fault], 1, "{fault}");
    }
}

#[tokio::test]
async fn sessions_are_forgotten() {
    let target = target(Faults::default()).await;
    let mut alice = Person::signed_up(target.addr(), "alice").await;
    target.inject(FaultAction::ForgetSessions).await.unwrap();
    assert_eq!(alice.get("/event/test/").await.status(), 302);
    assert_eq!((target.counts().injected["forget_session"], target.counts().accounts.now), (1, 1));
}

#[tokio::test]
async fn a_mute_socket_says_nothing_and_stays_open() {
    let target = target(Faults::default()).await;
    let (_alice, mut line) = enter(&target, "alice").await;
    target.set_faults(socket(SocketFaults { mute: 1.0, ..Default::default() })).unwrap();
    // Being told takes the socket's task a moment, so the chats go on until one is swallowed.
    let mut said = 0;
    while target.counts().injected["mute"] == 0 {
        line.chat("hello").await;
        said += 1;
        tokio::task::yield_now().await;
    }
    target.set_faults(Faults::default()).unwrap();
    let deadline = tokio::time::Instant::now() + crate::target_client::PATIENCE;
    loop {
        line.chat("the last").await;
        let last = tokio::time::timeout(Duration::from_millis(50), line.text()).await;
        if last.is_ok_and(|text| text.contains("the last")) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it never spoke again after {said}");
    }
    assert_eq!(target.counts().sockets.open_now, 1);
    assert_eq!(target.injections(0).len() as u64, target.counts().injected["mute"]);
}

#[tokio::test]
async fn a_deaf_socket_hears_again_later() {
    let timing = Timing { ping: Duration::from_secs(3600), ..Timing::default() };
    let faults = socket(SocketFaults { deaf: 1.0, ..Default::default() });
    let target = serve(Options { faults, timing, ..Options::default() }).await.unwrap();
    let (_alice, mut line) = enter(&target, "alice").await;
    let text = json!({"type": "chat", "payload": {"message": "a".repeat(500_000)}}).to_string();
    let mut written = 0;
    // The buffers between fill at some point, and then the client cannot write any more.
    while tokio::time::timeout(Duration::from_millis(300), line.say(&text)).await.is_ok() {
        written += 1;
        assert!(written < 200, "somebody reads");
    }
    assert_eq!(target.counts().received.chats, 0);
    target.set_faults(Faults::default()).unwrap();
    until("it hears", || target.counts().received.chats >= written).await;
}

#[tokio::test]
async fn a_stall_stops_everything_for_its_time() {
    let target = target(Faults::default()).await;
    let (mut alice, mut line) = enter(&target, "alice").await;
    let start = tokio::time::Instant::now();
    target.stall(Duration::from_millis(400));
    line.chat("hello").await;
    assert_eq!(line.json_of("chat").await["payload"]["message"], "hello");
    assert!(start.elapsed() >= Duration::from_millis(400));
    let start = tokio::time::Instant::now();
    target.stall(Duration::from_millis(400));
    assert_eq!(alice.get("/event/test/").await.status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(400));
    target.stall(Duration::from_secs(3600));
    tokio::time::timeout(crate::target_client::PATIENCE, target.stop()).await.expect("a stall does not hold the stop");
}

#[tokio::test]
async fn member_lists_lie() {
    let presence = PresenceFaults { ghosts: 1.0, ..Default::default() };
    let target = target(Faults { presence, ..Faults::default() }).await;
    let (_alice, mut watcher) = enter(&target, "alice").await;
    let (bob, line) = enter(&target, "bob").await;
    assert_eq!(members(&watcher.json().await), ["alice", "bob"]);
    line.close().await;
    assert_eq!(members(&watcher.json().await), ["alice", "bob"], "bob is a ghost");
    let (_line, _) = bob.enter("/event/test/").await;
    assert_eq!(members(&watcher.json().await), ["alice", "bob"], "and himself again");
    let presence = PresenceFaults { missing: 1.0, ..Default::default() };
    target.set_faults(Faults { presence, ..Faults::default() }).unwrap();
    assert!(members(&watcher.json().await).is_empty());
    let (_carol, _line) = enter(&target, "carol").await;
    let injected = target.counts().injected;
    assert_eq!((injected["ghost"], injected["missing"]), (1, 1));
}

#[tokio::test]
async fn lists_flood() {
    let target = target(Faults::default()).await;
    let (_alice, mut line) = enter(&target, "alice").await;
    target.inject(FaultAction::Flood { times: 50 }).await.unwrap();
    for _ in 0..50 {
        assert_eq!(members(&line.json().await), ["alice"]);
    }
    until("all are counted", || target.counts().injected["flood"] == 50).await;
}

#[tokio::test]
async fn the_control_address_sets_and_shows() {
    let target = target(Faults::default()).await;
    let client = Person::new(target.addr());
    drop(client);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", target.control().unwrap());
    let text = async |request: reqwest::RequestBuilder| {
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, shown) = text(http.put(url("/faults")).body(r#"{"seed": 3, "chat": {"drop": "1%"}}"#)).await;
    assert_eq!(status, 200, "{shown}");
    let (_, _) = text(http.post(url("/faults")).body(r#"{"chat": {"delay_max": "9s"}}"#)).await;
    let (_, shown) = text(http.get(url("/faults"))).await;
    let shown: Faults = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (shown.seed, shown.chat.drop, shown.chat.delay_max),
        (3, Frequency::Probability(0.01), Duration::from_secs(9))
    );
    assert_eq!(shown, target.faults());
    for (path, body) in [
        ("/faults", r#"{"chat": {"dorp": 1}}"#),
        ("/faults", r#"{"socket": {"deaf": 2}}"#),
        ("/faults", "{"),
        ("/act", r#"{"do": "dance"}"#),
        ("/act", r#"{"do": "cut", "share": 2}"#),
    ] {
        assert_eq!(text(http.post(url(path)).body(body)).await.0, 400, "{body}");
    }
    let (status, _) = text(http.put(url("/faults")).body(r#"{"chat": {"drop": 1}}"#)).await;
    assert_eq!(status, 200);
    let (_alice, mut line) = enter(&target, "alice").await;
    line.chat("sr2-x|hello").await;
    until("the chat is dropped", || target.counts().injected["drop"] == 1).await;
    let (_, lines) = text(http.get(url("/injections?since=0"))).await;
    let strike: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!(
        (&strike["fault"], &strike["username"], &strike["text"]),
        (&json!("drop"), &json!("alice"), &json!("sr2-x|hello"))
    );
    assert_eq!(text(http.get(url("/injections?since=1"))).await.1, "");
    assert_eq!(text(http.post(url("/act")).body(r#"{"do": "close", "code": 1012, "share": 1}"#)).await.0, 200);
    assert_eq!(end_of(&mut line).await, "1012");
    assert!(text(http.get(url("/counts"))).await.1.contains("\"drop\":1"));
    assert_eq!(text(http.get(url("/elsewhere"))).await.0, 404);
}

#[tokio::test]
async fn deliveries_are_recorded_with_their_time() {
    let target = serve(Options { record: 3, ..Options::default() }).await.unwrap();
    let (_alice, mut line) = enter(&target, "alice").await;
    for _ in 0..5 {
        line.chat("hello").await;
        line.json_of("chat").await;
    }
    let written = target.written();
    assert_eq!(written.iter().map(|it| it.chat).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(written.is_sorted_by_key(|it| it.at));
    let outside = Options { control: Some("0.0.0.0:0".parse().unwrap()), ..Options::default() };
    assert!(serve(outside).await.is_err(), "the control address is for this machine only");
}

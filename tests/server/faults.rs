//! The embedded server's faults of connections, pages and member lists, and its control address.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{Client, WebSocket, csrf_field, initial_state, members, wait_until};
use futures_util::StreamExt;
use serde_json::{Value, json};
use soakrig::server::{
    ChatFaults, FaultAction, Faults, Frequency, HttpFaults, Options, PresenceFaults, Server, SocketFaults, Timing,
    serve,
};
use tokio_tungstenite::tungstenite::{Error, Message};

const ALWAYS: Frequency = Frequency::Probability(1.0);

async fn start_server(faults: Faults) -> Server {
    serve(Options { faults, control: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..Options::default() }).await.unwrap()
}

async fn join(server: &Server, name: &str) -> (Client, WebSocket) {
    let client = Client::signed_up(server.addr(), name).await;
    let (socket, _) = client.join("/event/test/").await;
    (client, socket)
}

fn chat_faults(chat: ChatFaults) -> Faults {
    Faults { chat, ..Faults::default() }
}

fn socket_faults(socket: SocketFaults) -> Faults {
    Faults { socket, ..Faults::default() }
}

fn http_faults(http: HttpFaults) -> Faults {
    Faults { http, ..Faults::default() }
}

/// How a connection ended.
async fn disconnect_of(socket: &mut WebSocket) -> String {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return u16::from(frame.code).to_string(),
            Some(Ok(_)) => {}
            Some(Err(Error::Io(error))) => return format!("{:?}", error.kind()),
            Some(Err(error)) => return error.to_string(),
            None => return "end".to_owned(),
        }
    }
}

#[tokio::test]
async fn an_injected_disconnect_ends_every_connection_as_chosen() {
    let server = start_server(Faults::default()).await;
    let alice = Client::signed_up(server.addr(), "alice").await;
    for code in [1000, 1001, 1009, 1011, 1012, 4000] {
        let (mut socket, _) = alice.join("/event/test/").await;
        server.inject(FaultAction::Close { code, share: 1.0 }).await.unwrap();
        assert_eq!(disconnect_of(&mut socket).await, code.to_string());
        // Read on, or the client's own close frame never goes out.
        assert_eq!(disconnect_of(&mut socket).await, "end");
        wait_until("the end is counted", || server.counts().sockets.open_now == 0).await;
    }
    let (mut socket, _) = alice.join("/event/test/").await;
    server.inject(FaultAction::Reset { share: 1.0 }).await.unwrap();
    assert_eq!(disconnect_of(&mut socket).await, "ConnectionReset");
    let (mut socket, _) = alice.join("/event/test/").await;
    server.inject(FaultAction::Cut { share: 1.0 }).await.unwrap();
    assert_eq!(
        disconnect_of(&mut socket).await,
        "WebSocket protocol error: Connection reset without closing handshake"
    );
    drop(socket);
    wait_until("all are counted", || server.counts().sockets.ended_by_fault == 8).await;
    let injected = server.counts().injected;
    assert_eq!((injected["close"], injected["reset"], injected["cut"]), (6, 1, 1));
    assert!(server.inject(FaultAction::Close { code: 99, share: 1.0 }).await.is_err());
}

#[tokio::test]
async fn delivery_faults_disconnect_as_configured() {
    let faults = SocketFaults { close: ALWAYS, close_code: 1012, ..SocketFaults::default() };
    let server = start_server(socket_faults(faults)).await;
    let (_alice, mut socket) = join(&server, "alice").await;
    socket.chat("hello").await;
    assert_eq!(disconnect_of(&mut socket).await, "1012");
    let injections = server.injections(0);
    assert_eq!((injections.len(), injections[0].fault.as_str()), (1, "close"));
    assert!(injections[0].ended.is_some_and(|ended| ended >= injections[0].joined));
}

#[tokio::test]
async fn protocol_faults_send_frames_that_break_rfc_6455() {
    let never = ChatFaults::default;
    for (faults, name) in [
        (ChatFaults { invalid_utf8: ALWAYS, ..never() }, "invalid_utf8"),
        (ChatFaults { compressed: ALWAYS, ..never() }, "compressed"),
        (ChatFaults { oversize: ALWAYS, oversize_bytes: (16 << 20) + 1, ..never() }, "oversize"),
        (ChatFaults { truncate: ALWAYS, ..never() }, "truncate"),
    ] {
        let server = start_server(chat_faults(faults)).await;
        let (_alice, mut socket) = join(&server, "alice").await;
        socket.chat("hello").await;
        let mut chats = 0;
        let error = loop {
            match socket.next().await {
                Some(Ok(Message::Text(_))) => chats += 1,
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("{name}: an orderly end"),
            }
        };
        assert_eq!(server.counts().injected[name], 1, "{name}: {error}");
        assert_eq!(chats, usize::from(name != "truncate"), "{name}: the chat itself arrives");
    }
}

#[tokio::test]
async fn an_oversize_frame_has_exactly_the_configured_size() {
    let server = start_server(Faults::default()).await;
    let (_alice, mut socket) = join(&server, "alice").await;
    server.inject(FaultAction::Frame { bytes: 1 << 20 }).await.unwrap();
    let text = socket.text().await;
    assert_eq!(text.len(), 1 << 20);
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["type"], "embeds");
}

#[tokio::test]
async fn fragments_with_pings_between_form_one_chat() {
    let server = start_server(chat_faults(ChatFaults { fragment: ALWAYS, ..ChatFaults::default() })).await;
    let (_alice, mut socket) = join(&server, "alice").await;
    socket.chat("hello").await;
    let mut pings = 0;
    loop {
        match socket.next().await.unwrap().unwrap() {
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
async fn upgrade_faults_refuse_or_hang() {
    for status in [403, 500, 503, 429] {
        let faults =
            SocketFaults { refuse_upgrade: ALWAYS, refuse_status: status, retry_after: 7, ..Default::default() };
        let server = start_server(socket_faults(faults)).await;
        let alice = Client::signed_up(server.addr(), "alice").await;
        let Err(Error::Http(answer)) = alice.connect("/event/test/").await else { panic!("not refused") };
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (status, "7"));
    }
    let server = start_server(socket_faults(SocketFaults { hang_upgrade: ALWAYS, ..Default::default() })).await;
    let alice = Client::signed_up(server.addr(), "alice").await;
    tokio::select! {
        _ = alice.connect("/event/test/") => panic!("it answered"),
        () = wait_until("it hangs", || server.counts().injected["hang_upgrade"] == 1) => {}
    }
    tokio::time::timeout(crate::client::TIMEOUT, server.stop())
        .await
        .expect("a hanging upgrade does not hold the stop");
}

#[tokio::test]
async fn page_faults_change_the_answer() {
    let server = start_server(Faults::default()).await;
    let mut alice = Client::signed_up(server.addr(), "alice").await;
    let set = |faults| server.set_faults(http_faults(faults)).unwrap();
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
    let injected = server.counts().injected;
    for fault in ["http_error", "no_state", "no_csrf", "slow_first_byte", "slow_body", "endless_body"] {
        assert_eq!(injected[fault], 1, "{fault}");
    }
}

#[tokio::test]
async fn forgotten_sessions_are_signed_out() {
    let server = start_server(Faults::default()).await;
    let mut alice = Client::signed_up(server.addr(), "alice").await;
    server.inject(FaultAction::ForgetSessions).await.unwrap();
    assert_eq!(alice.get("/event/test/").await.status(), 302);
    assert_eq!((server.counts().injected["forget_session"], server.counts().accounts.now), (1, 1));
}

#[tokio::test]
async fn a_mute_socket_receives_nothing_and_stays_open() {
    let server = start_server(Faults::default()).await;
    let (_alice, mut socket) = join(&server, "alice").await;
    server.set_faults(socket_faults(SocketFaults { mute: 1.0, ..Default::default() })).unwrap();
    // The socket's task learns of the fault a moment later, so chats are sent until one is withheld.
    let mut sent = 0;
    while server.counts().injected["mute"] == 0 {
        socket.chat("hello").await;
        sent += 1;
        tokio::task::yield_now().await;
    }
    server.set_faults(Faults::default()).unwrap();
    let deadline = tokio::time::Instant::now() + crate::client::TIMEOUT;
    loop {
        socket.chat("the last").await;
        let last = tokio::time::timeout(Duration::from_millis(50), socket.text()).await;
        if last.is_ok_and(|text| text.contains("the last")) {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it never received again after {sent} chats");
    }
    assert_eq!(server.counts().sockets.open_now, 1);
    assert_eq!(server.injections(0).len() as u64, server.counts().injected["mute"]);
}

#[tokio::test]
async fn a_deaf_socket_is_read_again_once_the_fault_is_cleared() {
    let timing = Timing { ping: Duration::from_secs(3600), ..Timing::default() };
    let faults = socket_faults(SocketFaults { deaf: 1.0, ..Default::default() });
    let server = serve(Options { faults, timing, ..Options::default() }).await.unwrap();
    let (_alice, mut socket) = join(&server, "alice").await;
    let text = json!({"type": "chat", "payload": {"message": "a".repeat(500_000)}}).to_string();
    let mut written = 0;
    // The buffers in between fill up at some point, and then the client can no longer write.
    while tokio::time::timeout(Duration::from_millis(300), socket.send_text(&text)).await.is_ok() {
        written += 1;
        assert!(written < 200, "the server still reads");
    }
    assert_eq!(server.counts().received.chats, 0);
    server.set_faults(Faults::default()).unwrap();
    wait_until("it is read", || server.counts().received.chats >= written).await;
}

#[tokio::test]
async fn a_stall_delays_chats_and_pages_until_it_ends() {
    let server = start_server(Faults::default()).await;
    let (mut alice, mut socket) = join(&server, "alice").await;
    let start = tokio::time::Instant::now();
    server.stall(Duration::from_millis(400));
    socket.chat("hello").await;
    assert_eq!(socket.json_of("chat").await["payload"]["message"], "hello");
    assert!(start.elapsed() >= Duration::from_millis(400));
    let start = tokio::time::Instant::now();
    server.stall(Duration::from_millis(400));
    assert_eq!(alice.get("/event/test/").await.status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(400));
    server.stall(Duration::from_secs(3600));
    tokio::time::timeout(crate::client::TIMEOUT, server.stop()).await.expect("a stall does not hold the stop");
}

#[tokio::test]
async fn ghosts_stay_listed_and_missing_users_are_not() {
    let presence = PresenceFaults { ghosts: 1.0, ..Default::default() };
    let server = start_server(Faults { presence, ..Faults::default() }).await;
    let (_alice, mut watcher) = join(&server, "alice").await;
    let (bob, socket) = join(&server, "bob").await;
    assert_eq!(members(&watcher.json().await), ["alice", "bob"]);
    socket.close().await;
    assert_eq!(members(&watcher.json().await), ["alice", "bob"], "bob is a ghost");
    let (_line, _) = bob.join("/event/test/").await;
    assert_eq!(members(&watcher.json().await), ["alice", "bob"], "and himself again");
    let presence = PresenceFaults { missing: 1.0, ..Default::default() };
    server.set_faults(Faults { presence, ..Faults::default() }).unwrap();
    assert!(members(&watcher.json().await).is_empty());
    let (_carol, _line) = join(&server, "carol").await;
    let injected = server.counts().injected;
    assert_eq!((injected["ghost"], injected["missing"]), (1, 1));
}

#[tokio::test]
async fn an_injected_flood_sends_the_list_so_many_times() {
    let server = start_server(Faults::default()).await;
    let (_alice, mut socket) = join(&server, "alice").await;
    server.inject(FaultAction::Flood { times: 50 }).await.unwrap();
    for _ in 0..50 {
        assert_eq!(members(&socket.json().await), ["alice"]);
    }
    wait_until("all are counted", || server.counts().injected["flood"] == 50).await;
}

#[tokio::test]
async fn the_control_address_changes_faults_and_shows_counts_and_injections() {
    let server = start_server(Faults::default()).await;
    let client = Client::new(server.addr());
    drop(client);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", server.control().unwrap());
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
    assert_eq!(shown, server.faults());
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
    let (_alice, mut socket) = join(&server, "alice").await;
    socket.chat("sr2-x|hello").await;
    wait_until("the chat is dropped", || server.counts().injected["drop"] == 1).await;
    let (_, sockets) = text(http.get(url("/injections?since=0"))).await;
    let injection: Value = serde_json::from_str(sockets.trim()).unwrap();
    assert_eq!(
        (&injection["fault"], &injection["username"], &injection["text"]),
        (&json!("drop"), &json!("alice"), &json!("sr2-x|hello"))
    );
    assert_eq!(text(http.get(url("/injections?since=1"))).await.1, "");
    assert_eq!(text(http.post(url("/act")).body(r#"{"do": "close", "code": 1012, "share": 1}"#)).await.0, 200);
    assert_eq!(disconnect_of(&mut socket).await, "1012");
    assert!(text(http.get(url("/counts"))).await.1.contains("\"drop\":1"));
    assert_eq!(text(http.get(url("/elsewhere"))).await.0, 404);
}

#[tokio::test]
async fn the_delivery_log_keeps_the_last_deliveries_in_order() {
    let server = serve(Options { record: 3, ..Options::default() }).await.unwrap();
    let (_alice, mut socket) = join(&server, "alice").await;
    for _ in 0..5 {
        socket.chat("hello").await;
        socket.json_of("chat").await;
    }
    let written = server.written();
    assert_eq!(written.iter().map(|it| it.chat).collect::<Vec<_>>(), [3, 4, 5]);
    assert!(written.is_sorted_by_key(|it| it.at));
    let outside = Options { control: Some("0.0.0.0:0".parse().unwrap()), ..Options::default() };
    assert!(serve(outside).await.is_err(), "the control address is for this machine only");
}

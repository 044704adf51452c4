//! The embedded server's sockets: presence, chat, errors, breakouts, disconnects.

use std::time::{Duration, Instant};

use crate::client::{Client, WebSocket, members, wait_until};
use serde_json::{Value, json};
use soakrig::server::{FaultAction, Options, PresenceMode, Server, Timing, serve};
use tokio_tungstenite::tungstenite::Message;

async fn start_server() -> Server {
    serve(Options::default()).await.unwrap()
}

async fn join(server: &Server, name: &str) -> (Client, WebSocket) {
    let client = Client::signed_up(server.addr(), name).await;
    let (socket, first) = client.join("/event/test/").await;
    assert!(members(&first).contains(&name.to_owned()));
    (client, socket)
}

/// The shape of a value: its keys and the kinds of its scalars, lists by their first element.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(list) => Value::Array(list.iter().take(1).map(shape).collect()),
        Value::Null => Value::Null,
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
    }
}

fn recorded(kind: &str) -> Vec<Value> {
    let sockets = include_str!("../frames/server.jsonl").lines().map(|socket| serde_json::from_str(socket).unwrap());
    sockets.filter(|frame: &Value| frame["type"] == kind).collect()
}

fn has_recorded_shape(frame: &Value) {
    let kind = frame["type"].as_str().unwrap();
    assert!(recorded(kind).iter().any(|known| shape(known) == shape(frame)), "{frame}");
}

#[tokio::test]
async fn every_socket_receives_chats_and_member_lists() {
    let server = start_server().await;
    let (_alice, mut first) = join(&server, "alice").await;
    let (_bob, mut second) = join(&server, "bob").await;
    let list = first.json().await;
    has_recorded_shape(&list);
    assert_eq!(members(&list), ["alice", "bob"]);
    second.chat("1 < 2 & <b>caf\u{e9}</b> word.com").await;
    for socket in [&mut first, &mut second] {
        let text = socket.text().await;
        assert!(text.starts_with(r#"{"payload": {"id": 1, "user": 2, "created": ""#), "{text}");
        assert!(text.ends_with(r#""type": "chat"}"#) && text.contains(r"caf\u00e9"), "{text}");
        let frame: Value = serde_json::from_str(&text).unwrap();
        has_recorded_shape(&frame);
        let message = frame["payload"]["message"].as_str().unwrap();
        assert!(message.starts_with("1 &lt; 2 &amp; <b>caf\u{e9}</b> <a href=\"http://word.com\""), "{message}");
    }
    second.close().await;
    assert_eq!(members(&first.json().await), ["alice"]);
    wait_until("bob's end is counted", || server.counts().sockets.ended_by_client == 1).await;
    let counts = server.counts();
    assert_eq!((counts.sent.chats_due, counts.sent.chats_queued, counts.sent.chats_written), (2, 2, 2));
    assert_eq!((counts.received.chats, counts.sockets.plenary_now, counts.sockets.open_now), (1, 1, 1));
}

#[tokio::test]
async fn the_event_page_shows_members_and_the_last_100_chats() {
    let server = start_server().await;
    let (mut alice, mut socket) = join(&server, "alice").await;
    for n in 0..120 {
        socket.chat(&format!("number {n}")).await;
        socket.json_of("chat").await;
    }
    let page = alice.get("/event/test/").await.text().await.unwrap();
    let state = crate::client::initial_state(&page).unwrap();
    let chats = state["chat_messages"].as_array().unwrap();
    assert_eq!((chats.len(), &chats[0]["message"]), (100, &json!("number 20")));
    assert_eq!(state["users"]["1"]["username"], "alice");
}

#[tokio::test]
async fn rejected_messages_keep_the_socket_open() {
    let server = start_server().await;
    let (_alice, mut socket) = join(&server, "alice").await;
    for (text, error) in [
        (r#"{"type":"heartbeat"}"#, "Type heartbeat not understood"),
        ("{}", "Missing type"),
        (r#"{"type":"plenary"}"#, "Must be an admin to do that"),
    ] {
        socket.send_text(text).await;
        let frame = socket.json().await;
        has_recorded_shape(&frame);
        assert_eq!(frame["error"], error);
    }
    socket.send_text("\"heartbeat\"").await;
    socket.socket.send_ping().await;
    socket.chat("still here").await;
    assert_eq!(socket.json_of("chat").await["payload"]["message"], "still here");
    assert_eq!(server.counts().received.heartbeats, 1);
}

trait Pings {
    async fn send_ping(&mut self);
}

impl Pings for tokio_tungstenite::WebSocketStream<tokio::net::TcpStream> {
    async fn send_ping(&mut self) {
        futures_util::SinkExt::send(self, Message::Ping("?".into())).await.unwrap();
        let answer = futures_util::StreamExt::next(self).await.unwrap().unwrap();
        assert_eq!(answer, Message::Pong("?".into()));
    }
}

#[tokio::test]
async fn malformed_messages_end_the_socket_without_a_close_frame() {
    let server = start_server().await;
    let client = Client::signed_up(server.addr(), "alice").await;
    for message in [
        Message::text("hello"),
        Message::text("7"),
        Message::text("null"),
        Message::text(r#"{"type":"chat"}"#),
        Message::text(r#"{"type":"chat","payload":{"message":"a\u0000b"}}"#),
        Message::binary(vec![1, 2, 3]),
    ] {
        let (mut socket, _) = client.join("/event/test/").await;
        futures_util::SinkExt::send(&mut socket.socket, message.clone()).await.unwrap();
        assert_eq!(socket.close_code().await, None, "{message:?}");
    }
    wait_until("all are counted", || server.counts().sockets.ended_by_crash == 6).await;
}

#[tokio::test]
async fn a_frame_over_a_mebibyte_is_closed_with_1009() {
    let server = start_server().await;
    let (_alice, mut socket) = join(&server, "alice").await;
    socket.chat(&"a".repeat(100_000)).await;
    assert_eq!(socket.json_of("chat").await["payload"]["message"].as_str().unwrap().len(), 100_000);
    let _ = futures_util::SinkExt::send(&mut socket.socket, Message::text("a".repeat(1024 * 1024 + 1))).await;
    assert_eq!(socket.close_code().await, Some(1009));
}

#[tokio::test]
async fn upgrades_of_wrong_paths_are_refused_with_500() {
    let server = start_server().await;
    let (alice, _line) = join(&server, "alice").await;
    let anonymous = Client::new(server.addr());
    assert_eq!(anonymous.refused_status("/event/test/").await, 500);
    assert_eq!(alice.refused_status("/event/test").await, 500);
    assert_eq!(alice.refused_status("/event/nowhere/").await, 500);
    assert_eq!(alice.refused_status("/breakout/1").await, 500);
    assert_eq!(server.counts().sockets.refused, 4);
}

#[tokio::test]
async fn a_full_plenary_admits_one_more_than_its_limit() {
    let server = start_server().await;
    let mut sockets = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let client = Client::signed_up(server.addr(), name).await;
        sockets.push(client.join("/event/small/").await.0);
    }
    let mut late = Client::signed_up(server.addr(), "dave").await;
    assert_eq!(late.refused_status("/event/small/").await, 403);
    let page = late.get("/event/small/").await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("class=\"over-capacity\"") && !page.contains("__INITIAL_STATE__"));
}

#[tokio::test]
async fn plenaries_that_are_not_open_admit_anonymous_lurkers() {
    let server = start_server().await;
    let alice = Client::signed_up(server.addr(), "alice").await;
    let (mut socket, _) = alice.join("/event/closed/").await;
    let (mut lurker, first) = Client::new(server.addr()).join("/event/closed/").await;
    has_recorded_shape(&first);
    assert_eq!(first["payload"]["lurkers"], 1);
    socket.chat("anybody").await;
    assert_eq!(lurker.json_of("chat").await["payload"]["message"], "anybody");
    lurker.chat("me").await;
    assert_eq!(lurker.close_code().await, None);
}

#[tokio::test]
async fn a_user_with_two_sockets_is_unlisted_when_the_newer_closes() {
    let server = start_server().await;
    let (_bob, mut watcher) = join(&server, "bob").await;
    let alice = Client::signed_up(server.addr(), "alice").await;
    let (older, _) = alice.join("/event/test/").await;
    let (newer, _) = alice.join("/event/test/").await;
    watcher.json().await;
    watcher.json().await;
    older.close().await;
    wait_until("the older is out", || server.counts().sockets.plenary_now == 2).await;
    newer.close().await;
    assert_eq!(members(&watcher.json().await), ["bob"], "the older's end sent no list");
}

#[tokio::test]
async fn a_breakout_admits_ten_users() {
    let server = start_server().await;
    let (_bob, mut plenary) = join(&server, "bob").await;
    let mut joined = Vec::new();
    for n in 0..10 {
        let client = Client::signed_up(server.addr(), &format!("user{n}")).await;
        let (socket, first) = client.join("/breakout/2/").await;
        assert_eq!(members(&first).len(), n + 1);
        let list = plenary.json_of("breakout_presence").await;
        has_recorded_shape(&list);
        assert_eq!(list["payload"]["breakout_id"], "2");
        joined.push((client, socket));
    }
    let late = Client::signed_up(server.addr(), "late").await;
    let (mut refused, first) = late.join("/breakout/2/").await;
    has_recorded_shape(&first);
    assert_eq!(first["payload"]["error_code"], "over-capacity");
    refused.send_text(r#"{"type":"chat","payload":{"message":"x"}}"#).await;
    assert_eq!(refused.json().await["error"], "Type chat not understood");
    let (_, socket) = joined.pop().unwrap();
    socket.close().await;
    assert_eq!(members(&plenary.json_of("breakout_presence").await).len(), 9);
}

#[tokio::test]
async fn taking_over_removes_the_user_from_its_other_breakout() {
    let server = start_server().await;
    let alice = Client::signed_up(server.addr(), "alice").await;
    let (mut older, _) = alice.join("/breakout/1/").await;
    let (_again, first) = alice.join("/breakout/1/").await;
    assert_eq!(members(&first), ["alice"], "the same room again is no conflict");
    older.json().await;
    let (mut newer, first) = alice.join("/breakout/2/").await;
    has_recorded_shape(&first);
    assert_eq!(first["payload"]["error_code"], "already-connected");
    newer.send_text(r#"{"type":"DISCONNECTING_OTHERS","payload":{}}"#).await;
    assert_eq!(older.json().await["payload"]["error_code"], "already-connected");
    assert_eq!(members(&newer.json().await), ["alice"]);
    assert_eq!(server.counts().sockets.breakout_now, 1);
}

#[tokio::test]
async fn breakouts_refuse_anonymous_users_and_unknown_ids() {
    let server = start_server().await;
    let anonymous = Client::new(server.addr());
    assert_eq!(anonymous.join("/breakout/1/").await.1["error"], "Authentication required");
    let alice = Client::signed_up(server.addr(), "alice").await;
    assert_eq!(alice.join("/breakout/77/").await.1["error"], "Breakout not found");
    assert_eq!(alice.connect("/breakout/x/").await.unwrap().close_code().await, None);
}

#[tokio::test]
async fn a_socket_that_answers_no_ping_is_closed_with_1011() {
    let timing = Timing { ping: Duration::from_millis(50), ..Timing::default() };
    let server = serve(Options { timing, ..Options::default() }).await.unwrap();
    let (alice, mut reads) = join(&server, "alice").await;
    let (mut silent, _) = alice.join("/event/test/").await;
    let code = tokio::select! {
        // Reading answers pings; the other socket is not read until it is counted as ended.
        code = reads.close_code() => panic!("closed with {code:?} while it answered"),
        () = wait_until("the silent one ended", || server.counts().sockets.ended_by_silence == 1) => silent.close_code().await,
    };
    assert_eq!(code, Some(1011));
    assert!(server.counts().received.pongs > 0);
}

#[tokio::test]
async fn silent_users_are_pruned_and_still_receive() {
    // Long enough that a busy machine does not silence the active one.
    let timing = Timing { silence: Duration::from_secs(5), prune: Duration::from_millis(20), ..Timing::default() };
    let server = serve(Options { timing, ..Options::default() }).await.unwrap();
    let (_alice, mut silent) = join(&server, "alice").await;
    let (_bob, mut lively) = join(&server, "bob").await;
    let mut listed = vec![String::new(); 2];
    while listed.len() > 1 {
        lively.send_text("\"heartbeat\"").await;
        if let Ok(frame) = tokio::time::timeout(Duration::from_millis(20), lively.json_of("presence")).await {
            listed = members(&frame);
        }
    }
    assert_eq!((listed, server.counts().sent.pruned), (vec!["bob".to_owned()], 1));
    silent.chat("still here").await;
    assert_eq!(silent.json_of("chat").await["payload"]["message"], "still here");
}

#[tokio::test]
async fn batched_lists_are_sent_at_most_once_per_interval() {
    let every = Duration::from_secs(1);
    let server = serve(Options { presence: PresenceMode::Batched(every), ..Options::default() }).await.unwrap();
    let began = Instant::now();
    let (_alice, mut first) = join(&server, "alice").await;
    let mut others = Vec::new();
    for n in 0..20 {
        others.push(join(&server, &format!("user{n}")).await);
    }
    let mut lists = 1;
    while members(&first.json_of("presence").await).len() < 21 {
        lists += 1;
    }
    let most = 2 + began.elapsed().as_millis() / every.as_millis();
    assert!(lists <= most, "{lists} lists where at most {most} are due");
}

#[tokio::test]
async fn presence_off_sends_a_new_socket_only_itself() {
    let server = serve(Options { presence: PresenceMode::Off, ..Options::default() }).await.unwrap();
    let (_alice, mut first) = join(&server, "alice").await;
    let (_bob, mut second) = join(&server, "bob").await;
    second.chat("hello").await;
    assert_eq!(first.json().await["type"], "chat");
    assert_eq!(server.counts().sent.presence_queued, 2);
}

#[tokio::test]
async fn a_stop_closes_sockets_with_1001() {
    let server = start_server().await;
    let (_alice, mut socket) = join(&server, "alice").await;
    let (code, counts) = tokio::join!(socket.close_code(), server.stop());
    assert_eq!(code, Some(1001));
    assert_eq!((counts.sockets.ended_by_stop, counts.sockets.open_now), (1, 0));
}

#[tokio::test]
async fn a_slow_reader_is_disconnected_and_counted() {
    let server = serve(Options { queue: 4 * 1024 * 1024, ..Options::default() }).await.unwrap();
    let (_alice, _never_reads) = join(&server, "alice").await;
    let (_bob, mut second) = join(&server, "bob").await;
    while server.counts().sockets.ended_by_slowness == 0 {
        server.inject(FaultAction::Frame { bytes: 2 * 1024 * 1024 }).await.unwrap();
        second.chat("hello").await;
        second.json_of("chat").await;
    }
    assert!(server.counts().sent.chats_discarded > 0);
}

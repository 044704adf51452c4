//! The embedded target's sockets: presence, chat, errors, breakouts, ends.

use std::time::{Duration, Instant};

use crate::target_client::{Line, Person, members, until};
use serde_json::{Value, json};
use soakrig::server::{FaultAction, Options, PresenceMode, Server, Timing, serve};
use tokio_tungstenite::tungstenite::Message;

async fn target() -> Server {
    serve(Options::default()).await.unwrap()
}

async fn enter(target: &Server, name: &str) -> (Person, Line) {
    let person = Person::signed_up(target.addr(), name).await;
    let (line, first) = person.enter("/event/test/").await;
    assert!(members(&first).contains(&name.to_owned()));
    (person, line)
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
    let lines = include_str!("../frames/server.jsonl").lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(|frame: &Value| frame["type"] == kind).collect()
}

fn has_recorded_shape(frame: &Value) {
    let kind = frame["type"].as_str().unwrap();
    assert!(recorded(kind).iter().any(|known| shape(known) == shape(frame)), "{frame}");
}

#[tokio::test]
async fn everybody_hears_a_chat_and_sees_who_is_there() {
    let target = target().await;
    let (_alice, mut first) = enter(&target, "alice").await;
    let (_bob, mut second) = enter(&target, "bob").await;
    let list = first.json().await;
    has_recorded_shape(&list);
    assert_eq!(members(&list), ["alice", "bob"]);
    second.chat("1 < 2 & <b>caf\u{e9}</b> word.com").await;
    for line in [&mut first, &mut second] {
        let text = line.text().await;
        assert!(text.starts_with(r#"{"payload": {"id": 1, "user": 2, "created": ""#), "{text}");
        assert!(text.ends_with(r#""type": "chat"}"#) && text.contains(r"caf\u00e9"), "{text}");
        let frame: Value = serde_json::from_str(&text).unwrap();
        has_recorded_shape(&frame);
        let message = frame["payload"]["message"].as_str().unwrap();
        assert!(message.starts_with("1 &lt; 2 &amp; <b>caf\u{e9}</b> <a href=\"http://word.com\""), "{message}");
    }
    second.close().await;
    assert_eq!(members(&first.json().await), ["alice"]);
    until("bob's end is counted", || target.counts().sockets.ended_by_client == 1).await;
    let counts = target.counts();
    assert_eq!((counts.sent.chats_due, counts.sent.chats_queued, counts.sent.chats_written), (2, 2, 2));
    assert_eq!((counts.received.chats, counts.sockets.plenary_now, counts.sockets.open_now), (1, 1, 1));
}

#[tokio::test]
async fn the_event_page_shows_who_is_there_and_what_was_said() {
    let target = target().await;
    let (mut alice, mut line) = enter(&target, "alice").await;
    for n in 0..120 {
        line.chat(&format!("number {n}")).await;
        line.json_of("chat").await;
    }
    let page = alice.get("/event/test/").await.text().await.unwrap();
    let state = crate::target_client::initial_state(&page).unwrap();
    let chats = state["chat_messages"].as_array().unwrap();
    assert_eq!((chats.len(), &chats[0]["message"]), (100, &json!("number 20")));
    assert_eq!(state["users"]["1"]["username"], "alice");
}

#[tokio::test]
async fn refusals_keep_the_socket_open() {
    let target = target().await;
    let (_alice, mut line) = enter(&target, "alice").await;
    for (said, error) in [
        (r#"{"type":"heartbeat"}"#, "Type heartbeat not understood"),
        ("{}", "Missing type"),
        (r#"{"type":"plenary"}"#, "Must be an admin to do that"),
    ] {
        line.say(said).await;
        let frame = line.json().await;
        has_recorded_shape(&frame);
        assert_eq!(frame["error"], error);
    }
    line.say("\"heartbeat\"").await;
    line.socket.send_ping().await;
    line.chat("still here").await;
    assert_eq!(line.json_of("chat").await["payload"]["message"], "still here");
    assert_eq!(target.counts().received.heartbeats, 1);
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
async fn what_the_application_crashes_on_ends_without_a_close_frame() {
    let target = target().await;
    let person = Person::signed_up(target.addr(), "alice").await;
    for said in [
        Message::text("hello"),
        Message::text("7"),
        Message::text("null"),
        Message::text(r#"{"type":"chat"}"#),
        Message::text(r#"{"type":"chat","payload":{"message":"a\u0000b"}}"#),
        Message::binary(vec![1, 2, 3]),
    ] {
        let (mut line, _) = person.enter("/event/test/").await;
        futures_util::SinkExt::send(&mut line.socket, said.clone()).await.unwrap();
        assert_eq!(line.close_code().await, None, "{said:?}");
    }
    until("all are counted", || target.counts().sockets.ended_by_crash == 6).await;
}

#[tokio::test]
async fn a_frame_over_a_mebibyte_is_closed_with_1009() {
    let target = target().await;
    let (_alice, mut line) = enter(&target, "alice").await;
    line.chat(&"a".repeat(100_000)).await;
    assert_eq!(line.json_of("chat").await["payload"]["message"].as_str().unwrap().len(), 100_000);
    let _ = futures_util::SinkExt::send(&mut line.socket, Message::text("a".repeat(1024 * 1024 + 1))).await;
    assert_eq!(line.close_code().await, Some(1009));
}

#[tokio::test]
async fn upgrades_that_are_refused() {
    let target = target().await;
    let (alice, _line) = enter(&target, "alice").await;
    let stranger = Person::new(target.addr());
    assert_eq!(stranger.refused("/event/test/").await, 500);
    assert_eq!(alice.refused("/event/test").await, 500);
    assert_eq!(alice.refused("/event/nowhere/").await, 500);
    assert_eq!(alice.refused("/breakout/1").await, 500);
    assert_eq!(target.counts().sockets.refused, 4);
}

#[tokio::test]
async fn one_more_than_the_limit_gets_in() {
    let target = target().await;
    let mut lines = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let person = Person::signed_up(target.addr(), name).await;
        lines.push(person.enter("/event/small/").await.0);
    }
    let mut late = Person::signed_up(target.addr(), "dave").await;
    assert_eq!(late.refused("/event/small/").await, 403);
    let page = late.get("/event/small/").await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("class=\"over-capacity\"") && !page.contains("__INITIAL_STATE__"));
}

#[tokio::test]
async fn shut_plenaries_let_in_and_strangers_lurk_there() {
    let target = target().await;
    let alice = Person::signed_up(target.addr(), "alice").await;
    let (mut line, _) = alice.enter("/event/closed/").await;
    let (mut lurker, first) = Person::new(target.addr()).enter("/event/closed/").await;
    has_recorded_shape(&first);
    assert_eq!(first["payload"]["lurkers"], 1);
    line.chat("anybody").await;
    assert_eq!(lurker.json_of("chat").await["payload"]["message"], "anybody");
    lurker.chat("me").await;
    assert_eq!(lurker.close_code().await, None);
}

#[tokio::test]
async fn the_newer_of_two_sockets_holds_the_listing() {
    let target = target().await;
    let (_bob, mut watcher) = enter(&target, "bob").await;
    let alice = Person::signed_up(target.addr(), "alice").await;
    let (older, _) = alice.enter("/event/test/").await;
    let (newer, _) = alice.enter("/event/test/").await;
    watcher.json().await;
    watcher.json().await;
    older.close().await;
    until("the older is out", || target.counts().sockets.plenary_now == 2).await;
    newer.close().await;
    assert_eq!(members(&watcher.json().await), ["bob"], "the older's end said nothing");
}

#[tokio::test]
async fn breakouts_have_ten_seats() {
    let target = target().await;
    let (_bob, mut plenary) = enter(&target, "bob").await;
    let mut seated = Vec::new();
    for n in 0..10 {
        let person = Person::signed_up(target.addr(), &format!("user{n}")).await;
        let (line, first) = person.enter("/breakout/2/").await;
        assert_eq!(members(&first).len(), n + 1);
        let told = plenary.json_of("breakout_presence").await;
        has_recorded_shape(&told);
        assert_eq!(told["payload"]["breakout_id"], "2");
        seated.push((person, line));
    }
    let late = Person::signed_up(target.addr(), "late").await;
    let (mut turned, first) = late.enter("/breakout/2/").await;
    has_recorded_shape(&first);
    assert_eq!(first["payload"]["error_code"], "over-capacity");
    turned.say(r#"{"type":"chat","payload":{"message":"x"}}"#).await;
    assert_eq!(turned.json().await["error"], "Type chat not understood");
    let (_, line) = seated.pop().unwrap();
    line.close().await;
    assert_eq!(members(&plenary.json_of("breakout_presence").await).len(), 9);
}

#[tokio::test]
async fn a_seat_is_taken_over() {
    let target = target().await;
    let alice = Person::signed_up(target.addr(), "alice").await;
    let (mut older, _) = alice.enter("/breakout/1/").await;
    let (_again, first) = alice.enter("/breakout/1/").await;
    assert_eq!(members(&first), ["alice"], "the same room again is no conflict");
    older.json().await;
    let (mut newer, first) = alice.enter("/breakout/2/").await;
    has_recorded_shape(&first);
    assert_eq!(first["payload"]["error_code"], "already-connected");
    newer.say(r#"{"type":"DISCONNECTING_OTHERS","payload":{}}"#).await;
    assert_eq!(older.json().await["payload"]["error_code"], "already-connected");
    assert_eq!(members(&newer.json().await), ["alice"]);
    assert_eq!(target.counts().sockets.breakout_now, 1);
}

#[tokio::test]
async fn breakouts_that_cannot_be_had() {
    let target = target().await;
    let stranger = Person::new(target.addr());
    assert_eq!(stranger.enter("/breakout/1/").await.1["error"], "Authentication required");
    let alice = Person::signed_up(target.addr(), "alice").await;
    assert_eq!(alice.enter("/breakout/77/").await.1["error"], "Breakout not found");
    assert_eq!(alice.dial("/breakout/x/").await.unwrap().close_code().await, None);
}

#[tokio::test]
async fn who_does_not_answer_pings_is_closed_with_1011() {
    let timing = Timing { ping: Duration::from_millis(50), ..Timing::default() };
    let target = serve(Options { timing, ..Options::default() }).await.unwrap();
    let (alice, mut reads) = enter(&target, "alice").await;
    let (mut silent, _) = alice.enter("/event/test/").await;
    let code = tokio::select! {
        // Reading answers pings; the other socket is not read until its end is counted.
        code = reads.close_code() => panic!("closed with {code:?} while it answered"),
        () = until("the silent one ended", || target.counts().sockets.ended_by_silence == 1) => silent.close_code().await,
    };
    assert_eq!(code, Some(1011));
    assert!(target.counts().received.pongs > 0);
}

#[tokio::test]
async fn the_silent_are_pruned_and_still_receive() {
    // Long enough that a busy machine does not silence the lively one.
    let timing = Timing { silence: Duration::from_secs(5), prune: Duration::from_millis(20), ..Timing::default() };
    let target = serve(Options { timing, ..Options::default() }).await.unwrap();
    let (_alice, mut silent) = enter(&target, "alice").await;
    let (_bob, mut lively) = enter(&target, "bob").await;
    let mut listed = vec![String::new(); 2];
    while listed.len() > 1 {
        lively.say("\"heartbeat\"").await;
        if let Ok(frame) = tokio::time::timeout(Duration::from_millis(20), lively.json_of("presence")).await {
            listed = members(&frame);
        }
    }
    assert_eq!((listed, target.counts().sent.pruned), (vec!["bob".to_owned()], 1));
    silent.chat("still here").await;
    assert_eq!(silent.json_of("chat").await["payload"]["message"], "still here");
}

#[tokio::test]
async fn batched_lists_come_at_most_once_in_a_time() {
    let every = Duration::from_secs(1);
    let target = serve(Options { presence: PresenceMode::Batched(every), ..Options::default() }).await.unwrap();
    let began = Instant::now();
    let (_alice, mut first) = enter(&target, "alice").await;
    let mut others = Vec::new();
    for n in 0..20 {
        others.push(enter(&target, &format!("user{n}")).await);
    }
    let mut lists = 1;
    while members(&first.json_of("presence").await).len() < 21 {
        lists += 1;
    }
    let most = 2 + began.elapsed().as_millis() / every.as_millis();
    assert!(lists <= most, "{lists} lists where at most {most} are due");
}

#[tokio::test]
async fn without_lists_a_newcomer_sees_itself_and_others_nothing() {
    let target = serve(Options { presence: PresenceMode::Off, ..Options::default() }).await.unwrap();
    let (_alice, mut first) = enter(&target, "alice").await;
    let (_bob, mut second) = enter(&target, "bob").await;
    second.chat("hello").await;
    assert_eq!(first.json().await["type"], "chat");
    assert_eq!(target.counts().sent.presence_queued, 2);
}

#[tokio::test]
async fn a_stop_closes_with_1001() {
    let target = target().await;
    let (_alice, mut line) = enter(&target, "alice").await;
    let (code, counts) = tokio::join!(line.close_code(), target.stop());
    assert_eq!(code, Some(1001));
    assert_eq!((counts.sockets.ended_by_stop, counts.sockets.open_now), (1, 0));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_cut_off_and_counted() {
    let target = serve(Options { queue: 4 * 1024 * 1024, ..Options::default() }).await.unwrap();
    let (_alice, _never_reads) = enter(&target, "alice").await;
    let (_bob, mut second) = enter(&target, "bob").await;
    while target.counts().sockets.ended_by_slowness == 0 {
        target.inject(FaultAction::Frame { bytes: 2 * 1024 * 1024 }).await.unwrap();
        second.chat("hello").await;
        second.json_of("chat").await;
    }
    assert!(target.counts().sent.chats_discarded > 0);
}

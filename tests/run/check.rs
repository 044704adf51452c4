//! `soakrig check` against small servers, each wrong in one way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;

use crate::scripted_server::{Request, ScriptedServer, answer, switching_protocols};
use crate::support::soakrig;

pub(crate) const FILE: &str = r#"schema = 1
[[log_in]]
post = "/login"
json = { name = "{{user}}", password = "{{password}}" }
capture = { token = "json:/token" }
[socket]
url = "{{ws}}/chat?name={{user|url}}"
[[join]]
send = '{"type":"join","token":{{token|json}}}'
expect = { json = { "/type" = "joined" } }
[message]
send = '{"type":"say","text":{{text|json}}}'
echo = true
ordered = true
[[message.received]]
match = { json = { "/type" = "said" } }
text = "json:/text"
sender = "json:/by"
"#;

const QUESTION: &str = r#"{"type":"are_you_there"}"#;

const PASSWORD: &str = "Correct-Horse-7";
const TOKEN: &str = "tok-5ecret-0f-the-session";

/// What is wrong with a server.
#[derive(Clone, Copy, Default)]
struct Wrong {
    /// Senders do not hear themselves.
    no_echo: bool,
    /// Senders have another name in frames.
    display_names: bool,
    /// Texts arrive escaped as HTML.
    escapes: bool,
    /// Every message waits for the next one, which goes first.
    swaps: bool,
    /// Newcomers are told what was said before; with or without a mark.
    history: Option<Option<&'static str>>,
    /// What a sender is told about its own message.
    receipts: Option<&'static str>,
    /// How often each message is sent to each member.
    copies: usize,
    /// A connection that is silent for this long is closed with 4008.
    silence: Option<Duration>,
    /// A websocket ping is answered with a question, and only text counts as said.
    asks: bool,
    /// The answer to a join.
    joined: Option<&'static str>,
}

#[derive(Default)]
struct Room {
    members: BTreeMap<u64, UnboundedSender<Message>>,
    said: Vec<Value>,
    held: Option<Value>,
    connections: u64,
}

impl Room {
    fn say(&mut self, wrong: Wrong, from: u64, by: &str, text: &str) {
        let by = if wrong.display_names { format!("Mx {by}") } else { by.to_owned() };
        let text = if wrong.escapes {
            text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
        } else {
            text.to_owned()
        };
        let said = json!({"type": "said", "by": by, "text": text});
        self.said.push(said.clone());
        if !wrong.swaps || !text.ends_with("one of a burst") {
            return self.tell(wrong, from, &said);
        }
        match self.held.take() {
            None => self.held = Some(said),
            Some(held) => [said, held].iter().for_each(|said| self.tell(wrong, from, said)),
        }
    }

    fn tell(&self, wrong: Wrong, from: u64, said: &Value) {
        for (_, member) in self.members.iter().filter(|(number, _)| !wrong.no_echo || **number != from) {
            for _ in 0..=wrong.copies {
                let _ = member.send(Message::text(said.to_string()));
            }
        }
    }
}

async fn serve(request: Request, stream: TcpStream, wrong: Wrong, room: Arc<Mutex<Room>>) {
    if request.path == "/login" {
        let body = format!("{{\"token\":\"{TOKEN}\"}}");
        return answer(stream, "200 OK", &["Content-Type: application/json"], &body).await;
    }
    if request.header("upgrade").is_none() || !request.path.starts_with("/chat") {
        return answer(stream, "404 Not Found", &[], "").await;
    }
    member(&request, stream, wrong, &room).await;
}

/// A member of the room, until either side closes.
async fn member(request: &Request, mut stream: TcpStream, wrong: Wrong, room: &Mutex<Room>) {
    if stream.write_all(switching_protocols(request).as_bytes()).await.is_err() {
        return;
    }
    let name = request.path.split_once("name=").map_or_else(String::new, |(_, name)| name.to_owned());
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let (to_member, mut from_room) = unbounded_channel();
    let number = {
        let mut room = room.lock().unwrap();
        room.connections += 1;
        room.connections
    };
    let limit = wrong.silence.unwrap_or(Duration::from_secs(3600));
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            message = from_room.recv() => {
                if socket.send(message.unwrap()).await.is_err() { break }
            }
            message = tokio::time::timeout_at(heard + limit, socket.next()) => match message {
                Err(_) => {
                    let close = CloseFrame { code: 4008.into(), reason: "silent".into() };
                    let _ = socket.close(Some(close)).await;
                    break;
                }
                Ok(Some(Ok(Message::Text(text)))) => {
                    heard = Instant::now();
                    said(wrong, room, number, &name, &to_member, &serde_json::from_str(&text).unwrap());
                }
                Ok(Some(Ok(_))) if wrong.asks => drop(to_member.send(Message::text(QUESTION))),
                Ok(Some(Ok(_))) => heard = Instant::now(),
                Ok(_) => break,
            },
        }
    }
    room.lock().unwrap().members.remove(&number);
}

fn said(
    wrong: Wrong,
    room: &Mutex<Room>,
    number: u64,
    name: &str,
    to_member: &UnboundedSender<Message>,
    frame: &Value,
) {
    if frame["type"] == "here" {
        return;
    }
    let mut room = room.lock().unwrap();
    let tell = |text: &str| drop(to_member.send(Message::text(text)));
    if frame["type"] == "join" {
        assert_eq!(frame["token"], TOKEN);
        tell(wrong.joined.unwrap_or(r#"{"type":"joined"}"#));
        if let Some(mark) = wrong.history {
            for mut said in room.said.clone() {
                mark.into_iter().for_each(|mark| said[mark] = json!(true));
                tell(&said.to_string());
            }
        }
        room.members.insert(number, to_member.clone());
        return;
    }
    let text = frame["text"].as_str().unwrap();
    if let Some(receipt) = wrong.receipts {
        tell(&json!({"type": receipt, "text": text}).to_string());
    }
    room.say(wrong, number, name, text);
}

async fn start(wrong: Wrong) -> ScriptedServer {
    let room = Arc::new(Mutex::new(Room::default()));
    ScriptedServer::start(move |request, stream| serve(request, stream, wrong, Arc::clone(&room))).await
}

/// The exit code and the output of `check` with a file.
pub(crate) fn checked(
    server: &ScriptedServer,
    folder: &Path,
    protocol: &str,
    arguments: &[&str],
) -> (Option<i32>, String) {
    let mut command = soakrig();
    command.current_dir(folder).args(["check", server.url().trim_end_matches('/'), "lobby", "--protocol", protocol]);
    command.args(["--cache-file", "sessions.json", "--user-range-max", "2"]).args(arguments);
    command.env("SOAKRIG_PASSWORD", PASSWORD);
    let output = tokio::task::block_in_place(|| command.output().unwrap());
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    for secret in [PASSWORD, TOKEN] {
        assert!(!said.contains(secret), "{said}");
    }
    (output.status.code(), said)
}

/// Checks a server with a file, and expects an exit code and texts.
async fn finds(wrong: Wrong, file: &str, arguments: &[&str], code: i32, texts: &[&str]) -> String {
    let (server, folder) = (start(wrong).await, tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("my.toml"), file).unwrap();
    let (ended, said) = checked(&server, folder.path(), "my.toml", arguments);
    assert_eq!(ended, Some(code), "{said}");
    for text in texts {
        assert!(said.contains(text), "no {text:?} in\n{said}");
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correct_file_is_confirmed_with_a_transcript() {
    let said = finds(
        Wrong::default(),
        FILE,
        &[],
        0,
        &[
            r#"loadtest0 > POST /login {"name":"loadtest0","password":"…"}"#,
            r#"loadtest0 < HTTP 200 {"token":"…"}"#,
            r#"loadtest0 > {"type":"join","token":***}"#,
            r#"loadtest0 < {"type":"joined"}   # join step 1, my.toml:8"#,
            "# message.received[1], my.toml:15",
            "ok    the sender receives its own messages",
            "ok    a newcomer receives no older messages",
            "ok    messages name their sender",
            "ok    unchanged: letters and spaces; digits and punctuation; quotes; backslashes; <, > and &",
            "ok    the server keeps the order of 50 messages in a burst",
            "ok    every frame matches a rule",
            "silence: not tried; --patient",
            "every step works",
        ],
    )
    .await;
    assert!(!said.contains("WRONG"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_that_is_not_there_names_the_line() {
    let wrong = Wrong { no_echo: true, ..Wrong::default() };
    let told = "my.toml:13: echo = true, but the sender did not receive its own message in 5 s: set echo = false";
    finds(wrong, FILE, &[], 107, &[told, "1 finding contradicts the protocol"]).await;
    finds(
        wrong,
        &FILE.replace("echo = true", "echo = false"),
        &[],
        0,
        &["the sender does not receive its own messages"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_echo_that_the_file_denies_names_the_line() {
    let file = FILE.replace("echo = true", "echo = false");
    let told = "my.toml:13: echo = false, but the sender received its own message: set echo = true";
    finds(Wrong::default(), &file, &[], 107, &[told]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn characters_that_change_are_named() {
    let wrong = Wrong { escapes: true, ..Wrong::default() };
    let told = ["note  a message with <, > and & is escaped as in HTML or XML", "unchanged: letters and spaces"];
    finds(wrong, FILE, &[], 0, &told).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_is_not_the_identity_names_the_line() {
    let wrong = Wrong { display_names: true, ..Wrong::default() };
    let told =
        "my.toml:18: the sender of a message of loadtest0 is read as \"Mx loadtest0\", which is not its identity";
    finds(wrong, FILE, &[], 107, &[told]).await;
    let other = FILE.replace("json:/by", "json:/type");
    finds(Wrong::default(), &other, &[], 107, &["my.toml:18: ", r#"set sender = "json:/by""#]).await;
    let none = FILE.replace("sender = \"json:/by\"\n", "");
    finds(Wrong::default(), &none, &[], 0, &[r#"the sender is not read: add sender = "json:/by""#]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_kept_names_the_line() {
    let wrong = Wrong { swaps: true, ..Wrong::default() };
    let told = "my.toml:14: ordered = true, but messages of a burst arrived out of order: set ordered = false";
    finds(wrong, FILE, &[], 107, &[told]).await;
    let file = FILE.replace("ordered = true", "ordered = false");
    finds(wrong, &file, &[], 0, &["ok    the server does not keep the order of messages"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_that_looks_new_is_found_and_marked_history_is_not() {
    let plain = Wrong { history: Some(None), ..Wrong::default() };
    let told = "my.toml:15: a newcomer received 3 of 3 older messages as if they were new";
    finds(plain, FILE, &[], 107, &[told, "replay = true"]).await;
    let marked = Wrong { history: Some(Some("old")), ..Wrong::default() };
    let rule = r#"[[message.received]]
match = { json = { "/type" = "said", "/old" = true } }
text = "json:/text"
sender = "json:/by"
replay = true
[[message.received]]
"#;
    let file = FILE.replacen("[[message.received]]\n", rule, 1);
    finds(marked, &file, &[], 0, &["a newcomer receives 3 older messages, marked as history"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_without_a_rule_fail_the_check_only_with_a_message_in_them() {
    let wrong = Wrong { receipts: Some("receipt"), ..Wrong::default() };
    let told = ["# no rule, and it holds a message", "frames with a message matched no rule, such as {\"text\":\"sr2-"];
    finds(wrong, FILE, &[], 107, &told).await;
    let named = format!("{FILE}[[frame]]\nmatch = {{ json = {{ \"/type\" = \"receipt\" }} }}\nname = \"receipt\"\n");
    finds(wrong, &named, &[], 0, &["# frame[1], my.toml:19", "every frame matches a rule"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_comes_twice_is_found() {
    let wrong = Wrong { copies: 1, ..Wrong::default() };
    finds(wrong, FILE, &[], 107, &["loadtest0 received a message 2 times: let match fit only one frame"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_that_closes_is_found_with_patience() {
    let wrong = Wrong { silence: Some(Duration::from_secs(15)), ..Wrong::default() };
    let told = ["the server ends a connection that is silent for", "close, code 4008, \"silent\"", "[keepalive]"];
    finds(wrong, FILE, &["--patient"], 107, &told).await;
    let file = format!("{FILE}[keepalive]\nevery = \"2s\"\n");
    finds(wrong, &file, &["--patient"], 0, &["a keepalive every 2.0 s comes sooner"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_wants_an_answer_is_found_with_patience() {
    let wrong = Wrong { silence: Some(Duration::from_secs(8)), asks: true, ..Wrong::default() };
    let file = format!("{FILE}[keepalive]\nevery = \"2s\"\n");
    let told =
        ["although it gets a keepalive every 2.0 s", r#"an answer to {"type":"are_you_there"}, add a [[reply]]"#];
    finds(wrong, &file, &["--patient"], 107, &told).await;
    let file = format!(
        "{file}[[reply]]\nmatch = {{ json = {{ \"/type\" = \"are_you_there\" }} }}\nsend = '{{ \"type\":\"here\"}}'\n"
    );
    finds(wrong, &file, &["--patient"], 0, &["a keepalive every 2.0 s comes sooner"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_step_that_fails_shows_what_came_instead() {
    let wrong = Wrong { joined: Some(r#"{"type":"denied","why":"full"}"#), ..Wrong::default() };
    let told = [
        r#"loadtest0 < {"type":"denied","why":"full"}   # no rule"#,
        "FAILED: my.toml:8: timeout: join step 1: expected ",
        r#"got "{\"type\":\"denied\",\"why\":\"full\"}" (within 2 s)"#,
    ];
    finds(wrong, FILE, &["--http-timeout", "2s"], 107, &told).await;
}

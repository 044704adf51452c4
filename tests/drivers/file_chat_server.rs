//! A chat server for protocol files, with counts of its own: a home-made JSON protocol with the usual
//! quirks. Its frames pass a wire that may lose or repeat them.

#![allow(unreachable_pub)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::scripted_server::{Request, ScriptedServer, answer, switching_protocols};

/// What the server does with the `n`-th message that is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posting {
    Take,
    /// 503, and nothing is forwarded.
    Refuse,
    /// The connection ends without an answer; the message is still forwarded.
    TakeSilently,
    /// The connection ends without an answer, and nothing is forwarded.
    Forget,
}

/// What the wire does with the `n`-th copy of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Pass,
    Drop,
    Repeat,
}

/// How the server behaves.
#[derive(Clone)]
pub struct Habits {
    /// A message also goes to its sender.
    pub echo: bool,
    /// Several messages go out in one frame, a line each.
    pub lines: bool,
    /// Frames are binary, both ways.
    pub binary: bool,
    /// A connection that is silent for this long is closed with 4408.
    pub patience: Option<Duration>,
    /// The TCP connection stays open after the close frames.
    pub lingers: bool,
    /// Newcomers get a list of the members, and the others are told of joins and leaves; but never about
    /// this user.
    pub lists_without: Option<&'static str>,
    pub post: fn(u64) -> Posting,
    pub wire: fn(u64) -> Wire,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            echo: true,
            lines: false,
            binary: false,
            patience: None,
            lingers: false,
            lists_without: None,
            post: |_| Posting::Take,
            wire: |_| Wire::Pass,
        }
    }
}

/// What the server did, by its own count.
#[derive(Debug, Default)]
pub struct Counts {
    /// Forwarded messages.
    pub taken: AtomicU64,
    /// Copies that went out to members.
    pub copies: AtomicU64,
    pub dropped: AtomicU64,
    pub repeated: AtomicU64,
    /// Copies that refused messages would have caused.
    pub refused_copies: AtomicU64,
    pub refused: AtomicU64,
    /// Copies of messages that were forgotten without an answer.
    pub forgotten_copies: AtomicU64,
    /// Connections closed for their silence.
    pub silent: AtomicU64,
    pub pings: AtomicU64,
    pub frames: AtomicU64,
}

impl Counts {
    pub fn get(&self, of: fn(&Self) -> &AtomicU64) -> u64 {
        of(self).load(Ordering::SeqCst)
    }
}

struct Member {
    name: String,
    to: UnboundedSender<String>,
}

struct State {
    habits: Habits,
    counts: Counts,
    posts: AtomicU64,
    wires: AtomicU64,
    connections: AtomicU64,
    members: Mutex<BTreeMap<u64, Member>>,
}

/// The server; it ends with the test's runtime.
pub struct FileChatServer {
    server: ScriptedServer,
    state: Arc<State>,
}

impl FileChatServer {
    pub async fn start(habits: Habits) -> Self {
        let state = Arc::new(State {
            habits,
            counts: Counts::default(),
            posts: AtomicU64::new(0),
            wires: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            members: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let server = ScriptedServer::start(move |request, stream| serve(request, stream, Arc::clone(&shared))).await;
        Self { server, state }
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn counts(&self) -> &Counts {
        &self.state.counts
    }

    pub fn requests(&self) -> Vec<Request> {
        self.server.requests()
    }
}

/// The user of a token.
fn user_of(token: &str) -> Option<String> {
    token.strip_prefix("token-of-").map(str::to_owned)
}

async fn serve(request: Request, stream: TcpStream, state: Arc<State>) {
    let bearer = request.header("authorization").and_then(|text| text.strip_prefix("Bearer ")).and_then(user_of);
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let path = request.path.split('?').next().unwrap_or_default().to_owned();
    match (path.as_str(), bearer) {
        ("/api/session", _) => {
            let name = body["name"].as_str().unwrap_or_default();
            if body["password"].as_str() == Some(&format!("pw of {name}")) {
                let token = json!({ "token": format!("token-of-{name}") });
                answer(stream, "201 Created", &[], &token.to_string()).await;
            } else {
                answer(stream, "401 Unauthorized", &[], "{}").await;
            }
        }
        // A ticket is for one open connection, and names it.
        ("/api/tickets", Some(user)) => {
            let ticket = json!({ "ticket": format!("{user}@{}", request.field("sid").unwrap_or_default()) });
            answer(stream, "200 OK", &[], &ticket.to_string()).await;
        }
        ("/api/messages", Some(user)) => posted(stream, &user, body["text"].as_str().unwrap_or_default(), &state).await,
        ("/socket", _) => connection(&request, stream, &state).await,
        _ => answer(stream, "403 Forbidden", &[], "{}").await,
    }
}

async fn posted(stream: TcpStream, user: &str, text: &str, state: &State) {
    let recipients = || {
        let members = state.members.lock().unwrap();
        members.values().filter(|member| state.habits.echo || member.name != user).count() as u64
    };
    match (state.habits.post)(state.posts.fetch_add(1, Ordering::SeqCst)) {
        Posting::Take => {
            send_on(user, text, state);
            answer(stream, "202 Accepted", &[], "{}").await;
        }
        Posting::Refuse => {
            state.counts.refused.fetch_add(1, Ordering::SeqCst);
            state.counts.refused_copies.fetch_add(recipients(), Ordering::SeqCst);
            answer(stream, "503 Service Unavailable", &[], "{}").await;
        }
        Posting::TakeSilently => send_on(user, text, state),
        Posting::Forget => {
            state.counts.forgotten_copies.fetch_add(recipients(), Ordering::SeqCst);
        }
    }
}

/// Sends a message to every member, over the wire with its faults.
fn send_on(user: &str, text: &str, state: &State) {
    let count = |count: &AtomicU64| count.fetch_add(1, Ordering::SeqCst);
    let nth = count(&state.counts.taken);
    let said = json!({ "type": "said", "by": user, "text": text, "n": nth }).to_string();
    for member in state.members.lock().unwrap().values().filter(|member| state.habits.echo || member.name != user) {
        // Probes are for the user alone, and no test counts them.
        let fault = if text.contains("soakrig-probe") { Wire::Pass } else { (state.habits.wire)(count(&state.wires)) };
        if fault == Wire::Drop {
            count(&state.counts.dropped);
            continue;
        }
        if member.to.send(said.clone()).is_ok() && !text.contains("soakrig-probe") {
            count(&state.counts.copies);
        }
        if fault == Wire::Repeat && member.to.send(said.clone()).is_ok() {
            count(&state.counts.repeated);
        }
    }
}

async fn connection(request: &Request, mut stream: TcpStream, state: &State) {
    if stream.write_all(switching_protocols(request).as_bytes()).await.is_err() {
        return;
    }
    let lingering = state.habits.lingers.then(|| stream_of(&stream)).flatten();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let nth = state.connections.fetch_add(1, Ordering::SeqCst);
    let (to_member, mut outbox) = unbounded_channel();
    let hello = json!({ "type": "hello", "sid": format!("s{nth}"), "ping_ms": 200 });
    let _ = to_member.send(hello.to_string());
    talk(&mut socket, nth, (&to_member, &mut outbox), state).await;
    let gone = {
        let mut members = state.members.lock().unwrap();
        let gone = members.remove(&nth);
        if let Some(gone) = &gone {
            tell_of(&gone.name, "left", &members, state);
        }
        gone
    };
    drop(gone);
    if let Some(open) = lingering {
        // Until the client gives up.
        let _ = tokio::time::timeout(Duration::from_secs(60), open.readable()).await;
        std::future::pending::<()>().await;
    }
}

/// The same TCP connection once more, so that it stays open when the socket is dropped.
fn stream_of(stream: &TcpStream) -> Option<TcpStream> {
    use std::os::fd::AsFd as _;
    let twin = stream.as_fd().try_clone_to_owned().ok()?;
    TcpStream::from_std(std::net::TcpStream::from(twin)).ok()
}

async fn talk(
    socket: &mut WebSocketStream<TcpStream>,
    nth: u64,
    (to_member, outbox): (&UnboundedSender<String>, &mut UnboundedReceiver<String>),
    state: &State,
) {
    let deadline = || Instant::now() + state.habits.patience.unwrap_or(Duration::from_secs(3600));
    let mut tired = deadline();
    loop {
        tokio::select! {
            text = outbox.recv() => {
                let Some(mut text) = text else { return };
                while state.habits.lines && let Ok(more) = outbox.try_recv() {
                    text = format!("{text}\n{more}");
                }
                state.counts.frames.fetch_add(1, Ordering::SeqCst);
                let frame = if state.habits.binary { Message::binary(text) } else { Message::text(text) };
                if socket.send(frame).await.is_err() { return }
            }
            () = sleep_until(tired) => {
                state.counts.silent.fetch_add(1, Ordering::SeqCst);
                let reason = Utf8Bytes::from_static("too silent");
                let _ = socket.close(Some(CloseFrame { code: CloseCode::Library(4408), reason })).await;
                while let Some(Ok(_)) = socket.next().await {}
                return;
            }
            heard = socket.next() => {
                let text = match heard {
                    Some(Ok(Message::Text(text))) if !state.habits.binary => text.to_string(),
                    Some(Ok(Message::Binary(bytes))) if state.habits.binary => String::from_utf8(bytes.into()).unwrap(),
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => return,
                };
                tired = deadline();
                heard_of(&serde_json::from_str(&text).unwrap_or_default(), nth, to_member, state);
            }
        }
    }
}

/// Tells the members who joined or left.
fn tell_of(user: &str, how: &str, members: &BTreeMap<u64, Member>, state: &State) {
    if state.habits.lists_without.is_some_and(|hidden| hidden != user) {
        let told = json!({ "type": how, "nick": user }).to_string();
        members.values().for_each(|member| drop(member.to.send(told.clone())));
    }
}

fn heard_of(frame: &Value, nth: u64, to_member: &UnboundedSender<String>, state: &State) {
    match frame["type"].as_str().unwrap_or_default() {
        "enter" => {
            let user = frame["ticket"].as_str().and_then(|ticket| ticket.strip_suffix(&format!("@s{nth}")));
            let Some(user) = user else {
                let _ = to_member.send(json!({ "type": "error", "why": "no ticket" }).to_string());
                return;
            };
            let mut members = state.members.lock().unwrap();
            if let Some(hidden) = state.habits.lists_without {
                let names = members.values().map(|member| member.name.as_str()).chain([user]);
                let names: Vec<Value> =
                    names.filter(|name| *name != hidden).map(|name| json!({ "nick": name })).collect();
                let _ = to_member.send(json!({ "type": "members", "names": names }).to_string());
            }
            tell_of(user, "came", &members, state);
            let _ = to_member.send(json!({ "type": "entered" }).to_string());
            members.insert(nth, Member { name: user.to_owned(), to: to_member.clone() });
        }
        "say" => {
            let user = state.members.lock().unwrap().get(&nth).map(|member| member.name.clone());
            if let Some(user) = user {
                send_on(&user, frame["text"].as_str().unwrap_or_default(), state);
            }
        }
        "ping" => {
            state.counts.pings.fetch_add(1, Ordering::SeqCst);
        }
        _ => {}
    }
}

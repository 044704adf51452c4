//! A line-based chat server over a websocket: `sender text` to all users in the room, the sender
//! included. It keeps its own count of what it writes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::line_chat::LineProtocol;
use super::{PASSWORD, ServerForDriver, conformance};
use crate::scripted_server::{Request, ScriptedServer, answer, switching_protocols};
use soakrig::protocol::Session;

/// Who is in the room, by connection.
type Members = BTreeMap<u64, UnboundedSender<Message>>;

#[derive(Default)]
struct ServerState {
    members: Mutex<Members>,
    connections: AtomicU64,
    /// Copies of messages that were written to members.
    copies: AtomicU64,
}

pub struct LineServer {
    server: ScriptedServer,
    state: Arc<ServerState>,
}

impl LineServer {
    /// Copies of messages that were written to members so far.
    pub fn copies(&self) -> u64 {
        self.state.copies.load(Ordering::Relaxed)
    }
}

/// The parameter of a request's path.
fn parameter(request: &Request, name: &str) -> String {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let found = url::form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name);
    found.map_or_else(String::new, |(_, value)| value.into_owned())
}

/// The user of a session: its cookie is the username.
fn user_of(request: &Request) -> Option<String> {
    request.header("cookie")?.split("; ").find_map(|pair| pair.strip_prefix("user=user-")).map(str::to_owned)
}

async fn serve(request: Request, stream: TcpStream, state: Arc<ServerState>) {
    let path = request.path.split('?').next().unwrap_or_default().to_owned();
    match (path.as_str(), user_of(&request)) {
        ("/login", _) if parameter(&request, "password") == PASSWORD => {
            let cookie = format!("Set-Cookie: user=user-{}; Path=/", parameter(&request, "user"));
            answer(stream, "200 OK", &[&cookie], "").await;
        }
        ("/login", _) => answer(stream, "401 Unauthorized", &[], "").await,
        ("/rooms/lobby", None) => answer(stream, "401 Unauthorized", &[], "").await,
        ("/rooms/lobby", Some(user)) if request.header("upgrade").is_none() => {
            answer(stream, "200 OK", &[], &user).await;
        }
        ("/rooms/lobby", Some(user)) => member(&request, stream, &user, &state).await,
        _ => answer(stream, "404 Not Found", &[], "").await,
    }
}

/// A member of the room, until either side closes.
async fn member(request: &Request, mut stream: TcpStream, user: &str, state: &ServerState) {
    use tokio::io::AsyncWriteExt as _;
    if stream.write_all(switching_protocols(request).as_bytes()).await.is_err() {
        return;
    }
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    let (to_member, mut from_room) = unbounded_channel();
    let nth = state.connections.fetch_add(1, Ordering::Relaxed);
    let _ = to_member.send(Message::text("* welcome"));
    state.members.lock().unwrap().insert(nth, to_member);
    loop {
        tokio::select! {
            message = from_room.recv() => match message {
                Some(message) => if socket.send(message).await.is_err() { break },
                None => {
                    let reason = Utf8Bytes::default();
                    let _ = socket.close(Some(CloseFrame { code: CloseCode::Away, reason })).await;
                    while let Some(Ok(_)) = socket.next().await {}
                    break;
                }
            },
            heard = socket.next() => match heard {
                Some(Ok(Message::Text(text))) => {
                    let line = Message::text(format!("{user} {text}"));
                    let members = state.members.lock().unwrap();
                    for member in members.values() {
                        let sent = member.send(line.clone()).is_ok();
                        state.copies.fetch_add(u64::from(sent), Ordering::Relaxed);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    state.members.lock().unwrap().remove(&nth);
}

impl ServerForDriver for LineServer {
    type Protocol = LineProtocol;

    const ROOM: &'static str = "lobby";
    const REFUSED_ROOM: &'static str = "cellar";

    async fn start() -> Self {
        let state = Arc::new(ServerState::default());
        let shared = Arc::clone(&state);
        let server = ScriptedServer::start(move |request, stream| serve(request, stream, Arc::clone(&shared))).await;
        Self { server, state }
    }

    fn url(&self) -> String {
        self.server.url()
    }

    fn unknown_session() -> Option<Session> {
        Some(Session::default())
    }

    async fn stop(self) {
        self.state.members.lock().unwrap().clear();
    }
}

conformance!(LineServer);

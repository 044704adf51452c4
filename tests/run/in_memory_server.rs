//! A chat server in memory, on tokio's time: a [`Driver`] without sockets, for days on a paused clock.
//!
//! A test can take it offline and online, disconnect users and drop sessions. It never drops a chat
//! that it has received.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use soakrig::clock::{Clock, Stamp};
use soakrig::drivers::plenary::PlenaryProtocol;
use soakrig::ledger::{Identity, Ledger};
use soakrig::marker::{GeneratorTag, Marker, RunTag};
use soakrig::metrics::Metrics;
use soakrig::model::{
    Account, DeliveryRules, DeliveryTerms, EndReason, Failure, FailureKind, FrameKind, Initiator, MemberChange, Secret,
    SenderId, Vocabulary,
};
use soakrig::protocol::{
    Connection, Driver, Ended, Event, Members, Outgoing, Progress, Protocol as _, Received, RoomPage, Session,
};
use soakrig::schedule::limit::Limit;
use soakrig::telemetry::traces::chats::ChatTraces;
use soakrig::transport::http::cookies::Jar;
use soakrig::user::{Behaviour, Credentials, Limits, Parts, Rooms, RunContext};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

/// How long a request takes, and a frame to the server.
const LATENCY: Duration = Duration::from_millis(5);

/// A message of the server on a connection.
#[derive(Debug, Clone)]
enum ServerMessage {
    Presence,
    Chat { user: u64, text: Arc<str>, replay: bool },
    Pong,
    End(Ended),
}

#[derive(Debug, Default)]
struct ServerState {
    offline: bool,
    accounts: BTreeSet<String>,
    sessions: BTreeSet<String>,
    members: BTreeMap<u64, (u64, mpsc::UnboundedSender<ServerMessage>)>,
    last: Option<(u64, Arc<str>)>,
}

/// The server; the driver is a handle on it.
#[derive(Debug, Clone)]
pub struct InMemoryServer {
    state: Arc<Mutex<ServerState>>,
    counts: Arc<RequestCounts>,
    clock: Clock,
}

/// The server's own counts.
#[derive(Debug, Default)]
pub struct RequestCounts {
    pub requests: AtomicU64,
    pub sign_ups: AtomicU64,
    pub log_ins: AtomicU64,
    pub chats: AtomicU64,
    pub copies: AtomicU64,
    connections: AtomicU64,
}

impl InMemoryServer {
    pub fn new(clock: Clock) -> Self {
        Self { state: Arc::default(), counts: Arc::default(), clock }
    }

    pub fn counts(&self) -> &RequestCounts {
        &self.counts
    }

    /// Goes offline: disconnects all users, and answers nothing until [`go_online`](Self::go_online).
    pub fn go_offline(&self) {
        let mut state = self.state.lock().unwrap();
        state.offline = true;
        let end = ServerMessage::End(Ended { initiator: Initiator::Network, reason: EndReason::Reset });
        for (_, (_, member)) in std::mem::take(&mut state.members) {
            let _ = member.send(end.clone());
        }
    }

    pub fn go_online(&self) {
        self.state.lock().unwrap().offline = false;
    }

    /// Drops every session, not the accounts.
    pub fn forget_sessions(&self) {
        self.state.lock().unwrap().sessions.clear();
    }

    /// Disconnects the nth of the connected users; false if there is none.
    pub fn disconnect(&self, nth: usize, ended: Ended) -> bool {
        let mut state = self.state.lock().unwrap();
        let present = state.members.len().max(1);
        let Some(user) = state.members.keys().nth(nth % present).copied() else { return false };
        let Some((_, member)) = state.members.remove(&user) else { return false };
        let _ = member.send(ServerMessage::End(ended));
        true
    }

    async fn request(&self) -> Result<(), Failure> {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        sleep(LATENCY).await;
        if self.state.lock().unwrap().offline { Err(Failure::new(FailureKind::ConnectionRefused)) } else { Ok(()) }
    }

    fn begin_session(&self, who: &Account, session: &mut Session) {
        self.state.lock().unwrap().sessions.insert(who.username.clone());
        session.cookies = Jar::from([("sessionid", who.username.as_str())]);
    }

    /// The user of the session: the number in its name.
    fn user_of(&self, session: &Session) -> Result<u64, Failure> {
        let name = session.cookies.value("sessionid").unwrap_or_default();
        if !self.state.lock().unwrap().sessions.contains(name) {
            return Err(Failure::new(FailureKind::SignedOut));
        }
        Ok(name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() + 1)
    }

    fn receive(&self, user: u64, text: &Arc<str>) {
        let mut state = self.state.lock().unwrap();
        if !state.members.contains_key(&user) {
            return;
        }
        state.last = Some((user, Arc::clone(text)));
        drop(state);
        self.counts.chats.fetch_add(1, Ordering::Relaxed);
        self.broadcast(user, text);
    }

    /// The last chat received: its sender and text.
    pub fn last_chat(&self) -> Option<(u64, Arc<str>)> {
        self.state.lock().unwrap().last.clone()
    }

    /// Sends every user a chat that claims to be from `user`.
    pub fn broadcast(&self, user: u64, text: &str) {
        self.send_to_all(user, text, false);
    }

    /// Sends every user a chat as history.
    pub fn replay(&self, user: u64, text: &str) {
        self.send_to_all(user, text, true);
    }

    fn send_to_all(&self, user: u64, text: &str, replay: bool) {
        let text: Arc<str> = Arc::from(text);
        let state = self.state.lock().unwrap();
        for (_, member) in state.members.values() {
            self.counts.copies.fetch_add(1, Ordering::Relaxed);
            let _ = member.send(ServerMessage::Chat { user, text: Arc::clone(&text), replay });
        }
    }

    fn leave(&self, user: u64, connection: u64) {
        let mut state = self.state.lock().unwrap();
        if state.members.get(&user).is_some_and(|(nth, _)| *nth == connection) {
            state.members.remove(&user);
        }
    }
}

/// A frame on its way to the server.
struct PendingWrite {
    arrival: Pin<Box<Sleep>>,
    /// A chat's text; a ping has none.
    text: Option<Arc<str>>,
}

/// A connection to the server.
pub struct InMemoryConnection {
    server: InMemoryServer,
    user: u64,
    nth: u64,
    from_server: mpsc::UnboundedReceiver<ServerMessage>,
    to_server: mpsc::UnboundedSender<ServerMessage>,
    writing: Option<PendingWrite>,
    closing_by_us: bool,
}

const BROKEN: Ended = Ended { initiator: Initiator::Server, reason: EndReason::NoCloseFrame };

impl InMemoryConnection {
    /// The frame in writing arrives. Its timer outlives a `drive` that is dropped.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        let Some(writing) = &mut self.writing else { return Poll::Pending };
        if writing.arrival.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        match self.writing.take().and_then(|writing| writing.text) {
            Some(text) => self.server.receive(self.user, &text),
            None => drop(self.to_server.send(ServerMessage::Pong)),
        }
        Poll::Ready(Progress::Written)
    }
}

impl Drop for InMemoryConnection {
    fn drop(&mut self) {
        self.server.leave(self.user, self.nth);
    }
}

impl Connection for InMemoryConnection {
    fn begin(&mut self, frame: Outgoing<'_>) -> bool {
        if self.writing.is_some() || self.closing_by_us {
            return false;
        }
        let text = match frame {
            Outgoing::Chat(text) => Some(Arc::from(text)),
            _ => None,
        };
        self.writing = Some(PendingWrite { arrival: Box::pin(sleep(LATENCY)), text });
        true
    }

    fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    fn close(&mut self) {
        self.closing_by_us = true;
        self.server.leave(self.user, self.nth);
        let _ = self.to_server.send(ServerMessage::End(Ended { initiator: Initiator::User, reason: EndReason::Left }));
    }

    fn drive<F>(&mut self, mut sink: F) -> impl Future<Output = Progress> + Send
    where
        F: FnMut(Received<'_>) + Send,
    {
        poll_fn(move |cx| {
            let message = match self.from_server.poll_recv(cx) {
                Poll::Ready(message) => message,
                Poll::Pending => return self.poll_write(cx),
            };
            let at = self.server.clock.now();
            let (kind, event) = match message {
                None => {
                    return Poll::Ready(Progress::Ended(BROKEN));
                }
                Some(ServerMessage::End(ended)) => return Poll::Ready(Progress::Ended(ended)),
                Some(ServerMessage::Presence) => {
                    sink(Received { at, kind: None, event: Event::Joined });
                    (FrameKind::Presence, Event::Members(Members { text: "{}", change: MemberChange::All }))
                }
                Some(ServerMessage::Pong) => (FrameKind::Pong, Event::Other),
                Some(ServerMessage::Chat { user, text, replay }) => {
                    let sender = SenderId::number(user);
                    let decoded = Marker::decode(sender, &text);
                    (FrameKind::Chat, Event::Message { sender, decoded, replay })
                }
            };
            sink(Received { at, kind: Some(kind), event });
            Poll::Ready(Progress::Read { at, bytes: 100 })
        })
    }
}

impl Driver for InMemoryServer {
    type Connection = InMemoryConnection;

    async fn sign_up(&self, who: &Account, session: &mut Session) -> Result<(), Failure> {
        self.request().await?;
        if !self.state.lock().unwrap().accounts.insert(who.username.clone()) {
            return Err(Failure::new(FailureKind::NameTaken));
        }
        self.counts.sign_ups.fetch_add(1, Ordering::Relaxed);
        self.begin_session(who, session);
        Ok(())
    }

    async fn log_in(&self, who: &Account, session: &mut Session) -> Result<(), Failure> {
        self.request().await?;
        if !self.state.lock().unwrap().accounts.contains(&who.username) {
            return Err(Failure::new(FailureKind::WrongPassword));
        }
        self.counts.log_ins.fetch_add(1, Ordering::Relaxed);
        self.begin_session(who, session);
        Ok(())
    }

    async fn open(&self, session: &mut Session) -> Result<RoomPage, Failure> {
        self.request().await?;
        Ok(RoomPage {
            user_id: SenderId::number(self.user_of(session)?),
            side_rooms: Vec::new(),
            capacity: None,
            page_bytes: 1_000,
        })
    }

    async fn connect(&self, session: &mut Session) -> Result<InMemoryConnection, Failure> {
        self.request().await?;
        let user = self.user_of(session)?;
        let nth = self.counts.connections.fetch_add(1, Ordering::Relaxed);
        let (to_client, from_server) = mpsc::unbounded_channel();
        let _ = to_client.send(ServerMessage::Presence);
        let mut state = self.state.lock().unwrap();
        if state.offline {
            return Err(Failure::new(FailureKind::ConnectionRefused));
        }
        state.members.insert(user, (nth, to_client.clone()));
        drop(state);
        let server = self.clone();
        Ok(InMemoryConnection {
            server,
            user,
            nth,
            from_server,
            to_server: to_client,
            writing: None,
            closing_by_us: false,
        })
    }

    async fn delete(&self, _: &mut Session) -> Result<(), Failure> {
        Err(Failure::new(FailureKind::NotFound))
    }

    fn members(&self, _: Members<'_>, _: impl FnMut(SenderId, &str)) -> Result<(), Failure> {
        Ok(())
    }

    async fn addresses(&self) -> Result<Vec<std::net::IpAddr>, Failure> {
        Ok(Vec::new())
    }

    async fn preflight(&self) -> Result<(), Failure> {
        self.request().await
    }
}

/// The context of a run with `users` on this server.
pub fn run_context(server: InMemoryServer, users: usize, terms: DeliveryTerms) -> RunContext<InMemoryServer> {
    let clock = server.clock;
    let usernames: Box<[Box<str>]> = (0..users).map(|i| format!("loadtest{i}").into()).collect();
    let rooms = Rooms::one("test", u32::try_from(users).unwrap());
    let identity =
        Identity { run: RunTag::of("days"), generator: GeneratorTag(1), origin_micros: clock.unix_micros(Stamp(0)) };
    let parts = Parts {
        capabilities: PlenaryProtocol.capabilities(),
        ledger: Ledger::new(terms, DeliveryRules::ALL, identity, &rooms.shares()),
        rooms,
        speakers: None,
        metrics: Arc::new(Metrics::new(Vocabulary::COMMON).unwrap()),
        limits: Limits { sign_in: Limit::evenly(20.0, clock), connect: Limit::evenly(20.0, clock) },
        behaviour: Behaviour {
            away: (Duration::from_secs(2), Duration::from_secs(30)),
            side_room_stay: (Duration::from_secs(30), Duration::from_secs(300)),
            reconnect: Default::default(),
            texts: Default::default(),
            seed: 7,
        },
        credentials: Credentials { usernames, password: Secret::new("correct horse"), accounts: None, first: 0 },
        saved: HashMap::new(),
        chats: ChatTraces::default(),
    };
    RunContext::new(server, clock, parts)
}

//! A chat server in memory, on tokio's time: a [`Driver`] without sockets, for days on a paused clock.
//!
//! It does what it is told: it can go away and come back, cut users off and forget sessions. It
//! never drops a chat that it has taken in.

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
use soakrig::ledger::{Identity, Ledger, Rules, Terms};
use soakrig::marker::{GeneratorTag, Marker, RoomTag, RunTag};
use soakrig::metrics::Metrics;
use soakrig::model::{Account, EndReason, Failure, FailureKind, FrameKind, Initiator, Secret, SenderId};
use soakrig::protocol::{
    Connection, Driver, Ended, Event, Members, Outgoing, Progress, Protocol as _, Received, Room, Session,
};
use soakrig::schedule::limit::Limit;
use soakrig::telemetry::traces::chats::ChatTraces;
use soakrig::transport::http::cookies::Jar;
use soakrig::user::{Behaviour, Crowd, Limits, Parts, RunContext};
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep};

/// How long a request takes, and a frame on its way to the server.
const WAY: Duration = Duration::from_millis(5);

/// What a connection gets from the server.
#[derive(Debug, Clone)]
enum Said {
    Presence,
    Chat { user: u64, text: Arc<str>, replay: bool },
    Pong,
    End(Ended),
}

#[derive(Debug, Default)]
struct State {
    away: bool,
    accounts: BTreeSet<String>,
    sessions: BTreeSet<String>,
    members: BTreeMap<u64, (u64, mpsc::UnboundedSender<Said>)>,
    last: Option<(u64, Arc<str>)>,
}

/// The server; the driver is a handle on it.
#[derive(Debug, Clone)]
pub struct Hall {
    state: Arc<Mutex<State>>,
    counts: Arc<Counts>,
    clock: Clock,
}

/// What the server counted by itself.
#[derive(Debug, Default)]
pub struct Counts {
    pub requests: AtomicU64,
    pub sign_ups: AtomicU64,
    pub log_ins: AtomicU64,
    pub chats: AtomicU64,
    pub copies: AtomicU64,
    connections: AtomicU64,
}

impl Hall {
    pub fn open(clock: Clock) -> Self {
        Self { state: Arc::default(), counts: Arc::default(), clock }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Goes away: everybody is cut off, and nothing is answered until it is back.
    pub fn go_away(&self) {
        let mut state = self.state.lock().unwrap();
        state.away = true;
        let end = Said::End(Ended { initiator: Initiator::Network, reason: EndReason::Reset });
        for (_, (_, member)) in std::mem::take(&mut state.members) {
            let _ = member.send(end.clone());
        }
    }

    pub fn come_back(&self) {
        self.state.lock().unwrap().away = false;
    }

    /// Every session has to be had anew; accounts stay.
    pub fn forget_sessions(&self) {
        self.state.lock().unwrap().sessions.clear();
    }

    /// Cuts the nth of the present members off; false where there is nobody.
    pub fn cut(&self, nth: usize, ended: Ended) -> bool {
        let mut state = self.state.lock().unwrap();
        let present = state.members.len().max(1);
        let Some(user) = state.members.keys().nth(nth % present).copied() else { return false };
        let Some((_, member)) = state.members.remove(&user) else { return false };
        let _ = member.send(Said::End(ended));
        true
    }

    async fn request(&self) -> Result<(), Failure> {
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        sleep(WAY).await;
        if self.state.lock().unwrap().away { Err(Failure::new(FailureKind::ConnectionRefused)) } else { Ok(()) }
    }

    fn begin_session(&self, who: &Account, session: &mut Session) {
        self.state.lock().unwrap().sessions.insert(who.username.clone());
        session.cookies = Jar::from([("sessionid", who.username.as_str())]);
    }

    /// The user whose session it is: the number in its name.
    fn known(&self, session: &Session) -> Result<u64, Failure> {
        let name = session.cookies.value("sessionid").unwrap_or_default();
        if !self.state.lock().unwrap().sessions.contains(name) {
            return Err(Failure::new(FailureKind::SignedOut));
        }
        Ok(name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap() + 1)
    }

    fn take_in(&self, user: u64, text: &Arc<str>) {
        let mut state = self.state.lock().unwrap();
        if !state.members.contains_key(&user) {
            return;
        }
        state.last = Some((user, Arc::clone(text)));
        drop(state);
        self.counts.chats.fetch_add(1, Ordering::Relaxed);
        self.say(user, text);
    }

    /// The chat that was taken in last: its sender and text.
    pub fn last(&self) -> Option<(u64, Arc<str>)> {
        self.state.lock().unwrap().last.clone()
    }

    /// Sends everybody a chat, whoever it is said to be from.
    pub fn say(&self, user: u64, text: &str) {
        self.send_to_all(user, text, false);
    }

    /// Sends everybody a chat as history.
    pub fn replay(&self, user: u64, text: &str) {
        self.send_to_all(user, text, true);
    }

    fn send_to_all(&self, user: u64, text: &str, replay: bool) {
        let text: Arc<str> = Arc::from(text);
        let state = self.state.lock().unwrap();
        for (_, member) in state.members.values() {
            self.counts.copies.fetch_add(1, Ordering::Relaxed);
            let _ = member.send(Said::Chat { user, text: Arc::clone(&text), replay });
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
struct Writing {
    arrival: Pin<Box<Sleep>>,
    /// A chat's text; a ping has none.
    text: Option<Arc<str>>,
}

/// A connection to the hall.
pub struct Line {
    hall: Hall,
    user: u64,
    nth: u64,
    from_server: mpsc::UnboundedReceiver<Said>,
    to_server: mpsc::UnboundedSender<Said>,
    writing: Option<Writing>,
    leaving: bool,
}

const BROKEN: Ended = Ended { initiator: Initiator::Server, reason: EndReason::NoCloseFrame };

impl Line {
    /// The frame in writing arrives. Its timer outlives a `drive` that is dropped.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        let Some(writing) = &mut self.writing else { return Poll::Pending };
        if writing.arrival.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        match self.writing.take().and_then(|writing| writing.text) {
            Some(text) => self.hall.take_in(self.user, &text),
            None => drop(self.to_server.send(Said::Pong)),
        }
        Poll::Ready(Progress::Written)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.hall.leave(self.user, self.nth);
    }
}

impl Connection for Line {
    fn begin(&mut self, frame: Outgoing<'_>) -> bool {
        if self.writing.is_some() || self.leaving {
            return false;
        }
        let text = match frame {
            Outgoing::Chat(text) => Some(Arc::from(text)),
            _ => None,
        };
        self.writing = Some(Writing { arrival: Box::pin(sleep(WAY)), text });
        true
    }

    fn is_writing(&self) -> bool {
        self.writing.is_some()
    }

    fn close(&mut self) {
        self.leaving = true;
        self.hall.leave(self.user, self.nth);
        let _ = self.to_server.send(Said::End(Ended { initiator: Initiator::User, reason: EndReason::Left }));
    }

    fn drive<F>(&mut self, mut sink: F) -> impl Future<Output = Progress> + Send
    where
        F: FnMut(Received<'_>) + Send,
    {
        poll_fn(move |cx| {
            let said = match self.from_server.poll_recv(cx) {
                Poll::Ready(said) => said,
                Poll::Pending => return self.poll_write(cx),
            };
            let at = self.hall.clock.now();
            let (kind, event) = match said {
                None => {
                    return Poll::Ready(Progress::Ended(BROKEN));
                }
                Some(Said::End(ended)) => return Poll::Ready(Progress::Ended(ended)),
                Some(Said::Presence) => {
                    sink(Received { at, kind: None, event: Event::Joined });
                    (FrameKind::Presence, Event::Members(Members { text: "{}" }))
                }
                Some(Said::Pong) => (FrameKind::Pong, Event::Other),
                Some(Said::Chat { user, text, replay }) => {
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

impl Driver for Hall {
    type Connection = Line;

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

    async fn open(&self, session: &mut Session) -> Result<Room, Failure> {
        self.request().await?;
        Ok(Room {
            user_id: SenderId::number(self.known(session)?),
            side_rooms: Vec::new(),
            capacity: None,
            page_bytes: 1_000,
        })
    }

    async fn connect(&self, session: &mut Session) -> Result<Line, Failure> {
        self.request().await?;
        let user = self.known(session)?;
        let nth = self.counts.connections.fetch_add(1, Ordering::Relaxed);
        let (to_client, from_server) = mpsc::unbounded_channel();
        let _ = to_client.send(Said::Presence);
        let mut state = self.state.lock().unwrap();
        if state.away {
            return Err(Failure::new(FailureKind::ConnectionRefused));
        }
        state.members.insert(user, (nth, to_client.clone()));
        drop(state);
        let hall = self.clone();
        Ok(Line { hall, user, nth, from_server, to_server: to_client, writing: None, leaving: false })
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

/// A world of `users` whose server is this hall.
pub fn world(hall: Hall, users: usize, terms: Terms) -> RunContext<Hall> {
    let clock = hall.clock;
    let usernames: Box<[Box<str>]> = (0..users).map(|i| format!("loadtest{i}").into()).collect();
    let identity = Identity {
        run: RunTag::of("days"),
        room: RoomTag::of("hall"),
        generator: GeneratorTag(1),
        origin_micros: clock.unix_micros(Stamp(0)),
    };
    let parts = Parts {
        capabilities: PlenaryProtocol.capabilities(),
        ledger: Ledger::new(terms, Rules::default(), identity, users).unwrap(),
        metrics: Arc::new(Metrics::new().unwrap()),
        limits: Limits { sign_in: Limit::evenly(20.0, clock), connect: Limit::evenly(20.0, clock) },
        behaviour: Behaviour {
            away: (Duration::from_secs(2), Duration::from_secs(30)),
            breakout_stay: (Duration::from_secs(30), Duration::from_secs(300)),
            seed: 7,
        },
        crowd: Crowd { usernames, password: Secret::new("correct horse") },
        saved: HashMap::new(),
        chats: ChatTraces::default(),
    };
    RunContext::new(hall, clock, parts)
}

//! The task of one open websocket: reads what its client says, writes what had to wait, pings.
//!
//! Knows frames and rooms' notes; what a room does with them is the [hall](super::hall)'s.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::accounts::User;
use super::client::{Room, Said, said};
use super::frame::{Inbound, Message};
use super::hall::{Hall, Note};
use super::options::PresenceMode;
use super::peer::{End, Habits, Peer};
use super::wire::{self, Frame};
use super::world::World;

/// Bytes read at once; the buffer is on the stack of a call, not in the task.
const SCRATCH: usize = 16 * 1024;
/// How long the rest of the queue and the client's part of a close may take.
const PARTING: Duration = Duration::from_secs(2);

/// What a socket was opened to.
#[derive(Debug)]
pub(super) enum Role {
    /// A plenary.
    Plenary(Hall),
    /// The breakout of this id.
    Breakout(Hall, u64),
    /// A breakout that cannot be had, for this reason; the socket stays open, in no room.
    Nowhere(&'static str),
    /// What the application's consumer crashes on at once.
    Crash,
}

/// Somebody to whom 101 was said.
#[derive(Debug)]
pub(super) struct Admission {
    pub role: Role,
    /// None where not signed in.
    pub user: Option<Arc<User>>,
}

struct Life<'a> {
    world: &'a World,
    role: Role,
    stream: Arc<TcpStream>,
    peer: Arc<Peer>,
    inbound: Inbound,
    /// Whether the last ping is still unanswered.
    unanswered: bool,
}

/// Lives a socket to its end. `early` are bytes that came with the request.
pub(super) async fn live(world: &World, admission: Admission, stream: TcpStream, early: &[u8]) {
    let stream = Arc::new(stream);
    let replace_presence = matches!(world.options.presence, PresenceMode::Batched(_));
    let habits = Habits { replace_presence, limit: world.options.queue };
    let (id, tally) = (world.next_socket(), Arc::clone(&world.tally));
    let peer = Arc::new(Peer::new(id, admission.user, Arc::clone(&stream), habits, tally));
    let mut inbound = Inbound::default();
    inbound.extend(early);
    let sockets = &world.tally.sockets;
    sockets.opened.one();
    sockets.open_now.one();
    let mut life = Life { world, role: admission.role, stream, peer, inbound, unanswered: false };
    life.arrive().await;
    life.converse().await;
    life.part().await;
    sockets.open_now.less(1);
}

impl Life<'_> {
    async fn arrive(&mut self) {
        let peer = Arc::clone(&self.peer);
        match &self.role {
            Role::Plenary(hall) => hall.note(Note::Enter(peer)).await,
            Role::Breakout(hall, id) => hall.note(Note::EnterBreakout(*id, peer)).await,
            Role::Nowhere(reason) => peer.send(&[wire::breakout_error(reason)]),
            Role::Crash => peer.end(End::Crash),
        }
        self.hear_all().await;
    }

    /// Until the socket is to end.
    async fn converse(&mut self) {
        let ping = self.world.options.timing.ping;
        let due = sleep_until(Instant::now() + ping);
        tokio::pin!(due);
        while self.peer.ended().is_none() {
            let waiting = self.peer.is_waiting();
            tokio::select! {
                () = self.world.stop.cancelled() => self.peer.end(End::Stopped),
                () = self.peer.woken() => {}
                _ = self.stream.writable(), if waiting => self.peer.flush(),
                _ = self.stream.readable() => self.read().await,
                () = due.as_mut() => self.ping(due.as_mut(), ping),
            }
        }
    }

    fn ping(&mut self, due: std::pin::Pin<&mut Sleep>, every: Duration) {
        due.reset(Instant::now() + every);
        if self.unanswered {
            return self.peer.end(End::Silent);
        }
        self.unanswered = true;
        self.peer.send(&[Frame::ping()]);
    }

    async fn read(&mut self) {
        match read_once(&self.stream, &mut self.inbound) {
            Ok(0) => self.peer.end(End::Vanished),
            Ok(count) => {
                self.world.tally.received.bytes.add(count as u64);
                self.hear_all().await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.peer.end(End::Vanished),
        }
    }

    async fn hear_all(&mut self) {
        while self.peer.ended().is_none() {
            match self.inbound.next() {
                Ok(Some(message)) => self.hear(message).await,
                Ok(None) => return,
                Err(breach) => self.peer.end(End::Breach(breach.code())),
            }
        }
    }

    async fn hear(&mut self, message: Message) {
        let received = &self.world.tally.received;
        match message {
            Message::Text(text) => self.hear_text(&text).await,
            Message::Binary => self.crash(),
            Message::Ping(payload) => {
                received.pings.one();
                self.peer.send(&[Frame::pong(&payload)]);
            }
            Message::Pong => {
                received.pongs.one();
                self.unanswered = false;
            }
            Message::Close(code) => self.peer.end(End::Client(code)),
        }
    }

    async fn hear_text(&mut self, text: &str) {
        let room = if matches!(self.role, Role::Plenary(_)) { Room::Plenary } else { Room::Breakout };
        match said(room, text) {
            Said::Heartbeat => {
                self.world.tally.received.heartbeats.one();
                self.touch().await;
            }
            Said::Chat(text) => match (&self.role, &self.peer.user) {
                (Role::Plenary(hall), Some(user)) => hall.note(Note::Chat(Arc::clone(user), text)).await,
                _ => self.crash(),
            },
            Said::TakeOver => {
                self.world.tally.received.takeovers.one();
                if let Role::Breakout(hall, id) = &self.role {
                    hall.note(Note::TakeOver(*id, Arc::clone(&self.peer))).await;
                }
            }
            Said::Refused(reason) => {
                self.world.tally.received.refused.one();
                let error = if room == Room::Plenary { wire::error } else { wire::breakout_error };
                self.peer.send(&[error(&reason)]);
            }
            Said::Crash => self.crash(),
        }
    }

    async fn touch(&self) {
        match (&self.role, &self.peer.user) {
            (Role::Plenary(hall), Some(user)) => hall.note(Note::Touch(user.id)).await,
            (Role::Breakout(hall, _), Some(user)) => hall.note(Note::TouchBreakout(user.id)).await,
            _ => {}
        }
    }

    fn crash(&self) {
        self.world.tally.received.crashes.one();
        self.peer.end(End::Crash);
    }

    /// Ends the connection, tells the room, counts.
    async fn part(self) {
        let end = self.peer.ended().unwrap_or(End::Vanished);
        if end.code().is_some() {
            // Bounded: a client that neither reads nor closes is not waited for.
            let _ = timeout(PARTING, self.take_leave(end)).await;
        }
        self.peer.release();
        drop(self.stream);
        match &self.role {
            Role::Plenary(hall) => hall.note(Note::Leave(self.peer.id)).await,
            Role::Breakout(hall, _) => hall.note(Note::LeaveBreakout(self.peer.id)).await,
            Role::Nowhere(_) | Role::Crash => {}
        }
        count_end(self.world, end);
    }

    /// Writes what is queued, the close frame last, and reads until the client is gone too.
    async fn take_leave(&self, end: End) {
        while self.peer.is_waiting() {
            if self.stream.writable().await.is_err() {
                return;
            }
            self.peer.flush();
        }
        if matches!(end, End::Client(_)) {
            return;
        }
        while self.stream.readable().await.is_ok() {
            // What is still said is not heard, so it goes into a reader of its own.
            match read_once(&self.stream, &mut Inbound::default()) {
                Ok(0) => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }
}

fn read_once(stream: &TcpStream, inbound: &mut Inbound) -> io::Result<usize> {
    let mut scratch = [0; SCRATCH];
    let count = stream.try_read(&mut scratch)?;
    inbound.extend(scratch.get(..count).unwrap_or_default());
    Ok(count)
}

fn count_end(world: &World, end: End) {
    let sockets = &world.tally.sockets;
    sockets.ended.one();
    match end {
        End::Client(_) => sockets.ended_by_client.one(),
        End::Vanished => sockets.ended_without_close.one(),
        End::Crash => sockets.ended_by_crash.one(),
        End::Breach(_) => sockets.ended_by_breach.one(),
        End::Silent => sockets.ended_by_silence.one(),
        End::Slow => sockets.ended_by_slowness.one(),
        End::Stopped => sockets.ended_by_stop.one(),
    }
}

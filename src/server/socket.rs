//! The task of one open websocket: reads what its client says, writes what had to wait, pings.
//!
//! Knows frames and rooms' notes; what a room does with them is the [hall](super::hall)'s.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
// In each loop over a client, which must not keep the thread however fast it is.
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::accounts::User;
use super::client::{Room, Said, said};
use super::faults::desk::lot;
use super::faults::{Fault, Faults};
use super::frame::{Inbound, Message};
use super::hall::{Hall, Note};
use super::peer::{End, Peer};
use super::wire::{self, Frame};
use super::world::World;

/// Bytes read at once; the buffer is on the stack of a call, not in the task.
const SCRATCH: usize = 16 * 1024;
/// How long the rest of the queue and the client's part of a close may take.
const PARTING: Duration = Duration::from_secs(2);
/// How long a mute socket stays open after its client has said that it closes.
const MUTE: Duration = Duration::from_secs(60);

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

/// What a socket's task was woken for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Stop,
    Nothing,
    Write,
    Read,
    Ping,
    Suffer,
}

struct Life<'a> {
    world: &'a World,
    role: Role,
    stream: Arc<TcpStream>,
    peer: Arc<Peer>,
    inbound: Inbound,
    /// Whether the last ping is still unanswered.
    unanswered: bool,
    /// Whether a fault keeps it from being read.
    deaf: bool,
}

/// Lives a socket to its end. `early` are bytes that came with the request.
pub(super) async fn live(world: &World, admission: Admission, stream: TcpStream, early: &[u8]) {
    let stream = Arc::new(stream);
    let (id, habits) = (world.next_socket(), Arc::clone(&world.habits));
    let peer = Arc::new(Peer::new(id, admission.user, Arc::clone(&stream), habits));
    let mut inbound = Inbound::default();
    inbound.extend(early);
    let sockets = &world.tally.sockets;
    sockets.opened.one();
    sockets.open_now.one();
    let mut life = Life { world, role: admission.role, stream, peer, inbound, unanswered: false, deaf: false };
    let mut news = world.desk.watch();
    let faults = Arc::clone(&news.borrow_and_update());
    life.arrive(&faults).await;
    life.converse(news).await;
    life.part().await;
    sockets.open_now.less(1);
}

impl Life<'_> {
    async fn arrive(&mut self, faults: &Faults) {
        self.suffer(faults);
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
    async fn converse(&mut self, mut news: watch::Receiver<Arc<Faults>>) {
        let ping = self.world.options.timing.ping;
        let due = sleep_until(Instant::now() + ping);
        tokio::pin!(due);
        while self.peer.ended().is_none() {
            consume_budget().await;
            let waiting = self.peer.is_waiting();
            let what = tokio::select! {
                () = self.world.stop.cancelled() => What::Stop,
                () = self.peer.woken() => What::Nothing,
                _ = self.stream.writable(), if waiting => What::Write,
                _ = self.stream.readable(), if !self.deaf => What::Read,
                () = due.as_mut() => What::Ping,
                Ok(()) = news.changed() => What::Suffer,
            };
            if what != What::Stop {
                self.world.pass().await;
            }
            match what {
                What::Stop => self.peer.end(End::Stopped),
                What::Nothing => {}
                What::Write => self.peer.flush(),
                What::Read => self.read().await,
                What::Ping => self.ping(due.as_mut(), ping),
                What::Suffer => {
                    let faults = Arc::clone(&news.borrow_and_update());
                    self.suffer(&faults);
                }
            }
        }
    }

    /// Takes on the faults that hold for a share of the connections.
    fn suffer(&mut self, faults: &Faults) {
        let lot = lot(faults.seed, self.peer.id);
        self.deaf = lot < faults.socket.deaf;
        self.peer.set_mute(lot < faults.socket.mute);
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

    /// Tells the room, ends the connection, counts.
    async fn part(mut self) {
        let end = self.peer.ended().unwrap_or(End::Vanished);
        match &self.role {
            Role::Plenary(hall) => hall.note(Note::Leave(self.peer.id)).await,
            Role::Breakout(hall, _) => hall.note(Note::LeaveBreakout(self.peer.id)).await,
            Role::Nowhere(_) | Role::Crash => {}
        }
        match end {
            End::Vanished | End::Slow => {}
            End::Fault(Fault::Reset) => {
                // Closing without lingering is what sends the RST.
                let _ = self.stream.set_zero_linger();
            }
            _ => {
                // Bounded: a client that neither reads nor closes is not waited for.
                let patience = if self.peer.is_mute() { MUTE } else { PARTING };
                let stopped = self.world.stopped_for(PARTING);
                let parting = timeout(patience, self.take_leave(end));
                tokio::select! { _ = parting => {}, () = stopped => {} }
            }
        }
        self.peer.release();
        drop(self.stream);
        count_end(self.world, end);
    }

    /// Writes what is queued, a close frame last if there is one, and reads until the client is
    /// gone too: closing with unread bytes would reset the connection and take the last frames along.
    async fn take_leave(&mut self, end: End) {
        while self.peer.is_waiting() {
            consume_budget().await;
            if self.stream.writable().await.is_err() {
                return;
            }
            self.peer.flush();
        }
        if end.code().is_none() {
            let _ = SockRef::from(&*self.stream).shutdown(Shutdown::Write);
        } else if matches!(end, End::Client(_)) && !self.peer.is_mute() {
            return;
        }
        // What follows a breach cannot be understood, so it is only taken in, until the client is gone.
        let breach = matches!(end, End::Breach(_));
        while self.stream.readable().await.is_ok() {
            consume_budget().await;
            let inbound = if breach { &mut Inbound::default() } else { &mut self.inbound };
            match read_once(&self.stream, inbound) {
                Ok(0) => return,
                Ok(_) if !breach && self.hears_close() && !self.peer.is_mute() => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    /// Passes over what is still said; true at the client's close frame, or where nothing more
    /// can be understood.
    fn hears_close(&mut self) -> bool {
        loop {
            match self.inbound.next() {
                Ok(Some(Message::Close(_))) | Err(_) => return true,
                Ok(Some(_)) => {}
                Ok(None) => return false,
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
        End::Closed(_) | End::Fault(_) => sockets.ended_by_fault.one(),
    }
}

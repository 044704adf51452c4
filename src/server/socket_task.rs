//! The task of one open websocket: reads the client's messages, writes what had to wait, pings.
//!
//! It turns messages into commands to a [plenary's task](super::plenary_task), which acts on them.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::watch;
// In each loop over a client's frames: a fast client must not keep the thread.
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::accounts::User;
use super::client_message::{ChannelKind, ClientMessage, parse};
use super::faults::injector::unit_hash;
use super::faults::{Fault, Faults};
use super::frame::{Inbound, Message};
use super::plenary_handle::{Command, PlenaryHandle};
use super::socket::{DisconnectReason, ServerSocket};
use super::state::ServerState;
use super::wire::{self, Frame};

/// Bytes read at once; the buffer is on the stack of a call, not in the task.
const READ_BUFFER: usize = 16 * 1024;
/// How long the rest of the outbox and the client's part of a close may take. Shorter than a client's
/// patience (5 s), so that the client sees an end and no timeout.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a mute socket stays open after its client has sent a close frame.
const MUTE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a socket was opened for.
#[derive(Debug)]
pub(super) enum SocketRole {
    /// A plenary.
    Plenary(PlenaryHandle),
    /// The breakout of this id.
    Breakout(PlenaryHandle, u64),
    /// A breakout that cannot be joined, for this reason; the socket stays open, in no channel.
    Rejected(&'static str),
    /// A path that the application's consumer crashes on at once.
    Crash,
}

/// A request that was answered with 101.
#[derive(Debug)]
pub(super) struct Upgrade {
    pub role: SocketRole,
    /// The signed-in user, if any.
    pub user: Option<Arc<User>>,
}

/// Why a socket's task woke up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wakeup {
    Stop,
    Notified,
    Writable,
    Readable,
    PingDue,
    FaultsChanged,
}

struct SocketTask<'a> {
    server: &'a ServerState,
    role: SocketRole,
    stream: Arc<TcpStream>,
    socket: Arc<ServerSocket>,
    inbound: Inbound,
    /// Whether the last ping is still unanswered.
    awaiting_pong: bool,
    /// Whether a fault stops it from being read.
    deaf: bool,
}

/// Serves a socket until it ends. `early` are bytes that came with the request.
pub(super) async fn serve(server: &ServerState, upgrade: Upgrade, stream: TcpStream, early: &[u8]) {
    let stream = Arc::new(stream);
    let (id, context) = (server.next_socket(), Arc::clone(&server.socket_context));
    let socket = Arc::new(ServerSocket::new(id, upgrade.user, Arc::clone(&stream), context));
    let mut inbound = Inbound::default();
    inbound.extend(early);
    let sockets = &server.counters.sockets;
    sockets.opened.increment();
    sockets.open_now.increment();
    let mut task =
        SocketTask { server, role: upgrade.role, stream, socket, inbound, awaiting_pong: false, deaf: false };
    let mut changes = server.injector.subscribe();
    let faults = Arc::clone(&changes.borrow_and_update());
    task.join(&faults).await;
    task.run(changes).await;
    task.leave().await;
    sockets.open_now.subtract(1);
}

impl SocketTask<'_> {
    async fn join(&mut self, faults: &Faults) {
        self.apply_share_faults(faults);
        let socket = Arc::clone(&self.socket);
        match &self.role {
            SocketRole::Plenary(handle) => handle.send(Command::Join(socket)).await,
            SocketRole::Breakout(handle, id) => handle.send(Command::JoinBreakout(*id, socket)).await,
            SocketRole::Rejected(reason) => socket.send(&[wire::breakout_error(reason)]),
            SocketRole::Crash => socket.disconnect(DisconnectReason::ApplicationCrash),
        }
        self.handle_messages().await;
    }

    /// Runs until the socket is disconnected.
    async fn run(&mut self, mut changes: watch::Receiver<Arc<Faults>>) {
        let ping = self.server.options.timing.ping;
        let due = sleep_until(Instant::now() + ping);
        tokio::pin!(due);
        while self.socket.disconnected().is_none() {
            consume_budget().await;
            let waiting = self.socket.is_waiting();
            let wakeup = tokio::select! {
                () = self.server.stop.cancelled() => Wakeup::Stop,
                () = self.socket.notified() => Wakeup::Notified,
                _ = self.stream.writable(), if waiting => Wakeup::Writable,
                _ = self.stream.readable(), if !self.deaf => Wakeup::Readable,
                () = due.as_mut() => Wakeup::PingDue,
                Ok(()) = changes.changed() => Wakeup::FaultsChanged,
            };
            if wakeup != Wakeup::Stop {
                self.server.wait_while_stalled().await;
            }
            match wakeup {
                Wakeup::Stop => self.socket.disconnect(DisconnectReason::Shutdown),
                Wakeup::Notified => {}
                Wakeup::Writable => self.socket.flush(),
                Wakeup::Readable => self.read().await,
                Wakeup::PingDue => self.ping(due.as_mut(), ping),
                Wakeup::FaultsChanged => {
                    let faults = Arc::clone(&changes.borrow_and_update());
                    self.apply_share_faults(&faults);
                }
            }
        }
    }

    /// Applies the faults that hold for a share of the connections.
    fn apply_share_faults(&mut self, faults: &Faults) {
        let hash = unit_hash(faults.seed, self.socket.id);
        self.deaf = hash < faults.socket.deaf;
        self.socket.set_mute(hash < faults.socket.mute);
    }

    fn ping(&mut self, due: std::pin::Pin<&mut Sleep>, every: Duration) {
        due.reset(Instant::now() + every);
        if self.awaiting_pong {
            return self.socket.disconnect(DisconnectReason::PongTimeout);
        }
        self.awaiting_pong = true;
        self.socket.send(&[Frame::ping()]);
    }

    async fn read(&mut self) {
        match read_once(&self.stream, &mut self.inbound) {
            Ok(0) => self.socket.disconnect(DisconnectReason::ConnectionLost),
            Ok(count) => {
                self.server.counters.received.bytes.add(count as u64);
                self.handle_messages().await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.socket.disconnect(DisconnectReason::ConnectionLost),
        }
    }

    async fn handle_messages(&mut self) {
        while self.socket.disconnected().is_none() {
            match self.inbound.next() {
                Ok(Some(message)) => self.handle(message).await,
                Ok(None) => return,
                Err(error) => self.socket.disconnect(DisconnectReason::ProtocolError(error.close_code())),
            }
        }
    }

    async fn handle(&mut self, message: Message) {
        let received = &self.server.counters.received;
        match message {
            Message::Text(text) => self.handle_text(&text).await,
            Message::Binary => self.crash(),
            Message::Ping(payload) => {
                received.pings.increment();
                self.socket.send(&[Frame::pong(&payload)]);
            }
            Message::Pong => {
                received.pongs.increment();
                self.awaiting_pong = false;
            }
            Message::Close(code) => self.socket.disconnect(DisconnectReason::ClientClosed(code)),
        }
    }

    async fn handle_text(&mut self, text: &str) {
        let channel =
            if matches!(self.role, SocketRole::Plenary(_)) { ChannelKind::Plenary } else { ChannelKind::Breakout };
        match parse(channel, text) {
            ClientMessage::Heartbeat => {
                self.server.counters.received.heartbeats.increment();
                self.touch().await;
            }
            ClientMessage::Chat(text) => match (&self.role, &self.socket.user) {
                (SocketRole::Plenary(handle), Some(user)) => handle.send(Command::Chat(Arc::clone(user), text)).await,
                _ => self.crash(),
            },
            ClientMessage::TakeOver => {
                self.server.counters.received.takeovers.increment();
                if let SocketRole::Breakout(handle, id) = &self.role {
                    handle.send(Command::TakeOverBreakout(*id, Arc::clone(&self.socket))).await;
                }
            }
            ClientMessage::Rejected(reason) => {
                self.server.counters.received.refused.increment();
                let error = if channel == ChannelKind::Plenary { wire::error } else { wire::breakout_error };
                self.socket.send(&[error(&reason)]);
            }
            ClientMessage::Crash => self.crash(),
        }
    }

    async fn touch(&self) {
        match (&self.role, &self.socket.user) {
            (SocketRole::Plenary(handle), Some(user)) => handle.send(Command::Touch(user.id)).await,
            (SocketRole::Breakout(handle, _), Some(user)) => handle.send(Command::TouchBreakout(user.id)).await,
            _ => {}
        }
    }

    fn crash(&self) {
        self.server.counters.received.crashes.increment();
        self.socket.disconnect(DisconnectReason::ApplicationCrash);
    }

    /// Tells the plenary, closes the connection, counts.
    async fn leave(mut self) {
        let reason = self.socket.disconnected().unwrap_or(DisconnectReason::ConnectionLost);
        match &self.role {
            SocketRole::Plenary(handle) => handle.send(Command::Leave(self.socket.id)).await,
            SocketRole::Breakout(handle, _) => handle.send(Command::LeaveBreakout(self.socket.id)).await,
            SocketRole::Rejected(_) | SocketRole::Crash => {}
        }
        match reason {
            DisconnectReason::ConnectionLost | DisconnectReason::SlowReader => {}
            DisconnectReason::InjectedFault(Fault::Reset) => {
                // Closing without lingering is what sends the RST.
                let _ = self.stream.set_zero_linger();
            }
            _ => {
                // Bounded: a client that neither reads nor closes is not waited for.
                let limit = if self.socket.is_mute() { MUTE_TIMEOUT } else { CLOSE_TIMEOUT };
                let stopped = self.server.stopped_for(CLOSE_TIMEOUT);
                let draining = timeout(limit, self.drain(reason));
                tokio::select! { _ = draining => {}, () = stopped => {} }
            }
        }
        self.socket.release();
        drop(self.stream);
        count_disconnect(self.server, reason);
    }

    /// Writes what is queued, a close frame last if there is one, and reads until the client is
    /// gone too: closing with unread bytes would reset the connection and take the last frames along.
    async fn drain(&mut self, reason: DisconnectReason) {
        while self.socket.is_waiting() {
            consume_budget().await;
            if self.stream.writable().await.is_err() {
                return;
            }
            self.socket.flush();
        }
        if reason.close_code().is_none() {
            let _ = SockRef::from(&*self.stream).shutdown(Shutdown::Write);
        } else if matches!(reason, DisconnectReason::ClientClosed(_)) && !self.socket.is_mute() {
            return;
        }
        // What follows a protocol error cannot be parsed, so it is read and dropped until the client is gone.
        let unparsable = matches!(reason, DisconnectReason::ProtocolError(_));
        while self.stream.readable().await.is_ok() {
            consume_budget().await;
            let inbound = if unparsable { &mut Inbound::default() } else { &mut self.inbound };
            match read_once(&self.stream, inbound) {
                Ok(0) => return,
                Ok(_) if !unparsable && self.saw_close() && !self.socket.is_mute() => return,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    /// Skips the messages read; true at the client's close frame, or once nothing more can be parsed.
    fn saw_close(&mut self) -> bool {
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
    let mut buffer = [0; READ_BUFFER];
    let count = stream.try_read(&mut buffer)?;
    inbound.extend(buffer.get(..count).unwrap_or_default());
    Ok(count)
}

fn count_disconnect(server: &ServerState, reason: DisconnectReason) {
    let sockets = &server.counters.sockets;
    sockets.ended.increment();
    match reason {
        DisconnectReason::ClientClosed(_) => sockets.ended_by_client.increment(),
        DisconnectReason::ConnectionLost => sockets.ended_without_close.increment(),
        DisconnectReason::ApplicationCrash => sockets.ended_by_crash.increment(),
        DisconnectReason::ProtocolError(_) => sockets.ended_by_breach.increment(),
        DisconnectReason::PongTimeout => sockets.ended_by_silence.increment(),
        DisconnectReason::SlowReader => sockets.ended_by_slowness.increment(),
        DisconnectReason::Shutdown => sockets.ended_by_stop.increment(),
        DisconnectReason::InjectedClose(_) | DisconnectReason::InjectedFault(_) => sockets.ended_by_fault.increment(),
    }
}

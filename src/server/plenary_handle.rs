//! A handle on a plenary: sends commands to the one task that runs it.
//!
//! Everything that happens in a plenary reaches its [task](super::plenary_task) as a [`Command`], so
//! all of it has one order.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::accounts::User;
use super::chat::Chat;
use super::counts::{Counters, RoomCounters};
use super::faults::injector::FaultInjector;
use super::options::{PresenceMode, Timing};
use super::plenary::Plenary;
use super::socket::{DisconnectReason, ServerSocket};
use super::wire::Frame;

/// Commands that may wait; beyond this, senders wait, and their sockets are not read meanwhile.
const MAILBOX: usize = 1024;

/// What a plenary's task is asked to do.
pub(super) enum Command {
    /// A socket was opened; it has joined from its member list on.
    Join(Arc<ServerSocket>),
    /// A socket was closed.
    Leave(u64),
    /// A signed-in user sent this text.
    Chat(Arc<User>, String),
    /// A user of the plenary sent a heartbeat.
    Touch(u64),
    /// A user of a breakout sent a heartbeat.
    TouchBreakout(u64),
    /// A socket was opened to a breakout.
    JoinBreakout(u64, Arc<ServerSocket>),
    /// A socket takes the breakout over from its user's other sockets.
    TakeOverBreakout(u64, Arc<ServerSocket>),
    /// A breakout's socket was closed.
    LeaveBreakout(u64),
    /// Answers with what the event page shows.
    Snapshot(oneshot::Sender<PlenarySnapshot>),
    /// A fault: disconnects this share (0 to 1) of the plenary's sockets.
    Disconnect(DisconnectReason, f64),
    /// A fault: sends every socket the full list this many times.
    Flood(u32),
    /// A fault: sends every socket this frame.
    Broadcast(Frame),
    /// A fault: sends every socket this chat of another plenary.
    Leak(Chat),
}

/// What the event page shows of a plenary.
pub(super) struct PlenarySnapshot {
    /// Users listed, by id.
    pub users: Vec<Arc<User>>,
    /// The last chats' payloads, oldest first.
    pub chats: Vec<Arc<RawValue>>,
    /// Breakout ids and who is listed there; empty ones are left out.
    pub breakouts: Vec<(u64, Vec<Arc<User>>)>,
}

/// What the plenaries of a server share.
#[derive(Debug, Clone)]
pub(super) struct PlenaryContext {
    pub counters: Arc<Counters>,
    pub injector: Arc<FaultInjector>,
    pub presence: PresenceMode,
    pub timing: Timing,
    /// Address of every user's avatar.
    pub image: Arc<str>,
    /// The last chat's id, over all plenaries.
    pub chat_ids: Arc<AtomicU64>,
    /// All plenaries of the server, once they have started.
    pub plenaries: Arc<OnceLock<Vec<PlenaryHandle>>>,
}

/// A handle on a plenary's task.
#[derive(Debug, Clone)]
pub(super) struct PlenaryHandle {
    pub plenary: Arc<Plenary>,
    pub counters: Arc<RoomCounters>,
    commands: mpsc::Sender<Command>,
    present: Arc<AtomicUsize>,
}

impl PlenaryHandle {
    /// A handle on `plenary`, and its task's ends: the commands, and the number of users present.
    pub(super) fn new(plenary: Arc<Plenary>) -> (Self, mpsc::Receiver<Command>, Arc<AtomicUsize>) {
        let (sender, commands) = mpsc::channel(MAILBOX);
        let present = Arc::new(AtomicUsize::new(0));
        let handle = Self { plenary, counters: Arc::default(), commands: sender, present: Arc::clone(&present) };
        (handle, commands, present)
    }

    /// Sends a command, waiting while the mailbox is full; drops it once the server stops.
    pub(super) async fn send(&self, command: Command) {
        let _ = self.commands.send(command).await;
    }

    /// Sends a command unless the mailbox is full: tasks that wait for each other could deadlock.
    pub(super) fn try_send(&self, command: Command) {
        let _ = self.commands.try_send(command);
    }

    /// What the event page shows; `None` once the server stops.
    pub(super) async fn snapshot(&self) -> Option<PlenarySnapshot> {
        let (answer, snapshot) = oneshot::channel();
        self.send(Command::Snapshot(answer)).await;
        snapshot.await.ok()
    }

    /// Users on the member list.
    pub(super) fn present(&self) -> usize {
        self.present.load(Ordering::Acquire)
    }
}

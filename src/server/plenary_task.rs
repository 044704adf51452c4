//! The task of a plenary and its breakouts: owns the members and the chat history.
//!
//! It gives all events one order: a new socket gets its member list before any chat, and a sender's
//! chats keep their order. Knows channels and frames; knows no HTTP and reads no socket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::time::{self, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;

use super::accounts::User;
use super::breakouts::Breakouts;
use super::broadcast::Broadcaster;
use super::channel::{Channel, Departure, PacedBroadcast};
use super::chat::{Chat, HISTORY};
use super::counts::RoomCounters;
use super::faults::presence::PresenceInjector;
use super::faults::{Fault, Faults, PresenceFaults};
use super::options::PresenceMode;
use super::plenary::Plenary;
use super::plenary_handle::{Command, PlenaryContext, PlenaryHandle, PlenarySnapshot};
use super::sanitise::sanitise;
use super::socket::{DisconnectReason, ServerSocket};
use super::wire::{self, ChatPayload, Frame};

/// Commands handled at once: consecutive chats among them go out in one write per socket.
const BATCH: usize = 32;

/// A plenary's task.
pub(super) struct PlenaryTask {
    context: PlenaryContext,
    channel: Channel,
    breakouts: Breakouts,
    /// The last chats, oldest first, and their payloads.
    chats: VecDeque<(Chat, Arc<RawValue>)>,
    /// Chats received and not yet broadcast.
    unsent: Vec<Chat>,
    broadcaster: Broadcaster,
    presence: PresenceInjector,
    presence_faults: PresenceFaults,
    /// Whether the member list changed since it was last broadcast (batched presence).
    stale: bool,
    /// The list being broadcast (batched presence): a large list to many sockets takes a while, and
    /// chats must not wait for that.
    pending_list: Option<PacedBroadcast>,
    commands: mpsc::Receiver<Command>,
    present: Arc<AtomicUsize>,
    /// This plenary's own counters.
    counters: Arc<RoomCounters>,
}

impl PlenaryTask {
    /// A plenary's task, to be [`run`](Self::run), and a handle on it.
    pub(super) fn new(plenary: Plenary, context: PlenaryContext) -> (PlenaryHandle, Self) {
        let plenary = Arc::new(plenary);
        let (handle, commands, present) = PlenaryHandle::new(Arc::clone(&plenary));
        let task = Self {
            channel: Channel::new(plenary.channel_name()),
            breakouts: Breakouts::new(&plenary.breakouts, context.clone()),
            chats: VecDeque::new(),
            unsent: Vec::new(),
            broadcaster: Broadcaster::new(context.clone(), plenary.id),
            presence: PresenceInjector::new(Arc::clone(&context.injector)),
            presence_faults: context.injector.faults().presence.clone(),
            stale: false,
            pending_list: None,
            commands,
            present,
            counters: Arc::clone(&handle.counters),
            context,
        };
        (handle, task)
    }

    /// Handles commands until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.process() => {}
        }
    }

    async fn process(&mut self) {
        let mut prune = tokio::time::interval(self.context.timing.prune);
        let batch = match self.context.presence {
            PresenceMode::Batched(every) => every,
            // The list is never stale, so the tick does nothing.
            PresenceMode::Full | PresenceMode::Off => self.context.timing.prune,
        };
        let mut batch = tokio::time::interval(batch);
        prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
        batch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut commands = Vec::with_capacity(BATCH);
        let mut changes = self.context.injector.subscribe();
        loop {
            let delayed = self.broadcaster.next_due();
            let due = delayed.unwrap_or_else(time::Instant::now);
            tokio::select! {
                biased;
                () = sleep_until(due), if delayed.is_some() => {
                    self.context.injector.wait_while_stalled().await;
                    self.broadcaster.release();
                }
                count = self.commands.recv_many(&mut commands, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.handle_batch(&mut commands).await;
                }
                _ = prune.tick() => self.prune().await,
                _ = batch.tick() => self.send_stale_lists().await,
                Ok(()) = changes.changed() => {
                    if self.presence_faults_changed(&mut changes) {
                        self.list_changed().await;
                    }
                }
                () = tokio::task::yield_now(), if self.pending_list.is_some() => {
                    self.context.injector.wait_while_stalled().await;
                    self.pending_list = self.pending_list.take().and_then(|mut pending| pending.step().then_some(pending));
                }
            }
            self.present.store(self.channel.members.len(), Ordering::Release);
        }
    }

    fn presence_faults_changed(&mut self, changes: &mut watch::Receiver<Arc<Faults>>) -> bool {
        let faults = changes.borrow_and_update().presence.clone();
        std::mem::replace(&mut self.presence_faults, faults) != self.presence_faults
    }

    async fn handle_batch(&mut self, commands: &mut Vec<Command>) {
        for command in commands.drain(..) {
            self.context.injector.wait_while_stalled().await;
            if !matches!(command, Command::Chat(..)) {
                self.send_chats().await;
            }
            self.handle(command).await;
            self.present.store(self.channel.members.len(), Ordering::Release);
        }
        self.send_chats().await;
    }

    async fn handle(&mut self, command: Command) {
        match command {
            Command::Join(socket) => self.join(&socket).await,
            Command::Leave(socket_id) => {
                if let Some(departure) = self.channel.leave(socket_id) {
                    self.departed(departure).await;
                }
            }
            Command::Chat(user, text) => {
                self.channel.members.touch(user.id, Instant::now());
                self.chat(user, &text);
            }
            Command::Touch(user) => self.channel.members.touch(user, Instant::now()),
            Command::TouchBreakout(user) => self.breakouts.touch(user),
            Command::JoinBreakout(id, socket) => self.breakouts.join(id, &socket, false, &self.channel).await,
            Command::TakeOverBreakout(id, socket) => self.breakouts.join(id, &socket, true, &self.channel).await,
            Command::LeaveBreakout(socket_id) => self.breakouts.leave(socket_id, &self.channel).await,
            Command::Snapshot(answer) => {
                let _ = answer.send(self.snapshot());
            }
            Command::Disconnect(reason, share) => self.disconnect(reason, share),
            Command::Flood(times) => self.flood(times).await,
            Command::Broadcast(frame) => self.channel.broadcast(&[frame]).await,
            Command::Leak(chat) => self.broadcaster.broadcast_leaked(&self.channel, &chat).await,
        }
    }

    async fn join(&mut self, socket: &Arc<ServerSocket>) {
        self.channel.join(socket, Instant::now());
        self.context.counters.sockets.plenary_now.increment();
        self.counters.sockets_now.increment();
        if let Some(user) = &socket.user {
            self.presence.joined(user);
        }
        match self.context.presence {
            PresenceMode::Full => self.list_changed().await,
            PresenceMode::Batched(_) => {
                self.stale = true;
                socket.send(&[self.list()]);
            }
            PresenceMode::Off => {
                let list = self.channel.list_of_one(socket, &self.context.image);
                socket.send(&[wire::presence(&list)]);
            }
        }
        self.broadcaster.replay(socket, self.chats.iter().map(|(chat, _)| chat));
    }

    async fn departed(&mut self, departure: Departure) {
        self.context.counters.sockets.plenary_now.subtract(1);
        self.counters.sockets_now.subtract(1);
        if !departure.changed {
            return;
        }
        if let Some(user) = &departure.user {
            self.presence.left(user);
        }
        self.list_changed().await;
    }

    async fn list_changed(&mut self) {
        match self.context.presence {
            PresenceMode::Full => self.send_list().await,
            PresenceMode::Batched(_) => self.stale = true,
            PresenceMode::Off => {}
        }
    }

    /// The full list, with the presence faults that are set.
    fn list(&mut self) -> Frame {
        let mut list = self.channel.member_list(&self.context.image, None);
        self.presence.apply(&mut list.members, &self.context.image);
        wire::presence(&list)
    }

    async fn send_list(&mut self) {
        let frame = self.list();
        self.channel.broadcast(&[frame]).await;
        self.flood(self.presence_faults.flood).await;
    }

    async fn flood(&mut self, times: u32) {
        let times = if self.channel.sockets().is_empty() { 0 } else { times };
        for _ in 0..times {
            let frame = self.list();
            self.channel.broadcast(&[frame]).await;
            self.context.injector.injected.increment(Fault::Flood);
        }
    }

    fn disconnect(&self, reason: DisconnectReason, share: f64) {
        for socket in self.channel.sockets().iter().filter(|_| rand::random_bool(share)) {
            socket.disconnect(reason);
            self.context.injector.injected.increment(match reason {
                DisconnectReason::InjectedFault(fault) => fault,
                _ => Fault::Close,
            });
        }
    }

    async fn send_stale_lists(&mut self) {
        if self.pending_list.is_none() && std::mem::take(&mut self.stale) {
            let list = self.list();
            self.pending_list = Some(self.channel.paced_broadcast(list));
            self.flood(self.presence_faults.flood).await;
        }
        self.breakouts.send_stale_lists(&self.channel).await;
    }

    async fn prune(&mut self) {
        let pruned = self.channel.members.prune(Instant::now(), self.context.timing.silence);
        if pruned > 0 {
            self.context.counters.sent.pruned.add(pruned as u64);
            self.list_changed().await;
        }
        self.breakouts.prune(&self.channel).await;
    }

    fn chat(&mut self, sender: Arc<User>, text: &str) {
        let id = self.context.chat_ids.fetch_add(1, Ordering::Relaxed) + 1;
        let created = humantime::format_rfc3339_micros(SystemTime::now()).to_string().replace('Z', "+00:00");
        let message = sanitise(text);
        let payload = wire::chat_payload(&ChatPayload {
            id,
            user: sender.id,
            created: &created,
            message: &message,
            highlight: false,
            archived: false,
            mentions: [],
        });
        let frame = wire::chat(id, &payload);
        let chat = Chat { id, sender, message: message.into(), frame };
        self.unsent.push(chat.clone());
        if self.chats.len() == HISTORY {
            self.chats.pop_front();
        }
        self.chats.push_back((chat, Arc::from(payload)));
        self.context.counters.received.chats.increment();
        self.counters.chats.increment();
    }

    async fn send_chats(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        let due = self.unsent.len() * self.channel.sockets().len();
        self.context.counters.sent.chats_due.add(due as u64);
        self.counters.chats_due.add(due as u64);
        self.broadcaster.broadcast(&self.channel, &self.unsent).await;
        self.unsent.clear();
    }

    fn snapshot(&self) -> PlenarySnapshot {
        let users = match self.context.presence {
            // Full lists on every page would undo what this mode saves.
            PresenceMode::Off => Vec::new(),
            _ => self.channel.members.users().cloned().collect(),
        };
        PlenarySnapshot {
            users,
            chats: self.chats.iter().map(|(_, payload)| Arc::clone(payload)).collect(),
            breakouts: self.breakouts.occupied(),
        }
    }
}

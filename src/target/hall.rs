//! A plenary and its breakouts while people are in them: one task that owns all of it.
//!
//! Everything that happens in a plenary comes to its hall as a [`Note`], so all of it has one
//! order: a newcomer gets its member list before any chat, and a sender's chats keep theirs.
//! Knows rooms and frames; knows no HTTP and reads no socket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::accounts::User;
use super::breakouts::Breakouts;
use super::counts::Tally;
use super::crowd::Crowd;
use super::options::{PresenceMode, Timing};
use super::peer::Peer;
use super::plenary::Plenary;
use super::sanitise::sanitise;
use super::wire::{self, ChatPayload, Frame};

/// Notes that may wait; senders wait beyond it, so their sockets are not read meanwhile.
const MAILBOX: usize = 1024;
/// Notes taken at once: chats among them that stand together go out in one write a socket.
const HANDFUL: usize = 32;
/// Chats that the event page shows.
const HISTORY: usize = 100;

/// Something that happened to a plenary.
pub(super) enum Note {
    /// A socket was opened; it is in from its member list on.
    Enter(Arc<Peer>),
    /// A socket is over.
    Leave(u64),
    /// A signed-in user said this.
    Chat(Arc<User>, String),
    /// A user gave a sign of life in the plenary.
    Touch(u64),
    /// A user gave a sign of life in a breakout.
    TouchBreakout(u64),
    /// A socket was opened to a breakout.
    EnterBreakout(u64, Arc<Peer>),
    /// The socket takes its user's seat over.
    TakeOver(u64, Arc<Peer>),
    /// A breakout's socket is over.
    LeaveBreakout(u64),
    /// Somebody wants to see the event page.
    Look(oneshot::Sender<View>),
}

/// What the event page shows of a plenary.
pub(super) struct View {
    /// Users listed, by id.
    pub users: Vec<Arc<User>>,
    /// The last chats' payloads, oldest first.
    pub chats: Vec<Arc<RawValue>>,
    /// Breakout ids and who is listed there; empty ones are left out.
    pub breakouts: Vec<(u64, Vec<Arc<User>>)>,
}

/// What every hall of a target is given.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub tally: Arc<Tally>,
    pub presence: PresenceMode,
    pub timing: Timing,
    /// Address of everybody's avatar.
    pub image: Arc<str>,
    /// The last chat's id, over all plenaries.
    pub chat_ids: Arc<AtomicU64>,
}

/// The way into a hall.
#[derive(Debug, Clone)]
pub(super) struct Hall {
    pub plenary: Arc<Plenary>,
    notes: mpsc::Sender<Note>,
    present: Arc<AtomicUsize>,
}

impl Hall {
    /// Hands a note over, waiting where too many wait; at the stop it is dropped.
    pub(super) async fn note(&self, note: Note) {
        let _ = self.notes.send(note).await;
    }

    /// What the event page shows; none at the stop.
    pub(super) async fn look(&self) -> Option<View> {
        let (answer, view) = oneshot::channel();
        self.note(Note::Look(answer)).await;
        view.await.ok()
    }

    /// Users present by the member list.
    pub(super) fn present(&self) -> usize {
        self.present.load(Ordering::Acquire)
    }
}

/// The hall's own task.
pub(super) struct Keeper {
    setting: Setting,
    crowd: Crowd,
    breakouts: Breakouts,
    chats: VecDeque<Arc<RawValue>>,
    /// Chats taken in and not yet sent.
    unsent: Vec<Frame>,
    /// Whether the member list changed since it was last sent to all (batched presence).
    stale: bool,
    notes: mpsc::Receiver<Note>,
    present: Arc<AtomicUsize>,
}

impl Keeper {
    /// A hall and the task that keeps it, to be [`run`](Self::run) by whoever owns it.
    pub(super) fn new(plenary: Plenary, setting: Setting) -> (Hall, Self) {
        let (sender, notes) = mpsc::channel(MAILBOX);
        let (plenary, present) = (Arc::new(plenary), Arc::new(AtomicUsize::new(0)));
        let hall = Hall { plenary: Arc::clone(&plenary), notes: sender, present: Arc::clone(&present) };
        let keeper = Self {
            crowd: Crowd::new(plenary.channel()),
            breakouts: Breakouts::new(&plenary.breakouts, setting.clone()),
            setting,
            chats: VecDeque::new(),
            unsent: Vec::new(),
            stale: false,
            notes,
            present,
        };
        (hall, keeper)
    }

    /// Keeps the hall until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut prune = tokio::time::interval(self.setting.timing.prune);
        let batch = match self.setting.presence {
            PresenceMode::Batched(every) => every,
            // Never stale, so the tick finds nothing to do.
            PresenceMode::Full | PresenceMode::Off => self.setting.timing.prune,
        };
        let mut batch = tokio::time::interval(batch);
        prune.set_missed_tick_behavior(MissedTickBehavior::Delay);
        batch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut handful = Vec::with_capacity(HANDFUL);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                count = self.notes.recv_many(&mut handful, HANDFUL) => {
                    if count == 0 {
                        return;
                    }
                    self.take(&mut handful).await;
                }
                _ = prune.tick() => self.prune().await,
                _ = batch.tick() => self.refresh().await,
            }
            self.present.store(self.crowd.roster.len(), Ordering::Release);
        }
    }

    async fn take(&mut self, handful: &mut Vec<Note>) {
        for note in handful.drain(..) {
            if !matches!(note, Note::Chat(..)) {
                self.send_chats().await;
            }
            self.see_to(note).await;
            self.present.store(self.crowd.roster.len(), Ordering::Release);
        }
        self.send_chats().await;
    }

    async fn see_to(&mut self, note: Note) {
        match note {
            Note::Enter(peer) => self.enter(&peer).await,
            Note::Leave(socket) => {
                if let Some(changed) = self.crowd.leave(socket) {
                    self.setting.tally.sockets.plenary_now.less(1);
                    if changed {
                        self.list_changed().await;
                    }
                }
            }
            Note::Chat(user, text) => {
                self.crowd.roster.touch(user.id, Instant::now());
                self.chat(&user, &text);
            }
            Note::Touch(user) => self.crowd.roster.touch(user, Instant::now()),
            Note::TouchBreakout(user) => self.breakouts.touch(user),
            Note::EnterBreakout(id, peer) => self.breakouts.enter(id, &peer, false, &self.crowd).await,
            Note::TakeOver(id, peer) => self.breakouts.enter(id, &peer, true, &self.crowd).await,
            Note::LeaveBreakout(socket) => self.breakouts.leave(socket, &self.crowd).await,
            Note::Look(answer) => {
                let _ = answer.send(self.view());
            }
        }
    }

    async fn enter(&mut self, peer: &Arc<Peer>) {
        self.crowd.enter(peer, Instant::now());
        self.setting.tally.sockets.plenary_now.one();
        let image = &self.setting.image;
        match self.setting.presence {
            PresenceMode::Full => self.list_changed().await,
            PresenceMode::Batched(_) => {
                self.stale = true;
                peer.send(&[wire::presence(&self.crowd.list(image, None))]);
            }
            PresenceMode::Off => peer.send(&[wire::presence(&self.crowd.short_list(peer, image))]),
        }
    }

    async fn list_changed(&mut self) {
        match self.setting.presence {
            PresenceMode::Full => self.send_list().await,
            PresenceMode::Batched(_) => self.stale = true,
            PresenceMode::Off => {}
        }
    }

    async fn send_list(&self) {
        let frame = wire::presence(&self.crowd.list(&self.setting.image, None));
        self.crowd.broadcast(&[frame]).await;
    }

    async fn refresh(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.send_list().await;
        }
        self.breakouts.refresh(&self.crowd).await;
    }

    async fn prune(&mut self) {
        let pruned = self.crowd.roster.prune(Instant::now(), self.setting.timing.silence);
        if pruned > 0 {
            self.setting.tally.sent.pruned.add(pruned as u64);
            self.list_changed().await;
        }
        self.breakouts.prune(&self.crowd).await;
    }

    fn chat(&mut self, user: &User, text: &str) {
        let id = self.setting.chat_ids.fetch_add(1, Ordering::Relaxed) + 1;
        let created = humantime::format_rfc3339_micros(SystemTime::now()).to_string().replace('Z', "+00:00");
        let message = sanitise(text);
        let payload = wire::chat_payload(&ChatPayload {
            id,
            user: user.id,
            created: &created,
            message: &message,
            highlight: false,
            archived: false,
            mentions: [],
        });
        self.unsent.push(wire::chat(id, &payload));
        if self.chats.len() == HISTORY {
            self.chats.pop_front();
        }
        self.chats.push_back(Arc::from(payload));
        self.setting.tally.received.chats.one();
    }

    async fn send_chats(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        let due = self.unsent.len() * self.crowd.sockets().len();
        self.setting.tally.sent.chats_due.add(due as u64);
        self.crowd.broadcast(&self.unsent).await;
        self.unsent.clear();
    }

    fn view(&self) -> View {
        let users = match self.setting.presence {
            // Listing everybody on every page would cost what this mode is there to save.
            PresenceMode::Off => Vec::new(),
            _ => self.crowd.roster.users().cloned().collect(),
        };
        View { users, chats: self.chats.iter().cloned().collect(), breakouts: self.breakouts.listed() }
    }
}

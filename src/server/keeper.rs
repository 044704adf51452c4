//! The task that keeps a plenary and its breakouts: owns who is there and what is said.
//!
//! One order for all: a newcomer gets its member list before any chat, and a sender's chats keep
//! theirs. Knows rooms and frames; knows no HTTP and reads no socket.

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
use super::crowd::{Crowd, Left, Round};
use super::faults::deliveries::{Chat, Deliveries};
use super::faults::lies::Lies;
use super::faults::{Fault, Faults, PresenceKnobs};
use super::hall::{HISTORY, Hall, Note, Setting, View};
use super::options::PresenceMode;
use super::peer::{End, Peer};
use super::plenary::Plenary;
use super::sanitise::sanitise;
use super::wire::{self, ChatPayload, Frame};

/// Notes taken at once: chats among them that stand together go out in one write a socket.
const HANDFUL: usize = 32;

/// The hall's own task.
pub(super) struct Keeper {
    setting: Setting,
    crowd: Crowd,
    breakouts: Breakouts,
    /// The last chats, oldest first, and their payloads.
    chats: VecDeque<(Chat, Arc<RawValue>)>,
    /// Chats taken in and not yet sent.
    unsent: Vec<Chat>,
    deliveries: Deliveries,
    lies: Lies,
    presence_knobs: PresenceKnobs,
    /// Whether the member list changed since it last set out to all (batched presence).
    stale: bool,
    /// The list that is on its way to all (batched presence): large lists to many take a while,
    /// and chats must not wait for that.
    round: Option<Round>,
    notes: mpsc::Receiver<Note>,
    present: Arc<AtomicUsize>,
}

impl Keeper {
    /// A hall and the task that keeps it, to be [`run`](Self::run) by whoever owns it.
    pub(super) fn new(plenary: Plenary, setting: Setting) -> (Hall, Self) {
        let plenary = Arc::new(plenary);
        let (hall, notes, present) = Hall::new(Arc::clone(&plenary));
        let keeper = Self {
            crowd: Crowd::new(plenary.channel()),
            breakouts: Breakouts::new(&plenary.breakouts, setting.clone()),
            chats: VecDeque::new(),
            unsent: Vec::new(),
            deliveries: Deliveries::new(setting.clone(), plenary.id),
            lies: Lies::new(Arc::clone(&setting.desk)),
            presence_knobs: setting.desk.faults().presence.clone(),
            stale: false,
            round: None,
            notes,
            present,
            setting,
        };
        (hall, keeper)
    }

    /// Keeps the hall until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
    }

    async fn keep(&mut self) {
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
        let mut news = self.setting.desk.watch();
        loop {
            let held = self.deliveries.next_due();
            let due = held.unwrap_or_else(time::Instant::now);
            tokio::select! {
                biased;
                () = sleep_until(due), if held.is_some() => {
                    self.setting.desk.pass().await;
                    self.deliveries.release();
                }
                count = self.notes.recv_many(&mut handful, HANDFUL) => {
                    if count == 0 {
                        return;
                    }
                    self.take(&mut handful).await;
                }
                _ = prune.tick() => self.prune().await,
                _ = batch.tick() => self.refresh().await,
                Ok(()) = news.changed() => {
                    if self.presence_knobs_changed(&mut news) {
                        self.list_changed().await;
                    }
                }
                () = tokio::task::yield_now(), if self.round.is_some() => {
                    self.setting.desk.pass().await;
                    self.round = self.round.take().and_then(|mut round| round.step().then_some(round));
                }
            }
            self.present.store(self.crowd.roster.len(), Ordering::Release);
        }
    }

    fn presence_knobs_changed(&mut self, news: &mut watch::Receiver<Arc<Faults>>) -> bool {
        let knobs = news.borrow_and_update().presence.clone();
        std::mem::replace(&mut self.presence_knobs, knobs) != self.presence_knobs
    }

    async fn take(&mut self, handful: &mut Vec<Note>) {
        for note in handful.drain(..) {
            self.setting.desk.pass().await;
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
                if let Some(left) = self.crowd.leave(socket) {
                    self.left(left).await;
                }
            }
            Note::Chat(user, text) => {
                self.crowd.roster.touch(user.id, Instant::now());
                self.chat(user, &text);
            }
            Note::Touch(user) => self.crowd.roster.touch(user, Instant::now()),
            Note::TouchBreakout(user) => self.breakouts.touch(user),
            Note::EnterBreakout(id, peer) => self.breakouts.enter(id, &peer, false, &self.crowd).await,
            Note::TakeOver(id, peer) => self.breakouts.enter(id, &peer, true, &self.crowd).await,
            Note::LeaveBreakout(socket) => self.breakouts.leave(socket, &self.crowd).await,
            Note::Look(answer) => {
                let _ = answer.send(self.view());
            }
            Note::Disconnect(end, share) => self.disconnect(end, share),
            Note::Flood(times) => self.flood(times).await,
            Note::Shout(frame) => self.crowd.broadcast(&[frame]).await,
            Note::Leak(chat) => self.deliveries.leaked(&self.crowd, &chat).await,
        }
    }

    async fn enter(&mut self, peer: &Arc<Peer>) {
        self.crowd.enter(peer, Instant::now());
        self.setting.tally.sockets.plenary_now.one();
        if let Some(user) = &peer.user {
            self.lies.entered(user);
        }
        match self.setting.presence {
            PresenceMode::Full => self.list_changed().await,
            PresenceMode::Batched(_) => {
                self.stale = true;
                peer.send(&[self.list()]);
            }
            PresenceMode::Off => {
                let list = self.crowd.short_list(peer, &self.setting.image);
                peer.send(&[wire::presence(&list)]);
            }
        }
        self.deliveries.replay(peer, self.chats.iter().map(|(chat, _)| chat));
    }

    async fn left(&mut self, left: Left) {
        self.setting.tally.sockets.plenary_now.less(1);
        if !left.changed {
            return;
        }
        if let Some(user) = &left.user {
            self.lies.left(user);
        }
        self.list_changed().await;
    }

    async fn list_changed(&mut self) {
        match self.setting.presence {
            PresenceMode::Full => self.send_list().await,
            PresenceMode::Batched(_) => self.stale = true,
            PresenceMode::Off => {}
        }
    }

    /// The full list, with the lies that are set.
    fn list(&mut self) -> Frame {
        let mut list = self.crowd.list(&self.setting.image, None);
        self.lies.tell(&mut list.members, &self.setting.image);
        wire::presence(&list)
    }

    async fn send_list(&mut self) {
        let frame = self.list();
        self.crowd.broadcast(&[frame]).await;
        self.flood(self.presence_knobs.flood).await;
    }

    async fn flood(&mut self, times: u32) {
        let times = if self.crowd.sockets().is_empty() { 0 } else { times };
        for _ in 0..times {
            let frame = self.list();
            self.crowd.broadcast(&[frame]).await;
            self.setting.desk.injected.one(Fault::Flood);
        }
    }

    fn disconnect(&self, end: End, share: f64) {
        for peer in self.crowd.sockets().iter().filter(|_| rand::random_bool(share)) {
            peer.end(end);
            self.setting.desk.injected.one(match end {
                End::Fault(fault) => fault,
                _ => Fault::Close,
            });
        }
    }

    async fn refresh(&mut self) {
        if self.round.is_none() && std::mem::take(&mut self.stale) {
            let list = self.list();
            self.round = Some(self.crowd.round(list));
            self.flood(self.presence_knobs.flood).await;
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

    fn chat(&mut self, sender: Arc<User>, text: &str) {
        let id = self.setting.chat_ids.fetch_add(1, Ordering::Relaxed) + 1;
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
        self.setting.tally.received.chats.one();
    }

    async fn send_chats(&mut self) {
        if self.unsent.is_empty() {
            return;
        }
        let due = self.unsent.len() * self.crowd.sockets().len();
        self.setting.tally.sent.chats_due.add(due as u64);
        self.deliveries.broadcast(&self.crowd, &self.unsent).await;
        self.unsent.clear();
    }

    fn view(&self) -> View {
        let users = match self.setting.presence {
            // Listing everybody on every page would cost what this mode is there to save.
            PresenceMode::Off => Vec::new(),
            _ => self.crowd.roster.users().cloned().collect(),
        };
        View {
            users,
            chats: self.chats.iter().map(|(_, payload)| Arc::clone(payload)).collect(),
            breakouts: self.breakouts.listed(),
        }
    }
}

//! The way into a plenary while people are in it: notes to the one task that keeps it.
//!
//! Everything that happens in a plenary comes to its [keeper](super::keeper) as a [`Note`], so all
//! of it has one order.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use super::accounts::User;
use super::counts::Tally;
use super::faults::deliveries::Chat;
use super::faults::desk::Desk;
use super::options::{PresenceMode, Timing};
use super::peer::{End, Peer};
use super::plenary::Plenary;
use super::wire::Frame;

/// Chats of a plenary that are remembered, for its event page and for newcomers.
pub(super) const HISTORY: usize = 100;
/// Notes that may wait; senders wait beyond it, so their sockets are not read meanwhile.
const MAILBOX: usize = 1024;

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
    /// A fault: ends this share of the plenary's sockets like this.
    Disconnect(End, f64),
    /// A fault: sends every socket the full list so many times.
    Flood(u32),
    /// A fault: sends every socket this frame.
    Shout(Frame),
    /// A fault: sends every socket this chat of another plenary.
    Leak(Chat),
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
    pub desk: Arc<Desk>,
    pub presence: PresenceMode,
    pub timing: Timing,
    /// Address of everybody's avatar.
    pub image: Arc<str>,
    /// The last chat's id, over all plenaries.
    pub chat_ids: Arc<AtomicU64>,
    /// All halls of the target, once they are there.
    pub halls: Arc<OnceLock<Vec<Hall>>>,
}

/// The way into a hall.
#[derive(Debug, Clone)]
pub(super) struct Hall {
    pub plenary: Arc<Plenary>,
    notes: mpsc::Sender<Note>,
    present: Arc<AtomicUsize>,
}

impl Hall {
    /// A way in for `plenary`, what its keeper reads, and where the keeper says how many are present.
    pub(super) fn new(plenary: Arc<Plenary>) -> (Self, mpsc::Receiver<Note>, Arc<AtomicUsize>) {
        let (sender, notes) = mpsc::channel(MAILBOX);
        let present = Arc::new(AtomicUsize::new(0));
        (Self { plenary, notes: sender, present: Arc::clone(&present) }, notes, present)
    }

    /// Hands a note over, waiting where too many wait; at the stop it is dropped.
    pub(super) async fn note(&self, note: Note) {
        let _ = self.notes.send(note).await;
    }

    /// Hands a note over unless too many wait: a keeper that waited for another could wait for ever.
    pub(super) fn offer(&self, note: Note) {
        let _ = self.notes.try_send(note);
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

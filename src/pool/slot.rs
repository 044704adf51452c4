//! A user's slot: it holds one intent until its frame is wholly written.

use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::model::Action;
use crate::schedule::Intent;

/// The slot through which one user gets its intents.
#[derive(Debug, Default)]
pub struct IntentSlot {
    state: Mutex<SlotState>,
    user: AtomicWaker,
}

#[derive(Debug, Default, Clone, Copy)]
enum SlotState {
    #[default]
    Free,
    /// An intent that is not taken up yet.
    Waiting(Intent),
    /// An intent was taken up; its frame is not wholly written.
    Busy,
}

impl IntentSlot {
    /// Puts an intent into the slot; false if the slot is not free.
    pub(super) fn put(&self, intent: Intent) -> bool {
        let mut state = self.state.lock();
        if !matches!(*state, SlotState::Free) {
            return false;
        }
        *state = SlotState::Waiting(intent);
        true
    }

    /// Takes up the intent, if there is one. The slot stays busy until [`done`](Self::done).
    pub fn take(&self) -> Option<Intent> {
        let mut state = self.state.lock();
        let SlotState::Waiting(intent) = *state else { return None };
        *state = SlotState::Busy;
        Some(intent)
    }

    /// Whether an intent of this action is waiting.
    #[must_use]
    pub fn waits_for(&self, action: Action) -> bool {
        matches!(*self.state.lock(), SlotState::Waiting(intent) if intent.action == action)
    }

    /// Frees the slot: the intent was carried out.
    pub fn done(&self) {
        let mut state = self.state.lock();
        if matches!(*state, SlotState::Busy) {
            *state = SlotState::Free;
        }
    }

    /// Takes back an intent that was not taken up, and frees the slot.
    pub(super) fn withdraw(&self) -> Option<Intent> {
        let mut state = self.state.lock();
        let SlotState::Waiting(intent) = *state else { return None };
        *state = SlotState::Free;
        Some(intent)
    }

    /// Whether an intent was taken up and is not carried out yet.
    pub(super) fn is_busy(&self) -> bool {
        matches!(*self.state.lock(), SlotState::Busy)
    }

    /// Wakes the listener.
    pub(super) fn wake(&self) {
        self.user.wake();
    }

    /// Wakes `listener` the next time.
    pub(super) fn listen(&self, listener: &Waker) {
        self.user.register(listener);
    }
}

//! A user's slot: room for one intent, taken until its frame is wholly written.

use std::task::Waker;

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::model::Action;
use crate::schedule::Intent;

/// Where one user gets its intents.
#[derive(Debug, Default)]
pub struct IntentSlot {
    state: Mutex<SlotState>,
    user: AtomicWaker,
}

#[derive(Debug, Default, Clone, Copy)]
enum SlotState {
    #[default]
    Free,
    /// Put down, not taken up.
    Waiting(Intent),
    /// Taken up, its frame not wholly written.
    Busy,
}

impl IntentSlot {
    /// Puts an intent down if the slot is free; false if it is not.
    pub(super) fn put(&self, intent: Intent) -> bool {
        let mut state = self.state.lock();
        if !matches!(*state, SlotState::Free) {
            return false;
        }
        *state = SlotState::Waiting(intent);
        true
    }

    /// Takes the intent up, if there is one. The slot stays busy until [`done`](Self::done).
    pub fn take(&self) -> Option<Intent> {
        let mut state = self.state.lock();
        let SlotState::Waiting(intent) = *state else { return None };
        *state = SlotState::Busy;
        Some(intent)
    }

    /// Whether an intent of this action was put down and not taken up.
    #[must_use]
    pub fn waits_for(&self, action: Action) -> bool {
        matches!(*self.state.lock(), SlotState::Waiting(intent) if intent.action == action)
    }

    /// The intent that was taken up is carried out: the slot is free.
    pub fn done(&self) {
        let mut state = self.state.lock();
        if matches!(*state, SlotState::Busy) {
            *state = SlotState::Free;
        }
    }

    /// Takes back an intent that was not taken up; the slot is free.
    pub(super) fn withdraw(&self) -> Option<Intent> {
        let mut state = self.state.lock();
        let SlotState::Waiting(intent) = *state else { return None };
        *state = SlotState::Free;
        Some(intent)
    }

    /// Whether an intent was taken up and is not carried out.
    pub(super) fn is_busy(&self) -> bool {
        matches!(*self.state.lock(), SlotState::Busy)
    }

    /// Wakes the listener.
    pub(super) fn wake(&self) {
        self.user.wake();
    }

    /// Has `listener` woken the next time.
    pub(super) fn listen(&self, listener: &Waker) {
        self.user.register(listener);
    }
}

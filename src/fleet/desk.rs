//! A user's desk: room for one intent, taken until its frame is wholly written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::schedule::Intent;

/// Where one user gets its intents.
#[derive(Debug, Default)]
pub struct Desk {
    top: Mutex<Top>,
    /// Something happened here that its user has not looked at.
    stirred: AtomicBool,
    user: AtomicWaker,
}

#[derive(Debug, Default, Clone, Copy)]
enum Top {
    #[default]
    Free,
    /// Put down, not taken up.
    Waiting(Intent),
    /// Taken up, its frame not wholly written.
    Busy,
}

impl Desk {
    /// Puts an intent down if the desk is free; false if it is not.
    pub fn put(&self, intent: Intent) -> bool {
        let mut top = self.top.lock();
        if !matches!(*top, Top::Free) {
            return false;
        }
        *top = Top::Waiting(intent);
        drop(top);
        self.stir();
        true
    }

    /// Takes the intent up, if there is one. The desk stays busy until [`done`](Self::done).
    pub fn take(&self) -> Option<Intent> {
        let mut top = self.top.lock();
        let Top::Waiting(intent) = *top else { return None };
        *top = Top::Busy;
        Some(intent)
    }

    /// The intent that was taken up is carried out: the desk is free.
    pub fn done(&self) {
        let mut top = self.top.lock();
        if matches!(*top, Top::Busy) {
            *top = Top::Free;
        }
    }

    /// Makes the user look: an intent was put down, or the run ends.
    pub fn stir(&self) {
        self.stirred.store(true, Ordering::Release);
        self.user.wake();
    }

    /// Whether something happened here since the last time that this said so; otherwise the
    /// task is woken when it does.
    pub fn poll_stirred(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.stirred.load(Ordering::Acquire) {
            self.user.register(cx.waker());
        }
        // Once more, for what happened in between.
        if self.stirred.load(Ordering::Acquire) {
            self.stirred.store(false, Ordering::Relaxed);
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

//! A user's desk: room for one intent, taken until its frame is wholly written.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::schedule::Intent;

/// Where one user gets its intents.
#[derive(Debug, Default)]
pub struct Desk {
    top: Mutex<Top>,
    wake: Notify,
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
        self.wake.notify_one();
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

    /// Waits until an intent may have been put down. Cancel-safe.
    pub async fn knocked(&self) {
        self.wake.notified().await;
    }
}

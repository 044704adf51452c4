//! A user's desk: room for one intent, taken until its frame is wholly written.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::schedule::Intent;

/// Where one user gets its intents.
#[derive(Debug, Default)]
pub struct Desk {
    busy: AtomicBool,
    intent: Mutex<Option<Intent>>,
    wake: Notify,
}

impl Desk {
    /// Puts an intent down if the desk is free; false if it is not.
    pub fn put(&self, intent: Intent) -> bool {
        if self.busy.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        *self.intent.lock() = Some(intent);
        self.wake.notify_one();
        true
    }

    /// Takes the intent up, if there is one. The desk stays busy until [`done`](Self::done).
    pub fn take(&self) -> Option<Intent> {
        self.intent.lock().take()
    }

    /// The intent that was taken up is carried out: the desk is free.
    pub fn done(&self) {
        self.busy.store(false, Ordering::Release);
    }

    /// Waits until an intent may have been put down. Cancel-safe.
    pub async fn knocked(&self) {
        self.wake.notified().await;
    }
}

//! Stops requested over the control socket; signals request them too.

use tokio::sync::watch;

/// Asks all rooms of a process to stop.
#[derive(Debug, Clone)]
pub(crate) struct Halt(watch::Sender<Asked>);

/// The strongest request so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Nothing,
    Stop,
    Abort,
}

impl Default for Halt {
    fn default() -> Self {
        Self(watch::Sender::new(Asked::Nothing))
    }
}

impl Halt {
    /// Requests a graceful stop; false if one was requested before.
    pub(crate) fn stop(&self) -> bool {
        self.ask(Asked::Stop)
    }

    /// Requests the immediate end.
    pub(crate) fn abort(&self) {
        self.ask(Asked::Abort);
    }

    /// Requests only get stronger.
    fn ask(&self, what: Asked) -> bool {
        self.0.send_if_modified(|asked| {
            let is_more = what > *asked;
            *asked = what.max(*asked);
            is_more
        })
    }

    /// Waits until the stop or the end is requested; true if it is the end.
    pub(crate) async fn stopped(&self) -> bool {
        self.reached(Asked::Stop).await;
        *self.0.borrow() == Asked::Abort
    }

    /// Waits until the immediate end is requested.
    pub(crate) async fn aborted(&self) {
        self.reached(Asked::Abort).await;
    }

    async fn reached(&self, what: Asked) {
        // This cannot fail: `self` holds the sender.
        let _ = self.0.subscribe().wait_for(|asked| *asked >= what).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_is_asked_for_once_and_an_abort_is_more() {
        let halt = Halt::default();
        assert!(halt.stop() && !halt.stop());
        assert!(!halt.stopped().await);
        halt.abort();
        halt.aborted().await;
        assert!(halt.stopped().await && !halt.stop());
    }
}

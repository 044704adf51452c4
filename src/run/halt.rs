//! Stops that are asked for over the control socket, beside those of signals.

use tokio::sync::watch;

/// Asks all rooms of a process to stop.
#[derive(Debug, Clone)]
pub(crate) struct Halt(watch::Sender<Asked>);

/// What was asked for so far.
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
    /// Asks for the orderly stop; false if it was asked for before.
    pub(crate) fn stop(&self) -> bool {
        self.ask(Asked::Stop)
    }

    /// Asks for the end at once.
    pub(crate) fn abort(&self) {
        self.ask(Asked::Abort);
    }

    /// What is asked for only grows.
    fn ask(&self, what: Asked) -> bool {
        self.0.send_if_modified(|asked| {
            let is_more = what > *asked;
            *asked = what.max(*asked);
            is_more
        })
    }

    /// Waits until the stop or the end is asked for; true if it is the end.
    pub(crate) async fn stopped(&self) -> bool {
        self.reached(Asked::Stop).await;
        *self.0.borrow() == Asked::Abort
    }

    /// Waits until the end is asked for.
    pub(crate) async fn aborted(&self) {
        self.reached(Asked::Abort).await;
    }

    async fn reached(&self, what: Asked) {
        // The sender lives as long as this.
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

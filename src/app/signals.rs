//! SIGINT and SIGTERM: the first asks for an orderly stop, the second for the end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::StartError;

/// Listens to both signals.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Starts listening; from now on they no longer end the process by themselves.
    pub(super) fn listen() -> Result<Self, StartError> {
        let open = |kind| signal(kind).map_err(|e| StartError::environment("signals", e.to_string()));
        Ok(Self { interrupt: open(SignalKind::interrupt())?, terminate: open(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

//! SIGINT, SIGTERM and SIGHUP: the first one requests a graceful stop, the second the immediate end.
//!
//! A process that was started with SIGHUP ignored, as `nohup` does, keeps ignoring it.

use std::future::pending;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::StartError;
use crate::telemetry::stdio;

/// Listens to the three signals.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` if it was ignored at the start.
    hangup: Option<Signal>,
}

impl Signals {
    /// Starts listening; from now on they no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Self, StartError> {
        let open = |kind| signal(kind).map_err(|e| StartError::environment("signals", e.to_string()));
        // Installing a handler hides the earlier disposition, so check that first.
        let hangup = if is_ignored(SignalKind::hangup()) { None } else { Some(open(SignalKind::hangup())?) };
        Ok(Self { interrupt: open(SignalKind::interrupt())?, terminate: open(SignalKind::terminate())?, hangup })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) {
        let hung_up = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hung_up => {}
        }
    }
}

/// Waits until the output has been read, or for a signal.
pub(crate) async fn read_by(signals: &mut Signals) {
    let read = tokio::task::spawn_blocking(|| stdio::finish(None));
    tokio::select! {
        _ = read => {}
        () = signals.next() => stdio::leave(),
    }
}

/// Whether this process ignores a signal, by `/proc`; false if there is no `/proc`.
fn is_ignored(kind: SignalKind) -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores(&status, kind.as_raw_value()))
}

/// Whether `/proc/PID/status` lists a signal, by its number, as ignored (`SigIgn`, proc_pid_status(5)).
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    (1..=64).contains(&signal) && mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_mask() {
        let status =
            "Name:\tsoakrig\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n";
        assert!(ignores(status, 1) && ignores(status, 13));
        assert!(!ignores(status, 2) && !ignores(status, 15) && !ignores(status, 0));
        assert!(!ignores("", 1));
    }
}

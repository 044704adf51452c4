//! `soakrig target`: the embedded plenary server alone, until a signal.

use std::ops::Range;

use crate::config::plan::Target;
use crate::error::{ExitCode, StartError};
use crate::run::Console;
use crate::run::Signals;
use crate::server::{self, Faults, Options};
use crate::telemetry::stdio::tell;

/// Open files not meant for clients: the control address's connections, and the runtime's own.
const OTHER_FILES: usize = 64;

/// Serves until the first signal, then prints the counts.
pub(super) async fn target(wanted: Target) -> Result<ExitCode, StartError> {
    Console::open(&wanted.logging)?;
    let files = crate::run::raise_open_files();
    let options = Options {
        connections: connections(files),
        listen: wanted.listen,
        prefix: wanted.prefix.as_str().to_owned(),
        rooms: numbers(wanted.rooms),
        presence: wanted.presence,
        faults: seeded(wanted.faults, wanted.seed),
        control: wanted.control,
        ..Options::default()
    };
    let mut signals = Signals::listen()?;
    let target = server::serve(options).await.map_err(|e| StartError::environment("--listen", e.to_string()))?;
    tell(&format!(
        "target: http://{}{} (events test, small, closed, future, cancelled, nobreak{})",
        target.addr(),
        wanted.prefix.as_str(),
        match numbers(wanted.rooms) {
            none if none.is_empty() => String::new(),
            some => format!(", event-{} to event-{}", some.start, some.end - 1),
        }
    ));
    if let Some(control) = target.control() {
        tell(&format!("control: http://{control}"));
    }
    signals.next().await;
    let counts = target.stop().await;
    let text =
        serde_json::to_string_pretty(&counts).map_err(|e| StartError::environment("the counts", e.to_string()))?;
    tell(&text);
    Ok(ExitCode::Ok)
}

/// The numbers of the rooms of `--room-min` and `--rooms`.
pub(super) fn numbers(rooms: Option<(u32, u32)>) -> Range<u64> {
    let (count, first) = rooms.unwrap_or_default();
    u64::from(first)..u64::from(first) + u64::from(count)
}

/// The number of connections that leaves enough open files for everything else: the control address
/// must answer whatever clients do.
fn connections(files: Option<u64>) -> usize {
    let files = files.and_then(|files| usize::try_from(files).ok());
    files.map_or(Options::default().connections, |files| files.saturating_sub(OTHER_FILES).max(1))
}

/// Faults that use `--seed` if `--fault-seed` was not given.
fn seeded(faults: Faults, seed: u64) -> Faults {
    if faults.seed == 0 { Faults { seed, ..faults } } else { faults }
}

//! One run: its rooms from preparation to summary, the tasks beside the load, and the order of the
//! shutdown.

mod anomaly_log;
pub(crate) mod background;
mod clock_watch;
mod control;
mod delay_windows;
mod dry_run;
mod halt;
mod live;
mod marks;
mod member_lists;
pub(crate) mod output;
mod phases;
mod reporter;
mod room_run;
mod rulebook;
mod runner;
pub(crate) mod session_cache;
pub(crate) mod setup;
pub(crate) mod signals;
mod snapshots;
mod source_addresses;
mod supervise;
mod thresholds;
pub(crate) mod timeline;
mod traces;
mod watch;

use std::sync::Arc;

use futures_util::future::try_join_all;

pub use dry_run::dry_run;
pub(crate) use output::Console;
pub use room_run::Held;
pub(crate) use runner::over_capacity;
pub(crate) use signals::Signals;

use halt::Halt;
use room_run::RoomRun;
use setup::ProcessContext;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::plan::Run;
use crate::error::StartError;
use crate::fleet::workers::Running;
use crate::marker::Marker;
use crate::model::Volume;
use crate::protocol::{Capabilities, Driver, Protocol};
use crate::report::machine::Machine;

/// Holds the loads of `runs` over a protocol, registered or not, until all have ended; returns the
/// outcome of each, in order. Sets up logging, so call it once per process.
///
/// # Errors
/// What keeps any of them from starting; in that case none has sent anything.
pub async fn run<P: Protocol>(protocol: &P, runs: Vec<Run>) -> Result<Vec<Held>, StartError> {
    let runs = supported(protocol, runs)?;
    let Some(first) = runs.first() else { return Ok(Vec::new()) };
    // The console's options are the same for all runs.
    let console = Console::traced(&first.plan)?;
    let held = hold(protocol, runs, &console).await;
    console.close().await;
    held
}

/// The runs without defaults that the protocol does not support.
///
/// # Errors
/// An option asks for something that the protocol does not support; names it and the remedy.
pub fn supported<P: Protocol>(protocol: &P, mut runs: Vec<Run>) -> Result<Vec<Run>, StartError> {
    let Capabilities { side_rooms, max_text, .. } = protocol.capabilities();
    for Run { plan, .. } in &mut runs {
        if !side_rooms {
            plan.protocol.side_rooms.take().map_or(Ok(()), Err)?;
            plan.traffic.side_room = Volume::Off;
        }
        let longest = plan.traffic.messages.size.map_or(0, |size| size.max());
        if let Some(most) = max_text.map(|most| most.saturating_sub(Marker::LONGEST)).filter(|most| longest > *most) {
            let why = format!("texts of {longest} bytes; the protocol {} takes at most {most}", protocol.name());
            return Err(plan.protocol.too_long.because(why));
        }
    }
    Ok(runs)
}

/// Holds loads until all have ended; returns the outcome of each, in order.
///
/// Nothing is sent before all of them are ready. Each ends by itself; signals stop all.
pub(crate) async fn hold<P: Protocol>(
    protocol: &P,
    runs: Vec<Run>,
    console: &Console,
) -> Result<Vec<Held>, StartError> {
    // First of all: from here on a signal no longer kills the process.
    let signals = Signals::listen()?;
    raise_open_files();
    let running = Running::start().map_err(|e| StartError::environment("the threads of the users", e.to_string()))?;
    let (process, several, halt) = (ProcessContext::start(), runs.len() > 1, Halt::default());
    let mut rooms = Vec::new();
    for run in runs {
        rooms.push(RoomRun::prepare(protocol, run, process, running.workers(), console, (several, &halt)).await?);
    }
    let mut machine = Machine::read();
    for room in &rooms {
        room.forecast(&mut machine).await?;
    }
    for room in &mut rooms {
        room.take_over().await?;
        room.announce();
    }
    until_the_end(&mut rooms, signals, &halt, console).await?;
    let mut held = Vec::new();
    for room in rooms {
        held.push(room.close().await);
    }
    Ok(held)
}

/// Waits until all have ended, and passes on what signals and commands request.
async fn until_the_end<D: Driver>(
    rooms: &mut [RoomRun<D>],
    mut signals: Signals,
    halt: &Halt,
    console: &Console,
) -> Result<(), StartError> {
    let runners: Vec<_> = rooms.iter().map(|room| Arc::clone(&room.runner)).collect();
    let second = async {
        let is_over = tokio::select! {
            () = signals.next() => false,
            is_over = halt.stopped() => is_over,
        };
        if is_over {
            return;
        }
        tracing::info!("stopping: deliveries settle, then the sockets close; a second signal ends at once");
        runners.iter().for_each(|runner| runner.stop());
        tokio::select! {
            () = signals.next() => {}
            () = halt.aborted() => {}
        }
    };
    tokio::select! {
        biased;
        () = second => Ok(()),
        ended = try_join_all(rooms.iter_mut().map(|room| room.run(console))) => ended.map(|_| ()),
    }
}

/// Raises the soft limit of open files to the hard one; returns the resulting limit.
pub(crate) fn raise_open_files() -> Option<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return Some(hard);
    }
    Some(soft)
}

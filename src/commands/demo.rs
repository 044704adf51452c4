//! `soakrig demo`: the embedded target and a run against it, in one process.

use super::target::numbers;
use crate::config::plan::{Demo, Run};
use crate::config::value::{TargetUrl, ValueError};
use crate::drivers::plenary::PlenaryProtocol;
use crate::error::{ExitCode, StartError};
use crate::report::summary::Summary;
use crate::report::text;
use crate::run::{Console, dry_run, hold, supported};
use crate::server::{self, Options, ServerCounts};
use crate::telemetry::stdio::tell;

/// The embedded target's open event.
const SLUG: &str = "test";
/// Its numbered events.
const NUMBERED: &str = "event-%s";

/// Runs the demo; prints the summary and what the target itself counted.
pub(super) async fn demo(demo: Demo) -> Result<ExitCode, StartError> {
    let wrong = |e: ValueError| StartError::environment("the embedded target", e.to_string());
    let slug = if demo.rooms.is_some() { NUMBERED } else { SLUG };
    // Replaced by the target's address once it listens.
    let nowhere: TargetUrl = "http://127.0.0.1".parse().map_err(wrong)?;
    let run = Run { target: nowhere, plenary: slug.parse().map_err(wrong)?, plan: demo.plan };
    let mut runs = supported(&PlenaryProtocol, vec![run])?;
    let Some(run) = runs.first_mut() else { return Ok(ExitCode::Ok) };
    if run.plan.dry_run {
        tell(&dry_run(&PlenaryProtocol, &runs)?);
        return Ok(ExitCode::Ok);
    }
    let console = Console::traced(&run.plan)?;
    let options = Options { presence: demo.presence, rooms: numbers(demo.rooms), ..Options::default() };
    let target =
        server::serve(options).await.map_err(|e| StartError::environment("the embedded target", e.to_string()))?;
    run.target = format!("http://{}", target.addr()).parse().map_err(wrong)?;
    let held = hold(&PlenaryProtocol, runs, &console).await;
    console.close().await;
    let held = held?;
    let counts = target.stop().await;
    let mut code = ExitCode::Ok;
    for held in &held {
        tell(&text::render(&held.summary));
        tell(&compared(&held.summary, &counts));
        code = held.code();
    }
    Ok(code)
}

/// The runner's figures beside the target's own.
fn compared(summary: &Summary, counts: &ServerCounts) -> String {
    let sent = summary.messages.sent.get("chat").copied().unwrap_or(0);
    let received = summary.messages.received.get("chat").copied().unwrap_or(0);
    let agree = sent == counts.received.chats && received == counts.sent.chats_written;
    format!(
        "The embedded target's own counts: {} chats received (the runner sent {sent}), {} chat frames written \
         (the runner read {received}): {}.",
        counts.received.chats,
        counts.sent.chats_written,
        if agree { "the two agree" } else { "the two differ" },
    )
}

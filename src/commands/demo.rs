//! `soakrig demo`: the embedded target and a run against it, in one process.

use super::target::numbers;
use crate::config::plan::{Demo, Run};
use crate::config::value::{TargetUrl, ValueError};
use crate::drivers::plenary::PlenaryProtocol;
use crate::error::{ExitCode, StartError};
use crate::report::summary::Summary;
use crate::report::text;
use crate::run::{Console, hold};
use crate::server::{self, Options, ServerCounts};
use crate::telemetry::stdio::tell;

/// The embedded target's open event.
const SLUG: &str = "test";
/// Its numbered ones.
const NUMBERED: &str = "event-%s";

/// Runs the demo, prints the summary and what the target itself counted.
pub(super) async fn demo(demo: Demo) -> Result<ExitCode, StartError> {
    let console = Console::traced(&demo.plan)?;
    let presence = demo.presence;
    let options = Options { presence, rooms: numbers(demo.rooms), ..Options::default() };
    let slug = if demo.rooms.is_some() { NUMBERED } else { SLUG };
    let target =
        server::serve(options).await.map_err(|e| StartError::environment("the embedded target", e.to_string()))?;
    let url: TargetUrl = format!("http://{}", target.addr())
        .parse()
        .map_err(|e: ValueError| StartError::environment("the embedded target", e.to_string()))?;
    let wrong = |e: ValueError| StartError::environment("the embedded target", e.to_string());
    let run = Run { target: url, plenary: slug.parse().map_err(wrong)?, plan: demo.plan };
    let held = hold(&PlenaryProtocol, vec![run], &console).await;
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
        "The embedded target counted by itself: {} chats taken in (the runner sent {sent}), {} chat frames written \
         (the runner read {received}): {}.",
        counts.received.chats,
        counts.sent.chats_written,
        if agree { "the two agree" } else { "the two differ" },
    )
}

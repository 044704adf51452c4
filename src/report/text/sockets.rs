//! Sockets in words: attempts, why some did not join, how the others ended.

use super::page::{Page, in_order, or_none};
use crate::metrics::label::Label as _;
use crate::model::SocketKind;
use crate::report::numbers::count;
use crate::report::summary::{CountsByLabel, Summary};

pub(super) fn connections(page: &mut Page, summary: &Summary) {
    for (socket, sockets) in in_order::<SocketKind, _>(&summary.connections) {
        if sockets.attempts == 0 {
            continue;
        }
        let ends = sockets.disconnects.iter().flat_map(|(initiator, reasons)| {
            let who = if initiator == "user" { String::new() } else { format!(" by {initiator}") };
            reasons.iter().map(move |(reason, n)| format!("{} {}{who}", count(*n), reason.replace('_', " ")))
        });
        let failures = not_joined(&sockets.failures);
        let numbers = format!("{} tried, {failures}; ended: {}", count(sockets.attempts), or_none(ends.collect()));
        let socket = if *socket == SocketKind::Room.text() { "room" } else { socket.as_str() };
        page.row(&format!("{socket} sockets"), &numbers);
    }
}

/// The sockets that did not join, and why. A server that says that a room is full has not failed.
fn not_joined(failures: &CountsByLabel) -> String {
    if failures.is_empty() {
        return "0 failed".to_owned();
    }
    let why = |(kind, n): (&String, &u64)| match kind.as_str() {
        "over_capacity" => format!("{} refused: full", count(*n)),
        "already_connected" => format!("{} refused: already in another", count(*n)),
        other => format!("{} failed: {}", count(*n), other.replace('_', " ")),
    };
    failures.iter().map(why).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_breakout_is_refused_and_not_failed() {
        let failures = [("over_capacity".to_owned(), 20), ("no_presence".to_owned(), 1_000)].into();
        assert_eq!(not_joined(&failures), "1,000 failed: no presence, 20 refused: full");
        assert_eq!(not_joined(&CountsByLabel::default()), "0 failed");
    }
}

//! The status line: possible faults come first, and items that do not fit into two rows of a terminal are
//! dropped from the end.

use std::time::Duration;

pub use crate::model::RunPhase as Phase;
use crate::report::numbers::{count, latency, rate, span};

/// Separator of items.
const COMMA: &str = ", ";
/// Maximum number of rows of a terminal.
const ROWS: usize = 2;

/// A run at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// The phase of the run.
    pub phase: Phase,
    /// Time since the start.
    pub elapsed: Duration,
    /// Time at full load: since the end of the ramp.
    pub held: Duration,
    /// Time until the end of the hold, if that is known.
    pub remaining: Option<Duration>,
    /// Users connected.
    pub connected: u64,
    /// Users to hold.
    pub target: u64,
    /// Users who are signing up or logging in.
    pub signing_in: u64,
    /// Users who are opening the room's page and the socket.
    pub connecting: u64,
    /// Users who are waiting to retry after a failure.
    pub backing_off: u64,
    /// Users who left on purpose and will come back.
    pub away: u64,
    /// Users given up for good.
    pub failed: u64,
    /// Chats per second over the last seconds.
    pub chats: f64,
    /// The rate of chats that is set, per second.
    pub chats_target: f64,
    /// Deliveries on time so far, local and remote.
    pub on_time: u64,
    /// Late deliveries.
    pub late: u64,
    /// Lost deliveries.
    pub lost: u64,
    /// Deliveries excused for another reason than that their user left.
    pub cut_off: u64,
    /// Deliveries without a verdict yet.
    pub outstanding: u64,
    /// Median time to delivery from the intended time, in seconds, over the last seconds.
    pub p50: Option<f64>,
    /// The 99th percentile, likewise.
    pub p99: Option<f64>,
    /// Errors of all stages except deliveries.
    pub errors: u64,
    /// Whether the generator is saturated now.
    pub saturated: bool,
    /// Whether the sockets are being closed; the number of connected users then says nothing about the server.
    pub closing: bool,
}

/// Severity of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Warning,
    Alarm,
}

impl Tone {
    /// The tone of a count that should be 0.
    fn of(self, n: u64) -> Self {
        if n == 0 { Self::Plain } else { self }
    }

    /// A text in this tone's colour, by SGR codes.
    fn paint(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Warning => format!("\u{1b}[33m{text}\u{1b}[0m"),
            Self::Alarm => format!("\u{1b}[1;31m{text}\u{1b}[0m"),
        }
    }
}

/// The status in one line.
#[must_use]
pub fn line(status: &Status) -> String {
    items(status).into_iter().map(|(text, _)| text).collect::<Vec<_>>().join(COMMA)
}

/// The status in at most two rows, the first of at most `first` columns, the second of `second`.
#[must_use]
pub fn rows(status: &Status, first: usize, second: usize, colours: bool) -> Vec<String> {
    let widths = [first, second];
    let mut rows = vec![(String::new(), 0)];
    for (text, tone) in items(status) {
        let long = text.chars().count();
        let (_, used) = rows[rows.len() - 1];
        let gap = if used == 0 { 0 } else { COMMA.len() };
        if used + gap + long > widths[rows.len() - 1] {
            if rows.len() == ROWS || long > second {
                break;
            }
            rows.push((String::new(), 0));
        }
        let Some((row, used)) = rows.last_mut() else { break };
        if *used > 0 {
            row.push_str(COMMA);
            *used += COMMA.len();
        }
        row.push_str(&if colours { tone.paint(&text) } else { text });
        *used += long;
    }
    rows.into_iter().map(|(row, _)| row).collect()
}

/// The phase of the run, how long it has lasted, and how long until the end of the hold.
#[must_use]
pub fn phase_times(status: &Status) -> String {
    let (word, since) = match status.phase {
        Phase::Ramp => ("ramp", status.elapsed),
        Phase::Hold => ("hold", status.held),
        Phase::Settle if status.closing => return "closing".to_owned(),
        Phase::Settle => return "settling".to_owned(),
    };
    let left = status.remaining.map_or_else(String::new, |left| format!(" (-{})", span(left.as_secs_f64())));
    format!("{word} {}{left}", span(since.as_secs_f64()))
}

/// The items of the status, the most important first.
fn items(status: &Status) -> Vec<(String, Tone)> {
    let mut items = Vec::new();
    if status.saturated {
        items.push(("SATURATED".to_owned(), Tone::Alarm));
    }
    let errors = if status.errors == 1 { "1 error".to_owned() } else { format!("{} errors", count(status.errors)) };
    items.push((format!("{} lost", count(status.lost)), Tone::Alarm.of(status.lost)));
    items.push((format!("{} late", count(status.late)), Tone::Warning.of(status.late)));
    items.push((errors, Tone::Warning.of(status.errors)));
    let mut some = |n: u64, what: &str, tone: Tone| {
        if n > 0 {
            items.push((format!("{} {what}", count(n)), tone));
        }
    };
    some(status.cut_off, "cut off", Tone::Warning);
    some(status.failed, "given up", Tone::Alarm);
    if status.closing {
        items.push((format!("{} still to close", count(status.connected)), Tone::Plain));
    } else {
        places(&mut items, status);
    }
    items.push((format!("{} on time", count(status.on_time)), Tone::Plain));
    if status.phase == Phase::Settle {
        items.push((format!("{} outstanding", count(status.outstanding)), Tone::Plain));
    } else {
        items.push((format!("chats {} of {}", rate(status.chats), rate(status.chats_target)), Tone::Plain));
    }
    if let (Some(p50), Some(p99)) = (status.p50, status.p99) {
        items.push((format!("p50 {} p99 {}", latency(p50), latency(p99)), Tone::Plain));
    }
    items
}

/// Adds the items about the users' states.
fn places(items: &mut Vec<(String, Tone)>, status: &Status) {
    if status.backing_off > 0 {
        items.push((format!("{} backing off", count(status.backing_off)), Tone::Warning));
    }
    items.push((format!("{}/{} connected", count(status.connected), count(status.target)), Tone::Plain));
    let others = [(status.signing_in, "signing in"), (status.connecting, "connecting"), (status.away, "away")];
    let others = others.into_iter().filter(|(n, _)| *n > 0);
    items.extend(others.map(|(n, what)| (format!("{} {what}", count(n)), Tone::Plain)));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn holding() -> Status {
        Status {
            phase: Phase::Hold,
            elapsed: Duration::from_secs(75),
            held: Duration::from_secs(65),
            remaining: None,
            connected: 198,
            target: 200,
            signing_in: 0,
            connecting: 0,
            backing_off: 0,
            away: 2,
            failed: 0,
            chats: 19.98,
            chats_target: 20.0,
            on_time: 239_000,
            late: 0,
            lost: 0,
            cut_off: 0,
            outstanding: 400,
            p50: Some(0.0021),
            p99: Some(0.0122),
            errors: 1,
            saturated: false,
            closing: false,
        }
    }

    fn troubled() -> Status {
        Status { failed: 2, lost: 391, late: 5, cut_off: 90, errors: 1_200, saturated: true, ..holding() }
    }

    #[test]
    fn what_may_be_wrong_comes_first() {
        assert_eq!(
            line(&holding()),
            "0 lost, 0 late, 1 error, 198/200 connected, 2 away, 239,000 on time, chats 20/s of 20/s, \
             p50 2.1 ms p99 12.2 ms"
        );
        let status = Status { signing_in: 3, connecting: 4, backing_off: 5, p50: None, ..troubled() };
        assert_eq!(
            line(&status),
            "SATURATED, 391 lost, 5 late, 1,200 errors, 90 cut off, 2 given up, 5 backing off, 198/200 connected, \
             3 signing in, 4 connecting, 2 away, 239,000 on time, chats 20/s of 20/s"
        );
    }

    #[test]
    fn two_rows_hold_what_one_does_not_and_lose_the_least_important() {
        assert_eq!(
            rows(&troubled(), 60, 79, false),
            [
                "SATURATED, 391 lost, 5 late, 1,200 errors, 90 cut off",
                "2 given up, 198/200 connected, 2 away, 239,000 on time, chats 20/s of 20/s",
            ]
        );
        assert_eq!(rows(&troubled(), 20, 39, false), ["SATURATED, 391 lost", "5 late, 1,200 errors, 90 cut off"]);
        assert_eq!(rows(&holding(), 200, 200, false), [line(&holding())]);
        assert_eq!(rows(&holding(), 5, 39, false)[1], "0 lost, 0 late, 1 error");
        assert_eq!(rows(&holding(), 0, 0, false), [""]);
    }

    #[test]
    fn trouble_is_coloured_and_takes_no_columns_for_it() {
        let status = Status { lost: 7, errors: 0, ..holding() };
        let row = &rows(&status, 7 + 6 + 8 + 4, 0, true)[0];
        assert_eq!(row, "\u{1b}[1;31m7 lost\u{1b}[0m, 0 late, 0 errors");
        assert!(!rows(&Status { errors: 0, ..holding() }, 200, 0, true)[0].contains('\u{1b}'));
    }

    #[test]
    fn the_hold_starts_after_the_ramp() {
        assert_eq!(phase_times(&holding()), "hold 1m 5s");
        let remaining = Some(Duration::from_secs(30));
        assert_eq!(phase_times(&Status { remaining, ..holding() }), "hold 1m 5s (-30s)");
        assert_eq!(phase_times(&Status { phase: Phase::Ramp, ..holding() }), "ramp 1m 15s");
        let settling = Status { phase: Phase::Settle, remaining, ..holding() };
        assert_eq!(phase_times(&settling), "settling");
        assert!(line(&settling).contains("400 outstanding") && !line(&settling).contains("chats"));
    }

    #[test]
    fn sockets_that_soakrig_closes_itself_look_like_no_trouble() {
        let users = Status { connected: 3, backing_off: 1, connecting: 2, away: 1, ..holding() };
        let closing = Status { phase: Phase::Settle, closing: true, outstanding: 0, ..users };
        assert_eq!(phase_times(&closing), "closing");
        assert_eq!(
            line(&closing),
            "0 lost, 0 late, 1 error, 3 still to close, 239,000 on time, 0 outstanding, p50 2.1 ms p99 12.2 ms"
        );
    }
}

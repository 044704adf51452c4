//! What is not on the time axis: the totals, worst rooms, grouped losses, the generators, the configuration.

use super::view::Table;
use crate::report::numbers::{bytes, count, latency, limit, rate, share, span};
use crate::report::sections;
use crate::report::summary::{Anomalies, Deliveries, Summary};

/// Maximum number of rows of a table.
const MOST_ROWS: usize = 200;

/// The tables of a summary, without empty ones.
pub(super) fn tables(summary: &Summary) -> Vec<Table> {
    let all = [
        totals(summary),
        times(summary),
        rooms(summary),
        losses(summary),
        stages(summary),
        connections(summary),
        generators(summary),
        configuration(summary),
    ];
    let bounded = all.into_iter().map(|mut table| {
        table.rows.truncate(MOST_ROWS);
        table
    });
    bounded.filter(|table| !table.rows.is_empty()).collect()
}

fn table(id: &'static str, title: &'static str, head: &[&'static str], rows: Vec<Vec<String>>) -> Table {
    Table { id, title, note: String::new(), head: head.to_vec(), rows }
}

fn totals(summary: &Summary) -> Table {
    let row = |whose: &str, deliveries: &Deliveries, anomalies: &Anomalies| {
        let Deliveries { expected, on_time, late, lost, excused, outstanding, .. } = deliveries;
        let Anomalies { duplicate, reordered, unexpected, corrupt } = anomalies;
        let numbers =
            [expected, on_time, late, lost, &excused.total, outstanding, duplicate, reordered, unexpected, corrupt];
        let mut cells = vec![whose.to_owned()];
        cells.extend(numbers.map(|n| count(*n)));
        cells
    };
    let mut rows = vec![row("own messages", &summary.deliveries, &summary.anomalies)];
    if summary.remote.deliveries.expected > 0 {
        rows.push(row("of other generators", &summary.remote.deliveries, &summary.remote.anomalies));
    }
    let head = [
        "deliveries",
        "expected",
        "on time",
        "late",
        "lost",
        "excused",
        "outstanding",
        "duplicate",
        "reordered",
        "unexpected",
        "corrupt",
    ];
    let mut table = table("totals", "What became of the deliveries", &head, rows);
    table.note = "expected = on time + late + lost + excused + outstanding".to_owned();
    table
}

fn times(summary: &Summary) -> Table {
    let cell = |seconds: Option<f64>| seconds.map_or_else(|| "–".to_owned(), latency);
    let rows = summary.delivery_seconds.iter().map(|(basis, times)| {
        let from = format!("from the {basis} time");
        vec![from, cell(times.p50), cell(times.p90), cell(times.p99), cell(times.max), count(times.count)]
    });
    table("quantiles", "Time to delivery", &["", "p50", "p90", "p99", "longest", "deliveries"], rows.collect())
}

fn rooms(summary: &Summary) -> Table {
    let rooms = summary.rooms.iter().flat_map(|rooms| &rooms.worst).map(|room| {
        let numbers = [room.expected, room.on_time, room.late, room.lost, room.excused, room.outstanding, room.leaked];
        let mut cells = vec![room.room.clone()];
        cells.extend(numbers.map(count));
        cells
    });
    let head = ["room", "expected", "on time", "late", "lost", "excused", "outstanding", "leaked"];
    let mut table = table("rooms", "Worst rooms", &head, rooms.collect());
    if let Some(rooms) = &summary.rooms {
        table.note = format!("Of {} rooms. Leaked: messages of other rooms that arrived here.", count(rooms.count));
    }
    table
}

fn losses(summary: &Summary) -> Table {
    let groups = &summary.loss_groups;
    let rows = groups.largest.iter().map(|group| {
        vec![
            count(group.deliveries),
            count(group.messages),
            count(group.receivers),
            group.receiver_names.join(", "),
            group.sender_names.join(", "),
            group.first.clone(),
            group.last.clone(),
            count(group.unread_messages),
        ]
    });
    let head = ["lost", "messages", "receivers", "who missed them", "some senders", "first", "last", "read by no one"];
    let mut table = table("losses", "Losses by who missed them", &head, rows.collect());
    table.note = match groups.rest.deliveries {
        0 => "Each row: messages that exactly these receivers missed.".to_owned(),
        n => format!(
            "Each row: messages that exactly these receivers missed. {} more losses in smaller groups.",
            count(n)
        ),
    };
    table
}

fn stages(summary: &Summary) -> Table {
    let rows = summary.operations.iter().map(|(stage, operations)| {
        let kinds = summary.errors.get(stage);
        let errors = kinds.into_iter().flatten().fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
        let said = kinds.into_iter().flatten().map(|(kind, n)| format!("{} {}", count(*n), kind.replace('_', " ")));
        let said: Vec<String> = said.collect();
        vec![
            stage.clone(),
            count(*operations),
            count(errors),
            share(errors, (*operations).max(errors)),
            said.join(", "),
        ]
    });
    table("stages", "Steps and their errors", &["step", "tried", "errors", "error rate", "kinds"], rows.collect())
}

fn connections(summary: &Summary) -> Table {
    let ended = |kind: &str, attempts: u64, joined: u64, by: &str, reason: &str, n: u64| {
        vec![kind.to_owned(), count(attempts), count(joined), by.to_owned(), reason.replace('_', " "), count(n)]
    };
    let rows = summary.connections.iter().flat_map(|(kind, sockets)| {
        let reasons = sockets.disconnects.iter().flat_map(|(by, reasons)| reasons.iter().map(move |(r, n)| (by, r, n)));
        reasons.map(move |(by, reason, n)| ended(kind, sockets.attempts, sockets.joined, by, reason, *n))
    });
    let head = ["connections", "tried", "joined", "ended by", "reason", "how many"];
    table("ends", "How connections ended", &head, rows.collect())
}

fn generators(summary: &Summary) -> Table {
    let rows = summary.parts.iter().map(|part| {
        let cpu = part.generator.cpu_seconds_user + part.generator.cpu_seconds_system;
        let end = if part.run.complete { part.verdict.code.to_string() } else { "cut off, a checkpoint".to_owned() };
        vec![
            sections::name(&summary.parts, part),
            count(part.users.target),
            part.run.started.clone(),
            span(part.run.hold_seconds),
            format!("{cpu:.1} s"),
            bytes(part.generator.peak_memory_bytes as f64),
            span(part.generator.spoilt_seconds),
            end,
        ]
    });
    let head = ["generator", "users", "began", "hold", "CPU", "memory", "spoilt", "exit code"];
    table("generators", "Generators", &head, rows.collect())
}

fn configuration(summary: &Summary) -> Table {
    let (run, users) = (&summary.run, &summary.users);
    let mut rows = vec![
        vec!["room".to_owned(), run.plenary.clone()],
        vec!["users".to_owned(), format!("number {} to {}", users.min, users.max.saturating_sub(1))],
        vec!["seed".to_owned(), run.seed.to_string()],
        vec!["soakrig".to_owned(), run.version.clone()],
    ];
    rows.extend(
        summary
            .rates
            .iter()
            .map(|(kind, intents)| vec![format!("{kind} rate, mean of what was set"), rate(intents.set)]),
    );
    let limits = &summary.thresholds;
    let share = |part: Option<f64>| part.map_or_else(|| "off".to_owned(), limit);
    let lost = limits.max_lost.map_or_else(|| share(limits.max_lost_share), count);
    for (name, value) in [
        ("max-lost", lost),
        ("max-late", share(limits.max_late)),
        ("max-anomalies", share(limits.max_anomalies)),
        ("max-cut", share(limits.max_cut)),
        ("max-error-rate", share(limits.max_error_rate)),
        ("max-p99", limits.max_p99_seconds.map_or_else(|| "off".to_owned(), latency)),
        ("max-saturated", share(limits.max_saturated)),
    ] {
        rows.push(vec![name.to_owned(), value]);
    }
    table("configuration", "Configuration", &["option", "value"], rows)
}

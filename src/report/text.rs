//! The summary as text: the verdict first, then the deliveries, then the rest in aligned lines.
//!
//! It needs only a [`Summary`], so a merged one is printed alike.

pub(super) mod changes;
pub(super) mod limits;
mod losses;
mod notices;
mod page;
mod rooms;
mod sockets;

use self::page::{Page, in_order, or_none};
use crate::error::ExitCode;
use crate::model::{Action, FailureKind, Stage};
use crate::report::durations::Durations;
use crate::report::numbers::{bytes, count, latency, percent, rate, share, span};
use crate::report::sections::{is_same, listed, name};
use crate::report::summary::{Anomalies, CountsByLabel, Deliveries, Part, Summary};
use crate::report::thresholds;

/// Shortest run whose CPU time is also shown as a share, in seconds.
const SHORTEST_SHARE: f64 = 1.0;

/// The whole summary as lines of text, ending in a line break.
#[must_use]
pub fn render(summary: &Summary) -> String {
    let mut page = Page::default();
    page.line(&summary.verdict.reason);
    page.line("");
    head(&mut page, summary);
    page.line("");
    if !summary.verdict.thresholds.is_empty() {
        limits::thresholds(&mut page, &summary.verdict.thresholds);
        page.line("");
    }
    books(&mut page, "deliveries", &summary.deliveries, &summary.anomalies);
    let [own, _] = thresholds::all_but_set_aside(summary);
    limits::left_out(&mut page, &own, summary.judged.as_ref());
    times(&mut page, "time to delivery", summary.delivery_seconds.iter());
    changes::drift(&mut page, summary.drift.as_ref());
    changes::watched(&mut page, summary.timeline.as_ref());
    remote(&mut page, summary);
    if summary.foreign > 0 {
        page.row("foreign", &format!("{} arrivals of messages of another run; in no verdict", count(summary.foreign)));
    }
    losses::groups(&mut page, &summary.loss_groups);
    rooms::worst(&mut page, summary.rooms.as_ref());
    losses::log(&mut page, summary.anomaly_log);
    page.line("");
    stages(&mut page, summary);
    defects(&mut page, summary);
    sockets::connections(&mut page, summary);
    notices::commands(&mut page, summary.timeline.as_ref());
    notices::marked(&mut page, summary.marked.as_ref());
    notices::recoveries(&mut page, &summary.recoveries);
    notices::presence(&mut page, &summary.presence);
    page.line("");
    generator(&mut page, summary);
    parts(&mut page, &summary.parts);
    let code = summary.verdict.code;
    let meaning = ExitCode::from_number(code).map_or("see the documentation of exit codes", ExitCode::meaning);
    page.row("exit code", &format!("{code}: {meaning}"));
    page.0
}

fn head(page: &mut Page, summary: &Summary) {
    let run = &summary.run;
    page.row("run", &format!("{} on {}, {}, seed {}", run.id, run.plenary, shards(summary), run.seed));
    let took = format!("{}, of which {} at full load", span(run.duration_seconds), span(run.hold_seconds));
    page.row("time", &format!("started {}, took {took}", run.started));
    let users = &summary.users;
    let states: Vec<String> =
        users.states.iter().map(|(state, n)| format!("{} {}", count(*n), state.replace('_', " "))).collect();
    page.row("users", &format!("{}; at the stop: {}", count(users.target), or_none(states)));
    for (kind, intents) in in_order::<Action, _>(&summary.rates) {
        let dropped: u64 = intents.dropped.values().sum();
        // Skip kinds of intents that the run does not have.
        if intents.set <= 0.0 && intents.carried_out == 0 && dropped == 0 {
            continue;
        }
        let why = if dropped == 0 { String::new() } else { format!(" ({})", by_kind(&intents.dropped)) };
        let numbers = format!(
            "{} of {} set; {} carried out, {} dropped{why}",
            rate(intents.achieved),
            rate(intents.set),
            count(intents.carried_out),
            count(dropped),
        );
        page.row(kind, &numbers);
    }
}

/// The shard of this summary, or those of a merged one.
fn shards(summary: &Summary) -> String {
    let mut indices: Vec<u32> = summary.parts.iter().map(|part| part.run.shard.index).collect();
    indices.dedup();
    let generators = summary.parts.chunk_by(is_same).count();
    match indices.as_slice() {
        [_] if generators > 1 => format!("{generators} ranges of users"),
        [] => format!("shard {}", summary.run.shard),
        [_] => format!("shard {} alone", summary.run.shard),
        several => format!("shards {} of {}", listed(several), summary.run.shard.count),
    }
}

fn books(page: &mut Page, title: &str, deliveries: &Deliveries, anomalies: &Anomalies) {
    let Deliveries { expected, on_time, late, lost, excused, outstanding, raced } = deliveries;
    page.row(
        title,
        &format!(
            "expected {} = on time {} + late {} + lost {} + excused {} + outstanding {}",
            count(*expected),
            count(*on_time),
            count(*late),
            count(*lost),
            count(excused.total),
            count(*outstanding)
        ),
    );
    let found = on_time + late + lost + excused.total + outstanding;
    if found != *expected {
        page.row("", &format!("THE BOOKS DO NOT BALANCE: the outcomes sum to {}, a bug in soakrig", count(found)));
    }
    page.number("on time", *on_time, &share(*on_time, *expected));
    page.number("late", *late, &some_share(*late, *expected));
    page.number("lost", *lost, &some_share(*lost, *expected));
    page.number("excused", excused.total, &excuses(deliveries));
    page.number("outstanding", *outstanding, &some_share(*outstanding, *expected));
    page.number("duplicate", anomalies.duplicate, "");
    page.number("reordered", anomalies.reordered, "");
    page.number("unexpected", anomalies.unexpected, "");
    page.number("corrupt", anomalies.corrupt, "");
    if *raced > 0 {
        page.number("raced", *raced, "arrivals while joining or leaving; in no other number");
    }
}

/// The reasons of excused deliveries, shown so that a small number of losses does not mislead.
fn excuses(deliveries: &Deliveries) -> String {
    let excused = &deliveries.excused;
    if excused.total == 0 {
        return String::new();
    }
    let parts = [
        (excused.left, "the user had left"),
        (excused.server, "the server ended the connection"),
        (excused.network, "the network did"),
        (excused.sender_cut, "the sender was cut off"),
        (excused.refused, "the server refused the message"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{} {why}", count(*n))).collect();
    format!("{}: {}", share(excused.total, deliveries.expected), said.join(", "))
}

fn times<'a>(page: &mut Page, title: &str, bases: impl Iterator<Item = (&'a String, &'a Durations)>) {
    page.line(&format!("{title:<18} {:>10} {:>10} {:>10} {:>10}", "p50", "p90", "p99", "max"));
    for (basis, times) in bases {
        let from = match basis.as_str() {
            "intended" => "as intended",
            "sent" => "as sent",
            other => other,
        };
        let cell = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), latency);
        page.line(&format!(
            "  {from:<16} {:>10} {:>10} {:>10} {:>10}",
            cell(times.p50),
            cell(times.p90),
            cell(times.p99),
            cell(times.max)
        ));
    }
}

/// Other generators' messages, if there were any.
fn remote(page: &mut Page, summary: &Summary) {
    let remote = &summary.remote;
    if remote.deliveries == Deliveries::default() && remote.anomalies == Anomalies::default() {
        return;
    }
    page.line("");
    books(page, "from others", &remote.deliveries, &remote.anomalies);
    let [_, others] = thresholds::all_but_set_aside(summary);
    limits::left_out(page, &others, remote.judged.as_ref());
    times(page, "time from others", remote.delivery_seconds.iter());
    if let Some(offset) = remote.clock_offset_seconds {
        let ahead = if offset < 0.0 { "behind" } else { "ahead" };
        page.row("clocks", &format!("others' are about {} {ahead}, as far as can be told", latency(offset.abs())));
    }
}

fn stages(page: &mut Page, summary: &Summary) {
    page.line(&format!("{:<18} {:>13} {:>10}  {}", "stage", "operations", "errors", "error rate"));
    let none = CountsByLabel::new();
    // A stage with errors but no operations should not exist; if it does, it is shown at the end.
    let odd = summary.errors.keys().filter(|stage| !summary.operations.contains_key(*stage));
    let stages = in_order::<Stage, _>(&summary.operations).into_iter().map(|(stage, _)| stage).chain(odd);
    for stage in stages {
        let operations = summary.operations.get(stage).copied().unwrap_or(0);
        let kinds = summary.errors.get(stage).unwrap_or(&none);
        let errors: u64 = kinds.values().sum();
        let why = if errors == 0 { String::new() } else { format!(": {}", by_kind(kinds)) };
        let part = share(errors, operations.max(errors));
        page.line(&format!("  {stage:<16} {:>13} {:>10}  {part}{why}", count(operations), count(errors)));
    }
}

fn generator(page: &mut Page, summary: &Summary) {
    let generator = &summary.generator;
    let cpu = generator.cpu_seconds_user + generator.cpu_seconds_system;
    // In a very short run the share would only show the cost of starting.
    let lasted = summary.run.duration_seconds;
    let load = match lasted >= SHORTEST_SHARE {
        true => format!(" ({} of one core)", percent((cpu / lasted * 1e3).round() / 1e3)),
        false => String::new(),
    };
    page.row(
        "generator",
        &format!(
            "{cpu:.1} s of CPU{load}, at most {} of memory, {} threads",
            bytes(generator.peak_memory_bytes as f64),
            generator.threads
        ),
    );
    let saturated = if generator.saturated_seconds > 0.0 {
        let why: Vec<String> = generator
            .saturated_by
            .iter()
            .map(|(reason, seconds)| format!("{} {}", reason.replace('_', " "), span(*seconds)))
            .collect();
        format!("for {} ({})", span(generator.saturated_seconds), or_none(why))
    } else if generator.spoilt_seconds > 0.0 {
        "never in three windows in a row".to_owned()
    } else if !thresholds::not_judged(summary).is_empty() {
        "never in the hold".to_owned()
    } else {
        "never: the numbers are about the server".to_owned()
    };
    page.row("saturated", &saturated);
    limits::spoilt(page, summary);
    notices::clock(page, &summary.clock);
    let messages = &summary.messages;
    let total = |counts: &CountsByLabel| count(counts.values().sum());
    page.row(
        "frames",
        &format!(
            "{} sent, {} received ({})",
            total(&messages.sent),
            total(&messages.received),
            bytes(messages.received_bytes as f64)
        ),
    );
}

/// Adds a row for each generator of a merged summary.
fn parts(page: &mut Page, parts: &[Part]) {
    if parts.is_empty() {
        return;
    }
    page.line(&format!("{:<18} {:>10} {:>10} {:>10} {:>10}", "generators", "users", "hold", "CPU", "memory"));
    for part in parts {
        let Part { run, users, generator, verdict, .. } = part;
        let cpu = generator.cpu_seconds_user + generator.cpu_seconds_system;
        let end = if run.complete { format!("exit code {}", verdict.code) } else { "CUT OFF, a checkpoint".to_owned() };
        page.line(&format!(
            "  {:<16} {:>10} {:>10} {:>10} {:>10}  {end}",
            name(parts, part),
            count(users.target),
            span(run.hold_seconds),
            format!("{cpu:.1} s"),
            bytes(generator.peak_memory_bytes as f64),
        ));
    }
}

/// Adds a row for caught panics, if there were any.
fn defects(page: &mut Page, summary: &Summary) {
    let panics: u64 = summary.errors.values().filter_map(|kinds| kinds.get(FailureKind::Panic.as_str())).sum();
    if panics > 0 {
        page.row("defects", &format!("{} panics in soakrig itself, caught; the log says where", count(panics)));
    }
}

fn by_kind(kinds: &CountsByLabel) -> String {
    let said: Vec<String> = kinds.iter().map(|(kind, n)| format!("{} {}", count(*n), kind.replace('_', " "))).collect();
    or_none(said)
}

fn some_share(part: u64, whole: u64) -> String {
    if part == 0 { String::new() } else { share(part, whole) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::snapshot::LogCounts;
    use crate::model::PresenceFindings;
    use crate::report::end::End;
    use crate::report::inputs::tests::{facts, figures, night};
    use crate::report::inputs::{RunInputs, summarise};
    use std::time::Duration;

    #[test]
    fn a_clean_run() {
        insta::assert_snapshot!(render(&night()));
    }

    #[test]
    fn a_bad_night_in_a_fleet() {
        let mut figures = figures();
        let [local, remote] = &mut figures.ledger.by_origin;
        local.outcomes = [200_000, 1_500, 12, 30_000, 8_000, 400, 8, 0];
        local.outstanding = 80;
        local.anomalies = [3, 2, 1, 4];
        local.raced = 5;
        figures.ledger.foreign = 6;
        remote.expected = 11;
        remote.outcomes[0] = 10;
        remote.outstanding = 1;
        figures.ledger.judged = figures.ledger.by_origin;
        figures.ledger.durations[1][0].saturating_record(55_000);
        figures.ledger.clock_offset = Some(-0.0021);
        figures.presence = PresenceFindings { now: [1, 0], most: [7, 3], episodes: [1_204, 3], lists: [9_000, 3, 1] };
        figures.losses = losses::tests::some();
        figures.ledger.anomaly_log = Some(LogCounts { lines: 20_480, dropped: 15_812 });
        figures.totals.clock_events = [1, 2, 1];
        figures.totals.clock_micros = [3_600_000_000, 1_200_000_000, 4_500_000];
        figures.totals.dns_changes = 2;
        let mut facts = facts();
        facts.saturated = Duration::from_secs(20);
        facts.saturated_by[0] = Duration::from_secs(20);
        facts.spoilt = Duration::from_secs(18);
        facts.spoilt_by[0] = Duration::from_secs(18);
        insta::assert_snapshot!(render(&summarise(&facts, &figures)));
    }

    #[test]
    fn books_that_do_not_balance_are_cried_out() {
        let mut summary = night();
        assert!(!render(&summary).contains("DO NOT BALANCE"));
        summary.deliveries.late += 1;
        assert!(render(&summary).contains("DO NOT BALANCE: the outcomes sum to 240,001"));
    }

    #[test]
    fn panics_are_told() {
        let mut summary = night();
        assert!(!render(&summary).contains("defects"));
        summary.errors.entry("receive".into()).or_default().insert("panic".into(), 3);
        assert!(render(&summary).contains("defects            3 panics in soakrig itself"));
    }

    #[test]
    fn nothing_happened() {
        let facts = RunInputs {
            end: End::Refused("there is no plenary nope".into()),
            took: Duration::ZERO,
            hold: Duration::ZERO,
            ..facts()
        };
        let figures = crate::report::inputs::Measurements {
            ledger: crate::metrics::snapshot::LedgerSnapshot::empty(),
            before_hold: None,
            users: Default::default(),
            presence: Default::default(),
            totals: Default::default(),
            process: Default::default(),
            rooms: None,
            losses: Default::default(),
            recoveries: Vec::new(),
            marked: None,
            timeline: None,
        };
        insta::assert_snapshot!(render(&summarise(&facts, &figures)));
    }
}

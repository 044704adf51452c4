//! From what the app knows and the metrics counted to a [`Summary`].
//!
//! A pure function: the app asks the books, the counters and the kernel, this puts it together.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, SystemTime};

use strum::EnumCount;

use crate::chat::{
    Action, Anomaly, Basis, ClockEvent, FrameKind, ListFate, Origin, Outcome, PresenceMismatch, SaturationReason,
    SentKind, Socket, SpoiltBy, Stage, UserState,
};
use crate::metrics::ProcessFigures;
use crate::metrics::label::Label;
use crate::metrics::snapshot::{DeliveryCounts, LedgerSnapshot, PresenceSnapshot, UsersSnapshot};
use crate::metrics::totals::Totals;
use crate::report::durations::Durations;
use crate::report::summary::{
    Anomalies, ClockEvents, Connections, Counts, Deliveries, Excused, Generator, Messages, Mismatches, Presence, Rate,
    Remote, Run, SCHEMA_VERSION, ShardOf, Summary, Thresholds, Users, Verdict,
};
use crate::report::verdict::{End, judge};

/// What the app knows of its run.
#[derive(Debug, Clone)]
pub struct RunFacts {
    /// The run id.
    pub id: String,
    /// The seed.
    pub seed: u64,
    /// The plenary's slug.
    pub plenary: String,
    /// Which part of the run.
    pub shard: ShardOf,
    /// This generator's part of the username range.
    pub users: Range<u64>,
    /// When the ramp began.
    pub started: SystemTime,
    /// Time since then.
    pub took: Duration,
    /// Of that, from the end of the ramp to the stop.
    pub hold: Duration,
    /// Set rates in intents a second, by [`Action`].
    pub set_rates: [f64; Action::COUNT],
    /// Intents carried out during the hold, by [`Action`].
    pub carried_out: [u64; Action::COUNT],
    /// How long the generator was saturated for any reason.
    pub saturated: Duration,
    /// How long for each [`SaturationReason`].
    pub saturated_by: [Duration; SaturationReason::COUNT],
    /// How much of the hold was spoilt by the generator or its machine.
    pub spoilt: Duration,
    /// How much by each [`SpoiltBy`]; they may overlap.
    pub spoilt_by: [Duration; SpoiltBy::COUNT],
    /// What the run is held to.
    pub thresholds: Thresholds,
    /// How it ended.
    pub end: End,
}

/// The figures of one moment, from ledger, roster, counters and kernel.
#[derive(Debug, Clone)]
pub struct Figures {
    /// The books.
    pub ledger: LedgerSnapshot,
    /// The roster; at the end, as it was at the stop.
    pub users: UsersSnapshot,
    /// The member lists.
    pub presence: PresenceSnapshot,
    /// The counters.
    pub totals: Totals,
    /// The kernel's.
    pub process: ProcessFigures,
}

/// The summary, judged.
#[must_use]
pub fn summarise(facts: &RunFacts, figures: &Figures) -> Summary {
    let Figures { ledger, users, presence, totals, process } = figures;
    let (local, remote) = (ledger.counts(Origin::Local), ledger.counts(Origin::Remote));
    let mut summary = Summary {
        schema_version: SCHEMA_VERSION,
        run: run(facts),
        users: Users {
            min: facts.users.start,
            max: facts.users.end,
            target: users.target,
            states: counts::<UserState>(&users.states),
        },
        rates: rates(facts, totals),
        deliveries: deliveries(local),
        anomalies: anomalies(local),
        delivery_seconds: durations(ledger, Origin::Local),
        remote: Remote {
            deliveries: deliveries(remote),
            anomalies: anomalies(remote),
            delivery_seconds: durations(ledger, Origin::Remote),
            clock_offset_seconds: ledger.clock_offset,
        },
        operations: counts::<Stage>(&totals.operations),
        errors: grouped(totals.errors.iter().map(|((stage, kind), n)| (stage.text(), kind.text(), *n))),
        messages: Messages {
            sent: counts::<SentKind>(&totals.sent),
            received: counts::<FrameKind>(&totals.received),
            received_bytes: totals.received_bytes,
        },
        connections: connections(totals),
        presence: members(presence),
        clock: clock(totals),
        generator: generator(facts, process),
        thresholds: facts.thresholds,
        verdict: Verdict { code: 0, reason: String::new() },
        parts: Vec::new(),
    };
    summary.verdict = judge(&summary, &facts.end);
    summary
}

fn run(facts: &RunFacts) -> Run {
    Run {
        id: facts.id.clone(),
        seed: facts.seed,
        plenary: facts.plenary.clone(),
        shard: facts.shard,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: humantime::format_rfc3339_millis(facts.started).to_string(),
        duration_seconds: facts.took.as_secs_f64(),
        hold_seconds: facts.hold.as_secs_f64(),
        complete: facts.end != End::Running,
    }
}

fn rates(facts: &RunFacts, totals: &Totals) -> BTreeMap<String, Rate> {
    let hold = facts.hold.as_secs_f64();
    let rate = |action: &Action| {
        let carried_out = facts.carried_out[action.index()];
        let dropped = totals.dropped.iter().filter(|((dropped, _), _)| dropped == action);
        Rate {
            set: facts.set_rates[action.index()],
            achieved: if hold > 0.0 { carried_out as f64 / hold } else { 0.0 },
            carried_out,
            dropped: dropped.map(|((_, reason), n)| (reason.text().to_owned(), *n)).collect(),
        }
    };
    Action::ALL.iter().map(|action| (action.text().to_owned(), rate(action))).collect()
}

fn deliveries(counts: &DeliveryCounts) -> Deliveries {
    let excused = Excused {
        total: 0,
        left: counts.outcome(Outcome::ExcusedLeft),
        server: counts.outcome(Outcome::ExcusedServer),
        network: counts.outcome(Outcome::ExcusedNetwork),
        sender_cut: counts.outcome(Outcome::ExcusedSenderCut),
    };
    Deliveries {
        expected: counts.expected,
        on_time: counts.outcome(Outcome::OnTime),
        late: counts.outcome(Outcome::Late),
        lost: counts.outcome(Outcome::Lost),
        excused: Excused { total: excused.left + excused.server + excused.network + excused.sender_cut, ..excused },
        outstanding: counts.outstanding,
        raced: counts.raced,
    }
}

fn anomalies(counts: &DeliveryCounts) -> Anomalies {
    Anomalies {
        duplicate: counts.anomaly(Anomaly::Duplicate),
        reordered: counts.anomaly(Anomaly::Reordered),
        unexpected: counts.anomaly(Anomaly::Unexpected),
        corrupt: counts.anomaly(Anomaly::Corrupt),
    }
}

/// Times to delivery by basis; other generators' chats have no known time of sending.
fn durations(ledger: &LedgerSnapshot, origin: Origin) -> BTreeMap<String, Durations> {
    let known = Basis::ALL.iter().filter(|basis| (**basis, origin) != (Basis::Sent, Origin::Remote));
    known.map(|basis| (basis.text().to_owned(), Durations::of(ledger.durations(origin, *basis)))).collect()
}

fn connections(totals: &Totals) -> BTreeMap<String, Connections> {
    let of = |socket: Socket| {
        let failures = totals.connect_failures.iter().filter(|((s, _), _)| *s == socket);
        let ends = totals.disconnects.iter().filter(|((s, _, _), _)| *s == socket);
        Connections {
            attempts: totals.connect_attempts[socket.index()],
            failures: failures.map(|((_, kind), n)| (kind.text().to_owned(), *n)).collect(),
            disconnects: grouped(ends.map(|((_, initiator, reason), n)| (initiator.text(), reason.text(), *n))),
        }
    };
    Socket::ALL.iter().map(|socket| (socket.text().to_owned(), of(*socket))).collect()
}

fn members(found: &PresenceSnapshot) -> Presence {
    let of = |kind: PresenceMismatch| Mismatches {
        at_end: found.now[kind.index()],
        most: found.most[kind.index()],
        episodes: found.episodes[kind.index()],
    };
    Presence {
        ghost: of(PresenceMismatch::Ghost),
        missing: of(PresenceMismatch::Missing),
        lists: counts::<ListFate>(&found.lists),
    }
}

fn clock(totals: &Totals) -> ClockEvents {
    let seconds = ClockEvent::ALL.iter().zip(totals.clock_micros).filter(|(_, micros)| *micros > 0);
    ClockEvents {
        events: counts::<ClockEvent>(&totals.clock_events),
        seconds: seconds.map(|(event, micros)| (event.text().to_owned(), micros as f64 / 1e6)).collect(),
        dns_changes: totals.dns_changes,
    }
}

fn generator(facts: &RunFacts, process: &ProcessFigures) -> Generator {
    let by = SaturationReason::ALL.iter().map(|reason| {
        let seconds = facts.saturated_by[reason.index()].as_secs_f64();
        (reason.text().to_owned(), seconds)
    });
    let spoilt_by = SpoiltBy::ALL
        .iter()
        .map(|reason| (reason.as_str().to_owned(), facts.spoilt_by[*reason as usize].as_secs_f64()));
    Generator {
        cpu_seconds_user: process.cpu_user,
        cpu_seconds_system: process.cpu_system,
        peak_memory_bytes: process.peak_resident,
        threads: process.threads,
        saturated_seconds: facts.saturated.as_secs_f64(),
        saturated_by: by.filter(|(_, seconds)| *seconds > 0.0).collect(),
        spoilt_seconds: facts.spoilt.as_secs_f64(),
        spoilt_by: spoilt_by.filter(|(_, seconds)| *seconds > 0.0).collect(),
    }
}

/// Counts that are not 0, by label text.
fn counts<L: Label>(numbers: &[u64]) -> Counts {
    let labelled = L::MEMBERS.iter().zip(numbers).filter(|(_, n)| **n > 0);
    labelled.map(|(label, n)| (label.text().to_owned(), *n)).collect()
}

fn grouped<'a>(numbers: impl Iterator<Item = (&'a str, &'a str, u64)>) -> BTreeMap<String, Counts> {
    let mut groups: BTreeMap<String, Counts> = BTreeMap::new();
    for (group, kind, n) in numbers {
        groups.entry(group.to_owned()).or_default().insert(kind.to_owned(), n);
    }
    groups
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::chat::{DropReason, EndReason, FailureKind, Initiator};

    /// What is known of a clean minute of 200 users.
    pub(crate) fn facts() -> RunFacts {
        RunFacts {
            id: "soak-7f3a".into(),
            seed: 42,
            plenary: "test".into(),
            shard: ShardOf { index: 0, count: 1 },
            users: 0..200,
            started: UNIX_EPOCH + Duration::from_secs(1_793_872_800),
            took: Duration::from_millis(72_400),
            hold: Duration::from_secs(60),
            set_rates: [20.0, 1.0, 2.0],
            carried_out: [1_200, 60, 119],
            saturated: Duration::ZERO,
            saturated_by: [Duration::ZERO; SaturationReason::COUNT],
            spoilt: Duration::ZERO,
            spoilt_by: [Duration::ZERO; SpoiltBy::COUNT],
            thresholds: Thresholds { max_lost: 0, max_error_rate: 0.01 },
            end: End::Settled,
        }
    }

    /// The figures of that minute.
    pub(crate) fn figures() -> Figures {
        let mut ledger = LedgerSnapshot::empty();
        let local = &mut ledger.by_origin[Origin::Local as usize];
        local.expected = 240_000;
        local.outcomes = [239_000, 0, 0, 990, 10, 0, 0];
        for (basis, shift) in [(Basis::Intended, 200), (Basis::Sent, 0)] {
            let histogram = &mut ledger.durations[Origin::Local as usize][basis as usize];
            (0..239_000_u64).for_each(|i| histogram.saturating_record(900 + shift + i % 1_000 * 12));
        }
        let totals = Totals {
            operations: [200, 0, 260, 380, 1_380, 480_000, 240_000],
            errors: vec![((Stage::Connect, FailureKind::OverCapacity), 1)],
            sent: [1_200, 480, 0, 0, 600, 200],
            received: std::array::from_fn(|kind| if kind == FrameKind::Chat as usize { 239_000 } else { 0 }),
            received_bytes: 91_000_000,
            connect_attempts: [260, 120],
            connect_failures: vec![((Socket::Breakout, FailureKind::OverCapacity), 1)],
            disconnects: vec![((Socket::Plenary, Initiator::User, EndReason::Left), 60)],
            dropped: vec![((Action::Breakout, DropReason::Backpressure), 1)],
            http: Vec::new(),
            ..Totals::default()
        };
        let process = ProcessFigures {
            cpu_user: 8.25,
            cpu_system: 6.5,
            peak_resident: 41_000_000,
            threads: 5,
            ..ProcessFigures::default()
        };
        let users = UsersSnapshot { target: 200, states: [0, 0, 0, 198, 2, 0, 0] };
        let presence = PresenceSnapshot { lists: [60, 0, 0], ..PresenceSnapshot::default() };
        Figures { ledger, users, presence, totals, process }
    }

    /// The summary of that minute.
    pub(crate) fn night() -> Summary {
        summarise(&facts(), &figures())
    }

    #[test]
    fn the_schema_is_kept() {
        let mut summary = night();
        summary.run.version = "0.0.0".into();
        // Their bytes depend on the deflater; a test of `durations` reads them back.
        summary.delivery_seconds.values_mut().for_each(|durations| durations.histogram = "…".into());
        insta::assert_snapshot!(serde_json::to_string_pretty(&summary).unwrap());
    }

    /// Every key of the schema; keys of maps are labels, which belong to the metrics.
    fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
        let serde_json::Value::Object(entries) = value else { return };
        for (key, inner) in entries {
            found.insert(key.clone());
            let labels =
                ["states", "dropped", "operations", "errors", "sent", "received", "failures", "disconnects", "lists"];
            if !labels.contains(&key.as_str()) {
                keys(inner, found);
            }
        }
    }

    #[test]
    fn every_key_is_documented() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/summary.md");
        let page = std::fs::read_to_string(path).unwrap();
        let mut found = std::collections::BTreeSet::new();
        keys(&serde_json::to_value(night()).unwrap(), &mut found);
        assert!(found.len() > 50, "{found:?}");
        let named = |key: &String| page.contains(&format!("`{key}`")) || page.contains(&format!(".{key}`"));
        let missing: Vec<_> = found.into_iter().filter(|key| !named(key)).collect();
        assert!(missing.is_empty(), "docs/summary.md does not name {missing:?}");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let summary = night();
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    }

    #[test]
    fn the_books_of_the_summary_balance() {
        let Deliveries { expected, on_time, late, lost, excused, outstanding, .. } = night().deliveries;
        assert_eq!(expected, on_time + late + lost + excused.total + outstanding);
    }

    #[test]
    fn a_run_that_never_held_has_achieved_nothing() {
        let facts = RunFacts { hold: Duration::ZERO, ..facts() };
        assert_eq!(summarise(&facts, &figures()).rates["chat"].achieved, 0.0);
    }
}

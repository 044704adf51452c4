//! Makes a [`Summary`] of what `run` knows and the metrics counted.
//!
//! A pure function: `run` reads the ledger, the counters and the kernel; this puts their figures together.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use strum::EnumCount;

use crate::metrics::ProcessFigures;
use crate::metrics::label::Label as _;
use crate::metrics::snapshot::{LedgerSnapshot, LogCounts, UsersSnapshot};
use crate::metrics::totals::Totals;
use crate::model::{
    Action, Basis, ClockEvent, ListFate, Origin, PresenceMismatch, SaturationReason, Shard, SocketKind, SpoiltBy,
    Stage, UserState,
};
use crate::model::{PresenceFindings, delivery_times};
use crate::report::counts::{counts, grouped, named};
use crate::report::drift;
use crate::report::durations::Durations;
use crate::report::end::End;
use crate::report::judgement::{EndedBy, RuleWindows};
use crate::report::losses::{AnomalyLogLines, NamedLossGroups};
use crate::report::marked::Marked;
use crate::report::recoveries::RecoveryFigures;
use crate::report::rooms::Rooms;
use crate::report::summary::{
    Anomalies, ClockEvents, Connections, Deliveries, Generator, Judged, Messages, Mismatches, Presence, Rate, Remote,
    Rules, Run, SCHEMA_VERSION, Summary, Thresholds, Users, Verdict,
};
use crate::report::timeline::{RemoteSlice, Timeline, UserSeconds};
use crate::report::verdict::judge;

/// What `run` knows about itself.
#[derive(Debug, Clone)]
pub struct RunInputs {
    /// The run id.
    pub id: String,
    /// The seed.
    pub seed: u64,
    /// The plenary's slug.
    pub plenary: String,
    /// This generator's shard.
    pub shard: Shard,
    /// This generator's part of the username range.
    pub users: Range<u64>,
    /// When the ramp began.
    pub started: SystemTime,
    /// Time since the ramp began.
    pub took: Duration,
    /// The part of that from the end of the ramp to the stop.
    pub hold: Duration,
    /// Set rates in intents per second, by [`Action`].
    pub set_rates: [f64; Action::COUNT],
    /// Intents carried out during the hold, by [`Action`].
    pub carried_out: [u64; Action::COUNT],
    /// How long the generator was saturated for any reason.
    pub saturated: Duration,
    /// The same for each [`SaturationReason`].
    pub saturated_by: [Duration; SaturationReason::COUNT],
    /// How much of the hold the generator or its machine spoilt.
    pub spoilt: Duration,
    /// The same for each [`SpoiltBy`]; they may overlap.
    pub spoilt_by: [Duration; SpoiltBy::COUNT],
    /// The options in force, by their flags, without secrets.
    pub configuration: BTreeMap<String, String>,
    /// The limits of the run.
    pub thresholds: Thresholds,
    /// The rules of the run.
    pub rules: Rules,
    /// What the rules' windows showed.
    pub windows: Vec<RuleWindows>,
    /// The rule that ended the run, if one did.
    pub ended_by: Option<EndedBy>,
    /// The users' states in the hold, in user-seconds.
    pub user_seconds: Option<UserSeconds>,
    /// When the hold began.
    pub hold_began: Option<SystemTime>,
    /// A delivery that takes longer is lost.
    pub horizon: Duration,
    /// How it ended.
    pub end: End,
    /// Number of earlier starts of this generator in the same run.
    pub earlier_lives: u32,
}

/// The figures of one moment, from ledger, roster, counters and kernel.
#[derive(Debug, Clone)]
pub struct Measurements {
    /// The ledger's.
    pub ledger: LedgerSnapshot,
    /// The ledger's when the hold began; `None` if it has not.
    pub before_hold: Option<Arc<LedgerSnapshot>>,
    /// The roster's; at the end of the run, those at the stop.
    pub users: UsersSnapshot,
    /// The mismatches of member lists.
    pub presence: PresenceFindings,
    /// The counters.
    pub totals: Totals,
    /// The kernel's, about this process.
    pub process: ProcessFigures,
    /// The rooms, if there are several.
    pub rooms: Option<Rooms>,
    /// Losses by the receivers who missed them.
    pub losses: NamedLossGroups,
    /// How long users took to come back after a command or a disruption.
    pub recoveries: Vec<RecoveryFigures>,
    /// Increase of the counters during planned disruptions, if there were any.
    pub marked: Option<Marked>,
    /// The run over time, if it was recorded.
    pub timeline: Option<Timeline>,
}

/// Makes and judges the summary.
#[must_use]
pub fn summarise(inputs: &RunInputs, figures: &Measurements) -> Summary {
    let Measurements { ledger, users, presence, totals, process, losses, rooms, .. } = figures;
    let (local, remote) = (ledger.counts(Origin::Local), ledger.counts(Origin::Remote));
    let mut summary = Summary {
        schema_version: SCHEMA_VERSION,
        run: run(inputs),
        users: Users {
            min: inputs.users.start,
            max: inputs.users.end,
            target: users.target,
            states: counts::<UserState>(&users.states),
        },
        user_seconds: inputs.user_seconds,
        rates: rates(inputs, totals),
        deliveries: Deliveries::of(local),
        judged: Some(judged(ledger, Origin::Local)),
        anomalies: Anomalies::of(local),
        delivery_seconds: durations(ledger, Origin::Local),
        judged_seconds: judged_durations(figures),
        remote: Remote {
            deliveries: Deliveries::of(remote),
            judged: Some(judged(ledger, Origin::Remote)),
            anomalies: Anomalies::of(remote),
            delivery_seconds: durations(ledger, Origin::Remote),
            clock_offset_seconds: ledger.clock_offset,
        },
        foreign: ledger.foreign,
        loss_groups: losses.clone(),
        rooms: rooms.clone(),
        anomaly_log: ledger.anomaly_log.map(|LogCounts { lines, dropped }| AnomalyLogLines { lines, dropped }),
        operations: counts::<Stage>(&totals.operations),
        errors: grouped(totals.errors.iter().map(|((stage, kind), n)| (stage.text(), kind.text(), *n))),
        messages: Messages {
            sent: named(&totals.sent),
            received: named(&totals.received),
            received_bytes: totals.received_bytes,
        },
        connections: connections(totals),
        recoveries: figures.recoveries.clone(),
        marked: figures.marked.clone().map(|marked| with_deliveries(marked, ledger)),
        presence: members(presence),
        clock: clock(totals),
        generator: generator(inputs, process),
        timeline: figures.timeline.clone(),
        drift: None,
        configuration: inputs.configuration.clone(),
        thresholds: inputs.thresholds,
        rules: inputs.rules.clone(),
        windows: inputs.windows.clone(),
        ended_by: inputs.ended_by.iter().cloned().collect(),
        verdict: Verdict { code: 0, reason: String::new(), thresholds: Vec::new() },
        parts: Vec::new(),
    };
    if summary.run.complete {
        summary.drift = drift::of_summary(&summary);
    }
    summary.verdict = judge(&summary, &inputs.end);
    summary
}

/// Adds the ledger's figures of planned disruptions.
fn with_deliveries(counted: Marked, ledger: &LedgerSnapshot) -> Marked {
    let [local, remote] = &ledger.marked;
    let remote = RemoteSlice { deliveries: Deliveries::of(remote), anomalies: Anomalies::of(remote) };
    let each = counted.each.into_iter().zip(&ledger.each_marked);
    let each = each.map(|(one, counts)| one.with_deliveries(counts)).collect();
    Marked { deliveries: Deliveries::of(local), anomalies: Anomalies::of(local), remote, each, ..counted }
}

fn run(inputs: &RunInputs) -> Run {
    Run {
        id: inputs.id.clone(),
        seed: inputs.seed,
        plenary: inputs.plenary.clone(),
        shard: inputs.shard,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: humantime::format_rfc3339_millis(inputs.started).to_string(),
        duration_seconds: inputs.took.as_secs_f64(),
        hold_seconds: inputs.hold.as_secs_f64(),
        hold_began: inputs.hold_began.map(|at| humantime::format_rfc3339_millis(at).to_string()),
        horizon_seconds: inputs.horizon.as_secs_f64(),
        complete: inputs.end != End::Running,
        earlier_lives: inputs.earlier_lives,
    }
}

fn rates(inputs: &RunInputs, totals: &Totals) -> BTreeMap<String, Rate> {
    let hold = inputs.hold.as_secs_f64();
    let rate = |action: &Action| {
        let carried_out = inputs.carried_out[action.index()];
        let dropped = totals.dropped.iter().filter(|((dropped, _), _)| dropped == action);
        Rate {
            set: inputs.set_rates[action.index()],
            achieved: if hold > 0.0 { carried_out as f64 / hold } else { 0.0 },
            carried_out,
            dropped: dropped.map(|((_, reason), n)| (reason.text().to_owned(), *n)).collect(),
        }
    };
    Action::ALL.iter().map(|action| (action.text().to_owned(), rate(action))).collect()
}

fn judged(ledger: &LedgerSnapshot, origin: Origin) -> Judged {
    let counts = &ledger.judged[origin as usize];
    Judged { deliveries: Deliveries::of(counts), anomalies: Anomalies::of(counts) }
}

/// Times to delivery by basis. The time of sending is unknown for other generators' chats.
fn durations(ledger: &LedgerSnapshot, origin: Origin) -> BTreeMap<String, Durations> {
    let known = Basis::ALL.iter().filter(|basis| (**basis, origin) != (Basis::Sent, Origin::Remote));
    known.map(|basis| (basis.text().to_owned(), Durations::of(ledger.durations(origin, *basis)))).collect()
}

/// Times to delivery in the hold, of this generator's own messages: differences between other
/// generators' clocks must not count against the server.
fn judged_durations(figures: &Measurements) -> BTreeMap<String, Durations> {
    let held = match &figures.before_hold {
        Some(before) => figures.ledger.judged_since(before, Origin::Local),
        None => delivery_times(),
    };
    BTreeMap::from([(Basis::Intended.text().to_owned(), Durations::of(&held))])
}

fn connections(totals: &Totals) -> BTreeMap<String, Connections> {
    let of = |socket: SocketKind| {
        let failures = totals.connect_failures.iter().filter(|((s, _), _)| *s == socket);
        let ends = totals.disconnects.iter().filter(|((s, _, _), _)| *s == socket);
        Connections {
            attempts: totals.connect_attempts[socket.index()],
            joined: totals.joined[socket.index()],
            failures: failures.map(|((_, kind), n)| (kind.text().to_owned(), *n)).collect(),
            disconnects: grouped(ends.map(|((_, initiator, reason), n)| (initiator.text(), reason.text(), *n))),
        }
    };
    SocketKind::ALL.iter().map(|socket| (socket.text().to_owned(), of(*socket))).collect()
}

fn members(found: &PresenceFindings) -> Presence {
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

fn generator(inputs: &RunInputs, process: &ProcessFigures) -> Generator {
    let by = SaturationReason::ALL.iter().map(|reason| {
        let seconds = inputs.saturated_by[reason.index()].as_secs_f64();
        (reason.text().to_owned(), seconds)
    });
    let spoilt_by = SpoiltBy::ALL
        .iter()
        .map(|reason| (reason.as_str().to_owned(), inputs.spoilt_by[*reason as usize].as_secs_f64()));
    Generator {
        cpu_seconds_user: process.cpu_user,
        cpu_seconds_system: process.cpu_system,
        peak_memory_bytes: process.peak_resident,
        threads: process.threads,
        saturated_seconds: inputs.saturated.as_secs_f64(),
        saturated_by: by.filter(|(_, seconds)| *seconds > 0.0).collect(),
        spoilt_seconds: inputs.spoilt.as_secs_f64(),
        spoilt_by: spoilt_by.filter(|(_, seconds)| *seconds > 0.0).collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests;

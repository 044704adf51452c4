//! What metrics and summaries read of a run: copies of the figures of the ledger and the roster, with
//! names instead of indices where the summary needs them.

use std::sync::Arc;
use std::time::Duration;

use super::anomaly_log::time;
use crate::config::plan::Division;
use crate::ledger::{self, Ledger, RoomFigures, Sender};
use crate::metrics::snapshot::{LedgerSnapshot, LogCounts, Source, UsersSnapshot};
use crate::model::{Origin, Outcome, PresenceFindings, SenderId, UserIndex};
use crate::pool::recovery::RecoveryReport;
use crate::protocol::Driver;
use crate::report::losses::{NamedLossGroup, NamedLossGroups, OtherLosses};
use crate::report::recoveries::{RecoveryFigures, RecoverySeconds};
use crate::report::rooms::{ROOMS_TOLD, RoomDeliveries, Rooms};
use crate::user::RunContext;

/// The metrics' view of a context.
pub(crate) struct Snapshots<D>(pub(crate) Arc<RunContext<D>>);

impl<D: Driver> Source for Snapshots<D> {
    fn ledger(&self) -> LedgerSnapshot {
        let ledger = self.0.ledger.lock();
        snapshot(&ledger)
    }

    fn users(&self) -> UsersSnapshot {
        UsersSnapshot { target: self.0.roster.target() as u64, states: self.0.roster.counts() }
    }

    fn presence(&self) -> PresenceFindings {
        *self.0.presence.lock()
    }
}

/// A copy of the ledger's figures.
pub(crate) fn snapshot(ledger: &Ledger) -> LedgerSnapshot {
    let origins = [Origin::Local, Origin::Remote];
    LedgerSnapshot {
        by_origin: origins.map(|origin| ledger.counts(origin)),
        judged: origins.map(|origin| ledger.judged(origin)),
        judged_durations: origins.map(|origin| ledger.judged_durations(origin)),
        durations: origins.map(|origin| ledger.tally().durations(origin).clone()),
        marked: origins.map(|origin| ledger.marked(origin)),
        each_marked: ledger.each_marked().to_vec(),
        foreign: ledger.tally().foreign,
        clock_offset: ledger.clock_offset(),
        anomaly_log: ledger.log_lines().map(|log| LogCounts { lines: log.written, dropped: log.dropped }),
        messages_in_horizon: ledger.remembered() as u64,
    }
}

/// The rooms of a run, if they are numbered: this generator's worst ones, and those that it may share
/// with other generators.
pub(crate) fn rooms<D>(context: &RunContext<D>, division: &Division) -> Option<Rooms> {
    if !division.is_numbered() {
        return None;
    }
    let ledger = context.ledger.lock();
    let mut told = ledger.worst_rooms(ROOMS_TOLD);
    let edges = [Some(0), ledger.rooms().checked_sub(1)];
    for edge in edges.into_iter().flatten().filter_map(|nth| ledger.room_figures(nth)) {
        if !told.iter().any(|room| room.nth == edge.nth) {
            told.push(edge);
        }
    }
    Some(Rooms::of(division.rooms().into(), told.iter().map(|room| deliveries(room, context.rooms.name(room.nth)))))
}

fn deliveries(room: &RoomFigures, name: &str) -> RoomDeliveries {
    let of = |outcome| room.outcome(outcome);
    let excused = [Outcome::ExcusedLeft, Outcome::ExcusedServer, Outcome::ExcusedNetwork, Outcome::ExcusedSenderCut];
    RoomDeliveries {
        room: name.to_owned(),
        expected: room.expected,
        on_time: of(Outcome::OnTime),
        late: of(Outcome::Late),
        lost: of(Outcome::Lost),
        excused: excused.map(of).iter().sum(),
        outstanding: room.outstanding,
        leaked: room.leaked,
    }
}

/// How long users took to come back.
pub(crate) fn recoveries<D>(context: &RunContext<D>) -> Vec<RecoveryFigures> {
    let figures = |report: RecoveryReport| {
        let [p50, p90, p99, all] = report.took.map(|took| took.map(|took| took.as_secs_f64()));
        RecoveryFigures {
            at: Duration::from_micros(context.clock.unix_micros(report.began)).as_secs_f64(),
            what: report.what,
            held: report.held,
            users: report.users,
            back: report.back,
            seconds: RecoverySeconds { p50, p90, p99, all },
            curve: report.curve,
        }
    };
    context.recoveries.reports().into_iter().map(figures).collect()
}

/// The ledger's groups of losses, with names instead of indices.
pub(crate) fn loss_groups(found: &ledger::LossGroups, usernames: &[Box<str>]) -> NamedLossGroups {
    let rest = OtherLosses { messages: found.rest_messages, deliveries: found.rest_deliveries };
    NamedLossGroups::of(found.largest.iter().map(|group| named(group, usernames)).collect(), rest)
}

fn named(group: &ledger::LossGroup, usernames: &[Box<str>]) -> NamedLossGroup {
    let name = |user: &UserIndex| usernames.get(user.get()).map(|name| name.to_string());
    let sender = |sender: &Sender| match sender {
        Sender::User(user) => name(user),
        Sender::Id(SenderId::NONE) => None,
        Sender::Id(SenderId(id)) => Some(id.to_string()),
    };
    let marker = |subject: &ledger::Subject| subject.marker.map(|marker| marker.head(subject.intended_known));
    NamedLossGroup {
        first: time(group.first_micros).unwrap_or_default(),
        last: time(group.last_micros).unwrap_or_default(),
        deliveries: group.deliveries(),
        messages: group.messages,
        remote_messages: group.remote,
        unread_messages: group.unread,
        receivers: group.receivers,
        receiver_names: group.names.iter().filter_map(name).collect(),
        sender_names: group.senders.iter().filter_map(sender).collect(),
        markers: group.examples.iter().filter_map(marker).collect(),
    }
}

//! What the metrics read: copies of the ledger's and the roster's figures.

use std::sync::Arc;

use crate::ledger::{JudgedTally, Ledger, OriginTally};
use crate::metrics::snapshot::{DeliveryCounts, LedgerSnapshot, LogCounts, Source, UsersSnapshot};
use crate::model::{Origin, PresenceFindings};
use crate::protocol::Driver;
use crate::user::RunContext;

/// A context as the metrics see it.
pub(crate) struct Snapshots<D>(pub(crate) Arc<RunContext<D>>);

impl<D: Driver> Source for Snapshots<D> {
    fn ledger(&self) -> LedgerSnapshot {
        let ledger = self.0.ledger.lock();
        snapshot(&ledger)
    }

    fn users(&self) -> UsersSnapshot {
        UsersSnapshot { target: self.0.roster.len() as u64, states: self.0.roster.counts() }
    }

    fn presence(&self) -> PresenceFindings {
        self.0.membership.lock().findings()
    }
}

fn snapshot(ledger: &Ledger) -> LedgerSnapshot {
    let (local, remote) = (ledger.tally().origin(Origin::Local), ledger.tally().origin(Origin::Remote));
    let by_origin = [counts(local, ledger.outstanding()), counts(remote, ledger.remote_outstanding())];
    LedgerSnapshot {
        by_origin,
        judged: [Origin::Local, Origin::Remote].map(|origin| judged(ledger, origin, &by_origin[origin as usize])),
        judged_durations: [Origin::Local, Origin::Remote].map(|origin| ledger.judged_durations(origin)),
        durations: [local.durations.clone(), remote.durations.clone()],
        foreign: ledger.tally().foreign,
        clock_offset: ledger.clock_offset(),
        anomaly_log: ledger.log_lines().map(|log| LogCounts { lines: log.written, dropped: log.dropped }),
        messages_in_horizon: ledger.remembered() as u64,
    }
}

/// What is judged of all deliveries of an origin.
fn judged(ledger: &Ledger, origin: Origin, all: &DeliveryCounts) -> DeliveryCounts {
    let JudgedTally { expected, outcomes, anomalies } = ledger.judged(origin);
    DeliveryCounts { expected, outcomes, anomalies, ..*all }
}

fn counts(tally: &OriginTally, outstanding: u64) -> DeliveryCounts {
    DeliveryCounts {
        expected: tally.expected,
        outstanding,
        outcomes: tally.outcomes,
        anomalies: tally.anomalies,
        raced: tally.raced,
    }
}

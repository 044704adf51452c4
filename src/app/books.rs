//! What the metrics read: copies of the ledger's and the roster's figures.

use std::sync::Arc;

use crate::chat::{Basis, Origin};
use crate::drivers::Driver;
use crate::ledger::{Ledger, OriginTally};
use crate::metrics::snapshot::{DeliveryCounts, LedgerSnapshot, LogCounts, PresenceSnapshot, Source, UsersSnapshot};
use crate::presence::Findings;
use crate::user::World;

/// A world as the metrics see it.
pub(super) struct Books<D>(pub(super) Arc<World<D>>);

impl<D: Driver> Source for Books<D> {
    fn ledger(&self) -> LedgerSnapshot {
        let ledger = self.0.ledger.lock();
        snapshot(&ledger)
    }

    fn users(&self) -> UsersSnapshot {
        UsersSnapshot { target: self.0.roster.len() as u64, states: self.0.roster.counts() }
    }

    fn presence(&self) -> PresenceSnapshot {
        let Findings { now, most, episodes, lists } = self.0.register.lock().findings();
        PresenceSnapshot { now, most, episodes, lists }
    }
}

fn snapshot(ledger: &Ledger) -> LedgerSnapshot {
    let (local, remote) = (ledger.tally().origin(Origin::Local), ledger.tally().origin(Origin::Remote));
    let by_origin = [counts(local, ledger.outstanding()), counts(remote, ledger.remote_outstanding())];
    LedgerSnapshot {
        by_origin,
        judged: by_origin,
        judged_durations: [local, remote].map(|tally| tally.durations[Basis::Intended as usize].clone()),
        durations: [local.durations.clone(), remote.durations.clone()],
        foreign: ledger.tally().foreign,
        clock_offset: ledger.clock_offset(),
        anomaly_log: ledger.log_lines().map(|log| LogCounts { lines: log.written, dropped: log.dropped }),
        messages_in_horizon: ledger.remembered() as u64,
    }
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

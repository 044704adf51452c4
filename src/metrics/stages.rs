//! Operations and errors by stage: the two numbers behind every error rate, each counted in one place.
//!
//! Three stages are read from where their events are counted anyway: `connect` from the connect
//! attempts, `receive` from the frames received, and `delivery` from the ledger's verdicts.

use crate::metrics::families::{CONNECT_ATTEMPTS, ERRORS, OPERATIONS};
use crate::metrics::hot::Hot;
use crate::metrics::initial;
use crate::metrics::label::LabelSet;
use crate::metrics::snapshot::LedgerSnapshot;
use crate::metrics::tally::Tally;
use crate::model::{Anomaly, FailureKind, Outcome, SocketKind, Stage, Vocabulary};

/// Operations and errors; clones share the counts.
#[derive(Clone)]
pub(crate) struct Stages {
    operations: Tally<Stage>,
    errors: Tally<(Stage, FailureKind)>,
    pub(crate) connect_attempts: Tally<SocketKind>,
    hot: Hot,
}

impl Stages {
    pub(crate) fn new(vocabulary: Vocabulary, hot: Hot) -> prometheus::Result<Self> {
        Ok(Self {
            operations: Tally::new(&OPERATIONS, |_, _| true)?,
            errors: Tally::of(&ERRORS, vocabulary, initial::error)?,
            connect_attempts: Tally::new(&CONNECT_ATTEMPTS, |_, _| true)?,
            hot,
        })
    }

    pub(crate) fn operations_add(&self, stage: Stage, n: u64) {
        self.operations.add(stage, n);
    }

    pub(crate) fn error(&self, stage: Stage, kind: FailureKind) {
        self.errors.add((stage, kind), 1);
    }

    /// Operations of a stage so far.
    pub(crate) fn operations(&self, stage: Stage, ledger: &LedgerSnapshot) -> u64 {
        match stage {
            Stage::Connect => SocketKind::every().map(|socket| self.connect_attempts.get(socket)).sum(),
            Stage::Receive => self.hot.frames().iter().map(|(_, n)| n).sum(),
            Stage::Delivery => ledger.decided(),
            Stage::Signup | Stage::Login | Stage::Room | Stage::Send => self.operations.get(stage),
        }
    }

    /// Errors by stage and kind so far: those shown from the start, and those that happened.
    pub(crate) fn errors(&self, ledger: &LedgerSnapshot) -> Vec<((Stage, FailureKind), u64)> {
        let counted = self.errors.shown().filter(|((stage, _), _)| *stage != Stage::Delivery);
        let judged = [
            ((Stage::Delivery, FailureKind::Lost), ledger.outcome(Outcome::Lost)),
            // By the ledger's definitions the delivery of a corrupt arrival is also lost.
            ((Stage::Delivery, FailureKind::Corrupt), ledger.anomaly(Anomaly::Corrupt)),
        ];
        counted.chain(judged).collect()
    }

    /// Operations of every stage, in order of [`Stage::ALL`].
    pub(crate) fn all_operations(&self, ledger: &LedgerSnapshot) -> Vec<(Stage, u64)> {
        Stage::ALL.iter().map(|stage| (*stage, self.operations(*stage, ledger))).collect()
    }
}

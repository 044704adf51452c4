//! Rates and quantiles of the last seconds, for the status line.
//!
//! Keeps two earlier moments to subtract. It has no clock: `run` passes the time.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::metrics::snapshot::{LedgerSnapshot, UsersSnapshot};
use crate::metrics::totals::Totals;
use crate::model::{Basis, Origin, Outcome, Stage, UserState};
use crate::report::status::{Phase, Status};

/// Quantiles and rates cover at least this long, once the run has lasted as long, and at most twice this.
const WINDOW: Duration = Duration::from_secs(10);

/// What `run` adds to the snapshots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The phase of the run.
    pub phase: Phase,
    /// Time since the start.
    pub elapsed: Duration,
    /// Time since the end of the ramp.
    pub held: Duration,
    /// Time until the end of the hold, if that is known.
    pub remaining: Option<Duration>,
    /// The rate of chats that is set, per second.
    pub chats_target: f64,
    /// Whether the generator is saturated.
    pub saturated: bool,
    /// Whether the sockets are being closed.
    pub closing: bool,
}

/// An earlier moment.
#[derive(Debug, Clone)]
struct Mark {
    at: Duration,
    chats: u64,
    micros: Histogram<u64>,
}

/// Computes rates from successive snapshots.
#[derive(Debug, Default)]
pub struct RateMeter {
    /// The moment to subtract, and the next one.
    base: Option<Mark>,
    next: Option<Mark>,
}

impl RateMeter {
    /// The status now; call it every second.
    pub fn status(
        &mut self,
        moment: Moment,
        ledger: &LedgerSnapshot,
        users: &UsersSnapshot,
        totals: &Totals,
    ) -> Status {
        let micros = ledger.durations(Origin::Local, Basis::Intended);
        let mark = Mark { at: moment.elapsed, chats: totals.chats(), micros: micros.clone() };
        let (chats, p50, p99) = self.base.as_ref().map_or((0.0, None, None), |base| lately(base, &mark));
        self.remember(mark);
        let errors = Stage::ALL.iter().filter(|stage| **stage != Stage::Delivery);
        Status {
            phase: moment.phase,
            elapsed: moment.elapsed,
            held: moment.held,
            remaining: moment.remaining,
            connected: users.state(UserState::Connected),
            target: users.target,
            signing_in: users.state(UserState::SigningIn),
            connecting: users.state(UserState::Connecting),
            backing_off: users.state(UserState::BackingOff),
            away: users.state(UserState::Away),
            failed: users.state(UserState::Failed),
            chats,
            chats_target: moment.chats_target,
            on_time: ledger.outcome(Outcome::OnTime),
            late: ledger.outcome(Outcome::Late),
            lost: ledger.outcome(Outcome::Lost),
            cut_off: [Outcome::ExcusedServer, Outcome::ExcusedNetwork, Outcome::ExcusedSenderCut]
                .map(|outcome| ledger.outcome(outcome))
                .iter()
                .sum(),
            outstanding: ledger.by_origin.iter().map(|counts| counts.outstanding).sum(),
            p50,
            p99,
            errors: errors.map(|stage| totals.stage_errors(*stage)).sum(),
            saturated: moment.saturated,
            closing: moment.closing,
        }
    }

    /// Advances the base, so that it stays between one and two windows old.
    fn remember(&mut self, mark: Mark) {
        let age = |earlier: &Mark| mark.at.saturating_sub(earlier.at);
        match (&self.base, &self.next) {
            (None, _) => self.base = Some(mark),
            (Some(base), None) if age(base) >= WINDOW => self.next = Some(mark),
            (Some(_), Some(next)) if age(next) >= WINDOW => self.base = self.next.replace(mark),
            _ => {}
        }
    }
}

/// Chats per second, and median and 99th percentile of the time to delivery in seconds, since `base`.
fn lately(base: &Mark, now: &Mark) -> (f64, Option<f64>, Option<f64>) {
    let seconds = now.at.saturating_sub(base.at).as_secs_f64();
    let chats = if seconds > 0.0 { now.chats.saturating_sub(base.chats) as f64 / seconds } else { 0.0 };
    let mut micros = now.micros.clone();
    // Both have the same bounds, and counts only grow; if they did not, the whole run would be shown.
    if micros.subtract(&base.micros).is_err() {
        micros = now.micros.clone();
    }
    let quantile = |q| (!micros.is_empty()).then(|| micros.value_at_quantile(q) as f64 / 1e6);
    (chats, quantile(0.5), quantile(0.99))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SentKind;

    /// A run of chats at 20/s with a delivery each, that take 1 ms for a minute and 1 s from then on.
    fn run(seconds: u64) -> Vec<Status> {
        let (mut meter, mut ledger, mut totals) = (RateMeter::default(), LedgerSnapshot::empty(), Totals::default());
        let users = UsersSnapshot { target: 5, states: [0, 0, 0, 4, 0, 0, 1] };
        (0..seconds)
            .map(|second| {
                let micros = if second < 60 { 1_000 } else { 1_000_000 };
                ledger.durations[0][0].record_n(micros, 20).unwrap();
                ledger.by_origin[0].outcomes[0] += 20;
                totals.sent = vec![(SentKind::Chat, 20 * (second + 1))];
                let moment = Moment {
                    phase: Phase::Hold,
                    elapsed: Duration::from_secs(second),
                    held: Duration::from_secs(second),
                    remaining: None,
                    chats_target: 20.0,
                    closing: false,
                    saturated: false,
                };
                meter.status(moment, &ledger, &users, &totals)
            })
            .collect()
    }

    #[test]
    fn rates_and_quantiles_are_of_the_last_seconds() {
        let statuses = run(90);
        assert!(statuses[1..].iter().all(|status| (status.chats - 20.0).abs() < 1e-9), "{statuses:?}");
        let p50 = |second: usize| statuses[second].p50.unwrap();
        assert!(p50(59) < 0.002 && p50(81) > 0.9, "{} {}", p50(59), p50(81));
        assert_eq!((statuses[89].on_time, statuses[89].connected, statuses[89].failed), (1_800, 4, 1));
    }

    #[test]
    fn the_first_status_claims_nothing() {
        let first = &run(1)[0];
        assert_eq!((first.chats, first.p50), (0.0, None));
    }
}

//! The windows in which this generator's own delays are measured and judged.
//!
//! They tile the run. Every ten seconds one of them sets the saturation gauge. They are also cut where
//! the hold begins and ends, so that nothing outside the hold can spoil it and the last part of a
//! short hold is judged like the rest.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use strum::EnumCount;
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::Stamp;
use crate::ledger::Ledger;
use crate::metrics::LagCounts;
use crate::model::{SaturationReason, SpoiltBy};
use crate::protocol::Driver;
use crate::saturation::{Delays, Judge, LIMIT, Probe, WINDOW};
use crate::user::RunContext;

/// If the ledger was not looked at for longer, the process stood still.
const LONGEST_GAP: Duration = Duration::from_millis(200);
/// Fewest intents in a window whose 99th percentile means something.
const FEWEST_INTENTS: u64 = 100;

/// The windows of a run.
#[derive(Default)]
pub(super) struct Windows {
    judge: Arc<Mutex<Judge>>,
    current: Mutex<Current>,
}

/// The current window.
#[derive(Default)]
struct Current {
    /// The probe of read delays, once the run has begun.
    probe: Option<Probe>,
    lags_before: LagCounts,
    /// Delays since the gauge was last set, parts cut off by the hold included.
    since_judged: [Delays; SaturationReason::COUNT],
    saturated: [bool; SaturationReason::COUNT],
}

impl Windows {
    pub(super) fn new(judge: Arc<Mutex<Judge>>) -> Self {
        Self { judge, current: Mutex::default() }
    }

    /// Starts measuring on each of `runtimes` and watching for stalls.
    ///
    /// # Errors
    /// If the system gives no socket pair or thread.
    pub(super) fn begin<D: Driver>(&self, context: &Arc<RunContext<D>>, runtimes: &[Handle]) -> std::io::Result<()> {
        let looking = Arc::clone(context);
        context.ledger.lock().look_for_stalls(LONGEST_GAP, context.clock.now());
        let probe = Probe::start(context.clock, runtimes, move |now| looking.ledger.lock().look(now))?;
        let mut current = self.current.lock();
        current.probe = Some(probe);
        current.lags_before = context.metrics.lag_counts();
        Ok(())
    }

    /// Ends the current window and begins the next.
    pub(super) fn cut<D: Driver>(&self, context: &RunContext<D>) {
        let mut current = self.current.lock();
        let lags = context.metrics.lag_counts();
        let lag = lags.since(&current.lags_before);
        current.lags_before = lags;
        let lag = Delays { total: lag.total(), over: lag.over(LIMIT) };
        let read = current.probe.as_ref().map(Probe::take).unwrap_or_default();
        current.since_judged[SaturationReason::ScheduleLag as usize] += lag;
        current.since_judged[SaturationReason::ReadDelay as usize] += read;
        window_over(&mut context.ledger.lock(), lag, read, context.clock.now());
    }

    /// Cuts windows until `until` is cancelled, then the last one; warns when the generator is the
    /// bottleneck.
    pub(super) async fn watch<D: Driver>(&self, context: &RunContext<D>, until: CancellationToken) {
        let mut ticks = interval(WINDOW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            let goes_on = tokio::select! {
                () = until.cancelled() => false,
                _ = ticks.tick() => true,
            };
            self.cut(context);
            if !goes_on {
                return;
            }
            self.judge(context);
        }
    }

    fn judge<D: Driver>(&self, context: &RunContext<D>) {
        let mut current = self.current.lock();
        let now = self.judge.lock().window(std::mem::take(&mut current.since_judged));
        let was = std::mem::replace(&mut current.saturated, now);
        for reason in SaturationReason::ALL {
            let (is, was) = (now[*reason as usize], was[*reason as usize]);
            context.metrics.saturated(*reason, is);
            if is && !was {
                tracing::error!(
                    reason = reason.as_str(),
                    "the generator itself is the bottleneck: its figures describe it, not the server"
                );
            }
        }
    }
}

/// Ends the ledger's window, in which these delays were measured. A stall spoils only its own length of
/// time, not the window around it.
fn window_over(ledger: &mut Ledger, lag: Delays, read: Delays, now: Stamp) {
    let stalled = ledger.stalled(now);
    ledger.window_over(bad(lag.without_stalls(stalled), read.without_stalls(stalled)), now);
}

/// What spoilt a window with these delays.
fn bad(lag: Delays, read: Delays) -> &'static [SpoiltBy] {
    match (lag.total >= FEWEST_INTENTS && lag.bad(), read.bad()) {
        (false, false) => &[],
        (true, false) => &[SpoiltBy::ScheduleLag],
        (false, true) => &[SpoiltBy::ReadDelay],
        (true, true) => &[SpoiltBy::ScheduleLag, SpoiltBy::ReadDelay],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Identity, RoomShare};
    use crate::marker::{GeneratorTag, RoomTag, RunTag};
    use crate::model::{DeliveryRules, DeliveryTerms};

    const IDENTITY: Identity = Identity { run: RunTag(1), generator: GeneratorTag(1), origin_micros: 0 };

    /// Seconds of a hold of three windows that read delays and stalls have spoilt. The probe looks fifty
    /// times a second, but for `stall` in the second window, of whose 500 delays `over` are over the limit.
    fn spoilt(stall: Duration, over: u64) -> (u64, u64) {
        let terms = DeliveryTerms { deadline: WINDOW, horizon: WINDOW };
        let mut ledger = Ledger::new(terms, DeliveryRules::ALL, IDENTITY, &[RoomShare { tag: RoomTag(1), users: 1 }]);
        ledger.look_for_stalls(LONGEST_GAP, Stamp::default());
        ledger.hold_begins(Stamp::default());
        for n in 1..=1_500 {
            let at = Stamp::default().plus(Duration::from_millis(20) * n);
            let stalled = Stamp::default().plus(WINDOW)..Stamp::default().plus(WINDOW + stall);
            if !stalled.contains(&at) {
                ledger.look(at);
            }
            if n % 500 == 0 {
                let read = Delays { total: 500, over: if n == 1_000 { over } else { 0 } };
                window_over(&mut ledger, Delays::default(), read, at);
            }
        }
        let by = ledger.spoilt().by;
        (by[SpoiltBy::ReadDelay as usize].as_secs(), by[SpoiltBy::Stall as usize].as_secs())
    }

    #[test]
    fn sockets_that_are_read_late_spoil_their_window() {
        assert_eq!(spoilt(Duration::ZERO, 5), (0, 0));
        assert_eq!(spoilt(Duration::ZERO, 6), (10, 0));
    }

    #[test]
    fn a_stall_spoils_its_own_time_unless_more_is_late_than_it_explains() {
        assert_eq!(spoilt(Duration::from_secs(1), 45), (0, 1));
        assert_eq!(spoilt(Duration::from_secs(1), 90), (10, 1));
    }

    #[test]
    fn a_window_is_spoilt_by_each_delay_over_the_limit() {
        let (good, over) = (Delays { total: 500, over: 5 }, Delays { total: 500, over: 6 });
        assert!(bad(good, good).is_empty());
        assert_eq!(bad(good, over), [SpoiltBy::ReadDelay]);
        assert_eq!(bad(over, good), [SpoiltBy::ScheduleLag]);
        assert_eq!(bad(over, over).len(), 2);
    }

    #[test]
    fn a_stall_does_not_spoil_the_window_around_it() {
        // 0.3 s of 10 s, with 50 samples per second: 15 were late, 10 of them over the limit.
        let read = Delays { total: 500, over: 10 };
        assert_eq!(bad(Delays::default(), read), [SpoiltBy::ReadDelay]);
        assert!(bad(Delays::default(), read.without_stalls(0.03)).is_empty());
        assert_eq!(bad(Delays::default(), Delays { total: 500, over: 40 }.without_stalls(0.03)), [SpoiltBy::ReadDelay]);
    }

    #[test]
    fn one_late_intent_of_few_spoils_nothing() {
        let (few, many) = (Delays { total: 99, over: 2 }, Delays { total: 100, over: 2 });
        assert!(bad(few, Delays::default()).is_empty());
        assert_eq!(bad(many, Delays::default()), [SpoiltBy::ScheduleLag]);
    }
}

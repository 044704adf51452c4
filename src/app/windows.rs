//! The windows in which this generator's own delays are measured, and what comes of each.
//!
//! They tile the run. Every ten seconds the gauge of saturation is judged by one; they are cut where
//! the hold begins and ends, too, so that nothing outside the hold can spoil it, and the last part of
//! a short hold is judged like the rest.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use strum::EnumCount;
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::chat::{SaturationReason, SpoiltBy};
use crate::drivers::Driver;
use crate::metrics::LagCounts;
use crate::saturation::{Delays, Judge, LIMIT, Probe, WINDOW};
use crate::user::World;

/// A longer time without a look at the ledger means that the process stood still.
const SHORTEST_STALL: Duration = Duration::from_millis(200);
/// Of fewer intents in a window, a 99th percentile says nothing.
const FEWEST_INTENTS: u64 = 100;

/// The windows of a run.
#[derive(Default)]
pub(super) struct Windows {
    judge: Arc<Mutex<Judge>>,
    current: Mutex<Current>,
}

/// The window that is not over.
#[derive(Default)]
struct Current {
    /// Once the run has begun.
    probe: Option<Probe>,
    lags_before: LagCounts,
    /// Delays since the gauge was last judged, the parts that were cut off included.
    since_judged: [Delays; SaturationReason::COUNT],
    saturated: [bool; SaturationReason::COUNT],
}

impl Windows {
    pub(super) fn new(judge: Arc<Mutex<Judge>>) -> Self {
        Self { judge, current: Mutex::default() }
    }

    /// Begins to measure on each of `runtimes`, and to look for stalls.
    ///
    /// # Errors
    /// Where the system gives no socket pair or thread.
    pub(super) fn begin<D: Driver>(&self, world: &Arc<World<D>>, runtimes: &[Handle]) -> std::io::Result<()> {
        let looking = Arc::clone(world);
        world.ledger.lock().look_for_stalls(SHORTEST_STALL, world.clock.now());
        let probe = Probe::start(world.clock, runtimes, move |now| looking.ledger.lock().look(now))?;
        let mut current = self.current.lock();
        current.probe = Some(probe);
        current.lags_before = world.metrics.lag_counts();
        Ok(())
    }

    /// Ends the present window and begins the next.
    pub(super) fn cut<D: Driver>(&self, world: &World<D>) {
        let mut current = self.current.lock();
        let lags = world.metrics.lag_counts();
        let lag = lags.since(&current.lags_before);
        current.lags_before = lags;
        let lag = Delays { total: lag.total(), over: lag.over(LIMIT) };
        let read = current.probe.as_ref().map(Probe::take).unwrap_or_default();
        current.since_judged[SaturationReason::ScheduleLag as usize] += lag;
        current.since_judged[SaturationReason::ReadDelay as usize] += read;
        // A stall is spoilt time by itself, for as long as it was, and not for the window around it.
        let (mut ledger, now) = (world.ledger.lock(), world.clock.now());
        let stalled = ledger.stalled(now);
        ledger.window_over(bad(lag.without_stalls(stalled), read.without_stalls(stalled)), now);
    }

    /// Cuts windows until it is cancelled, and then the last; says so when the generator is the
    /// bottleneck.
    pub(super) async fn watch<D: Driver>(&self, world: &World<D>, until: CancellationToken) {
        let mut ticks = interval(WINDOW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            let goes_on = tokio::select! {
                () = until.cancelled() => false,
                _ = ticks.tick() => true,
            };
            self.cut(world);
            if !goes_on {
                return;
            }
            self.judge(world);
        }
    }

    fn judge<D: Driver>(&self, world: &World<D>) {
        let mut current = self.current.lock();
        let now = self.judge.lock().window(std::mem::take(&mut current.since_judged));
        let was = std::mem::replace(&mut current.saturated, now);
        for reason in SaturationReason::ALL {
            let (is, was) = (now[*reason as usize], was[*reason as usize]);
            world.metrics.saturated(*reason, is);
            if is && !was {
                tracing::error!(
                    reason = reason.as_str(),
                    "the generator itself is the bottleneck: its figures are about itself, not about the server"
                );
            }
        }
    }
}

/// What a window with such delays was spoilt by.
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
        // 0.3 s of 10 s, with 50 looks a second: 15 were late, 10 of them over the limit.
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

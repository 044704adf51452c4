//! Gives the schedule's intents to users in the room, at the set rates.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Stamp;
use crate::model::{Action, DropReason, Stage, Volume};
use crate::schedule::Intent;
use crate::schedule::limit::Limit;
use crate::schedule::pacer::Dispatch;
use crate::schedule::set_rates::{SetRates, Traffic};
use crate::user::RunContext;

/// An intent this late is dropped: this process stood still, and the server must not get everything that was
/// due meanwhile at once.
const OVERDUE: Duration = Duration::from_secs(1);

/// After an intent this late, the generator catches up for as long as [`OVERDUE`]; if every user then already
/// has an intent, that is not the server's fault.
const LATE: Duration = Duration::from_millis(100);

/// The time until which this generator catches up with its schedule.
#[derive(Debug, Default)]
struct Lateness(Stamp);

impl Lateness {
    /// The reason for dropping an intent issued this late when every user already has one.
    fn when_all_are_busy(&mut self, intended: Stamp, late: Duration) -> DropReason {
        let now = intended.plus(late);
        if late > LATE {
            self.0 = now.plus(OVERDUE);
        }
        if now < self.0 { DropReason::Overdue } else { DropReason::Backpressure }
    }
}

/// Gives intents to the users of a context.
pub struct Dispatcher<D> {
    context: Arc<RunContext<D>>,
    rates: Arc<SetRates>,
    /// The volumes in force, and their version.
    traffic: Traffic,
    version: u64,
    /// Ceiling of the sending rate, so that a bug in the schedule cannot cause a flood.
    ceiling: Limit,
    /// Set once the ramp is over; until then a set total is scaled to the users present.
    ramped: Arc<AtomicBool>,
    lateness: Lateness,
}

impl<D> Dispatcher<D> {
    /// A dispatcher that scales set totals to the users present until `ramped` is set.
    pub fn new(context: Arc<RunContext<D>>, rates: Arc<SetRates>, ramped: Arc<AtomicBool>) -> Self {
        let (version, traffic) = (rates.version(), rates.in_force());
        let ceiling = ceiling(&context, &rates);
        Self { context, rates, traffic, version, ceiling, ramped, lateness: Lateness::default() }
    }

    /// Takes over changed rates.
    fn follow(&mut self) {
        let version = self.rates.version();
        if version != self.version {
            (self.version, self.traffic) = (version, self.rates.in_force());
            self.ceiling = ceiling(&self.context, &self.rates);
        }
    }
}

/// A limit of twice the rate with an equal burst: room for a late wake-up, but not for a flood.
fn ceiling<D>(context: &RunContext<D>, rates: &SetRates) -> Limit {
    // Use the set rates even if paused: intents that are already due are issued after a pause begins.
    let set = rates.set_volumes();
    let most: f64 = Action::ALL.iter().map(|a| set[*a as usize].per_second(context.roster.able(*a).1)).sum();
    let twice = most.mul_add(2.0, 10.0).min(1e9);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded just above")]
    let burst = NonZeroU32::new(twice.ceil() as u32).unwrap_or(NonZeroU32::MIN);
    Limit::with_burst(twice, burst, context.clock)
}

impl<D: Send + Sync + 'static> Dispatch for Dispatcher<D> {
    fn rate(&mut self, action: Action) -> f64 {
        self.follow();
        let (connected, users) = self.context.roster.able(action);
        let (connected, users) = (count(connected), count(users));
        let rate = match self.traffic[action as usize] {
            Volume::Off => 0.0,
            Volume::Total(rate) if self.ramped.load(Ordering::Relaxed) => rate,
            Volume::Total(rate) => rate * connected / users.max(1.0),
            Volume::PerUser(each) => each * connected,
        };
        self.context.metrics.rate_target(action, rate);
        rate
    }

    fn issue(&mut self, intent: Intent, late: Duration) {
        self.context.metrics.operation(Stage::Send);
        self.context.metrics.schedule_lag(late);
        let busy = self.lateness.when_all_are_busy(intent.intended, late);
        if late > OVERDUE {
            self.context.metrics.dropped(intent.action, DropReason::Overdue);
        } else if self.ceiling.allows() {
            self.context.dispatch(intent, busy);
        } else {
            self.context.metrics.dropped(intent.action, busy);
        }
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.rates.changed()
    }
}

fn count(n: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2⁵³ users")]
    let n = n as f64;
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_for_want_of_a_free_user_are_overdue_while_the_generator_catches_up() {
        let ms = Duration::from_millis;
        let mut lateness = Lateness::default();
        let mut busy = |at: u64, late: u64| lateness.when_all_are_busy(Stamp::default().plus(ms(at - late)), ms(late));
        assert_eq!(busy(1_000, 100), DropReason::Backpressure);
        assert_eq!(busy(5_000, 101), DropReason::Overdue);
        assert_eq!(busy(5_000, 0), DropReason::Overdue, "the last of those that were due in a stall");
        assert_eq!(busy(5_999, 1), DropReason::Overdue);
        assert_eq!(busy(6_000, 1), DropReason::Backpressure);
    }
}

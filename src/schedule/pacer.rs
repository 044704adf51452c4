//! The task that issues intents: it sleeps until the next is due, then issues all that are due.
//!
//! It never waits for users: the dispatch takes an intent at once or drops it.

use std::time::Duration;

use strum::EnumCount;
use tokio_util::sync::CancellationToken;

use super::Intent;
use super::alarm::Alarm;
use super::timetable::Timetable;
use crate::clock::{Clock, Stamp};
use crate::model::{Action, Pacing};

/// Default interval at which rates are read again, since they may follow the number of connected users.
const RATE_INTERVAL: Duration = Duration::from_millis(100);

/// Maximum number of intents of an action per turn. If more are due, as after the process stood still, other
/// actions and a stop get their turn in between.
const TURN: usize = 1_000;

/// Takes intents, and sets their rates.
pub trait Dispatch: Send + Sync {
    /// The current rate of an action, per second; 0 for none.
    fn rate(&mut self, action: Action) -> f64;

    /// Takes an intent, `late` after its time.
    fn issue(&mut self, intent: Intent, late: Duration);

    /// Returns when a rate has changed that must take effect at once.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// The timetables of all actions, and the dispatch that takes their intents.
#[derive(Debug)]
pub struct Pacer<D> {
    clock: Clock,
    tables: [Timetable; Action::COUNT],
    dispatch: D,
    rate_interval: Duration,
    alarm: Alarm,
}

impl<D: Dispatch> Pacer<D> {
    /// A pacer whose schedule depends only on `seed`.
    pub fn new(clock: Clock, pacing: Pacing, seed: u64, dispatch: D) -> Self {
        let tables = std::array::from_fn(|i| Timetable::new(pacing, seed.wrapping_add(i as u64)));
        Self { clock, tables, dispatch, rate_interval: RATE_INTERVAL, alarm: Alarm::default() }
    }

    /// Sets the interval at which rates are read. The times of intents do not depend on it.
    #[must_use]
    pub fn asking_every(self, rate_interval: Duration) -> Self {
        Self { rate_interval, ..self }
    }

    /// Uses this alarm instead of the runtime's timer.
    #[must_use]
    pub fn waking_by(self, alarm: Alarm) -> Self {
        Self { alarm, ..self }
    }

    /// Issues intents until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let now = self.clock.now();
            let more = self.issue_due(now);
            if more && !stop.is_cancelled() {
                // A changed rate would give intents that are already due a different time.
                tokio::task::yield_now().await;
                continue;
            }
            self.take_rates(now);
            let wake = self.next_wake(now);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.dispatch.changed() => {}
                () = self.alarm.wait(&self.clock, wake) => {}
            }
        }
    }

    /// Issues the intents due at `now`, each action's in order. True if more are due, which the next turn issues
    /// with an updated lateness.
    fn issue_due(&mut self, now: Stamp) -> bool {
        let mut more = false;
        for (action, table) in Action::ALL.iter().zip(&mut self.tables) {
            let due = std::iter::from_fn(|| table.take_due(now)).take(TURN);
            for intended in due {
                self.dispatch.issue(Intent { action: *action, intended }, now.since(intended));
            }
            more |= table.next().is_some_and(|next| next <= now);
        }
        more
    }

    fn take_rates(&mut self, now: Stamp) {
        for (action, table) in Action::ALL.iter().zip(&mut self.tables) {
            table.set_rate(self.dispatch.rate(*action), now);
        }
    }

    fn next_wake(&self, now: Stamp) -> Stamp {
        let next = self.tables.iter().filter_map(Timetable::next).min();
        let latest = now.plus(self.rate_interval);
        next.map_or(latest, |n| n.min(latest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, mpsc};

    use rand::rngs::SmallRng;
    use rand::{RngExt as _, SeedableRng as _};

    use crate::model::Volume;
    use crate::schedule::set_rates::SetRates;

    struct Count(mpsc::Sender<(Intent, Duration)>, f64);

    impl Dispatch for Count {
        fn rate(&mut self, action: Action) -> f64 {
            if action == Action::Chat { self.1 } else { 0.0 }
        }

        fn issue(&mut self, intent: Intent, late: Duration) {
            self.0.send((intent, late)).unwrap();
        }
    }

    async fn run_for(rate: f64, time: Duration) -> Vec<(Intent, Duration)> {
        let (tx, rx) = mpsc::channel();
        let stop = CancellationToken::new();
        let pacer = Pacer::new(Clock::start(), Pacing::Even, 1, Count(tx, rate));
        let task = tokio::spawn(pacer.run(stop.clone()));
        tokio::time::sleep(time).await;
        stop.cancel();
        task.await.unwrap();
        rx.into_iter().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_count_over_a_minute_is_exact_at_every_rate() {
        for rate in [1.0, 7.0, 1_000.0, 10_000.0] {
            let issued = run_for(rate, Duration::from_secs(60)).await.len();
            #[allow(clippy::cast_precision_loss)]
            let off = (issued as f64 - rate * 60.0).abs();
            // A millisecond of timer resolution at each end.
            assert!(off <= 1.0 + rate / 500.0, "{rate}/s gave {issued}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_much_is_due_a_stop_is_heard() {
        let (tx, rx) = mpsc::channel();
        let (clock, stop) = (Clock::start(), CancellationToken::new());
        let pacer = Pacer::new(clock, Pacing::Even, 1, Count(tx, 1_000_000.0));
        let task = tokio::spawn(pacer.run(stop.clone()));
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_secs(600)).await;
        tokio::task::yield_now().await;
        stop.cancel();
        task.await.unwrap();
        let issued = rx.into_iter().count();
        assert!((1..=10 * TURN).contains(&issued), "{issued} of 600 million");
    }

    /// A dispatch whose rate is changed from outside.
    struct Steered(mpsc::Sender<Intent>, Arc<SetRates>);

    impl Dispatch for Steered {
        fn rate(&mut self, action: Action) -> f64 {
            self.1.in_force()[action as usize].per_second(1)
        }

        fn issue(&mut self, intent: Intent, _: Duration) {
            self.0.send(intent).unwrap();
        }

        fn changed(&self) -> impl Future<Output = ()> + Send {
            self.1.changed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_that_changes_a_thousand_times_loses_and_doubles_no_intent() {
        let clock = Clock::start();
        let rates = Arc::new(SetRates::new([Volume::Total(50.0), Volume::Off, Volume::Off], [1; Action::COUNT]));
        let (tx, rx) = mpsc::channel();
        let stop = CancellationToken::new();
        rates.hold_begins(clock.now());
        let pacer = Pacer::new(clock, Pacing::Even, 1, Steered(tx, Arc::clone(&rates)));
        let task = tokio::spawn(pacer.run(stop.clone()));
        let mut chance = SmallRng::seed_from_u64(7);
        for _ in 0..1_000 {
            tokio::time::sleep(Duration::from_micros(chance.random_range(1..400_000))).await;
            match chance.random_range(0..4) {
                0 => drop(rates.pause(true, clock.now())),
                1 => drop(rates.pause(false, clock.now())),
                _ => rates.set(Action::Chat, Volume::Total(chance.random_range(0.0..300.0)), clock.now()),
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (now, seconds) = (clock.now(), clock.now().since(Stamp::default()).as_secs_f64());
        stop.cancel();
        task.await.unwrap();
        let issued: Vec<Stamp> = rx.into_iter().map(|intent| intent.intended).collect();
        let owed = rates.mean(now)[Action::Chat as usize] * seconds;
        // A changed rate takes effect within the timer's millisecond.
        let off = (issued.len() as f64 - owed).abs();
        assert!(off <= 1.0 + owed / 1_000.0, "{} issued, {owed} owed", issued.len());
        assert!(issued.windows(2).all(|pair| pair[0] < pair[1]), "one came twice, or before an earlier one");
    }

    #[tokio::test(start_paused = true)]
    async fn intents_keep_their_intended_times() {
        let issued = run_for(4.0, Duration::from_secs(2)).await;
        let times: Vec<u64> = issued.iter().map(|(i, _)| i.intended.0 / 1_000_000).collect();
        assert_eq!(times, [250, 500, 750, 1000, 1250, 1500, 1750, 2000][..times.len()]);
        assert!(times.len() >= 7);
    }
}

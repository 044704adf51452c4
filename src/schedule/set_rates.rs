//! The set rates, which commands may change during a run: those in force, and their means.
//!
//! The set number of intents is the integral of the rate over time, however often the rate was changed.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use strum::EnumCount;
use tokio::sync::Notify;

use crate::clock::Stamp;
use crate::model::{Action, Volume};

/// The volumes of all actions, by [`Action`]; totals are per second.
pub type Traffic = [Volume<f64>; Action::COUNT];

/// The number of users who may carry out each action, connected or not, by [`Action`].
pub type Able = [usize; Action::COUNT];

/// The set rates.
#[derive(Debug)]
pub struct SetRates {
    state: Mutex<State>,
    /// Counts changes, so that frequent readers need not lock.
    version: AtomicU64,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    traffic: Traffic,
    is_paused: bool,
    able: Able,
    hold: Hold,
}

/// The integrals of the rates in the hold so far.
#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    began: Option<Stamp>,
    ended: Option<Stamp>,
    /// The time up to which the integrals reach.
    until: Stamp,
    intents: [f64; Action::COUNT],
    /// Whether anything has changed since it began.
    has_changes: bool,
}

impl State {
    fn in_force(&self) -> Traffic {
        if self.is_paused { [Volume::Off; Action::COUNT] } else { self.traffic }
    }

    fn rates(&self) -> [f64; Action::COUNT] {
        let in_force = self.in_force();
        std::array::from_fn(|i| in_force[i].per_second(self.able[i]))
    }

    /// The hold, with integrals up to `now`.
    fn hold_until(&self, now: Stamp) -> Hold {
        let mut hold = self.hold;
        let now = hold.ended.map_or(now, |ended| ended.min(now));
        if hold.began.is_some() && now > hold.until {
            let seconds = now.since(hold.until).as_secs_f64();
            for (sum, rate) in hold.intents.iter_mut().zip(self.rates()) {
                *sum += rate * seconds;
            }
            hold.until = now;
        }
        hold
    }
}

impl SetRates {
    /// These volumes, for `able` users.
    #[must_use]
    pub fn new(traffic: Traffic, able: Able) -> Self {
        let state = State { traffic, is_paused: false, able, hold: Hold::default() };
        Self { state: Mutex::new(state), version: AtomicU64::new(0), changed: Notify::new() }
    }

    /// A number that changes with the rates.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The volumes in force; off while paused.
    #[must_use]
    pub fn in_force(&self) -> Traffic {
        self.state.lock().in_force()
    }

    /// The volumes that are set, paused or not.
    #[must_use]
    pub fn set_volumes(&self) -> Traffic {
        self.state.lock().traffic
    }

    /// Whether the run is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.state.lock().is_paused
    }

    /// The set rate of intents per second, with every user connected; by [`Action`].
    #[must_use]
    pub fn now(&self) -> [f64; Action::COUNT] {
        self.state.lock().rates()
    }

    /// Sets a volume from now on.
    pub fn set(&self, action: Action, volume: Volume<f64>, now: Stamp) {
        self.change(now, |state| state.traffic[action as usize] = volume);
    }

    /// Pauses or resumes intents; returns whether that was a change.
    pub fn pause(&self, paused: bool, now: Stamp) -> bool {
        self.change(now, |state| std::mem::replace(&mut state.is_paused, paused) != paused)
    }

    /// Sets the number of users who may carry out each action.
    pub fn set_able(&self, able: Able, now: Stamp) {
        self.change(now, |state| state.able = able);
    }

    fn change<T>(&self, now: Stamp, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        state.hold = state.hold_until(now);
        state.hold.has_changes |= state.hold.began.is_some();
        let done = change(&mut state);
        drop(state);
        self.version.fetch_add(1, Ordering::AcqRel);
        self.changed.notify_one();
        done
    }

    /// Returns after the next change, or at once if there was one since.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Begins the hold; only the first call has an effect.
    pub fn hold_begins(&self, now: Stamp) {
        let mut state = self.state.lock();
        if state.hold.began.is_none() {
            state.hold = Hold { began: Some(now), until: now, ..Hold::default() };
        }
    }

    /// Ends the hold; only the first call has an effect.
    pub fn hold_ends(&self, now: Stamp) {
        let mut state = self.state.lock();
        if state.hold.ended.is_none() {
            state.hold = state.hold_until(now);
            state.hold.ended = Some(now);
        }
    }

    /// The mean set rate of intents per second in the hold so far; without a hold, the rates that are set now.
    #[must_use]
    pub fn mean(&self, now: Stamp) -> [f64; Action::COUNT] {
        let state = self.state.lock();
        let hold = if state.hold.has_changes { state.hold_until(now) } else { Hold::default() };
        let seconds = hold.began.map_or(0.0, |began| hold.until.since(began).as_secs_f64());
        if seconds > 0.0 { hold.intents.map(|intents| nine_decimals(intents / seconds)) } else { state.rates() }
    }
}

/// Rounds a rate to billionths, to remove the error of summing products.
fn nine_decimals(rate: f64) -> f64 {
    (rate * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const CHAT: usize = Action::Chat as usize;

    fn at(seconds: u64) -> Stamp {
        Stamp::default().plus(Duration::from_secs(seconds))
    }

    fn set(volume: Volume<f64>) -> SetRates {
        SetRates::new([volume, Volume::Off, Volume::Off], [10; Action::COUNT])
    }

    #[test]
    fn each_rate_counts_as_long_as_it_was_in_force_in_the_hold() {
        let rates = set(Volume::Total(4.0));
        assert_eq!(rates.mean(at(5))[CHAT].to_bits(), 4.0_f64.to_bits(), "before the hold");
        rates.set(Action::Chat, Volume::Total(1.0), at(8));
        rates.hold_begins(at(10));
        rates.set(Action::Chat, Volume::Total(3.0), at(20));
        assert!(rates.pause(true, at(30)) && !rates.pause(true, at(31)));
        assert_eq!((rates.now()[CHAT].to_bits(), rates.is_paused()), (0.0_f64.to_bits(), true));
        assert!(rates.pause(false, at(40)));
        rates.hold_ends(at(50));
        rates.set(Action::Chat, Volume::Total(100.0), at(60));
        // 10 s each of 1, 3, 0 and 3 a second.
        assert!((rates.mean(at(70))[CHAT] - 1.75).abs() < 1e-9);
    }

    #[test]
    fn rates_of_each_user_follow_the_number_of_users() {
        let rates = set(Volume::PerUser(0.5));
        rates.hold_begins(at(0));
        rates.set_able([30; Action::COUNT], at(5));
        assert!((rates.mean(at(10))[CHAT] - 10.0).abs() < 1e-9, "5 s each of 5 and 15 a second");
        assert_eq!(rates.version(), 1);
    }
}

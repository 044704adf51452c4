//! How long users take to reconnect after their connections ended together or in a planned disruption.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Stamp;
use crate::model::{UserIndex, return_curve};

/// Maximum number of recoveries; later ones are not tracked.
pub const MOST_RECOVERIES: usize = 100;
/// Maximum number of returns that one recovery keeps.
const MOST_RETURNS: usize = 1 << 20;
/// Shares of the users whose return is reported: half, 90 %, 99 % and all.
pub const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// Tracks users who are expected back.
#[derive(Debug, Default)]
pub struct Recoveries {
    /// Whether any user is awaited or a disruption is in progress; users who join check only this.
    any: AtomicBool,
    all: Mutex<Vec<Recovery>>,
}

/// Users who lost their connections for one reason, and the returns so far.
#[derive(Debug, Clone)]
struct Recovery {
    what: String,
    began: Stamp,
    /// Users who were connected when it began.
    held: u64,
    /// Whether the users themselves ended their connections.
    is_reset: bool,
    /// Whether users whose connections end now belong to it.
    is_open: bool,
    /// When each absent user lost its connection.
    away: HashMap<u32, Stamp>,
    /// Times until users were back, in milliseconds.
    back: Vec<u32>,
    /// The report, until something changes.
    told: Option<RecoveryReport>,
}

/// The state of one recovery.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoveryReport {
    /// What ended the connections, in words.
    pub what: String,
    /// When it began.
    pub began: Stamp,
    /// Users who were connected when it began.
    pub held: u64,
    /// Connections that ended.
    pub users: u64,
    /// Number of those users who have joined again.
    pub back: u64,
    /// Time until each of [`SHARES`] was back; `None` if it is not.
    pub took: [Option<Duration>; SHARES.len()],
    /// Users back at each [moment](crate::model::return_moment); after the last entry the number stays.
    pub curve: Vec<u64>,
}

impl Recovery {
    fn report(&mut self) -> RecoveryReport {
        let report = self.told.take().unwrap_or_else(|| self.told_now());
        self.told.insert(report).clone()
    }

    fn told_now(&self) -> RecoveryReport {
        let mut back = self.back.clone();
        back.sort_unstable();
        let users = back.len() + self.away.len();
        let after = |share: f64| {
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "users are far fewer than 2⁵³"
            )]
            let nth = ((share * users as f64).ceil() as usize).max(1);
            back.get(nth - 1).map(|millis| Duration::from_millis(u64::from(*millis)))
        };
        RecoveryReport {
            what: self.what.clone(),
            began: self.began,
            held: self.held,
            users: users as u64,
            back: back.len() as u64,
            took: SHARES.map(after),
            curve: return_curve(&back),
        }
    }
}

impl Recoveries {
    /// Notes that the connections of `users`, out of `held` connected ones, end on purpose at `began`.
    pub fn reset(&self, what: String, began: Stamp, held: u64, users: &[UserIndex]) {
        let away = users.iter().map(|user| (user.0, began)).collect();
        self.add(Recovery { what, began, held, is_reset: true, is_open: false, away, back: Vec::new(), told: None });
    }

    /// Whether connections were ended on purpose and none of those users is back yet.
    #[must_use]
    pub fn all_are_gone(&self) -> bool {
        let is_gone = |recovery: &Recovery| recovery.is_reset && recovery.back.is_empty() && !recovery.away.is_empty();
        self.any.load(Ordering::Acquire) && self.all.lock().iter().any(is_gone)
    }

    /// Begins a planned disruption while `held` users are connected: users whose connections are cut from now on
    /// belong to it.
    pub fn disruption(&self, what: String, began: Stamp, held: u64) {
        let (away, back) = (HashMap::new(), Vec::new());
        self.add(Recovery { what, began, held, is_reset: false, is_open: true, away, back, told: None });
    }

    fn add(&self, recovery: Recovery) {
        let mut all = self.all.lock();
        if all.len() < MOST_RECOVERIES {
            all.push(recovery);
            self.any.store(true, Ordering::Release);
        }
    }

    /// Ends the planned disruption; users who are still away stay awaited.
    pub fn disruption_ends(&self) {
        let mut all = self.all.lock();
        all.iter_mut().for_each(|recovery| recovery.is_open = false);
        self.note(&all);
    }

    /// Notes that the server or the network cut a user's connection.
    pub fn cut(&self, user: UserIndex, at: Stamp) {
        if self.any.load(Ordering::Acquire) {
            let mut all = self.all.lock();
            for recovery in all.iter_mut().filter(|recovery| recovery.is_open) {
                recovery.away.entry(user.0).or_insert(at);
                recovery.told = None;
            }
        }
    }

    /// Notes that a user has joined.
    pub fn joined(&self, user: UserIndex, at: Stamp) {
        if self.any.load(Ordering::Acquire) {
            let mut all = self.all.lock();
            for recovery in all.iter_mut() {
                if let Some(since) = recovery.away.remove(&user.0)
                    && recovery.back.len() < MOST_RETURNS
                {
                    recovery.back.push(u32::try_from(at.since(since).as_millis()).unwrap_or(u32::MAX));
                    recovery.told = None;
                }
            }
            self.note(&all);
        }
    }

    /// Removes a user who will not come back from all recoveries.
    pub fn gone(&self, user: UserIndex) {
        let mut all = self.all.lock();
        for recovery in all.iter_mut() {
            if recovery.away.remove(&user.0).is_some() {
                recovery.told = None;
            }
        }
        self.note(&all);
    }

    fn note(&self, all: &[Recovery]) {
        let any = all.iter().any(|recovery| recovery.is_open || !recovery.away.is_empty());
        self.any.store(any, Ordering::Release);
    }

    /// All recoveries, in order; disruptions that cut no connection are left out.
    #[must_use]
    pub fn reports(&self) -> Vec<RecoveryReport> {
        self.all.lock().iter_mut().map(Recovery::report).filter(|report| report.users > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Stamp {
        Stamp::default().plus(Duration::from_secs(seconds))
    }

    fn seconds(report: &RecoveryReport) -> [Option<u64>; 4] {
        report.took.map(|took| took.map(|took| took.as_secs()))
    }

    #[test]
    fn shares_are_back_when_so_many_of_the_users_have_joined_again() {
        let recoveries = Recoveries::default();
        let users: Vec<UserIndex> = (0..10).map(UserIndex).collect();
        recoveries.joined(UserIndex(3), at(1));
        assert!(recoveries.reports().is_empty());
        recoveries.reset("disconnect 100%".into(), at(10), 10, &users);
        assert!(recoveries.all_are_gone());
        for (user, when) in (0..9).zip(11..) {
            recoveries.joined(UserIndex(user), at(when));
            recoveries.joined(UserIndex(user), at(when + 100));
        }
        let report = recoveries.reports().remove(0);
        assert!(!recoveries.all_are_gone());
        assert_eq!((report.held, report.users, report.back), (10, 10, 9));
        assert_eq!((report.curve[9], report.curve[10], report.curve[13]), (0, 1, 1), "after 0.8, 1 and 2 s");
        assert_eq!(report.curve.last(), Some(&9));
        assert_eq!(seconds(&report), [Some(5), Some(9), None, None]);
        // A user who will not come back is not awaited.
        recoveries.gone(UserIndex(9));
        let report = recoveries.reports().remove(0);
        assert_eq!((report.users, seconds(&report)), (9, [Some(5), Some(9), Some(9), Some(9)]));
    }

    #[test]
    fn a_disruption_has_those_who_were_cut_while_it_went_on() {
        let recoveries = Recoveries::default();
        recoveries.cut(UserIndex(0), at(1));
        recoveries.disruption("deploy".into(), at(2), 4);
        recoveries.cut(UserIndex(1), at(3));
        recoveries.joined(UserIndex(1), at(4));
        recoveries.cut(UserIndex(1), at(5));
        recoveries.cut(UserIndex(2), at(5));
        recoveries.disruption_ends();
        recoveries.cut(UserIndex(3), at(6));
        recoveries.joined(UserIndex(1), at(8));
        recoveries.joined(UserIndex(2), at(9));
        let reports = recoveries.reports();
        assert_eq!((reports[0].users, reports[0].back), (3, 3), "each cut counts");
        assert_eq!(seconds(&reports[0]), [Some(3), Some(4), Some(4), Some(4)]);
        recoveries.disruption("another".into(), at(20), 4);
        assert_eq!(recoveries.reports().len(), 1, "no user was cut in it");
    }
}

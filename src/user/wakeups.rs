//! What wakes a user besides its socket: its slot and its alarm.
//!
//! Every read of every user ends with a check of both, which must be cheap. A registered listener is not
//! registered again, and an alarm that cannot have gone off yet is not touched: with ten thousand users, each
//! access is a cache miss.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::time::{Sleep, sleep_until};

use crate::clock::{Clock, Stamp};
use crate::model::UserIndex;
use crate::pool::Roster;

/// The slot and the alarm of one connection.
pub(super) struct Wakeups<'a> {
    roster: &'a Roster,
    me: UserIndex,
    due: Stamp,
    /// The timer that goes off at `due`.
    alarm: Pin<Box<Sleep>>,
    /// The waker that slot and alarm will wake; `None` after either did.
    listener: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wakeup {
    /// The slot was notified.
    Notified,
    /// The alarm has gone off.
    Time,
}

impl<'a> Wakeups<'a> {
    /// Wakeups from the slot of `me`, and from an alarm that goes off at `due`.
    pub(super) fn new(roster: &'a Roster, me: UserIndex, due: Stamp, clock: &Clock) -> Self {
        let alarm = Box::pin(sleep_until(clock.instant(due)));
        Self { roster, me, due, alarm, listener: None }
    }

    /// Sets the alarm again.
    pub(super) fn set(&mut self, due: Stamp, clock: &Clock) {
        self.alarm.as_mut().reset(clock.instant(due));
        self.due = due;
        self.listener = None;
    }

    /// The next wake-up. `now` is the time, if it was read just now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, now: Option<Stamp>) -> Poll<Wakeup> {
        let is_registered = self.listener.as_ref().is_some_and(|listener| listener.will_wake(cx.waker()));
        if !is_registered {
            self.roster.listen(self.me, cx.waker());
        }
        if self.roster.was_notified(self.me) {
            self.listener = None;
            return Poll::Ready(Wakeup::Notified);
        }
        let has_time = if is_registered {
            now.is_none_or(|now| now >= self.due) && self.alarm.is_elapsed()
        } else {
            self.listener = Some(cx.waker().clone());
            self.alarm.as_mut().poll(cx).is_ready()
        };
        if has_time {
            self.listener = None;
            return Poll::Ready(Wakeup::Time);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use futures_util::poll;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn slot_and_alarm_each_wake_the_listener() {
        let (clock, roster) = (Clock::start(), Roster::new(2, 1));
        let due = Stamp(0).plus(Duration::from_secs(25));
        let mut wakeups = Wakeups::new(&roster, UserIndex(1), due, &clock);
        let mut next = poll_fn(|cx| wakeups.poll(cx, None));
        assert!(poll!(&mut next).is_pending());
        roster.notify(UserIndex(0));
        assert!(poll!(&mut next).is_pending(), "another user was");
        roster.notify(UserIndex(1));
        assert_eq!(poll!(&mut next), Poll::Ready(Wakeup::Notified));
        assert!(poll!(&mut next).is_pending(), "a notification wakes once");
        advance(Duration::from_secs(26)).await;
        assert_eq!(poll!(&mut next), Poll::Ready(Wakeup::Time));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_before_the_alarm_says_that_it_is_silent_and_one_after_it_does_not() {
        let (clock, roster) = (Clock::start(), Roster::new(2, 1));
        let due = Stamp(0).plus(Duration::from_secs(25));
        let mut wakeups = Wakeups::new(&roster, UserIndex(1), due, &clock);
        let mut now = Some(clock.now());
        assert!(poll!(poll_fn(|cx| wakeups.poll(cx, now))).is_pending());
        advance(Duration::from_secs(26)).await;
        now = Some(clock.now());
        assert_eq!(poll!(poll_fn(|cx| wakeups.poll(cx, now))), Poll::Ready(Wakeup::Time));
        // After being set again, it goes off again.
        let later = due.plus(Duration::from_secs(25));
        wakeups.set(later, &clock);
        assert!(poll!(poll_fn(|cx| wakeups.poll(cx, Some(clock.now())))).is_pending());
        let called = poll_fn(|cx| wakeups.poll(cx, None)).await;
        assert_eq!((called, clock.now() >= later), (Wakeup::Time, true));
    }
}

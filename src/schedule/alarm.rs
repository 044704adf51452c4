//! The timer of the schedule: the runtime's, or one of the system's.
//!
//! The runtime counts in milliseconds and rounds up twice, so intents would be one or two milliseconds late.
//! A timer of the system is exact to some microseconds, but ignores a paused clock.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::net::unix::pipe::Receiver;

use crate::clock::{Clock, Stamp};

/// Shortest wait. Above 2,000 intents per second, several are issued at a time.
const SHORTEST: Duration = Duration::from_micros(500);

/// Wakes a task at a given time.
#[derive(Debug, Default)]
pub enum Alarm {
    /// The runtime's timer, which a paused clock pauses too.
    #[default]
    Runtime,
    /// A timer of the system.
    System(Timer),
}

/// A timer of the system (`timerfd_create(2)`).
#[derive(Debug)]
pub struct Timer {
    timer: TimerFd,
    /// The same timer, for reading. Like a pipe it yields eight bytes each time it has gone off.
    told: Receiver,
}

impl Alarm {
    /// Creates a timer of the system. Call it on a runtime.
    ///
    /// # Errors
    /// If the system has no descriptors left.
    pub fn exact() -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        let told = Receiver::from_owned_fd_unchecked(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self::System(Timer { timer, told }))
    }

    /// Waits until `at` or a little longer; at least 0.5 ms with the system's timer. Cancel-safe.
    pub async fn wait(&self, clock: &Clock, at: Stamp) {
        if let Self::System(timer) = self {
            let left = at.since(clock.now()).max(SHORTEST);
            if timer.wait(left).await.is_ok() {
                return;
            }
        }
        tokio::time::sleep_until(clock.instant(at)).await;
    }
}

impl Timer {
    async fn wait(&self, time: Duration) -> io::Result<()> {
        // Setting it again discards the rest of the previous wait.
        self.timer.set(Expiration::OneShot(TimeSpec::from_duration(time)), TimerSetTimeFlags::empty())?;
        loop {
            self.told.readable().await?;
            match self.told.try_read(&mut [0; 8]) {
                Ok(_) => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_early_and_can_be_set_again() {
        let (clock, alarm) = (Clock::start(), Alarm::exact().unwrap());
        assert!(matches!(alarm, Alarm::System(_)));
        for millis in [0, 1, 20, 3] {
            let at = clock.now().plus(Duration::from_millis(millis));
            alarm.wait(&clock, at).await;
            assert!(clock.now() >= at);
        }
        // A cancelled wait, before or after its end, does not shorten the next one.
        for wait in [Duration::from_secs(3_600), Duration::from_micros(600)] {
            let given_up = clock.now().plus(wait);
            tokio::select! {
                biased;
                () = alarm.wait(&clock, given_up) => {}
                () = tokio::time::sleep(Duration::from_millis(2)) => {}
            }
            let at = clock.now().plus(Duration::from_millis(10));
            alarm.wait(&clock, at).await;
            assert!(clock.now() >= at);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_carries_the_runtimes_timer() {
        let clock = Clock::start();
        let at = clock.now().plus(Duration::from_secs(3_600));
        Alarm::default().wait(&clock, at).await;
        assert!(clock.now() >= at);
    }
}

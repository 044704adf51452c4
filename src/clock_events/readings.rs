//! Reads the kernel's three clocks together.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Longest time for the three readings to belong together.
const SPREAD: Duration = Duration::from_millis(1);
/// Number of attempts, since a busy machine may interrupt a reading.
const TRIES: u32 = 16;

/// The three clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readings {
    /// `CLOCK_MONOTONIC`: stops while the machine sleeps.
    pub monotonic: Duration,
    /// `CLOCK_BOOTTIME`: continues while the machine sleeps.
    pub boot: Duration,
    /// `CLOCK_REALTIME`, since the Unix epoch: may be set.
    pub wall: Duration,
}

impl Readings {
    /// Reads the clocks; `None` if the process never managed to read all three at one moment.
    #[must_use]
    pub fn take() -> Option<Self> {
        (0..TRIES).find_map(|_| {
            let monotonic = read(ClockId::CLOCK_MONOTONIC)?;
            let boot = read(ClockId::CLOCK_BOOTTIME)?;
            let wall = read(ClockId::CLOCK_REALTIME)?;
            let spread = read(ClockId::CLOCK_MONOTONIC)?.checked_sub(monotonic)?;
            (spread <= SPREAD).then_some(Self { monotonic, boot, wall })
        })
    }
}

fn read(clock: ClockId) -> Option<Duration> {
    let time = clock_gettime(clock).ok()?;
    Some(Duration::new(u64::try_from(time.tv_sec()).ok()?, u32::try_from(time.tv_nsec()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_of_this_machine_are_read() {
        let (first, second) = (Readings::take().unwrap(), Readings::take().unwrap());
        assert!(second.monotonic >= first.monotonic && second.boot >= second.monotonic, "{first:?} {second:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        assert!(now.abs_diff(second.wall) < Duration::from_secs(60), "{second:?}");
    }
}

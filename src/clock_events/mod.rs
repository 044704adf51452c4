//! Detects clock events: a wall clock that is set, a machine that sleeps, a process that stands still.
//!
//! Three clocks of the kernel, read at intervals ([`Readings`]), tell them apart: the monotonic one stops while
//! the machine sleeps, the one since boot does not, and only the wall clock can be set. The [`Detector`] is pure:
//! it is given the readings.

mod readings;

pub use readings::Readings;

use std::time::Duration;

use crate::model::ClockEvent;

/// Shortest sleep of the machine that is detected.
pub const SHORTEST_SUSPEND: Duration = Duration::from_millis(500);
/// If a reading is late by this much, the process stood still.
pub const SHORTEST_STALL: Duration = Duration::from_secs(2);
/// Smallest step of the wall clock that is reported; smaller ones are ordinary corrections.
pub const SMALLEST_JUMP: Duration = Duration::from_millis(100);
/// A clock under correction may run faster or slower by one part in this many; Linux allows half of that.
const SLEW: u32 = 1_000;

/// A clock event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockChange {
    /// Its kind.
    pub event: ClockEvent,
    /// How far the clock was set, how long the machine slept, how long the process stood still.
    pub length: Duration,
    /// Whether the wall clock was set back rather than ahead.
    pub back: bool,
}

/// Compares each reading with the previous one.
#[derive(Debug)]
pub struct Detector {
    last: Readings,
    interval: Duration,
}

impl Detector {
    /// A detector that gets readings every `interval`, the first of them now.
    #[must_use]
    pub fn new(first: Readings, interval: Duration) -> Self {
        Self { last: first, interval }
    }

    /// The clock events since the last reading; there may be several.
    pub fn look(&mut self, now: Readings) -> impl Iterator<Item = ClockChange> + use<> {
        let last = std::mem::replace(&mut self.last, now);
        let awake = now.monotonic.saturating_sub(last.monotonic);
        let passed = now.boot.saturating_sub(last.boot);
        let (wall, back) = match now.wall.checked_sub(last.wall + passed) {
            Some(ahead) => (ahead, false),
            None => ((last.wall + passed).saturating_sub(now.wall), true),
        };
        let change = |event, length, least, back| (length >= least).then_some(ClockChange { event, length, back });
        [
            change(ClockEvent::WallJump, wall, SMALLEST_JUMP + passed / SLEW, back),
            change(ClockEvent::Suspend, passed.saturating_sub(awake), SHORTEST_SUSPEND, false),
            change(ClockEvent::Stall, awake.saturating_sub(self.interval), SHORTEST_STALL, false),
        ]
        .into_iter()
        .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const INTERVAL: Duration = Duration::from_millis(250);
    const HOUR: Duration = Duration::from_secs(3600);

    /// Clocks that the test controls.
    struct Clocks {
        now: Readings,
        detector: Detector,
    }

    impl Clocks {
        fn new() -> Self {
            let now = Readings { monotonic: HOUR, boot: HOUR * 3, wall: HOUR * 500_000 };
            Self { now, detector: Detector::new(now, INTERVAL) }
        }

        /// Lets `awake` and `asleep` pass, and sets the wall clock by `jump` seconds.
        fn pass(&mut self, awake: Duration, asleep: Duration, jump: f64) -> Vec<ClockChange> {
            self.now.monotonic += awake;
            self.now.boot += awake + asleep;
            self.now.wall += awake + asleep;
            let by = Duration::from_secs_f64(jump.abs());
            if jump < 0.0 {
                self.now.wall -= by;
            } else {
                self.now.wall += by;
            }
            self.detector.look(self.now).collect()
        }
    }

    fn change(event: ClockEvent, length: Duration, back: bool) -> ClockChange {
        ClockChange { event, length, back }
    }

    #[test]
    fn each_is_distinguished_from_the_others() {
        let mut clocks = Clocks::new();
        assert_eq!(clocks.pass(INTERVAL, Duration::ZERO, 0.0), []);
        let ahead = clocks.pass(INTERVAL, Duration::ZERO, 3600.0);
        assert_eq!(ahead, [change(ClockEvent::WallJump, HOUR, false)]);
        let back = clocks.pass(INTERVAL, Duration::ZERO, -3600.0);
        assert_eq!(back, [change(ClockEvent::WallJump, HOUR, true)]);
        let slept = clocks.pass(INTERVAL, HOUR, 0.0);
        assert_eq!(slept, [change(ClockEvent::Suspend, HOUR, false)]);
        let stood = clocks.pass(HOUR + INTERVAL, Duration::ZERO, 0.0);
        assert_eq!(stood, [change(ClockEvent::Stall, HOUR, false)]);
        assert_eq!(clocks.pass(INTERVAL, Duration::ZERO, 0.0), [], "each is told once");
    }

    #[test]
    fn a_sleeping_machine_may_wake_with_another_time() {
        let both = Clocks::new().pass(INTERVAL, HOUR, -60.0);
        let jump = change(ClockEvent::WallJump, Duration::from_secs(60), true);
        assert_eq!(both, [jump, change(ClockEvent::Suspend, HOUR, false)]);
    }

    #[test]
    fn a_clock_under_correction_does_not_jump() {
        let mut clocks = Clocks::new();
        for _ in 0..10_000 {
            // 500 ppm, the kernel's maximum correction.
            assert_eq!(clocks.pass(INTERVAL, Duration::ZERO, 125e-6), []);
        }
        // Nor after ten minutes without a reading.
        let stall = clocks.pass(HOUR / 6, Duration::ZERO, 0.3);
        assert_eq!(stall.iter().map(|change| change.event).collect::<Vec<_>>(), [ClockEvent::Stall]);
    }

    proptest! {
        #[test]
        fn reported_figures_add_up(steps in prop::collection::vec((0..10_000_u64, 0..10_000_u64, -5_000..5_000_i64), 1..60)) {
            let mut clocks = Clocks::new();
            for (awake, asleep, jump) in steps {
                let (awake, asleep) = (Duration::from_millis(awake), Duration::from_millis(asleep));
                #[allow(clippy::cast_precision_loss)]
                let told = clocks.pass(awake, asleep, jump as f64 / 1e3);
                let of = |event| told.iter().find(|change| change.event == event).copied();
                prop_assert_eq!(of(ClockEvent::Suspend).is_some(), asleep >= SHORTEST_SUSPEND);
                prop_assert_eq!(of(ClockEvent::Stall).is_some(), awake >= INTERVAL + SHORTEST_STALL);
                let jumped = Duration::from_millis(jump.unsigned_abs());
                match of(ClockEvent::WallJump) {
                    Some(told) => prop_assert_eq!((told.length, told.back), (jumped, jump < 0)),
                    None => prop_assert!(jumped <= SMALLEST_JUMP + (awake + asleep) / SLEW),
                }
                if let Some(told) = of(ClockEvent::Suspend) {
                    prop_assert_eq!(told.length, asleep);
                }
                if let Some(told) = of(ClockEvent::Stall) {
                    prop_assert_eq!(told.length, awake.checked_sub(INTERVAL).unwrap());
                }
            }
        }

        #[test]
        fn whatever_the_clocks_say_is_taken(readings in prop::collection::vec((0..u64::MAX / 4, 0..u64::MAX / 4, 0..u64::MAX / 4), 2..20)) {
            let reading = |(m, b, w)| Readings {
                monotonic: Duration::from_nanos(m),
                boot: Duration::from_nanos(b),
                wall: Duration::from_nanos(w),
            };
            let mut detector = Detector::new(reading(readings[0]), INTERVAL);
            for r in &readings[1..] {
                prop_assert!(detector.look(reading(*r)).count() <= 3);
            }
        }
    }
}

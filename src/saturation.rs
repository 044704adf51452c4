//! Whether the generator itself is the bottleneck: how late intents are issued, and how long readable sockets
//! wait to be read.
//!
//! The verdict is pure ([`Judge`]). A [`Probe`] measures the read delay: a thread writes to a socket pair fifty
//! times per second, and a task that waits for its turn like every user's task reads it; there is one pair per
//! runtime of users. It writes the time at which the write was due, so that a process that does not run at all
//! also shows.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use strum::EnumCount;
use tokio::io::AsyncReadExt as _;
use tokio::runtime::Handle;

use crate::clock::{Clock, Stamp};
use crate::model::SaturationReason;

/// Delays over this are the generator's fault.
pub const LIMIT: Duration = Duration::from_millis(100);
/// Delays are judged over windows of this length.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Number of consecutive bad windows that mean saturation.
pub const WINDOWS_IN_A_ROW: u32 = 3;
/// Interval between two samples of the read delay.
const SAMPLE: Duration = Duration::from_millis(20);
/// Missed samples are made up for as far back as this.
const MISSED: Duration = WINDOW;

/// The number of delays in a window, and of those over [`LIMIT`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delays {
    /// All delays.
    pub total: u64,
    /// Those over the limit.
    pub over: u64,
}

impl std::ops::AddAssign for Delays {
    fn add_assign(&mut self, more: Self) {
        self.total += more.total;
        self.over += more.over;
    }
}

impl Delays {
    /// The delays without those that stalls explain; stalls were `part` of the window, from 0 to 1.
    #[must_use]
    pub fn without_stalls(self, part: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the total")]
        let explained = (self.total as f64 * part.clamp(0.0, 1.0)).ceil() as u64;
        Self { total: self.total, over: self.over.saturating_sub(explained) }
    }

    /// Whether the 99th percentile is over the limit.
    #[must_use]
    pub fn bad(self) -> bool {
        self.over * 100 > self.total
    }
}

/// Counts bad windows.
#[derive(Debug, Default)]
pub struct Judge {
    in_a_row: [u32; SaturationReason::COUNT],
    any_in_a_row: u32,
    saturated_by: [Duration; SaturationReason::COUNT],
    saturated: Duration,
}

impl Judge {
    /// Takes a window's delays, by reason; returns the reasons that now hold.
    pub fn window(&mut self, delays: [Delays; SaturationReason::COUNT]) -> [bool; SaturationReason::COUNT] {
        let mut any = false;
        for (i, delays) in delays.iter().enumerate() {
            let time = run_of_bad(&mut self.in_a_row[i], delays.bad());
            self.saturated_by[i] += time;
            any |= self.in_a_row[i] >= WINDOWS_IN_A_ROW;
        }
        // Overlapping reasons count once.
        let longest = self.in_a_row.iter().copied().max().unwrap_or(0);
        self.saturated += match (any, self.any_in_a_row >= WINDOWS_IN_A_ROW) {
            (true, true) => WINDOW,
            (true, false) => WINDOW * WINDOWS_IN_A_ROW,
            (false, _) => Duration::ZERO,
        };
        self.any_in_a_row = longest;
        std::array::from_fn(|i| self.in_a_row[i] >= WINDOWS_IN_A_ROW)
    }

    /// Notes that the whole process stood still for `time`: every intent of that time was issued late.
    pub fn stood_still(&mut self, time: Duration) {
        self.saturated_by[SaturationReason::ScheduleLag as usize] += time;
        self.saturated += time;
    }

    /// Whether any reason holds now.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.any_in_a_row >= WINDOWS_IN_A_ROW
    }

    /// How long any reason has held so far, its first windows included.
    #[must_use]
    pub fn saturated(&self) -> Duration {
        self.saturated
    }

    /// How long each reason has held so far.
    #[must_use]
    pub fn saturated_by(&self) -> [Duration; SaturationReason::COUNT] {
        self.saturated_by
    }
}

/// Continues or breaks a run of bad windows; returns the time that it adds to saturation.
fn run_of_bad(in_a_row: &mut u32, bad: bool) -> Duration {
    if !bad {
        *in_a_row = 0;
        return Duration::ZERO;
    }
    *in_a_row += 1;
    match (*in_a_row).cmp(&WINDOWS_IN_A_ROW) {
        std::cmp::Ordering::Less => Duration::ZERO,
        std::cmp::Ordering::Equal => WINDOW * WINDOWS_IN_A_ROW,
        std::cmp::Ordering::Greater => WINDOW,
    }
}

/// Measures the delay between readable and read. Stops when dropped.
#[derive(Debug)]
pub struct Probe {
    counts: Arc<SampleCounts>,
    readers: Vec<tokio::task::JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct SampleCounts {
    total: AtomicU64,
    over: AtomicU64,
    stop: AtomicBool,
}

/// The writing end of one socket pair, and the time of its next write.
struct Pulse {
    near: UnixStream,
    due: Stamp,
}

impl Pulse {
    /// Makes the writes that are due at `now`. If the pipe is full, nothing is being read, which the pending
    /// samples will show.
    fn beat(&mut self, now: Stamp) {
        self.due = self.due.max(Stamp(now.0.saturating_sub(Stamp::default().plus(MISSED).0)));
        while self.due <= now && self.near.write(&self.due.0.to_le_bytes()).is_ok() {
            self.due = self.due.plus(SAMPLE);
        }
    }
}

impl Probe {
    /// Starts measuring on each of `runtimes`, or on the current one if there are none. The writing thread calls
    /// `beat` each time it runs: every 20 ms, unless it is kept from running.
    ///
    /// # Errors
    /// If the system gives no socket pair or thread.
    pub fn start(
        clock: Clock,
        runtimes: &[Handle],
        mut beat: impl FnMut(Stamp) + Send + 'static,
    ) -> std::io::Result<Self> {
        let counts = Arc::new(SampleCounts::default());
        let current = Handle::current();
        let runtimes = if runtimes.is_empty() { std::slice::from_ref(&current) } else { runtimes };
        let (mut pulses, mut readers) = (Vec::new(), Vec::new());
        for runtime in runtimes {
            let (near, far) = UnixStream::pair()?;
            near.set_nonblocking(true)?;
            far.set_nonblocking(true)?;
            pulses.push(Pulse { near, due: clock.now() });
            let _there = runtime.enter();
            let far = tokio::net::UnixStream::from_std(far)?;
            readers.push(runtime.spawn(read(far, clock, Arc::clone(&counts))));
        }
        let theirs = Arc::clone(&counts);
        std::thread::Builder::new().name("read-delay".to_owned()).spawn(move || {
            while !theirs.stop.load(Ordering::Relaxed) {
                let now = clock.now();
                beat(now);
                pulses.iter_mut().for_each(|pulse| pulse.beat(now));
                let next = pulses.iter().map(|pulse| pulse.due).min().unwrap_or(now);
                std::thread::sleep(next.since(clock.now()).clamp(Duration::from_millis(1), SAMPLE));
            }
        })?;
        Ok(Self { counts, readers })
    }

    /// The delays since the last call.
    #[must_use]
    pub fn take(&self) -> Delays {
        Delays {
            total: self.counts.total.swap(0, Ordering::Relaxed),
            over: self.counts.over.swap(0, Ordering::Relaxed),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        self.readers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Reads the samples in turn with the users' tasks, and counts their delays.
async fn read(mut far: tokio::net::UnixStream, clock: Clock, counts: Arc<SampleCounts>) {
    let mut bytes = [0; 8];
    while far.read_exact(&mut bytes).await.is_ok() {
        let waited = clock.now().since(Stamp(u64::from_le_bytes(bytes)));
        counts.total.fetch_add(1, Ordering::Relaxed);
        counts.over.fetch_add(u64::from(waited > LIMIT), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Delays = Delays { total: 1000, over: 10 };
    const BAD: Delays = Delays { total: 1000, over: 11 };

    #[test]
    fn three_bad_windows_in_a_row_and_no_less() {
        let mut judge = Judge::default();
        for _ in 0..5 {
            judge.window([BAD, GOOD]);
            judge.window([BAD, GOOD]);
            assert_eq!(judge.window([GOOD, GOOD]), [false, false]);
        }
        assert_eq!(judge.saturated(), Duration::ZERO);
        judge.window([BAD, GOOD]);
        judge.window([BAD, GOOD]);
        assert_eq!(judge.window([BAD, GOOD]), [true, false]);
        judge.window([BAD, GOOD]);
        assert_eq!(judge.saturated(), WINDOW * 4);
        assert_eq!(judge.saturated_by(), [WINDOW * 4, Duration::ZERO]);
    }

    #[test]
    fn overlapping_reasons_count_once() {
        let mut judge = Judge::default();
        for _ in 0..4 {
            judge.window([BAD, BAD]);
        }
        assert_eq!(judge.saturated(), WINDOW * 4);
        assert_eq!(judge.saturated_by(), [WINDOW * 4; 2]);
    }

    #[test]
    fn standing_still_is_saturation_for_as_long() {
        let mut judge = Judge::default();
        judge.stood_still(Duration::from_secs(4));
        assert_eq!((judge.saturated(), judge.saturated_by()[0]), (Duration::from_secs(4), Duration::from_secs(4)));
        assert!(!judge.is_saturated(), "it goes on");
    }

    #[test]
    fn an_empty_window_is_not_bad() {
        assert!(!Delays::default().bad());
    }

    #[tokio::test]
    async fn a_runtime_that_is_kept_busy_reads_late() {
        let probe = Probe::start(Clock::start(), &[], |_| {}).unwrap();
        let seen = samples_around(&probe, || {
            let until = std::time::Instant::now() + LIMIT * 5;
            while std::time::Instant::now() < until {
                std::hint::spin_loop();
            }
        });
        let seen = seen.await;
        // The samples of the first four fifths of that time waited longer than the limit.
        assert!(seen.over >= 10, "{seen:?}");
    }

    /// The samples of a time in which the runtime's only thread does `work`.
    async fn samples_around(probe: &Probe, work: impl FnOnce()) -> Delays {
        let until = std::time::Instant::now() + Duration::from_secs(10);
        let mut seen = Delays::default();
        let mut work = Some(work);
        while seen.total < 25 && std::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if let Some(work) = work.take() {
                work();
            }
            seen += probe.take();
        }
        seen
    }

    #[tokio::test]
    async fn an_idle_runtime_reads_at_once() {
        let probe = Probe::start(Clock::start(), &[], |_| {}).unwrap();
        // A machine busy with other things may not show it every time.
        for _ in 0..100 {
            let seen = samples_around(&probe, || {}).await;
            if seen.total >= 25 && seen.over <= 10 {
                return;
            }
        }
        panic!("it was late in each of a hundred windows");
    }
}

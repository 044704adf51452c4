//! Keeps a broken server from filling a disk with logs: each place in the code may write ten lines in ten seconds;
//! further lines are counted, and the place's window grows up to ten minutes.
//!
//! So in the long run a place writes at most ten lines in ten minutes. A place is a log macro in the program.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use crate::model::STEPS;

/// The tracing target of progress lines. They have their own intervals, one per plenary, and are never suppressed.
pub const PROGRESS: &str = "soakrig::report::progress";

/// Maximum number of lines of a place per window.
const LINES: u32 = 10;
/// Shortest window of a place.
const SHORTEST: Duration = Duration::from_secs(10);
/// Longest window of a place that keeps exceeding its limit.
const LONGEST: Duration = Duration::from_secs(600);

/// Suppressed lines of one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// The place in the code.
    pub place: String,
    /// The level of its lines.
    pub level: Level,
    /// Number of suppressed lines.
    pub lines: u64,
}

#[derive(Debug)]
struct CallSite {
    metadata: &'static Metadata<'static>,
    window: Duration,
    window_begin: Instant,
    written: u32,
    /// Whether lines were suppressed in this window.
    overflowed: bool,
    unreported: u64,
}

impl CallSite {
    fn new(metadata: &'static Metadata<'static>, now: Instant) -> Self {
        Self { metadata, window: SHORTEST, window_begin: now, written: 0, overflowed: false, unreported: 0 }
    }

    fn admit(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.window_begin) >= self.window {
            self.window = if self.overflowed { (self.window * 2).min(LONGEST) } else { SHORTEST };
            (self.window_begin, self.written, self.overflowed) = (now, 0, false);
        }
        if self.written < LINES {
            self.written += 1;
            return true;
        }
        self.overflowed = true;
        self.unreported += 1;
        false
    }
}

/// Counts lines by place; clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Limiter {
    call_sites: Arc<Mutex<HashMap<Identifier, CallSite>>>,
}

impl Limiter {
    /// Whether a line of this place may be written now.
    fn admit(&self, metadata: &'static Metadata<'static>, now: Instant) -> bool {
        // --verbose asks for every step, so do not limit steps.
        if matches!(metadata.target(), PROGRESS | STEPS) {
            return true;
        }
        let mut call_sites = self.call_sites.lock();
        call_sites.entry(metadata.callsite()).or_insert_with(|| CallSite::new(metadata, now)).admit(now)
    }

    /// Takes the counts of suppressed lines since the last call.
    #[must_use]
    pub fn drain(&self) -> Vec<Suppressed> {
        let mut call_sites = self.call_sites.lock();
        let speechless = call_sites.values_mut().filter(|place| place.unreported > 0);
        speechless
            .map(|place| Suppressed {
                place: format!("{}:{}", place.metadata.target(), place.metadata.line().unwrap_or(0)),
                level: *place.metadata.level(),
                lines: std::mem::take(&mut place.unreported),
            })
            .collect()
    }
}

impl<S: Subscriber> Filter<S> for Limiter {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        self.admit(event.metadata(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::callsite::Callsite;

    /// Creates a new place at each use.
    macro_rules! place {
        () => {
            tracing::callsite! { name: "place", kind: tracing::metadata::Kind::EVENT, fields: }.metadata()
        };
    }

    fn admitted(limiter: &Limiter, place: &'static Metadata<'static>, now: Instant, lines: usize) -> usize {
        (0..lines).filter(|_| limiter.admit(place, now)).count()
    }

    #[test]
    fn ten_lines_a_window_and_each_place_for_itself() {
        let (limiter, begin) = (Limiter::default(), Instant::now());
        let (one, other) = (place!(), place!());
        assert_eq!(admitted(&limiter, one, begin, 25), 10);
        assert_eq!(admitted(&limiter, other, begin, 3), 3);
        assert_eq!(admitted(&limiter, one, begin + SHORTEST, 4), 4);
        let left_out = limiter.drain();
        assert_eq!(left_out.len(), 1);
        assert_eq!(left_out[0].lines, 15);
        assert!(limiter.drain().is_empty());
    }

    #[test]
    fn lines_about_progress_are_never_left_out() {
        let limiter = Limiter::default();
        let place = tracing::callsite! { name: "place", kind: tracing::metadata::Kind::EVENT, target: PROGRESS, level: Level::INFO, fields: };
        assert_eq!(admitted(&limiter, place.metadata(), Instant::now(), 1_000), 1_000);
        assert!(limiter.drain().is_empty());
    }

    #[test]
    fn no_step_is_left_out() {
        let limiter = Limiter::default();
        let place = tracing::callsite! { name: "place", kind: tracing::metadata::Kind::EVENT, target: STEPS, level: Level::DEBUG, fields: };
        assert_eq!(admitted(&limiter, place.metadata(), Instant::now(), 1_000), 1_000);
    }

    #[test]
    fn a_day_of_shouting_stays_short() {
        let (limiter, begin) = (Limiter::default(), Instant::now());
        let place = place!();
        let written: usize =
            (0..86_400).map(|second| admitted(&limiter, place, begin + Duration::from_secs(second), 20)).sum();
        assert!(written <= 86_400 / 600 * 10 + 100, "{written} lines");
    }

    #[test]
    fn a_place_that_calms_down_is_heard_again_at_once() {
        let (limiter, begin) = (Limiter::default(), Instant::now());
        let place = place!();
        admitted(&limiter, place, begin, 100);
        assert_eq!(admitted(&limiter, place, begin + SHORTEST, 1), 1);
        let after_quiet = begin + SHORTEST + SHORTEST * 2;
        assert_eq!(admitted(&limiter, place, after_quiet, 12), 10);
        assert_eq!(admitted(&limiter, place, after_quiet + SHORTEST, 1), 1);
    }
}

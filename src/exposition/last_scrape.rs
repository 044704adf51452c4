//! Who looks at the metrics regularly, so that a run's last figures are seen before it ends.
//!
//! Without this, what happened after the last scrape is never known to Prometheus, and a run that
//! was told to stop looks like one that died. Knows neither pages nor runs.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// The longest wait for another look; covers the usual intervals of up to 15 s.
const MOST: Duration = Duration::from_secs(16);
/// How late a look may come.
const SLACK: Duration = Duration::from_secs(1);

/// The looks so far.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    last: Option<Instant>,
    interval: Option<Duration>,
}

/// Notes looks and waits for them; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct RegularScrapes(watch::Sender<Seen>);

impl RegularScrapes {
    /// Somebody looks.
    pub(super) fn note(&self) {
        let now = Instant::now();
        self.0.send_modify(|seen| {
            seen.interval = seen.last.map(|last| now - last);
            seen.last = Some(now);
        });
    }

    /// Waits for the look that is due next; not at all where nobody looks regularly, or where the
    /// look is overdue. True if it came.
    pub(super) async fn another(&self) -> bool {
        let mut looks = self.0.subscribe();
        let seen = *looks.borrow_and_update();
        let (Some(last), Some(interval)) = (seen.last, seen.interval) else { return false };
        let due = last + (interval + SLACK).min(MOST);
        timeout_at(due, looks.changed()).await.is_ok_and(|changed| changed.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    async fn looked(times: u32) -> RegularScrapes {
        let looks = RegularScrapes::default();
        for _ in 0..times {
            tokio::time::advance(INTERVAL).await;
            looks.note();
        }
        looks
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_or_once_looked_is_not_waited_for() {
        for times in [0, 1] {
            let looks = looked(times).await;
            let began = Instant::now();
            assert!(!looks.another().await);
            assert_eq!(Instant::now(), began);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_regular_look_is_waited_for() {
        let looks = looked(3).await;
        let later = looks.clone();
        tokio::spawn(async move {
            tokio::time::sleep(INTERVAL).await;
            later.note();
        });
        assert!(looks.another().await);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_went_away_is_not_waited_for_long() {
        let looks = looked(3).await;
        let began = Instant::now();
        assert!(!looks.another().await);
        assert_eq!(Instant::now() - began, INTERVAL + SLACK);
        assert!(!looks.another().await);
        assert_eq!(Instant::now() - began, INTERVAL + SLACK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rare_look_is_not_waited_for_to_the_end() {
        let looks = RegularScrapes::default();
        looks.note();
        tokio::time::advance(Duration::from_secs(3600)).await;
        looks.note();
        let began = Instant::now();
        assert!(!looks.another().await);
        assert_eq!(Instant::now() - began, MOST);
    }
}

//! Who scrapes at the metrics regularly, so that a run's last figures are times before it ends.
//!
//! Without this, what happened after the last scrape is never known to Prometheus, and a run that
//! was told to stop scrapes like one that died. Knows neither pages nor runs.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// The longest wait for another scrape; covers the usual intervals of up to 15 s.
const MOST: Duration = Duration::from_secs(16);
/// How late a scrape may come.
const SLACK: Duration = Duration::from_secs(1);

/// The scrapes so far.
#[derive(Debug, Clone, Copy, Default)]
struct ScrapeTimes {
    last: Option<Instant>,
    interval: Option<Duration>,
}

/// Notes scrapes and waits for them; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct RegularScrapes(watch::Sender<ScrapeTimes>);

impl RegularScrapes {
    /// Somebody scrapes.
    pub(super) fn note(&self) {
        let now = Instant::now();
        self.0.send_modify(|times| {
            times.interval = times.last.map(|last| now - last);
            times.last = Some(now);
        });
    }

    /// Waits for the look that is due next; not at all where nobody scrapes regularly, or where the
    /// look is overdue. True if it came.
    pub(super) async fn another(&self) -> bool {
        let mut scrapes = self.0.subscribe();
        let times = *scrapes.borrow_and_update();
        let (Some(last), Some(interval)) = (times.last, times.interval) else { return false };
        let due = last + (interval + SLACK).min(MOST);
        timeout_at(due, scrapes.changed()).await.is_ok_and(|changed| changed.is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    async fn looked(times: u32) -> RegularScrapes {
        let scrapes = RegularScrapes::default();
        for _ in 0..times {
            tokio::time::advance(INTERVAL).await;
            scrapes.note();
        }
        scrapes
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_or_once_looked_is_not_waited_for() {
        for times in [0, 1] {
            let scrapes = looked(times).await;
            let began = Instant::now();
            assert!(!scrapes.another().await);
            assert_eq!(Instant::now(), began);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_regular_look_is_waited_for() {
        let scrapes = looked(3).await;
        let later = scrapes.clone();
        tokio::spawn(async move {
            tokio::time::sleep(INTERVAL).await;
            later.note();
        });
        assert!(scrapes.another().await);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_went_away_is_not_waited_for_long() {
        let scrapes = looked(3).await;
        let began = Instant::now();
        assert!(!scrapes.another().await);
        assert_eq!(Instant::now() - began, INTERVAL + SLACK);
        assert!(!scrapes.another().await);
        assert_eq!(Instant::now() - began, INTERVAL + SLACK);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rare_look_is_not_waited_for_to_the_end() {
        let scrapes = RegularScrapes::default();
        scrapes.note();
        tokio::time::advance(Duration::from_secs(3600)).await;
        scrapes.note();
        let began = Instant::now();
        assert!(!scrapes.another().await);
        assert_eq!(Instant::now() - began, MOST);
    }
}

//! Tracks regular scrapers, so that a run's last figures are read before it ends.
//!
//! Otherwise Prometheus would never see what happened after its last scrape, and a run that was told to
//! stop would look like one that died. Knows neither pages nor runs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Longest wait, counted from the start of the stop; covers scrape intervals of up to a minute.
const MOST: Duration = Duration::from_secs(61);
/// Shortest wait, for a run that took long to settle.
const LEAST: Duration = Duration::from_secs(16);
/// How late a scrape may be.
const SLACK: Duration = Duration::from_secs(2);
/// Maximum number of clients remembered; beyond, the one that has been away longest is forgotten.
const MOST_SCRAPERS: usize = 64;

/// Identity of a scraper. One that keeps its connection is identified by it from its second scrape, so
/// that two on one host count as two; any other by its address and `User-Agent`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scraper {
    pub(super) from: IpAddr,
    /// The `User-Agent`.
    pub(super) name: Vec<u8>,
    /// The number of a connection that has scraped before.
    pub(super) connection: Option<u64>,
}

/// The scrapes of one client so far.
#[derive(Debug, Clone, Copy)]
struct ScrapeTimes {
    last: Instant,
    interval: Option<Duration>,
}

impl ScrapeTimes {
    /// The scrape before the last one.
    fn previous(&self) -> Option<Instant> {
        self.last.checked_sub(self.interval?)
    }

    /// When the next one is overdue.
    fn due(&self) -> Option<Instant> {
        Some(self.last + self.interval? + SLACK)
    }
}

/// Notes scrapes and waits for them; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct RegularScrapes(watch::Sender<HashMap<Scraper, ScrapeTimes>>);

impl RegularScrapes {
    /// Notes a scrape.
    pub(super) fn note(&self, scraper: Scraper) {
        let now = Instant::now();
        self.0.send_modify(|all| {
            // The first scrape on a kept connection was noted under the name alone.
            let first = Scraper { connection: None, ..scraper.clone() };
            let before = all.get(&scraper).or_else(|| all.get(&first)).copied();
            if all.len() >= MOST_SCRAPERS
                && !all.contains_key(&scraper)
                && let Some(oldest) = all.iter().min_by_key(|(_, times)| times.last).map(|(scraper, _)| scraper.clone())
            {
                all.remove(&oldest);
            }
            all.insert(scraper, ScrapeTimes { last: now, interval: before.map(|times| now - times.last) });
        });
    }

    /// Waits until each regular scraper has scraped once more, and twice since the stop began, which was
    /// `stopping` ago. Does not wait for overdue scrapers, or if there are none. True if all have scraped.
    ///
    /// Twice, because a rule sees a sample only between one scrape and the next: rules that are evaluated just
    /// before each scrape is stored miss a phase that was scraped only once.
    pub(super) async fn another(&self, stopping: Duration) -> bool {
        let mut scrapes = self.0.subscribe();
        let now = Instant::now();
        let began = now.checked_sub(stopping).unwrap_or(now);
        let end = now + MOST.saturating_sub(stopping).max(LEAST);
        let awaited: Vec<(Scraper, Instant)> = scrapes
            .borrow_and_update()
            .iter()
            .filter_map(|(scraper, times)| Some((scraper.clone(), times.due()?)))
            .filter(|(_, due)| *due >= now)
            .collect();
        let mut all_came = !awaited.is_empty();
        for (scraper, mut due) in awaited {
            let mut seen = now;
            loop {
                let came = scrapes.wait_for(|all| all.get(&scraper).is_some_and(|times| times.last > seen));
                let Ok(Ok(all)) = timeout_at(due.min(end), came).await else {
                    all_came &= seen > now;
                    break;
                };
                let Some(times) = all.get(&scraper).copied() else { break };
                if times.previous().is_some_and(|previous| previous > began) {
                    break;
                }
                seen = times.last;
                due = times.due().unwrap_or(end);
            }
        }
        all_came
    }

    /// The scrapers and the time of each one's last scrape.
    #[cfg(test)]
    pub(super) fn seen(&self) -> Vec<(Scraper, Instant)> {
        self.0.borrow().iter().map(|(scraper, times)| (scraper.clone(), times.last)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn scraper(name: &str, connection: Option<u64>) -> Scraper {
        Scraper { from: IpAddr::V4(Ipv4Addr::LOCALHOST), name: name.into(), connection }
    }

    fn prometheus() -> Scraper {
        scraper("Prometheus", Some(1))
    }

    async fn looked(times: u32) -> RegularScrapes {
        let scrapes = RegularScrapes::default();
        for n in 0..times {
            tokio::time::advance(INTERVAL).await;
            scrapes.note(scraper("Prometheus", (n > 0).then_some(1)));
        }
        scrapes
    }

    /// Scrapes of others during a wait.
    fn later(scrapes: &RegularScrapes, plan: &[(u64, Scraper)]) {
        for (seconds, scraper) in plan.iter().cloned() {
            let scrapes = scrapes.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                scrapes.note(scraper);
            });
        }
    }

    async fn waited(scrapes: &RegularScrapes, stopping: Duration) -> (bool, Duration) {
        let began = Instant::now();
        let came = scrapes.another(stopping).await;
        (came, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_or_once_looked_is_not_waited_for() {
        for times in [0, 1] {
            assert_eq!(waited(&looked(times).await, Duration::ZERO).await, (false, Duration::ZERO));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_regular_look_is_waited_for() {
        for times in [2, 3] {
            let scrapes = looked(times).await;
            later(&scrapes, &[(5, prometheus()), (10, prometheus())]);
            assert_eq!(waited(&scrapes, Duration::ZERO).await, (true, 2 * INTERVAL));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_who_looks_in_between_ends_no_wait() {
        let scrapes = looked(3).await;
        later(&scrapes, &[(1, scraper("curl", None)), (2, scraper("Prometheus", None)), (5, prometheus())]);
        later(&scrapes, &[(10, prometheus())]);
        assert_eq!(waited(&scrapes, Duration::ZERO).await, (true, 2 * INTERVAL));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_while_deliveries_settled_counts_as_one_of_two() {
        let scrapes = looked(3).await;
        tokio::time::advance(Duration::from_secs(2)).await;
        later(&scrapes, &[(3, prometheus())]);
        assert_eq!(waited(&scrapes, Duration::from_secs(5)).await, (true, Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_scraper_that_comes_once_and_goes_away_has_come() {
        let scrapes = looked(3).await;
        later(&scrapes, &[(5, prometheus())]);
        assert_eq!(waited(&scrapes, Duration::ZERO).await, (true, 2 * INTERVAL + SLACK));
    }

    #[tokio::test(start_paused = true)]
    async fn two_of_one_name_are_both_waited_for() {
        let scrapes = RegularScrapes::default();
        for n in 0..3 {
            tokio::time::advance(INTERVAL).await;
            for connection in [1, 2] {
                scrapes.note(scraper("Prometheus", (n > 0).then_some(connection)));
            }
        }
        for seconds in [1, 6] {
            later(
                &scrapes,
                &[(seconds, scraper("Prometheus", Some(1))), (seconds + 3, scraper("Prometheus", Some(2)))],
            );
        }
        assert_eq!(waited(&scrapes, Duration::ZERO).await, (true, Duration::from_secs(9)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_scraper_that_went_away_is_not_waited_for_long() {
        let scrapes = looked(3).await;
        assert_eq!(waited(&scrapes, Duration::ZERO).await, (false, INTERVAL + SLACK));
        tokio::time::advance(SLACK).await;
        assert_eq!(waited(&scrapes, Duration::ZERO).await, (false, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_ends_a_minute_after_the_stop_began_or_soon() {
        let scrapes = RegularScrapes::default();
        scrapes.note(scraper("Prometheus", None));
        tokio::time::advance(Duration::from_secs(3600)).await;
        scrapes.note(scraper("Prometheus", None));
        assert_eq!(waited(&scrapes, Duration::from_secs(2)).await, (false, Duration::from_secs(59)));
        assert_eq!(waited(&scrapes, Duration::from_secs(64)).await, (false, LEAST));
    }

    #[tokio::test(start_paused = true)]
    async fn the_clients_that_are_remembered_are_bounded() {
        let scrapes = looked(3).await;
        for n in 0..10 * MOST_SCRAPERS as u64 {
            tokio::time::advance(Duration::from_millis(1)).await;
            scrapes.note(scraper(&n.to_string(), None));
            scrapes.note(prometheus());
        }
        assert_eq!(scrapes.0.borrow().len(), MOST_SCRAPERS);
        assert!(scrapes.0.borrow().contains_key(&prometheus()));
    }
}

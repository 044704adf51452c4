//! Counts by label: an array of atomics with a name, for events that are not hot.
//!
//! A series is shown from the first scrape if it is expected, otherwise from its first event. Hot events
//! go to [`stripes`](crate::metrics::stripes).

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;

use crate::metrics::families::Family;
use crate::metrics::label::LabelSet;
use crate::metrics::sample;
use crate::model::Vocabulary;

/// A counter family; clones share the counts.
#[derive(Debug, Clone)]
pub(crate) struct Tally<L> {
    family: &'static Family,
    desc: Desc,
    cells: Arc<[AtomicU64]>,
    vocabulary: Vocabulary,
    initial: fn(&Vocabulary, L) -> bool,
    labels: PhantomData<L>,
}

impl<L: LabelSet> Tally<L> {
    /// Counts of a closed set at 0; `initial` says which series are shown before their first event.
    pub(crate) fn new(family: &'static Family, initial: fn(&Vocabulary, L) -> bool) -> prometheus::Result<Self> {
        Self::of(family, Vocabulary::COMMON, initial)
    }

    /// The same for a set that may hold names of a driver.
    pub(crate) fn of(
        family: &'static Family,
        vocabulary: Vocabulary,
        initial: fn(&Vocabulary, L) -> bool,
    ) -> prometheus::Result<Self> {
        let cells = (0..L::CELLS).map(|_| AtomicU64::new(0)).collect();
        Ok(Self { family, desc: sample::desc(family)?, cells, vocabulary, initial, labels: PhantomData })
    }

    /// Counts `n` events.
    pub(crate) fn add(&self, labels: L, n: u64) {
        self.cells[labels.cell()].fetch_add(n, Ordering::Relaxed);
    }

    /// The count so far.
    pub(crate) fn get(&self, labels: L) -> u64 {
        self.cells[labels.cell()].load(Ordering::Relaxed)
    }

    /// Every count that is not 0.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (L, u64)> + '_ {
        self.every().filter(|(_, n)| *n > 0)
    }

    /// Every series to show.
    pub(crate) fn shown(&self) -> impl Iterator<Item = (L, u64)> + '_ {
        self.every().filter(|(labels, n)| *n > 0 || (self.initial)(&self.vocabulary, *labels))
    }

    /// Every count.
    pub(crate) fn every(&self) -> impl Iterator<Item = (L, u64)> + '_ {
        L::every_of(&self.vocabulary).into_iter().map(|labels| (labels, self.get(labels)))
    }
}

impl<L: LabelSet> Collector for Tally<L> {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let samples = self.shown().map(|(labels, n)| sample::number(self.family, &labels.texts(), n as f64)).collect();
        vec![sample::of(self.family, samples)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::families;
    use crate::model::{Action, DropReason};

    #[test]
    fn a_series_is_there_when_foreseen_or_counted() {
        let tally: Tally<(Action, DropReason)> =
            Tally::new(&families::SENDS_DROPPED, |_, (_, reason)| reason == DropReason::Stopping).unwrap();
        tally.add((Action::Leave, DropReason::Backpressure), 2);
        let shown: Vec<_> = tally.shown().collect();
        assert_eq!(shown.len(), 4);
        assert!(shown.contains(&((Action::Leave, DropReason::Backpressure), 2)));
        assert_eq!(tally.counted().collect::<Vec<_>>(), [((Action::Leave, DropReason::Backpressure), 2)]);
    }
}

//! Planned disruptions: spans of time, and what became of the deliveries intended in them.
//!
//! Their figures are kept beside the others. Where they are set aside, they are in no judged figure:
//! what spoilt time leaves out is then counted of the rest alone.

use hdrhistogram::Histogram;
use strum::EnumCount;

use crate::model::{Anomaly, Basis, DeliveryCounts, Origin, Outcome, delivery_times};

/// Most spans; a further one joins the last.
const MOST_SPANS: usize = 1_000;

/// Spans of planned disruption.
#[derive(Debug, Clone)]
pub(super) struct Marked {
    /// When each began and ended, in microseconds since 1970; the last may go on.
    spans: Vec<(u64, Option<u64>)>,
    /// When the first began: nothing before it is looked up.
    first: u64,
    is_set_aside: bool,
    counts: [DeliveryCounts; Origin::COUNT],
    /// Times to delivery from the intended time, in microseconds; made with the first span.
    durations: Option<Box<[Histogram<u64>; Origin::COUNT]>>,
}

impl Default for Marked {
    fn default() -> Self {
        Self {
            spans: Vec::new(),
            first: u64::MAX,
            is_set_aside: false,
            counts: [DeliveryCounts::default(); Origin::COUNT],
            durations: None,
        }
    }
}

impl Marked {
    /// From now on no judged figure has what is marked; to be said before the first span.
    pub(super) fn set_aside(&mut self) {
        self.is_set_aside = true;
    }

    /// Whether judged figures are without what is marked.
    pub(super) fn is_set_aside(&self) -> bool {
        self.is_set_aside
    }

    pub(super) fn begins(&mut self, at: u64) {
        let is_full = self.spans.len() >= MOST_SPANS;
        match self.spans.last_mut() {
            Some((_, None)) => {}
            Some((_, ended)) if is_full => *ended = None,
            _ => self.spans.push((at, None)),
        }
        self.first = self.first.min(at);
        self.durations.get_or_insert_with(|| Box::new(std::array::from_fn(|_| delivery_times())));
    }

    pub(super) fn ends(&mut self, at: u64) {
        if let Some((_, ended)) = self.spans.last_mut() {
            ended.get_or_insert(at);
        }
    }

    /// Whether a message intended then is of a span, in microseconds since 1970.
    #[inline]
    pub(super) fn covers(&self, intended: u64) -> bool {
        intended >= self.first && self.is_in_span(intended)
    }

    #[cold]
    fn is_in_span(&self, intended: u64) -> bool {
        self.spans.iter().rev().any(|(from, to)| *from <= intended && to.is_none_or(|to| intended < to))
    }

    /// This many marked deliveries had this outcome.
    #[cold]
    pub(super) fn add(&mut self, origin: Origin, outcome: Outcome, n: u64) {
        self.counts[origin as usize].expect_and_add(outcome, n);
    }

    #[cold]
    pub(super) fn duration(&mut self, origin: Origin, micros: u64) {
        if let Some(durations) = &mut self.durations {
            durations[origin as usize].saturating_record(micros.max(1));
        }
    }

    #[cold]
    pub(super) fn anomaly(&mut self, origin: Origin, what: Anomaly) {
        self.counts[origin as usize].anomalies[what as usize] += 1;
    }

    /// What became of marked deliveries.
    pub(super) fn counts(&self, origin: Origin) -> DeliveryCounts {
        self.counts[origin as usize]
    }

    /// Of all counts those that are judged, as far as spans decide that.
    pub(super) fn rest(&self, origin: Origin, all: &DeliveryCounts) -> DeliveryCounts {
        if self.is_set_aside { all.without(&self.counts[origin as usize]) } else { *all }
    }

    /// Of all times to delivery those that are judged, as far as spans decide that.
    pub(super) fn rest_of_durations(
        &self,
        origin: Origin,
        all: &[Histogram<u64>; Basis::COUNT],
    ) -> [Histogram<u64>; Basis::COUNT] {
        let mut rest = all.clone();
        if let (true, Some(durations)) = (self.is_set_aside, &self.durations) {
            // They are made alike, and one is a part of the other.
            let _ = rest[Basis::Intended as usize].subtract(&durations[origin as usize]);
        }
        rest
    }

    /// Whether judged figures are less for what is marked.
    pub(super) fn takes_away(&self) -> bool {
        self.is_set_aside && self.durations.is_some()
    }
}

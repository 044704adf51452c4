//! Planned disruptions: spans of time, and the outcomes of the deliveries intended in them.
//!
//! Their figures are kept separately. If they are set aside, no judged figure includes them, and spoilt time
//! takes its part only from the rest.

use hdrhistogram::Histogram;
use strum::EnumCount;

use crate::model::{Anomaly, Basis, DeliveryCounts, Origin, Outcome, delivery_times};

/// Maximum number of spans; a further one joins the last.
const MOST_SPANS: usize = 1_000;
/// Maximum number of spans with counts of their own.
const MOST_COUNTED: usize = 100;

/// Spans of planned disruption.
#[derive(Debug, Clone)]
pub(super) struct Marked {
    /// Start and end of each, in microseconds since 1970; the last may be open.
    spans: Vec<(u64, Option<u64>)>,
    /// Start of the first; earlier times need no look-up.
    first: u64,
    is_set_aside: bool,
    counts: [DeliveryCounts; Origin::COUNT],
    /// The counts of each of the first spans.
    each: Vec<[DeliveryCounts; Origin::COUNT]>,
    /// Times to delivery from the intended time, in microseconds; allocated with the first span.
    durations: Option<Box<[Histogram<u64>; Origin::COUNT]>>,
}

impl Default for Marked {
    fn default() -> Self {
        Self {
            spans: Vec::new(),
            first: u64::MAX,
            is_set_aside: false,
            counts: [DeliveryCounts::default(); Origin::COUNT],
            each: Vec::new(),
            durations: None,
        }
    }
}

impl Marked {
    /// Leaves marked deliveries out of judged figures; call it before the first span.
    pub(super) fn set_aside(&mut self) {
        self.is_set_aside = true;
    }

    /// Whether judged figures leave out marked deliveries.
    pub(super) fn is_set_aside(&self) -> bool {
        self.is_set_aside
    }

    pub(super) fn begins(&mut self, at: u64) {
        let is_full = self.spans.len() >= MOST_SPANS;
        match self.spans.last_mut() {
            Some((_, None)) => {}
            Some((_, ended)) if is_full => *ended = None,
            _ => {
                self.spans.push((at, None));
                if self.each.len() < MOST_COUNTED {
                    self.each.push([DeliveryCounts::default(); Origin::COUNT]);
                }
            }
        }
        self.first = self.first.min(at);
        self.durations.get_or_insert_with(|| Box::new(std::array::from_fn(|_| delivery_times())));
    }

    pub(super) fn ends(&mut self, at: u64) {
        if let Some((_, ended)) = self.spans.last_mut() {
            ended.get_or_insert(at);
        }
    }

    /// The number, from 1, of the span that covers a message intended then, in microseconds since 1970; 0 for none.
    #[inline]
    pub(super) fn number(&self, intended: u64) -> u32 {
        if intended >= self.first { self.number_of(intended) } else { 0 }
    }

    #[cold]
    fn number_of(&self, intended: u64) -> u32 {
        let covers = |(from, to): &(u64, Option<u64>)| *from <= intended && to.is_none_or(|to| intended < to);
        self.spans.iter().rposition(covers).map_or(0, |nth| u32::try_from(nth + 1).unwrap_or(0))
    }

    /// Adds `n` deliveries with this outcome to the span of this number.
    #[cold]
    pub(super) fn add(&mut self, number: u32, origin: Origin, outcome: Outcome, n: u64) {
        self.counts[origin as usize].expect_and_add(outcome, n);
        if let Some(each) = self.one(number) {
            each[origin as usize].expect_and_add(outcome, n);
        }
    }

    fn one(&mut self, number: u32) -> Option<&mut [DeliveryCounts; Origin::COUNT]> {
        self.each.get_mut((number as usize).checked_sub(1)?)
    }

    #[cold]
    pub(super) fn duration(&mut self, origin: Origin, micros: u64) {
        if let Some(durations) = &mut self.durations {
            durations[origin as usize].saturating_record(micros.max(1));
        }
    }

    #[cold]
    pub(super) fn anomaly(&mut self, number: u32, origin: Origin, what: Anomaly) {
        self.counts[origin as usize].anomalies[what as usize] += 1;
        if let Some(each) = self.one(number) {
            each[origin as usize].anomalies[what as usize] += 1;
        }
    }

    /// The counts of each of the first spans, by [`Origin`].
    pub(super) fn each(&self) -> &[[DeliveryCounts; Origin::COUNT]] {
        &self.each
    }

    /// The counts of marked deliveries.
    pub(super) fn counts(&self, origin: Origin) -> DeliveryCounts {
        self.counts[origin as usize]
    }

    /// All counts minus those that spans set aside.
    pub(super) fn rest(&self, origin: Origin, all: &DeliveryCounts) -> DeliveryCounts {
        if self.is_set_aside { all.without(&self.counts[origin as usize]) } else { *all }
    }

    /// All times to delivery minus those that spans set aside.
    pub(super) fn rest_of_durations(
        &self,
        origin: Origin,
        all: &[Histogram<u64>; Basis::COUNT],
    ) -> [Histogram<u64>; Basis::COUNT] {
        let mut rest = all.clone();
        if let (true, Some(durations)) = (self.is_set_aside, &self.durations) {
            // Both have the same bounds, and one is a part of the other.
            let _ = rest[Basis::Intended as usize].subtract(&durations[origin as usize]);
        }
        rest
    }

    /// Whether marked deliveries reduce judged figures.
    pub(super) fn takes_away(&self) -> bool {
        self.is_set_aside && self.durations.is_some()
    }
}

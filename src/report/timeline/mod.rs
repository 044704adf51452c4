//! The run in slices of time, and its events.
//!
//! Slices begin on UTC minutes. The outcome of a delivery is in the slice of its intended time, everything
//! else in the slice in which it happened. Slices sum to the summary's totals, and those of several
//! generators add up.

mod counters;
mod damage;
#[cfg(test)]
pub(crate) mod made;
mod slice;
#[cfg(test)]
pub(crate) mod tests;
mod times;

use std::cmp::Ordering;

use serde::{Deserialize, Serialize, Serializer};

pub use counters::Counters;
pub use slice::{GeneratorSlice, RemoteSlice, Slice, UserSeconds, Watched};
pub use times::Times;

use slice::is_default;

/// Initial length of a slice, in seconds.
pub const SLICE_SECONDS: u64 = 60;
/// Maximum number of slices; beyond, they are joined pairwise.
pub const MOST_SLICES: usize = 1_440;
/// Maximum number of events; further ones are only counted.
pub const MOST_EVENTS: usize = 1_000;

/// The run over time. Reading refuses what could not have been recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "damage::Read")]
pub struct Timeline {
    /// The length of each slice, in seconds.
    pub slice_seconds: u64,
    /// The slices in order of time; one in which nothing happened may be absent.
    #[serde(serialize_with = "a_line_each")]
    pub slices: Vec<Slice>,
    /// The events, in order of time.
    #[serde(skip_serializing_if = "is_default", serialize_with = "a_line_each")]
    pub events: Vec<TimelineEvent>,
    /// Number of events left out because there were too many.
    #[serde(skip_serializing_if = "is_default")]
    pub events_dropped: u64,
}

/// An event at a moment of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// Its time, in seconds since 1970-01-01T00:00:00Z.
    pub at: f64,
    /// Its kind: `phase`, `restart`, `clock`, `dns`, `watch`, `control`, `mark_begin`, `mark_end`, `rule`.
    pub kind: String,
    /// Its text, at most 200 characters.
    pub text: String,
    /// Index of the generator; absent for an event of the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
}

/// Serializes each item on one line, whatever the layout around it. For JSON only.
fn a_line_each<T: Serialize, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let lines: Result<Vec<_>, _> = items.iter().map(serde_json::value::to_raw_value).collect();
    lines.map_err(serde::ser::Error::custom)?.serialize(serializer)
}

impl TimelineEvent {
    /// Orders by time; events at the same time in an order that does not depend on the order of merging.
    fn order(&self, other: &Self) -> Ordering {
        let rest = |event: &Self| (event.shard, event.kind.clone(), event.text.clone());
        self.at.total_cmp(&other.at).then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl Default for Timeline {
    fn default() -> Self {
        Self { slice_seconds: SLICE_SECONDS, slices: Vec::new(), events: Vec::new(), events_dropped: 0 }
    }
}

impl Timeline {
    /// Adds `part`, which lies within one slice, to that slice, creating it if needed.
    pub fn add(&mut self, part: &Slice) {
        let start = part.start - part.start % self.slice_seconds.max(1);
        match self.slices.binary_search_by_key(&start, |slice| slice.start) {
            Ok(at) => {
                if let Some(slice) = self.slices.get_mut(at) {
                    *slice += part;
                }
            }
            Err(at) => self.slices.insert(at, Slice { start, ..part.clone() }),
        }
        self.join_until_few();
    }

    /// Notes an event; beyond the maximum it is only counted.
    pub fn note(&mut self, event: TimelineEvent) {
        let place = self.events.partition_point(|earlier| earlier.order(&event).is_le());
        self.events.insert(place, event);
        if self.events.len() > MOST_EVENTS {
            self.events.truncate(MOST_EVENTS);
            self.events_dropped = self.events_dropped.saturating_add(1);
        }
    }

    /// Adds another generator's timeline, slice by slice.
    pub fn merge(&mut self, other: &Self) {
        let mut other = other.clone();
        while other.slice_seconds < self.slice_seconds {
            other.join();
        }
        while self.slice_seconds < other.slice_seconds {
            self.join();
        }
        for theirs in &other.slices {
            match self.slices.binary_search_by_key(&theirs.start, |slice| slice.start) {
                Ok(at) => {
                    if let Some(slice) = self.slices.get_mut(at) {
                        slice.add_beside(theirs);
                    }
                }
                Err(at) => self.slices.insert(at, theirs.clone()),
            }
        }
        self.join_until_few();
        self.events_dropped = self.events_dropped.saturating_add(other.events_dropped);
        other.events.into_iter().for_each(|event| self.note(event));
    }

    /// All slices as one.
    #[must_use]
    pub fn total(&self) -> Slice {
        let mut slices = self.slices.iter();
        let Some(mut total) = slices.next().cloned() else { return Slice::default() };
        slices.for_each(|slice| total += slice);
        total
    }

    /// The same timeline in at most `most` slices, but at least one.
    #[must_use]
    pub fn joined(&self, most: usize) -> Self {
        let mut joined = self.clone();
        joined.slices.sort_by_key(|slice| slice.start);
        while joined.slices.len() > most.max(1) {
            joined.join();
        }
        joined
    }

    fn join_until_few(&mut self) {
        while self.slices.len() > MOST_SLICES {
            self.join();
        }
    }

    /// Joins slices pairwise, doubling their length.
    fn join(&mut self) {
        self.slice_seconds = self.slice_seconds.saturating_mul(2).max(1);
        let start = |slice: &Slice| slice.start - slice.start % self.slice_seconds;
        let mut joined: Vec<Slice> = Vec::with_capacity(self.slices.len() / 2 + 1);
        for mut slice in std::mem::take(&mut self.slices) {
            slice.start = start(&slice);
            match joined.last_mut() {
                Some(last) if last.start == slice.start => *last += &slice,
                _ => joined.push(slice),
            }
        }
        self.slices = joined;
    }
}

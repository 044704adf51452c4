//! The times of tolerated disruptions: judgements by slices leave out the slices that they touch.

use std::collections::BTreeMap;

use crate::report::summary::Summary;

/// Start and end of the tolerated disruptions of all generators, in seconds since 1970.
#[must_use]
pub fn set_aside(summary: &Summary) -> Vec<(f64, f64)> {
    if summary.set_aside().is_none() {
        return Vec::new();
    }
    let (mut open, mut planned) = (BTreeMap::new(), Vec::new());
    for event in summary.timeline.iter().flat_map(|timeline| &timeline.events) {
        match event.kind.as_str() {
            "mark_begin" => drop(open.insert(event.shard, event.at)),
            "mark_end" => planned.extend(open.remove(&event.shard).map(|began| (began, event.at))),
            _ => {}
        }
    }
    planned.extend(open.into_values().map(|began| (began, f64::INFINITY)));
    planned
}

/// Whether a span of time overlaps any of `spans`.
#[must_use]
pub fn touches(spans: &[(f64, f64)], from: f64, to: f64) -> bool {
    spans.iter().any(|(began, ended)| *began < to && from < *ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::inputs::tests::night;
    use crate::report::marked::Marked;
    use crate::report::timeline::{Timeline, TimelineEvent};

    #[test]
    fn tolerated_marks_of_each_generator_are_set_aside() {
        let mut summary = night();
        let mut timeline = Timeline::default();
        let marks = [("mark_begin", 10.0, 0), ("mark_begin", 12.0, 1), ("mark_end", 20.0, 0), ("mark_begin", 30.0, 0)];
        for (kind, at, shard) in marks {
            timeline.note(TimelineEvent { at, kind: kind.into(), text: "deploy".into(), shard: Some(shard) });
        }
        summary.timeline = Some(timeline);
        assert!(set_aside(&summary).is_empty());
        summary.marked = Some(Marked { tolerated: true, ..Marked::default() });
        assert_eq!(set_aside(&summary), [(10.0, 20.0), (30.0, f64::INFINITY), (12.0, f64::INFINITY)]);
        summary.marked = Some(Marked::default());
        assert!(set_aside(&summary).is_empty(), "judged like the rest");
    }

    #[test]
    fn a_span_touches_what_it_overlaps() {
        let spans = [(10.0, 20.0), (30.0, f64::INFINITY)];
        let found = [(0.0, 10.0), (0.0, 10.5), (20.0, 30.0), (19.0, 20.0), (40.0, 45.0)];
        assert_eq!(found.map(|(from, to)| touches(&spans, from, to)), [false, true, false, true, true]);
    }
}

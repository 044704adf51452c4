//! Timelines of generators that are merged.

use super::Seen;
use crate::model::DeliveryCounts;
use crate::report::summary::{Deliveries, Shard};
use crate::report::timeline::{GeneratorSlice, Slice, Timeline, TimelineEvent, UserSeconds};
use crate::stats::Sketch;

/// Its messages by the minute; all other figures are whole numbers, so that sums are exact.
pub(super) fn of(seen: &Seen, shard: Shard) -> Timeline {
    let mut timeline = Timeline::default();
    for (place, (outcome, micros)) in seen.outcomes[0].iter().enumerate() {
        let mut counts = DeliveryCounts { expected: 1, ..DeliveryCounts::default() };
        counts.outcomes[*outcome] = 1;
        let mut times = Sketch::default();
        times.add(*micros as f64 / 1e6, 1);
        timeline.add(&Slice {
            start: (seen.users + place as u64 * 17) * 20,
            hold_seconds: 20.0,
            users: UserSeconds { target: seen.users as f64, connected: 1.0, away: 0.0 },
            deliveries: Deliveries::of(&counts),
            times: times.into(),
            generator: GeneratorSlice { cpu_seconds: 2.0, memory_bytes: seen.chats },
            ..Slice::default()
        });
    }
    let open = Deliveries { expected: seen.errors, outstanding: seen.errors, ..Deliveries::default() };
    timeline.add(&Slice { start: seen.users * 60, deliveries: open, ..Slice::default() });
    for n in 0..seen.users * 2 {
        let (at, kind, text) = ((n % 7) as f64, "control".to_owned(), format!("pause {}", n % 5));
        timeline.note(TimelineEvent { at, kind, text, shard: Some(shard.index) });
    }
    timeline
}

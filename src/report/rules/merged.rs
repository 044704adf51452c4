//! Windows of several generators together, from the slices of their timelines.

use super::cell::Cell;
use super::windows::Engine;
use crate::report::judgement::RuleWindows;
use crate::report::planned;
use crate::report::summary::Summary;

/// The hold of all generators: start and end, in seconds since 1970-01-01T00:00:00Z.
type Hold = (f64, f64);

/// The worse of the generators' own findings and of the windows of their sums. A window of sums consists of
/// whole slices, a minute each in a run of up to a day, in which all generators held their load; slices
/// that any generator spoilt are left out.
pub(in crate::report) fn windows<'a>(
    whole: &Summary,
    parts: impl Iterator<Item = &'a [RuleWindows]>,
    hold: Option<Hold>,
) -> Vec<RuleWindows> {
    let mut found = Vec::new();
    parts.flatten().for_each(|windows| add(&mut found, windows));
    let (Some(timeline), Some((from, to))) = (&whole.timeline, hold) else { return found };
    let horizon = whole.run.horizon_seconds;
    let seconds = timeline.slice_seconds;
    let mut engine = Engine::new(whole.rules.all(), seconds);
    let aside = planned::set_aside(whole);
    let chats_set = whole.rates.get("chat").map_or(0.0, |rate| rate.set);
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    for slice in &timeline.slices {
        let start = slice.start as f64;
        if start >= from && start + seconds as f64 <= to {
            let planned = planned::touches(&aside, start, start + seconds as f64);
            engine.push(slice, Cell { seconds, chats_set, horizon, age: horizon, planned });
        }
    }
    for windows in engine.findings() {
        add(&mut found, &windows);
    }
    found
}

/// Adds the findings of another generator.
fn add(found: &mut Vec<RuleWindows>, other: &RuleWindows) {
    let Some(sum) = found.iter_mut().find(|windows| windows.rule == other.rule) else {
        found.push(other.clone());
        return;
    };
    sum.windows = sum.windows.saturating_add(other.windows);
    sum.judged = sum.judged.saturating_add(other.judged);
    let side = sum.rule.side;
    if let Some(worst) = &other.worst
        && sum.worst.as_ref().is_none_or(|known| side.is_beyond(worst.value, known.value))
    {
        sum.worst = Some(worst.clone());
    }
}

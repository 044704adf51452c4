//! Windows of several generators together, from the slices of their timelines.

use super::cell::Cell;
use super::windows::Engine;
use crate::report::judgement::RuleWindows;
use crate::report::summary::Summary;

/// What a moment of the hold of all generators is: from, to, in seconds since 1970-01-01T00:00:00Z.
type Hold = (f64, f64);

/// The worse of what the generators found each by itself and of what their sums come to. A window of the
/// sums is whole slices, a minute each in a run of up to a day, in which all generators held; such as are
/// spoilt anywhere are left out.
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
    let chats_set = whole.rates.get("chat").map_or(0.0, |rate| rate.set);
    #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^53")]
    for slice in &timeline.slices {
        let start = slice.start as f64;
        if start >= from && start + seconds as f64 <= to {
            engine.push(slice, Cell { seconds, chats_set, horizon, age: horizon });
        }
    }
    for windows in engine.findings() {
        add(&mut found, &windows);
    }
    found
}

/// Adds what another generator's windows came to.
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

//! Losses in words: who missed which messages, and whether the anomaly log is complete.

use super::page::Page;
use crate::model::LOSS_GROUPS_TOLD;
use crate::report::losses::{AnomalyLogLines, NamedLossGroup, NamedLossGroups};
use crate::report::numbers::count;

/// Rows of losses by the receivers who missed them; none if nothing was lost.
pub(super) fn groups(page: &mut Page, losses: &NamedLossGroups) {
    if losses.is_empty() {
        return;
    }
    page.row("losses", "by the receivers who missed them, the largest groups first");
    for group in losses.largest.iter().take(LOSS_GROUPS_TOLD) {
        page.line(&format!("  {}", sentence(group)));
    }
    let rest = losses.rest;
    if rest.deliveries > 0 {
        let others = plural(rest.messages, "other message");
        page.line(&format!(
            "  {} of {others}, in smaller groups",
            plural_of(rest.deliveries, "delivery", "deliveries")
        ));
    }
}

/// A row about the anomaly log, if lines are missing.
pub(super) fn log(page: &mut Page, log: Option<AnomalyLogLines>) {
    if let Some(AnomalyLogLines { lines, dropped }) = log.filter(|log| log.dropped > 0) {
        let lines = plural(lines, "line");
        page.row("anomaly log", &format!("incomplete: {lines} written, {} left out", count(dropped)));
    }
}

fn sentence(group: &NamedLossGroup) -> String {
    let messages = plural(group.messages, "message");
    let same = if group.messages > 1 && group.receivers > 1 { "the same " } else { "" };
    let mut names = group.receiver_names.join(", ");
    if group.receivers > group.receiver_names.len() as u64 {
        names.push_str(", …");
    }
    let mut text = format!("{messages} missed by {same}{} ({names})", plural(group.receivers, "user"));
    if group.unread_messages == group.messages {
        text.push_str(", received by none");
    } else if group.unread_messages > 0 {
        text.push_str(&format!(", {} received by none", count(group.unread_messages)));
    }
    if group.remote_messages > 0 {
        text.push_str(&format!(", {} from other generators", count(group.remote_messages)));
    }
    if let (Some(first), Some(last)) = (group.first.get(11..19), group.last.get(11..19)) {
        let span = if first == last { format!(", {first}") } else { format!(", {first} to {last}") };
        text.push_str(&span);
    }
    text
}

fn plural(n: u64, what: &str) -> String {
    plural_of(n, what, &format!("{what}s"))
}

fn plural_of(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::losses::OtherLosses;

    /// The losses of a worker that died, and smaller ones.
    pub(crate) fn some() -> NamedLossGroups {
        let times =
            |first: &str, last: &str| (format!("2026-11-05T{first}.000000Z"), format!("2026-11-05T{last}.000000Z"));
        let names = |numbers: &[u32]| numbers.iter().map(|n| format!("soak{n}")).collect();
        let group =
            |messages, receivers, (first, last): (String, String), receiver_names: Vec<String>| NamedLossGroup {
                first,
                last,
                deliveries: messages * receivers,
                messages,
                receivers,
                receiver_names,
                ..NamedLossGroup::default()
            };
        let worker = group(4, 15, times("10:11:12", "10:11:14"), names(&[3, 7, 11, 15, 19]));
        let restart = group(2, 3, times("11:00:00", "11:00:01"), names(&[1, 2, 3]));
        let restart = NamedLossGroup { unread_messages: 1, remote_messages: 1, ..restart };
        let single = NamedLossGroup { unread_messages: 1, ..group(1, 1, times("12:00:00", "12:00:00"), names(&[9])) };
        NamedLossGroups::of(vec![single, restart, worker], OtherLosses { messages: 3, deliveries: 12 })
    }

    #[test]
    fn the_words_stay_within_twelve_lines() {
        let group =
            |n: u64| NamedLossGroup { messages: n, receivers: 2, deliveries: 2 * n, ..NamedLossGroup::default() };
        let mut page = Page::default();
        groups(&mut page, &NamedLossGroups::of((1..40).map(group).collect(), OtherLosses::default()));
        assert_eq!(page.0.lines().count(), 12);
    }
}

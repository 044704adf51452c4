//! Notices that must not be overlooked: commands, disruptions, member lists, clock events.

use std::time::{Duration, UNIX_EPOCH};

use super::page::{Page, in_order};
use crate::metrics::label::Label;
use crate::model::{ClockEvent, ListFate};
use crate::report::marked::Marked;
use crate::report::numbers::{count, plain, span};
use crate::report::recoveries::{RecoveryFigures, said};
use crate::report::summary::{ClockEvents, Mismatches, Presence};
use crate::report::timeline::{Timeline, TimelineEvent};

/// Maximum number of commands that are listed.
const MOST_COMMANDS: usize = 20;

/// The commands of `soakrig ctl` with their times, which may explain the figures. One that went to several
/// generators is listed once.
pub(super) fn commands(page: &mut Page, timeline: Option<&Timeline>) {
    let events = timeline.map_or(&[][..], |timeline| timeline.events.as_slice());
    let of_ctl = |event: &&TimelineEvent| matches!(event.kind.as_str(), "control" | "mark_begin" | "mark_end");
    let mut commands: Vec<&TimelineEvent> = events.iter().filter(of_ctl).collect();
    commands.dedup_by(|later, earlier| (&later.kind, &later.text) == (&earlier.kind, &earlier.text));
    for (nth, event) in commands.iter().take(MOST_COMMANDS).enumerate() {
        let what = match event.kind.as_str() {
            "control" => String::new(),
            kind => format!("{}: ", kind.replace('_', " ")),
        };
        let name = if nth == 0 { "commands" } else { "" };
        page.row(name, &format!("{} {what}{}", moment(event.at), plain(&event.text)));
    }
    let more = commands.len().saturating_sub(MOST_COMMANDS);
    if more > 0 {
        page.row("", &format!("and {} more, in timeline.events of the summary file", count(more as u64)));
    }
}

/// A time in seconds since 1970, for people.
fn moment(at: f64) -> String {
    let at = UNIX_EPOCH + Duration::try_from_secs_f64(at).unwrap_or_default();
    humantime::format_rfc3339_seconds(at).to_string()
}

/// A row about planned disruptions; none if there were none.
pub(super) fn marked(page: &mut Page, marked: Option<&Marked>) {
    if let Some(marked) = marked {
        let judged =
            if marked.tolerated { "in no threshold" } else { "judged like the rest, without --tolerate-marked" };
        page.row("marked", &format!("{}; {judged}", marked.said()));
    }
}

/// How long users took to reconnect; nothing if no connection was ended on purpose.
pub(super) fn recoveries(page: &mut Page, recoveries: &[RecoveryFigures]) {
    for (nth, recovery) in recoveries.iter().enumerate() {
        let at = moment(recovery.at);
        let name = if nth == 0 { "recovery" } else { "" };
        page.row(name, &format!("{} at {at}: {}", plain(&recovery.what), said(recovery)));
    }
}

/// Rows about member lists; none if there were no lists.
pub(super) fn presence(page: &mut Page, presence: &Presence) {
    let lists = |fate: ListFate| presence.lists.get(fate.text()).copied().unwrap_or(0);
    let (judged, short, unreadable) = (lists(ListFate::Judged), lists(ListFate::Short), lists(ListFate::Unreadable));
    if judged + short + unreadable == 0 {
        return;
    }
    let Presence { ghost, missing, .. } = presence;
    let clean = ghost.episodes + missing.episodes == 0;
    let mut said = match judged {
        0 => "not judged: each named only its receiver".to_owned(),
        n => format!("{} looked at{}", count(n), if clean { ", no user was listed wrongly" } else { "" }),
    };
    if unreadable > 0 {
        said.push_str(&format!(", {} more could not be read", count(unreadable)));
    }
    page.row("member lists", &said);
    if clean {
        return;
    }
    for (name, found, meaning) in
        [("ghosts", ghost, "listed, though gone"), ("missing", missing, "connected, and not listed")]
    {
        let Mismatches { at_end, most, episodes } = found;
        let remark = format!("{meaning}; {} at most at a time, {} at the end", count(*most), count(*at_end));
        page.number(name, *episodes, &remark);
    }
}

/// Rows about clock events; none if there were none.
pub(super) fn clock(page: &mut Page, clock: &ClockEvents) {
    for (kind, n) in in_order::<ClockEvent, _>(&clock.events) {
        let what = match kind.as_str() {
            "wall_jump" => "the wall clock was set",
            "suspend" => "the machine slept",
            "stall" => "the process stood still",
            other => other,
        };
        let seconds = clock.seconds.get(kind).copied().unwrap_or(0.0);
        page.row("noticed", &format!("{what} {}, {} in all", times_over(*n), span(seconds)));
    }
    if clock.dns_changes > 0 {
        page.row("noticed", &format!("the server's name changed its addresses {}", times_over(clock.dns_changes)));
    }
}

fn times_over(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{} times", count(n)) }
}

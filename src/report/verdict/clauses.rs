//! The words of a verdict on a run that passed, and on each threshold that failed.

use crate::metrics::label::Label as _;
use crate::model::{RuleOption, Stage, UserState};
use crate::report::numbers::{count, latency, latency_over, limit, percent_over};
use crate::report::rules::{ended_by, shown};
use crate::report::sections;
use crate::report::summary::{Judgement, Summary, Threshold};
use crate::report::thresholds::{self, Found};

/// The sentences about a run that passed.
pub(super) fn passed(summary: &Summary) -> String {
    let mut said = vec![deliveries(summary)];
    match thresholds::cut(summary) {
        (_, 0) => {}
        (0, 1) => said.push("the one connection was not cut".to_owned()),
        (0, joined) => said.push(format!("none of {} connections was cut", count(joined))),
        (cut, joined) => said.push(format!("{} of {} cut", count(cut), were(joined, "connection", cut))),
    }
    if let Some(most) = summary.thresholds.max_error_rate {
        said.push(format!("no stage failed more often than {}", limit(most)));
    }
    let said = match said.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{}, and {last}", first.join(", ")),
        all => all.join(", "),
    };
    let excused = match cut_off(summary) {
        0 => String::new(),
        1 => " 1 of the deliveries does not count, because a connection was cut off.".to_owned(),
        n => format!(" {} of the deliveries do not count, because connections were cut off.", count(n)),
    };
    format!("Passed: {said}.{}{excused}", ramp(summary))
}

/// A sentence about an unfinished ramp: the run never reached its load.
fn ramp(summary: &Summary) -> String {
    let users = &summary.users;
    if summary.run.hold_seconds <= 0.0 {
        let state = |state: UserState| users.states.get(state.text()).copied().unwrap_or(0);
        let joined = state(UserState::Connected).saturating_add(state(UserState::Away));
        return format!(" The ramp was not over: {} of {} had joined.", count(joined), plural(users.target, "user"));
    }
    match sections::still_ramping(summary).as_slice() {
        [] => String::new(),
        names => format!(" The ramp of {} was not over.", names.join(", ")),
    }
}

/// A sentence, after a space, about faults that the verdict leaves out as spoilt, so that they are not
/// hidden.
pub(super) fn not_judged(summary: &Summary) -> String {
    let left_out = thresholds::not_judged(summary);
    if left_out.is_empty() {
        return String::new();
    }
    let left_out: Vec<String> = left_out.into_iter().map(|(name, n)| format!("{} {name}", count(n))).collect();
    format!(" Not judged, because the generator spoilt their time: {}.", left_out.join(", "))
}

/// A sentence, after a space, about planned disruptions that are set aside.
pub(super) fn set_aside(summary: &Summary) -> String {
    summary.set_aside().map_or_else(String::new, |aside| format!(" Set aside as planned, {}.", aside.said()))
}

/// The clause about deliveries of a run that passed: lost, late, anomalies.
fn deliveries(summary: &Summary) -> String {
    let found = Found::of(summary);
    let judged = judged(summary);
    if found.expected == 0 {
        return if judged.is_empty() { "no delivery was expected" } else { "no delivery is judged" }.to_owned();
    }
    let of = format!("{} {judged}deliveries", count(found.expected));
    let mut said = match (found.expected, found.lost, found.late) {
        (1, 0, 0) => format!("the one {judged}delivery was neither lost nor late"),
        (1, 0, _) => format!("the one {judged}delivery was not lost"),
        (_, 0, 0) => format!("none of {of} was lost or late"),
        (_, 0, _) => format!("none of {of} was lost"),
        (1, lost, _) => format!("{} of 1 {judged}delivery lost ({})", count(lost), most_lost(summary)),
        (_, lost, _) => format!("{} of {of} lost ({})", count(lost), most_lost(summary)),
    };
    if found.late > 0 {
        said.push_str(&format!(", {} late", count(found.late)));
    }
    for (kind, n) in frequent(summary) {
        said.push_str(&format!(", {} {kind}", count(n)));
    }
    if found.outstanding > 0 {
        said.push_str(&format!(", {} outstanding", count(found.outstanding)));
    }
    said
}

/// `judged ` if not all deliveries are judged, else empty.
fn judged(summary: &Summary) -> &'static str {
    if thresholds::not_judged(summary).is_empty() { "" } else { "judged " }
}

/// The kinds of anomalies that were seen, the most frequent first.
fn frequent(summary: &Summary) -> Vec<(&'static str, u64)> {
    let mut kinds: Vec<_> = thresholds::anomalies(summary).into_iter().filter(|(_, n)| *n > 0).collect();
    kinds.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    kinds
}

/// Deliveries excused because of ended connections: a server that disconnects all users must not look
/// lossless.
fn cut_off(summary: &Summary) -> u64 {
    let excused = [&summary.deliveries.excused, &summary.remote.deliveries.excused];
    excused.iter().map(|excused| excused.server + excused.network + excused.sender_cut).sum()
}

fn most_lost(summary: &Summary) -> String {
    let limits = &summary.thresholds;
    match (limits.max_lost, limits.max_lost_share) {
        (Some(most), _) => format!("limit {}", count(most)),
        (None, Some(most)) => format!("limit {}", limit(most)),
        (None, None) => "no limit".to_owned(),
    }
}

/// Whether a failed threshold only repeats another one, since losses are also errors of deliveries.
pub(super) fn is_said(summary: &Summary, row: &Threshold, all: &[Threshold]) -> bool {
    let stage = Stage::Delivery.as_str();
    let failed = |name: &str| all.iter().any(|row| row.name == name && row.result == Judgement::Failed);
    let only_lost = || thresholds::errors(summary, stage).1 == Found::of(summary).lost;
    row.name == format!("error_rate({stage})") && failed("lost") && (only_lost() || failed("anomalies"))
}

/// A failed threshold as a clause.
pub(super) fn of(summary: &Summary, row: &Threshold) -> String {
    if let Some(option) = row.rule {
        return rule(summary, row, option);
    }
    let found = Found::of(summary);
    let (most, expected) = (row.limit.unwrap_or_default(), found.expected);
    let limit = limit(most);
    let part = |n: u64, of: u64| percent_over(n as f64 / of.max(n).max(1) as f64, most);
    match row.name.as_str() {
        thresholds::NOTHING_MEASURED => nothing_measured(summary),
        "lost" => {
            let were = were(expected, &format!("{}delivery", judged(summary)), found.lost);
            format!("{} of {were} lost ({})", count(found.lost), most_lost(summary))
        }
        "late" => {
            let (part, late) = (part(found.late, expected), count(found.late));
            format!("{part} of the deliveries came late ({late} of {}, limit {limit})", count(expected))
        }
        "anomalies" => anomalies(summary, &part(thresholds::worst_anomaly(summary).1, expected), &limit),
        "cut" => {
            let (cut, joined) = thresholds::cut(summary);
            let (part, cut, joined) = (part(cut, joined), count(cut), count(joined));
            format!("the server or the network cut {part} of the connections ({cut} of {joined}, limit {limit})")
        }
        "p99" => {
            let value = latency_over(row.value.unwrap_or_default(), most);
            format!("p99 of the time to delivery was {value} (limit {})", latency(most))
        }
        "outstanding" => format!(
            "{} of {} had no verdict when the grace was over (a longer --grace than the horizon gives each one)",
            count(found.outstanding),
            plural(expected, "delivery")
        ),
        stage => {
            let stage = stage.trim_start_matches("error_rate(").trim_end_matches(')');
            let (operations, errors) = thresholds::errors(summary, stage);
            let (part, errors, operations) = (part(errors, operations), count(errors), count(operations));
            format!("{part} of stage {stage} failed ({errors} of {operations}, limit {limit})")
        }
    }
}

/// A rule that holds.
fn rule(summary: &Summary, row: &Threshold, option: RuleOption) -> String {
    let value = row.value.map_or_else(String::new, |value| shown(row.unit, row.limit, row.below, value));
    if let Some(ended) = ended_by(summary, row) {
        let value = shown(row.unit, row.limit, row.below, ended.value);
        return format!("{} {} ended the run at {}, at {value}", option.flag(), row.name, ended.at);
    }
    match &row.at {
        Some(at) => format!("{} holds: {value} from {} to {}", row.name, at.began, at.ended),
        None => format!("{} holds: it was {value}", row.name),
    }
}

/// The clause about too many anomalies of a kind, and about the other kinds.
fn anomalies(summary: &Summary, part: &str, limit: &str) -> String {
    let (kind, n) = thresholds::worst_anomaly(summary);
    let others: Vec<String> =
        frequent(summary).iter().skip(1).map(|(kind, n)| format!("{} {kind}", count(*n))).collect();
    let others = if others.is_empty() { String::new() } else { format!(", also {}", others.join(", ")) };
    let were = if n == 1 { "arrival was" } else { "arrivals were" };
    let of = plural(Found::of(summary).expected, "delivery");
    format!("{} {were} {kind}, {part} of {of} (limit {limit}{others})", count(n))
}

fn nothing_measured(summary: &Summary) -> String {
    if !thresholds::anybody_joined(summary) {
        return "no user ever joined".to_owned();
    }
    "chats should have been sent, but no delivery was expected".to_owned()
}

/// `n` of something, by its name in the singular.
fn plural(n: u64, one: &str) -> String {
    match (n, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (n, Some(stem)) => format!("{} {stem}ies", count(n)),
        (n, None) => format!("{} {one}s", count(n)),
    }
}

/// `whole` of something, of which `some` were.
fn were(whole: u64, one: &str, some: u64) -> String {
    format!("{} {}", plural(whole, one), if some == 1 { "was" } else { "were" })
}

//! The effects of `soakrig ctl`: planned disruptions, and how long users took to reconnect.

use super::clockface;
use super::view::{Recovered, Series, Table};
use crate::report::disruptions::Disruption;
use crate::report::numbers::{count, span};
use crate::report::recoveries::{RecoveryFigures, took};

/// Maximum number of curves in the chart: the slowest.
const MOST_CURVES: usize = 10;
/// Maximum number of rows of a table.
const MOST_ROWS: usize = 100;
/// Maximum length of a shown text, in characters.
const LONGEST_TEXT: usize = 300;

const PLANNED: [&str; 11] = [
    "what",
    "began",
    "lasted",
    "every user back",
    "messages",
    "deliveries",
    "lost",
    "late",
    "anomalies",
    "cut",
    "errors",
];
const RECOVERED: [&str; 8] =
    ["what", "began", "every user back", "half back", "90 % back", "99 % back", "held before", "connections ended"];

/// The table of planned disruptions; `None` if there are none.
pub(super) fn planned(
    disruptions: &[Disruption],
    recoveries: &[RecoveryFigures],
    is_tolerated: bool,
    text: fn(&str) -> String,
) -> Option<Table> {
    let row = |one: &Disruption| {
        let Disruption { sent, expected, lost, late, anomalies, cut, errors, .. } = one;
        let lasted = if one.open { format!("{} so far", span(one.seconds)) } else { span(one.seconds) };
        let back = one.recovery(recoveries).map_or_else(|| "no user cut".to_owned(), every_user);
        let mut row = vec![text(&one.what), clockface::whole(one.at), lasted, back];
        row.extend([sent, expected, lost, late, anomalies, cut, errors].map(|n| count(*n)));
        row
    };
    let rows: Vec<_> = disruptions.iter().take(MOST_ROWS).map(row).collect();
    let judged = if is_tolerated {
        "No threshold counts them (--tolerate-marked)."
    } else {
        "Thresholds count them: --tolerate-marked is off."
    };
    let note = format!(
        "From “ctl mark begin” to “mark end”. {judged} Deliveries are those of messages due in this time; cut \
         connections are those that the server or the network ended."
    );
    let (id, title) = ("planned", "Planned disruptions");
    (!rows.is_empty()).then(|| Table { id, title, note, head: PLANNED.to_vec(), rows })
}

/// How users reconnected, as a table and as curves; `None` if no connection was ended on purpose.
pub(super) fn recovered(recoveries: &[RecoveryFigures], text: fn(&str) -> String) -> Option<Recovered> {
    let in_words = |seconds: Option<f64>| seconds.map_or_else(|| "not yet".to_owned(), took);
    let row = |one: &RecoveryFigures| {
        let seconds = one.seconds;
        let mut row = vec![text(&one.what), clockface::whole(one.at), every_user(one)];
        row.extend([seconds.p50, seconds.p90, seconds.p99].map(in_words));
        row.extend([count(one.held), count(one.users)]);
        row
    };
    let rows: Vec<_> = recoveries.iter().take(MOST_ROWS).map(row).collect();
    if rows.is_empty() {
        return None;
    }
    let mut slowest: Vec<&RecoveryFigures> = recoveries.iter().filter(|one| !one.curve.is_empty()).collect();
    let all = |one: &RecoveryFigures| one.seconds.all.unwrap_or(f64::INFINITY);
    slowest.sort_by(|one, other| all(other).total_cmp(&all(one)));
    let left_out = slowest.len().saturating_sub(MOST_CURVES);
    slowest.truncate(MOST_CURVES);
    slowest.sort_by(|one, other| one.at.total_cmp(&other.at));
    // A little past the end of the longest.
    let moments = slowest.iter().map(|one| one.curve.len()).max().unwrap_or(0) + 2;
    let times = slowest.first().map(|one| one.held_over_time(moments)).unwrap_or_default();
    let curve = |one: &&RecoveryFigures| Series {
        name: format!("{} {}", text(&one.what), clockface::whole(one.at).get(11..19).unwrap_or_default()),
        values: one.held_over_time(moments).into_iter().map(|(_, held)| Some((held * 1e4).round() / 1e4)).collect(),
        table: Vec::new(),
    };
    let mut note =
        "How long users took to come back after “ctl disconnect” or a cut in a planned disruption, each from \
                    the end of its own connection. The curves show users held as a share of those held before, as if \
                    all connections had ended at once."
            .to_owned();
    if left_out > 0 {
        note.push_str(&format!(" The {MOST_CURVES} slowest are drawn."));
    }
    Some(Recovered {
        table: Table { id: "recovered", title: "How users came back", note, head: RECOVERED.to_vec(), rows },
        times: times.into_iter().map(|(seconds, _)| seconds).collect(),
        curves: slowest.iter().map(curve).collect(),
    })
}

/// The time until every user was back.
fn every_user(recovery: &RecoveryFigures) -> String {
    match recovery.seconds.all {
        Some(seconds) => format!("in {}", took(seconds)),
        None => format!("{} of {} so far", count(recovery.back), count(recovery.users)),
    }
}

/// A text from elsewhere, of bounded length.
pub(super) fn short(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::recoveries::RecoverySeconds;

    fn recovery(what: &str, at: f64, all: Option<f64>) -> RecoveryFigures {
        let seconds = RecoverySeconds { p50: Some(0.2), p90: Some(0.5), p99: all, all };
        let back = if all.is_some() { 1_000 } else { 900 };
        RecoveryFigures { what: what.into(), at, held: 2_000, users: 1_000, back, seconds, curve: vec![0, 400, back] }
    }

    #[test]
    fn every_recovery_has_a_row_and_the_slowest_have_curves() {
        assert!(recovered(&[], short).is_none());
        let many: Vec<_> = (1..=12).map(|n| recovery(&format!("n{n}"), f64::from(n), Some(f64::from(n)))).collect();
        let shown = recovered(&many, short).unwrap();
        assert_eq!((shown.table.rows.len(), shown.curves.len()), (12, 10));
        assert_eq!(shown.curves[0].name, "n3 00:00:03");
        assert_eq!(shown.times, [0.1, 0.126, 0.158, 0.2, 0.251]);
        assert_eq!(shown.curves[0].values, [0.5, 0.7, 1.0, 1.0, 1.0].map(Some));
        let row = &recovered(&[recovery("storm", 60.0, Some(14.0))], short).unwrap().table.rows[0];
        assert_eq!(row[2..], ["in 14s", "200 ms", "500 ms", "14s", "2,000", "1,000"]);
        let waiting = &recovered(&[recovery("storm", 60.0, None)], short).unwrap().table.rows[0];
        assert_eq!((waiting[2].as_str(), waiting[5].as_str()), ("900 of 1,000 so far", "not yet"));
    }

    #[test]
    fn a_disruption_says_what_was_measured_in_it() {
        let deploy =
            Disruption { what: "deploy".into(), at: 60.0, seconds: 90.0, lost: 7, cut: 12, ..Disruption::default() };
        let quiet = Disruption { what: "quiet".into(), at: 600.0, open: true, ..deploy.clone() };
        let table = planned(&[deploy, quiet], &[recovery("deploy", 60.0, Some(14.0))], true, short).unwrap();
        assert!(table.note.contains("No threshold counts"), "{}", table.note);
        let rows = &table.rows;
        assert_eq!(rows[0][..3], ["deploy", "1970-01-01 00:01:00 UTC", "1m 30s"]);
        assert_eq!((rows[0][3].as_str(), rows[0][6].as_str(), rows[0][9].as_str()), ("in 14s", "7", "12"));
        assert_eq!((rows[1][2].as_str(), rows[1][3].as_str()), ("1m 30s so far", "no user cut"));
        assert!(planned(&[], &[], false, short).is_none());
    }
}

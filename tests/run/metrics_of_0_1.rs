//! `/metrics` of a plenary run still has every series, label value and bucket of version 0.1.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::Rig;

/// The metrics of 0.1; the head of the file says how it was made.
const OF_0_1: &str = include_str!("metrics_of_0_1.txt");

/// The lines of [`OF_0_1`] that begin with `what`, without it.
fn lines_of(what: &str) -> impl Iterator<Item = &'static str> {
    let prefix = format!("{what} ");
    OF_0_1.lines().filter_map(move |line| line.strip_prefix(prefix.as_str()))
}

/// A series' name with its labels.
fn parsed(series: &str) -> (&str, BTreeMap<&str, &str>) {
    let Some((name, labels)) = series.split_once('{') else { return (series, BTreeMap::new()) };
    let labels = labels.trim_end_matches('}').split_inclusive("\",");
    (name, labels.filter_map(|label| label.trim_end_matches(',').split_once('=')).collect())
}

/// The series of a page, by name.
fn series(page: &str) -> BTreeMap<&str, Vec<BTreeMap<&str, &str>>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = parsed(line.rsplit_once(' ').unwrap().0);
        all.entry(name).or_default().push(labels);
    }
    all
}

#[test]
fn the_first_scrape_has_every_series_of_0_1() {
    let mut rig = Rig::demo(&["--user-range-max", "5", "--chat-rate", "5/s", "--ramp", "50/s", "--duration", "1h"]);
    rig.wait_for_metrics();
    let page = rig.scrape();
    let missing = lines_of("type").filter(|line| !page.contains(&format!("# TYPE {line}\n")));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0], "families that 0.1 had");
    let shown = series(&page);
    // An additional label breaks no query; a missing label or value does.
    let is_there = |wanted: &str| {
        let (name, labels) = parsed(wanted);
        let has = |shown: &BTreeMap<&str, &str>| {
            labels.iter().all(|(label, value)| shown.get(label).is_some_and(|now| *value == "\"*\"" || now == value))
        };
        shown.get(name).is_some_and(|all| all.iter().any(has))
    };
    assert!(lines_of("series").count() > 500 && lines_of("type").count() > 40);
    assert_eq!(lines_of("series").filter(|line| !is_there(line)).collect::<Vec<_>>(), [""; 0], "series that 0.1 had");
}

/// Most errors have a series only once they occur. `cli::metrics_page` holds the page to the code.
#[test]
fn the_page_of_the_metrics_names_every_label_value_of_0_1() {
    let page = include_str!("../../docs/metrics.md");
    let mut named = BTreeSet::new();
    let rows = page.split("## Label values").nth(1).unwrap().lines().filter(|line| line.starts_with("- `"));
    for (labels, values) in rows.map(|row| row.split_once(": ").unwrap()) {
        let words = |text: &'static str| text.split('`').skip(1).step_by(2);
        for (family, label) in words(labels).filter_map(|label| label.strip_suffix('}')?.split_once('{')) {
            named.extend(words(values).map(|value| format!("{family} {label} {value}")));
        }
    }
    assert!(lines_of("value").count() > 200);
    assert_eq!(lines_of("value").filter(|line| !named.contains(*line)).collect::<Vec<_>>(), [""; 0]);
}

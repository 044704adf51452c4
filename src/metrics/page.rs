//! The documentation page of the metrics, made from [`families`](crate::metrics::families).

use std::fmt::Write;

use crate::metrics::families::{ALL, Family, Kind, Values};
use crate::model::Vocabulary;

const HEAD: &str = "# Metrics

<!-- To make this page from src/metrics/families.rs: SOAKRIG_BLESS=1 cargo test --test cli metrics_page -->

At `http://<metrics-listen>/metrics`, in Prometheus' text format. Names in `_total` are counters, histograms are marked, all others are gauges. Labels never hold a user, URL or message.

- **Error rate of a stage**: `sum by (stage) (rate(soakrig_errors_total[5m])) / sum by (stage) (rate(soakrig_operations_total[5m]))`, never over all stages.
- **Operations**: a user's step (`signup`, `login`, `event`), an attempt to join (`connect`), an intent (`send`), a frame (`receive`), a verdict (`delivery`).
- **Errors**: a failed step or attempt, a dropped intent, a frame that is not understood or says `error`, a lost delivery. A corrupt arrival is one of kind `corrupt`, and after its horizon one of kind `lost`.
- **Time to delivery**: deadline, horizon and `--max-p99` are bounds of its buckets. Only `origin=\"local\"` has `basis=\"sent\"`.

## Families

";

/// Prefix of the families that every Prometheus client has.
const STANDARD: &str = "process_";

/// The page as Markdown, for a driver with this vocabulary.
#[must_use]
pub fn markdown(vocabulary: &Vocabulary) -> String {
    let mut page = HEAD.to_owned();
    let (standard, own): (Vec<&Family>, Vec<&Family>) =
        ALL.iter().partition(|family| family.name.starts_with(STANDARD));
    // Writing to a String cannot fail.
    for family in own {
        let mark = if family.kind == Kind::Histogram { " (histogram)" } else { "" };
        let _ = writeln!(page, "- `{}`{mark}: {}", with_labels(family), family.help);
    }
    let standard: Vec<String> = standard.iter().map(|family| format!("`{}`", family.name)).collect();
    let _ = writeln!(page, "- {}: as every Prometheus client has them.", standard.join(", "));
    page.push_str(
        "\n## Label values\n\nReasons, kinds of errors and frames: the common ones and the plenary protocol's.\n\n",
    );
    for (labels, values) in label_values(vocabulary) {
        let _ = writeln!(page, "- {}: {values}", labels.join(", "));
    }
    page
}

/// `name{label,label}`.
fn with_labels(family: &Family) -> String {
    match family.label_names().as_slice() {
        [] => family.name.to_owned(),
        labels => format!("{}{{{}}}", family.name, labels.join(",")),
    }
}

/// Each set of values once, with the labels that have it: `` `name{label}` ``.
fn label_values(vocabulary: &Vocabulary) -> Vec<(Vec<String>, String)> {
    let mut rows: Vec<(Vec<String>, String)> = Vec::new();
    for family in ALL {
        for label in family.labels {
            let values = match label.values {
                Values::Closed(texts) => {
                    texts(vocabulary).iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
                }
                Values::Described(words) => words.to_owned(),
            };
            let label = format!("`{}{{{}}}`", family.name, label.name);
            match rows.iter_mut().find(|(_, known)| *known == values) {
                Some((labels, _)) => labels.push(label),
                None => rows.push((vec![label], values)),
            }
        }
    }
    rows
}

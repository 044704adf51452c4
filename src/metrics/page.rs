//! The documentation page of the metrics, made from [`families`](crate::metrics::families).

use std::fmt::Write;

use crate::metrics::families::{ALL, Family, Values};
use crate::model::Vocabulary;

const HEAD: &str = "# Metrics

<!-- Made from src/metrics/families.rs. To regenerate it: SOAKRIG_BLESS=1 cargo test --test cli metrics_page -->

On `http://<metrics-listen>/metrics`, in Prometheus' text format 0.0.4. Base units; counters end in `_total` and start at 0 with the process. Labels are small closed sets: never a user, URL, message or error text. A series that can be expected is there at 0 from the first scrape on.

## How to read them

- **Error rate of a stage**: `sum by (stage) (rate(soakrig_errors_total[5m])) / sum by (stage) (rate(soakrig_operations_total[5m]))`, never over all stages.
- **Operations**: a step of a user (`signup`, `login`, `event`), an attempt to open a socket and join (`connect`), an intent (`send`), a frame (`receive`), a verdict (`delivery`).
- **Errors**: a failed step or attempt; an intent that was dropped or failed in writing; a frame that could not be understood or says `error`; a lost delivery. Late deliveries are no errors. A corrupt arrival is an error of kind `corrupt`, and its delivery one of kind `lost` when its horizon has passed.
- **Outstanding deliveries**: `soakrig_deliveries_expected_total - sum(soakrig_deliveries_total)`.
- **Presence**: a gauge by the newest member lists ([how they are judged](presence.md)). While `soakrig_presence_lists_total{fate=\"judged\"}` stands still, there was nothing to compare.
- **Time to delivery** comes from a histogram of 0.1 % precision. `--delivery-deadline`, `--delivery-horizon` and `--max-p99` are among the bounds of its buckets. There is no `basis=\"sent\"` for `origin=\"remote\"`.

## Families

";

/// The page as Markdown, for a driver of these names.
#[must_use]
pub fn markdown(vocabulary: &Vocabulary) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("| family | type | labels | |\n| --- | --- | --- | --- |\n");
    for family in ALL {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{}`", label.name)).collect();
        // Writing to a String cannot fail.
        let _ =
            writeln!(page, "| `{}` | {} | {} | {} |", family.name, family.kind.word(), labels.join(", "), family.help);
    }
    page.push_str("\n## Label values\n\nThose that name failures and frames are the common ones and those of the plenary protocol.\n\n");
    for (name, families, words) in label_values(vocabulary) {
        let _ = writeln!(page, "- **`{name}`** of {families}: {words}");
    }
    page
}

/// Labels with their values, each set of values once with the families that use it.
fn label_values(vocabulary: &Vocabulary) -> Vec<(&'static str, String, String)> {
    let mut rows: Vec<(&'static str, Vec<&Family>, String)> = Vec::new();
    for family in ALL {
        for label in family.labels {
            let words = match label.values {
                Values::Closed(texts) => {
                    texts(vocabulary).iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", ")
                }
                Values::Described(words) => words.to_owned(),
            };
            match rows.iter_mut().find(|(name, _, known)| *name == label.name && *known == words) {
                Some((_, families, _)) => families.push(family),
                None => rows.push((label.name, vec![family], words)),
            }
        }
    }
    let named = |families: Vec<&Family>| {
        families.iter().map(|family| format!("`{}`", family.name)).collect::<Vec<_>>().join(", ")
    };
    rows.into_iter().map(|(name, families, words)| (name, named(families), words)).collect()
}

//! The documentation page of the metrics, made from [`families`](crate::metrics::families).

use std::fmt::Write;

use crate::metrics::families::{ALL, Family, Values};
use crate::model::Vocabulary;

const HEAD: &str = "# Metrics

<!-- Made from src/metrics/families.rs. To regenerate it: SOAKRIG_BLESS=1 cargo test --test cli metrics_page -->

On `http://<metrics-listen>/metrics`, in Prometheus' text format 0.0.4. Base units; counters end in `_total`
and start at 0 with the process. Labels are small closed sets: never a user, a URL, a message, an error text.

A series that can be expected is there at 0 from the first scrape on, so that rates work from the first
event; an unusual combination of labels appears with its first event.

## How to read them

- **Error rate of a stage**: `sum by (stage) (rate(soakrig_errors_total[5m])) / sum by (stage)
  (rate(soakrig_operations_total[5m]))`. Never over all stages: 200 failed sign-ups would drown in 240,000 deliveries.
- **What counts as an operation**: `signup`, `login`, `event`: one step of one user. `connect`: one attempt to open
  a socket, up to the first frame that lets the user in. `send`: one intent. `receive`: one frame.
  `delivery`: one verdict: on time, late, lost or excused.
- **What counts as an error**: a failed step; a connect that did not come to its first frame; an intent that was
  dropped, or failed in writing; a frame that could not be understood or that says `error`; a delivery that was
  lost. Late deliveries are not errors, they have figures of their own. A corrupt arrival counts as an error of kind
  `corrupt` when it is read; the delivery that it should have been ends as `lost`, and counts as that when its
  horizon has passed.
- **The books**: `soakrig_deliveries_expected_total - sum(soakrig_deliveries_total)` is what is still outstanding.
- **Presence**: `soakrig_presence_mismatches` is a gauge, by the newest member lists ([how that is judged](presence.md)). While
  `soakrig_presence_lists_total{fate=\"judged\"}` stands still, nothing new was there to compare.
- **Time to delivery** comes from a histogram of 0.1 % precision, folded into the buckets below at each scrape;
  `--delivery-deadline`, `--delivery-horizon` and `--max-p99` are among their bounds. There is no
  `basis=\"sent\"` for `origin=\"remote\"`: a marker tells when its chat was intended, not when it was sent.

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

//! Builds the exposition's samples from plain numbers, for collectors that read at scrape time.
//!
//! The only file that handles the prometheus crate's wire model.

use std::collections::HashMap;

use prometheus::core::Desc;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use crate::metrics::families::{Family, Kind};

/// The registry's description of a family.
pub(crate) fn desc(family: &Family) -> prometheus::Result<Desc> {
    let labels = family.labels.iter().map(|label| label.name.to_owned()).collect();
    Desc::new(family.name.to_owned(), family.help.to_owned(), labels, HashMap::new())
}

/// A family with its samples.
pub(crate) fn of(family: &Family, samples: Vec<Metric>) -> MetricFamily {
    let mut out = MetricFamily::default();
    out.set_name(family.name.to_owned());
    out.set_help(family.help.to_owned());
    out.set_field_type(match family.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram => MetricType::HISTOGRAM,
    });
    out.set_metric(samples);
    out
}

/// A family of one sample without labels.
pub(crate) fn single(family: &Family, value: f64) -> MetricFamily {
    of(family, vec![number(family, &[], value)])
}

/// One sample of a counter or a gauge.
pub(crate) fn number(family: &Family, texts: &[&str], value: f64) -> Metric {
    let mut out = labelled(family, texts);
    if family.kind == Kind::Counter {
        let mut counter = Counter::default();
        counter.set_value(value);
        out.set_counter(counter);
    } else {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        out.set_gauge(gauge);
    }
    out
}

/// One sample of a histogram: `counts[i]` values up to `bounds[i]`, not cumulative. If there is one more
/// count than bounds, the last counts the values beyond.
pub(crate) fn histogram(family: &Family, texts: &[&str], bounds: &[f64], counts: &[u64], sum: f64) -> Metric {
    let mut below = 0;
    let buckets = bounds.iter().zip(counts).map(|(bound, count)| {
        below += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound);
        bucket.set_cumulative_count(below);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(counts.iter().sum());
    histogram.set_sample_sum(sum);
    let mut out = labelled(family, texts);
    out.set_histogram(histogram);
    out
}

fn labelled(family: &Family, texts: &[&str]) -> Metric {
    let pairs = family.labels.iter().zip(texts).map(|(label, text)| {
        let mut pair = LabelPair::default();
        pair.set_name(label.name.to_owned());
        pair.set_value((*text).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

//! Times to delivery in the summary: quantiles to read, and the whole histogram in HdrHistogram's own
//! encoding, so that those of several generators can be merged.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

/// Longest encoded histogram that is accepted, in bytes: several times what one with a range of an hour needs.
const MOST_ENCODED: usize = 4 << 20;

/// An encoded histogram could not be read: the summary is damaged or not soakrig's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a histogram in HdrHistogram's V2 deflate encoding: {0}")]
pub struct HistogramError(String);

/// Times to delivery by one basis, in seconds; absent if nothing was delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Durations {
    /// The median.
    pub p50: Option<f64>,
    /// The 90th percentile.
    pub p90: Option<f64>,
    /// The 99th percentile.
    pub p99: Option<f64>,
    /// The longest.
    pub max: Option<f64>,
    /// Number of deliveries.
    pub count: u64,
    /// The histogram, in microseconds: HdrHistogram V2, deflated, in base64. Empty if nothing was delivered.
    pub histogram: String,
}

impl Durations {
    /// From a histogram in microseconds.
    #[must_use]
    pub fn of(micros: &Histogram<u64>) -> Self {
        if micros.is_empty() {
            return Self::default();
        }
        let seconds = |quantile| Some(micros.value_at_quantile(quantile) as f64 / 1e6);
        Self {
            p50: seconds(0.5),
            p90: seconds(0.9),
            p99: seconds(0.99),
            max: Some(micros.max() as f64 / 1e6),
            count: micros.len(),
            histogram: encode(micros),
        }
    }

    /// The histogram, in microseconds; `None` if nothing was delivered.
    ///
    /// # Errors
    /// If the text is not an encoded histogram.
    pub fn decode(&self) -> Result<Option<Histogram<u64>>, HistogramError> {
        if self.histogram.is_empty() {
            return Ok(None);
        }
        if self.histogram.len() > MOST_ENCODED {
            return Err(HistogramError(format!("{} bytes long", self.histogram.len())));
        }
        let bytes = STANDARD.decode(&self.histogram).map_err(|error| HistogramError(error.to_string()))?;
        let histogram = Deserializer::new().deserialize(&mut bytes.as_slice());
        histogram.map(Some).map_err(|error| HistogramError(error.to_string()))
    }
}

fn encode(micros: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    // Writing to memory fails only if memory is exhausted.
    match V2DeflateSerializer::new().serialize(micros, &mut bytes) {
        Ok(_) => STANDARD.encode(bytes),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::delivery_times;

    #[test]
    fn a_histogram_survives_the_text() {
        let mut micros = delivery_times();
        for value in [900, 12_000, 12_000, 59_000_000] {
            micros.record(value).unwrap();
        }
        let kept = Durations::of(&micros);
        assert_eq!(kept.count, 4);
        assert!((kept.p50.unwrap() - 0.012).abs() < 0.000_012);
        assert!(kept.max.unwrap() >= 59.0 && kept.max.unwrap() < 59.06);
        assert_eq!(kept.decode().unwrap().unwrap(), micros);
    }

    #[test]
    fn nothing_delivered_has_no_quantiles() {
        let kept = Durations::of(&delivery_times());
        assert_eq!((kept.p50, kept.count), (None, 0));
        assert_eq!(kept.decode().unwrap(), None);
    }

    #[test]
    fn foreign_text_is_an_error() {
        for text in ["!!", "AAAA", "HISTFAAAACh4nA=="] {
            let kept = Durations { histogram: text.to_owned(), ..Durations::default() };
            assert!(kept.decode().is_err(), "{text}");
        }
    }
}

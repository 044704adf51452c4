//! A sketch of times to delivery, with its form in JSON.

use serde::{Deserialize, Serialize};

use crate::stats::Sketch;

/// Maximum number of buckets read from a file. A sketch's 128 buckets span at most those from a microsecond
/// to a year.
const MOST_COUNTS: usize = 1 << 10;

/// Times to delivery in logarithmic buckets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Counts", into = "Counts")]
pub struct Times(Sketch);

/// Counts of neighbouring buckets. The upper bound of bucket i is (51/49)^i seconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counts {
    /// Index of the first bucket.
    from: i16,
    /// Numbers of times to delivery in it and in those above.
    counts: Vec<u64>,
}

impl Times {
    /// The sketch.
    #[must_use]
    pub fn sketch(&self) -> &Sketch {
        &self.0
    }

    /// Adds another sketch.
    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }
}

impl From<Sketch> for Times {
    fn from(sketch: Sketch) -> Self {
        Self(sketch)
    }
}

impl From<Times> for Counts {
    fn from(times: Times) -> Self {
        let mut this = Self::default();
        for (bucket, n) in times.0.buckets() {
            if this.counts.is_empty() {
                this.from = bucket;
            }
            let at = usize::try_from(i32::from(bucket) - i32::from(this.from)).unwrap_or(0);
            this.counts.resize(at, 0);
            this.counts.push(n);
        }
        this
    }
}

impl TryFrom<Counts> for Times {
    type Error = String;

    fn try_from(counts: Counts) -> Result<Self, String> {
        let len = counts.counts.len();
        if len > MOST_COUNTS {
            return Err(format!("{len} buckets of times to delivery; at most {MOST_COUNTS} are possible"));
        }
        let buckets = (i32::from(counts.from)..).zip(counts.counts).filter(|(_, n)| *n > 0);
        let numbered = buckets.map(|(bucket, n)| {
            let bucket = i16::try_from(bucket).map_err(|_| format!("no bucket of times has the number {bucket}"))?;
            Ok((bucket, n))
        });
        Ok(Self(Sketch::from_buckets(numbered.collect::<Result<Vec<_>, String>>()?)))
    }
}

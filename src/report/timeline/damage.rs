//! Checks a timeline read from a file, which anyone may have written.

use serde::Deserialize;

use super::{MOST_EVENTS, MOST_SLICES, Slice, Timeline, TimelineEvent};

/// Longest slice accepted, in seconds: a year, more than any run needs.
const LONGEST_SECONDS: u64 = 366 * 86_400;

/// A timeline that has not been checked yet.
#[derive(Deserialize)]
pub(super) struct Read {
    slice_seconds: u64,
    slices: Vec<Slice>,
    #[serde(default)]
    events: Vec<TimelineEvent>,
    #[serde(default)]
    events_dropped: u64,
}

impl TryFrom<Read> for Timeline {
    type Error = String;

    fn try_from(read: Read) -> Result<Self, String> {
        let Read { slice_seconds, slices, events, events_dropped } = read;
        if !(1..=LONGEST_SECONDS).contains(&slice_seconds) {
            return Err(format!("slices of {slice_seconds} s; they last between a second and a year"));
        }
        if slices.len() > MOST_SLICES || events.len() > MOST_EVENTS {
            let (slices, events) = (slices.len(), events.len());
            return Err(format!(
                "{slices} slices and {events} events; at most {MOST_SLICES} and {MOST_EVENTS} are possible"
            ));
        }
        if let Some(slice) = slices.iter().find(|slice| !slice.start.is_multiple_of(slice_seconds)) {
            return Err(format!("a slice of {slice_seconds} s cannot begin at {}", slice.start));
        }
        if let Some(pair) = slices.windows(2).find(|pair| pair[0].start >= pair[1].start) {
            return Err(format!("the slice that begins at {} is not in order of time", pair[1].start));
        }
        Ok(Self { slice_seconds, slices, events, events_dropped })
    }
}

//! The plenaries of a server, one for each status that a client may encounter.
//!
//! Facts only, fixed at the start; [`plenary_task`](super::plenary_task) knows who is in a plenary.

use std::borrow::Cow;
use std::ops::Range;
use std::time::{Duration, SystemTime};

/// Users who fit in a breakout.
const BREAKOUT_CAPACITY: usize = 10;
const HOUR: Duration = Duration::from_secs(3600);

/// Whether users may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventStatus {
    Open,
    /// It has ended.
    Closed,
    /// It has not started.
    Future,
    Cancelled,
}

/// A breakout's facts.
#[derive(Debug, Clone)]
pub(super) struct Breakout {
    pub id: u64,
    pub title: String,
    /// Users who may be in it at once.
    pub max_attendees: usize,
}

/// A plenary's facts.
#[derive(Debug, Clone)]
pub(super) struct Plenary {
    pub id: u64,
    pub slug: Cow<'static, str>,
    pub status: EventStatus,
    /// Users who may be present; 0 for no limit.
    pub max_participants: usize,
    pub breakouts: Vec<Breakout>,
    pub doors_open: SystemTime,
    pub doors_close: SystemTime,
}

impl Plenary {
    fn new(id: u64, slug: impl Into<Cow<'static, str>>, status: EventStatus, now: SystemTime) -> Self {
        let (doors_open, doors_close) = match status {
            EventStatus::Closed => (now - 48 * HOUR, now - 24 * HOUR),
            EventStatus::Future => (now + 24 * HOUR, now + 48 * HOUR),
            EventStatus::Open | EventStatus::Cancelled => (now - HOUR, now + 30 * 24 * HOUR),
        };
        let slug = slug.into();
        Self { id, slug, status, max_participants: 0, breakouts: Vec::new(), doors_open, doors_close }
    }

    /// Whether it is open; then only signed-in users see it.
    pub(super) fn is_open(&self) -> bool {
        self.status == EventStatus::Open
    }

    /// Whether `present` users fill it.
    pub(super) fn is_full(&self, present: usize) -> bool {
        self.max_participants > 0 && present >= self.max_participants
    }

    /// The name of its channel in member lists.
    pub(super) fn channel_name(&self) -> String {
        format!("plenary-{}", self.id)
    }
}

/// All plenaries of a server started at `now`.
pub(super) fn all(now: SystemTime) -> Vec<Plenary> {
    let breakouts =
        (1..=5).map(|id| Breakout { id, title: format!("Breakout {id}"), max_attendees: BREAKOUT_CAPACITY }).collect();
    vec![
        Plenary { breakouts, ..Plenary::new(1, "test", EventStatus::Open, now) },
        Plenary { max_participants: 2, ..Plenary::new(2, "small", EventStatus::Open, now) },
        Plenary::new(3, "closed", EventStatus::Closed, now),
        Plenary::new(4, "future", EventStatus::Future, now),
        Plenary::new(5, "cancelled", EventStatus::Cancelled, now),
        Plenary::new(6, "nobreak", EventStatus::Open, now),
    ]
}

/// Name of the numbered plenaries, before the number.
pub(super) const NUMBERED: &str = "event-";
/// The id of the first numbered plenary and of its breakout; lower ones are taken.
const FIRST_NUMBERED: u64 = 1000;

/// Open plenaries with these numbers in their names, each with a breakout of its own.
pub(super) fn numbered(numbers: Range<u64>, now: SystemTime) -> impl Iterator<Item = Plenary> {
    numbers.zip(FIRST_NUMBERED..).map(move |(number, id)| {
        let breakout = Breakout { id, title: format!("Breakout {number}"), max_attendees: BREAKOUT_CAPACITY };
        let slug = format!("{NUMBERED}{number}");
        Plenary { breakouts: vec![breakout], ..Plenary::new(id, slug, EventStatus::Open, now) }
    })
}

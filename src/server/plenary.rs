//! The plenaries a target has, and what each is there to show.
//!
//! Facts only, fixed at the start; who is in a plenary is the [hall](super::hall)'s to know.

use std::time::{Duration, SystemTime};

/// Seats of a breakout.
const BREAKOUT_SEATS: usize = 10;
const HOUR: Duration = Duration::from_secs(3600);

/// Whether people may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doors {
    Open,
    /// It is over.
    Closed,
    /// It has not begun.
    Future,
    Cancelled,
}

/// A breakout room's facts.
#[derive(Debug, Clone)]
pub(super) struct Breakout {
    pub id: u64,
    pub title: String,
    /// Users who may be in at once.
    pub max_attendees: usize,
}

/// A plenary's facts.
#[derive(Debug, Clone)]
pub(super) struct Plenary {
    pub id: u64,
    pub slug: &'static str,
    pub doors: Doors,
    /// Users who may be present; 0 for no limit.
    pub max_participants: usize,
    pub breakouts: Vec<Breakout>,
    pub doors_open: SystemTime,
    pub doors_close: SystemTime,
}

impl Plenary {
    fn new(id: u64, slug: &'static str, doors: Doors, now: SystemTime) -> Self {
        let (doors_open, doors_close) = match doors {
            Doors::Closed => (now - 48 * HOUR, now - 24 * HOUR),
            Doors::Future => (now + 24 * HOUR, now + 48 * HOUR),
            Doors::Open | Doors::Cancelled => (now - HOUR, now + 30 * 24 * HOUR),
        };
        Self { id, slug, doors, max_participants: 0, breakouts: Vec::new(), doors_open, doors_close }
    }

    /// Whether somebody must be signed in to see it, and finds it open.
    pub(super) fn is_open(&self) -> bool {
        self.doors == Doors::Open
    }

    /// Whether `present` users fill it.
    pub(super) fn is_full(&self, present: usize) -> bool {
        self.max_participants > 0 && present >= self.max_participants
    }

    /// The name of its channel in member lists.
    pub(super) fn channel(&self) -> String {
        format!("plenary-{}", self.id)
    }
}

/// All plenaries of a target started at `now`.
pub(super) fn all(now: SystemTime) -> Vec<Plenary> {
    let breakouts =
        (1..=5).map(|id| Breakout { id, title: format!("Breakout {id}"), max_attendees: BREAKOUT_SEATS }).collect();
    vec![
        Plenary { breakouts, ..Plenary::new(1, "test", Doors::Open, now) },
        Plenary { max_participants: 2, ..Plenary::new(2, "small", Doors::Open, now) },
        Plenary::new(3, "closed", Doors::Closed, now),
        Plenary::new(4, "future", Doors::Future, now),
        Plenary::new(5, "cancelled", Doors::Cancelled, now),
        Plenary::new(6, "nobreak", Doors::Open, now),
    ]
}

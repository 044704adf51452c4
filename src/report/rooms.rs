//! The rooms of a run in its summary: their number, and those with lost or late deliveries.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Number of rooms that a generator names in its summary, besides its first and last, which it may share
/// with others.
pub const ROOMS_TOLD: usize = 10;

/// The rooms of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Rooms {
    /// Number of rooms, those of other generators included.
    pub count: u64,
    /// The rooms with the most lost, then the most late deliveries, first; empty if all is well.
    pub worst: Vec<RoomDeliveries>,
}

/// Outcomes of the deliveries in one room, local and remote: expected = on time + late + lost + excused +
/// outstanding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct RoomDeliveries {
    /// Its name.
    pub room: String,
    /// One per message of the room and connection that should receive it.
    pub expected: u64,
    /// Arrived within the deadline.
    pub on_time: u64,
    /// Arrived after the deadline, within the horizon.
    pub late: u64,
    /// Did not arrive within the horizon.
    pub lost: u64,
    /// Not required, such as after the connection ended.
    pub excused: u64,
    /// Had no verdict when the run ended.
    pub outstanding: u64,
    /// Arrivals of messages from other rooms of the run; in no other number.
    pub leaked: u64,
}

impl RoomDeliveries {
    /// Whether anything went wrong in it.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.badness() > (0, 0, 0)
    }

    /// Whether its outcomes sum to the expected deliveries.
    #[must_use]
    pub fn balances(&self) -> bool {
        let Self { expected, on_time, late, lost, excused, outstanding, .. } = self;
        let found: u128 = [on_time, late, lost, excused, outstanding].into_iter().map(|n| u128::from(*n)).sum();
        found == u128::from(*expected)
    }

    fn badness(&self) -> (u64, u64, u64) {
        (self.lost, self.late, self.leaked)
    }

    fn add(&mut self, other: &Self) {
        for (sum, n) in [
            (&mut self.expected, other.expected),
            (&mut self.on_time, other.on_time),
            (&mut self.late, other.late),
            (&mut self.lost, other.lost),
            (&mut self.excused, other.excused),
            (&mut self.outstanding, other.outstanding),
            (&mut self.leaked, other.leaked),
        ] {
            *sum = sum.saturating_add(n);
        }
    }
}

impl Rooms {
    /// `count` rooms, of which those of `told` with faults are kept.
    #[must_use]
    pub fn of(count: u64, told: impl IntoIterator<Item = RoomDeliveries>) -> Self {
        let mut rooms = Self { count, worst: told.into_iter().filter(RoomDeliveries::is_bad).collect() };
        rooms.sort();
        rooms
    }

    /// Adds the rooms of another generator, some of which may be the same.
    pub fn add(&mut self, other: &Self) {
        self.count = self.count.max(other.count);
        let mut by_name: BTreeMap<String, RoomDeliveries> = BTreeMap::new();
        for room in self.worst.drain(..).chain(other.worst.iter().cloned()) {
            let sum = by_name.entry(room.room.clone());
            sum.and_modify(|sum| sum.add(&room)).or_insert(room);
        }
        self.worst = by_name.into_values().collect();
        self.sort();
    }

    fn sort(&mut self) {
        self.worst
            .sort_by(|one, other| (Reverse(one.badness()), &one.room).cmp(&(Reverse(other.badness()), &other.room)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn room(name: u8, lost: u64, late: u64) -> RoomDeliveries {
        RoomDeliveries { room: format!("event-{name}"), expected: lost + late, lost, late, ..RoomDeliveries::default() }
    }

    #[test]
    fn the_worst_come_first_and_the_good_are_left_out() {
        let rooms = Rooms::of(9, [room(1, 0, 5), room(2, 0, 0), room(3, 2, 0), room(4, 2, 1)]);
        let names: Vec<&str> = rooms.worst.iter().map(|room| &*room.room).collect();
        assert_eq!(names, ["event-4", "event-3", "event-1"]);
        assert!(rooms.worst.iter().all(RoomDeliveries::balances));
    }

    fn rooms() -> impl Strategy<Value = Rooms> {
        let one = (0..4_u8, 0..3_u64, 0..3_u64).prop_map(|(name, lost, late)| room(name, lost, late));
        prop::collection::vec(one, 0..4).prop_map(|told| {
            let mut rooms = Rooms { count: 4, worst: Vec::new() };
            rooms.add(&Rooms::of(4, told));
            rooms
        })
    }

    proptest! {
        #[test]
        fn adding_is_commutative_and_associative(a in rooms(), b in rooms(), c in rooms()) {
            let sum = |one: &Rooms, other: &Rooms| {
                let mut sum = one.clone();
                sum.add(other);
                sum
            };
            prop_assert_eq!(sum(&a, &b), sum(&b, &a));
            prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        }
    }
}

//! The division of a fleet's users among rooms, and the choice of those who send.
//!
//! Both follow from a user's number and the range of the whole fleet, so that all shards agree.

use super::super::value::UserRange;

/// Placeholder for a room's number in its name.
pub(super) const ROOM_NUMBER: &str = "%s";

/// The division of a fleet's users among rooms, and the choice of those who send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Division {
    /// The users of the whole fleet.
    pub(super) users: UserRange,
    /// The number of rooms, and the number of the first; `None`: one room without a number.
    pub(super) rooms: Option<(u32, u32)>,
    /// The number of users who send, before each room gets at least one; `None`: all.
    pub(super) speakers: Option<u64>,
}

impl Division {
    /// All users in one room, all sending.
    #[must_use]
    pub fn whole(users: UserRange) -> Self {
        Self { users, rooms: None, speakers: None }
    }

    /// The number of rooms, of all generators together.
    #[must_use]
    pub fn rooms(&self) -> u32 {
        self.rooms.map_or(1, |(count, _)| count)
    }

    /// Whether rooms have numbers.
    #[must_use]
    pub fn is_numbered(&self) -> bool {
        self.rooms.is_some()
    }

    /// The name of each room, from what was typed.
    pub fn names<'a>(&self, typed: &'a str) -> impl Iterator<Item = String> + use<'a> {
        let (count, min) = self.rooms.unwrap_or((1, 0));
        let numbered = self.is_numbered();
        (0..count).map(move |nth| if numbered { numbered_name(typed, min, nth) } else { typed.to_owned() })
    }

    /// The rooms with users of a part of the range, by name, with the number of those users.
    #[must_use]
    pub fn of(&self, typed: &str, part: UserRange) -> Vec<(String, u32)> {
        let Some((_, min)) = self.rooms else { return vec![(typed.to_owned(), part.len())] };
        let (first, last) = (self.room(part.min()), self.room(part.max() - 1));
        let shared = |nth| {
            let room = self.users_of(nth);
            room.max().min(part.max()).saturating_sub(room.min().max(part.min()))
        };
        (first..=last).map(|nth| (numbered_name(typed, min, nth), shared(nth))).collect()
    }

    /// The number of users in the largest room.
    #[must_use]
    pub fn largest(&self) -> u32 {
        self.users.len().div_ceil(self.rooms())
    }

    /// Whether every user sends.
    #[must_use]
    pub fn all_speak(&self) -> bool {
        self.speakers.is_none()
    }

    /// Whether a user sends. Senders are spread evenly over the range; if that leaves a room without one, its
    /// last user sends.
    #[must_use]
    pub fn speaks(&self, number: u32) -> bool {
        let one = UserRange::new(number, number + 1);
        one.is_some_and(|one| self.speakers(one) > 0)
    }

    /// The number of users of a part of the range who send.
    #[must_use]
    pub fn speakers(&self, part: UserRange) -> u64 {
        let Some(speakers) = self.speakers else { return u64::from(part.len()) };
        // The number of users before this one who send by the even spread.
        let before = |number: u32| {
            let place = u64::from(number - self.users.min()) * speakers;
            place / u64::from(self.users.len())
        };
        let in_room = |nth| {
            let room = self.users_of(nth);
            let (from, to) = (room.min().max(part.min()), room.max().min(part.max()));
            match before(room.max()) - before(room.min()) {
                0 => u64::from(to == room.max()),
                _ => before(to) - before(from),
            }
        };
        (self.room(part.min())..=self.room(part.max() - 1)).map(in_room).sum()
    }

    /// The number of senders before a part of the range, in it, and in all.
    #[must_use]
    pub fn speakers_around(&self, part: UserRange) -> (u64, u64, u64) {
        let before = UserRange::new(self.users.min(), part.min()).map_or(0, |before| self.speakers(before));
        (before, self.speakers(part), self.speakers(self.users))
    }

    /// The index of a user's room, from 0.
    fn room(&self, number: u32) -> u32 {
        let place = u64::from(number - self.users.min()) * u64::from(self.rooms());
        u32::try_from(place / u64::from(self.users.len())).unwrap_or(u32::MAX)
    }

    /// The users of a room, of all generators; no room is empty.
    fn users_of(&self, nth: u32) -> UserRange {
        let bound = |nth: u64| {
            let offset = (nth * u64::from(self.users.len())).div_ceil(u64::from(self.rooms()));
            self.users.min() + u32::try_from(offset).unwrap_or(u32::MAX).min(self.users.len())
        };
        UserRange::new(bound(u64::from(nth)), bound(u64::from(nth) + 1)).unwrap_or(self.users)
    }
}

/// The name of the `nth` room, counted from 0 where the first has the number `min`.
pub(super) fn numbered_name(typed: &str, min: u32, nth: u32) -> String {
    typed.replace(ROOM_NUMBER, &(u64::from(min) + u64::from(nth)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(min: u32, max: u32) -> UserRange {
        UserRange::new(min, max).unwrap()
    }

    fn division(users: UserRange, rooms: u32, speakers: Option<u64>) -> Division {
        Division { users, rooms: Some((rooms, 100)), speakers }
    }

    #[test]
    fn user_i_is_in_room_m_plus_i_times_n_over_u_rounded_down() {
        let ten = division(range(5, 15), 4, None);
        let rooms: Vec<u32> = (5..15).map(|user| ten.room(user)).collect();
        assert_eq!(rooms, [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]);
        let names = |part| ten.of("e-%s-%s", part);
        let named =
            |list: &[(u32, u32)]| list.iter().map(|(n, users)| (format!("e-{n}-{n}"), *users)).collect::<Vec<_>>();
        assert_eq!(names(range(5, 15)), named(&[(100, 3), (101, 2), (102, 3), (103, 2)]));
        assert_eq!(names(range(7, 12)), named(&[(100, 1), (101, 2), (102, 2)]), "a shard");
        assert_eq!(ten.names("%s").collect::<Vec<_>>(), ["100", "101", "102", "103"]);
        let one = Division::whole(range(5, 15));
        assert_eq!(one.of("e-%s", range(7, 9)), [("e-%s".to_owned(), 2)], "without --rooms it is a name like any");
    }

    #[test]
    fn speakers_are_spread_evenly() {
        let one = Division { users: range(0, 12), rooms: None, speakers: Some(3) };
        assert_eq!((0..12).filter(|user| one.speaks(*user)).collect::<Vec<_>>(), [3, 7, 11]);
        assert_eq!(one.speakers_around(range(4, 8)), (1, 1, 3));
        assert_eq!(Division::whole(range(0, 12)).speakers(range(0, 12)), 12);
    }

    proptest! {
        #[test]
        fn each_room_has_users_and_a_speaker_and_shards_agree(
            min in 0_u32..50, users in 1_u32..300, rooms in 1_u32..300, speakers in 1_u64..300, cut in 0_u32..300,
        ) {
            let (rooms, speakers) = (rooms.min(users), speakers.min(u64::from(users)));
            let all = range(min, min + users);
            let one = division(all, rooms, Some(speakers));
            prop_assert_eq!(one.of("%s", all).iter().map(|(_, users)| *users).sum::<u32>(), users);
            for nth in 0..rooms {
                let room = one.users_of(nth);
                prop_assert!((room.min()..room.max()).all(|user| one.room(user) == nth));
                prop_assert!(room.len() <= one.largest());
                let heard = (room.min()..room.max()).filter(|user| one.speaks(*user)).count();
                prop_assert!(heard > 0, "room {}", nth);
            }
            let total = one.speakers(all);
            prop_assert!((speakers..speakers.max(u64::from(rooms)) + u64::from(rooms)).contains(&total));
            if rooms == 1 {
                prop_assert_eq!(total, speakers);
            }
            let cut = cut.clamp(1, users) + min;
            let (first, second) = (UserRange::new(min, cut), UserRange::new(cut, min + users));
            let parts: Vec<_> = [first, second].into_iter().flatten().collect();
            let sum: u64 = parts.iter().map(|part| one.speakers(*part)).sum();
            prop_assert_eq!(sum, total);
            for part in parts {
                prop_assert_eq!(one.of("%s", part).iter().map(|(_, users)| *users).sum::<u32>(), part.len());
                prop_assert!(one.of("%s", part).iter().all(|(_, users)| *users > 0));
            }
        }
    }
}

//! The rooms and senders of a run, and whether they are possible.

use crate::error::StartError;

use super::super::value::{RoomCount, Slug, UserRange};
use super::build::Draft;
use super::division::{Division, ROOM_NUMBER, numbered_name};

impl Draft<'_> {
    /// The number of rooms, and the number of the first; `None` for a single room without a number.
    ///
    /// # Errors
    /// `--room-min` without `--rooms`.
    pub(super) fn rooms(&self) -> Result<Option<(u32, u32)>, StartError> {
        let typed = &self.layers.settings.rooms;
        let min = typed.room_min.map_or(0, |number| number.0);
        let room = self.layers.settings.plenary.plenary.as_ref();
        let is_plain = room.is_some_and(|room| !room.as_str().contains(ROOM_NUMBER));
        match typed.rooms.filter(|rooms| *rooms != RoomCount(1) || !is_plain) {
            Some(RoomCount(count)) => Ok(Some((count, min))),
            None if min > 0 => Err(self
                .layers
                .conflict(&["room_min"], "the number of the first of several rooms, and there is one room")
                .remedy("say with --rooms how many there are")),
            None => Ok(None),
        }
    }

    /// The division of the users among rooms and senders.
    ///
    /// # Errors
    /// More rooms, or more senders, than users.
    pub(super) fn division(&self, users: UserRange) -> Result<Division, StartError> {
        let rooms = self.rooms()?;
        let keys = ["user_range_min", "user_range_max"];
        if let Some((count, _)) = rooms
            && count > users.len()
        {
            let why = format!("{count} rooms for {} users: some would be empty", users.len());
            let error = self.layers.conflict(&["rooms", keys[0], keys[1]], why);
            return Err(error.remedy("give at most as many rooms as users"));
        }
        let speakers = self.layers.settings.traffic.speakers.map(|speakers| speakers.of(users.len()));
        if let Some(speakers) = speakers
            && speakers > u64::from(users.len())
        {
            let why = format!("{speakers} of {} users cannot send", users.len());
            let error = self.layers.conflict(&["speakers", keys[0], keys[1]], why);
            return Err(error.remedy("give at most as many speakers as users, or a share such as 5%"));
        }
        Ok(Division { users, rooms, speakers: speakers.filter(|speakers| *speakers < u64::from(users.len())) })
    }

    /// Checks that the room's name as typed fits `--rooms`.
    ///
    /// # Errors
    /// No place for the number, or a name that is too long with it.
    pub(super) fn check_numbered(&self, typed: &Slug) -> Result<(), StartError> {
        let Some((count, min)) = self.rooms()? else { return Ok(()) };
        let keys = ["plenary", "rooms"];
        if !self.layers.plenaries.is_empty() {
            let why = "the file has tables of rooms, which exclude numbered rooms";
            return Err(self.layers.conflict(&["rooms"], why).remedy("leave out --rooms, or the [[plenary]] tables"));
        }
        if !typed.as_str().contains(ROOM_NUMBER) {
            let why = format!("{} has no place for the number of the room", typed.as_str());
            return Err(self.layers.conflict(&keys, why).remedy("write %s where it stands, such as event-%s"));
        }
        for nth in [0, count - 1] {
            let name = numbered_name(typed.as_str(), min, nth);
            let slug: Slug = name.parse().map_err(|e| self.layers.conflict(&keys, format!("{name}: {e}")))?;
            self.check_slug(&slug)?;
        }
        Ok(())
    }
}

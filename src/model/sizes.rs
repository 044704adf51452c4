//! Sizes of a protocol's frames and pages, for the forecast of a run.

/// Sizes of what a client receives, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameSizes {
    /// A chat of the default length, in its frame.
    pub chat: f64,
    /// Member lists and the page of the room; `None` if they do not grow with the room, or if nothing is known about
    /// them.
    pub lists: Option<ListSizes>,
}

impl FrameSizes {
    /// Sizes assumed for a protocol that states none: a text of some 150 bytes, a marker of 110, and some JSON around
    /// them.
    pub const ASSUMED: Self = Self { chat: 300.0, lists: None };
}

/// Sizes that grow with the number of members, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListSizes {
    /// A member list without members.
    pub list: f64,
    /// The increase per member.
    pub member: f64,
    /// Number of members of a full side room.
    pub side_room_members: f64,
    /// The page of a room without users, with as many chats as it shows.
    pub page: f64,
    /// The increase of the page per user.
    pub page_user: f64,
}

impl ListSizes {
    /// The size of a list of `members` members, in bytes.
    #[must_use]
    pub fn list_of(&self, members: f64) -> f64 {
        self.list + self.member * members
    }

    /// Bytes of all lists to all users while a room fills one by one: the k-th join sends k lists of k members, and
    /// the sum of k² is about n³/3.
    #[must_use]
    pub fn filling(&self, n: f64) -> f64 {
        self.list * n * (n + 1.0) / 2.0 + self.member * n * (n + 1.0) * (2.0 * n + 1.0) / 6.0
    }
}

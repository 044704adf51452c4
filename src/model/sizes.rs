//! How large a protocol's frames and pages are, for the forecast of a run.

/// Sizes of what a client receives, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrameSizes {
    /// A chat of the default length, in its frame.
    pub chat: f64,
    /// Member lists and the page of the room; `None` where they do not grow with the room, or where
    /// nothing is known of them.
    pub lists: Option<ListSizes>,
}

impl FrameSizes {
    /// What is assumed of a protocol that says nothing: a text of some 150 bytes with its marker of 110,
    /// and some JSON around it.
    pub const ASSUMED: Self = Self { chat: 300.0, lists: None };
}

/// Sizes of what grows with the number of members, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ListSizes {
    /// A member list without members.
    pub list: f64,
    /// What each member adds to it.
    pub member: f64,
    /// Members of a full side room.
    pub side_room_members: f64,
    /// The page of a room that no user is in, with as many chats as it shows.
    pub page: f64,
    /// What each user adds to it.
    pub page_user: f64,
}

impl ListSizes {
    /// A list of so many members.
    #[must_use]
    pub fn list_of(&self, members: f64) -> f64 {
        self.list + self.member * members
    }

    /// Bytes of all lists to all users while a room fills one by one: the k-th coming sends k lists of
    /// k members, and the sum of k² is about n³/3.
    #[must_use]
    pub fn filling(&self, n: f64) -> f64 {
        self.list * n * (n + 1.0) / 2.0 + self.member * n * (n + 1.0) * (2.0 * n + 1.0) / 6.0
    }
}

//! The breakouts of the event as last heard of, shared by all users of the driver.
//!
//! Pages and frames tell parts of it: one frame the list, another whether any may be joined.

use parking_lot::Mutex;

use crate::protocol::SideRoomId;

/// The event's breakouts. Touched by rare frames only.
#[derive(Debug, Default)]
pub(super) struct SideRooms(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    open: bool,
    list: Vec<SideRoomId>,
}

impl Known {
    fn joinable(&self) -> Vec<SideRoomId> {
        if self.open { self.list.clone() } else { Vec::new() }
    }
}

impl SideRooms {
    /// Takes over what a page says; returns what may be joined.
    pub(super) fn learn(&self, open: bool, list: Vec<SideRoomId>) -> Vec<SideRoomId> {
        let mut known = self.0.lock();
        *known = Known { open, list };
        known.joinable()
    }

    /// Takes over a new list; returns what may be joined.
    pub(super) fn learn_list(&self, list: Vec<SideRoomId>) -> Vec<SideRoomId> {
        let mut known = self.0.lock();
        known.list = list;
        known.joinable()
    }

    /// Takes over whether breakouts are open; returns what may be joined where that is news.
    pub(super) fn learn_open(&self, open: bool) -> Vec<SideRoomId> {
        let mut known = self.0.lock();
        known.open = open;
        known.joinable()
    }
}

//! The current breakouts of the event, shared by all users of the driver.
//!
//! Pages and frames update parts of them: one kind of frame the list, another whether any may be joined.

use parking_lot::Mutex;

use crate::protocol::SideRoomId;

/// The event's breakouts. Only rare frames touch them.
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
    /// Takes over the state of a page; returns the breakouts that may be joined.
    pub(super) fn learn(&self, open: bool, list: Vec<SideRoomId>) -> Vec<SideRoomId> {
        let mut known = self.0.lock();
        *known = Known { open, list };
        known.joinable()
    }

    /// Takes over a new list; returns the breakouts that may be joined.
    pub(super) fn learn_list(&self, list: Vec<SideRoomId>) -> Vec<SideRoomId> {
        let mut known = self.0.lock();
        known.list = list;
        known.joinable()
    }

    /// Takes over whether breakouts are open; returns those that may be joined.
    pub(super) fn learn_open(&self, open: bool) -> Vec<SideRoomId> {
        let mut known = self.0.lock();
        known.open = open;
        known.joinable()
    }
}

//! The values to find in a JSON text, as a tree of names, and their places.

use std::ops::Range;

/// A value at which pointers end, or below which they continue.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// The slot that keeps the value here, if a pointer ends here.
    pub(super) slot: Option<usize>,
    pub(super) children: Vec<Child>,
}

/// A member or element of a value.
#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) key: Box<str>,
    pub(super) index: Option<usize>,
    pub(super) node: usize,
    /// The slots at and below this child, as bits.
    pub(super) slots: u64,
}

/// The places of a query's values in the text.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Found {
    present: u64,
    places: Vec<(usize, usize)>,
}

impl Found {
    /// No places.
    pub(in super::super) const fn new() -> Self {
        Self { present: 0, places: Vec::new() }
    }

    /// The raw value in a slot.
    pub(in super::super) fn get<'a>(&self, text: &'a str, slot: usize) -> Option<&'a str> {
        text.get(self.range(slot)?)
    }

    /// The byte range of the value in a slot.
    pub(in super::super) fn range(&self, slot: usize) -> Option<Range<usize>> {
        let (start, end) = *self.places.get(slot).filter(|_| self.present >> slot & 1 == 1)?;
        Some(start..end)
    }

    /// Clears it, and makes room for `slots` values.
    pub(in super::super) fn begin(&mut self, slots: usize) {
        self.present = 0;
        if self.places.len() < slots {
            self.places.resize(slots, (0, 0));
        }
    }

    /// Clears it.
    pub(in super::super) fn clear(&mut self) {
        self.present = 0;
    }

    /// Sets the place of a slot's value.
    pub(in super::super) fn put(&mut self, slot: usize, start: usize, end: usize) {
        if let Some(place) = self.places.get_mut(slot) {
            *place = (start, end);
            self.present |= 1 << slot;
        }
    }

    /// Forgets an earlier member with the same name, since the last one counts.
    pub(super) fn forget(&mut self, slots: u64) {
        self.present &= !slots;
    }
}

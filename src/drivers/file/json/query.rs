//! Several pointers, looked up in one pass.

use std::ops::Range;

use super::pointer::{Pointer, index};
use super::scan::Scan;

/// A query holds at most this many pointers.
pub(in super::super) const MOST_POINTERS: usize = 64;

/// Pointers merged into a tree of their tokens.
#[derive(Debug, Clone)]
pub(in super::super) struct Query {
    pointers: Vec<Pointer>,
    nodes: Vec<Node>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// Where the value here is kept, if a pointer ends here.
    pub(super) slot: Option<usize>,
    pub(super) children: Vec<Child>,
}

#[derive(Debug, Clone)]
pub(super) struct Child {
    pub(super) key: Box<str>,
    pub(super) index: Option<usize>,
    pub(super) node: usize,
    /// The slots at and below this child, as bits.
    pub(super) slots: u64,
}

impl Default for Query {
    fn default() -> Self {
        Self { pointers: Vec::new(), nodes: vec![Node::default()] }
    }
}

impl Query {
    /// The slot in which the pointer's value will be found; `None` where the query is full.
    pub(in super::super) fn add(&mut self, pointer: &Pointer) -> Option<usize> {
        if let Some(slot) = self.pointers.iter().position(|known| known == pointer) {
            return Some(slot);
        }
        let slot = self.pointers.len();
        if slot == MOST_POINTERS {
            return None;
        }
        self.pointers.push(pointer.clone());
        let mut at = 0;
        for token in pointer.tokens() {
            at = self.child(at, token, 1 << slot);
        }
        self.nodes[at].slot = Some(slot);
        Some(slot)
    }

    fn child(&mut self, at: usize, token: &str, slots: u64) -> usize {
        if let Some(child) = self.nodes[at].children.iter_mut().find(|child| *child.key == *token) {
            child.slots |= slots;
            return child.node;
        }
        let node = self.nodes.len();
        self.nodes.push(Node::default());
        self.nodes[at].children.push(Child { key: token.into(), index: index(token), node, slots });
        node
    }

    /// Looks every pointer up in `text`; whether it is JSON.
    pub(in super::super) fn run(&self, text: &str, found: &mut Found) -> bool {
        found.present = 0;
        if found.places.len() < self.pointers.len() {
            found.places.resize(self.pointers.len(), (0, 0));
        }
        let mut scan = Scan::new(text);
        scan.document(&self.nodes, found).is_some()
    }
}

/// Where a query's values stand in the text.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Found {
    present: u64,
    places: Vec<(usize, usize)>,
}

impl Found {
    /// Nothing.
    pub(in super::super) const fn new() -> Self {
        Self { present: 0, places: Vec::new() }
    }

    /// The value in a slot, as it is spelled in the text.
    pub(in super::super) fn get<'a>(&self, text: &'a str, slot: usize) -> Option<&'a str> {
        text.get(self.range(slot)?)
    }

    /// Where the value in a slot stands.
    pub(in super::super) fn range(&self, slot: usize) -> Option<Range<usize>> {
        let (start, end) = *self.places.get(slot).filter(|_| self.present >> slot & 1 == 1)?;
        Some(start..end)
    }

    /// Forgets everything.
    pub(in super::super) fn clear(&mut self) {
        self.present = 0;
    }

    pub(super) fn put(&mut self, slot: usize, start: usize, end: usize) {
        if let Some(place) = self.places.get_mut(slot) {
            *place = (start, end);
            self.present |= 1 << slot;
        }
    }

    /// Forgets what an earlier member of the same name held: the last one counts.
    pub(super) fn forget(&mut self, slots: u64) {
        self.present &= !slots;
    }
}

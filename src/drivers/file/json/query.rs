//! Several pointers, looked up in one pass.

use super::places::{Child, Found, Node};
use super::pointer::{Pointer, index};
use super::scan::Scan;

/// Maximum number of pointers in a query.
pub(in super::super) const MOST_POINTERS: usize = 64;

/// Pointers merged into a tree of their tokens.
#[derive(Debug, Clone)]
pub(in super::super) struct Query {
    pointers: Vec<Pointer>,
    nodes: Vec<Node>,
}

impl Default for Query {
    fn default() -> Self {
        Self { pointers: Vec::new(), nodes: vec![Node::default()] }
    }
}

impl Query {
    /// Adds a pointer; returns the slot of its value, or `None` if the query is full.
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

    /// Looks up every pointer in `text`; true if it is JSON.
    pub(in super::super) fn run(&self, text: &str, found: &mut Found) -> bool {
        found.begin(self.pointers.len());
        let mut scan = Scan::new(text);
        scan.document(&self.nodes, found).is_some()
    }
}

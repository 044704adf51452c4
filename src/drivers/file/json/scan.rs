//! The pass over the text: strict RFC 8259, without building anything.

use std::ops::Range;

use super::places::{Child, Found, Node};
use super::string;

/// Deepest nesting, as in `serde_json`.
const MOST_DEPTH: usize = 127;

/// A string or number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Scalar {
    /// A string without escapes.
    Text,
    /// A number.
    Number,
}

/// A position in a text.
pub(super) struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0 }
    }

    /// Scans the whole text: one value and nothing after it.
    pub(super) fn document(&mut self, nodes: &[Node], found: &mut Found) -> Option<()> {
        self.space();
        self.walk(nodes, 0, found)?;
        self.space();
        (self.at == self.bytes.len()).then_some(())
    }

    /// Scans a value at which, or below which, pointers end.
    fn walk(&mut self, nodes: &[Node], node: usize, found: &mut Found) -> Option<()> {
        let here = nodes.get(node)?;
        let start = self.at;
        match self.peek()? {
            b'{' if !here.children.is_empty() => self.object(nodes, here, found)?,
            b'[' if !here.children.is_empty() => self.array(nodes, here, found)?,
            _ => self.skip()?,
        }
        if let Some(slot) = here.slot {
            found.put(slot, start, self.at);
        }
        Some(())
    }

    fn object(&mut self, nodes: &[Node], here: &Node, found: &mut Found) -> Option<()> {
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Some(());
        }
        loop {
            let (key, escaped) = self.key()?;
            let is_key = |child: &&Child| match key.get(1..key.len() - 1) {
                Some(inner) if !escaped => inner == &*child.key,
                _ => string::equals(key, &child.key),
            };
            self.member(nodes, here.children.iter().find(is_key), found)?;
            self.space();
            match self.next()? {
                b',' => self.space(),
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    fn array(&mut self, nodes: &[Node], here: &Node, found: &mut Found) -> Option<()> {
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Some(());
        }
        for index in 0.. {
            self.member(nodes, here.children.iter().find(|child| child.index == Some(index)), found)?;
            self.space();
            match self.next()? {
                b',' => self.space(),
                b']' => break,
                _ => return None,
            }
        }
        Some(())
    }

    fn member(&mut self, nodes: &[Node], child: Option<&Child>, found: &mut Found) -> Option<()> {
        match child {
            Some(child) => {
                found.forget(child.slots);
                self.walk(nodes, child.node, found)
            }
            None => self.skip(),
        }
    }

    /// Skips one value of any kind.
    fn skip(&mut self) -> Option<()> {
        self.visit(&mut |_, _| ())
    }

    /// Skips one value of any kind; calls `each` with the start and end of each scalar inside.
    fn visit(&mut self, each: &mut impl FnMut(usize, usize)) -> Option<()> {
        let (mut depth, mut objects) = (0, 0_u128);
        loop {
            let opened = match self.peek()? {
                b'{' => Some((b'}', 1)),
                b'[' => Some((b']', 0)),
                _ => None,
            };
            if let Some((end, object)) = opened {
                self.at += 1;
                self.space();
                if !self.take(end) {
                    depth += 1;
                    objects = objects << 1 | object;
                    if depth > MOST_DEPTH {
                        return None;
                    }
                    if object == 1 {
                        self.key()?;
                    }
                    continue;
                }
            } else {
                let start = self.at;
                self.scalar()?;
                each(start, self.at);
            }
            if self.close(&mut depth, &mut objects)? {
                return Some(());
            }
        }
    }

    /// After a value inside [`skip`](Self::skip): closes arrays and objects that end here; true if all are closed.
    fn close(&mut self, depth: &mut usize, objects: &mut u128) -> Option<bool> {
        while *depth > 0 {
            self.space();
            let object = *objects & 1 == 1;
            match self.next()? {
                b',' => {
                    self.space();
                    if object {
                        self.key()?;
                    }
                    return Some(false);
                }
                b'}' if object => {}
                b']' if !object => {}
                _ => return None,
            }
            *depth -= 1;
            *objects >>= 1;
        }
        Some(true)
    }

    fn scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    /// Scans a member's key up to its value; returns the key with its quotes, and whether it has escapes.
    fn key(&mut self) -> Option<(&'a str, bool)> {
        let key = self.string()?;
        self.space();
        if !self.take(b':') {
            return None;
        }
        self.space();
        Some(key)
    }

    /// Scans a string; returns it with its quotes, and whether it has escapes.
    fn string(&mut self) -> Option<(&'a str, bool)> {
        let start = self.at;
        let (length, escaped) = string::skip(self.bytes.get(start..)?)?;
        self.at += length;
        Some((self.text.get(start..self.at)?, escaped))
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        let here = self.bytes.get(self.at..)?.starts_with(word);
        self.at += word.len();
        here.then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Some(())
    }

    /// Skips one or more digits.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }
}

/// Every string value without escapes (without its quotes) and every number in a text.
pub(super) fn scalars(text: &str, mut each: impl FnMut(Range<usize>, Scalar)) -> Option<()> {
    let mut scan = Scan::new(text);
    scan.space();
    scan.visit(&mut |start, end| match text.as_bytes().get(start..end) {
        Some([b'"', inner @ .., b'"']) if memchr::memchr(b'\\', inner).is_none() => {
            each(start + 1..end - 1, Scalar::Text);
        }
        Some([b'-' | b'0'..=b'9', ..]) => each(start..end, Scalar::Number),
        _ => {}
    })
}

/// The length of the number at the start of `text`.
pub(super) fn number(text: &[u8]) -> Option<usize> {
    // Most numbers are whole.
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if matches!(text.first(), Some(b'1'..=b'9')) && !matches!(text.get(digits), Some(b'.' | b'e' | b'E')) {
        return Some(digits);
    }
    let mut scan = Scan { text: "", bytes: text, at: 0 };
    scan.number()?;
    Some(scan.at)
}

/// Calls `each` with the raw elements of an array; `None` if the text is not an array.
pub(super) fn elements(text: &str, mut each: impl FnMut(&str)) -> Option<()> {
    let mut scan = Scan::new(text);
    scan.space();
    if !scan.take(b'[') {
        return None;
    }
    scan.space();
    if scan.take(b']') {
        return Some(());
    }
    loop {
        let start = scan.at;
        scan.skip()?;
        each(text.get(start..scan.at)?);
        scan.space();
        match scan.next()? {
            b',' => scan.space(),
            b']' => return Some(()),
            _ => return None,
        }
    }
}

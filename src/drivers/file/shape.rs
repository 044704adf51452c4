//! Recognises frames that differ from a recent one only in values: a time, an id, the receiver's own name, the message
//! itself. They are compared, not parsed.
//!
//! A [`Shape`] is a JSON frame with the places of such values. Another frame has the same shape if it is equal
//! everywhere else, with a plain string for each string and a number for each number. Then every pointer finds its
//! value at the same index. If no value that a rule takes differs, both frames mean the same; otherwise the values are
//! taken from their new places.

use std::ops::Range;

use super::json::{self, Found, MOST_POINTERS, Scalar};
use crate::transport::ws::recent::{InVain, Patience};

/// Longest frame kept, in bytes.
const MOST_BYTES: usize = 4 * 1024;
/// Maximum number of shapes kept.
const MOST_SHAPES: usize = 4;
/// Number of shapes kept in vain before keeping becomes rare.
const PATIENCE: Patience = Patience(8);

/// A value that may differ.
#[derive(Debug)]
struct Free {
    /// Its byte range; for a string, without the quotes.
    range: Range<usize>,
    scalar: Scalar,
    /// The slot in which the message's own rule finds it; `None` if no rule reads it.
    slot: Option<usize>,
    /// Its byte range in the frame compared last.
    now: Range<usize>,
}

/// A frame, and its values that may differ.
#[derive(Debug)]
struct Shape<M> {
    rules: u64,
    meaning: M,
    text: String,
    /// Where the JSON begins.
    offset: usize,
    /// The values that may differ, in ascending order.
    free: Vec<Free>,
    /// Those that differed recently and that no rule takes, in ascending order; they are checked first.
    moving: Vec<usize>,
}

/// Shapes of the frames that this thread read last, with their meanings.
#[derive(Debug)]
pub(super) struct Shapes<M> {
    kept: Vec<Shape<M>>,
    /// The shape that was last kept or used.
    last: usize,
    in_vain: InVain,
}

impl<M> Default for Shapes<M> {
    fn default() -> Self {
        Self { kept: Vec::new(), last: 0, in_vain: InVain::default() }
    }
}

/// The parts of a frame that must not differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed<'a> {
    /// Everything before this byte.
    pub(super) before: usize,
    /// Where the JSON begins.
    pub(super) offset: usize,
    /// Places in the JSON.
    pub(super) places: &'a [Range<usize>],
    /// Slots and places in the JSON of values that may differ but belong to the message.
    pub(super) taken: &'a [(usize, Range<usize>)],
}

/// What the shape of a frame tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known<M> {
    /// What it means.
    Meaning(M),
    /// The meaning of the last frame of this shape, whose taken values were different.
    Similar(M),
}

impl<M: Copy> Shapes<M> {
    /// Looks up a frame by its shape, for these rules.
    pub(super) fn find(&mut self, text: &str, rules: u64) -> Option<Known<M>> {
        let fits = |shape: &mut Shape<M>| if shape.rules == rules { shape.fits(text.as_bytes()) } else { None };
        let mut differs = self.kept.get_mut(self.last).and_then(fits);
        if differs.is_none() {
            if self.in_vain.is_over(PATIENCE) {
                return None;
            }
            let mut shapes = self.kept.iter_mut().enumerate();
            (self.last, differs) = shapes.find_map(|(at, shape)| Some((at, Some(fits(shape)?))))?;
        }
        self.in_vain = InVain::default();
        let meaning = self.kept.get(self.last)?.meaning;
        Some(if differs? { Known::Similar(meaning) } else { Known::Meaning(meaning) })
    }

    /// Sets the places of the taken values in the frame found last; returns the start of its JSON.
    pub(super) fn values(&self, found: &mut Found) -> Option<usize> {
        let shape = self.kept.get(self.last)?;
        found.begin(MOST_POINTERS);
        for Free { scalar, slot, now, .. } in &shape.free {
            let quotes = usize::from(*scalar == Scalar::Text);
            if let Some(slot) = slot {
                found.put(*slot, now.start - quotes - shape.offset, now.end + quotes - shape.offset);
            }
        }
        Some(shape.offset)
    }

    /// Replaces the frame of a shape with the one found last.
    pub(super) fn renew(&mut self, text: &str, meaning: M) {
        let Some(shape) = self.kept.get_mut(self.last) else { return };
        shape.meaning = meaning;
        shape.text.clear();
        shape.text.push_str(text);
        shape.free.iter_mut().for_each(|value| value.range = value.now.clone());
    }

    /// Whether to keep the shape of a new frame: always, or rarely while shapes are of no use.
    pub(super) fn wants(&mut self, text: &str) -> bool {
        self.in_vain.again(PATIENCE) && text.len() <= MOST_BYTES
    }

    /// Keeps the shape of a frame.
    pub(super) fn keep(&mut self, text: &str, rules: u64, meaning: M, fixed: Fixed<'_>) {
        if self.kept.len() < MOST_SHAPES {
            self.kept.push(Shape {
                rules,
                meaning,
                text: String::with_capacity(MOST_BYTES),
                offset: 0,
                free: Vec::new(),
                moving: Vec::new(),
            });
            self.last = self.kept.len() - 1;
        } else {
            self.last = (self.last + 1) % MOST_SHAPES;
        }
        if let Some(shape) = self.kept.get_mut(self.last) {
            shape.fill(text, rules, meaning, fixed);
        }
    }
}

impl<M> Shape<M> {
    fn fill(&mut self, text: &str, rules: u64, meaning: M, fixed: Fixed<'_>) {
        (self.rules, self.meaning, self.offset) = (rules, meaning, fixed.offset);
        self.text.clear();
        self.text.push_str(text);
        self.free.clear();
        let Fixed { before, offset, places, taken } = fixed;
        let free = &mut self.free;
        json::scalars(text.get(offset..).unwrap_or_default(), |range, scalar| {
            let apart = |place: &Range<usize>| range.end <= place.start || place.end <= range.start;
            if offset + range.start >= before && places.iter().all(apart) {
                let own = |(_, place): &&(usize, Range<usize>)| place.start <= range.start && range.end <= place.end;
                let slot = taken.iter().find(own).map(|(slot, _)| *slot);
                let range = offset + range.start..offset + range.end;
                free.push(Free { now: range.clone(), range, scalar, slot });
            }
        });
        self.moving.clear();
        self.moving.reserve(self.free.len());
    }

    /// Whether a frame differs in a taken value; `None` if it does not have this shape.
    fn fits(&mut self, text: &[u8]) -> Option<bool> {
        if self.differs_as_before(text).is_some() { Some(false) } else { self.differs(text) }
    }

    /// `Some` if a frame differs only in values that differed recently.
    fn differs_as_before(&self, text: &[u8]) -> Option<()> {
        let own = self.text.as_bytes();
        let (mut at, mut there) = (0, 0);
        for value in self.moving.iter().filter_map(|value| self.free.get(*value)) {
            let fixed = own.get(at..value.range.start)?;
            let start = there + fixed.len();
            if text.get(there..start)? != fixed {
                return None;
            }
            at = value.range.end;
            there = start + json::scalar(text.get(start..)?, value.scalar)?;
        }
        (own.get(at..)? == text.get(there..)?).then_some(())
    }

    /// Whether a frame differs in a taken value; also notes the places of all values.
    fn differs(&mut self, text: &[u8]) -> Option<bool> {
        let own = self.text.as_bytes();
        let (mut at, mut there, mut differs) = (0, 0, false);
        let mut free = self.free.iter_mut().enumerate();
        loop {
            let (rest, other) = (own.get(at..).unwrap_or_default(), text.get(there..).unwrap_or_default());
            let same = common(rest, other);
            let end = at + same;
            // The value in which they differ, or after whose end one of them continues.
            let (number, value) = loop {
                let Some((number, value)) = free.next() else {
                    return (same == rest.len() && same == other.len()).then_some(differs);
                };
                if end <= value.range.end && !(same == rest.len() && same == other.len()) {
                    break (number, value);
                }
                value.now = value.range.start + there - at..value.range.end + there - at;
            };
            let start = there + value.range.start.checked_sub(at).filter(|_| value.range.start <= end)?;
            let length = json::scalar(text.get(start..)?, value.scalar)?;
            value.now = start..start + length;
            differs |= value.slot.is_some();
            if let (None, Err(place)) = (value.slot, self.moving.binary_search(&number)) {
                self.moving.insert(place, number);
            }
            (at, there) = (value.range.end, start + length);
        }
    }
}

/// Length of the common prefix of two texts, in bytes.
fn common(a: &[u8], b: &[u8]) -> usize {
    let mut at = 0;
    while let (Some(x), Some(y)) = (chunk::<32>(a, at), chunk::<32>(b, at)) {
        if x != y {
            break;
        }
        at += 32;
    }
    while let (Some(x), Some(y)) = (chunk::<8>(a, at), chunk::<8>(b, at)) {
        let differ = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differ != 0 {
            // A count of at most 64 bits.
            return at + differ.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let (a, b) = (a.get(at..).unwrap_or_default(), b.get(at..).unwrap_or_default());
    at + a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME: &str =
        r#"42["chat", {"id": 17, "text": "hello", "to": "bob", "at": -1.5e3, "x": "a\nb", "ok": true}]"#;

    /// The shapes of one frame in which everything before byte 4 is fixed.
    fn shapes(frame: &str) -> Shapes<u8> {
        let mut shapes = Shapes::default();
        let text = frame.find("\"hello\"").unwrap() - 2;
        let text = text..text + 7;
        let places = std::slice::from_ref(&text);
        shapes.keep(frame, 1, 9, Fixed { before: 4, offset: 2, places, taken: &[] });
        shapes
    }

    #[test]
    fn values_that_no_rule_looks_at_may_differ() {
        for (from, to) in [
            ("17", "18"),
            ("17", "1"),
            ("17", "171"),
            ("17", "0"),
            ("17", "-1e9"),
            ("bob", "alice"),
            ("bob", ""),
            ("bob", "bobby"),
            ("bob", "bo"),
            ("-1.5e3", "7"),
            ("chat", "chats"),
            ("bob", "é"),
            ("17", "17"),
        ] {
            let frame = FRAME.replace(from, to);
            assert_eq!(shapes(FRAME).find(&frame, 1), Some(Known::Meaning(9)), "{frame}");
            assert_eq!(
                shapes(FRAME).find(&frame.replace("bob", "carol").replace("-1.5e3", "0"), 1),
                Some(Known::Meaning(9)),
                "{frame}"
            );
        }
    }

    #[test]
    fn anything_else_is_another_shape() {
        for (from, to) in [
            ("hello", "hallo"),
            ("hello", "hello!"),
            ("42", "43"),
            ("\"id\"", "\"ix\""),
            ("17", "\"17\""),
            ("17", "017"),
            ("17", "1x"),
            ("17", ""),
            ("bob", "b\\nb"),
            ("bob", "b\tb"),
            ("\"bob\"", "7"),
            ("\"bob\"", "null"),
            ("true", "false"),
            ("a\\nb", "ab"),
            ("}]", "}"),
            ("}]", "}] "),
            ("}]", "}]]"),
            ("bob\"", "bob"),
            (", \"at\"", ",\"at\""),
            ("bob", "b\"b"),
        ] {
            let frame = FRAME.replace(from, to);
            assert_eq!(shapes(FRAME).find(&frame, 1), None, "{frame}");
        }
        assert_eq!(shapes(FRAME).find(FRAME, 2), None, "other rules");
        assert_eq!(shapes(FRAME).find("", 1), None);
    }

    #[test]
    fn values_that_are_taken_are_found_where_they_stand() {
        let mut shapes = Shapes::default();
        let at = |value: &str| FRAME.find(value).unwrap() - 2;
        let taken = [(3, at("\"hello\"")..at("\"hello\"") + 7), (5, at("17")..at("17") + 2)];
        shapes.keep(FRAME, 1, 9_u8, Fixed { before: 4, offset: 2, places: &[], taken: &taken });
        let mut found = Found::new();
        for (id, to, text) in [("17", "bob", "hi"), ("7", "bob", "hi"), ("7", "bob", ""), ("1234", "al", "hi you")] {
            let frame = FRAME.replace("17", id).replace("bob", to).replace("hello", text);
            assert_eq!(shapes.find(&frame, 1), Some(Known::Similar(9)), "{frame}");
            assert_eq!(shapes.values(&mut found), Some(2));
            let values = [3, 5].map(|slot| found.get(&frame[2..], slot).unwrap());
            assert_eq!(values, [&format!("\"{text}\""), id], "{frame}");
            shapes.renew(&frame, 9);
            assert_eq!(shapes.find(&frame.replace(to, "carol"), 1), Some(Known::Meaning(9)), "{frame}");
        }
    }

    #[test]
    fn what_differed_lately_and_what_differs_for_the_first_time_are_told_alike() {
        let mut shapes = shapes(FRAME);
        for (id, to, end, known) in [
            ("18", "bob", "}]", true),
            ("181", "bob", "}]", true),
            ("1", "carol", "}]", true),
            ("1", "carol", "}]x", false),
            ("01", "carol", "}]", false),
            ("17", "b\"b", "}]", false),
            ("7", "al", "}]", true),
            ("17", "bob", "}]", true),
        ] {
            let frame = FRAME.replace("17", id).replace("bob", to).replace("}]", end);
            assert_eq!(shapes.find(&frame, 1), known.then_some(Known::Meaning(9)), "{frame}");
        }
        assert_eq!(shapes.find(&FRAME.replace("hello", "hallo"), 1), None);
    }

    #[test]
    fn what_stands_before_a_rules_prefix_ends_is_fixed() {
        let mut shapes = Shapes::default();
        shapes.keep(FRAME, 1, 9_u8, Fixed { before: 20, offset: 2, places: &[], taken: &[] });
        assert_eq!(shapes.find(&FRAME.replace("chat", "chut"), 1), None);
        assert_eq!(shapes.find(&FRAME.replace("bob", "b"), 1), Some(Known::Meaning(9)));
    }

    #[test]
    fn shapes_that_are_of_no_use_are_kept_seldom() {
        let mut shapes = Shapes::<u8>::default();
        let frame = |n: u32| format!("[{n}]");
        let offer = |shapes: &mut Shapes<u8>, n| {
            let text = frame(n);
            if shapes.wants(&text) {
                shapes.keep(&text, 1, 0, Fixed { before: text.len(), offset: 0, places: &[], taken: &[] });
            }
        };
        (1..=64).for_each(|n| offer(&mut shapes, n));
        assert_eq!(shapes.find(&frame(63), 1), None, "not one of the eighth");
        assert_eq!(shapes.find(&frame(64), 1), Some(Known::Meaning(0)));
        for n in 100..200 {
            offer(&mut shapes, n);
            assert_eq!(shapes.find(&frame(n), 1), Some(Known::Meaning(0)), "in use, every one is kept");
        }
        assert_eq!(shapes.kept.len(), MOST_SHAPES);
        assert!(!shapes.wants(&"x".repeat(MOST_BYTES + 1)));
    }

    proptest! {
        #[test]
        fn the_common_prefix_is_found(a in "[ab]{0,80}", b in "[ab]{0,80}", both in "[ab]{0,80}") {
            let (a, b) = (format!("{both}{a}"), format!("{both}{b}"));
            let expected = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(common(a.as_bytes(), b.as_bytes()), expected);
        }
    }
}

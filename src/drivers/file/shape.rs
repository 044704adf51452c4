//! Frames that differ from one just read only in values that no rule looks at: a time, an id,
//! the receiver's own name. They mean the same, so they are compared and not parsed.
//!
//! A [`Shape`] is a JSON frame with the places of such values. Another frame has the shape if it
//! is equal everywhere else, and holds a plain string where a string was and a number where a
//! number was. Then every pointer finds the same text in it.

use std::ops::Range;

use super::json::{self, Scalar};

/// Frames longer than this are not kept, in bytes.
const MOST_BYTES: usize = 4 * 1024;
/// Shapes kept.
const MOST_SHAPES: usize = 4;
/// Shapes that were kept in vain before only one in as many is.
const PATIENCE: u32 = 8;

/// A frame, and the values in it that may differ.
#[derive(Debug)]
struct Shape<M> {
    rules: u64,
    meaning: M,
    text: String,
    /// In ascending order; strings without their quotes.
    free: Vec<(Range<usize>, Scalar)>,
}

/// Shapes of the frames that this thread read last, with what they mean.
#[derive(Debug)]
pub(super) struct Shapes<M> {
    kept: Vec<Shape<M>>,
    /// The one that was kept or of use last.
    last: usize,
    in_vain: u32,
}

impl<M> Default for Shapes<M> {
    fn default() -> Self {
        Self { kept: Vec::new(), last: 0, in_vain: 0 }
    }
}

/// What may not differ in a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed<'a> {
    /// Everything before this place.
    pub(super) before: usize,
    /// Where the JSON begins.
    pub(super) offset: usize,
    /// Places in the JSON.
    pub(super) places: &'a [Range<usize>],
}

impl<M: Copy> Shapes<M> {
    /// The meaning of a frame that has a shape known by these rules.
    pub(super) fn find(&mut self, text: &str, rules: u64) -> Option<M> {
        let fits = |shape: &Shape<M>| shape.rules == rules && shape.fits(text.as_bytes());
        if !self.kept.get(self.last).is_some_and(fits) {
            if self.is_vain() {
                return None;
            }
            self.last = self.kept.iter().position(fits)?;
        }
        self.in_vain = 0;
        self.kept.get(self.last).map(|shape| shape.meaning)
    }

    /// Whether shapes have been of no use lately.
    fn is_vain(&self) -> bool {
        self.in_vain > PATIENCE
    }

    /// Whether the shape of a frame that has none yet should be kept: always, or seldom while
    /// shapes are of no use.
    pub(super) fn wants(&mut self, text: &str) -> bool {
        self.in_vain = self.in_vain.saturating_add(1);
        text.len() <= MOST_BYTES && (!self.is_vain() || self.in_vain.is_multiple_of(PATIENCE))
    }

    /// Keeps the shape of a frame.
    pub(super) fn keep(&mut self, text: &str, rules: u64, meaning: M, fixed: Fixed<'_>) {
        if self.kept.len() < MOST_SHAPES {
            self.kept.push(Shape { rules, meaning, text: String::new(), free: Vec::new() });
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
        (self.rules, self.meaning) = (rules, meaning);
        self.text.clear();
        self.text.push_str(text);
        self.free.clear();
        let Fixed { before, offset, places } = fixed;
        let free = &mut self.free;
        json::scalars(text.get(offset..).unwrap_or_default(), |range, scalar| {
            let apart = |place: &Range<usize>| range.end <= place.start || place.end <= range.start;
            if offset + range.start >= before && places.iter().all(apart) {
                free.push((offset + range.start..offset + range.end, scalar));
            }
        });
    }

    fn fits(&self, text: &[u8]) -> bool {
        let own = self.text.as_bytes();
        let (mut at, mut there) = (0, 0);
        let mut free = self.free.iter();
        loop {
            let (rest, other) = (own.get(at..).unwrap_or_default(), text.get(there..).unwrap_or_default());
            let same = common(rest, other);
            if same == rest.len() && same == other.len() {
                return true;
            }
            (at, there) = (at + same, there + same);
            // The value in which they differ, or at whose end one of them goes on.
            let Some((range, scalar)) = free.by_ref().find(|(range, _)| at <= range.end) else { return false };
            let Some(before) = at.checked_sub(range.start) else { return false };
            let start = there - before;
            let Some(length) = text.get(start..).and_then(|text| json::scalar(text, *scalar)) else { return false };
            (at, there) = (range.end, start + length);
        }
    }
}

/// How many bytes two texts have in common from their beginning.
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

    /// The shapes of one frame whose text and everything before place 4 is fixed.
    fn shapes(frame: &str) -> Shapes<u8> {
        let mut shapes = Shapes::default();
        let text = frame.find("\"hello\"").unwrap() - 2;
        shapes.keep(frame, 1, 9, Fixed { before: 4, offset: 2, places: std::slice::from_ref(&(text..text + 7)) });
        shapes
    }

    #[test]
    fn values_that_nobody_looks_at_may_differ() {
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
            assert_eq!(shapes(FRAME).find(&frame, 1), Some(9), "{frame}");
            assert_eq!(
                shapes(FRAME).find(&frame.replace("bob", "carol").replace("-1.5e3", "0"), 1),
                Some(9),
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
    fn what_stands_before_a_rules_prefix_ends_is_fixed() {
        let mut shapes = Shapes::default();
        shapes.keep(FRAME, 1, 9_u8, Fixed { before: 20, offset: 2, places: &[] });
        assert_eq!(shapes.find(&FRAME.replace("chat", "chut"), 1), None);
        assert_eq!(shapes.find(&FRAME.replace("bob", "b"), 1), Some(9));
    }

    #[test]
    fn shapes_that_are_of_no_use_are_kept_seldom() {
        let mut shapes = Shapes::<u8>::default();
        let frame = |n: u32| format!("[{n}]");
        let offer = |shapes: &mut Shapes<u8>, n| {
            let text = frame(n);
            if shapes.wants(&text) {
                shapes.keep(&text, 1, 0, Fixed { before: text.len(), offset: 0, places: &[] });
            }
        };
        (1..=64).for_each(|n| offer(&mut shapes, n));
        assert_eq!(shapes.find(&frame(63), 1), None, "not one of the eighth");
        assert_eq!(shapes.find(&frame(64), 1), Some(0));
        for n in 100..200 {
            offer(&mut shapes, n);
            assert_eq!(shapes.find(&frame(n), 1), Some(0), "in use, every one is kept");
        }
        assert_eq!(shapes.kept.len(), MOST_SHAPES);
        assert!(!shapes.wants(&"x".repeat(MOST_BYTES + 1)));
    }

    proptest! {
        #[test]
        fn the_common_beginning_is_what_it_is(a in "[ab]{0,80}", b in "[ab]{0,80}", both in "[ab]{0,80}") {
            let (a, b) = (format!("{both}{a}"), format!("{both}{b}"));
            let expected = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
            prop_assert_eq!(common(a.as_bytes(), b.as_bytes()), expected);
        }
    }
}

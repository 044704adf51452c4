//! Frames read since the last send of a join, since the frame that a step waits for may arrive before the step begins.

use std::collections::VecDeque;

/// Maximum number of frames kept.
const MOST_FRAMES: usize = 64;
/// Maximum number of bytes kept.
const MOST_BYTES: usize = 256 * 1024;

/// The frames since the last send that no step has taken; the oldest are dropped first.
#[derive(Debug, Default)]
pub struct LookBack {
    frames: VecDeque<Box<str>>,
    bytes: usize,
}

impl LookBack {
    /// Keeps a frame that the current step does not wait for.
    pub fn push(&mut self, text: &str) {
        self.frames.push_back(text.into());
        self.bytes += text.len();
        while self.frames.len() > MOST_FRAMES || self.bytes > MOST_BYTES {
            self.bytes -= self.frames.pop_front().map_or(0, |oldest| oldest.len());
        }
    }

    /// Drops all frames, because something is sent.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes the first frame that `is_match` accepts, in the order in which they were read.
    pub fn take(&mut self, mut is_match: impl FnMut(&str) -> bool) -> Option<Box<str>> {
        let at = self.frames.iter().position(|frame| is_match(frame))?;
        let frame = self.frames.remove(at)?;
        self.bytes -= frame.len();
        Some(frame)
    }

    /// The first frame kept, for error messages: most often the answer to what was sent.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.frames.front().map(|frame| &**frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_once_and_in_order() {
        let mut back = LookBack::default();
        ["a1", "b1", "a2"].iter().for_each(|frame| back.push(frame));
        let mut take = |start: char| back.take(|frame| frame.starts_with(start));
        assert_eq!([take('a'), take('a'), take('a')].map(|f| f.unwrap_or_default().to_string()), ["a1", "a2", ""]);
        assert_eq!((back.first(), back.bytes), (Some("b1"), 2));
        back.clear();
        assert_eq!((back.first(), back.bytes), (None, 0));
    }

    #[test]
    fn the_oldest_frames_are_forgotten_first() {
        let mut back = LookBack::default();
        (0..=MOST_FRAMES).for_each(|n| back.push(&n.to_string()));
        assert_eq!(back.take(|frame| frame == "0"), None);
        assert_eq!(back.first(), Some("1"));
        assert_eq!(back.take(|frame| frame == "1").as_deref(), Some("1"));
        back.push(&"x".repeat(MOST_BYTES - 10));
        assert!(back.bytes <= MOST_BYTES && back.take(|frame| frame.starts_with('x')).is_some());
        back.push(&"y".repeat(MOST_BYTES + 1));
        assert_eq!((back.first(), back.bytes), (None, 0), "a frame beyond the limit is not kept");
    }
}

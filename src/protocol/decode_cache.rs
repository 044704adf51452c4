//! The meanings of frames that this thread has just read, for one driver.
//!
//! A broadcast arrives identically on every socket. The websocket reader says which texts are the same
//! ([`TextNumber`]); only the first is parsed, and the others have its meaning. A text has a meaning only for the
//! driver that parsed it, so each driver has its own cache: a number that is part of the key of a thread's slots.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Event, Members};
use crate::marker::Decoded;
use crate::model::{FrameKind, MemberChange, SenderId};
use crate::transport::ws::recent::TextNumber;

/// Number of meanings kept per thread, a power of two; more than the texts that the websocket reader remembers.
const SLOTS: usize = 64;

thread_local! {
    /// The key of the text whose meaning is in each slot.
    static KEYS: [Cell<Key>; SLOTS] = const { [const { Cell::new(Key { cache: 0, number: 0 }) }; SLOTS] };
    static MEANINGS: [Cell<(FrameKind, Meaning)>; SLOTS] =
        const { [const { Cell::new((FrameKind::Unknown, Meaning::Other)) }; SLOTS] };
}

/// The next cache's number.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The meanings of one driver's texts, on every thread that reads them. Clones share the cache.
#[derive(Debug, Clone)]
pub struct DecodeCache(u64);

/// The key of a driver's text. Neither number is ever 0.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    cache: u64,
    number: u64,
}

/// An event without its text.
#[derive(Clone, Copy)]
enum Meaning {
    Message { sender: SenderId, decoded: Decoded, replay: bool },
    Members(MemberChange),
    Other,
    Malformed { decoded: Decoded },
}

impl Meaning {
    /// The meaning of an event, if it can be kept. Lists of side rooms are not kept, because reading one changes the
    /// driver. A join belongs to a connection, not to a text. A refusal owns its words.
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Message { sender, decoded, replay } => {
                Self::Message { sender: *sender, decoded: *decoded, replay: *replay }
            }
            Event::Members(members) => Self::Members(members.change),
            Event::Other => Self::Other,
            Event::Malformed { decoded } => Self::Malformed { decoded: *decoded },
            Event::Refused(_) | Event::MessageRefused(_) | Event::SideRooms(_) | Event::Joined => return None,
        })
    }

    fn event(self, text: &str) -> Event<'_> {
        match self {
            Self::Message { sender, decoded, replay } => Event::Message { sender, decoded, replay },
            Self::Members(change) => Event::Members(Members { text, change }),
            Self::Other => Event::Other,
            Self::Malformed { decoded } => Event::Malformed { decoded },
        }
    }
}

impl Default for DecodeCache {
    fn default() -> Self {
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl DecodeCache {
    /// The meaning of a text that this driver has read before on this thread.
    #[must_use]
    #[inline]
    pub fn find<'a>(&self, text: &'a str, number: TextNumber) -> Option<(FrameKind, Event<'a>)> {
        let number = number.get()?;
        let (key, slot) = (Key { cache: self.0, number }, self.slot(number));
        if KEYS.with(|keys| keys[slot].get()) != key {
            return None;
        }
        let (kind, meaning) = MEANINGS.with(|meanings| meanings[slot].get());
        Some((kind, meaning.event(text)))
    }

    /// Keeps the meaning of a text that is one frame with one meaning, if it can be kept.
    pub fn keep(&self, number: TextNumber, kind: FrameKind, event: &Event<'_>) {
        if let (Some(number), Some(meaning)) = (number.get(), Meaning::of(event)) {
            let slot = self.slot(number);
            KEYS.with(|keys| keys[slot].set(Key { cache: self.0, number }));
            MEANINGS.with(|meanings| meanings[slot].set((kind, meaning)));
        }
    }

    /// The slot of a text. Numbers of texts are consecutive, so those of several drivers are spread apart.
    fn slot(&self, number: u64) -> usize {
        // The remainder is below 64.
        usize::try_from(number.wrapping_add(self.0.wrapping_mul(37)) % SLOTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ws::reader::{Message, Reader};
    use crate::transport::ws::recent::Recent;

    /// Reads the same text on one thread as each of these drivers in turn; returns its kind, and whether it was known.
    fn read_by(drivers: &[(&DecodeCache, FrameKind)]) -> Vec<(FrameKind, bool)> {
        let (mut recent, mut read) = (Recent::default(), Vec::new());
        for (cache, kind) in drivers {
            let on_message = |message: Message<'_>| {
                let Message::Text(text, number) = message else { panic!("{message:?}") };
                let known = cache.find(text, number).map(|(kind, _)| kind);
                cache.keep(number, known.unwrap_or(*kind), &Event::Other);
                read.push((known.unwrap_or(*kind), known.is_some()));
            };
            Reader::new(100).feed(b"\x81\x05hello", &mut recent, on_message).unwrap();
        }
        read
    }

    #[test]
    fn a_text_means_to_each_driver_what_that_driver_read() {
        let (one, other) = (DecodeCache::default(), DecodeCache::default());
        let (chat, error) = (FrameKind::Chat, FrameKind::Error);
        let read = read_by(&[(&one, chat), (&other, error), (&one, error), (&other, chat)]);
        assert_eq!(read, [(chat, false), (error, false), (chat, true), (error, true)]);
    }
}

//! What frames meant that this thread read a moment ago, for one driver.
//!
//! A broadcast comes on every socket alike. The websocket reader says which texts are the same
//! ([`TextNumber`]); the first of them is read, the others mean what it meant. A text means something
//! only to the driver that read it, so each driver has a cache of its own: a number, by which the
//! slots of a thread are told apart.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Event, Members};
use crate::marker::Decoded;
use crate::model::{Failure, FailureClass, FailureKind, FrameKind, MemberChange, SenderId};
use crate::transport::ws::recent::TextNumber;

/// Meanings kept on a thread, a power of two; more than the texts that the websocket reader remembers.
const SLOTS: usize = 64;

thread_local! {
    static SLOTS_OF_THREAD: [Cell<Option<Slot>>; SLOTS] = const { [const { Cell::new(None) }; SLOTS] };
}

/// The next cache's number.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The meanings of one driver's texts, on every thread that reads them. A clone is the same cache.
#[derive(Debug, Clone)]
pub struct DecodeCache(u64);

#[derive(Clone, Copy)]
struct Slot {
    cache: u64,
    number: u64,
    kind: FrameKind,
    meaning: Meaning,
}

/// An event without the text it came from.
#[derive(Clone, Copy)]
enum Meaning {
    Message { sender: SenderId, decoded: Decoded, replay: bool },
    Members(MemberChange),
    Refused(FailureClass, FailureKind),
    Other,
    Malformed { decoded: Decoded },
}

impl Meaning {
    /// Lists of side rooms are not kept: reading one teaches the driver. That a user has joined is known
    /// by its connection, not by a text. A refusal in words would have to be allocated again.
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Message { sender, decoded, replay } => {
                Self::Message { sender: *sender, decoded: *decoded, replay: *replay }
            }
            Event::Members(members) => Self::Members(members.change),
            Event::Refused(failure) if failure.detail.is_empty() && failure.retry_after.is_none() => {
                Self::Refused(failure.class, failure.kind)
            }
            Event::Other => Self::Other,
            Event::Malformed { decoded } => Self::Malformed { decoded: *decoded },
            Event::Refused(_) | Event::MessageRefused(_) | Event::SideRooms(_) | Event::Joined => return None,
        })
    }

    fn event(self, text: &str) -> Event<'_> {
        match self {
            Self::Message { sender, decoded, replay } => Event::Message { sender, decoded, replay },
            Self::Members(change) => Event::Members(Members { text, change }),
            Self::Refused(class, kind) => Event::Refused(Failure::new(kind).classed(class)),
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
    /// What a text means where this driver read the same text before on this thread.
    #[must_use]
    pub fn find<'a>(&self, text: &'a str, number: TextNumber) -> Option<(FrameKind, Event<'a>)> {
        let number = number.get()?;
        let slot = SLOTS_OF_THREAD.with(|slots| slots[self.place(number)].get())?;
        (slot.number == number && slot.cache == self.0).then(|| (slot.kind, slot.meaning.event(text)))
    }

    /// Keeps what a text means, if that can be kept: for a text that is one frame of one meaning.
    pub fn keep(&self, number: TextNumber, kind: FrameKind, event: &Event<'_>) {
        if let (Some(number), Some(meaning)) = (number.get(), Meaning::of(event)) {
            let slot = Slot { cache: self.0, number, kind, meaning };
            SLOTS_OF_THREAD.with(|slots| slots[self.place(number)].set(Some(slot)));
        }
    }

    /// Texts follow each other, so those of several drivers lie far apart.
    fn place(&self, number: u64) -> usize {
        // The remainder is below 64.
        usize::try_from(number.wrapping_add(self.0.wrapping_mul(37)) % SLOTS as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ws::reader::{Message, Reader};
    use crate::transport::ws::recent::Recent;

    /// Reads the same text on one thread as each of these drivers in turn: as what, and whether it was known.
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

//! What frames meant that this thread read a moment ago.
//!
//! A broadcast comes on every socket alike. The websocket below says which texts are the same
//! ([`TextNumber`]); the first of them is read, the others mean what it meant.

use std::cell::Cell;

use super::side_rooms::SideRooms;
use super::wire;
use crate::marker::Decoded;
use crate::model::{Failure, FailureClass, FailureKind, FrameKind, SenderId};
use crate::protocol::{Event, Members};
use crate::transport::ws::recent::TextNumber;

/// Meanings kept, a power of two; more than the texts that the websocket remembers.
const PLACES: usize = 64;

thread_local! {
    static KEPT: [Cell<Option<Kept>>; PLACES] = const { [const { Cell::new(None) }; PLACES] };
}

#[derive(Clone, Copy)]
struct Kept {
    number: u64,
    kind: FrameKind,
    meaning: Meaning,
}

/// An event without the text it came from.
#[derive(Clone, Copy)]
enum Meaning {
    Message { sender: SenderId, decoded: Decoded },
    Members,
    Refused(FailureClass, FailureKind),
    Other,
    Malformed { decoded: Decoded },
}

impl Meaning {
    /// Lists of breakouts are not kept: reading one teaches the rooms. Nothing is replayed here, and
    /// that a user has joined is known by the socket, not by a text.
    fn of(event: &Event<'_>) -> Option<Self> {
        Some(match event {
            Event::Message { sender, decoded, replay: false } => Self::Message { sender: *sender, decoded: *decoded },
            Event::Members(_) => Self::Members,
            Event::Refused(failure) => Self::Refused(failure.class, failure.kind),
            Event::Other => Self::Other,
            Event::Malformed { decoded } => Self::Malformed { decoded: *decoded },
            Event::SideRooms(_) | Event::Joined | Event::Message { replay: true, .. } => return None,
        })
    }

    fn event(self, text: &str) -> Event<'_> {
        match self {
            Self::Message { sender, decoded } => Event::Message { sender, decoded, replay: false },
            Self::Members => Event::Members(Members { text }),
            Self::Refused(class, kind) => Event::Refused(Failure::new(kind).classed(class)),
            Self::Other => Event::Other,
            Self::Malformed { decoded } => Event::Malformed { decoded },
        }
    }
}

/// Gives the meaning of a text frame to `sink`, once.
pub(super) fn of(text: &str, number: TextNumber, rooms: &SideRooms, sink: impl FnOnce(FrameKind, Event<'_>)) {
    let Some(number) = number.get() else { return wire::read(text, rooms, sink) };
    match kept(number) {
        Some(kept) => sink(kept.kind, kept.meaning.event(text)),
        None => wire::read(text, rooms, |kind, event| {
            if let Some(meaning) = Meaning::of(&event) {
                keep(Kept { number, kind, meaning });
            }
            sink(kind, event);
        }),
    }
}

fn place(number: u64) -> usize {
    // The remainder is below 64.
    usize::try_from(number % PLACES as u64).unwrap_or(0)
}

fn kept(number: u64) -> Option<Kept> {
    KEPT.with(|kept| kept[place(number)].get()).filter(|kept| kept.number == number)
}

fn keep(what: Kept) {
    KEPT.with(|kept| kept[place(what.number)].set(Some(what)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ws::reader::{Message, Reader};
    use crate::transport::ws::recent::Recent;

    /// The recorded frames, each as a websocket frame, three times over: the second and third
    /// time every text is known, and must be told as the first time.
    #[test]
    fn what_is_known_means_what_it_meant() {
        let mut recent = Recent::default();
        let mut told = Vec::new();
        for line in include_str!("../../../tests/frames/server.jsonl").lines().cycle().take(3 * 17) {
            let length = u16::try_from(line.len()).unwrap().to_be_bytes();
            let frame = [&[0x81, 126][..], &length, line.as_bytes()].concat();
            let hear = |message: Message<'_>| {
                let Message::Text(text, number) = message else { panic!("{message:?}") };
                of(text, number, &SideRooms::default(), |kind, event| told.push(format!("{kind:?} {event:?}")));
            };
            Reader::new(1 << 20).feed(&frame, &mut recent, hear).unwrap();
        }
        assert_eq!(told.len(), 51);
        assert_eq!(told[..17], told[17..34]);
        assert_eq!(told[..17], told[34..]);
    }
}

//! State shared by the sockets of a driver: the side rooms of each event, and the meanings of recent frames.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::side_rooms::SideRooms;
use super::wire;
use crate::model::FrameKind;
use crate::protocol::{DecodeCache, Event, Transcript};
use crate::transport::ws::recent::TextNumber;

/// State shared by all sockets of a driver, by event.
#[derive(Default)]
pub(super) struct Events {
    /// The meanings of recent frames, which are the same in every event.
    decoded: DecodeCache,
    events: Mutex<HashMap<Box<str>, Arc<Shared>>>,
    transcript: Option<Arc<dyn Transcript>>,
}

impl Events {
    /// Without events; `transcript` observes the traffic.
    pub(super) fn told_to(transcript: Option<Arc<dyn Transcript>>) -> Self {
        Self { transcript, ..Self::default() }
    }

    /// The state shared by the sockets of an event.
    pub(super) fn of(&self, slug: &str) -> Arc<Shared> {
        let mut events = self.events.lock();
        if let Some(shared) = events.get(slug) {
            return Arc::clone(shared);
        }
        let shared = Arc::new(Shared {
            rooms: SideRooms::default(),
            decoded: self.decoded.clone(),
            transcript: self.transcript.clone(),
        });
        events.insert(slug.into(), Arc::clone(&shared));
        shared
    }
}

/// State shared by all sockets of an event.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) rooms: SideRooms,
    decoded: DecodeCache,
    /// Observer of the traffic, if there is one.
    pub(super) transcript: Option<Arc<dyn Transcript>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("rooms", &self.rooms).finish_non_exhaustive()
    }
}

impl Shared {
    /// Passes the meaning of a text frame to `sink`, once.
    pub(super) fn decode(&self, text: &str, number: TextNumber, sink: impl FnOnce(FrameKind, Event<'_>)) {
        match self.decoded.find(text, number) {
            Some((kind, event)) => sink(kind, event),
            None => wire::read(text, &self.rooms, |kind, event| {
                self.decoded.keep(number, kind, &event);
                sink(kind, event);
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ws::reader::{Message, Reader};
    use crate::transport::ws::recent::Recent;

    /// The recorded frames, each as a websocket frame, three times: the second and third time every text is known, and
    /// must have the same meaning as the first time.
    #[test]
    fn what_is_known_means_what_it_meant() {
        let (mut recent, shared) = (Recent::default(), Shared::default());
        let mut told = Vec::new();
        for line in include_str!("../../../tests/frames/server.jsonl").lines().cycle().take(3 * 17) {
            let length = u16::try_from(line.len()).unwrap().to_be_bytes();
            let frame = [&[0x81, 126][..], &length, line.as_bytes()].concat();
            let hear = |message: Message<'_>| {
                let Message::Text(text, number) = message else { panic!("{message:?}") };
                shared.decode(text, number, |kind, event| told.push(format!("{kind:?} {event:?}")));
            };
            Reader::new(1 << 20).feed(&frame, &mut recent, hear).unwrap();
        }
        assert_eq!(told.len(), 51);
        assert_eq!(told[..17], told[17..34]);
        assert_eq!(told[..17], told[34..]);
    }
}

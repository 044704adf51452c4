//! The pieces whose cost decides, run on bytes and stamps of their own making: no socket, no
//! clock, so that the same count is the same work.

use std::sync::Arc;
use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};
use parking_lot::Mutex;
use soakrig::clock::Stamp;
use soakrig::drivers::plenary::Inbox;
use soakrig::drivers::plenary::vocabulary::VOCABULARY;
use soakrig::ledger::{Identity, Ledger, RoomShare};
use soakrig::marker::{GeneratorTag, RoomTag, RunTag};
use soakrig::metrics::Metrics;
use soakrig::model::{Action, DeliveryRules, DeliveryTerms, Origin, Outcome, Pacing, SenderId, UserIndex, UserState};
use soakrig::pool::Roster;
use soakrig::protocol::{Event, Received};
use soakrig::schedule::Intent;
use soakrig::schedule::timetable::Timetable;
use soakrig::transport::ws::extension::PerMessageDeflate;
use soakrig::transport::ws::recent::Recent;

/// Users of the room.
pub const USERS: u32 = 100;
/// Bytes of a read.
const READ: usize = 64 * 1024;

/// Rooms of users, their ledger and metrics; one of the rooms is the present one.
pub struct FullRoom {
    ledger: Mutex<Ledger>,
    metrics: Arc<Metrics>,
    inboxes: Vec<Inbox>,
    recent: Recent,
    now: Stamp,
    /// The server's compressor, where frames are compressed.
    compressor: Option<Compress>,
    /// Users of each room.
    users: u32,
    /// The first user of the present room.
    first: u32,
}

impl FullRoom {
    /// A room where everybody is connected.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        Self::of(1, USERS)
    }

    /// So many rooms of so many users each, where everybody is connected.
    pub fn of(rooms: u32, users: u32) -> Result<Self, Box<dyn std::error::Error>> {
        let terms = DeliveryTerms { deadline: Duration::from_secs(10), horizon: Duration::from_secs(60) };
        let identity = Identity { run: RunTag::of("bench"), generator: GeneratorTag(7), origin_micros: 1 };
        let shares: Vec<RoomShare> = (0..rooms).map(|room| RoomShare { tag: RoomTag(room), users }).collect();
        let mut ledger = Ledger::new(terms, DeliveryRules::ALL, identity, &shares);
        for user in (0..rooms * users).map(UserIndex) {
            ledger.introduce(user, SenderId::number(u64::from(user.0) + 1));
            ledger.opening(user);
            ledger.connected(user, Stamp(0));
        }
        // All users of a run share the driver, and so what its texts mean.
        let first = Inbox::new(1 << 24);
        Ok(Self {
            ledger: Mutex::new(ledger),
            metrics: Arc::new(Metrics::new(VOCABULARY)?),
            inboxes: (0..rooms * users).map(|_| first.another(1 << 24)).collect(),
            recent: Recent::default(),
            now: Stamp(0),
            compressor: None,
            users,
            first: 0,
        })
    }

    /// Goes on to the next room.
    pub fn next_room(&mut self) {
        self.first = (self.first + self.users) % self.inboxes.len() as u32;
    }

    /// The same room, whose chats come compressed, with context takeover: all have heard the same
    /// since they came, so that the same bytes come to all. The compressor works once for all of them.
    pub fn compressed(mut self) -> Self {
        let compressed = |inbox: Inbox| inbox.compressed(PerMessageDeflate::default());
        self.inboxes = self.inboxes.into_iter().map(compressed).collect();
        self.compressor = Some(Compress::new(Compression::fast(), false));
        self
    }

    /// Frames of so many new chats, one behind the other.
    pub fn chats(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..count {
            self.now = self.now.plus(Duration::from_millis(10));
            let sender = self.first + 3;
            let handed = self.ledger.lock().record_send(UserIndex(sender), self.now, self.now);
            let name = u64::from(sender) + 1;
            let text = handed.marker.encode(SenderId::number(name), &"we talk about this and that ".repeat(3));
            let chat = format!(
                "{{\"payload\": {{\"id\": {}, \"user\": {name}, \"created\": \"2026-11-24T12:00:00.000000+00:00\", \
                 \"message\": \"{text}\", \"highlight\": false, \"archived\": false, \"mentions\": []}}, \"type\": \"chat\"}}",
                handed.marker.seq
            );
            bytes.extend(match &mut self.compressor {
                None => frame(0x81, chat.as_bytes()),
                Some(compressor) => {
                    let mut packed = Vec::with_capacity(2 * chat.len());
                    // A message leaves the last four bytes out (RFC 7692, 7.2.1).
                    let _ = compressor.compress_vec(chat.as_bytes(), &mut packed, FlushCompress::Sync);
                    frame(0xC1, &packed[..packed.len() - 4])
                }
            });
        }
        bytes
    }

    /// Gives bytes to every user of the present room, as reads of 64 kB, down to the verdicts and the metrics.
    pub fn deliver(&mut self, bytes: &[u8]) {
        self.now = self.now.plus(Duration::from_millis(1));
        let Self { ledger, metrics, inboxes, recent, now, users, first, .. } = self;
        let range = *first..*first + *users;
        let Some(room) = inboxes.get_mut(range.start as usize..range.end as usize) else { return };
        for (inbox, user) in room.iter_mut().zip(range.map(UserIndex)) {
            for read in bytes.chunks(READ) {
                let hear = |frame: Received<'_>| {
                    if let Some(kind) = frame.kind {
                        metrics.received(kind, 1);
                    }
                    if let Event::Message { sender, decoded, .. } = frame.event {
                        ledger.lock().receive(user, sender, decoded, frame.at);
                    }
                };
                // The bytes are our own, and whole.
                let _ = inbox.feed(*now, read, recent, hear);
                metrics.received_bytes(read.len() as u64);
            }
        }
    }

    /// Passes verdicts and forgets, as happens four times per second.
    pub fn sweep(&mut self) {
        self.ledger.lock().sweep(self.now);
    }

    /// Deliveries that came on time.
    pub fn came(&self) -> u64 {
        self.ledger.lock().tally().origin(Origin::Local).outcome(Outcome::OnTime)
    }
}

/// A member list of about 200 kB.
pub fn list() -> Vec<u8> {
    let one = "{\"id\": 1, \"username\": \"loadtest0\", \"display_name\": \"loadtest0\", \"image\": null}";
    let members = vec![one; 200_000 / one.len()].join(", ");
    let text = format!("{{\"payload\": {{\"members\": [{members}], \"lurkers\": 0}}, \"type\": \"presence\"}}");
    frame(0x81, text.as_bytes())
}

/// A frame of the server's whose first byte is `first`.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u64;
    let head: Vec<u8> = match payload.len() {
        0..=125 => vec![first, length as u8],
        126..=65_535 => [&[first, 126], &length.to_be_bytes()[6..]].concat(),
        _ => [&[first, 127], &length.to_be_bytes()[..]].concat(),
    };
    [head, payload.to_vec()].concat()
}

/// A schedule and the users that take its intents.
pub struct Desks {
    table: Timetable,
    roster: Roster,
    now: Stamp,
}

impl Desks {
    /// 1,000 intents per second for a room where every user is free.
    pub fn new() -> Self {
        let mut table = Timetable::new(Pacing::Even, 1);
        table.set_rate(1_000.0, Stamp(0));
        let roster = Roster::new(USERS as usize, 1);
        for user in (0..USERS).map(UserIndex) {
            roster.set(user, UserState::Connected);
        }
        Self { table, roster, now: Stamp(0) }
    }

    /// One tick of a millisecond: what is due is given to somebody, who takes it up.
    pub fn tick(&mut self) {
        self.now = self.now.plus(Duration::from_millis(1));
        while let Some(intended) = self.table.take_due(self.now) {
            let taken = self.roster.offer(Intent { action: Action::Chat, intended });
            if let Some(slot) = taken.ok().and_then(|user| self.roster.slot(user)) {
                std::hint::black_box(slot.take());
                slot.done();
            }
        }
    }
}

//! The receiving path of the file driver: files, and the frames that they describe.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use soakrig::clock::{Clock, Stamp};
use soakrig::drivers::file::{FileInbox, FileProtocol, ParseOptions, parse};
use soakrig::ledger::{Identity, Ledger, RoomShare};
use soakrig::marker::{GeneratorTag, RoomTag, RunTag};
use soakrig::metrics::Metrics;
use soakrig::model::{DeliveryRules, DeliveryTerms, Origin, Outcome, SenderId, UserIndex};
use soakrig::protocol::{DriverSettings, Event, Protocol, Received, Session, Untraced};
use soakrig::transport::ConnectionOptions;
use soakrig::transport::tls::TlsSettings;
use soakrig::transport::ws::recent::Recent;

use crate::path::{USERS, frame};

/// A kind of messages, and the file that describes it.
pub struct Kind {
    /// In the frame, `TEXT` is the message's text and `SEQ` its number.
    frame: &'static str,
    received: &'static str,
}

/// Stands in a frame for the number of its receiver.
const RECEIVER: &str = "100000";

/// The plenary driver's own messages: the same for all.
pub const SAME: Kind = Kind {
    frame: r#"{"payload": {"id": SEQ, "user": 4, "created": "2026-11-24T12:00:00.000000+00:00", "message": "TEXT", "highlight": false, "archived": false, "mentions": []}, "type": "chat"}"#,
    received: r#"match = { json = { "/type" = "chat" } }
text = "json:/payload/message"
sender = "json:/payload/user""#,
};

/// JSON in which a number and a name are the receiver's.
pub const DIFFERS: Kind = Kind {
    frame: r#"{"payload": {"id": SEQ, "user": 4, "created": "2026-11-24T12:00:00.000000+00:00", "offset": 100000, "message": "TEXT", "highlight": false, "archived": false, "mentions": [], "to": "user100000"}, "type": "chat"}"#,
    received: SAME.received,
};

/// A line that names its receiver, read by a regular expression.
pub const REGEX: Kind = Kind {
    frame: ":4!u100000@127.0.0.1 PRIVMSG #room :TEXT",
    received: r##"match = { regex = "^:(?P<from>[^! ]+)![^ ]+ PRIVMSG #room :(?P<text>.*)$" }
text = "group:text"
sender = "group:from""##,
};

/// A stanza of XMPP to its receiver.
pub const XML: Kind = Kind {
    frame: "<message type='groupchat' to='u100000@localhost/R' xmlns='jabber:client' from='r@rooms.localhost/4' id='mSEQ'><body>TEXT</body></message>",
    received: r#"match = { prefix = "<message ", contains = " from='r@rooms.localhost/" }
text = "regex:<body>([^<]*)</body>"
sender = "regex: from='[^'/]*/([^']+)'"
decode = "xml""#,
};

/// A room of users of the file driver, their ledger and metrics.
pub struct FileRoom {
    ledger: Ledger,
    metrics: Arc<Metrics>,
    inboxes: Vec<FileInbox>,
    recent: Recent,
    now: Stamp,
}

impl FileRoom {
    /// The number of a new message of the user with the id 4, and its text.
    fn message(&mut self) -> (u64, String) {
        self.now = self.now.plus(Duration::from_millis(10));
        let handed = self.ledger.record_send(UserIndex(3), self.now, self.now);
        let text = handed.marker.encode(SenderId::number(4), &"we talk about this and that ".repeat(3));
        (handed.marker.seq, text)
    }

    /// Gives bytes to every user, with the number of the user, from 100,000 on, in these places.
    fn give(&mut self, bytes: &mut [u8], places: &[usize]) {
        self.now = self.now.plus(Duration::from_millis(1));
        let Self { ledger, metrics, inboxes, recent, now } = self;
        let ledger = &Mutex::new(ledger);
        for (user, inbox) in (0..USERS).zip(inboxes) {
            let digits = [b'1', b'0', b'0', b'0', b'0' + (user / 10) as u8, b'0' + (user % 10) as u8];
            places.iter().for_each(|at| bytes[*at..*at + digits.len()].copy_from_slice(&digits));
            let hear = |frame: Received<'_>| {
                if let Some(kind) = frame.kind {
                    metrics.received(kind, 1);
                }
                if let Event::Message { sender, decoded, .. } = frame.event {
                    ledger.lock().receive(UserIndex(user), sender, decoded, frame.at);
                }
            };
            // The bytes are our own, and whole.
            let _ = inbox.feed(*now, bytes, recent, hear);
            metrics.received_bytes(bytes.len() as u64);
        }
    }

    /// Deliveries that came on time.
    pub fn came(&self) -> u64 {
        self.ledger.tally().origin(Origin::Local).outcome(Outcome::OnTime)
    }
}

/// A room of the file driver in which all users are connected.
pub fn room(kind: &Kind) -> Result<FileRoom, Box<dyn std::error::Error>> {
    let text = format!(
        "schema = 1\n[socket]\nurl = \"{{{{ws}}}}/\"\n[message]\nsend = \"{{{{text}}}}\"\necho = true\n\
         [[message.received]]\n{}\n",
        kind.received
    );
    let protocol = FileProtocol::new("pieces", "pieces", parse::parse("pieces.toml", &text, &ParseOptions::default())?);
    let metrics = Arc::new(Metrics::new(protocol.vocabulary())?);
    let driver = protocol.driver(DriverSettings {
        base: "http://127.0.0.1/".parse()?,
        room: "room".to_owned(),
        connection: ConnectionOptions {
            tls: TlsSettings::default(),
            source_ips: Vec::new(),
            resolve: Vec::new(),
            headers: http::HeaderMap::new(),
            compression: false,
            proxy: None,
            max_frame: 1 << 24,
            http_timeout: Duration::from_secs(20),
        },
        clock: Clock::start(),
        secrets: Vec::new(),
        probe: Arc::clone(&metrics) as _,
        trace: Arc::new(Untraced),
    })?;
    let inboxes = (0..USERS).map(|_| driver.inbox(Session::default(), 1 << 24)).collect();
    let terms = DeliveryTerms { deadline: Duration::from_secs(10), horizon: Duration::from_secs(60) };
    let identity = Identity { run: RunTag::of("bench"), generator: GeneratorTag(7), origin_micros: 1 };
    let share = RoomShare { tag: RoomTag::of("test"), users: USERS };
    let mut ledger = Ledger::new(terms, DeliveryRules::ALL, identity, &[share]);
    for user in (0..USERS).map(UserIndex) {
        ledger.introduce(user, SenderId::number(u64::from(user.0) + 1));
        ledger.opening(user);
        ledger.connected(user, Stamp(0));
    }
    Ok(FileRoom { ledger, metrics, inboxes, recent: Recent::default(), now: Stamp(0) })
}

/// A new message to all users of a room.
pub fn deliver(room: &mut FileRoom, kind: &Kind) {
    let (seq, text) = room.message();
    let text = kind.frame.replace("SEQ", &seq.to_string()).replace("TEXT", &text);
    let mut bytes = frame(0x81, text.as_bytes());
    let head = bytes.len() - text.len();
    let places: Vec<usize> = text.match_indices(RECEIVER).map(|(at, _)| head + at).collect();
    room.give(&mut bytes, &places);
    room.ledger.sweep(room.now);
}
